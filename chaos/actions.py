"""What a scenario may do to the world: a closed set of actions, each a small JSON object with `do` and `at_ms`.

Times are virtual milliseconds from the start of the faults. Hosts are named by swarm (`s1`, `s2`, …); a twin of `s2`
is `s2'`. An action that no longer makes sense when its time comes (crash what is down) does nothing, so that any
subset of a scenario's actions is a scenario too: minimizing depends on it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]
Millis = Annotated[int, Meta(ge=0)]
Probability = Annotated[float, Meta(ge=0, le=1)]
Detail = str | int | bool | None | list[str]


class Action(Struct, frozen=True, kw_only=True, tag_field="do", forbid_unknown_fields=True):
    """Something done at a time."""

    at_ms: Millis


class Left(StrEnum):
    """What a crash leaves of unsynced writes (see `chaos.disk`)."""

    KILL = "kill"
    POWER_CUT = "power-cut"
    TEAR = "tear"


class Crash(Action, frozen=True, kw_only=True, tag="crash"):
    """End a process after `steps` more calls to its disk or effects released (0: at once)."""

    host: str
    leaves: Left = Left.KILL
    steps: Count = 0


class Start(Action, frozen=True, kw_only=True, tag="start"):
    """Start a process that is down."""

    host: str


class Stop(Action, frozen=True, kw_only=True, tag="stop"):
    """End a process in order."""

    host: str


class Pause(Action, frozen=True, kw_only=True, tag="pause"):
    """Stop the time of a process (SIGSTOP, a VM that is moved): what arrives waits."""

    host: str
    for_ms: Millis


class Lag(Action, frozen=True, kw_only=True, tag="lag"):
    """A busy machine: every event is handled `ms` later."""

    host: str
    ms: Millis
    for_ms: Millis


class Cut(Action, frozen=True, kw_only=True, tag="cut"):
    """Nothing passes from `sources` to `targets`; with `both` neither back."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    for_ms: Millis
    both: bool = True


class Clog(Action, frozen=True, kw_only=True, tag="clog"):
    """A full queue on the way from `sources` to `targets`: it holds everything, and lets it go at once, in order."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    for_ms: Millis


class Link(Action, frozen=True, kw_only=True, tag="link"):
    """Other conditions on the links from `sources` to `targets` (and back); probabilities are per message.

    `corrupt` breaks the connection, as a cipher that does not check out does; `duplicate` and `reorder` are for
    gossip, since streams do neither.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    for_ms: Millis
    delay_ms: Millis = 1
    jitter_ms: Millis = 0
    bytes_per_s: Annotated[int, Meta(ge=1)] | None = None
    loss: Probability = 0.0
    corrupt: Probability = 0.0
    duplicate: Probability = 0.0
    reorder: Probability = 0.0


class Hangup(Action, frozen=True, kw_only=True, tag="hangup"):
    """The connection of two hosts breaks; the way between them is open."""

    host: str
    other: str


class DiskFault(StrEnum):
    """What may happen to a disk."""

    FULL = "full"
    FSYNC_ERROR = "fsync-error"
    BIT_ROT = "bit-rot"
    LOST = "lost"
    ROLLBACK = "rollback"


class Disk(Action, frozen=True, kw_only=True, tag="disk"):
    """A fault of one disk. `full` and `fsync-error` are mended after `for_ms`, the others never. `rollback` brings
    back what was there at the host's last start; `lost` and `rollback` happen to a host that is down."""

    host: str
    fault: DiskFault
    for_ms: Millis = 5_000


class Clock(Action, frozen=True, kw_only=True, tag="clock"):
    """A wrong clock: the wall clock `skew_ms` off and perhaps `frozen`, all time `drift_ppm` too fast.

    Somebody sets it after `for_ms`; nobody does without.
    """

    host: str
    skew_ms: int = 0
    drift_ppm: Annotated[int, Meta(ge=-500_000, le=1_000_000)] = 0
    frozen: bool = False
    for_ms: Millis | None = None


class Twin(Action, frozen=True, kw_only=True, tag="twin"):
    """A second process with the keys and the disk of `host`, elsewhere: whoever copied a home."""

    host: str


class Silence(Action, frozen=True, kw_only=True, tag="silence"):
    """A host sends nothing to `towards`, though it could."""

    host: str
    towards: tuple[str, ...]
    for_ms: Millis


class Lie(Action, frozen=True, kw_only=True, tag="lie"):
    """A host sends mutated, replayed and oversized messages at this rate per message of its own."""

    host: str
    rate: Probability
    for_ms: Millis


class Deceit(StrEnum):
    """What a queen may lie about (see `chaos.deceits`)."""

    TWO_BLOCKS = "two-blocks"
    TWO_VOTES = "two-votes"
    TWO_BALLOTS = "two-ballots"
    HEAVY_BALLOTS = "heavy-ballots"
    NO_CERTIFICATES = "no-certificates"
    NO_BODIES = "no-bodies"
    FALSE_LOCK = "false-lock"
    DENIED_LOCK = "denied-lock"
    FALSE_BASE = "false-base"
    OLD_VIEW = "old-view"
    UNBOUND_VIEW = "unbound-view"
    ACCUSES = "accuses"


class Deceive(Action, frozen=True, kw_only=True, tag="deceive"):
    """A queen lies where her vote counts, under her own seal: one kind of lie, at this rate for each listener."""

    host: str
    lie: Deceit
    for_ms: Millis
    rate: Probability = 1.0


class Write(Action, frozen=True, kw_only=True, tag="write"):
    """A user writes a value of `size` bytes."""

    host: str
    key: str
    size: Annotated[int, Meta(ge=0, le=1_048_576)] = 32


class Remove(Action, frozen=True, kw_only=True, tag="remove"):
    """A user removes a key."""

    host: str
    key: str


class Propose(Action, frozen=True, kw_only=True, tag="propose"):
    """An operator asks the queens to decide `action`, about the swarm `other` where it is about one; `details` are
    those fields of the action that this does not say."""

    host: str
    action: str
    other: str | None = None
    details: dict[str, Detail] = {}
    deadline_s: Annotated[int, Meta(ge=1, le=604_800)] = 20

    def __hash__(self) -> int:
        return hash((self.at_ms, self.host, self.action, self.other, self.deadline_s, repr(self.details)))


class Ballot(StrEnum):
    """How an operator may vote."""

    APPROVE = "approve"
    REJECT = "reject"
    ABSTAIN = "abstain"


class Vote(Action, frozen=True, kw_only=True, tag="vote"):
    """An operator votes on the oldest open proposal on which its queen has not voted."""

    host: str
    choice: Ballot = Ballot.APPROVE


class Leave(Action, frozen=True, kw_only=True, tag="leave"):
    """An operator takes a swarm out of the federation."""

    host: str


AnyAction = (
    Crash
    | Start
    | Stop
    | Pause
    | Lag
    | Cut
    | Clog
    | Link
    | Hangup
    | Disk
    | Clock
    | Twin
    | Silence
    | Lie
    | Deceive
    | Write
    | Remove
    | Propose
    | Vote
    | Leave
)
