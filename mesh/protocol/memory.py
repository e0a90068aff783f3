"""Federated memory: a swarm writes its own namespace and reads everyone's.

Values are JSON texts, kept as their UTF-8 bytes in the collection `memory` of the owner's log; they are opaque to
replication and parsed only where a person or program asked for them.
"""

from __future__ import annotations

import json
from typing import NoReturn

from crdt.ops import Op, OpKind
from mesh.protocol.commands import (
    Failure,
    FailureKind,
    MemoryGet,
    MemoryList,
    MemoryPut,
    MemoryRemove,
    Outcome,
    Success,
)
from mesh.protocol.context import Context
from wire.ids import SwarmId

COLLECTION = "memory"


def parse_json(text: bytes) -> object:
    """The value of a JSON text; raises ValueError, also for what Python would take but JSON does not have."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def put_op(operation: MemoryPut) -> Op | Failure:
    """The op that writes one value, or why it cannot be written."""
    if not operation.key:
        return Failure(kind=FailureKind.USAGE, message="the key is empty: name what you store")
    try:
        parse_json(operation.value)
    except ValueError as error:
        text = f"the value is not JSON ({error}): quote strings, for example '\"hello\"'"
        return Failure(kind=FailureKind.USAGE, message=text)
    return Op(collection=COLLECTION, key=operation.key, kind=OpKind.PUT, value=operation.value, observed=())


def remove_op(operation: MemoryRemove, context: Context) -> Op | Failure:
    """The op that removes one key of this swarm's namespace, or why it cannot."""
    me = context.me
    entry = context.replica.get(me.swarm, COLLECTION, operation.key)
    if entry is None:
        message = f"{operation.key!r} is not in the memory of {me.name}: only a swarm's own keys can be removed"
        return Failure(kind=FailureKind.FAILED, message=message)
    observed = context.replica.observed(me.author, COLLECTION, operation.key)
    return Op(collection=COLLECTION, key=operation.key, kind=OpKind.DEL, value=None, observed=observed)


def get(operation: MemoryGet, context: Context) -> Outcome:
    """`{swarm: value}` over all namespaces, or the one value asked for."""
    if operation.swarm is None:
        values = {}
        for swarm in context.replica.swarms():
            entry = context.replica.get(swarm, COLLECTION, operation.key)
            if entry is not None:
                values[context.name_of(swarm)] = _readable(entry.value)
        if values:
            return Success(result={"key": operation.key, "values": values})
        message = f"no swarm has {operation.key!r} in its memory, as far as this node knows"
        return Failure(kind=FailureKind.FAILED, message=message)
    found = _find_swarm(operation.swarm, context)
    if isinstance(found, Failure):
        return found
    entry = context.replica.get(found, COLLECTION, operation.key)
    if entry is None:
        message = f"{operation.swarm} has no {operation.key!r} in its memory, as far as this node knows"
        return Failure(kind=FailureKind.FAILED, message=message)
    return Success(result={"key": operation.key, "swarm": context.name_of(found), "value": _readable(entry.value)})


def list_keys(operation: MemoryList, context: Context) -> Outcome:
    """`{swarm: [keys]}`, sorted."""
    swarms = context.replica.swarms()
    if operation.swarm is not None:
        swarm = _find_swarm(operation.swarm, context)
        if isinstance(swarm, Failure):
            return swarm
        swarms = [swarm]
    keys = {
        context.name_of(swarm): sorted(key for key, _ in context.replica.items(swarm, COLLECTION, operation.prefix))
        for swarm in swarms
    }
    return Success(result={"prefix": operation.prefix, "keys": keys})


def _readable(value: bytes) -> object:
    """A value as JSON; null for bytes of another swarm that are none (what a swarm writes is its own business)."""
    try:
        return parse_json(value)
    except ValueError:
        return None


def _find_swarm(text: str, context: Context) -> SwarmId | Failure:
    """A member by name or by its id in hex."""
    member = context.chain.member_by_name(text)
    if member is None and len(text) == 32:
        try:
            member = context.chain.member(SwarmId(bytes.fromhex(text)))
        except ValueError:
            member = None
    if member is None:
        names = ", ".join(m.name for m in context.chain.members())
        return Failure(kind=FailureKind.USAGE, message=f"no member is called {text!r}; the members are: {names}")
    return member.swarm
