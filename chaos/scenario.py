"""A scenario: a seed, a configuration and a list of actions; as JSON it is what users write, share and replay.

A run has two phases. In the safety phase (`faults_s`) the actions happen. Then a core of hosts is healed for good,
the rest stays in its faults, and within `settle_s` the core must converge: the liveness phase.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from chaos.actions import AnyAction, Propose
from consensus.governance.actions import ACTIONS
from mesh.protocol.config import ProfileName
from wire.errors import UsageError

MAX_SWARMS = 2_000
SPARES = "bc"  # what is added to the name of a host for those of its backups


class Policy(StrEnum):
    """How queens vote without being asked."""

    APPROVE = "approve"
    REJECT = "reject"
    OPERATORS = "operators"  # they leave it to them
    DRAWN = "drawn"  # each in its own way, drawn by the seed


class Scenario(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that a run follows from."""

    seed: int
    swarms: int
    actions: tuple[AnyAction, ...] = ()
    name: str = "scenario"
    profile: ProfileName = ProfileName.LAN
    faults_s: int = 60
    settle_s: int = 60
    core: tuple[str, ...] | None = None  # who is healed; None: drawn by the seed
    govern: bool = False  # the queens decide together; else the creator alone
    handover: bool = False  # with `govern`: the creator governs when the nodes start, and hands over to them
    policy: Policy = Policy.APPROVE
    votes_to_all: Annotated[int, Meta(ge=0)] = 6  # up to so many voters, votes go to everyone; else to the leader
    late: tuple[str, ...] = ()  # who belongs only once the queens have admitted it, and starts then
    backups: tuple[str, ...] = ()  # with `govern`: whose queens have a backup (`spares_of`); who is named twice, two
    expire_s: tuple[tuple[str, Annotated[int, Meta(ge=0)]], ...] = ()  # whose certificates end how soon
    checkpoint_every: Annotated[int, Meta(ge=1)] = 100  # heights; who lacks a quarter more leaps to the last one
    memo: bool = True  # signatures are verified once in the world; without, by every node
    canary: str | None = None  # a planted fault that the world injects
    note: str = ""  # why somebody keeps this file
    digest: str | None = None  # of the trace of the run that wrote this file
    format: Literal[1] = 1

    def __post_init__(self) -> None:
        if not 1 <= self.swarms <= MAX_SWARMS:
            raise ValueError(f"swarms: {self.swarms} is not within 1 to {MAX_SWARMS}")
        if self.faults_s < 0 or self.settle_s < 0:
            raise ValueError("faults_s and settle_s are not negative")
        self._check_council()
        known = {name for number in range(1, self.swarms + 1) for name in (f"s{number}", f"s{number}'")}
        known |= {spare for spares in spares_of(self.backups).values() for spare in spares}
        for host in (
            *self.late,
            *self.backups,
            *(host for host, _ in self.expire_s),
            *(host for action in self.actions for host in hosts_of(action)),
        ):
            if host not in known:
                raise ValueError(f"no host is called {host!r}: there are s1 to s{self.swarms}")

    def _check_council(self) -> None:
        if not self.govern and (self.handover or self.late or self.backups):
            raise ValueError("handover, late and backups are for federations that govern themselves: govern is false")
        if self.backups and self.handover:
            raise ValueError("backups: who hands over names nobody yet")
        if any(self.backups.count(host) > len(SPARES) for host in self.backups):
            raise ValueError(f"backups: a queen has {len(SPARES)} at most")
        if "s1" in self.late or (self.late and self.handover):
            raise ValueError("late: s1 founds the federation, and who hands over founds it with all")
        for action in self.actions:
            if isinstance(action, Propose) and action.action not in ACTIONS:
                raise ValueError(f"no action is called {action.action!r}: there are {', '.join(ACTIONS)}")


def spares_of(backups: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The hosts of the backups of each queen, in the order of their ranks: `s1b`, and `s1c` where there are two."""
    return {host: tuple(f"{host}{letter}" for letter in SPARES[: backups.count(host)]) for host in backups}


def hosts_of(action: AnyAction) -> tuple[str, ...]:
    """Every host that an action names."""
    fields = msgspec.structs.asdict(action)
    single = [fields[name] for name in ("host", "other") if fields.get(name) is not None]
    groups = [fields[name] for name in ("sources", "targets", "towards") if name in fields]
    return (*single, *(host for group in groups for host in group))


def dump(scenario: Scenario) -> bytes:
    """The JSON text of a scenario, for people to read and edit."""
    return msgspec.json.format(msgspec.json.encode(scenario), indent=2) + b"\n"


def load(text: bytes) -> Scenario:
    """The scenario that a JSON text describes.

    Raises:
        UsageError: names the field and the rule.
    """
    try:
        return msgspec.json.decode(text, type=Scenario)
    except (msgspec.DecodeError, ValueError) as error:
        raise UsageError(f"this is no scenario: {error}") from error
