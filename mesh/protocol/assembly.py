"""A node from what lies in its home: genesis, chain, snapshots, journal, book.

Everything read from disk is verified like anything received: a record that does not check out is left out and
counted, and anti-entropy brings it back from the members that hold it. The order matters: the chain first, because
it names the keys that signed the batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from consensus.bft import replica as consensus_replica
from consensus.bft.safety import SafetyRules
from consensus.chain import Chain
from consensus.governance.standing import unknown_rules
from consensus.tickets import Anchor
from crdt import batch
from crdt.ops import Author
from crdt.owner_log import Limits
from crdt.replica import ReceiptStatus, Replica
from crdt.snapshot import load_snapshot
from mesh.protocol.compaction import BALLOTS_FILE, CHAIN_FILE, INCARNATION_FILE, VOTES_FILE
from mesh.protocol.config import NodeConfig
from mesh.protocol.context import Context, Identity, WallReading
from mesh.protocol.dialer import BOOK_FILE, Dialer
from mesh.protocol.effects import RecordKind
from mesh.protocol.links import Links
from mesh.protocol.messages import BlockRecord, HeldRow
from mesh.protocol.node import Node
from mesh.protocol.scores import Scores
from mesh.protocol.startup import FAR_FUTURE_MS, FORGOTTEN_FILE, DiskReport, load_doubt
from mesh.protocol.verifier import MemoVerifier
from mesh.protocol.voting import Secrets
from wire import cbor, keys
from wire.errors import ConfigError, RemoteError
from wire.rng import Rng
from wire.time import Instant

_WAITING = (ReceiptStatus.GAP, ReceiptStatus.HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What the store found: journal records in order, snapshots by name, and how the last run ended."""

    records: Iterable[tuple[int, bytes]] = ()
    snapshots: Mapping[str, bytes] = field(default_factory=dict)
    clean_mark: bytes | None = None
    cut: bool = False
    torn: bool = False  # what was cut off was never durable
    damaged: bool = False


def assemble(
    *,
    config: NodeConfig,
    me: Identity,
    genesis: bytes,
    recovered: Recovered,
    limits: Limits,
    rng: Rng,
    wall_ms: int,
    now: Instant,
    secrets: Secrets,
    verify: keys.Verify = keys.verify,
    anchor: Anchor | None = None,
    verified: Chain | None = None,
) -> Node:
    """The node of `me`, as far as its disk remembers.

    Who starts many nodes on the same blocks may give the chain that they make, `verified`, instead of having each
    node verify it again.

    Raises:
        RemoteError: the genesis itself is damaged: nothing can be said without it.
        ConfigError: the federation has rules by now that this code does not know.
    """
    memo = verify if isinstance(verify, MemoVerifier) else MemoVerifier(verify)  # nodes of one world share theirs
    chain = Chain.from_genesis(genesis, memo, anchor=anchor) if verified is None else verified.copy(memo)
    skipped_blocks = _load_known(chain, config, recovered if verified is None else Recovered())
    me = me.on(chain)
    replica = Replica(chain.federation_id, chain, limits, memo)
    context = Context(
        config=config,
        me=me,
        federation=chain.federation_id,
        chain=chain,
        replica=replica,
        links=Links(config),
        dialer=Dialer(config, me.peer, rng.split("dialer")),
        scores=Scores(),
        verify=memo,
        wall=WallReading(wall_ms, now),
        rng=rng.split("node"),
        started=now,
    )
    skipped_state, beyond = _load_state(context, recovered)
    skipped = skipped_blocks + skipped_state
    context.counters["disk_records_skipped"] = skipped
    if BOOK_FILE in recovered.snapshots:
        context.dialer.load(recovered.snapshots[BOOK_FILE])
    rules = SafetyRules(me.queen_key, context.federation, me.swarm)
    votes, lost = _signed(recovered, VOTES_FILE, RecordKind.VOTE)
    skipped += lost + rules.restore(votes, chain.epoch, chain.height)
    replicated = consensus_replica.Replica(chain, me.swarm, rules, config.replica, memo)
    node = Node(context, _disk_report(recovered, skipped, own_batches(beyond, me.author)), replicated, secrets)
    for ballot in _signed(recovered, BALLOTS_FILE, RecordKind.BALLOT)[0]:
        with suppress(RemoteError):
            node.voting.restore(ballot)
    for incarnation in _signed(recovered, INCARNATION_FILE, RecordKind.INCARNATION)[0]:
        with suppress(RemoteError):
            node.detector.restore(incarnation)
    return node


