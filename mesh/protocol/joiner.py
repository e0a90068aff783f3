"""Before membership: a node that asks to be let in.

The joiner dials whom the ticket (or the user) names, or whoever mDNS finds, and sends JOIN_REQUEST until it is told
yes or no. PENDING means asking again. Whoever says ACCEPTED has to show the chain from the genesis, whose hash must
be the federation's id: only a certified block that admits this swarm ends the asking, nobody's word. Then the joiner
emits `Joined`, and the interpreter puts the node in its place. Without a federation to join it just waits for a
`Join` command; everything else that needs a federation is refused with a sentence.
"""

from __future__ import annotations

from typing import assert_never

from consensus.admission import JoinRequest, JoinResponse, JoinStatus
from consensus.chain import Chain
from consensus.tickets import Anchor, seal_join
from mesh.protocol.applicant import Applicant, Progress, Target, peers, status
from mesh.protocol.commands import Failure, FailureKind, GetPeers, GetStatus, Join, Operation, Outcome, Success
from mesh.protocol.config import NodeConfig
from mesh.protocol.context import WallReading
from mesh.protocol.effects import Dial, Disconnect, Effect, Joined, Reply
from mesh.protocol.events import (
    AddressesChanged,
    Command,
    DamageFound,
    DialFailed,
    GossipReceived,
    InEvent,
    MessageReceived,
    PeerDown,
    PeerFound,
    PeerUp,
    StreamOffence,
    WallClock,
)
from mesh.protocol.intent import P2P, JoinIntent, parse_intent
from mesh.protocol.leaping import asked
from mesh.protocol.messages import ChainBlocks, Leaps
from mesh.protocol.outbox import Outbox
from mesh.protocol.trace import TraceKind
from wire import cbor
from wire.errors import DecodeError, RemoteError, UsageError
from wire.frame import unpack_message
from wire.ids import FederationId, PeerId, sha256
from wire.time import SECOND, Instant
from wire.types import Channel, MessageType

_REQUEST_PATIENCE = 10 * SECOND
_MAX_TARGETS = 64
_UNNAMED = "waiting for `zenmesh backup add` with this node's request file, on the node of its queen"


