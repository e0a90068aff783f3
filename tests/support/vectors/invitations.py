"""Vectors of tickets: their text, what is in it, and the join that a holder signs."""

from __future__ import annotations

import base58

from consensus.tickets import PREFIX
from tests.support.vectors.form import File, Section, Vector
from tests.support.vectors.scene import raw, ticket
from wire.ids import sha256


def tickets() -> File:
    """Tickets."""
    certificate = raw("ticket", "certificate of the joiner")
    join = Vector(
        name="of a joiner",
        about="With the ticket above.",
        given={"text": ticket().text, "certificate": certificate},
        out={"certificate_hash": sha256(certificate), "join": raw("ticket", "join")},
    )
    return File(
        name="tickets",
        about="Tickets: the text that invites a swarm, and the join that its holder signs.",
        sections=[
            Section(
                name="tickets",
                about="The text of a ticket, and what is in it. `seed` is secret.",
                vectors=_opened(),
            ),
            Section(
                name="joins",
                about="The hash of the joiner's certificate, sealed by the ticket key for the ticket's federation.",
                vectors=[join],
            ),
            Section(name="refused", about="Texts that are no tickets.", vectors=_mistyped()),
        ],
    )


def _opened() -> list[Vector]:
    found = ticket()
    text = found.text
    contents = {
        "body": base58.b58decode(text.removeprefix(PREFIX))[:-4],
        "federation": found.federation,
        "federation_name": found.federation_name,
        "grant": found.grant,
        "seed": found.key.seed,
        "ticket_key": found.key.public,
        "addresses": found.addresses,
        "anchor": found.anchor,
        "expires_ms": found.expires_ms,
    }
    wrapped = f"  {text[:60]}\n  {text[60:]}\n"
    return [
        Vector(name="acme", about="As printed.", given={"text": text}, out=contents),
        Vector(
            name="wrapped",
            about="As a mail program breaks it: white space means nothing.",
            given={"text": wrapped},
            out=contents,
        ),
    ]


def _mistyped() -> list[Vector]:
    text = ticket().text
    cases = [
        ("mistyped", text[:-1] + ("b" if text[-1] == "a" else "a"), "Its checksum is wrong."),
        ("cut", text[:-5], "Its checksum is wrong."),
        ("another prefix", "zm2" + text[3:], "A ticket of this version begins with zm1."),
        ("no base58", text[:-1] + "0", "0, O, I and l are no characters of base58."),
    ]
    return [Vector(name=name, about=why, given={"text": wrong}, refused="usage") for name, wrong, why in cases]
