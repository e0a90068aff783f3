"""With whom a session is wanted: because something is missing for certain, or because a state root is another.

A gap, a claim or the periodic round calls for a session whatever the roots say. Another root is only a doubt: while
writes are on their way it is normal. It becomes a wish for a session when HELLO shows it, when two probes in a row
of one peer do, or when the same foreign root shows up again (with whomever) after half a probe period in which our
own did not change. A doubt may settle itself before its turn comes: by then we hold what the peer showed, or the peer
shows what we hold. So of these sessions only `sync_sessions` begin per probe period. When a partition of a large
federation heals, everyone differs from half of all others, and after the first few sessions from nobody.
"""

from __future__ import annotations

from collections import deque

from mesh.protocol.config import NodeConfig
from wire.ids import PeerId
from wire.time import Instant

_STALE_MATCHES = 2  # probes in a row of one peer


class Doubts:
    """Peers to compare with, in the order in which that was noticed."""

    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self._wanted: dict[PeerId, bytes | None] = {}  # the root that the peer showed; None: whatever its root is
        self._begun: deque[Instant] = deque(maxlen=config.sync_sessions)
        self._mismatches: dict[PeerId, int] = {}
        self._own = b""
        self._seen: dict[bytes, Instant] = {}  # foreign roots since our own changed

    def certain(self, peer: PeerId) -> None:
        """A session with `peer` must be."""
        self._wanted[peer] = None

    def differs(self, peer: PeerId, root: bytes) -> None:
        """`peer` holds another state, of this root."""
        if self._wanted.get(peer, root) is not None:
            self._wanted[peer] = root

    def probe(self, peer: PeerId, root: bytes, own: bytes, now: Instant) -> None:
        """A probe showed `peer`'s root, and ours is `own`."""
        if root == own:
            self._mismatches.pop(peer, None)
            if self._wanted.get(peer) is not None:
                del self._wanted[peer]
            return
        if own != self._own:
            self._own, self._seen = own, {}
        stood = now - self._seen.setdefault(root, now) >= self._config.profile.probe // 2
        self._mismatches[peer] = self._mismatches.get(peer, 0) + 1
        if stood or self._mismatches[peer] >= _STALE_MATCHES:
            self._mismatches[peer] = 0
            self.differs(peer, root)

    def forget(self, peer: PeerId) -> None:
        """The link is gone."""
        self._wanted.pop(peer, None)
        self._mismatches.pop(peer, None)

    def settled(self, own: bytes) -> list[PeerId]:
        """Those whose doubt settled itself: we hold by now what they showed. They are wanted no more."""
        settled = [peer for peer, root in self._wanted.items() if root == own]
        for peer in settled:
            del self._wanted[peer]
        return settled

    def wanted(self) -> list[PeerId]:
        """All peers to open a session with."""
        return list(self._wanted)

    def opens(self, peer: PeerId) -> Instant:
        """From when on a session with a wanted peer may begin."""
        if self._wanted[peer] is None or len(self._begun) < self._config.sync_sessions:
            return 0
        return self._begun[0] + self._config.profile.probe

    def begun(self, peer: PeerId, now: Instant) -> None:
        """The session begins."""
        if self._wanted.pop(peer) is not None:
            self._begun.append(now)

    def __bool__(self) -> bool:
        return bool(self._wanted)
