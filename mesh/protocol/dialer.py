"""Whom to dial, where, and when: the address book and the backoff.

A member without a link is dialled for ever, with exponential backoff and jitter up to the profile's cap, or a longer
one while it refuses us; news about its addresses (mDNS, an announcement, a bootstrap list) starts the backoff afresh.
Of two members that would dial each other at the same moment, the one with the lower peer id goes first. Addresses
that worked come first. The book is kept on disk, so that a federation finds itself again after everyone restarted.

Of all that are wanted, few are idle (not linked, not being dialled, an address known): those alone are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from consensus.membership import Member
from mesh.protocol.config import NodeConfig
from mesh.protocol.effects import Dial, SaveFile
from mesh.protocol.outbox import Outbox
from wire import cbor
from wire.errors import DecodeError
from wire.ids import PeerId
from wire.rng import Rng
from wire.time import Instant

BOOK_FILE = "book"
_TOGETHER = 8  # who is due within such a part of its pause is dialled with others: a node wakes less often


@dataclass(slots=True)
class Contact:
    """What is known about reaching one peer."""

    addresses: list[str] = field(default_factory=list)  # best first
    failures: int = 0
    next_dial: Instant = 0
    may_dial: Instant = 0  # together with others that are due
    dialing: bool = False
    last_error: str = ""
    refusal: str = ""  # its last word on why it does not want us; empty once it does, or may be reached elsewhere
    source: str = ""


class Dialer:
    """The address book and every pending attempt."""

    def __init__(self, config: NodeConfig, me: PeerId, rng: Rng) -> None:
        self._config = config
        self._me = me
        self._rng = rng
        self._book: dict[PeerId, Contact] = {}
        self._wanted: dict[PeerId, None] = {}
        self._linked: dict[PeerId, None] = {}
        self._idle: dict[PeerId, Contact] = {}
        self._missing: dict[PeerId, None] = {}
        self._soonest: Instant | None = None  # of the idle ones, once it was asked for
        self._dirty = False
        self._next_save: Instant = 0

    # the book

    def load(self, data: bytes) -> None:
        """Fill the book from disk. One that cannot be read counts as empty: all of it can be learnt anew."""
        try:
            book = cbor.decode(data)
        except DecodeError:
            return
        if not isinstance(book, dict):
            return
        for peer, addresses in book.items():
            if isinstance(addresses, list):
                known = [address for address in addresses if isinstance(address, str)]
                self.learn(PeerId(peer), known, "book", 0)
        self._dirty = False

    def learn(self, peer: PeerId, addresses: Iterable[str], source: str, now: Instant) -> bool:
        """`peer` may be reached at `addresses`; True if any of them is news."""
        if peer == self._me:
            return False
        contact = self._contact(peer)
        news = [address for address in dict.fromkeys(addresses) if address not in contact.addresses]
        if not news:
            return False
        contact.addresses = (news + contact.addresses)[: self._config.max_addresses]
        contact.source = source
        contact.failures, contact.refusal = 0, ""
        contact.next_dial = contact.may_dial = min(contact.next_dial, now)
        self._dirty = True
        self._sort(peer)
        return True

    def contacts(self) -> dict[PeerId, Contact]:
        return self._book

    def addresses(self, peer: PeerId) -> tuple[str, ...]:
        contact = self._book.get(peer)
        return tuple(contact.addresses) if contact else ()

    def knows_any(self, members: Iterable[Member]) -> bool:
        """The queen of some member may be reached somewhere."""
        return any(self.addresses(member.peer) for member in members)

    def unlinked(self) -> list[PeerId]:
        """Peers that are wanted and not linked."""
        return list(self._missing)

    @property
    def missing(self) -> bool:
        """Some wanted peer is not linked."""
        return bool(self._missing)

    def lost_track(self) -> list[PeerId]:
        """Those not linked that have no address, or could not be reached at any."""
        missing = ((peer, self._book.get(peer)) for peer in self._missing)
        return [peer for peer, contact in missing if contact is None or contact.failures or not contact.addresses]

    def unwanted(self, now: Instant | None) -> Iterator[PeerId]:
        """Peers with an address that nobody wants to reach; with `now`, those that may be dialled again."""
        for peer, contact in self._book.items():
            if contact.addresses and peer not in self._wanted and (now is None or contact.next_dial <= now):
                yield peer

    # attempts

    def visit(self, peers: Iterable[PeerId], out: Outbox) -> None:
        """Dial, once, one of `peers` at random that is at rest and has an address, wanted or not."""
        known = ((peer, self._book.get(peer)) for peer in peers if peer not in self._linked)
        resting = [peer for peer, contact in known if contact and contact.addresses and not contact.dialing]
        if resting:
            self._dial(self._rng.choice(resting), out)

    def want(self, peers: Iterable[PeerId], now: Instant) -> None:
        """From now on exactly `peers` are to be linked; those linked already are not dialled."""
        wanted = dict.fromkeys(peer for peer in peers if peer != self._me)
        for peer in wanted:
            if peer not in self._wanted:
                contact = self._contact(peer)
                contact.next_dial = contact.may_dial = now + (self._config.dial_yield if self._me > peer else 0)
        self._wanted = wanted
        for peer in (*wanted, *self._missing):
            self._sort(peer)

    def linked(self, peer: PeerId, address: str, inbound: bool) -> None:
        """A link stands: remember the address that worked."""
        contact = self._contact(peer)
        contact.dialing, contact.last_error = False, ""
        if not inbound and address and contact.addresses[:1] != [address]:
            contact.addresses = [address, *(a for a in contact.addresses if a != address)]
            del contact.addresses[self._config.max_addresses :]
            self._dirty = True
        self._linked[peer] = None
        self._sort(peer)

    def established(self, peer: PeerId) -> None:
        """Both sides of a link have said HELLO: the backoff ends."""
        contact = self._contact(peer)
        contact.failures, contact.refusal = 0, ""

    def refused(self, peer: PeerId, reason: str) -> None:
        """It does not want us, says why, and closes the link: it is left alone for longer."""
        self._contact(peer).refusal = f"refused: {reason}"

    def closed(self, peer: PeerId, established: bool, cause: str, now: Instant) -> None:
        """A connection is gone. One that was `established` is dialled again soon; one that came to nothing failed."""
        self._linked.pop(peer, None)
        contact = self._book.get(peer)
        if contact is not None and established:
            contact.dialing = False
            self._rest(contact, 0, now)
            self._sort(peer)
        elif contact is not None:
            self.failed(peer, cause, now)

    def failed(self, peer: PeerId, cause: str, now: Instant) -> None:
        """The last address of an attempt failed."""
        contact = self._contact(peer)
        contact.dialing, contact.last_error = False, contact.refusal or cause
        self._rest(contact, contact.failures, now)
        contact.failures += 1
        self._sort(peer)

    def tick(self, now: Instant, out: Outbox) -> None:
        """Start the attempts that are due and save the book now and then."""
        soonest = self._next_dial()
        if soonest is not None and soonest <= now:
            for peer in [peer for peer, contact in self._idle.items() if contact.may_dial <= now]:
                self._dial(peer, out)
        if self._dirty and now >= self._next_save:
            self._dirty, self._next_save = False, now + self._config.book_interval
            out.add(SaveFile(name=BOOK_FILE, data=self._encoded(), durable=False))

    def next_deadline(self) -> Instant | None:
        """When the next attempt is due."""
        soonest = self._next_dial()
        if soonest is None:
            return self._next_save if self._dirty else None
        return min(soonest, self._next_save) if self._dirty else soonest

    def _next_dial(self) -> Instant | None:
        """When the first of the idle ones is to be dialled."""
        if self._soonest is None and self._idle:
            self._soonest = min(contact.next_dial for contact in self._idle.values())
        return self._soonest

    def _dial(self, peer: PeerId, out: Outbox) -> None:
        contact = self._book[peer]
        contact.dialing = True
        out.add(Dial(peer=peer, addresses=tuple(contact.addresses)))
        self._sort(peer)

    def _contact(self, peer: PeerId) -> Contact:
        """What is known of `peer`, if only that it exists."""
        contact = self._book.get(peer)
        if contact is None:
            if len(self._book) >= self._config.max_book:
                self._forget_one()
            contact = self._book[peer] = Contact()
        return contact

    def _sort(self, peer: PeerId) -> None:
        """Put a contact among the idle ones, or take it out."""
        self._soonest = None
        contact = self._book.get(peer)
        if peer in self._wanted and peer not in self._linked:
            self._missing[peer] = None
        else:
            self._missing.pop(peer, None)
        resting = contact is not None and contact.addresses and not contact.dialing
        if contact is not None and resting and peer in self._wanted and peer not in self._linked:
            self._idle[peer] = contact
        else:
            self._idle.pop(peer, None)

    def _rest(self, contact: Contact, failures: int, now: Instant) -> None:
        """Leave a contact alone for a while, by how often it failed."""
        longest = self._config.profile.redial_cap
        if contact.refusal:
            longest = max(longest, self._config.refused_cap)
        pause = min(self._config.dial_base << min(failures, 16), longest)
        pause = round(pause * self._rng.uniform(0.75, 1.25))
        contact.next_dial = now + pause
        contact.may_dial = contact.next_dial - pause // _TOGETHER

    def _encoded(self) -> bytes:
        return cbor.encode({peer: contact.addresses for peer, contact in self._book.items() if contact.addresses})

    def _forget_one(self) -> None:
        """Make room: the first contact that nobody wants to reach."""
        victim = next((peer for peer in self._book if peer not in self._wanted), next(iter(self._book)))
        del self._book[victim]
        self._sort(victim)
