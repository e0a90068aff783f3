"""The published vectors are what the code makes, and whoever reads what comes out finds what went in.

The second is asked of each vector apart from how it was made: what can be decoded is decoded and compared with `in`;
hashes and signatures are made again from what the documents say, with nothing but CBOR, SHA-256 and Ed25519. What is
to be refused is refused, for the reason given. `python -m tests.support.vectors --write` writes the files anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import base58
import cbor2
import msgspec
import pytest
from nacl.signing import SigningKey, VerifyKey

from consensus import blocks, certificates, genesis, image, tickets
from consensus.accusations import Accusation
from consensus.admission import JoinRequest, JoinResponse
from consensus.bft import messages as bft
from consensus.bft import replica
from crdt import batch, fork, ops
from crdt.sync import messages as sync
from mesh.protocol import messages
from mesh.runtime.mdns import codec
from tests.support.plain_trie import trie_nodes, trie_root
from tests.support.vectors import DIRECTORY, FILES
from tests.support.vectors.discovery import heard
from tests.support.vectors.form import notation
from wire import cbor, cose, frame, keys
from wire.errors import DecodeError, Offence, RemoteError, UsageError
from wire.types import REGISTRY, ContentType, MessageType

Json = Any
VECTORS = [
    pytest.param(path.stem, section["section"], vector, id=f"{path.stem}-{section['section']}-{vector['name']}")
    for path in sorted(DIRECTORY.glob("*.json"))
    for section in json.loads(path.read_text())["sections"]
    for vector in section["vectors"]
]
BODIES: dict[int, type[msgspec.Struct]] = {
    **sync.STRUCTS,
    **replica.BODIES,
    MessageType.HELLO: messages.Hello,
    MessageType.HEARTBEAT: messages.Heartbeat,
    MessageType.DISCOVERY: messages.Discovery,
    **dict.fromkeys((MessageType.PING, MessageType.PONG), messages.Ping),
    MessageType.CHAIN_REQUEST: messages.ChainRequest,
    MessageType.CHAIN_BLOCKS: messages.ChainBlocks,
    MessageType.JOIN_FORWARD: messages.JoinForward,
    MessageType.JOIN_OUTCOME: messages.JoinOutcome,
    MessageType.HELD: messages.Held,
    MessageType.REFUSAL: messages.Refusal,
    MessageType.SEEK: messages.Seek,
    MessageType.HEARD: bft.Heard,
    MessageType.ACCUSE: Accusation,
    MessageType.PROBE_REQUEST: messages.ProbeRequest,
    MessageType.PROBE_REPORT: messages.ProbeReport,
    MessageType.JOIN_REQUEST: JoinRequest,
    MessageType.JOIN_RESPONSE: JoinResponse,
}


def b(text: str) -> bytes:
    return bytes.fromhex(text)


def h(*parts: bytes) -> str:
    return sha256(b"".join(parts)).hexdigest()


def signed(seed: str, federation: str, envelope: str) -> bytes:
    """The payload of an envelope that the key of `seed` signed, taken apart by hand."""
    raw = b(envelope)
    assert raw[0] == 0xD2
    protected, unprotected, payload, signature = cbor2.loads(raw[1:])
    kid = cbor2.loads(protected)[4]
    assert (unprotected, kid) == ({}, bytes(SigningKey(b(seed)).verify_key))
    aad = b"zenmesh/1\0" + (b(federation) or b"genesis")
    VerifyKey(kid).verify(cbor2.dumps(["Signature1", protected, aad, payload]), signature)
    assert isinstance(payload, bytes)
    return payload


def typed(value: Json) -> object:
    """A value of the notation for values of no stated type."""
    match value:
        case {"bytes": text}:
            return b(text)
        case {"int": text}:
            return int(text)
        case {"map": pairs}:
            return {key: typed(item) for key, item in pairs}
        case list():
            return [typed(item) for item in value]
    return value


# What comes out, read.


def read_key(given: Json, out: Json) -> None:
    public = bytes(SigningKey(b(given["seed"])).verify_key)
    assert b(out["public"]) == public
    assert out["swarm_id"] == h(b"zenmesh/swarm\0", public)[:32]
    assert base58.b58decode(out["peer_id"]) == b("002408011220") + public


def read_stamp(given: Json, out: Json) -> None:
    assert divmod(int(out["stamp"]), 1 << 16) == (given["wall_ms"], given["counter"])


def read_tick(given: Json, out: Json) -> None:
    assert int(out["stamp"]) == max(int(given["last"]) + 1, given["wall_ms"] << 16)


def read_topic(given: Json, out: Json) -> None:
    assert out["topic"] == f"zenmesh/1/{given['federation']}/state"


def read_cbor(given: Json, out: Json) -> None:
    value = typed(given["value"])
    assert cbor.decode(b(out["cbor"])) == value
    assert cbor2.loads(b(out["cbor"])) == value


def read_envelope(given: Json, out: Json) -> None:
    assert signed(given["seed"], given["federation"], out["envelope"]) == b(given["payload"])
    envelope = cose.open_as(b(out["envelope"]), given["content_type"], b(given["federation"]), limit=1024)
    parts = [envelope.kid, envelope.protected, envelope.signature]
    assert [part.hex() for part in parts] == [out["kid"], out["protected"], out["signature"]]
    aad, payload = b(out["external_aad"]), b(given["payload"])
    assert cbor2.loads(b(out["Sig_structure"])) == ["Signature1", b(out["protected"]), aad, payload]


def read_frame(given: Json, out: Json) -> None:
    raw = b(out["frame"])
    assert frame.body_size(raw[:4]) == len(raw) - 4
    assert notation(frame.decode_frame(raw[4:])) == given["messages"]


def read_message(given: Json, out: Json) -> None:
    code, payload = cbor2.loads(b(out["message"]))
    assert code == given["code"]
    if "fields" not in given:
        assert payload.hex() == given["payload"]
        return
    if "envelope" in out:
        assert payload == b(out["envelope"])
        payload = signed(given["seed"], given["federation"], out["envelope"])
    assert payload == b(out["body"])
    assert notation(cbor.decode_as(payload, BODIES[code])) == given["fields"]


def read_later(given: Json, out: Json) -> None:
    assert notation(cbor.decode_as(b(given["payload"]), BODIES[given["code"]])) == out["fields"]


def read_op(given: Json, out: Json) -> None:
    op = ops.decode_op(b(out["cbor"]))
    assert notation(op) == given["op"]
    element = [op.value] if given["op"]["kind"] in ("ADD", "RM") else []
    assert out["path"] == h(cbor2.dumps([op.collection, op.key, *element]))


def read_entry(given: Json, out: Json) -> None:
    assert cbor2.loads(b(out["entry"])) == [given["seq"], given["place"], int(given["hlc"]), b(given["op"])]
    assert out["digest"] == h(b"zenmesh/entry\0", b(out["entry"]))


def read_batch(given: Json, out: Json) -> None:
    sealed, encoded = cbor2.loads(b(out["batch"]))
    assert (sealed.hex(), encoded.hex()) == (out["envelope"], out["ops"])
    header = signed(given["seed"], given["header"]["federation"], out["envelope"])
    assert notation(cbor.decode_as(header, batch.Header)) == given["header"]
    assert notation(cbor2.loads(encoded)) == given["ops"]
    assert (out["header"], out["hash"], given["header"]["ops_hash"]) == (header.hex(), h(header), h(encoded))


def read_fork(given: Json, out: Json) -> None:
    assert notation(cbor2.loads(b(out["proof"]))) == sorted(given["headers"])


def read_federation_root(given: Json, out: Json) -> None:
    rows = [
        b(row["swarm"]) + row["term"].to_bytes(8, "big") + row["seq"].to_bytes(8, "big") + b(row["hash"])
        + b(row["root"]) + bytes([row["flag"]])
        for row in given["rows"]
    ]  # fmt: skip
    assert out["root"] == h(b"zenmesh/federation\0", *rows)


def read_trie(given: Json, out: Json) -> None:
    numbered = [(sha256(b"path %d" % n).digest(), sha256(b"digest %d" % n).digest()) for n in range(1000)]
    listed = [(b(path), b(digest)) for path, digest in given.get("entries", [])]
    entries = dict(listed or numbered[: given["count"]])
    assert trie_root(entries).hex() == out["root"]
    assert {prefix: node.hex() for prefix, node in trie_nodes(entries).items()} == out["nodes"]


def read_certificate(given: Json, out: Json) -> None:
    payload = signed(given["seed"], given["federation"], out["certificate"])
    assert payload.hex() == out["payload"]
    assert notation(cbor.decode_as(payload, certificates.CertBody)) == given["fields"]


def read_genesis(given: Json, out: Json) -> None:
    payload = signed(given["seed"], "", out["genesis"])
    assert payload.hex() == out["payload"]
    version, name, params, members, created_ms = cbor2.loads(payload)
    assert (version, name, notation(members)) == (1, given["name"], given["members"])
    assert (params, created_ms) == (list(given["params"].values()), given["created_ms"])
    assert out["federation_id"] == h(b(out["genesis"]))


def read_transaction(given: Json, out: Json) -> None:
    kind, body = cbor2.loads(b(out["transaction"]))
    parts = cbor2.loads(body)
    assert kind == given["kind"]
    if "statement" not in given:
        assert notation(parts) == [value for name, value in given.items() if name != "kind"]
        return
    if "accusations" in given:
        assert notation(parts.pop()) == given["accusations"]
    statement = cbor2.loads(signed(given["seed"], given["federation"], parts[-1].hex()))
    assert notation(statement) == list(given["statement"].values())
    assert [part.hex() for part in parts[:-1] if part.hex() != given["statement"]["swarm"]] == []


def read_block(given: Json, out: Json) -> None:
    assert notation(cbor2.loads(b(out["block"]))) == list(given.values())
    assert out["hash"] == h(b(out["block"]))


def read_image(given: Json, out: Json) -> None:
    assert notation(cbor.decode_as(b(out["image"]), image.Image, image.MAX_IMAGE)) == given["image"]
    state, _ = image.decode(b(out["image"]), genesis.parse_genesis(b(given["genesis"])), 0)
    assert (state.hash.hex(), image.encode(state, whole=given["whole"]).hex()) == (out["state_hash"], out["image"])


def read_commit(given: Json, out: Json) -> None:
    core, signers, signatures = cbor2.loads(b(out["certificate"]))
    assert notation(cbor2.loads(core)) == list(given["core"].values())
    assert (core.hex(), signers, notation(signatures)) == (out["core"], b"\x01", [out["signature"]])
    assert opened(given, out)[1] == [0]


def opened(given: Json, holder: Json) -> tuple[blocks.Core, list[int]]:
    """The certificate in `holder`; of a commit, unless another type of content is named."""
    validators = [keys.PublicKey(b(key)) for key in given["validators"]]
    content = ContentType(given.get("content_type", ContentType.COMMIT))
    return blocks.open_certificate(b(holder["certificate"]), validators, b(given["federation"]), keys.verify, content)


def read_ticket(given: Json, out: Json) -> None:
    text = "".join(given["text"].split()).removeprefix("zm1")
    assert base58.b58decode(text) == b(out["body"]) + sha256(b(out["body"])).digest()[:4]
    grant, seed, addresses, anchor, name = cbor2.loads(b(out["body"]))
    assert notation([grant, seed, addresses, name]) == [
        out[field] for field in ("grant", "seed", "addresses", "federation_name")
    ]
    assert notation(anchor) == list(out["anchor"].values())
    federation, _, ticket_key, expires_ms, *_ = cbor2.loads(cose.parse(grant).payload)
    assert notation([federation, ticket_key]) == [out["federation"], out["ticket_key"]]
    assert (expires_ms, bytes(SigningKey(seed).verify_key)) == (out["expires_ms"], ticket_key)


def read_join(given: Json, out: Json) -> None:
    ticket = tickets.parse_ticket(given["text"])
    payload = signed(ticket.key.seed.hex(), ticket.federation.hex(), out["join"])
    assert payload.hex() == out["certificate_hash"] == h(b(given["certificate"]))


def read_query(given: Json, out: Json) -> None:
    query = codec.parse(b(out["packet"])).query
    assert query is not None
    assert query.services
    assert query.known == {codec.key_of(label) for label in [given["label"]] if label}


def read_response(given: Json, out: Json) -> None:
    packet = codec.parse(b(out["packet"]))
    if given["ttl_s"] == 0:
        assert packet.goodbyes == (codec.key_of(given["label"]),)
        return
    (found,) = packet.announcements
    assert found.instance == codec.key_of(given["label"])
    assert notation(heard(found)) == {key: value for key, value in given.items() if key != "label"}


def read_heard(given: Json, out: Json) -> None:
    (found,) = codec.parse(b(given["packet"])).announcements
    assert notation(heard(found)) == out


READERS: dict[tuple[str, str], Callable[[Json, Json], None]] = {
    ("ids", "keys"): read_key,
    ("ids", "stamps"): read_stamp,
    ("ids", "clock"): read_tick,
    ("ids", "topics"): read_topic,
    ("cbor", "values"): read_cbor,
    ("envelopes", "sealed"): read_envelope,
    ("frames", "frames"): read_frame,
    **{("messages", kind.name): read_message for kind in REGISTRY},
    ("messages", "later versions"): read_later,
    ("logs", "ops"): read_op,
    ("logs", "entries"): read_entry,
    ("logs", "batches"): read_batch,
    ("logs", "forks"): read_fork,
    ("logs", "federation roots"): read_federation_root,
    ("trie", "counted"): read_trie,
    ("trie", "listed"): read_trie,
    ("chain", "certificates"): read_certificate,
    ("chain", "genesis"): read_genesis,
    ("chain", "transactions"): read_transaction,
    ("chain", "blocks"): read_block,
    ("chain", "images"): read_image,
    ("chain", "commit certificates"): read_commit,
    ("tickets", "tickets"): read_ticket,
    ("tickets", "joins"): read_join,
    ("mdns", "queries"): read_query,
    ("mdns", "responses"): read_response,
    ("mdns", "heard"): read_heard,
}


# What is refused, tried.


def refuse_frame(given: Json) -> object:
    raw = b(given["frame"])
    frame.body_size(raw[:4])
    return frame.decode_frame(raw[4:])


def refuse_message(given: Json) -> object:
    payload = b(given["payload"])
    if len(payload) > given["limit"]:
        raise DecodeError("over the bound of its type", Offence.OVERSIZE)
    if given["code"] == MessageType.DISCOVERY:
        return cose.parse(payload)
    return cbor.decode_as(payload, BODIES[given["code"]])


def refuse_announcement(given: Json) -> object:
    packet = codec.parse(b(given["packet"]))
    assert packet.announcements == ()
    raise RemoteError("ignored") if packet.refused else AssertionError("nothing was refused")


REFUSERS: dict[tuple[str, str], Callable[[Json], object]] = {
    ("cbor", "refused"): lambda given: cbor.decode(b(given["cbor"])),
    ("envelopes", "refused"): lambda given: cose.open_as(
        b(given["envelope"]), given["content_type"], b(given["federation"]), limit=1024
    ),
    ("frames", "refused"): refuse_frame,
    ("messages", "refused"): refuse_message,
    ("logs", "refused ops"): lambda given: ops.decode_op(b(given["cbor"])),
    ("logs", "refused batches"): lambda given: batch.parse(b(given["batch"])),
    ("logs", "forks"): lambda given: fork.parse(b(given["proof"])),
    ("chain", "refused certificates"): lambda given: certificates.parse_member_cert(
        b(given["certificate"]), b(given["federation"])
    ),
    ("chain", "genesis"): lambda given: genesis.parse_genesis(b(given["genesis"])),
    ("chain", "commit certificates"): lambda given: opened(given, given),
    ("chain", "images"): lambda given: image.decode(b(given["image"]), genesis.parse_genesis(b(given["genesis"])), 0),
    ("tickets", "refused"): lambda given: tickets.parse_ticket(given["text"]),
    ("mdns", "refused announcements"): refuse_announcement,
    ("mdns", "refused packets"): lambda given: codec.parse(b(given["packet"])),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_what_the_code_makes(name: str) -> None:
    text = (DIRECTORY / f"{name}.json").read_text()
    assert text == FILES[name]().text, "run `python -m tests.support.vectors --write`"


def test_there_are_no_other_files() -> None:
    assert {path.stem for path in DIRECTORY.glob("*.json")} == set(FILES)


@pytest.mark.parametrize(("file", "section", "vector"), VECTORS)
def test_a_vector_holds(file: str, section: str, vector: Json) -> None:
    if "out" in vector:
        READERS[file, section](vector["in"], vector["out"])
        return
    with pytest.raises((RemoteError, UsageError)) as refusal:
        REFUSERS[file, section](vector["in"])
    reason = {"usage": "usage", "ignored": "protocol"}.get(vector["refused"], vector["refused"])
    assert getattr(refusal.value, "offence", "usage") == reason


def test_every_vector_says_what_it_is() -> None:
    assert [parameter.id for parameter in VECTORS if len(parameter.values[2]["about"]) < 8] == []
