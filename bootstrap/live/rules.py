"""Rules of nftables for what befalls the ways of a LAN, as text: pure, and so easy to look at.

A node is told by the bridge's port before it where frames are switched, and by its addresses where they are routed.
A table is replaced as a whole, in one transaction; what is not ruled passes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

from bootstrap.live.ways import Way

BURST = 1 << 14  # bytes that a narrow way takes at once; TCP finds out what size gets through
_MILLION = 1_000_000

Match = Callable[[int, int], Iterable[str]]  # what tells a frame from one node to another, in each family


def table(family: str, name: str, rules: Iterable[str]) -> str:
    """The script that makes a table with these rules, instead of the one of that name."""
    chain = "\n".join(["type filter hook forward priority 0; policy accept;", *rules])
    return f"{no_table(family, name)}table {family} {name} {{\nchain f {{\n{chain}\n}}\n}}\n"


def no_table(family: str, name: str) -> str:
    """The script that removes a table, which need not be there."""
    return f"table {family} {name}\ndelete table {family} {name}\n"


def ports(one: int, other: int) -> list[str]:
    """Frames from one port of a bridge to another."""
    return [f'iifname "p{one}" oifname "p{other}"']


def cut(groups: Sequence[Sequence[int]], match: Match) -> Iterator[str]:
    """Drops everything between different groups."""
    for ones, others in itertools.permutations(groups, 2):
        for one, other in itertools.product(ones, others):
            yield from (f"{frames} drop" for frames in match(one, other))


def worse(pairs: Iterable[tuple[int, int]], way: Way, match: Match) -> Iterator[str]:
    """Makes each direction of the ways between pairs like `way`."""
    for one, other in pairs:
        for frames in [*match(one, other), *match(other, one)]:
            if way.loss:
                yield f"{frames} numgen random mod {_MILLION} <= {round(way.loss * _MILLION) - 1} drop"
            if way.bytes_per_s:
                yield f"{frames} limit rate over {way.bytes_per_s} bytes/second burst {BURST} bytes drop"
