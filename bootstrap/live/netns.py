"""A LAN of network namespaces on one machine: real kernel networking, real partitions, no traffic on the host.

Every node of the LAN is a namespace whose `eth0` is one end of a veth pair; the other ends are ports of a bridge in
a namespace of their own, so that nothing is added to the host's network and any number of LANs may run at once.
The bridge floods multicast as a plain switch does. A partition is an nftables rule on the bridge: frames between
the groups are dropped in silence, which is what a node sees of a failed switch; links stay up. So it is with loss.

    with Lan(3) as lan:
        process = lan.exec(0, ["python3", "-m", "http.server"])
        lan.partition([0], [1, 2]); lan.heal(); lan.readdress(1)

Needs root and the `ip` and `nft` tools: ask `missing()`, which says what stands in the way.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from bootstrap.live import rules
from bootstrap.live.ways import Way

_SERIAL = itertools.count()
_STOP_S = 3.0
_COMMAND_S = 20.0
_NAMESPACES = Path("/run/netns")
_NAME = r"zm(\d+)x\d+(?:n\d+|sw|rt)"  # of a namespace, with the id of the process that made it

FIRST_SUBNET = 77

# Duplicate address detection would keep IPv6 addresses unusable for a second; router advertisements are not wanted.
_IPV6_SETTINGS = {"accept_dad": 0, "dad_transmits": 0, "accept_ra": 0}


def command(*argv: str, stdin: str = "") -> str:
    """Run it to its end; its output. Raises RuntimeError when it fails."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=_COMMAND_S)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


