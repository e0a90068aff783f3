"""Connections: who gets one, what a handshake may take, and what is left when it is gone."""

from __future__ import annotations

import os
import socket
from contextlib import AsyncExitStack

import libp2p
import pytest
import trio
from libp2p.crypto.x25519 import create_new_key_pair as create_x25519_key_pair
from libp2p.custom_types import TProtocol
from libp2p.network.exceptions import SwarmDialAllFailedError
from libp2p.peer.peerinfo import info_from_p2p_addr
from libp2p.security.insecure.transport import PLAINTEXT_PROTOCOL_ID, InsecureTransport
from libp2p.security.noise.transport import PROTOCOL_ID as NOISE
from libp2p.security.noise.transport import Transport as Noise
from libp2p.security.secio.transport import ID as SECIO
from libp2p.security.secio.transport import Transport as Secio
from libp2p.security.tls.transport import PROTOCOL_ID as TLS
from libp2p.security.tls.transport import TLSTransport
from libp2p.stream_muxer.mplex.mplex import Mplex
from libp2p.stream_muxer.yamux.yamux import Yamux
from multiaddr import Multiaddr

from mesh.protocol.events import DialFailed, PeerDown, PeerUp
from mesh.runtime.hardening import tcp
from tests.support.bare_libp2p import YAMUX, ed25519_keys, within
from tests.support.hostile import MULTISTREAM, connected_attacker, prefixed, tarpit, tcp_to
from tests.support.station import open_station, serving
from wire.ids import peer_id_of
from wire.keys import SigningKey

PATIENCE_S = 90
MPLEX = TProtocol("/mplex/6.7.0")

KEYS = ed25519_keys(66)
SECURITY = {
    "noise": {NOISE: Noise(KEYS, noise_privkey=create_x25519_key_pair().private_key)},
    "plaintext": {PLAINTEXT_PROTOCOL_ID: InsecureTransport(KEYS)},
    "secio": {TProtocol(SECIO): Secio(KEYS)},
    "tls": {TLS: TLSTransport(KEYS)},
}


@pytest.mark.parametrize(
    ("security", "muxer"),
    [
        pytest.param("plaintext", {YAMUX: Yamux}, id="plaintext"),
        pytest.param("secio", {YAMUX: Yamux}, id="secio"),
        pytest.param("tls", {YAMUX: Yamux}, id="tls"),
        pytest.param("noise", {MPLEX: Mplex}, id="mplex"),
    ],
)
async def test_only_noise_and_yamux_are_spoken(security: str, muxer: dict[TProtocol, type]) -> None:
    stranger = libp2p.new_host(key_pair=KEYS, sec_opt=SECURITY[security], muxer_opt=muxer)
    with within(PATIENCE_S):
        async with open_station(1) as victim, serving(victim.address):
            async with stranger.run([Multiaddr("/ip4/127.0.0.1/tcp/0")]):
                with pytest.raises(SwarmDialAllFailedError):
                    await stranger.connect(info_from_p2p_addr(Multiaddr(victim.address)))
                await stranger.close()


