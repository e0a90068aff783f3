"""The start-up check: what does the federation hold of my own log, before I sign anything?

A node that forgot its last record (bit rot, a rolled-back disk, a copied home) and signs on would contradict itself:
an honest owner would become a forker. So every start asks: each HELLO carries what its sender holds of the
receiver's log.

| what is found | what follows |
|---|---|
| a longer log with our own signatures | adopt it by anti-entropy, then sign on |
| somebody says that it holds a different record at our head's place | read-only until it showed that, or did not |
| somebody says that it knows a newer term of this swarm | the same; once the chain shows it, for good |
| the journal ends with the clean-shutdown marker, and all it names is here | sign, but for what stands below |
| nobody else in the federation, and at most the last record was cut | sign |
| a majority answered | sign |
| no majority, the journal was whole | sign after `startup_patience` |
| no majority, the last record was cut | read-only until a majority answers |
| more than the last record was damaged | read-only until every other member has answered, or a new term |
| the same behind a clean-shutdown marker, where queens decide together | the same: it names no votes |
| an earlier start found that votes may be missing, and they may count still | the same: nothing else tells by now |
| one was told that they may be, and then fetched some of our own log | the same: who said so was right |
| own records on disk behind a gap | read-only until others have filled it: what was signed is not signed anew |

What a member says of our head, or of a newer term, it says without proof. A session with it brings the proof of the
one, which makes the log forked, and the chain that of the other. Where none came by the end of the session or the
link, or who said so is banned, the word is void, and a node that may sign already hears none: else a liar could
silence anyone, and one among the queens all others, with a word.

Read-only is not stopped: the node reads, syncs and serves others, and `status` says why and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from msgspec import Struct

from crdt.ops import Author
from crdt.owner_log import Flag
from crdt.replica import ReceiptStatus
from mesh.protocol.context import Context
from mesh.protocol.effects import RecordKind
from mesh.protocol.messages import HeldRow
from mesh.protocol.outbox import Outbox
from wire import cbor
from wire.errors import RemoteError
from wire.ids import SwarmId
from wire.time import Instant

FORGOTTEN_FILE = "forgotten"  # a `Doubt`
FORGOTTEN = "what this node voted before may be lost with its disk: it votes again in the next epoch"
RECOVER_HINT = "If this node's disk was lost or restored, run `zenmesh recover --new-term` with the root key."

FAR_FUTURE_MS = 1 << 47  # our own disk's stamps are not held against our clock: they were judged on arrival
_WAITING = (ReceiptStatus.GAP, ReceiptStatus.HELD)


class Told(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Others said that they hold more of our own log, so that votes may be missing too. A word is no proof; what is
    fetched later is. `ends` is (term, last number) of what was held as they said it."""

    ends: tuple[tuple[int, int], ...]


Doubt = bool | Told  # whether votes may be missing on this disk


def save_doubt(doubt: Doubt) -> bytes:
    """What stands in the file."""
    return cbor.encode_struct(doubt) if isinstance(doubt, Told) else cbor.encode(doubt)


def load_doubt(saved: bytes | None) -> Doubt:
    """What an earlier start found; of a file that cannot be read, the worst."""
    if saved is None or saved in (save_doubt(False), save_doubt(True)):
        return saved == save_doubt(True)
    try:
        return cbor.decode_as(saved, Told)
    except RemoteError:
        return True


class Verdict(StrEnum):
    """Whether this node may sign."""

    ASKING = "asking"
    CATCHING_UP = "catching_up"
    CONFIRMED = "confirmed"
    READ_ONLY = "read_only"


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskReport:
    """What the store found at start: `clean_head` is what the clean-shutdown marker names, None without a marker;
    `beyond` are own batches, by number, that do not follow what could be read before them."""

    clean_head: HeldRow | None
    clean: bool
    cut: bool
    damaged: bool
    torn: bool = False  # what was cut off was never durable, so nobody was told of it
    doubt: Doubt = False  # what an earlier start saved: nothing else may show any more that votes are missing
    beyond: Mapping[int, bytes] = field(default_factory=dict)


