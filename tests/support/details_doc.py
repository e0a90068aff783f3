"""The details of each action as `docs/protocol/consensus.md` has them: each field with type, bounds and default."""

from __future__ import annotations

from dataclasses import MISSING, fields
from enum import StrEnum
from typing import Any

from msgspec import inspect

from consensus.governance.actions import ACTIONS, Hex, SwarmHex
from tests.support.protocol_tables import table

_SWARM, _HEX = (inspect.type_info(kind) for kind in (SwarmHex, Hex))


def details() -> str:
    """A row for each action."""
    return table(["action", "details"], [[f"`{name}`", _fields(action.layout)] for name, action in ACTIONS.items()])


def _fields(layout: type) -> str:
    info = inspect.type_info(layout)
    assert isinstance(info, inspect.DataclassType)
    defaults = {field.name: field.default for field in fields(layout)}
    return "; ".join(
        f"`{field.name}`: {_spelled(field.type)}{_default(defaults[field.name])}" for field in info.fields
    )


def _default(value: object) -> str:
    if value is MISSING:
        return ""
    said = value.value if isinstance(value, StrEnum) else value
    return f", default {'empty' if said == '' else {None: 'null', True: 'true'}.get(said, said)}"  # type: ignore[call-overload]


def _spelled(kind: Any) -> str:
    match kind:
        case inspect.UnionType(types=types):
            last = ["null"] if any(isinstance(one, inspect.NoneType) for one in types) else []
            return " or ".join([_spelled(one) for one in types if not isinstance(one, inspect.NoneType)] + last)
        case _ if kind == _SWARM:
            return "hex of a swarm id"
        case _ if kind == _HEX:
            return f"hex of 1…{(kind.max_length or 0) // 2} bytes"
        case inspect.StrType(min_length=low, max_length=high):
            return "text" if high is None else f"text {low or 0}…{high}"
        case inspect.IntType(ge=low, le=high):
            return "int" if low is None else f"int {low}…{high}"
        case inspect.EnumType(cls=cls):
            return "one of " + ", ".join(f"`{word.value}`" for word in cls)
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(f"`{word}`" for word in values)
        case inspect.VarTupleType(item_type=item, max_length=high):
            return f"[{_spelled(item)}] ≤ {high}"
        case inspect.BoolType():
            return "bool"
    raise AssertionError(f"no notation for {kind}")
