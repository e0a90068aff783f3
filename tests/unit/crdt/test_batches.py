"""Batches and fork proofs as bytes: their spelling, and each way in which they are refused."""

from __future__ import annotations

import pytest

from crdt import batch as batches
from crdt import fork
from crdt.batch import MAX_OPS, MAX_OPS_BYTES, Header
from crdt.ops import Author, encode_op
from tests.support.replicas import Scribe, put
from tests.support.sync_pair import FEDERATION, Ring
from wire import cbor, cose, keys
from wire.errors import BadSignature, DecodeError, Offence, ProtocolViolation, RemoteError
from wire.ids import SwarmId, sha256
from wire.keys import SigningKey
from wire.types import BATCH_LIMIT, ContentType

KEY = SigningKey(b"k" * 32)
OPS = batches.encode_ops([encode_op(put("k"))])
HEADER = Header(
    federation=FEDERATION,
    swarm=b"s" * 16,
    term=1,
    seq=1,
    prev_hash=bytes(32),
    hlc=5,
    ops_hash=sha256(OPS),
    state_root=b"r" * 32,
)


def sealed(payload: bytes, content_type: str = ContentType.BATCH) -> bytes:
    return cose.seal(content_type, payload, KEY, FEDERATION)


def holding(ops: bytes) -> bytes:
    """A batch of these ops, whatever they are."""
    fields = cbor.decode(cbor.encode_struct(HEADER))
    assert isinstance(fields, list)
    fields[6] = sha256(ops)
    return cbor.encode([sealed(cbor.encode(fields)), ops])


def heading(place: int, value: object) -> bytes:
    """A sealed header with one field changed; beyond the last, one more."""
    fields = cbor.decode(cbor.encode_struct(HEADER))
    assert isinstance(fields, list)
    fields[place : place + 1] = [value]
    return sealed(cbor.encode(fields))


def test_a_batch_is_the_sealed_header_beside_its_ops() -> None:
    raw = batches.build(HEADER, OPS, KEY)
    batch = batches.parse(raw)
    assert raw == cbor.encode([sealed(cbor.encode_struct(HEADER)), OPS])
    assert (batch.raw, batch.ops, batch.signed.header) == (raw, (encode_op(put("k")),), HEADER)
    assert batch.signed.hash == sha256(cbor.encode_struct(HEADER))
    assert batch.signed.author == Author(SwarmId(b"s" * 16), 1)


def test_a_head_remembers_what_proves_it() -> None:
    signed = batches.parse_header(sealed(cbor.encode_struct(HEADER)))
    head = signed.head
    assert (head.seq, head.hash, head.hlc, head.root) == (1, signed.hash, 5, b"r" * 32)
    assert batches.parse_header(head.envelope) == signed


@pytest.mark.parametrize(
    ("raw", "kind", "offence"),
    [
        pytest.param(b"", DecodeError, Offence.DECODE, id="nothing"),
        pytest.param(bytes(BATCH_LIMIT + 1), DecodeError, Offence.OVERSIZE, id="over 300 KiB"),
        pytest.param(cbor.encode([b""]), DecodeError, Offence.DECODE, id="no ops"),
        pytest.param(cbor.encode({}), DecodeError, Offence.DECODE, id="a map"),
        pytest.param(cbor.encode([b"", OPS]), DecodeError, Offence.DECODE, id="no envelope"),
        pytest.param(cbor.encode(["", OPS]), DecodeError, Offence.DECODE, id="text as header"),
        pytest.param(
            cbor.encode([sealed(cbor.encode_struct(HEADER)), OPS + b"\0"]),
            BadSignature,
            Offence.SIGNATURE,
            id="other ops than the header names",
        ),
        pytest.param(holding(b"\xff"), DecodeError, Offence.DECODE, id="ops that are no CBOR"),
        pytest.param(holding(cbor.encode({})), DecodeError, Offence.DECODE, id="ops that are a map"),
        pytest.param(holding(cbor.encode([])), DecodeError, Offence.DECODE, id="an empty list of ops"),
        pytest.param(holding(cbor.encode([b"op"] * (MAX_OPS + 1))), DecodeError, Offence.DECODE, id="257 ops"),
        pytest.param(holding(cbor.encode([b"op", "op"])), DecodeError, Offence.DECODE, id="an op that is text"),
        pytest.param(holding(bytes(MAX_OPS_BYTES + 1)), DecodeError, Offence.OVERSIZE, id="ops over 256 KiB"),
    ],
)
def test_a_batch_is_refused(raw: bytes, kind: type[RemoteError], offence: Offence) -> None:
    with pytest.raises(kind) as caught:
        batches.parse(raw)
    assert caught.value.offence is offence


def test_as_many_ops_as_fit_are_read() -> None:
    assert len(batches.parse(holding(cbor.encode([b"op"] * MAX_OPS))).ops) == MAX_OPS


