"""Letting others in: tickets, join requests, and the blocks that admit.

Any member mints tickets and takes a stranger's request. Where the queens govern, it submits the join as a transaction
that proves itself, or proposes the admission where they have to vote, and answers once the chain names the stranger.

While the creator governs, it alone orders blocks: a member that cannot admit hands the request to it and passes the
answer back.

    stranger ──JOIN_REQUEST──► member ──JOIN_FORWARD──► creator: checks, orders a block, tells everyone
             ◄─JOIN_RESPONSE──        ◄─JOIN_OUTCOME───

While it cannot be decided the answer is PENDING, the joiner asks again, and says so. Asking again is harmless: a
swarm that is a member already is ACCEPTED.
"""

from __future__ import annotations

from dataclasses import dataclass

from consensus.admission import JoinRequest, JoinResponse, JoinStatus
from consensus.blocks import GovernTx, JoinTx, decode_tx, join_tx
from consensus.certificates import MemberCert, parse_member_cert
from consensus.governance.proposals import ProposalId, Subject
from consensus.governance.tally import Status
from consensus.tickets import Anchor, make_ticket
from consensus.transactions import NeedsVote
from mesh.protocol.commands import Failure, FailureKind, Outcome, Success
from mesh.protocol.context import Context
from mesh.protocol.deciding import Deciding
from mesh.protocol.effects import RecordKind
from mesh.protocol.messages import BlockRecord, ChainBlocks, JoinForward, JoinOutcome
from mesh.protocol.outbox import Outbox
from mesh.protocol.reach import growing_pain, reach
from mesh.protocol.trace import TraceKind
from mesh.protocol.voting import Secrets, Voting
from wire import cbor
from wire.errors import Overtaken, ProtocolViolation, RemoteError
from wire.ids import PeerId, SwarmId, sha256
from wire.time import Instant
from wire.types import Channel, MessageType

_MAX_FORWARDED = 64


@dataclass(frozen=True, slots=True)
class _Forwarded:
    stranger: PeerId
    deadline: Instant


@dataclass(frozen=True, slots=True)
class _Applicant:
    """A stranger whose admission is being decided."""

    peer: PeerId
    deadline: Instant


