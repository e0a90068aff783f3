"""Stamps of one author only ever advance, whatever wall clocks say; named streams of randomness never meet."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wire.rng import Rng
from wire.time import HlcClock, hlc_of, hlc_wall_ms

walls = st.integers(0, (1 << 47) - 1)
stamps = st.builds(hlc_of, walls, st.integers(0, (1 << 16) - 1))
readings = st.lists(st.tuples(st.just("now"), walls) | st.tuples(st.just("observe"), stamps), max_size=30)


@given(readings=readings)
def test_stamps_advance_and_follow_all_that_was_seen(readings: list[tuple[str, int]]) -> None:
    clock = HlcClock()
    seen = [0]
    for what, value in readings:
        if what == "observe":
            clock.observe(value)
            seen.append(value)
        else:
            stamp = clock.now(value)
            assert stamp > max(seen)
            assert hlc_wall_ms(stamp) >= value
            assert stamp <= max(max(seen) + 1, hlc_of(value)), "no further ahead than it must be"
            seen.append(stamp)
        assert clock.last == max(seen)


@given(one=readings, other=readings)
def test_what_follows_a_message_is_stamped_after_it(one: list[tuple[str, int]], other: list[tuple[str, int]]) -> None:
    clocks = HlcClock(), HlcClock()
    for clock, done in zip(clocks, (one, other), strict=True):
        for what, value in done:
            clock.observe(value) if what == "observe" else clock.now(value)
    sent = clocks[0].now(0)
    clocks[1].observe(sent)
    assert clocks[1].now(0) > sent


@given(one=stamps, other=stamps)
def test_stamps_compare_as_wall_time_and_then_counter(one: int, other: int) -> None:
    assert (one < other) == (divmod(one, 1 << 16) < divmod(other, 1 << 16))


# randomness

seeds = st.integers() | st.binary(max_size=40)
names = st.text("ab/", max_size=4)  # few letters: paths that could be taken for each other
paths = st.lists(names, max_size=4)
draws = st.lists(st.sampled_from(["random", "randbelow", "bytes", "shuffled", "split"]), max_size=12)


def draw(rng: Rng, what: str) -> object:
    match what:
        case "random":
            return rng.random()
        case "randbelow":
            return rng.randbelow(1 << 40)
        case "bytes":
            return rng.bytes(5)
        case "shuffled":
            return rng.shuffled("abcdefgh")
    return rng.split("elsewhere").bytes(5)


def at(seed: int | bytes, path: list[str]) -> Rng:
    rng = Rng(seed)
    for name in path:
        rng = rng.split(name)
    return rng


@given(seed=seeds, path=paths, wanted=draws, before=draws)
def test_a_stream_depends_on_its_seed_and_path_alone(
    seed: int | bytes, path: list[str], wanted: list[str], before: list[str]
) -> None:
    used = Rng(seed)
    for name in path:
        for what in before:
            draw(used, what)
        used = used.split(name)
    fresh = at(seed, path)
    assert [draw(fresh, what) for what in wanted] == [draw(used, what) for what in wanted]


@given(seed=seeds, one=paths.filter(bool), other=paths)
def test_other_paths_are_other_streams(seed: int | bytes, one: list[str], other: list[str]) -> None:
    *above, last = one
    alike = [other, above, ["/".join(one)], ["".join(one)], [*above, last + "a"], [*above, last, ""]]
    for path in alike:
        assert (at(seed, one).bytes(16) == at(seed, path).bytes(16)) is (one == path)
