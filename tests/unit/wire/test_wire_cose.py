"""Envelopes: what is sealed opens for its federation alone, as the bytes that came, and in no other form."""

from __future__ import annotations

from typing import Any

import cbor2
import pytest

from wire import cbor, cose
from wire.errors import BadSignature, DecodeError, Offence, RemoteError
from wire.keys import SigningKey
from wire.types import ContentType

KEY, OTHER = SigningKey(b"k" * 32), SigningKey(b"o" * 32)
HOME, ABROAD = b"h" * 32, b"a" * 32
TYPE = ContentType.BATCH
PAYLOAD = cbor.encode([1, b"two"])
SEALED = cose.seal(TYPE, PAYLOAD, KEY, HOME)
PROTECTED: dict[Any, Any] = {1: -8, 3: str(TYPE), 4: bytes(KEY.public)}
HEADER = cbor2.dumps(PROTECTED, canonical=True)
LIMIT = 1024


def sealed(
    header: object = PROTECTED,
    unprotected: object = None,
    payload: object = PAYLOAD,
    aad: bytes = b"zenmesh/1\0" + HOME,
) -> bytes:
    """A COSE_Sign1 by hand: authentic, whatever stands in it."""
    protected = header if isinstance(header, bytes) else cbor2.dumps(header, canonical=True)
    signature = KEY.sign(cbor2.dumps(["Signature1", protected, b"zenmesh/1\0" + HOME, payload]))
    return b"\xd2" + cbor2.dumps([protected, unprotected or {}, payload, signature], canonical=True)


def opened(raw: bytes, federation: bytes = HOME) -> cose.Envelope:
    return cose.open_as(raw, TYPE, federation, limit=LIMIT)


def test_an_envelope_is_a_cose_sign1() -> None:
    assert sealed() == SEALED


def test_what_was_sealed_is_found_in_it() -> None:
    envelope = opened(SEALED)
    assert (envelope.content_type, envelope.kid, envelope.payload) == (TYPE, KEY.public, PAYLOAD)
    assert envelope.raw == SEALED
    assert envelope == cose.parse(SEALED)


def test_sealing_again_makes_the_same_bytes() -> None:
    assert cose.seal(TYPE, PAYLOAD, KEY, HOME) == SEALED


def test_an_envelope_is_put_together_again_from_its_parts() -> None:
    envelope = opened(SEALED)
    assert cose.reassemble(TYPE, PAYLOAD, KEY.public, envelope.signature) == envelope
    with pytest.raises(BadSignature):
        cose.check(cose.reassemble(TYPE, PAYLOAD, OTHER.public, envelope.signature), HOME)


@pytest.mark.parametrize("payload", [b"", b"\xff\xff", bytes(800)], ids=["none", "no CBOR", "long"])
def test_a_payload_is_any_bytes(payload: bytes) -> None:
    assert opened(cose.seal(TYPE, payload, KEY, HOME)).payload == payload


