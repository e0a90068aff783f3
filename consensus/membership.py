"""Membership: a pure fold over the chain's transactions.

`Membership` is a frozen value; `apply` gives the next one or says why a transaction may not be. What a block at
height h changes is in force from h+1 on: that is a new epoch. Names are unique while their swarm belongs; queen keys
of past terms stay known for ever, because batches signed with them do.

What is asked all the time (who belongs, who has this name, who speaks through this peer) is worked out once per value
and kept with it. The changes of one block are many and its weights are wanted once, so that changing leaves weights
as they are and `weighed` brings them up to date.

Weights: only ACTIVE members have one; from four members on nobody has more than ⌊(W-1)/3⌋ of the total, so that no
single member can block: larger weights are cut to that, all at once, largest first. In a federation of up to four a
SUSPENDED member's weight stays in the total, though it does not vote: who is away must not make a quorum of fewer.
That of an EXPIRED one stays in the total of any federation: time alone must not relax a quorum.

The quorum rule follows the number of members, whatever their state, and never relaxes as they go: `peak` remembers
how many there were. Only a decision about the quorum itself sets it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property

from consensus.certificates import Backup, MemberCert
from consensus.quorum import SMALL_FEDERATION, QuorumRule, QuorumSetting, clamped
from consensus.state_hash import hash_of
from consensus.validators import Validator, ValidatorSet
from wire.errors import Offence, Overtaken, ProtocolViolation, RemoteError
from wire.ids import Digest, PeerId, PublicKey, SwarmId


class MemberState(IntEnum):
    """Standing of a swarm on the chain."""

    LEARNER = 0
    ACTIVE = 1
    LEFT = 2
    SUSPENDED = 3  # failed, confirmed by accusations; comes back by proving that it is alive
    QUARANTINED = 4  # convicted by evidence; comes back by decision
    EXPELLED = 5  # sent away by decision
    TAKING_OVER = 6  # a backup is its queen now, and votes; it has not shown yet that it holds all it needs
    EXPIRED = 7  # its certificate has ended; comes back with another one, by the root key


_GONE = (MemberState.LEFT, MemberState.EXPELLED)
_RETURNS = (MemberState.LEARNER, MemberState.SUSPENDED, MemberState.TAKING_OVER)  # by proof of life alone
VOTING = (MemberState.ACTIVE, MemberState.TAKING_OVER)
SILENT = (MemberState.SUSPENDED, MemberState.EXPIRED)  # no vote, and yet part of the total
SUSPENDED_COUNTS = 4  # up to so many members, the weight of a suspended one stays in the total


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One queen generation of a swarm; `close` is (seq, hash) of the last batch that counts, once it ended."""

    queen_key: PublicKey
    peer: PeerId
    close: tuple[int, bytes] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One swarm of the federation."""

    swarm: SwarmId
    name: str
    project: str
    root_key: PublicKey
    state: MemberState
    weight: int  # in force; see `certified_weight` for what the certificate says
    certified_weight: int
    term: int
    terms: Mapping[int, Term]
    inviter: SwarmId | None
    not_after_ms: int
    backups: tuple[Backup, ...] = ()  # who may take over when the queen has failed

    @property
    def queen_key(self) -> PublicKey:
        return self.terms[self.term].queen_key

    @property
    def peer(self) -> PeerId:
        return self.terms[self.term].peer


@dataclass(frozen=True, kw_only=True)
class Membership:
    """All members, past ones included, and the tickets used up. A new value knows only what it was given."""

    setting: QuorumSetting
    everyone: Mapping[SwarmId, Member] = field(default_factory=dict)
    consumed: Mapping[bytes, None] = field(default_factory=dict)
    peak: int = 0  # members at most, since the quorum was last decided about

    # reading

    def members(self) -> tuple[Member, ...]:
        """Those who belong, ascending by swarm id."""
        return self._sorted

    def member(self, swarm: SwarmId) -> Member | None:
        """A swarm that belongs."""
        found = self.everyone.get(swarm)
        return found if found is not None and found.state not in _GONE else None

    def by_name(self, name: str) -> Member | None:
        return self._by_name.get(name)

    def by_peer(self, peer: PeerId) -> Member | None:
        """The member whose current queen is `peer`."""
        return self._by_peer.get(peer)

    def by_backup(self, peer: PeerId) -> Member | None:
        """The member one of whose backups is `peer`."""
        return self._by_backup.get(peer)

    def rule(self) -> QuorumRule:
        return QuorumRule(self.setting, max(self.peak, len(self.members())))

    def validators(self, epoch: int) -> ValidatorSet:
        """Who votes in `epoch`, which this membership begins: the queens of ACTIVE members, by their weights."""
        voting = (m for m in self.members() if m.state in VOTING)
        return ValidatorSet(
            epoch=epoch,
            validators=tuple(Validator(swarm=m.swarm, term=m.term, key=m.queen_key, weight=m.weight) for m in voting),
            rule=self.rule(),
            silent=sum(m.weight for m in self.members() if m.state in SILENT),
        )

    def unvouched_of(self, inviter: SwarmId) -> int:
        """How many members `inviter` brought in that still belong."""
        return sum(1 for member in self.members() if member.inviter == inviter)

    @cached_property
    def _sorted(self) -> tuple[Member, ...]:
        return tuple(m for _, m in sorted(self.everyone.items()) if m.state not in _GONE)

    @cached_property
    def _by_name(self) -> dict[str, Member]:
        return {m.name: m for m in self.everyone.values() if m.state not in _GONE}

    @cached_property
    def _by_peer(self) -> dict[PeerId, Member]:
        return {m.peer: m for m in self.everyone.values() if m.state not in _GONE}

    @cached_property
    def _by_backup(self) -> dict[PeerId, Member]:
        return {PeerId(b.peer): m for m in self.everyone.values() if m.state not in _GONE for b in m.backups}

    @cached_property
    def state_hash(self) -> Digest:
        """A hash of everything here; equal on every node at one height."""
        return hash_of(self)

    # changing

    def join(
        self, cert: MemberCert, state: MemberState, inviter: SwarmId | None, ticket_id: bytes | None
    ) -> Membership:
        """The swarm of `cert` belongs; raises RemoteError when it does already, its name is taken, or it was
        expelled."""
        if self.member(cert.swarm) is not None:
            raise Overtaken(f"{cert.name} is a member already")
        if self.by_name(cert.name) is not None:
            raise ProtocolViolation(f"the name {cert.name!r} is taken: choose another with `zenmesh init --swarm`")
        self._check_nodes(cert)
        self.check_returns(cert.swarm)
        past = self.everyone.get(cert.swarm)
        if past is not None and cert.term <= past.term:
            raise ProtocolViolation(f"this swarm was a member before: it returns with a term after {past.term}")
        terms = {**(past.terms if past else {}), cert.term: Term(queen_key=cert.queen_key, peer=cert.peer)}
        member = Member(
            swarm=cert.swarm,
            name=cert.name,
            project=cert.body.project,
            root_key=PublicKey(cert.body.root_key),
            state=state,
            weight=0,
            certified_weight=cert.body.weight,
            term=cert.term,
            terms=terms,
            inviter=inviter,
            not_after_ms=cert.body.not_after_ms,
            backups=cert.body.backups,
        )
        consumed = {**self.consumed, ticket_id: None} if ticket_id else self.consumed
        return self._with(member, consumed)

    def check_returns(self, swarm: SwarmId) -> None:
        """Raises Overtaken for one that was expelled: no ticket and no admission undoes what was decided."""
        past = self.everyone.get(swarm)
        if past is not None and past.state is MemberState.EXPELLED:
            raise Overtaken("this swarm was expelled: the members alone bring it back (`zenmesh reinstate`)")

    def promote(self, swarm: SwarmId) -> Membership:
        """A learner, or one that was suspended, gets its weight."""
        member = self._require(swarm)
        if member.state not in _RETURNS:
            raise Overtaken(f"{member.name} is no learner")
        return self._with(replace(member, state=MemberState.ACTIVE))

    def bump(self, cert: MemberCert, close: tuple[int, bytes]) -> Membership:
        """A later term of a swarm begins; the old one ends at `close`."""
        member = self._require(cert.swarm)
        if cert.body.root_key != member.root_key or cert.name != member.name:
            raise ProtocolViolation("a new term keeps the swarm's root key and name")
        if cert.term <= member.term:  # a term may be skipped: what was prepared and never ordered may be lost
            raise self._late_bump(member, cert)
        self._check_nodes(cert)
        changed = _next_term(member, cert.term, Term(queen_key=cert.queen_key, peer=cert.peer), close)
        return self._with(_certified(changed, cert))

    def renew(self, cert: MemberCert) -> Membership:
        """The swarm's certificate is replaced by one of the same term that ends later."""
        member = self._require(cert.swarm)
        if cert.body.root_key != member.root_key or cert.name != member.name:
            raise ProtocolViolation("a certificate keeps the swarm's root key and name")
        if (cert.term, cert.queen_key, cert.peer) != (member.term, member.queen_key, member.peer):
            raise Overtaken(f"a certificate of another term or queen than the one that {member.name} has")
        if cert.body.not_after_ms <= member.not_after_ms:
            raise Overtaken(f"a certificate that ends no later than the one that {member.name} has")
        self._check_nodes(cert)
        return self._with(_certified(member, cert))

    def fail_over(self, swarm: SwarmId, backup: Backup, close: tuple[int, bytes]) -> Membership:
        """A backup begins the next term; whom it replaces is the last of the backups from then on."""
        member = self._require(swarm)
        others = tuple(other for other in member.backups if other is not backup)
        rank = max((other.rank for other in others), default=-1) + 1
        replaced = Backup(member.queen_key, member.peer, rank, member.not_after_ms)
        begun = Term(queen_key=PublicKey(backup.key), peer=PeerId(backup.peer))
        state = MemberState.TAKING_OVER if member.state in VOTING else member.state
        changed = _next_term(member, member.term + 1, begun, close)
        return self._with(
            replace(changed, state=state, not_after_ms=backup.not_after_ms, backups=(*others, replaced))
        )

    @staticmethod
    def _late_bump(member: Member, cert: MemberCert) -> RemoteError:
        """What a bump to a term that is none of the future is: one that was ordered, or another's with its number."""
        detail = f"{member.name} is in term {member.term} already"
        known = member.terms.get(cert.term)
        ordered = known is not None and (known.queen_key, known.peer) == (cert.queen_key, cert.peer)
        return Overtaken(detail) if ordered else ProtocolViolation(detail, Offence.REPLAY)

    def put(self, swarm: SwarmId, state: MemberState) -> Membership:
        """A member's standing becomes `state`: it goes, is suspended, quarantined, expelled, or learns again."""
        return self._with(replace(self._require(swarm), state=state))

    def leave(self, swarm: SwarmId) -> Membership:
        """A member goes, of its own will; raises Overtaken from a quarantine, which a ticket would end otherwise."""
        if self._require(swarm).state is MemberState.QUARANTINED:
            raise Overtaken("who is in quarantine cannot leave: the members reinstate or expel it")
        return self.put(swarm, MemberState.LEFT)

    def readmit(self, swarm: SwarmId) -> Membership:
        """One who was suspended, quarantined or expelled learns again; raises ProtocolViolation when its name or its
        node was taken meanwhile."""
        past = self.everyone[swarm]
        if past.state in _GONE and self.by_name(past.name) is not None:
            raise ProtocolViolation(f"the name {past.name!r} was taken meanwhile")
        nodes = [past.peer, *(PeerId(backup.peer) for backup in past.backups)]
        if past.state in _GONE and any(self._speaks_for(node) for node in nodes):
            raise ProtocolViolation("its node speaks for another member meanwhile")
        return self._with(replace(past, state=MemberState.LEARNER))

    def reweigh(self, swarm: SwarmId, weight: int) -> Membership:
        """A member's weight, before it is cut to what nobody may exceed, is `weight`."""
        return self._with(replace(self._require(swarm), certified_weight=weight))

    def reset_quorum(self, setting: QuorumSetting) -> Membership:
        """The quorum rule is chosen anew, by the number of members that there are now."""
        return replace(self, setting=setting, peak=0)

    def _require(self, swarm: SwarmId) -> Member:
        member = self.member(swarm)
        if member is None:
            raise ProtocolViolation(f"no member has the id {swarm.hex()}")
        return member

    def _speaks_for(self, peer: PeerId) -> Member | None:
        """The member whose queen or backup `peer` is."""
        return self.by_peer(peer) or self.by_backup(peer)

    def _check_nodes(self, cert: MemberCert) -> None:
        """The nodes of a certificate belong to its swarm alone, and each has one part."""
        nodes = [cert.peer, *(PeerId(backup.peer) for backup in cert.body.backups)]
        if len(set(nodes)) < len(nodes):
            raise ProtocolViolation("a certificate names a node twice")
        others = (self._speaks_for(node) for node in nodes)
        if any(other is not None and other.swarm != cert.swarm for other in others):
            raise ProtocolViolation("a node of this certificate speaks for another member already")

    def _with(self, member: Member, consumed: Mapping[bytes, None] | None = None) -> Membership:
        """This with `member` as it is now, weights aside; the look-ups follow, instead of being worked out anew."""
        changed = Membership(
            setting=self.setting,
            everyone={**self.everyone, member.swarm: member},
            consumed=self.consumed if consumed is None else consumed,
            peak=self.peak,
        )
        before = self.member(member.swarm)
        names, peers, backups = dict(self._by_name), dict(self._by_peer), dict(self._by_backup)
        if before is not None:
            del names[before.name], peers[before.peer]
            for backup in before.backups:
                del backups[PeerId(backup.peer)]
        if member.state not in _GONE:
            names[member.name] = peers[member.peer] = member
            backups.update({PeerId(backup.peer): member for backup in member.backups})
        changed.__dict__.update(_by_name=names, _by_peer=peers, _by_backup=backups)
        return changed

    def weighed(self) -> Membership:
        """With the weights that are in force: the certified ones, 1 in a small federation, cut where too large."""
        members = self.members()
        counted = [*VOTING, MemberState.EXPIRED]
        if len(members) <= SUSPENDED_COUNTS:
            counted.append(MemberState.SUSPENDED)
        certified = {m.swarm: m.certified_weight for m in members if m.state in counted}
        weights = clamped(certified) if len(members) > SMALL_FEDERATION else dict.fromkeys(certified, 1)
        everyone = {
            swarm: m if m.weight == (weight := weights.get(swarm, 0)) else replace(m, weight=weight)
            for swarm, m in self.everyone.items()
        }
        return replace(self, everyone=everyone).peaked()

    def peaked(self) -> Membership:
        """With a peak that is not below what there is: only one above it is in the hash."""
        return replace(self, peak=max(self.peak, len(self.members())))


def _certified(member: Member, cert: MemberCert) -> Member:
    """`member` by another certificate, which has not ended: whose own had has its vote back."""
    state = MemberState.ACTIVE if member.state is MemberState.EXPIRED else member.state
    return replace(member, state=state, not_after_ms=cert.body.not_after_ms, backups=cert.body.backups)


def _next_term(member: Member, number: int, term: Term, close: tuple[int, bytes]) -> Member:
    """`member` in a later term, the present one closed."""
    ended = replace(member.terms[member.term], close=close)
    return replace(member, term=number, terms={**member.terms, member.term: ended, number: term})
