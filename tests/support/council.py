"""Replicas in a small world of their own: a heap of deliveries, a journal each, crashes, cuts, loss, liars.

council = Council(4, seed=1)
council.propose("a", ...)                 # a transaction at one of them
council.run_until(lambda: council.heights() == {2})
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from consensus.bft.desk import ReplicaConfig
from consensus.bft.effects import Blame, Convict, Decided, Effect, Fetch, Note, Say, Serve, Store, Submit
from consensus.bft.replica import Replica
from consensus.bft.safety import SafetyRules
from consensus.blocks import BallotTx, GovernTx, ProposalTx, encode_tx, support
from consensus.chain import Chain
from consensus.genesis import Params
from consensus.governance.actions import ACTIONS, check_details, encode_details
from consensus.governance.proposals import BallotBody, Choice, ProposalBody, seal_ballot, seal_proposal
from tests.support.realm import CREATOR, Realm, queen, swarm
from wire import keys
from wire.errors import Overloaded, RemoteError
from wire.ids import SwarmId, sha256
from wire.keys import SigningKey
from wire.rng import Rng
from wire.time import MILLISECOND, Instant, seconds
from wire.types import MessageType

NAMES = [CREATOR, "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]


def governed_realm(names: list[str], params: Params | None = None) -> Realm:
    """A chain on which these members have their weight, and the queens govern."""
    realm = Realm(params or Params(admission="open"))
    for name in names[1:]:
        realm.order(realm.approve(name))
        realm.order(realm.promote(name))
    supports = tuple(support(realm.federation, swarm(name), 1, queen(name)) for name in names[1:])
    realm.order(encode_tx(GovernTx(supports)))
    return realm


def proposal_tx(
    federation: bytes, proposer: str, number: int, now_ms: int, action: str = "set_priority", **details: object
) -> tuple[bytes, bytes]:
    """(transaction, proposal as sealed) by one queen."""
    subject = ACTIONS[action].subject
    details = details or {"kind": "task", "target": f"t{number}", "priority": "high"}
    body = ProposalBody(
        federation=federation,
        proposal=sha256(b"proposal %d" % number)[:16],
        proposer=swarm(proposer),
        term=1,
        subject=subject,
        action=action,
        details=encode_details(check_details(subject, action, details)),
        created_ms=now_ms,
        deadline_ms=now_ms + 60_000,
    )
    raw = seal_proposal(body, queen(proposer))
    return encode_tx(ProposalTx(raw)), raw


def ballot_tx(federation: bytes, voter: str, number: int, proposal: bytes, choice: Choice = Choice.APPROVE) -> bytes:
    """One queen's vote on a proposal."""
    body = BallotBody(
        federation, sha256(b"proposal %d" % number)[:16], sha256(proposal), swarm(voter), 1, choice, 1, ""
    )
    return encode_tx(BallotTx(seal_ballot(body, queen(voter))))


@dataclass
class Member:
    """One replica with its disk."""

    name: str
    key: SigningKey
    chain: Chain
    replica: Replica
    journal: list[bytes] = field(default_factory=list)
    up: bool = True
    twin_of: str | None = None
    blames: list[Blame] = field(default_factory=list)

    @property
    def swarm(self) -> SwarmId:
        return swarm(self.twin_of or self.name)


