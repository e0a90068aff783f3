"""Vectors of what all layers speak: keys, ids, clock stamps, CBOR, envelopes, frames."""

from __future__ import annotations

from collections.abc import Sequence

import cbor2
import zstandard

from mesh.protocol.topics import state_topic
from tests.support.protocol_examples import CREATED_MS, EXAMPLES, JOINER_ROOT, NODE, QUEEN, ROOT
from tests.support.vectors.form import File, Section, Vector, untyped
from wire import cbor, cose
from wire.errors import Offence
from wire.frame import MAX_BODY, MAX_MESSAGES, encode_frame, pack_message
from wire.ids import KEY_SIZE, FederationId, peer_id_of, sha256, swarm_id_of
from wire.keys import SigningKey
from wire.time import HLC_MAX, HlcClock, hlc_of
from wire.types import ContentType, MessageType

_FEDERATION = FederationId(sha256(b"a federation"))
_ORDER = (1 << 252) + 27742317777372353535851937790883648493  # of the group of Ed25519


# ids


def ids() -> File:
    """Keys, ids and stamps."""
    seeds = {"root": ROOT, "node": NODE, "queen": QUEEN, "root of another": JOINER_ROOT}
    keys = [
        Vector(
            name=name,
            about=f"The {name} key of the worked examples, with the ids it would have in either role.",
            given={"seed": key.seed},
            out={"public": key.public, "swarm_id": swarm_id_of(key.public), "peer_id": peer_id_of(key.public)},
        )
        for name, key in seeds.items()
    ]
    parts = [(0, 0), (0, 1), (1, 0), (CREATED_MS, 0), (CREATED_MS, 65535), ((1 << 48) - 1, 65535)]
    stamps = [
        Vector(
            name=f"{wall_ms}-{counter}",
            about="A stamp from its two parts.",
            given={"wall_ms": wall_ms, "counter": counter},
            out={"stamp": hlc_of(wall_ms, counter)},
        )
        for wall_ms, counter in parts
    ]
    return File(
        name="ids",
        about="Keys, ids derived from them, stamps of the hybrid logical clock, and gossip topics.",
        sections=[
            Section(
                name="keys",
                about="An Ed25519 key pair from its seed; the swarm id of a root key, the peer id of a node key.",
                vectors=keys,
            ),
            Section(name="stamps", about="stamp = wall_ms * 2^16 + counter", vectors=stamps),
            Section(
                name="clock",
                about="The next stamp of an author whose largest stamp so far is `last`, at the time `wall_ms`.",
                vectors=[_tick(*case) for case in _TICKS],
            ),
            Section(
                name="topics",
                about="The gossip topic of a federation.",
                vectors=[
                    Vector(
                        name="of a federation",
                        about="Its id in lowercase hex.",
                        given={"federation": _FEDERATION},
                        out={"topic": state_topic(_FEDERATION)},
                    )
                ],
            ),
        ],
    )


_TICKS = [
    ("time went on", hlc_of(CREATED_MS, 7), CREATED_MS + 1),
    ("the same millisecond", hlc_of(CREATED_MS, 7), CREATED_MS),
    ("the wall clock went back", hlc_of(CREATED_MS, 7), CREATED_MS - 60_000),
    ("the counter runs over into the next millisecond", hlc_of(CREATED_MS, 65535), CREATED_MS),
]


def _tick(name: str, last: int, wall_ms: int) -> Vector:
    stamp = HlcClock(last).now(wall_ms)
    assert stamp <= HLC_MAX
    return Vector(
        name=name,
        about="Stamps of one author strictly increase.",
        given={"last": last, "wall_ms": wall_ms},
        out={"stamp": stamp},
    )


# CBOR


_NUMBERS = [0, 1, 23, 24, 255, 256, 65535, 65536, (1 << 32) - 1, 1 << 32, (1 << 53) + 1, (1 << 63) - 1, (1 << 64) - 1]
_VALUES: Sequence[object] = [
    *_NUMBERS,
    *(-1, -24, -25, -256, -257, -(1 << 63)),
    *(False, True, None),
    *(b"", b"\x00\xff", bytes(24), "", "zenmesh", "Größe ≤ 4", "x" * 24),
    *([], [1, [2, [b"3", "4"]]], list(range(24)), {}),
    {"b": 1, "aa": 2, "a": 3, "": 4},
    {"inner": {"list": [None, True]}},
]

_SPELLINGS = [
    ("nothing", "", "An empty string holds no value."),
    ("a long 23", "1817", "23 fits the first byte."),
    ("a long 255", "1900ff", "255 fits one byte."),
    ("a long length", "580161", "A length, too, is as short as it can be."),
    ("an indefinite array", "9f01ff", "Lengths are definite."),
    ("an indefinite text", "7f6161ff", "Lengths are definite."),
    ("a float", "f93c00", "There are no floats."),
    ("a simple value", "f0", "There are no simple values but false, true and null."),
    ("undefined", "f7", "There is no undefined."),
    ("a bignum", "c249010000000000000000", "There are no tags, so no integer beyond 64 bits."),
    ("below 64 bits", "3b8000000000000000", "-2^63 is the least."),
    ("a date", "c11a514b67b0", "There are no tags."),
    ("a key twice", "a2616101616102", "A key stands once."),
    ("keys out of order", "a2616201616102", "Keys ascend bytewise as encoded."),
    ("keys in order of their text", "a262616101616202", "A shorter key comes first: its first byte is less."),
    ("an integer as a key", "a10102", "Keys are text."),
    ("something behind", "0100", "A value is all there is."),
    ("cut short", "8201", "The array is to have two items."),
    ("no UTF-8", "62c328", "Text is UTF-8."),
    ("too deep", "81" * cbor.MAX_DEPTH + "8100", "Nested deeper than 16."),
]  # fmt: skip


