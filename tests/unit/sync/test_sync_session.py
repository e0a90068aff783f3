"""Sync sessions: each way in which an answer can come, and each way in which it can be wrong."""

from __future__ import annotations

from crdt.owner_log import Limits
from crdt.replica import Replica
from crdt.sync.messages import Hello
from crdt.sync.session import BatchAccepted
from tests.support.sync_pair import WALL_MS, Pair
from wire import cbor
from wire.frame import unpack_message
from wire.types import MessageType

NO_BATCHES = Limits(retained_bytes=0)


def fill(pair: Pair, replica: Replica, name: str, batches: int, width: int = 10, size: int = 20) -> None:
    for number in range(batches):
        pair.write(replica, name, {f"k{number}-{column}": b"x" * size for column in range(width)})


def equal(pair: Pair) -> bool:
    return pair.left.root() == pair.right.root()


# what moves, and how


def test_two_empty_replicas_say_hello_and_bye() -> None:
    pair = Pair()
    sessions = pair.sessions()
    report = pair.sync(sessions=sessions)
    assert all(session.finished for session in sessions)
    assert set(report.codes) == {MessageType.SYNC_HELLO, MessageType.SYNC_BYE}


def test_a_session_that_streamed_a_state_comes_to_its_end() -> None:
    pair = Pair(left=NO_BATCHES)
    fill(pair, pair.left, "alpha", 3)
    sessions = pair.sessions()
    report = pair.sync(sessions=sessions)
    assert MessageType.SYNC_ENTRIES in report.codes
    assert all(session.finished for session in sessions)


def test_an_answer_to_a_hello_is_not_answered() -> None:
    pair = Pair()
    left, right = pair.sessions()
    opening = left.generate_message()
    assert opening is not None
    right.receive_message(*unpack_message(opening), WALL_MS)
    report = pair.sync(sessions=(left, right))
    assert report.codes.count(MessageType.SYNC_HELLO) == 1


def test_an_answer_leaves_out_what_the_asker_said_itself() -> None:
    pair = Pair()
    fill(pair, pair.left, "alpha", 1)
    pair.sync()
    fill(pair, pair.right, "beta", 1)
    left, right = pair.sessions()
    opening = left.generate_message()
    assert opening is not None
    right.receive_message(*unpack_message(opening), WALL_MS)
    answer = right.generate_message()
    assert answer is not None
    said = cbor.decode_as(unpack_message(answer)[1], Hello)
    assert [row.author for row in said.rows] == [pair.ring.author("beta")]


def test_batches_flow_both_ways() -> None:
    pair = Pair()
    fill(pair, pair.left, "alpha", 3)
    fill(pair, pair.right, "beta", 2)
    report = pair.sync()
    assert equal(pair)
    assert report.kinds(0) == ["BatchAccepted"] * 2
    assert report.kinds(1) == ["BatchAccepted"] * 3


def test_a_laggard_gets_only_what_it_lacks() -> None:
    pair = Pair()
    fill(pair, pair.left, "alpha", 3)
    pair.sync()
    fill(pair, pair.left, "alpha", 2)
    assert len(pair.sync().kinds(1)) == 2
    assert equal(pair)


def test_one_side_may_open_and_the_other_only_answer() -> None:
    pair = Pair()
    fill(pair, pair.left, "alpha", 1)
    left, right = pair.sessions()
    opening = left.generate_message()
    assert opening is not None
    right.receive_message(*unpack_message(opening), WALL_MS)
    pair.sync(sessions=(left, right))
    assert equal(pair)
    assert left.finished
    assert right.finished


def test_without_batches_a_new_replica_gets_the_state() -> None:
    pair = Pair(left=NO_BATCHES)
    fill(pair, pair.left, "alpha", 5)
    report = pair.sync()
    assert report.kinds(1) == ["SnapshotInstalled"]
    assert equal(pair)


def test_a_large_state_comes_in_pieces_and_progress_shows_it() -> None:
    pair = Pair(left=NO_BATCHES)
    fill(pair, pair.left, "alpha", 40, size=2000)
    sessions = pair.sessions()
    seen: list[tuple[int, int]] = []
    report = pair.sync(
        sessions=sessions,
        between=lambda: seen.append((sessions[1].progress().received, sessions[1].progress().expected)),
    )
    assert report.codes.count(MessageType.SYNC_ENTRIES) > 2
    assert seen[-1][0] == 400
    assert all(received <= expected for received, expected in seen)
    assert equal(pair)


def test_more_batches_than_one_message_holds() -> None:
    pair = Pair()
    for number in range(6):
        pair.write(pair.left, "alpha", {f"k{number}-{column}": b"x" * 10_000 for column in range(20)})
    report = pair.sync()
    assert report.codes.count(MessageType.SYNC_BATCHES) > 3
    assert report.kinds(1) == ["BatchAccepted"] * 6
    assert equal(pair)


def test_a_few_differences_in_a_large_state_cost_little() -> None:
    pair = Pair(left=NO_BATCHES)
    fill(pair, pair.left, "alpha", 100, width=100, size=100)
    pair.sync()
    for number in range(10):
        pair.write(pair.left, "alpha", {f"k{number}-{number}": b"changed"})
    report = pair.sync()
    assert report.kinds(1) == ["SnapshotInstalled"]
    assert MessageType.SYNC_TREE in report.codes
    assert report.size < 32 * 1024
    assert equal(pair)


