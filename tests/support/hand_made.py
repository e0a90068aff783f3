"""Hand-made traces for checkers: what hosts hold, keep, say and answer, written down instead of run.

    stage = Stage(Agreement)
    stage.play(
        Holds("s1", row("s2", 4, "one batch")),
        Holds("s3", row("s2", 4, "another")),
    )
    assert stage.said == ["s2 wrote two batches with number 4"]

Hosts, keys and batches are those of a world that nobody starts. A process on it is an `Actor`, which has just the
parts that checkers look at; each happening of a trace sets some of them and shows them to the checker.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol, cast

from chaos.checkers import Checker
from chaos.host import Host
from chaos.process import Process
from chaos.scenario import Scenario
from chaos.world import World
from crdt import batch
from crdt.batch import Head, Header
from crdt.ops import Author
from crdt.owner_log import Flag
from crdt.replica import Row
from mesh.protocol.commands import Operation
from mesh.protocol.config import PROFILES, ProfileName
from mesh.protocol.effects import Effect, Persist, RecordKind
from mesh.protocol.events import WallClock
from mesh.protocol.lifecycle import Lifecycle
from mesh.storage.store import Doubt
from wire.ids import ZERO_DIGEST, Digest, sha256

SWARMS = 3
TERM = 1
CAP = 4  # of every book of an actor whose cap is a setting


class Actor:
    """What a checker sees of a process. Nothing here does anything by itself."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.inbox: list[object] = []
        self.rows: dict[Author, Row] = {}
        self.heads: dict[Author, Head] = {}
        self.memory: dict[tuple[bytes, str], bytes] = {}
        self.root = ZERO_DIGEST
        self.chain: Any = SimpleNamespace(height=0, head_hash=sha256(b"genesis"), state_hash=sha256(b"founders"))
        self.links: list[object] = []
        self.strangers: list[object] = []
        self.contacts: list[object] = []
        self.foreign: list[object] = []
        self.samples: list[object] = []
        self.roots: list[object] = []
        self.held: list[object] = []
        self.waiting: list[object] = []
        self.beyond = 0  # the last own batch found behind a gap
        self.wall_ms = 1_000_000
        self.logs: dict[object, object] = {}
        self.lifecycle = Lifecycle.OPERATIONAL
        self.read_only = ""
        self.in_doubt = False
        self.votes: list[bytes] = []  # found on the disk
        self.ballots: list[bytes] = []
        self.opening: bytes | None = None  # the NEW_VIEW that it goes by
        self.submitted = 0
        self.patience = 1_000_000
        self.store = SimpleNamespace(doubt=Doubt.NONE)

    @property
    def node(self) -> Any:
        """The actor as a node: the paths that checkers take through one."""
        replica = SimpleNamespace(
            root=lambda: self.root,
            rows=lambda: list(self.rows.values()),
            heads=lambda: list(self.rows.values()),
            head=self.heads.get,
            get=lambda swarm, _, key: self._entry(swarm, key),
            logs=self.logs,
        )
        context = SimpleNamespace(
            replica=replica,
            chain=self.chain,
            config=SimpleNamespace(
                max_links=CAP, max_strangers=CAP, max_book=CAP, max_pending_ops=CAP, profile=PROFILES[ProfileName.LAN]
            ),
            links=_Links(self),
            dialer=SimpleNamespace(contacts=lambda: self.contacts),
            me=SimpleNamespace(
                author=Author(self.host.home.swarm, TERM), swarm=self.host.home.swarm, queen_key=self.host.home.queen
            ),
            wall_ms=lambda now: self.wall_ms,
        )
        return SimpleNamespace(
            context=context,
            greeting=SimpleNamespace(foreign=self.foreign),
            syncing=SimpleNamespace(doubts=SimpleNamespace(roots=len(self.roots))),
            announcing=SimpleNamespace(held=len(self.held)),
            writer=SimpleNamespace(pending=len(self.waiting)),
            startup=SimpleNamespace(beyond=self.beyond),
            voting=SimpleNamespace(records=lambda: self.ballots),
            deciding=SimpleNamespace(
                records=lambda: self.votes,
                submitted=self.submitted,
                replica=SimpleNamespace(patience=self.patience, opening=self.opening),
            ),
            lifecycle=self.lifecycle,
            lifecycle_reason=lambda: "it waits",
            read_only_reason=lambda now: self.read_only,
        )

    def _entry(self, swarm: bytes, key: str) -> object:
        value = self.memory.get((swarm, key))
        return None if value is None else SimpleNamespace(value=value)


