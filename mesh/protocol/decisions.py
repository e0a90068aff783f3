"""What was decided and what is open, as JSON-able values: for `proposals`, `decisions`, and who awaits an outcome."""

from __future__ import annotations

from consensus.governance.proposals import Proposal, ProposalId
from consensus.governance.standing import OpenProposal
from consensus.governance.standing import Outcome as Decision
from consensus.governance.tally import Status, Tally, count
from mesh.protocol.commands import Failure, FailureKind, Outcome, Success
from mesh.protocol.context import Context
from wire import cbor
from wire.ids import SwarmId


def open_proposals(context: Context) -> list[dict[str, object]]:
    """Every open proposal with its ballots so far, the oldest first."""
    return [_open_row(context, entry) for entry in context.chain.standing.open.values()]


def decided(context: Context, since: int = 0) -> list[dict[str, object]]:
    """Every outcome that is remembered, from height `since` on."""
    return [_outcome_row(context, o) for o in context.chain.standing.outcomes.values() if o.height >= since]


def outcome_of(context: Context, proposal: ProposalId) -> Success:
    """The outcome of one proposal, with the blocks that prove it to anyone who has the genesis."""
    outcome = context.chain.standing.outcomes[proposal]
    return Success(result=_outcome_row(context, outcome) | {"proof": proof(context, outcome.height)})


def find(context: Context, beginning: str) -> Outcome:
    """One decision, by the beginning of its id, with its proof."""
    found = [proposal for proposal in context.chain.standing.outcomes if proposal.hex().startswith(beginning)]
    if len(found) == 1:
        return outcome_of(context, found[0])
    what = "is decided" if not found else "is meant: give more of its id"
    message = f"no single proposal {beginning!r} {what}: `zenmesh decisions` lists them"
    return Failure(kind=FailureKind.USAGE, message=message)


def proof(context: Context, height: int) -> list[dict[str, str]]:
    """All blocks up to `height` with their certificates: who replays them from the genesis knows who may decide."""
    blocks = context.chain.all_blocks()[:height]
    return [{"block": block.hex(), "certificate": certificate.hex()} for block, certificate in blocks]


def question(context: Context, proposal: Proposal) -> dict[str, object]:
    """A proposal as whoever speaks for this queen is asked about it."""
    return {"federation_id": context.federation.hex(), "swarm": context.me.name, **_proposal_row(context, proposal)}


def _open_row(context: Context, entry: OpenProposal) -> dict[str, object]:
    tally = count(entry.ballots, context.chain.validators())
    ballots = {context.name_of(SwarmId(swarm)): choice.name for swarm, choice in entry.ballots.items()}
    return {
        **_proposal_row(context, entry.proposal),
        "status": Status.OPEN.value,
        "height": entry.height,
        "ballots": ballots,
        "tally": _tally_row(tally),
    }


def _outcome_row(context: Context, outcome: Decision) -> dict[str, object]:
    _, certificate = context.chain.blocks(outcome.height, 0)[0]
    return {
        **_proposal_row(context, outcome.proposal),
        "status": outcome.status.value,
        "void": outcome.void or None,
        "height": outcome.height,
        "decided_ms": outcome.time_ms,
        "tally": _tally_row(outcome.tally),
        "certificate": certificate.hex(),
    }


def _proposal_row(context: Context, proposal: Proposal) -> dict[str, object]:
    body = proposal.body
    return {
        "proposal": proposal.id.hex(),
        "proposer": context.name_of(SwarmId(body.proposer)),
        "subject": body.subject.value,
        "action": body.action,
        "details": cbor.decode(body.details),
        "created_ms": body.created_ms,
        "deadline_ms": body.deadline_ms,
    }


def _tally_row(tally: Tally) -> dict[str, int]:
    return {"approve": tally.approve, "reject": tally.reject, "abstain": tally.abstain, "total": tally.total}
