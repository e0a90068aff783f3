"""How a home, a federation and a new term begin: keys are made, certificates signed, files written.

The root key signs certificates and the genesis and is needed for nothing else; `init` says where it lies and that it
should be moved away. A new term takes a new queen key, so whoever held the old one is fenced.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bootstrap.config import Config
from bootstrap.home import Home
from bootstrap.identity import certify, intent_fields, load_member
from bootstrap.keyfiles import NODE, ROOT, has_key, queen, queen_terms, read_key, read_key_file, write_key
from consensus.certificates import YEAR_MS, MemberCert, make_member_cert
from consensus.genesis import Genesis, Params, make_genesis, parse_genesis
from mesh.protocol.commands import Join
from mesh.protocol.joiner import parse_intent
from wire.errors import ConfigError, NotMember, Rejected, RemoteError, UsageError
from wire.ids import FederationId, peer_id_of, sha256, swarm_id_of
from wire.keys import SigningKey

FIRST_TERM = 1


@dataclass(frozen=True, slots=True)
class NewTerm:
    """What `recover --new-term` prepared; `waiting`: an earlier one, which the federation has not ordered yet."""

    swarm: str
    term: int
    waiting: bool = False


def found_home(path: Path, swarm: str, project: str, profile: str, listen: Sequence[str]) -> Home:
    """A home with fresh keys. Raises ConfigError, StoreError."""
    settings: dict[str, object] = {"swarm": swarm, "project": project, "profile": profile}
    if listen:
        settings["listen"] = list(listen)
    keys = {name: SigningKey(os.urandom(32)) for name in (ROOT, NODE, queen(FIRST_TERM))}
    return Home.create(path, settings, keys)


def found_federation(home: Home, name: str, admission: Literal["ticket", "vote", "open"], wall_ms: int) -> Genesis:
    """Make this home the creator of a federation of one.

    Raises:
        Rejected: the home belongs to one already.
        UsageError: the name cannot be.
        ConfigError: the root key is away.
        HomeInUse: its node runs.
    """
    with home.lock():
        _refuse_member(home)
        config = home.config()
        root = _root(home, None)
        certificate = _certify(home, config, None, root, FIRST_TERM, wall_ms)
        params = Params(admission=admission, profile=config.profile.value)
        try:
            genesis = parse_genesis(make_genesis(name, params, certificate, wall_ms, root))
        except RemoteError as error:
            raise UsageError(f"no federation was created: {error}") from error
        home.clear_pending_join()
        home.write_genesis(genesis.raw)
        return genesis


def check_join(operation: Join, wall_ms: int) -> None:
    """Refuse a join that cannot work. Raises UsageError, or Rejected for an expired ticket."""
    intent = parse_intent(operation)
    if intent.ticket is not None and intent.ticket.expires_ms <= wall_ms:
        raise Rejected("this ticket has expired: ask for a new one (`zenmesh invite` on any member)")


def keep_join(home: Home, operation: Join, wall_ms: int) -> None:
    """Keep a join for when the node starts.

    Raises:
        Rejected: the home belongs to a federation already.
        ConfigError: the root key, which signs this swarm's certificate, is away.
        HomeInUse: its node runs.
    """
    with home.lock():
        _refuse_member(home)
        intent = parse_intent(operation)
        federation = intent.federation or (intent.ticket.federation if intent.ticket else None)
        if federation is not None:
            certify(home, federation, wall_ms)
        home.write_pending_join(intent_fields(operation))


def begin_new_term(home: Home, root_file: Path | None, wall_ms: int) -> NewTerm:
    """Make the home ready for a new term, which its node asks the federation for when it starts.

    Raises:
        NotMember: the home belongs to no federation.
        ConfigError: the root key is not here, or is another swarm's.
        HomeInUse: its node runs.
    """
    with home.lock():
        raw = home.genesis()
        if raw is None:
            raise NotMember("this home belongs to no federation: there is no term to begin")
        root = _root(home, root_file)
        config = home.config()
        held = _held_certificate(home, raw)
        if held is not None and held.swarm != swarm_id_of(root.public):
            raise ConfigError(str(root_file or ROOT.file), "another swarm's", "bring the root key of this swarm")
        term = max([*queen_terms(home.keys), held.term if held else FIRST_TERM]) + 1
        write_key(home.keys, queen(term), SigningKey(os.urandom(32)))
        home.write_certificate(_certify(home, config, FederationId(sha256(raw)), root, term, wall_ms))
        home.clear_restored()
        return NewTerm(config.swarm, term)


def _held_certificate(home: Home, genesis: bytes) -> MemberCert | None:
    """The newest certificate that can be read; a damaged one is replaced anyway."""
    try:
        return load_member(home, genesis).certificate
    except ConfigError:
        return None


def _refuse_member(home: Home) -> None:
    if home.genesis() is not None:
        raise Rejected("this home belongs to a federation already; make another home for another federation")


def _certify(
    home: Home, config: Config, federation: FederationId | None, root: SigningKey, term: int, wall_ms: int
) -> bytes:
    return make_member_cert(
        federation=federation,
        name=config.swarm,
        project=config.project,
        root=root,
        term=term,
        queen_key=read_key(home.keys, queen(term)).public,
        peer=peer_id_of(read_key(home.keys, NODE).public),
        not_after_ms=wall_ms + YEAR_MS,
    )


def _root(home: Home, file: Path | None) -> SigningKey:
    if file is not None:
        return read_key_file(file, ROOT)
    if not has_key(home.keys, ROOT):
        raise ConfigError(
            str(home.keys / ROOT.file),
            "missing",
            "this needs the root key: bring it back, or name it with --root-key",
        )
    return read_key(home.keys, ROOT)
