"""A queen with a backup is killed, in real processes and by the commands that people type."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.protocol.commands import FailureKind
from tests.support.commands import conforms
from tests.support.processes import Federation, Home

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]


def state_of(home: Home, swarm: str) -> tuple[str, int, str]:
    """(state, term, peer id) of a member, as this node sees it."""
    rows = {row["swarm"]: row for row in home.call("members")["members"]}
    return rows[swarm]["state"], rows[swarm]["term"], rows[swarm]["peer_id"]


def backup_of(federation: Federation, queen: Home, name: str) -> tuple[Home, str]:
    """(the running home of a backup that its queen has named, its peer id)."""
    home = federation.home(name)
    made = home.cli("init", "--swarm", queen.name, "--project", "demo", "--backup-of", queen.invite()).json
    conforms(made, "init")
    home.run()
    root = queen.directory / "keys" / "root.key"
    offline = queen.directory.with_name(f"{queen.name}.root")
    root.rename(offline)
    assert queen.cli("backup", "add", made["request"], check=False).code != 0, "the root key is away"
    named = queen.cli("backup", "add", made["request"], "--root-key", str(offline)).json
    conforms(named, "backup-add")
    assert [one["peer_id"] for one in named["backups"]] == [made["peer_id"]]
    conforms(queen.cli("backup", "list").json, "backup-list")
    home.wait_ready()
    return home, made["peer_id"]


def test_a_backup_takes_over_and_the_old_queen_comes_back_behind_it(tmp_path: Path) -> None:
    with Federation(tmp_path) as federation:
        alpha, beta, gamma = federation.govern("alpha", "beta", "gamma", default="approve")
        spare, peer = backup_of(federation, gamma, "spare")
        gamma.put("plan", "a")
        spare.wait_for("plan", {"gamma": "a"})
        refusal = spare.cli("memory", "put", "plan", '"b"', check=False)
        assert refusal.code == int(FailureKind.REJECTED)
        assert "NotLeader" in refusal.json["error"]["message"]
        assert spare.status()["role"] == "backup"

        gamma.kill()
        for home in (alpha, beta, spare):
            home.wait_until(
                lambda _, home=home: state_of(home, "gamma") == ("ACTIVE", 2, peer), "the backup to be ACTIVE", 60
            )
        spare.wait_until(lambda status: status["role"] == "queen" and not status["read_only"], "the backup to sign")
        spare.put("plan", "c")
        alpha.wait_for("plan", {"gamma": "c"})

        gamma.run()
        status = gamma.wait_until(lambda status: status["role"] == "backup", "the old queen to be a backup")
        assert "a backup took over" in status["read_only"]
        gamma.wait_for("plan", {"gamma": "c"})
        assert gamma.status()["lifecycle"] == "RECOVERING"
        assert gamma.cli("memory", "put", "plan", '"d"', check=False).code == int(FailureKind.REJECTED)
        offline = str(gamma.directory.with_name("gamma.root"))
        removed = spare.cli("backup", "remove", gamma.status()["peer_id"], "--root-key", offline).json
        conforms(removed, "backup-remove")
        assert removed["backups"] == []
        spare.stop()
        spare.run()
        spare.wait_until(lambda status: status["role"] == "queen" and not status["read_only"], "queen as before")
