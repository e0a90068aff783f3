"""Replicas that heard different parts of an affair settle it by sync sessions alone, and none blames the other."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.affairs import Affair, affairs, learn
from tests.support.replicas import View, check, deliver, replica_of
from tests.support.sync_pair import WALL_MS, Pair

ROUNDS = 6  # a fork may be found in several steps, each of which another session spreads


@settings(max_examples=settings().max_examples // 2)
@given(affair=affairs(), forgetful=st.booleans(), data=st.data())
def test_sessions_settle_forks_and_closes(affair: Affair, forgetful: bool, data: st.DataObject) -> None:
    main, written = affair.tongues[0], affair.written
    pair = Pair()
    pair.ring = main.ring
    pair.left, pair.right = replica_of(View(main.ring)), replica_of(View(main.ring))
    for replica in (pair.left, pair.right):
        for place in data.draw(st.lists(st.sampled_from(range(len(written))), max_size=12)):
            replica.receive(written[place], WALL_MS)
        learn(replica, main, affair.close)
    deliver(pair.left, main.batches)  # somebody has the log that the chain closes
    if forgetful:
        for log in pair.left.logs.values():
            log.forget(0)
    for _ in range(ROUNDS):
        pair.sync()
        check(pair.left)
        check(pair.right)
    mended = not any(log.stranded for replica in (pair.left, pair.right) for log in replica.logs.values())
    assert mended or forgetful
    assert (pair.left.root() == pair.right.root()) or not mended
