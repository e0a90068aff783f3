"""Real nodes against a hostile process: whatever it does, it is counted under its name, and honest writes go on.

Three honest nodes stand for all rows. Each row starts one attacker against the first of them: a stranger, or a member
whose keys are in the wrong hands. Meanwhile the honest ones write and read. Then the victim is asked what it counted.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import pytest

from tests.support.hostile_peer import ATTACKS
from tests.support.processes import Federation, Home, patiently

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]

MAX_RSS = 192 * 1024 * 1024  # bytes of a node under attack; idle it has about 70 MB
PATIENCE_S = 60.0
BAN = "node_bans_total"
MANY_GUESTS = ("--action", "set_parameter", "--details", '{"name": "max_unvouched_per_inviter", "value": 1000}')


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the victim must count. A `member` attacks with a member's keys, and its score must show it."""

    counts: tuple[str, ...]
    member: bool = False
    scored: bool = True


def offences(*names: str) -> tuple[str, ...]:
    return tuple(f"offences_{name}_total" for name in names)


MALFORMED_COUNTS = ("network_gossip_malformed_total", "network_streams_failed_total")

CASES: dict[str, Case] = {
    "garbage": Case(counts=(*offences("decode"), BAN)),
    "truncated": Case(counts=("network_frames_cut_short_total",)),
    "oversized": Case(counts=(*offences("oversize"), BAN)),
    "zstd-bomb": Case(counts=(*offences("oversize"), BAN), member=True),
    "cbor-bomb": Case(counts=(*offences("decode"), BAN), member=True),
    "wrong-federation": Case(counts=(*offences("federation"), BAN), member=True),
    "forged": Case(counts=(*offences("signature"), BAN), member=True),
    "forged-gossip": Case(counts=(*offences("signature"), BAN, "node_gossip_of_banned_total"), member=True),
    "lies-in-hello": Case(counts=offences("protocol"), member=True),
    "replay": Case(counts=(*offences("replay"), BAN), member=True),
    "fork": Case(counts=(*offences("fork"), BAN, "node_forks_found_total"), member=True),
    "early": Case(counts=(*offences("future_clock"), "node_batches_early_total"), member=True),
    "slow-loris": Case(counts=offences("slow"), member=True),
    "silence": Case(counts=("node_strangers_timed_out_total",)),
    "flood": Case(counts=(*offences("flood"), BAN), member=True),
    "gossip-flood": Case(counts=(*offences("flood"), "network_dropped_gossip_total"), member=True),
    "stranger-flood": Case(counts=offences("flood")),
    "streams": Case(counts=("network_streams_refused_total",)),
    "connections": Case(counts=("network_connections_refused_total", "network_strangers_refused_total")),
    "malformed": Case(counts=MALFORMED_COUNTS, member=True, scored=False),
}


@dataclass(slots=True)
class Meadow:
    """The honest nodes; the first is attacked."""

    homes: list[Home]
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def victim(self) -> Home:
        return self.homes[0]

    @contextmanager
    def attacked(self, attack: str, *, member: bool) -> Iterator[str]:
        """The attack goes on inside of the block; the attacker's first peer id."""
        command = [sys.executable, "-m", "tests.support.hostile_peer", attack, self.victim.addresses()[0]]
        command += [self.victim.invite()] if member else []
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                peer = process.stdout.readline().strip()
                assert peer, "the attacker came in"
                yield peer
            finally:
                process.kill()

    def write_and_read(self) -> None:
        """Each writes something new, which the others read."""
        number = next(self._numbers)
        for writer in self.homes:
            writer.put("news", [writer.name, number])
        for reader in self.homes:
            reader.wait_for("news", {writer.name: [writer.name, number] for writer in self.homes}, PATIENCE_S)

    def wait_counted(self, before: dict[str, float], names: tuple[str, ...]) -> None:
        """Until the victim has counted all of `names`; the honest write on meanwhile."""
        for _ in patiently(PATIENCE_S):
            self.write_and_read()
            now = self.victim.metrics()
            missing = [name for name in names if now.get(name, 0) <= before.get(name, 0)]
            if not missing:
                return
        raise AssertionError(f"not counted: {missing}; counted: {grown(before, now)}\n{self.victim.log()}")


def grown(before: dict[str, float], now: dict[str, float]) -> dict[str, float]:
    return {name: value - before.get(name, 0) for name, value in now.items() if value > before.get(name, 0)}


@pytest.fixture(scope="module")
def meadow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Meadow]:
    with Federation(tmp_path_factory.mktemp("meadow")) as federation:
        homes = federation.govern("alpha", "beta", "gamma", default="approve")
        homes[0].cli("propose", "FEDERATION_POLICY", *MANY_GUESTS, "--wait")
        yield Meadow(homes)


def test_every_attack_has_its_row() -> None:
    assert list(CASES) == list(ATTACKS)


@pytest.mark.parametrize("attack", CASES)
def test_honest_writes_go_on(meadow: Meadow, attack: str) -> None:
    case = CASES[attack]
    before = meadow.victim.metrics()
    with meadow.attacked(attack, member=case.member) as peer:
        meadow.wait_counted(before, case.counts)
        if case.member and case.scored:
            [row] = [row for row in meadow.victim.call("peers")["peers"] if row["peer_id"] == peer]
            assert row["score"] < 0
    meadow.write_and_read()
    for home in meadow.homes:
        assert home.process is not None
        assert home.process.poll() is None, home.log()
        assert home.metrics()["process_resident_memory_bytes"] < MAX_RSS
