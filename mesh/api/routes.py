"""What the control API understands, as tables: paths to operations, failures to HTTP status codes.

    POST /v1/<operation>   JSON object of the operation's fields  →  {"ok": true, "result": {…}}
    GET  /v1/<operation>   those that only show, without fields       {"ok": false, "error": {kind, code, message, …}}

Everything that a client sends is checked here, before the node sees it: unknown fields, types, ranges, nesting. The
value of a memory entry stays the JSON text that was sent; nobody rewrites a user's numbers.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields

import msgspec

from consensus.blocks import MAX_TX
from consensus.governance.proposals import MAX_REASONING, Choice, Subject
from mesh.protocol.commands import (
    Admit,
    DraftTakeover,
    Failure,
    FailureKind,
    GetDecisions,
    GetMembers,
    GetPeers,
    GetProposals,
    GetStatus,
    Invite,
    Join,
    Leave,
    MemoryGet,
    MemoryList,
    MemoryPut,
    MemoryRemove,
    Operation,
    Outcome,
    Propose,
    Renew,
    Success,
    TakeOver,
    Vote,
)
from wire.types import KIB

PREFIX = "/v1/"

OPERATIONS: Mapping[str, type[Operation]] = {
    "status": GetStatus,
    "peers": GetPeers,
    "memory/put": MemoryPut,
    "memory/get": MemoryGet,
    "memory/list": MemoryList,
    "memory/remove": MemoryRemove,
    "invite": Invite,
    "join": Join,
    "admit": Admit,
    "members": GetMembers,
    "propose": Propose,
    "proposals": GetProposals,
    "vote": Vote,
    "decisions": GetDecisions,
    "leave": Leave,
    "renew": Renew,
    "takeover/request": DraftTakeover,
    "takeover/submit": TakeOver,
}

STATUS_CODES: Mapping[FailureKind, int] = {
    FailureKind.FAILED: 422,
    FailureKind.USAGE: 400,
    FailureKind.NOT_RUNNING: 503,
    FailureKind.NOT_MEMBER: 409,
    FailureKind.NO_QUORUM: 503,
    FailureKind.REJECTED: 403,
    FailureKind.STORAGE: 507,
}

MAX_TEXT = 4096  # characters of any text field; a ticket needs about 700
MAX_LONG_TEXT = {"block": 2 * (MAX_TX + KIB)}  # but for these: in hexadecimal digits
MAX_VALUE_DEPTH = 64  # nested arrays and objects of a memory value
MAX_EXPIRY_S = 366 * 24 * 3600
MAX_DEADLINE_S = 7 * 24 * 3600
GRACE_S = 60.0  # who waits for a decision waits so much longer than its deadline

_FEDERATION = re.compile(r"[0-9a-f]{64}")
_PROPOSAL = re.compile(r"[0-9a-f]{1,32}")


class BadRequest(Exception):
    """The request cannot be understood; the message is for its sender."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    type: object
    required: bool


def _fields_of(operation: type[Operation]) -> tuple[_Field, ...]:
    hints = typing.get_type_hints(operation)
    return tuple(_Field(f.name, hints[f.name], f.default is MISSING) for f in fields(operation))


_FIELDS: Mapping[type[Operation], tuple[_Field, ...]] = {kind: _fields_of(kind) for kind in OPERATIONS.values()}


def parse(name: str, body: bytes) -> Operation:
    """The operation `name` with the fields in `body` (empty counts as `{}`).

    Raises:
        BadRequest: no such operation, not a JSON object, or a field that is unknown, missing or out of range.
    """
    kind = OPERATIONS.get(name)
    if kind is None:
        raise BadRequest(f"no operation {name!r}; there are: {', '.join(OPERATIONS)}")
    given = _object(body)
    values: dict[str, object] = {}
    for expected in _FIELDS[kind]:
        raw = given.pop(expected.name, None)
        if raw is not None:
            values[expected.name] = _value(expected, bytes(raw))
        elif expected.required:
            raise BadRequest(f"{name} needs the field {expected.name!r}")
    if given:
        known = ", ".join(repr(expected.name) for expected in _FIELDS[kind]) or "none"
        raise BadRequest(f"{name} has no field {next(iter(given))!r}; its fields: {known}")
    make: Callable[..., Operation] = kind
    return make(**values)


