"""Crash points with real processes, one for each row of the write-ahead table: a queen dies there by SIGKILL.

Four real nodes decide and write. At each point the first of them that comes by ends itself: with a record written
and not synced yet, or with it durable and nothing sent that rests on it (`tests.support.doomed`). The others decide
on, it starts again and votes with them, nobody says two things, and what was acknowledged is in every log.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.support.doomed import Doom, Moment
from tests.support.polls import PATIENCE_S, Polls
from tests.support.processes import Federation, Home, Status, agree, patiently
from tests.support.write_ahead import ROWS
from wire.errors import ZenmeshError

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]

NAMES = ("alpha", "beta", "gamma", "delta")
SILENT = ("VIEW_CHANGE", "NEW_VIEW")  # the leader hangs, so that it comes to these


class Realm:
    """Four nodes that may die, and what they decided so far."""

    def __init__(self, federation: Federation, doom: Doom) -> None:
        self.doom = doom
        self.polls = Polls()
        self.homes = federation.govern(*NAMES, default="approve")
        self.ports = {home.name: home.addresses()[0].split("/p2p/")[0] for home in self.homes}

    def start(self, home: Home) -> None:
        home.run(listen=[self.ports[home.name]])

    def leader(self) -> Home:
        name = self.homes[0].status()["consensus"]["leader"]
        return next(home for home in self.homes if home.name == name)

    @contextmanager
    def silent(self, row: str) -> Iterator[Home | None]:
        """The leader hangs, if it takes that."""
        who = self.leader() if row in SILENT else None
        if who is not None:
            who.pause()
        try:
            yield who
        finally:
            if who is not None:
                who.resume()

    def victim(self) -> Home | None:
        """Who has died."""
        return next((home for home in self.homes if home.process and home.process.poll() is not None), None)

    def strike(self, row: str, moment: Moment) -> None:
        """Somebody dies there, and starts again."""
        with self.silent(row) as hangs:
            self.doom.strike(row, moment)
            asked = next(home for home in self.homes if home is not hangs)
            number = len(self.polls.acknowledged)
            asking = threading.Thread(target=self.polls.ask, args=(asked, number))
            asking.start()
            self._wait_for_death(row)
        victim = self.victim()
        assert victim is not None, f"nobody came by: {row}"
        assert victim.process is not None
        assert victim.process.returncode == -signal.SIGKILL, victim.log()
        assert not self.doom.pending
        self.polls.read(victim)
        self.start(victim)
        asking.join(PATIENCE_S)
        assert len(self.polls.acknowledged) == number + 1, f"nobody decided\n{asked.log()}"

    def _wait_for_death(self, row: str) -> None:
        """Until somebody has died."""
        for _ in patiently(PATIENCE_S):
            if self.victim() is not None:
                return
            if row == "BATCH":
                with suppress(ZenmeshError, OSError):  # whoever is asked may be the one
                    self.homes[0].put("plan", row)
            elif row == "refutation":
                self._accuse_one()

    def _accuse_one(self) -> None:
        """One that neither leads nor is asked hangs until it is accused, and goes on while its links still stand."""
        witness, *others = self.homes
        leads = self.leader()
        hangs = next(home for home in others if home is not leads)
        hangs.pause()
        witness.wait_until(lambda status: _accused(status, hangs), "an accusation", PATIENCE_S)
        hangs.resume()
        witness.wait_until(
            lambda status: self.victim() or not _accused(status, hangs), "its death, or its answer", PATIENCE_S
        )


def _all_in_reach(status: Status) -> bool:
    return bool(status["lifecycle"] == "OPERATIONAL" and status["quorum"]["weight"] == len(NAMES))


def _accused(status: Status, home: Home) -> bool:
    return any(row["health"]["accused_by"] for row in status["members"] if row["swarm"] == home.name)


@pytest.fixture(scope="module")
def realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    directory = tmp_path_factory.mktemp("crashed")
    doom = Doom(directory / "doom")
    with Federation(directory, doom.launch) as federation:
        yield Realm(federation, doom)


@pytest.mark.parametrize("row", ROWS)
def test_a_queen_dies_there_and_all_go_on(row: str, realm: Realm) -> None:
    for moment in Moment:
        realm.strike(row, moment)
        for home in realm.homes:
            home.wait_until(_all_in_reach, "all four in reach", PATIENCE_S)
    agree(realm.homes, PATIENCE_S)
    for home in realm.homes:
        realm.polls.check(home)
    assert {one["status"] for one in realm.polls.acknowledged} == {"APPROVED"}