class Verifier:
    """Finds all authentic, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def __call__(self, public: bytes, message: bytes, signature: bytes) -> bool:
        self.asked.append(message)
        return True


@pytest.mark.parametrize("size", [0, 23, 24, 255, 256, 5_000, 70_000])
def test_what_is_signed_is_the_sig_structure_whatever_its_size(size: int) -> None:
    verify, payload = Verifier(), b"p" * size
    cose.open_as(cose.seal(TYPE, payload, KEY, HOME), TYPE, HOME, limit=100_000, verify=verify)
    assert verify.asked == [cbor2.dumps(["Signature1", HEADER, b"zenmesh/1\0" + HOME, payload])]


@pytest.mark.parametrize(("size", "times"), [(100, 1), (5_000, 3)])
def test_only_small_envelopes_are_kept_and_for_one_verifier(size: int, times: int) -> None:
    one, other, raw = Verifier(), Verifier(), cose.seal(TYPE, b"q" * size, KEY, HOME)
    for _ in range(3):
        assert cose.open_as(raw, TYPE, HOME, limit=100_000, verify=one) == cose.parse(raw, 100_000)
    cose.open_as(raw, TYPE, HOME, limit=100_000, verify=other)
    assert (len(one.asked), len(other.asked)) == (times, 1)


def test_bytes_are_verified_as_received() -> None:
    """What is verified are the protected bytes and the payload that came, not what they would be written as."""
    asked: list[tuple[bytes, bytes, bytes]] = []

    def verify(public: bytes, message: bytes, signature: bytes) -> bool:
        asked.append((public, message, signature))
        return True

    cose.open_as(SEALED, TYPE, HOME, limit=LIMIT, verify=verify)
    protected, _, payload, signature = cbor2.loads(SEALED[1:])
    covered = cbor2.dumps(["Signature1", protected, b"zenmesh/1\0" + HOME, payload])
    assert asked == [(KEY.public, covered, signature)]


def test_parsing_verifies_nothing() -> None:
    forged = SEALED[:-1] + bytes([SEALED[-1] ^ 1])
    envelope = cose.parse(forged)
    with pytest.raises(BadSignature, match=r"bad signature on application/zenmesh.batch"):
        cose.check(envelope, HOME)


# who it is for


@pytest.mark.parametrize(
    ("sealed_for", "opened_for"),
    [
        pytest.param(HOME, ABROAD, id="another federation"),
        pytest.param(HOME, cose.GENESIS, id="no federation yet"),
        pytest.param(cose.GENESIS, HOME, id="the genesis, in a federation"),
    ],
)
def test_nothing_signed_for_one_means_anything_to_another(sealed_for: bytes, opened_for: bytes) -> None:
    raw = cose.seal(TYPE, PAYLOAD, KEY, sealed_for)
    assert opened(raw, sealed_for).payload == PAYLOAD
    with pytest.raises(BadSignature) as caught:
        opened(raw, opened_for)
    assert caught.value.offence is Offence.SIGNATURE


def test_a_statement_of_one_type_is_none_of_another() -> None:
    with pytest.raises(DecodeError, match=r"zenmesh.batch.* where .*zenmesh.leave.* belongs") as caught:
        cose.open_as(SEALED, ContentType.LEAVE, HOME, limit=LIMIT)
    assert caught.value.offence is Offence.PROTOCOL


def test_the_type_and_the_signer_are_signed_too() -> None:
    signature = opened(SEALED).signature
    for header in ({**PROTECTED, 3: str(ContentType.LEAVE)}, {**PROTECTED, 4: bytes(OTHER.public)}):
        protected = cbor2.dumps(header, canonical=True)
        raw = b"\xd2" + cbor2.dumps([protected, {}, PAYLOAD, signature], canonical=True)
        with pytest.raises(BadSignature):
            cose.check(cose.parse(raw), HOME)


# what is refused

TAIL = SEALED[2:]  # behind the tag and the array's head
REFUSED: dict[str, bytes] = {
    "nothing": b"",
    "a tag alone": b"\xd2",
    "no tag": SEALED[1:],
    "another tag": b"\xd3" + SEALED[1:],
    "the tag in two bytes": b"\xd8\x12" + SEALED[1:],
    "the tag twice": b"\xd2" + SEALED,
    "a byte behind": SEALED + b"\0",
    "a byte short": SEALED[:-1],
    "an array of three": b"\xd2" + cbor2.dumps([b"", {}, b""]),
    "an array of five": b"\xd2" + cbor2.dumps([b"", {}, b"", bytes(64), 0]),
    "a map": b"\xd2\xa0",
    "an open array": b"\xd2\x9f" + TAIL + b"\xff",
    "an array with a long head": b"\xd2\x98\x04" + TAIL,
    "a detached payload": sealed(payload=None),
    "a payload of text": sealed(payload="text"),
    "an unprotected header": sealed(unprotected={"a": 1}),
    "an unprotected algorithm": sealed(unprotected={1: -8}),
    "a signature of 63 bytes": b"\xd2" + cbor2.dumps([HEADER, {}, PAYLOAD, bytes(63)]),
    "no signature": b"\xd2" + cbor2.dumps([HEADER, {}, PAYLOAD, b""]),
    # the protected header
    "no header": sealed(b""),
    "a header that is no CBOR": sealed(b"\xff"),
    "a header that is no map": sealed([-8]),
    "an empty header": sealed({}),
    "no algorithm": sealed({3: str(TYPE), 4: KEY.public}),
    "no content type": sealed({1: -8, 4: KEY.public}),
    "no kid": sealed({1: -8, 3: str(TYPE)}),
    "a key more": sealed({**PROTECTED, 5: b""}),
    "a critical key": sealed({**PROTECTED, 2: [9]}),
    "another algorithm": sealed({**PROTECTED, 1: -7}),
    "an algorithm by name": sealed({**PROTECTED, 1: "EdDSA"}),
    "an algorithm as float": sealed({**PROTECTED, 1: -8.0}),
    "a key as float": sealed({1.0: -8, 3: str(TYPE), 4: KEY.public}),
    "a key as truth value": sealed({True: -8, 3: str(TYPE), 4: KEY.public}),
    "a content type by number": sealed({**PROTECTED, 3: 0}),
    "a content type in bytes": sealed({**PROTECTED, 3: TYPE.encode()}),
    "a kid of 31 bytes": sealed({**PROTECTED, 4: KEY.public[:-1]}),
    "a kid of 33 bytes": sealed({**PROTECTED, 4: KEY.public + b"\0"}),
    "a kid of text": sealed({**PROTECTED, 4: "k" * 32}),
    "keys in another order": sealed(cbor2.dumps({4: KEY.public, 3: str(TYPE), 1: -8})),
    "a key twice": sealed(b"\xa4\x01\x27" + HEADER[1:]),
    "a long head of the header": sealed(b"\xb8\x03" + HEADER[1:]),
    "an open header": sealed(b"\xbf" + HEADER[1:] + b"\xff"),
    "a byte behind the header": sealed(HEADER + b"\0"),
    "a known tag in the header": sealed({**PROTECTED, 4: cbor2.CBORTag(2, KEY.public)}),
    "a tag of no meaning in the header": sealed({**PROTECTED, 4: cbor2.CBORTag(12345, KEY.public)}),
    "a header nested deep": sealed({**PROTECTED, 3: [[["x"]]]}),
    "a header nested very deep": sealed(b"\x81" * 200),
}


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_another_form_is_refused_though_authentic(raw: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        opened(raw)
    assert caught.value.offence is Offence.DECODE


def test_a_protected_header_has_at_most_256_bytes() -> None:
    room = 256 - len(cbor2.dumps({**PROTECTED, 3: "t" * 100}, canonical=True)) + 100
    assert cose.parse(sealed({**PROTECTED, 3: "t" * room})).content_type == "t" * room
    with pytest.raises(DecodeError, match="over 256 bytes") as caught:
        cose.parse(sealed({**PROTECTED, 3: "t" * (room + 1)}))
    assert caught.value.offence is Offence.OVERSIZE


def test_an_envelope_has_the_limit_that_its_reader_names() -> None:
    assert cose.parse(SEALED, len(SEALED) - 1) == cose.parse(SEALED)  # of what is tagged
    with pytest.raises(DecodeError) as caught:
        cose.parse(SEALED, len(SEALED) - 2)
    assert caught.value.offence is Offence.OVERSIZE


@pytest.mark.parametrize("place", range(len(SEALED)))
def test_no_bit_of_an_envelope_can_be_flipped(place: int) -> None:
    for bit in range(8):
        raw = bytearray(SEALED)
        raw[place] ^= 1 << bit
        with pytest.raises(RemoteError):
            opened(bytes(raw))
