"""What only a member can do wrong: say things twice, say what others said, run ahead of the clock, fork its log."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from crdt import batch, fork
from crdt.ops import Author, Op, OpKind
from crdt.replica import Replica
from mesh.protocol.commands import MemoryPut, Success
from mesh.protocol.effects import RecordKind
from mesh.protocol.events import GossipReceived, MessageReceived
from mesh.protocol.messages import JoinOutcome
from mesh.protocol.node import Node
from mesh.protocol.scores import PENALTY
from mesh.protocol.topics import state_topic
from tests.support.small_swarms import Town
from wire import cbor
from wire.errors import BadSignature, Offence, RemoteError
from wire.frame import pack_message
from wire.keys import SigningKey
from wire.time import SECOND, hlc_of
from wire.types import Channel, MessageType

HOUR_MS = 3_600_000


class Meadow:
    """alpha, beta and gamma; gamma is silent, and the tests speak in its place."""

    def __init__(self) -> None:
        self.town = Town("alpha", "beta", "gamma")
        self.town.form()
        self.alpha: Node = self.town.node("alpha")
        swarm = self.town.swarms["gamma"]
        self.key = swarm.queen()
        self.author = next(
            Author(member.swarm, member.term)
            for member in self.alpha.context.chain.members()
            if member.name == "gamma"
        )
        self.wall_ms = self.alpha.context.wall_ms(self.town.world.now)

    def batches(self, *values: str, ahead_ms: int = 0, key: SigningKey | None = None) -> list[bytes]:
        """gamma's log from its first batch on, one batch a value."""
        replica = Replica(self.alpha.context.federation, self.alpha.context.chain)
        ops = [
            [Op(collection="memory", key="k", kind=OpKind.PUT, value=b'"%s"' % v.encode(), observed=())]
            for v in values
        ]
        stamp = hlc_of(self.wall_ms + ahead_ms)
        return [replica.compose(self.author, op, stamp + n, key or self.key) for n, op in enumerate(ops)]

    def say(self, batches: Sequence[bytes], sender: str = "gamma") -> None:
        for raw in batches:
            message = pack_message(MessageType.BATCH, raw)
            event = MessageReceived(peer=self.town[sender].peer, channel=Channel.MESH, message=message)
            self.town.world.deliver(self.town["alpha"], event)

    def charges(self, name: str = "gamma") -> float:
        return self.alpha.context.scores.score(self.town[name].peer, self.town.world.now)

    def counted(self, offence: Offence) -> int:
        return self.alpha.context.counters[f"offence_{offence}"]


@pytest.fixture
def meadow() -> Meadow:
    return Meadow()


def test_its_own_batches_in_order_are_no_offence(meadow: Meadow) -> None:
    meadow.say(meadow.batches("a", "b", "c"))
    assert meadow.charges() == 0


def test_a_batch_that_gossip_brought_first_is_no_replay(meadow: Meadow) -> None:
    [raw] = meadow.batches("a")
    topic = state_topic(meadow.alpha.context.federation)
    message = pack_message(MessageType.BATCH, raw)
    event = GossipReceived(forwarder=meadow.town["beta"].peer, topic=topic, message=message)
    meadow.town.world.deliver(meadow.town["alpha"], event)
    meadow.say([raw])
    assert meadow.alpha.context.counters["batches_duplicate"] == 1
    assert meadow.charges() == 0


def test_saying_a_batch_twice_is_a_replay(meadow: Meadow) -> None:
    raws = meadow.batches("a", "b")
    meadow.say([*raws, *raws])
    assert meadow.counted(Offence.REPLAY) == 2
    assert meadow.charges() == 2 * PENALTY[Offence.REPLAY]


def test_saying_what_another_member_said_is_a_replay(meadow: Meadow) -> None:
    outcome = meadow.town.world.ask(meadow.town["beta"], MemoryPut(key="k", value=b"1"))
    assert isinstance(outcome, Success)
    meadow.town.world.run(SECOND)
    recorded = [body for kind, body in meadow.town["beta"].disk.records if kind == RecordKind.BATCH]
    meadow.say(recorded)
    assert meadow.counted(Offence.REPLAY) == len(recorded) > 0
    assert meadow.charges("beta") == 0


def test_a_batch_from_the_future_is_held_and_charged_once_a_link(meadow: Meadow) -> None:
    meadow.say(meadow.batches("a", "b", "c", ahead_ms=HOUR_MS))
    assert meadow.alpha.context.replica.head(meadow.author) is None
    assert meadow.alpha.context.counters["batches_early"] == 3
    assert meadow.counted(Offence.FUTURE_CLOCK) == 1


def test_a_fork_bans_its_author_and_not_the_messenger(meadow: Meadow) -> None:
    one, other = (meadow.batches(value)[0] for value in ("a", "b"))
    proof = fork.build(*(batch.parse(raw).signed.envelope.raw for raw in (one, other)))
    message = pack_message(MessageType.FORK, proof)
    event = MessageReceived(peer=meadow.town["beta"].peer, channel=Channel.MESH, message=message)
    meadow.town.world.deliver(meadow.town["alpha"], event)
    assert meadow.counted(Offence.FORK) == 1
    assert meadow.alpha.context.scores.banned(meadow.town["gamma"].peer, meadow.town.world.now)
    assert meadow.charges("beta") == 0


def test_forged_gossip_is_charged_to_whoever_handed_it_on(meadow: Meadow) -> None:
    [forged] = meadow.batches("a", key=SigningKey(b"f" * 32))
    topic = state_topic(meadow.alpha.context.federation)
    message = pack_message(MessageType.BATCH, forged)
    with pytest.raises(BadSignature):
        meadow.alpha.check_gossip(meadow.town["beta"].peer, topic, message)


def test_gossip_of_a_banned_member_is_not_even_looked_at(meadow: Meadow) -> None:
    one, other = (meadow.batches(value)[0] for value in ("a", "b"))
    meadow.say([one, other])
    topic = state_topic(meadow.alpha.context.federation)
    try:
        relayed = meadow.alpha.check_gossip(meadow.town["gamma"].peer, topic, b"\xff")
    except RemoteError:
        pytest.fail("it was looked at")
    assert not relayed
    assert meadow.alpha.context.counters["gossip_of_banned"] == 1


def test_what_a_session_brought_is_acknowledged_once(meadow: Meadow) -> None:
    town = meadow.town
    town.world.partition([town["beta"]], [town["alpha"], town["gamma"]])
    for number in range(20):
        assert isinstance(town.world.ask(town["beta"], MemoryPut(key="k", value=b"%d" % number)), Success)
        town.world.run(SECOND)
    beta = town.node("beta")
    before = beta.context.counters["received_held"]
    town.world.heal()
    town.settle()
    assert 0 < beta.context.counters["received_held"] - before < 20


def test_nobody_but_the_creator_answers_for_it() -> None:
    meadow = Meadow()
    answer = cbor.encode_struct(JoinOutcome(correlation=bytes(16), response=b""))
    event = MessageReceived(
        peer=meadow.town["gamma"].peer,
        channel=Channel.MESH,
        message=pack_message(MessageType.JOIN_OUTCOME, answer),
    )
    meadow.town.world.deliver(meadow.town["alpha"], event)
    assert meadow.charges() == PENALTY[Offence.PROTOCOL]
