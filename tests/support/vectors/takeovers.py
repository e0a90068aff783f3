"""Vectors of a takeover, by the founder alone: of one member, one root key is more than two thirds."""

from __future__ import annotations

from collections.abc import Sequence

from consensus.blocks import Core, TakeoverTx, TxKind, block_hash, encode_tx, make_certificate, sign_core, support
from consensus.chain import Chain
from consensus.takeover import draft
from tests.support.protocol_examples import QUEEN, ROOT
from tests.support.vectors.form import Vector
from tests.support.vectors.scene import SWARM, genesis
from wire import cbor
from wire.errors import Offence
from wire.types import ContentType


def _support() -> bytes:
    return support(genesis().federation_id, SWARM, 1, QUEEN)


def _core() -> Core:
    chain = Chain.from_genesis(genesis().raw)
    return chain.core(block_hash(draft(chain, {SWARM: _support()})), view=0)


def transaction() -> Vector:
    """Who is ready, in the order of their ids."""
    return Vector(
        name="TAKEOVER",
        about="The founder is ready to govern: the statement that it would send as SUPPORT.",
        given={"kind": int(TxKind.TAKEOVER), "supports": [_support()]},
        out={"transaction": encode_tx(TakeoverTx((_support(),)))},
    )


def certificates() -> Sequence[Vector]:
    """Of the block with that transaction alone, at height 1, one millisecond after nothing."""
    core = _core()
    judged = {"validators": [ROOT.public], "federation": core.federation, "content_type": ContentType.TAKEOVER.value}
    signed = {content: sign_core(core, ROOT, content) for content in (ContentType.TAKEOVER, ContentType.COMMIT)}
    made = {content: make_certificate(core, [0], [signature], 1) for content, signature in signed.items()}
    return [
        Vector(
            name="of a takeover",
            about="Block 1 holds the transaction TAKEOVER above and has the time 1. The validators are root keys.",
            given={"seed": ROOT.seed, "core": core, **judged},
            out={
                "core": cbor.encode_struct(core),
                "signature": signed[ContentType.TAKEOVER],
                "certificate": made[ContentType.TAKEOVER],
            },
        ),
        Vector(
            name="of a takeover, as a commit",
            about="The root key has signed another type of content.",
            given={"certificate": made[ContentType.COMMIT], **judged},
            refused=Offence.SIGNATURE,
        ),
    ]
