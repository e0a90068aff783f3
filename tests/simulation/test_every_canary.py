"""Every planted fault is caught, told in few actions, and comes back from the file.

The search ends as soon as there are few enough; with the full counts it goes on until nothing can be spared.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest

from chaos.canaries import CANARIES, Canary, hunt
from chaos.minimize import Minimizer
from chaos.process import Process
from chaos.rules import Rules
from chaos.runner import rules_of, run
from chaos.scenario import dump, load
from wire.errors import UsageError

MOST_ACTIONS = 15


class Enough(Exception):
    """What is left is few enough."""


def enough(search: Minimizer) -> None:
    if len(search.best.actions) <= MOST_ACTIONS:
        raise Enough


def to_the_end(search: Minimizer) -> None:
    pass


@pytest.mark.parametrize("told", [enough, pytest.param(to_the_end, marks=pytest.mark.soak)])
@pytest.mark.parametrize("name", CANARIES)
def test_a_canary_is_caught_explained_and_replayed(name: str, told: Callable[[Minimizer], None]) -> None:
    catch = hunt(CANARIES[name])
    assert catch is not None, "it survived"
    search = Minimizer(catch.scenario, told)
    with suppress(Enough):
        assert search.search()
    assert len(search.best.actions) <= MOST_ACTIONS
    again = run(load(dump(search.best)))
    assert (again.digest, again.violation) == (search.best.digest, search.violation)
    assert again.violation is not None
    assert again.violation.checker == catch.violation.checker


class Misfit(Rules):
    """Replaces what the code does not call so any more."""

    def booted(self, process: Process) -> None:
        process.node.syncing.tick = lambda: None  # type: ignore[method-assign,misc,assignment]


def test_a_canary_that_fits_the_code_no_more_is_not_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaos.canaries.MOST_SEEDS", 1)
    monkeypatch.setattr("chaos.canaries.CANARIES", {"misfit": Canary(name="misfit", what="-", rules=Misfit)})
    assert hunt(Canary(name="misfit", what="-", rules=Misfit)) is None


def test_the_rules_are_those_of_the_name() -> None:
    assert rules_of(None) is Rules
    assert all(rules_of(name) is canary.rules and name == canary.name for name, canary in CANARIES.items())
    with pytest.raises(UsageError, match="parrot"):
        rules_of("parrot")
