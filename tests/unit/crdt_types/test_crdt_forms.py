"""The bytes of replicated values, as documented; their bounds; and each malformation that is refused."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from typing import Any

import pytest

import crdt.types
from crdt.types.causal import CausalContext
from crdt.types.codec import MAX_STATE, MAX_VALUE, Kind
from crdt.types.counters import GCounter, ORCounter, PNCounter
from crdt.types.dots import MAX_COUNTER, Actor, ActorDot
from crdt.types.ormap import ORMap
from crdt.types.orset import ORSet
from crdt.types.registers import LWWRegister, MVRegister
from crdt.types.version_vector import VersionVector
from wire import cbor
from wire.errors import DecodeError, Offence, ProposalTooLarge, UsageError

A, B = Actor(b"a"), Actor(b"b")
A1 = ActorDot(A, 1)

SPELLINGS = [
    pytest.param(VersionVector({B: 2, A: 1}), [1, [[b"a", 1], [b"b", 2]]], id="version vector"),
    pytest.param(CausalContext.of([A1, ActorDot(A, 3)]), [2, [[b"a", 1]], [[b"a", 3]]], id="causal context"),
    pytest.param(GCounter().add(A, 5), [3, [[b"a", 5]]], id="grow-only counter"),
    pytest.param(PNCounter().add(A, -5), [4, [], [[b"a", 5]]], id="counter"),
    pytest.param(ORCounter().add(A, -5), [5, [[b"a", 1]], [], [[[b"a", 1], -5]]], id="resettable counter"),
    pytest.param(
        LWWRegister().write(A, b"v", term=2, hlc=9),
        [6, [[b"a", 1]], [], [[[b"a", 1], [2, 9, b"v"]]]],
        id="last-writer register",
    ),
    pytest.param(MVRegister().write(A, b"v"), [7, [[b"a", 1]], [], [[[b"a", 1], b"v"]]], id="multi-value register"),
    pytest.param(ORSet().add(A, b"e"), [8, [[b"a", 1]], [], [[b"e", [[b"a", 1]]]]], id="set"),
    pytest.param(
        ORMap().update(b"k", ORSet, lambda tags: tags.add(A, b"e")),
        [9, [[b"a", 1]], [], [[b"k", 8, [[b"e", [[b"a", 1]]]]]]],
        id="map",
    ),
]


@pytest.mark.parametrize(("value", "plain"), SPELLINGS)
def test_each_value_is_spelled_as_documented(value: Any, plain: list[Any]) -> None:
    assert value.encode() == cbor.encode(plain)
    assert type(value).decode(cbor.encode(plain)) == value


VECTOR: list[Any] = [[b"a", 9]]  # nine dots of a are known
NONE: list[Any] = []  # no cloud

MALFORMED = [
    pytest.param(VersionVector, [1], id="a part is missing"),
    pytest.param(VersionVector, [1, [], []], id="a part too many"),
    pytest.param(VersionVector, {"a": 1}, id="no list"),
    pytest.param(VersionVector, [True, []], id="a kind that only equals one"),
    pytest.param(VersionVector, [1, [[b"a", 0]]], id="a zero in a vector"),
    pytest.param(VersionVector, [1, [[b"", 1]]], id="an actor without a name"),
    pytest.param(VersionVector, [1, [[b"z" * 65, 1]]], id="an actor with too long a name"),
    pytest.param(VersionVector, [1, [[b"a", 1 << 63]]], id="a counter over 63 bits"),
    pytest.param(VersionVector, [1, [[b"b", 1], [b"a", 1]]], id="rows out of order"),
    pytest.param(VersionVector, [1, [[b"a", 1], [b"a", 2]]], id="an actor twice"),
    pytest.param(CausalContext, [2, [[b"a", 1]], [[b"a", 2]]], id="a cloud dot that closes up"),
    pytest.param(CausalContext, [2, [[b"a", 2]], [[b"a", 1]]], id="a cloud dot that the vector covers"),
    pytest.param(CausalContext, [2, [], [[b"a", 1]]], id="a first dot in the cloud"),
    pytest.param(CausalContext, [2, [], [[b"a", 5], [b"a", 3]]], id="a cloud out of order"),
    pytest.param(ORCounter, [5, VECTOR, NONE, [[[b"a", 10], 1]]], id="a dot that the context does not know"),
    pytest.param(ORCounter, [5, VECTOR, NONE, [[[b"a", 1], 1], [[b"a", 1], 1]]], id="a dot twice"),
    pytest.param(ORCounter, [5, VECTOR, NONE, [[[b"a", 1], 1 << 63]]], id="an amount over 64 bits"),
    pytest.param(MVRegister, [7, VECTOR, NONE, [[[b"a", 1], bytes(MAX_VALUE + 1)]]], id="a long value"),
    pytest.param(LWWRegister, [6, VECTOR, NONE, [[[b"a", 1], [1, -1, b""]]]], id="a clock below zero"),
    pytest.param(ORSet, [8, VECTOR, NONE, [[b"e", []]]], id="an element without a dot"),
    pytest.param(ORSet, [8, VECTOR, NONE, [[b"f", [[b"a", 1]]], [b"e", [[b"a", 2]]]]], id="elements out of order"),
    pytest.param(ORSet, [8, VECTOR, NONE, [[b"e", [[b"a", 1]]], [b"f", [[b"a", 1]]]]], id="a dot at two places"),
    pytest.param(ORSet, [8, VECTOR, NONE, [[b"e", [[b"a", 2], [b"a", 1]]]]], id="an element's dots out of order"),
    pytest.param(ORMap, [9, VECTOR, NONE, [[b"k", 8, []]]], id="an empty field"),
    pytest.param(ORMap, [9, VECTOR, NONE, [[b"k", 3, [[b"a", 1]]]]], id="a field of a type that maps do not hold"),
    pytest.param(ORMap, [9, VECTOR, NONE, [[b"k", 77, [[b"a", 1]]]]], id="a field of a type that does not exist"),
    pytest.param(ORMap, [9, VECTOR, NONE, [[b"", 5, [[[b"a", 1], 1]]]]], id="an empty key"),
    pytest.param(ORMap, [9, VECTOR, NONE, [[b"k", 7, [[[b"a", 1], 1]]]]], id="a field's value of another type"),
    pytest.param(
        ORMap,
        [9, VECTOR, NONE, [[b"k", 8, [[b"e", [[b"a", 1]]]]], [b"k", 5, [[[b"a", 2], 1]]]]],
        id="fields out of order",
    ),
]


@pytest.mark.parametrize(("type_", "plain"), MALFORMED)
def test_malformed_values_are_refused(type_: type[Any], plain: object) -> None:
    with pytest.raises(DecodeError):
        type_.decode(cbor.encode(plain))


def test_a_value_over_its_limit_is_neither_sent_nor_read() -> None:
    full = MVRegister()
    for number in range(MAX_STATE // MAX_VALUE):
        full = full.join(MVRegister().write(Actor(bytes([1 + number])), bytes(MAX_VALUE)))
    with pytest.raises(ProposalTooLarge, match=str(MAX_STATE)):
        full.encode()
    with pytest.raises(DecodeError) as caught:
        MVRegister.decode(bytes(MAX_STATE + 1))
    assert caught.value.offence is Offence.OVERSIZE


WRITERS: list[Any] = [
    pytest.param(lambda context: ORCounter(context=context).add(A, 1), id="resettable counter"),
    pytest.param(lambda context: LWWRegister(context=context).write(A, b"", term=1, hlc=1), id="last-writer"),
    pytest.param(lambda context: MVRegister(context=context).write(A, b""), id="multi-value register"),
    pytest.param(lambda context: ORSet(context=context).add(A, b""), id="set"),
]


@pytest.mark.parametrize("write", WRITERS)
def test_an_actor_whose_counter_is_used_up_writes_no_more(write: Callable[[CausalContext], Any]) -> None:
    spent = CausalContext(VersionVector({A: MAX_COUNTER}))
    with pytest.raises(UsageError):
        write(spent)
    with pytest.raises(UsageError):
        write(CausalContext.of([ActorDot(A, MAX_COUNTER)]))


def test_kinds_are_never_renumbered() -> None:
    assert {kind.name: int(kind) for kind in Kind} == {
        "VERSION_VECTOR": 1,
        "CAUSAL_CONTEXT": 2,
        "G_COUNTER": 3,
        "PN_COUNTER": 4,
        "OR_COUNTER": 5,
        "LWW_REGISTER": 6,
        "MV_REGISTER": 7,
        "OR_SET": 8,
        "OR_MAP": 9,
    }


def test_the_example_runs() -> None:
    assert doctest.testmod(crdt.types) == (0, 9)
