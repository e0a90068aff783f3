"""Checkers of what nodes do and owe (durable-first, acknowledged, bounds, convergence): kept, then broken."""

from __future__ import annotations

import pytest

from chaos.checkers.base import Checker
from chaos.checkers.bounds import CAPS, Bounds
from chaos.checkers.convergence import Convergence
from chaos.checkers.durability import CLAIMS, Acknowledged, DurableFirst
from chaos.process import MAX_INBOX
from crdt.batch import parse
from crdt.owner_log import Flag
from crdt.sync import messages as sync
from mesh.protocol.announcing import MAX_HELD
from mesh.protocol.commands import Failure, FailureKind, MemoryGet, MemoryPut, MemoryRemove, Success
from mesh.protocol.doubts import MAX_ROOTS
from mesh.protocol.effects import Effect, Publish, RecordKind, Reply, Send
from mesh.protocol.lifecycle import Lifecycle
from mesh.protocol.links import CLOCK_SAMPLES
from mesh.protocol.messages import Heartbeat
from tests.support.hand_made import (
    CAP,
    HOMES,
    Asks,
    Ends,
    Falls,
    Happening,
    Holds,
    Is,
    Persists,
    Reads,
    Releases,
    Restarts,
    Rule,
    Stage,
    Steps,
    batch_of,
    row,
    served,
)
from wire import cbor, cose
from wire.frame import pack_message
from wire.ids import ZERO_DIGEST, sha256
from wire.types import Channel, ContentType, MessageType

PEER = HOMES["s2"].peer


def sent(kind: MessageType, payload: bytes) -> Effect:
    return Send(peer=PEER, channel=Channel.MESH, message=pack_message(kind, payload))


def published(payload: bytes) -> Effect:
    return Publish(topic="state", message=pack_message(MessageType.BATCH, payload))


