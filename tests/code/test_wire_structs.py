"""Every typed message has one spelling: positional, frozen, and nowhere a type that two machines could write apart.

Floats round differently, sets have no order, `Any` lets everything in, times carry zones: none of them stands in a
message, at any depth. The structs are found, not listed, so that a new one is judged from its first day.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import Struct, inspect

from tests.code.sources import PURE, modules

EXACT = (
    *(inspect.IntType, inspect.StrType, inspect.BytesType, inspect.BoolType, inspect.NoneType),
    *(inspect.EnumType, inspect.LiteralType, inspect.UnionType, inspect.ListType, inspect.DictType),
    *(inspect.TupleType, inspect.VarTupleType, inspect.NamedTupleType, inspect.StructType, inspect.Field),
)
SEAM = ("mesh.protocol.events", "mesh.protocol.effects")  # what passes between a node and its interpreter, in memory


def parts(value: Any) -> Iterator[inspect.Type]:
    """A type and all types within it."""
    if isinstance(value, inspect.Type):
        yield value
    if isinstance(value, inspect.Type | inspect.Field):
        for name in value.__struct_fields__:
            yield from parts(getattr(value, name))
    if isinstance(value, tuple):
        for one in value:
            yield from parts(one)


def inexact(struct: type[Struct]) -> list[str]:
    """The types within `struct` that have more than one spelling."""
    return [type(part).__name__ for part in parts(inspect.type_info(struct)) if not isinstance(part, EXACT)]


def all_structs() -> list[type[Struct]]:
    """Every Struct of a message: all that a pure package defines."""
    pure = [source.module for source in modules(*PURE) if source.module not in SEAM]
    for module in pure:
        importlib.import_module(module)
    waiting, found = [Struct], {}
    while waiting:
        for struct in waiting.pop().__subclasses__():
            waiting.append(struct)
            if struct.__module__ in pure:
                found[f"{struct.__module__}.{struct.__qualname__}"] = struct
    return [found[name] for name in sorted(found)]


@pytest.mark.parametrize("struct", all_structs(), ids=lambda struct: f"{struct.__module__}.{struct.__name__}")
def test_a_message_has_one_spelling(struct: type[Struct]) -> None:
    config = struct.__struct_config__
    assert config.array_like, "fields go by position: array_like=True"
    assert config.frozen, "messages are values: frozen=True"
    assert inexact(struct) == []


def test_the_messages_are_found() -> None:
    assert len(all_structs()) > 40


class _Inner(Struct, array_like=True, frozen=True):
    weights: tuple[int | float, ...]


class _Floating(Struct, array_like=True, frozen=True):
    inner: dict[str, list[_Inner]]


class _Vague(Struct, array_like=True, frozen=True):
    names: set[str]
    rest: Any = None
    later: msgspec.Raw = msgspec.Raw()


def test_floats_sets_and_anything_are_seen_at_any_depth() -> None:
    assert inexact(_Floating) == ["FloatType"]
    assert inexact(_Vague) == ["SetType", "AnyType", "RawType"]
