"""Who has failed? From the silence of one swarm to the word of many.

    suspected (`mesh.protocol.watching`) ──► accused by this node, and again while it stays silent
    accused by more than half of the weight, the accused aside ──► FAILED, everywhere where that is known
    FAILED for `suspend_after` ──► SUSPENDED, by decision: it has to prove that it is alive to vote again

An accusation is a signed word (`consensus.accusations`). Whoever hears one against itself refutes it: its HEARTBEAT
carries a higher incarnation, durable before it is told, and what was said of lower ones is void. Who accuses it all
the same has not heard that, by a restart for instance: whoever knows better shows him that HEARTBEAT, since words
about two incarnations do not add up, and the accused may be dead by now. An accusation holds in its epoch; what still
holds true is said anew in the next one.

Who hears from so few that they could not confirm it together accuses nobody. It would be in vain, and it is rather
this node that is cut off, or has no time for what the others answer (Lifeguard: who finds fault with many doubts
itself). So a starved machine is not drawn into accusing all that live.

All this is about voters alone, since who has no weight stops nobody; and it rests while the creator governs alone.
"""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from typing import NamedTuple

from consensus.accusations import Accusation, confirmed, open_accusation, seal_accusation
from consensus.blocks import SuspendTx, encode_tx
from consensus.succession import CLOCKS_APART_MS, FAILOVER_FOR_MS
from consensus.validators import Validator, ValidatorSet
from crdt.ops import Author
from mesh.protocol.charges import Case, Charge, proof
from mesh.protocol.context import Context
from mesh.protocol.deciding import Deciding
from mesh.protocol.effects import Publish, RecordKind
from mesh.protocol.links import Link
from mesh.protocol.outbox import Outbox, pack
from mesh.protocol.topics import state_topic
from mesh.protocol.trace import TraceKind
from mesh.protocol.watching import Watching
from wire import cbor
from wire.errors import Overloaded, Overtaken, RemoteError
from wire.ids import ZERO_DIGEST, SwarmId
from wire.time import Instant
from wire.types import Channel, MessageType

MOST_FORGOTTEN = 1 << 20  # refutations that a damaged disk may have lost; so no liar makes us count past all bounds


class Health(StrEnum):
    """How a member is: the first three by what this node makes of it, the others by what the chain says."""

    ACTIVE = "active"
    SUSPECTED = "suspected"
    FAILED = "failed"
    SUSPENDED = "suspended"
    TAKING_OVER = "taking over"
    QUARANTINED = "quarantined"
    EXPIRED = "expired"


class _Refutation(NamedTuple):
    """A swarm's own word of how often it refuted."""

    term: int
    incarnation: int
    heartbeat: bytes  # that says so