THIRD, FOURTH, FIFTH = (batch_of("s1", number) for number in (3, 4, 5))
OWN_ROW = served(FOURTH).row
BEAT = Heartbeat(bytes(32), 0, OWN_ROW.swarm, OWN_ROW.term, 0, 4, 0, 0, 0, ZERO_DIGEST, ZERO_DIGEST, 0)
VECTOR = sync.Hello(1, 0, 0, 0, ZERO_DIGEST, (sync.VectorRow(*OWN_ROW),))
SAYINGS = {
    MessageType.BATCH: FOURTH,
    MessageType.HEARTBEAT: cose.seal(ContentType.HEARTBEAT, cbor.encode_struct(BEAT), HOMES["s1"].queen, bytes(32)),
    MessageType.SYNC_HELLO: cbor.encode_struct(VECTOR),
    MessageType.SYNC_BATCHES: cbor.encode_struct(sync.Batches((batch_of("s2", 9), FOURTH), 0)),
    MessageType.SYNC_SNAPSHOT: cbor.encode_struct(sync.Snapshot(parse(FOURTH).signed.envelope.raw, 0, False)),
}
DURABLE_FIRST = {
    "a batch is durable before it is sent": Rule(
        checker=DurableFirst,
        good=(Persists("s1", FOURTH), Releases("s1", sent(MessageType.BATCH, FOURTH))),
        bad=(Releases("s1", sent(MessageType.BATCH, FOURTH)), Persists("s1", FOURTH)),
        said=("batch 4 leaves before it is durable",),
    ),
    "or lay on the disk, be it behind a gap": Rule(
        checker=DurableFirst,
        good=(Steps("s1", {"beyond": 4}), Releases("s1", sent(MessageType.BATCH, FOURTH))),
        bad=(Steps("s1", {"beyond": 3}), Releases("s1", sent(MessageType.BATCH, FOURTH))),
        said=("batch 4 leaves before it is durable",),
    ),
    "and before it is published": Rule(
        checker=DurableFirst,
        good=(Persists("s1", FOURTH), Persists("s1", FIFTH), Releases("s1", published(FOURTH))),
        bad=(Persists("s1", FOURTH), Releases("s1", published(FIFTH)), Persists("s1", FIFTH)),
        said=("batch 5 leaves before it is durable",),
    ),
    "durable is what is on one's own disk": Rule(
        checker=DurableFirst,
        good=(Persists("s1", FOURTH), Releases("s1", published(FOURTH))),
        bad=(
            Persists("s2", FOURTH),
            Persists("s1", batch_of("s2", 4)),
            Persists("s1", b"no batch", RecordKind.BLOCK),
            Releases("s1", published(FOURTH)),
        ),
        said=("batch 4 leaves before it is durable",),
    ),
    "what was durable still is after a restart": Rule(
        checker=DurableFirst,
        good=(Persists("s1", FOURTH), Restarts("s1"), Releases("s1", published(FOURTH))),
        bad=(Persists("s1", FOURTH), Restarts("s1"), Releases("s1", published(FIFTH))),
        said=("batch 5 leaves before it is durable",),
    ),
    "what a process found on its disk is durable": Rule(
        checker=DurableFirst,
        good=(Holds("s1", served(FOURTH)), Releases("s1", published(FOURTH))),
        bad=(Releases("s1", published(THIRD)), Holds("s1", served(FOURTH)), Releases("s1", published(FOURTH))),
        said=("batch 3 leaves before it is durable", "batch 4 leaves before it is durable"),
    ),
    **{
        f"{kind.name} says nothing too early": Rule(
            checker=DurableFirst,
            good=(Persists("s1", FOURTH), Releases("s1", sent(kind, payload))),
            bad=(Persists("s1", THIRD), Releases("s1", sent(kind, payload))),
            said=("batch 4 leaves before it is durable",),
        )
        for kind, payload in SAYINGS.items()
    },
    "what others wrote may be passed on": Rule(
        checker=DurableFirst,
        good=(
            Releases("s1", published(batch_of("s2", 4))),
            Releases("s1", sent(MessageType.PING, b"")),
            Releases("s1", Reply(request_id=1, outcome=Success())),
        ),
        bad=(Releases("s2", published(batch_of("s2", 4))),),
        said=("batch 4 leaves before it is durable",),
    ),
}


def put(value: bytes) -> MemoryPut:
    return MemoryPut(key="plan", value=value)


DONE = Success()
REFUSED = Failure(kind=FailureKind.FAILED, message="not now")


def told(request: int, outcome: Success | Failure = DONE) -> Happening:
    return Releases("s1", Reply(request_id=request, outcome=outcome))