class Joiner:
    """Drives one join; a `Machine` like the node."""

    def __init__(
        self, config: NodeConfig, applicant: Applicant, intent: JoinIntent | None, wall: WallReading, now: Instant
    ) -> None:
        self._config = config
        self._applicant = applicant
        self._intent = intent
        self._wall = wall
        self._started = now
        self._targets: dict[PeerId, Target] = {}
        self._addresses: tuple[str, ...] = ()
        self._progress = Progress()
        self._federation = intent.federation if intent else None
        self._links: dict[PeerId, None] = {}
        self._named: set[PeerId] = set()  # by the ticket or the user: their no is final
        if intent is not None:
            self._begin(intent)

    # the seam

    def begin(self, now: Instant) -> list[Effect]:
        """The first effects of a start."""
        return self.tick(now)

    def handle(self, event: InEvent, now: Instant) -> list[Effect]:
        """What follows from `event`."""
        out = Outbox()
        try:
            self._handle(event, now, out)
        except RemoteError as error:
            self._progress.counters[f"offence_{error.offence}"] += 1
            if isinstance(event, MessageReceived):
                self._mistrust(event.peer)
                self._retry(event.peer, error.detail, now)
                out.add(Disconnect(peer=event.peer, reason=error.detail))
        return out.effects

    def tick(self, now: Instant) -> list[Effect]:
        """Dial and ask whoever is due."""
        out = Outbox()
        if self._intent is None or self._progress.state == "rejected":
            return out.effects
        for peer, target in self._targets.items():
            if target.dialing or now < target.next_try:
                continue
            if target.linked:
                target.next_try = now + _REQUEST_PATIENCE
                out.send(peer, Channel.JOIN, MessageType.JOIN_REQUEST, self._request())
            elif target.addresses:
                target.dialing = True
                out.add(Dial(peer=peer, addresses=tuple(target.addresses)))
        return out.effects

    def next_deadline(self) -> Instant | None:
        if self._intent is None or self._progress.state == "rejected":
            return None
        due = [t.next_try for t in self._targets.values() if not t.dialing and (t.linked or t.addresses)]
        return min(due, default=None)

    def check_gossip(self, forwarder: PeerId, topic: str, message: bytes) -> bool:
        return False

    def stop(self, now: Instant) -> list[Effect]:
        return []

    def clean_mark(self) -> bytes:
        return b""

    # events

    def _handle(self, event: InEvent, now: Instant, out: Outbox) -> None:
        match event:
            case PeerUp(peer=peer, inbound=inbound):
                self._links[peer] = None
                target = self._targets.get(peer)
                if target is not None:
                    target.linked, target.dialing, target.next_try = True, False, now
                elif inbound:
                    out.disconnect(peer, "this node belongs to no federation yet")
                out.effects += self.tick(now)
            case PeerDown(peer=peer):
                self._links.pop(peer, None)
                self._retry(peer, "the link closed before an answer came", now)
            case DialFailed(peer=peer, address=address, cause=cause, final=final):
                out.trace(TraceKind.DIAL_FAILED, peer=peer, address=address, cause=cause)
                if final:
                    self._retry(peer, cause, now)
            case PeerFound(peer=peer, addresses=addresses, attributes=attributes):
                self._found(peer, addresses, attributes.get("zm.fed", ""), now)
                out.effects += self.tick(now)
            case MessageReceived(peer=peer, channel=Channel.JOIN, message=message):
                self._answered(peer, message, now, out)
            case MessageReceived(peer=peer, message=message):
                self._told(peer, message, out)
            case AddressesChanged(addresses=addresses):
                self._addresses = addresses
            case WallClock(ms=ms):
                self._wall = WallReading(ms, now)
            case Command(request_id=request_id, operation=operation):
                out.add(Reply(request_id=request_id, outcome=self._execute(operation, now)))
                out.effects += self.tick(now)
            case GossipReceived() | StreamOffence() | DamageFound():
                self._progress.counters["ignored"] += 1
            case _:
                assert_never(event)

    def _found(self, peer: PeerId, addresses: tuple[str, ...], federation: str, now: Instant) -> None:
        """Discovery found a peer: a target when we look on the LAN, or when it is of the ticket's federation."""
        intent = self._intent
        wanted = self._federation.hex() if self._federation else None
        if intent is None or peer == self._applicant.peer or not federation:
            return
        if (intent.lan and wanted in (None, federation)) or (wanted is not None and federation == wanted):
            self._aim(peer, list(addresses), now)

    def _aim(self, peer: PeerId, addresses: list[str], now: Instant) -> None:
        if peer not in self._targets and len(self._targets) >= _MAX_TARGETS:
            return
        target = self._targets.setdefault(peer, Target([]))
        target.addresses += [address for address in addresses if address not in target.addresses]
        del target.addresses[self._config.max_addresses :]
        target.linked = target.linked or peer in self._links
        target.next_try = min(target.next_try, now)

    def _retry(self, peer: PeerId, cause: str, now: Instant) -> None:
        target = self._targets.get(peer)
        if target is not None and (target.linked or target.dialing):
            target.linked = target.dialing = False
            target.error = cause
            target.next_try = now + self._config.join_retry

    def _mistrust(self, peer: PeerId) -> None:
        """What it showed of the chain may not be: it begins anew, and block by block."""
        target = self._targets.get(peer)
        if target is not None and target.told is not None:
            target.told, target.plain = None, True

    def _answered(self, peer: PeerId, message: bytes, now: Instant, out: Outbox) -> None:
        code, payload = unpack_message(message)
        target = self._targets.get(peer)
        if code != MessageType.JOIN_RESPONSE or target is None:
            raise DecodeError("not an answer to our JOIN_REQUEST")
        response = cbor.decode_as(payload, JoinResponse)
        target.next_try = now + min(max(response.retry_after_ms, 200), 30_000) * 1000
        out.trace(TraceKind.JOIN, outcome=JoinStatus(response.status).name, reason=response.reason, peer=peer)
        introduced = False
        if self._federation is None and response.genesis is not None:
            self._federation, introduced = FederationId(sha256(response.genesis)), True
            target.next_try = now  # now that we know whom to ask, ask with a certificate
        match JoinStatus(response.status):
            case JoinStatus.ACCEPTED:
                self._accepted(peer, target, response.genesis, out)
            case JoinStatus.PENDING if introduced:
                pass  # it was asked who it is, and says nothing about us yet
            case JoinStatus.PENDING:
                reason = _UNNAMED if self._applicant.backup else response.reason
                self._progress.state, self._progress.reason = "pending", reason
            case JoinStatus.REJECTED if peer not in self._named and self._named:
                target.error = response.reason  # whoever the LAN brought along may not end what the user began
            case JoinStatus.REJECTED:
                self._progress.state, self._progress.reason = "rejected", response.reason
            case JoinStatus.WRONG_FEDERATION:
                target.error = response.reason
        out.effects += self.tick(now)

    def _accepted(self, peer: PeerId, target: Target, genesis: bytes | None, out: Outbox) -> None:
        """Somebody says that we are in: it has to show the chain that says so."""
        if genesis is None or self._federation is None or FederationId(sha256(genesis)) != self._federation:
            raise DecodeError("the genesis in the answer is not that of the federation we asked for")
        if target.told is None:
            target.told = Chain.from_genesis(genesis, anchor=self._anchor())
        self._ask_chain(peer, target.told, out)

    def _told(self, peer: PeerId, message: bytes, out: Outbox) -> None:
        """Blocks that prove it, perhaps; whatever else a member says to us is for the node that we are to become."""
        code, payload = unpack_message(message)
        target = self._targets.get(peer)
        if code != MessageType.CHAIN_BLOCKS or target is None or target.told is None:
            self._progress.counters["ignored"] += 1
            return
        chain = target.told
        news = cbor.decode_as(payload, ChainBlocks)
        grew = [record for record in news.blocks if chain.append(record.block, record.certificate, record.state)]
        if chain.anchored and chain.whole and self._applicant.belongs(chain):
            certificate = b"" if self._applicant.backup else self._applicant.certify(chain.federation_id)
            out.add(Joined(genesis=chain.genesis.raw, certificate=certificate, anchor=self._anchor()))
        elif grew and news.height > chain.height:
            self._ask_chain(peer, chain, out)
        else:
            target.error = "it says that this swarm is a member; " + (
                "its chain does not" if chain.anchored else "its chain does not reach the block that the ticket names"
            )
            self._progress.reason = f"{peer}: {target.error}"

    def _ask_chain(self, peer: PeerId, chain: Chain, out: Outbox) -> None:
        leaps = Leaps.NONE if self._targets[peer].plain else Leaps.FAR
        out.send(peer, Channel.MESH, MessageType.CHAIN_REQUEST, asked(chain, leaps, chain.anchor_height))

    def _anchor(self) -> Anchor | None:
        ticket = self._intent.ticket if self._intent else None
        return ticket.anchor if ticket else None

    # asking

    def _begin(self, intent: JoinIntent) -> None:
        self._intent = intent
        self._federation = intent.federation or (intent.ticket.federation if intent.ticket else None)
        self._progress.state, self._progress.reason = "asking", "asking to be admitted"
        known = [*(intent.ticket.addresses if intent.ticket else ()), *([intent.peer] if intent.peer else ())]
        self._named = {PeerId(address.rpartition(P2P)[2]) for address in known}
        for address in known:
            host, _, peer = address.rpartition(P2P)
            if host and peer:
                self._aim(PeerId(peer), [host], self._started)

    def _request(self) -> JoinRequest:
        ticket = self._intent.ticket if self._intent else None
        if self._federation is None or self._applicant.backup:
            return JoinRequest(federation=self._federation, grant=None, certificate=None, join=None)
        certificate = self._applicant.certify(self._federation)
        join = seal_join(ticket, certificate) if ticket else None
        return JoinRequest(
            federation=self._federation, grant=ticket.grant if ticket else None, certificate=certificate, join=join
        )

    # commands

    def _execute(self, operation: Operation, now: Instant) -> Outcome:
        match operation:
            case GetStatus():
                return Success(result=self._status(now))
            case GetPeers():
                return Success(result={"peers": peers(self._targets)})
            case Join():
                return self._join(operation)
            case _:
                message = f"this node belongs to no federation: {self._progress.reason}"
                return Failure(kind=FailureKind.NOT_MEMBER, message=message)

    def _join(self, operation: Join) -> Outcome:
        try:
            intent = parse_intent(operation)
        except UsageError as error:
            return Failure(kind=FailureKind.USAGE, message=str(error))
        if intent.ticket and intent.ticket.expires_ms <= self._wall.ms:
            message = "this ticket has expired: ask for a new one (`zenmesh invite` on any member)"
            return Failure(kind=FailureKind.REJECTED, message=message)
        self._targets.clear()
        self._begin(intent)
        return Success(result={"state": self._progress.state, "reason": self._progress.reason})

    def _status(self, now: Instant) -> dict[str, object]:
        return status(
            self._applicant,
            self._progress,
            self._targets,
            wants_in=self._intent is not None,
            federation=self._federation,
            addresses=self._addresses,
            uptime=now - self._started,
        )
