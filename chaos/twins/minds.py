"""What a replica may have in mind: every state that one process can come to, each made once and known by a number.

    minds = Minds(council)
    mind, letters = minds.react(process, mind, inputs, now)

A replica is deterministic: what it becomes, and says, follows from its state and from what it hears. So each reaction
is worked out once, on a copy of the replica, and looked up from then on; a whole council is then five numbers and the
letters between them. Two minds of a process are one where all that they hold is the same to the last bit, but for the
certificates of decided blocks, of which any will do.

Every reaction is judged as it is worked out (`chaos.twins.judging`).
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from typing import Any

from chaos.twins.council import Council
from chaos.twins.judging import Judge
from consensus.bft.effects import Decided, Effect, Fetch, Say, Serve, Store
from consensus.bft.replica import Replica
from consensus.chain import Chain
from wire.errors import RemoteError
from wire.ids import Digest, SwarmId
from wire.time import Instant
from wire.types import MessageType

_MOST_BYTES = 1 << 20  # of blocks in one letter


@dataclass(frozen=True, slots=True)
class Word:
    """A message of the protocol."""

    kind: MessageType
    body: bytes


@dataclass(frozen=True, slots=True)
class Ask:
    """Whoever sends this lacks blocks from a height on."""

    height: int


@dataclass(frozen=True, slots=True)
class Blocks:
    """Decided blocks, each with its certificate."""

    blocks: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Submit:
    """A transaction, from whoever uses this process."""

    tx: bytes


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Meet:
    """All links are made anew."""


Content = Word | Ask | Blocks | Submit | Tick | Meet
Letter = tuple[int, int, int]  # from which process, to which, content by number
Input = tuple[int, int]  # from which process, content by number


@dataclass(frozen=True, slots=True)
class Mind:
    """One state of one process."""

    process: int
    raw: bytes
    chain: Chain
    said: tuple[tuple[object, bytes], ...]

    @property
    def head(self) -> Digest:
        return self.chain.head_hash


class _Saver(pickle.Pickler):
    """Leaves out what is known by another name: the chain and what it is made of, keys, the verifier."""

    def __init__(self, file: io.BytesIO, shared: dict[str, object]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._names = {id(thing): name for name, thing in shared.items()}

    def persistent_id(self, thing: object) -> str | None:
        return self._names.get(id(thing))


class _Loader(pickle.Unpickler):
    """Puts it back."""

    def __init__(self, raw: bytes, shared: dict[str, object]) -> None:
        super().__init__(io.BytesIO(raw))
        self._shared = shared

    def persistent_load(self, name: Any) -> object:
        return self._shared[name]


class Minds:
    """All that the processes of a council were ever found to have in mind."""

    def __init__(self, council: Council) -> None:
        self.council = council
        self.judge = Judge(council)
        self.known: list[Mind] = []
        self.reactions = 0
        self._numbers: dict[tuple[int, bytes, Digest], int] = {}
        self._contents: list[Content] = []
        self._content_numbers: dict[Content, int] = {}
        self._memo: dict[tuple[int, tuple[Input, ...], Instant], tuple[int, tuple[Letter, ...]]] = {}

    def begin(self, process: int) -> int:
        """The mind of a process that has just started."""
        return self._number(process, *self.council.replica(process), ())

    def content(self, content: Content) -> int:
        """Its number."""
        number = self._content_numbers.setdefault(content, len(self._contents))
        if number == len(self._contents):
            self._contents.append(content)
        return number

    def react(self, mind: int, inputs: tuple[Input, ...], now: Instant) -> tuple[int, tuple[Letter, ...]]:
        """What a process comes to when it hears all of `inputs`, and what it says. Raises Broken."""
        key = mind, inputs, now
        known = self._memo.get(key)
        if known is None:
            known = self._memo[key] = self._work_out(self.known[mind], inputs, now)
        return known

    def _work_out(self, mind: Mind, inputs: tuple[Input, ...], now: Instant) -> tuple[int, tuple[Letter, ...]]:
        self.reactions += 1
        chain = self.council.copy_of(mind.chain)
        replica = self._load(mind, chain)
        said = dict(mind.said)
        letters: dict[Letter, None] = {}
        for source, number in inputs:
            for content, to in self._hear(mind.process, replica, chain, source, self._contents[number], now, said):
                for target in self.council.processes_of(to):
                    if target != mind.process:
                        letters[mind.process, target, self.content(content)] = None
        return self._number(mind.process, replica, chain, tuple(said.items())), tuple(letters)

    # one replica

    def _hear(
        self,
        process: int,
        replica: Replica,
        chain: Chain,
        source: int,
        content: Content,
        now: Instant,
        said: dict[object, bytes],
    ) -> list[tuple[Content, SwarmId | None]]:
        """Let a replica hear one thing; what it wants to be sent, and to whom (None: to all)."""
        wall_ms = self.council.wall_ms(now)
        sender = self.council.swarm(source)
        effects: list[Effect] = []
        match content:
            case Word(kind, body):
                effects = replica.receive(sender, kind, body, now, wall_ms)
            case Ask(height):
                return [(_blocks(chain, height), sender)]
            case Blocks(blocks):
                taken = [_appended(chain, block, certificate) for block, certificate in blocks]
                if any(taken):
                    effects = replica.chain_grew(now, wall_ms)
            case Submit(tx):
                effects = replica.submit(tx, now, wall_ms)
            case Tick():
                effects = replica.tick(now, wall_ms)
            case Meet():
                effects = [effect for swarm in self.council.others(process) for effect in replica.met(swarm)]
        return self._said(process, chain, effects, said)

    def _said(
        self, process: int, chain: Chain, effects: list[Effect], said: dict[object, bytes]
    ) -> list[tuple[Content, SwarmId | None]]:
        sent: list[tuple[Content, SwarmId | None]] = []
        for effect in effects:
            match effect:
                case Say(message=kind, body=body, to=to):
                    self.judge.said(process, kind, body, said)
                    sent.append((Word(kind, body), to))
                case Fetch(swarm=swarm):
                    sent.append((Ask(chain.height + 1), swarm))
                case Serve(swarm=swarm, from_height=height):
                    sent.append((_blocks(chain, height), swarm))
                case Store(record=record):
                    self.judge.kept(process, record)
                case Decided(certificate=certificate):
                    self.judge.decided(process, certificate)
                case _:
                    self.judge.noted(process, effect)
        return sent

    # minds

    def _number(self, process: int, replica: Replica, chain: Chain, said: tuple[tuple[object, bytes], ...]) -> int:
        file = io.BytesIO()
        _Saver(file, self._shared(process, chain)).dump((replica, said))
        key = process, file.getvalue(), chain.head_hash
        number = self._numbers.setdefault(key, len(self.known))
        if number == len(self.known):
            self.known.append(Mind(process, key[1], chain, said))
        return number

    def _load(self, mind: Mind, chain: Chain) -> Replica:
        replica, _ = _Loader(mind.raw, self._shared(mind.process, chain)).load()
        assert isinstance(replica, Replica), "a mind is a replica, and what it said"
        return replica

    def _shared(self, process: int, chain: Chain) -> dict[str, object]:
        """What a mind holds that its number does not have to tell: it follows from the process and the chain."""
        return {
            "chain": chain,
            "genesis": chain.genesis,
            "state": chain.state,
            "membership": chain.state.membership,
            "standing": chain.state.standing,
            "voters": chain.validators(),
            "key": self.council.key(process),
            "verify": self.council.verify,
        }


def _blocks(chain: Chain, height: int) -> Blocks:
    return Blocks(tuple(chain.blocks(height, _MOST_BYTES)))


def _appended(chain: Chain, block: bytes, certificate: bytes) -> bool:
    """It was the next block; one that is known, or may not be, is left alone, as a node leaves it."""
    try:
        return chain.append(block, certificate)
    except RemoteError:
        return False
