"""What `zenmesh run` says about itself: who it is, where it listens, whom it found, how far a first sync has come.

The screen is a client of the node's own control socket, like any other: a thread asks for the status and tells what
is new in it. So the node knows nothing of screens, and no screen can hold it up.

| where | what is shown |
|---|---|
| a terminal | the story, above a progress bar while the node starts, for life; of the log only warnings |
| anything else | the story as plain lines until the node is OPERATIONAL; the log tells the rest |
| `--log-format` given | nothing: the log is what was asked for |
| `--json` | one object once the node listens |
"""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from bootstrap.cli.asking import Result, client_of, print_json
from bootstrap.console import clean, on_terminal, rich_console
from wire.errors import ZenmeshError

if TYPE_CHECKING:
    from rich.console import Console

    from bootstrap.home import Home
    from bootstrap.options import LogFormat

READY = "OPERATIONAL"
_STARTING_S = 0.25  # between two looks while the node starts
_RUNNING_S = 1.0
_GOODBYE_S = 1.0


class View(Protocol):
    """A way to show statuses."""

    @abstractmethod
    def tell(self, status: Result) -> float | None:
        """Show what is new; the seconds until it wants the next status, None for never."""

    @abstractmethod
    def close(self) -> None:
        """Give the terminal back."""


@dataclass(slots=True)
class Story:
    """What is new from one status to the next, as lines. Everything is said once."""

    _who: bool = False
    _addresses: list[str] = field(default_factory=list)
    _federation: str | None = None
    _linked: dict[str, str] = field(default_factory=dict)  # peer id to swarm
    _open: int = 0
    _state: tuple[str, str] = ("", "")
    _percent: int = -1

    def news(self, status: Result) -> Iterator[str]:
        """The lines to say now."""
        if not self._who:
            self._who = True
            yield f"swarm {status['swarm']} (project {status['project']}), node {status['peer_id']}"
        yield from self._new_addresses(status["addresses"])
        if status["federation_name"] and status["federation_id"] != self._federation:
            self._federation = status["federation_id"]
            names = ", ".join(row["swarm"] for row in status["members"])
            yield f"federation {status['federation_name']} ({str(self._federation)[:16]}…), members: {names}"
        yield from self._new_links(status["peers"])
        yield from self._new_state(status)
        yield from self._new_proposals(status)

    def _new_addresses(self, addresses: list[str]) -> Iterator[str]:
        for address in addresses:
            if address not in self._addresses:
                yield f"listening at {address}"
        self._addresses = addresses

    def _new_links(self, rows: list[dict[str, Any]]) -> Iterator[str]:
        linked = {row["peer_id"]: row["swarm"] for row in rows if row["state"] == "established" and row["swarm"]}
        yield from (f"linked to {swarm}" for peer, swarm in linked.items() if peer not in self._linked)
        yield from (f"lost {swarm}: trying to reach it" for peer, swarm in self._linked.items() if peer not in linked)
        self._linked = linked

    def _new_proposals(self, status: Result) -> Iterator[str]:
        count = (status.get("consensus") or {}).get("open_proposals", 0)
        if count > self._open:
            yield f"open for votes: {count} proposal(s), see `zenmesh proposals`"
        self._open = count

    def _new_state(self, status: Result) -> Iterator[str]:
        state = status["lifecycle"], status["lifecycle_reason"]
        percent = progress_percent(status)
        if state != self._state or (percent // 25 > self._percent // 25 and percent > 0):
            done = f" ({percent} %)" if percent > 0 and status["lifecycle"] != READY else ""
            yield f"{state[0]}: {state[1]}{done}"
        self._state, self._percent = state, percent


def progress_percent(status: Result) -> int:
    """How far the first sync has come; 0 while nobody knows."""
    sync = status["sync"]
    return min(100, 100 * sync["received"] // sync["expected"]) if sync["expected"] else 0


class Lines:
    """Plain lines, until the node is OPERATIONAL."""

    def __init__(self) -> None:
        self._story = Story()

    def tell(self, status: Result) -> float | None:
        for line in self._story.news(status):
            print(clean(line), flush=True)
        return None if status["lifecycle"] == READY else _STARTING_S

    def close(self) -> None:
        return


class Live:
    """The same on a terminal, with a spinner and a progress bar while the node starts; it goes on for life."""

    def __init__(self, console: Console) -> None:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        self._story = Story()
        self._waiting = (SpinnerColumn(), TextColumn("{task.description}", markup=False))
        self._syncing = (*self._waiting, BarColumn())
        self._progress = Progress(*self._waiting, console=console, transient=True)
        self._task = self._progress.add_task("starting", total=None)
        self._progress.start()

    def tell(self, status: Result) -> float | None:
        for line in self._story.news(status):
            self._progress.console.print(clean(line), soft_wrap=True)
        if status["lifecycle"] == READY:
            self._progress.stop()
            return _RUNNING_S
        percent = progress_percent(status)
        self._progress.columns = self._syncing if percent else self._waiting
        what = clean(f"{status['lifecycle']}: {status['lifecycle_reason']}")
        self._progress.update(self._task, description=what, total=100, completed=percent)
        return _STARTING_S

    def close(self) -> None:
        self._progress.stop()


class OneObject:
    """For programs: where the node is to be reached, once it listens."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def tell(self, status: Result) -> float | None:
        if not status["addresses"]:
            return _STARTING_S
        known = {name: status[name] for name in ("swarm", "peer_id", "addresses", "lifecycle")}
        print_json({"home": str(self._home.path), "pid": os.getpid(), **known})
        return None

    def close(self) -> None:
        return


class StartScreen:
    """Shows a node to whoever started it, for the length of a `with` block."""

    def __init__(self, home: Home, view: View | None, *, replaces_log: bool = False) -> None:
        self._home = home
        self._view = view
        self.replaces_log = replaces_log
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="start screen", daemon=True)

    @classmethod
    def fitting(cls, home: Home, *, as_json: bool, log_format: LogFormat | None) -> StartScreen:
        """The screen for what was asked for and where the output goes."""
        if as_json:
            return cls(home, OneObject(home))
        if log_format is not None:
            return cls(home, None)
        return cls(home, Live(rich_console()), replaces_log=True) if on_terminal() else cls(home, Lines())

    def __enter__(self) -> StartScreen:
        if self._view is not None:
            self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        if self._view is not None:
            self._thread.join(_GOODBYE_S)
            self._view.close()

    def _watch(self) -> None:
        assert self._view is not None, "somebody watches"
        pause: float | None = _STARTING_S
        while pause is not None and not self._ended.wait(pause):
            try:
                pause = self._view.tell(client_of(self._home).call("status"))
            except ZenmeshError:
                continue  # not up yet, or going down
            except OSError:
                return  # whoever read this has left
