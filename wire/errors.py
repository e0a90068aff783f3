"""The error hierarchy: who is at fault decides the class.

A `RemoteError` blames a peer: cores raise it freely, one place in the node turns it into a penalty and a trace, and
the machine that raised it is unchanged. A `ConfigError`, `UsageError` or `Unavailable` speaks to the person at the
keyboard. A `StoreError` stops the node: wrong is worse than down. A broken invariant of our own is an
`AssertionError` and is never caught.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import PurePath


class ZenmeshError(Exception):
    """Base of every error that zenmesh raises on purpose."""


class ConfigError(ZenmeshError):
    """A setting or a file of the home is wrong; raised before anything starts."""

    def __init__(self, field: str, value: object, rule: str) -> None:
        super().__init__(f"{field} = {value!r}: {rule}")
        self.field = field
        self.value = value
        self.rule = rule


class UsageError(ZenmeshError):
    """The caller asked for something that cannot be; asking again changes nothing."""


class UnknownSwarm(UsageError):
    """No member of the federation has this swarm name or id."""


class ProposalTooLarge(UsageError):
    """A value or proposal is over its stated size limit."""


class NotMember(UsageError):
    """This node belongs to no federation (yet)."""


class Rejected(UsageError):
    """The federation looked at the request and said no."""


class Offence(StrEnum):
    """What a peer did wrong; the key of the offence counters and of the penalty table."""

    DECODE = "decode"
    OVERSIZE = "oversize"
    SIGNATURE = "signature"
    FEDERATION = "federation"
    PROTOCOL = "protocol"
    CHAIN = "chain"
    QUOTA = "quota"
    ROOT = "root"
    FORK = "fork"
    FUTURE_CLOCK = "future_clock"
    REPLAY = "replay"
    FLOOD = "flood"
    SLOW = "slow"


class RemoteError(ZenmeshError):
    """Input from outside broke a rule. The receiving machine is unchanged."""

    offence = Offence.PROTOCOL

    def __init__(self, detail: str, offence: Offence | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if offence is not None:
            self.offence = offence


class DecodeError(RemoteError):
    """Bytes that are not what they claim to be."""

    offence = Offence.DECODE


class BadSignature(RemoteError):
    """A signature, signer or federation that does not match."""

    offence = Offence.SIGNATURE


class ProtocolViolation(RemoteError):
    """Well-formed and authentic, but not allowed here and now."""


class Overtaken(RemoteError):
    """Right when it was sent, and settled since, or about what is not known here yet: who repeats until he sees the
    outcome sends some of these, and so does who is ahead."""

    offence = Offence.REPLAY


class Equivocation(RemoteError):
    """Two signed statements that cannot both be honest; `evidence` convinces anyone."""

    offence = Offence.FORK

    def __init__(self, detail: str, evidence: tuple[bytes, bytes]) -> None:
        super().__init__(detail)
        self.evidence = evidence


class Unavailable(ZenmeshError):
    """Not now: trying again after `retry_after_s` may work."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NoQuorum(Unavailable):
    """Too few members are reachable to do this safely."""


class NotLeader(Unavailable):
    """Another node of this swarm is its queen; `hint` says which."""

    def __init__(self, message: str, hint: str = "", retry_after_s: float = 1.0) -> None:
        super().__init__(message, retry_after_s)
        self.hint = hint


class LeaseLost(Unavailable):
    """The lease that this action stood on has ended."""


class Overloaded(Unavailable):
    """A bounded queue is full."""


class NotRunning(Unavailable):
    """No zenmesh daemon serves this home."""


class StoreError(ZenmeshError):
    """The disk did not keep its promise; fatal for the node. Names the file."""

    def __init__(self, path: PurePath | str, detail: str) -> None:
        super().__init__(f"{path}: {detail}")
        self.path = str(path)
        self.detail = detail


class CorruptLog(StoreError):
    """Bytes on disk are not what was written there."""


class DiskFull(StoreError):
    """The disk took no more bytes."""
