"""What was decided and what is open, as JSON-able values: for `proposals`, `decisions`, and who awaits an outcome."""

from __future__ import annotations

from consensus.governance.actions import left_out
from consensus.governance.proposals import Proposal, ProposalId
from consensus.governance.standing import OpenProposal
from consensus.governance.standing import Outcome as Decision
from consensus.governance.tally import Status, count
from mesh.protocol import proofs
from mesh.protocol.commands import Failure, FailureKind, Outcome, Success
from mesh.protocol.context import Context


def open_proposals(context: Context) -> list[dict[str, object]]:
    """Every open proposal with its ballots so far, the oldest first."""
    return [_open_row(context, entry) for entry in context.chain.standing.open.values()]


def decided(context: Context, since: int = 0) -> list[dict[str, object]]:
    """Every outcome that is remembered, from height `since` on."""
    return [_outcome_row(context, o) for o in context.chain.standing.outcomes.values() if o.height >= since]


def outcome_of(context: Context, proposal: ProposalId) -> Success:
    """The outcome of one proposal."""
    return Success(result=_outcome_row(context, context.chain.standing.outcomes[proposal]))


def find(context: Context, beginning: str) -> Outcome:
    """One decision, by the beginning of its id, with the proof that convinces anyone who has the genesis."""
    standing = context.chain.standing
    found = [proposal for proposal in standing.outcomes if proposal.hex().startswith(beginning)]
    if len(found) == 1 and standing.outcomes[found[0]].height < context.chain.first:
        message = (
            f"this node caught up by a checkpoint, and holds no block before height {context.chain.first} that would"
            " prove it: ask on the node of another member"
        )
        return Failure(kind=FailureKind.REJECTED, message=message)
    if len(found) == 1:
        return Success(result=proofs.document(context.chain, found[0]))
    if found:
        message = f"{len(found)} decisions begin with {beginning!r}: give more of the id"
    elif any(proposal.hex().startswith(beginning) for proposal in standing.open):
        message = f"proposal {beginning!r} is not decided yet: see `zenmesh proposals`"
    else:
        message = f"no decision that is remembered here begins with {beginning!r}: `zenmesh decisions` lists them"
    return Failure(kind=FailureKind.USAGE, message=message)


def question(context: Context, proposal: Proposal) -> dict[str, object]:
    """A proposal as whoever speaks for this queen is asked about it."""
    return {"federation_id": context.federation.hex(), "swarm": context.me.name, **_proposal_row(context, proposal)}


def _open_row(context: Context, entry: OpenProposal) -> dict[str, object]:
    tally = count(entry.ballots, context.chain.validators(), left_out(entry.proposal.body))
    ballots = {proofs.name_of(context.chain, swarm): choice.name for swarm, choice in entry.ballots.items()}
    return {
        **_proposal_row(context, entry.proposal),
        "status": Status.OPEN.value,
        "height": entry.height,
        "ballots": ballots,
        "tally": proofs.tally_facts(tally),
    }


def _outcome_row(context: Context, outcome: Decision) -> dict[str, object]:
    return {**_proposal_row(context, outcome.proposal), **proofs.outcome_facts(context.chain, outcome)}


def _proposal_row(context: Context, proposal: Proposal) -> dict[str, object]:
    return {"proposer": proofs.name_of(context.chain, proposal.proposer), **proofs.proposal_facts(proposal)}
