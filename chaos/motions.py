"""What operators do in governed seeds: they propose, vote, let swarms in and send them away, at random.

Departures are few, so that who is left is a federation still: one swarm at most leaves or is expelled, and none where
there are fewer than four. Whoever is late is proposed for admission until it is in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypedDict

from chaos.actions import AnyAction, Ballot, Detail, Leave, Propose, Vote
from chaos.intrigues import backed
from chaos.scenario import Policy
from wire.rng import Rng

MEAN_PAUSE_MS = 2_500  # between two motions
VOTES_PER_S = 1
LEAST_TO_SPARE = 4  # in a federation of fewer, nobody goes
_MEANWHILE_MS = 14_000  # after a queen has failed, by when her backup is queen

Draw = Callable[[Rng], dict[str, Detail]]

# What is proposed, about a swarm or about none, with which details.
MOTIONS: dict[str, tuple[bool, Draw]] = {
    "allocate_agents": (
        True,
        lambda rng: {"agent_type": "coder", "count": 1 + rng.randbelow(9), "duration_ms": 60_000},
    ),
    "preempt_lease": (False, lambda rng: {"lease": rng.bytes(16).hex(), "reason": "needed elsewhere"}),
    "set_priority": (True, lambda rng: {"priority": rng.choice(["low", "normal", "high", "critical"])}),
    "set_weight": (True, lambda rng: {"weight": 1 + rng.randbelow(4)}),
    "set_parameter": (False, lambda rng: {"name": "entries_per_owner", "value": 10_000 + rng.randbelow(10_000)}),
    "set_policy": (True, lambda rng: {"max_agents": rng.randbelow(50)}),
    "set_protocol_version": (False, lambda rng: {"version": 1 + rng.randbelow(5)}),
}


class Way(TypedDict, total=False):
    """Those fields of a scenario that are about who governs, and how."""

    govern: bool
    handover: bool
    policy: Policy
    votes_to_all: int
    late: tuple[str, ...]
    backups: tuple[str, ...]
    expire_s: tuple[tuple[str, int], ...]
    checkpoint_every: int


def way_of(rng: Rng, hosts: list[str]) -> Way:
    """How a governed federation of a seed is made."""
    late = hosts[-1:] if len(hosts) >= LEAST_TO_SPARE and rng.random() < 0.25 else []
    handover = not late and rng.random() < 0.2
    return {
        "govern": True,
        "handover": handover,
        "policy": rng.choice([Policy.APPROVE, Policy.DRAWN, Policy.DRAWN, Policy.OPERATORS]),
        "votes_to_all": rng.choice([6, 6, 16, 0]),
        "late": tuple(late),
        "backups": backed(rng.split("backups"), [] if handover else [host for host in hosts if host not in late]),
        "checkpoint_every": rng.split("checkpoints").choice([100, 10, 4]),
        "expire_s": _ends(rng.split("ends"), hosts),
    }


def _ends(rng: Rng, hosts: list[str]) -> tuple[tuple[str, int], ...]:
    """Whose certificates end within the minute, in one federation of four: of as many as may be, at any moment."""
    few = rng.sample(hosts, 1 + rng.randbelow(len(hosts))) if rng.random() < 0.25 else []
    return tuple((host, 1 + rng.randbelow(60)) for host in sorted(few))


def motions(
    rng: Rng, hosts: list[str], late: tuple[str, ...], faults_s: int, failures: Sequence[int] = ()
) -> list[AnyAction]:
    """Proposals and ballots of all operators, in no order; who is late is let in, and somebody may go: about when a
    queen fails, if one does."""
    actions = questions(rng, hosts, faults_s)
    for newcomer in late:
        for second in range(2, faults_s, 10):
            host = rng.choice([host for host in hosts if host not in late])
            actions.append(Propose(at_ms=second * 1_000, host=host, action="admit", other=newcomer))
    if len(hosts) >= LEAST_TO_SPARE and rng.random() < 0.5:
        actions += _departure(rng, hosts, faults_s * 1_000, failures)
    return actions


def questions(rng: Rng, hosts: list[str], faults_s: int) -> list[AnyAction]:
    """Proposals that change nobody's membership, and ballots on whatever is open."""
    actions: list[AnyAction] = []
    kinds = rng.sample(list(MOTIONS), 1 + rng.randbelow(len(MOTIONS)))
    at = 0
    while (at := at + rng.randbelow(2 * MEAN_PAUSE_MS)) < faults_s * 1_000:
        actions.append(_motion(rng, hosts, rng.choice(kinds), at))
    for _ in range(faults_s * VOTES_PER_S):
        choice = rng.choice([Ballot.APPROVE, Ballot.APPROVE, Ballot.REJECT, Ballot.ABSTAIN])
        actions.append(Vote(at_ms=rng.randbelow(faults_s * 1_000), host=rng.choice(hosts), choice=choice))
    return actions


def _motion(rng: Rng, hosts: list[str], name: str, at: int) -> Propose:
    about, details = MOTIONS[name]
    return Propose(
        at_ms=at,
        host=rng.choice(hosts),
        action=name,
        other=rng.choice(hosts) if about else None,
        details=details(rng),
        deadline_s=rng.choice([1, 5, 10, 20]),
    )


def _departure(rng: Rng, hosts: list[str], length: int, failures: Sequence[int]) -> list[AnyAction]:
    """One swarm leaves, or is expelled and perhaps let in again."""
    gone, at = rng.choice(hosts), rng.randbelow(length)
    if failures:
        at = min(length - 1, failures[at % len(failures)] + at % _MEANWHILE_MS)
    if rng.random() < 0.4:
        return [Leave(at_ms=at, host=gone)]
    others = [host for host in hosts if host != gone]
    words: dict[str, Detail] = {"reason": "drawn by lot"}
    return [
        Propose(at_ms=at, host=rng.choice(others), action="expel", other=gone, details=words),
        Propose(at_ms=at + 8_000, host=rng.choice(others), action="reinstate", other=gone, details=words),
    ]
