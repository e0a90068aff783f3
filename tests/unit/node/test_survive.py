"""Scenarios of the pure node: crashes, partitions, lost disks, lost messages, new terms."""

from __future__ import annotations

from dataclasses import replace

import pytest

from crdt.owner_log import Flag
from mesh.protocol.commands import Failure, GetPeers, GetStatus, MemoryGet, MemoryPut, Success
from mesh.protocol.effects import RecordKind, Send
from mesh.protocol.lifecycle import Lifecycle
from tests.support.small_swarms import Town
from tests.support.small_world import Host
from wire.frame import unpack_message
from wire.ids import PeerId
from wire.keys import SigningKey
from wire.time import SECOND
from wire.types import MessageType

THREE = ("alpha", "beta", "gamma")


def put(town: Town, name: str, key: str, value: bytes = b"1") -> None:
    outcome = town.world.ask(town[name], MemoryPut(key=key, value=value))
    assert isinstance(outcome, Success), outcome


def sees(town: Town, name: str, key: str) -> dict[str, object]:
    outcome = town.world.ask(town[name], MemoryGet(key=key))
    return dict(outcome.result["values"]) if isinstance(outcome, Success) else {}  # type: ignore[call-overload]


def read_only(town: Town, name: str) -> str:
    outcome = town.world.ask(town[name], GetStatus())
    assert isinstance(outcome, Success)
    return str(outcome.result["read_only"] or "")


def test_everyone_restarts_and_finds_the_others_from_the_book() -> None:
    town = Town(*THREE)
    town.form()
    put(town, "alpha", "k")
    town.world.run(6 * SECOND)
    for name in THREE:
        town.world.crash(town[name])
    for name in THREE:
        town.world.start(town[name])
    town.settle()
    assert sees(town, "gamma", "k") == {"alpha": 1}


def test_a_crashed_node_catches_up() -> None:
    town = Town(*THREE)
    town.form()
    town.world.crash(town["beta"])
    put(town, "alpha", "missed")
    town.world.run(30 * SECOND)
    town.world.start(town["beta"])
    town.settle()
    assert sees(town, "beta", "missed") == {"alpha": 1}


def test_both_sides_of_a_partition_are_equal_soon_after_it_heals() -> None:
    town = Town(*THREE)
    town.form()
    town.world.run(6 * SECOND)
    town.world.partition([town["alpha"]], [town["beta"], town["gamma"]])
    town.world.run(30 * SECOND)
    put(town, "alpha", "here")
    put(town, "beta", "there")
    town.world.run(30 * SECOND)
    assert town.node("alpha").lifecycle is Lifecycle.RECOVERING
    assert town.node("beta").lifecycle is Lifecycle.OPERATIONAL
    town.world.heal()
    town.settle(3 * SECOND)
    assert sees(town, "gamma", "here") == {"alpha": 1}
    assert sees(town, "alpha", "there") == {"beta": 1}


@pytest.mark.parametrize("seed", range(5))
def test_loss_delays_but_loses_nothing(seed: int) -> None:
    town = Town(*THREE, seed=seed)
    town.form()
    town.world.loss = 0.2
    for number in range(20):
        put(town, THREE[number % 3], f"k{number}")
    town.world.loss = 0.0
    town.world.run_until(town.equal, 60 * SECOND)


def test_a_node_that_lost_its_last_record_does_not_sign_before_it_has_it_back() -> None:
    town = Town(*THREE)
    town.form()
    put(town, "beta", "first")
    put(town, "beta", "second")
    town.world.run(3 * SECOND)
    town.world.crash(town["beta"])
    lost = max(index for index, (kind, _) in enumerate(town["beta"].disk.records) if kind == RecordKind.BATCH)
    del town["beta"].disk.records[lost]
    town.world.start(town["beta"])
    put_at_once = town.world.ask(town["beta"], MemoryPut(key="third", value=b"1"))
    assert isinstance(put_at_once, Failure)
    town.settle()
    put(town, "beta", "third")
    town.world.run(2 * SECOND)
    assert not any(node.context.counters["forks_found"] for node in town.nodes())
    assert sees(town, "alpha", "second") == {"beta": 1}


