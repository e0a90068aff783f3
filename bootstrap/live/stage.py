"""The stage on which a story is played: real swarms on a ground, their writers, and everything that is seen of them.

A story calls the verbs (`form`, `write`, `partition`, `heal`, `kill_all`, `start_all`, `agree`); each returns once
what it says is so, or raises `Stuck`, which ends the story but not the search for what else is wrong.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bootstrap.live.checks import Evidence, Finding, Sighting, Status, caught
from bootstrap.live.grounds import Ground
from bootstrap.live.swarm import INVITES, LIAR, Swarm
from bootstrap.live.timeline import Deed
from bootstrap.live.ways import Way
from bootstrap.live.writers import Writer
from wire.errors import ZenmeshError

PATIENCE_S = 90.0  # for anything that has to come true; a small machine with many nodes takes its time
POLL_S = 0.1

Tell = Callable[[str], None]


class Stuck(ZenmeshError):
    """What the story waited for did not come true."""


class Stage:
    """Swarms in processes. `tell` gets a sentence for each step."""

    def __init__(self, names: Sequence[str], ground: Ground, directory: Path, tell: Tell) -> None:
        self.swarms = [Swarm(name, directory / name) for name in names]
        self.writers: list[Writer] = []
        self.evidence = Evidence(swarms=names)
        self._ground = ground
        self._directory = directory
        self._tell = tell
        self._hanging: Swarm | None = None
        self._began_writing: float | None = None
        self.deeds: list[Deed] = []

    # the story's verbs

    def form(self) -> None:
        """Homes, a federation founded by the first swarm, everyone in it and agreeing."""
        self.say(f"{len(self.swarms)} swarms make their homes and meet on {self._ground.name}")
        first, *others = self.swarms
        for number, swarm in enumerate(self.swarms):
            swarm.zenmesh("init", "--swarm", swarm.name, "--project", "chaos")
            self._ground.settle(number, swarm)
            swarm.arguments += ("--trace", str(self.trace_file(swarm.name)))
            swarm.launch = self._ground.launch(number)
        first.zenmesh("federation", "create", "--name", "chaos")
        self._start(first)
        for number, swarm in enumerate(others):
            inviter = self.swarms[number // INVITES]
            self.until(lambda looks: all(map(_operational, looks.values())), f"{inviter.name} runs", [inviter])
            swarm.zenmesh("join", inviter.zenmesh("invite"))
            self._start(swarm)
        self.agree()

    def write(self, pause_s: float) -> None:
        """From now on every swarm writes, one value every `pause_s`."""
        self.say(f"every swarm writes {60 / pause_s:.0f} times a minute")
        self.writers = [Writer(swarm, pause_s) for swarm in self.swarms]
        self._began_writing = time.monotonic()
        for writer in self.writers:
            writer.start()

    def wait_for_writes(self, each: int) -> None:
        """Wait until every swarm has acknowledged so many more writes."""
        for writer in self.writers:
            if not writer.wait_for(each, PATIENCE_S):
                raise Stuck(f"no {each} writes were acknowledged within {PATIENCE_S:.0f} s by {writer.name}")

    def last(self, seconds: float) -> None:
        """Let this long pass, and keep looking at everyone."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()
            time.sleep(min(1.0, max(0.0, end - time.monotonic())))

    def partition(self, *groups: Sequence[int]) -> None:
        """Cut the swarms into groups of their numbers, and wait until nobody has a link across."""
        cut = tuple(tuple(self.swarms[number].name for number in group) for group in groups)
        self.say(f"cut: {' | '.join(map(' '.join, cut))}", cut=cut)
        self._ground.partition(*groups)
        sides = {self.swarms[number].name: side for side, group in enumerate(groups) for number in group}
        self.until(lambda looks: not any(_across(name, sides, looks[name]) for name in looks), "the cut is noticed")

    def heal(self) -> None:
        """End the partition."""
        self.say("healed", healed=True)
        self._ground.heal()

    def kill_all(self) -> None:
        """End every process at once, as a power cut would."""
        everyone = tuple(swarm.name for swarm in self.swarms)
        self.say("all processes are killed (kill -9), in the middle of their writes", killed=everyone)
        for swarm in self.swarms:
            if swarm.process is not None:
                swarm.process.kill()
        for swarm in self.swarms:
            swarm.end(signal.SIGKILL)

    def pause(self, number: int, seconds: float) -> None:
        """A process hangs for a while, with all its connections (SIGSTOP)."""
        swarm = self.swarms[number]
        self.say(f"{swarm.name} hangs for {seconds:.1f} s (SIGSTOP)", paused=(swarm.name,))
        self._hanging = swarm
        swarm.send(signal.SIGSTOP)
        self.last(seconds)
        swarm.send(signal.SIGCONT)
        self._hanging = None
        self.say(f"{swarm.name} goes on (SIGCONT)", resumed=(swarm.name,))

    def kill(self, number: int, seconds: float) -> None:
        """A process ends at once, and after a while starts from its disk."""
        swarm = self.swarms[number]
        self.say(f"{swarm.name} is killed (kill -9), for {seconds:.1f} s", killed=(swarm.name,))
        swarm.end(signal.SIGKILL)
        self.last(seconds)
        self._start(swarm)

    def isolate(self, number: int, seconds: float) -> None:
        """A swarm is cut off from all others for a while, which may be too short to be noticed."""
        others = [other for other in range(len(self.swarms)) if other != number]
        sides = ([number], others)
        cut = tuple(tuple(self.swarms[member].name for member in side) for side in sides)
        self.say(f"{cut[0][0]} is cut off for {seconds:.1f} s", cut=cut)
        self._ground.partition(*sides)
        self.last(seconds)
        self.heal()

    def lacks(self, way: Way) -> str:
        """Why ways cannot be like that on this ground; empty when they can."""
        return self._ground.lacks(way)

    def leave_out(self, deeds: Mapping[str, str]) -> None:
        """Tell what of the plan is not done, and why."""
        self.evidence.left_out = [f"{deed}: {why}" for deed, why in deeds.items()]
        for text in self.evidence.left_out:
            self.say(f"left out on {self._ground.name}: {text}")

    def worsen(self, numbers: Sequence[int], way: Way, seconds: float, text: str) -> None:
        """All ways from and to some swarms are like that for a while."""
        self.say(text, worse=tuple(self.swarms[number].name for number in numbers), way=way)
        self._ground.worsen(numbers, way)
        self.last(seconds)
        self.heal()

    def find_neighbours(self, lans: Sequence[Sequence[int]]) -> None:
        """Wait until, by mDNS, each LAN shows its own swarms; those of another would be a hole in this ground."""
        for number, lan in enumerate(lans, 1):
            names = {self.swarms[member].name for member in lan}
            self.say(f"LAN {number}: {' '.join(sorted(names))}")
            end = time.monotonic() + PATIENCE_S
            while (found := self.swarms[lan[0]].discover()) != names:
                if found - names or time.monotonic() > end:
                    raise Stuck(f"on LAN {number} mDNS shows {sorted(found)} and not {sorted(names)}")
        self.say("on each LAN mDNS shows the swarms that are there, and no others")

    def start_all(self) -> None:
        """Start every process from its disk."""
        self.say("all start again from their disks")
        for swarm in self.swarms:
            self._start(swarm)

    def corrupt(self, number: int) -> None:
        """From now on a swarm lies: its node starts again with a crooked tongue, and nothing is expected of it."""
        swarm = self.swarms[number]
        self.evidence.hostile = (*self.evidence.hostile, swarm.name)
        self.say(
            f"{swarm.name} turns hostile: three in ten of its messages are lies",
            lies=swarm.name,
            killed=(swarm.name,),
        )
        swarm.end(signal.SIGTERM)
        swarm.command = LIAR
        self._start(swarm)

    def wait_for_blame(self) -> None:
        """Wait until every honest node has caught each hostile one lying."""
        self.until(lambda looks: not self._uncaught(looks), "every honest node has caught the liar", self.honest)

    def agree(self) -> None:
        """Wait until everyone honest is operational, linked to everyone honest, and all of them hold the same."""
        honest = [swarm.name for swarm in self.honest]
        self.until(lambda looks: _agreed(looks, honest, len(self.swarms)), "everyone holds the same", self.honest)
        self.say(f"everyone{' honest' if self.evidence.hostile else ''} is operational and holds the same")

    @property
    def honest(self) -> list[Swarm]:
        """Those of whom something is expected."""
        return [swarm for swarm in self.swarms if swarm.name not in self.evidence.hostile]

    def finish_writing(self) -> None:
        """The last writes are acknowledged or refused; nobody writes any more."""
        for writer in self.writers:
            writer.stop()
        if self._began_writing is not None:
            self.evidence.writing_s = time.monotonic() - self._began_writing
            self._began_writing = None

    # looking

    def say(self, text: str, **deed: Any) -> None:
        """One step of the story; `deed` are fields of `Deed`."""
        self._did(text, **deed)
        self._tell(text)

    def _did(self, text: str, **deed: Any) -> None:
        self.deeds.append(Deed(wall_ms=time.time_ns() // 1_000_000, text=text, **deed))

    def _start(self, swarm: Swarm) -> None:
        self._did(f"{swarm.name} starts", started=(swarm.name,))
        swarm.start()

    def look(self, swarms: Sequence[Swarm] | None = None) -> dict[str, Status]:
        """How everyone is who answers; noted as evidence."""
        looks: dict[str, Status] = {}
        for swarm in swarms or self.swarms:
            if swarm is not self._hanging and (status := swarm.ask("status")):
                looks[swarm.name] = status
                self.evidence.sightings.append(Sighting(swarm=swarm.name, status=status))
        return looks

    def until(
        self, holds: Callable[[Mapping[str, Status]], bool], what: str, swarms: Sequence[Swarm] | None = None
    ) -> None:
        """Wait until all of them answer and `holds`. Raises Stuck."""
        asked = swarms or self.swarms
        end = time.monotonic() + PATIENCE_S
        while len(looks := self.look(asked)) < len(asked) or not holds(looks):
            ended = [f"{name} {what}" for name, what in self._ended()]
            if ended or time.monotonic() > end:
                raise Stuck(
                    f"waited for: {what}; " + (", ".join(ended) or f"it was not so within {PATIENCE_S:.0f} s")
                )
            time.sleep(POLL_S)

    def close(self, stuck: str | None) -> Evidence:
        """Stop writing, look once more, read everything, and end all; the evidence."""
        self.finish_writing()
        self.evidence.stuck = [] if stuck is None else [("", stuck)]
        self.evidence.ended = self._ended()
        self.evidence.final = self.look()
        self.evidence.written = [write for writer in self.writers for write in writer.acknowledged]
        keys = sorted({write.key for write in self.evidence.written})
        self.evidence.read = {
            swarm.name: {key: swarm.ask("memory/get", key=key).get("values", {}) for key in keys}
            for swarm in self.swarms
            if swarm.name in self.evidence.final
        }
        self.end_all()
        self.evidence.traced = {name: list(_lines(self.trace_file(name))) for name in self.evidence.swarms}
        return self.evidence

    def end_all(self) -> None:
        """End every process; safe to call twice."""
        for writer in self.writers:
            writer.stop()
        for swarm in self.swarms:
            if swarm.process is not None:
                swarm.process.terminate()
        for swarm in self.swarms:
            swarm.end(signal.SIGTERM)

    def trace_file(self, name: str) -> Path:
        """Where the node of this swarm writes its trace."""
        return self._directory / f"{name}.trace"

    def _uncaught(self, looks: Mapping[str, Status]) -> list[str]:
        """Who among those that answered has not caught every hostile swarm."""
        hostile = set(self.evidence.hostile)
        return [name for name, look in looks.items() if hostile - caught(look)]

    def _ended(self) -> list[Finding]:
        ended = [(swarm.name, swarm.process.poll()) for swarm in self.honest if swarm.process is not None]
        return [(name, f"ended with exit code {code}") for name, code in ended if code is not None]


def _operational(look: Status) -> bool:
    return bool(look["lifecycle"] == "OPERATIONAL")


def _agreed(looks: Mapping[str, Status], honest: Sequence[str], count: int) -> bool:
    same = {(status["state_root"], status["height"], status["lifecycle"]) for status in looks.values()}
    rows = [row for look in looks.values() for row in look["members"]]
    linked = all(row["connected"] for row in rows if row["swarm"] in honest)
    full = all(len(look["members"]) == count for look in looks.values())
    return linked and full and len(same) == 1 and next(iter(same))[2] == "OPERATIONAL"


def _across(name: str, sides: Mapping[str, int], look: Status) -> bool:
    """Whether a swarm still has a link to the other side."""
    return any(row["connected"] and sides.get(row["swarm"]) != sides.get(name) for row in look["members"])


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """The records of a trace file; the last line of a killed process may be torn."""
    for line in file.read_text("utf-8", errors="replace").splitlines() if file.exists() else ():
        try:
            yield json.loads(line)
        except ValueError:
            continue
