"""Sync sessions with peers that lie, flood or start over."""

from __future__ import annotations

import pytest

from crdt.owner_log import Limits
from crdt.replica import Replica
from crdt.sync.messages import (
    CREDIT,
    MAX_ROWS,
    Batches,
    Bye,
    Credit,
    Entries,
    HeaderReply,
    HeaderRequest,
    Hello,
    Snapshot,
    Tree,
    TreeNode,
    TreeRequest,
    VectorRow,
    Want,
    Wants,
    pack,
)
from crdt.sync.server import MAX_REQUESTS
from crdt.sync.session import MAX_RESTARTS, SyncSession
from crdt.sync.staging import MAX_STAGED
from tests.support.sync_pair import WALL_MS, Pair
from wire import cbor
from wire.errors import BadSignature, DecodeError, Offence, ProtocolViolation, RemoteError
from wire.frame import unpack_message
from wire.ids import ZERO_DIGEST
from wire.types import MessageType

NO_BATCHES = Limits(retained_bytes=0)


def fill(pair: Pair, replica: Replica, name: str, batches: int, width: int = 10, size: int = 20) -> None:
    for number in range(batches):
        pair.write(replica, name, {f"k{number}-{column}": b"x" * size for column in range(width)})


def equal(pair: Pair) -> bool:
    return pair.left.root() == pair.right.root()


# what a peer may not do


def opened(pair: Pair) -> SyncSession:
    """The right session, after the left has said what it holds."""
    left, right = pair.sessions()
    message = left.generate_message()
    assert message is not None
    right.receive_message(*unpack_message(message), WALL_MS)
    while right.generate_message() is not None:
        pass
    return right


def give(session: SyncSession, message: object) -> None:
    code, payload = unpack_message(pack(message))  # type: ignore[arg-type]
    session.receive_message(code, payload, WALL_MS)
    if session.failure is not None:
        raise session.failure


ALPHA = {"swarm": b"s" * 16, "term": 1}


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(Batches(batches=(b"junk",), answered=0), id="batches that are none"),
        pytest.param(Entries(**ALPHA, seq=1, last=True, entries=()), id="entries that nobody asked for"),
        pytest.param(Tree(**ALPHA, seq=1, nodes=()), id="a tree that nobody asked for"),
        pytest.param(HeaderReply(**ALPHA, seq=1, head=None, answered=0), id="a header that nobody asked for"),
        pytest.param(Snapshot(head=b"junk", entries=1, streamed=True), id="a head that is none"),
    ],
)
def test_answers_that_fit_no_question_are_refused(message: object) -> None:
    with pytest.raises(RemoteError):
        give(opened(Pair()), message)


def test_an_answer_to_an_earlier_session_is_no_offence() -> None:
    pair = Pair()
    fill(pair, pair.left, "alpha", 3)
    session = opened(pair)
    give(session, Batches(batches=(), answered=1))
    give(session, Batches(batches=(), answered=1))
    assert session.failure is None


def test_a_header_of_a_log_that_is_not_held_is_refused() -> None:
    pair = Pair()
    fill(pair, pair.left, "alpha", 1)
    author = pair.ring.author("alpha")
    head = pair.left.head(author)
    assert head is not None
    with pytest.raises(ProtocolViolation):
        give(opened(pair), HeaderReply(swarm=author.swarm, term=1, seq=1, head=head.envelope, answered=1))


def test_a_head_of_a_log_that_was_not_asked_for_is_refused() -> None:
    pair = Pair()
    fill(pair, pair.right, "alpha", 1)
    head = pair.right.head(pair.ring.author("alpha"))
    assert head is not None
    with pytest.raises(ProtocolViolation):
        give(opened(pair), Snapshot(head=head.envelope, entries=1, streamed=True))


def test_the_header_of_another_batch_is_refused() -> None:
    pair = Pair()
    fill(pair, pair.left, "alpha", 1)
    author = pair.ring.author("alpha")
    head = pair.left.head(author)
    assert head is not None
    reply = HeaderReply(swarm=author.swarm, term=1, seq=9, head=head.envelope, answered=1)
    with pytest.raises(ProtocolViolation):
        give(opened(pair), reply)


