"""Every history of a council of four, one of them doubled, for so many views: none is left out.

    found = explore(Plan(views=2, grain=Grain.EXCHANGE, doubled=0))
    found.schedules, found.states, found.violation

A view is three exchanges of messages (PRE_PREPARE, PREPARE, COMMIT), one more before them where it follows another
(VIEW_CHANGE). In each exchange all that was said in the one before is heard, by whoever hears its sender: that is the
way, one of `WAYS`, which lasts for a whole view or for one exchange. What is not heard is lost, or stays under way
until it is. After each view everyone's time is up. In the end everyone hears everyone, and must come to a decision.

Histories that come to the same state, of all processes and all letters under way, are one from there on. They are
explored a layer at a time; what is counted is both, the states and the schedules that lead to them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from chaos.rules import Rules
from chaos.twins.council import PROCESSES, Council
from chaos.twins.judging import Broken
from chaos.twins.minds import Input, Letter, Meet, Minds, Submit, Tick
from chaos.twins.ways import CUTS, OPEN, WAYS, Way, spelled
from wire.rng import Rng
from wire.time import MILLISECOND, seconds

_EXCHANGES = 3  # of a view, and one more after a change
_MOST_EXCHANGES = 16  # until nobody has anything to say
_MOST_VIEWS = 8  # that may fail in the end, before something is decided
_A_VIEW = seconds(100)  # longer than any view gets

State = tuple[tuple[int, ...], tuple[Letter, ...]]  # the mind of each process, and what is under way


class Step(NamedTuple):
    """So many exchanges under one of these ways; `up`: everyone's time is up before it."""

    up: bool
    exchanges: int
    ways: tuple[Way, ...]


class Grain(StrEnum):
    """How long a way lasts: for a view; a cut until all have prepared, and then any way; for each exchange."""

    VIEW = "view"
    PHASE = "phase"
    EXCHANGE = "exchange"

    def steps(self, exchanges: int) -> list[tuple[int, tuple[Way, ...]]]:
        """The exchanges of one view: how many go the same way, and which ways those are."""
        match self:
            case Grain.VIEW:
                return [(exchanges, WAYS)]
            case Grain.PHASE:
                return [(exchanges - 1, CUTS), (1, WAYS)]
            case Grain.EXCHANGE:
                return [(1, WAYS)] * exchanges


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is explored: which queen is doubled (0 leads the first view, 1 the next), how long, how finely."""

    views: int
    grain: Grain
    doubled: int
    among: tuple[Way, ...] = WAYS  # no other way is gone: for a part of the whole
    late: bool = False  # what is not heard is heard later; else it is lost

    @property
    def steps(self) -> list[Step]:
        """What happens one after another; each view but the first has a change of view before it."""
        steps: list[Step] = []
        for view in range(self.views):
            for number, (exchanges, ways) in enumerate(self.grain.steps(_EXCHANGES + (view > 0))):
                chosen = tuple(way for way in ways if way in self.among)
                steps.append(Step(view > 0 and number == 0, exchanges, chosen))
        return steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What came of it. `path` is how the violation came about, a way for each step."""

    plan: Plan
    schedules: int
    states: int
    minds: int
    reactions: int
    violation: Broken | None = None
    path: tuple[str, ...] = ()


@dataclass(slots=True)
class _Trail:
    """So many schedules lead to a state; one of them comes from `parent` by `way`."""

    count: int
    parent: State | None
    way: Way


