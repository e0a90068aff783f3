"""The hook that a home names: it is there and can be run, or the node does not start and says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootstrap.config import Config, Hook
from bootstrap.doctor import State, examine
from bootstrap.founding import found_home
from bootstrap.home import Home
from bootstrap.hooks import find_program, hook_of
from mesh.protocol.commands import Operation, Outcome, Success
from wire.errors import ConfigError


async def execute(_: Operation) -> Outcome:
    return Success()


def config(*program: str) -> Config:
    return Config(swarm="alpha", project="demo", hook=Hook(program=program))


def test_without_a_program_there_is_no_hook(tmp_path: Path) -> None:
    assert hook_of(Home(tmp_path), config(), execute) is None
    assert hook_of(Home(tmp_path), config("/bin/sh", "-c", "true"), execute) is not None


@pytest.mark.parametrize("name", ["sh", "/bin/sh"])
def test_a_program_is_found_on_the_path_or_by_its_place(name: str) -> None:
    assert find_program(config(name)).endswith("/sh")


def test_the_doctor_looks_for_the_program(tmp_path: Path) -> None:
    home = found_home(tmp_path / "alpha", "alpha", "demo", "lan", [])
    text = home.config_file.read_text()
    for name, state in (("/bin/sh", State.OK), ("/no/such/program", State.FAILED)):
        home.config_file.write_text(text.replace("hook = []", f'hook = ["{name}"]'))
        (found,) = [check for check in examine(home.path) if name in check.found]
        assert found.state is state


@pytest.mark.parametrize("name", ["no-such-program", "/no/such/program", "./judge", "bin/judge", "/", "judge"])
def test_a_program_that_cannot_be_run_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in (tmp_path / "judge", tmp_path / "bin" / "judge"):
        place.parent.mkdir(exist_ok=True)
        place.touch(mode=0o755 if place.parent == tmp_path / "bin" else 0o644)
    with pytest.raises(ConfigError, match=f"voting.hook = '{name}': no program that this user can run"):
        find_program(config(name))