def test_repair_drops_what_was_deleted_and_adds_what_is_new() -> None:
    pair = Pair(left=NO_BATCHES)
    fill(pair, pair.left, "alpha", 10, width=20)
    pair.sync()
    pair.write(pair.left, "alpha", {f"k{number}-0": None for number in range(10)})
    pair.write(pair.left, "alpha", {f"new-{number}": b"n" for number in range(30)})
    assert pair.sync().kinds(1) == ["SnapshotInstalled"]
    assert equal(pair)


def test_repair_of_a_state_that_was_emptied() -> None:
    pair = Pair(left=NO_BATCHES)
    fill(pair, pair.left, "alpha", 3, width=20)
    pair.sync()
    for number in range(3):
        pair.write(pair.left, "alpha", {f"k{number}-{column}": None for column in range(20)})
    pair.sync()
    assert equal(pair)
    assert not pair.right.logs[pair.ring.author("alpha")].entries


def test_only_the_head_moved() -> None:
    pair = Pair(left=NO_BATCHES)
    fill(pair, pair.left, "alpha", 3, width=20)
    pair.sync()
    pair.write(pair.left, "alpha", {"fleeting": b"1"})
    pair.write(pair.left, "alpha", {"fleeting": None})
    pair.sync()
    assert equal(pair)


def test_a_log_that_grows_while_it_is_compared_is_followed() -> None:
    pair = Pair(left=NO_BATCHES)
    fill(pair, pair.left, "alpha", 50, width=20)
    pair.sync()
    pair.write(pair.left, "alpha", {"k1-1": b"changed"})
    left = [3]

    def grow() -> None:
        if left[0]:
            left[0] -= 1
            pair.write(pair.left, "alpha", {f"k2-{left[0]}": b"later"})

    pair.sync(between=grow)
    pair.sync()
    assert equal(pair)


def test_a_log_that_never_stands_still_is_left_to_the_next_session() -> None:
    pair = Pair(left=NO_BATCHES)
    fill(pair, pair.left, "alpha", 50, width=20)
    pair.sync()
    pair.write(pair.left, "alpha", {"k1-1": b"changed"})
    sessions = pair.sessions()
    pair.sync(sessions=sessions, between=lambda: pair.write(pair.left, "alpha", {"k2-2": b"again"}))
    assert sessions[1].finished
    pair.sync()
    assert equal(pair)


def test_an_interrupted_full_sync_resumes() -> None:
    pair = Pair(left=NO_BATCHES)
    fill(pair, pair.left, "alpha", 100, width=10, size=2000)
    whole = Pair(left=NO_BATCHES)
    fill(whole, whole.left, "alpha", 100, width=10, size=2000)
    entries: list[int] = []
    first = pair.sync(
        tamper=lambda side, message: entries.append(side) or message,  # type: ignore[func-returns-value]
        stop=lambda: pair.staging[1].last_path(pair.ring.author("alpha")) is not None and len(entries) > 8,
    )
    second = pair.sync()
    assert equal(pair)
    assert first.codes.count(MessageType.SYNC_ENTRIES) >= 1
    assert second.size < whole.sync().size


def test_what_was_staged_of_an_older_state_is_repaired() -> None:
    pair = Pair(left=NO_BATCHES)
    fill(pair, pair.left, "alpha", 100, width=10, size=2000)
    author = pair.ring.author("alpha")
    pair.sync(stop=lambda: pair.staging[1].last_path(author) is not None)
    staged = sorted(pair.left.logs[author].entries)[0]
    assert staged
    for number in range(100):
        pair.write(pair.left, "alpha", {f"k{number}-0": b"changed"})
    report = pair.sync()
    assert MessageType.SYNC_TREE in report.codes
    assert equal(pair)


def test_a_log_of_an_unknown_author_is_not_wanted() -> None:
    pair = Pair()
    fill(pair, pair.left, "alpha", 1)
    known = pair.ring.keys.pop(pair.ring.author("alpha"))
    sessions = pair.sessions()
    report = pair.sync(sessions=sessions)
    assert report.events == ([], [])
    assert all(session.finished for session in sessions)
    pair.ring.keys[pair.ring.author("alpha")] = known


def test_what_is_ahead_of_our_clock_is_asked_for_once_until_it_is_not() -> None:
    pair = Pair()
    fill(pair, pair.left, "alpha", 2)
    for clock, asked in [(-60_000, True), (-60_000, False), (-5_001, False), (-5_000, True)]:  # what was written: 0
        pair.clocks[1] = clock
        report = pair.sync()
        assert (MessageType.SYNC_WANT in report.codes) is asked
    assert equal(pair)


def test_batches_that_came_another_way_meanwhile_are_no_news() -> None:
    pair = Pair()
    batches = [pair.write(pair.left, "alpha", {f"k{n}": b"x"}) for n in range(3)]
    arrived = False

    def arrive(side: int, message: bytes) -> bytes:
        nonlocal arrived
        if side == 0 and unpack_message(message)[0] == MessageType.SYNC_BATCHES:
            arrived = True
            for batch in batches[:2]:
                pair.right.receive(batch, WALL_MS)
        return message

    report = pair.sync(tamper=arrive)
    assert arrived
    assert [event.seq for event in report.events[1] if isinstance(event, BatchAccepted)] == [3]
    assert equal(pair)


def test_what_came_another_way_meanwhile_is_not_installed_again() -> None:
    pair = Pair(left=NO_BATCHES)
    batches = [pair.write(pair.left, "alpha", {f"k{n}": b"x"}) for n in range(3)]
    report = pair.sync(between=lambda: [pair.right.receive(batch, WALL_MS) for batch in batches] and None)
    assert report.kinds(1) == []
    assert equal(pair)
