"""When a write becomes a batch, when that goes out on gossip, and how long others may take to hold it."""

from __future__ import annotations

import pytest

from crdt.ops import Op, OpKind
from mesh.protocol.commands import Failure, FailureKind
from mesh.protocol.config import NodeConfig
from mesh.protocol.effects import Publish, Reply
from mesh.protocol.memory import COLLECTION
from mesh.protocol.outbox import Outbox
from mesh.protocol.writer import Write, Writer
from tests.support.small_swarms import Town

CONFIG = NodeConfig()
PAUSE, PATIENCE = CONFIG.gossip_interval, CONFIG.replicated_deadline


def writer_of(town: Town) -> Writer:
    town.form()
    return Writer(town.node("alpha").context, town.node("alpha").fence)


def submit(writer: Writer, out: Outbox, *, size: int = 1, replicated: bool = False) -> None:
    op = Op(collection=COLLECTION, key="k", kind=OpKind.PUT, value=b"v" * (size - 1), observed=())
    writer.submit(Write(request_id=1, op=op, replicated=replicated), out)


def write(writer: Writer, now: int, *, replicated: bool = False) -> Outbox:
    out = Outbox()
    submit(writer, out, replicated=replicated)
    writer.flush_all(now, out)
    return out


@pytest.mark.parametrize(("size", "later", "waiting"), [(399, 0, 1), (400, 0, 0), (1, 99, 1), (1, 100, 0)])
def test_after_a_batch_a_write_waits_until_the_next_is_full_or_due(size: int, later: int, waiting: int) -> None:
    town = Town("alpha", config=NodeConfig(flush_bytes=400, flush_interval=100))
    writer, out = writer_of(town), Outbox()
    submit(writer, out)
    writer.flush(town.world.now, out)
    assert writer.pending == 0, "the first leaves at once"
    submit(writer, out, size=size)
    writer.flush(town.world.now + later, out)
    assert writer.pending == waiting


@pytest.mark.parametrize(
    ("after", "published"),
    [
        pytest.param([0], [1], id="the first"),
        pytest.param([0, PAUSE - 1], [1, 0], id="too soon after another"),
        pytest.param([0, PAUSE], [1, 1], id="a pause later"),
        pytest.param([0, PAUSE - 1, PAUSE, 2 * PAUSE - 1, 2 * PAUSE], [1, 0, 1, 0, 1], id="pauses are between two"),
    ],
)
def test_gossip_pauses(after: list[int], published: list[int]) -> None:
    town = Town("alpha")
    writer = writer_of(town)
    sent = [write(writer, town.world.now + later).effects for later in after]
    assert [sum(isinstance(effect, Publish) for effect in effects) for effects in sent] == published


def test_a_replicated_write_waits_to_the_end_of_its_time() -> None:
    town = Town("alpha", "beta")
    writer, now = writer_of(town), town.world.now
    assert not any(isinstance(effect, Reply) for effect in write(writer, now, replicated=True).effects)
    out = Outbox()
    for later in (0, PATIENCE // 2, PATIENCE - 1):
        writer.tick(now + later, out)
        assert out.effects == []
    writer.tick(now + PATIENCE, out)
    (answer,) = out.effects
    assert isinstance(answer, Reply)
    assert isinstance(answer.outcome, Failure)
    assert answer.outcome.kind is FailureKind.NO_QUORUM
    writer.tick(now + 2 * PATIENCE, out)
    assert len(out.effects) == 1