@pytest.mark.parametrize("place", [2, 3, 5], ids=["term", "number", "clock"])
def test_a_number_of_63_bits_is_read(place: int) -> None:
    header = batches.parse_header(heading(place, (1 << 63) - 1)).header
    assert cbor.decode(cbor.encode_struct(header))[place] == (1 << 63) - 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("envelope", "offence"),
    [
        pytest.param(b"", Offence.DECODE, id="nothing"),
        pytest.param(heading(0, b"f" * 31), Offence.DECODE, id="a federation of 31 bytes"),
        pytest.param(heading(1, b"s" * 17), Offence.DECODE, id="a swarm of 17 bytes"),
        pytest.param(heading(2, -1), Offence.DECODE, id="a negative term"),
        pytest.param(heading(2, 1 << 63), Offence.DECODE, id="a term of 64 bits"),
        pytest.param(heading(3, 0), Offence.DECODE, id="batch 0"),
        pytest.param(heading(3, 1 << 63), Offence.DECODE, id="a number of 64 bits"),
        pytest.param(heading(3, True), Offence.DECODE, id="a truth value as number"),
        pytest.param(heading(4, b""), Offence.DECODE, id="no hash"),
        pytest.param(heading(5, -1), Offence.DECODE, id="a negative clock"),
        pytest.param(heading(7, None), Offence.DECODE, id="no state root"),
        pytest.param(heading(8, 0), Offence.DECODE, id="a field too many"),
        pytest.param(sealed(b"x" * 1024), Offence.OVERSIZE, id="over 1 KiB"),
        pytest.param(
            sealed(cbor.encode_struct(HEADER), ContentType.HEARTBEAT), Offence.PROTOCOL, id="another statement"
        ),
    ],
)
def test_a_header_is_refused(envelope: bytes, offence: Offence) -> None:
    with pytest.raises(DecodeError) as caught:
        batches.parse_header(envelope)
    assert caught.value.offence is offence


@pytest.mark.parametrize(
    ("header", "signer", "federation", "expected", "offence"),
    [
        pytest.param(HEADER, KEY, FEDERATION, KEY, None, id="as it should be"),
        pytest.param(HEADER, KEY, b"g" * 32, KEY, Offence.FEDERATION, id="of another federation"),
        pytest.param(HEADER, SigningKey(b"m" * 32), FEDERATION, KEY, Offence.SIGNATURE, id="by another key"),
    ],
)
def test_who_signed(
    header: Header, signer: SigningKey, federation: bytes, expected: SigningKey, offence: Offence | None
) -> None:
    signed = batches.parse(batches.build(header, OPS, signer)).signed
    if offence is None:
        batches.verify_header(signed, federation, expected.public, keys.verify)
        return
    with pytest.raises(BadSignature) as caught:
        batches.verify_header(signed, federation, expected.public, keys.verify)
    assert caught.value.offence is offence


def test_one_flipped_bit_of_the_signature_is_noticed() -> None:
    envelope = bytearray(sealed(cbor.encode_struct(HEADER)))
    envelope[-1] ^= 1
    with pytest.raises(BadSignature):
        batches.verify_header(batches.parse_header(bytes(envelope)), FEDERATION, KEY.public, keys.verify)


# fork proofs


def two_tongues() -> tuple[Scribe, Scribe]:
    """Two scribes of one author who agree on one batch and not on the next two."""
    one = Scribe(Ring())
    one.write(put("common"))
    other = one.twin()
    for number in range(2):
        one.write(put(f"one {number}"))
        other.write(put(f"other {number}"))
    return one, other


ONE, OTHER = two_tongues()


def test_a_fork_has_one_proof() -> None:
    raw = fork.build(ONE.envelope(2), OTHER.envelope(2))
    proof = fork.parse(raw)
    assert raw == fork.build(OTHER.envelope(2), ONE.envelope(2))
    assert (proof.author, proof.seq, proof.raw) == (ONE.author, 2, raw)
    assert proof.first.envelope.raw < proof.second.envelope.raw


PAIR = [ONE.envelope(2), OTHER.envelope(2)]
MIMIC = cose.seal(ContentType.BATCH, cbor.encode_struct(HEADER), SigningKey(b"m" * 32), FEDERATION)
STRANGER = Scribe(ONE.ring, "beta")
STRANGER.write(put("k"))
STRANGER.write(put("k"))
LATER = Scribe(ONE.ring, "alpha", term=2)
LATER.write(put("k"))
LATER.write(put("k"))


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        pytest.param(b"", DecodeError, id="nothing"),
        pytest.param(bytes(fork.MAX_PROOF + 1), DecodeError, id="over 4 KiB"),
        pytest.param(cbor.encode([ONE.envelope(2)]), DecodeError, id="one header"),
        pytest.param(cbor.encode([b"a", b"b"]), DecodeError, id="no headers"),
        pytest.param(fork.build(ONE.envelope(1), ONE.envelope(1)), DecodeError, id="the same header twice"),
        pytest.param(cbor.encode(sorted(PAIR, reverse=True)), DecodeError, id="in descending order"),
        pytest.param(fork.build(ONE.envelope(2), OTHER.envelope(3)), ProtocolViolation, id="two places of a log"),
        pytest.param(fork.build(ONE.envelope(2), STRANGER.envelope(2)), ProtocolViolation, id="two swarms"),
        pytest.param(fork.build(ONE.envelope(2), LATER.envelope(2)), ProtocolViolation, id="two terms of a swarm"),
        pytest.param(
            fork.build(sealed(cbor.encode_struct(HEADER)), MIMIC),
            ProtocolViolation,
            id="one header under two signatures",
        ),
    ],
)
def test_a_proof_is_refused(raw: bytes, kind: type[RemoteError]) -> None:
    with pytest.raises(kind):
        fork.parse(raw)
