"""Who the node of a home is: a member of a federation, or a swarm that wants to become one.

Keys, certificate and genesis come from different files, and each could be damaged, swapped or left over from another
home. Here they are held against each other before anything starts; what does not fit is an error that names the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from bootstrap.backup_request import read_request
from bootstrap.home import Home
from bootstrap.keyfiles import BACKUP, NODE, ROOT, has_key, queen, queen_terms, read_key
from consensus.certificates import YEAR_MS, MemberCert, make_member_cert, parse_member_cert, peek_federation
from consensus.genesis import Genesis, parse_genesis
from mesh.protocol.applicant import Applicant
from mesh.protocol.commands import Join
from mesh.protocol.context import Identity
from mesh.protocol.intent import JoinIntent, parse_intent
from wire.errors import ConfigError, RemoteError
from wire.ids import FederationId, PeerId, SwarmId, peer_id_of, swarm_id_of
from wire.keys import SigningKey

_RESTORE = "put back this file from a backup (`zenmesh home restore`)"


@dataclass(frozen=True, slots=True)
class Member:
    """A home that belongs to a federation."""

    identity: Identity
    genesis: Genesis


@dataclass(frozen=True, slots=True)
class Outsider:
    """A home without a federation; `intent` is the join that the user asked for."""

    applicant: Applicant
    intent: JoinIntent | None


def load_standing(home: Home, wall_ms: Callable[[], int]) -> Member | Outsider:
    """Who this home is.

    Raises:
        ConfigError: a file is missing, damaged, or does not belong to the others.
    """
    if home.restored:
        raise ConfigError(
            str(home.path), "restored", "it came out of an archive: run `zenmesh recover --new-term` before it speaks"
        )
    raw = home.genesis()
    if raw is not None:
        return load_member(home, raw)
    node = read_key(home.keys, NODE)
    return Outsider(_applicant(home, peer_id_of(node.public), wall_ms), load_intent(home))


def load_member(home: Home, raw: bytes) -> Member:
    """The member that a home with this genesis is. Raises ConfigError."""
    try:
        genesis = parse_genesis(raw)
    except RemoteError as error:
        raise ConfigError(
            str(home.genesis_file), "damaged", f"{error}; take the copy of any member's home"
        ) from error
    if home.backup_file.exists() and home.certificate() is None:
        return Member(_backup_identity(home), genesis)
    certificate = _certificate(home, genesis)
    key = read_key(home.keys, queen(certificate.term))
    node = read_key(home.keys, NODE)
    if key.public != certificate.queen_key:
        rule = f"not the key that the certificate names for term {certificate.term}; {_RESTORE}"
        raise ConfigError(str(home.keys / queen(certificate.term).file), "another key", rule)
    peer = peer_id_of(node.public)
    if peer != certificate.peer:
        rule = f"not the node that the certificate names ({certificate.peer}); {_RESTORE}"
        raise ConfigError(str(home.keys / NODE.file), peer, rule)
    identity = Identity(
        swarm=certificate.swarm,
        name=certificate.name,
        project=certificate.body.project,
        peer=peer,
        term=certificate.term,
        queen_key=key,
        certificate=certificate.raw,
        boot_nonce=os.urandom(16),
    )
    return Member(identity, genesis)


def _backup_identity(home: Home) -> Identity:
    """A backup speaks in no term; the chain says when it does."""
    request = read_request(home.backup_file)
    node, key = read_key(home.keys, NODE), read_key(home.keys, BACKUP)
    if (peer_id_of(node.public), key.public) != (request.peer, request.key):
        rule = f"its keys are not those in keys/; {_RESTORE}"
        raise ConfigError(str(home.backup_file), "of another home", rule)
    return Identity(
        swarm=request.swarm,
        name=request.name,
        project=home.config().project,
        peer=request.peer,
        term=0,
        queen_key=key,
        certificate=b"",
        boot_nonce=os.urandom(16),
    )


def load_intent(home: Home) -> JoinIntent | None:
    """The join that `zenmesh join` left in the home. Raises ConfigError."""
    fields = home.pending_join()
    if fields is None:
        return None
    operation = Join(
        ticket=fields.get("ticket"),
        peer=fields.get("peer"),
        lan=fields.get("lan") == "yes",
        federation=fields.get("federation"),
    )
    return parse_intent(operation)


def intent_fields(operation: Join) -> dict[str, str]:
    """What to keep of a join until it came true; `load_intent` reads it."""
    kept = {"ticket": operation.ticket, "peer": operation.peer, "federation": operation.federation}
    return {name: text for name, text in kept.items() if text} | ({"lan": "yes"} if operation.lan else {})


def certify(home: Home, federation: FederationId, wall_ms: int) -> bytes:
    """The certificate of this home for `federation`: the one it has, or a new one signed by the root key.

    Raises:
        ConfigError: there is none, and the root key is not here to make one.
    """
    held = home.certificate()
    if held is not None:
        try:
            return parse_member_cert(held, federation).raw
        except RemoteError:
            pass  # of another federation, asked for before: this one needs its own
    config = home.config()
    term = max(queen_terms(home.keys))
    raw = make_member_cert(
        federation=federation,
        name=config.swarm,
        project=config.project,
        root=_root(home),
        term=term,
        queen_key=read_key(home.keys, queen(term)).public,
        peer=peer_id_of(read_key(home.keys, NODE).public),
        not_after_ms=wall_ms + YEAR_MS,
    )
    home.write_certificate(raw)
    return raw


def _applicant(home: Home, peer: PeerId, wall_ms: Callable[[], int]) -> Applicant:
    config = home.config()
    if home.backup_file.exists():
        me = _backup_identity(home)
        return Applicant(
            swarm=me.swarm, name=me.name, project=me.project, peer=me.peer, certify=lambda fed: b"", backup=True
        )
    if not queen_terms(home.keys):
        raise ConfigError(str(home.keys), "no queen key", _RESTORE)
    return Applicant(
        swarm=_swarm(home),
        name=config.swarm,
        project=config.project,
        peer=peer,
        certify=lambda federation: certify(home, federation, wall_ms()),
    )


def _swarm(home: Home) -> SwarmId:
    """Whose home this is: its certificate says it, so that the root key may lie elsewhere once that was made."""
    raw = None if has_key(home.keys, ROOT) else home.certificate()
    if raw is None:
        return swarm_id_of(_root(home).public)
    try:
        return parse_member_cert(raw, peek_federation(raw)).swarm
    except RemoteError as error:
        raise ConfigError(str(home.certificate_file), "damaged", f"{error}; {_RESTORE}") from error


def _root(home: Home) -> SigningKey:
    if not has_key(home.keys, ROOT):
        rule = "joining needs the root key, once, to sign this swarm's certificate: put it back for the join"
        raise ConfigError(str(home.keys / ROOT.file), "missing", rule)
    return read_key(home.keys, ROOT)


def _certificate(home: Home, genesis: Genesis) -> MemberCert:
    """The newest certificate of this home: its file, or for a creator in its first term the one in the genesis."""
    raw = home.certificate()
    if raw is not None:
        for federation in (genesis.federation_id, None):
            try:
                return parse_member_cert(raw, federation)
            except RemoteError as error:
                failure = error
        raise ConfigError(str(home.certificate_file), "not of this federation", f"{failure}; {_RESTORE}")
    node = peer_id_of(read_key(home.keys, NODE).public)
    for certificate in genesis.members:
        if certificate.peer == node:
            return certificate
    raise ConfigError(str(home.certificate_file), "missing", f"{_RESTORE}, or run `zenmesh recover --new-term`")
