"""`join`: kept for the next start, or handed to the running node and followed to the federation's word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap.identity import Outsider, load_intent, load_standing
from bootstrap.keyfiles import ROOT
from consensus.genesis import Params
from consensus.tickets import parse_ticket
from mesh.protocol.commands import Failure, FailureKind, GetStatus, Join, Success
from tests.support.commands import Machine, machine, serving_town
from tests.support.fakecontrol import FakeControl, serving_in_thread
from tests.support.small_swarms import Town
from tests.support.small_world import WALL_START_MS
from wire.errors import ConfigError

PEER = "/ip4/192.0.2.1/tcp/4150/p2p/12D3KooWHZbUg5gTgVBpHwocqjzGs7DrxSLE8egkzyrwVpmQDYWK"
FEDERATION = "ab" * 32


@pytest.fixture(autouse=True)
def wall(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The machine's wall clock: that of the small world, until a test sets it."""
    now = [WALL_START_MS]
    monkeypatch.setattr("mesh.runtime.clock.wall_ms", lambda: now[0])
    return now


@pytest.fixture(scope="module")
def ticket() -> str:
    town = Town("alpha")
    town.form()
    return town.ticket("alpha")


@pytest.fixture
def beta(tmp_path: Path) -> Machine:
    return machine(tmp_path, "beta")


# kept


def test_without_a_node_a_ticket_is_kept(beta: Machine, ticket: str) -> None:
    assert beta.json("join", ticket)["state"] == "kept"
    intent = load_intent(beta.home)
    assert intent is not None
    assert intent.ticket is not None
    assert intent.ticket.federation_name == "meadow"


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (("--lan",), {"lan": "yes"}),
        (("--lan", "--federation", FEDERATION), {"lan": "yes", "federation": FEDERATION}),
        (("--peer", PEER), {"peer": PEER}),
        (("--peer", PEER, "--federation", FEDERATION), {"peer": PEER, "federation": FEDERATION}),
    ],
    ids=["lan", "lan of one", "peer", "peer of one"],
)
def test_every_way_in_is_kept(beta: Machine, arguments: tuple[str, ...], kept: dict[str, str]) -> None:
    assert "zenmesh run" in beta("join", *arguments).out
    assert beta.home.pending_join() == kept


def test_a_later_join_replaces_an_earlier_one(beta: Machine, ticket: str) -> None:
    beta.json("join", "--lan")
    beta.json("join", ticket)
    assert (beta.home.pending_join() or {}).keys() == {"ticket"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "name one way in"),
        (("--lan", "--peer", PEER), "name one way in"),
        (("zm1abc", "--lan"), "name one way in"),
        (("hello",), "this is no ticket"),
        (("zm1abc",), "cut or mistyped"),
        (("--peer", "192.0.2.1:4150"), "--peer 192.0.2.1:4150: not a multiaddr"),
        (("--peer", "/ip4/192.0.2.1/tcp/4150"), "/p2p/PEER_ID are missing"),
        (("--peer", PEER.replace("tcp", "udp")), "only TCP is spoken"),
        (("--lan", "--federation", "acme"), "64 hexadecimal digits"),
    ],
    ids=["none", "two", "ticket and lan", "no ticket", "cut", "host:port", "no peer", "udp", "federation"],
)
def test_what_cannot_be_asked_is_refused(beta: Machine, arguments: tuple[str, ...], says: str) -> None:
    ran = beta("join", *arguments)
    assert ran.code == 2
    assert says in ran.err
    assert beta.home.pending_join() is None


def test_an_expired_ticket_is_rejected_at_once(beta: Machine, ticket: str, wall: list[int]) -> None:
    wall[0] += 25 * 3600 * 1000
    ran = beta("join", ticket)
    assert ran.code == 6
    assert "expired" in ran.err
    assert beta.home.pending_join() is None


def test_a_member_joins_nothing_else(beta: Machine, ticket: str) -> None:
    beta.json("federation", "create", "--name", "acme")
    ran = beta("join", ticket)
    assert ran.code == 6
    assert "'acme' already" in ran.err


@pytest.mark.parametrize("way", ["ticket", "lan"])
def test_joining_needs_the_root_key(beta: Machine, ticket: str, way: str) -> None:
    (beta.home.keys / ROOT.file).unlink()
    ran = beta("join", ticket if way == "ticket" else "--lan")
    assert ran.code == 2
    assert "root.key is missing" in ran.err


