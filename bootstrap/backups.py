"""Backups of a queen, as homes: a request on one machine, the root key's signature on another.

| step | where | makes | is done once |
|---|---|---|---|
| `found_backup` | the backup | node key, backup key, `backup.request` | `format` is there |
| `named`, `without`, `certified` | at the root key | a certificate that names it, or no more | it is ordered |

The home that made a request is a backup by that file, and stays one until it gets a certificate of its own (`zenmesh
recover --new-term`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bootstrap.backup_request import Request, write_request
from bootstrap.founding import check_name
from bootstrap.home import Home
from bootstrap.identity import intent_fields
from bootstrap.keyfiles import BACKUP, NODE, ROOT, has_key, read_key, read_key_file
from consensus.certificates import YEAR_MS, Backup, make_member_cert
from consensus.tickets import parse_ticket, peek_grant
from mesh.protocol.commands import Join
from wire.errors import ConfigError, UsageError
from wire.ids import PeerId, PublicKey, SwarmId, peer_id_of, swarm_id_of
from wire.keys import SigningKey

MAX_BACKUPS = 8
Row = Mapping[str, Any]  # of a member, as `members` answers


def found_backup(
    path: Path, name: str, project: str, profile: str, listen: Sequence[str], ticket: str
) -> tuple[Home, Request]:
    """Make the home of a backup of the swarm that invited by `ticket`.

    Raises:
        ConfigError: a setting is wrong, or there is something at `path` already; nothing was written.
        UsageError: the ticket cannot be read.
        StoreError: the disk refused.
    """
    check_name("swarm", name)
    parsed = parse_ticket(ticket)
    node, key = SigningKey(os.urandom(32)), SigningKey(os.urandom(32))
    settings: dict[str, object] = {"swarm": name, "project": project, "profile": profile, "govern": True}
    if listen:
        settings["listen"] = list(listen)
    request = Request(
        federation=parsed.federation,
        swarm=SwarmId(peek_grant(parsed.grant).inviter),
        name=name,
        peer=peer_id_of(node.public),
        key=key.public,
    )

    home = Home.create(path, settings, {NODE: node, BACKUP: key}, lambda made: _keep(made, request, ticket))
    return home, request


def _keep(home: Home, request: Request, ticket: str) -> None:
    write_request(home.backup_file, request)
    home.write_pending_join(intent_fields(Join(ticket=ticket)))


def named(row: Row, federation: str, request: Request, rank: int | None, until_ms: int) -> list[Backup]:
    """The backups of a member with one more; asked for again, it replaces what was said of it.

    Raises:
        UsageError: the request is for another swarm or federation, or there are too many.
    """
    if (request.federation.hex(), request.swarm.hex()) != (federation, row["swarm_id"]):
        raise UsageError(
            f"the ticket with which this backup was made is not of {row['swarm']}: take one of its own "
            "(`zenmesh invite` on this node), and make the backup's home anew"
        )
    if request.name != row["swarm"]:
        raise UsageError(f"the backup was made with `--swarm {request.name}`, this swarm is {row['swarm']}")
    others = [backup for backup in backups_of(row) if backup.peer != request.peer]
    if len(others) >= MAX_BACKUPS:
        raise UsageError(f"a swarm has at most {MAX_BACKUPS} backups: remove one first (`zenmesh backup remove`)")
    last = max((backup.rank for backup in others), default=-1) + 1
    return [*others, Backup(request.key, request.peer, last if rank is None else rank, until_ms)]


def without(row: Row, peer: str) -> list[Backup]:
    """The backups of a member but for one, named by the beginning or the end of its peer id. Raises UsageError."""
    backups = backups_of(row)
    found = [one for one in backups if one.peer.startswith(peer) or one.peer.endswith(peer)]
    if len(found) != 1:
        raise UsageError(f"{len(found) or 'no'} backups have a peer id like {peer!r}: see `zenmesh backup list`")
    return [one for one in backups if one is not found[0]]


def certified(
    row: Row, federation: str, root: SigningKey, backups: Sequence[Backup], wall_ms: int, until_ms: int | None = None
) -> bytes:
    """The certificate of a member with these backups, for a year or until `until_ms`, and in any case longer than the
    one that it replaces. Raises UsageError when the root key is another swarm's."""
    if swarm_id_of(root.public).hex() != row["swarm_id"]:
        raise UsageError(f"this is not the root key of {row['swarm']}")
    return make_member_cert(
        federation=bytes.fromhex(federation),
        name=row["swarm"],
        project=row["project"],
        root=root,
        term=row["term"],
        queen_key=PublicKey(bytes.fromhex(row["queen_key"])),
        peer=PeerId(row["peer_id"]),
        not_after_ms=max(wall_ms + YEAR_MS if until_ms is None else until_ms, row["expires_ms"] + 1),
        weight=row["certified_weight"],
        backups=tuple(backups),
    )


def root_key(home: Home, file: Path | None) -> SigningKey:
    """The root key: in the file that was named, else in the home. Raises ConfigError."""
    if file is None and not has_key(home.keys, ROOT):
        rule = "a certificate needs the root key, once: bring it and say `--root-key FILE`"
        raise ConfigError(str(home.keys / ROOT.file), "missing", rule)
    return read_key(home.keys, ROOT) if file is None else read_key_file(file, ROOT)


def backups_of(row: Row) -> list[Backup]:
    """The backups that a member has."""
    return [
        Backup(bytes.fromhex(one["key"]), one["peer_id"], one["rank"], one["expires_ms"]) for one in row["backups"]
    ]
