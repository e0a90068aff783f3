"""A node for tests of the API and the CLI: it answers from a dict and remembers what it was asked."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import trio

from mesh.api.metrics import Metrics
from mesh.api.server import Control, Limits, serve
from mesh.protocol.commands import Failure, FailureKind, GetStatus, MemoryPut, Operation, Outcome, Success


class FakeControl:
    """`outcomes` maps operation classes to what they answer; anything else succeeds with nothing."""

    def __init__(self, outcomes: dict[type, Outcome] | None = None) -> None:
        self.outcomes: dict[type, Outcome] = {GetStatus: Success(result={"lifecycle": "OPERATIONAL"})}
        self.outcomes.update(outcomes or {})
        self.asked: list[Operation] = []
        self.hang = False

    async def execute(self, operation: Operation) -> Outcome:
        self.asked.append(operation)
        if self.hang:
            await trio.sleep_forever()
        if isinstance(operation, MemoryPut) and operation.key == "nothing":
            return Failure(kind=FailureKind.NO_QUORUM, message="too few", retry_after_s=2.5)
        return self.outcomes.get(type(operation), Success())

    def metrics(self) -> Metrics:
        return Metrics(counters={"node_batches_applied": 3}, gauges={"node_links": 2}, info={"lifecycle": 'a"b\\c\n'})


@contextlib.asynccontextmanager
async def serving(
    control: Control, path: Path, metrics_tcp: str | None = None, limits: Limits | None = None
) -> AsyncIterator[list[str]]:
    """A server around the block; yields the metrics addresses."""
    async with trio.open_nursery() as nursery:
        addresses: list[str] = await nursery.start(serve, control, path, metrics_tcp, limits)
        yield addresses
        nursery.cancel_scope.cancel()


@contextlib.contextmanager
def serving_in_thread(control: Control, path: Path) -> Iterator[None]:
    """The same for synchronous tests: the server runs in a thread of its own."""
    ready = threading.Event()
    scope = trio.CancelScope()
    tokens: list[trio.lowlevel.TrioToken] = []

    async def main() -> None:
        with scope:
            async with serving(control, path):
                tokens.append(trio.lowlevel.current_trio_token())
                ready.set()
                await trio.sleep_forever()

    thread = threading.Thread(target=trio.run, args=(main,), daemon=True)
    thread.start()
    assert ready.wait(10), "the fake node did not start"
    try:
        yield
    finally:
        tokens[0].run_sync_soon(scope.cancel)
        thread.join(10)
