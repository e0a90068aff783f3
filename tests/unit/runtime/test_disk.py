"""A quick disk is written to in place, a slow one from a thread; what is written is durable either way."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from mesh.runtime.disk import QUICK_S, WARIEST, WARY, Disk
from mesh.storage.store import Record, Store
from wire.errors import StoreError

SLOW = 2 * QUICK_S


class _Spy(Store):
    """A store that remembers who wrote; each write takes as long as it is told."""

    def __init__(self, took: Sequence[float]) -> None:
        self.now = 0.0
        self.writers: list[threading.Thread] = []
        self._took = iter(took)

    def append(self, records: Sequence[Record]) -> None:
        self.writers.append(threading.current_thread())
        self.now += next(self._took)


async def _write(took: Sequence[float]) -> list[bool]:
    """Whether each of some writes was made in place."""
    spy = _Spy(took)
    disk = Disk(spy, lambda: spy.now)
    for _ in took:
        await disk.append([])
    return [writer is threading.current_thread() for writer in spy.writers]


@pytest.mark.trio
async def test_a_quick_disk_is_written_to_in_place() -> None:
    assert await _write([QUICK_S] * 3) == [True] * 3


@pytest.mark.trio
async def test_after_a_slow_write_a_thread_waits_for_the_disk_and_later_it_is_tried_again() -> None:
    assert await _write([SLOW, *[0.0] * WARY, 0.0]) == [True, *[False] * WARY, True]


@pytest.mark.trio
async def test_as_long_as_it_is_slow_it_is_tried_ever_more_seldom() -> None:
    wary = [WARY << doubled for doubled in range(9)]
    writes = await _write([SLOW] * 10_000)
    trials = [number for number, in_place in enumerate(writes) if in_place]
    assert [later - earlier - 1 for earlier, later in pairwise(trials)][:9] == [min(one, WARIEST) for one in wary]


@pytest.mark.trio
async def test_a_disk_that_is_quick_again_gets_its_credit_back() -> None:
    took = [SLOW, *[0.0] * WARY, SLOW, *[0.0] * 2 * WARY, 0.0, SLOW, *[0.0] * WARY, 0.0]
    assert [index for index, in_place in enumerate(await _write(took)) if in_place] == [
        0,
        WARY + 1,
        3 * WARY + 2,
        3 * WARY + 3,
        4 * WARY + 4,
    ]


@pytest.mark.trio
@pytest.mark.parametrize("wary", [False, True])
async def test_what_was_appended_is_there_and_what_fails_is_told(tmp_path: Path, wary: bool) -> None:
    store, _ = Store.open(tmp_path)
    readings = iter((0.0, SLOW if wary else 0.0, 0.0, 0.0))
    disk = Disk(store, lambda: next(readings))
    await disk.append([Record(1, b"first")])
    assert disk.quick is not wary
    await disk.append([Record(1, b"second")])
    disk.close(b"mark")
    assert [record.body for record in Store.open(tmp_path)[1].records] == [b"first", b"second"]
    with pytest.raises(StoreError):
        await Disk(store).append([Record(1, b"third")])
