"""A council of four queens of whom one is doubled: who they are, and what the world gives them.

Processes 0 to 3 are the queens in the order in which they lead: process 0 leads view 0, and so on. Process 4 is the
second instance of one of them. Its user wants something else than all the others', so that the two contradict each
other wherever they can.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from chaos.colony import TERM, Home, found
from chaos.rules import Rules
from consensus.bft.desk import ReplicaConfig
from consensus.bft.replica import Replica
from consensus.bft.safety import SafetyRules
from consensus.blocks import ProposalTx, encode_tx
from consensus.chain import Chain
from consensus.governance.actions import ACTIONS, check_details, encode_details
from consensus.governance.proposals import ProposalBody, seal_proposal
from mesh.protocol.config import ProfileName
from wire import keys
from wire.ids import SwarmId, sha256
from wire.keys import SigningKey
from wire.rng import Rng
from wire.time import Instant, seconds

QUEENS = 4
TWIN = QUEENS  # the number of the second instance
PROCESSES = QUEENS + 1
_DAY_MS = 24 * 3600 * 1000
_NEVER = seconds(10**9)
_VERIFIED = 1 << 20  # signatures


class Council:
    """The council in which the queen at place `doubled` has a twin; `rules` may plant a fault into every replica."""

    def __init__(self, doubled: int, rules: Callable[[Rng], Rules] = Rules) -> None:
        self.doubled = doubled
        self.verify = lru_cache(_VERIFIED)(keys.verify)
        colony = found(
            [f"s{number}" for number in range(1, QUEENS + 1)], ProfileName.LAN, Rng(1), self.verify, by_queens=True
        )
        order = sorted(colony.homes, key=lambda home: home.swarm)
        self.homes: Sequence[Home] = [*order, order[doubled]]
        self.federation = colony.federation
        self.founded = colony.verified
        self._rules = rules(Rng(1))
        self._config = ReplicaConfig(batch_delay=0, repeat=_NEVER)
        self._start_ms = self.founded.time_ms + 60_000

    # who

    def swarm(self, process: int) -> SwarmId:
        return self.homes[process].swarm

    def key(self, process: int) -> SigningKey:
        return self.homes[process].queen

    def honest(self, process: int) -> bool:
        """It has no twin."""
        return self.homes[process] is not self.homes[TWIN]

    def processes_of(self, swarm: SwarmId | None) -> list[int]:
        """Who runs with the keys of a swarm; all for None."""
        return [number for number in range(PROCESSES) if swarm in (None, self.swarm(number))]

    def others(self, process: int) -> list[SwarmId]:
        """Whom a process has links to: to its twin it has none."""
        return sorted({home.swarm for home in self.homes} - {self.swarm(process)})

    # what they begin with

    def replica(self, process: int) -> tuple[Replica, Chain]:
        """A replica that has just started, and its chain."""
        home = self.homes[process]
        chain = self.founded.copy(self.verify)
        rules = SafetyRules(home.queen, self.federation, home.swarm)
        rules.begin_epoch(chain.epoch)
        replica = Replica(chain, home.swarm, rules, self._config, self.verify)
        self._rules.booted(self._stand_in(replica, chain))
        return replica, chain

    def copy_of(self, chain: Chain) -> Chain:
        """A chain to go on with, by the same rules."""
        copy = chain.copy(self.verify)
        copy.__class__ = chain.__class__
        return copy

    def wish(self, process: int) -> bytes:
        """The transaction that the user of a process wants."""
        action = "set_priority"
        subject = ACTIONS[action].subject
        details = {"kind": "task", "target": "this" if process != TWIN else "that", "priority": "high"}
        first = self.homes[0]
        body = ProposalBody(
            federation=self.federation,
            proposal=sha256(details["target"].encode())[:16],
            proposer=first.swarm,
            term=TERM,
            subject=subject,
            action=action,
            details=encode_details(check_details(subject, action, details)),
            created_ms=self._start_ms,
            deadline_ms=self._start_ms + _DAY_MS,
        )
        return encode_tx(ProposalTx(seal_proposal(body, first.queen)))

    def wall_ms(self, now: Instant) -> int:
        """Everyone's wall clock."""
        return self._start_ms + now // 1_000

    @staticmethod
    def _stand_in(replica: Replica, chain: Chain) -> Any:
        """What a canary needs to see of a process."""
        deciding = SimpleNamespace(replica=replica)
        return SimpleNamespace(node=SimpleNamespace(deciding=deciding, context=SimpleNamespace(chain=chain)))
