"""What a backup asks for, as a file that is carried to where the root key is. Nothing in it is secret."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bootstrap import armour
from wire.errors import ConfigError
from wire.ids import PeerId, PublicKey, SwarmId

KIND = "backup request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a backup asks for."""

    federation: bytes
    swarm: SwarmId
    name: str
    peer: PeerId
    key: PublicKey


def write_request(path: Path, request: Request) -> None:
    """Keep a request. Raises StoreError."""
    fields = {
        "federation": request.federation.hex(),
        "swarm": request.swarm.hex(),
        "name": request.name,
        "peer": request.peer,
        "key": request.key.hex(),
    }
    armour.write(path, KIND, fields)


def read_request(path: Path) -> Request:
    """The request in a file. Raises ConfigError."""
    remedy = "take the file `backup.request` of the backup's home as `zenmesh init --backup-of` made it"
    fields = armour.read(path, KIND, remedy)
    try:
        return Request(
            federation=bytes.fromhex(fields["federation"]),
            swarm=SwarmId(bytes.fromhex(fields["swarm"])),
            name=fields["name"],
            peer=PeerId(fields["peer"]),
            key=PublicKey(bytes.fromhex(fields["key"])),
        )
    except (KeyError, ValueError):
        raise ConfigError(str(path), "damaged", f"it is no whole request; {remedy}") from None
