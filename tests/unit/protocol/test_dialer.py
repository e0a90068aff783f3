"""The dialer: whom, where, when, and that it never gives up."""

from __future__ import annotations

from mesh.protocol.config import NodeConfig
from mesh.protocol.dialer import Dialer
from mesh.protocol.effects import Dial, SaveFile
from mesh.protocol.outbox import Outbox
from wire.ids import PeerId
from wire.rng import Rng
from wire.time import SECOND

A, B, ME = PeerId("a"), PeerId("b"), PeerId("me")
ZERO = PeerId("0")
CONFIG = NodeConfig()


def dialer(me: PeerId = ZERO) -> Dialer:
    return Dialer(CONFIG, me, Rng(1))


def dials(machine: Dialer, now: int) -> list[Dial]:
    out = Outbox()
    machine.tick(now, out)
    return [effect for effect in out.effects if isinstance(effect, Dial)]


def test_a_wanted_peer_with_an_address_is_dialled_once_at_a_time() -> None:
    machine = dialer()
    machine.want([A], 0)
    assert dials(machine, 0) == []
    machine.learn(A, ["/ip4/1.2.3.4/tcp/1"], "mdns", 0)
    assert dials(machine, 0) == [Dial(peer=A, addresses=("/ip4/1.2.3.4/tcp/1",))]
    assert dials(machine, 0) == []


def test_the_higher_peer_id_lets_the_lower_one_go_first() -> None:
    machine = dialer(me=PeerId("z"))
    machine.learn(A, ["x"], "mdns", 0)
    machine.want([A], 0)
    assert dials(machine, 0) == []
    assert machine.next_deadline() == CONFIG.dial_yield
    assert len(dials(machine, CONFIG.dial_yield)) == 1


def test_backoff_grows_to_the_cap_and_goes_on_for_ever() -> None:
    machine = dialer()
    machine.learn(A, ["x"], "mdns", 0)
    machine.want([A], 0)
    now, pauses = 0, []
    for _ in range(40):
        assert len(dials(machine, now)) == 1
        machine.failed(A, "refused", now)
        deadline = machine.next_deadline()
        assert deadline is not None
        pauses.append(deadline - now)
        now = deadline
    assert max(pauses) <= CONFIG.profile.redial_cap * 1.25
    assert min(pauses[5:]) >= CONFIG.profile.redial_cap * 0.75


def test_who_is_due_soon_is_dialled_with_who_is_due() -> None:
    machine = dialer()
    machine.want([A, B], 0)
    for peer in (A, B):
        machine.learn(peer, ["x"], "mdns", 0)
    dials(machine, 0)
    machine.failed(A, "refused", 0)
    first = machine.next_deadline()
    assert first is not None
    assert dials(machine, first - 1) == []  # alone it waits for its time
    machine.failed(B, "refused", 0)
    machine.contacts()[B].next_dial = first + 1
    machine.contacts()[B].may_dial = first
    assert [dial.peer for dial in dials(machine, first)] == [A, B]


def test_news_about_an_address_ends_the_backoff() -> None:
    machine = dialer()
    machine.learn(A, ["x"], "mdns", 0)
    machine.want([A], 0)
    dials(machine, 0)
    for _ in range(5):
        machine.failed(A, "refused", 0)
    assert machine.learn(A, ["y"], "mdns", 0)
    assert dials(machine, 0) == [Dial(peer=A, addresses=("y", "x"))]


def test_known_addresses_are_no_news() -> None:
    machine = dialer()
    assert machine.learn(A, ["x"], "mdns", 0)
    assert not machine.learn(A, ["x"], "mdns", 0)


def test_the_address_that_worked_comes_first() -> None:
    machine = dialer()
    machine.learn(A, ["x", "y"], "mdns", 0)
    machine.linked(A, "y", inbound=False)
    assert machine.addresses(A) == ("y", "x")


def test_linked_peers_are_not_dialled() -> None:
    machine = dialer()
    machine.learn(A, ["x"], "mdns", 0)
    machine.want([A], 0)
    machine.linked(A, "x", inbound=True)
    assert dials(machine, 0) == []


def test_own_addresses_are_ignored() -> None:
    machine = dialer(me=ME)
    assert not machine.learn(ME, ["x"], "mdns", 0)


def test_the_book_survives_a_restart() -> None:
    machine = dialer()
    machine.learn(A, ["x", "y"], "mdns", 0)
    out = Outbox()
    machine.tick(CONFIG.book_interval, out)
    (saved,) = [effect for effect in out.effects if isinstance(effect, SaveFile)]
    again = dialer()
    again.load(saved.data)
    assert again.addresses(A) == ("x", "y")
    again.load(b"garbage")
    assert again.addresses(A) == ("x", "y")


def test_book_and_addresses_are_bounded() -> None:
    machine = Dialer(NodeConfig(max_book=8, max_addresses=4), PeerId("0"), Rng(1))
    machine.learn(A, [f"x{n}" for n in range(50)], "mdns", 0)
    assert len(machine.addresses(A)) == 4
    machine.want([A], 0)
    for number in range(50):
        machine.learn(PeerId(f"p{number}"), ["x"], "mdns", 0)
    assert len(machine.contacts()) <= 8
    assert machine.addresses(A)


