"""Tickets: one line that goes round trip, keeps its secret, and says why when it is no good."""

from __future__ import annotations

from dataclasses import replace

import base58
import pytest

from consensus.tickets import Anchor, Ticket, check_join, make_ticket, open_grant, parse_ticket, peek_grant, seal_join
from tests.support.realm import CREATED_MS, DAY_MS, Realm, key, queen, swarm
from wire import cbor, keys
from wire.errors import RemoteError, UsageError
from wire.ids import sha256

REALM = Realm()
TICKET = REALM.ticket()


def written(body: bytes) -> str:
    return "zm1" + base58.b58encode(body + sha256(body)[:4]).decode()


def same(one: Ticket, other: Ticket) -> bool:
    return replace(one, key=other.key) == other and one.key.public == other.key.public


def test_a_ticket_goes_round_trip() -> None:
    assert same(parse_ticket(TICKET.text), TICKET)
    assert (TICKET.federation, TICKET.federation_name) == (REALM.federation, "meadow")
    assert (TICKET.anchor.height, TICKET.anchor.block_hash) == (0, REALM.federation)
    assert TICKET.expires_ms == CREATED_MS + DAY_MS


def test_a_ticket_may_be_wrapped_by_a_mail_program() -> None:
    wrapped = "\n  ".join(TICKET.text[at : at + 40] for at in range(0, len(TICKET.text), 40))
    assert same(parse_ticket(f" {wrapped}\n"), TICKET)


def test_the_secret_is_in_no_repr() -> None:
    shown = repr(TICKET)
    assert TICKET.text not in shown
    assert "SigningKey" not in shown


def test_at_most_sixteen_addresses_are_written() -> None:
    ticket = REALM.ticket(addresses=[f"/ip4/10.0.0.{n}/tcp/1" for n in range(20)])
    assert len(ticket.addresses) == 16


def test_a_ticket_whose_anchor_is_not_its_federation_is_refused() -> None:
    with pytest.raises(UsageError, match="this ticket contradicts itself"):
        REALM.ticket(anchor=Anchor(0, 0, bytes(32)))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "a ticket begins with zm1", id="nothing"),
        pytest.param("zm2" + TICKET.text[3:], "a ticket begins with zm1", id="another prefix"),
        pytest.param("zm1", "checksum is wrong", id="only the prefix"),
        pytest.param(TICKET.text[:-1], "checksum is wrong", id="cut by one letter"),
        pytest.param(TICKET.text[:-1] + ("2" if TICKET.text[-1] != "2" else "3"), "checksum", id="mistyped"),
        pytest.param(TICKET.text[:-1] + "0", "cut or mistyped", id="a letter that base58 lacks"),
        pytest.param(TICKET.text + "ü", "cut or mistyped", id="a letter that ASCII lacks"),
        pytest.param(written(b"\xff"), "of another version or damaged", id="no CBOR inside"),
        pytest.param(written(cbor.encode([1, 2])), "of another version or damaged", id="other fields inside"),
        pytest.param(
            written(cbor.encode([b"x", bytes(32), [], [0, 0, bytes(32)], "meadow"])),
            "of another version or damaged",
            id="a grant that is no envelope",
        ),
    ],
)
def test_what_is_no_ticket_is_refused_with_a_sentence(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse_ticket(text)


def test_a_grant_is_opened_with_its_inviters_key() -> None:
    grant = open_grant(TICKET.grant, queen("alpha").public, REALM.federation, keys.verify)
    assert grant == peek_grant(TICKET.grant)
    assert (grant.inviter, grant.inviter_term) == (swarm("alpha"), 1)


@pytest.mark.parametrize(
    ("opener", "federation"),
    [
        pytest.param(queen("alpha", 2), REALM.federation, id="another key"),
        pytest.param(queen("alpha"), sha256(b"other"), id="another federation"),
    ],
)
def test_a_grant_is_refused(opener: keys.SigningKey, federation: bytes) -> None:
    with pytest.raises(RemoteError):
        open_grant(TICKET.grant, opener.public, federation, keys.verify)


CERTIFICATE = REALM.certificate("beta")
JOIN = seal_join(TICKET, CERTIFICATE)


def test_a_join_is_the_ticket_holders_word_for_a_certificate() -> None:
    check_join(JOIN, peek_grant(TICKET.grant), CERTIFICATE, keys.verify)


@pytest.mark.parametrize(
    ("join", "certificate"),
    [
        pytest.param(JOIN, REALM.certificate("eve"), id="overheard and used for another certificate"),
        pytest.param(seal_join(REALM.ticket(), CERTIFICATE), CERTIFICATE, id="signed with another ticket"),
    ],
)
def test_a_join_is_refused(join: bytes, certificate: bytes) -> None:
    with pytest.raises(RemoteError, match="the ticket's holder did not sign for this certificate"):
        check_join(join, peek_grant(TICKET.grant), certificate, keys.verify)


def test_making_a_ticket_is_a_function_of_its_arguments() -> None:
    made_of = {
        "federation": REALM.federation,
        "federation_name": "meadow",
        "inviter": swarm("alpha"),
        "inviter_term": 1,
        "inviter_key": queen("alpha"),
        "seed": key("seed").public,
        "ticket_id": bytes(16),
        "expires_ms": 1,
        "addresses": [],
        "anchor": TICKET.anchor,
    }
    assert make_ticket(**made_of) == make_ticket(**made_of)  # type: ignore[arg-type]
