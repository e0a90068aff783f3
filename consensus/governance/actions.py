"""The actions that queens decide about: for each a subject, the layout of its details, and what it changes.

    ACTIONS[name] = Action(subject, layout, effect)

Details are text-keyed maps, JSON for people and deterministic CBOR in a signed proposal; swarms are named by the hex
of their id. They are judged twice: by their layout when the proposal is made and admitted, and by the state that they
meet when it is approved. What cannot be done by then (a member expelled meanwhile) leaves the state as it is, and
the outcome says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from consensus.certificates import parse_member_cert
from consensus.genesis import Params
from consensus.governance.proposals import MAX_DETAILS, ProposalBody, Subject
from consensus.governance.standing import Directive, Policy, Standing
from consensus.membership import Member, Membership, MemberState
from consensus.quorum import QuorumSetting
from wire import cbor, keys
from wire.errors import DecodeError, ProtocolViolation, UsageError
from wire.ids import SwarmId

_DAY_MS = 24 * 3600 * 1000

SwarmHex = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
Hex = Annotated[str, Meta(pattern=r"^([0-9a-f][0-9a-f])+\Z", max_length=40_000)]
Reason = Annotated[str, Meta(max_length=512)]
Type = Annotated[str, Meta(min_length=1, max_length=64)]
Duration = Annotated[int, Meta(ge=1, le=30 * _DAY_MS)]


class Priority(StrEnum):
    """How urgent something is."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocateAgents:
    """Let `lender` lend `count` agents of a type to `borrower` for a while."""

    lender: SwarmHex
    borrower: SwarmHex
    agent_type: Type
    count: Annotated[int, Meta(ge=1, le=1000)]
    duration_ms: Duration
    priority: Priority = Priority.NORMAL