def test_good_batches_before_a_bad_one_are_kept_and_the_lie_is_told() -> None:
    pair = Pair()
    good = pair.write(pair.left, "alpha", {"k": b"v"})
    session = opened(pair)
    code, payload = unpack_message(pack(Batches(batches=(good, b"junk"), answered=1)))
    events = session.receive_message(code, payload, WALL_MS)
    assert len(events) == 1
    assert isinstance(session.failure, DecodeError)


def test_data_beyond_the_credit_is_a_flood() -> None:
    session = opened(Pair())
    for _ in range(CREDIT):
        give(session, Batches(batches=(), answered=0))
    with pytest.raises(ProtocolViolation) as caught:
        give(session, Batches(batches=(), answered=0))
    assert caught.value.offence is Offence.FLOOD


def test_credit_is_given_again_for_what_was_digested() -> None:
    session = opened(Pair())
    for _ in range(3 * CREDIT):
        give(session, Batches(batches=(), answered=0))
        while session.generate_message() is not None:
            pass


def test_too_many_wants_are_a_flood() -> None:
    session = opened(Pair())
    want = Want(swarm=b"s" * 16, term=1, seq=0, hash=ZERO_DIGEST, anew=False, stream=True, after=b"")
    many = Wants(wants=(want,) * MAX_ROWS)
    give(session, many)
    give(session, many)
    with pytest.raises(ProtocolViolation) as caught:
        give(session, many)
    assert caught.value.offence is Offence.FLOOD


def test_too_many_requests_are_a_flood() -> None:
    session = opened(Pair())
    for seq in range(MAX_REQUESTS):
        give(session, HeaderRequest(**ALPHA, seq=seq))
    with pytest.raises(ProtocolViolation):
        give(session, HeaderRequest(**ALPHA, seq=1))


def test_a_session_is_not_started_over_for_ever() -> None:
    session = opened(Pair())
    hello = {"answers": 0, "epoch": 0, "height": 0, "root": ZERO_DIGEST, "rows": ()}
    for nonce in range(100, 100 + MAX_RESTARTS):
        give(session, Hello(nonce=nonce, **hello))
    with pytest.raises(ProtocolViolation):
        give(session, Hello(nonce=999, **hello))


def test_a_session_started_over_serves_again() -> None:
    pair = Pair()
    fill(pair, pair.left, "alpha", 3)
    left, right = pair.sessions()
    pair.sync(sessions=(left, right), stop=lambda: True)
    opening = left.generate_message()
    assert opening is not None
    right.receive_message(*unpack_message(opening), WALL_MS)
    fresh = SyncSession(pair.left, pair.staging[0], epoch=0, height=0, nonce=77)
    pair.sync(sessions=(fresh, right))
    assert equal(pair)
    assert fresh.finished


def test_stale_messages_are_ignored() -> None:
    session = SyncSession(Pair().left, Pair().staging[0], epoch=0, height=0, nonce=5)
    give(session, Batches(batches=(), answered=3))
    give(session, Bye(nonce=4))
    give(session, Credit(messages=1))
    rows: tuple[VectorRow, ...] = ()
    give(session, Hello(nonce=9, answers=4, epoch=0, height=0, root=ZERO_DIGEST, rows=rows))
    assert not session.finished


def test_a_tree_request_about_an_unknown_log_is_refused() -> None:
    session = opened(Pair())
    give(session, TreeRequest(**ALPHA, seq=1, prefixes=(b"",), paths=()))
    with pytest.raises(ProtocolViolation):
        session.generate_message()


def test_an_impossible_prefix_is_refused() -> None:
    pair = Pair()
    fill(pair, pair.right, "alpha", 1)
    author = pair.ring.author("alpha")
    session = opened(pair)
    give(session, TreeRequest(swarm=author.swarm, term=1, seq=1, prefixes=(b"\x10",), paths=()))
    with pytest.raises(ProtocolViolation):
        session.generate_message()


def lying(pair: Pair, code: MessageType, change: object) -> None:
    """Sync, with each message of `code` from the left changed."""

    def tamper(side: int, message: bytes) -> bytes:
        kind, payload = unpack_message(message)
        if side == 0 and kind == code:
            return pack(change(cbor.decode(payload)))  # type: ignore[operator]
        return message

    pair.sync(tamper=tamper)


def laggard() -> Pair:
    """The right holds most of a large log of the left."""
    pair = Pair(left=NO_BATCHES)
    fill(pair, pair.left, "alpha", 20, width=20)
    pair.sync()
    pair.write(pair.left, "alpha", {f"k{number}-1": b"changed" for number in range(10)})
    return pair


