"""Several LANs on one machine, joined by a router: what is multicast stays in its LAN, everything else gets across.

    with Lans(((0, 1), (2, 3, 4))) as lans:  # two LANs, with nodes 0 and 1 on the first
        process = lans.exec(3, ["python3", "-m", "http.server"])
        lans.partition([0, 1], [2, 3, 4])  # the uplink of a LAN is cut

The router is a namespace with a port on the switch of each LAN; it forwards IPv4 and IPv6 and routes no multicast, as
home and office routers do. What befalls ways across LANs are rules on the router about addresses, what befalls ways
within one are rules on its switch about ports. One LAN alone has no router.
"""

from __future__ import annotations

import contextlib
import itertools
import subprocess
from collections.abc import Collection, Sequence
from typing import Any

from bootstrap.live import rules
from bootstrap.live.netns import FIRST_SUBNET, Lan, command
from bootstrap.live.ways import Way

# Duplicate address detection would keep the router from asking for IPv6 neighbours for a second.
_SETTINGS = {"ipv4/ip_forward": 1, "ipv6/conf/all/forwarding": 1, "ipv6/conf/default/accept_dad": 0}
_FAMILIES = ("ip", "ip6")  # as nftables calls them


class Lans:
    """A LAN for each group of node numbers; all have IPv4 and IPv6. Used as a context, or ended by `close`."""

    def __init__(self, groups: Sequence[Sequence[int]]) -> None:
        self._lans = [Lan(len(group), site=site) for site, group in enumerate(groups)]
        self._places = {node: (site, index) for site, group in enumerate(groups) for index, node in enumerate(group)}
        self._router = self._lans[0].switch.removesuffix("sw") + "rt"
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Lans:
        with self._stack:  # should anything fail, what is built is removed
            for lan in self._lans:
                self._stack.enter_context(lan)
            if len(self._lans) > 1:
                self._build_router()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End what was started in them, and remove them; safe to call twice."""
        self._stack.close()

    def _build_router(self) -> None:
        command("ip", "netns", "add", self._router)
        self._stack.callback(command, "ip", "netns", "del", self._router)
        settings = " && ".join(f"echo {value} > /proc/sys/net/{key}" for key, value in _SETTINGS.items())
        command("ip", "netns", "exec", self._router, "sh", "-c", settings)
        for site, lan in enumerate(self._lans):
            port, subnet = f"lan{site}", FIRST_SUBNET + site
            peer = ("type", "veth", "peer", "name", port, "netns", self._router)
            command("ip", "-n", lan.switch, "link", "add", "uplink", *peer)
            command("ip", "-n", lan.switch, "link", "set", "uplink", "master", "br0", "up")
            command("ip", "-n", self._router, "addr", "add", f"10.{subnet}.255.254/16", "dev", port)
            command("ip", "-n", self._router, "addr", "add", f"fd{subnet}::ffff/64", "dev", port, "nodad")
            command("ip", "-n", self._router, "link", "set", port, "up")
            for name in lan.names:
                command("ip", "-n", name, "route", "replace", "default", "via", f"10.{subnet}.255.254")
                command("ip", "-n", name, "-6", "route", "replace", "default", "via", f"fd{subnet}::ffff")

    def addresses(self, node: int) -> tuple[str, str]:
        """Of a node, the IPv4 and the IPv6 one."""
        site, index = self._places[node]
        return self._lans[site].ipv4(index), self._lans[site].ipv6(index)

    def exec(self, node: int, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start `argv` in the namespace of a node; `options` are those of `subprocess.Popen`."""
        site, index = self._places[node]
        return self._lans[site].exec(index, argv, **options)

    def partition(self, *groups: Sequence[int]) -> None:
        """Cut the nodes into groups, replacing any earlier partition. A node in no group still reaches all."""
        for site, lan in enumerate(self._lans):
            lan.partition(*([self._places[node][1] for node in group if self._at(node, site)] for group in groups))
        self._route(rules.table("inet", "cut", rules.cut(groups, self._hops)))

    def worsen(self, nodes: Collection[int], way: Way) -> None:
        """Make all ways from and to these nodes like `way`, replacing what was worse before."""
        pairs = [pair for pair in itertools.combinations(self._places, 2) if set(pair) & set(nodes)]
        for site, lan in enumerate(self._lans):
            here = [pair for pair in pairs if all(self._at(node, site) for node in pair)]
            lan.worsen([(self._places[one][1], self._places[other][1]) for one, other in here], way)
        self._route(rules.table("inet", "worse", rules.worse(pairs, way, self._hops)))

    def heal(self) -> None:
        """End the partition, and make every way clear."""
        for lan in self._lans:
            lan.heal()
        self._route(rules.no_table("inet", "cut") + rules.no_table("inet", "worse"))

    def _at(self, node: int, site: int) -> bool:
        return self._places[node][0] == site

    def _hops(self, one: int, other: int) -> list[str]:
        """What tells packets from one node to another on the router: nothing goes there within a LAN."""
        if self._places[one][0] == self._places[other][0]:
            return []
        ends = zip(_FAMILIES, self.addresses(one), self.addresses(other), strict=True)
        return [f"{family} saddr {source} {family} daddr {target}" for family, source, target in ends]

    def _route(self, script: str) -> None:
        if len(self._lans) > 1:
            command("ip", "netns", "exec", self._router, "nft", "-f", "-", stdin=script)
