"""The demo: what a user would do by hand in several terminals, done here step by step with the same commands.

Nothing is faked: every node is a `zenmesh run` process with its own home, and everything the demo knows it asked
through the control sockets.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import typer

from bootstrap.live.swarm import INVITES, Swarm
from wire.errors import Unavailable

NAMES = ("atlas", "boreas", "ceres", "daphne", "eos", "faunus", "gaia", "helios")
STEP_S = 30.0
POLL_S = 0.05
URGENT = ("PRIORITY_CHANGE", "--action", "set_priority")
WISH = {"kind": "swarm", "priority": "high"}
LISTEN = ("--listen", "/ip4/127.0.0.1/tcp/0")


@dataclass(slots=True)
class _Story:
    """What happened so far; told while it happens, unless somebody only wants to know how it ended."""

    aloud: bool
    steps: list[dict[str, Any]] = field(default_factory=list)

    def say(self, text: str, **style: Any) -> None:
        """One line."""
        if self.aloud:
            typer.secho(text, **style)

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[None]:
        """One step, and how long it took."""
        self.say(f"\n• {text}")
        began = time.monotonic()
        yield
        took = time.monotonic() - began
        self.steps.append({"step": text, "seconds": round(took, 3)})
        self.say(f"    done in {took:.1f} s", fg=typer.colors.GREEN)

    def show(self, swarms: list[Swarm]) -> list[dict[str, Any]]:
        """How the swarms are, one row each."""
        rows = [_row(swarm) for swarm in swarms]
        for row in rows:
            root, memory = str(row["state_root"])[:12], row["rss_bytes"] // 1_000_000
            state = f"{row['lifecycle']:<12} state {root}  links {row['links']}  {memory} MB"
            self.say(f"    {row['swarm']:<10} {state}")
        return rows


def run_demo(count: int, keep: bool, *, aloud: bool) -> dict[str, Any]:
    """Play the story, and tell it if `aloud`; how it ended. Raises Unavailable when a step does not come true."""
    directory = Path(tempfile.mkdtemp(prefix="zenmesh-demo-"))
    names = [NAMES[i % len(NAMES)] + (str(i // len(NAMES)) if i >= len(NAMES) else "") for i in range(count)]
    swarms = [Swarm(name, directory / name, LISTEN) for name in names]
    story = _Story(aloud)
    try:
        rows = _play(story, swarms)
        if keep:
            story.say(f"\nThe nodes run on; their homes are in {directory}. Try:")
            story.say(f"  zenmesh status --home {swarms[0].path}")
        return {"directory": str(directory) if keep else None, "steps": story.steps, "swarms": rows}
    finally:
        if not keep:
            for swarm in swarms:
                swarm.end(signal.SIGTERM)
            shutil.rmtree(directory, ignore_errors=True)


def _play(story: _Story, swarms: list[Swarm]) -> list[dict[str, Any]]:
    first, last = swarms[0], swarms[-1]
    with story.step(f"{len(swarms)} swarms make their homes; {first.name} founds the federation `demo`"):
        for swarm in swarms:
            swarm.zenmesh("init", "--swarm", swarm.name, "--project", "demo")
        first.zenmesh("federation", "create", "--name", "demo")
    with story.step(f"{first.name} runs, and invites the others by one-line tickets"):
        first.start()
        _until(lambda: _operational([first], 1), f"{first.name} is operational")
        for number, swarm in enumerate(swarms[1:]):
            inviter = swarms[number // INVITES]
            _until(partial(_runs, inviter), f"{inviter.name} is operational")
            swarm.zenmesh("join", inviter.zenmesh("invite"))
            swarm.start()
    with story.step("everyone is a member and holds the same state"):
        _until(lambda: _operational(swarms, len(swarms)), "all members are operational")
        _until(lambda: _agree(swarms), "all members agree")
    story.show(swarms)
    with story.step(f"{last.name} writes, {first.name} reads"):
        last.zenmesh("memory", "put", "plan", '{"step": 1, "goal": "ship"}')
        _until(lambda: _reads(first, "plan"), "the write arrives")
    story.say(f"    {first.zenmesh('memory', 'get', 'plan', '--json')}")
    with story.step(f"{last.name} asks for priority; the queens vote, and it is decided"):
        _until(lambda: all(map(_has_vote, swarms)), "every queen has a vote")
        last.zenmesh("propose", *URGENT, "--details", json.dumps({**WISH, "target": last.name}))
        _until(lambda: all(list(map(_voted, swarms))), "the decision")
    (decided,) = first.call("decisions")["decisions"]
    tally = decided["tally"]
    story.say(f"    {decided['action']}: {decided['status']}, with {tally['approve']} of {tally['total']} votes")
    with story.step(f"{last.name} is killed (kill -9); the others write on"):
        last.end(signal.SIGKILL)
        first.zenmesh("memory", "put", "while-away", '"you were gone"')
    with story.step(f"{last.name} comes back from its disk, finds the others, and has what it missed"):
        last.start()
        _until(lambda: _reads(last, "while-away") and _reads(last, "plan"), f"{last.name} catches up")
        _until(lambda: _agree(swarms), "all members agree")
    return story.show(swarms)


def _row(swarm: Swarm) -> dict[str, Any]:
    status = swarm.call("status")
    shown = {key: status[key] for key in ("lifecycle", "state_root", "height", "rss_bytes")}
    return {"swarm": swarm.name, **shown, "links": len(status["peers"])}


def _runs(swarm: Swarm) -> bool:
    return bool(swarm.ask("status").get("lifecycle") == "OPERATIONAL")


def _has_vote(swarm: Swarm) -> bool:
    return bool(swarm.ask("status").get("consensus", {}).get("voting"))


def _voted(swarm: Swarm) -> bool:
    """Approve of the one proposal that is open, unless enough others did."""
    for row in swarm.ask("proposals").get("proposals", ()):
        swarm.ask("vote", proposal=row["proposal"], choice="approve")
    return bool(swarm.ask("decisions").get("decisions"))


def _operational(swarms: list[Swarm], members: int) -> bool:
    states = [swarm.ask("status") for swarm in swarms]
    return all(s.get("lifecycle") == "OPERATIONAL" and len(s.get("members", ())) == members for s in states)


def _agree(swarms: list[Swarm]) -> bool:
    roots = [(s.get("state_root"), s.get("height")) for s in (swarm.ask("status") for swarm in swarms)]
    return len(set(roots)) == 1 and roots[0][0] is not None


def _reads(swarm: Swarm, key: str) -> bool:
    return bool(swarm.ask("memory/get", key=key).get("values"))


def _until(holds: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + STEP_S
    while not holds():
        if time.monotonic() > end:
            raise Unavailable(f"not within {STEP_S:.0f} s: {what} (pid {os.getpid()})")
        time.sleep(POLL_S)