def by_get(name: str) -> bool:
    """Whether the operation may be asked for by GET: it has no fields, and changes nothing."""
    kind = OPERATIONS[name]
    return not _FIELDS[kind] and kind is not Leave


def patience_s(operation: Operation) -> float:
    """How much longer than others this operation may take: whoever waits for a decision waits for its deadline."""
    return operation.deadline_s + GRACE_S if isinstance(operation, Propose) and operation.wait else 0.0


def answer(outcome: Outcome) -> tuple[int, dict[str, object]]:
    """The HTTP status and JSON body that say `outcome`."""
    match outcome:
        case Success(result=result):
            return 200, {"ok": True, "result": dict(result)}
        case Failure(kind=kind, message=message, retry_after_s=retry_after_s):
            error = {
                "kind": kind.name.lower(),
                "code": int(kind),
                "message": message,
                "retry_after_s": retry_after_s,
            }
            return STATUS_CODES[kind], {"ok": False, "error": error}


def _object(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body is not a JSON object: {error}") from error


def _value(field: _Field, raw: bytes) -> object:
    try:
        if field.type is bytes:
            _check_depth(msgspec.json.decode(raw))
            return raw
        value = msgspec.json.decode(raw, type=field.type)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"{field.name}: {error}") from error
    check = _CHECKS.get(field.name)
    most = MAX_LONG_TEXT.get(field.name, MAX_TEXT)
    if isinstance(value, str) and len(value) > most:
        raise BadRequest(f"{field.name} has {len(value)} characters, at most {most} are taken")
    if check is not None and value is not None:
        check(value)
    return value


def _check_depth(value: object) -> None:
    level = [value]
    for _ in range(MAX_VALUE_DEPTH):
        level = [inner for outer in level for inner in _children(outer)]
        if not level:
            return
    raise BadRequest(f"the value is nested deeper than {MAX_VALUE_DEPTH} levels")


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _check_expiry(value: object) -> None:
    if not isinstance(value, int) or not 1 <= value <= MAX_EXPIRY_S:
        raise BadRequest(f"expires_s is {value}, it must be 1 to {MAX_EXPIRY_S}")


def _check_federation(value: object) -> None:
    if not isinstance(value, str) or not _FEDERATION.fullmatch(value):
        raise BadRequest("federation is not a federation id: 64 hexadecimal digits, as `status` shows it")


def _check_peer(value: object) -> None:
    host, _, peer = str(value).rpartition("/p2p/")
    if not host.startswith("/") or not peer.isalnum():
        raise BadRequest("peer is not a multiaddr like /ip4/192.0.2.1/tcp/4001/p2p/12D3…")


def _check_deadline(value: object) -> None:
    if not isinstance(value, int) or not 1 <= value <= MAX_DEADLINE_S:
        raise BadRequest(f"deadline_s is {value}, it must be 1 to {MAX_DEADLINE_S}: 7 days at most")


def _check_proposal(value: object) -> None:
    if not isinstance(value, str) or not _PROPOSAL.fullmatch(value):
        raise BadRequest("proposal is not the id of a proposal, or its beginning: 1 to 32 hexadecimal digits")


def _check_reason(value: object) -> None:
    size = len(str(value).encode())
    if size > MAX_REASONING:
        raise BadRequest(f"reason has {size} bytes, at most {MAX_REASONING} are taken")


def _check_since(value: object) -> None:
    if not isinstance(value, int) or value < 0:
        raise BadRequest(f"since is {value}: a height is 0 or more")


def _one_of(name: str, words: list[str]) -> Callable[[object], None]:
    def check(value: object) -> None:
        if value not in words:
            raise BadRequest(f"{name} is {value!r}, it must be one of {', '.join(words)}")

    return check


_CHECKS: Mapping[str, Callable[[object], None]] = {
    "expires_s": _check_expiry,
    "federation": _check_federation,
    "peer": _check_peer,
    "subject": _one_of("subject", [subject.value for subject in Subject]),
    "choice": _one_of("choice", [choice.name.lower() for choice in Choice]),
    "deadline_s": _check_deadline,
    "proposal": _check_proposal,
    "reason": _check_reason,
    "since": _check_since,
}
