"""Field types that several signed statements share, with their bounds."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

Bytes16 = Annotated[bytes, Meta(min_length=16, max_length=16)]
Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
Natural = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
PeerText = Annotated[str, Meta(min_length=40, max_length=64)]
Address = Annotated[str, Meta(min_length=1, max_length=255)]
Sealed = Annotated[bytes, Meta(min_length=1, max_length=16 * 1024)]

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
NAME_RULE = "1 to 64 of a-z 0-9 . _ -, beginning with a letter or digit"


def is_name(text: str) -> bool:
    """True for a swarm's or federation's name."""
    return NAME.fullmatch(text) is not None
