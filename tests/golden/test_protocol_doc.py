"""The protocol's documents say what the code does: tables, layouts and worked examples are compared with it.

After a change of the protocol, `python -m tests.support.protocol_doc` writes the blocks anew; the words around them
are the author's to mend.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import base58
import msgspec
import pytest

from consensus import admission, blocks, certificates, genesis, image, tickets
from consensus.bft import messages as bft
from consensus.governance import proposals
from crdt import batch, ops
from crdt.sync import messages as sync
from mesh.protocol import messages
from tests.support import protocol_doc
from tests.support.plain_trie import trie_root
from tests.support.protocol_doc import ROOT, TABLES, Block, blocks_of, documents, rewritten
from tests.support.protocol_examples import EXAMPLES
from wire import cbor, cose, keys
from wire.ids import sha256
from wire.types import REGISTRY, ContentType, MessageType

DOCUMENTS = documents()
BLOCKS = [(document, block) for document in DOCUMENTS for block in blocks_of(document.read_text())]
SPOKEN = (messages, sync, admission, blocks, certificates, genesis, image, tickets, batch, ops, bft, proposals)
STRUCTS = [
    struct
    for module in SPOKEN
    for struct in vars(module).values()
    if isinstance(struct, type) and issubclass(struct, msgspec.Struct) and struct.__module__ == module.__name__
]


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as web pages of repositories make them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(document: Path) -> Iterator[str]:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        name, _, anchor = target.partition("#")
        if name.startswith(("http:", "https:")):
            continue
        path = document.parent / name if name else document
        if not path.exists() or (anchor and anchor not in anchors(path.read_text())):
            yield target


@pytest.mark.parametrize(
    ("document", "block"), BLOCKS, ids=[f"{document.stem}-{block.name}" for document, block in BLOCKS]
)
def test_a_block_says_what_the_code_says(document: Path, block: Block) -> None:
    assert block.text == block.expected, f"{document.name}: run `python -m tests.support.protocol_doc`"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.stem)
def test_every_field_has_a_meaning(document: Path) -> None:
    layouts = [block for block in blocks_of(document.read_text()) if block.kind == "layout"]
    unsaid = [
        (block.name, field)
        for block in layouts
        for field, meaning in protocol_doc.meanings(block.text).items()
        if len(meaning) < 2
    ]
    assert unsaid == []


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: f"{struct.__module__}.{struct.__name__}")
def test_every_struct_on_the_wire_has_one_layout(struct: type[msgspec.Struct]) -> None:
    name = f"{struct.__module__}:{struct.__name__}"
    assert [block.name for _, block in BLOCKS].count(name) == 1


@pytest.mark.parametrize("name", [*TABLES, *EXAMPLES])
def test_every_table_and_example_stands_somewhere(name: str) -> None:
    assert [block.name for _, block in BLOCKS].count(name) == 1


@pytest.mark.parametrize("document", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=str)
def test_links_lead_somewhere(document: Path) -> None:
    assert list(broken_links(document)) == []


def test_a_block_that_is_not_true_is_put_right() -> None:
    text = (protocol_doc.CHAPTERS / "messages.md").read_text()
    stale = text.replace("| 1 | HELLO |", "| 99 | HELLO |")
    assert rewritten(stale) == text
    assert any(block.text != block.expected for block in blocks_of(stale))


def test_meanings_survive_a_rewrite_of_their_layout() -> None:
    stale = "<!-- layout crdt.sync.messages:Bye -->\n| 7 | `nonce` | text | which session |\n<!-- end -->\n"
    assert "| 0 | `nonce` | uint | which session |" in rewritten(stale)


# What the words say, followed to the letter with nothing but CBOR, SHA-256 and Ed25519.


def items(raw: bytes) -> list[Any]:
    """A decoded array."""
    array = cbor.decode(raw)
    assert isinstance(array, list)
    return array


def values(name: str) -> dict[str, bytes]:
    return {key: value for key, value in EXAMPLES[name]().items() if isinstance(value, bytes)}


def test_the_envelope_verifies_as_described() -> None:
    shown = values("envelope")
    assert shown["envelope"][0] == 0xD2
    protected, unprotected, payload, signature = items(shown["envelope"][1:])
    assert (protected, unprotected, payload, signature) == (
        shown["protected"],
        {},
        shown["payload"],
        shown["signature"],
    )
    kid = shown["protected"][-32:]
    assert kid == values("keys")["root key"]
    assert keys.verify(kid, shown["Sig_structure"], signature)


def test_the_genesis_names_the_federation_as_described() -> None:
    shown = values("genesis")
    assert sha256(shown["genesis"]) == shown["federation id"]
    assert cose.parse(shown["genesis"]).content_type == ContentType.GENESIS
    name, params, members = items(shown["payload"])[1:4]
    assert (name, params[0], len(members)) == ("acme", "ticket", 1)
    assert members[0] == values("envelope")["envelope"]


def test_the_batch_hangs_together_as_described() -> None:
    shown = values("batch")
    sealed, operations = items(shown["batch"])
    assert operations == shown["ops"]
    assert cose.parse(sealed).payload == shown["header"]
    assert sha256(shown["header"]) == shown["hash"]
    assert sha256(shown["address"]) == shown["path"]
    assert sha256(b"zenmesh/entry\0", shown["entry"]) == shown["digest"]
    assert sha256(b"zenmesh/trie/leaf\0", shown["path"], shown["digest"]) == shown["state root"]
    federation, swarm, term, seq, _, _, ops_hash, root = items(shown["header"])
    assert (federation, swarm, term, seq) == (values("genesis")["federation id"], values("keys")["swarm id"], 1, 1)
    assert (ops_hash, root) == (sha256(shown["ops"]), shown["state root"])
    row = swarm + (1).to_bytes(8, "big") + (1).to_bytes(8, "big") + shown["hash"] + root + b"\0"
    assert sha256(b"zenmesh/federation\0", row) == shown["federation root"]


def test_the_tries_have_the_roots_described() -> None:
    shown = values("trie")
    entries = [(bytes(sha256(b"path %d" % n)), bytes(sha256(b"digest %d" % n))) for n in range(17)]
    assert trie_root({}) == shown["empty"]
    assert trie_root(dict(entries[:1])) == shown["root of the first entry alone"]
    assert trie_root(dict(entries[:16])) == shown["root of the first 16"]
    assert trie_root(dict(entries)) == shown["root of all 17"]


def member_row(certificate: bytes, state: int, weight: int, inviter: bytes | None) -> list[Any]:
    _, swarm, name, project, root, term, queen, peer, _, _, certified, not_after = items(
        cose.parse(certificate).payload
    )
    rest = [term, inviter, not_after, [[term, queen, peer, None]]]
    return [swarm, name, project, root, state, weight, certified, *rest]


def state_hash(rows: list[list[Any]], tickets: list[bytes]) -> bytes:
    return sha256(b"zenmesh/membership\0", cbor.encode(["auto", sorted(rows), tickets]))


def test_the_membership_hashes_as_described() -> None:
    creator, joiner = values("envelope")["envelope"], values("ticket")["certificate of the joiner"]
    inviter, ticket_id = values("keys")["swarm id"], bytes([8]) * 16
    founder = member_row(creator, 1, 1, None)
    learner, active = (member_row(joiner, state, state, inviter) for state in (0, 1))
    assert state_hash([founder], []) == values("genesis")["state hash at height 0"]
    assert state_hash([founder, learner], [ticket_id]) == values("block")["state hash at height 1"]
    assert state_hash([founder, active], [ticket_id]) == values("block")["state hash at height 2"]


def test_the_ticket_opens_as_described() -> None:
    shown = EXAMPLES["ticket"]()
    text = shown["ticket"]
    assert isinstance(text, str)
    raw = base58.b58decode(text.removeprefix("zm1"))
    assert sha256(raw[:-4])[:4] == raw[-4:]
    grant, seed, _, anchor, name = items(raw[:-4])
    federation, _, ticket_key, _, inviter, term = items(cose.parse(grant).payload)
    assert (federation, inviter, term) == (values("genesis")["federation id"], values("keys")["swarm id"], 1)
    assert (anchor, name) == ([0, 0, federation], "acme")
    assert keys.SigningKey(seed).public == ticket_key == shown["ticket key"]
    join = cose.parse(values("ticket")["join"])
    assert (join.kid, join.payload) == (ticket_key, sha256(values("ticket")["certificate of the joiner"]))


def test_the_frame_opens_as_described() -> None:
    shown = values("frame")
    body = shown["frame"][4:]
    assert int.from_bytes(shown["frame"][:4], "big") == len(body)
    assert body[0] == 0
    assert items(body[1:]) == [shown["message"]]
    assert items(shown["message"]) == [MessageType.PING, shown["payload"]]


def test_the_commit_certificate_verifies_as_described() -> None:
    shown = values("block")
    core, signers, signatures = items(shown["commit certificate of block 1"])
    federation = values("genesis")["federation id"]
    assert items(core) == [federation, 0, 0, 1, sha256(shown["block 1"])]
    assert signers == b"\x01"
    queen = values("keys")["queen key"]
    content_type = ContentType.COMMIT.encode()
    protected = b"\xa3\x01\x27\x03\x78" + bytes([len(content_type)]) + content_type + b"\x04\x58\x20" + queen
    structure = cbor.encode(["Signature1", protected, b"zenmesh/1\0" + federation, core])
    assert keys.verify(queen, structure, signatures[0])


def test_the_registry_in_the_documents_is_whole() -> None:
    table = TABLES["registry"]()
    assert all(f"| {int(kind)} | {kind.name} |" in table for kind in MessageType)
    assert set(REGISTRY) == set(MessageType)
