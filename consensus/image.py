"""The state after a block as bytes: what who is far behind gets instead of the blocks that made it.

    raw = encode(state, whole=True)
    state, whole = decode(raw, genesis, epoch)      # malformed: RemoteError. What it says is judged by its hash alone
    state.hash == block.prev_state_hash             # of the next block, which a quorum certified

Nothing in an image is believed: the reader works out the hash of what it has read, and every field that has a part in
what blocks do is in that hash, or follows from what is. Three things need care:

- Outcomes are hashed one over the other, newest last (`Standing.history`). A whole image holds the last 1024, and the
  digest before them. It is complete if it has all that a state remembers: 1024, or with nothing before them.
- A *light* image leaves them out, and gives the digest alone. It leads to the voters of the next epoch, and to no
  state that a node could live on.
- What has no order in the hash has none in an image: open proposals stand by (height, id), the rest by their keys. So
  a state has one image, and another spelling of it is refused: no byte of a decision file may be anyhow.

While the creator governs, the hash is of the membership alone, since there are no decisions: what an image says of
them is ignored then, and the parameters are those of the genesis.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from consensus.certificates import Backup
from consensus.fields import Bytes16, Bytes32, Natural, PeerText
from consensus.genesis import Genesis, Params
from consensus.governance.proposals import Choice, Proposal, peek_proposal
from consensus.governance.standing import (
    MAX_DIRECTIVES,
    MAX_OPEN,
    MAX_OUTCOMES,
    MAX_PRIORITIES,
    Directive,
    OpenProposal,
    Outcome,
    Policy,
    Standing,
)
from consensus.governance.tally import Status, Tally
from consensus.membership import Member, Membership, MemberState, Term
from consensus.quorum import QuorumSetting
from consensus.state import State
from wire import cbor
from wire.errors import DecodeError
from wire.ids import ZERO_DIGEST, Digest, PeerId, PublicKey, SwarmId
from wire.types import MIB

MAX_IMAGE = 2 * MIB  # a state that takes more is not handed over: whoever lacks it gets the blocks

_Text = Annotated[str, Meta(max_length=64 * 1024)]
_Raw = Annotated[bytes, Meta(max_length=64 * 1024)]
_Weight = Natural


class TermImage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One queen generation of a swarm."""

    term: Natural
    queen_key: Bytes32
    peer: PeerText
    close_seq: Natural | None
    close_hash: Bytes32 | None


class MemberImage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A swarm that belongs, or did."""

    swarm: Bytes16
    name: Annotated[str, Meta(max_length=64)]
    project: Annotated[str, Meta(max_length=128)]
    root_key: Bytes32
    state: MemberState
    weight: _Weight
    certified_weight: _Weight
    term: Natural
    terms: Annotated[tuple[TermImage, ...], Meta(min_length=1, max_length=65536)]
    inviter: Bytes16 | None
    not_after_ms: Natural
    backups: Annotated[tuple[Backup, ...], Meta(max_length=64)]


class BallotImage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The ballot of one voter that counts."""

    voter: Bytes16
    choice: Choice


class OpenImage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A proposal that is not decided yet."""

    proposal: _Raw
    height: Natural
    ballots: Annotated[tuple[BallotImage, ...], Meta(max_length=65536)]


class OutcomeImage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What became of a proposal."""

    proposal: _Raw
    status: Status
    approve: _Weight
    reject: _Weight
    abstain: _Weight
    total: _Weight
    height: Natural
    time_ms: Natural
    void: _Text


class PolicyImage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a swarm may ask of the others; without one, what all may."""

    swarm: Bytes16 | None
    max_agents: Natural | None
    max_duration_ms: Natural | None
    allowed_types: Annotated[tuple[_Text, ...], Meta(max_length=65536)] | None
    read: bool
    write: bool


class PriorityImage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A decided priority."""

    kind: _Text
    target: _Text
    priority: _Text


class DirectiveImage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A decided allocation or pre-emption."""

    proposal: Bytes16
    action: _Text
    details: _Raw
    time_ms: Natural


class Image(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A whole state, or a light one, without outcomes."""

    quorum: QuorumSetting
    peak: Natural
    members: Annotated[tuple[MemberImage, ...], Meta(min_length=1, max_length=65536)]
    tickets: Annotated[tuple[Bytes16, ...], Meta(max_length=1 << 20)]
    governed: bool
    protocol_version: Natural
    params: Params
    open: Annotated[tuple[OpenImage, ...], Meta(max_length=MAX_OPEN)]
    history: Bytes32
    outcomes: Annotated[tuple[OutcomeImage, ...], Meta(max_length=MAX_OUTCOMES)] | None
    policies: Annotated[tuple[PolicyImage, ...], Meta(max_length=65536)]
    priorities: Annotated[tuple[PriorityImage, ...], Meta(max_length=MAX_PRIORITIES)]
    directives: Annotated[tuple[DirectiveImage, ...], Meta(max_length=MAX_DIRECTIVES)]


