"""Vectors of the federation's chain: certificates, genesis, transactions, blocks."""

from __future__ import annotations

from collections.abc import Sequence

from consensus import image
from consensus.blocks import (
    Core,
    ExpireTx,
    FailoverStatement,
    LeaveStatement,
    PromoteStatement,
    RenewTx,
    TermBumpStatement,
    TxKind,
    encode_tx,
    failover_tx,
    join_tx,
    leave_tx,
    make_certificate,
    promote_tx,
    sign_core,
    term_bump_tx,
)
from consensus.certificates import CertBody, MemberCert, make_member_cert, parse_member_cert
from consensus.chain import Chain
from consensus.governance.standing import Policy
from consensus.state import State
from tests.support.protocol_examples import (
    CREATED_MS,
    JOINER_NODE,
    JOINER_QUEEN,
    JOINER_ROOT,
    NODE,
    QUEEN,
    ROOT,
    YEAR_MS,
)
from tests.support.vectors import takeovers
from tests.support.vectors.form import File, Section, Vector
from tests.support.vectors.scene import SWARM, genesis, raw, ticket
from wire import cbor, cose
from wire.errors import Offence
from wire.ids import peer_id_of, sha256, swarm_id_of
from wire.types import ContentType

_JOINER = swarm_id_of(JOINER_ROOT.public)


def chain() -> File:
    """Certificates, genesis, transactions, blocks."""
    return File(
        name="chain",
        about="A federation's chain: member certificates, the genesis, transactions, blocks and who decided them.",
        sections=[
            Section(
                name="certificates",
                about="A member certificate, signed by the swarm's root key. An empty `federation` stands for the "
                "genesis: the envelope is made for it, and the field in the body is 32 zero bytes.",
                vectors=[
                    _certificate("of the creator", parse_member_cert(raw("envelope", "envelope"), None), b""),
                    _certificate("of a joiner", _joiner(), genesis().federation_id),
                ],
            ),
            Section(name="refused certificates", about="For a federation.", vectors=_unsound_certificates()),
            _genesis(),
            Section(
                name="transactions",
                about="Each kind, from its fields. `statement` is what the queen key of `seed` seals.",
                vectors=[*_transactions(), *_successions(), takeovers.transaction()],
            ),
            _blocks(),
            _images(),
            _commits(),
        ],
    )


def _joiner(**changes: int) -> MemberCert:
    federation = genesis().federation_id
    made = make_member_cert(
        federation=federation,
        name="beta",
        project="search",
        root=JOINER_ROOT,
        term=changes.get("term", 1),
        queen_key=JOINER_QUEEN.public,
        peer=peer_id_of(JOINER_NODE.public),
        not_after_ms=CREATED_MS + YEAR_MS,
    )
    return parse_member_cert(made, federation)


def _certificate(name: str, cert: MemberCert, federation: bytes) -> Vector:
    key = JOINER_ROOT if federation else ROOT
    return Vector(
        name=name,
        about="From its fields to the payload, and to the envelope.",
        given={"seed": key.seed, "federation": federation, "fields": cert.body},
        out={"payload": cbor.encode_struct(cert.body), "certificate": cert.raw},
    )


def _unsound_certificates() -> list[Vector]:
    federation = genesis().federation_id
    body = _joiner().body
    fields = {name: getattr(body, name) for name in CertBody.__struct_fields__}

    def sealed(key: object = JOINER_ROOT, **changes: object) -> bytes:
        assert key in (JOINER_ROOT, QUEEN)
        signer = JOINER_ROOT if key is JOINER_ROOT else QUEEN
        payload = cbor.encode(list((fields | changes).values()))
        return cose.seal(ContentType.MEMBER_CERT, payload, signer, federation)

    cases = [
        ("another's id", sealed(swarm=SWARM), Offence.SIGNATURE, "A swarm's id follows from its root key."),
        ("signed by a queen", sealed(QUEEN), Offence.SIGNATURE, "Only the root key says who speaks for a swarm."),
        ("another federation", sealed(federation=bytes(32)), Offence.FEDERATION, "The body names it, too."),
        ("a name in capitals", sealed(name="Beta"), Offence.PROTOCOL, "Names are of a-z 0-9 . _ -"),
        ("term 0", sealed(term=0), Offence.DECODE, "Terms begin with 1."),
        ("a field more", sealed(more=0), Offence.DECODE, "The layout is closed."),
    ]
    return [
        Vector(name=name, about=why, given={"certificate": made, "federation": federation}, refused=offence)
        for name, made, offence, why in cases
    ]


