"""A live run from its plan to its verdict, with nothing left behind: no process, no namespace, no relay, no home.

Whatever ends it (the story's end, Ctrl-C, SIGTERM, a mistake of ours), everything is ended in order, and while that
happens further signals wait; after `kill -9` a keeper does it. Homes, logs and traces stay where they lie when
something broke or when asked to.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from bootstrap.live.checks import Broken, Evidence, judge
from bootstrap.live.grounds import make_ground
from bootstrap.live.keeper import kept_clean
from bootstrap.live.plans import Plan
from bootstrap.live.stage import Stage, Stuck, Tell
from bootstrap.live.stories import STORIES
from bootstrap.live.timeline import Deed

TERMINATED = 143  # as shells count it: 128 + SIGTERM
_ENDING = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How it ended. `directory` has the homes, logs and traces, if they were kept."""

    ground: str
    evidence: Evidence
    deeds: list[Deed]
    broken: list[Broken]
    directory: Path | None


def play(plan: Plan, *, root: bool | None, keep: bool, tell: Tell) -> Verdict:
    """Play the story of a plan on a fresh ground and judge it.

    Raises:
        Unavailable: the ground cannot be had, or a command failed.
        UsageError: no ground that can be had here is one for this story.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_terminable())
        directory = Path(tempfile.mkdtemp(prefix=f"zenmesh-live-{os.getpid()}-"))
        kept = [keep]
        stack.callback(lambda: None if kept[0] else shutil.rmtree(directory, ignore_errors=True))
        stack.enter_context(kept_clean(directory, keep=keep))
        ground = make_ground(len(plan.names), root=root, lans=plan.lans)
        stack.callback(ground.close)
        stage = Stage(plan.names, ground, directory, tell)
        stack.callback(stage.end_all)
        stack.callback(_hold_signals)
        stuck = None
        try:
            STORIES[plan.name].play(stage, plan)
        except Stuck as error:
            stuck = str(error)
        evidence = stage.close(stuck)
        broken = judge(evidence)
        kept[0] = keep or bool(broken)
        return Verdict(
            ground=ground.name,
            evidence=evidence,
            deeds=stage.deeds,
            broken=broken,
            directory=directory if kept[0] else None,
        )


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM unwinds the stack as Ctrl-C does; what was before is restored."""
    before = {number: signal.getsignal(number) for number in _ENDING}
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(TERMINATED)


def _hold_signals() -> None:
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
