"""What nodes say they hold of others, as a checker sees it: HELD and HELLO name what is durable, batch for batch."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chaos.checkers.holding import Holding
from crdt.batch import parse
from mesh.protocol.effects import Effect, RecordKind, SaveFile, Send, Subscribe
from mesh.protocol.messages import Held, HeldRow, Hello
from tests.support.hand_made import (
    HOMES,
    Happening,
    Holds,
    Persists,
    Releases,
    Restarts,
    Rule,
    Stage,
    batch_of,
    served,
)
from wire import cbor
from wire.frame import pack_message
from wire.ids import ZERO_DIGEST
from wire.types import Channel, MessageType

PEER = HOMES["s2"].peer
THIRD, FOURTH, FIFTH = (batch_of("s2", number) for number in (3, 4, 5))
OTHER_FOURTH = batch_of("s2", 4, hlc=99)
STARTS = Releases("s1", Subscribe(topic="state"))


def row_of(raw: bytes) -> HeldRow:
    signed = parse(raw).signed
    return HeldRow(swarm=signed.header.swarm, term=signed.header.term, seq=signed.header.seq, head=signed.hash)


def sent(kind: MessageType, payload: bytes) -> Happening:
    return Releases("s1", Send(peer=PEER, channel=Channel.MESH, message=pack_message(kind, payload)))


def held(*batches: bytes) -> Happening:
    """HELD: it holds logs up to these batches."""
    return sent(MessageType.HELD, cbor.encode_struct(Held(rows=tuple(map(row_of, batches)))))


def hello(yours: HeldRow | None) -> Happening:
    """HELLO: it holds as much of the receiver's log."""
    greeting = Hello(
        protocol_version=1,
        federation=bytes(32),
        swarm=HOMES["s1"].swarm,
        term=1,
        boot_nonce=bytes(16),
        epoch=0,
        height=0,
        state_root=bytes(32),
        wall_ms=0,
        yours=yours,
        name="s1",
        software="",
    )
    return sent(MessageType.HELLO, cbor.encode_struct(greeting))


def saved(raw: bytes | None, name: str = "owner-2-1") -> Happening:
    """A snapshot of a log with this batch as its head."""
    head = None if raw is None else parse(raw).signed.envelope.raw
    effect: Effect = SaveFile(name=name, data=cbor.encode([1, bytes(16), 1, head, None, []]))
    return Releases("s1", effect)


def too_much(said: int, durable: int) -> tuple[str, ...]:
    return (f"it says that it holds batch {said} of s2, and what is durable ends with {durable}",)


WORDS: dict[str, Callable[[bytes], Happening]] = {"HELD": held, "HELLO": lambda raw: hello(row_of(raw))}
RULES = {
    **{
        f"what {word} says is written first": Rule(
            checker=Holding,
            good=(STARTS, Persists("s1", THIRD), Persists("s1", FOURTH), says(FOURTH), says(THIRD)),
            bad=(STARTS, Persists("s1", THIRD), says(FOURTH), Persists("s1", FOURTH)),
            said=too_much(4, 3),
        )
        for word, says in WORDS.items()
    },
    "or was found at the start": Rule(
        checker=Holding,
        good=(Holds("s1", served(FOURTH)), STARTS, held(FOURTH)),
        bad=(STARTS, Holds("s1", served(FOURTH)), held(FOURTH)),
        said=too_much(4, 0),
    ),
    "or came as a snapshot": Rule(
        checker=Holding,
        good=(STARTS, saved(FOURTH), saved(THIRD), held(FOURTH)),
        bad=(STARTS, saved(FOURTH, "chain"), saved(None), held(FOURTH)),
        said=too_much(4, 0),
    ),
    "it is that very batch": Rule(
        checker=Holding,
        good=(STARTS, Persists("s1", FOURTH), held(FOURTH)),
        bad=(STARTS, Persists("s1", OTHER_FOURTH), held(FOURTH)),
        said=("it says that it holds another batch 4 of s2 than it wrote",),
    ),
    "a start holds what it found, not what was there before": Rule(
        checker=Holding,
        good=(STARTS, Persists("s1", FOURTH), Restarts("s1"), Holds("s1", served(FOURTH)), STARTS, held(FOURTH)),
        bad=(STARTS, Persists("s1", FOURTH), Restarts("s1"), STARTS, held(FOURTH)),
        said=too_much(4, 0),
    ),
    "what one holds the other need not, and each log is another": Rule(
        checker=Holding,
        good=(STARTS, Persists("s1", FIFTH), Persists("s1", batch_of("s3", 3)), held(FIFTH, batch_of("s3", 3))),
        bad=(STARTS, Persists("s3", FIFTH), Persists("s1", batch_of("s3", 9)), held(FIFTH)),
        said=too_much(5, 0),
    ),
    "records of other kinds are no batches, and other messages no such words": Rule(
        checker=Holding,
        good=(STARTS, Persists("s1", b"no batch", RecordKind.BLOCK), sent(MessageType.BATCH, FOURTH), hello(None)),
        bad=(STARTS, Persists("s1", b"no batch", RecordKind.FORK), held(FOURTH)),
        said=too_much(4, 0),
    ),
    "nothing is held of a log that is cut before its first batch": Rule(
        checker=Holding,
        good=(STARTS, hello(HeldRow(swarm=HOMES["s2"].swarm, term=1, seq=0, head=ZERO_DIGEST))),
        bad=(STARTS, hello(HeldRow(swarm=HOMES["s2"].swarm, term=1, seq=1, head=ZERO_DIGEST))),
        said=too_much(1, 0),
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_word_that_holds_is_left_alone(rule: str) -> None:
    assert Stage(RULES[rule].checker).play(*RULES[rule].good) == []


@pytest.mark.parametrize("rule", RULES)
def test_a_word_that_a_power_cut_would_break_is_found(rule: str) -> None:
    assert tuple(Stage(RULES[rule].checker).play(*RULES[rule].bad)) == RULES[rule].said
