"""`zenmesh takeover request|sign|submit`, on nodes of the small world: files are carried, and no root key is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bootstrap import armour
from bootstrap.keyfiles import ROOT, write_key
from bootstrap.takeovers import SIGNED
from mesh.protocol.commands import FailureKind
from tests.support.commands import Machine, command, serving_town
from tests.support.lost_creator import of_before, start
from tests.support.small_swarms import Town
from tests.support.takeovers import OTHERS


@pytest.fixture
def town() -> Town:
    """A federation of before whose creator is gone."""
    town = of_before(*OTHERS)
    start(town, *OTHERS)
    return town


@pytest.fixture
def machines(town: Town, tmp_path: Path) -> Iterator[list[Machine]]:
    with serving_town(town, tmp_path / "homes", *OTHERS) as machines:
        yield machines


@pytest.fixture
def roots(town: Town, tmp_path: Path) -> Mapping[str, str]:
    """Files with the root keys, each on a stick of its own."""
    files: dict[str, str] = {}
    for name in ("alpha", *OTHERS):
        (tmp_path / name).mkdir()
        write_key(tmp_path / name, ROOT, town.swarms[name].root)
        files[name] = str(tmp_path / name / ROOT.file)
    return files


def requested(machine: Machine, path: Path) -> str:
    file = str(path / "request")
    told = machine.json("takeover", "request", "--output", file)
    assert told["file"] == file
    return file


def signed(request: str, key: str, to: str) -> str:
    """By a command without a home, as on a machine that is no node."""
    ran = command("takeover", "sign", request, "--root-key", key, "--output", to)
    assert ran.code == 0, ran
    return to


def test_the_members_take_over_by_files(machines: list[Machine], roots: Mapping[str, str], tmp_path: Path) -> None:
    beta, gamma, _ = machines
    told = beta("status").out
    assert (
        "out of reach: start its node; where it is lost for good, 3 of 4 root keys take over: `zenmesh take" in told
    )
    request = requested(beta, tmp_path)
    files = [signed(request, roots[name], str(tmp_path / f"{name}.signed")) for name in OTHERS]
    few = beta("takeover", "submit", *files[:2])
    assert (few.code, "2 of 4 members have signed, and it takes 3" in few.err) == (FailureKind.NO_QUORUM, True)
    done = gamma.json("takeover", "submit", *files)
    assert (done["voters"], done["signed_by"]) == (sorted(OTHERS), sorted(OTHERS))
    assert beta.json("status")["consensus"]["governed_by"] == "queens"
    again = beta("takeover", "submit", *files)
    assert (again.code, "govern already" in again.err) == (FailureKind.REJECTED, True)


def test_what_is_signed_is_said_before_and_after(
    machines: list[Machine], roots: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = machines[0]("takeover", "request")
    assert "these govern  beta, delta, gamma\n" in asked.out
    assert "these learn   alpha\n" in asked.out
    assert "3 of 4 members sign it: `zenmesh takeover sign takeover.request`." in asked.out
    assert "may hold a later block" not in asked.out
    ran = command("takeover", "sign", "takeover.request", "--root-key", roots["beta"])
    assert "these govern  beta, delta, gamma\n" in ran.out
    assert "If one of these is not so, remove takeover-beta.signed." in ran.out
    assert (tmp_path / "takeover-beta.signed").exists()
    height = machines[0].json("status")["height"]
    assert f"the chain of your own node ends at height {height}," in ran.out
    submitted = machines[0](
        "takeover",
        "submit",
        *(signed("takeover.request", roots[name], f"{name}.signed") for name in OTHERS),
    )
    assert submitted.out == f"The queens of beta, delta, gamma govern, from height {height + 1} on.\n"


def test_sign_is_told_as_published(machines: list[Machine], roots: Mapping[str, str], tmp_path: Path) -> None:
    told = machines[0].json("takeover", "request", "--output", str(tmp_path / "request"))
    output = ("--output", str(tmp_path / "signed"))
    beta = machines[0].json("takeover", "sign", str(tmp_path / "request"), "--root-key", roots["beta"], *output)
    assert beta["swarm"] == "beta"
    shared = ("federation_id", "federation_name", "height", "parent", "hash", "supporters", "learners")
    assert {name: told[name] for name in shared} == {name: beta[name] for name in shared}


def test_who_is_out_of_reach_is_asked_first(town: Town, machines: list[Machine], tmp_path: Path) -> None:
    town.world.stop(town["delta"])
    asked = machines[0]("takeover", "request", "--output", str(tmp_path / "request"))
    assert "delta may hold a later block of alpha: start their nodes first, or ask.\n" in asked.out


def test_the_root_key_of_the_home_will_do(machines: list[Machine], tmp_path: Path) -> None:
    """The homes of this test have root keys of their own, which are no members'."""
    ran = machines[0]("takeover", "sign", requested(machines[0], tmp_path))
    assert ran.code == FailureKind.USAGE
    assert "this is not the root key of a member of meadow: nothing was signed" in ran.err


def test_files_that_do_not_fit_are_refused(
    town: Town, machines: list[Machine], roots: Mapping[str, str], tmp_path: Path
) -> None:
    request = requested(machines[0], tmp_path)
    again = machines[0]("takeover", "request", "--output", request)
    assert (again.code, "is there already: name another file with --output" in again.err) == (2, True)
    one = signed(request, roots["beta"], str(tmp_path / "one"))
    unsigned = machines[0]("takeover", "submit", request)
    assert "it is a 'takeover request' file where a 'signed takeover' file belongs" in unsigned.err
    town.world.stop(town["delta"])
    (tmp_path / "later").mkdir()
    other = signed(requested(machines[0], tmp_path / "later"), roots["gamma"], str(tmp_path / "two"))
    ran = machines[0]("takeover", "submit", one, other)
    assert (ran.code, "are signed for two requests" in ran.err) == (2, True)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"signature": "what"}, id="no signature"),
        pytest.param({"block": "AAAA"}, id="no block"),
        pytest.param({"block": "what"}, id="no bytes"),
        pytest.param({"members": "[]"}, id="no names"),
        pytest.param({"members": "{"}, id="no object"),
        pytest.param({"federation": "x"}, id="no federation"),
    ],
)
def test_a_file_that_another_program_wrote_is_refused(
    machines: list[Machine], roots: Mapping[str, str], tmp_path: Path, changes: dict[str, str]
) -> None:
    file = tmp_path / "signed"
    signed(requested(machines[0], tmp_path), roots["beta"], str(file))
    armour.write(file, SIGNED, {**armour.read(file, SIGNED, ""), **changes})
    ran = machines[0]("takeover", "submit", str(file))
    assert (ran.code, "it is no whole signed takeover; take a file that" in ran.err) == (FailureKind.USAGE, True)
