"""With whom a session is wanted: because something is missing for certain, or because a state root is another.

A gap, a claim or a question whose answer was another root calls for a session whatever the roots say by then. Another
root is otherwise only a doubt: while writes are on their way it is normal. It becomes a wish for a session when HELLO
shows it, when two probes in a row of one peer do, or when the same foreign root shows up again (with whomever) after
half a probe period in which our own did not change. A doubt may settle itself before its turn comes: by then we hold
what the peer showed, or the peer shows what we hold. So

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
_STALE_MATCHES = 2  # probes in a row of one peer


@dataclass(frozen=True, slots=True)
class _Doubt:
    root: bytes  # that the peer showed
    old_at: Instant  # from then on it may have settled itself


class Doubts:
    """Peers to compare with, in the order in which that was noticed."""

    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self._certain: dict[PeerId, None] = {}
        self._doubted: dict[PeerId, _Doubt] = {}
        self._patient: dict[PeerId, _Doubt] = {}  # not before they are old, which they become in this order
        self._asked: dict[PeerId, None] = {}  # the next root that they show decides
        self._turn: Instant = 0  # of the next doubt, as long as the session of the last one goes on
        self._places: list[tuple[Instant, PeerId]] = []  # taken until when (ascending), by a session with whom
        self._mismatches: dict[PeerId, int] = {}
        self._own = b""
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
            waiting[peer] = _Doubt(root, now + self._config.profile.probe // 2)

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
        if root == own:
            if peer in self._asked:
                self._turn = 0
            self._mismatches.pop(peer, None)
            self._drop(peer)
            return
        if peer in self._asked:
            self.certain(peer)
            return
        if own != self._own:
            self._own, self._seen = own, {}
        if len(self._seen) >= MAX_ROOTS and root not in self._seen:
            del self._seen[next(iter(self._seen))]
        stood = now - self._seen.setdefault(root, now) >= self._config.profile.probe // 2
        self._mismatches[peer] = self._mismatches.get(peer, 0) + 1
        if stood or self._mismatches[peer] >= _STALE_MATCHES:
            self._mismatches[peer] = 0
            self.differs(peer, root, now)

    @property
    def roots(self) -> int:
        """How many foreign roots are remembered."""
        return len(self._seen)

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
        """Those whose doubt settled itself: we hold by now what they showed. They are wanted no more. Of the others,
        those that waited for the peer to begin are wanted from now on if they are old."""
        settled = [peer for peer, doubt in (self._doubted | self._patient).items() if doubt.root == own]
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
            place = (now + self._config.profile.probe, peer)
            self._places = sorted([place, *(place for place in self._places if place[0] > now)])
            self._turn = now + self._config.profile.probe // 4

    def ended(self, peer: PeerId, futile: bool, now: Instant) -> None:
        """The session is over; `futile`: nobody asked for anything."""
        self._turn = 0
        if futile:
            long = now + self._config.sync_sessions * self._config.profile.probe
            self._places = sorted((long if whose == peer else until, whose) for until, whose in self._places)

    def __bool__(self) -> bool:
        return bool(self._certain or self._doubted or self._patient)