def test_a_node_whose_whole_disk_is_gone_gets_its_own_log_back_before_it_signs() -> None:
    town = Town(*THREE)
    town.form()
    put(town, "beta", "precious")
    town.world.run(3 * SECOND)
    town.world.crash(town["beta"])
    book = town["beta"].disk.files.get("book")
    town["beta"].disk.records.clear()
    town["beta"].disk.files.clear()
    assert book is not None
    town["beta"].disk.files["book"] = book
    town.world.start(town["beta"])
    town.settle()
    put(town, "beta", "next")
    town.world.run(2 * SECOND)
    assert sees(town, "alpha", "precious") == {"beta": 1}
    assert sees(town, "alpha", "next") == {"beta": 1}
    assert not any(node.context.counters["forks_found"] for node in town.nodes())


def test_a_home_in_a_new_term_fences_the_old_one() -> None:
    town = Town(*THREE)
    town.form()
    put(town, "beta", "old")
    town.world.run(3 * SECOND)
    town.world.crash(town["beta"])
    swarm = town.swarms["beta"]
    swarm.term = 2
    swarm.certify(town.node("alpha").context.federation)
    town.world.start(town["beta"])
    town.world.run_until(lambda: not read_only(town, "beta"), 30 * SECOND)
    put(town, "beta", "new")
    town.settle()
    assert sees(town, "alpha", "old") == {"beta": 1}
    assert sees(town, "alpha", "new") == {"beta": 1}
    town.world.crash(town["beta"])
    swarm.term = 1
    town.world.start(town["beta"])
    town.world.run(10 * SECOND)
    assert "term 2" in read_only(town, "beta")


def test_a_term_that_was_prepared_and_never_ordered_is_skipped() -> None:
    town = Town(*THREE)
    town.form()
    town.world.crash(town["beta"])
    swarm = town.swarms["beta"]
    swarm.term = 4
    swarm.certify(town.node("alpha").context.federation)
    town.world.start(town["beta"])
    beta = town.node("beta").context.me.swarm
    town.world.run_until(lambda: town.node("alpha").context.author_of(beta).term == 4, 60 * SECOND)


def test_a_home_with_another_key_of_the_same_term_is_read_only() -> None:
    town = Town(*THREE)
    town.form()
    me = town.node("beta").context.me
    town.node("beta").context.me = replace(me, queen_key=SigningKey(bytes(32)))
    assert "another queen key of term 1" in read_only(town, "beta")


def test_the_creator_itself_may_begin_a_new_term() -> None:
    town = Town(*THREE)
    town.form()
    put(town, "alpha", "old")
    town.world.run(3 * SECOND)
    town.world.crash(town["alpha"])
    swarm = town.swarms["alpha"]
    swarm.term = 2
    swarm.certify(town.node("beta").context.federation)
    town.world.start(town["alpha"])
    town.world.run_until(lambda: not read_only(town, "alpha"), 30 * SECOND)
    put(town, "alpha", "new")
    town.settle()
    assert sees(town, "gamma", "new") == {"alpha": 1}


def test_two_live_copies_of_one_home_make_a_fork_that_everyone_sees() -> None:
    town = Town(*THREE)
    town.form()
    put(town, "beta", "before")
    town.world.run(3 * SECOND)
    town.world.partition([town["beta"]], [town["alpha"], town["gamma"]])
    put(town, "beta", "one")
    other = list(town["beta"].disk.records)
    town.world.crash(town["beta"])
    kept = other[:-1]
    town["beta"].disk.records = kept  # as an operator who restored a copy would
    town.world.run(SECOND)
    town.world.start(town["beta"])
    town.world.run(5 * SECOND)
    twin = list(town["beta"].disk.records)
    assert twin == kept
    town.world.heal()
    town.settle()
    put(town, "beta", "two")
    assert not any(node.context.counters["forks_found"] for node in town.nodes())


def test_peers_names_failed_dials_with_their_cause() -> None:
    town = Town(*THREE)
    town.form()
    town.world.run(6 * SECOND)
    town.world.crash(town["gamma"])
    town.world.run(10 * SECOND)
    outcome = town.world.ask(town["alpha"], GetPeers())
    assert isinstance(outcome, Success)
    rows = {row["swarm"]: row for row in outcome.result["peers"]}  # type: ignore[attr-defined]
    assert rows["beta"]["state"] == "established"
    assert rows["gamma"]["state"] in ("dialing", "waiting")
    assert rows["gamma"]["error"] == "unreachable"


