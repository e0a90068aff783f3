"""Every replicated type is a join semilattice, over all values that a decoder would take, honest or not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.types.stores import Causal
from tests.support.crdt_values import PAYLOADS, VALUES

every_type = pytest.mark.parametrize("type_", VALUES, ids=lambda type_: type_.__name__)
causal_types = pytest.mark.parametrize("type_", PAYLOADS, ids=lambda type_: type_.__name__)


@every_type
@given(data=st.data())
def test_join_is_commutative_associative_and_idempotent(type_: type[Any], data: st.DataObject) -> None:
    one, other, third = (data.draw(VALUES[type_]) for _ in range(3))
    before = one.encode(), other.encode()
    joined = one.join(other)
    assert joined == other.join(one), "commutative"
    assert joined.join(third) == one.join(other.join(third)), "associative"
    assert one.join(one) == one, "idempotent"
    assert joined.join(one) == joined == joined.join(other), "an upper bound of both"
    assert one.join(type_()) == one == type_().join(one), "the empty value is neutral"
    assert (one.encode(), other.encode()) == before, "both sides are left alone"


@causal_types
@given(data=st.data())
def test_dots_stand_once_are_known_and_never_return(type_: type[Causal[Any]], data: st.DataObject) -> None:
    one, other = data.draw(VALUES[type_]), data.draw(VALUES[type_])
    joined = one.join(other)
    standing, stood = list(joined.store.dots()), dict.fromkeys(one.store.dots())
    assert len(standing) == len(dict.fromkeys(standing))
    assert all(dot in joined.context for dot in standing)
    assert [dot for dot in standing if dot in one.context and dot not in stood] == []
