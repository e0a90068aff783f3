"""With whom a session is wanted: because something is missing for certain, or because a state root is another.

A gap, a claim or the periodic round calls for a session whatever the roots say. Another root is only a doubt: while
writes are on their way it is normal. It becomes a wish for a session when HELLO shows it, when two probes in a row
of one peer do, or when the same foreign root shows up again (with whomever) after half a probe period in which our
own did not change. A doubt may settle itself before its turn comes: by then we hold what the peer showed, or the peer
shows what we hold. So of these sessions only `sync_sessions` begin per probe period. When a partition of a large
federation heals, everyone differs from half of all others, and after the first few sessions from nobody.

Some differ for long, and no session helps: who has a slow clock does not take what is new, who is banned is unheard.
So a session in which nobody asked for anything keeps its place for `sync_sessions` periods: one such a period.
"""

from __future__ import annotations

from mesh.protocol.config import NodeConfig
from wire.ids import PeerId
from wire.time import Instant

MAX_ROOTS = 256  # foreign roots remembered
_STALE_MATCHES = 2  # probes in a row of one peer


class Doubts:
    """Peers to compare with, in the order in which that was noticed."""

    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self._certain: dict[PeerId, None] = {}
        self._doubted: dict[PeerId, bytes] = {}  # the root that the peer showed
        self._places: list[tuple[Instant, PeerId]] = []  # taken until when (ascending), by a session with whom
        self._mismatches: dict[PeerId, int] = {}
        self._own = b""
        self._seen: dict[bytes, Instant] = {}  # foreign roots since our own changed

    def certain(self, peer: PeerId) -> None:
        """A session with `peer` must be."""
        self._certain[peer] = None
        self._doubted.pop(peer, None)

    def differs(self, peer: PeerId, root: bytes) -> None:
        """`peer` holds another state, of this root."""
        if peer not in self._certain:
            self._doubted[peer] = root

    def probe(self, peer: PeerId, root: bytes, own: bytes, now: Instant) -> None:
        """A probe showed `peer`'s root, and ours is `own`."""
        if root == own:
            self._mismatches.pop(peer, None)
            self._doubted.pop(peer, None)
            return
        if own != self._own:
            self._own, self._seen = own, {}
        if len(self._seen) >= MAX_ROOTS and root not in self._seen:
            del self._seen[next(iter(self._seen))]
        stood = now - self._seen.setdefault(root, now) >= self._config.profile.probe // 2
        self._mismatches[peer] = self._mismatches.get(peer, 0) + 1
        if stood or self._mismatches[peer] >= _STALE_MATCHES:
            self._mismatches[peer] = 0
            self.differs(peer, root)

    @property
    def roots(self) -> int:
        """How many foreign roots are remembered."""
        return len(self._seen)

    def forget(self, peer: PeerId) -> None:
        """The link is gone."""
        self._certain.pop(peer, None)
        self._doubted.pop(peer, None)
        self._mismatches.pop(peer, None)

    def settled(self, own: bytes) -> list[PeerId]:
        """Those whose doubt settled itself: we hold by now what they showed. They are wanted no more."""
        settled = [peer for peer, root in self._doubted.items() if root == own]
        for peer in settled:
            del self._doubted[peer]
        return settled

    def wanted(self) -> list[PeerId]:
        """All peers to open a session with, the certain ones first."""
        return [*self._certain, *self._doubted]

    def opens(self, peer: PeerId) -> Instant:
        """From when on a session with a wanted peer may begin."""
        return 0 if peer in self._certain else self._next_place()

    def earliest(self) -> Instant:
        """No session with a wanted peer may begin before that."""
        return 0 if self._certain else self._next_place()

    def _next_place(self) -> Instant:
        """When a place is free."""
        return self._places[0][0] if len(self._places) >= self._config.sync_sessions else 0

    def begun(self, peer: PeerId, now: Instant) -> None:
        """The session begins."""
        self._certain.pop(peer, None)
        if self._doubted.pop(peer, None) is not None:
            place = (now + self._config.profile.probe, peer)
            self._places = sorted([place, *(place for place in self._places if place[0] > now)])

    def ended(self, peer: PeerId, futile: bool, now: Instant) -> None:
        """The session is over; `futile`: nobody asked for anything."""
        if futile:
            long = now + self._config.sync_sessions * self._config.profile.probe
            self._places = sorted((long if whose == peer else until, whose) for until, whose in self._places)

    def __bool__(self) -> bool:
        return bool(self._certain or self._doubted)