def nodes(raw: list[object]) -> tuple[TreeNode, ...]:
    return tuple(
        TreeNode(prefix=prefix, children=tuple(children), entries=tuple((path, digest) for path, digest in entries))
        for prefix, children, entries in raw  # type: ignore[misc]
    )


@pytest.mark.parametrize(
    ("code", "change"),
    [
        pytest.param(
            MessageType.SYNC_TREE,
            lambda m: Tree(swarm=m[0], term=m[1], seq=m[2], nodes=()),
            id="no nodes",
        ),
        pytest.param(
            MessageType.SYNC_TREE,
            lambda m: Tree(
                swarm=m[0],
                term=m[1],
                seq=m[2],
                nodes=tuple(TreeNode(prefix=n.prefix, children=(b"x" * 32,) * 16, entries=()) for n in nodes(m[3])),
            ),
            id="other children",
        ),
        pytest.param(
            MessageType.SYNC_TREE,
            lambda m: Tree(
                swarm=m[0],
                term=m[1],
                seq=m[2],
                nodes=tuple(TreeNode(prefix=n.prefix, children=(b"x" * 32,), entries=()) for n in nodes(m[3])),
            ),
            id="an impossible number of children",
        ),
        pytest.param(
            MessageType.SYNC_ENTRIES,
            lambda m: Entries(swarm=m[0], term=m[1], seq=m[2], last=True, entries=()),
            id="withheld entries",
        ),
        pytest.param(
            MessageType.SYNC_ENTRIES,
            lambda m: Entries(swarm=m[0], term=m[1], seq=m[2], last=True, entries=(*m[4], m[4][0])),
            id="an entry twice",
        ),
    ],
)
def test_a_lying_repair_is_caught(code: MessageType, change: object) -> None:
    pair = laggard()
    before = pair.right.root()
    with pytest.raises(RemoteError):
        lying(pair, code, change)
    assert pair.right.root() == before


def test_a_streamed_state_that_leads_elsewhere_is_refused() -> None:
    pair = Pair(left=NO_BATCHES)
    fill(pair, pair.left, "alpha", 2)
    with pytest.raises(BadSignature):
        lying(
            pair,
            MessageType.SYNC_ENTRIES,
            lambda m: Entries(swarm=m[0], term=m[1], seq=m[2], last=True, entries=tuple(m[4][1:])),
        )
    assert not pair.right.logs


def test_streamed_entries_must_ascend() -> None:
    pair = Pair(left=NO_BATCHES)
    fill(pair, pair.left, "alpha", 2)
    with pytest.raises(ProtocolViolation):
        lying(
            pair,
            MessageType.SYNC_ENTRIES,
            lambda m: Entries(swarm=m[0], term=m[1], seq=m[2], last=True, entries=tuple(reversed(m[4]))),
        )


def test_a_streamed_state_over_quota_is_refused() -> None:
    pair = Pair(left=NO_BATCHES, right=Limits(entries_per_owner=10))
    fill(pair, pair.left, "alpha", 2)
    with pytest.raises(ProtocolViolation) as caught:
        pair.sync()
    assert caught.value.offence is Offence.QUOTA


def test_a_tree_over_quota_is_refused() -> None:
    pair = Pair(left=NO_BATCHES)
    fill(pair, pair.left, "alpha", 5, width=20)
    pair.sync()
    pair.write(pair.left, "alpha", {f"new{n}": b"x" for n in range(200)})
    pair.right.limits = Limits(entries_per_owner=20)
    with pytest.raises(ProtocolViolation) as caught:
        pair.sync()
    assert caught.value.offence is Offence.QUOTA


def test_only_so_many_logs_are_staged() -> None:
    pair = Pair(left=NO_BATCHES)
    fill(pair, pair.left, "alpha", 1)
    author = pair.ring.author("alpha")
    entries = [entry for _, entry in sorted(pair.left.logs[author].entries.items())]
    staging = pair.staging[0]
    for number in range(MAX_STAGED + 3):
        staging.add(pair.ring.author(f"other{number}"), entries, Limits())
    kept = [n for n in range(MAX_STAGED + 3) if staging.last_path(pair.ring.author(f"other{n}")) is not None]
    assert kept == list(range(3, MAX_STAGED + 3))