def _genesis() -> Section:
    whole = genesis()
    forged = cose.seal(ContentType.GENESIS, raw("genesis", "payload"), JOINER_ROOT, cose.GENESIS)
    return Section(
        name="genesis",
        about="The genesis of a federation, and the id of the federation: its SHA-256.",
        vectors=[
            Vector(
                name="acme",
                about="Signed by the root key of its one member.",
                given={
                    "seed": ROOT.seed,
                    "name": whole.name,
                    "params": whole.params,
                    "members": [whole.members[0].raw],
                    "created_ms": whole.created_ms,
                },
                out={
                    "payload": raw("genesis", "payload"),
                    "genesis": whole.raw,
                    "federation_id": whole.federation_id,
                    "state_hash": raw("genesis", "state hash at height 0"),
                },
            ),
            Vector(
                name="of a stranger",
                about="Not signed by the root key of its member.",
                given={"genesis": forged},
                refused=Offence.SIGNATURE,
            ),
        ],
    )


def _transactions() -> Sequence[Vector]:
    federation, height, parent = genesis().federation_id, 1, raw("block", "hash of block 1")
    grant = ticket().grant
    certificate, join = raw("ticket", "certificate of the joiner"), raw("ticket", "join")
    second = _joiner(term=2).raw
    close = 3, sha256(b"the last batch")
    sealed = {"seed": JOINER_QUEEN.seed, "federation": federation}
    return [
        Vector(
            name="JOIN",
            about="With a ticket: its grant, the certificate, and the certificate's hash sealed by the ticket key.",
            given={
                "kind": int(TxKind.JOIN),
                "grant": grant,
                "certificate": certificate,
                "join": join,
                "approved": False,
            },
            out={"transaction": join_tx(grant, certificate, join)},
        ),
        Vector(
            name="JOIN, approved",
            about="Without a ticket: the creator's operator said yes.",
            given={
                "kind": int(TxKind.JOIN),
                "grant": None,
                "certificate": certificate,
                "join": None,
                "approved": True,
            },
            out={"transaction": join_tx(None, certificate, None, approved=True)},
        ),
        Vector(
            name="PROMOTE",
            about="A learner has caught up, and is alive at a recent block.",
            given={
                "kind": int(TxKind.PROMOTE),
                **sealed,
                "statement": PromoteStatement(federation, _JOINER, height, parent),
            },
            out={"transaction": promote_tx(federation, _JOINER, height, parent, JOINER_QUEEN)},
        ),
        Vector(
            name="TERM_BUMP",
            about="A new term, and where the log of the old one ends.",
            given={
                "kind": int(TxKind.TERM_BUMP),
                **sealed,
                "statement": TermBumpStatement(federation, second, *close),
            },
            out={"transaction": term_bump_tx(federation, second, JOINER_QUEEN, *close)},
        ),
        Vector(
            name="LEAVE",
            about="A member goes.",
            given={"kind": int(TxKind.LEAVE), **sealed, "statement": LeaveStatement(federation, _JOINER, 1)},
            out={"transaction": leave_tx(federation, _JOINER, 1, JOINER_QUEEN)},
        ),
    ]


def _successions() -> Sequence[Vector]:
    federation, certificate = genesis().federation_id, raw("ticket", "certificate of the joiner")
    sealed = {"seed": JOINER_QUEEN.seed, "federation": federation}
    failover = FailoverStatement(federation, _JOINER, 2, 3, sha256(b"the last batch"), CREATED_MS)
    return [
        Vector(
            name="FAILOVER",
            about="A backup takes over from a queen that is suspended: no accusations.",
            given={"kind": int(TxKind.FAILOVER), **sealed, "statement": failover, "accusations": []},
            out={"transaction": failover_tx(failover, JOINER_QUEEN)},
        ),
        Vector(
            name="RENEW",
            about="The root key says anew who may take over.",
            given={"kind": int(TxKind.RENEW), "certificate": certificate},
            out={"transaction": encode_tx(RenewTx(certificate))},
        ),
        Vector(
            name="EXPIRE",
            about="A certificate has ended, by the time of the block; nobody signs this.",
            given={"kind": int(TxKind.EXPIRE), "swarm": _JOINER, "not_after_ms": CREATED_MS + YEAR_MS},
            out={"transaction": encode_tx(ExpireTx(_JOINER, CREATED_MS + YEAR_MS))},
        ),
    ]


