"""What others heard a queen say, shown to her: what she knows, what binds nobody, what her disk has forgotten."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from consensus.bft.messages import CONTENT, MAX_HEARD, Phase, ViewChangeHeader
from consensus.blocks import Core, sign_core
from tests.support.chamber import Chamber
from tests.support.realm import queen, swarm
from wire import cbor, cose
from wire.errors import BadSignature, ProtocolViolation
from wire.ids import sha256
from wire.types import ContentType, MessageType

OTHER = sha256(b"another block")
Says = Callable[[Chamber, bytes], bytes]


def voted(phase: Phase, **changes: object) -> Says:
    """A vote of the chamber's own queen on the block that is proposed, or on another one."""

    def says(chamber: Chamber, block: bytes) -> bytes:
        return envelope(chamber, phase, chamber.core(block, **changes), chamber.me)  # type: ignore[arg-type]

    return says


def envelope(chamber: Chamber, phase: Phase, core: Core, name: str, signer: str | None = None) -> bytes:
    signature = sign_core(core, queen(signer or name), CONTENT[phase])
    return cose.reassemble(CONTENT[phase], cbor.encode_struct(core), queen(name).public, signature).raw


def called(view: int, **changes: object) -> Says:
    """A call of the chamber's own queen for a view."""

    def says(chamber: Chamber, block: bytes) -> bytes:
        return chamber.change(view, chamber.me, **changes).header  # type: ignore[arg-type]

    return says


@pytest.mark.parametrize(
    ("says", "known"),
    [
        pytest.param(voted(Phase.PREPARE), True, id="what it said"),
        pytest.param(voted(Phase.PREPARE, block_hash=OTHER), False, id="on another block"),
        pytest.param(voted(Phase.COMMIT), False, id="in another phase"),
        pytest.param(voted(Phase.PRE_PREPARE), False, id="as a leader"),
        pytest.param(voted(Phase.PREPARE, view=1), False, id="in another view"),
        pytest.param(voted(Phase.PREPARE, height=99), False, id="at a later height"),
        pytest.param(voted(Phase.COMMIT, height=1), True, id="of a height that is decided"),
        pytest.param(voted(Phase.PREPARE, height=99, epoch=99), False, id="in a later epoch"),
        pytest.param(voted(Phase.COMMIT, height=99, epoch=0), True, id="in an epoch that is over"),
        pytest.param(called(0), True, id="a view that it is in"),
        pytest.param(called(1), False, id="a view that it is not in"),
        pytest.param(called(9, epoch=0), True, id="a view of an epoch that is over"),
        pytest.param(called(0, epoch=99), False, id="a view of a later epoch"),
    ],
)
def test_what_a_queen_said_is_known_binds_nobody_or_is_forgotten(says: Says, known: bool) -> None:
    chamber = Chamber(at=1)
    block = chamber.block()
    chamber.hear(MessageType.PRE_PREPARE, chamber.pre_prepare(block))
    assert chamber.voted(MessageType.PREPARE) == [chamber.core(block).block_hash]
    assert chamber.replica.remembers(says(chamber, block)) is known


def test_what_the_journal_holds_is_known_after_a_restart_and_forgotten_without_it() -> None:
    chamber = Chamber(at=1)
    block = chamber.block()
    chamber.hear(MessageType.PRE_PREPARE, chamber.pre_prepare(block))
    said = voted(Phase.PREPARE)(chamber, block)
    chamber.restart()
    assert chamber.replica.remembers(said)
    chamber.journal.clear()
    chamber.restart()
    assert not chamber.replica.remembers(said)


def test_what_another_key_said_is_not_hers_to_remember() -> None:
    chamber = Chamber()
    core = chamber.core(chamber.block())
    assert chamber.replica.remembers(envelope(chamber, Phase.COMMIT, core, chamber.others[0]))


def test_what_is_forged_or_no_vote_is_refused() -> None:
    chamber = Chamber()
    core = chamber.core(chamber.block())
    with pytest.raises(BadSignature):
        chamber.replica.remembers(envelope(chamber, Phase.COMMIT, core, chamber.me, signer=chamber.others[0]))
    beat = cose.seal(ContentType.HEARTBEAT, b"", queen(chamber.me), chamber.federation)
    with pytest.raises(ProtocolViolation, match="neither a vote nor a change of view"):
        chamber.replica.remembers(beat)


def test_a_validator_is_shown_its_votes_and_its_call_for_a_view_the_latest_first() -> None:
    chamber = Chamber(at=1)
    voter = chamber.others[1]
    block = chamber.block()
    core = chamber.core(block)
    for phase in (Phase.PREPARE, Phase.COMMIT):
        chamber.hear(MessageType[phase.name], chamber.vote(phase, core, voter), voter)
    assert chamber.replica.heard_of(swarm(voter)) == [
        envelope(chamber, Phase.COMMIT, core, voter),
        envelope(chamber, Phase.PREPARE, core, voter),
    ]
    change = chamber.change(1, voter)
    chamber.hear(MessageType.VIEW_CHANGE, cbor.encode_struct(change), voter)
    (first, *_) = chamber.replica.heard_of(swarm(voter))
    assert cbor.decode_as(cose.parse(first).payload, ViewChangeHeader).new_view == 1
    assert chamber.replica.heard_of(swarm(chamber.others[2])) == []
    assert chamber.replica.heard_of(swarm("nobody")) == []


def test_of_many_votes_the_last_are_shown() -> None:
    chamber = Chamber(at=1)
    voter = chamber.others[0]
    heights = range(chamber.height, chamber.height + 8)
    for height in heights:
        for view in range(3):
            core = chamber.core(chamber.block(), view, height=height)
            chamber.hear(MessageType.PREPARE, chamber.vote(Phase.PREPARE, core, voter), voter)
    shown = chamber.replica.heard_of(swarm(voter))
    places = [(core.height, core.view) for core in (cbor.decode_as(cose.parse(one).payload, Core) for one in shown)]
    assert places == [(height, view) for height in reversed(heights) for view in (2, 1, 0)][:MAX_HEARD]


def test_what_is_decided_is_not_shown() -> None:
    chamber = Chamber(at=1)
    voter = chamber.others[0]
    block = chamber.block()
    chamber.hear(MessageType.PREPARE, chamber.vote(Phase.PREPARE, chamber.core(block), voter), voter)
    chamber.grow(block)
    assert chamber.replica.heard_of(swarm(voter)) == []
