"""From a scenario that breaks an invariant to the least one that does: what is left explains the failure.

`ddmin` is delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002) over the
list of actions: any subset of a scenario's actions is a scenario too. What it leaves is 1-minimal: without any one
of the actions the failure is gone. Then swarms, hosts in the groups of an action, and time are taken away while the
failure stays, and all again until nothing helps. A failure is the same as long as the same checker speaks.

Who is healed in the end is drawn by the seed from those who are not hostile; since that changes with the actions, the
core of the failing run is written into the scenario first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec.structs import asdict, replace

from chaos.actions import AnyAction
from chaos.checkers import Violation
from chaos.runner import Report, run
from chaos.scenario import SPARES, Scenario, hosts_of

T = TypeVar("T")

SINGLE = ("host", "other")
GROUPS = ("sources", "targets", "towards")
LEADS_MS = (0, 1_000, 5_000)  # what may go before the first action


def ddmin(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """A 1-minimal part of `items` that still fails; `items` itself must."""
    left = list(items)
    pieces = 2
    while left:
        size = -(-len(left) // pieces)
        for start in range(0, len(left), size):
            rest = left[:start] + left[start + size :]
            if fails(rest):
                left, pieces = rest, max(2, pieces - 1)
                break
        else:
            if size == 1:
                break
            pieces = min(len(left), 2 * pieces)
    return left


@dataclass(slots=True)
class Minimizer:
    """The search: `best` is the least scenario so far that breaks what `scenario` breaks. Ask `search` to go on.

    `told` hears of every run; `best` may be taken at any time.
    """

    scenario: Scenario
    told: Callable[[Minimizer], None] = lambda minimizer: None
    execute: Callable[[Scenario], Report] = run
    best: Scenario = field(init=False)
    violation: Violation | None = None
    runs: int = 0
    _held: set[Scenario] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.best = self.scenario

    def search(self) -> bool:
        """Find the least; False when the scenario breaks nothing."""
        report = self.execute(self.scenario)
        self.runs = 1
        if report.violation is None:
            return False
        self._keep(self.scenario, report)
        if report.core:
            self._breaks(core=report.core)
        else:
            self._breaks(faults_s=report.violation.at // 1_000_000 + 1)
        before = None
        while before != self.best:
            before = self.best
            for simplify in (self._fewer_actions, self._fewer_swarms, self._fewer_hosts, self._sooner):
                simplify()
        return True

    def _breaks(self, **changes: object) -> bool:
        """Whether the failure stays when the best scenario is changed so; if it does, that is the best."""
        candidate = replace(self.best, digest=None, **changes)
        if candidate == replace(self.best, digest=None) or candidate in self._held:
            return False
        report = self.execute(candidate)
        self.runs += 1
        same = _checker(report.violation) == _checker(self.violation)
        if same:
            self._keep(candidate, report)
        else:
            self._held.add(candidate)
        self.told(self)
        return same

    def _keep(self, candidate: Scenario, report: Report) -> None:
        self.best = replace(candidate, digest=report.digest)
        self.violation = report.violation

    def _fewer_actions(self) -> None:
        ddmin(self.best.actions, lambda actions: self._breaks(actions=tuple(actions)))

    def _fewer_swarms(self) -> None:
        """Take hosts away, the last first; those behind move up."""
        for number in range(self.best.swarms, 0, -1):
            if self.best.swarms > 1:
                self._breaks(**without(self.best, number))

    def _fewer_hosts(self) -> None:
        """Take hosts out of the groups that actions name."""
        for place in range(len(self.best.actions)):
            for group in GROUPS:
                for host in getattr(self.best.actions[place], group, ()):
                    action = self.best.actions[place]
                    left = tuple(one for one in getattr(action, group) if one != host)
                    if left:
                        actions = list(self.best.actions)
                        actions[place] = replace(action, **{group: left})
                        self._breaks(actions=tuple(actions))

    def _sooner(self) -> None:
        """Begin with the first action; end the faults after the last, or after what broke."""
        first = min((action.at_ms for action in self.best.actions), default=0)
        for lead in (lead for lead in LEADS_MS if lead < first):
            moved = tuple(replace(action, at_ms=action.at_ms - first + lead) for action in self.best.actions)
            if self._breaks(actions=moved):
                break
        last = max((action.at_ms for action in self.best.actions), default=0) // 1_000
        broke = 0 if self.violation is None else self.violation.at // 1_000_000
        for second in sorted({last + 1, broke + 1}):
            if second < self.best.faults_s:
                self._breaks(faults_s=second)


def _checker(violation: Violation | None) -> str:
    return "" if violation is None else violation.checker


def without(scenario: Scenario, number: int) -> dict[str, object]:
    """What changes when swarm `number` was never there: later ones move up, a core without majority is drawn anew."""
    gone = {f"s{number}{what}" for what in ("", "'", *SPARES)}  # itself, its twin, its backups

    def renamed(host: str) -> str:
        digits = host.strip(f"s'{SPARES}")
        return f"s{int(digits) - 1}{host[1 + len(digits) :]}" if int(digits) > number else host

    def moved(action: AnyAction) -> AnyAction | None:
        fields = asdict(action)
        singles = {name: fields[name] for name in SINGLE if fields.get(name) is not None}
        changes: dict[str, object] = {name: renamed(host) for name, host in singles.items()}
        for name in GROUPS:
            if name in fields:
                changes[name] = tuple(renamed(host) for host in fields[name] if host not in gone)
        return None if gone & set(singles.values()) or () in changes.values() else replace(action, **changes)

    swarms = scenario.swarms - 1
    core = None if scenario.core is None else tuple(renamed(host) for host in scenario.core if host not in gone)
    return {
        "swarms": swarms,
        "late": tuple(renamed(host) for host in scenario.late if host not in gone),
        "backups": tuple(renamed(host) for host in scenario.backups if host not in gone),
        "expire_s": tuple((renamed(host), seconds) for host, seconds in scenario.expire_s if host not in gone),
        "core": core if core is not None and len(core) > swarms // 2 else None,
        "actions": tuple(kept for action in scenario.actions if (kept := moved(action)) is not None),
    }


def size(scenario: Scenario) -> str:
    """How much a scenario holds, for people."""
    hosts = {host for action in scenario.actions for host in hosts_of(action)}
    return f"{len(scenario.actions)} actions on {len(hosts)} of {scenario.swarms} swarms, {scenario.faults_s} s"
