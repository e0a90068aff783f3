"""Two replicas and a pair of sync sessions between them, without a network.

pair = Pair()
pair.write(pair.left, "alpha", {"k": b"v"})
report = pair.sync()                 # both sessions to their end; what moved, and what it cost
assert pair.left.root() == pair.right.root()
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count

from crdt.ops import Author, Op, OpKind
from crdt.owner_log import Limits
from crdt.replica import Replica
from crdt.sync.session import SyncEvent, SyncSession
from crdt.sync.staging import Staging
from wire.frame import unpack_message
from wire.ids import FederationId, PublicKey, SwarmId, sha256
from wire.keys import SigningKey

FEDERATION = FederationId(b"f" * 32)
WALL_MS = 1 << 50

Tamper = Callable[[int, bytes], bytes | None]


class Ring:
    """Every author that was named so far, with its key; closes as set."""

    def __init__(self) -> None:
        self.keys: dict[Author, SigningKey] = {}
        self.closes: dict[Author, tuple[int, bytes]] = {}

    def author(self, name: str, term: int = 1) -> Author:
        author = Author(SwarmId(sha256(name.encode())[:16]), term)
        self.keys.setdefault(author, SigningKey(sha256(name.encode(), bytes([term]))))
        return author

    def queen_key(self, swarm: SwarmId, term: int) -> PublicKey | None:
        key = self.keys.get(Author(swarm, term))
        return key.public if key else None

    def close_of(self, swarm: SwarmId, term: int) -> tuple[int, bytes] | None:
        return self.closes.get(Author(swarm, term))


@dataclass
class Report:
    """What one exchange did: bytes in all, messages by type code, and the events of each side."""

    size: int = 0
    codes: list[int] = field(default_factory=list)
    events: tuple[list[SyncEvent], list[SyncEvent]] = field(default_factory=lambda: ([], []))

    def kinds(self, side: int) -> list[str]:
        return [type(event).__name__ for event in self.events[side]]


class Pair:
    """Left is side 0, right is side 1."""

    def __init__(self, left: Limits | None = None, right: Limits | None = None) -> None:
        self.ring = Ring()
        self.left = Replica(FEDERATION, self.ring, left)
        self.right = Replica(FEDERATION, self.ring, right)
        self.staging = (Staging(), Staging())
        self._nonces = count(1 << 40)  # as large as those of nodes
        self.clocks = [WALL_MS, WALL_MS]  # what the wall clock of each side says
        self._clock = count(1)

    def write(self, replica: Replica, name: str, values: Mapping[str, bytes | None], term: int = 1) -> bytes:
        """One batch of puts (None: a deletion) to the log of `name`."""
        author = self.ring.author(name, term)
        ops = [
            Op(
                collection="memory",
                key=key,
                kind=OpKind.DEL if value is None else OpKind.PUT,
                value=value,
                observed=(),
            )
            for key, value in values.items()
        ]
        head = replica.head(author)
        stamp = max(next(self._clock), (head.hlc if head else 0) + 1)
        return replica.compose(author, ops, stamp, self.ring.keys[author])

    def sessions(self) -> tuple[SyncSession, SyncSession]:
        return (
            SyncSession(self.left, self.staging[0], epoch=0, height=0, nonce=next(self._nonces)),
            SyncSession(self.right, self.staging[1], epoch=0, height=0, nonce=next(self._nonces)),
        )

    def sync(
        self,
        *,
        sessions: tuple[SyncSession, SyncSession] | None = None,
        tamper: Tamper | None = None,
        stop: Callable[[], bool] = lambda: False,
        between: Callable[[], None] = lambda: None,
    ) -> Report:
        """Exchange messages until both are silent or `stop` says so; `tamper(side, message)` sees what each sends."""
        pair = sessions or self.sessions()
        report = Report()
        while not stop():
            queues = [self._drain(pair[side]) for side in (0, 1)]
            if not any(queues):
                return report
            for side in (0, 1):
                for message in queues[side]:
                    passed = tamper(side, message) if tamper else message
                    if passed is None or stop():
                        continue
                    code, payload = unpack_message(passed)
                    report.size += len(passed)
                    report.codes.append(code)
                    report.events[1 - side].extend(self._receive(pair[1 - side], 1 - side, code, payload))
                    between()
        return report

    def _receive(self, session: SyncSession, side: int, code: int, payload: bytes) -> list[SyncEvent]:
        if code == 5:  # FORK travels beside the session
            (self.left, self.right)[side].receive_fork(payload)
            return []
        events = session.receive_message(code, payload, self.clocks[side])
        if session.failure is not None:
            raise session.failure
        return events

    @staticmethod
    def _drain(session: SyncSession) -> list[bytes]:
        messages: list[bytes] = []
        while (message := session.generate_message()) is not None:
            messages.append(message)
        return messages