def test_a_lost_link_is_dialled_again_soon() -> None:
    machine = dialer()
    machine.learn(A, ["x"], "mdns", 0)
    machine.want([A, B], 0)
    machine.linked(A, "x", inbound=False)
    machine.established(A)
    machine.closed(A, True, "", 10 * SECOND)
    deadline = machine.next_deadline()
    assert deadline is not None
    assert deadline <= 10 * SECOND + CONFIG.dial_base * 1.25


def test_a_connection_that_came_to_nothing_counts_as_a_failure() -> None:
    machine = dialer()
    machine.learn(A, ["x"], "mdns", 0)
    machine.want([A], 0)
    now, pauses = 0, []
    for _ in range(5):
        assert len(dials(machine, now)) == 1
        machine.linked(A, "x", inbound=False)
        machine.closed(A, False, "too many links", now)
        deadline = machine.next_deadline()
        assert deadline is not None
        pauses.append(deadline - now)
        now = deadline
    assert pauses[-1] > 2 * pauses[0]
    machine.established(A)
    machine.closed(A, True, "", now)
    deadline = machine.next_deadline()
    assert deadline is not None
    assert deadline - now <= CONFIG.dial_base * 1.25


def test_who_refuses_us_is_left_alone_for_longer_until_it_does_not() -> None:
    machine = dialer()
    machine.learn(A, ["x"], "mdns", 0)
    machine.want([A], 0)
    now, pauses = 0, []
    for _ in range(10):
        assert len(dials(machine, now)) == 1
        machine.linked(A, "x", inbound=False)
        machine.refused(A, "the chain names no such member")
        machine.closed(A, False, "the connection was closed", now)
        deadline = machine.contacts()[A].next_dial
        pauses.append(deadline - now)
        now = deadline
    assert CONFIG.refused_cap * 0.75 <= pauses[-1] <= CONFIG.refused_cap * 1.25
    assert machine.contacts()[A].last_error == "refused: the chain names no such member"
    dials(machine, now)
    machine.linked(A, "x", inbound=False)
    machine.established(A)
    for _ in range(10):
        machine.failed(A, "no answer within 5 s", now)
    assert machine.contacts()[A].last_error == "no answer within 5 s"
    assert machine.contacts()[A].next_dial - now <= CONFIG.profile.redial_cap * 1.25


def test_a_dial_that_the_node_itself_refused_may_be_tried_again() -> None:
    machine = dialer()
    machine.learn(A, ["x"], "mdns", 0)
    machine.want([A], 0)
    assert len(dials(machine, 0)) == 1
    machine.closed(A, False, "too many links", 0)
    assert len(dials(machine, SECOND)) == 1


def test_strangers_do_not_fill_the_book() -> None:
    machine = Dialer(NodeConfig(max_book=8), PeerId("0"), Rng(1))
    machine.learn(A, ["x"], "mdns", 0)
    machine.want([A], 0)
    for number in range(50):
        machine.linked(PeerId(f"p{number}"), "x", inbound=True)
        machine.closed(PeerId(f"p{number}"), False, "not a member", 0)
    assert len(machine.contacts()) <= 8
    assert machine.addresses(A)


def test_those_whom_one_lost_track_of_have_no_address_or_a_bad_one() -> None:
    machine = dialer()
    machine.learn(A, ["x"], "mdns", 0)
    machine.want([A, B], 0)
    assert machine.missing
    assert machine.lost_track() == [B]
    machine.failed(A, "refused", 0)
    assert machine.lost_track() == [A, B]
    machine.linked(A, "x", inbound=False)
    machine.linked(B, "y", inbound=True)
    assert machine.lost_track() == []
    assert not machine.missing


def test_a_visit_goes_to_somebody_at_rest_and_is_not_repeated() -> None:
    machine, out = dialer(), Outbox()
    for peer in (A, B):
        machine.learn(peer, ["x"], "mdns", 0)
    machine.linked(B, "x", inbound=True)
    machine.visit([A, B, PeerId("nowhere")], out)
    machine.visit([A, B], out)
    assert out.effects == [Dial(peer=A, addresses=("x",))]
    machine.failed(A, "refused", 0)
    assert machine.next_deadline() is None or dials(machine, 100 * SECOND) == []


def test_whom_nobody_wants_is_left_alone_for_longer_and_longer() -> None:
    machine = dialer()
    for peer in (A, B):
        machine.learn(peer, ["x"], "bootstrap", 0)
    machine.want([A], 0)
    assert (list(machine.unwanted(None)), list(machine.unwanted(0))) == ([B], [B])
    machine.failed(B, "refused", 0)
    assert (list(machine.unwanted(None)), list(machine.unwanted(0))) == ([B], [])
    assert list(machine.unwanted(100 * SECOND)) == [B]
