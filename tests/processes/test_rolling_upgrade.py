"""Four nodes are upgraded one by one while all are written to: nothing is lost, and every stage can decide."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest

from bootstrap.live.swarm import Swarm
from bootstrap.live.writers import Writer
from tests.support.earlier import Earlier, build
from tests.support.processes import Federation, Home, Status, agree, all_vote

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes"), pytest.mark.history]

NAMES = ("alpha", "beta", "gamma", "delta")
PAUSE_S = 0.25  # between two writes of one swarm
MORE = 4  # writes that each swarm gets through in every stage


def found(federation: Federation, earlier: Earlier) -> list[Home]:
    """Four homes and nodes of the earlier version, in one federation whose queens approve of everything."""
    homes = [federation.home(name, earlier.launch) for name in NAMES]
    alpha = homes[0]
    for home in homes:
        earlier.zenmesh("init", "--home", str(home.directory), "--swarm", home.name, "--project", "demo")
        config = home.directory / "config.toml"
        said = config.read_text().replace("govern = false", "govern = true").replace('"ask"', '"approve"')
        config.write_text(said)
        assert tomllib.loads(said)["voting"]["default"] == "approve"
    earlier.zenmesh("federation", "create", "--home", str(alpha.directory), "--name", "test")
    alpha.run().wait_ready()
    for home in homes[1:]:
        earlier.zenmesh("join", alpha.invite(), "--home", str(home.directory))
        home.run()
    for home in homes:
        home.wait_until(all_vote, "all members with a vote")
        home.wait_until(lambda status: len(status["members"]) == len(NAMES), "four members")
    return homes


def takes_part(status: Status) -> bool:
    return all_vote(status) and status["quorum"]["state"] == "QUORATE"


def decide(home: Home, target: str) -> str:
    """A decision that is asked for at this node; its id."""
    details = {"kind": "task", "target": target, "priority": "high"}
    asked = {"subject": "PRIORITY_CHANGE", "action": "set_priority", "details": details, "deadline_s": 60}
    proposal = str(home.call("propose", asked)["proposal"])
    home.wait_until(lambda _: proposal in decided(home), f"the decision about {target}")
    return proposal


def decided(home: Home) -> list[str]:
    return [row["proposal"] for row in home.call("decisions")["decisions"] if row["status"] == "APPROVED"]


def test_four_nodes_are_upgraded_one_by_one_under_writes(tmp_path: Path) -> None:
    earlier = build(tmp_path / "earlier")
    with Federation(tmp_path) as federation:
        homes = found(federation, earlier)
        writers = [Writer(Swarm(home.name, home.directory), PAUSE_S) for home in homes]
        for writer in writers:
            writer.start()
        decisions = [decide(homes[-1], "before")]
        for number, home in enumerate(homes):
            listen = [address.split("/p2p/")[0] for address in home.addresses()]
            assert home.stop() == 0
            while_away = homes[(number + 1) % len(homes)]
            decisions.append(decide(while_away, f"while {home.name} is away"))
            home.launch = subprocess.Popen
            home.run(listen=listen)
            home.wait_until(takes_part, f"{home.name} to vote again, upgraded", 40.0)
            decisions.append(decide(home, f"{home.name} is upgraded"))
            assert all(writer.wait_for(MORE, 40.0) for writer in writers)
        for writer in writers:
            writer.stop()
        agree(homes, 40.0)
        written = {(write.key, write.swarm): write.value for writer in writers for write in writer.acknowledged}
        assert len(written) >= MORE * len(homes) * len(NAMES)
        for home in homes:
            held = {key: home.get(key) for key in {key for key, _ in written}}
            assert {(key, swarm): held[key].get(swarm) for key, swarm in written} == written
            assert [one for one in decisions if one not in decided(home)] == []
