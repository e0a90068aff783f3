"""The lifecycle table, row by row."""

from __future__ import annotations

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


@pytest.mark.parametrize("state", list(Lifecycle))
def test_every_state_has_a_sentence(state: Lifecycle) -> None:
    assert lifecycle_reason(state, seen(3, 1, True, False, False))
