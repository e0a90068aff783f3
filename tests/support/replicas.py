"""Scribes who write owner logs, what may go wrong with their batches, and strategies over all of it.

    ring = Ring()
    alice = Scribe(ring, "alpha")
    first = alice.write(put("k", b"v"))     # a sealed batch; the scribe holds what it wrote
    twin = alice.twin()                     # the same key and the same past: from here on they contradict each other
    forged = alice.forge([put("k", b"w")], hlc=0)       # the next batch, signed, with a header that breaks a rule

`picture` is everything that a replica or a log holds, as a value: "nothing changed" is one comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from crdt import batch as batches
from crdt import fork
from crdt.batch import Header
from crdt.ops import Author, Op, OpKind, encode_op
from crdt.owner_log import Limits, OwnerLog
from crdt.replica import Receipt, ReceiptStatus, Replica
from crdt.snapshot import trie_of
from tests.support.sync_pair import FEDERATION, WALL_MS, Ring
from wire import cbor, keys
from wire.ids import ZERO_DIGEST, PublicKey, SwarmId, sha256
from wire.keys import SigningKey

REGISTERS = "memory"
SETS = "labels"


def put(key: str, value: bytes = b"v") -> Op:
    return Op(collection=REGISTERS, key=key, kind=OpKind.PUT, value=value, observed=())


def delete(key: str, observed: tuple[tuple[int, int, int], ...] = ()) -> Op:
    return Op(collection=REGISTERS, key=key, kind=OpKind.DEL, value=None, observed=observed)


def add(key: str, element: bytes) -> Op:
    return Op(collection=SETS, key=key, kind=OpKind.ADD, value=element, observed=())


def remove(key: str, element: bytes, observed: tuple[tuple[int, int, int], ...] = ()) -> Op:
    return Op(collection=SETS, key=key, kind=OpKind.RM, value=element, observed=observed)


@lru_cache(maxsize=1 << 14)
def verify(key: bytes, message: bytes, signature: bytes) -> bool:
    """The real verifier, asked once about each signature."""
    return keys.verify(key, message, signature)


class Scribe:
    """Writes the log of one author, wherever that leads."""

    def __init__(self, ring: Ring, name: str = "alpha", term: int = 1, limits: Limits | None = None) -> None:
        self.ring = ring
        self.author = ring.author(name, term)
        self.key = ring.keys[self.author]
        self.replica = Replica(FEDERATION, ring, limits, verify)
        self.batches: list[bytes] = []

    @property
    def log(self) -> OwnerLog:
        return self.replica.logs[self.author]

    def write(self, *ops: Op, hlc: int | None = None) -> bytes:
        """The next batch, held here too. Removals name what this scribe has seen of older terms."""
        named = [self.naming(op) for op in ops]
        batch = self.replica.compose(self.author, named, self.stamp() if hlc is None else hlc, self.key)
        self.batches.append(batch)
        return batch

    def __repr__(self) -> str:
        return f"Scribe(term={self.author.term}, {len(self.batches)} batches)"

    def naming(self, op: Op) -> Op:
        if op.kind not in (OpKind.DEL, OpKind.RM):
            return op
        seen = self.replica.observed(self.author, op.collection, op.key, op.value)
        return replace(op, observed=seen)

    def stamp(self) -> int:
        head = self.replica.head(self.author)
        return head.hlc + 1 if head else 1

    def read(self, *others: Scribe) -> None:
        """Take over what other scribes wrote."""
        deliver(self.replica, [batch for other in others for batch in other.batches])

    def twin(self, common: int | None = None) -> Scribe:
        """Another scribe of this author, whose log is the first `common` batches (all of them)."""
        twin = object.__new__(Scribe)
        twin.ring, twin.author, twin.key = self.ring, self.author, self.key
        twin.replica = Replica(FEDERATION, self.ring, self.replica.limits, verify)
        twin.batches = self.batches[:common]
        for batch in twin.batches:
            twin.replica.receive(batch, WALL_MS)
        return twin

    def envelope(self, seq: int) -> bytes:
        """The sealed header of one batch."""
        return batches.parse(self.batches[seq - 1]).signed.envelope.raw

    def forge(self, ops: Sequence[Op | bytes], key: SigningKey | None = None, **fields: Any) -> bytes:
        """The next batch, with some header fields as given, signed all the same; held by nobody."""
        raw = [op if isinstance(op, bytes) else encode_op(op) for op in ops]
        encoded = batches.encode_ops(raw)
        head = self.replica.head(self.author)
        honest = Header(
            federation=FEDERATION,
            swarm=self.author.swarm,
            term=self.author.term,
            seq=head.seq + 1 if head else 1,
            prev_hash=head.hash if head else bytes(32),
            hlc=self.stamp(),
            ops_hash=sha256(encoded),
            state_root=self._root_after(ops, head.seq + 1 if head else 1),
        )
        return batches.build(replace(honest, **fields), encoded, key or self.key)

    def _root_after(self, ops: Sequence[Op | bytes], seq: int) -> bytes:
        plain = [op for op in ops if not isinstance(op, bytes)]
        log = self.replica.logs.get(self.author) or OwnerLog(self.author, Limits())
        return log.preview([encode_op(op) for op in plain], seq, self.stamp())


class View:
    """A key ring of its own over the authors of `ring`: closes are learned one replica at a time."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self.closes: dict[Author, tuple[int, bytes]] = {}

    def queen_key(self, swarm: SwarmId, term: int) -> PublicKey | None:
        return self._ring.queen_key(swarm, term)

    def close_of(self, swarm: SwarmId, term: int) -> tuple[int, bytes] | None:
        return self.closes.get(Author(swarm, term))