def plain() -> File:
    """Deterministic CBOR."""
    return File(
        name="cbor",
        about="Deterministic CBOR: one spelling per value.",
        sections=[
            Section(
                name="values",
                about="A value and its encoding. `in` is written in the notation for values of no stated type.",
                vectors=[
                    Vector(
                        name=f"{number:02} {type(value).__name__}",
                        about="Encodes to, and is decoded from, exactly these bytes.",
                        given={"value": untyped(value)},
                        out={"cbor": cbor.encode(value)},
                    )
                    for number, value in enumerate(_VALUES)
                ],
            ),
            Section(
                name="refused",
                about="Bytes that a decoder refuses, though some CBOR decoders would take them.",
                vectors=[
                    Vector(name=name, about=why, given={"cbor": bytes.fromhex(raw)}, refused=Offence.DECODE)
                    for name, raw, why in _SPELLINGS
                ],
            ),
        ],
    )


# envelopes


_SEALED = cose.seal(ContentType.BATCH, b"payload", QUEEN, _FEDERATION)


def envelopes() -> File:
    """COSE_Sign1."""
    cases = [
        ("in a federation", ContentType.BATCH, b"payload", QUEEN, _FEDERATION, "Its external_aad names it."),
        ("empty", ContentType.HEARTBEAT, b"", NODE, _FEDERATION, "A payload may be empty."),
        ("before a federation", ContentType.GENESIS, b"\x80", ROOT, cose.GENESIS, "While there is no federation id."),
    ]
    return File(
        name="envelopes",
        about="COSE_Sign1 envelopes: every signed statement. An empty `federation` stands for the genesis.",
        sections=[
            Section(
                name="sealed",
                about="From a key seed, a content type, a payload and a federation id to the envelope, by its steps.",
                vectors=[_sealed(*case) for case in cases],
            ),
            Section(
                name="refused",
                about="Envelopes that are refused where `content_type` for `federation` is expected.",
                vectors=_unsound(),
            ),
        ],
    )


def _sealed(name: str, content_type: str, payload: bytes, key: SigningKey, federation: bytes, about: str) -> Vector:
    envelope = cose.parse(cose.seal(content_type, payload, key, federation))
    aad = b"zenmesh/1\0" + (federation or b"genesis")
    return Vector(
        name=name,
        about=about,
        given={"seed": key.seed, "content_type": content_type, "payload": payload, "federation": federation},
        out={
            "kid": envelope.kid,
            "protected": envelope.protected,
            "external_aad": aad,
            "Sig_structure": cbor.encode(["Signature1", envelope.protected, aad, payload]),
            "signature": envelope.signature,
            "envelope": envelope.raw,
        },
    )


