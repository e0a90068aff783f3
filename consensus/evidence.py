"""Evidence: two statements of one key that no honest queen signs both. It convinces anyone, whoever found it.

| statements | they contradict each other when |
|---|---|
| two PRE_PREPARE, PREPARE or COMMIT | same (epoch, view, height), another block |
| a COMMIT and a VIEW_CHANGE | the change leaves that view and says that nothing was locked there or later |
| two BALLOT | same (proposal, its hash, voter, term), another choice |
| two BATCH headers | same (swarm, term, seq), other bytes |

A queen that says the same twice is not guilty; nor is one whose statements only look odd. Above all not one that
answers two proposals with one id, of which at most one can be on the chain: their proposer made them, and it alone.
"""

from __future__ import annotations

from consensus.bft.messages import ViewChangeHeader
from consensus.blocks import Core
from consensus.governance.proposals import BallotBody
from wire import cbor, cose, keys
from wire.errors import ProtocolViolation
from wire.ids import PublicKey
from wire.types import KIB, ContentType

MAX_STATEMENT = 16 * KIB

VOTES = (ContentType.PRE_PREPARE, ContentType.PREPARE, ContentType.COMMIT)


def convicted(first: bytes, second: bytes, federation: bytes, verify: keys.Verify) -> PublicKey:
    """The key that signed both of two contradicting statements.

    Raises:
        RemoteError: malformed, forged, by two keys, or no contradiction.
    """
    one = cose.parse(first, MAX_STATEMENT)
    two = cose.parse(second, MAX_STATEMENT)
    for envelope in (one, two):
        cose.check(envelope, federation, verify)
    if one.kid != two.kid or not _contradict(one, two):
        raise ProtocolViolation("two statements that an honest queen may well sign both")
    return one.kid


def _contradict(one: cose.Envelope, two: cose.Envelope) -> bool:
    pair = (one.content_type, two.content_type)
    if pair[0] == pair[1] and pair[0] in VOTES:
        return _two_votes(cbor.decode_as(one.payload, Core), cbor.decode_as(two.payload, Core))
    if pair == (ContentType.COMMIT, ContentType.VIEW_CHANGE):
        return _denied(cbor.decode_as(one.payload, Core), cbor.decode_as(two.payload, ViewChangeHeader))
    if pair == (ContentType.BALLOT, ContentType.BALLOT):
        return _two_ballots(cbor.decode_as(one.payload, BallotBody), cbor.decode_as(two.payload, BallotBody))
    if pair == (ContentType.BATCH, ContentType.BATCH):
        return _two_batches(cbor.decode(one.payload), cbor.decode(two.payload))
    return False


def _two_votes(one: Core, two: Core) -> bool:
    slots = [(core.federation, core.epoch, core.view, core.height) for core in (one, two)]
    return slots[0] == slots[1] and one.block_hash != two.block_hash


def _denied(commit: Core, change: ViewChangeHeader) -> bool:
    """Who committed was locked: a later change of view says so, or that a later view locked something, or more."""
    later = change.epoch == commit.epoch and change.new_view > commit.view
    at_height = change.committed_height == commit.height - 1
    return later and at_height and change.prepared_view < commit.view


def _two_ballots(one: BallotBody, two: BallotBody) -> bool:
    places = [(ballot.proposal, ballot.proposal_hash, ballot.voter, ballot.term) for ballot in (one, two)]
    return places[0] == places[1] and one.choice != two.choice


def _two_batches(one: object, two: object) -> bool:
    """Headers of owner logs begin with [federation, swarm, term, seq]; the rest is the log's own business."""
    return isinstance(one, list) and isinstance(two, list) and one[:4] == two[:4] and one != two
