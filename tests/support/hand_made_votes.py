"""Hand-made traces of a federation of four that governs itself: blocks, votes, certificates, chains on paper.

    Chamber(OneVote).play(Says("s1", PREPARE_A), Says("s1", PREPARE_B))

Statements are made by the real rules of signing, one instance for each mind that a queen may have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from chaos.checkers import Checker
from chaos.host import Host
from chaos.scenario import Scenario
from chaos.world import World
from consensus.bft.messages import CONTENT, Phase
from consensus.bft.safety import SafetyRules, Signed
from consensus.blocks import (
    BallotTx,
    Core,
    ProposalTx,
    block_hash,
    decode_tx,
    encode_tx,
    make_certificate,
    sign_core,
)
from consensus.genesis import Params
from consensus.governance.actions import check_details, encode_details
from consensus.governance.proposals import (
    BallotBody,
    Choice,
    ProposalBody,
    Subject,
    peek_proposal,
    seal_ballot,
    seal_proposal,
)
from consensus.governance.standing import Standing
from mesh.protocol.effects import RecordKind, Send
from tests.support.hand_made import Happening, Persists, Releases, Stage
from wire.frame import pack_message
from wire.ids import Digest, sha256
from wire.types import Channel, ContentType, MessageType

SWARMS = 4
SCENARIO = Scenario(seed=1, swarms=SWARMS, govern=True)
_COLONY = World(SCENARIO).colony
HOMES = {home.name: home for home in _COLONY.homes}
CHAIN = _COLONY.verified
FEDERATION = _COLONY.federation
HEIGHT, EPOCH = CHAIN.height + 1, CHAIN.epoch
NOW_MS = CHAIN.time_ms + 1_000
VOTERS = CHAIN.validators()
PEER = HOMES["s2"].peer


class Paper:
    """A chain that is just what is written there: `pages` from the first height on."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.pages: list[tuple[bytes, bytes]] = list(CHAIN.all_blocks())
        self.governed = True
        self.standing = Standing(params=Params(), governed=True)
        self.states: list[Any] = []
        self.first = 1

    @property
    def height(self) -> int:
        return len(self.pages)

    @property
    def head_hash(self) -> Digest:
        return block_hash(self.pages[-1][0])

    @property
    def state_hash(self) -> Digest:
        return self._stage.world.ledger.chain.state_hash

    def blocks(self, from_height: int, _: int) -> list[tuple[bytes, bytes]]:
        return self.pages[from_height - 1 :][:1]

    def tail(self, from_height: int) -> list[tuple[bytes, bytes]]:
        return self.pages[from_height - 1 :]

    def members(self) -> list[Any]:
        return self.states

    def validators(self) -> Any:
        return VOTERS


class Chamber(Stage):
    """A stage whose actors hold chains on paper."""

    def __init__(self, checker: type[Checker]) -> None:
        super().__init__(checker, SCENARIO)

    def boot(self, host: Host) -> None:
        super().boot(host)
        self.actors[host.name].chain = Paper(self)


# blocks and certificates


def proposal(number: int, deadline_ms: int = NOW_MS + 60_000, proposer: str = "s1") -> tuple[bytes, bytes]:
    """(id, transaction) of a proposal."""
    details = check_details(
        Subject.PRIORITY_CHANGE, "set_priority", {"kind": "task", "target": f"t{number}", "priority": "high"}
    )
    id_ = sha256(b"proposal %d" % number)[:16]
    body = ProposalBody(
        federation=FEDERATION,
        proposal=id_,
        proposer=HOMES[proposer].swarm,
        term=1,
        subject=Subject.PRIORITY_CHANGE,
        action="set_priority",
        details=encode_details(details),
        created_ms=NOW_MS,
        deadline_ms=deadline_ms,
    )
    return id_, encode_tx(ProposalTx(seal_proposal(body, HOMES[proposer].queen)))


def ballot(tx: bytes, voter: str, choice: Choice = Choice.APPROVE, weight: int = 1) -> bytes:
    """A ballot on the proposal in a transaction."""
    body = decode_tx(tx)
    assert isinstance(body, ProposalTx)
    asked = peek_proposal(body.proposal)
    cast = BallotBody(FEDERATION, asked.proposal, sha256(body.proposal), HOMES[voter].swarm, 1, choice, weight, "")
    return encode_tx(BallotTx(seal_ballot(cast, HOMES[voter].queen)))


def block(*txs: bytes, time_ms: int = NOW_MS) -> bytes:
    """The next block after the founding."""
    return CHAIN.draft(txs, time_ms).block


def core(raw: bytes, view: int = 0, epoch: int = EPOCH) -> Core:
    return Core(FEDERATION, epoch, view, HEIGHT, block_hash(raw))


def certificate(voted: Core, *signers: str, phase: Phase = Phase.COMMIT) -> bytes:
    """By these, however few."""
    places = sorted((VOTERS.position(HOMES[name].swarm) or 0, name) for name in signers)
    content: ContentType = CONTENT[phase]
    signed = [sign_core(voted, HOMES[name].queen, content) for _, name in places]
    return make_certificate(voted, [place for place, _ in places], signed, SWARMS)


def mind(name: str) -> SafetyRules:
    """A queen's conscience, which knows of nothing that it signed before."""
    rules = SafetyRules(HOMES[name].queen, FEDERATION, HOMES[name].swarm)
    rules.begin_epoch(EPOCH)
    return rules


# what may happen


@dataclass(frozen=True, slots=True)
class Keeps:
    """A queen's statement becomes durable."""

    host: str
    signed: Signed

    def shown(self, stage: Stage) -> Iterator[str]:
        assert self.signed.record is not None, "it was signed for the first time"
        return Persists(self.host, self.signed.record, RecordKind.VOTE).shown(stage)


@dataclass(frozen=True, slots=True)
class Says:
    """A queen's statement leaves."""

    host: str
    signed: Signed

    def shown(self, stage: Stage) -> Iterator[str]:
        return sent(self.host, self.signed.message, self.signed.body).shown(stage)


@dataclass(frozen=True, slots=True)
class Holds:
    """A host holds one more block."""

    host: str
    raw: bytes
    proof: bytes
    state: dict[str, object] = field(default_factory=dict)

    def shown(self, stage: Stage) -> Iterator[str]:
        chain = stage.actors[self.host].chain
        chain.pages.append((self.raw, self.proof))
        for name, value in self.state.items():
            setattr(chain, name, value)
        return stage.checker.grew(stage.world, stage.process(self.host))


def sent(host: str, kind: MessageType, body: bytes) -> Happening:
    return Releases(host, Send(peer=PEER, channel=Channel.PRIORITY, message=pack_message(kind, body)))


def member(name: str, state: object) -> object:
    return SimpleNamespace(name=name, swarm=HOMES[name].swarm, state=state)