class _Exploration:
    """One plan under way."""

    def __init__(self, plan: Plan, rules: Callable[[Rng], Rules], told: Callable[[int, int], None]) -> None:
        self._plan = plan
        self._council = Council(plan.doubled, rules)
        self._minds = Minds(self._council)
        self._honest = [process for process in range(PROCESSES) if self._council.honest(process)]
        self._told = told
        self._now = 0
        self._layers: list[dict[State, _Trail]] = []

    def run(self) -> Found:
        violation: Broken | None = None
        path: tuple[str, ...] = ()
        try:
            self._begin()
            for number, step in enumerate(self._plan.steps):
                self._step(step)
                self._told(number + 1, len(self._layers[-1]))
            self._end()
        except _BrokenAt as at:
            violation, path = at.broken, self._path(at)
        return Found(
            plan=self._plan,
            schedules=sum(trail.count for trail in self._layers[-1].values()),
            states=sum(map(len, self._layers)),
            minds=len(self._minds.known),
            reactions=self._minds.reactions,
            violation=violation,
            path=path,
        )

    def _begin(self) -> None:
        """Everyone's user wants something."""
        minds: State = tuple(map(self._minds.begin, range(PROCESSES))), ()
        wishes = [self._minds.content(Submit(self._council.wish(process))) for process in range(PROCESSES)]
        self._layers = [{self._all_told(minds, wishes): _Trail(1, None, OPEN)}]

    def _step(self, step: Step) -> None:
        """From one layer to the next."""
        began = self._now + (_A_VIEW if step.up else 0)
        following: dict[State, _Trail] = {}
        for state, trail in self._layers[-1].items():
            for way in step.ways:
                self._now = began
                try:
                    reached = self._go(self._up(state) if step.up else state, way, step.exchanges)
                except Broken as broken:
                    raise _BrokenAt(broken, state, way) from broken
                known = following.get(reached)
                if known is None:
                    following[reached] = _Trail(trail.count, state, way)
                else:
                    known.count += trail.count
        self._layers.append(following)

    def _end(self) -> None:
        """From wherever they came to: links are made anew, and everyone hears everyone, view after view."""
        meet = self._minds.content(Meet())
        states = {self._all_told(state, [meet] * PROCESSES): state for state in self._layers[-1]}
        for _ in range(_MOST_VIEWS):
            following: dict[State, State] = {}
            began = self._now
            for state, origin in states.items():
                self._now = began
                try:
                    reached = self._go(state, OPEN, _MOST_EXCHANGES)
                    self._now = began + _A_VIEW
                    if not self._all_decided(reached):
                        following.setdefault(self._up(reached), origin)
                except Broken as broken:
                    raise _BrokenAt(broken, origin, OPEN) from broken
            states, self._now = following, began + _A_VIEW
        for origin in states.values():
            what = f"nothing is decided in {_MOST_VIEWS} views in which everyone hears everyone"
            raise _BrokenAt(Broken("prompt", what), origin, OPEN)

    # one state

    def _go(self, state: State, way: Way, exchanges: int) -> State:
        for _ in range(exchanges):
            state = self._exchange(state, way)
        return state

    def _exchange(self, state: State, way: Way) -> State:
        """All that is under way is heard, or not; what is said then is under way."""
        minds, letters = state
        self._now += MILLISECOND
        heard: list[list[Input]] = [[] for _ in minds]
        missed: list[Letter] = []
        for letter in letters:
            source, target, content = letter
            if way[target] >> source & 1:
                heard[target].append((source, content))
            elif self._plan.late:
                missed.append(letter)
        return self._react(minds, heard, missed)

    def _up(self, state: State) -> State:
        """Everyone's time is up."""
        return self._all_told(state, [self._minds.content(Tick())] * PROCESSES)

    def _all_told(self, state: State, contents: list[int]) -> State:
        """Each process hears something from its own user, clock or links."""
        minds, letters = state
        return self._react(minds, [[(process, content)] for process, content in enumerate(contents)], [*letters])

    def _react(self, minds: tuple[int, ...], heard: list[list[Input]], under_way: list[Letter]) -> State:
        after: list[int] = []
        for mind, inputs in zip(minds, heard, strict=True):
            became, letters = self._minds.react(mind, tuple(inputs), self._now) if inputs else (mind, ())
            after.append(became)
            under_way += letters
        self._minds.judge.agree(self._minds.known[after[process]].chain for process in self._honest)
        return tuple(after), tuple(dict.fromkeys(under_way))

    def _all_decided(self, state: State) -> bool:
        chains = [self._minds.known[state[0][process]].chain for process in self._honest]
        return min(chain.height for chain in chains) > self._council.founded.height

    def _path(self, at: _BrokenAt) -> tuple[str, ...]:
        """The ways by which a state was reached, and the one in which it broke."""
        path = [at.way]
        state: State | None = at.state
        for layer in reversed(self._layers):
            if state is not None and state in layer:
                trail = layer[state]
                path.append(trail.way)
                state = trail.parent
        return tuple(map(spelled, path[-2::-1]))


class _BrokenAt(Exception):
    """An invariant broke in the step from this state."""

    def __init__(self, broken: Broken, state: State, way: Way) -> None:
        super().__init__(str(broken))
        self.broken = broken
        self.state = state
        self.way = way


def explore(
    plan: Plan,
    rules: Callable[[Rng], Rules] = Rules,
    told: Callable[[int, int], None] = lambda step, states: None,
) -> Found:
    """Everything that a plan holds; ends with the first violation. `told` hears of each step, and of its states."""
    return _Exploration(plan, rules, told).run()
