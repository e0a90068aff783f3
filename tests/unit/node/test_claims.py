"""What members say of a node's own log when it starts: a word without a proof silences nobody for good."""

from __future__ import annotations

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


def lying_about_heads(host: Host, peer: PeerId, effect: Send) -> bytes:
    """`beta` says that it holds another record at the place of any head."""
    code, payload = unpack_message(effect.message)
    if host.name != "beta" or code != MessageType.HELLO:
        return effect.message
    said = cbor.decode_as(payload, Hello)
    other = None if said.yours is None else replace(said.yours, head=bytes(32))
    return pack(MessageType.HELLO, replace(said, yours=other))


def read_only(town: Town, name: str) -> str:
    outcome = town.world.ask(town[name], GetStatus())
    assert isinstance(outcome, Success)
    return str(outcome.result["read_only"] or "")


def test_an_empty_word_holds_a_node_back_only_until_it_is_checked() -> None:
    town = Town("alpha", "beta", "gamma")
    town.form()
    assert isinstance(town.world.ask(town["gamma"], MemoryPut(key="k", value=b"1")), Success)
    town.world.run(5 * SECOND)
    town.world.crash(town["alpha"])  # nobody else says what it holds
    town.world.crash(town["gamma"])
    town.world.tamper = lying_about_heads
    town.world.start(town["gamma"])
    town.world.run_until(lambda: "beta holds another record" in read_only(town, "gamma"))
    town.world.run_until(lambda: read_only(town, "gamma") == "")
    assert isinstance(town.world.ask(town["gamma"], MemoryPut(key="k", value=b"2")), Success)


def test_a_word_that_cannot_be_checked_holds_it_back() -> None:
    """Nothing of a session comes through: nobody knows whether there is such a record."""
    town = Town("alpha", "beta", "gamma")
    town.form()
    assert isinstance(town.world.ask(town["gamma"], MemoryPut(key="k", value=b"1")), Success)
    town.world.run(5 * SECOND)
    town.world.crash(town["alpha"])
    town.world.crash(town["gamma"])

    def silent(host: Host, peer: PeerId, effect: Send) -> bytes | None:
        lost = host.name == "beta" and effect.channel is Channel.SYNC
        return None if lost else lying_about_heads(host, peer, effect)

    town.world.tamper = silent
    town.world.start(town["gamma"])
    town.world.run(120 * SECOND)
    assert "beta holds another record" in read_only(town, "gamma")


def test_who_leaves_takes_its_word_along() -> None:
    town = Town("alpha", "beta", "gamma")
    town.form()
    assert isinstance(town.world.ask(town["gamma"], MemoryPut(key="k", value=b"1")), Success)
    town.world.run(5 * SECOND)
    town.world.crash(town["alpha"])
    town.world.crash(town["gamma"])
    town.world.tamper = lambda host, peer, effect: (
        None if effect.channel is Channel.SYNC else lying_about_heads(host, peer, effect)
    )
    town.world.start(town["gamma"])
    town.world.run_until(lambda: "beta holds another record" in read_only(town, "gamma"))
    town.world.crash(town["beta"])
    town.world.run_until(lambda: read_only(town, "gamma") == "")


def test_who_may_sign_hears_no_empty_word() -> None:
    town = Town("alpha", "beta", "gamma")
    town.form()
    assert isinstance(town.world.ask(town["gamma"], MemoryPut(key="k", value=b"1")), Success)
    town.world.run(5 * SECOND)
    town.world.crash(town["beta"])
    town.world.tamper = lying_about_heads
    town.world.start(town["beta"])
    town.world.run(5 * SECOND)
    assert read_only(town, "gamma") == ""
