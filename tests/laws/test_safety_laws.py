"""Laws of the safety rules: whatever they are asked, whenever they are killed, what they said convicts nobody."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from consensus import evidence
from consensus.bft.messages import CONTENT, NewView, Phase, PrePrepare, ViewChange, ViewChangeHeader, Vote
from consensus.bft.safety import SafetyRules, Signed
from consensus.blocks import Core, block_hash
from tests.support.realm import queen, swarm
from wire import cbor, cose
from wire.errors import ProtocolViolation
from wire.ids import sha256
from wire.types import ContentType, MessageType

FEDERATION = sha256(b"federation")
KEY, ME = queen("beta"), swarm("beta")
BLOCKS = (b"a block", b"another block")

Event = tuple[object, int | None, bytes | None]
views = st.integers(0, 2)
votes = st.tuples(st.sampled_from(Phase), views, st.sampled_from(BLOCKS))
changes = st.tuples(st.sampled_from(["change", "begin", "entered"]), views, st.none())
happenings = st.tuples(st.sampled_from(["decided", "killed", "killed with a new journal"]), st.none(), st.none())
epochs = st.lists(st.lists(votes | changes | happenings, max_size=24), min_size=1, max_size=2)


class Queen:
    """Safety rules with a disk, driven by whoever asks for whatever; what left them is kept for ever."""

    def __init__(self) -> None:
        self.epoch, self.height = 0, 1  # the height that is to be decided
        self.rules = SafetyRules(KEY, FEDERATION, ME)
        self.journal: list[bytes] = []
        self.said: list[Signed] = []

    def live(self, what: object, view: int | None, block: bytes | None) -> None:
        """One event; a request that breaks a rule is refused and changes nothing."""
        standing = self.standing()
        try:
            signed = self._happens(what, view or 0, block or b"")
        except AssertionError:
            assert self.standing() == standing, "a refused request changes nothing"
            return
        if signed is not None:
            if signed.record is not None:
                self.journal.append(signed.record)
            else:
                assert any(signed.body == before.body for before in self.said), "what needs no record was said before"
            self.said.append(signed)

    def standing(self) -> tuple[object, ...]:
        rules = self.rules
        return (rules.epoch, rules.view, rules.lock, rules.records(), rules.said(self.height))

    def _happens(self, what: object, view: int, block: bytes) -> Signed | None:
        rules = self.rules
        match what:
            case Phase():
                core = Core(FEDERATION, self.epoch, view, self.height, block_hash(block))
                if what is Phase.COMMIT:
                    return rules.commit(core, b"quorum in %d" % view, block)
                return (rules.prepare if what is Phase.PREPARE else rules.pre_prepare)(core, block)
            case "change":
                return rules.view_change(view, self.height - 1, sha256(b"head %d" % self.height))
            case "begin":
                return rules.new_view(view, (b"a change",), None, None)
            case "entered":
                rules.entered(view)
            case "decided":
                rules.decided(self.height)
                self.height += 1
            case "killed":
                self._restart()
            case "killed with a new journal":
                self.journal = rules.records()
                self._restart()
        return None

    def next_epoch(self) -> None:
        self.epoch += 1
        self.rules.begin_epoch(self.epoch)

    def _restart(self) -> None:
        before = self.standing()
        self.rules = SafetyRules(KEY, FEDERATION, ME)
        assert self.rules.restore(self.journal, self.epoch, self.height - 1) == 0
        assert self.rules.view <= before[1]  # type: ignore[operator]
        assert self.rules.lock == before[2], "a lock outlives the process"

    def envelopes(self) -> list[bytes]:
        """What it signed, as anyone would present it, in the order in which it was signed."""
        return list(dict.fromkeys(envelope(signed) for signed in self.said if signed.message in STATEMENTS))


STATEMENTS = {
    MessageType.PRE_PREPARE: Phase.PRE_PREPARE,
    MessageType.PREPARE: Phase.PREPARE,
    MessageType.COMMIT: Phase.COMMIT,
    MessageType.VIEW_CHANGE: None,
}


def envelope(signed: Signed) -> bytes:
    phase = STATEMENTS[signed.message]
    if phase is None:
        return cbor.decode_as(signed.body, ViewChange).header
    vote = cbor.decode_as(signed.body, PrePrepare if phase is Phase.PRE_PREPARE else Vote)
    return cose.reassemble(CONTENT[phase], vote.core, KEY.public, vote.signature).raw


def lived(story: list[list[Event]]) -> Queen:
    her = Queen()
    for epoch in story:
        her.next_epoch()
        for event in epoch:
            her.live(*event)
            assert {signed.body for signed in her.rules.said(her.height)} <= {signed.body for signed in her.said}
    return her


@given(epochs)
def test_no_two_statements_that_it_ever_signs_convict_it(story: list[list[Event]]) -> None:
    for one, two in permutations(lived(story).envelopes(), 2):
        try:
            evidence.convicted(one, two, FEDERATION, lambda *_: True)
        except ProtocolViolation:
            continue
        raise AssertionError("it can be convicted")


@given(epochs)
def test_who_left_a_view_votes_in_no_lower_one(story: list[list[Event]]) -> None:
    left: dict[int, int] = {}
    for raw in lived(story).envelopes():
        statement = cose.parse(raw)
        if statement.content_type == ContentType.VIEW_CHANGE:
            header = cbor.decode_as(statement.payload, ViewChangeHeader)
            assert header.new_view > left.get(header.epoch, 0)
            left[header.epoch] = header.new_view
        else:
            core = cbor.decode_as(statement.payload, Core)
            assert core.view >= left.get(core.epoch, 0)


@given(epochs)
def test_a_view_has_one_beginning(story: list[list[Event]]) -> None:
    begun: dict[tuple[int, int], bytes] = {}
    for signed in lived(story).said:
        if signed.message is MessageType.NEW_VIEW:
            header = cbor.decode(cose.parse(cbor.decode_as(signed.body, NewView).header).payload)
            assert isinstance(header, list)
            assert begun.setdefault((header[1], header[2]), signed.body) == signed.body
