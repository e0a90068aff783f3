"""What a session asks for and answers, where one more or one less would go unnoticed in the end."""

from __future__ import annotations

import pytest

from crdt.sync.messages import Batches, Want, Wants, pack
from crdt.sync.session import SyncSession
from tests.support.sync_pair import WALL_MS, Pair
from wire import cbor
from wire.frame import unpack_message
from wire.types import MessageType


def held_by(pair: Pair, left: int, right: int) -> None:
    """Both hold a log of alpha, as far as the numbers say."""
    shared = [pair.write(pair.left, "alpha", {f"k{number}": b"x" * 100}) for number in range(left)]
    for batch in shared[:right]:
        pair.right.receive(batch, WALL_MS)


@pytest.mark.parametrize(
    ("left", "right", "futile"),
    [
        pytest.param(2, 2, True, id="nobody asks"),
        pytest.param(3, 2, False, id="one asks the other"),
    ],
)
def test_a_session_is_futile_where_nobody_asks(left: int, right: int, futile: bool) -> None:
    pair = Pair()
    held_by(pair, left, right)
    sessions = pair.sessions()
    pair.sync(sessions=sessions)
    assert [session.futile for session in sessions] == [futile, futile]


def opened(pair: Pair) -> tuple[SyncSession, SyncSession]:
    """Both sides have heard what the other holds, and the right has asked for what it lacks."""
    left, right = pair.sessions()
    hello = left.generate_message()
    assert hello is not None
    right.receive_message(*unpack_message(hello), WALL_MS)
    while (message := right.generate_message()) is not None:
        left.receive_message(*unpack_message(message), WALL_MS)
    return left, right


def test_so_many_batches_are_expected_as_are_missing() -> None:
    pair = Pair()
    held_by(pair, 7, 3)
    _, right = opened(pair)
    assert (right.progress().received, right.progress().expected) == (0, 4)


def test_who_asks_for_what_follows_the_last_batch_is_told_that_this_is_all() -> None:
    """It may have got that batch from others since it said what it holds."""
    pair = Pair()
    held_by(pair, 2, 2)
    left, _ = opened(pair)
    author, head = pair.ring.author("alpha"), pair.left.head(pair.ring.author("alpha"))
    assert head is not None
    want = Want(swarm=author.swarm, term=1, seq=2, hash=head.hash, anew=False, stream=True, after=b"")
    left.receive_message(*unpack_message(pack(Wants(wants=(want,)))), WALL_MS)
    answer = left.generate_message()
    assert answer is not None
    code, payload = unpack_message(answer)
    assert code == MessageType.SYNC_BATCHES
    assert cbor.decode_as(payload, Batches) == Batches(batches=(), answered=1)


@pytest.mark.parametrize("forgotten", [0, 1, 2])
def test_who_holds_nothing_gets_everything_however_little_was_forgotten(forgotten: int) -> None:
    pair = Pair()
    held_by(pair, 3, 0)
    pair.left.logs[pair.ring.author("alpha")].forget(1 << 20, acked=forgotten)
    report = pair.sync()
    assert pair.left.root() == pair.right.root()
    assert (MessageType.SYNC_BATCHES in report.codes) == (forgotten == 0)
