"""The lifecycle table, row by row."""

from __future__ import annotations

import re

import pytest

from mesh.protocol.lifecycle import Lifecycle, Surroundings, lifecycle_of, lifecycle_reason


def seen(members: int, linked: int, addresses: bool, in_step: bool, was: bool) -> Surroundings:
    return Surroundings(
        members=members, linked=linked, addresses_known=addresses, in_step=in_step, was_operational=was
    )


@pytest.mark.parametrize(
    ("surroundings", "expected"),
    [
        pytest.param(seen(1, 0, False, True, False), Lifecycle.OPERATIONAL, id="alone in the federation"),
        pytest.param(seen(3, 0, False, False, False), Lifecycle.DISCOVERING, id="no address known"),
        pytest.param(seen(3, 0, True, False, False), Lifecycle.CONNECTING, id="address known, not linked"),
        pytest.param(seen(3, 1, True, False, False), Lifecycle.SYNCING, id="linked, not in step"),
        pytest.param(seen(3, 1, True, True, False), Lifecycle.OPERATIONAL, id="in step with two of three"),
        pytest.param(seen(2, 0, True, True, True), Lifecycle.RECOVERING, id="half is not more than half"),
        pytest.param(
            seen(5, 1, True, True, True), Lifecycle.RECOVERING, id="two of five after having been operational"
        ),
        pytest.param(seen(5, 1, True, True, False), Lifecycle.SYNCING, id="two of five, never operational"),
        pytest.param(seen(3, 2, True, False, True), Lifecycle.RECOVERING, id="linked again, not in step yet"),
    ],
)
def test_the_table(surroundings: Surroundings, expected: Lifecycle) -> None:
    assert lifecycle_of(surroundings) is expected


@pytest.mark.parametrize(
    ("surroundings", "says"),
    [
        pytest.param(seen(2, 0, True, False, True), "only 0 of 1 other .* waiting for 1 more", id="the only one"),
        pytest.param(seen(5, 1, True, True, True), "only 1 of 4 other .* waiting for 1 more", id="two of five"),
        pytest.param(seen(6, 1, True, False, True), "only 1 of 5 other .* waiting for 2 more", id="two of six"),
        pytest.param(seen(3, 2, True, False, True), "catching up", id="linked again"),
        pytest.param(seen(1, 0, False, False, True), "catching up", id="alone, own log not confirmed"),
    ],
)
def test_who_recovers_says_what_it_waits_for(surroundings: Surroundings, says: str) -> None:
    assert lifecycle_of(surroundings) is Lifecycle.RECOVERING
    assert re.match(says, lifecycle_reason(Lifecycle.RECOVERING, surroundings))


@pytest.mark.parametrize("members", range(1, 9))
def test_more_than_half_of_the_members_is_enough(members: int) -> None:
    for linked in range(members):
        here = seen(members, linked, True, True, True)
        assert (here.missing == 0) == (2 * (linked + 1) > members)


def test_who_is_gone_is_nothing_else_and_says_why() -> None:
    for surroundings in (seen(3, 0, True, False, False), seen(1, 0, False, True, True)):
        here = surroundings._replace(gone="it left", fenced=True)
        assert lifecycle_of(here) is Lifecycle.INIT
        assert lifecycle_reason(Lifecycle.INIT, here) == "it left"


@pytest.mark.parametrize("state", list(Lifecycle))
def test_every_state_has_a_sentence(state: Lifecycle) -> None:
    assert lifecycle_reason(state, seen(3, 1, True, False, False))
