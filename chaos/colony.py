"""The swarms of a world: keys from the seed, a federation that they founded, and how a home becomes a machine.

Homes are what `zenmesh init`, `federation create` and `join` leave behind: keys, a genesis, a certificate. A founded
federation has every swarm admitted and promoted on its chain already, as if they had met before; scenarios begin
with the start of their nodes. Where the queens govern, its creator handed over at once, and they let all others in,
one after another, each block certified by those who had a vote by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from chaos.clocks import WALL_START_MS
from chaos.scenario import spares_of
from consensus.blocks import GovernTx, block_hash, encode_tx, join_tx, promote_tx, sign_core
from consensus.certificates import YEAR_MS, Backup, make_member_cert
from consensus.chain import Chain
from consensus.genesis import Params, make_genesis
from mesh.protocol.compaction import CHAIN_FILE
from mesh.protocol.config import ProfileName
from mesh.protocol.context import Identity
from mesh.protocol.effects import RecordKind
from mesh.protocol.messages import BlockRecord
from mesh.storage.journal import Record
from mesh.storage.store import Recovered
from wire import cbor
from wire.ids import FederationId, PeerId, SwarmId, peer_id_of, swarm_id_of
from wire.keys import SigningKey, Verify
from wire.rng import Rng

PROJECT = "chaos"
TERM = 1
_FOUNDED_MS = WALL_START_MS - 3_600_000


@dataclass(frozen=True)
class Home:
    """One swarm: its keys and its certificate. Two hosts with one home are twins."""

    name: str
    root: SigningKey
    node: SigningKey
    queen: SigningKey
    certificate: bytes
    term: int = TERM  # 0: a backup's, in no term yet
    owner: str = ""  # whose swarm it is, if not that of its own name

    @cached_property
    def swarm(self) -> SwarmId:
        return swarm_id_of(self.root.public)

    @cached_property
    def peer(self) -> PeerId:
        return peer_id_of(self.node.public)

    def identity(self, boot_nonce: bytes) -> Identity:
        """Who a process on this home is."""
        return Identity(
            swarm=self.swarm,
            name=self.owner or self.name,
            project=PROJECT,
            peer=self.peer,
            term=self.term,
            queen_key=self.queen,
            certificate=self.certificate,
            boot_nonce=boot_nonce,
        )


@dataclass(frozen=True, slots=True)
class Colony:
    """A founded federation: what every member holds on its disk when a scenario begins."""

    genesis: bytes
    federation: FederationId
    homes: tuple[Home, ...]
    chain: tuple[Record, ...]
    verified: Chain  # what these records lead to; every node grows its own copy

    def chain_of(self, found: Recovered) -> Chain | None:
        """The chain of a disk with exactly these blocks; None for another, which its node has to verify."""
        blocks = tuple(record for record in found.records if record.kind == RecordKind.BLOCK)
        return self.verified if blocks == self.chain and CHAIN_FILE not in found.snapshots else None


def found(
    names: Sequence[str],
    profile: ProfileName,
    rng: Rng,
    verify: Verify,
    *,
    by_queens: bool = False,
    late: Sequence[str] = (),
    backups: Sequence[str] = (),
    expire_s: Sequence[tuple[str, int]] = (),
) -> Colony:
    """Keys for all, a genesis by the first, and blocks that let everyone in who is not `late`; the queens of
    `backups` have one for each time that they are named; certificates hold for a year, or for `expire_s` seconds from
    the start."""
    spares = spares_of(backups)
    ends = {name: WALL_START_MS + seconds * 1_000 for name, seconds in expire_s}
    creator = _home(names[0], None, rng, spares.get(names[0], ()), ends.get(names[0]))
    params = Params(admission="open", profile=profile.value)
    genesis = make_genesis("chaos", params, creator.certificate, _FOUNDED_MS, creator.root)
    chain = Chain.from_genesis(genesis, verify)
    others = (_home(name, chain.federation_id, rng, spares.get(name, ()), ends.get(name)) for name in names[1:])
    homes = (creator, *others)
    (_by_queens if by_queens else _by_creator)(chain, homes, [home for home in homes[1:] if home.name not in late])
    records = [BlockRecord(block=block, certificate=certificate) for block, certificate in chain.all_blocks()]
    on_disk = tuple(Record(RecordKind.BLOCK, cbor.encode_struct(record)) for record in records)
    seconds = tuple(_spare(spare, home, rng) for home in homes for spare in spares.get(home.name, ()))
    return Colony(genesis, chain.federation_id, (*homes, *seconds), on_disk, chain)


def _by_creator(chain: Chain, homes: Sequence[Home], others: Sequence[Home]) -> None:
    """A block with all admissions and one with all promotions."""
    for make in (_admission, _promotion) if others else ():
        txs = [make(chain, home) for home in others]
        chain.append(*chain.propose(txs, _FOUNDED_MS + 1, homes[0].queen))


def _by_queens(chain: Chain, homes: Sequence[Home], others: Sequence[Home]) -> None:
    """The creator alone governs itself as a queen; then a block for each admission and each promotion."""
    chain.append(*chain.propose([encode_tx(GovernTx(()))], _FOUNDED_MS + 1, homes[0].queen))
    queens = {home.swarm: home.queen for home in homes}
    for home in others:
        for make in (_admission, _promotion):
            block = chain.draft([make(chain, home)], _FOUNDED_MS + 1).block
            core, voters = chain.core(block_hash(block), 0), chain.validators()
            signatures = {voter.swarm: sign_core(core, queens[voter.swarm]) for voter in voters.validators}
            chain.append(block, voters.certify(core, signatures))


def _admission(chain: Chain, home: Home) -> bytes:
    return join_tx(None, home.certificate, None, approved=not chain.governed)


def _promotion(chain: Chain, home: Home) -> bytes:
    return promote_tx(chain.federation_id, home.swarm, chain.height, chain.head_hash, home.queen)


def _spare_keys(name: str, rng: Rng) -> tuple[SigningKey, SigningKey]:
    """(node key, key as a queen) of the backup with that name."""
    node, key = (SigningKey(rng.split(f"{name}/{purpose}").bytes(32)) for purpose in ("node", "queen"))
    return node, key


def _spare(name: str, home: Home, rng: Rng) -> Home:
    node, key = _spare_keys(name, rng)
    return Home(name, home.root, node, key, b"", term=0, owner=home.name)


def _backup(name: str, rank: int, rng: Rng) -> Backup:
    node, key = _spare_keys(name, rng)
    return Backup(key.public, peer_id_of(node.public), rank, WALL_START_MS + YEAR_MS)


def _home(
    name: str, federation: FederationId | None, rng: Rng, spares: Sequence[str], ends_ms: int | None = None
) -> Home:
    keys = {purpose: SigningKey(rng.split(f"{name}/{purpose}").bytes(32)) for purpose in ("root", "node", "queen")}
    certificate = make_member_cert(
        federation=federation,
        name=name,
        project=PROJECT,
        root=keys["root"],
        term=TERM,
        queen_key=keys["queen"].public,
        peer=peer_id_of(keys["node"].public),
        not_after_ms=WALL_START_MS + YEAR_MS if ends_ms is None else ends_ms,
        backups=tuple(_backup(spare, rank, rng) for rank, spare in enumerate(spares)),
    )
    return Home(name, keys["root"], keys["node"], keys["queen"], certificate)
