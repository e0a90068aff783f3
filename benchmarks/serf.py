"""serf beside us: real agents on this machine (SWIM with Lifeguard), and how soon they know that one was killed."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.processes import free_port, patiently

START_S = 60.0


def missing() -> str:
    """Why it cannot be measured here; empty when it can."""
    return "" if shutil.which("serf") else "serf is not installed (Debian: serf)"


class Agent:
    """One agent, with serf's own settings for a LAN."""

    def __init__(self, name: str, log: Path, join: Agent | None) -> None:
        self.name = name
        self.bind, self.rpc = (f"127.0.0.1:{free_port()}" for _ in range(2))
        options = [f"-node={name}", f"-bind={self.bind}", f"-rpc-addr={self.rpc}"]
        if join is not None:
            options.append(f"-join={join.bind}")
        with log.open("ab") as out:
            self.process = subprocess.Popen(["serf", "agent", *options], stdout=out, stderr=out)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def sees(self) -> dict[str, str]:
        """Members by name, with their status; empty while the agent does not answer."""
        asked = ["serf", "members", f"-rpc-addr={self.rpc}", "-format=json"]
        ran = subprocess.run(asked, capture_output=True, text=True)
        return (
            {row["name"]: row["status"] for row in json.loads(ran.stdout)["members"]} if ran.returncode == 0 else {}
        )


@contextlib.contextmanager
def agents(directory: Path, count: int) -> Iterator[list[Agent]]:
    """Agents that all know each other."""
    group: list[Agent] = []
    try:
        for number in range(count):
            group.append(Agent(f"s{number}", directory / f"s{number}.log", group[0] if group else None))
            _wait(group[-1], 1)
        for agent in group:
            _wait(agent, count)
        yield group
    finally:
        for agent in group:
            agent.kill()


def _wait(agent: Agent, count: int) -> None:
    for _ in patiently(START_S):
        if sum(status == "alive" for status in agent.sees().values()) >= count:
            return
    raise AssertionError(f"{agent.name} does not see {count} members alive within {START_S:g} s")