STALLS = {
    "silent": b"",
    "half a greeting": prefixed(MULTISTREAM)[:7],
    "greeting": prefixed(MULTISTREAM),
    "noise chosen": prefixed(MULTISTREAM) + prefixed(b"/noise\n"),
    "half a noise message": prefixed(MULTISTREAM) + prefixed(b"/noise\n") + b"\x00\x20" + bytes(8),
    "noise garbage": prefixed(MULTISTREAM) + prefixed(b"/noise\n") + b"\x00\x20" + bytes(32),
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


async def test_a_handshake_that_stalls_is_ended() -> None:
    async def stall(address: str, opening: bytes) -> None:
        async with await tcp_to(address) as stream:
            await stream.send_all(opening)
            try:
                while await stream.receive_some():
                    pass
            except trio.BrokenResourceError:
                pass

    with within(PATIENCE_S):
        async with open_station(1) as victim, serving(victim.address), trio.open_nursery() as nursery:
            for opening in STALLS.values():
                nursery.start_soon(stall, victim.network.addresses[0], opening)


async def test_connections_that_come_and_go_use_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds that never get to a handshake, and more whole ones than there is room for."""
    monkeypatch.setattr(tcp, "MAX_HANDSHAKES", 4)
    room = 4
    with within(PATIENCE_S):
        async with open_station(1, max_links=room) as victim, serving(victim.address):
            for _ in range(300):
                await (await tcp_to(victim.network.addresses[0])).aclose()
            async with open_station(2) as guest:
                for _ in range(room + tcp.MAX_HANDSHAKES + 4):
                    await guest.link(victim.address)
                    guest.network.disconnect(victim.peer, "as it does")
                    await guest.until(PeerDown, peer=victim.peer)
                    guest.events.clear()


def is_closed(stream: trio.SocketStream) -> bool:
    """Whether the other end has closed a connection on which it never says anything."""
    with socket.socket(fileno=os.dup(stream.socket.fileno())) as same:
        try:
            return same.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False


async def test_unfinished_handshakes_are_bounded() -> None:
    room = 8
    with within(PATIENCE_S):
        async with open_station(1, max_links=room) as victim, serving(victim.address), AsyncExitStack() as stack:
            place = victim.network.addresses[0]
            silent = [await stack.enter_async_context(await tcp_to(place)) for _ in range(200)]
            while sum(map(is_closed, silent)) < len(silent) - room - tcp.MAX_HANDSHAKES:
                await trio.lowlevel.checkpoint()
            assert not is_closed(silent[0])  # so it was no deadline that closed the others


async def test_unfinished_handshakes_from_one_place_leave_room_for_others() -> None:
    async def speak_noise(source: str) -> None:
        stream = await trio.open_tcp_stream(host, port, local_address=source)
        async with stream:
            await stream.send_all(prefixed(MULTISTREAM) + prefixed(b"/noise\n"))
            while not (said := await stream.receive_some()).endswith(b"/noise\n"):
                assert said, f"refused a connection from {source}"

    with within(PATIENCE_S):
        async with open_station(1, max_links=8) as victim, AsyncExitStack() as stack:
            _, _, host, _, text = victim.network.addresses[0].split("/")
            port = int(text)
            silent = [await stack.enter_async_context(await tcp_to(victim.network.addresses[0])) for _ in range(100)]
            while not any(map(is_closed, silent)):
                await trio.lowlevel.checkpoint()
            await speak_noise("127.0.0.2")
            assert victim.network.stats["connections_refused"]


@pytest.mark.parametrize(
    ("address", "place"),
    [
        (("192.0.2.7", 1), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 1), "fe80::/64"),
        (None, ""),
    ],
)
def test_a_place_is_an_address_or_an_ipv6_network(address: tuple[str, int] | None, place: str) -> None:
    assert tcp._place(address) == place


async def test_strangers_that_stay_keep_no_member_out() -> None:
    with within(PATIENCE_S):
        async with open_station(1, max_strangers=4) as victim, AsyncExitStack() as strangers:
            for seed in range(66, 72):
                await strangers.enter_async_context(connected_attacker(victim.address, seed=seed))
            async with serving(victim.address):
                pass


async def test_dials_into_a_tarpit_end_and_leave_room_for_others() -> None:
    nobody = [peer_id_of(SigningKey(bytes([100 + number]) * 32).public) for number in range(24)]
    with within(PATIENCE_S):
        async with tarpit() as silence, open_station(1, max_links=8) as victim, serving(victim.address):
            for peer in nobody:
                victim.network.dial(peer, (silence,))
            for peer in nobody:
                await victim.until(DialFailed, peer=peer, final=True)


async def test_an_address_that_is_dead_does_not_hide_the_next_one() -> None:
    with within(PATIENCE_S):
        async with open_station(1) as victim, open_station(2) as other:
            with socket.socket() as reserved:
                reserved.bind(("127.0.0.1", 0))
                dead = f"/ip4/127.0.0.1/tcp/{reserved.getsockname()[1]}"
                other.network.dial(victim.peer, (dead, *victim.network.addresses))
                await other.until(DialFailed, peer=victim.peer, address=dead, final=False)
                await other.until(PeerUp, peer=victim.peer)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
async def test_the_address_of_an_ipv6_peer_is_seen() -> None:
    with within(PATIENCE_S):
        async with open_station(1, listen=("/ip6/::1/tcp/0",)) as victim, open_station(2) as other:
            await other.link(victim.address)
            seen = await victim.until(PeerUp, peer=other.peer)
            assert seen.inbound
            assert seen.address.startswith("/ip6/::1/tcp/")


async def test_a_network_that_ends_frees_its_port_and_its_links() -> None:
    with within(PATIENCE_S):
        async with open_station(2) as other:
            async with open_station(1) as first:
                await other.link(first.address)
                where = first.network.addresses
            await other.until(PeerDown, peer=first.peer)
            with pytest.raises(OSError):
                await tcp_to(where[0])
            async with open_station(1, listen=where) as second:
                other.events.clear()
                await other.link(second.address)
