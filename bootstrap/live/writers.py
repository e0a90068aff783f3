"""Users of a live federation: a thread for each swarm that writes to its memory until told to stop.

Only what was acknowledged counts. A write that was under way when the node was killed may be there or not; its key is
never used again, so nothing has to be said about it.
"""

from __future__ import annotations

import threading

from bootstrap.live.checks import Write
from bootstrap.live.swarm import Swarm
from mesh.api.client import CallFailed
from wire.errors import NotRunning


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
        while not self._done.wait(self._pause_s):
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
