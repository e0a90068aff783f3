"""Who asks to be admitted where the queens vote on it, as the operator of one of them sees that.

A node that is asked, and may not admit by rule, proposes `admit` (`mesh.protocol.admission`). Here are the open ones
on which this queen has not voted: `status` lists them, `zenmesh federation admit` approves of them.
"""

from __future__ import annotations

from consensus.certificates import parse_member_cert
from consensus.governance.actions import Admit, read_details
from consensus.governance.proposals import Proposal, ProposalBody
from mesh.protocol.context import Context
from wire.errors import RemoteError


def applications(context: Context) -> dict[str, list[Proposal]]:
    """Open admissions without a ballot of this queen, by the name of the swarm. More than one node may have proposed
    it. None when this queen has no vote."""
    found: dict[str, list[Proposal]] = {}
    if context.chain.validators().validator(context.me.swarm) is None:
        return found
    for entry in context.chain.standing.open.values():
        name = None if context.me.swarm in entry.ballots else _applicant(context, entry.proposal.body)
        if name is not None:
            found.setdefault(name, []).append(entry.proposal)
    return found


def _applicant(context: Context, body: ProposalBody) -> str | None:
    """The swarm that a proposal admits; None for another action, and where there is no certificate in it."""
    try:
        details = read_details(body.subject, body.action, body.details)
        if isinstance(details, Admit):
            return parse_member_cert(bytes.fromhex(details.certificate), context.federation, context.verify).name
    except RemoteError:
        pass  # any member may propose to admit what is no swarm; it takes effect for none
    return None
