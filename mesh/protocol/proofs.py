"""A decision as a document that convinces whoever has the genesis, on a machine that is no member.

Everything in it follows from the genesis and the blocks up to the decision, which it holds with their certificates,
or leaps over with a state that they certify: who replays them knows who could decide, and writes the very same
document. So nothing in it can be changed, and there are no names in it that a swarm may have changed since: swarms
are named by their ids.

    chain = replay(genesis, proof)         # raises RemoteError where a block does not follow, or is not certified
    document(chain, proposal, proof) == what was handed over
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from consensus.chain import Chain
from consensus.governance.proposals import Proposal, ProposalId
from consensus.governance.standing import Outcome
from consensus.governance.tally import Tally
from consensus.history import Record
from wire import cbor
from wire.ids import SwarmId


def document(chain: Chain, proposal: ProposalId, proof: Sequence[Record] | None = None) -> dict[str, object]:
    """The decision on `proposal`, which `chain` remembers, with its proof: a short one, unless another is given."""
    outcome = chain.standing.outcomes[proposal]
    return {
        "federation_id": chain.federation_id.hex(),
        "federation_name": chain.genesis.name,
        **proposal_facts(outcome.proposal),
        **outcome_facts(chain, outcome),
        "proof": [_entry(record) for record in (chain.way_to(outcome.height) if proof is None else proof)],
    }


def _entry(record: Record) -> dict[str, str]:
    """A block with its certificate; and with the state before it, where the blocks that made that are left out."""
    entry = {"block": record.block.hex(), "certificate": record.certificate.hex()}
    return entry if record.state is None else {**entry, "state": record.state.hex()}


def replay(genesis: bytes, proof: Iterable[Record]) -> Chain:
    """The chain of these records, each judged. Raises RemoteError."""
    chain = Chain.from_genesis(genesis)
    for record in proof:
        chain.append(*record)
    return chain


def proposal_facts(proposal: Proposal) -> dict[str, object]:
    """What was proposed."""
    body = proposal.body
    return {
        "proposal": proposal.id.hex(),
        "proposer_id": body.proposer.hex(),
        "subject": body.subject.value,
        "action": body.action,
        "details": cbor.decode(body.details),
        "created_ms": body.created_ms,
        "deadline_ms": body.deadline_ms,
    }


def outcome_facts(chain: Chain, outcome: Outcome) -> dict[str, object]:
    """What became of it."""
    held = chain.blocks(outcome.height, 0) if outcome.height >= chain.first else []
    return {
        "status": outcome.status.value,
        "void": outcome.void or None,
        "height": outcome.height,
        "decided_ms": outcome.time_ms,
        "tally": tally_facts(outcome.tally),
        "certificate": held[0][1].hex() if held else None,
    }


def name_of(chain: Chain, swarm: SwarmId) -> str:
    """The name that a swarm has, or had when it last belonged."""
    member = chain.state.membership.everyone.get(swarm)
    return swarm.hex() if member is None else member.name


def tally_facts(tally: Tally) -> dict[str, int]:
    """Weights by choice."""
    return {"approve": tally.approve, "reject": tally.reject, "abstain": tally.abstain, "total": tally.total}
