"""Who may accuse whom, when that counts, and what it takes to suspend a swarm."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from consensus import succession
from consensus.accusations import Accusation, open_accusation, open_certificate
from consensus.blocks import SuspendTx, encode_tx
from consensus.membership import MemberState
from tests.support.chamber import Chamber
from tests.support.realm import queen, swarm
from wire import cbor, cose, keys
from wire.errors import RemoteError
from wire.types import ContentType


def said(chamber: Chamber, accuser: str, accused: str, signer: str = "", **changed: object) -> bytes:
    body = Accusation(
        federation=chamber.federation,
        epoch=chamber.chain.epoch,
        accuser=swarm(accuser),
        accused=swarm(accused),
        term=1,
        incarnation=0,
        seq=0,
        head=bytes(32),
        made_ms=chamber.wall_ms,
    )
    said_so = cbor.encode_struct(replace(body, **changed))
    return cose.seal(ContentType.ACCUSE, said_so, queen(signer or accuser), chamber.federation)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(lambda c, a, b: said(c, a, b, federation=bytes(32)), "another federation", id="federation"),
        pytest.param(lambda c, a, b: said(c, a, b, epoch=99), "of epoch 99", id="epoch"),
        pytest.param(lambda c, a, b: said(c, a, b, signer=b), "no voting queen signed", id="signer"),
        pytest.param(lambda c, a, b: said(c, "eve", b), "no voting queen signed", id="stranger"),
        pytest.param(lambda c, a, b: said(c, a, a), "of itself", id="itself"),
        pytest.param(lambda c, a, b: said(c, a, "eve"), "of itself, or of one who", id="nobody"),
        pytest.param(lambda c, a, b: said(c, a, b, term=2), "in this term", id="term"),
    ],
)
def test_an_accusation_is_refused(make: Callable[[Chamber, str, str], bytes], why: str) -> None:
    chamber = Chamber(4)
    raw = make(chamber, chamber.order[0], chamber.order[1])
    with pytest.raises(RemoteError, match=why):
        open_accusation(raw, chamber.chain.validators(), chamber.federation, keys.verify)


def test_a_certificate_takes_more_than_half_of_the_others_and_one_charge() -> None:
    chamber = Chamber(4)
    one, two, three, gone = chamber.order
    voters = chamber.chain.validators()

    def opened(*raws: bytes) -> int:
        return len(open_certificate(raws, voters, chamber.federation, keys.verify))

    assert opened(said(chamber, one, gone), said(chamber, two, gone)) == 2
    for raws in (
        [said(chamber, one, gone)],
        [said(chamber, one, gone), said(chamber, one, gone, seq=1)],
        [said(chamber, one, gone), said(chamber, two, gone, incarnation=1), said(chamber, three, gone)],
    ):
        with pytest.raises(RemoteError):
            opened(*raws)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        pytest.param(0, "", id="now"),
        pytest.param(succession.CLOCKS_APART_MS + 1, "from the future", id="ahead"),
        pytest.param(-succession.ACCUSED_FOR_MS, "too old", id="old"),
    ],
)
def test_a_suspension_counts_for_a_while(made: int, why: str) -> None:
    chamber = Chamber(4)
    one, two, _, gone = chamber.order
    raws = tuple(said(chamber, who, gone, made_ms=chamber.wall_ms + made) for who in (one, two))
    tx = encode_tx(SuspendTx(raws))
    if why:
        with pytest.raises(RemoteError, match=why):
            chamber.chain.check_transaction(tx, chamber.wall_ms)
        return
    chamber.chain.check_transaction(tx, chamber.wall_ms)
    block = chamber.block(1, tx)
    chamber.grow(block)
    member = chamber.chain.member(swarm(gone))
    assert member is not None
    assert member.state is MemberState.SUSPENDED


def test_nobody_is_suspended_twice_in_a_block() -> None:
    chamber = Chamber(4)
    one, two, three, gone = chamber.order
    pairs = ((one, two), (two, three))
    txs = [encode_tx(SuspendTx(tuple(said(chamber, who, gone) for who in pair))) for pair in pairs]
    with pytest.raises(RemoteError, match="no weight"):
        chamber.grow(chamber.block(1, *txs))
