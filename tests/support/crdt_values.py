"""Any replicated value, reachable or not: what the laws of the lattice must hold for.

Values are put together from dots of a small universe, so that the same dot often stands at two places, carries two
payloads, or was removed by one and kept by another. Only what a decoder enforces is kept: a dot stands once in one
value, and the context knows it.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from crdt.types.causal import CausalContext
from crdt.types.counters import GCounter, ORCounter, PNCounter
from crdt.types.dots import Actor, ActorDot
from crdt.types.ormap import Field, ORMap
from crdt.types.orset import ORSet
from crdt.types.registers import LWWRegister, MVRegister, Write
from crdt.types.stores import Causal, DotFun, DotMap, DotSet, DotStore
from crdt.types.version_vector import VersionVector

ACTORS = (Actor(b"a"), Actor(b"bb"), Actor(b"c"))
TINY = st.integers(0, 3)

dots = st.builds(ActorDot, st.sampled_from(ACTORS), st.integers(1, 4))
vectors = st.dictionaries(st.sampled_from(ACTORS), st.integers(1, 4)).map(VersionVector)
contexts = st.lists(dots).map(CausalContext.of)
elements = st.sampled_from([b"", b"x", b"y"])
g_counters = vectors.map(GCounter)

# What may stand at a dot, by type.
PAYLOADS: dict[type[Causal[Any]], st.SearchStrategy[Any]] = {
    ORCounter: st.integers(-3, 3),
    LWWRegister: st.builds(Write, TINY, TINY, elements),
    MVRegister: elements,
    ORSet: elements,
}
_FLAT = st.sampled_from(list(PAYLOADS)).flatmap(lambda type_: st.tuples(st.just(type_), PAYLOADS[type_]))


def _below_a_key(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.sampled_from([b"k", b"l"]), inner)


PAYLOADS[ORMap] = _below_a_key(_FLAT | _below_a_key(_FLAT).map(lambda nested: (ORMap, nested)))


def store_of(type_: type[Causal[Any]], placed: dict[ActorDot, Any]) -> DotStore:
    """The store of a `type_` in which these payloads stand at these dots."""
    if type_ is ORSet:
        groups: dict[bytes, list[ActorDot]] = {}
        for dot, element in placed.items():
            groups.setdefault(element, []).append(dot)
        return DotMap({element: DotSet(frozenset(members)) for element, members in groups.items()})
    if type_ is ORMap:
        fields: dict[tuple[bytes, type[Causal[Any]]], dict[ActorDot, Any]] = {}
        for dot, (key, (inner, payload)) in placed.items():
            fields.setdefault((key, inner), {})[dot] = payload
        return DotMap({Field(key, inner.KIND): store_of(inner, part) for (key, inner), part in fields.items()})
    return DotFun(placed)


def causal_values(type_: type[Causal[Any]]) -> st.SearchStrategy[Any]:
    """Any `type_`: payloads at some dots, and more dots that it knows to be removed."""
    return st.builds(
        lambda placed, removed: type_(store_of(type_, placed), CausalContext.of([*placed, *removed])),
        st.dictionaries(dots, PAYLOADS[type_]),
        st.lists(dots),
    )


VALUES: dict[type[Any], st.SearchStrategy[Any]] = {
    VersionVector: vectors,
    CausalContext: contexts,
    GCounter: g_counters,
    PNCounter: st.builds(PNCounter, g_counters, g_counters),
    **{type_: causal_values(type_) for type_ in PAYLOADS},
}