def test_once_the_certificate_is_made_the_root_key_may_lie_elsewhere(beta: Machine, ticket: str) -> None:
    beta.json("join", ticket)
    before = load_standing(beta.home, lambda: WALL_START_MS)
    (beta.home.keys / ROOT.file).unlink()
    after = load_standing(beta.home, lambda: WALL_START_MS)
    assert isinstance(before, Outsider)
    assert isinstance(after, Outsider)
    assert after.applicant.swarm == before.applicant.swarm
    federation = parse_ticket(ticket).federation
    assert after.applicant.certify(federation) == before.applicant.certify(federation)


@pytest.mark.parametrize(
    ("held", "says"),
    [
        pytest.param(None, "root.key = 'missing'", id="no certificate was made yet"),
        pytest.param(b"x", "member.cert = 'damaged'", id="the certificate is none"),
    ],
)
def test_without_root_key_and_certificate_nobody_knows_whose_home_it_is(
    beta: Machine, held: bytes | None, says: str
) -> None:
    (beta.home.keys / ROOT.file).unlink()
    if held is not None:
        beta.home.write_certificate(held)
    with pytest.raises(ConfigError, match=says):
        load_standing(beta.home, lambda: WALL_START_MS)


# handed to the node


@pytest.fixture
def asking(tmp_path: Path) -> Iterator[tuple[Machine, Town]]:
    """beta's node runs and belongs to nothing; alpha, the only queen, admits by ticket or by its operator's word."""
    town = Town("alpha", "beta", params=Params(admission="vote"))
    town.form(["alpha"])
    town.world.start(town["beta"])
    with serving_town(town, tmp_path, "beta") as (beta,):
        yield beta, town


def test_a_running_node_is_admitted_at_once(asking: tuple[Machine, Town]) -> None:
    beta, town = asking
    joined = beta.json("join", town.ticket("alpha"))
    assert (joined["state"], joined["reason"]) == ("admitted", "a member of 'meadow'")
    assert town.node("alpha").context.chain.member_by_name("beta") is not None


def test_a_join_that_waits_says_for_what(asking: tuple[Machine, Town]) -> None:
    beta, town = asking
    address = f"{town['alpha'].address}/p2p/{town['alpha'].peer}"
    joined = beta.json("join", "--peer", address)
    assert joined["state"] == "pending"
    assert joined["reason"] == "this federation admits by vote of its members; they vote on it now"
    status = beta.json("status")
    assert status["role"] == "applicant"
    assert status["pending_join"]["state"] == "pending"
    assert "this federation admits by vote of its members; they vote on it now" in beta("status").out


def test_a_join_that_waits_is_asked_about_once(beta: Machine, ticket: str) -> None:
    pending = {"role": "applicant", "pending_join": {"state": "pending", "reason": "the creator is away"}}
    control = FakeControl(
        {Join: Success(result={"state": "asking", "reason": ""}), GetStatus: Success(result=pending)}
    )
    with serving_in_thread(control, beta.home.path / "control.sock"):
        assert beta.json("join", ticket)["reason"] == "the creator is away"
    assert control.asked == [Join(ticket=ticket), GetStatus()]


def test_a_refusal_is_exit_6(beta: Machine, ticket: str) -> None:
    refused = {"role": "applicant", "pending_join": {"state": "rejected", "reason": "the name 'beta' is taken"}}
    control = FakeControl(
        {Join: Success(result={"state": "asking", "reason": ""}), GetStatus: Success(result=refused)}
    )
    with serving_in_thread(control, beta.home.path / "control.sock"):
        ran = beta("join", ticket)
    assert ran.code == 6
    assert "the federation refused: the name 'beta' is taken" in ran.err
    assert control.asked[0] == Join(ticket=ticket)


def test_what_the_node_says_is_passed_on(beta: Machine, ticket: str) -> None:
    no = Failure(kind=FailureKind.REJECTED, message="this node is a member already")
    with serving_in_thread(FakeControl({Join: no}), beta.home.path / "control.sock"):
        ran = beta("join", ticket, "--json")
    assert ran.code == 6
    assert ran.json["error"]["message"] == "this node is a member already"
