"""Two blocks certified at one height: more lie than the rules can bear. It is noticed, and said to people."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from consensus.blocks import MAX_BLOCK, Block, Core, block_hash, sign_core
from mesh.protocol.commands import GetStatus
from mesh.protocol.effects import Effect, Send, Trace
from mesh.protocol.events import MessageReceived
from mesh.protocol.messages import BlockRecord, ChainBlocks, ChainRequest, Heartbeat
from mesh.protocol.trace import TraceKind
from tests.support.governed import propose, result, town_of
from tests.support.small_swarms import Town
from wire import cbor, cose
from wire.frame import pack_message, unpack_message
from wire.ids import sha256
from wire.types import Channel, ContentType, MessageType

OTHER = sha256(b"another block")


@pytest.fixture(scope="module")
def town() -> Town:
    town = town_of(3)
    result(propose(town, "alpha"))
    return town


def hears(town: Town, kind: MessageType, body: bytes) -> list[Effect]:
    """Beta says something to alpha."""
    event = MessageReceived(peer=town["beta"].peer, channel=Channel.MESH, message=pack_message(kind, body))
    return town.node("alpha").handle(event, town.world.now)


def beat(town: Town, chain_head: bytes | None, below: int = 0) -> bytes:
    """A heartbeat of beta, newer than all before, that names a block."""
    context = town.node("beta").context
    body = Heartbeat(
        federation=context.federation,
        epoch=context.chain.epoch,
        swarm=context.me.swarm,
        term=context.me.term,
        incarnation=0,
        seq=0,
        hlc=next(_STAMPS),
        height=context.chain.height - below,
        view=0,
        head=bytes(32),
        state_root=bytes(32),
        load_permille=0,
        chain_head=chain_head,
    )
    return cose.seal(ContentType.HEARTBEAT, cbor.encode_struct(body), context.me.queen_key, context.federation)


_STAMPS = iter(range(1 << 60, (1 << 60) + 100))


@pytest.mark.parametrize(
    ("chain_head", "below", "asked"),
    [
        pytest.param(OTHER, 0, True, id="another at our height"),
        pytest.param(OTHER, 1, True, id="another further down"),
        pytest.param(OTHER, -1, False, id="further than we are: it is asked for anyway"),
        pytest.param(None, 0, False, id="an older version says nothing"),
        pytest.param(b"own", 0, False, id="ours"),
    ],
)
def test_who_names_another_block_is_asked_for_it(
    town: Town, chain_head: bytes | None, below: int, asked: bool
) -> None:
    chain = town.node("alpha").context.chain
    named = chain.head_hash if chain_head == b"own" else chain_head
    sent = [
        unpack_message(effect.message)
        for effect in _sent(hears(town, MessageType.HEARTBEAT, beat(town, named, below)))
    ]
    wanted = [cbor.decode_as(body, ChainRequest) for code, body in sent if code == MessageType.CHAIN_REQUEST]
    assert wanted == ([ChainRequest(chain.height - below)] if asked else [])


def _sent(effects: list[Effect]) -> list[Send]:
    return [effect for effect in effects if isinstance(effect, Send)]


def test_a_second_certified_block_is_said_to_people_once_and_nobody_is_blamed_for_showing_it(town: Town) -> None:
    node = town.node("alpha")
    chain = node.context.chain
    held = cbor.decode_as(chain.blocks(chain.height, 0)[0][0], Block, MAX_BLOCK)
    raw = cbor.encode_struct(replace(held, time_ms=held.time_ms + 1))
    core = Core(node.context.federation, held.epoch, 0, held.height, block_hash(raw))
    keys = {other.context.me.swarm: other.context.me.queen_key for other in town.nodes()}
    signed = {swarm: sign_core(core, key, ContentType.COMMIT) for swarm, key in keys.items()}
    record = BlockRecord(block=raw, certificate=chain.validators().certify(core, signed))
    blocks = cbor.encode_struct(ChainBlocks(height=held.height, blocks=(record,)))
    traces = [
        effect.record
        for _ in range(2)
        for effect in hears(town, MessageType.CHAIN_BLOCKS, blocks)
        if isinstance(effect, Trace)
    ]
    assert [(one.kind, one.fields["height"], one.fields["shown_by"]) for one in traces] == [
        (TraceKind.CHAIN_FORKED, held.height, "beta")
    ]
    assert chain.head_hash != block_hash(raw)
    status = result(town.world.ask(town["alpha"], GetStatus()))
    assert f"two blocks are certified at height {held.height}" in str(status["warnings"])