def test_a_node_alone_in_its_federation_works() -> None:
    town = Town("alpha")
    town.world.start(town["alpha"])
    put(town, "alpha", "k")
    town.world.crash(town["alpha"])
    town.world.start(town["alpha"])
    put(town, "alpha", "k2")
    assert sees(town, "alpha", "k") == {"alpha": 1}
    assert town.node("alpha").lifecycle is Lifecycle.OPERATIONAL


def test_equal_seeds_give_equal_runs() -> None:
    def run() -> list[object]:
        town = Town(*THREE, seed=9)
        town.form()
        put(town, "alpha", "k")
        town.world.run(10 * SECOND)
        return [(host.name, record) for host in town.hosts.values() for record in host.trace]

    assert run() == run()


def test_a_hello_that_was_dropped_is_said_again_on_a_new_link() -> None:
    town = Town("alpha", "beta")
    town.form()
    town.world.crash(town["beta"])
    lost: list[Send] = []

    def lose_the_first_hello(host: Host, peer: PeerId, send: Send) -> bytes | None:
        if unpack_message(send.message)[0] == MessageType.HELLO and not lost:
            lost.append(send)
            return None
        return send.message

    town.world.tamper = lose_the_first_hello
    town.world.start(town["beta"])
    town.settle()
    assert lost


def test_what_waits_to_be_written_is_refused_once_the_own_log_is_known_to_have_forked() -> None:
    town = Town("alpha", "beta")
    town.form()
    put(town, "alpha", "before")
    context = town.node("alpha").context
    context.replica.logs[context.me.author].flag = Flag.FORKED
    outcome = town.world.ask(town["alpha"], MemoryPut(key="k", value=b"1"))
    assert isinstance(outcome, Failure)
    assert "two different records of this swarm's log" in outcome.message


def test_own_batches_beyond_a_gap_on_disk_go_on_where_the_others_end() -> None:
    town = Town(*THREE)
    town.form()
    for key in ("first", "second"):
        put(town, "gamma", key)
    town.world.run(SECOND)
    town.world.partition([town["gamma"]], [town["alpha"], town["beta"]])
    for key in ("third", "fourth"):
        put(town, "gamma", key)
    town.world.crash(town["gamma"])
    own = [record for record in town["gamma"].disk.records if record[0] == RecordKind.BATCH]
    town["gamma"].disk.records.remove(own[1])  # it rotted; what follows did not, and nobody else has it
    town.world.heal()
    town.world.start(town["gamma"])
    town.settle()
    for reader in THREE:
        for key in ("first", "second", "third", "fourth"):
            assert sees(town, reader, key) == {"gamma": 1}
    kept = [record for record in town["gamma"].disk.records if record in own[2:]]
    assert kept == own[2:] * 2, "written again: a compaction meanwhile would have dropped what was no part of the log"


def test_own_batches_beyond_a_gap_that_no_longer_count_are_let_be() -> None:
    """A new term began where the old home's gap ends: filled by the others, its log still takes nothing more."""
    town = Town(*THREE)
    town.form()
    for key in ("first", "second"):
        put(town, "gamma", key)
    town.world.run(SECOND)
    town.world.partition([town["gamma"]], [town["alpha"], town["beta"]])
    put(town, "gamma", "third")
    town.world.crash(town["gamma"])
    town.world.heal()
    disk = town["gamma"].disk
    old = list(disk.records)
    own = [record for record in old if record[0] == RecordKind.BATCH]
    disk.records.remove(own[2])
    swarm = town.swarms["gamma"]
    swarm.term = 2
    swarm.certify(town.node("alpha").context.federation)
    town.world.start(town["gamma"])
    town.world.run_until(lambda: not read_only(town, "gamma"), 30 * SECOND)
    town.world.crash(town["gamma"])
    swarm.term = 1
    old.remove(own[1])
    disk.records = old
    town.world.start(town["gamma"])
    town.world.run_until(lambda: sees(town, "gamma", "second") == {"gamma": 1})
    town.world.run_until(lambda: "term 2" in read_only(town, "gamma"))
    assert sees(town, "gamma", "third") == {}
