"""The blocks of a chain that are held here, and how to show others the way to its end.

    [1]…[a]   [t]ˢ [t+1]   [c+1]ʷ[c+2]…[height]
    └──────────path──────┘ └──consecutive──────┘

A record is a block with its certificate, and where the blocks before it are missing also the state before it
(`consensus.image`): s light, w whole. All records in their order lead from the genesis to the end: that is what is on
disk. What others ask for by height is only looked for in the consecutive part.

A *course* is such a way for who stands at some height: over the last block of each epoch that he lacks, which his
voters certify, and which names the next ones, to the last checkpoint, from which he goes on block by block.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from consensus import image
from consensus.blocks import block_hash
from consensus.state import State

SPACING = 100  # heights from one checkpoint to the next
_KEPT = 2  # checkpoints with enough blocks behind them
_LEAST = 8  # fewer blocks than so many are handed over themselves
_CACHED = 64  # images


class Record(NamedTuple):
    """One block; `state` is the image of the state before it, where the blocks that made it are not there."""

    block: bytes
    certificate: bytes
    state: bytes | None = None


class History:
    """Grows at its end; `first` is where the consecutive part begins."""

    def __init__(self) -> None:
        self._path: list[Record] = []
        self._blocks: list[Record] = []
        self.first = 1

    def copy(self) -> History:
        """The same, to grow on its own."""
        twin = History()
        twin._path, twin._blocks, twin.first = list(self._path), list(self._blocks), self.first
        return twin

    @property
    def height(self) -> int:
        return self.first + len(self._blocks) - 1

    def append(self, record: Record) -> None:
        self._blocks.append(record)

    def leap(self, height: int) -> None:
        """The next record is the block of `height`, whatever is missing before it."""
        self._path += self._blocks
        self._blocks, self.first = [], height

    def records(self) -> list[Record]:
        """All, in their order."""
        return self._path + self._blocks

    def tail(self, from_height: int) -> list[Record]:
        """Consecutive blocks from `from_height` on, or from the first that there is."""
        return self._blocks[max(from_height - self.first, 0) :]

    def at(self, height: int) -> Record | None:
        """The block of `height`, if it is held in the consecutive part."""
        return self._blocks[height - self.first] if self.first <= height <= self.height else None

    def up_to(self, height: int) -> list[Record]:
        """What leads from the genesis to `height`, which is in the consecutive part."""
        return self._path + self._blocks[: height - self.first + 1]


class Landmarks:
    """The states by which a way is shown: before each block that ended an epoch, and at the last checkpoints."""

    def __init__(self, spacing: int = SPACING) -> None:
        self.spacing = spacing
        self._turns: dict[int, tuple[State, Record]] = {}  # by height; the state has no outcomes
        self._checkpoints: dict[int, tuple[State, Record]] = {}  # by the height of the state; the record comes next
        self._images: dict[tuple[int, bool], bytes] = {}

    def copy(self) -> Landmarks:
        """The same, to grow on its own."""
        twin = Landmarks(self.spacing)
        twin._turns, twin._checkpoints = dict(self._turns), dict(self._checkpoints)
        return twin

    def note(self, height: int, before: State, after: State, record: Record, *, landed: bool) -> None:
        """The block of `height` was appended; `landed` right behind a whole state that was not made here."""
        bare = Record(record.block, record.certificate)
        if after.epoch != before.epoch:
            light = replace(before.standing, outcomes={}, forgotten=before.standing.history)
            self._turns[height] = State(before.membership, light, before.epoch), bare
        if landed or (height > 1 and (height - 1) % self.spacing == 0):
            self._checkpoints[height - 1] = before, bare
        settled = sorted(at for at in self._checkpoints if at + _LEAST < height)
        for older in settled[:-_KEPT]:
            del self._checkpoints[older]

    def during(self, height: int) -> State | None:
        """A state of the epoch that the block of `height` belongs to; None where that is the present one."""
        turn = min((at for at in self._turns if at >= height), default=None)
        return None if turn is None else self._turns[turn][0]

    def course(self, history: History, height: int, pass_not: int) -> list[Record]:
        """What leads from `height` to the last checkpoint that is not past the height `pass_not`, and behind which
        enough blocks follow; where there is none, as near to it as is known if blocks are missing here, else nothing.
        Nothing, too, where a state is too large."""
        found = [at for at in self._checkpoints if height <= at <= pass_not and at + _LEAST < history.height]
        if not found:  # to a height that may not be passed, at least, if no blocks can be had for it
            steps = self._over_turns(history, height, pass_not) if height + 1 < history.first else []
            return steps if _all_fit(steps) else []
        end = max(found)
        steps = self._over_turns(history, height, end)
        steps.append(self._with_image(end + 1, *self._checkpoints[end], whole=True))
        return steps if _all_fit(steps) else []

    def way(self, history: History, height: int) -> list[Record]:
        """What proves the block of `height`, which is held: from the genesis over the turns, and from the last
        checkpoint before it; block by block where all are there and an image is too large."""
        if history.first > 1:
            return history.up_to(height)
        steps = self._over_turns(history, 0, height)
        stands = max((at for at in self._turns if at <= height), default=0)
        nearest = max((at for at in self._checkpoints if stands + _LEAST < at < height), default=None)
        if nearest is not None:
            state, record = self._checkpoints[nearest]
            steps.append(self._with_image(nearest + 1, state, record, whole=False))
            stands = nearest + 1
        steps += history.tail(stands + 1)[: height - stands]
        return steps if _all_fit(steps) else history.up_to(height)

    def _over_turns(self, history: History, height: int, end: int) -> list[Record]:
        """From `height` to the last block up to `end` that ended an epoch."""
        steps: list[Record] = []
        stands = height
        for turn in sorted(at for at in self._turns if height < at <= end):
            if turn - stands <= _LEAST and stands + 1 >= history.first:
                steps += history.tail(stands + 1)[: turn - stands]
            elif turn == stands + 1:
                steps.append(self._turns[turn][1])
            else:
                steps.append(self._with_image(turn, *self._turns[turn], whole=False))
            stands = turn
        return steps

    def _with_image(self, height: int, state: State, record: Record, *, whole: bool) -> Record:
        raw = self._images.get((height, whole))
        if raw is None:
            raw = image.encode(state, whole=whole)
            while len(self._images) >= _CACHED:
                del self._images[next(iter(self._images))]
            self._images[height, whole] = raw
        return Record(record.block, record.certificate, raw)


def _all_fit(steps: Iterable[Record]) -> bool:
    return all(len(step.state or b"") <= image.MAX_IMAGE for step in steps)


def bounded(records: Iterable[Record], max_bytes: int, most: int) -> list[Record]:
    """The first of `records`, up to `max_bytes` and `most` of them, at least one."""
    found: list[Record] = []
    size = 0
    for record in records:
        size += len(record.block) + len(record.certificate) + len(record.state or b"")
        if found and (size > max_bytes or len(found) == most):
            break
        found.append(record)
    return found


def hash_of(record: Record | None) -> bytes | None:
    """The hash of a block, if it is held."""
    return None if record is None else block_hash(record.block)
