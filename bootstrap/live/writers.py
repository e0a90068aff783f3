"""Users of a live federation: a thread for each swarm that writes to its memory until told to stop.

Each write goes to the node as `zenmesh memory put` sends it, by the same client, without a process of its own for it.
Writes have their times: one that takes long does not put off those that follow, which are made up for. Only what was
acknowledged counts. A write that was under way when the node was killed may be there or not; its key is never used
again, so nothing has to be said about it.
"""

from __future__ import annotations

import threading
import time

from bootstrap.live.checks import Write
from bootstrap.live.swarm import Swarm
from mesh.api.client import CallFailed
from wire.errors import NotRunning


class Pace:
    """When each of many evenly spaced deeds is due, however long each of them takes."""

    def __init__(self, pause_s: float, begin: float) -> None:
        self._pause_s = pause_s
        self._due = begin

    def next(self, now: float) -> float:
        """Seconds until the next one; none for one that is late."""
        self._due += self._pause_s
        return max(0.0, self._due - now)


class Writer(threading.Thread):
    """Writes numbered keys to the memory of `swarm`, one every `pause_s`; while its node is down it tries on."""

    def __init__(self, swarm: Swarm, pause_s: float) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[Write] = []
        self._swarm = swarm
        self._pause_s = pause_s
        self._done = threading.Event()
        self._grown = threading.Condition()

    def run(self) -> None:
        """Write until `stop`."""
        number = 0
        pace = Pace(self._pause_s, time.monotonic())
        while not self._done.wait(pace.next(time.monotonic())):
            number += 1
            write = Write(
                swarm=self._swarm.name, key=f"live-{number:05}", value={"n": number, "by": self._swarm.name}
            )
            try:
                self._swarm.call("memory/put", key=write.key, value=write.value)
            except (NotRunning, CallFailed):
                continue
            with self._grown:
                self.acknowledged.append(write)
                self._grown.notify_all()

    def wait_for(self, more: int, timeout_s: float) -> bool:
        """Whether `more` writes are acknowledged within the time."""
        with self._grown:
            wanted = len(self.acknowledged) + more
            return self._grown.wait_for(lambda: len(self.acknowledged) >= wanted, timeout_s)

    def stop(self) -> None:
        """Let it finish the write that it is at."""
        self._done.set()
        self.join()
