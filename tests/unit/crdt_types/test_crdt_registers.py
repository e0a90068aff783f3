"""Registers: who wins, what stands side by side, what a reset leaves."""

from __future__ import annotations

from typing import Any

import pytest

from crdt.types.codec import MAX_VALUE
from crdt.types.registers import LWWRegister, MVRegister
from tests.support.crdt_pair import ALICE, outcome, told
from wire.errors import UsageError


def _stamped(value: LWWRegister, actor: Any, what: str) -> LWWRegister:
    term, hlc, text = what.split(".")
    return value.write(actor, text.encode(), term=int(term), hlc=int(hlc))


VERBS = {
    ":": lambda value, actor, text: value.write(actor, text.encode()),
    "@": _stamped,  # term.hlc.value
    "!": lambda value, actor, _: value.reset(),
}

LAST_WRITER = [
    pytest.param("", None, id="nothing is written"),
    pytest.param("a@1.5.x a@1.6.y", b"y", id="the greater clock wins"),
    pytest.param("a@1.5.x b@1.6.y", b"y", id="the greater clock wins, concurrently"),
    pytest.param("a@1.9.x b@2.1.y", b"y", id="the greater term wins over any clock"),
    pytest.param("b@2.1.y = a@1.9.x", b"y", id="a closed term does not win by coming later"),
    pytest.param("a@1.5.x b@1.5.y", b"y", id="the greater dot wins when the stamps are equal"),
    pytest.param("b@1.5.y = a@1.5.x", b"y", id="the greater dot wins when it was seen, too"),
    pytest.param("a@1.5.x = b!", None, id="a reset takes what it observed"),
    pytest.param("a@1.6.x = a@1.7.z b!", b"z", id="a concurrent write survives a reset"),
    pytest.param("a@1.5.x = b@1.6.y = a!", None, id="a write that was replaced does not return"),
    pytest.param("a@1.6.x = b! = a@1.1.y", b"y", id="after a reset any stamp will do"),
]


@pytest.mark.parametrize(("story", "value"), LAST_WRITER)
def test_the_last_writer_wins(story: str, value: bytes | None) -> None:
    newest = outcome(LWWRegister(), told(story, VERBS)).newest
    assert (newest and newest.value) == value


def test_a_write_that_lost_unseen_shows_when_its_winner_is_reset() -> None:
    winner = LWWRegister().write(ALICE, b"w", term=2, hlc=1)
    loser = outcome(LWWRegister(), told("b@1.1.l", VERBS))
    reset = winner.reset()
    assert winner.join(loser).newest == (2, 1, b"w")
    for merged in (winner.join(loser).join(reset), reset.join(loser).join(winner), loser.join(winner.join(reset))):
        assert merged.newest == (1, 1, b"l")


def test_a_winning_write_sweeps_what_it_saw() -> None:
    register = outcome(LWWRegister(), told("a@1.1.x b@1.2.y = a@1.3.z", VERBS))
    assert list(register.store.values.values()) == [(1, 3, b"z")]


MULTI_VALUE = [
    pytest.param("", [], id="nothing is written"),
    pytest.param("a:x = b:y", [b"y"], id="a write replaces what it saw"),
    pytest.param("a:x b:y", [b"x", b"y"], id="concurrent writes stand side by side"),
    pytest.param("a:x b:x", [b"x"], id="equal concurrent writes show once"),
    pytest.param("a:x b:y = a:z", [b"z"], id="a write that saw them replaces them all"),
    pytest.param("a:x b:y = a:z b:w", [b"w", b"z"], id="again side by side"),
    pytest.param("a:x = a! b:y", [b"y"], id="a reset takes only what it observed"),
    pytest.param("a:x a!", [], id="a reset empties"),
]


@pytest.mark.parametrize(("story", "values"), MULTI_VALUE)
def test_concurrent_writes_stand_side_by_side(story: str, values: list[bytes]) -> None:
    assert outcome(MVRegister(), told(story, VERBS)).values == values


REFUSED = [
    pytest.param(lambda: MVRegister().write(ALICE, bytes(MAX_VALUE + 1)), id="multi-value: a long value"),
    pytest.param(lambda: LWWRegister().write(ALICE, bytes(MAX_VALUE + 1), term=1, hlc=1), id="last: a long value"),
    pytest.param(lambda: LWWRegister().write(ALICE, b"", term=-1, hlc=1), id="last: a term below zero"),
    pytest.param(lambda: LWWRegister().write(ALICE, b"", term=1, hlc=1 << 63), id="last: a clock over 63 bits"),
]


@pytest.mark.parametrize("act", REFUSED)
def test_what_a_register_refuses(act: Any) -> None:
    with pytest.raises(UsageError):
        act()


def test_one_dot_with_two_values_divides_nobody() -> None:
    one, other = MVRegister().write(ALICE, b"x"), MVRegister().write(ALICE, b"y")
    assert one.join(other) == other.join(one) == other