ALL_READ = [Reads(host, "s1", "plan", b"1") for host in ("s1", "s2", "s3")]
EVERYONE = Ends("s1", "s2", "s3")
MISSES = tuple(f"{host} does not read what was acknowledged: s1's 'plan'" for host in ("s1", "s2", "s3"))
ACKNOWLEDGED = {
    "a write that was acknowledged is read by everyone": Rule(
        checker=Acknowledged,
        good=(Asks("s1", 1, put(b"1")), told(1), *ALL_READ, EVERYONE),
        bad=(Asks("s1", 1, put(b"1")), told(1), *ALL_READ[:2], EVERYONE),
        said=MISSES[2:],
    ),
    "with the value that was written": Rule(
        checker=Acknowledged,
        good=(Asks("s1", 1, put(b"0")), told(1), Asks("s1", 2, put(b"1")), told(2), *ALL_READ, EVERYONE),
        bad=(Asks("s1", 1, put(b"1")), told(1), Asks("s1", 2, put(b"0")), told(2), *ALL_READ, EVERYONE),
        said=MISSES,
    ),
    "what was removed is gone": Rule(
        checker=Acknowledged,
        good=(Asks("s1", 1, put(b"1")), told(1), Asks("s1", 2, MemoryRemove(key="plan")), told(2), EVERYONE),
        bad=(
            Asks("s1", 1, put(b"1")),
            told(1),
            Asks("s1", 2, MemoryRemove(key="plan")),
            told(2),
            *ALL_READ[:1],
            EVERYONE,
        ),
        said=MISSES[:1],
    ),
    "what was refused need not be there": Rule(
        checker=Acknowledged,
        good=(Asks("s1", 1, put(b"1")), told(1, REFUSED), EVERYONE),
        bad=(Asks("s1", 1, put(b"1")), told(1), Asks("s1", 2, put(b"2")), told(2, REFUSED), EVERYONE),
        said=MISSES,
    ),
    "a write without an answer may be read or not": Rule(
        checker=Acknowledged,
        good=(Asks("s1", 1, put(b"1")), told(1), Asks("s1", 2, put(b"2")), Restarts("s1"), EVERYONE),
        bad=(Asks("s1", 1, put(b"2")), Asks("s1", 2, put(b"1")), told(2), EVERYONE),
        said=MISSES,
    ),
    "an answer to another process is another's": Rule(
        checker=Acknowledged,
        good=(Asks("s1", 1, put(b"1")), Restarts("s1"), told(1), EVERYONE),
        bad=(Restarts("s1"), Asks("s1", 1, put(b"1")), told(1), EVERYONE),
        said=MISSES,
    ),
    "to read is to promise nothing": Rule(
        checker=Acknowledged,
        good=(Asks("s1", 1, MemoryGet(key="plan")), told(1), Releases("s1", published(FOURTH)), EVERYONE),
        bad=(Asks("s1", 1, MemoryGet(key="plan")), told(1), Asks("s1", 2, put(b"1")), told(2), EVERYONE),
        said=MISSES,
    ),
    "nothing is owed by who lied, lost its disk, or was not healed": Rule(
        checker=Acknowledged,
        good=(
            Asks("s1", 1, put(b"1")),
            told(1),
            Ends("s2", "s3"),
            Is("s1", rotten=True),
            EVERYONE,
            Is("s1", rotten=False, robbed=True),
            EVERYONE,
        ),
        bad=(Asks("s1", 1, put(b"1")), told(1), Falls("s2"), Is("s3", byzantine=True), EVERYONE),
        said=MISSES[:1],
    ),
}


# How full an actor's books are made: by the attribute, and what of it is one too many.
BOOKS = {
    "inbox": ("inbox", MAX_INBOX),
    "links": ("links", CAP),
    "strangers": ("strangers", CAP),
    "contacts": ("contacts", CAP),
    "logs": ("logs", 4096),
    "foreign peers": ("foreign", CAP),
    "samples of one link's clock": ("samples", CLOCK_SAMPLES),
    "foreign roots": ("roots", MAX_ROOTS),
    "discoveries of strangers": ("held", MAX_HELD),
    "writes that wait": ("waiting", CAP),
}


def filled(book: str, count: int) -> Happening:
    attribute = BOOKS[book][0]
    entries = range(count)
    return Steps("s1", {attribute: dict.fromkeys(entries) if attribute == "logs" else list(entries)})


BOUNDS = {
    f"{book} are counted": Rule(
        checker=Bounds,
        good=(filled(book, cap),),
        bad=(filled(book, cap + 1),),
        said=(f"{cap + 1} {book}, at most {cap}",),
    )
    for book, (_, cap) in BOOKS.items()
}

GROWN = sha256(b"grown")
MORE = sha256(b"more")


def differ(*groups: tuple[str, bytes, bytes]) -> str:
    """What is said of these hosts, with this state root, at this block."""
    held = (f"{hosts} hold {root.hex()[:8]} at block {block.hex()[:8]}" for hosts, root, block in groups)
    return f"the core does not hold the same: {', '.join(held)}"


