"""Writing to the store without making the other tasks wait for a slow disk, nor a quick one wait for a thread.

A disk that answers within `QUICK_S` is written to in place: handing the write to a thread and taking the answer back
costs more than the write itself, several times for each decision. One write that takes longer, and the next ones go
to a thread, and links are served meanwhile; then it is tried in place again. Each trial that is slow doubles the
number of writes until the next one. So a disk that stalls holds the node up seldom, and each time for as long as that
one write takes.

What is rare, or long whatever the disk (snapshots, files), always goes to a thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import trio

from mesh.storage.store import Record, Store

QUICK_S = 0.005
WARY, WARIEST = 16, 1024  # writes by a thread after a slow one, at first and at most


class Disk:
    """One store, written to by one task."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.perf_counter) -> None:
        self._store = store
        self._clock = clock
        self._wary = 0  # so many writes more go to a thread
        self._pause = WARY  # after the next slow one

    @property
    def quick(self) -> bool:
        """The next records are written in place."""
        return self._wary == 0

    async def append(self, records: Sequence[Record]) -> None:
        """Make `records` durable. Raises StoreError when the store is poisoned."""
        if not self.quick:
            self._wary -= 1
            await trio.to_thread.run_sync(self._store.append, records)
        elif self._timed(records) > QUICK_S:
            self._wary, self._pause = self._pause, min(2 * self._pause, WARIEST)
        else:
            self._pause = WARY

    def _timed(self, records: Sequence[Record]) -> float:
        began = self._clock()
        self._store.append(records)
        return self._clock() - began

    async def compact(self, snapshots: Mapping[str, bytes]) -> None:
        """See `Store.compact`."""
        await trio.to_thread.run_sync(self._store.compact, snapshots)

    async def save_file(self, name: str, data: bytes, durable: bool) -> None:
        """See `Store.save_file`."""
        await trio.to_thread.run_sync(self._store.save_file, name, data, durable)

    async def settle(self) -> None:
        """See `Store.settle`."""
        await trio.to_thread.run_sync(self._store.settle)

    def close(self, mark: bytes) -> None:
        """See `Store.close`."""
        self._store.close(mark)
