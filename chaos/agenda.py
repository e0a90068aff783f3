"""What is to happen in a world, in the order of (time, number).

Most of what is planned is far off: a hundred nodes plan their next pings and dials, a partition the mending of every
way. A heap of all that is deep, and in no cache. So only what is due within a few milliseconds stands in a heap; the
rest waits in the slot of its time, unsorted, and a small heap knows which slots there are.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

_SLOT_BITS = 13  # a slot is 8,192 microseconds wide

Entry = tuple[int, int, Callable[[], None]]  # time, number, what happens


class Agenda:
    """Entries by time; of one time, by number."""

    def __init__(self) -> None:
        self._near: list[Entry] = []  # a heap of what is due before `_border`
        self._border = 0
        self._slots: dict[int, list[Entry]] = {}
        self._order: list[int] = []  # a heap of the slots

    def add(self, entry: Entry) -> None:
        """Plan something."""
        if entry[0] < self._border:
            heappush(self._near, entry)
            return
        number = entry[0] >> _SLOT_BITS
        slot = self._slots.get(number)
        if slot is None:
            slot = self._slots[number] = []
            heappush(self._order, number)
        slot.append(entry)

    def due(self, until: int) -> Entry | None:
        """Take out the first entry, unless it is later than `until` or there is none."""
        near = self._near
        while not near:
            if not self._order or self._order[0] << _SLOT_BITS > until:
                return None
            number = heappop(self._order)
            near = self._near = self._slots.pop(number)
            heapify(near)
            self._border = (number + 1) << _SLOT_BITS
        return heappop(near) if near[0][0] <= until else None
