"""The rules of a federation have a version, which changes by decision alone: `set_protocol_version`.

A queen says yes to a version only if its node knows it. FEDERATION_POLICY takes a quorum, so what is approved is
known to a quorum, and they go on by the new rules. A queen that does not know them yet leaves the question open,
whatever its policy says, and answers it once its node is updated: so it can be asked before the first node is. Who is
not updated when it is decided stops at that very block, and says what to do; nothing after it is judged by old rules.
"""

from __future__ import annotations

from consensus.governance.actions import SetProtocolVersion, read_details
from consensus.governance.proposals import ProposalBody
from consensus.governance.standing import unknown_rules
from mesh.protocol.context import Context


def outdated(context: Context) -> str:
    """Why this node cannot go on by what the federation has decided; empty when it can."""
    return unknown_rules(context.chain.standing.protocol_version, context.config.rules)


def beyond_us(context: Context, body: ProposalBody) -> str:
    """Why this queen cannot approve of a proposal; empty when it can."""
    details = read_details(body.subject, body.action, body.details)
    version, known = details.version if isinstance(details, SetProtocolVersion) else 0, context.config.rules
    return f"this node knows rules up to version {known}, not {version}: update it first" if version > known else ""
