"""The form of test vectors: files of sections of vectors, and how values are written in JSON.

A vector is made of named values: `given` (in the file: `in`) and what follows from it, `out`; or instead of `out` the
offence for which it is refused. In JSON bytes are lowercase hex, and an integer that a double cannot hold is decimal
text. A typed body is an object of its fields. Where nothing says what type a value has (CBOR in general), bytes are
`{"bytes": hex}`, such an integer is `{"int": decimal}` and a map is `{"map": [[key, value], …]}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import msgspec

from wire.errors import Offence

EXACT = (1 << 53) - 1  # integers beyond it lose digits where numbers are doubles

Json = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One vector; exactly one of `out` and `refused` says what follows."""

    name: str
    about: str
    given: Mapping[str, object]
    out: Mapping[str, object] | None = None
    refused: Offence | str | None = None

    @property
    def json(self) -> Json:
        """As it stands in a file."""
        assert (self.out is None) != (self.refused is None), f"{self.name} has one outcome"
        outcome = {"out": notation(self.out)} if self.refused is None else {"refused": str(self.refused)}
        return {"name": self.name, "about": self.about, "in": notation(self.given), **outcome}


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Vectors that are read alike."""

    name: str
    about: str
    vectors: Sequence[Vector]

    @property
    def json(self) -> Json:
        """As it stands in a file."""
        names = [vector.name for vector in self.vectors]
        assert len(set(names)) == len(names), f"names in {self.name} are unique"
        return {"section": self.name, "about": self.about, "vectors": [vector.json for vector in self.vectors]}


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of vectors."""

    name: str
    about: str
    sections: Sequence[Section]

    @property
    def text(self) -> str:
        """Its text."""
        content = {"about": self.about, "sections": [section.json for section in self.sections]}
        return "".join(_laid_out(content, "")) + "\n"


def notation(value: object) -> Json:
    """`value` in JSON, where the reader knows its type."""
    match value:
        case bytes():
            return value.hex()
        case IntEnum():
            return value.name
        case bool() | None:
            return value
        case int():
            return value if -EXACT <= value <= EXACT else str(value)
        case str():
            return str(value)
        case msgspec.Struct():
            return {name: notation(getattr(value, name)) for name in value.__struct_fields__}
        case Mapping():
            return {str(key): notation(item) for key, item in value.items()}
        case list() | tuple():
            return [notation(item) for item in value]
    raise AssertionError(f"no notation for {value!r}")


def untyped(value: object) -> Json:
    """`value` in JSON, where the type must be told."""
    match value:
        case bytes():
            return {"bytes": value.hex()}
        case bool() | None | str():
            return value
        case int():
            return value if -EXACT <= value <= EXACT else {"int": str(value)}
        case list() | tuple():
            return [untyped(item) for item in value]
        case dict():
            return {"map": [[key, untyped(item)] for key, item in value.items()]}
    raise AssertionError(f"no notation for {value!r}")


def _laid_out(value: Json, indent: str) -> Iterator[str]:
    """JSON in which whatever fits a line stands on one."""
    flat = json.dumps(value, ensure_ascii=False)
    inner = indent + "  "
    if len(indent) + len(flat) <= 118 or not isinstance(value, dict | list):
        yield flat
        return
    items = value.items() if isinstance(value, dict) else ((None, item) for item in value)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    separator = opening
    for key, item in items:
        label = "" if key is None else f"{json.dumps(key, ensure_ascii=False)}: "
        yield f"{separator}\n{inner}{label}"
        yield from _laid_out(item, inner)
        separator = ","
    yield f"\n{indent}{closing}"
