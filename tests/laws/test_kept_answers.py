"""What is kept to be asked often equals what a look through everything would find."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consensus.membership import Membership, MemberState
from consensus.quorum import QuorumSetting
from mesh.protocol.config import NodeConfig
from mesh.protocol.dialer import Dialer
from mesh.protocol.effects import Dial
from mesh.protocol.links import Link, Links
from mesh.protocol.messages import Hello, Ping
from mesh.protocol.outbox import Outbox
from tests.support.realm import Realm, swarm
from wire.errors import RemoteError
from wire.ids import PeerId, SwarmId
from wire.rng import Rng

REALM = Realm()
CERTS = {(name, term): REALM.parsed(name, term) for name in "abcdef" for term in (1, 2, 3)}
CONFIG = NodeConfig()
PEERS = [PeerId(letter) for letter in "abcd"]
HELLO = Hello(1, bytes(32), bytes(16), 1, bytes(16), 0, 0, bytes(32), 0, None, "x", "test")

changes = st.tuples(st.sampled_from(["join", "promote", "bump", "leave"]), st.sampled_from(sorted(CERTS)))
steps = st.tuples(
    st.sampled_from(["up", "down", "belongs", "stranger", "heard", "wait", "ping", "pinged", "pong"]),
    st.sampled_from(PEERS[:2]),
)
dialings = st.tuples(
    st.sampled_from(["learn", "want", "linked", "lost", "failed", "tick"]), st.sampled_from(PEERS), st.integers(0, 3)
)


def changed(membership: Membership, change: str, key: tuple[str, int]) -> Membership:
    cert, who = CERTS[key], swarm(key[0])
    match change:
        case "join":
            return membership.join(cert, MemberState.LEARNER, None, None)
        case "promote":
            return membership.promote(who)
        case "bump":
            return membership.bump(cert, (0, b""))
        case _:
            return membership.leave(who)


@given(st.lists(changes, max_size=30))
def test_a_membership_finds_whom_a_look_through_all_finds(story: list[tuple[str, tuple[str, int]]]) -> None:
    membership = Membership(setting=QuorumSetting.AUTO)
    for change, key in story:
        try:
            membership = changed(membership, change, key)
        except RemoteError:
            continue
        for value in (membership, membership.weighed()):
            belonging = [m for _, m in sorted(value.everyone.items()) if m.state is not MemberState.LEFT]
            assert list(value.members()) == belonging
            for cert in CERTS.values():
                assert value.by_name(cert.name) == next((m for m in belonging if m.name == cert.name), None)
                assert value.by_peer(cert.peer) == next((m for m in belonging if m.peer == cert.peer), None)


def step(links: Links, what: str, peer: PeerId, now: int) -> None:
    link = links.get(peer)
    if what == "up" and link is None:
        links.up(peer, "", now % 2 == 0, now)
    elif what == "ping":
        links.due_pings(now)
    elif link is not None and what == "pinged":
        links.pinged(link, now)
    elif link is not None and what == "pong":
        links.pong(link, Ping(link.ping_nonce, 0, 0, bytes(32)), 0, now)
    elif link is not None and what == "down":
        links.down(peer)
    elif link is not None and what in ("belongs", "stranger"):
        links.belongs(link, SwarmId(peer.encode() * 16) if what == "belongs" else None)
    elif link is not None and what == "heard":
        links.heard(link, HELLO)
    elif link is not None and what == "wait" and not link.established:
        links.wait_on(link, now)


def due(link: Link) -> int:
    return link.next_ping if link.established else link.since + CONFIG.stranger_deadline


@given(st.lists(steps, min_size=20, max_size=60))
def test_links_know_what_a_look_through_all_shows(story: list[tuple[str, PeerId]]) -> None:
    links = Links(CONFIG)
    for number, (what, peer) in enumerate(story):
        now = number * CONFIG.profile.probe // 3
        step(links, what, peer, now)
        every = links.all()
        established = [link for link in every if link.established]
        assert sorted(link.peer for link in links.members()) == sorted(link.peer for link in established)
        assert links.established == len(established)
        waiting = [link for link in every if not link.established]
        assert sorted(link.peer for link in links.unestablished()) == sorted(link.peer for link in waiting)
        late = [link.peer for link in waiting if now >= link.since + CONFIG.stranger_deadline]
        assert sorted(link.peer for link in links.overdue(now)) == sorted(late)
        assert links.next_deadline() == min(map(due, every), default=None)
        for one in PEERS:
            name = SwarmId(one.encode() * 16)
            assert links.of_swarm(name) is next((link for link in established if link.swarm == name), None)


@given(st.lists(dialings, max_size=60))
def test_the_dialer_looks_at_all_who_are_idle(story: list[tuple[str, PeerId, int]]) -> None:
    dialer, linked, wanted = Dialer(CONFIG, PeerId("b"), Rng(1)), dict.fromkeys(PEERS[:0]), PEERS[:0]
    for number, (what, peer, count) in enumerate(story):
        now, out = number * CONFIG.dial_yield, Outbox()
        idle = {
            one: contact.next_dial
            for one, contact in dialer.contacts().items()
            if one in wanted and one not in linked and contact.addresses and not contact.dialing
        }
        match what:
            case "learn":
                dialer.learn(peer, [f"{peer}{count}"], "test", now)
            case "want":
                dialer.want(PEERS[:count], now)
                wanted = [one for one in PEERS[:count] if one != "b"]
            case "linked":
                dialer.linked(peer, "x", inbound=bool(count))
                linked[peer] = None
            case "lost":
                dialer.closed(peer, count == 0, "gone", now)
                linked.pop(peer, None)
            case "failed":
                dialer.failed(peer, "refused", now)
            case _:
                dialer.tick(now, out)
                dialled = sorted(effect.peer for effect in out.effects if isinstance(effect, Dial))
                assert dialled == sorted(one for one, at in idle.items() if at <= now)
