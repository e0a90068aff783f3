"""How long a write takes to be everywhere, read from traces of several nodes."""

from __future__ import annotations

from typing import Any

from bootstrap.live.lag import Lag, lags


def written(at: int, seq: int) -> dict[str, Any]:
    return {"wall_ms": at, "kind": "batch_written", "seq": seq, "term": 1}


def had(at: int, seq: int, swarm: str = "a", kind: str = "batch_applied") -> dict[str, Any]:
    return {"wall_ms": at, "kind": kind, "swarm": swarm, "term": 1, "seq": seq}


def test_a_write_is_everywhere_when_the_last_has_it() -> None:
    traced = {"a": [written(10, 1), written(20, 2)], "b": [had(11, 1), had(22, 2)], "c": [had(17, 1), had(23, 2)]}
    assert lags(traced, "abc") == {"a": Lag(median=5, longest=7)}


def test_what_somebody_never_had_is_not_counted() -> None:
    traced = {"a": [written(10, 1), written(20, 2)], "b": [had(11, 1), had(29, 2)], "c": [had(12, 1)]}
    assert lags(traced, "abc") == {"a": Lag(median=2, longest=2)}


def test_a_snapshot_brings_all_before_it_that_was_not_there() -> None:
    snapshot = had(50, 2, kind="snapshot_installed")
    traced = {"a": [written(10, 1), written(20, 2)], "b": [had(15, 1), snapshot]}
    assert lags(traced, "ab") == {"a": Lag(median=18, longest=30)}


def test_others_than_those_asked_for_do_not_count() -> None:
    traced = {"a": [written(10, 1)], "b": [had(11, 1)], "liar": [had(90, 1)]}
    assert lags(traced, "ab") == {"a": Lag(median=1, longest=1)}


def test_who_is_alone_has_no_lag() -> None:
    assert lags({"a": [written(10, 1)]}, "a") == {}