EMPTY = (bytes(32), sha256(b"genesis"))
CONVERGENCE = {
    "the core comes to hold one state": Rule(
        checker=Convergence,
        good=(EVERYONE,),
        bad=(Steps("s2", {"root": MORE}), EVERYONE),
        said=(differ(("s1 s3", *EMPTY), ("s2", MORE, EMPTY[1])),),
    ),
    "and one chain": Rule(
        checker=Convergence,
        good=(
            Steps("s1", chain={"head_hash": GROWN}),
            Steps("s2", chain={"head_hash": GROWN}),
            Steps("s3", chain={"head_hash": GROWN}),
            EVERYONE,
        ),
        bad=(Steps("s1", chain={"head_hash": GROWN}), Steps("s2", chain={"head_hash": GROWN}), EVERYONE),
        said=(differ(("s1 s2", EMPTY[0], GROWN), ("s3", *EMPTY)),),
    ),
    "all of it runs": Rule(
        checker=Convergence,
        good=(Falls("s3"), Ends("s1", "s2")),
        bad=(Falls("s3"), EVERYONE),
        said=(
            "s3 is down although nothing is wrong with it",
            differ(("s1 s2", *EMPTY)),
        ),
    ),
    "all of it is operational": Rule(
        checker=Convergence,
        good=(Steps("s3", {"lifecycle": Lifecycle.SYNCING}), Ends("s1", "s2")),
        bad=(Steps("s3", {"lifecycle": Lifecycle.SYNCING}), EVERYONE),
        said=(
            "s3 is SYNCING: it waits; it may sign",
            differ(("s1 s2 s3", *EMPTY)),
        ),
    ),
    "but for who has to fear that it forgot what it signed": Rule(
        checker=Convergence,
        good=(
            Steps("s2", {"lifecycle": Lifecycle.SYNCING}),
            Steps("s3", {"lifecycle": Lifecycle.SYNCING}),
            Is("s2", rotten=True),
            Is("s3", robbed=True),
            EVERYONE,
        ),
        bad=(
            Is("s3", robbed=True),
            Steps("s2", {"lifecycle": Lifecycle.SYNCING, "read_only": "it asks what it wrote"}),
            EVERYONE,
        ),
        said=(
            "s2 is SYNCING: it waits; it asks what it wrote",
            differ(("s1 s2 s3", *EMPTY)),
        ),
    ),
    "nothing is expected of who is known to have forked": Rule(
        checker=Convergence,
        good=(Holds("s1", row("s3", 4, flag=Flag.FORKED)), Steps("s3", {"root": MORE}), EVERYONE),
        bad=(Holds("s1", row("s3", 4)), Steps("s3", {"root": MORE}), EVERYONE),
        said=(differ(("s1 s2", *EMPTY), ("s3", MORE, EMPTY[1])),),
    ),
}

RULES = {
    f"{rule.checker.name}: {name}": rule
    for rules in (DURABLE_FIRST, ACKNOWLEDGED, BOUNDS, CONVERGENCE)
    for name, rule in rules.items()
}


@pytest.mark.parametrize("name", RULES)
def test_a_checker_is_silent_while_the_rule_is_kept(name: str) -> None:
    assert Stage(RULES[name].checker).play(*RULES[name].good) == []


@pytest.mark.parametrize("name", RULES)
def test_a_checker_speaks_when_the_rule_is_broken(name: str) -> None:
    assert tuple(Stage(RULES[name].checker).play(*RULES[name].bad)) == RULES[name].said


def test_every_book_with_a_cap_is_filled() -> None:
    assert set(BOOKS) == set(CAPS)


def test_every_message_that_says_how_far_a_log_goes_is_tried() -> None:
    assert set(SAYINGS) == set(CLAIMS)


def test_a_checker_that_overrides_nothing_says_nothing() -> None:
    trace = (*DURABLE_FIRST["and before it is published"].bad, Steps("s1"), Holds("s1"), Asks("s1", 1, put(b"1")))
    assert Stage(Checker).play(*trace, EVERYONE) == []
