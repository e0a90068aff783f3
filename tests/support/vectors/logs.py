"""Vectors of what swarms write: ops, entries, batches and their chain, forks, tries, the federation root."""

from __future__ import annotations

from collections.abc import Iterator

from crdt import batch, fork
from crdt.batch import Header
from crdt.ops import Op, OpKind, encode_entry, encode_op, entry_digest, path_of
from crdt.trie import FANOUT, Inner, Trie, hash_of
from tests.support.protocol_examples import QUEEN
from tests.support.vectors.form import File, Section, Vector
from tests.support.vectors.scene import AUTHOR, STAMP, fork_proof, genesis, written
from wire import cbor, cose
from wire.errors import Offence
from wire.ids import sha256
from wire.types import ContentType

_OPS = [
    ("put", Op("memory", "plan", OpKind.PUT, b'{"goal": "ship"}', observed=()), "Set a register."),
    (
        "put nothing",
        Op("memory", "größe", OpKind.PUT, b"", observed=()),
        "An empty value is a value; a key is UTF-8.",
    ),
    ("del", Op("memory", "plan", OpKind.DEL, None, observed=()), "Remove a register: the value is null."),
    ("del of older terms", Op("memory", "plan", OpKind.DEL, None, ((1, 7, 0), (2, 1, 3))), "It names observed dots."),
    ("add", Op("skills", "languages", OpKind.ADD, b"python", observed=()), "Add an element to a set."),
    ("rm", Op("skills", "languages", OpKind.RM, b"python", observed=()), "Remove it: the element is named again."),
]
_UNSOUND_OPS = [
    ("a deletion with a value", ["memory", "plan", 1, b"1", []], "Exactly DEL carries no value."),
    ("a put without a value", ["memory", "plan", 0, None, []], "Exactly DEL carries no value."),
    ("a put that observed", ["memory", "plan", 0, b"1", [[1, 1, 0]]], "Only removals name dots."),
    ("an unknown kind", ["memory", "plan", 4, b"1", []], "There are four kinds."),
    ("no collection", ["", "plan", 0, b"1", []], "A collection has 1 to 64 characters."),
    ("a long key", ["memory", "k" * 129, 0, b"1", []], "A key has at most 128 bytes."),
    ("a field more", ["memory", "plan", 0, b"1", [], 0], "The layout is closed: what is signed is judged alike."),
    ("a field less", ["memory", "plan", 0, b"1"], "An op has one spelling: the empty list is written."),
]
_SECOND_SPELLINGS = [
    ("trailing bytes", b"\x85fmemorydplan\x00A1\x80\x00", "Nothing stands behind the array."),
    ("a longer head", b"\x85fmemory\x78\x04plan\x00A1\x80", "Lengths are in their shortest form."),
]


def logs() -> File:
    """Ops, entries, batches, forks, version vectors."""
    return File(
        name="logs",
        about="What a swarm writes: ops, the entries they leave, signed batches and their chain, forks.",
        sections=[
            Section(
                name="ops",
                about="An op, its encoding, and the path of the entry that it sets or removes.",
                vectors=[
                    Vector(name=name, about=why, given={"op": op}, out={"cbor": encode_op(op), "path": path_of(op)})
                    for name, op, why in _OPS
                ],
            ),
            Section(
                name="refused ops",
                about="Ops that are refused, and with them the batch that holds them.",
                vectors=[
                    Vector(name=name, about=why, given={"cbor": cbor.encode(parts)}, refused=Offence.DECODE)
                    for name, parts, why in _UNSOUND_OPS
                ]
                + [
                    Vector(name=name, about=why, given={"cbor": raw}, refused=Offence.DECODE)
                    for name, raw, why in _SECOND_SPELLINGS
                ],
            ),
            Section(
                name="entries",
                about="The entry that an op leaves in the state, and its digest in the trie.",
                vectors=[_entry(place, op) for place, (_, op, _) in enumerate(_OPS) if op.kind is not OpKind.RM],
            ),
            Section(
                name="batches",
                about="Three batches of one log. `prev_hash` chains them; `state_root` is the trie's after each.",
                vectors=[_batch(one) for one in written()[1]],
            ),
            Section(
                name="refused batches",
                about="Batches that are refused.",
                vectors=_unsound_batches(),
            ),
            _forks(),
            _federation_root(),
        ],
    )


def _entry(place: int, op: Op) -> Vector:
    entry = encode_entry(9, place, STAMP, encode_op(op))
    return Vector(
        name=f"at place {place}",
        about="Of batch 9, with a stamp beyond 2^53.",
        given={"seq": 9, "place": place, "hlc": STAMP, "op": encode_op(op)},
        out={"entry": entry, "digest": entry_digest(entry)},
    )


def _batch(one: batch.Batch) -> Vector:
    header = one.signed.header
    return Vector(
        name=f"batch {header.seq}",
        about="Its header, sealed by the author's queen key, and beside it the ops that the header's hash names.",
        given={"seed": QUEEN.seed, "header": header, "ops": one.ops},
        out={
            "ops": batch.encode_ops(one.ops),
            "header": one.signed.envelope.payload,
            "hash": one.signed.hash,
            "envelope": one.signed.envelope.raw,
            "batch": one.raw,
        },
    )