def _unsound() -> list[Vector]:
    whole = cose.parse(_SEALED)
    good = {1: -8, 3: str(ContentType.BATCH), 4: QUEEN.public}

    def made(*parts: object, tag: str = "d2") -> bytes:
        protected, unprotected, payload, signature = (*parts, *(None,) * 4)[:4]
        items = [
            whole.protected if protected is None else protected,
            {} if unprotected is None else unprotected,
            whole.payload if payload is None else payload,
            whole.signature if signature is None else signature,
        ]
        return bytes.fromhex(tag) + cbor2.dumps(items, canonical=True)

    def header(**changes: object) -> bytes:
        """The envelope with an honestly signed, but different, protected header."""
        fields = {**good, **{int(label[1:]): value for label, value in changes.items()}}
        protected = cbor2.dumps({k: v for k, v in fields.items() if v is not None}, canonical=True)
        structure = cbor2.dumps(["Signature1", protected, b"zenmesh/1\0" + _FEDERATION, whole.payload])
        return made(protected, None, None, QUEEN.sign(structure))

    high = whole.signature[:32] + (int.from_bytes(whole.signature[32:], "little") + _ORDER).to_bytes(32, "little")
    neutral = b"\x01" + bytes(31)  # a public key of order one: this signature of everything satisfies the equation
    weak = made(cbor2.dumps({**good, 4: neutral}, canonical=True), None, None, neutral + bytes(32))
    flipped = bytes([whole.signature[0] ^ 1]) + whole.signature[1:]
    unsorted = b"\xa3" + b"".join(cbor2.dumps(k) + cbor2.dumps(good[k]) for k in (4, 3, 1))
    refused = [
        ("a changed signature", made(None, None, None, flipped), Offence.SIGNATURE, "One bit is wrong."),
        ("a changed payload", made(None, None, b"Payload"), Offence.SIGNATURE, "The payload is signed."),
        ("an S beyond the group's order", made(None, None, None, high), Offence.SIGNATURE, "RFC 8032: S < L."),
        ("a key of small order", weak, Offence.SIGNATURE, "Lax verifiers take it: it would be anyone's signature."),
        ("another algorithm", header(_1=-7), Offence.DECODE, "Only EdDSA."),
        ("no kid", header(_4=None), Offence.DECODE, "The header has exactly alg, content type and kid."),
        ("a header more", header(_5=b"iv"), Offence.DECODE, "The header has exactly alg, content type and kid."),
        ("a short kid", header(_4=bytes(KEY_SIZE - 1)), Offence.DECODE, "A key has 32 bytes."),
        ("headers out of order", made(unsorted), Offence.DECODE, "The header is deterministic CBOR."),
        ("an unprotected header", made(None, {"a": 1}), Offence.DECODE, "There are none."),
        ("a short signature", made(None, None, None, whole.signature[:63]), Offence.DECODE, "It has 64 bytes."),
        ("no tag", made(tag=""), Offence.DECODE, "CBOR tag 18 stands before the array."),
        ("another tag", made(tag="d1"), Offence.DECODE, "Tag 17 is a MAC."),
        ("something behind", whole.raw + b"\0", Offence.DECODE, "An envelope is all there is."),
        ("another statement", cose.seal(ContentType.LEAVE, b"payload", QUEEN, _FEDERATION), Offence.PROTOCOL,
         "An envelope of one content type is nothing where another belongs."),
        ("another federation", cose.seal(ContentType.BATCH, b"payload", QUEEN, sha256(b"other")), Offence.SIGNATURE,
         "What is signed for one federation means nothing in another."),
    ]  # fmt: skip
    expected = {"content_type": ContentType.BATCH, "federation": _FEDERATION}
    return [
        Vector(name=name, about=why, given={"envelope": raw, **expected}, refused=offence)
        for name, raw, offence, why in refused
    ]


# frames


def frames() -> File:
    """Frames."""
    ping = EXAMPLES["frame"]()["message"]
    assert isinstance(ping, bytes)
    small = pack_message(MessageType.SYNC_BYE, b"\x81\x05")
    large = [pack_message(MessageType.BATCH, b"%04d" % n * 64) for n in range(4)]
    unknown = pack_message(60_000, b"whatever a later version says")
    cases = [
        ("one", [ping], True, "One PING."),
        ("several", [ping, small, unknown], True, "Messages that are sent together; the last is of an unknown type."),
        ("large, plain", large, False, "Compression is the sender's choice, lane by lane."),
        ("large, compressed", large, True, "What zstd makes of it may differ; reading it gives these messages."),
    ]
    return File(
        name="frames",
        about="Frames: how messages travel on a stream.",
        sections=[
            Section(
                name="frames",
                about="Messages and the frame, length prefix included, that carries them.",
                vectors=[
                    Vector(
                        name=name,
                        about=why,
                        given={"messages": messages},
                        out={"frame": encode_frame(messages, compress=compress)},
                    )
                    for name, messages, compress, why in cases
                ],
            ),
            Section(
                name="refused",
                about="Frames that are refused: the stream is reset. The prefix alone condemns some.",
                vectors=[
                    Vector(name=name, about=why, given={"frame": raw}, refused=offence)
                    for name, raw, offence, why in _unsound_frames(small)
                ],
            ),
        ],
    )


def _unsound_frames(message: bytes) -> list[tuple[str, bytes, Offence, str]]:
    def framed(body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + body

    content = cbor.encode([message])
    packed = zstandard.ZstdCompressor().compress(content)
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(content)
    bomb = zstandard.ZstdCompressor(level=19).compress(bytes(MAX_BODY + 1))
    many = cbor.encode([b"\x00"] * (MAX_MESSAGES + 1))
    return [
        ("an empty body", framed(b""), Offence.OVERSIZE, "A body has its flag and a content."),
        ("a prefix over 4 MiB", (MAX_BODY + 1).to_bytes(4, "big"), Offence.OVERSIZE, "Before a byte is kept."),
        ("an unknown flag", framed(b"\x02" + content), Offence.DECODE, "0 is plain, 1 is zstd."),
        ("no zstd", framed(b"\x01" + content), Offence.DECODE, "The content is not what the flag says."),
        ("a bomb", framed(b"\x01" + bomb), Offence.OVERSIZE, "It says that it unpacks to more than 4 MiB."),
        ("a size not told", framed(b"\x01" + unsized), Offence.OVERSIZE, "The zstd header must tell the size."),
        ("something behind", framed(b"\x01" + packed + b"\0"), Offence.DECODE, "One zstd frame and no more."),
        ("no message", framed(b"\x00\x80"), Offence.DECODE, "1 to 256 messages."),
        ("too many messages", framed(b"\x00" + many), Offence.DECODE, "1 to 256 messages."),
        ("a number for a message", framed(b"\x00\x81\x01"), Offence.DECODE, "A message is a byte string."),
    ]
