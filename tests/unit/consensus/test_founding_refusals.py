"""Genesis and member certificates: what they say when they are good, and the sentence for each way to be bad."""

from __future__ import annotations

import pytest

from consensus.certificates import NO_FEDERATION, parse_member_cert, peek_federation
from consensus.genesis import Params, make_genesis, parse_genesis
from consensus.quorum import QuorumSetting
from tests.support.realm import CREATED_MS, certificate, founding, peer, queen, root, swarm
from wire import cbor, cose
from wire.errors import RemoteError
from wire.ids import sha256
from wire.types import ContentType

FEDERATION = sha256(b"some federation")


def resealed(raw: bytes, signer: str = "alpha", federation: bytes = cose.GENESIS, **fields: object) -> bytes:
    """An envelope whose positional fields (`f3=…`) are replaced, sealed anew by `signer`'s root key."""
    envelope = cose.parse(raw)
    body = cbor.decode(envelope.payload)
    assert isinstance(body, list)
    for name, value in fields.items():
        body[int(name[1:])] = value
    return cose.seal(envelope.content_type, cbor.encode(body), root(signer), federation)


def of_no_version(says: object) -> bytes:
    """Something else than the array that every version begins with."""
    return cose.seal(ContentType.GENESIS, cbor.encode(says), root("alpha"), cose.GENESIS)


def test_a_genesis_says_what_was_founded() -> None:
    genesis = parse_genesis(founding(Params(quorum="byzantine")))
    assert (genesis.name, genesis.created_ms, genesis.federation_id) == ("meadow", CREATED_MS, sha256(genesis.raw))
    assert genesis.params.quorum_setting is QuorumSetting.BYZANTINE
    [creator] = genesis.members
    assert (creator.swarm, creator.name, creator.term) == (swarm("alpha"), "alpha", 1)
    assert creator.body.federation == NO_FEDERATION


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(lambda: b"", "not a COSE_Sign1", id="no bytes"),
        pytest.param(lambda: founding()[:-1], "not CBOR", id="cut"),
        pytest.param(lambda: founding() + b"\0", "trailing bytes", id="something behind it"),
        pytest.param(lambda: founding(name="Meadow"), "a federation's name has 1 to 64 of a-z", id="upper case name"),
        pytest.param(lambda: founding(name=""), "a federation's name has", id="empty name"),
        pytest.param(lambda: founding(name="m" * 65), "length <= 64", id="long name"),
        pytest.param(
            lambda: resealed(founding(), f0=2),
            "a genesis of version 2; this build reads version 1",
            id="another version",
        ),
        *(
            pytest.param(
                lambda says=says: of_no_version(says), "a genesis of version None", id=f"{says} for a genesis"
            )
            for says in ([], {}, {"version": 1}, 1, None)
        ),
        pytest.param(lambda: resealed(founding(), f3=[]), "length >= 1 ", id="no member"),
        pytest.param(lambda: resealed(founding(), f3=[b"x"] * 2), "length <= 1 ", id="two creators"),
        pytest.param(lambda: resealed(founding(), f4=-1), "`int` >= 0", id="made before 1970"),
        pytest.param(lambda: resealed(founding(), "beta"), "first member did not sign", id="signed by another root"),
        pytest.param(
            lambda: make_genesis("meadow", Params(), certificate(FEDERATION, "alpha"), 0, root("alpha")),
            "bad signature",
            id="a creator's certificate for some federation",
        ),
        pytest.param(lambda: certificate(None, "alpha"), "where application/zenmesh", id="another kind of envelope"),
    ],
)
def test_a_genesis_is_refused(make: object, why: str) -> None:
    with pytest.raises(RemoteError, match=why):
        parse_genesis(make())  # type: ignore[operator]


@pytest.mark.parametrize(
    "field", ["admission", "quorum", "profile", "max_unvouched_per_inviter", "entries_per_owner", "bytes_per_owner"]
)
def test_a_parameter_out_of_bounds_is_refused(field: str) -> None:
    bad = Params(**{field: "none" if field in ("admission", "quorum", "profile") else -1})
    with pytest.raises(RemoteError):
        parse_genesis(founding(bad))


def test_a_certificate_maps_a_node_to_a_swarm_and_its_term() -> None:
    cert = parse_member_cert(certificate(FEDERATION, "beta", 3), FEDERATION)
    assert (cert.swarm, cert.name, cert.term) == (swarm("beta"), "beta", 3)
    assert (cert.queen_key, cert.peer) == (queen("beta", 3).public, peer("beta"))


def test_whom_a_certificate_is_for_can_be_asked_before_it_is_verified() -> None:
    assert peek_federation(certificate(FEDERATION, "beta")) == FEDERATION
    assert peek_federation(certificate(None, "beta")) is None
    with pytest.raises(RemoteError, match="not a COSE_Sign1"):
        peek_federation(b"")


def beta(**changes: object) -> bytes:
    return certificate(FEDERATION, "beta", **changes)  # type: ignore[arg-type]


def inside(**fields: object) -> bytes:
    return resealed(beta(), "beta", FEDERATION, **fields)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        pytest.param(certificate(sha256(b"other"), "beta"), "bad signature", id="sealed for another federation"),
        pytest.param(inside(f0=sha256(b"other")), "for another federation", id="names another federation"),
        pytest.param(certificate(None, "beta"), "bad signature", id="made for a genesis"),
        pytest.param(inside(f1=swarm("alpha")), "swarm id is not that of the root key", id="another's swarm id"),
        pytest.param(
            resealed(beta(), "alpha", FEDERATION), "root key that signed it", id="signed by another's root key"
        ),
        pytest.param(beta(name="Beta"), "a swarm's name has", id="upper case name"),
        pytest.param(beta(name=""), "a swarm's name has", id="no name"),
        pytest.param(beta(name="-beta"), "a swarm's name has", id="a name that begins with a dash"),
        pytest.param(beta(name="b" * 65), "length <= 64", id="a long name"),
        pytest.param(beta(project="p" * 129), "length <= 128", id="a long project"),
        pytest.param(beta(term=0), "`int` >= 1 ", id="term 0"),
        pytest.param(beta(term=1 << 31), "<= 2147483647", id="a term beyond all terms"),
        pytest.param(beta(weight=0), "`int` >= 1 ", id="no weight"),
        pytest.param(beta(weight=1_000_001), "<= 1000000", id="too much weight"),
        pytest.param(beta(not_after_ms=-1), "`int` >= 0", id="expired before 1970"),
        pytest.param(beta(addresses=("",)), "length >= 1 ", id="an empty address"),
        pytest.param(beta(addresses=("/ip4/10.0.0.1",) * 17), "length <= 16", id="17 addresses"),
        pytest.param(beta(queen_key=b"short"), "length >= 32", id="a key that is none"),
        pytest.param(inside(f9=[[bytes(32), "1" * 46, 0, 0]] * 9), "length <= 8", id="nine backups"),
        pytest.param(beta() + b"\0", "trailing bytes", id="something behind it"),
        pytest.param(
            cose.seal(ContentType.JOIN, cose.parse(beta()).payload, root("beta"), FEDERATION),
            "where application/zenmesh",
            id="another kind of envelope",
        ),
    ],
)
def test_a_certificate_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(RemoteError, match=why):
        parse_member_cert(raw, FEDERATION)


@pytest.mark.parametrize("at", range(0, len(beta()), 7))
def test_a_certificate_with_a_flipped_bit_is_refused(at: int) -> None:
    raw = bytearray(beta())
    raw[at] ^= 1
    with pytest.raises(RemoteError):
        parse_member_cert(bytes(raw), FEDERATION)
