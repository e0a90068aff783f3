"""One connection through a relay: bytes of each direction are taken as they come, and let out as their way says.

    source ──► reader ──► queue, with the time of arrival ──► sender ──► sink
                 └────────── over a clear way ──────────────────────────►

Two threads a direction, so that what is under way does not keep what follows from setting out; over a clear way, with
nothing under way, the reader sends by itself: a busy federation must not wait for its relays. All look at one board,
which says what each way is like now. When conditions change, what waits for its time is let go under the new ones.
"""

from __future__ import annotations

import contextlib
import functools
import queue
import socket
import struct
import threading
import time
from random import Random

from bootstrap.live.ways import CLEAR, Line, Network, Way, segments

CHUNK = 1 << 14
MOST_CHUNKS = 128  # under way in a direction; then the sender at the far end feels it, as behind a full router
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: to close is to reset

Queue = queue.Queue[tuple[bytes, float]]  # bytes, and when they came


class Board:
    """What the network is like now, for any number of threads."""

    def __init__(self) -> None:
        self._network = Network()
        self._changed = threading.Condition()
        self._is_closed = False

    def show(self, network: Network) -> None:
        """From now on it is like this."""
        with self._changed:
            self._network = network
            self._changed.notify_all()

    @property
    def network(self) -> Network:
        """What it is like."""
        return self._network

    def close(self) -> None:
        """From now on nobody has to wait for anything."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def wait_open(self, one: int, other: int) -> Way:
        """The way between two, once it is open."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or self._network.between(one, other).is_open)
            return CLEAR if self._is_closed else self._network.between(one, other)

    def hold(self, one: int, other: int, way: Way, seconds: float) -> None:
        """Return after so many seconds, or as soon as the way between two is not `way` any more."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_closed or self._network.between(one, other) != way, max(0.0, seconds)
            )


class Link:
    """A dialer's connection and the one to its target, joined."""

    def __init__(self, board: Board, dialer: tuple[int, socket.socket], target: tuple[int, socket.socket]) -> None:
        self._board = board
        self._ends = (dialer[1], target[1])
        self._was_reset = False
        self._directions = ((dialer, target), (target, dialer))

    def carry(self) -> None:
        """Carry bytes both ways until an end closes, or the way resets it; then neither end is open."""
        threads = []
        for (one, source), (other, sink) in self._directions:
            under_way: Queue = queue.Queue(MOST_CHUNKS)
            for task in (functools.partial(self._read, source), self._send):
                threads.append(threading.Thread(target=task, args=(under_way, sink, one, other), daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _read(self, source: socket.socket, under_way: Queue, sink: socket.socket, one: int, other: int) -> None:
        """Take what comes. The end, b"", always goes by the queue, for the sender to see."""
        data = b"begin"
        while data:
            try:
                data = source.recv(CHUNK)
            except OSError:
                data = b""
            if data and not under_way.unfinished_tasks and self._board.network.between(one, other) == CLEAR:
                self._let_out(data, sink)
            else:
                under_way.put((data, time.monotonic()))

    def _send(self, under_way: Queue, sink: socket.socket, one: int, other: int) -> None:
        """Let out what was read, in time; the end goes the same way."""
        random = Random()
        line, way = Line(random), CLEAR
        data = b"begin"
        while data:
            data, arrived = under_way.get()
            for segment in segments(data, self._board.network.between(one, other)):
                if self._was_reset:
                    break
                before, way = way, self._board.wait_open(one, other)
                if way != before:
                    line = Line(random)
                due = line.due(len(segment), arrived, way)
                if due is None:
                    self._reset()
                    break
                self._board.hold(one, other, way, due - time.monotonic())
                self._board.wait_open(one, other)
                self._let_out(segment, sink)
            under_way.task_done()
        self._hang_up()

    def _let_out(self, segment: bytes, sink: socket.socket) -> None:
        try:
            sink.sendall(segment)
        except OSError:
            self._hang_up()  # the readers see it, and end

    def _hang_up(self) -> None:
        """Tell both ends that this is the end, in order."""
        if not self._was_reset:
            self._shut(socket.SHUT_RDWR)

    def _reset(self) -> None:
        """Break the connection: the ends get a reset once the threads, which find nothing to read, have ended."""
        self._was_reset = True
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._shut(socket.SHUT_RD)

    def _shut(self, how: int) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(how)
