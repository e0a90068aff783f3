"""A host of the world: a machine with an address, a disk and clocks, on which a home's process may run."""

from __future__ import annotations

from dataclasses import dataclass, field

from chaos.actions import Left
from chaos.clocks import Clocks
from chaos.colony import Home
from chaos.disk import SimulatedDisk
from chaos.process import Process
from mesh.protocol.commands import Outcome
from wire.ids import PeerId


@dataclass(eq=False, slots=True)
class Host:
    """`process` is None while nothing runs; `image` is the disk at the last start, for a rollback."""

    name: str
    home: Home
    address: str
    disk: SimulatedDisk
    clocks: Clocks = field(default_factory=Clocks)
    process: Process | None = None
    boots: int = 0
    height: int = 0  # of its chain, as its last step left it
    lag: int = 0  # microseconds by which every event is handled late
    leaves: Left = Left.KILL  # what the next crash takes along
    robbed: bool = False  # its disk was lost or taken back: what it signed may be forgotten
    rotten: bool = False  # bits on its disk were flipped: the only copy of something may be lost
    byzantine: bool = False  # a liar, or a twin: nobody expects anything of it
    image: dict[str, bytes] = field(default_factory=dict)
    asked: dict[int, str] = field(default_factory=dict)
    replies: dict[int, Outcome] = field(default_factory=dict)
    peer: PeerId = field(init=False)  # the home's: asked for with every message

    def __post_init__(self) -> None:
        self.peer = self.home.peer

    @property
    def honest(self) -> bool:
        """Nothing that it signed is contradicted by itself."""
        return not self.byzantine and not self.robbed