class Detector:
    """Accuses others when they are silent, and speaks up for this node."""

    def __init__(self, context: Context, deciding: Deciding) -> None:
        self._context = context
        self._deciding = deciding
        self.watching = Watching(context)
        self._cases: dict[SwarmId, Case] = {}
        self._refutations: dict[SwarmId, _Refutation] = {}
        self._epoch: int | None = None  # that the cases belong to; None while nobody is watched

    # what others ask

    def health(self, swarm: SwarmId, now: Instant) -> Health:
        """What this node makes of a voter."""
        return self.condition(swarm, now)[0]

    def condition(self, swarm: SwarmId, now: Instant) -> tuple[Health, Instant | None]:
        """What this node makes of a voter, and since when it is silent or failed; None while it is well."""
        case = self._cases.get(swarm)
        if case is not None and case.failed_at is not None:
            return Health.FAILED, case.failed_at
        if self.watching.suspected(swarm, now):
            return Health.SUSPECTED, now - self.watching.silence(swarm, now)
        return Health.ACTIVE, None

    def accusers(self, swarm: SwarmId, now: Instant) -> tuple[SwarmId, ...]:
        """Whose word against a voter counts now, as far as it is known here."""
        context, case = self._context, self._cases.get(swarm)
        return () if case is None else tuple(case.against(context.chain.validators(), context.wall_ms(now)))

    def charge(self, swarm: SwarmId, wall_ms: int) -> Charge | None:
        """What proves now that `swarm` has failed, fresh enough for a failover; None when it has not."""
        case = self._cases.get(swarm)
        if case is None or case.failed_at is None:
            return None
        voters = self._context.chain.validators()
        fresh = wall_ms - FAILOVER_FOR_MS + CLOCKS_APART_MS
        against = {who: said for who, said in case.against(voters, wall_ms).items() if said[0].made_ms > fresh}
        if not confirmed(swarm, against, voters):
            return None
        seq = max(body.seq for body, _ in against.values())
        certificate = tuple(raw for _, raw in proof(swarm, against, voters, wall_ms).values())
        return Charge(since=case.failed_at, seq=seq, accusations=certificate)

    def records(self) -> list[bytes]:
        """What a journal that is written anew has to hold."""
        me = self._context.me
        return [cbor.encode([me.term, self._context.incarnation])] if self._context.incarnation else []

    def restore(self, record: bytes) -> None:
        """The disk remembers an incarnation; one of an earlier term is over with it."""
        match cbor.decode(record):
            case [int() as term, int() as incarnation] if term == self._context.me.term:
                self._context.incarnation = max(self._context.incarnation, incarnation)

    def next_deadline(self) -> Instant | None:
        """When to look next; None while this node watches nobody."""
        return self.watching.next_look if self._context.chain.governed and self._me() is not None else None

    # time

    def tick(self, now: Instant, out: Outbox) -> None:
        """Look at every other voter, if it is time to, and do what follows."""
        due = self.next_deadline()
        if due is None:
            self._epoch = None
            return
        if self._epoch is None:
            self._cases = {}
            self.watching.begin(now)
        elif now < due:
            return
        voters = self._context.chain.validators()
        own = None if self._context.understudy() else self._context.me.swarm  # a backup looks at its own queen too
        others = [voter.swarm for voter in voters.validators if voter.swarm != own]
        self.watching.look(others, now, out)
        self._follow(voters.epoch, others)
        heard = [self._context.me.swarm, *(swarm for swarm in others if not self.watching.watched(swarm, now))]
        for swarm in others:
            if self.watching.suspected(swarm, now):
                if confirmed(swarm, heard, voters):
                    self._accuse(swarm, voters, now, out)
            elif self.watching.silence(swarm, now) == 0 and swarm in self._cases:
                self._answered(swarm, out)
        for swarm, case in self._cases.items():
            self._confirm(swarm, case, voters, now, out)

    def _follow(self, epoch: int, others: list[SwarmId]) -> None:
        """With an epoch end its accusations. Those who do not vote any more are nobody's concern, nor is the silence
        of her whom this node has just followed."""
        if self._epoch == epoch:
            return
        self._epoch = epoch
        self._cases = {swarm: case for swarm, case in self._cases.items() if swarm in others}
        for case in self._cases.values():
            case.said.clear()
            case.accused_at = case.handed_in_at = None

    def _answered(self, swarm: SwarmId, out: Outbox) -> None:
        """A voter answers this node, which has nothing against it any more; what others say is kept, for a while."""
        case = self._cases[swarm]
        if case.accused_at is not None or case.failed_at is not None:
            out.trace(TraceKind.RECOVERED, swarm=self._context.name_of(swarm))
        case.said.pop(self._context.me.swarm, None)
        case.accused_at = case.failed_at = case.handed_in_at = None

    def _me(self) -> Validator | None:
        return self._context.chain.validators().validator(self._context.me.swarm)

    # accusing

    def met(self, link: Link, out: Outbox) -> None:
        """A link stands anew: what this node says of others counts there, too; a backup may be here to take over."""
        for swarm, case in self._cases.items():
            mine = case.said.get(self._context.me.swarm)
            if mine is not None and not (link.swarm == swarm and link.queen):
                out.send(link.peer, Channel.PRIORITY, MessageType.ACCUSE, mine[1])

    def _accuse(self, swarm: SwarmId, voters: ValidatorSet, now: Instant, out: Outbox) -> None:
        """Say that it does not answer, and say it again while that is so."""
        context, me = self._context, self._me()
        case = self._cases.setdefault(swarm, Case())
        if case.accused_at is not None and now < case.accused_at + context.config.accuse_again:
            return
        if me is None or self._deciding.abstaining:
            return
        silent_ms = self.watching.silence(swarm, now) // 1_000
        out.trace(TraceKind.SUSPECTED, swarm=context.name_of(swarm), silent_ms=silent_ms)
        case.accused_at = now
        accused = voters.validator(swarm)
        assert accused is not None, "only voters are looked at"
        head = context.replica.head(Author(swarm, accused.term))
        body = Accusation(
            federation=context.federation,
            epoch=voters.epoch,
            accuser=me.swarm,
            accused=swarm,
            term=accused.term,
            incarnation=self._incarnation(swarm, accused.term),
            seq=head.seq if head else 0,
            head=head.hash if head else ZERO_DIGEST,
            made_ms=context.wall_ms(now),
        )
        raw = seal_accusation(body, context.me.queen_key)
        case.said[me.swarm] = body, raw
        out.add(Publish(topic=state_topic(context.federation), message=pack(MessageType.ACCUSE, raw)))
        self._deciding.tell(Channel.PRIORITY, MessageType.ACCUSE, raw, out)
        for link in context.links.members():
            if link.swarm == swarm and not link.queen:  # a backup has to know as soon as the others do
                out.send(link.peer, Channel.PRIORITY, MessageType.ACCUSE, raw)

    def verify(self, raw: bytes) -> bool:
        """An accusation is authentic; False when that cannot be told here. Raises RemoteError when forged."""
        return self._opened(raw) is not None

    def on_accusation(self, raw: bytes, now: Instant, out: Outbox) -> None:
        """Somebody says that a voter does not answer. Raises RemoteError when forged."""
        body = self._opened(raw)
        if body is None:
            return
        swarm, accuser = SwarmId(body.accused), SwarmId(body.accuser)
        if swarm == self._context.me.swarm and self._context.understudy() is None:
            self._refute(body, out)
            return
        if body.incarnation < self._incarnation(swarm, body.term):
            self._context.counters["accusations_refuted"] += 1
            self._show(swarm, accuser, out)
            return
        self._cases.setdefault(swarm, Case()).hear(body, raw)
        self.watching.heed(swarm, now)

    def _opened(self, raw: bytes) -> Accusation | None:
        """The accusation in `raw`; None for one of another epoch, or while nobody votes."""
        context = self._context
        if not context.chain.governed:
            return None
        try:
            return open_accusation(raw, context.chain.validators(), context.federation, context.verify)
        except Overtaken:
            context.counters["accusations_overtaken"] += 1
            return None

    # confirming

    def _confirm(self, swarm: SwarmId, case: Case, voters: ValidatorSet, now: Instant, out: Outbox) -> None:
        """Whether enough of the weight says so, of one who does not answer here; and what follows if it stays so."""
        wall_ms = self._context.wall_ms(now)
        against = case.against(voters, wall_ms)
        if self.watching.silence(swarm, now) == 0 or not confirmed(swarm, against, voters):
            return
        if case.failed_at is None:
            case.failed_at = now
            out.trace(TraceKind.FAILED, swarm=self._context.name_of(swarm), accusers=len(against))
        if self._deciding.abstaining or now < case.failed_at + self._turn(voters):
            return
        again = self._context.config.accuse_again
        if case.handed_in_at is None or now >= case.handed_in_at + again:
            case.handed_in_at = now
            with suppress(RemoteError, Overloaded):  # the chain knows better, or too much waits: tried again later
                certificate = tuple(raw for _, raw in proof(swarm, against, voters, wall_ms).values())
                self._deciding.submit(encode_tx(SuspendTx(certificate)), now, out)

    def _turn(self, voters: ValidatorSet) -> int:
        """How long after its failure this node asks for a suspension: one after another of those who have not
        failed, so that one certificate is ordered and not everyone's."""
        config = self._context.config
        able = [v.swarm for v in voters.validators if v.swarm not in self._cases]
        rank = able.index(self._context.me.swarm) if self._context.me.swarm in able else len(able)
        return config.suspend_after + rank * 2 * config.submit_retry

    # refuting

    def _refute(self, body: Accusation, out: Outbox) -> None:
        """This node is alive: what was said of it is void with the next incarnation."""
        context = self._context
        if body.incarnation < context.incarnation or self._deciding.abstaining:
            return
        if body.incarnation > context.incarnation + MOST_FORGOTTEN:
            context.counters["accusations_absurd"] += 1
            return
        context.incarnation = body.incarnation + 1
        out.persist(RecordKind.INCARNATION, self.records()[0])
        out.trace(TraceKind.REFUTED, by=context.name_of(SwarmId(body.accuser)), incarnation=context.incarnation)

    def on_heartbeat(self, swarm: SwarmId, term: int, incarnation: int, raw: bytes) -> None:
        """A swarm's own word of how often it refuted: what was said of it before is void."""
        if (term, incarnation) <= self._refutations.get(swarm, (0, 0))[:2]:
            return
        self._refutations[swarm] = _Refutation(term, incarnation, raw)
        case = self._cases.get(swarm)
        if case is not None:
            case.said = {who: said for who, said in case.said.items() if said[0].incarnation >= incarnation}
            case.accused_at = case.failed_at = case.handed_in_at = None

    def _incarnation(self, swarm: SwarmId, term: int) -> int:
        known = self._refutations.get(swarm)
        return known.incarnation if known is not None and known.term == term else 0

    def _show(self, swarm: SwarmId, accuser: SwarmId, out: Outbox) -> None:
        """An accuser does not know that `swarm` has refuted that."""
        link = self._context.links.of_swarm(accuser)
        if link is not None:
            out.send(link.peer, Channel.MESH, MessageType.HEARTBEAT, self._refutations[swarm].heartbeat)
