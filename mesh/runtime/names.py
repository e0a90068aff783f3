"""Names in multiaddrs: `/dnsaddr/host` stands for the multiaddrs in the TXT records of `_dnsaddr.host`.

The format is libp2p's (dnsaddr specification): each record is `dnsaddr=<multiaddr>`, and may name another dnsaddr.
The resolver is dnspython, which blocks, so it runs in a thread with a deadline.
"""

from __future__ import annotations

import trio

TIMEOUT_S = 5.0
MAX_RECORDS = 64
_PREFIX = b"dnsaddr="


class Unresolved(Exception):
    """A name did not resolve; the message says why."""


async def resolve_dnsaddr(host: str) -> list[str]:
    """The multiaddrs that stand behind `/dnsaddr/host`.

    Raises:
        Unresolved: no such name, no answer, or nothing usable in it.
    """
    return await trio.to_thread.run_sync(_query, host, abandon_on_cancel=True)  # type: ignore[call-arg]  # mypy loses it behind *args


def _query(host: str) -> list[str]:
    import dns.exception
    import dns.resolver

    try:
        answer = dns.resolver.resolve(f"_dnsaddr.{host}", "TXT", lifetime=TIMEOUT_S)
    except dns.exception.DNSException as error:
        raise Unresolved(f"/dnsaddr/{host} did not resolve: {error}") from error
    texts = [b"".join(record.strings) for record in answer]
    return [text[len(_PREFIX) :].decode(errors="replace") for text in texts[:MAX_RECORDS] if text.startswith(_PREFIX)]
