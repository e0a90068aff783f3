"""A backup takes over: who may, when, from whom; what holds while it does; and how a certificate names backups."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from consensus import succession
from consensus.accusations import Accusation, seal_accusation
from consensus.blocks import FailoverStatement, RenewTx, SuspendTx, encode_tx, failover_tx
from consensus.certificates import YEAR_MS, Backup
from consensus.membership import Member, MemberState
from consensus.quorum import QuorumSetting
from tests.support.chamber import Chamber
from tests.support.council import proposal_tx
from tests.support.realm import CREATED_MS, Realm, certificate, key, peer, queen, root, swarm
from wire.errors import Overtaken, ProtocolViolation, RemoteError
from wire.ids import peer_id_of

CLOSE = 7, bytes([7]) * 32


def spare(name: str, rank: int = 0, **changed: Any) -> Backup:
    """A backup of a swarm."""
    node = peer_id_of(key(name, "spare node", rank).public)
    made = Backup(key(name, "spare", rank).public, node, rank, CREATED_MS + YEAR_MS)
    return replace(made, **changed)


class Town:
    """Four queens that govern; the last of them has two backups."""

    def __init__(self, size: int = 4) -> None:
        self.chamber = Chamber(size)
        self.gone = self.chamber.order[-1]
        self.grow(self.renewal(spare(self.gone), spare(self.gone, 1)))

    @property
    def member(self) -> Member:
        found = self.chamber.chain.member(swarm(self.gone))
        assert found is not None
        return found

    def grow(self, *txs: bytes) -> None:
        self.chamber.grow(self.chamber.block(1, *txs))

    def check(self, tx: bytes) -> None:
        self.chamber.chain.check_transaction(tx, self.chamber.wall_ms)

    def renewal(self, *backups: Backup, later: int = 1, **changed: Any) -> bytes:
        says = {"backups": backups, "not_after_ms": CREATED_MS + YEAR_MS + later, **changed}
        return encode_tx(RenewTx(certificate(self.chamber.federation, self.gone, **says)))

    def accused(self, *by: str, of: str = "", made: int = 0, term: int = 1) -> tuple[bytes, ...]:
        chamber = self.chamber
        return tuple(
            seal_accusation(
                Accusation(
                    federation=chamber.federation,
                    epoch=chamber.chain.epoch,
                    accuser=swarm(who),
                    accused=swarm(of or self.gone),
                    term=term,
                    incarnation=0,
                    seq=0,
                    head=bytes(32),
                    made_ms=chamber.wall_ms + made,
                ),
                queen(who),
            )
            for who in (by or chamber.order[:2])
        )

    def failover(self, accusations: tuple[bytes, ...], rank: int = 0, **changed: Any) -> bytes:
        statement = FailoverStatement(
            self.chamber.federation, swarm(self.gone), self.member.term + 1, *CLOSE, self.chamber.wall_ms
        )
        return failover_tx(replace(statement, **changed), key(self.gone, "spare", rank), accusations)


def test_the_backup_is_the_queen_of_the_next_term() -> None:
    town = Town()
    before = town.chamber.chain.epoch
    town.grow(town.failover(town.accused()))
    member, chain = town.member, town.chamber.chain
    assert (member.state, member.term, member.weight) == (MemberState.TAKING_OVER, 2, 1)
    assert (member.queen_key, member.peer) == (spare(town.gone).key, spare(town.gone).peer)
    assert chain.close_of(member.swarm, 1) == CLOSE, "the old term's log ends there"
    assert chain.epoch == before + 1
    voter = chain.validators().validator(member.swarm)
    assert voter is not None
    assert (voter.key, voter.term, chain.validators().total) == (member.queen_key, 2, 4)
    assert [backup.peer for backup in member.backups] == [spare(town.gone, 1).peer, peer(town.gone)]
    assert member.backups[-1].key == queen(town.gone).public, "whom it replaced may take over another time"
    by_backup = chain.state.membership.by_backup
    assert by_backup(peer(town.gone)) == by_backup(member.backups[0].peer) == member  # type: ignore[arg-type]
    assert by_backup(member.peer) is None


def test_what_the_old_queen_says_afterwards_is_no_offence_and_counts_nothing() -> None:
    town = Town()
    proposal, _ = proposal_tx(town.chamber.federation, town.gone, 1, town.chamber.wall_ms)
    town.check(proposal)
    town.grow(town.failover(town.accused()))
    with pytest.raises(Overtaken, match="has no vote in this epoch"):
        town.check(proposal)
    with pytest.raises(Overtaken, match="of the term before"):
        town.check(town.chamber.realm.leave(town.gone))
    with pytest.raises(Overtaken, match="of the term before"):
        town.check(town.chamber.realm.promote(town.gone))
    assert town.chamber.chain.queen_key(swarm(town.gone), 1) == queen(town.gone).public, "old batches still verify"


def test_it_is_active_once_it_shows_that_it_is_ready() -> None:
    town = Town()
    town.grow(town.failover(town.accused()))
    chain = town.chamber.chain
    membership = chain.state.membership.promote(swarm(town.gone))
    assert membership.everyone[swarm(town.gone)].state is MemberState.ACTIVE
    assert membership.weighed().validators(0).total == chain.validators().total


def test_a_backup_takes_over_from_a_suspended_queen_and_learns_first() -> None:
    town = Town()
    town.grow(encode_tx(SuspendTx(town.accused())))
    town.grow(town.failover(()))
    assert (town.member.state, town.member.term) == (MemberState.SUSPENDED, 2)


def test_one_that_fails_while_it_takes_over_is_replaced_in_turn() -> None:
    town = Town()
    town.grow(town.failover(town.accused()))
    town.grow(town.failover(town.accused(term=2), rank=1))
    assert (town.member.state, town.member.term) == (MemberState.TAKING_OVER, 3)
    assert [backup.rank for backup in town.member.backups] == [2, 3]


AHEAD, OLD = 2 * succession.CLOCKS_APART_MS, -succession.FAILOVER_FOR_MS


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(lambda t: t.failover(t.accused(), term=1), "does not come next", id="no new term"),
        pytest.param(lambda t: t.failover(t.accused(), term=3), "does not come next", id="a skipped term"),
        pytest.param(lambda t: t.failover(t.accused(), swarm=bytes(16)), "does not come next", id="a stranger"),
        pytest.param(lambda t: t.failover(t.accused(), federation=bytes(32)), "signature", id="a federation"),
        pytest.param(lambda t: t.failover(t.accused(), rank=2), "is no backup of", id="nobody's backup"),
        pytest.param(lambda t: t.failover(t.accused(t.chamber.order[0])), "too little weight", id="one accuser"),
        pytest.param(lambda t: t.failover(()), "without accusations", id="no accuser"),
        pytest.param(lambda t: t.failover(t.accused(of=t.chamber.order[2])), "another swarm", id="of another"),
        pytest.param(lambda t: t.failover(t.accused(made=AHEAD)), "accusation from the future", id="ahead"),
        pytest.param(lambda t: t.failover(t.accused(made=OLD)), "accusation that is too old", id="old"),
        pytest.param(
            lambda t: t.failover(t.accused(), made_ms=t.chamber.wall_ms + AHEAD), "from the fut", id="early"
        ),
        pytest.param(lambda t: t.failover(t.accused(), made_ms=t.chamber.wall_ms + OLD), "failover that", id="late"),
    ],
)
def test_a_failover_is_refused(make: Any, why: str) -> None:
    town = Town()
    with pytest.raises(RemoteError, match=why):
        town.check(make(town))


def test_a_backup_is_one_for_as_long_as_its_certificate_says() -> None:
    town = Town()
    town.grow(town.renewal(spare(town.gone, not_after_ms=town.chamber.wall_ms), later=2))
    with pytest.raises(Overtaken, match="whose time has passed"):
        town.check(town.failover(town.accused()))


def test_who_was_put_in_quarantine_is_not_replaced() -> None:
    town = Town()
    chain = town.chamber.chain
    chain.state = replace_membership(
        chain.state, chain.state.membership.put(swarm(town.gone), MemberState.QUARANTINED)
    )
    with pytest.raises(Overtaken, match="no vote that somebody could take over"):
        town.check(town.failover(()))


def replace_membership(state: Any, membership: Any) -> Any:
    return type(state)(membership, state.standing, state.epoch)


def test_one_of_two_backups_wins() -> None:
    town = Town()
    accused = town.accused()
    first, second = town.failover(accused), town.failover(accused, rank=1)
    with pytest.raises(Overtaken, match="another queen took over"):
        town.grow(first, second)
    town.grow(second)
    with pytest.raises(Overtaken, match="another queen took over"):
        town.check(first)


def test_there_is_no_failover_while_the_creator_governs() -> None:
    realm = Realm()
    statement = FailoverStatement(realm.federation, swarm("alpha"), 2, *CLOSE, realm.now_ms)
    with pytest.raises(ProtocolViolation, match="governs alone"):
        realm.check(failover_tx(statement, key("alpha", "spare", 0), ()))


# certificates that name backups


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"later": 0}, "ends no later", id="not later"),
        pytest.param({"not_after_ms": 1}, "has expired", id="expired"),
        pytest.param({"term": 2}, "another term or queen", id="term"),
        pytest.param({"queen_key": key("x").public}, "another term or queen", id="queen"),
        pytest.param({"peer": peer("x")}, "another term or queen", id="node"),
        pytest.param({"name": "x"}, "keeps the swarm's root key and name", id="name"),
    ],
)
def test_a_renewal_is_refused(changes: dict[str, Any], why: str) -> None:
    town = Town()
    with pytest.raises(RemoteError, match=why):
        town.check(town.renewal(**{"later": 2, **changes}))


def test_a_renewal_replaces_the_backups_and_the_hash() -> None:
    town = Town()
    hashes = {town.chamber.chain.state.membership.state_hash}
    town.grow(town.renewal(spare(town.gone, 1), later=2))
    hashes.add(town.chamber.chain.state.membership.state_hash)
    assert town.member.backups == (spare(town.gone, 1),)
    assert town.chamber.chain.state.membership.by_backup(peer_of(spare(town.gone))) is None
    town.grow(town.renewal(later=3))
    hashes.add(town.chamber.chain.state.membership.state_hash)
    assert town.member.backups == ()
    assert len(hashes) == 3


def peer_of(backup: Backup) -> Any:
    return backup.peer


def test_a_node_has_one_part_in_one_swarm() -> None:
    town = Town()
    mine, other = spare(town.gone), town.chamber.order[0]
    with pytest.raises(ProtocolViolation, match="names a node twice"):
        town.check(town.renewal(mine, mine, later=2))
    with pytest.raises(ProtocolViolation, match="names a node twice"):
        town.check(town.renewal(replace(mine, peer=peer(town.gone)), later=2))
    with pytest.raises(ProtocolViolation, match="for another member already"):
        town.check(town.renewal(replace(mine, peer=peer(other)), later=2))
    membership = town.chamber.chain.state.membership
    realm = town.chamber.realm
    for changed in ({"peer": mine.peer}, {"backups": (mine,)}):
        with pytest.raises(ProtocolViolation, match="for another member already"):
            membership.join(realm.parsed("omega", **changed), MemberState.LEARNER, None, None)
        with pytest.raises(ProtocolViolation, match="for another member already"):
            membership.bump(realm.parsed(other, 2, **changed), CLOSE)
    gone = membership.put(swarm(town.gone), MemberState.EXPELLED)
    assert gone.by_backup(peer_of(mine)) is None
    taken = gone.join(realm.parsed("omega", peer=mine.peer), MemberState.LEARNER, None, None)
    with pytest.raises(ProtocolViolation, match="its node speaks for another member meanwhile"):
        taken.readmit(swarm(town.gone))


def test_a_new_term_by_the_root_key_names_its_own_backups() -> None:
    realm = Realm()
    realm.order(realm.approve("beta", backups=(spare("beta"),)))
    assert realm.chain.member(swarm("beta")).backups == (spare("beta"),)  # type: ignore[union-attr]
    realm.order(realm.bump("beta", term=2))
    assert realm.chain.member(swarm("beta")).backups == ()  # type: ignore[union-attr]
    assert realm.chain.state.membership.setting is QuorumSetting.AUTO
    assert root("beta").public == realm.chain.member(swarm("beta")).root_key  # type: ignore[union-attr]
