"""Errors: who is at fault, what they carry, and what they say to those who read them."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from wire import errors
from wire.errors import (
    BadSignature,
    ConfigError,
    CorruptLog,
    DecodeError,
    DiskFull,
    Equivocation,
    LeaseLost,
    NoQuorum,
    NotLeader,
    NotMember,
    NotRunning,
    Offence,
    Overloaded,
    Overtaken,
    ProposalTooLarge,
    ProtocolViolation,
    Rejected,
    RemoteError,
    StoreError,
    Unavailable,
    UnknownSwarm,
    UsageError,
    ZenmeshError,
)

FAMILIES = {
    UsageError: (UnknownSwarm, ProposalTooLarge, NotMember, Rejected),
    RemoteError: (DecodeError, BadSignature, ProtocolViolation, Overtaken, Equivocation),
    Unavailable: (NoQuorum, NotLeader, LeaseLost, Overloaded, NotRunning),
    StoreError: (CorruptLog, DiskFull),
    ConfigError: (),
}
TEXTS = {
    "config": (ConfigError("port", 70_000, "at most 65535"), "port = 70000: at most 65535"),
    "config, of text": (ConfigError("name", "", "1 to 64 characters"), "name = '': 1 to 64 characters"),
    "usage": (UnknownSwarm("no swarm is named gamma"), "no swarm is named gamma"),
    "remote": (DecodeError("not CBOR"), "not CBOR"),
    "equivocation": (Equivocation("two blocks at 7", (b"a", b"b")), "two blocks at 7"),
    "unavailable": (NoQuorum("2 of 4 members are reachable"), "2 of 4 members are reachable"),
    "leader": (NotLeader("ask alpha-2", hint="alpha-2"), "ask alpha-2"),
    "store": (CorruptLog(PurePosixPath("logs/a.log"), "record 3"), "logs/a.log: record 3"),
    "store, of text": (DiskFull("logs/a.log", "no space"), "logs/a.log: no space"),
}
OFFENCES = {
    "of nothing special": (RemoteError("x"), Offence.PROTOCOL),
    "of a violation": (ProtocolViolation("x"), Offence.PROTOCOL),
    "of what is settled": (Overtaken("x"), Offence.REPLAY),
    "of bytes": (DecodeError("x"), Offence.DECODE),
    "of bytes, too many": (DecodeError("x", Offence.OVERSIZE), Offence.OVERSIZE),
    "of a signature": (BadSignature("x"), Offence.SIGNATURE),
    "of a signature, elsewhere": (BadSignature("x", Offence.FEDERATION), Offence.FEDERATION),
    "of two statements": (Equivocation("x", (b"a", b"b")), Offence.FORK),
}


def test_every_error_has_its_family() -> None:
    found = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert found == {ZenmeshError, *FAMILIES, *(kind for family in FAMILIES.values() for kind in family)}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_nobody_is_at_fault_twice(family: type[ZenmeshError]) -> None:
    assert family.__bases__ == (ZenmeshError,)
    assert all(kind.__bases__ == (family,) for kind in FAMILIES[family])


@pytest.mark.parametrize(("error", "text"), TEXTS.values(), ids=TEXTS)
def test_the_text_says_what_is_wrong(error: ZenmeshError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize(("error", "offence"), OFFENCES.values(), ids=OFFENCES)
def test_a_peer_is_charged_with(error: RemoteError, offence: Offence) -> None:
    assert error.offence is offence
    assert error.detail == str(error) == "x"


def test_one_charge_does_not_change_the_next() -> None:
    DecodeError("x", Offence.OVERSIZE)
    assert DecodeError("x").offence is Offence.DECODE


def test_errors_carry_what_their_catchers_need() -> None:
    config = ConfigError("port", 70_000, "at most 65535")
    assert (config.field, config.value, config.rule) == ("port", 70_000, "at most 65535")
    assert Equivocation("x", (b"a", b"b")).evidence == (b"a", b"b")
    assert Unavailable("x").retry_after_s == 1.0
    assert Unavailable("x", 0.5).retry_after_s == 0.5
    leader = NotLeader("x", hint="alpha-2", retry_after_s=2.0)
    assert (leader.hint, leader.retry_after_s) == ("alpha-2", 2.0)
    store = StoreError(PurePosixPath("a.log"), "record 3")
    assert (store.path, store.detail) == ("a.log", "record 3")
