"""What a node asks before it believes: a protocol that both speak, and a chain that holds what the ticket names."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from consensus.admission import JoinResponse, JoinStatus
from consensus.tickets import Anchor, parse_ticket
from mesh.protocol.commands import GetPeers, GetStatus, Success
from mesh.protocol.effects import Send
from mesh.protocol.events import PeerFound
from mesh.protocol.intent import JoinIntent
from mesh.protocol.joiner import Joiner
from mesh.protocol.messages import PROTOCOL_VERSION, Hello, Refusal
from tests.support.small_swarms import Town
from tests.support.small_world import Host
from wire import cbor
from wire.frame import pack_message, unpack_message
from wire.ids import PeerId
from wire.time import SECOND
from wire.types import MessageType


def test_a_hello_of_another_protocol_version_is_refused_with_the_version_spoken_here() -> None:
    town = Town("alpha", "beta")
    town.form()
    town.world.stop(town["beta"])
    refusals: list[Refusal] = []

    def newer(host: Host, peer: PeerId, effect: Send) -> bytes:
        """beta's build is of the next protocol version."""
        code, payload = unpack_message(effect.message)
        if code == MessageType.REFUSAL and host is town["alpha"]:
            refusals.append(cbor.decode_as(payload, Refusal))
        if code != MessageType.HELLO or host is not town["beta"]:
            return effect.message
        hello = msgspec.structs.replace(cbor.decode_as(payload, Hello), protocol_version=PROTOCOL_VERSION + 1)
        return pack_message(MessageType.HELLO, cbor.encode_struct(hello))

    town.world.tamper = newer
    town.world.start(town["beta"])
    town.world.run_until(lambda: bool(refusals), 10 * SECOND)
    assert refusals[0].code == "other-version"
    assert refusals[0].reason == "this node speaks protocol version 1, not 2: update the older"
    assert not town.node("alpha").context.links.members()
    town.world.tamper = None
    town.settle()


def test_a_peer_that_only_the_lan_names_cannot_end_a_join_by_ticket() -> None:
    town = Town("alpha", "beta", "gamma")
    town.form(["alpha", "beta"])
    refusals: list[PeerId] = []

    def liar(host: Host, peer: PeerId, effect: Send) -> bytes:
        """beta answers every request with a no."""
        code, payload = unpack_message(effect.message)
        if code != MessageType.JOIN_RESPONSE or host is not town["beta"]:
            return effect.message
        refusals.append(peer)
        no = msgspec.structs.replace(cbor.decode_as(payload, JoinResponse), status=JoinStatus.REJECTED, reason="no")
        return pack_message(MessageType.JOIN_RESPONSE, cbor.encode_struct(no))

    town.world.tamper = liar
    town.swarms["gamma"].intent = JoinIntent(ticket=parse_ticket(town.ticket("alpha")))
    town.world.partition([town["alpha"]], [town["beta"], town["gamma"]])
    town.world.start(town["gamma"])
    beta = town["beta"]
    attributes = {"zm.fed": town.node("beta").context.federation.hex()}
    found = PeerFound(source="mdns", peer=beta.peer, addresses=(beta.address,), attributes=attributes)
    town.world.deliver(town["gamma"], found)
    town.world.run_until(lambda: bool(refusals), 10 * SECOND)
    town.world.run(SECOND)
    outcome = town.world.ask(town["gamma"], GetStatus())
    assert isinstance(outcome, Success)
    assert outcome.result["pending_join"]["state"] == "asking"  # type: ignore[index]
    town.world.heal()
    town.settle()


def shown(town: Town, name: str) -> dict[str, object]:
    """The join as `status` shows it, with what went wrong with whom."""
    status, peers = town.world.ask(town[name], GetStatus()), town.world.ask(town[name], GetPeers())
    assert isinstance(status, Success)
    assert isinstance(peers, Success)
    errors = [row["error"] for row in peers.result["peers"]]  # type: ignore[attr-defined]
    return {"pending": status.result["pending_join"], "errors": errors}


