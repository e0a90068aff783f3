"""Loopback with ways that can be cut or made worse: every node is reached through a relay of its own.

    dialer ──► 127.0.0.1:relay of B ──► 127.0.0.2:B

A node announces its relay's port instead of its own. The relay takes a connection and looks up in the kernel's
tables which node's process dialed: so it knows both ends, and a partition of any shape is a rule about pairs. What
lies on two sides gets no byte across, and is not told so either: bytes, new connections and ends wait until the cut
heals, as behind a dead switch. So it is with delay, loss and narrow ways (`ways`). Needs no rights, but Linux
(`/proc`, all of 127.0.0.0/8).
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from bootstrap.live.links import Board, Link
from bootstrap.live.ways import Network, Way

RELAY_HOST = "127.0.0.1"
NODE_HOST = "127.0.0.2"  # dialers get their own ports on RELAY_HOST: none can take a node's while it is down
_LOOKS = 5  # at the kernel's table, which may leave out a row while others come and go


class Relays:
    """Relays for `count` nodes; `pids` says whose process is whose, and is kept true by whoever starts them."""

    def __init__(self, count: int) -> None:
        self.pids: dict[int, int] = {}
        self._listeners = [socket.create_server((RELAY_HOST, 0)) for _ in range(count)]
        self._node_ports = [_free_port() for _ in range(count)]
        self._board = Board()
        self._closed = False
        for number in range(count):
            threading.Thread(target=self._accept, args=(number,), daemon=True).start()

    def listen(self, number: int) -> str:
        """Where node `number` has to listen."""
        return f"/ip4/{NODE_HOST}/tcp/{self._node_ports[number]}"

    def announce(self, number: int) -> str:
        """What node `number` has to announce."""
        return f"/ip4/{RELAY_HOST}/tcp/{self._listeners[number].getsockname()[1]}"

    def partition(self, *groups: Sequence[int]) -> None:
        """Cut the nodes into `groups`, replacing any earlier partition. A node in no group still reaches all."""
        self._board.show(replace(self._board.network, sides=tuple(map(frozenset, groups))))

    def worsen(self, nodes: Collection[int], way: Way) -> None:
        """Make all ways from and to these nodes like `way`, replacing what was worse before."""
        self._board.show(replace(self._board.network, worse=frozenset(nodes), way=way))

    def heal(self) -> None:
        """End the partition, and make every way clear."""
        self._board.show(Network())

    def close(self) -> None:
        """Take no more connections, and let go of those that are open."""
        self._closed = True
        for listener in self._listeners:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes its thread, which closing alone would not
            listener.close()
        self._board.close()

    def _accept(self, number: int) -> None:
        while not self._closed:
            try:
                connection, address = self._listeners[number].accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(connection, address[1], number), daemon=True).start()

    def _relay(self, connection: socket.socket, port: int, target: int) -> None:
        with connection:
            dialer = self._node_at(port, connection.getsockname()[1])
            if dialer is None:
                return
            self._board.wait_open(dialer, target)
            with contextlib.suppress(OSError):
                with socket.create_connection((NODE_HOST, self._node_ports[target])) as node:
                    Link(self._board, (dialer, connection), (target, node)).carry()

    def _node_at(self, port: int, relay_port: int) -> int | None:
        """The node whose process has the socket from `port` to a relay's; None: no node, or gone already."""
        for _ in range(_LOOKS):
            inode = _inode_of(port, relay_port)
            for number, pid in list(self.pids.items()):
                if inode is not None and f"socket:[{inode}]" in _open_files(pid):
                    return number
        return None


def _inode_of(port: int, relay_port: int) -> str | None:
    """The socket that is connected from one port of the relays' host to another, as the kernel numbers it."""
    host = f"{int.from_bytes(socket.inet_aton(RELAY_HOST), 'little'):08X}"
    ends = [f"{host}:{port:04X}", f"{host}:{relay_port:04X}"]  # a local port alone may have several sockets
    rows = (line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines())
    return next((row[9] for row in rows if row[1:3] == ends), None)


def _open_files(pid: int) -> list[str]:
    folder = Path(f"/proc/{pid}/fd")
    found = []
    with contextlib.suppress(OSError):
        for file in folder.iterdir():
            with contextlib.suppress(OSError):
                found.append(os.readlink(file))
    return found


def _free_port() -> int:
    with socket.create_server((NODE_HOST, 0)) as server:
        port: int = server.getsockname()[1]
        return port
