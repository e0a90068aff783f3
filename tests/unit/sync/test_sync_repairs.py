"""Repairs of large differences: entries come in several messages and rounds, while the log goes on."""

from __future__ import annotations

from crdt.owner_log import Limits
from crdt.sync.messages import DATA_BYTES, MAX_PATHS, Entries
from tests.support.sync_pair import Pair
from wire import cbor
from wire.frame import unpack_message
from wire.types import MessageType

SIZE = 14_000  # bytes of a large value


def behind(changes: int, size: int) -> Pair:
    """The right holds all of a large log of the left, but not the last `changes` values."""
    pair = Pair(left=Limits(retained_bytes=0))
    for number in range(6):
        pair.write(pair.left, "alpha", {f"k{number}-{column}": b"x" for column in range(120)})
    pair.sync()
    names = [f"k{number}-{column}" for number in range(6) for column in range(120)][:changes]
    step = max(1, 150_000 // size)
    for first in range(0, changes, min(step, 200)):
        pair.write(pair.left, "alpha", dict.fromkeys(names[first : first + min(step, 200)], b"y" * size))
    return pair


def test_entries_of_a_repair_come_in_as_many_messages_as_they_need() -> None:
    pair = behind(40, SIZE)
    report = pair.sync()
    assert report.codes.count(MessageType.SYNC_ENTRIES) > 40 * SIZE // DATA_BYTES > 1
    assert report.kinds(1) == ["SnapshotInstalled"]
    assert pair.left.root() == pair.right.root()


def test_what_was_fetched_before_the_log_moved_on_is_not_fetched_again() -> None:
    pair = behind(MAX_PATHS + 100, 10)
    fetched: list[bytes] = []
    moved: list[bytes] = []

    def note(side: int, message: bytes) -> bytes:
        code, payload = unpack_message(message)
        if side == 0 and code == MessageType.SYNC_ENTRIES:
            fetched.extend(cbor.decode_as(payload, Entries).entries)
            if not moved:
                moved.append(pair.write(pair.left, "alpha", {"new": b"z"}))
        return message

    report = pair.sync(tamper=note)
    assert moved
    assert report.kinds(1) == ["SnapshotInstalled"]
    assert pair.left.root() == pair.right.root()
    assert len(fetched) == len(set(fetched)) == MAX_PATHS + 100 + 1
