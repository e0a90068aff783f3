"""The agenda of a world hands out what a plain heap would, however far apart it is and whenever it was planned."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chaos.agenda import Agenda, Entry

STEP = 5_000  # microseconds: a slot is some 8,000 wide

plans = st.lists(st.tuples(st.integers(0, 40), st.lists(st.integers(0, 40 * STEP), max_size=4)), max_size=40)


def nothing() -> None:
    """What happens."""


@given(plans)
def test_entries_come_by_time_and_of_one_time_by_number(story: list[tuple[int, list[int]]]) -> None:
    agenda, waiting, number, now = Agenda(), list[Entry](), 0, 0
    for steps, delays in story:
        for delay in delays:
            number += 1
            waiting.append((now + delay, number, nothing))
            agenda.add(waiting[-1])
        until = now + steps * STEP
        while (entry := agenda.due(until)) is not None:
            assert entry == min(waiting)
            waiting.remove(entry)
            now = entry[0]
            if number % 3 == 0:  # what happens plans what follows, at once or soon
                number += 1
                waiting.append((now + number % 5 * STEP, number, nothing))
                agenda.add(waiting[-1])
        assert all(entry[0] > until for entry in waiting)
        now = until


def test_an_empty_agenda_has_nothing() -> None:
    assert Agenda().due(1_000_000_000) is None