def _load_known(chain: Chain, config: NodeConfig, recovered: Recovered) -> int:
    """`load_chain`, if its rules are known here; nothing is written before, for what lies beyond cannot be read."""
    chain.landmarks.spacing = config.checkpoint_every
    skipped, decided = load_chain(chain, recovered), chain.standing.protocol_version
    if rule := unknown_rules(decided, config.rules):
        raise ConfigError("protocol_version", decided, rule)
    return skipped


def _signed(recovered: Recovered, name: str, kind: RecordKind) -> tuple[list[bytes], int]:
    """(what a snapshot and then the journal hold of one kind, how much of it cannot be read)."""
    journal = [body for found, body in recovered.records if found == kind]
    try:
        saved = cbor.decode(recovered.snapshots.get(name, b"\x80"), 1 << 28)
    except RemoteError:
        return journal, 1
    return [*(saved if isinstance(saved, list) else []), *journal], 0


def load_chain(chain: Chain, recovered: Recovered) -> int:
    """Append every block on disk; the number that did not fit. A leap counts once the chain is whole behind it: the
    records of one that was cut are as if they had never come."""
    records = [body for kind, body in recovered.records if kind == RecordKind.BLOCK]
    skipped = 0
    try:
        saved = cbor.decode(recovered.snapshots.get(CHAIN_FILE, b"\x80"), 1 << 32)
        records = [*(saved if isinstance(saved, list) else []), *records]
    except RemoteError:
        skipped += 1
    ahead = chain
    for body in records:
        try:
            record = cbor.decode_as(body, BlockRecord)
            if record.state is not None and ahead is chain:
                ahead = chain.copy()
            ahead.append(record.block, record.certificate, record.state)
        except RemoteError:
            skipped += 1
        if ahead is not chain and ahead.whole:
            chain.adopt(ahead)
            ahead = chain
    return skipped


def _load_state(context: Context, recovered: Recovered) -> tuple[int, list[bytes]]:
    """Install snapshots, then replay batches and proofs: how many did not check out, and batches behind a gap.

    A journal has gaps where a record rotted, and holds what was fetched to fill one behind what lies beyond it. Where
    a block rotted, the author of a batch may not be known.
    """
    skipped = 0
    replica = context.replica
    for name, blob in sorted(recovered.snapshots.items()):
        if name.startswith("owner-"):
            try:
                load_snapshot(replica, blob)
            except RemoteError:
                skipped += 1
    replica.dirty.clear()
    beyond: list[bytes] = []
    for kind, body in recovered.records:
        try:
            if kind == RecordKind.BATCH and replica.receive(body, FAR_FUTURE_MS).status in _WAITING:
                beyond.append(body)
            elif kind == RecordKind.FORK:
                replica.receive_fork(body)
        except RemoteError:
            skipped += 1
    return skipped, [body for body in beyond if replica.receive(body, FAR_FUTURE_MS).status in _WAITING]


def own_batches(raws: Iterable[bytes], author: Author) -> dict[int, bytes]:
    """Those of `author` by their number."""
    parsed = [(batch.parse(raw).signed, raw) for raw in raws]
    return {signed.header.seq: raw for signed, raw in parsed if signed.author == author}


def _disk_report(recovered: Recovered, skipped: int, beyond: Mapping[int, bytes]) -> DiskReport:
    mark: HeldRow | None = None
    if recovered.clean_mark:
        try:
            mark = cbor.decode_as(recovered.clean_mark, HeldRow)
        except RemoteError:
            skipped += 1
    clean = recovered.clean_mark is not None and (mark is not None or not recovered.clean_mark)
    return DiskReport(
        clean_head=mark,
        clean=clean,
        cut=recovered.cut,
        torn=recovered.torn,
        damaged=recovered.damaged or skipped > 0 or bool(beyond),
        doubt=load_doubt(recovered.snapshots.get(FORGOTTEN_FILE)),
        beyond=beyond,
    )
