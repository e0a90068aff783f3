"""What the protocol's documents must say, worked out from the code: tables, layouts of messages, worked examples.

A document holds blocks between two comments; what stands in a block follows from the code:

    <!-- table registry -->                        a table of `protocol_tables`, wholly
    <!-- layout mesh.protocol.messages:Hello -->   the fields of a struct; the column "meaning" is the author's
    <!-- example batch -->                         named bytes of `protocol_examples`, wholly
    <!-- end -->

`rewritten` gives a document with its blocks as they should be. To bring the documents up to date after a change:

    python -m tests.support.protocol_doc
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from tests.support.consensus_doc import CONSENSUS_TABLES
from tests.support.details_doc import details
from tests.support.protocol_examples import EXAMPLES
from tests.support.protocol_tables import PROTOCOL_TABLES, table
from wire.types import MIB

ROOT = Path(__file__).parents[2]
INDEX = ROOT / "docs" / "protocol.md"
CHAPTERS = ROOT / "docs" / "protocol"
EXPLAINED = ROOT / "docs" / "consensus.md"
TABLES = PROTOCOL_TABLES | CONSENSUS_TABLES | {"details": details}

_BLOCK = re.compile(r"^<!-- (table|layout|example) (\S+) -->\n(.*?)^<!-- end -->$", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| (\d+) \| `(\w+)` \| (.*?) \| (.*) \|$", re.MULTILINE)
_NO_MEANING = "?"
_UINT_MAX = (1 << 63) - 1
_HEX_LINE = 96  # characters of hex on a line of an example


def documents() -> list[Path]:
    """The index, its chapters, and what explains the deciding."""
    return [INDEX, EXPLAINED, *sorted(CHAPTERS.glob("*.md"))]


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a document."""

    kind: str
    name: str
    text: str

    @property
    def expected(self) -> str:
        """The text that the code asks for."""
        if self.kind == "table":
            return TABLES[self.name]()
        if self.kind == "example":
            return example(EXAMPLES[self.name]())
        return layout(struct_named(self.name), meanings(self.text))


def blocks_of(text: str) -> Iterator[Block]:
    """The blocks of a document, in order."""
    for match in _BLOCK.finditer(text):
        yield Block(*match.groups())


def rewritten(text: str) -> str:
    """`text` with every block as it should be."""

    def anew(match: re.Match[str]) -> str:
        block = Block(*match.groups())
        return f"<!-- {block.kind} {block.name} -->\n{block.expected}<!-- end -->"

    return _BLOCK.sub(anew, text)


# layouts


def struct_named(name: str) -> type[msgspec.Struct]:
    """The struct `module:Class`."""
    module, _, cls = name.partition(":")
    found: type[msgspec.Struct] = getattr(importlib.import_module(module), cls)
    return found


def meanings(text: str) -> dict[str, str]:
    """What the author of a layout wrote about each field."""
    return {field: meaning for _, field, _, meaning in _ROW.findall(text)}


def layout(struct: type[msgspec.Struct], written: Mapping[str, str]) -> str:
    """The fields of `struct` as a table."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    assert info.array_like, "on the wire everything is a positional array"
    needed = sum(field.required for field in info.fields)
    count = f"{needed}" if needed == len(info.fields) else f"{needed} to {len(info.fields)}"
    openness = "no more" if info.forbid_unknown_fields else "more may follow"
    rows = [
        [str(index), f"`{field.name}`", type_text(field.type), written.get(field.name, _NO_MEANING)]
        for index, field in enumerate(info.fields)
    ]
    return f"Array of {count}; {openness}.\n\n" + table(["#", "field", "type", "meaning"], rows)


def type_text(kind: Any) -> str:
    """A field's type in the notation of the documents."""
    match kind:
        case inspect.IntType(ge=0, le=top) if top == _UINT_MAX:
            return "uint"
        case inspect.IntType(ge=low, le=high):
            return f"int {_number(low)}…{_number(high)}"
        case inspect.BytesType(min_length=low, max_length=high):
            return "bytes" + _size(low, high)
        case inspect.StrType(min_length=low, max_length=high):
            return "text" + _size(low, high)
        case inspect.BoolType():
            return "bool"
        case inspect.EnumType(cls=cls):
            return "one of " + ", ".join(str(member.value) for member in cls)
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(f'"{value}"' for value in values)
        case inspect.StructType(cls=cls):
            return cls.__name__.lstrip("_")
        case inspect.TupleType(item_types=types):
            return f"[{', '.join(map(type_text, types))}]"
        case inspect.VarTupleType(item_type=item, min_length=low, max_length=high):
            return f"[{type_text(item)}]" + _size(low, high)
        case inspect.UnionType(types=types):
            return " or ".join("null" if isinstance(t, inspect.NoneType) else type_text(t) for t in types)
    raise AssertionError(f"no notation for {kind}")


def _size(low: int | None, high: int | None) -> str:
    if low == high:
        return "" if low is None else f" × {low}"
    return f" ≤ {high}" if not low else f" {low}…{high}"


def _number(value: int | None) -> str:
    assert value is not None, "integers on the wire have bounds"
    power = value.bit_length()
    if value > MIB and value == (1 << power) - 1:
        return f"2^{power}-1"
    return f"2^{power - 1}" if value > MIB and value == 1 << (power - 1) else f"{value}"


# examples


def example(values: Mapping[str, bytes | str]) -> str:
    """Named values; bytes as hex, broken into lines."""
    lines: list[str] = []
    for name, value in values.items():
        text = value.hex() if isinstance(value, bytes) else value
        pieces = [text[at : at + _HEX_LINE] for at in range(0, len(text), _HEX_LINE)] or ['""']
        lines += [f"{name} =", *(f"  {piece}" for piece in pieces)]
    return "\n".join(["```text", *lines, "```", ""])


if __name__ == "__main__":
    for document in documents():
        document.write_text(rewritten(document.read_text()))