@dataclass(frozen=True, slots=True, kw_only=True)
class PreemptLease:
    """End a lease before its time."""

    lease: Hex
    reason: Reason = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPriority:
    """How urgent a task, a lease, or all that a swarm does is from now on."""

    kind: Literal["task", "lease", "swarm"]
    target: Annotated[str, Meta(min_length=1, max_length=128)]
    priority: Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit:
    """Admit the swarm of a member certificate as a learner; `inviter` is who vouches for it."""

    certificate: Hex
    inviter: SwarmHex | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expel:
    """Send a member away."""

    swarm: SwarmHex
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Reinstate:
    """Let a member that was suspended, quarantined or expelled back in, as a learner."""

    swarm: SwarmHex
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class SetWeight:
    """What a member weighs, before it is cut to what nobody may exceed."""

    swarm: SwarmHex
    weight: Annotated[int, Meta(ge=1, le=1_000_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetParameter:
    """Another value for a parameter of the genesis."""

    name: Type
    value: int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPolicy:
    """What a swarm (or, without one, each) may ask of the others; None lifts a limit."""

    swarm: SwarmHex | None = None
    max_agents: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    max_duration_ms: Duration | None = None
    allowed_types: Annotated[tuple[Type, ...], Meta(max_length=64)] | None = None
    read: bool = True
    write: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SetProtocolVersion:
    """The version of the federation's rules."""

    version: Annotated[int, Meta(ge=1, le=1 << 31)]


Details = (
    AllocateAgents
    | PreemptLease
    | SetPriority
    | Admit
    | Expel
    | Reinstate
    | SetWeight
    | SetParameter
    | SetPolicy
    | SetProtocolVersion
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What an approved action meets: the state as it is, and where it was approved."""

    membership: Membership
    standing: Standing
    proposal: bytes
    time_ms: int
    federation: bytes
    verify: keys.Verify


Changed = tuple[Membership, Standing]


@dataclass(frozen=True, slots=True)
class Action:
    """One row: `effect` gives the state after the action, or raises RemoteError with a sentence."""

    subject: Subject
    layout: type[Details]
    effect: Callable[[Scene, Any], Changed]


def _directive(scene: Scene, details: AllocateAgents | PreemptLease) -> Changed:
    if isinstance(details, AllocateAgents):
        for swarm in (details.lender, details.borrower):
            _member(scene, swarm)
    directive = Directive(action=type(details).__name__, details=encode_details(details), time_ms=scene.time_ms)
    return scene.membership, scene.standing.directed(scene.proposal, directive)


def _priority(scene: Scene, details: SetPriority) -> Changed:
    return scene.membership, scene.standing.prioritized((details.kind, details.target), details.priority.value)


def _admit(scene: Scene, details: Admit) -> Changed:
    cert = parse_member_cert(bytes.fromhex(details.certificate), scene.federation, scene.verify)
    if cert.body.not_after_ms <= scene.time_ms:
        raise ProtocolViolation("the certificate has expired: make a new one with `zenmesh join`")
    inviter = None if details.inviter is None else SwarmId(bytes.fromhex(details.inviter))
    return scene.membership.join(cert, MemberState.LEARNER, inviter, None), scene.standing


def _expel(scene: Scene, details: Expel) -> Changed:
    return scene.membership.put(_member(scene, details.swarm).swarm, MemberState.EXPELLED), scene.standing


def _reinstate(scene: Scene, details: Reinstate) -> Changed:
    known = scene.membership.everyone.get(SwarmId(bytes.fromhex(details.swarm)))
    if known is None or known.state not in (MemberState.SUSPENDED, MemberState.QUARANTINED, MemberState.EXPELLED):
        raise ProtocolViolation("only a member that was suspended, quarantined or expelled is reinstated")
    return scene.membership.readmit(known.swarm), scene.standing


def _weight(scene: Scene, details: SetWeight) -> Changed:
    return scene.membership.reweigh(_member(scene, details.swarm).swarm, details.weight), scene.standing


def _parameter(scene: Scene, details: SetParameter) -> Changed:
    params = parameter_changed(scene.standing.params, details)
    membership = scene.membership
    if details.name == "quorum":
        membership = membership.reset_quorum(QuorumSetting(params.quorum))
    return membership, scene.standing.parametrized(params)


def _policy(scene: Scene, details: SetPolicy) -> Changed:
    swarm = None if details.swarm is None else _member(scene, details.swarm).swarm
    policy = Policy(
        max_agents=details.max_agents,
        max_duration_ms=details.max_duration_ms,
        allowed_types=details.allowed_types,
        read=details.read,
        write=details.write,
    )
    return scene.membership, scene.standing.ruled(swarm, policy)


def _version(scene: Scene, details: SetProtocolVersion) -> Changed:
    if details.version <= scene.standing.protocol_version:
        raise ProtocolViolation(f"the rules are of version {scene.standing.protocol_version} already")
    return scene.membership, scene.standing.upgraded(details.version)


ACTIONS: Mapping[str, Action] = {
    "allocate_agents": Action(Subject.RESOURCE_ALLOCATION, AllocateAgents, _directive),
    "preempt_lease": Action(Subject.RESOURCE_ALLOCATION, PreemptLease, _directive),
    "set_priority": Action(Subject.PRIORITY_CHANGE, SetPriority, _priority),
    "admit": Action(Subject.FEDERATION_POLICY, Admit, _admit),
    "expel": Action(Subject.FEDERATION_POLICY, Expel, _expel),
    "reinstate": Action(Subject.FEDERATION_POLICY, Reinstate, _reinstate),
    "set_weight": Action(Subject.FEDERATION_POLICY, SetWeight, _weight),
    "set_parameter": Action(Subject.FEDERATION_POLICY, SetParameter, _parameter),
    "set_policy": Action(Subject.FEDERATION_POLICY, SetPolicy, _policy),
    "set_protocol_version": Action(Subject.FEDERATION_POLICY, SetProtocolVersion, _version),
}


def check_details(subject: Subject, action: str, details: Mapping[str, object]) -> Details:
    """Typed details; raises UsageError that names the field where they do not fit the action."""
    row = ACTIONS.get(action)
    if row is None:
        raise UsageError(f"no action is called {action!r}: there are {', '.join(ACTIONS)}")
    if row.subject is not subject:
        raise UsageError(f"{action} is decided as {row.subject.value}, not as {subject.value}")
    unknown = sorted(set(details) - {field.name for field in fields(row.layout)})
    if unknown:
        raise UsageError(f"the details of {action} have no field {unknown[0]!r}: they are {_fields_of(row.layout)}")
    try:
        typed: Details = msgspec.convert(dict(details), row.layout)
    except msgspec.ValidationError as error:
        raise UsageError(f"the details of {action} do not fit: {error}; they are {_fields_of(row.layout)}") from error
    if isinstance(typed, SetParameter):
        parameter_changed(Params(), typed)
    return typed


def _fields_of(layout: type[Details]) -> str:
    """The fields of a layout for people, each with the words that it takes; in brackets what may be left out."""
    hints = get_type_hints(layout)
    told = {field.name: field.name + _words_of(hints[field.name]) for field in fields(layout)}
    optional = {field.name for field in fields(layout) if field.default is not MISSING}
    return ", ".join(f"[{text}]" if name in optional else text for name, text in told.items())


def _words_of(hint: Any) -> str:
    """` (low, normal, high)` for a field that takes these words alone; empty for one that takes others."""
    words = list(hint) if isinstance(hint, type) and issubclass(hint, StrEnum) else []
    words = list(get_args(hint)) if get_origin(hint) is Literal else words
    return f" ({', '.join(words)})" if words else ""


def read_details(subject: Subject, action: str, raw: bytes) -> Details:
    """Typed details of a proposal as received; raises DecodeError where they do not fit the action."""
    details = cbor.decode(raw, MAX_DETAILS)
    if not isinstance(details, dict):
        raise DecodeError("the details of a proposal are a map")
    try:
        return check_details(subject, action, details)
    except UsageError as error:
        raise DecodeError(str(error)) from error


def left_out(body: ProposalBody) -> SwarmId | None:
    """Who neither votes on a proposal nor counts: the member that is to be expelled."""
    if body.action != "expel":
        return None
    details = read_details(body.subject, body.action, body.details)
    assert isinstance(details, Expel), "the details of an expulsion were judged when it was proposed"
    return SwarmId(bytes.fromhex(details.swarm))


def encode_details(details: Details) -> bytes:
    """Details as they stand in a proposal."""
    return cbor.encode(msgspec.to_builtins(details))


def parameter_changed(params: Params, change: SetParameter) -> Params:
    """`params` with one changed; raises UsageError that names the parameter and its rule."""
    names = [name for name in Params.__struct_fields__ if name != "profile"]
    if change.name not in names:
        raise UsageError(
            f"no parameter is called {change.name!r} that could be decided: there are {', '.join(names)}"
        )
    values = {name: getattr(params, name) for name in Params.__struct_fields__} | {change.name: change.value}
    try:
        return msgspec.convert(list(values.values()), Params)
    except msgspec.ValidationError as error:
        what, rule = str(error).partition(" - at ")[0], _words_of(get_type_hints(Params)[change.name])
        raise UsageError(f"{change.name} = {change.value!r} does not fit: {what}{rule}") from error


def _member(scene: Scene, swarm: str) -> Member:
    member = scene.membership.member(SwarmId(bytes.fromhex(swarm)))
    if member is None:
        raise ProtocolViolation(f"no member has the id {swarm}")
    return member
