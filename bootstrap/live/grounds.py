"""Where a live federation stands: on LANs of network namespaces, or, without root, on loopback behind relays.

| ground | cuts, loss and narrow ways | delay | how nodes find each other | needs |
|---|---|---|---|---|
| `LanGround` | nftables drops the frames | none | tickets, mDNS, announcements | root, `ip`, `nft` |
| `LoopbackGround` | relays hold the bytes, or reset connections | relays | tickets, announcements | nothing |
"""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Collection, Sequence
from typing import Any, Protocol

from bootstrap.live.lans import Lans
from bootstrap.live.netns import missing, sweep
from bootstrap.live.relays import Relays
from bootstrap.live.swarm import Launch, Swarm
from bootstrap.live.ways import Way
from wire.errors import Unavailable, UsageError


class Ground(Protocol):
    """A network for swarms, by number, that can be cut and made worse."""

    name: str

    def lacks(self, way: Way) -> str:
        """Why ways cannot be like that here; empty when they can."""

    def settle(self, number: int, swarm: Swarm) -> None:
        """Make the home of swarm `number` fit this ground; it was just made."""

    def launch(self, number: int) -> Launch:
        """What starts the node of swarm `number` here."""

    def partition(self, *groups: Sequence[int]) -> None:
        """Cut the ground into groups."""

    def worsen(self, nodes: Collection[int], way: Way) -> None:
        """Make all ways from and to these swarms like `way`, replacing what was worse before."""

    def heal(self) -> None:
        """End the partition, and make every way clear."""

    def close(self) -> None:
        """Leave nothing behind."""


def make_ground(count: int, *, root: bool | None, lans: Sequence[Sequence[int]] = ()) -> Ground:
    """Namespaces where they can be had, else loopback; `root` insists on one of them.

    Raises:
        Unavailable: namespaces were insisted on and cannot be had.
        UsageError: there have to be several `lans`, and there are no namespaces for them.
    """
    reason = "--no-root was given" if root is False else missing()
    if lans and reason is not None:
        raise UsageError(
            f"several LANs need network namespaces, as loopback has only itself, and there are none: {reason}; "
            f"run it as root, with the commands ip and nft installed and without --no-root"
        )
    if root and reason is not None:
        raise Unavailable(f"no network namespaces: {reason}")
    if reason is not None:
        return LoopbackGround(count)
    sweep()
    return LanGround(lans or [range(count)])


class LanGround:
    """A namespace per swarm, on one LAN or on several that a router joins."""

    name = "network namespaces"

    def __init__(self, lans: Sequence[Sequence[int]]) -> None:
        self._lans = Lans(lans)
        self._lans.__enter__()
        self.partition, self.worsen, self.heal = self._lans.partition, self._lans.worsen, self._lans.heal
        self.close = self._lans.close

    def lacks(self, way: Way) -> str:
        """Frames are dropped or let go."""
        return "nothing there delays frames (use --no-root)" if way.delay_ms or way.jitter_ms else ""

    def settle(self, number: int, swarm: Swarm) -> None:
        """Every namespace has the usual port for itself."""
        swarm.arguments += ("--mdns",)

    def launch(self, number: int) -> Launch:
        """Start it in its namespace."""
        return functools.partial(self._lans.exec, number)


class LoopbackGround:
    """One loopback for all, and a relay before each node."""

    name = "loopback relays"

    def __init__(self, count: int) -> None:
        self._relays = Relays(count)
        self.partition, self.worsen, self.heal = self._relays.partition, self._relays.worsen, self._relays.heal
        self.close = self._relays.close

    def lacks(self, way: Way) -> str:
        """Relays can do all."""
        return ""

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
