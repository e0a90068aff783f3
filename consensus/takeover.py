"""Who certifies a block, and how a federation goes on whose creator is lost before it handed over.

| the block | is certified by |
|---|---|
| once the queens govern | a quorum of them |
| before: any | the creator's current queen |
| with the creator's TERM_BUMP | the queen of that term: who lost its queen key could never go on otherwise |
| with TAKEOVER | the root keys of more than two thirds of the members, the creator counted |

    block = draft(chain, {swarm: support})           TAKEOVER alone; the same bytes wherever it is made
    core = chain.core(block_hash(block), view=0)
    certificate = roots(chain).certify(core, {swarm: sign_core(core, root_key, ContentType.TAKEOVER)})
    chain.append(block, certificate)

What is signed names the block by its hash, and the block its height, its parent, and who is ready to govern. Its time
is the least that may be, and the supporters have an order: so two takeovers of one height are the same bytes, or they
contradict each other, and more than a third of the members have signed both. The signatures stand beside the block,
in its certificate: whichever of them are at hand, it is the same block.

A root key has no memory: what it may sign is for its holder to know (ADR 0019). One voice a member, whatever it
weighs: a weight is for queens that vote. That the creator is lost nothing can show, so its voice is never dropped
from the total: of three members all must sign, and the root key of the creator is one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from consensus.blocks import Block, Core, TakeoverTx, decode_tx, encode_tx
from consensus.quorum import QuorumRule, QuorumSetting
from consensus.reader import Reader, alone
from consensus.transactions import new_queen_of
from consensus.validators import Validator, ValidatorSet
from wire import cbor, cose, keys
from wire.errors import BadSignature, Offence, ProtocolViolation
from wire.ids import PublicKey, SwarmId
from wire.types import ContentType

if TYPE_CHECKING:
    from consensus.chain import Chain


def certifiers(chain: Reader, block: Block, verify: keys.Verify) -> tuple[ValidatorSet, ContentType]:
    """Whose signatures decide `block`, the next one, and on what type of content. Raises RemoteError."""
    if chain.governed:
        return chain.validators(), ContentType.COMMIT
    txs = [decode_tx(tx) for tx in block.txs]
    if any(isinstance(tx, TakeoverTx) for tx in txs):
        if len(txs) > 1:
            raise ProtocolViolation("a takeover that is not alone in its block", Offence.CHAIN)
        return roots(chain), ContentType.TAKEOVER
    creator = chain.creator
    for tx in txs:
        queen = new_queen_of(tx, creator.swarm, chain.genesis.federation_id, verify)
        if queen is not None:
            return alone(creator, queen, chain.epoch), ContentType.COMMIT
    return chain.validators(), ContentType.COMMIT


def roots(chain: Reader) -> ValidatorSet:
    """The members by their root keys, one voice each, of which more than two thirds decide at any size."""
    members = chain.members()
    return ValidatorSet(
        epoch=chain.epoch,
        validators=tuple(Validator(swarm=m.swarm, term=m.term, key=m.root_key, weight=1) for m in members),
        rule=QuorumRule(QuorumSetting.BYZANTINE, len(members)),
    )


def is_signed(core: Core, root: PublicKey, signature: bytes, verify: keys.Verify) -> bool:
    """`root` signed that the block of `core` takes over."""
    with suppress(BadSignature):
        raw = cbor.encode_struct(core)
        cose.check_signature(ContentType.TAKEOVER, raw, root, signature, core.federation, verify)
        return True
    return False


def draft(chain: Chain, supports: Mapping[SwarmId, bytes]) -> bytes:
    """The block by which these take over, each with its queen's statement; raises RemoteError when it may not be."""
    tx = encode_tx(TakeoverTx(tuple(raw for _, raw in sorted(supports.items()))))
    chain.check_transaction(tx, time_ms=0)
    return chain.draft([tx], time_ms=0).block
