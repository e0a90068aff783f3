"""Relays carry bytes between those who may meet, hold them where a way is cut or bad, and serve no stranger."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

import pytest

from bootstrap.live.relays import NODE_HOST, RELAY_HOST, Relays
from bootstrap.live.ways import Way

QUIET_S = 0.3  # nothing comes in this while; were it too short, a broken relay could pass, never a right one fail
PATIENCE_S = 20.0
TARGET = 1
FAR = Way(delay_ms=3_600_000)
NARROW = Way(bytes_per_s=1)
LETTER = b"letter" * 1_000


def port_of(address: str) -> int:
    return int(address.rpartition("/")[2])


@contextlib.contextmanager
def relays() -> Iterator[tuple[Relays, socket.socket]]:
    """Two nodes: this process is the first, and the second listens behind its relay."""
    one = Relays(2)
    one.pids[0] = os.getpid()
    try:
        with socket.create_server((NODE_HOST, port_of(one.listen(TARGET)))) as server:
            server.settimeout(PATIENCE_S)
            yield one, server
    finally:
        one.close()


def dial(one: Relays) -> socket.socket:
    return socket.create_connection((RELAY_HOST, port_of(one.announce(TARGET))), PATIENCE_S)


@contextlib.contextmanager
def linked(one: Relays, server: socket.socket) -> Iterator[tuple[socket.socket, socket.socket]]:
    with dial(one) as near:
        far, _ = server.accept()
        far.settimeout(PATIENCE_S)
        with far:
            yield near, far


def is_silent(end: socket.socket) -> bool:
    end.settimeout(QUIET_S)
    try:
        end.recv(1)
    except TimeoutError:
        return True
    finally:
        end.settimeout(PATIENCE_S)
    return False


def received(end: socket.socket, size: int) -> bytes:
    """So many bytes, in however many pieces they come."""
    data = b""
    while len(data) < size:
        data += end.recv(size - len(data))
    return data


def test_bytes_pass_both_ways() -> None:
    with relays() as (one, server), linked(one, server) as (near, far):
        near.sendall(b"ping")
        assert far.recv(4) == b"ping"
        far.sendall(b"pong")
        assert near.recv(4) == b"pong"


@pytest.mark.parametrize("forth", [True, False], ids=["forth", "back"])
def test_a_cut_holds_what_is_under_way_until_it_heals(forth: bool) -> None:
    with relays() as (one, server), linked(one, server) as ends:
        source, sink = ends if forth else reversed(ends)
        one.partition([0], [1])
        source.sendall(b"x")
        assert is_silent(sink)
        one.heal()
        assert sink.recv(1) == b"x"


def test_nobody_is_told_across_a_cut_that_an_end_closed() -> None:
    with relays() as (one, server), linked(one, server) as (near, far):
        one.partition([0], [1])
        near.close()
        assert is_silent(far)
        one.heal()
        assert far.recv(1) == b""


def test_a_new_connection_waits_for_the_cut_to_heal() -> None:
    with relays() as (one, server):
        one.partition([0], [1])
        with dial(one):
            server.settimeout(QUIET_S)
            with pytest.raises(TimeoutError):
                server.accept()
            one.heal()
            server.settimeout(PATIENCE_S)
            server.accept()[0].close()


@pytest.mark.parametrize("groups", [([0, 1],), ([0],), ([], [0, 1])], ids=["one side", "in no group", "empty side"])
def test_who_is_on_one_side_or_none_still_meets(groups: tuple[list[int], ...]) -> None:
    with relays() as (one, server), linked(one, server) as (near, far):
        one.partition(*groups)
        near.sendall(b"x")
        assert far.recv(1) == b"x"


@pytest.mark.parametrize("way", [FAR, NARROW], ids=["far", "narrow"])
@pytest.mark.parametrize("forth", [True, False], ids=["forth", "back"])
def test_what_is_under_way_on_a_bad_way_arrives_whole_once_it_is_good(forth: bool, way: Way) -> None:
    with relays() as (one, server), linked(one, server) as ends:
        source, sink = ends if forth else reversed(ends)
        one.worsen([1], way)
        source.sendall(LETTER)
        assert is_silent(sink)
        one.heal()
        assert received(sink, len(LETTER)) == LETTER


def test_what_is_bad_for_a_moment_only_comes_in_order() -> None:
    with relays() as (one, server), linked(one, server) as (near, far):
        one.worsen([0], Way(delay_ms=1, jitter_ms=5, bytes_per_s=10_000_000, loss=0.01))
        near.sendall(LETTER)
        assert received(far, len(LETTER)) == LETTER


def test_a_way_that_loses_everything_resets_the_connection() -> None:
    with relays() as (one, server), linked(one, server) as (near, far):
        one.worsen([0], Way(loss=1.0))
        near.sendall(b"x")
        for end in (near, far):
            with pytest.raises(ConnectionResetError):
                end.recv(1)


def test_the_ways_of_others_stay_as_they_are() -> None:
    with relays() as (one, server), linked(one, server) as (near, far):
        one.worsen([], FAR)
        near.sendall(b"x")
        assert far.recv(1) == b"x"


def test_a_cut_of_a_bad_way_outlasts_its_time() -> None:
    with relays() as (one, server), linked(one, server) as (near, far):
        one.partition([0], [1])
        one.worsen([0], Way(delay_ms=1))
        near.sendall(b"x")
        assert is_silent(far)
        one.heal()
        assert far.recv(1) == b"x"


def test_a_stranger_is_hung_up_on() -> None:
    with relays() as (one, _):
        one.pids.clear()
        with dial(one) as near, contextlib.suppress(ConnectionResetError):
            assert near.recv(1) == b""


def test_closing_lets_go_of_everyone_even_across_a_cut() -> None:
    with relays() as (one, server), linked(one, server) as (near, far):
        address = near.getpeername()
        one.partition([0], [1])
        near.shutdown(socket.SHUT_WR)
        one.close()
        assert far.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, PATIENCE_S)
