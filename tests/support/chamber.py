"""A chamber: one replica under test, and the keys of all the other validators in the test's hand.

    chamber = Chamber()                                     # four validators; the replica is the second of them
    block = chamber.block()
    chamber.hear(PRE_PREPARE, chamber.pre_prepare(block))   # by the leader, unless another name is given
    assert chamber.says(PREPARE)

Nothing happens that the test does not do: no timer runs, nothing that the replica says is delivered.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from consensus.bft.desk import ReplicaConfig
from consensus.bft.effects import Blame, Effect, Say, Store
from consensus.bft.messages import (
    CONTENT,
    CertificateNews,
    NewView,
    NewViewHeader,
    Phase,
    PrePrepare,
    ViewChange,
    ViewChangeHeader,
    Vote,
    hash_of_changes,
    open_core,
)
from consensus.bft.replica import Replica
from consensus.bft.safety import SafetyRules
from consensus.blocks import Block, Core, block_hash, sign_core
from consensus.chain import Chain
from tests.support.council import NAMES, ballot_tx, governed_realm, proposal_tx
from tests.support.realm import Realm, queen, swarm
from wire import cbor, cose, keys
from wire.ids import ZERO_DIGEST
from wire.time import Instant, seconds
from wire.types import ContentType, MessageType

EffectT = TypeVar("EffectT", bound=Effect)


@cache
def _governed(size: int) -> Realm:
    """Nobody changes it: each chamber has a copy of its chain."""
    return governed_realm([*NAMES, *(f"m{number}" for number in range(size - len(NAMES)))][:size])


@dataclass(frozen=True, slots=True)
class Locked:
    """A block that a quorum prepared."""

    core: Core
    certificate: bytes
    block: bytes


class Chamber:
    """The replica of `me`, the validator at place `at` in the order of swarm ids."""

    def __init__(
        self, size: int = 4, at: int = 1, config: ReplicaConfig | None = None, realm: Realm | None = None
    ) -> None:
        self.realm = realm or _governed(size)
        voters = {validator.swarm for validator in self.realm.chain.validators().validators}
        self.order = sorted((m.name for m in self.realm.chain.members() if m.swarm in voters), key=swarm)
        self.me = self.order[at]
        self.federation = self.realm.federation
        self.chain: Chain = self.realm.chain.copy(keys.verify)
        self.config = config or ReplicaConfig()
        self.journal: list[bytes] = []
        self.now: Instant = seconds(100)
        self.wall_ms = self.realm.now_ms + 5_000
        self.effects: list[Effect] = []
        self.restart()

    # the replica

    def restart(self, chain: Chain | None = None) -> None:
        """Begin with what the journal holds, and the chain, or another one."""
        self.chain = chain or self.chain
        rules = SafetyRules(queen(self.me), self.federation, swarm(self.me))
        assert rules.restore(self.journal, self.chain.epoch, self.chain.height) == 0
        self.replica = Replica(self.chain, swarm(self.me), rules, self.config, keys.verify)

    def hear(self, kind: MessageType, body: bytes, sender: str | None = None) -> list[Effect]:
        """A message arrives; by the leader of the present view unless someone is named."""
        sender = sender or self.leader(self.replica.view)
        return self._did(self.replica.receive(swarm(sender), kind, body, self.now, self.wall_ms))

    def submit(self, tx: bytes) -> list[Effect]:
        return self._did(self.replica.submit(tx, self.now, self.wall_ms))

    def tick(self, after_s: float = 0) -> list[Effect]:
        self.now += seconds(after_s)
        return self._did(self.replica.tick(self.now, self.wall_ms))

    def met(self, name: str) -> list[Effect]:
        return self._did(self.replica.met(swarm(name)))

    def grow(self, block: bytes, certificate: bytes | None = None) -> list[Effect]:
        """The block comes by another way, certified by all who vote."""
        voters = [name for name in self.order if self.chain.validators().position(swarm(name)) is not None]
        proof = certificate or self.certificate(Phase.COMMIT, self.core(block), voters)
        assert self.chain.append(block, proof)
        return self._did(self.replica.chain_grew(self.now, self.wall_ms))

    def grow_to(self, height: int) -> None:
        """Something is decided at each height below this one, which comes next."""
        while self.height < height:
            self.grow(self.block(1, *self.ballots(self.height)))

    def time_out(self) -> list[Effect]:
        """The present view had its time, though there is something to decide."""
        if not self.replica.pending:
            self.submit(self.proposal_tx(1000 + self.height))
        return self.tick(60)

    def _did(self, effects: list[Effect]) -> list[Effect]:
        self.journal += [effect.record for effect in effects if isinstance(effect, Store)]
        self.effects = effects
        return effects

    # what it did last

    def of(self, kind: type[EffectT]) -> list[EffectT]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def says(self, kind: MessageType) -> list[bytes]:
        """The bodies of the messages of a kind that it just said."""
        return [say.body for say in self.of(Say) if say.message is kind]

    def voted(self, kind: MessageType) -> list[bytes]:
        """The hashes of the blocks on which it just voted."""
        votes = [cbor.decode_as(body, Vote) for body in self.says(kind)]
        assert all(vote.voter == swarm(self.me) for vote in votes)
        return [open_core(vote.core, self.federation).block_hash for vote in votes]

    def proposed(self) -> list[bytes]:
        """The blocks that it just proposed."""
        return [cbor.decode_as(body, PrePrepare).block for body in self.says(MessageType.PRE_PREPARE)]

    @property
    def blamed(self) -> str:
        """For what it just blamed the sender; nothing if it did not."""
        return "; ".join(blame.error.detail for blame in self.of(Blame))

    # who

    @property
    def height(self) -> int:
        """The one that is to be decided."""
        return self.chain.height + 1

    def leader(self, view: int = 0, height: int | None = None) -> str:
        validator = self.chain.validators().leader(view, height or self.height)
        return next(name for name in self.order if swarm(name) == validator.swarm)

    @property
    def others(self) -> list[str]:
        return [name for name in self.order if name != self.me]

    def quorum(self) -> list[str]:
        """The first of the others that decide without this replica."""
        size = next(
            n for n in range(len(self.order)) if self.chain.validators().is_quorum(map(swarm, self.others[:n]))
        )
        return self.others[:size]

    # transactions and blocks

    def writer(self) -> Realm:
        """Who makes transactions over this very chain, as it is now."""
        realm = copy.copy(self.realm)
        realm.chain = self.chain
        return realm

    def proposal_tx(self, number: int = 1) -> bytes:
        """A proposal by the first of the validators."""
        return proposal_tx(self.federation, self.order[0], number, self.wall_ms)[0]

    def ballots(self, number: int = 1) -> list[bytes]:
        """The proposal with this number, and everybody's yes."""
        tx, raw = proposal_tx(self.federation, self.order[0], number, self.wall_ms)
        return [tx, *(ballot_tx(self.federation, name, number, raw) for name in self.order)]

    def block(self, number: int = 1, /, *txs: bytes, **changes: Any) -> bytes:
        """A block that may come next; `changes` replace its fields."""
        says = {
            "height": self.height,
            "epoch": self.chain.epoch,
            "parent_hash": self.chain.head_hash,
            "time_ms": max(self.wall_ms, self.chain.time_ms + 1),
            "prev_state_hash": self.chain.state_hash,
            "txs": txs or (self.proposal_tx(number),),
        }
        return cbor.encode_struct(Block(**{**says, **changes}))

    # what others say

    def core(self, block: bytes, view: int = 0, **changes: Any) -> Core:
        says = {
            "federation": self.federation,
            "epoch": self.chain.epoch,
            "view": view,
            "height": self.height,
            "block_hash": block_hash(block),
        }
        return Core(**{**says, **changes})

    def pre_prepare(
        self, block: bytes, view: int = 0, name: str | None = None, core: Core | None = None, **changes: Any
    ) -> bytes:
        core = core or self.core(block, view, **changes)
        key = queen(name or self.leader(core.view, core.height))
        signature = sign_core(core, key, CONTENT[Phase.PRE_PREPARE])
        return cbor.encode_struct(PrePrepare(cbor.encode_struct(core), signature, block))

    def vote(self, phase: Phase, core: Core, name: str, signer: str | None = None) -> bytes:
        signature = sign_core(core, queen(signer or name), CONTENT[phase])
        return cbor.encode_struct(Vote(cbor.encode_struct(core), swarm(name), signature))

    def votes(self, phase: Phase, core: Core, names: Iterable[str] | None = None) -> list[Effect]:
        """So many vote, a quorum of the others unless they are named; what the replica did of it."""
        done: list[Effect] = []
        for name in names or self.quorum():
            done += self.hear(MessageType[phase.name], self.vote(phase, core, name), name)
        self.effects = done
        return done

    def certificate(self, phase: Phase, core: Core, names: Iterable[str] | None = None) -> bytes:
        signed = {swarm(name): sign_core(core, queen(name), CONTENT[phase]) for name in names or self.quorum()}
        return self.chain.validators().certify(core, signed)

    def news(self, phase: Phase, certificate: bytes) -> bytes:
        return cbor.encode_struct(CertificateNews(phase, certificate))

    def locked(self, block: bytes, view: int = 0) -> Locked:
        core = self.core(block, view)
        return Locked(core, self.certificate(Phase.PREPARE, core), block)

    def change(
        self, view: int, name: str, lock: Locked | None = None, signer: str | None = None, **changes: Any
    ) -> ViewChange:
        says = {
            "federation": self.federation,
            "epoch": self.chain.epoch,
            "new_view": view,
            "committed_height": self.chain.height,
            "committed_hash": self.chain.head_hash,
            "prepared_view": lock.core.view if lock else -1,
            "prepared_hash": lock.core.block_hash if lock else ZERO_DIGEST,
        }
        header = cbor.encode_struct(ViewChangeHeader(**{**says, **changes}))
        sealed = cose.seal(ContentType.VIEW_CHANGE, header, queen(signer or name), self.federation)
        return ViewChange(sealed, lock.certificate if lock else None, lock.block if lock else None)

    def call(self, view: int, name: str, lock: Locked | None = None, **changes: Any) -> list[Effect]:
        """`name` calls for a view."""
        message = cbor.encode_struct(self.change(view, name, lock, **changes))
        return self.hear(MessageType.VIEW_CHANGE, message, name)

    def new_view(
        self,
        view: int,
        changes: Iterable[ViewChange] | None = None,
        forced: Locked | None = None,
        name: str | None = None,
        **says: Any,
    ) -> NewView:
        """The beginning of a view, by its leader, over the changes of a quorum of the others."""
        if changes is None:
            changes = [self.change(view, who) for who in self.quorum()]
        headers = tuple(change.header for change in changes)
        fields = {
            "federation": self.federation,
            "epoch": self.chain.epoch,
            "view": view,
            "changes_hash": hash_of_changes(headers),
        }
        header = cbor.encode_struct(NewViewHeader(**{**fields, **says}))
        sealed = cose.seal(ContentType.NEW_VIEW, header, queen(name or self.leader(view)), self.federation)
        return NewView(sealed, headers, forced.certificate if forced else None, forced.block if forced else None)

    def begin(self, view: int, *args: Any, **says: Any) -> list[Effect]:
        """Its leader begins a view."""
        message = cbor.encode_struct(self.new_view(view, *args, **says))
        return self.hear(MessageType.NEW_VIEW, message, self.leader(view))
