"""The version of a home's layout: a newer one is refused, an older one is copied and then brought up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootstrap import home as homes
from bootstrap.home import FORMAT, Home, HomeInUse
from tests.support.commands import Machine
from tests.support.homes import make_home
from wire.errors import ConfigError


def of_format(path: Path, version: int) -> Home:
    home = make_home(path)
    home.mark_format(version)
    return home


def contents(path: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and bytes of every file but the mark of the format, and the lock."""
    files = [file for file in sorted(path.rglob("*")) if file.is_file() and file.name not in ("format", "lock")]
    return {str(file.relative_to(path)): (file.stat().st_mode & 0o777, file.read_bytes()) for file in files}


@pytest.mark.parametrize("arguments", [("status",), ("run",), ("recover", "--new-term"), ("members",)])
def test_a_downgrade_is_refused_with_a_sentence(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    home = of_format(tmp_path / "alpha", FORMAT + 1)
    before = contents(home.path)
    ran = Machine(home)(*arguments)
    assert ran.code == 2
    known = f"made by a newer zenmesh (this one knows formats up to {FORMAT}); install that version"
    assert f"format is {FORMAT + 1}: {known}" in ran.err
    assert contents(home.path) == before
    assert list(tmp_path.iterdir()) == [home.path]


def test_an_older_home_is_copied_and_brought_up_to_date(tmp_path: Path) -> None:
    home = of_format(tmp_path / "alpha", 1)
    before = contents(home.path)
    assert Home.open(home.path).format == FORMAT
    assert contents(home.path) == before
    copy = Home(tmp_path / "alpha.format-1")
    assert (copy.format, contents(copy.path)) == (1, before)
    assert Home.open(home.path).format == FORMAT
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alpha", "alpha.format-1"]


def test_a_node_that_runs_is_not_touched_but_can_be_asked(tmp_path: Path) -> None:
    home = of_format(tmp_path / "alpha", 1)
    with home.lock():
        with pytest.raises(HomeInUse):
            Home.open(home.path)
        assert Home.find(home.path).format == 1
        assert Machine(home)("status").code == 3  # nobody serves its socket here, which is all that is wrong
    assert list(tmp_path.iterdir()) == [home.path]


def test_a_step_that_is_cut_short_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = of_format(tmp_path / "alpha", 1)
    before = contents(home.path)

    def cut_short(path: Path) -> None:
        (path / "half").write_text("done")
        raise OSError("the power went")

    with monkeypatch.context() as patch:
        patch.setitem(homes.MIGRATIONS, 1, cut_short)
        with pytest.raises(OSError, match="the power went"):
            Home.open(home.path)
    assert Home(home.path).format == 1
    assert Home.open(home.path).format == FORMAT
    assert contents(tmp_path / "alpha.format-1") == before


def test_what_is_too_old_says_so(tmp_path: Path) -> None:
    home = of_format(tmp_path / "alpha", 0)
    with pytest.raises(ConfigError, match="this zenmesh cannot migrate format 0; use an older version first"):
        Home.open(home.path)
