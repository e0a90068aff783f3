"""How writes that wait become batches: by number and by bytes."""

from __future__ import annotations

import pytest

from crdt.ops import Op, OpKind
from mesh.protocol.commands import Success
from mesh.protocol.config import NodeConfig
from mesh.protocol.effects import Persist, Reply
from mesh.protocol.memory import COLLECTION
from mesh.protocol.outbox import Outbox
from mesh.protocol.writer import Write, Writer
from tests.support.small_swarms import Town

KEY = "k%05d"  # 6 bytes


@pytest.mark.parametrize(
    ("sizes", "config", "batches"),
    [
        pytest.param([10] * 8, NodeConfig(), 1, id="together"),
        pytest.param([10] * 8, NodeConfig(flush_ops=3), 3, id="by number"),
        pytest.param([94] * 8, NodeConfig(flush_bytes=400), 2, id="by bytes of keys and values"),
        pytest.param([95] * 8, NodeConfig(flush_bytes=400), 3, id="one byte more"),
        pytest.param([500] * 3, NodeConfig(flush_bytes=400), 3, id="each over the bound by itself"),
        pytest.param([94, 94, 94, 300], NodeConfig(flush_bytes=400), 2, id="a large one behind small ones"),
    ],
)
def test_writes_that_wait_are_written_in_batches(sizes: list[int], config: NodeConfig, batches: int) -> None:
    town = Town("alpha", config=config)
    town.form()
    writer, out = Writer(town.node("alpha").context, town.node("alpha").fence), Outbox()
    for number, size in enumerate(sizes):
        op = Op(collection=COLLECTION, key=KEY % number, kind=OpKind.PUT, value=b"v" * size, observed=())
        writer.submit(Write(request_id=number, op=op, replicated=False), out)
    writer.flush_all(town.world.now, out)
    assert [type(effect.outcome) for effect in out.effects if isinstance(effect, Reply)] == [Success] * len(sizes)
    assert sum(isinstance(effect, Persist) for effect in out.effects) == batches
