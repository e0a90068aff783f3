"""Who was heard on the LAN, and what is news about them.

One entry per instance name: a node has a new name each time it starts, and nobody can change another's entry without
knowing its name. What is heard on different links (interface and IP version) is kept apart, since a node may say
different things there, and told as one. Entries live as long as their answers say, within bounds.

A peer is told again when what it says changed, when it comes back after a goodbye or after its time ran out, and
every `REMIND_S` while it goes on answering: whoever listens may have had no use for it the first time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mesh.protocol.events import PeerFound
from mesh.runtime.mdns.codec import MAX_ADDRESSES, TTL_S, Announcement
from mesh.runtime.mdns.dnsaddr import from_here
from wire.ids import PeerId

MAX_ENTRIES = 1_024
MAX_ENTRIES_PER_SOURCE = 32  # several nodes may share a machine
MAX_LIFE_S = 2 * TTL_S  # a hostile TTL must not pin an entry
REMIND_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a packet came from: the sender's IP address, our interface, whether it is a machine of ours."""

    address: str
    index: int
    version: int
    local: bool


@dataclass(slots=True)
class _Entry:
    peer: PeerId
    owner: str  # the address it was first heard from
    told_at: float
    told: PeerFound | None = None
    heard: dict[tuple[int, int], tuple[tuple[str, ...], float]] = field(default_factory=dict)

    def expires(self) -> float:
        return max(until for _, until in self.heard.values())

    def addresses(self, now: float) -> tuple[str, ...]:
        live = [address for addresses, until in self.heard.values() if until > now for address in addresses]
        return tuple(dict.fromkeys(live))[:MAX_ADDRESSES]


class PeerTable:
    """The peers that answered lately. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._speakers: dict[str, float] = {}
        self.refused = 0

    def __len__(self) -> int:
        return len(self._entries)

    def heard(self, announcement: Announcement, source: Source, now: float) -> PeerFound | None:
        """Take in what was heard; the event to tell if it is news."""
        endpoints = [from_here(endpoint, source.address, source.local) for endpoint in announcement.endpoints]
        addresses = tuple(dict.fromkeys(str(endpoint) for endpoint in endpoints if endpoint is not None))
        self._speak(source.address, now)
        entry = self._entries.get(announcement.instance)
        if entry is not None and entry.peer != announcement.peer:
            self.refused += 1
            return None
        if entry is None:
            if not addresses or not self._room(source.address):
                self.refused += 1
                return None
            entry = self._entries[announcement.instance] = _Entry(announcement.peer, source.address, now)
        life_s = min(announcement.ttl_s, MAX_LIFE_S)
        entry.heard[source.index, source.version] = (addresses, now + life_s)
        found = PeerFound(
            source="mdns",
            peer=entry.peer,
            addresses=entry.addresses(now),
            attributes=dict(announcement.attributes),
        )
        if not found.addresses or (found == entry.told and now - entry.told_at < REMIND_S):
            return None
        entry.told, entry.told_at = found, now
        return found

    def goodbye(self, instance: str) -> None:
        """The instance says that it ends: when it is heard again, that is news."""
        self._entries.pop(instance, None)

    def expire(self, now: float) -> None:
        """Forget what was not heard for its time to live."""
        for instance in [name for name, entry in self._entries.items() if entry.expires() <= now]:
            del self._entries[instance]
        for address in [address for address, until in self._speakers.items() if until <= now]:
            del self._speakers[address]

    def speaks(self, address: str) -> bool:
        """Whether some peer answered from this IP address lately."""
        return address in self._speakers

    def told(self) -> list[PeerFound]:
        """All that is known now, as it was told."""
        return [entry.told for entry in self._entries.values() if entry.told is not None]

    def _speak(self, address: str, now: float) -> None:
        if address in self._speakers or len(self._speakers) < MAX_ENTRIES:
            self._speakers[address] = now + MAX_LIFE_S

    def _room(self, address: str) -> bool:
        if len(self._entries) >= MAX_ENTRIES:
            return False
        return sum(entry.owner == address for entry in self._entries.values()) < MAX_ENTRIES_PER_SOURCE