def _unsound_batches() -> list[Vector]:
    first, second, _ = written()[1]
    sealed, header = first.signed.envelope.raw, first.signed.header
    fields = [getattr(header, name) for name in Header.__struct_fields__]

    def resealed(*parts: object, ops: bytes = batch.encode_ops(first.ops)) -> bytes:
        envelope = cose.seal(ContentType.BATCH, cbor.encode(list(parts)), QUEEN, header.federation)
        return cbor.encode([envelope, ops])

    none = cbor.encode([])
    cases = [
        ("other ops", cbor.encode([sealed, batch.encode_ops(second.ops)]), Offence.SIGNATURE,
         "The header names the hash of other ops."),
        ("no ops", resealed(*fields[:6], sha256(none), fields[7], ops=none), Offence.DECODE, "It holds 1 to 256."),
        ("seq 0", resealed(*fields[:3], 0, *fields[4:]), Offence.DECODE, "The first batch is 1."),
        ("a field more", resealed(*fields, 0), Offence.DECODE, "The layout of headers is closed."),
        ("a field less", resealed(*fields[:-1]), Offence.DECODE, "A header has 8 fields."),
        ("the header alone", cbor.encode([sealed]), Offence.DECODE, "A batch is the header and the ops."),
    ]  # fmt: skip
    return [Vector(name=name, about=why, given={"batch": raw}, refused=offence) for name, raw, offence, why in cases]


def _forks() -> Section:
    proof = fork_proof()
    headers = [proof.first.envelope.raw, proof.second.envelope.raw]
    first, second = (one.signed.envelope.raw for one in written()[1][:2])
    cases = [
        ("descending", cbor.encode(headers[::-1]), Offence.DECODE, "A fork has one proof: headers ascend bytewise."),
        ("one header twice", cbor.encode([headers[0]] * 2), Offence.DECODE, "That is no contradiction."),
        ("two places", fork.build(first, second), Offence.PROTOCOL, "A log has many headers, one for each place."),
    ]
    return Section(
        name="forks",
        about="Two sealed headers of one author for one place, in any order, and the proof made of them.",
        vectors=[
            Vector(
                name="two first batches",
                about="Both verify with the queen key of the author's term.",
                given={"headers": headers},
                out={"proof": proof.raw},
            ),
            *(
                Vector(name=name, about=why, given={"proof": raw}, refused=offence)
                for name, raw, offence, why in cases
            ),
        ],
    )


def _federation_root() -> Section:
    replica, _ = written()
    (newest,) = replica.rows()
    row = newest._asdict() | {"flag": int(newest.flag)}
    return Section(
        name="federation roots",
        about="Rows of a version vector, ascending by (swarm, term), and the hash of all that a node holds.",
        vectors=[
            Vector(
                name="nothing", about="No rows.", given={"rows": []}, out={"root": sha256(b"zenmesh/federation\0")}
            ),
            Vector(
                name="one log",
                about=f"The log of the batches above, of the federation {genesis().name}, term {AUTHOR.term}.",
                given={"rows": [row]},
                out={"root": replica.root()},
            ),
        ],
    )


# tries


def tries() -> File:
    """Merkle tries."""
    deep: list[tuple[bytes, bytes]] = [
        (b"\xab\xcd\xef\x01" + sha256(b"path %d" % n)[4:], sha256(b"digest %d" % n)) for n in range(17)
    ]
    counted = [
        Vector(
            name=f"{count} entries",
            about=f"Entry n, from 0 to {count - 1}." if count else "No entries at all.",
            given={"count": count},
            out=_shape([(sha256(b"path %d" % n), sha256(b"digest %d" % n)) for n in range(count)]),
        )
        for count in (0, 1, 16, 17, 1000)
    ]
    listed = [
        Vector(
            name="17 paths that begin alike",
            about="They share 8 nibbles: the bucket at depth 8 takes any number.",
            given={"entries": sorted(deep)},
            out=_shape(deep),
        )
    ]
    return File(
        name="trie",
        about="Merkle tries: from entries (path, digest) to the hash of every node, by the nibbles that lead to it.",
        sections=[
            Section(
                name="counted",
                about='Entry n has the path SHA-256("path n") and the digest SHA-256("digest n"), n in decimal. '
                "`nodes` names every node but the empty ones; the root is the one at no nibbles.",
                vectors=counted,
            ),
            Section(name="listed", about="The entries themselves.", vectors=listed),
        ],
    )


def _shape(entries: list[tuple[bytes, bytes]]) -> dict[str, object]:
    trie = Trie(entries)
    return {"root": trie.root, "nodes": dict(_nodes(trie, ()))}


def _nodes(trie: Trie, prefix: tuple[int, ...]) -> Iterator[tuple[str, bytes]]:
    node = trie.below(prefix)
    if isinstance(node, Inner) or node.entries:
        yield "".join(f"{step:x}" for step in prefix), hash_of(node)
    if isinstance(node, Inner):
        for step in range(FANOUT):
            yield from _nodes(trie, (*prefix, step))
