"""A peer in another language, written from the documents alone, is a member like any other.

`js_peer/` is that peer: js-libp2p underneath, and above it what docs/protocol says. Here a real node founds a
federation and writes into it; then the peer redeems a ticket of it. One such pair serves all tests but that of mDNS.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.interop.js_process import JsPeer, install
from tests.support.processes import Federation, Home, patiently, zenmesh

DOCS = Path(__file__).parents[2] / "docs" / "protocol"
EARLY, LATE = {"goal": "ship"}, {"goal": "ship it"}
OFFER = {"worker_types": ["python", "review"], "max_workers": 4, "memory_available": 512 * 1024 * 1024}

pytestmark = [pytest.mark.node, pytest.mark.processes, pytest.mark.xdist_group("js_peer")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A zenmesh node, and a JavaScript peer that it admitted."""

    node: Home
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
def pair(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    directory = tmp_path_factory.mktemp("federation")
    with Federation(directory) as federation, JsPeer(program, directory / "gamma", "gamma") as peer:
        node = federation.home("alpha").init()
        offer(node)
        node.create_federation()
        node.run().wait_ready()
        node.put("early", EARLY)
        peer.do({"do": "join", "ticket": node.cli("invite").json["ticket"]})
        yield Pair(node=node, peer=peer)


def test_the_worked_examples_of_the_documents_come_out_of_the_peer_too(program: Path) -> None:
    done = subprocess.run(
        ["node", str(program / "vectors.js"), str(DOCS)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    examples = [json.loads(line) for line in done.stdout.splitlines()]
    assert [example["example"] for example in examples] == [
        "keys", "envelope", "frame", "genesis", "ticket", "block", "trie", "batch"
    ]  # fmt: skip
    assert not [example for example in examples if example["differ"] or not example["fields"]]


def test_a_ticket_makes_the_peer_a_member(pair: Pair) -> None:
    connected = pair.peer.wait_for("connected")
    assert (connected["encryption"], connected["multiplexer"]) == ("/noise", "/yamux/1.0.0")
    pair.peer.wait_for("join", lambda event: event["status"] == "ACCEPTED")
    assert pair.peer.wait_for("hello")["name"] == "alpha"
    pair.peer.wait_for("block", lambda event: event["kinds"] == ["JOIN"])
    pair.peer.wait_for("block", lambda event: event["kinds"] == ["PROMOTE"])
    members = [{"name": "alpha", "state": "ACTIVE"}, {"name": "gamma", "state": "ACTIVE"}]
    pair.peer.wait_for(
        "members", lambda event: sorted(event["members"], key=lambda member: member["name"]) == members
    )

    ready = pair.peer.wait_for("ready")
    status = json.loads(zenmesh("status", "--home", str(pair.node.directory), "--json").out)
    (gamma,) = [member for member in status["members"] if member["swarm"] == "gamma"]
    assert (gamma["state"], gamma["connected"]) == ("ACTIVE", True)
    assert (gamma["swarm_id"], gamma["peer_id"]) == (ready["swarm"], ready["peer"])


@pytest.mark.parametrize("kind", ["BATCH", "HEARTBEAT"])
def test_gossip_verifies_by_the_keys_on_the_chain_and_no_mutant_does(pair: Pair, kind: str) -> None:
    pair.peer.wait_for("block", lambda event: event["kinds"] == ["PROMOTE"])
    pair.node.put("gossip", kind)
    heard = pair.peer.wait_for("gossip", lambda event: event["name"] == kind)
    status = pair.node.status()
    assert (heard["publisher"], heard["said"]["swarm"]) == (status["peer_id"], status["swarm_id"])
    assert heard["mutants"]["bytes"] > 200
    assert heard["mutants"]["rejected"] == heard["mutants"]["bytes"]


def test_announcements_are_understood_both_ways(pair: Pair) -> None:
    heard = pair.peer.wait_for("discovery", lambda event: event["project_id"] == "demo")
    load = heard["capabilities"].pop("current_load_permille")
    assert (heard["capabilities"], 0 <= load <= 1000) == (OFFER, True)
    assert heard["addresses"] == pair.node.addresses()

    said = {"worker_types": ["js"], "max_workers": 2, "memory_available": 4096}
    pair.peer.do({"do": "announce", "capabilities": {**said, "current_load_permille": 250}})
    shown = {**said, "current_load": 0.25}
    pair.node.wait_until(
        lambda status: shown in [member["capabilities"] for member in status["members"]], "the peer's announcement"
    )


def test_what_a_user_puts_arrives_as_a_chained_batch_with_the_root_it_signs(pair: Pair) -> None:
    zenmesh("memory", "put", "plan", json.dumps(LATE), "--home", str(pair.node.directory))
    batch = pair.peer.wait_for(
        "batch", lambda event: event["ops"][0]["key"] == "plan" and event["outcome"] == "applied"
    )
    (op,) = batch["ops"]
    assert (op["collection"], op["kind"], json.loads(op["value"])) == ("memory", "PUT", LATE)
    before = pair.peer.wait_for("batch", lambda event: event["seq"] == batch["seq"] - 1)
    assert batch["prev_hash"] == before["hash"]

    log = pair.node.status()["version_vector"]["alpha"]
    assert (log["seq"], log["head"]) == (batch["seq"], batch["hash"])
    agree(pair)


def agree(pair: Pair) -> None:
    """Both compute the same root over all logs."""
    for _ in patiently(20.0):
        state = pair.peer.do({"do": "state"}, answer="state")
        status = pair.node.status()
        if (state["root"], state["height"]) == (status["state_root"], status["height"]):
            return
    raise AssertionError(f"no agreement: {state} and {status}\n{pair.node.log()}")


def test_a_sync_session_brings_what_was_written_before_the_peer_came(pair: Pair) -> None:
    batch = pair.peer.wait_for("batch", lambda event: event["via"] == "sync")
    assert (batch["outcome"], batch["seq"], json.loads(batch["ops"][0]["value"])) == ("applied", 1, EARLY)
    pair.peer.wait_for("synced")


def test_a_sync_session_serves_what_the_peer_wrote_and_told_nobody(pair: Pair) -> None:
    pair.peer.wait_for("block", lambda event: event["kinds"] == ["PROMOTE"])
    pair.peer.do({"do": "put", "key": "quiet", "value": [1, "two"], "quietly": True})
    pair.node.wait_for("quiet", {"gamma": [1, "two"]})
    served = pair.peer.wait_for("sync served", lambda event: event["batches"] > 0)
    assert served["swarm"] == pair.peer.wait_for("ready")["swarm"]
    pair.peer.wait_for("held")
    agree(pair)
