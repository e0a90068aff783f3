"""How a swarm, a federation and a term begin: keys are made, certificates signed, and the home keeps both.

| step | makes | is done once this file is there |
|---|---|---|
| `found_home` | root, node and first queen key | `format` |
| `found_federation` | this swarm's certificate inside a new genesis | `genesis` |
| `keep_join` | nothing, or a certificate for the federation that is known | `join.ticket` |
| `begin_new_term` | the next queen key, and a certificate that names it | `member.cert` |

The root key signs certificates and the genesis and is needed for nothing else. Each step but the first holds the
home's lock, so that no node runs meanwhile, and ends with one atomic file; what a cut leaves behind is taken up by
the next try. Time is an argument; entropy comes from the machine.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bootstrap.config import Config
from bootstrap.home import Home
from bootstrap.identity import certify, intent_fields
from bootstrap.keyfiles import NODE, ROOT, has_key, queen, queen_terms, read_key, read_key_file, write_key
from consensus.certificates import YEAR_MS, Backup, MemberCert, make_member_cert, parse_member_cert
from consensus.chain import Chain
from consensus.fields import NAME_RULE, is_name
from consensus.genesis import Genesis, Params, make_genesis, parse_genesis
from consensus.membership import Member
from mesh.protocol.assembly import Recovered, load_chain
from mesh.protocol.commands import Join
from mesh.protocol.intent import JoinIntent, parse_intent
from mesh.storage.store import Store
from wire.errors import ConfigError, NotMember, Rejected, RemoteError
from wire.ids import FederationId, SwarmId, peer_id_of, swarm_id_of
from wire.keys import SigningKey

FIRST_TERM = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTerm:
    """The term that a home speaks in from its next start on. `waiting`: an earlier try had prepared it already."""

    swarm: str
    term: int
    waiting: bool


def found_home(path: Path, swarm: str, project: str, profile: str, listen: Sequence[str]) -> Home:
    """Make a home with fresh keys.

    Raises:
        ConfigError: a setting is wrong, or there is something at `path` already; nothing was written.
        StoreError: the disk refused.
    """
    check_name("swarm", swarm)
    settings: dict[str, object] = {"swarm": swarm, "project": project, "profile": profile}
    if listen:
        settings["listen"] = list(listen)
    return Home.create(path, settings, {name: _new_key() for name in (ROOT, NODE, queen(FIRST_TERM))})


def found_federation(home: Home, name: str, admission: Literal["ticket", "vote", "open"], wall_ms: int) -> Genesis:
    """Make this home the creator and only member of a new federation; a join that waits is given up.

    Raises:
        Rejected: it belongs to a federation already.
        ConfigError: the name is none, or a key is missing.
        HomeInUse: its node runs.
    """
    check_name("federation", name)
    with home.lock():
        _refuse_member(home)
        if home.restored:
            raise ConfigError(str(home.path), "restored", "begin a new term first: `zenmesh recover --new-term`")
        config, root = home.config(), _root(home, None)
        certificate = _certificate(home, None, root, max(queen_terms(home.keys)), _Claims.of(config), wall_ms)
        params = Params(admission=admission, profile=config.profile.value)
        genesis = parse_genesis(make_genesis(name, params, certificate, wall_ms, root))
        home.write_genesis(genesis.raw)
        home.clear_pending_join()
        return genesis


def check_join(operation: Join, wall_ms: int) -> JoinIntent:
    """What a join means, if it can come true. Raises UsageError, or Rejected for an expired ticket."""
    intent = parse_intent(operation)
    if intent.ticket is not None and intent.ticket.expires_ms <= wall_ms:
        raise Rejected("this ticket has expired: ask for a new one (`zenmesh invite` on any member)")
    return intent


def keep_join(home: Home, operation: Join, wall_ms: int) -> None:
    """Keep a join for the next start of the node; an earlier one is replaced.

    Raises:
        Rejected: this home belongs to a federation already, or the ticket has expired.
        UsageError: the join cannot be read, or the node runs (HomeInUse).
        ConfigError: the root key, which signs this swarm's certificate, is away.
    """
    intent = check_join(operation, wall_ms)
    with home.lock():
        _refuse_member(home)
        federation = intent.federation or (intent.ticket.federation if intent.ticket else None)
        if federation is None:
            _root(home, None)  # asked for once somebody has told which federation this is
        else:
            certify(home, federation, wall_ms)
        home.write_pending_join(intent_fields(operation))


def begin_new_term(home: Home, root_file: Path | None, wall_ms: int) -> NewTerm:
    """Give the swarm of this home a fresh queen key, and a certificate of the term after the newest one known here.

    Nothing that was acknowledged in earlier terms is lost: the federation closes a term at the last record of it that
    its members hold. Asked for twice, the second time changes nothing until the federation has ordered the first.

    Raises:
        NotMember: this home belongs to no federation, so that no term is over.
        ConfigError: the root key is away or another swarm's.
        HomeInUse: its node runs.
    """
    with home.lock():
        genesis = genesis_of(home)
        if genesis is None:
            return _fresh_start(home)
        root = _root(home, root_file)
        held, member = _held_certificate(home, genesis), _member_on_disk(home, genesis, swarm_id_of(root.public))
        if held is not None and held.body.root_key != root.public:
            where = root_file or home.keys / ROOT.file
            raise ConfigError(str(where), "another swarm's", f"bring the root key of {held.name!r}")
        ordered = member.term if member is not None else FIRST_TERM
        prepared = held is not None and held.term > ordered and held.body.not_after_ms > wall_ms
        if held is not None and prepared and not home.restored:
            return NewTerm(swarm=held.name, term=held.term, waiting=True)
        used = [
            ordered,
            held.term if held is not None else ordered,
            *(queen_terms(home.keys) if home.restored else ()),
        ]
        claims = _Claims.of_member(member) if member else _Claims.of_certificate(held) if held else None
        return _certify_term(home, genesis, root, max(used) + 1, claims or _Claims.of(home.config()), wall_ms)


def genesis_of(home: Home) -> Genesis | None:
    """The genesis of the federation that `home` belongs to, None where there is none. Raises ConfigError."""
    raw = home.genesis()
    try:
        return None if raw is None else parse_genesis(raw)
    except RemoteError as error:
        rule = f"{error}; take the copy of any other member's home"
        raise ConfigError(str(home.genesis_file), "damaged", rule) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claims:
    """What a certificate says of a swarm besides its keys; a new term keeps it."""

    name: str
    project: str
    weight: int = 1
    backups: tuple[Backup, ...] = ()

    @classmethod
    def of(cls, config: Config) -> _Claims:
        return cls(name=config.swarm, project=config.project)

    @classmethod
    def of_certificate(cls, held: MemberCert) -> _Claims:
        return cls(name=held.name, project=held.body.project, weight=held.body.weight, backups=held.body.backups)

    @classmethod
    def of_member(cls, member: Member) -> _Claims:
        return cls(name=member.name, project=member.project, weight=member.certified_weight, backups=member.backups)


def _certify_term(
    home: Home, genesis: Genesis, root: SigningKey, term: int, claims: _Claims, wall_ms: int
) -> NewTerm:
    """Make the key of `term`, or take up the one that an interrupted try left, and the certificate that names it."""
    if not has_key(home.keys, queen(term)):
        write_key(home.keys, queen(term), _new_key())
    home.write_certificate(_certificate(home, genesis.federation_id, root, term, claims, wall_ms))
    home.clear_restored()
    return NewTerm(swarm=claims.name, term=term, waiting=False)


def _fresh_start(home: Home) -> NewTerm:
    """A home that came out of an archive before it had joined anything: whatever it asked for, it asks anew."""
    if not home.restored:
        raise NotMember("this home belongs to no federation, so there is no term to end and nothing to recover")
    term = max(queen_terms(home.keys), default=0) + 1
    write_key(home.keys, queen(term), _new_key())
    home.certificate_file.unlink(missing_ok=True)
    home.clear_restored()
    return NewTerm(swarm=home.config().swarm, term=term, waiting=False)


def _certificate(
    home: Home, federation: FederationId | None, root: SigningKey, term: int, claims: _Claims, wall_ms: int
) -> bytes:
    peer = peer_id_of(read_key(home.keys, NODE).public)
    return make_member_cert(
        federation=federation,
        backups=tuple(backup for backup in claims.backups if backup.peer != peer),
        name=claims.name,
        project=claims.project,
        weight=claims.weight,
        root=root,
        term=term,
        queen_key=read_key(home.keys, queen(term)).public,
        peer=peer,
        not_after_ms=wall_ms + YEAR_MS,
    )


def _held_certificate(home: Home, genesis: Genesis) -> MemberCert | None:
    """The newest certificate here; None when it is lost or damaged, for a new term is how that is mended."""
    try:
        raw = home.certificate()
        if raw is not None:
            return parse_member_cert(raw, genesis.federation_id)
    except (ConfigError, RemoteError):
        return None
    node = peer_id_of(read_key(home.keys, NODE).public)
    return next((certificate for certificate in genesis.members if certificate.peer == node), None)


def _member_on_disk(home: Home, genesis: Genesis, swarm: SwarmId) -> Member | None:
    """What the chain, as far as this home holds it, says of the swarm."""
    store, found = Store.open(home.state, expected=True)
    store.close(found.clean_body if found.clean else None)
    chain = Chain(genesis)
    records = [(record.kind, record.body) for record in found.records]
    load_chain(chain, Recovered(records=records, snapshots=found.snapshots))
    return chain.member(swarm)


def _root(home: Home, file: Path | None) -> SigningKey:
    if file is not None:
        return read_key_file(file, ROOT)
    if not has_key(home.keys, ROOT):
        rule = "this needs the root key, once: bring it back from where you keep it, or name it with --root-key FILE"
        raise ConfigError(str(home.keys / ROOT.file), "missing", rule)
    return read_key(home.keys, ROOT)


def _refuse_member(home: Home) -> None:
    genesis = genesis_of(home)
    if genesis is not None:
        what = f"this home belongs to the federation {genesis.name!r} already"
        raise Rejected(f"{what}: one swarm, one federation, one home")


def check_name(field: str, name: str) -> None:
    """Raises ConfigError unless `name` is one for a swarm or a federation."""
    if not is_name(name):
        raise ConfigError(field, name, f"a name has {NAME_RULE}")


def _new_key() -> SigningKey:
    return SigningKey(os.urandom(32))
