"""S9, L7: nobody honest is ever convicted; and in the end, who was seen to contradict itself is.

On the chain, QUARANTINED is where a swarm stands that evidence was ordered against. An honest node that comes upon
two statements of one queen says so (its trace); once all is healed and a quorum is connected, the culprit has lost
its weight, or another queen has followed: nobody is convicted of what his swarm signed by the key of before. Evidence
is of use once: who was quarantined and then reinstated by the queens starts afresh.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from chaos.checkers.base import Checker
from chaos.checkers.statements import promised
from consensus.membership import MemberState
from mesh.protocol.effects import Effect, Trace
from mesh.protocol.trace import TraceKind

if TYPE_CHECKING:
    from chaos.host import Host
    from chaos.process import Process
    from chaos.world import World


class Convicted(Checker):
    """Remembers whom honest nodes have evidence against, and since when."""

    name = "convicted"
    judges = (Trace,)

    def __init__(self) -> None:
        self._evidence: dict[str, dict[str, None]] = {}  # the culprit's name to the hosts that hold it
        self._told: dict[bytes, None] = {}

    def grew(self, world: World, process: Process) -> Iterator[str]:
        if process.host.byzantine:
            return
        for member in process.node.context.chain.members():
            if member.state is not MemberState.QUARANTINED:
                continue
            self._evidence.get(member.name, {}).pop(process.host.name, None)
            if member.swarm not in self._told and promised(world):
                self._told[member.swarm] = None
                if world.owner(member.swarm).honest:
                    yield f"{member.name}, which is honest, is in quarantine"

    def releasing(self, world: World, process: Process, effect: Effect) -> Iterator[str]:
        if isinstance(effect, Trace) and effect.record.kind is TraceKind.EQUIVOCATION and process.host.honest:
            culprit = str(effect.record.fields["swarm"])
            if not _in_quarantine(process, culprit):
                self._evidence.setdefault(culprit, {})[process.host.name] = None
        return iter(())

    def ended(self, world: World, core: Sequence[Host]) -> Iterator[str]:
        names = {host.name for host in core if host.boots == 1}
        voters = world.ledger.chain.validators()
        for culprit, witnesses in self._evidence.items():
            votes = voters.by_key(world.hosts[culprit].home.queen.public)  # unless another queen followed
            if names & set(witnesses) and votes and world.quorate(core):
                yield f"{culprit} contradicted itself before {', '.join(witnesses)}, and still has a vote"


def _in_quarantine(process: Process, name: str) -> bool:
    """Where `process` stands, that swarm has lost its weight already."""
    members = process.node.context.chain.members()
    return any(member.name == name and member.state is MemberState.QUARANTINED for member in members)