class Startup:
    """Decides, once per start, when this node may sign in its term."""

    def __init__(self, context: Context, disk: DiskReport) -> None:
        self._context = context
        self._answers: dict[SwarmId, HeldRow | None] = {}
        self._ends: dict[int, int] | None = None  # what they say, as long as nobody says something else
        self._beyond = dict(disk.beyond)
        self._conflict = ""
        self._claims: dict[SwarmId, str] = {}  # who says that it holds another record at our head's place
        self._confirmed = False
        logs = context.replica.logs
        self._found = {author.term: self._held(author.term) for author in logs if author.swarm == context.me.swarm}
        self._forgot = False
        self._disk = replace(disk, damaged=disk.damaged or self._proven(disk.doubt))

    @property
    def confirmed(self) -> bool:
        return self._confirmed

    def forgot(self) -> None:
        """Somebody showed a vote of this queen that is not on her disk: it was taken back."""
        self._forgot = True

    @property
    def forgetful(self) -> bool:
        """The disk may have forgotten a vote that others have heard: it was damaged, or they showed one, or this
        node's own log had to be fetched from them, as after a disk was taken back. A write that never was durable is
        none."""
        return self._forgot or (self._doubtful() and (self._disk.damaged or not self._disk.torn))

    @property
    def doubt(self) -> Doubt:
        """What an earlier start saved of votes that may be missing."""
        return self._disk.doubt

    def doubt_after(self, saved: Doubt) -> Doubt:
        """What the next start has to know, where `saved` is what it would find."""
        if self.forgetful or self._beyond or self._short():
            return True
        if not self._behind():
            return False
        return saved or Told(tuple(sorted(self._found.items())))

    def _proven(self, doubt: Doubt) -> bool:
        """An earlier start was sure; or was told, and more of our own log is here now than then: it was fetched, for
        nothing is signed before that is settled."""
        if isinstance(doubt, bool):
            return doubt
        then = dict(doubt.ends)
        return any(seq > then.get(term, 0) for term, seq in self._found.items())

    def _short(self) -> bool:
        """Less of our own log is here than the marker on the disk names."""
        mark = self._disk.clean_head
        if mark is None or mark.swarm != self._context.me.swarm:
            return False
        return self._held(mark.term) < self._counts(mark.term, mark.seq)

    @property
    def settled(self) -> bool:
        """Confirmed by the others, where the disk left a doubt."""
        return self._confirmed and self._doubtful()

    @property
    def beyond(self) -> int:
        """The last own batch that was found on the disk behind a gap, 0 without one."""
        return max(self._beyond, default=0)

    def answer(self, swarm: SwarmId, row: HeldRow | None) -> bool:
        """`swarm` says what it holds of our log; True when only a session can show that it is so."""
        self._answers[swarm], self._ends = row, None
        self._claims.pop(swarm, None)
        if row is None or row.swarm != self._context.me.swarm:
            return False
        mine = self._context.replica.head(Author(SwarmId(row.swarm), row.term))
        name = self._context.name_of(swarm)
        claim = ""
        if self._later(row.term):
            claim = f"{name} knows term {row.term} of this swarm, this home is of an older one"
        elif mine is not None and row.seq == mine.seq and row.head != mine.hash:
            claim = f"{name} holds another record {row.seq} of this swarm's log"
        if claim and not self._confirmed:
            self._claims[swarm] = claim
        return bool(claim)

    def void(self, swarm: SwarmId) -> None:
        """`swarm` had its chance: what it says and did not show is not so."""
        self._claims.pop(swarm, None)

    def refit(self, out: Outbox) -> None:
        """Append own batches from beyond a gap, as far as the gap is filled. They were on the disk once; a compaction
        since then has dropped what was no part of the log."""
        while self._beyond:
            author = self._context.me.author
            held = self._held(author.term)
            self._beyond = {seq: raw for seq, raw in self._beyond.items() if seq > held}
            following = self._beyond.get(held + 1)
            if following is None:
                return
            status = self._context.replica.receive(following, FAR_FUTURE_MS).status
            if status in _WAITING:
                return
            if status is ReceiptStatus.APPLIED:
                out.persist(RecordKind.BATCH, following)
            else:  # a fork or a new term ended the log before them
                self._beyond.clear()

    def verdict(self, now: Instant) -> Verdict:
        """The state of the check; CONFIRMED stays unless a conflict shows up."""
        log = self._context.replica.logs.get(self._context.me.author)
        if log is not None and log.flag is Flag.FORKED:
            self._conflict = "two different records of this swarm's log are signed for one place"
        if self._contested():
            self._confirmed = False
            return Verdict.READ_ONLY
        if self._confirmed:
            return Verdict.CONFIRMED
        if self._behind():
            return Verdict.CATCHING_UP
        self._confirmed = self._may_sign(now)
        term = self._context.me.term  # in which nothing was signed here since the start
        self._forgot |= self._held(term) > self._found.get(term, 0)
        return Verdict.CONFIRMED if self._confirmed else Verdict.ASKING

    def reason(self, now: Instant) -> str:
        """A sentence for `status`; empty once confirmed."""
        match self.verdict(now):
            case Verdict.CONFIRMED:
                return ""
            case Verdict.READ_ONLY:
                return f"read-only: {self._conflict or next(iter(self._claims.values()))}. {RECOVER_HINT}"
            case Verdict.CATCHING_UP:
                return "read-only: fetching this swarm's own log from the other members"
            case Verdict.ASKING:
                return f"read-only: asking the other members what they hold of this swarm's log{self._doubt()}"

    def _doubt(self) -> str:
        """Whom a damaged disk makes this node wait for."""
        if not self._doubtful():
            return ""
        if not self._disk.damaged:
            return f"; the end of the log on disk was damaged, so a majority must confirm it. {RECOVER_HINT}"
        context = self._context
        if not context.others():
            return f"; the disk was damaged, and no other member is known that could confirm it. {RECOVER_HINT}"
        silent = ", ".join(context.name_of(swarm) for swarm in context.neighbours() if swarm not in self._answers)
        return (
            f"; the log on disk was damaged, so every other member must confirm it: {silent} did not. {RECOVER_HINT}"
        )

    def majority_answered(self) -> bool:
        """More than half of those who could, this node included, have said what they hold."""
        neighbours = self._context.neighbours()
        population = len(neighbours) + 1
        if 2 * (len(self._answers) + 1) <= population:
            return False  # whoever they are: asked at every event, so the common case is cheap
        answered = sum(1 for swarm in neighbours if swarm in self._answers)
        return 2 * (answered + 1) > population

    def next_deadline(self) -> Instant | None:
        """When patience ends, while the check still runs; no patience helps who has to fetch its own log."""
        if self._confirmed or self._contested() or self._doubtful() or self._behind():
            return None
        return self._context.started + self._context.config.startup_patience

    def _doubtful(self) -> bool:
        """The end of the log cannot be trusted, and no marker says where it was."""
        return (self._disk.cut or self._disk.damaged) and not self._vouched()

    def _vouched(self) -> bool:
        """The clean-shutdown marker says all that was signed: of our own log it does, of votes it does not. So where
        queens decide together, and the disk was damaged, it proves nothing. (What is lost may be that they do.)"""
        return self._disk.clean and not (self._disk.damaged and self._context.queens_decide)

    def _contested(self) -> bool:
        """Something contradicts that this node speaks for its swarm."""
        return bool(self._conflict) or bool(self._claims)

    def _later(self, term: int) -> bool:
        """Another node speaks for this swarm, if there is such a term: no contradiction for who is its backup."""
        return term > self._context.me.term and self._context.understudy() is None

    def _behind(self) -> bool:
        """Somebody holds, or the marker names, more of our log than we do: of what counts, once a term has ended."""
        return bool(self._beyond) or any(
            self._held(term) < self._counts(term, seq)
            for term, seq in self._known_ends().items()
            if not self._later(term)
        )

    def _counts(self, term: int, seq: int) -> int:
        close = self._context.chain.close_of(self._context.me.swarm, term)
        return seq if close is None else min(seq, close[0])

    def _known_ends(self) -> dict[int, int]:
        """The last number of our log by term, as others and the marker on the disk know it."""
        if self._ends is None:
            self._ends = {}
            for row in (*self._answers.values(), self._disk.clean_head):
                if row is not None and row.swarm == self._context.me.swarm:
                    self._ends[row.term] = max(self._ends.get(row.term, 0), row.seq)
        return self._ends

    def _held(self, term: int) -> int:
        head = self._context.replica.head(Author(self._context.me.swarm, term))
        return 0 if head is None else head.seq

    def _may_sign(self, now: Instant) -> bool:
        others = self._context.neighbours()
        if self._vouched():
            return True
        if self._disk.damaged:  # what was lost may have been sent to a few only, or name members that are forgotten
            return bool(others) and all(swarm in self._answers for swarm in others)
        if not others or self.majority_answered():
            return True
        patient = now >= self._context.started + self._context.config.startup_patience
        return patient and not self._doubtful()
