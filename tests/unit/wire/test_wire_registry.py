"""The registry of messages and signed statements: complete, and within what lanes and frames can carry."""

from __future__ import annotations

import re

import pytest

from wire.frame import MAX_BODY
from wire.types import BATCH_LIMIT, REGISTRY, Channel, ContentType, MessageType, Spec

STREAMS = set(Channel) - {Channel.GOSSIP}
every_type = pytest.mark.parametrize(("kind", "spec"), REGISTRY.items(), ids=[kind.name for kind in REGISTRY])

# Codes stand in what others have stored and sent: they are never given to anything else.
CODES = {
    "HELLO": 1,
    "HEARTBEAT": 2,
    "DISCOVERY": 3,
    "BATCH": 4,
    "FORK": 5,
    "PING": 6,
    "PONG": 7,
    "CHAIN_REQUEST": 8,
    "CHAIN_BLOCKS": 9,
    "JOIN_FORWARD": 10,
    "JOIN_OUTCOME": 11,
    "TX_SUBMIT": 12,
    "HELD": 13,
    "REFUSAL": 14,
    "SYNC_HELLO": 32,
    "SYNC_WANT": 33,
    "SYNC_BATCHES": 34,
    "SYNC_SNAPSHOT": 35,
    "SYNC_ENTRIES": 36,
    "SYNC_TREE_REQUEST": 37,
    "SYNC_TREE": 38,
    "SYNC_CREDIT": 39,
    "SYNC_BYE": 40,
    "SYNC_HEADER_REQUEST": 41,
    "SYNC_HEADER": 42,
    "JOIN_REQUEST": 48,
    "JOIN_RESPONSE": 49,
}


def test_every_type_has_a_row() -> None:
    assert set(REGISTRY) == set(MessageType)


@pytest.mark.parametrize(("name", "code"), CODES.items(), ids=CODES)
def test_a_code_keeps_its_meaning(name: str, code: int) -> None:
    assert MessageType(code).name == name


@every_type
def test_a_row_can_be_kept(kind: MessageType, spec: Spec) -> None:
    assert 0 < spec.limit < MAX_BODY, "a message has to fit into a frame"
    assert spec.channels
    assert len(set(spec.channels)) == len(spec.channels)
    assert spec.signer


@every_type
def test_sync_and_join_have_lanes_of_their_own(kind: MessageType, spec: Spec) -> None:
    for prefix, channel in (("SYNC_", Channel.SYNC), ("JOIN_RE", Channel.JOIN)):
        if kind.name.startswith(prefix):
            assert spec.channels == (channel,)


@every_type
def test_what_gossip_carries_can_come_directly_too(kind: MessageType, spec: Spec) -> None:
    assert Channel.GOSSIP not in spec.channels or Channel.MESH in spec.channels
    assert not (spec.stranger and Channel.GOSSIP in spec.channels), "gossip is for members"


def test_a_batch_fits_its_message() -> None:
    assert REGISTRY[MessageType.BATCH].limit == BATCH_LIMIT
    assert REGISTRY[MessageType.SYNC_BATCHES].limit > BATCH_LIMIT


@pytest.mark.parametrize("channel", sorted(STREAMS))
def test_a_lane_names_its_version(channel: Channel) -> None:
    assert re.fullmatch(r"/zenmesh/[a-z]+/1", channel)


@pytest.mark.parametrize("content", list(ContentType), ids=lambda content: content.name)
def test_a_content_type_names_its_form_and_version(content: ContentType) -> None:
    assert content == f"application/zenmesh.{content.name.lower().replace('_', '-')}+cbor;v=1"
    assert len(content) < 128