def encode(state: State, *, whole: bool) -> bytes:
    """The image of `state`; its outcomes only where it is to be whole."""
    membership, standing = state.membership, state.standing
    image = Image(
        quorum=membership.setting,
        peak=membership.peak,
        members=tuple(_member_image(member) for _, member in sorted(membership.everyone.items())),
        tickets=tuple(sorted(membership.consumed)),
        governed=standing.governed,
        protocol_version=standing.protocol_version,
        params=standing.params,
        open=tuple(_open_image(entry) for entry in standing.in_order()),
        history=standing.forgotten if whole else standing.history,
        outcomes=tuple(map(_outcome_image, standing.outcomes.values())) if whole else None,
        policies=tuple(
            PolicyImage(swarm, p.max_agents, p.max_duration_ms, p.allowed_types, p.read, p.write)
            for swarm, p in sorted(standing.policies.items(), key=lambda item: item[0] or b"")
        ),
        priorities=tuple(PriorityImage(*key, value) for key, value in sorted(standing.priorities.items())),
        directives=tuple(
            DirectiveImage(proposal, d.action, d.details, d.time_ms)
            for proposal, d in sorted(standing.directives.items())
        ),
    )
    return cbor.encode_struct(image)


def decode(raw: bytes, genesis: Genesis, epoch: int) -> tuple[State, bool]:
    """(the state in `raw`, whether it has its outcomes): as somebody says, until its hash has been compared.

    Raises:
        RemoteError: too large, malformed, spelled otherwise than `encode` does, or outcomes are missing that a whole
            state would remember.
    """
    image = cbor.decode_as(raw, Image, MAX_IMAGE)
    state = _state(image, genesis, epoch)
    whole = image.outcomes is not None
    if whole and image.history != ZERO_DIGEST and len(image.outcomes or ()) < MAX_OUTCOMES:
        raise DecodeError("an image without outcomes that its state remembers")
    if encode(state, whole=whole) != raw:
        raise DecodeError("an image that is not spelled as its state is")
    return state, whole or not state.standing.governed


def _state(image: Image, genesis: Genesis, epoch: int) -> State:
    """What an image says."""
    everyone = {SwarmId(row.swarm): _member(row) for row in image.members}
    membership = Membership(
        setting=image.quorum, everyone=everyone, consumed=dict.fromkeys(image.tickets), peak=image.peak
    )
    membership = membership.peaked()
    if not image.governed:
        return State(membership, Standing(params=genesis.params), epoch)
    standing = Standing(
        params=image.params,
        governed=True,
        protocol_version=image.protocol_version,
        open={entry.proposal.id: entry for entry in map(_open, image.open)},
        history=Digest(image.history),
        forgotten=Digest(image.history),
        policies={None if row.swarm is None else SwarmId(row.swarm): _policy(row) for row in image.policies},
        priorities={(row.kind, row.target): row.priority for row in image.priorities},
        directives={
            row.proposal: Directive(action=row.action, details=row.details, time_ms=row.time_ms)
            for row in image.directives
        },
    )
    for row in image.outcomes or ():
        standing = standing.closed(_outcome(row))
    return State(membership, standing, epoch)


def _member_image(member: Member) -> MemberImage:
    return MemberImage(
        swarm=member.swarm,
        name=member.name,
        project=member.project,
        root_key=member.root_key,
        state=member.state,
        weight=member.weight,
        certified_weight=member.certified_weight,
        term=member.term,
        terms=tuple(
            TermImage(number, term.queen_key, term.peer, *(term.close or (None, None)))
            for number, term in sorted(member.terms.items())
        ),
        inviter=member.inviter,
        not_after_ms=member.not_after_ms,
        backups=member.backups,
    )


def _member(row: MemberImage) -> Member:
    terms = {term.term: _term(term) for term in row.terms}
    if row.term not in terms:
        raise DecodeError("a member in a term that it never had")
    return Member(
        swarm=SwarmId(row.swarm),
        name=row.name,
        project=row.project,
        root_key=PublicKey(row.root_key),
        state=row.state,
        weight=row.weight,
        certified_weight=row.certified_weight,
        term=row.term,
        terms=terms,
        inviter=None if row.inviter is None else SwarmId(row.inviter),
        not_after_ms=row.not_after_ms,
        backups=row.backups,
    )


def _term(row: TermImage) -> Term:
    close = None if row.close_seq is None or row.close_hash is None else (row.close_seq, row.close_hash)
    return Term(queen_key=PublicKey(row.queen_key), peer=PeerId(row.peer), close=close)


def _open_image(entry: OpenProposal) -> OpenImage:
    ballots = tuple(BallotImage(voter, choice) for voter, choice in sorted(entry.ballots.items()))
    return OpenImage(entry.proposal.raw, entry.height, ballots)


def _open(row: OpenImage) -> OpenProposal:
    proposal = Proposal(peek_proposal(row.proposal), row.proposal)
    ballots = {SwarmId(ballot.voter): ballot.choice for ballot in row.ballots}
    return OpenProposal(proposal=proposal, height=row.height, ballots=ballots)


def _outcome_image(outcome: Outcome) -> OutcomeImage:
    tally = outcome.tally
    return OutcomeImage(
        proposal=outcome.proposal.raw,
        status=outcome.status,
        approve=tally.approve,
        reject=tally.reject,
        abstain=tally.abstain,
        total=tally.total,
        height=outcome.height,
        time_ms=outcome.time_ms,
        void=outcome.void,
    )


def _outcome(row: OutcomeImage) -> Outcome:
    return Outcome(
        proposal=Proposal(peek_proposal(row.proposal), row.proposal),
        status=row.status,
        tally=Tally(approve=row.approve, reject=row.reject, abstain=row.abstain, total=row.total),
        height=row.height,
        time_ms=row.time_ms,
        void=row.void,
    )


def _policy(row: PolicyImage) -> Policy:
    return Policy(
        max_agents=row.max_agents,
        max_duration_ms=row.max_duration_ms,
        allowed_types=row.allowed_types,
        read=row.read,
        write=row.write,
    )
