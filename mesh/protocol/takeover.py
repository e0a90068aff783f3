"""When the creator is lost before it handed over: a block is drafted here, signed elsewhere, and ordered here.

    `zenmesh takeover request` ── draft ──► a block, from the chain's end and the support that members have told
    root keys, offline         ── sign ───► signatures beside that block
    `zenmesh takeover submit`  ── submit ─► appended, durable, and told to all members

Any member's node drafts, and any one submits; neither needs a key. What makes a takeover true is in
`consensus.takeover`; here is what people are told, and what stops them. No node can tell a creator that is lost from
one that is cut off; but one that is linked with the creator does neither.
"""

from __future__ import annotations

from collections.abc import Iterable

from consensus.blocks import Core, block_hash
from consensus.membership import MemberState
from consensus.takeover import draft, is_signed, roots
from consensus.validators import ValidatorSet
from mesh.protocol.admission import append
from mesh.protocol.commands import Failure, FailureKind, Outcome, Success, TakeOver
from mesh.protocol.context import Context
from mesh.protocol.handover import Handover
from mesh.protocol.outbox import Outbox
from wire.errors import RemoteError
from wire.ids import SwarmId

_SIGNED = 16 + 64  # bytes: whose signature, and the signature
_ANEW = "make a request anew (`zenmesh takeover request`), and have nobody sign the old one"


class Takeover:
    """Drafts on demand, and orders what enough root keys have signed."""

    def __init__(self, context: Context, handover: Handover) -> None:
        self._context = context
        self._handover = handover

    def draft(self) -> Outcome:
        """A block for root keys to sign, with what signing it means."""
        what = "no request was made"
        if refusal := self._refusal(what):
            return refusal
        context, chain = self._context, self._context.chain
        if ahead := self._names(link.swarm for link in context.links.members() if link.height > chain.height):
            return _no(f"{what}: {ahead[0]} has a later block than this node: ask again once it is here")
        supports = self._handover.supports()
        if not supports:
            remedy = "have the members' nodes run, updated and without `govern = false`"
            return _no(f"{what}: no queen is ready to govern; {remedy}")
        try:
            block = draft(chain, supports)
        except RemoteError as error:
            return _no(f"{what}: {error}")
        voters = roots(chain)
        members = chain.members()
        silent = [m.swarm for m in members if m.swarm != context.me.swarm and context.links.of_swarm(m.swarm) is None]
        learning = [m.swarm for m in members if m.state is MemberState.ACTIVE and m.swarm not in supports]
        return Success(
            result={
                "federation_id": context.federation.hex(),
                "federation_name": chain.genesis.name,
                "height": chain.height + 1,
                "parent": chain.head_hash.hex(),
                "hash": block_hash(block).hex(),
                "block": block.hex(),
                "creator": chain.creator.name,
                "supporters": self._names(supports),
                "learners": self._names(learning),
                "out_of_reach": self._names(silent),
                "needed": voters.rule.needed(voters.total),
                "members": [{"swarm": m.name, "swarm_id": m.swarm.hex()} for m in members],
            }
        )

    def submit(self, operation: TakeOver, out: Outbox) -> Outcome:
        """Append the block, if enough have signed it."""
        what = "nobody took over"
        if refusal := self._refusal(what):
            return refusal
        context, chain = self._context, self._context.chain
        try:
            block = bytes.fromhex(operation.block)
            rows = [bytes.fromhex(row) for row in operation.signatures]
        except ValueError:
            return Failure(kind=FailureKind.USAGE, message=f"{what}: it is no hexadecimal text")
        try:
            chain.check_block(block)
        except RemoteError as error:
            return _no(f"{what}: {error}; {_ANEW}")
        voters, core = roots(chain), chain.core(block_hash(block), view=0)
        signed = self._signed(what, voters, core, rows)
        if isinstance(signed, Failure):
            return signed
        if not voters.is_quorum(signed):
            rest = ", ".join(self._names(v.swarm for v in voters.validators if v.swarm not in signed))
            count = f"{len(signed)} of {voters.total} members have signed, and it takes"
            missing = f"{count} {voters.rule.needed(voters.total)}: have others sign the same request, of {rest}"
            return Failure(kind=FailureKind.NO_QUORUM, message=f"{what}: {missing}")
        try:
            append(context, block, voters.certify(core, signed), out)
        except RemoteError as error:
            return _no(f"{what}: {error}; {_ANEW}")
        out.grew = True
        governing = [validator.swarm for validator in chain.validators().validators]
        return Success(
            result={"height": chain.height, "signed_by": self._names(signed), "voters": self._names(governing)}
        )

    def _signed(
        self, what: str, voters: ValidatorSet, core: Core, rows: Iterable[bytes]
    ) -> dict[SwarmId, bytes] | Failure:
        """Whose signatures on `core` these are; or which of them does not count, and why."""
        signed: dict[SwarmId, bytes] = {}
        for row in rows:
            swarm, signature = SwarmId(row[:16]), row[16:]
            voter = voters.validator(swarm)
            if voter is None:
                reason = "is no member of this federation, so it does not sign: leave it out"
                return _no(f"{what}: {swarm.hex()} {reason}")
            if len(row) != _SIGNED or not is_signed(core, voter.key, signature, self._context.verify):
                reason = "is not by its root key, or for another request: have it signed anew"
                return _no(f"{what}: the signature of {self._context.name_of(swarm)} {reason}")
            signed[swarm] = signature
        return signed

    def _refusal(self, what: str) -> Failure | None:
        """Why there is nothing to take over."""
        context, chain = self._context, self._context.chain
        creator = chain.creator
        if chain.governed:
            return _no(f"{what}: the queens of this federation govern already")
        if creator.swarm == context.me.swarm:
            return _no(f"{what}: this is the creator's node, which hands over by itself: see `zenmesh status`")
        if context.links.of_swarm(creator.swarm) is not None:
            reason = "is in reach: it can hand over itself, or has to be stopped for good"
            return _no(f"{what}: {creator.name}, which governs this federation, {reason}")
        return None

    def _names(self, swarms: Iterable[SwarmId | None]) -> list[str]:
        return sorted(self._context.name_of(swarm) for swarm in swarms if swarm is not None)


def _no(message: str) -> Failure:
    return Failure(kind=FailureKind.REJECTED, message=message)
