"""The search for the place where two logs part: on its own, and in sessions in which the log changes meanwhile."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from crdt import batch as batches
from crdt import fork
from crdt.owner_log import Flag, OwnerLog
from crdt.replica import Replica
from crdt.sync.fork_search import ForkSearch
from crdt.sync.messages import HeaderReply, Wants, pack
from tests.support.replicas import Scribe, fork_proof, parted, receiver
from tests.support.sync_pair import Pair, Report
from wire import cbor
from wire.errors import ProtocolViolation
from wire.frame import unpack_message
from wire.types import MessageType


def search_of(one: Scribe, other: Scribe, log: OwnerLog | None = None) -> ForkSearch:
    """The first holds its log, and was shown the newest header of the second."""
    seq = min(len(one.batches), len(other.batches))
    return ForkSearch(log or one.log, batches.parse_header(other.envelope(seq)))


def run(search: ForkSearch, other: Scribe, known_from: int = 1) -> list[int]:
    """Answer until nothing is asked any more, from what the other still knows; the places asked about."""
    asked = []
    while (seq := search.next_seq()) is not None:
        asked.append(seq)
        known = seq >= known_from
        search.on_header(seq, batches.parse_header(other.envelope(seq)) if known else None)
    return asked


@pytest.mark.parametrize("common", [0, 1, 2, 5, 30, 31])
def test_the_first_difference_is_found_in_few_steps(common: int) -> None:
    one, other = parted(common, 32 - common, 32 - common)
    search = search_of(one, other)
    assert len(run(search, other)) <= 5
    assert search.proof() == fork_proof(one, other, common + 1)


def test_where_the_peer_forgot_the_search_goes_on_above() -> None:
    one, other = parted(2, 30, 30)
    search = search_of(one, other)
    run(search, other, known_from=20)
    assert search.proof() == fork_proof(one, other, 20)


def test_where_we_forgot_nothing_is_asked() -> None:
    one, other = parted(2, 30, 30)
    one.log.forget(0)
    search = search_of(one, other)
    assert run(search, other) == []
    assert search.proof() == fork_proof(one, other, 32)


def test_what_we_forget_meanwhile_is_not_compared() -> None:
    one, other = parted(2, 30, 30)
    search = search_of(one, other)
    asked = search.next_seq()
    assert asked is not None
    one.log.forget(0)
    search.on_header(asked, batches.parse_header(other.envelope(asked)))
    run(search, other)
    assert search.proof() == fork_proof(one, other, 32)


@pytest.mark.parametrize("cut", [3, 20], ids=["at the fork", "above it, by a proof that another found"])
def test_a_log_that_was_cut_meanwhile_proves_nothing_above_the_cut(cut: int) -> None:
    one, other = parted(2, 30, 30)
    search = search_of(one, other)
    one.replica.receive_fork(fork_proof(one, other, cut))
    assert search.proof() is None


def test_the_same_header_proves_nothing() -> None:
    one, _ = parted(3, 0, 0)
    assert search_of(one, one).proof() is None


# in sessions


class Race:
    """Two replicas hold logs that part after the second batch; when the right gets a message, something happens."""

    def __init__(self) -> None:
        self.one, self.other = parted(2, 9, 9)
        self.pair = Pair()
        self.pair.ring = self.one.ring
        self.pair.left, self.pair.right = receiver(self.one, 11), receiver(self.other, 11)

    @property
    def replicas(self) -> tuple[Replica, Replica]:
        return self.pair.left, self.pair.right

    def sync_told(self, proof: bytes) -> Report:
        """Sync; the first header that is sent comes after `proof`, which others sent to both."""
        told = False

        def tell(side: int, message: bytes) -> bytes:
            nonlocal told
            if unpack_message(message)[0] == MessageType.SYNC_HEADER and not told:
                told = True
                for replica in self.replicas:
                    replica.receive_fork(proof)
            return message

        report = self.pair.sync(tamper=tell)
        assert told
        return report


def test_a_fork_that_others_proved_meanwhile_is_not_found_again() -> None:
    race = Race()
    report = race.sync_told(fork_proof(race.one, race.other, 3))
    assert "ForkFound" not in report.kinds(0) + report.kinds(1)
    for replica in race.replicas:
        assert (replica.logs[race.one.author].flag, replica.logs[race.one.author].seq) == (Flag.FORKED, 2)
    assert race.pair.left.root() == race.pair.right.root()


@pytest.mark.parametrize("step", [-1, 1])
def test_a_header_of_another_place_than_was_asked_about_is_refused(step: int) -> None:
    race = Race()

    def shift(side: int, message: bytes) -> bytes:
        code, payload = unpack_message(message)
        if side == 1 or code != MessageType.SYNC_HEADER:
            return message
        reply = cbor.decode_as(payload, HeaderReply)
        seq = reply.seq + step
        return message if reply.answered else pack(replace(reply, seq=seq, head=race.one.envelope(seq)))

    with pytest.raises(ProtocolViolation):
        race.pair.sync(tamper=shift)


def test_a_log_that_could_not_be_rewound_is_searched_without_a_second_finding() -> None:
    """What was forgotten cannot be cut away, so a difference is still there to be found, and proves what is known."""
    race = Race()
    for replica in race.replicas:
        replica.logs[race.one.author].forget(0)
    report = race.sync_told(fork_proof(race.one, race.other, 3))
    assert "ForkFound" not in report.kinds(0) + report.kinds(1)
    for replica in race.replicas:
        assert fork.parse(replica.proofs[race.one.author]).seq == 3


def test_a_batch_that_contradicts_what_we_wrote_meanwhile_is_a_fork() -> None:
    """Two processes write as one author; one asks the other for what comes next, and writes before it comes."""
    pair = Pair()
    pair.write(pair.left, "alpha", {"a": b"common"})
    pair.sync()
    pair.write(pair.left, "alpha", {"a": b"left"})
    wrote: list[bytes] = []

    def write(side: int, message: bytes) -> bytes:
        if side == 0 and unpack_message(message)[0] == MessageType.SYNC_BATCHES and not wrote:
            wrote.append(pair.write(pair.right, "alpha", {"a": b"right"}))
        return message

    report = pair.sync(tamper=write)
    author = pair.ring.author("alpha")
    assert report.kinds(1) == ["ForkFound"]
    assert (pair.right.logs[author].flag, pair.right.logs[author].seq) == (Flag.FORKED, 1)


def test_a_peer_that_forgot_the_header_leaves_the_search_to_another() -> None:
    """Instead of batches it says that the logs part, but not how: the question is answered, and nothing proven."""
    pair = Pair()
    pair.write(pair.left, "alpha", {"a": b"left"})
    pair.write(pair.left, "alpha", {"a": b"again"})
    author = pair.ring.author("alpha")

    def forget(side: int, message: bytes) -> bytes:
        if side == 0 and unpack_message(message)[0] == MessageType.SYNC_BATCHES:
            return pack(HeaderReply(swarm=author.swarm, term=1, seq=1, head=None, answered=1))
        return message

    sessions = pair.sessions()
    report = pair.sync(sessions=sessions, tamper=forget)
    assert all(session.finished for session in sessions)
    assert report.kinds(1) == []
    pair.sync()
    assert pair.left.root() == pair.right.root()


def test_a_bare_head_of_a_log_that_is_not_held_is_compared_with_nothing() -> None:
    """A peer that wants to be compared may ask so even when it holds nothing."""
    pair = Pair()
    for number in range(30):
        pair.write(pair.left, "alpha", {f"k{number}-{column}": b"x" * 100 for column in range(9)})
    pair.left.logs[pair.ring.author("alpha")].forget(0)

    def compare(side: int, message: bytes) -> bytes:
        code, payload = unpack_message(message)
        if code != MessageType.SYNC_WANT:
            return message
        wants = cbor.decode_as(payload, Wants).wants
        unstreamed = [replace(want, stream=False) for want in wants]
        return pack(Wants(wants=tuple(unstreamed)))

    report = pair.sync(tamper=compare)
    assert report.kinds(1) == ["SnapshotInstalled"]
    assert MessageType.SYNC_TREE in report.codes
    assert pair.left.root() == pair.right.root()
