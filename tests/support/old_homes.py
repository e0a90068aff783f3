"""Three homes of one federation that an older version made, before queens could decide: what upgrades are tried on.

    alpha, beta, gamma = unpack(directory)      # stopped, as they were left; `expected()` says what is in them
    alpha, beta, gamma = unpack(directory, days=400)       # their nodes' clocks show that many days after

`elders/homes.tar.gz` holds them, with all their keys: **they are for tests only, and known to everybody.**
They came out of the code of `COMMIT`, the last one without consensus, by `python -m tests.support.old_homes`, which
needs the history of the repository and makes others each time. Their clock stood at the beginning of 2025, and so it
does, a day later, in the nodes that the tests run on them: a certificate is good for a year. What happened to them:

- alpha founded the federation `elders`, and let beta and gamma in;
- all wrote, gamma removed something again;
- beta began a second term, and wrote in that, too;
- gamma, whose journal has the least size, wrote until its state was in snapshots, was killed, and started again.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.processes import Federation, Home, agree

COMMIT = "9f93632"
NAMES = ("alpha", "beta", "gamma")
WRITTEN = {
    "plan": {"alpha": {"goal": "ship"}},
    "note": {"alpha": "by alpha", "beta": "by beta, again", "gamma": "by gamma"},
    "first": {"beta": "in term 1"},
    "gone": {},
}

_PLACE = Path(__file__).resolve().with_name("elders")
_ARCHIVE, _EXPECTED = _PLACE / "homes.tar.gz", _PLACE / "expected.json"
_BEGAN_S = 1_735_689_600  # 2025-01-01
_DAY_S = 86_400
_CLOCK = "import time\n_real = time.time_ns\ntime.time_ns = lambda: _real() - {shift_ns}\n"
_NOT_KEPT = ("lock", "control.sock")


def unpack(directory: Path, *, days: int = 1) -> list[Home]:
    """The homes below `directory`, none of them running; their nodes' clocks show so many days after."""
    with tarfile.open(_ARCHIVE) as archive:
        archive.extractall(directory, filter="fully_trusted")  # with the modes of the keys
    path = _clock(directory / "clock", _BEGAN_S + days * _DAY_S)
    launch = functools.partial(subprocess.Popen, env={**os.environ, "PYTHONPATH": path})
    return [Home(directory / name, name, launch) for name in NAMES]


def _clock(directory: Path, began_s: int) -> str:
    """What Python is to load so that its wall clock shows `began_s` now: a directory for PYTHONPATH."""
    directory.mkdir()
    shift_ns = time.time_ns() - began_s * 1_000_000_000
    (directory / "sitecustomize.py").write_text(_CLOCK.format(shift_ns=shift_ns))
    return str(directory)


def expected() -> dict[str, Any]:
    """`federation_id`, and by name the `peer_id` and `swarm_id` of each member, as the older version told them."""
    told: dict[str, Any] = json.loads(_EXPECTED.read_text())
    return told


def make() -> None:
    """Build the old code from the history and have it make the homes."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        code = place / "code"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(code), COMMIT], check=True)
        try:
            os.environ["PYTHONPATH"] = _clock(place / "clock", _BEGAN_S)
            os.chdir(code)  # `python -m bootstrap.cli` is the old one here
            _live(place / "homes")
        finally:
            os.chdir(_PLACE)
            subprocess.run(["git", "worktree", "remove", "--force", str(code)], check=True)
        _pack(place / "homes")


def _live(directory: Path) -> None:
    """What happened to the three."""
    directory.mkdir()
    with Federation(directory) as federation:
        alpha, beta, gamma = homes = [federation.home(name).init() for name in NAMES]
        config = gamma.directory / "config.toml"
        config.write_text(config.read_text().replace("journal_mib = 16", "journal_mib = 1"))
        alpha.create_federation("elders")
        alpha.run().wait_ready()
        for home in (beta, gamma):
            home.join(alpha.invite())
            home.run().wait_ready()
        for home in homes:
            home.wait_until(
                lambda status: all(row["state"] == "ACTIVE" for row in status["members"]), "all to be active"
            )
        alpha.put("plan", {"goal": "ship"})
        alpha.put("note", "by alpha")
        beta.put("first", "in term 1")
        beta.put("note", "by beta")
        gamma.put("gone", 1)
        gamma.put("note", "by gamma")
        while not list((gamma.directory / "state").glob("*.snap")):
            gamma.put("gone", "x" * 16_000)
        gamma.cli("memory", "rm", "gone")
        agree(homes)
        beta.stop()
        beta.cli("recover", "--new-term")
        beta.run()
        beta.wait_until(lambda status: status["term"] == 2 and not status["read_only"], "its second term")
        beta.put("note", "by beta, again")
        gamma.kill()
        gamma.run().wait_ready()
        agree(homes)
        status = alpha.status()
        rows = {row["swarm"]: {"peer_id": row["peer_id"], "swarm_id": row["swarm_id"]} for row in status["members"]}
        for home in homes:
            assert home.stop() == 0
    told = {"federation_id": status["federation_id"], "members": rows}
    _EXPECTED.write_text(json.dumps(told, indent=2) + "\n")


def _pack(directory: Path) -> None:
    with tarfile.open(_ARCHIVE, "w:gz") as archive:
        for name in NAMES:
            archive.add(directory / name, name, filter=lambda one: None if one.name.endswith(_NOT_KEPT) else one)


if __name__ == "__main__":
    make()
