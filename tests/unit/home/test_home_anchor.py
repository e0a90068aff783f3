"""The anchor in the home: the block that a ticket named, kept until the chain is there and after."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootstrap import armour
from consensus.tickets import Anchor
from tests.support.homes import make_home
from tests.support.store import flip_file
from wire.errors import ConfigError

ANCHOR = Anchor(3, 3, b"h" * 32)


def test_a_home_that_came_without_a_ticket_has_no_anchor(tmp_path: Path) -> None:
    assert make_home(tmp_path / "home").anchor() is None


def test_an_anchor_comes_back(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    home.write_anchor(ANCHOR)
    assert home.anchor() == ANCHOR


def test_a_damaged_anchor_names_the_file_and_what_to_do(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    home.write_anchor(ANCHOR)
    flip_file(home.anchor_file, 30, 1)
    with pytest.raises(ConfigError, match=r"anchor = .*remove it"):
        home.anchor()


def test_an_anchor_that_is_none_is_damage(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    armour.write(home.anchor_file, "anchor", {"data": armour.to_text(b"\x80")})
    with pytest.raises(ConfigError, match=r"anchor = 'damaged': not an? Anchor"):
        home.anchor()
