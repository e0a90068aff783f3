"""`recover --new-term`: which term comes next, whatever state the home is in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bootstrap.archive import export_home, restore_home
from bootstrap.founding import begin_new_term, found_federation
from bootstrap.home import Home
from bootstrap.identity import Member, load_standing
from bootstrap.keyfiles import ROOT, queen, queen_terms, read_key, write_key
from consensus.blocks import term_bump_tx
from consensus.certificates import parse_member_cert
from consensus.chain import Chain
from mesh.protocol.effects import RecordKind
from mesh.protocol.messages import BlockRecord
from mesh.storage.store import Record, Store
from tests.support.commands import Machine, machine
from tests.support.processes import zenmesh
from wire import cbor
from wire.ids import ZERO_DIGEST
from wire.keys import SigningKey

NOW_MS = 1_800_000_000_000


@pytest.fixture
def alpha(tmp_path: Path) -> Machine:
    """The creator of a federation, in term 1."""
    made = machine(tmp_path, "alpha")
    found_federation(made.home, "acme", "ticket", NOW_MS)
    return made


def order_term(home: Home) -> None:
    """What the node does at its start: the chain on disk gets the block that orders the prepared term."""
    member = load_standing(home, lambda: NOW_MS)
    assert isinstance(member, Member)
    me = member.identity
    chain = Chain(member.genesis)
    store, found = Store.open(home.state, expected=True)
    for record in found.records:
        known = cbor.decode_as(record.body, BlockRecord)
        chain.append(known.block, known.certificate)
    bump = term_bump_tx(chain.federation_id, me.certificate, me.queen_key, 0, ZERO_DIGEST)
    block, certificate = chain.propose([bump], NOW_MS + chain.height, me.queen_key)
    body = cbor.encode_struct(BlockRecord(block=block, certificate=certificate))
    store.append([Record(RecordKind.BLOCK, body)])
    store.close(b"")


def term_of(home: Home) -> int:
    """The term that the home speaks in."""
    member = load_standing(home, lambda: NOW_MS)
    assert isinstance(member, Member)
    return member.identity.term


def test_the_next_term_has_its_own_key(alpha: Machine) -> None:
    old = read_key(alpha.home.keys, queen(1)).public
    assert alpha.json("recover", "--new-term") | {"home": ""} == {
        "home": "",
        "swarm": "alpha",
        "term": 2,
        "waiting": False,
    }
    assert term_of(alpha.home) == 2
    assert read_key(alpha.home.keys, queen(2)).public != old
    assert read_key(alpha.home.keys, queen(1)).public == old


def test_asked_twice_the_second_time_changes_nothing(alpha: Machine) -> None:
    alpha.json("recover", "--new-term")
    before = alpha.home.certificate()
    again = alpha.json("recover", "--new-term")
    assert (again["term"], again["waiting"]) == (2, True)
    assert alpha.home.certificate() == before
    assert "waits for the federation" in alpha("recover", "--new-term").out


def test_once_ordered_the_term_after_it_follows(alpha: Machine) -> None:
    alpha.json("recover", "--new-term")
    order_term(alpha.home)
    assert alpha.json("recover", "--new-term")["term"] == 3


def test_reading_the_chain_keeps_the_clean_marker(alpha: Machine) -> None:
    alpha.json("recover", "--new-term")
    order_term(alpha.home)
    begin_new_term(alpha.home, None, NOW_MS)
    store, found = Store.open(alpha.home.state, expected=True)
    store.close(None)
    assert found.clean


def test_a_restored_home_begins_a_new_term_and_says_so_first(alpha: Machine, tmp_path: Path) -> None:
    export_home(alpha.home, tmp_path / "a.tar", with_root_key=True)
    restored = Machine(restore_home(tmp_path / "a.tar", tmp_path / "back"))
    ran = zenmesh("run", "--home", str(restored.home.path), check=False)
    assert ran.code == 2
    assert "recover --new-term" in ran.err
    assert restored.json("recover", "--new-term")["term"] == 2
    assert not restored.home.restored
    assert term_of(restored.home) == 2


def test_a_restored_home_reuses_no_key(alpha: Machine, tmp_path: Path) -> None:
    """The term that waits in an archive may be the one that the original went on in."""
    alpha.json("recover", "--new-term")
    export_home(alpha.home, tmp_path / "a.tar", with_root_key=True)
    restored = Machine(restore_home(tmp_path / "a.tar", tmp_path / "back"))
    assert restored.json("recover", "--new-term")["term"] == 3


def test_a_restored_home_reuses_no_key_of_an_interrupted_try(alpha: Machine, tmp_path: Path) -> None:
    write_key(alpha.home.keys, queen(2), SigningKey(b"q" * 32))
    export_home(alpha.home, tmp_path / "a.tar", with_root_key=True)
    restored = Machine(restore_home(tmp_path / "a.tar", tmp_path / "back"))
    assert restored.json("recover", "--new-term")["term"] == 3


def test_an_interrupted_try_is_taken_up(alpha: Machine) -> None:
    left = SigningKey(b"q" * 32)
    write_key(alpha.home.keys, queen(2), left)
    assert alpha.json("recover", "--new-term")["term"] == 2
    assert term_of(alpha.home) == 2
    assert read_key(alpha.home.keys, queen(2)).public == left.public


def _lose(home: Home) -> None:
    home.certificate_file.unlink()


def _damage(home: Home) -> None:
    raw = bytearray(home.certificate_file.read_bytes())
    raw[len(raw) // 2] ^= 1
    home.certificate_file.write_bytes(raw)


@pytest.mark.parametrize("harm", [_lose, _damage], ids=["lost", "damaged"])
def test_a_certificate_that_is_gone_is_made_anew(alpha: Machine, harm: Callable[[Home], None]) -> None:
    alpha.json("recover", "--new-term")
    order_term(alpha.home)
    harm(alpha.home)
    assert alpha.json("recover", "--new-term")["term"] == 3
    assert term_of(alpha.home) == 3


def test_a_new_term_keeps_the_name_whatever_the_configuration_says(alpha: Machine) -> None:
    text = alpha.home.config_file.read_text()
    alpha.home.config_file.write_text(text.replace('"alpha"', '"renamed"'))
    assert alpha.json("recover", "--new-term")["swarm"] == "alpha"


def test_the_root_key_may_come_from_elsewhere(alpha: Machine, tmp_path: Path) -> None:
    stick = tmp_path / "stick.key"
    (alpha.home.keys / ROOT.file).rename(stick)
    ran = alpha("recover", "--new-term")
    assert ran.code == 2
    assert "--root-key FILE" in ran.err
    assert alpha.json("recover", "--new-term", "--root-key", str(stick))["term"] == 2
    assert not (alpha.home.keys / ROOT.file).exists()


def test_the_root_key_of_another_swarm_is_refused(alpha: Machine, tmp_path: Path) -> None:
    other = machine(tmp_path, "beta").home.keys / ROOT.file
    ran = alpha("recover", "--new-term", "--root-key", str(other))
    assert ran.code == 2
    assert "bring the root key of 'alpha'" in ran.err
    assert queen_terms(alpha.home.keys) == [1]


def test_the_certificate_is_for_this_federation(alpha: Machine) -> None:
    alpha.json("recover", "--new-term")
    member = load_standing(alpha.home, lambda: NOW_MS)
    assert isinstance(member, Member)
    certificate = parse_member_cert(alpha.home.certificate() or b"", member.genesis.federation_id)
    assert (certificate.term, certificate.name) == (2, "alpha")


def test_without_a_federation_there_is_nothing_to_recover(tmp_path: Path) -> None:
    ran = machine(tmp_path, "alpha")("recover", "--new-term")
    assert ran.code == 4
    assert "nothing to recover" in ran.err


def test_a_restored_home_without_a_federation_starts_afresh(tmp_path: Path) -> None:
    alpha = machine(tmp_path, "alpha")
    export_home(alpha.home, tmp_path / "a.tar", with_root_key=True)
    restored = Machine(restore_home(tmp_path / "a.tar", tmp_path / "back"))
    assert restored("federation", "create", "--name", "acme").code == 2
    assert restored.json("recover", "--new-term")["term"] == 2
    assert not restored.home.restored
    assert restored("federation", "create", "--name", "acme").code == 0


def test_a_restored_home_asks_with_a_certificate_of_its_new_term(tmp_path: Path) -> None:
    alpha = machine(tmp_path, "alpha")
    alpha.json("join", "--lan", "--federation", "ab" * 32)
    assert alpha.home.certificate() is not None
    export_home(alpha.home, tmp_path / "a.tar", with_root_key=True)
    restored = Machine(restore_home(tmp_path / "a.tar", tmp_path / "back"))
    restored.json("recover", "--new-term")
    assert restored.home.certificate() is None


def test_recovering_is_never_done_by_accident(alpha: Machine) -> None:
    ran = alpha("recover")
    assert ran.code == 2
    assert "--new-term" in ran.err
    assert queen_terms(alpha.home.keys) == [1]


def test_a_running_node_is_left_alone(alpha: Machine) -> None:
    with alpha.home.lock():
        ran = alpha("recover", "--new-term")
    assert ran.code == 2
    assert "stop that one first" in ran.err
