"""The JavaScript peer as a process: installed once, spoken to in JSON lines.

    with JsPeer(program, home) as peer:
        peer.tell({"do": "join", "ticket": ticket})
        peer.wait_for("join", lambda event: event["status"] == "ACCEPTED")

`install` puts the npm packages where pytest keeps its cache, one directory per lock file, so they are fetched once
and never lie in the source tree. JavaScript looks for packages beside the file that asks for them: so a run works on
a copy of the sources with a link to the packages beside it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

SOURCES = Path(__file__).parent / "js_peer"

_INSTALL_S = 300.0
_WAIT_S = 30.0
_STOP_S = 10.0
_SHOWN = 30

Event = dict[str, Any]
Launch = Callable[..., "subprocess.Popen[Any]"]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Only one process at a time (xdist's workers are several)."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch_packages(directory: Path) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(SOURCES / name, directory)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=_INSTALL_S)
    except subprocess.TimeoutExpired:
        pytest.fail(f"npm did not fetch the JavaScript peer's packages within {_INSTALL_S:.0f} s", pytrace=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout)[-2000:]
        pytest.fail(
            f"npm could not fetch the JavaScript peer's packages: is its registry reachable?\n{said}", pytrace=False
        )


def install(config: pytest.Config, directory: Path) -> Path:
    """The program in `directory`, ready to run."""
    digest = hashlib.sha256((SOURCES / "package-lock.json").read_bytes()).hexdigest()[:16]
    packages = Path(config.cache.mkdir(f"js_peer-{digest}"))  # type: ignore[union-attr]
    with _locked(packages / "lock"):
        if not (packages / "complete").exists():
            _fetch_packages(packages)
            (packages / "complete").touch()
    for source in [*SOURCES.glob("*.js"), SOURCES / "package.json"]:
        shutil.copy(source, directory)
    (directory / "node_modules").symlink_to(packages / "node_modules")
    return directory


class JsPeer:
    """One peer process; `launch` replaces Popen (network namespaces). It ends with the context."""

    def __init__(
        self,
        program: Path,
        home: Path,
        *,
        listen: Sequence[str] = ("/ip4/127.0.0.1/tcp/0",),
        mdns: bool = False,
        launch: Launch = subprocess.Popen,
    ) -> None:
        self.events: list[Event] = []
        self._heard = threading.Condition()
        self._errors = home.with_name(f"{home.name}.err")
        with self._errors.open("ab") as errors:
            self._process = launch(
                ["node", str(program / "main.js")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.tell({"home": str(home), "name": home.name, "project": "js", "listen": list(listen), "mdns": mdns})

    def __enter__(self) -> JsPeer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        for line in self._process.stdout:
            with self._heard:
                self.events.append(json.loads(line))
                self._heard.notify_all()
        with self._heard:
            self._heard.notify_all()

    def tell(self, command: Event) -> None:
        """Write one line to it."""
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def wait_for(
        self,
        name: str,
        fits: Callable[[Event], object] = lambda _: True,
        *,
        after: int = 0,
        timeout_s: float = _WAIT_S,
    ) -> Event:
        """The first event of this name, from number `after` on, that fits; an AssertionError if none comes."""

        def found() -> Event | None:
            return next((event for event in self.events[after:] if event["event"] == name and fits(event)), None)

        with self._heard:
            event = self._heard.wait_for(lambda: found() or self._process.poll() is not None, timeout_s) and found()
        assert event, f"the JavaScript peer never said {name!r} that fits\n{self._said()}"
        return event

    def do(self, command: Event, answer: str = "done") -> Event:
        """Give a command, and wait for its end, or for the event that answers it."""
        before = len(self.events)
        self.tell(command)
        self.wait_for("done", lambda event: event["do"] == command["do"], after=before)
        return self.wait_for(answer, after=before)

    def _said(self) -> str:
        events = "\n".join(json.dumps(event)[:400] for event in self.events[-_SHOWN:])
        errors = self._errors.read_text(errors="replace")[-_SHOWN * 100 :]
        return f"--- its last events ---\n{events}\n--- its errors ---\n{errors}"
