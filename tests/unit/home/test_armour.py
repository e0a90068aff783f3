"""Armoured text: one way to write it, so every change is seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap import armour
from tests.support.store import flip
from wire.errors import ConfigError

line = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=20)
names = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=8)
FIELDS = {"public": "4f1c", "secret": "hush"}


@given(names, st.dictionaries(names, line, max_size=4))
def test_armour_round_trips(kind: str, fields: dict[str, str]) -> None:
    assert armour.parse(kind, armour.render(kind, fields)) == fields


def test_every_flip_of_every_byte_is_seen() -> None:
    raw = armour.render("node key", FIELDS)
    for place in range(len(raw)):
        for mask in (1, 2, 4, 8, 16, 32, 64, 128, 255):
            with pytest.raises(ValueError, match=r"not text|checksum") as caught:
                armour.parse("node key", flip(raw, place, mask))
            assert "hush" not in str(caught.value)


def test_every_truncation_and_every_extra_byte_is_seen() -> None:
    raw = armour.render("node key", FIELDS)
    for changed in [raw[:end] for end in range(len(raw))] + [raw + b"\n", raw + b" ", b"\n" + raw]:
        with pytest.raises(ValueError, match="checksum"):
            armour.parse("node key", changed)


@given(st.binary(max_size=200))
def test_noise_is_a_value_error(noise: bytes) -> None:
    with pytest.raises(ValueError, match=r"not text|checksum"):
        armour.parse("node key", noise)


def test_another_kind_is_named() -> None:
    with pytest.raises(ValueError, match="'root key' file where a 'node key'"):
        armour.parse("node key", armour.render("root key", FIELDS))


@pytest.mark.parametrize("state", ["missing", "damaged", "unreadable"])
def test_reading_says_which_file_and_what_to_do(tmp_path: Path, state: str) -> None:
    path = tmp_path / "file"
    if state == "damaged":
        path.write_bytes(b"noise")
    if state == "unreadable":
        path.mkdir()
    with pytest.raises(ConfigError, match=f"{path} = '{state}': .*do this") as caught:
        armour.read(path, "node key", "do this")
    assert caught.value.field == str(path)


def test_files_are_private(tmp_path: Path) -> None:
    armour.write(tmp_path / "file", "node key", FIELDS)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert armour.read(tmp_path / "file", "node key", "") == FIELDS


@given(st.binary(max_size=50))
def test_bytes_as_a_field(data: bytes) -> None:
    assert armour.to_bytes(armour.to_text(data)) == data


def test_a_field_that_is_no_base64() -> None:
    with pytest.raises(ValueError, match="base64"):
        armour.to_bytes("?")