class Council:
    """A federation of replicas."""

    def __init__(
        self,
        size: int,
        seed: int = 1,
        config: ReplicaConfig | None = None,
        params: Params | None = None,
        lose: float = 0.0,
    ) -> None:
        self.names = NAMES[:size] if size <= len(NAMES) else [*NAMES, *(f"m{n}" for n in range(size - len(NAMES)))]
        self.realm = governed_realm(self.names, params)
        self.federation = self.realm.federation
        self.config = config or ReplicaConfig()
        self.rng = Rng(seed)
        self.lose = lose
        self.now: Instant = 0
        self.start_ms = self.realm.now_ms
        self.cut: set[tuple[str, str]] = set()
        self.fuses: dict[str, int] = {}  # effects that a replica still carries out before it is killed
        self.notes: list[tuple[str, Note]] = []
        self.sent = 0
        self.convicted: list[tuple[str, Convict]] = []
        self.signed: dict[tuple[object, ...], bytes] = {}
        self._heap: list[tuple[Instant, int, Callable[[], None]]] = []
        self._number = 0
        self._woken: dict[str, Instant] = {}
        self.filter: Callable[[Member, Member, MessageType, bytes], bytes | None] = lambda s, t, k, body: body
        self.members: dict[str, Member] = {}
        for name in self.names:
            self._add(name)

    @property
    def wall_ms(self) -> int:
        return self.start_ms + self.now // 1_000

    def _add(self, name: str, twin_of: str | None = None) -> Member:
        key = queen(twin_of or name)
        chain = self.realm.chain.copy(keys.verify)
        member = Member(name, key, chain, self._replica(chain, key, twin_of or name), twin_of=twin_of)
        self.members[name] = member
        return member

    def twin(self, name: str) -> Member:
        """A second process with the keys of `name`."""
        return self._add(name + "'", twin_of=name)

    def _replica(self, chain: Chain, key: SigningKey, name: str, journal: list[bytes] | None = None) -> Replica:
        rules = SafetyRules(key, self.federation, swarm(name))
        rules.restore(journal or [], chain.epoch, chain.height)
        return Replica(chain, swarm(name), rules, self.config, keys.verify)

    # acting

    def submit(self, name: str, tx: bytes) -> None:
        """A transaction at one replica."""
        member = self.members[name]
        if member.up:
            self._carry_out(member, member.replica.submit(tx, self.now, self.wall_ms))

    def crash(self, name: str) -> None:
        self.members[name].up = False

    def restart(self, name: str) -> None:
        """Start again from the journal and the chain, which are durable."""
        self.fuses.pop(name, None)
        member = self.members[name]
        member.replica = self._replica(member.chain, member.key, member.twin_of or name, member.journal)
        member.up = True
        for other in self.members.values():
            if other is not member and other.up:
                self._carry_out(other, other.replica.met(member.swarm))
                self._carry_out(member, member.replica.met(other.swarm))
        self._plan(member)

    def partition(self, *groups: list[str]) -> None:
        """Nothing passes between the groups."""
        side = {name: number for number, group in enumerate(groups) for name in group}
        self.cut = {
            (a, b) for a in self.members for b in self.members if a != b and side.get(a, -1) != side.get(b, -2)
        }

    def heal(self) -> None:
        """Everything passes, and links are made anew."""
        self.cut = set()
        for member in self.members.values():
            for other in self.members.values():
                if member is not other and member.up:
                    self._carry_out(member, member.replica.met(other.swarm))

    def heights(self) -> set[int]:
        """Of all that run."""
        return {member.chain.height for member in self.members.values() if member.up}

    # time

    def run_until(self, condition: Callable[[], bool], limit_s: float = 300) -> bool:
        """Let things happen until `condition` holds; False when it did not in time."""
        end = self.now + seconds(limit_s)
        for member in self.members.values():
            self._plan(member)
        while not condition():
            if not self._heap or self._heap[0][0] > end:
                self.now = end
                return condition()
            self.now, _, action = heapq.heappop(self._heap)
            action()
        return True

    def run(self, duration_s: float) -> None:
        self.run_until(lambda: False, duration_s)

    def _at(self, at: Instant, action: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._heap, (at, self._number, action))

    def _plan(self, member: Member) -> None:
        deadline = member.replica.next_deadline(self.now, self.wall_ms) if member.up else None
        if deadline is not None and self._woken.get(member.name) != deadline:
            self._woken[member.name] = deadline
            self._at(max(deadline, self.now), lambda: self._wake(member, deadline))

    def _wake(self, member: Member, deadline: Instant) -> None:
        if member.up and self._woken.get(member.name) == deadline:
            del self._woken[member.name]
            self._carry_out(member, member.replica.tick(self.now, self.wall_ms))

    # carrying out

    def _carry_out(self, member: Member, effects: list[Effect]) -> None:
        for effect in effects:
            if self.fuses.get(member.name) == 0:
                self.crash(member.name)
                return
            if member.name in self.fuses:
                self.fuses[member.name] -= 1
            match effect:
                case Store(record=record):
                    member.journal.append(record)
                case Say(message=kind, body=body, to=to):
                    self._said(member, kind, body, to)
                case Submit(tx=tx, to=peer):
                    self._post(member, peer, lambda other, tx=tx: self._handed(other, tx))
                case Fetch(swarm=peer):
                    self._post(member, peer, lambda other: self._serve(other, member, member.chain.height + 1))
                case Serve(swarm=peer, from_height=height):
                    self._post(member, peer, lambda other, height=height: self._serve(member, other, height))
                case Decided():
                    pass
                case Convict():
                    self.convicted.append((member.name, effect))
                case Blame():
                    member.blames.append(effect)
                case Note():
                    self.notes.append((member.name, effect))
        self._plan(member)

    def _said(self, member: Member, kind: MessageType, body: bytes, to: SwarmId | None) -> None:
        for other in list(self.members.values()):
            if other is not member and to in (None, other.swarm):
                self.sent += 1
                self._deliver(member, other, kind, body)

    def _deliver(self, member: Member, other: Member, kind: MessageType, body: bytes) -> None:
        changed = self.filter(member, other, kind, body)
        if changed is None or (self.lose and self.rng.random() < self.lose):
            return

        def arrive() -> None:
            if other.up and (member.name, other.name) not in self.cut:
                effects = other.replica.receive(member.swarm, kind, changed, self.now, self.wall_ms)
                self._carry_out(other, effects)

        self._at(self._delay(), arrive)

    def _post(self, member: Member, peer: SwarmId, action: Callable[[Member], None]) -> None:
        for other in list(self.members.values()):
            if other.swarm == peer and other is not member:
                self._at(self._delay(), lambda other=other: self._passed(member, other, action))

    def _passed(self, member: Member, other: Member, action: Callable[[Member], None]) -> None:
        if member.up and other.up and (member.name, other.name) not in self.cut:
            action(other)

    def _handed(self, other: Member, tx: bytes) -> None:
        with suppress(RemoteError, Overloaded):  # it is decided there already
            self.submit(other.name, tx)

    def _serve(self, source: Member, target: Member, height: int) -> None:
        blocks = source.chain.blocks(height, 1 << 20)

        def arrive() -> None:
            if not target.up or (source.name, target.name) in self.cut:
                return
            for block, certificate in blocks:
                target.chain.append(block, certificate) if _next(target.chain, block) else None
            self._carry_out(target, target.replica.chain_grew(self.now, self.wall_ms))

        self._at(self._delay(), arrive)

    def _delay(self) -> Instant:
        return self.now + 1 * MILLISECOND + self.rng.randbelow(4 * MILLISECOND)


def _next(chain: Chain, block: bytes) -> bool:
    from consensus.blocks import Block
    from wire import cbor

    return cbor.decode_as(block, Block).height == chain.height + 1
