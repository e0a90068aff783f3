"""Four queens of whom one lies, and what honest ones would say: what the tests of lies begin with.

council = Council()
council.says(Deceit.FALSE_LOCK, council.change(council.rules(), locked=True))
"""

from __future__ import annotations

from typing import TypeVar

from msgspec import Struct

from chaos.actions import Deceit
from chaos.deceits import Deceiver
from chaos.scenario import Scenario
from chaos.world import World
from consensus.bft.messages import CONTENT, Phase, PrePrepare, ViewChange, Vote
from consensus.bft.safety import SafetyRules, Signed
from consensus.bft.viewchange import Elections
from consensus.blocks import BallotTx, Core, block_hash, encode_tx, sign_core
from consensus.governance.proposals import BallotBody, Choice, seal_ballot
from wire import cbor, cose, keys
from wire.frame import code_of, pack_message, unpack_message
from wire.rng import Rng
from wire.types import ContentType, MessageType

StructT = TypeVar("StructT", bound=Struct)
VIEW = 1


class Council:
    """Four queens after their founding, of whom the one that leads view 1 lies; what honest ones would say."""

    def __init__(self) -> None:
        world = World(Scenario(seed=1, swarms=4, govern=True))
        self.chain = world.colony.verified
        self.voters = self.chain.validators()
        self.homes = {home.swarm: home for home in world.colony.homes}
        lead = self.voters.leader(VIEW, self.chain.height + 1)
        self.home = self.homes[lead.swarm]
        self.block = self.chain.draft([], self.chain.time_ms + 5).block
        self.fed = self.chain.federation_id
        self.liar = Deceiver(self.home.swarm, self.home.queen, self.fed, lambda: self.chain, lambda: 1_000)

    def core(self, view: int) -> Core:
        return self.chain.core(block_hash(self.block), view)

    def prepared(self, view: int) -> bytes:
        core = self.core(view)
        signed = {s: sign_core(core, home.queen, ContentType.PREPARE) for s, home in self.homes.items()}
        return self.voters.certify(core, signed)

    def rules(self, number: int = -1) -> SafetyRules:
        """Of the liar, or of another queen."""
        home = self.home if number < 0 else [h for h in self.homes.values() if h is not self.home][number]
        rules = SafetyRules(home.queen, self.fed, home.swarm)
        rules.begin_epoch(self.chain.epoch)
        return rules

    def change(self, rules: SafetyRules, locked: bool, view: int = VIEW) -> bytes:
        if locked:
            rules.commit(self.core(view - 1), self.prepared(view - 1), self.block)
        return packed(rules.view_change(view, self.chain.height, self.chain.head_hash))

    def beginning(self, locked: bool = True) -> bytes:
        """Of view 1; of the changes that it shows the liar's is locked, or none."""
        rules = self.rules()
        raws = [self.change(rules, locked), *(self.change(self.rules(number), False) for number in range(2))]
        changes = tuple(opened(raw, ViewChange).header for raw in raws)
        lock = (self.prepared(VIEW - 1), self.block) if locked else (None, None)
        return packed(rules.new_view(VIEW, changes, *lock))

    def ballot(self, choice: Choice = Choice.APPROVE) -> bytes:
        body = BallotBody(self.fed, bytes(16), bytes(32), self.home.swarm, 1, choice, 1, "")
        return pack_message(MessageType.TX_SUBMIT, encode_tx(BallotTx(seal_ballot(body, self.home.queen))))

    def says(self, lie: Deceit, message: bytes, rate: float = 1.0, times: int = 40) -> list[tuple[bytes, ...]]:
        """What is said for a message, so many times."""
        self.liar.lies = {lie: rate}
        return [tuple(self.liar.told(message, Rng(number).split)) for number in range(times)]

    def elections(self) -> Elections:
        return Elections(self.voters, self.fed, keys.verify)

    def vote(self, message: bytes) -> tuple[Core, bytes]:
        """(what is voted on, the vote as anyone can verify it)."""
        phase = {MessageType.PRE_PREPARE: Phase.PRE_PREPARE, MessageType.PREPARE: Phase.PREPARE}.get(
            MessageType(code_of(message)), Phase.COMMIT
        )
        said = opened(message, PrePrepare if phase is Phase.PRE_PREPARE else Vote)
        raw = cose.reassemble(CONTENT[phase], said.core, self.home.queen.public, said.signature).raw
        return cbor.decode_as(said.core, Core), raw


def packed(signed: Signed) -> bytes:
    """A message as it leaves."""
    return pack_message(signed.message, signed.body)


def opened(message: bytes, kind: type[StructT]) -> StructT:
    """The body of a message."""
    return cbor.decode_as(unpack_message(message)[1], kind, 4 * 1024 * 1024)