class _Links:
    def __init__(self, actor: Actor) -> None:
        self._actor = actor

    def __len__(self) -> int:
        return len(self._actor.links)

    def strangers(self) -> list[object]:
        return self._actor.strangers

    def all(self) -> list[object]:
        return [SimpleNamespace(clock_offsets_ms=self._actor.samples)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of a checker: a trace that keeps it, one that breaks it, and what is said then."""

    checker: type[Checker]
    good: tuple[Happening, ...]
    bad: tuple[Happening, ...]
    said: tuple[str, ...]


class Happening(Protocol):
    """One line of a trace."""

    def shown(self, stage: Stage) -> Iterator[str]:
        """Let it be so, and show it to the checker: what that says."""
        ...


class Stage:
    """A checker before a world in which only what is played happens."""

    def __init__(self, checker: type[Checker], scenario: Scenario | None = None) -> None:
        self.checker = checker()
        self.world = World(scenario or Scenario(seed=1, swarms=SWARMS))
        self.actors: dict[str, Actor] = {}
        self.said: list[str] = []
        for host in self.world.hosts.values():
            self.boot(host)

    def boot(self, host: Host) -> None:
        """A new process, with nothing in it."""
        actor = self.actors[host.name] = Actor(host)
        host.process = cast(Process, actor)
        host.boots += 1

    def process(self, name: str) -> Process:
        return cast(Process, self.actors[name])

    def play(self, *trace: Happening) -> list[str]:
        """All of a trace, in order: what the checker has said so far."""
        for happening in trace:
            self.said += happening.shown(self)
        return self.said


# what may happen


@dataclass(frozen=True, slots=True)
class Signed:
    """A row, with the head that proves it."""

    row: Row
    head: Head | None


class Holds:
    """The replicated state of a host is another: these rows changed."""

    def __init__(self, host: str, *rows: Row | Signed) -> None:
        self.host = host
        self.rows = [one if isinstance(one, Signed) else Signed(one, None) for one in rows]

    def shown(self, stage: Stage) -> Iterator[str]:
        actor = stage.actors[self.host]
        for signed in self.rows:
            actor.rows[signed.row.author] = signed.row
            if signed.head is not None:
                actor.heads[signed.row.author] = signed.head
        return stage.checker.changed(stage.world, stage.process(self.host), [signed.row for signed in self.rows])


@dataclass(frozen=True, slots=True)
class Persists:
    """A record of a host is durable."""

    host: str
    body: bytes
    kind: RecordKind = RecordKind.BATCH

    def shown(self, stage: Stage) -> Iterator[str]:
        record = Persist(kind=self.kind, body=self.body)
        return stage.checker.persisted(stage.world, stage.process(self.host), record)


@dataclass(frozen=True, slots=True)
class Releases:
    """An effect leaves a host."""

    host: str
    effect: Effect

    def shown(self, stage: Stage) -> Iterator[str]:
        if type(self.effect) not in stage.checker.judges:
            return iter(())
        return stage.checker.releasing(stage.world, stage.process(self.host), self.effect)


@dataclass(frozen=True, slots=True)
class Asks:
    """A user asks a host."""

    host: str
    request: int
    operation: Operation

    def shown(self, stage: Stage) -> Iterator[str]:
        return stage.checker.asking(stage.world, stage.process(self.host), self.request, self.operation)


@dataclass(frozen=True, slots=True)
class Steps:
    """A host handled an event; before, `state` became of its actor's attributes, `chain` of its chain's."""

    host: str
    state: dict[str, object] = field(default_factory=dict)
    chain: dict[str, object] = field(default_factory=dict)

    def shown(self, stage: Stage) -> Iterator[str]:
        actor = stage.actors[self.host]
        for name, value in self.state.items():
            setattr(actor, name, value)
        for name, value in self.chain.items():
            setattr(actor.chain, name, value)
        process = stage.process(self.host)
        yield from stage.checker.grew(stage.world, process)
        yield from stage.checker.stepped(stage.world, process, WallClock(ms=0))


class Is:
    """A host is in a plight: `robbed`, `rotten`, `byzantine`, or has another `home`."""

    def __init__(self, host: str, **plight: object) -> None:
        self.host, self.plight = host, plight

    def shown(self, stage: Stage) -> Iterator[str]:
        for name, value in self.plight.items():
            setattr(stage.world.hosts[self.host], name, value)
        return iter(())


@dataclass(frozen=True, slots=True)
class Restarts:
    """A host has a new process."""

    host: str

    def shown(self, stage: Stage) -> Iterator[str]:
        stage.boot(stage.world.hosts[self.host])
        return iter(())


@dataclass(frozen=True, slots=True)
class Falls:
    """A host is down."""

    host: str

    def shown(self, stage: Stage) -> Iterator[str]:
        stage.world.hosts[self.host].process = None
        return iter(())


@dataclass(frozen=True, slots=True)
class Reads:
    """A host reads `value` where `owner` wrote `key`."""

    host: str
    owner: str
    key: str
    value: bytes

    def shown(self, stage: Stage) -> Iterator[str]:
        swarm = stage.world.hosts[self.owner].home.swarm
        stage.actors[self.host].memory[swarm, self.key] = self.value
        return iter(())


class Ends:
    """The liveness phase is over for a core."""

    def __init__(self, *core: str) -> None:
        self.core = core

    def shown(self, stage: Stage) -> Iterator[str]:
        return stage.checker.ended(stage.world, [stage.world.hosts[name] for name in self.core])


# what it is made of

_COLONY = World(Scenario(seed=1, swarms=SWARMS)).colony
HOMES = {home.name: home for home in _COLONY.homes}


def author(owner: str) -> Author:
    return Author(HOMES[owner].swarm, TERM)


def row(owner: str, seq: int, text: str = "batch", *, root: str = "state", flag: Flag = Flag.LIVE) -> Row:
    """A row of a log whose head is batch `seq`, told apart by its text; it leads to a state."""
    return Row(HOMES[owner].swarm, TERM, seq, sha256(text.encode()), sha256(root.encode()), flag)


def batch_of(
    owner: str, seq: int, *, hlc: int = 0, root: str = "state", by: str = "", federation: bytes = _COLONY.federation
) -> bytes:
    """A batch of an owner, signed by itself unless `by` another."""
    ops = batch.encode_ops([b"op"])
    header = Header(
        federation=federation,
        swarm=HOMES[owner].swarm,
        term=TERM,
        seq=seq,
        prev_hash=ZERO_DIGEST,
        hlc=hlc or seq,
        ops_hash=sha256(ops),
        state_root=sha256(root.encode()),
    )
    return batch.build(header, ops, HOMES[by or owner].queen)


def served(raw: bytes, *, root: str = "state", flag: Flag = Flag.LIVE) -> Signed:
    """The row of a log with this batch as its head, and the state that is served for it."""
    head = batch.parse(raw).signed.head
    found = batch.parse(raw).signed.author
    return Signed(Row(found.swarm, found.term, head.seq, Digest(head.hash), sha256(root.encode()), flag), head)
