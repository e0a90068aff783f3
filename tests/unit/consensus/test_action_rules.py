"""Actions: what each needs to be proposed, what it changes once approved, and why it may change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from consensus.blocks import promote_tx
from consensus.governance import standing
from consensus.governance.actions import ACTIONS, Scene, check_details, encode_details, read_details
from consensus.governance.proposals import Subject
from consensus.governance.standing import Outcome, Policy
from consensus.governance.tally import Status
from consensus.membership import Member, MemberState
from consensus.quorum import QuorumName, QuorumSetting
from consensus.validators import ValidatorSet
from tests.support.chamber import Chamber
from tests.support.council import ballot_tx, proposal_tx
from tests.support.realm import CREATED_MS, peer, queen, swarm
from wire import cbor, keys
from wire.errors import DecodeError, Overtaken, ProtocolViolation, UsageError
from wire.ids import sha256

POLICY = "FEDERATION_POLICY"
ALL = ("alpha", "beta", "gamma", "delta")
LEND = {"agent_type": "coder", "count": 3, "duration_ms": 1000}


@pytest.fixture
def chamber() -> Chamber:
    return Chamber()


class Town:
    """Four queens that all approve, whatever is proposed."""

    def __init__(self) -> None:
        self.chamber = Chamber()
        self.number = 0

    def decide(self, action: str, voters: tuple[str, ...] = ALL, **details: object) -> Outcome:
        """Propose and vote in one block."""
        chamber = self.chamber
        chamber.wall_ms += 1_000
        self.number += 1
        tx, raw = proposal_tx(chamber.federation, voters[0], self.number, chamber.wall_ms, action, **details)
        ballots = [ballot_tx(chamber.federation, name, self.number, raw) for name in voters]
        chamber.grow(chamber.block(1, tx, *ballots))
        outcome = chamber.chain.standing.outcomes[sha256(b"proposal %d" % self.number)[:16]]
        assert outcome.status is Status.APPROVED
        return outcome

    def member(self, name: str) -> Member | None:
        return self.chamber.chain.member(swarm(name))

    def voters(self) -> ValidatorSet:
        return self.chamber.chain.validators()


@pytest.fixture
def town() -> Town:
    return Town()


def hexed(name: str) -> str:
    return swarm(name).hex()


# what each changes


def test_an_allocation_is_a_directive_for_those_whom_it_concerns(town: Town) -> None:
    outcome = town.decide("allocate_agents", lender=hexed("beta"), borrower=hexed("gamma"), **LEND)
    directive = town.chamber.chain.standing.directives[outcome.proposal.id]
    assert (directive.action, directive.time_ms, outcome.void) == ("AllocateAgents", outcome.time_ms, "")
    told = cbor.decode(directive.details)
    assert told == {**LEND, "lender": hexed("beta"), "borrower": hexed("gamma"), "priority": "normal"}


def test_a_pre_emption_is_a_directive(town: Town) -> None:
    outcome = town.decide("preempt_lease", lease="ab" * 16, reason="needed elsewhere")
    directive = town.chamber.chain.standing.directives[outcome.proposal.id]
    assert (directive.action, cbor.decode(directive.details)) == (
        "PreemptLease",
        {"lease": "ab" * 16, "reason": "needed elsewhere"},
    )


def test_a_priority_stands_until_another_is_decided(town: Town) -> None:
    for priority in ("critical", "low"):
        town.decide("set_priority", kind="task", target="t1", priority=priority)
        assert town.chamber.chain.standing.priorities == {("task", "t1"): priority}


def test_an_admission_makes_a_learner_whom_somebody_vouches_for(town: Town) -> None:
    certificate = town.chamber.realm.certificate("eve").hex()
    assert town.decide("admit", certificate=certificate, inviter=hexed("beta")).void == ""
    eve = town.member("eve")
    assert eve is not None
    assert (eve.state, eve.inviter) == (MemberState.LEARNER, swarm("beta"))


def test_who_is_expelled_belongs_no_more_and_neither_votes_nor_counts(town: Town) -> None:
    """Three of the four are left to decide, and by themselves they are a whole."""
    outcome = town.decide("expel", ALL[:3], swarm=hexed("delta"), reason="lies")
    assert (outcome.tally.approve, outcome.tally.total) == (3, 3)
    assert town.member("delta") is None
    assert town.chamber.chain.state.membership.everyone[swarm("delta")].state is MemberState.EXPELLED


def test_who_was_expelled_is_reinstated_as_a_learner(town: Town) -> None:
    town.decide("expel", ALL[:3], swarm=hexed("delta"), reason="lies")
    assert town.decide("reinstate", ALL[:3], swarm=hexed("delta"), reason="it was mended").void == ""
    delta = town.member("delta")
    assert delta is not None
    assert (delta.state, delta.weight) == (MemberState.LEARNER, 0)
    town.chamber.grow(town.chamber.block(1, promotion(town, "delta")))
    assert len(town.voters()) == 4


COMES = {
    "a ticket": lambda town: town.chamber.writer().join("delta", "beta", term=2),
    "the door that is open": lambda town: town.chamber.writer().approve("delta", term=2),
    "its old term": lambda town: town.chamber.writer().join("delta", "beta"),
}


@pytest.mark.parametrize("way", COMES)
def test_who_was_expelled_comes_back_by_reinstatement_alone(town: Town, way: str) -> None:
    town.decide("expel", ALL[:3], swarm=hexed("delta"), reason="lies")
    with pytest.raises(Overtaken, match="was expelled: the members alone bring it back"):
        town.chamber.chain.check_transaction(COMES[way](town), town.chamber.wall_ms)


def test_nor_by_a_vote_on_its_admission_and_with_a_later_term_once_it_is_back(town: Town) -> None:
    town.decide("expel", ALL[:3], swarm=hexed("delta"), reason="lies")
    certificate = town.chamber.realm.certificate("delta", 2).hex()
    admitted = town.decide("admit", ALL[:3], certificate=certificate)
    assert "was expelled" in admitted.void
    town.decide("reinstate", ALL[:3], swarm=hexed("delta"), reason="it was mended")
    town.chamber.grow(town.chamber.block(1, town.chamber.realm.bump("delta", 2)))
    delta = town.member("delta")
    assert delta is not None
    assert (delta.state, delta.term) == (MemberState.LEARNER, 2)


def test_who_is_in_quarantine_does_not_leave_to_come_back_without_it(town: Town) -> None:
    state = town.chamber.chain.state
    quarantined = state.membership.put(swarm("delta"), MemberState.QUARANTINED).weighed()
    town.chamber.chain.state = type(state)(quarantined, state.standing, state.epoch)
    with pytest.raises(Overtaken, match="in quarantine cannot leave: the members reinstate or expel it"):
        town.chamber.chain.check_transaction(town.chamber.realm.leave("delta"), town.chamber.wall_ms)
    with pytest.raises(Overtaken, match="is a member already"):
        town.chamber.chain.check_transaction(
            town.chamber.writer().join("delta", "beta", term=2), town.chamber.wall_ms
        )


@pytest.mark.parametrize(
    ("state", "may"),
    [
        (state, state in (MemberState.SUSPENDED, MemberState.QUARANTINED, MemberState.EXPELLED))
        for state in MemberState
    ],
)
def test_who_is_reinstated(town: Town, state: MemberState, may: bool) -> None:
    chamber = town.chamber
    scene = Scene(
        membership=chamber.chain.state.membership.put(swarm("delta"), state),
        standing=chamber.chain.standing,
        proposal=bytes(16),
        time_ms=chamber.wall_ms,
        federation=chamber.federation,
        verify=keys.verify,
    )
    row = ACTIONS["reinstate"]
    details = check_details(row.subject, "reinstate", {"swarm": hexed("delta"), "reason": ""})
    if may:
        assert row.effect(scene, details)[0].everyone[swarm("delta")].state is MemberState.LEARNER
        return
    with pytest.raises(ProtocolViolation, match="only a member that was"):
        row.effect(scene, details)


def promotion(town: Town, name: str) -> bytes:
    chamber = town.chamber
    return promote_tx(chamber.federation, swarm(name), chamber.chain.height, chamber.chain.head_hash, queen(name))


def test_a_weight_counts_within_the_cap(town: Town) -> None:
    for name in ALL[:3]:
        town.decide("set_weight", swarm=hexed(name), weight=2)
    town.decide("set_weight", swarm=hexed("delta"), weight=9)
    weights = {name: validator.weight for name in ALL if (validator := town.voters().validator(swarm(name)))}
    assert weights == {"alpha": 2, "beta": 2, "gamma": 2, "delta": 2}


def test_a_parameter_is_decided(town: Town) -> None:
    town.decide("set_parameter", name="max_unvouched_per_inviter", value=7)
    town.decide("set_parameter", name="admission", value="vote")
    params = town.chamber.chain.params
    assert (params.max_unvouched_per_inviter, params.admission, params.quorum) == (7, "vote", "auto")


def test_a_decision_about_the_quorum_forgets_how_many_there_were(town: Town) -> None:
    town.decide("expel", ALL[:3], swarm=hexed("delta"), reason="lies")
    assert town.voters().rule.name is QuorumName.TWO_THIRDS, "members that go never relax the rule"
    town.decide("set_parameter", ALL[:3], name="quorum", value="auto")
    assert town.voters().rule.name is QuorumName.MAJORITY
    town.decide("set_parameter", ALL[:3], name="quorum", value="byzantine")
    assert town.voters().rule.setting is QuorumSetting.BYZANTINE
    assert town.voters().rule.name is QuorumName.TWO_THIRDS


def test_a_policy_holds_for_one_swarm_or_for_all_without_their_own(town: Town) -> None:
    standing = town.chamber.chain.standing
    assert standing.policy_of(swarm("beta")) == Policy()
    town.decide("set_policy", max_agents=5, allowed_types=["coder"])
    town.decide("set_policy", swarm=hexed("beta"), write=False, max_duration_ms=1000)
    standing = town.chamber.chain.standing
    assert standing.policy_of(swarm("beta")) == Policy(write=False, max_duration_ms=1000)
    assert standing.policy_of(swarm("gamma")) == Policy(max_agents=5, allowed_types=("coder",))


def test_the_version_of_the_rules_only_rises(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "RULES", 2)
    town.decide("set_protocol_version", version=2)
    assert town.chamber.chain.standing.protocol_version == 2
    assert "of version 2 already" in town.decide("set_protocol_version", version=2).void


def test_nothing_is_judged_by_rules_that_this_code_does_not_know(town: Town) -> None:
    town.decide("set_protocol_version", version=2)
    with pytest.raises(
        ProtocolViolation, match="rules are of version 2, and this zenmesh knows versions up to 1: inst"
    ):
        town.decide("set_priority", kind="task", target="t1", priority="low")


def test_every_action_has_a_subject_of_its_own_layout() -> None:
    assert len({row.layout for row in ACTIONS.values()}) == len(ACTIONS)


# what changes nothing


def lend(lender: str, borrower: str) -> dict[str, object]:
    return {"lender": hexed(lender), "borrower": hexed(borrower), **LEND}


def expired(town: Town) -> dict[str, object]:
    certificate = town.chamber.realm.certificate("eve", not_after_ms=CREATED_MS + 1)
    return {"certificate": certificate.hex()}


VOID = [
    (
        "allocate_agents",
        lambda t: lend("eve", "beta"),
        "no member has the id",
    ),
    (
        "allocate_agents",
        lambda t: lend("beta", "eve"),
        "no member has the id",
    ),
    ("expel", lambda t: {"swarm": hexed("eve"), "reason": ""}, "no member has the id"),
    ("set_weight", lambda t: {"swarm": hexed("eve"), "weight": 1}, "no member has the id"),
    ("set_policy", lambda t: {"swarm": hexed("eve")}, "no member has the id"),
    ("set_protocol_version", lambda t: {"version": 1}, "of version 1 already"),
    ("reinstate", lambda t: {"swarm": hexed("eve"), "reason": ""}, "only a member that was suspended"),
    ("reinstate", lambda t: {"swarm": hexed("beta"), "reason": ""}, "only a member that was suspended"),
    ("admit", expired, "the certificate has expired"),
    ("admit", lambda t: {"certificate": t.chamber.realm.certificate("beta").hex()}, "beta is a member already"),
    ("admit", lambda t: {"certificate": "ff"}, "COSE"),
]


@pytest.mark.parametrize(("action", "details", "why"), VOID)
def test_an_approved_action_that_cannot_be_done_leaves_everything_as_it_is(
    town: Town, action: str, details: Callable[[Town], dict[str, Any]], why: str
) -> None:
    before = town.chamber.chain.state.membership
    outcome = town.decide(action, **details(town))
    assert why in outcome.void
    assert town.chamber.chain.state.membership is before
    assert town.chamber.chain.standing.directives == {}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"name": "delta"}, "the name 'delta' was taken meanwhile", id="its name"),
        pytest.param({"peer": peer("delta")}, "its node speaks for another member", id="its node"),
    ],
)
def test_who_was_expelled_does_not_return_while_another_has_what_was_its(
    town: Town, changes: dict[str, Any], why: str
) -> None:
    town.decide("expel", ALL[:3], swarm=hexed("delta"), reason="lies")
    town.decide("admit", ALL[:3], certificate=town.chamber.realm.certificate("eve", **changes).hex())
    assert why in town.decide("reinstate", ALL[:3], swarm=hexed("delta"), reason="").void
    assert town.member("delta") is None


# what is not even proposed


@pytest.mark.parametrize(
    ("subject", "action", "details", "why"),
    [
        pytest.param("PRIORITY_CHANGE", "dance", {}, "no action is called 'dance': there are allocate", id="unknown"),
        pytest.param(POLICY, "set_priority", {}, "decided as PRIORITY_CHANGE", id="another subject"),
        pytest.param(POLICY, "expel", {"swarm": "ab"}, r"\$\.swarm", id="a field that does not fit"),
        pytest.param(POLICY, "expel", {"swarm": "ab" * 16}, "reason", id="a field that is missing"),
        pytest.param(POLICY, "expel", {"swarms": ""}, "no field 'swarms'", id="a field that is unknown"),
        pytest.param(
            POLICY,
            "set_parameter",
            {"name": "profile", "value": "wan"},
            "no parameter",
            id="not decided",
        ),
        pytest.param(
            POLICY,
            "set_parameter",
            {"name": "colour", "value": "red"},
            "no parameter",
            id="no parameter",
        ),
        pytest.param(
            POLICY,
            "set_parameter",
            {"name": "quorum", "value": "all"},
            "does not fit",
            id="no value of it",
        ),
        pytest.param(
            POLICY,
            "set_parameter",
            {"name": "bytes_per_owner", "value": 1},
            "does not fit",
            id="too small",
        ),
        pytest.param(POLICY, "set_weight", {"swarm": "ab" * 16, "weight": 0}, "weight", id="no weight"),
    ],
)
def test_details_that_do_not_fit_are_refused_with_the_field(
    subject: str, action: str, details: dict[str, object], why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        check_details(Subject(subject), action, details)
    with pytest.raises(DecodeError, match=why):
        read_details(Subject(subject), action, cbor.encode(details))


def test_details_are_read_as_they_were_written() -> None:
    given = {"max_agents": 5, "allowed_types": ["a", "b"], "read": False}
    typed = check_details(Subject.FEDERATION_POLICY, "set_policy", given)
    assert read_details(Subject.FEDERATION_POLICY, "set_policy", encode_details(typed)) == typed
