"""S3: no honest queen says two things in one place, not even across restarts; and what it repeats it repeats to the
last byte.

A place is (PRE_PREPARE, PREPARE or COMMIT; epoch, view, height), (VIEW_CHANGE or NEW_VIEW; epoch, view), or a
ballot's (proposal, term). Twins are not held to it: their two processes have one key.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker
from chaos.checkers.statements import STATEMENTS, said_in
from consensus.blocks import BallotTx, decode_tx
from consensus.governance.proposals import BallotBody, peek_ballot
from mesh.protocol.effects import Effect, Send
from wire.frame import code_of, unpack_message
from wire.types import MessageType

if TYPE_CHECKING:
    from chaos.process import Process
    from chaos.world import World


@lru_cache(maxsize=256)
def ballot_in(message: bytes) -> BallotBody | None:
    """The ballot that a submitted transaction casts."""
    tx = decode_tx(unpack_message(message)[1])
    return peek_ballot(tx.ballot) if isinstance(tx, BallotTx) else None


class OneVote(Checker):
    """Remembers what each queen said in each place."""

    name = "one-vote"
    judges = (Send,)
    words = STATEMENTS | {MessageType.TX_SUBMIT}

    def __init__(self) -> None:
        self._said: dict[tuple[object, ...], bytes] = {}
        self._blocks: dict[tuple[object, ...], bytes] = {}

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        if not process.host.honest or not isinstance(effect, Send):
            return
        me = process.node.context.me
        if code_of(effect.message) == MessageType.TX_SUBMIT:
            ballot = ballot_in(effect.message)
            if ballot is not None and ballot.voter == me.swarm:
                asked = (me.swarm, ballot.proposal, ballot.term)
                if self._said.setdefault(asked, effect.message) != effect.message:
                    yield f"it votes twice on proposal {ballot.proposal.hex()[:8]}"
            return
        said = said_in(effect)
        if said is None or not said.is_of(process):
            return
        place = (me.swarm, said.slot)
        where = f"{said.kind.name} of view {said.view}, epoch {said.epoch}"
        if self._blocks.setdefault(place, said.block) != said.block:
            yield f"it says {where} for two blocks at height {said.height}"
        elif self._said.setdefault(place, said.body) != said.body:
            yield f"it says {where} in two ways"
