"""What a start tells the next one of votes that may be missing: what was shown, and not what somebody said."""

from __future__ import annotations

from copy import deepcopy

import pytest

from crdt.ops import Author
from mesh.protocol.commands import MemoryPut
from mesh.protocol.events import WallClock
from mesh.protocol.messages import HeldRow
from mesh.protocol.startup import FORGOTTEN_FILE, Doubt, Told, load_doubt, save_doubt
from tests.support.governed import propose, result, town_of
from tests.support.small_swarms import Town
from wire.time import SECOND

QUEEN, OTHER = "delta", "alpha"


@pytest.fixture
def town() -> Town:
    town = town_of(4)
    write(town, "first")
    return town


def write(town: Town, key: str) -> None:
    """The queen writes, and the others have it."""
    result(town.world.ask(town[QUEEN], MemoryPut(key=key, value=b"1")))
    town.world.run(2 * SECOND)


def doubt(town: Town) -> Doubt:
    return load_doubt(town[QUEEN].disk.files.get(FORGOTTEN_FILE))


def held(town: Town) -> int:
    """The last number of the queen's own log on her node."""
    context = town.node(QUEEN).context
    head = context.replica.head(Author(context.me.swarm, context.me.term))
    return 0 if head is None else head.seq


def told_of_more(town: Town, term: int) -> None:
    """Somebody claims to hold a longer log of the queen's than she does herself."""
    swarm = town.node(QUEEN).context.me.swarm
    row = HeldRow(swarm=swarm, term=term, seq=held(town) + 9, head=bytes(32))
    town.node(QUEEN).startup.answer(town.node(OTHER).context.me.swarm, row)
    town.world.deliver(town[QUEEN], WallClock(ms=town.node(QUEEN).context.wall_ms(town.world.now)))


@pytest.mark.parametrize(
    ("term", "saved"), [(1, Told(((1, 1),))), (5, False)], ids=["her term", "a term that nobody knows"]
)
def test_a_word_and_a_kill_cost_a_queen_no_vote(town: Town, term: int, saved: Doubt) -> None:
    town.world.crash(town[QUEEN])
    town.world.start(town[QUEEN])
    told_of_more(town, term)
    assert doubt(town) == saved
    town.world.crash(town[QUEEN])
    town.world.start(town[QUEEN])
    assert not town.node(QUEEN).startup.forgetful
    town.world.run_until(lambda: not town.node(QUEEN).deciding.abstaining)
    assert doubt(town) is False
    result(propose(town, QUEEN))


def test_who_was_killed_once_she_had_fetched_her_own_log_may_have_forgotten_votes(town: Town) -> None:
    before, had = deepcopy(town[QUEEN].disk), held(town)
    write(town, "second")
    town.world.crash(town[QUEEN])
    town[QUEEN].disk = before
    town.world.start(town[QUEEN])
    assert held(town) == had
    town.world.run_until(lambda: held(town) > had)
    town.world.crash(town[QUEEN])
    town[QUEEN].disk.files[FORGOTTEN_FILE] = save_doubt(Told(((1, had),)))  # killed before it could say more
    town.world.start(town[QUEEN])
    assert town.node(QUEEN).startup.forgetful
    town.world.run(10 * SECOND)
    assert town.node(QUEEN).deciding.abstaining
    assert doubt(town) is True


@pytest.mark.parametrize(
    ("saved", "found"),
    [
        (None, False),
        (b"\xf4", False),
        (b"\xf5", True),
        (b"\x81\x81\x82\x01\x07", Told(((1, 7),))),
        (b"", True),
        (b"\x01", True),
    ],
    ids=["nothing", "none", "sure", "told", "empty", "noise"],
)
def test_what_an_earlier_start_saved_is_read_and_the_worst_is_believed(saved: bytes | None, found: Doubt) -> None:
    assert load_doubt(saved) == found
    assert load_doubt(save_doubt(found)) == found
