"""What a dial needs besides the library: names resolved, and a cause that a person understands when it failed."""

from __future__ import annotations

import os
import socket

import trio


async def resolved(address: str) -> list[str]:
    """`address` with its host name replaced by an IP address.

    Raises:
        OSError: the name does not resolve.
    """
    parts = address.split("/")
    if len(parts) < 5 or parts[1] not in ("dns", "dns4", "dns6"):
        return [address]
    family = {"dns": socket.AF_UNSPEC, "dns4": socket.AF_INET, "dns6": socket.AF_INET6}[parts[1]]
    found = await trio.socket.getaddrinfo(parts[2], int(parts[4]), family, socket.SOCK_STREAM)
    hosts = dict.fromkeys((entry[0], str(entry[4][0])) for entry in found)
    kind = {socket.AF_INET: "ip4", socket.AF_INET6: "ip6"}
    return [f"/{kind[family]}/{host}/tcp/{parts[4]}" for family, host in hosts][:1]


def dial_cause(error: BaseException, deadline_s: float) -> str:
    """Why a dial failed, in words. The library wraps causes deeply, so the whole chain is looked at."""
    if isinstance(error, trio.TooSlowError):
        return f"no answer within {deadline_s:g} s"
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    for found in chain:
        if isinstance(found, socket.gaierror):
            return f"the name does not resolve ({found.strerror})"
        if isinstance(found, OSError) and found.errno:
            return os.strerror(found.errno).lower()  # its own text may be the library's, with addresses
        if isinstance(found, BaseExceptionGroup):
            return dial_cause(found.exceptions[0], deadline_s)
    names = {type(found).__name__ for found in chain}
    text = " ".join(str(found) for found in chain)
    if "PeerIDMismatchesPubkey" in names or "mismatch" in text.lower():
        return "another peer answers there"
    if "Connection refused" in text or "Errno 111" in text:
        return "connection refused"
    return str(error) or type(error).__name__
