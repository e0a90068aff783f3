"""Validators: their quorums, by brute force over every weighing of a few; what certificates prove; who leads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations_with_replacement

import pytest

from consensus.blocks import Certificate, Core, sign_core
from consensus.quorum import QuorumName, QuorumRule, QuorumSetting
from consensus.validators import ROTATION, Validator, ValidatorSet
from tests.support.realm import queen, swarm
from wire import cbor, keys
from wire.errors import BadSignature, RemoteError
from wire.ids import SwarmId, sha256
from wire.types import ContentType

FEDERATION = sha256(b"federation")
EPOCH = 5
NAMES = sorted((f"v{n}" for n in range(10)), key=swarm)
LARGEST = 3  # weight


def council(weights: tuple[int, ...], setting: str = "auto", silent: int = 0) -> ValidatorSet:
    """Validators of these weights; who is silent counts as one member more."""
    validators = tuple(
        Validator(swarm=swarm(name), term=1, key=queen(name).public, weight=weight)
        for name, weight in zip(NAMES, weights, strict=False)
    )
    rule = QuorumRule(QuorumSetting(setting), len(weights) + bool(silent))
    return ValidatorSet(epoch=EPOCH, validators=validators, rule=rule, silent=silent)


def coalitions(voters: ValidatorSet) -> list[frozenset[SwarmId]]:
    everyone = [validator.swarm for validator in voters.validators]
    return [frozenset(s for at, s in enumerate(everyone) if who >> at & 1) for who in range(1 << len(everyone))]


def every_council(members: int) -> Iterator[ValidatorSet]:
    """Each weighing of so many, under each rule, with and without a member that is silent."""
    for weights in combinations_with_replacement(range(1, LARGEST + 1), members):
        for setting in QuorumSetting:
            for silent in (0, 1, LARGEST):
                yield council(weights, setting, silent)


def liars(voters: ValidatorSet) -> int:
    """The most weight that may lie: less than a third where two thirds decide, none where a majority does."""
    return (voters.total - 1) // 3 if voters.rule.name is QuorumName.TWO_THIRDS else 0


@pytest.mark.parametrize("members", range(1, 7))
def test_what_is_survived_is_survived_whoever_it_hits(members: int) -> None:
    for voters in every_council(members):
        everyone = frozenset(validator.swarm for validator in voters.validators)

        def survived(
            count: int, bound: int, voters: ValidatorSet = voters, all_: frozenset[SwarmId] = everyone
        ) -> bool:
            groups = [who for who in coalitions(voters) if len(who) == count]
            return all(voters.is_quorum(all_ - who) and voters.weight(who) <= bound for who in groups)

        counts = range(1, members + 1)
        assert voters.crashes_tolerated == max((c for c in counts if survived(c, voters.total)), default=0), voters
        assert voters.liars_tolerated == max((c for c in counts if survived(c, liars(voters))), default=0), voters


@pytest.mark.parametrize(
    ("voters", "crashes", "lying"),
    [
        pytest.param(council(()), 0, 0, id="nobody"),
        pytest.param(council((1,)), 0, 0, id="alone"),
        pytest.param(council((1, 1)), 0, 0, id="two: both are needed"),
        pytest.param(council((1, 1, 1)), 1, 0, id="three: one may crash, none may lie"),
        pytest.param(council((1,) * 4), 1, 1, id="four: one may lie"),
        pytest.param(council((1,) * 7), 2, 2, id="seven: two may lie"),
        pytest.param(council((1, 1, 1), "byzantine"), 0, 0, id="three, insisting: all are needed"),
        pytest.param(council((1,) * 10, "byzantine"), 3, 3, id="ten, insisting"),
        pytest.param(council((1, 1, 1), silent=1), 0, 0, id="three of four, one suspended: all are needed"),
        pytest.param(council((2, 2, 2, 1)), 1, 1, id="whoever it hits, one of the heaviest as well"),
        pytest.param(council((2, 1, 1, 1, 1)), 0, 0, id="the heaviest is needed, so no one can be spared for sure"),
    ],
)
def test_how_many_may_be_down_or_lie(voters: ValidatorSet, crashes: int, lying: int) -> None:
    assert (voters.crashes_tolerated, voters.liars_tolerated) == (crashes, lying)


@pytest.mark.parametrize("members", range(1, 7))
def test_any_two_quorums_share_more_than_the_liars_weigh(members: int) -> None:
    for voters in every_council(members):
        quorums = [who for who in coalitions(voters) if voters.is_quorum(who)]
        for one in quorums:
            for other in quorums:
                assert voters.weight(one & other) > liars(voters), (voters, one, other)


@pytest.mark.parametrize("members", range(1, 7))
def test_the_honest_decide_without_the_liars(members: int) -> None:
    for voters in every_council(members):
        for who in coalitions(voters):
            if voters.total - voters.weight(who) <= liars(voters):
                assert voters.is_quorum(who), (voters, who)


@pytest.mark.parametrize("members", range(1, 7))
def test_a_weak_quorum_holds_an_honest_one_and_a_majority_is_alone(members: int) -> None:
    for voters in every_council(members):
        everyone = frozenset(validator.swarm for validator in voters.validators)
        for who in coalitions(voters):
            if voters.is_weak(who):
                assert voters.weight(who) > liars(voters), (voters, who)
            else:
                assert 3 * voters.weight(who) < voters.total
            assert not (voters.is_majority(who) and voters.is_majority(everyone - who))
            assert voters.is_quorum(who) <= voters.is_majority(who) <= voters.is_weak(who)


@pytest.mark.parametrize(
    ("voters", "quorum", "weak", "majority"),
    [
        pytest.param(council((1,)), 1, 1, 1, id="one alone"),
        pytest.param(council((1, 1)), 2, 1, 2, id="two: more than half"),
        pytest.param(council((1, 1, 1)), 2, 1, 2, id="three: more than half"),
        pytest.param(council((1, 1, 1), "byzantine"), 3, 1, 2, id="three, insisting: more than two thirds"),
        pytest.param(
            council((1, 1, 1), silent=1), 3, 2, 3, id="three of four, one suspended: it counts in the total"
        ),
        pytest.param(council((1,) * 4), 3, 2, 3, id="four: more than two thirds"),
        pytest.param(council((1,) * 6), 5, 2, 4, id="six: two thirds are too few, a third is weak"),
        pytest.param(council((1,) * 7), 5, 3, 4, id="seven"),
        pytest.param(council((1,) * 9), 7, 3, 5, id="nine"),
    ],
)
def test_how_many_of_equal_weight_it_takes(voters: ValidatorSet, quorum: int, weak: int, majority: int) -> None:
    for ask, least in ((voters.is_quorum, quorum), (voters.is_weak, weak), (voters.is_majority, majority)):
        reached = [ask(v.swarm for v in voters.validators[:count]) for count in range(len(voters) + 1)]
        assert reached == [count >= least for count in range(len(voters) + 1)]


def test_who_does_not_vote_weighs_nothing_and_nobody_counts_twice() -> None:
    voters = council((1, 2, 3, 1), silent=2)
    first, second = voters.validators[0].swarm, voters.validators[1].swarm
    assert voters.total == 9
    assert voters.weight([first, first, second, swarm("a stranger")]) == 3
    assert not voters.is_quorum([first, second] * 9)
    assert not voters.is_quorum(swarm(f"stranger {n}") for n in range(9))


def test_validators_are_found_by_swarm_and_by_key() -> None:
    voters = council((1, 2, 3, 4))
    assert len(voters) == 4
    for place, validator in enumerate(voters.validators):
        assert voters.position(validator.swarm) == place
        assert voters.validator(validator.swarm) == voters.by_key(validator.key) == validator
    assert voters.position(swarm("a stranger")) is voters.validator(swarm("a stranger")) is None
    assert voters.by_key(queen("a stranger").public) is None


@pytest.mark.parametrize(
    ("view", "height", "place"),
    [
        pytest.param(0, 1, 0, id="the first of view 0"),
        pytest.param(1, 1, 1, id="the next view has the next leader"),
        pytest.param(3, 1, 3, id="the last one"),
        pytest.param(4, 1, 0, id="and around"),
        pytest.param(0, ROTATION - 1, 0, id="it stays"),
        pytest.param(0, ROTATION, 1, id="until the planned rotation"),
        pytest.param(3, ROTATION, 0, id="which adds to the view"),
        pytest.param(0, 9 * ROTATION + 5, 1, id="nine rotations later"),
    ],
)
def test_the_leader_of_a_view_and_height(view: int, height: int, place: int) -> None:
    voters = council((1, 1, 1, 1))
    assert voters.leader(view, height) == voters.validators[place]


# certificates


CORE = Core(FEDERATION, EPOCH, 0, 9, sha256(b"a block"))


def signatures(
    names: list[str], core: Core = CORE, content: ContentType = ContentType.COMMIT
) -> dict[SwarmId, bytes]:
    return {swarm(name): sign_core(core, queen(name), content) for name in names}


@pytest.mark.parametrize("members", range(1, 7))
def test_what_any_quorum_certifies_convinces_and_holds_no_more_than_it_takes(members: int) -> None:
    voters = council(tuple(1 + n % 2 for n in range(members)))
    names = NAMES[:members]
    signed = signatures(names)
    for who in coalitions(voters):
        if not voters.is_quorum(who):
            with pytest.raises(AssertionError):
                voters.certify(CORE, {s: signed[s] for s in who})
            continue
        raw = voters.certify(CORE, {s: signed[s] for s in who})
        assert voters.open(raw, ContentType.COMMIT, FEDERATION, keys.verify) == CORE
        bitmap = cbor.decode_as(raw, Certificate).signers
        chosen = [swarm(name) for at, name in enumerate(names) if bitmap[at // 8] >> at % 8 & 1]
        assert set(chosen) <= who
        assert not voters.is_quorum(chosen[:-1])


@pytest.mark.parametrize("content", [ContentType.PREPARE, ContentType.COMMIT])
def test_a_certificate_is_of_one_phase(content: ContentType) -> None:
    voters = council((1, 1, 1, 1))
    raw = voters.certify(CORE, signatures(NAMES[:3], CORE, content))
    for phase in (ContentType.PREPARE, ContentType.COMMIT):
        if phase is content:
            assert voters.open(raw, phase, FEDERATION, keys.verify) == CORE
        else:
            with pytest.raises(BadSignature):
                voters.open(raw, phase, FEDERATION, keys.verify)


def test_a_strangers_signature_goes_into_no_certificate() -> None:
    voters = council((1, 1, 1, 1))
    raw = voters.certify(CORE, signatures([*NAMES[:3], NAMES[9]]))
    assert voters.open(raw, ContentType.COMMIT, FEDERATION, keys.verify) == CORE
    with pytest.raises(AssertionError):
        voters.certify(CORE, signatures([*NAMES[:2], NAMES[8], NAMES[9]]))


Make = Callable[[ValidatorSet], bytes]


def certified(core: Core) -> Make:
    return lambda voters: voters.certify(core, signatures(NAMES[:3], core))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(certified(Core(FEDERATION, 4, 0, 9, bytes(32))), "of epoch 4, not 5", id="an earlier epoch"),
        pytest.param(certified(Core(FEDERATION, 6, 0, 9, bytes(32))), "of epoch 6, not 5", id="a later epoch"),
        pytest.param(
            certified(Core(bytes(32), EPOCH, 0, 9, bytes(32))), "another federation", id="another federation's"
        ),
        pytest.param(
            lambda v: council((1, 1, 4, 4)).certify(CORE, signatures(NAMES[2:4])),
            "too little weight",
            id="signers that weigh enough elsewhere",
        ),
        pytest.param(lambda v: council((1, 1, 1)).certify(CORE, signatures(NAMES[:2])), "weight", id="a majority"),
        pytest.param(
            lambda v: council((1,) * 9).certify(CORE, signatures(NAMES[:7])), "does not fit", id="of more validators"
        ),
        pytest.param(lambda v: b"\xff", "not CBOR", id="no certificate"),
    ],
)
def test_a_certificate_that_proves_nothing(make: Make, why: str) -> None:
    voters = council((1, 1, 1, 1))
    with pytest.raises(RemoteError, match=why):
        voters.open(make(voters), ContentType.COMMIT, FEDERATION, keys.verify)
