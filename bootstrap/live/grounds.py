"""Where a live federation stands: on a LAN of network namespaces, or, without root, on loopback behind relays.

| ground | partitions | how nodes find each other | needs |
|---|---|---|---|
| `LanGround` | nftables drops the frames | tickets, mDNS, announcements | root, `ip`, `nft` |
| `LoopbackGround` | relays hold the bytes | tickets, announcements | nothing |
"""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Sequence
from typing import Any, Protocol

from bootstrap.live.netns import Lan, missing, sweep
from bootstrap.live.relays import Relays
from bootstrap.live.swarm import Launch, Swarm
from wire.errors import Unavailable


class Ground(Protocol):
    """A network for `count` swarms that can be cut."""

    name: str

    def settle(self, number: int, swarm: Swarm) -> None:
        """Make the home of swarm `number` fit this ground; it was just made."""

    def launch(self, number: int) -> Launch:
        """What starts the node of swarm `number` here."""

    def partition(self, *groups: Sequence[int]) -> None:
        """Cut the ground into groups."""

    def heal(self) -> None:
        """End the partition."""

    def close(self) -> None:
        """Leave nothing behind."""


def make_ground(count: int, *, root: bool | None) -> Ground:
    """Namespaces where they can be had, else loopback; `root` insists on one of them.

    Raises:
        Unavailable: namespaces were insisted on and cannot be had.
    """
    reason = missing() if root is not False else None
    if root and reason is not None:
        raise Unavailable(f"no network namespaces: {reason}")
    if root is False or reason is not None:
        return LoopbackGround(count)
    sweep()
    return LanGround(count)


class LanGround:
    """A namespace per swarm on one bridge."""

    name = "network namespaces"

    def __init__(self, count: int) -> None:
        self._lan = Lan(count)
        self._lan.__enter__()
        self.partition, self.heal, self.close = self._lan.partition, self._lan.heal, self._lan.close

    def settle(self, number: int, swarm: Swarm) -> None:
        """Every namespace has the usual port for itself."""
        swarm.arguments += ("--mdns",)

    def launch(self, number: int) -> Launch:
        """Start it in its namespace."""
        return functools.partial(self._lan.exec, number)


class LoopbackGround:
    """One loopback for all, and a relay before each node."""

    name = "loopback relays"

    def __init__(self, count: int) -> None:
        self._relays = Relays(count)
        self.partition, self.heal, self.close = self._relays.partition, self._relays.heal, self._relays.close

    def settle(self, number: int, swarm: Swarm) -> None:
        """Listen behind the relay, and tell everyone of the relay."""
        config = swarm.path / "config.toml"
        text = config.read_text("utf-8")
        assert "\nannounce = []\n" in text, "a fresh home announces nothing"
        announced = f'\nannounce = ["{self._relays.announce(number)}"]\n'
        config.write_text(text.replace("\nannounce = []\n", announced), "utf-8")
        swarm.arguments += ("--no-mdns", "--listen", self._relays.listen(number))

    def launch(self, number: int) -> Launch:
        """Start it, and let the relays know its process."""

        def start(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
            process: subprocess.Popen[bytes] = subprocess.Popen(command, **options)
            self._relays.pids[number] = process.pid
            return process

        return start
