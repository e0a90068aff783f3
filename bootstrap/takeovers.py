"""A takeover on its way between nodes and root keys: files that are carried. Nothing in them is secret.

| file | made by | holds |
|---|---|---|
| takeover request | any member's node | the block, and the names of the members as that node knows them |
| signed takeover | a root key, offline | the same, whose signature, and the signature |

What is signed is the block. Its height, parent and supporters are read out of it; the names are for people, by the
word of whoever made the request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bootstrap import armour
from consensus.blocks import (
    MAX_BLOCK,
    Block,
    Core,
    SupportStatement,
    TakeoverTx,
    block_hash,
    decode_tx,
    sign_core,
)
from wire import cbor, cose
from wire.errors import ConfigError, RemoteError, UsageError
from wire.ids import Digest, SwarmId, swarm_id_of
from wire.keys import SigningKey
from wire.types import ContentType

REQUEST, SIGNED = "takeover request", "signed takeover"
_REMEDIES = {
    REQUEST: "take a file that `zenmesh takeover request` made",
    SIGNED: "take a file that `zenmesh takeover sign` made",
}


@dataclass(frozen=True)
class Request:
    """What root keys are to sign; `names` by the ids of all members, in hex."""

    federation: bytes
    federation_name: str
    raw: bytes
    names: Mapping[str, str]

    @cached_property
    def block(self) -> Block:
        return cbor.decode_as(self.raw, Block, MAX_BLOCK)

    @cached_property
    def supporters(self) -> list[str]:
        """Who governs afterwards. Raises RemoteError when the block is another."""
        (raw,) = self.block.txs
        tx = decode_tx(raw)
        assert isinstance(tx, TakeoverTx), "judged when it was read"
        statements = [cbor.decode_as(cose.parse(one).payload, SupportStatement) for one in tx.supports]
        return [self.name_of(SwarmId(statement.swarm)) for statement in statements]

    @property
    def hash(self) -> Digest:
        return block_hash(self.raw)

    @property
    def others(self) -> list[str]:
        """Who has no vote afterwards until it proves to be alive."""
        return sorted(name for name in self.names.values() if name not in self.supporters)

    def name_of(self, swarm: SwarmId) -> str:
        return self.names.get(swarm.hex(), swarm.hex())


@dataclass(frozen=True)
class Signature:
    """One member's."""

    request: Request
    swarm: SwarmId
    signature: bytes


def request_of(drafted: Mapping[str, object]) -> Request:
    """What a node answered, as a request."""
    members = drafted["members"]
    assert isinstance(members, list), "as the API answers"
    return Request(
        bytes.fromhex(str(drafted["federation_id"])),
        str(drafted["federation_name"]),
        bytes.fromhex(str(drafted["block"])),
        {row["swarm_id"]: row["swarm"] for row in members},
    )


def write_request(path: Path, request: Request) -> None:
    """Keep a request. Raises StoreError; UsageError when something is there."""
    _write(path, REQUEST, _fields(request))


def read_request(path: Path) -> Request:
    """The request in a file. Raises ConfigError."""
    return _read(path, REQUEST)[0]


def sign(request: Request, root: SigningKey) -> Signature:
    """The signature of a root key, always the same one. Raises UsageError when it is no member's."""
    swarm = swarm_id_of(root.public)
    if swarm.hex() not in request.names:
        raise UsageError(f"this is not the root key of a member of {request.federation_name}: nothing was signed")
    block = request.block
    core = Core(request.federation, block.epoch, 0, block.height, request.hash)
    return Signature(request, swarm, sign_core(core, root, ContentType.TAKEOVER))


def write_signature(path: Path, signed: Signature) -> None:
    """Keep a signature. Raises StoreError; UsageError when something is there."""
    fields = {"swarm": signed.swarm.hex(), "signature": signed.signature.hex()}
    _write(path, SIGNED, {**_fields(signed.request), **fields})


def read_signatures(paths: Sequence[Path]) -> list[Signature]:
    """Those in these files. Raises ConfigError, UsageError when they are not all for one block."""
    found: list[Signature] = []
    for path in paths:
        request, fields = _read(path, SIGNED)
        try:
            swarm, signature = SwarmId(bytes.fromhex(fields["swarm"])), bytes.fromhex(fields["signature"])
        except (KeyError, ValueError):
            raise _damaged(path, SIGNED) from None
        found.append(Signature(request, swarm, signature))
        if request.raw != found[0].request.raw:
            rule = "all members have to sign one; have one of the two signed by all, and the other one by nobody"
            raise UsageError(f"{paths[0]} and {path} are signed for two requests: {rule}")
    return found


def _fields(request: Request) -> dict[str, str]:
    return {
        "federation": request.federation.hex(),
        "name": request.federation_name,
        "members": json.dumps(request.names),
        "block": armour.to_text(request.raw),
    }


def _write(path: Path, kind: str, fields: Mapping[str, str]) -> None:
    if path.exists():
        raise UsageError(f"{path} is there already: name another file with --output")
    armour.write(path, kind, fields)


def _read(path: Path, kind: str) -> tuple[Request, dict[str, str]]:
    fields = armour.read(path, kind, _REMEDIES[kind])
    try:
        names = json.loads(fields["members"])
        block = armour.to_bytes(fields["block"])
        request = Request(bytes.fromhex(fields["federation"]), fields["name"], block, names)
        alone = [decode_tx(tx) for tx in request.block.txs]
        if not isinstance(names, dict) or [type(tx) for tx in alone] != [TakeoverTx] or not request.supporters:
            raise ValueError("not a takeover")
    except (KeyError, ValueError, RemoteError):
        raise _damaged(path, kind) from None
    return request, fields


def _damaged(path: Path, kind: str) -> ConfigError:
    return ConfigError(str(path), "damaged", f"it is no whole {kind}; {_REMEDIES[kind]}")