def test_a_yes_without_a_chain_that_says_so_ends_no_asking() -> None:
    town = Town("alpha", "beta", "gamma")
    town.form(["alpha", "beta"])

    def liar(host: Host, peer: PeerId, effect: Send) -> bytes:
        """beta answers every request with a yes."""
        code, payload = unpack_message(effect.message)
        if code != MessageType.JOIN_RESPONSE or host is not town["beta"]:
            return effect.message
        yes = msgspec.structs.replace(cbor.decode_as(payload, JoinResponse), status=JoinStatus.ACCEPTED)
        return pack_message(MessageType.JOIN_RESPONSE, cbor.encode_struct(yes))

    town.world.tamper = liar
    town.swarms["gamma"].intent = JoinIntent(ticket=parse_ticket(town.ticket("beta")))
    town.world.partition([town["alpha"]], [town["beta"], town["gamma"]])
    town.world.start(town["gamma"])
    told = "it says that this swarm is a member; its chain does not"
    town.world.run_until(lambda: told in shown(town, "gamma")["errors"], 10 * SECOND)  # type: ignore[operator]
    assert told in str(shown(town, "gamma")["pending"])
    town.world.tamper = None
    town.world.heal()
    town.settle()


def arrive_with(anchor: Anchor) -> Town:
    """gamma comes with a ticket whose anchor is another one than its inviter wrote."""
    town = Town("alpha", "beta", "gamma")
    town.form(["alpha", "beta"])
    ticket = replace(parse_ticket(town.ticket("alpha")), anchor=anchor)
    town.swarms["gamma"].intent = JoinIntent(ticket=ticket)
    town.world.start(town["gamma"])
    return town


@pytest.mark.parametrize(
    ("anchor", "why"),
    [
        pytest.param(Anchor(1, 1, b"\1" * 32), "block 1 is not the one that our ticket names", id="another-block"),
        pytest.param(Anchor(9, 9, b"\1" * 32), "its chain does not reach the block", id="not-so-far"),
    ],
)
def test_a_chain_that_does_not_hold_what_the_ticket_names_ends_no_asking(anchor: Anchor, why: str) -> None:
    town = arrive_with(anchor)
    town.world.run_until(lambda: any(why in str(error) for error in shown(town, "gamma")["errors"]), 20 * SECOND)  # type: ignore[attr-defined]
    town.world.run(20 * SECOND)
    assert isinstance(town["gamma"].machine, Joiner)


def start_over_with(anchor: Anchor) -> Town:
    """gamma is a member, and starts again with an empty journal and another anchor."""
    town = Town("alpha", "beta", "gamma")
    town.form()
    town.world.crash(town["gamma"])
    town["gamma"].disk.records.clear()
    town.swarms["gamma"].anchor = anchor
    town.world.start(town["gamma"])
    town.world.run(20 * SECOND)
    return town


def test_a_member_takes_no_chain_with_another_block_where_its_ticket_names_one() -> None:
    town = start_over_with(Anchor(1, 1, b"\1" * 32))
    assert town.node("gamma").context.chain.height == 0
    assert town.node("gamma").context.counters["offence_chain"] > 0
    assert not town.node("gamma").may_sign(town.world.now)


def test_a_member_signs_nothing_on_a_chain_that_does_not_reach_what_its_ticket_names() -> None:
    town = start_over_with(Anchor(9, 9, b"\1" * 32))
    outcome = town.world.ask(town["gamma"], GetStatus())
    assert isinstance(outcome, Success)
    assert "does not reach the block that this swarm's ticket names" in str(outcome.result["read_only"])
    assert town.node("gamma").context.chain.height > 0
    assert not town.node("gamma").may_sign(town.world.now)


def test_the_anchor_of_an_honest_ticket_holds_over_restarts() -> None:
    town = Town("alpha", "beta", "gamma")
    town.form()
    assert town.swarms["gamma"].anchor is not None
    town.world.crash(town["gamma"])
    town.world.start(town["gamma"])
    town.settle()
