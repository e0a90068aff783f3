"""What must hold of each step of a council, worked out anew: nothing here asks the code that it judges.

| | it holds that |
|---|---|
| `agreement` | of any two honest chains one is the beginning of the other |
| `one-vote` | no honest process says two things in one place |
| `certified` | what decides, and what a COMMIT rests on, is signed by more than two thirds of the queens |
| `honour` | no honest process blames or convicts another |
| `prompt` | once everyone hears everyone, something is decided |
"""

from __future__ import annotations

from collections.abc import Iterable

from chaos.checkers.statements import core_in, read
from chaos.ledger import quorum
from chaos.twins.council import Council
from consensus.bft.effects import Blame, Convict, Effect
from consensus.bft.messages import CONTENT, Phase
from consensus.bft.safety import MAX_RECORD, Record
from consensus.blocks import open_certificate
from consensus.chain import Chain
from wire import cbor
from wire.errors import RemoteError
from wire.types import MessageType


class Broken(Exception):
    """An invariant broke."""

    def __init__(self, checker: str, what: str) -> None:
        super().__init__(f"{checker}: {what}")
        self.checker = checker
        self.what = what


class Judge:
    """Judges what honest processes of one council say, keep and hold."""

    def __init__(self, council: Council) -> None:
        self._council = council
        self._voters = council.founded.validators()
        self._keys = [voter.key for voter in self._voters.validators]
        self._least = quorum(self._voters)

    def said(self, process: int, kind: MessageType, body: bytes, said: dict[object, bytes]) -> None:
        """A process says this; `said` holds what it said before, by place."""
        statement = read(kind, body)
        me = self._council.homes[process]
        if statement.voter not in (None, me.swarm) or statement.key not in (None, me.queen.public):
            return
        if said.setdefault(statement.slot, body) != body and self._council.honest(process):
            where = f"{kind.name} in view {statement.view}"
            raise Broken("one-vote", f"{self._name(process)} says two things as {where}")

    def kept(self, process: int, raw: bytes) -> None:
        """A process makes this durable."""
        record = cbor.decode_as(raw, Record, MAX_RECORD)
        if record.message == MessageType.COMMIT:
            self._certified(process, record.certificate or b"", Phase.PREPARE)

    def decided(self, process: int, certificate: bytes) -> None:
        """A process decides a block with this certificate."""
        self._certified(process, certificate, Phase.COMMIT)

    def noted(self, process: int, effect: Effect) -> None:
        """What else a process does."""
        if self._council.honest(process) and isinstance(effect, Blame | Convict):
            accused = self._council.processes_of(effect.swarm)
            if len(accused) == 1:
                why = effect.error.detail if isinstance(effect, Blame) else "it contradicted itself"
                raise Broken("honour", f"{self._name(process)} blames {self._name(accused[0])}: {why}")

    def agree(self, chains: Iterable[Chain]) -> None:
        """Honest chains."""
        longest: list[bytes] = []
        for chain in chains:
            blocks = [block for block, _ in chain.all_blocks()]
            shared = min(len(blocks), len(longest))
            if blocks[:shared] != longest[:shared]:
                raise Broken("agreement", "two honest queens decide two blocks at one height")
            longest = max(blocks, longest, key=len)

    def _certified(self, process: int, certificate: bytes, phase: Phase) -> None:
        if not self._council.honest(process):
            return
        try:
            _, signers = open_certificate(
                certificate, self._keys, self._council.federation, self._council.verify, CONTENT[phase]
            )
        except RemoteError as error:
            raise Broken("certified", f"{self._name(process)} believes {phase.name}: {error.detail}") from None
        weight = sum(self._voters.validators[place].weight for place in signers)
        if weight < self._least:
            height = core_in(certificate).height
            what = f"{phase.name} at height {height} on {weight} of {self._voters.total}"
            raise Broken("certified", f"{self._name(process)} believes {what}, and {self._least} decide")

    def _name(self, process: int) -> str:
        return f"queen {process}"