def _blocks() -> Section:
    return Section(
        name="blocks",
        about="Block 1 admits the joiner; the state hash is that of the membership after it.",
        vectors=[
            Vector(
                name="block 1",
                about="Proposed by the creator, on the genesis: the parent's hash is the federation id.",
                given={
                    "height": 1,
                    "epoch": 0,
                    "parent_hash": genesis().federation_id,
                    "time_ms": CREATED_MS + 1_000,
                    "prev_state_hash": raw("genesis", "state hash at height 0"),
                    "txs": [_transactions()[0].out["transaction"]],  # type: ignore[index]
                },
                out={
                    "block": raw("block", "block 1"),
                    "hash": raw("block", "hash of block 1"),
                    "state_hash": raw("block", "state hash at height 1"),
                },
            )
        ],
    )


def _images() -> Section:
    grown = Chain.from_genesis(genesis().raw)
    grown.append(raw("block", "block 1"), raw("block", "commit certificate of block 1"))
    standing = grown.standing.activated().ruled(None, Policy(max_agents=4, allowed_types=("coder",)))
    standing = standing.prioritized(("task", "release"), "high")
    governed = State(grown.state.membership, standing, grown.epoch)
    states = [
        ("at height 1", grown.state, True, "The creator governs: there are no decisions, whatever an image says."),
        ("once queens govern", governed, True, "With a policy for all and a priority; no outcome yet, so zeros."),
        ("light", governed, False, "Without outcomes: the digest is over all of them."),
    ]
    good = image.encode(grown.state, whole=True)
    rows = [good[:-1], good + b"\0", good.replace(b"dauto", b"hwhatever", 1)]
    return Section(
        name="images",
        about="The state after a block, and the hash by which the next block names it.",
        vectors=[
            *(
                Vector(
                    name=name,
                    about=about,
                    given={
                        "genesis": genesis().raw,
                        "whole": whole,
                        "image": cbor.decode_as(made, image.Image, image.MAX_IMAGE),
                    },
                    out={"image": made, "state_hash": state.hash},
                )
                for name, state, whole, about in states
                for made in [image.encode(state, whole=whole)]
            ),
            *(
                Vector(
                    name=f"refused {number}",
                    about=("It is cut.", "Something follows.", "The quorum is none that there is.")[number],
                    given={"genesis": genesis().raw, "image": row},
                    refused=Offence.DECODE,
                )
                for number, row in enumerate(rows)
            ),
        ],
    )


def _commits() -> Section:
    core = Core(genesis().federation_id, 0, 0, 1, raw("block", "hash of block 1"))
    whole = raw("block", "commit certificate of block 1")
    stranger = make_certificate(core, [0], [sign_core(core, NODE)], 1)
    two = make_certificate(core, [0, 1], [sign_core(core, QUEEN)] * 2, 2)
    judged = {"validators": [QUEEN.public], "federation": genesis().federation_id}
    cases = [
        ("by another key", stranger, Offence.SIGNATURE, "The signature is not the validator's."),
        ("by more than there are", two, Offence.DECODE, "The bitmap does not fit the validators."),
    ]
    return Section(
        name="commit certificates",
        about="The proof that a block was decided, for validators in ascending order of their swarm ids.",
        vectors=[
            Vector(
                name="of block 1",
                about="The creator alone is validator: bit 0. Each signature is a COSE one over the core's bytes.",
                given={"seed": QUEEN.seed, "core": core, **judged},
                out={"core": cbor.encode_struct(core), "signature": sign_core(core, QUEEN), "certificate": whole},
            ),
            *takeovers.certificates(),
            *(
                Vector(name=name, about=why, given={"certificate": made, **judged}, refused=offence)
                for name, made, offence, why in cases
            ),
        ],
    )
