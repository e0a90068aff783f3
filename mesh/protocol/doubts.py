"""With whom a session is wanted: because something is missing for certain, or because a state root is another.

A gap, a claim or a question whose answer was another root calls for a session whatever the roots say by then. Another
root is otherwise only a doubt: while writes are on their way it is normal. It becomes a wish for a session when HELLO
shows it, when two probes of one peer do that lie half a probe period apart, with no other between them, or when the
same foreign root shows up again (with whomever) after half a period in which our own did not change. (Probes that
come together may have waited for a cut to heal.) A root that was ours less than a period ago is no doubt at all:
what the peer lacks is on its way to it. A doubt may settle itself before its turn comes: we have held meanwhile what
the peer showed, or the peer shows what we hold. So

- who dialled begins at once, and the other end after half a probe period, if the roots still differ;
- the next such session begins when the one before is over, or goes on for a quarter of a period;
- only `sync_sessions` of them begin per probe period;
- one that waited for half a period asks for the root again (a ping) before it compares row by row.

When a partition of a large federation heals, everyone differs from half of all others, and after a session or two
from nobody; and who comes back from a restart need not be compared with by everyone else.

Some differ for long, and no session helps: who has a slow clock does not take what is new, who is banned is unheard.
So a session in which nobody asked for anything keeps its place for `sync_sessions` periods: one such a period.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

from mesh.protocol.config import NodeConfig
from wire.ids import PeerId
from wire.time import Instant

MAX_ROOTS = 256  # foreign roots remembered


@dataclass(frozen=True, slots=True)
class _Doubt:
    root: bytes  # that the peer showed
    since: Instant
    old_at: Instant  # from then on it may have settled itself


class Doubts:
    """Peers to compare with, in the order in which that was noticed."""

    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self._period: int = config.profile.probe
        self._certain: dict[PeerId, None] = {}
        self._doubted: dict[PeerId, _Doubt] = {}
        self._patient: dict[PeerId, _Doubt] = {}  # not before they are old, which they become in this order
        self._asked: dict[PeerId, None] = {}  # the next root that they show decides
        self._turn: Instant = 0  # of the next doubt, as long as the session of the last one goes on
        self._places: list[tuple[Instant, PeerId]] = []  # taken until when (ascending), by a session with whom
        self._mismatches: dict[PeerId, Instant] = {}  # since when all probes of a peer showed another root
        self._own = b""
        self._left: dict[bytes, Instant] = {}  # roots that were ours lately, and until when
        self._seen: dict[bytes, Instant] = {}  # foreign roots since our own changed

    def certain(self, peer: PeerId) -> None:
        """A session with `peer` must be."""
        self._certain[peer] = None
        self._drop(peer)

    def differs(self, peer: PeerId, root: bytes, now: Instant, patient: bool = False) -> None:
        """`peer` holds another state, of this root; `patient`: it is up to the peer to begin."""
        if peer not in self._certain and peer not in self._asked:
            self._drop(peer)
            waiting = self._patient if patient else self._doubted
            waiting[peer] = _Doubt(root, now, now + self._period // 2)

    def ask(self, peer: PeerId, now: Instant) -> None:
        """`peer` is to show its root once more: if it is another than ours, a session must be."""
        self._take_place(peer, now)
        if peer not in self._certain:
            self._asked[peer] = None

    def old(self, peer: PeerId, now: Instant) -> bool:
        """A doubt about `peer` that may have settled itself since."""
        doubt = self._doubted.get(peer)
        return doubt is not None and now >= doubt.old_at

    def probe(self, peer: PeerId, root: bytes, own: bytes, now: Instant) -> None:
        """A probe showed `peer`'s root, and ours is `own`."""
        self._hold(own, now)
        left = self._left.get(root)
        if root == own or (left is not None and now <= left + self._period):
            if peer in self._asked:
                self._turn = 0
            self._mismatches.pop(peer, None)
            self._drop(peer)
            return
        if peer in self._asked:
            self.certain(peer)
            return
        if len(self._seen) >= MAX_ROOTS and root not in self._seen:
            del self._seen[next(iter(self._seen))]
        since = min(self._seen.setdefault(root, now), self._mismatches.setdefault(peer, now))
        if now - since >= self._period // 2:
            del self._mismatches[peer]
            self.differs(peer, root, now)

    def _hold(self, own: bytes, now: Instant) -> None:
        """Our root is `own`; those that it was until a probe period ago are over."""
        if own == self._own:
            return
        self._left.pop(self._own, None)
        self._left[self._own] = now  # so the order is that of the times
        self._own, self._seen = own, {}
        while len(self._left) > MAX_ROOTS or now > next(iter(self._left.values())) + self._period:
            del self._left[next(iter(self._left))]

    @property
    def roots(self) -> int:
        """How many roots are remembered, foreign ones and former ones of our own: of the kind with more of them."""
        return max(len(self._seen), len(self._left))

    def forget(self, peer: PeerId) -> None:
        """The link is gone."""
        self._certain.pop(peer, None)
        self._mismatches.pop(peer, None)
        self._drop(peer)

    def _drop(self, peer: PeerId) -> None:
        """A doubt is none any more."""
        self._doubted.pop(peer, None)
        self._patient.pop(peer, None)
        self._asked.pop(peer, None)

    def settled(self, own: bytes, now: Instant) -> list[PeerId]:
        """Those whose doubt settled itself: we have held meanwhile what they showed. They are wanted no more. Of the
        others, those that waited for the peer to begin are wanted from now on if they are old."""
        self._hold(own, now)
        doubts = self._doubted | self._patient
        settled = [
            peer for peer, doubt in doubts.items() if doubt.root == own or self._left.get(doubt.root, 0) > doubt.since
        ]
        for peer in settled:
            self._drop(peer)
        for peer in list(takewhile(lambda peer: now >= self._patient[peer].old_at, self._patient)):
            self._doubted[peer] = self._patient.pop(peer)
        return settled

    def wanted(self) -> list[PeerId]:
        """All peers to open a session with by now, the certain ones first."""
        return [*self._certain, *self._doubted]

    def opens(self, peer: PeerId) -> Instant:
        """From when on a session with a wanted peer may begin."""
        return 0 if peer in self._certain else self._next_turn()

    def earliest(self) -> Instant:
        """No session with a wanted peer may begin before that."""
        return 0 if self._certain else self._next_turn()

    def ripen(self) -> Instant | None:
        """When the next one of those that wait for the peer to begin is wanted, and may be looked into."""
        first = next(iter(self._patient.values()), None)
        return None if first is None else max(first.old_at, self._next_turn())

    def _next_turn(self) -> Instant:
        """When the next doubt may be looked into."""
        return max(self._turn, self._places[0][0] if len(self._places) >= self._config.sync_sessions else 0)

    def begun(self, peer: PeerId, now: Instant) -> None:
        """The session begins."""
        self._certain.pop(peer, None)
        self._asked.pop(peer, None)
        self._take_place(peer, now)

    def _take_place(self, peer: PeerId, now: Instant) -> None:
        if self._doubted.pop(peer, None) is not None:
            place = (now + self._period, peer)
            self._places = sorted([place, *(place for place in self._places if place[0] > now)])
            self._turn = now + self._period // 4

    def ended(self, peer: PeerId, futile: bool, now: Instant) -> None:
        """The session is over; `futile`: nobody asked for anything."""
        self._turn = 0
        if futile:
            long = now + self._config.sync_sessions * self._period
            self._places = sorted((long if whose == peer else until, whose) for until, whose in self._places)

    def __bool__(self) -> bool:
        return bool(self._certain or self._doubted or self._patient)
