"""What members say of a node's own log when it starts: a word without a proof silences nobody for good."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from mesh.protocol.commands import GetStatus, MemoryPut, Success
from mesh.protocol.effects import Send
from mesh.protocol.messages import Hello
from mesh.protocol.outbox import pack
from tests.support.small_swarms import Town
from tests.support.small_world import Host
from wire import cbor
from wire.frame import unpack_message
from wire.ids import PeerId
from wire.time import SECOND
from wire.types import Channel, MessageType


@dataclass(frozen=True, slots=True)
class Lie:
    """What `beta` says of anybody's own log, and what comes of it."""

    says: dict[str, object]
    shown: str

    def __call__(self, host: Host, peer: PeerId, effect: Send) -> bytes:
        code, payload = unpack_message(effect.message)
        if host.name != "beta" or code != MessageType.HELLO:
            return effect.message
        said = cbor.decode_as(payload, Hello)
        other = None if said.yours is None else replace(said.yours, **self.says)
        return pack(MessageType.HELLO, replace(said, yours=other))


HEADS = Lie({"head": bytes(32)}, "beta holds another record")
TERMS = Lie({"term": 5}, "beta knows term 5 of this swarm")
either = pytest.mark.parametrize("lie", [HEADS, TERMS], ids=["another record", "a newer term"])


def read_only(town: Town, name: str) -> str:
    outcome = town.world.ask(town[name], GetStatus())
    assert isinstance(outcome, Success)
    return str(outcome.result["read_only"] or "")


@either
def test_an_empty_word_holds_a_node_back_only_until_it_is_checked(lie: Lie) -> None:
    town = Town("alpha", "beta", "gamma")
    town.form()
    assert isinstance(town.world.ask(town["gamma"], MemoryPut(key="k", value=b"1")), Success)
    town.world.run(5 * SECOND)
    town.world.crash(town["alpha"])  # nobody else says what it holds
    town.world.crash(town["gamma"])
    town.world.tamper = lie
    town.world.start(town["gamma"])
    town.world.run_until(lambda: lie.shown in read_only(town, "gamma"))
    town.world.run_until(lambda: read_only(town, "gamma") == "")
    assert isinstance(town.world.ask(town["gamma"], MemoryPut(key="k", value=b"2")), Success)


@either
def test_a_word_that_cannot_be_checked_holds_it_back(lie: Lie) -> None:
    """Nothing of a session comes through: nobody knows whether there is such a record."""
    town = Town("alpha", "beta", "gamma")
    town.form()
    assert isinstance(town.world.ask(town["gamma"], MemoryPut(key="k", value=b"1")), Success)
    town.world.run(5 * SECOND)
    town.world.crash(town["alpha"])
    town.world.crash(town["gamma"])

    def silent(host: Host, peer: PeerId, effect: Send) -> bytes | None:
        lost = host.name == "beta" and effect.channel is Channel.SYNC
        return None if lost else lie(host, peer, effect)

    town.world.tamper = silent
    town.world.start(town["gamma"])
    town.world.run(120 * SECOND)
    assert lie.shown in read_only(town, "gamma")


@either
def test_who_leaves_takes_its_word_along(lie: Lie) -> None:
    town = Town("alpha", "beta", "gamma")
    town.form()
    assert isinstance(town.world.ask(town["gamma"], MemoryPut(key="k", value=b"1")), Success)
    town.world.run(5 * SECOND)
    town.world.crash(town["alpha"])
    town.world.crash(town["gamma"])
    town.world.tamper = lambda host, peer, effect: None if effect.channel is Channel.SYNC else lie(host, peer, effect)
    town.world.start(town["gamma"])
    town.world.run_until(lambda: lie.shown in read_only(town, "gamma"))
    town.world.crash(town["beta"])
    town.world.run_until(lambda: read_only(town, "gamma") == "")


@either
def test_who_may_sign_hears_no_empty_word(lie: Lie) -> None:
    town = Town("alpha", "beta", "gamma")
    town.form()
    assert isinstance(town.world.ask(town["gamma"], MemoryPut(key="k", value=b"1")), Success)
    town.world.run(5 * SECOND)
    town.world.crash(town["beta"])
    town.world.tamper = lie
    town.world.start(town["beta"])
    town.world.run(5 * SECOND)
    assert read_only(town, "gamma") == ""
