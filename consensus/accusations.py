"""Accusations: a queen's word that another swarm's node answers nobody.

    accusation = [fed, epoch, accuser, accused, term, incarnation, seq, head, made_ms]   sealed by the accuser's queen
    certificate = accusations of one (accused, term, incarnation) by more than half of the weight, the accused aside

One accusation means little: the way between two nodes may be cut, or one of them lies. A certificate confirms that a
swarm has failed; less than a third of liars cannot make one. It holds in its epoch alone, so that nothing that was
said before a swarm came back counts against it afterwards, and not for ever, since the accused may have recovered.

`incarnation` is how often the accused has refuted such words in this term: with the next one it is innocent of all
that were said before (SWIM, Das et al. 2002, §4.2). `seq` and `head` say how far the accuser holds the log of the
accused: who takes over for it begins there.
"""

from __future__ import annotations

from collections.abc import Iterable

from consensus.fields import Bytes16, Bytes32, Natural
from consensus.statements import Statement, open_statement
from consensus.validators import ValidatorSet
from wire import cbor, cose, keys
from wire.errors import BadSignature, Overtaken, ProtocolViolation
from wire.ids import SwarmId
from wire.types import KIB, ContentType

MAX_ACCUSATION = 1 * KIB


class Accusation(Statement, frozen=True):
    """What an accuser signs."""

    epoch: Natural
    accuser: Bytes16
    accused: Bytes16
    term: Natural
    incarnation: Natural
    seq: Natural
    head: Bytes32
    made_ms: Natural

    @property
    def charge(self) -> tuple[SwarmId, int, int]:
        """(accused, term, incarnation): what several accusations have to share to count together."""
        return SwarmId(self.accused), self.term, self.incarnation


def seal_accusation(body: Accusation, key: keys.SigningKey) -> bytes:
    """The accusation, signed."""
    return cose.seal(ContentType.ACCUSE, cbor.encode_struct(body), key, body.federation)


def open_accusation(raw: bytes, voters: ValidatorSet, federation: bytes, verify: keys.Verify) -> Accusation:
    """The accusation in `raw`, by a voter against another one.

    Raises:
        Overtaken: of an epoch that is not that of `voters`.
        RemoteError: malformed, forged, or about nobody who votes.
    """
    body, key = open_statement(raw, ContentType.ACCUSE, Accusation, federation, MAX_ACCUSATION, verify)
    if body.epoch != voters.epoch:
        raise Overtaken(f"an accusation of epoch {body.epoch}, not {voters.epoch}")
    accuser, accused = (voters.validator(SwarmId(swarm)) for swarm in (body.accuser, body.accused))
    if accuser is None or key != accuser.key:
        raise BadSignature("an accusation that no voting queen signed")
    if accused is None or accused is accuser or accused.term != body.term:
        raise ProtocolViolation("an accusation of itself, or of one who does not vote in this term")
    return body


def confirmed(accused: SwarmId, accusers: Iterable[SwarmId], voters: ValidatorSet) -> bool:
    """Whether these weigh more than half of all but the accused."""
    against = voters.weight(swarm for swarm in accusers if swarm != accused)
    return 2 * against > voters.total - voters.weight([accused])


def open_certificate(
    raws: Iterable[bytes], voters: ValidatorSet, federation: bytes, verify: keys.Verify
) -> list[Accusation]:
    """The accusations of a certificate: all of one charge, each of another accuser, together heavy enough.

    Raises:
        Overtaken: of another epoch.
        RemoteError: one of them is malformed or forged, or together they confirm nothing.
    """
    bodies = [open_accusation(raw, voters, federation, verify) for raw in raws]
    accusers = dict.fromkeys(SwarmId(body.accuser) for body in bodies)
    if len({body.charge for body in bodies}) != 1 or len(accusers) != len(bodies):
        raise ProtocolViolation("accusations of several charges, or twice of one accuser")
    if not confirmed(SwarmId(bodies[0].accused), accusers, voters):
        raise ProtocolViolation("accusations of too little weight")
    return bodies
