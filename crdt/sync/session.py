"""A session: one node's side of comparing and completing owner logs with one peer.

    session = SyncSession(replica, staging, epoch=…, height=…, nonce=…)
    while (message := session.generate_message()) is not None: send(message)
    for event in session.receive_message(code, payload, wall_ms): persist(event)      # then generate again
    session.finished                                                                  # both sides have what they want

Both sides run the same value. HELLO carries the version vector; from there on each side pulls what it lacks
(`Puller`) and serves what the other asks (`Server`); BYE says that one side has everything. A session needs no
reliable ending: a new HELLO with another nonce starts it over on both sides. Everything is verified against
signatures of its owner, so a session with a liar ends in a `RemoteError` and costs nothing else.
"""

from __future__ import annotations

from typing import assert_never

from crdt.owner_log import Flag
from crdt.replica import Replica
from crdt.sync.messages import (
    CREDIT,
    STRUCTS,
    Batches,
    Bye,
    Credit,
    Data,
    Entries,
    HeaderReply,
    HeaderRequest,
    Hello,
    Snapshot,
    Tree,
    TreeRequest,
    Wants,
    pack,
    pack_hello,
)
from crdt.sync.puller import BatchAccepted, ForkFound, Progress, Puller, SnapshotInstalled, SyncEvent
from crdt.sync.server import Server
from crdt.sync.staging import Staging
from wire import cbor
from wire.errors import Offence, ProtocolViolation, RemoteError
from wire.types import REGISTRY, MessageType

MAX_RESTARTS = 16
CREDIT_STEP = CREDIT // 2  # data messages digested before the peer is told

__all__ = ["BatchAccepted", "ForkFound", "Progress", "SnapshotInstalled", "SyncEvent", "SyncSession"]

_Heard = Bye | Credit | Wants | TreeRequest | HeaderRequest | Data  # all but HELLO


class SyncSession:
    """One side of anti-entropy with one peer."""

    def __init__(self, replica: Replica, staging: Staging, *, epoch: int, height: int, nonce: int) -> None:
        self._replica = replica
        self._staging = staging
        self._epoch = epoch
        self._height = height
        self._nonce = nonce
        self._peer_nonce = 0
        self._restarts = 0
        self._hello_due = True
        self._told: dict[tuple[bytes, int, int, bytes, bytes], None] = {}  # the live logs in the HELLO to answer
        self._reset()

    def _reset(self) -> None:
        self._server = Server(self._replica)
        self._puller = Puller(self._replica, self._staging)
        self._granted = CREDIT
        self._digested = 0
        self._asked = False
        self._bye_sent = False
        self._bye_received = False

    @property
    def finished(self) -> bool:
        """Both sides have what they wanted."""
        return self._bye_sent and self._bye_received

    @property
    def met(self) -> bool:
        """A HELLO of the peer came, and it did not answer some other session."""
        return self._peer_nonce != 0

    @property
    def futile(self) -> bool:
        """Nobody asked for anything."""
        return not (self._asked or self._puller.asked)

    @property
    def failure(self) -> RemoteError | None:
        """The lie that ended this session, where good data came before it in one message."""
        return self._puller.failure

    def progress(self) -> Progress:
        """How far our own pulling has come."""
        return self._puller.progress()

    def generate_message(self) -> bytes | None:
        """The next message for the peer; None when it is the peer's turn, or nothing is left to say."""
        if self._hello_due:
            self._hello_due = False
            return self._hello()
        if self._digested >= CREDIT_STEP:
            self._granted += self._digested
            credit, self._digested = self._digested, 0
            return pack(Credit(messages=credit))
        message = self._puller.next_message() or self._server.next_message()
        if message is None and self._peer_nonce and self._puller.done and not self._bye_sent:
            self._bye_sent = True
            return pack(Bye(nonce=self._nonce))
        return message

    def receive_message(self, code: int, payload: bytes, wall_ms: int) -> list[SyncEvent]:
        """Take one message of the peer; what is to be persisted because of it.

        Raises:
            RemoteError: the peer lied or broke the protocol. The replica holds nothing unverified; drop the session.
        """
        kind = MessageType(code)
        message = cbor.decode_as(payload, STRUCTS[kind], REGISTRY[kind].limit)
        if isinstance(message, Hello):
            self._on_hello(message, wall_ms)
        elif self._peer_nonce:  # else it belongs to a session that was started over
            return self._on_message(message, wall_ms)
        return []

    def _hello(self) -> bytes:
        """What we hold; an answer leaves out the live logs of which the peer has just said the same."""
        rows = self._replica.rows()
        if self._told:
            rows = [row for row in rows if row.flag is not Flag.LIVE or row[:5] not in self._told]
        beginning = Hello(
            nonce=self._nonce,
            answers=self._peer_nonce,
            epoch=self._epoch,
            height=self._height,
            root=self._replica.root(),
            rows=(),
        )
        return pack_hello(beginning, rows)

    def _on_hello(self, hello: Hello, wall_ms: int) -> None:
        if hello.nonce == self._peer_nonce or hello.answers not in (0, self._nonce):
            return  # heard already, or the answer to a session that we started over
        if self._peer_nonce:
            self._restarts += 1
            if self._restarts > MAX_RESTARTS:
                raise ProtocolViolation("a session that is started over again and again", Offence.FLOOD)
            self._reset()
        self._peer_nonce = hello.nonce
        self._hello_due = hello.answers != self._nonce
        if self._hello_due:
            rows = (row for row in hello.rows if row.flag == Flag.LIVE)
            self._told = {(row.swarm, row.term, row.seq, row.hash, row.root): None for row in rows}
        self._puller.compare(hello.rows, wall_ms)

    def _on_message(self, message: _Heard, wall_ms: int) -> list[SyncEvent]:
        match message:
            case Bye():
                self._bye_received = self._bye_received or message.nonce == self._peer_nonce
            case Credit():
                self._server.credit(message)
            case Wants():
                self._asked = True
                self._server.want(message.wants)
            case TreeRequest() | HeaderRequest():
                self._server.request(message)
            case _:
                return self._on_data(message, wall_ms)
        return []

    def _on_data(self, message: Data, wall_ms: int) -> list[SyncEvent]:
        self._granted -= 1
        if self._granted < 0:
            raise ProtocolViolation("more data than credit was given for", Offence.FLOOD)
        self._digested += 1
        match message:
            case Batches():
                return self._puller.on_batches(message, wall_ms)
            case Entries():
                return self._puller.on_entries(message)
            case HeaderReply():
                return self._puller.on_header(message)
            case Snapshot():
                return self._puller.on_snapshot(message)
            case Tree():
                return self._puller.on_tree(message)
            case _:
                assert_never(message)