class Admission:
    """Tickets out, join requests in, and on the creator the blocks."""

    def __init__(self, context: Context, deciding: Deciding, voting: Voting, secrets: Secrets) -> None:
        self._context = context
        self._deciding = deciding
        self._voting = voting
        self._secrets = secrets
        self._applicants: dict[SwarmId, _Applicant] = {}
        self._proposed: dict[SwarmId, ProposalId] = {}
        self._forwarded: dict[bytes, _Forwarded] = {}
        self._waiting: dict[str, JoinRequest] = {}  # swarm name to a request that awaits the creator's operator

    # tickets

    def invite(self, expires_s: int, now: Instant) -> Outcome:
        """A ticket that admits one swarm."""
        context = self._context
        addresses = [f"{address}/p2p/{context.me.peer}" for address in context.addresses]
        if not addresses:
            message = "this node has no address that others could dial: give one with --listen or `announce`"
            return Failure(kind=FailureKind.FAILED, message=message)
        expires_ms = context.wall_ms(now) + expires_s * 1000
        chain, name = context.chain, context.chain.genesis.name
        ticket = make_ticket(
            federation=context.federation,
            federation_name=name,
            inviter=context.me.swarm,
            inviter_term=context.me.term,
            inviter_key=context.me.queen_key,
            seed=self._secrets(32),
            ticket_id=self._secrets(16),
            expires_ms=expires_ms,
            addresses=addresses,
            anchor=Anchor(chain.epoch, chain.height, chain.head_hash),
        )
        return Success(result={"ticket": ticket, "federation": name, "expires_ms": expires_ms})

    # requests

    def on_request(self, peer: PeerId, payload: bytes, now: Instant, signing: bool, out: Outbox) -> bool:
        """A stranger (or a member that lost the answer) asks; True when the chain grew."""
        context = self._context
        request = cbor.decode_as(payload, JoinRequest)
        if request.federation == context.federation and context.swarm_of(peer) is not None:
            self._respond(peer, self._response(JoinStatus.ACCEPTED, ""), out)  # a backup, by the link that it came on
            return False
        if context.chain.governed and not self._answerable(request):
            self._apply(peer, request, now, signing, out)
            return False
        if self._governs() or self._answerable(request):
            response = self._decide(request, now, signing, out)
            self._respond(peer, response, out)
            return response.status == JoinStatus.ACCEPTED
        link = context.links.of_swarm(context.chain.creator.swarm)
        if link is None or len(self._forwarded) >= _MAX_FORWARDED:
            self._respond(peer, self._pending_response("the creator of the federation is out of reach"), out)
            return False
        correlation = sha256(payload, context.me.boot_nonce)[:16]
        self._forwarded[correlation] = _Forwarded(peer, now + context.config.forward_deadline)
        forward = JoinForward(correlation=correlation, request=payload)
        out.send(link.peer, Channel.MESH, MessageType.JOIN_FORWARD, forward)
        return False

    def on_forward(self, peer: PeerId, forward: JoinForward, now: Instant, signing: bool, out: Outbox) -> bool:
        """A member passes a request on; True when the chain grew."""
        request = cbor.decode_as(forward.request, JoinRequest)
        response = self._decide(request, now, signing, out)
        outcome = JoinOutcome(correlation=forward.correlation, response=cbor.encode_struct(response))
        out.send(peer, Channel.MESH, MessageType.JOIN_OUTCOME, outcome)
        return response.status == JoinStatus.ACCEPTED

    def on_outcome(self, sender: SwarmId | None, outcome: JoinOutcome, out: Outbox) -> None:
        """The creator's answer to a request that we passed on; nobody else was asked."""
        if sender != self._context.chain.creator.swarm:
            raise ProtocolViolation("only the creator decides about a join")
        forwarded = self._forwarded.pop(outcome.correlation, None)
        if forwarded is not None:
            out.send(forwarded.stranger, Channel.JOIN, MessageType.JOIN_RESPONSE, outcome.response)

    def on_transaction(self, transaction: bytes, now: Instant, signing: bool, out: Outbox) -> bool:
        """A member submits PROMOTE, TERM_BUMP, RENEW or LEAVE to the creator; True when the chain grew. Raises
        RemoteError.

        It repeats what it sent until its chain shows it. On a slow link, or after its disk lost the block, a repeat
        comes after the block was ordered: that is no offence.
        """
        if not self._governs() or not signing:
            return False
        match decode_tx(transaction):
            case JoinTx():
                raise ProtocolViolation("joins are asked for on the join channel")
            case GovernTx():
                raise ProtocolViolation("when to hand over is the creator's to say")
        try:
            self._context.chain.check_transaction(transaction, self._context.wall_ms(now))
        except Overtaken:
            self._context.counters["transactions_overtaken"] += 1
            return False
        self._order(transaction, now, out)
        return True

    def order_own(self, transaction: bytes, now: Instant, out: Outbox) -> None:
        """Order a transaction of this very swarm, which governs."""
        self._context.chain.check_transaction(transaction, self._context.wall_ms(now))
        self._order(transaction, now, out)

    def admit(self, swarm: str, now: Instant, out: Outbox) -> Outcome:
        """The creator's operator says yes to a waiting request, while it governs."""
        request = self._waiting.pop(swarm, None)
        if request is None:
            names = ", ".join(sorted(self._waiting)) or "none"
            message = f"no request of {swarm!r} is waiting here; waiting: {names}"
            return Failure(kind=FailureKind.USAGE, message=message)
        assert request.certificate is not None, "a waiting request carries its certificate"
        transaction = join_tx(request.grant, request.certificate, request.join, approved=True)
        try:
            self._context.chain.check_transaction(transaction, self._context.wall_ms(now))
        except RemoteError as error:
            return Failure(kind=FailureKind.REJECTED, message=f"{swarm} cannot be admitted: {error.detail}")
        self._order(transaction, now, out)
        return Success(result={"admitted": swarm, "state": "admitted", "height": self._context.chain.height})

    def pending(self) -> list[str]:
        """Whose requests wait for this node's operator."""
        return list(self._waiting)

    # time

    def tick(self, now: Instant, out: Outbox) -> None:
        """Answer PENDING for requests whose answer does not come."""
        for correlation, forwarded in list(self._forwarded.items()):
            if now >= forwarded.deadline:
                del self._forwarded[correlation]
                response = self._pending_response("the creator of the federation did not answer in time")
                self._respond(forwarded.stranger, response, out)
        for swarm, applicant in list(self._applicants.items()):
            if now >= applicant.deadline:
                del self._applicants[swarm]
                self._respond(applicant.peer, self._pending_response("the members have not decided yet"), out)

    def next_deadline(self) -> Instant | None:
        if not self._forwarded and not self._applicants:
            return None
        forwarded = [one.deadline for one in self._forwarded.values()]
        return min([one.deadline for one in self._applicants.values()] + forwarded)

    # deciding

    def _governs(self) -> bool:
        """This node is the creator, and governs alone."""
        chain = self._context.chain
        return not chain.governed and chain.creator.swarm == self._context.me.swarm

    def _apply(self, peer: PeerId, request: JoinRequest, now: Instant, signing: bool, out: Outbox) -> None:
        """Have the federation decide about a stranger."""
        context = self._context
        assert request.certificate is not None, "a request that needs a decision carries a certificate"
        certificate = parse_member_cert(request.certificate, context.federation, context.verify)
        wait = growing_pain(context, now) if signing else "this node is not ready to sign: see its status"
        if wait:
            self._respond(peer, self._pending_response(wait), out)
            return
        try:
            self._deciding.submit(join_tx(request.grant, request.certificate, request.join), now, out)
        except NeedsVote as reason:
            self._ask_for_votes(peer, certificate, reason.detail, now, out)
            return
        except RemoteError as error:
            out.trace(TraceKind.JOIN, outcome="refused", reason=error.detail)
            self._respond(peer, self._response(JoinStatus.REJECTED, error.detail), out)
            return
        self._await(peer, certificate.swarm, now, out)

    def _ask_for_votes(self, peer: PeerId, cert: MemberCert, reason: str, now: Instant, out: Outbox) -> None:
        """Propose the admission, once; a rejection is final for this certificate."""
        proposed = self._proposed.get(cert.swarm)
        outcome = self._context.chain.standing.outcomes.get(proposed) if proposed else None
        if outcome is not None and outcome.status is not Status.APPROVED:
            why = f"the members decided: {outcome.status.value}"
            self._respond(peer, self._response(JoinStatus.REJECTED, why), out)
            return
        if proposed is None and len(self._proposed) < self._context.config.max_pending_joins:
            details = {"certificate": cert.raw.hex()}
            deadline_s = self._context.config.admission_deadline_s
            opened = self._voting.open(Subject.FEDERATION_POLICY, "admit", details, deadline_s, now, out)
            self._proposed[cert.swarm] = opened
        self._await(peer, cert.swarm, now, out)
        self._respond(peer, self._pending_response(f"{reason}; they vote on it now"), out)

    def _await(self, peer: PeerId, swarm: SwarmId, now: Instant, out: Outbox) -> None:
        """Answer once the chain names `swarm`."""
        if len(self._applicants) < _MAX_FORWARDED:
            self._applicants[swarm] = _Applicant(peer, now + self._context.config.forward_deadline)
        self.chain_grew(out)
        if swarm in self._applicants and (refusal := reach(self._context, now).refusal):
            self._respond(peer, self._pending_response(f"the members cannot decide now: {refusal}"), out)

    def chain_grew(self, out: Outbox) -> None:
        """Some who applied may belong now."""
        for swarm, applicant in list(self._applicants.items()):
            if self._context.chain.member(swarm) is not None:
                del self._applicants[swarm]
                self._proposed.pop(swarm, None)
                self._respond(applicant.peer, self._response(JoinStatus.ACCEPTED, ""), out)

    def _answerable(self, request: JoinRequest) -> bool:
        """Needs no decision: who are you, wrong federation, or a member already."""
        context = self._context
        if request.certificate is None or (request.federation or context.federation) != context.federation:
            return True
        return self._member_already(request)

    def _member_already(self, request: JoinRequest) -> bool:
        if request.certificate is None:
            return False
        context = self._context
        certificate = parse_member_cert(request.certificate, context.federation)
        member = context.chain.member(certificate.swarm)
        return member is not None and member.term >= certificate.term

    def _decide(self, request: JoinRequest, now: Instant, signing: bool, out: Outbox) -> JoinResponse:
        context = self._context
        if request.federation is not None and request.federation != context.federation:
            return self._response(JoinStatus.WRONG_FEDERATION, "this node belongs to another federation")
        if request.certificate is None:
            return self._response(JoinStatus.PENDING, "tell us who you are: send your certificate")
        if self._member_already(request):
            return self._response(JoinStatus.ACCEPTED, "")
        if not signing:
            return self._pending_response("the creator is not ready to sign: see its status")
        transaction = join_tx(request.grant, request.certificate, request.join)
        try:
            context.chain.check_transaction(transaction, context.wall_ms(now))
        except RemoteError as error:
            return self._refused(request, error.detail, out)
        self._order(transaction, now, out)
        return self._response(JoinStatus.ACCEPTED, "")

    def _refused(self, request: JoinRequest, reason: str, out: Outbox) -> JoinResponse:
        """Not admitted by rule; under the `vote` policy the operator may still say yes."""
        context = self._context
        if context.chain.params.admission == "vote" and len(self._waiting) < context.config.max_pending_joins:
            assert request.certificate is not None
            name = parse_member_cert(request.certificate, context.federation).name
            if name not in self._waiting:
                out.trace(TraceKind.JOIN, outcome="waiting", swarm=name, reason="the operator has to admit it")
            self._waiting[name] = request
            return self._response(JoinStatus.PENDING, "waiting for the creator's operator to admit you")
        out.trace(TraceKind.JOIN, outcome="refused", reason=reason)
        return self._response(JoinStatus.REJECTED, reason)

    def _order(self, transaction: bytes, now: Instant, out: Outbox) -> None:
        """Put a checked transaction into a block, durably, and tell every member."""
        context = self._context
        append(context, *context.chain.propose([transaction], context.wall_ms(now), context.me.queen_key), out)

    def _pending_response(self, reason: str) -> JoinResponse:
        return self._response(JoinStatus.PENDING, reason)

    def _response(self, status: JoinStatus, reason: str) -> JoinResponse:
        context = self._context
        known = [f"{address}/p2p/{context.me.peer}" for address in context.addresses]
        for member in context.chain.members():
            peer = PeerId(member.peer)
            known += [f"{address}/p2p/{peer}" for address in context.dialer.addresses(peer)[:2]]
        return JoinResponse(
            status=status,
            reason=reason,
            genesis=context.chain.genesis.raw,
            height=context.chain.height,
            retry_after_ms=context.config.join_retry // 1000,
            addresses=tuple(known[:32]),
        )

    def _respond(self, peer: PeerId, response: JoinResponse, out: Outbox) -> None:
        out.send(peer, Channel.JOIN, MessageType.JOIN_RESPONSE, response)


def append(context: Context, block: bytes, certificate: bytes, out: Outbox) -> None:
    """Append a block, durably, and tell every member. Raises RemoteError when it may not be."""
    context.chain.append(block, certificate)
    record = BlockRecord(block=block, certificate=certificate)
    out.persist(RecordKind.BLOCK, cbor.encode_struct(record))
    out.trace(TraceKind.BLOCK_APPLIED, height=context.chain.height, epoch=context.chain.epoch)
    news = ChainBlocks(height=context.chain.height, blocks=(record,))
    for link in context.links.members():
        out.send(link.peer, Channel.MESH, MessageType.CHAIN_BLOCKS, news)
