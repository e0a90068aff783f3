"""Who cleans up when the run itself is killed: a process that waits for the end of a pipe that only the run holds.

SIGINT and SIGTERM end a run in order, but nothing can be done in order after `kill -9`. The kernel closes the pipe
then; the keeper, in a session of its own, reads its end and ends every process that has to do with the run's
directory, its namespaces and the directory itself. A run that ends in order says so first, and nothing is done.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bootstrap.live.netns import sweep

_DONE = b"done"


@contextlib.contextmanager
def kept_clean(directory: Path, *, keep: bool) -> Iterator[None]:
    """Should this process die inside of the block, nothing of its run is left; with `keep` only the directory is."""
    command = [sys.executable, "-m", __name__, str(directory), str(os.getpid()), "keep" if keep else "remove"]
    keeper = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield
    finally:
        with contextlib.suppress(BrokenPipeError):
            keeper.communicate(_DONE)


def clean_up(directory: Path, run: int, *, keep: bool) -> None:
    """End and remove everything that a run left, which was the process `run`."""
    while left := _concerned(directory):
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    sweep(run)
    if not keep:
        shutil.rmtree(directory, ignore_errors=True)


def _concerned(directory: Path) -> list[int]:
    """The processes of this user whose command lines name the directory, but for this one."""
    found = []
    name = str(directory).encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            ours = folder.stat().st_uid == os.geteuid() and int(folder.name) != os.getpid()
            if ours and name in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def main() -> None:
    """Wait for the end of standard input, and clean up unless told that all is done."""
    directory, run, what = sys.argv[1:]
    if sys.stdin.buffer.read() != _DONE:
        clean_up(Path(directory), int(run), keep=what == "keep")


if __name__ == "__main__":
    main()