@functools.cache
def missing() -> str | None:
    """Why no `Lan` can be made here, or None when it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for tool in ("ip", "nft"):
        if shutil.which(tool) is None:
            return f"the command {tool!r} is not installed"
    try:
        with Lan(2) as lan:
            lan.partition([0], [1])
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        return f"no network namespaces here: {error}"
    return None


def sweep(run: int | None = None) -> None:
    """Remove the namespaces of processes that are dead, and of `run`, with all that still runs in them."""
    for file in _NAMESPACES.glob("zm*"):
        maker = re.fullmatch(_NAME, file.name)
        if maker is None or (int(maker[1]) != run and Path("/proc", maker[1]).exists()):
            continue
        with contextlib.suppress(RuntimeError):  # somebody else sweeps too
            for pid in command("ip", "netns", "pids", file.name).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            command("ip", "netns", "del", file.name)


class Lan:
    """`count` namespaces on one bridge, each with an IPv4 address (10.77.0.0/16) and an IPv6 one (fd77::/64).

    The LAN at another `site` has 10.78.0.0/16 and fd78::/64, and so on: `lans` joins several.
    With `ipv4=False` only IPv6 is configured; with `ipv6=False` the kernel's IPv6 is off, link-local included.
    Processes started by `exec` are ended, and everything is removed, on leaving the context.
    """

    def __init__(self, count: int, *, ipv4: bool = True, ipv6: bool = True, site: int = 0) -> None:
        tag = f"zm{os.getpid()}x{next(_SERIAL)}"
        self.count = count
        self._ipv4 = ipv4
        self._ipv6 = ipv6
        self._subnet = FIRST_SUBNET + site
        self.switch = f"{tag}sw"
        self.names = [f"{tag}n{index}" for index in range(count)]
        self._generation = [0] * count
        self._processes: list[subprocess.Popen[Any]] = []

    def __enter__(self) -> Lan:
        try:
            self._build_switch()
            for index in range(self.count):
                self._build_node(index)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _build_switch(self) -> None:
        command("ip", "netns", "add", self.switch)
        bridge = ("type", "bridge", "mcast_snooping", "0", "stp_state", "0", "forward_delay", "0")
        command("ip", "-n", self.switch, "link", "add", "br0", *bridge)
        command("ip", "-n", self.switch, "link", "set", "br0", "up")

    def _build_node(self, index: int) -> None:
        name, port = self.names[index], f"p{index}"
        command("ip", "netns", "add", name)
        peer = ("type", "veth", "peer", "name", "eth0", "netns", name)
        command("ip", "-n", self.switch, "link", "add", port, *peer)
        command("ip", "-n", self.switch, "link", "set", port, "master", "br0", "up")
        settings = _IPV6_SETTINGS if self._ipv6 else {"disable_ipv6": 1}
        lines = [f"echo {value} > /proc/sys/net/ipv6/conf/eth0/{key}" for key, value in settings.items()]
        command("ip", "netns", "exec", name, "sh", "-c", " && ".join(lines))
        command("ip", "-n", name, "link", "set", "lo", "up")
        command("ip", "-n", name, "link", "set", "eth0", "up")
        self._add_addresses(index)

    def _add_addresses(self, index: int) -> None:
        name = self.names[index]
        if self._ipv4:
            command("ip", "-n", name, "addr", "add", f"{self.ipv4(index)}/16", "brd", "+", "dev", "eth0")
            command("ip", "-n", name, "route", "add", "default", "dev", "eth0")
        if self._ipv6:
            command("ip", "-n", name, "addr", "add", f"{self.ipv6(index)}/64", "dev", "eth0", "nodad")

    def ipv4(self, index: int) -> str:
        """The current IPv4 address of node `index`."""
        return f"10.{self._subnet}.{self._generation[index]}.{index + 1}"

    def ipv6(self, index: int) -> str:
        """The current global IPv6 address of node `index`."""
        return f"fd{self._subnet}::{self._generation[index]:x}:{index + 1:x}"

    def argv(self, index: int, argv: Sequence[str]) -> list[str]:
        """`argv` wrapped so that it runs in the namespace of node `index` (under the same pid: `ip` execs it)."""
        return ["ip", "netns", "exec", self.names[index], *argv]

    def exec(self, index: int, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start `argv` in node `index`; `options` are those of `subprocess.Popen`."""
        process = subprocess.Popen(self.argv(index, argv), **options)
        self._processes.append(process)
        return process

    def run(self, index: int, argv: Sequence[str], timeout_s: float = _COMMAND_S) -> subprocess.CompletedProcess[str]:
        """Run `argv` in node `index` to its end, output captured as text."""
        return subprocess.run(self.argv(index, argv), capture_output=True, text=True, timeout=timeout_s)

    def partition(self, *groups: Sequence[int]) -> None:
        """Cut the LAN into `groups`, replacing any earlier partition. A node in no group still reaches all."""
        self._nft(rules.table("bridge", "cut", rules.cut(groups, rules.ports)))

    def worsen(self, pairs: Iterable[tuple[int, int]], way: Way) -> None:
        """Make the ways between pairs of nodes like `way`, replacing what was worse before."""
        self._nft(rules.table("bridge", "worse", rules.worse(pairs, way, rules.ports)))

    def isolate(self, index: int) -> None:
        """Cut node `index` off from all others."""
        self.partition([index], [other for other in range(self.count) if other != index])

    def heal(self) -> None:
        """End the partition, and make every way clear."""
        self._nft(rules.no_table("bridge", "cut") + rules.no_table("bridge", "worse"))

    def readdress(self, index: int) -> None:
        """Give node `index` new addresses in the same subnets; the old ones stop working at once."""
        self._generation[index] += 1
        command("ip", "-n", self.names[index], "addr", "flush", "dev", "eth0", "scope", "global")
        self._add_addresses(index)

    def _nft(self, script: str) -> None:
        command("ip", "netns", "exec", self.switch, "nft", "-f", "-", stdin=script)

    def close(self) -> None:
        """End the processes (SIGTERM, then SIGKILL) and remove the namespaces; safe to call twice."""
        for process in self._processes:
            if process.poll() is None:
                process.terminate()
        for process in self._processes:
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()
        for name in [*self.names, self.switch]:
            if Path(_NAMESPACES, name).exists():
                with contextlib.suppress(RuntimeError):
                    command("ip", "netns", "del", name)
