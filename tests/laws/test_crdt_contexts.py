"""Version vectors and causal contexts against what they stand for: plain sets of dots."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from crdt.types.causal import CausalContext
from crdt.types.dots import ActorDot
from crdt.types.version_vector import Relation, VersionVector
from tests.support.crdt_values import ACTORS, dots, vectors

UNIVERSE = [ActorDot(actor, counter) for actor in ACTORS for counter in range(1, 6)]
dot_sets = st.frozensets(dots)


def members(seen: CausalContext | VersionVector) -> frozenset[ActorDot]:
    return frozenset(dot for dot in UNIVERSE if dot in seen)


@given(dot_sets)
def test_a_context_holds_the_dots_it_is_made_of(seen: frozenset[ActorDot]) -> None:
    assert members(CausalContext.of(seen)) == seen


@given(dot_sets, dot_sets)
def test_join_is_union(one: frozenset[ActorDot], other: frozenset[ActorDot]) -> None:
    assert CausalContext.of(one).join(CausalContext.of(other)) == CausalContext.of(one | other)


@given(dot_sets, dot_sets)
def test_overlap_is_the_size_of_the_intersection(one: frozenset[ActorDot], other: frozenset[ActorDot]) -> None:
    assert CausalContext.of(one).overlap(CausalContext.of(other)) == len(one & other)


@given(dot_sets)
def test_a_next_dot_is_newer_than_all_of_its_actor(seen: frozenset[ActorDot]) -> None:
    for actor in ACTORS:
        counters = [dot.counter for dot in seen if dot.actor == actor]
        assert CausalContext.of(seen).next_dot(actor) == ActorDot(actor, max(counters, default=0) + 1)


@given(dot_sets)
def test_a_context_is_compact(seen: frozenset[ActorDot]) -> None:
    context = CausalContext.of(seen)
    for dot in context.cloud:
        assert dot.counter > context.vector[dot.actor] + 1


def test_gaps_close_in_whatever_order_dots_arrive() -> None:
    run = [ActorDot(ACTORS[0], counter) for counter in range(1, 5)]
    for order in permutations(run):
        context = CausalContext()
        for dot in order:
            context = context.join(CausalContext.of([dot]))
        assert context == CausalContext(VersionVector({ACTORS[0]: 4}))


@given(vectors, vectors)
def test_vectors_are_ordered_by_inclusion(one: VersionVector, other: VersionVector) -> None:
    mine, theirs = members(one), members(other)
    expected = {
        (True, True): Relation.EQUAL,
        (True, False): Relation.BEFORE,
        (False, True): Relation.AFTER,
        (False, False): Relation.CONCURRENT,
    }
    assert one.relation(other) is expected[mine <= theirs, theirs <= mine]
    assert (one <= other) == (mine <= theirs)


@given(vectors, vectors)
def test_a_joined_vector_is_the_least_above_both(one: VersionVector, other: VersionVector) -> None:
    assert members(one.join(other)) == members(one) | members(other)
