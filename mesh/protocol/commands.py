"""What a local user may ask of a running node, and what it answers.

Operations come from the control API (and so from the CLI); every one gets exactly one outcome. A `Success` carries a
JSON object whose fields are the ones of the published schema; a `Failure` carries a sentence that says what
happened, why, and what to do, and the kind that becomes the CLI's exit code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class FailureKind(IntEnum):
    """Why an operation failed; the value is the CLI's exit code."""

    FAILED = 1
    USAGE = 2
    NOT_RUNNING = 3
    NOT_MEMBER = 4
    NO_QUORUM = 5
    REJECTED = 6
    STORAGE = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """Done. `result` is JSON-able."""

    result: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Not done. `message` says what happened, why, and what to do."""

    kind: FailureKind
    message: str
    retry_after_s: float | None = None


Outcome = Success | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class GetStatus:
    """The node's whole visible state (see the status schema)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetPeers:
    """Links, pending dials, and failed dials with their causes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPut:
    """Write `value` (UTF-8 JSON text) under `key` in this swarm's namespace.

    Answered once durable here, or with `replicated` once held by weak-quorum weight.
    """

    key: str
    value: bytes
    replicated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryGet:
    """The value of `key` in every swarm's namespace, or in that of `swarm` (name or id) alone."""

    key: str
    swarm: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryList:
    """Keys that start with `prefix`, of every swarm or of one."""

    prefix: str = ""
    swarm: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRemove:
    """Remove `key` from this swarm's namespace."""

    key: str
    replicated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """Mint a ticket that admits one swarm within `expires_s` seconds."""

    expires_s: int = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Ask to be admitted: by ticket, through one member's multiaddr (`peer`), or through whoever is on the LAN."""

    ticket: str | None = None
    peer: str | None = None
    lan: bool = False
    federation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admit:
    """The creator's operator admits a swarm whose request is pending."""

    swarm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Propose:
    """Ask the queens to decide. Answered once the chain has the proposal, or with `wait` once it is decided."""

    subject: str
    action: str
    details: Mapping[str, object]
    deadline_s: int = 60
    wait: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """This queen's answer to an open proposal, which is named by the beginning of its id."""

    proposal: str
    choice: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetMembers:
    """Who belongs and who did, what each weighs, and whether a quorum is in reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetProposals:
    """What is open, and how the ballots stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetDecisions:
    """What was decided from height `since` on; or one decision, by the beginning of its id, with its proof."""

    since: int = 0
    proposal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """This swarm leaves the federation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Renew:
    """A certificate of the present term by the root key, in hex, replaces that of this swarm: it may name backups."""

    certificate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftTakeover:
    """The block by which the members that are ready take over from a creator that is lost: for root keys to sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOver:
    """That block, in hex, and who signed it: each the id of a swarm, then the signature of its root key, in hex."""

    block: str
    signatures: tuple[str, ...]


Read = GetStatus | GetPeers | MemoryGet | MemoryList | Invite | Join | GetMembers | GetProposals | GetDecisions
Operation = Read | MemoryPut | MemoryRemove | Admit | Propose | Vote | Leave | Renew | DraftTakeover | TakeOver
