"""A peer in another language, written from the documents alone, is a member like any other.

`js_peer/` is that peer: js-libp2p underneath, and above it what docs/protocol says. Here two real nodes are a
federation that has written already when the peer redeems a ticket of the first. One such company serves all tests but
that of mDNS. Its creator governs: the peer knows the chain, and takes no part in consensus.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from bootstrap.live import netns
from tests.interop.js_process import Event, JsPeer, install
from tests.support.processes import Federation, Home, Status, patiently, zenmesh

DOCS = Path(__file__).parents[2] / "docs"
PLAN = {"goal": "ship"}
REWRITES, FILLER = 12, "x" * 8000  # so much rewritten that the state is shorter than the batches that led to it
ACTIVE_AT = 4  # beta's JOIN and PROMOTE are blocks 1 and 2, gamma's 3 and 4
OFFER = {"worker_types": ["python", "review"], "max_workers": 4, "memory_available": 512 * 1024 * 1024}

pytestmark = [pytest.mark.node, pytest.mark.processes, pytest.mark.xdist_group("js_peer")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """The JavaScript peer gamma, the node alpha that admitted it, and a third member, the node beta."""

    alpha: Home
    beta: Home
    peer: JsPeer


@pytest.fixture(scope="module")
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(request.config, tmp_path_factory.mktemp("js_peer"))


def offer(home: Home) -> None:
    """Let the node announce `OFFER`."""
    path = home.directory / "config.toml"
    fields = {"worker_types": '["python", "review"]', "max_workers": "4", "memory_mib": "512"}
    text = path.read_text()
    for name, value in fields.items():
        text = re.sub(rf"^{name} = .*$", f"{name} = {value}", text, flags=re.MULTILINE)
    path.write_text(text)


@pytest.fixture(scope="module")
def company(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    directory = tmp_path_factory.mktemp("federation")
    with Federation(directory) as federation, JsPeer(program, directory / "gamma") as peer:
        alpha, beta = (federation.home(name).init().configure(govern=False) for name in ("alpha", "beta"))
        offer(alpha)
        alpha.create_federation()
        alpha.run().wait_ready()
        beta.join(alpha.invite())
        beta.run().wait_ready()
        for step in range(REWRITES):
            alpha.put("churn", {"step": step, "filler": FILLER})
        beta.put("early", PLAN)
        peer.do({"do": "join", "ticket": alpha.cli("invite").json["ticket"]})
        peer.wait_for("block", lambda event: event["kinds"] == ["PROMOTE"] and event["height"] == ACTIVE_AT)
        yield Company(alpha=alpha, beta=beta, peer=peer)


def told(program: Path, script: str, documents: Path) -> list[Event]:
    """What a script of the peer, run over a folder of documents, says in its lines."""
    done = subprocess.run(["node", str(program / script), str(documents)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_worked_examples_of_the_documents_come_out_of_the_peer_too(program: Path) -> None:
    examples = told(program, "examples.js", DOCS / "protocol")
    assert (
        " ".join(example["example"] for example in examples) == "keys envelope frame genesis ticket block trie batch"
    )
    assert not [example for example in examples if example["differ"] or not example["fields"]]


def test_the_peer_makes_the_published_vectors_and_refuses_what_they_refuse(program: Path) -> None:
    sections = told(program, "vectors.js", DOCS / "vectors")
    assert {
        "cbor/refused",
        "envelopes/refused",
        "frames/refused",
        "messages/HELLO",
        "logs/batches",
        "trie/counted",
    } <= {section["section"] for section in sections}
    assert not [section for section in sections if section["wrong"] or not section["vectors"]]


def test_a_ticket_makes_the_peer_a_member(company: Company) -> None:
    connected = company.peer.wait_for("connected")
    assert (connected["encryption"], connected["multiplexer"]) == ("/noise", "/yamux/1.0.0")
    company.peer.wait_for("join", lambda event: event["status"] == "ACCEPTED")
    assert company.peer.wait_for("hello")["name"] == "alpha"
    blocks = [event["kinds"] for event in company.peer.events if event["event"] == "block"]
    assert blocks == [["JOIN"], ["PROMOTE"], ["JOIN"], ["PROMOTE"]]

    ready = company.peer.wait_for("ready")
    status = json.loads(zenmesh("status", "--home", str(company.alpha.directory), "--json").out)
    (gamma,) = [member for member in status["members"] if member["swarm"] == "gamma"]
    assert (gamma["state"], gamma["connected"]) == ("ACTIVE", True)
    assert (gamma["swarm_id"], gamma["peer_id"]) == (ready["swarm"], ready["peer"])


def test_the_peer_and_the_other_member_link_too(company: Company) -> None:
    company.peer.wait_for("hello", lambda event: event["name"] == "beta")
    company.beta.wait_until(lambda status: "gamma" in linked_members(status), "a link to gamma")


def linked_members(status: Status) -> set[str]:
    """The names of the members that the node is connected to."""
    return {member["swarm"] for member in status["members"] if member["connected"]}


def test_the_peer_answers_probes(company: Company) -> None:
    company.alpha.wait_until(
        lambda status: any(peer["rtt_ms"] for peer in status["peers"] if peer["swarm"] == "gamma"), "a probe answered"
    )


@pytest.mark.parametrize("kind", ["BATCH", "HEARTBEAT"])
def test_gossip_verifies_by_the_keys_on_the_chain_and_no_mutant_does(company: Company, kind: str) -> None:
    status = company.alpha.status()
    company.alpha.put("gossip", kind)
    heard = company.peer.wait_for(
        "gossip", lambda event: event["name"] == kind and event["publisher"] == status["peer_id"]
    )
    assert heard["said"]["swarm"] == status["swarm_id"]
    assert heard["mutants"]["bytes"] > 200
    assert heard["mutants"]["rejected"] == heard["mutants"]["bytes"]


def test_the_peer_understands_what_a_node_announces(company: Company) -> None:
    addresses = company.alpha.addresses()
    heard = company.peer.wait_for("discovery", lambda event: event["addresses"] == addresses)
    load = heard["capabilities"].pop("current_load_permille")
    assert (heard["capabilities"], 0 <= load <= 1000) == (OFFER, True)


@pytest.mark.parametrize(("way", "workers"), [("mesh", 2), ("gossip", 3)])
def test_the_nodes_understand_what_the_peer_announces(company: Company, way: str, workers: int) -> None:
    nodes = {company.alpha.status()["peer_id"], company.beta.status()["peer_id"]}
    company.peer.wait_for("subscribers", lambda event: nodes <= set(event["peers"]))
    said = {"worker_types": ["js"], "max_workers": workers, "memory_available": 4096}
    company.peer.do({"do": "announce", "by": way, "capabilities": {**said, "current_load_permille": 250}})
    shown = {**said, "current_load": 0.25}
    for home in (company.alpha, company.beta):
        home.wait_until(
            lambda status: shown in [member["capabilities"] for member in status["members"]], "its announcement"
        )


def test_what_a_user_puts_arrives_in_chained_batches_with_the_root_they_sign(company: Company) -> None:
    batches = []
    for key in ("first", "second"):
        zenmesh("memory", "put", key, json.dumps(PLAN), "--home", str(company.alpha.directory))
        batches.append(company.peer.wait_for("batch", partial(writes, key)))
        (op,) = batches[-1]["ops"]
        assert (op["collection"], op["key"], op["kind"], json.loads(op["value"])) == ("memory", key, "PUT", PLAN)
    assert batches[1]["seq"] == batches[0]["seq"] + 1
    assert batches[1]["prev_hash"] == batches[0]["hash"]

    log = company.alpha.status()["version_vector"]["alpha"]
    assert (log["seq"], log["head"]) == (batches[1]["seq"], batches[1]["hash"])
    agree(company)


def writes(key: str, event: Event) -> bool:
    """Does this batch, new to the peer, begin with an op on the key?"""
    return event["outcome"] == "applied" and event["ops"][0]["key"] == key


def agree(company: Company) -> None:
    """The peer computes the same root over all logs as the nodes do."""
    for _ in patiently(20.0):
        state = company.peer.do({"do": "state"}, answer="state")
        seen = [
            (status["state_root"], status["height"]) for status in (company.alpha.status(), company.beta.status())
        ]
        if {(state["root"], state["height"])} == set(seen):
            return
    raise AssertionError(f"no agreement: {state} and {seen}\n{company.alpha.log()}")


def test_a_sync_session_brings_the_batches_written_before_the_peer_came(company: Company) -> None:
    batch = company.peer.wait_for("batch", partial(writes, "early"))
    assert (batch["via"], batch["seq"], json.loads(batch["ops"][0]["value"])) == ("sync", 1, PLAN)
    company.peer.wait_for("synced")


def test_a_sync_session_brings_the_state_where_that_is_shorter(company: Company) -> None:
    snapshot = company.peer.wait_for("snapshot")
    assert (snapshot["header"]["swarm"], snapshot["entries"]) == (company.alpha.status()["swarm_id"], 1)


def test_a_sync_session_serves_what_the_peer_wrote_and_told_nobody(company: Company) -> None:
    company.peer.do({"do": "put", "key": "quiet", "value": [1, "two"], "quietly": True})
    for home in (company.alpha, company.beta):
        home.wait_for("quiet", {"gamma": [1, "two"]})
    served = company.peer.wait_for("sync served", lambda event: event["batches"] > 0)
    assert served["swarm"] == company.peer.wait_for("ready")["swarm"]
    company.peer.wait_for("held")
    agree(company)


@pytest.mark.netns
def test_on_a_lan_each_finds_the_other_by_mdns(program: Path, tmp_path: Path) -> None:
    everywhere = ("/ip4/0.0.0.0/tcp/0",)
    with netns.Lan(3) as lan, Federation(tmp_path) as federation:
        node = federation.home("alpha", launch=partial(lan.exec, 0)).init().configure(govern=False)
        node.create_federation()
        node.run(listen=everywhere, mdns=True).wait_ready()
        alpha = node.status()["peer_id"]

        with JsPeer(program, tmp_path / "gamma", listen=everywhere, mdns=True, launch=partial(lan.exec, 1)) as seeker:
            found = seeker.wait_for("found", lambda event: event["peer"] == alpha)
            (address,) = [each for each in found["addresses"] if f"/{lan.ipv4(0)}/" in each]
            seeker.do({"do": "join", "ticket": node.invite(), "address": f"{address}/p2p/{alpha}"})
            seeker.wait_for("established", lambda event: event["peer"] == alpha)

        # The same peer at another place, of which nobody was told. It dials nobody, so a link is the node's doing.
        with JsPeer(program, tmp_path / "gamma", listen=everywhere, mdns=True, launch=partial(lan.exec, 2)) as sought:
            (place,) = [each for each in sought.wait_for("ready")["addresses"] if f"/{lan.ipv4(2)}/" in each]
            dialled = {
                "swarm": "gamma",
                "inbound": False,
                "state": "established",
                "address": place.partition("/p2p/")[0],
            }
            node.wait_until(
                lambda status: any(dialled.items() <= peer.items() for peer in status["peers"]),
                "a link to the peer found",
                60,
            )
            sought.wait_for("established", lambda event: event["peer"] == alpha)
