"""Key files: private, whole, in their place, or refused without a word of what is in them."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bootstrap import armour
from bootstrap.keyfiles import (
    NODE,
    ROOT,
    KeyName,
    Role,
    has_key,
    queen,
    queen_terms,
    read_key,
    read_key_file,
    write_key,
)
from tests.support.store import flip_file
from wire.errors import ConfigError
from wire.keys import SigningKey

KEY = SigningKey(bytes(range(32)))
ALL = [ROOT, NODE, queen(0), queen(17)]
IDS = [name.file for name in ALL]


@pytest.mark.parametrize("name", ALL, ids=IDS)
def test_a_key_comes_back(tmp_path: Path, name: KeyName) -> None:
    assert not has_key(tmp_path, name)
    write_key(tmp_path, name, KEY)
    assert has_key(tmp_path, name)
    assert read_key(tmp_path, name).seed == KEY.seed
    assert (tmp_path / name.file).stat().st_mode & 0o777 == 0o600


def test_names() -> None:
    assert IDS == ["root.key", "node.key", "queen-0.key", "queen-17.key"]
    with pytest.raises(AssertionError):
        KeyName(Role.QUEEN)
    with pytest.raises(AssertionError):
        KeyName(Role.NODE, 3)


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    write_key(tmp_path, NODE, KEY)
    with pytest.raises(ConfigError, match="never overwritten"):
        write_key(tmp_path, NODE, SigningKey(bytes(32)))
    assert read_key(tmp_path, NODE).seed == KEY.seed


@pytest.mark.parametrize("name", ALL, ids=IDS)
def test_any_flipped_byte_is_refused_without_showing_the_secret(tmp_path: Path, name: KeyName) -> None:
    write_key(tmp_path, name, KEY)
    path = tmp_path / name.file
    rng = random.Random(name.file)
    for _ in range(200):
        place, mask = rng.randrange(path.stat().st_size), rng.randint(1, 255)
        flip_file(path, place, mask)
        with pytest.raises(ConfigError) as caught:
            read_key(tmp_path, name)
        message = str(caught.value)
        assert str(path) in message
        assert "put back" in message
        assert KEY.seed.hex()[:8] not in message
        flip_file(path, place, mask)
    assert read_key(tmp_path, name).seed == KEY.seed


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"root\.key = 'missing': put back the copy that you keep offline"):
        read_key(tmp_path, ROOT)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    write_key(tmp_path, NODE, KEY)
    (tmp_path / "node.key").chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_key(tmp_path, NODE)


@pytest.mark.parametrize(
    ("written", "read", "problem"),
    [
        (ROOT, NODE, "'root key' file where a 'node key'"),
        (queen(1), queen(2), "the key of term 2 belongs here"),
        (queen(1), ROOT, "'queen key' file where a 'root key'"),
    ],
    ids=["root as node", "another term", "queen as root"],
)
def test_a_key_in_anothers_place_is_refused(tmp_path: Path, written: KeyName, read: KeyName, problem: str) -> None:
    write_key(tmp_path, written, KEY)
    (tmp_path / written.file).rename(tmp_path / read.file)
    with pytest.raises(ConfigError, match=problem):
        read_key(tmp_path, read)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"public": KEY.public.hex()},
        {"public": KEY.public.hex(), "secret": "xyz"},
        {"public": KEY.public.hex(), "secret": "00"},
        {"public": "00" * 32, "secret": KEY.seed.hex()},
        {"secret": KEY.seed.hex()},
    ],
    ids=["empty", "no secret", "no hex", "short", "halves differ", "no public"],
)
def test_a_whole_file_that_holds_no_key_is_refused(tmp_path: Path, fields: dict[str, str]) -> None:
    armour.write(tmp_path / "node.key", "node key", fields)
    with pytest.raises(ConfigError, match=r"no key|do not match"):
        read_key(tmp_path, NODE)


def test_the_root_key_may_come_from_anywhere(tmp_path: Path) -> None:
    write_key(tmp_path, ROOT, KEY)
    (tmp_path / "root.key").rename(tmp_path / "stick.txt")
    assert read_key_file(tmp_path / "stick.txt", ROOT).public == KEY.public


def test_queen_terms(tmp_path: Path) -> None:
    for name in (queen(10), queen(2), NODE):
        write_key(tmp_path, name, KEY)
    for stranger in ("queen-01.key", "queen-x.key", "queen-3.key.bak"):
        (tmp_path / stranger).touch()
    assert queen_terms(tmp_path) == [2, 10]