# scenes

NOW_MS = 1_000_000


def scribe_of(count: int, limits: Limits | None = None) -> Scribe:
    """One who wrote a value of key a again and again, and each time one key more."""
    writer = Scribe(Ring(), limits=limits)
    for number in range(1, count + 1):
        writer.write(put("a", b"%d" % number), put(f"k{number}"))
    return writer


def parted(common: int, one: int, other: int) -> tuple[Scribe, Scribe]:
    """Two scribes of one author with a common past, and then so many batches that contradict each other."""
    left = scribe_of(common)
    right = left.twin()
    for number in range(one):
        left.write(put(f"left {number}"), put("a", b"left"))
    for number in range(other):
        right.write(put(f"right {number}"), put("a", b"right"))
    return left, right


def fork_proof(one: Scribe, other: Scribe, seq: int) -> bytes:
    return fork.build(one.envelope(seq), other.envelope(seq))


def receiver(scribe: Scribe, count: int = 0, limits: Limits | None = None) -> Replica:
    """A replica that received the first `count` batches, and knows of closes what it is told."""
    replica = replica_of(View(scribe.ring), limits)
    deliver(replica, scribe.batches[:count])
    return replica


def close_term(replica: Replica, scribe: Scribe, seq: int) -> None:
    """The chain, as far as `replica` knows it, closes the term of `scribe` at one of its batches."""
    assert isinstance(replica.key_ring, View)
    head = scribe.log.head_at(seq)
    replica.key_ring.closes[scribe.author] = (seq, head.hash if head else ZERO_DIGEST)
    replica.enforce_cut(scribe.author)


# delivering


def deliver(replica: Replica, arrivals: Iterable[bytes]) -> list[Receipt]:
    return [replica.receive(batch, WALL_MS) for batch in arrivals]


def replica_of(ring: Ring | View, limits: Limits | None = None) -> Replica:
    return Replica(FEDERATION, ring, limits, verify)


def settle(replicas: Sequence[Replica], written: Sequence[bytes]) -> None:
    """Deliver everything to everyone, proofs too, until nothing changes any more."""
    changing = True
    while changing:
        changing = False
        proofs = [proof for replica in replicas for proof in replica.proofs.values()]
        for replica in replicas:
            receipts = [*map(replica.receive_fork, proofs), *deliver(replica, written)]
            news = {receipt.status for receipt in receipts} & {ReceiptStatus.APPLIED, ReceiptStatus.FORKED}
            changing = changing or bool(news)


# looking


def picture(log: OwnerLog) -> tuple[object, ...]:
    """Everything that a log holds."""
    kept = tuple(log.batches_from(log.first_retained))
    heads = tuple(log.head_at(seq) for seq in range(log.seq + 1))
    return (log.head, log.flag, log.cut, dict(log.entries), log.size, log.trie.root, kept, log.retained_bytes, heads)


def whole_picture(replica: Replica) -> tuple[object, ...]:
    """Everything that a replica holds."""
    logs = {author: picture(log) for author, log in replica.logs.items()}
    return logs, dict(replica.proofs), dict(replica.dirty), replica.root(), replica.rows()


def check(replica: Replica) -> None:
    """What is true of every replica at every moment."""
    for author, log in replica.logs.items():
        assert log.author == author
        assert log.trie.root == trie_of(log.entries).root
        assert len(log.trie) == len(log.entries)
        assert log.size == sum(map(len, log.entries.values()))
        assert log.retained_bytes == sum(map(len, log.batches_from(log.first_retained)))
        if log.head is not None and not log.stranded:
            assert log.trie.root == log.head.root


# strategies

KEYS = st.sampled_from("abc")
VALUES = st.sampled_from([b"", b"x", b"y", b"z" * 40])

registers: st.SearchStrategy[Op] = st.builds(put, KEYS, VALUES) | st.builds(delete, KEYS)
elements: st.SearchStrategy[Op] = st.builds(add, KEYS, VALUES) | st.builds(remove, KEYS, VALUES)
some_ops = st.lists(registers | elements, min_size=1, max_size=4)
stories = st.lists(some_ops, min_size=1, max_size=8)


def write_all(scribe: Scribe, story: Iterable[Sequence[Op]]) -> Scribe:
    for ops in story:
        scribe.write(*ops)
    return scribe


# damage

JUNK = st.sampled_from(
    [0, 1, -1, 1 << 63, (1 << 64) - 1, True, None, b"", b"a", b"z" * 16, b"z" * 32, "a", [], [[]], {}, {"a": 1}]
)


@st.composite
def flipped(draw: st.DrawFn, raw: bytes) -> bytes:
    """A few bytes replaced, taken out or put in."""
    changed = bytearray(raw)
    at = draw(st.integers(0, len(changed) - 1))
    changed[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(changed)


@st.composite
def rebuilt(draw: st.DrawFn, raw: bytes) -> bytes:
    """The same CBOR array with one place, however deep, changed to something that is still CBOR."""
    plain = cbor.decode(raw)
    holder, index = draw(st.sampled_from(list(places(plain))))
    match draw(st.sampled_from(["replace", "insert", "remove", "double", "swap"])):
        case "replace":
            holder[index] = draw(JUNK)
        case "insert":
            holder.insert(index, draw(JUNK))
        case "remove":
            del holder[index]
        case "double":
            holder.insert(index, holder[index])
        case "swap":
            holder[index], holder[-1] = holder[-1], holder[index]
    return cbor.encode(plain)


def places(plain: Any) -> Iterator[tuple[list[Any], int]]:
    """Every position in nested arrays."""
    for index, item in enumerate(plain):
        yield plain, index
        if isinstance(item, list):
            yield from places(item)
