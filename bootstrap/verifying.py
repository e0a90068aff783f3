"""Verifying a decision offline: whoever has the genesis needs no node, no home, and nobody's word.

The blocks in the document are replayed from the genesis, each judged by the rules and by who could decide at its
height; then the document is written anew from what they make, and has to be the very same, byte for byte: what a
proof does not cover would be a place where something can be changed unseen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consensus.blocks import Certificate
from consensus.chain import Chain
from consensus.validators import ValidatorSet
from mesh.protocol import proofs
from wire import cbor
from wire.errors import RemoteError, ZenmeshError
from wire.ids import SwarmId, sha256

Document = Mapping[str, Any]
_ENTRIES = ({"block", "certificate"}, {"block", "certificate", "state"})


class NotProven(ZenmeshError):
    """The document is not what it says it is; the message says where."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A decision that holds: its document, who certified it, and what all swarms were called then, by their ids."""

    document: Document
    signers: tuple[str, ...]
    names: Mapping[str, str]


def spelled(document: Document, *, ascii_only: bool = False) -> str:
    """The text of a decision file."""
    return json.dumps(document, ensure_ascii=ascii_only) + "\n"


def verify(text: bytes, genesis: bytes) -> Verified:
    """The decision in `text`, if it holds in the federation of `genesis`. Raises NotProven."""
    said = _parsed(text)
    federation = sha256(genesis).hex()
    if said["federation_id"] != federation:
        raise NotProven(f"it is of federation {said['federation_id']}, and the genesis of {federation}")
    chain, voters = _replayed(genesis, said["proof"])
    proposal = _bytes(said["proposal"], "the id of the proposal")
    outcome = chain.standing.outcomes.get(proposal)
    if outcome is None or outcome.height != chain.height:
        raise NotProven(f"its last block does not decide proposal {said['proposal']}")
    proven = proofs.document(chain, proposal, chain.records())
    if text not in (spelled(proven).encode(), spelled(proven, ascii_only=True).encode()):
        raise NotProven(_difference(said, proven))
    names = {swarm.hex(): member.name for swarm, member in chain.state.membership.everyone.items()}
    return Verified(proven, _signers(chain, voters), names)


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise NotProven("it is no JSON: it was cut, or changed") from None
    if not isinstance(said, dict) or not {"federation_id", "proposal", "proof"} <= said.keys():
        raise NotProven(
            "it holds no decision with its proof: take one with `zenmesh decisions --id ID --output FILE`"
        )
    return said


def _replayed(genesis: bytes, proof: object) -> tuple[Chain, ValidatorSet]:
    """The chain of these blocks, and who could certify the last of them."""
    if not isinstance(proof, list) or not proof:
        raise NotProven("its proof is no list of blocks")
    chain = proofs.replay(genesis, ())
    voters = chain.validators()
    for height, row in enumerate(proof, 1):
        if not isinstance(row, dict) or row.keys() not in _ENTRIES:
            raise NotProven(f"entry {height} of its proof is no block with its certificate")
        parts = {name: _bytes(text, f"the {name} of entry {height}") for name, text in row.items()}
        voters = chain.validators()
        try:
            grew = chain.append(parts["block"], parts["certificate"], parts.get("state"))
        except RemoteError as error:
            raise NotProven(f"block {height} of its proof does not stand: {error.detail}") from None
        if not grew:
            raise NotProven(f"block {height} of its proof comes twice")
    return chain, voters


def _bytes(text: object, what: str) -> bytes:
    try:
        return bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        raise NotProven(f"{what} is not hexadecimal") from None


def _signers(chain: Chain, voters: ValidatorSet) -> tuple[str, ...]:
    """Who certified the last block."""
    _, raw = chain.all_blocks()[-1]
    bitmap = cbor.decode_as(raw, Certificate).signers
    positions = [at for at in range(len(bitmap) * 8) if bitmap[at // 8] >> at % 8 & 1]
    return tuple(proofs.name_of(chain, SwarmId(voters.validators[at].swarm)) for at in positions)


def _difference(said: Document, proven: Document) -> str:
    """The first thing in which a document differs from what its own blocks prove."""
    for name, value in proven.items():
        if said.get(name) != value:
            return f"it says {name} = {_short(said.get(name))}, and its blocks say {_short(value)}"
    added = sorted(said.keys() - proven.keys())
    if added:
        return f"it says {added[0]!r}, of which its blocks say nothing"
    return "its text was changed or formatted anew: a decision file holds byte for byte as zenmesh wrote it"


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
