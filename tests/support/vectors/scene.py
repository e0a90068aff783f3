"""One small scene for vectors: the federation of the worked examples, a log of three batches, a fork of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from consensus.chain import Chain
from consensus.genesis import Genesis, parse_genesis
from consensus.tickets import Ticket, parse_ticket
from crdt import batch, fork
from crdt.ops import Author, Op, OpKind
from crdt.replica import Replica
from tests.support.protocol_examples import CREATED_MS, EXAMPLES, QUEEN, ROOT
from wire.ids import swarm_id_of
from wire.time import hlc_of

SWARM = swarm_id_of(ROOT.public)
AUTHOR = Author(SWARM, 1)
STAMP = hlc_of(CREATED_MS + 3_000)

BATCHES: Sequence[Sequence[Op]] = [
    [
        Op(collection="memory", key="plan", kind=OpKind.PUT, value=b'{"goal": "ship"}', observed=()),
        Op(collection="skills", key="languages", kind=OpKind.ADD, value=b"python", observed=()),
    ],
    [
        Op(collection="memory", key="plan", kind=OpKind.PUT, value=b'{"goal": "rest"}', observed=()),
        Op(collection="memory", key="größe", kind=OpKind.PUT, value=b"1", observed=()),
    ],
    [
        Op(collection="memory", key="plan", kind=OpKind.DEL, value=None, observed=()),
        Op(collection="skills", key="languages", kind=OpKind.RM, value=b"python", observed=()),
    ],
]


def raw(example: str, name: str) -> bytes:
    """The bytes of that name in a worked example."""
    value = EXAMPLES[example]()[name]
    assert isinstance(value, bytes)
    return value


@cache
def genesis() -> Genesis:
    """The genesis of the examples."""
    return parse_genesis(raw("genesis", "genesis"))


@cache
def ticket() -> Ticket:
    """The ticket of the examples."""
    return parse_ticket(str(EXAMPLES["ticket"]()["ticket"]))


@cache
def written() -> tuple[Replica, tuple[batch.Batch, ...]]:
    """The log of the batches above, and the batches."""
    replica = Replica(genesis().federation_id, Chain.from_genesis(genesis().raw))
    sealed = [replica.compose(AUTHOR, ops, STAMP + at, QUEEN) for at, ops in enumerate(BATCHES)]
    return replica, tuple(batch.parse(one) for one in sealed)


@cache
def fork_proof() -> fork.ForkProof:
    """The first batch, and another that the same author signed for its place."""
    replica = Replica(genesis().federation_id, Chain.from_genesis(genesis().raw))
    other = Op(collection="memory", key="plan", kind=OpKind.PUT, value=b'{"goal": "lie"}', observed=())
    second = batch.parse(replica.compose(AUTHOR, [other], STAMP, QUEEN))
    first = written()[1][0]
    return fork.parse(fork.build(first.signed.envelope.raw, second.signed.envelope.raw))
