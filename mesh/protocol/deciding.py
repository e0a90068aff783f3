"""This node's part in deciding: it drives the replica, and sees that what it submits is ordered.

    a transaction of ours ──TX_SUBMIT──► the leader and the next one; after a while, not ordered: everyone
    PRE_PREPARE, PREPARE, COMMIT, VIEW_CHANGE, NEW_VIEW ──► `consensus.bft.replica` ──► effects, carried out here

Any member submits; those with a vote take part. What is submitted is repeated until the chain shows it or it cannot
be any more. Votes leave on the priority lane, which is heard whatever else a link carries.

A disk that may have forgotten votes, by damage or because it was taken back, makes a replica abstain: it may have
voted on the height after the last that the others know, and called for a higher view than it remembers. So it takes
part again once that height is decided without it, and another epoch has begun, in which none of this counts. Until
then a file on the disk says so to the next start.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum

from consensus.bft.effects import Blame, Convict, Decided, Effect, Fetch, Note, Say, Serve, Store, Submit
from consensus.bft.replica import Replica
from consensus.bft.votes import Contradiction
from consensus.blocks import MAX_BLOCK, Block, QuarantineTx, encode_tx
from mesh.protocol.context import Context
from mesh.protocol.docket import Docket, culprit
from mesh.protocol.effects import Halt, RecordKind, SaveFile
from mesh.protocol.expiry import Expiry
from mesh.protocol.greeting import Greeting
from mesh.protocol.links import Link
from mesh.protocol.messages import BlockRecord, ChainBlocks
from mesh.protocol.outbox import Outbox
from mesh.protocol.startup import FORGOTTEN_FILE, Startup, save_doubt
from mesh.protocol.trace import TraceKind
from mesh.protocol.versions import outdated
from mesh.protocol.witness import Witness
from wire import cbor
from wire.errors import Overloaded, Overtaken, RemoteError
from wire.ids import Digest, SwarmId, sha256
from wire.time import Instant
from wire.types import Channel, MessageType


class Reach(Enum):
    """Whom a transaction is sent to; where it has to be said again, to all."""

    LEADERS = "of this view and of the next"
    ALL = "all validators"


@dataclass(slots=True)
class _Submitted:
    """A transaction that this node wants ordered."""

    tx: bytes
    next_try: Instant
    reach: Reach


class Deciding:
    """Consensus, as one node takes part in it."""

    def __init__(self, context: Context, replica: Replica, greeting: Greeting, startup: Startup) -> None:
        self._context = context
        self._greeting = greeting
        self.replica = replica
        self._submitted: dict[Digest, _Submitted] = {}
        self._served: dict[SwarmId, tuple[int, Instant]] = {}
        self._startup = startup
        self.witness = Witness(context)
        self.docket = Docket(context)
        self._expiry = Expiry(context)
        self._abstains_until: int | None = None  # a height
        self._abstained: int | None = None  # the epoch of its block
        self._signing = False
        self._remembered = startup.doubt

    # state

    @property
    def abstaining(self) -> bool:
        """This node does not vote: it may not sign, or its disk may have forgotten what it voted."""
        if not self._signing:
            return True
        if not self._startup.forgetful:
            return False
        epoch = self._forgotten_epoch()
        return epoch is None or self._context.chain.epoch <= epoch

    def _forgotten_epoch(self) -> int | None:
        """The epoch of the first block that was surely decided without this node; None before there is one. Asked
        for after every event, so its block is read once."""
        until, chain = self._abstains_until, self._context.chain
        if self._abstained is None and until is not None and chain.height >= until:
            held, _ = chain.blocks(max(until, chain.first), 0)[0]
            self._abstained = cbor.decode_as(held, Block, MAX_BLOCK).epoch
        return self._abstained

    def records(self) -> list[bytes]:
        """Votes that a journal which is written anew has to hold."""
        return self.replica.records()

    @property
    def submitted(self) -> int:
        """How many transactions of this node wait to be ordered."""
        return len(self._submitted)

    def allow(self, signing: bool, now: Instant, out: Outbox) -> None:
        """This node may sign, or not. Once it may, the others have said how far they are: who may have forgotten
        votes knows from where on it may vote again."""
        self._signing = signing
        if signing and self._startup.forgetful and self._abstains_until is None:
            known = [link.height for link in self._context.links.members()]
            self._abstains_until = max([self._context.chain.height, *known]) + 1
        before, abstaining = self.replica.abstains, self.abstaining
        self.replica.abstain(abstaining)
        self._remember(abstaining, out)
        if before and not abstaining:
            self._carry_out(self.replica.chain_grew(now, self._context.wall_ms(now)), now, out)

    def _remember(self, abstaining: bool, out: Outbox) -> None:
        """The next start has to know of votes that may be missing, while one can count: nothing else tells then."""
        votes = self._context.queens_decide and self._context.understudy() is None  # a backup has cast none
        lost = self._startup.doubt_after(self._remembered) if votes and abstaining else False
        if lost != self._remembered:
            self._remembered = lost
            out.add(SaveFile(name=FORGOTTEN_FILE, data=save_doubt(lost)))

    # submitting

    def submit(self, tx: bytes, now: Instant, out: Outbox, reach: Reach = Reach.LEADERS) -> None:
        """Have `tx` ordered; what everybody has to know of goes to all at once. Raises RemoteError when it can be in
        no block that follows."""
        if sha256(tx) in self._submitted:
            return
        self._take_in(tx, now, out)
        self._submitted[sha256(tx)] = _Submitted(tx, now, reach)
        self._urge(self._submitted[sha256(tx)], now, out)

    def waits(self, tx: bytes) -> bool:
        """`tx` was submitted here, and is neither ordered yet nor refused."""
        return sha256(tx) in self._submitted

    def withdraw(self, tx: bytes) -> None:
        """`tx` is not wanted any more: say it no more, though who heard of it may still order it."""
        self._submitted.pop(sha256(tx), None)

    def hand_in(self, tx: bytes, now: Instant, out: Outbox) -> None:
        """A step of our own swarm, which is tried again: to the queens, or to the creator while it governs."""
        chain = self._context.chain
        if chain.governed:
            with suppress(RemoteError, Overloaded):  # the chain says no, or too much waits
                self.submit(tx, now, out)
            return
        link = self._context.links.of_swarm(chain.creator.swarm)
        if link is not None:
            out.send(link.peer, Channel.MESH, MessageType.TX_SUBMIT, tx)

    def on_transaction(self, tx: bytes, now: Instant, out: Outbox) -> None:
        """Another member wants `tx` ordered; raises RemoteError for what no honest one submits."""
        self._accuse([self.witness.heard(tx)], now, out)
        try:
            self._take_in(tx, now, out)
        except Overtaken:
            self._context.counters["transactions_overtaken"] += 1
        except Overloaded:
            self._context.counters["transactions_refused"] += 1

    def _take_in(self, tx: bytes, now: Instant, out: Outbox) -> None:
        if self.replica.voting and not self.abstaining:
            self._carry_out(self.replica.submit(tx, now, self._context.wall_ms(now)), now, out)

    def _urge(self, submitted: _Submitted, now: Instant, out: Outbox) -> None:
        """Send it to who can order it, and to all the next time."""
        submitted.next_try = now + self._context.config.submit_retry
        if submitted.reach is Reach.ALL:
            swarms = self._voters()
        else:
            swarms = [self.replica.leader().swarm, self.replica.leader(1).swarm]
            submitted.reach = Reach.ALL
        self._send(dict.fromkeys(swarms), Channel.MESH, MessageType.TX_SUBMIT, submitted.tx, out)

    def tell(self, channel: Channel, kind: MessageType, body: bytes, out: Outbox) -> None:
        """Send something to every other validator that is linked."""
        self._send(self._voters(), channel, kind, body, out)

    def _voters(self) -> list[SwarmId]:
        return [validator.swarm for validator in self.replica.validators.validators]

    def _send(self, swarms: Iterable[SwarmId], channel: Channel, kind: MessageType, body: bytes, out: Outbox) -> None:
        """To those of `swarms` that are linked."""
        for swarm in swarms:
            link = self._context.links.of_swarm(swarm)
            if link is not None and swarm != self._context.me.swarm:
                out.send(link.peer, channel, kind, body)

    # events

    def on_message(self, link: Link, kind: MessageType, payload: bytes, now: Instant, out: Outbox) -> None:
        """A consensus message of a member."""
        if link.swarm is None or not link.queen or self.abstaining:
            return
        effects = self.replica.receive(link.swarm, kind, payload, now, self._context.wall_ms(now))
        self._carry_out(effects, now, out)

    def established(self, link: Link, now: Instant, out: Outbox) -> None:
        """A link stands anew: say what matters there, and what is ours to be ordered."""
        if link.swarm is None:
            return
        if link.queen and not self.abstaining:
            self._carry_out(self.replica.met(link.swarm), now, out)
        for submitted in self._submitted.values():
            submitted.next_try = min(submitted.next_try, now)

    def chain_grew(self, now: Instant, out: Outbox) -> None:
        """Blocks came; what is ordered, or cannot be any more, need not be repeated. One may be the last for us."""
        if reason := outdated(self._context):
            out.add(Halt(reason=reason))
            return
        self.replica.abstain(self.abstaining)
        self._carry_out(self.replica.chain_grew(now, self._context.wall_ms(now)), now, out)
        self._accuse(self.witness.grew(), now, out)
        for tx in self.docket.due():
            with suppress(RemoteError, Overloaded):  # she is no queen that votes, or too much waits
                self.submit(tx, now, out)
        for submitted in list(self._submitted.values()):
            if self._over(submitted.tx, now):
                self._drop(submitted.tx)

    def _drop(self, tx: bytes) -> None:
        """`tx` is ordered, or cannot be as things stand."""
        del self._submitted[sha256(tx)]
        self.docket.keep(tx)

    def _over(self, tx: bytes, now: Instant) -> bool:
        """`tx` is ordered, or can be in no block that follows: not by itself, nor behind others that wait."""
        wall_ms = self._context.wall_ms(now)
        try:
            self._context.chain.check_transaction(tx, wall_ms)
        except RemoteError:
            return not self.replica.waits_for(tx, wall_ms)
        return False

    def tick(self, now: Instant, out: Outbox) -> None:
        """Timers of the replica, and what has to be said again."""
        if self._context.chain.governed and not self.abstaining:
            self._carry_out(self.replica.tick(now, self._context.wall_ms(now)), now, out)
            self._expire(now, out)
        for submitted in list(self._submitted.values()):
            if now >= submitted.next_try:
                if self._over(submitted.tx, now):
                    self._drop(submitted.tx)
                else:
                    self._urge(submitted, now, out)

    def _expire(self, now: Instant, out: Outbox) -> None:
        """As one who votes: have it ordered that a certificate has ended."""
        for tx in self._expiry.due(now) if self.replica.voting else ():
            with suppress(RemoteError, Overloaded):  # the chain knows better, or too much waits: tried again later
                self.submit(tx, now, out)

    def next_deadline(self, now: Instant) -> Instant | None:
        """When `tick` has something to do: nothing as long as the creator governs. Asked for after every event."""
        if not self._context.chain.governed:
            return None
        due = [submitted.next_try for submitted in self._submitted.values()]
        timer = None if self.abstaining else self.replica.next_deadline(now, self._context.wall_ms(now))
        if timer is not None:
            due.append(timer)
        expiry = self._expiry.next_deadline(now) if self.replica.voting and not self.abstaining else None
        if expiry is not None:
            due.append(expiry)
        return min(due, default=None)

    # carrying out

    def _carry_out(self, effects: list[Effect], now: Instant, out: Outbox) -> None:
        for effect in effects:
            match effect:
                case Store(record=record):
                    out.persist(RecordKind.VOTE, record)
                case Say(message=kind, body=body, to=to):
                    self._send(self._voters() if to is None else [to], Channel.PRIORITY, kind, body, out)
                case Submit(tx=tx, to=leader):
                    self._send([leader], Channel.MESH, MessageType.TX_SUBMIT, tx, out)
                case Decided(block=block, certificate=certificate):
                    self._decided(block, certificate, out)
                case Fetch(swarm=swarm):
                    link = self._context.links.of_swarm(swarm)
                    if link is not None:
                        self._greeting.request_chain(link, out)
                case Serve(swarm=swarm, from_height=height):
                    self._serve(swarm, height, now, out)
                case Convict(swarm=swarm, first=first, second=second):
                    self._convict(swarm, first, second, now, out)
                case Blame(swarm=swarm, error=error):
                    member = self._context.chain.member(swarm)
                    if member is not None:
                        out.blame(member.peer, error.offence, error.detail)
                case Note(kind=kind_, view=view, height=height, detail=detail):
                    out.trace(TraceKind.CONSENSUS, step=kind_.value, view=view, height=height, detail=detail)

    def _decided(self, block: bytes, certificate: bytes, out: Outbox) -> None:
        """Make a decision durable, and tell those who do not vote."""
        chain = self._context.chain
        record = BlockRecord(block=block, certificate=certificate)
        out.persist(RecordKind.BLOCK, cbor.encode_struct(record))
        out.trace(TraceKind.BLOCK_APPLIED, height=chain.height, epoch=chain.epoch)
        out.grew = True
        if self.replica.leader().swarm != self._context.me.swarm:
            return
        news = ChainBlocks(height=chain.height, blocks=(record,))
        for link in self._context.links.members():
            votes = link.swarm is not None and self.replica.validators.position(link.swarm) is not None
            if not (link.queen and votes):
                out.send(link.peer, Channel.MESH, MessageType.CHAIN_BLOCKS, news)

    def _serve(self, swarm: SwarmId, from_height: int, now: Instant, out: Outbox) -> None:
        """Blocks for who is behind, the same ones not again and again."""
        link = self._context.links.of_swarm(swarm)
        height = self._context.chain.height
        last = self._served.get(swarm)
        recently = last is not None and last[0] == height and now < last[1] + self._context.config.submit_retry // 4
        far = height - from_height >= self._context.config.leap_from  # it sees our height, and asks for a leap
        if link is None or recently or far or from_height > height:
            return
        self._served[swarm] = (height, now)
        self._greeting.send_blocks(link, from_height, out)

    def _accuse(self, found: Iterable[Contradiction | None], now: Instant, out: Outbox) -> None:
        """Of two ballots of one queen on one proposal."""
        for one in found:
            if one is not None:
                self._convict(one.swarm, one.first, one.second, now, out)

    def _convict(self, swarm: SwarmId, first: bytes, second: bytes, now: Instant, out: Outbox) -> None:
        """A member contradicted itself: the evidence is ordered, and takes its weight."""
        self._context.counters["equivocations"] += 1
        out.trace(TraceKind.EQUIVOCATION, swarm=self._context.name_of(swarm))
        evidence = encode_tx(QuarantineTx(first, second))
        try:
            self.submit(evidence, now, out)
        except (RemoteError, Overloaded):
            self._context.counters["evidence_unused"] += 1
            if self._over(evidence, now):
                self.docket.keep(evidence)
            elif culprit(evidence) not in [culprit(one.tx) for one in self._submitted.values()]:
                # The pool holds the like of it, of somebody who may be down by now: this node insists on its own.
                self._submitted[sha256(evidence)] = _Submitted(evidence, now, Reach.ALL)
