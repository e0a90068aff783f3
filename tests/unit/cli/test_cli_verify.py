"""Decision files: they hold on a machine that has nothing but the genesis, and no byte of them can be another."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from bootstrap.home import Home, read_genesis
from bootstrap.verifying import NotProven, spelled, verify
from mesh.protocol.commands import GetDecisions, Leave
from tests.support.commands import command, conforms, machine
from tests.support.governed import propose, result, swarm_hex, town_of

FLIPS = 20_000 if os.environ.get("ZENMESH_SOAK") else 250


class Files(NamedTuple):
    """What somebody who is no member was handed."""

    decision: Path
    genesis: Path


def handed_over(directory: Path, seed: int = 1) -> Files:
    """The files about an expulsion; its proposer has left since."""
    town = town_of(4, seed=seed)
    decided = result(propose(town, "alpha", "expel", swarm=swarm_hex(town, "beta"), reason="bedrückend “falsch”"))
    result(town.world.ask(town["alpha"], Leave()))
    town.world.run(2_000_000)
    document = result(town.world.ask(town["gamma"], GetDecisions(proposal=decided["proposal"])))
    assert document["height"] < town.node("gamma").context.chain.height
    home = machine(directory, "somebody").home
    home.write_genesis(town.node("gamma").context.chain.genesis.raw)
    decision = directory / "decision.json"
    decision.write_text(spelled(document), encoding="utf-8")
    return Files(decision, home.genesis_file)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return handed_over(tmp_path_factory.mktemp("files"))


def check(text: bytes, files: Files) -> str:
    """Why `text` proves nothing; empty when it holds."""
    try:
        verify(text, read_genesis(files.genesis))
    except NotProven as error:
        return str(error)
    return ""


def test_a_decision_holds_for_who_has_the_genesis(files: Files) -> None:
    ran = command("verify", str(files.decision), "--genesis", str(files.genesis), "--json")
    assert (ran.code, ran.err) == (0, "")
    conforms(ran.json, "verify")
    assert (ran.json["status"], ran.json["action"], ran.json["proposer"]) == ("APPROVED", "expel", "alpha")
    assert len(ran.json["signers"]) == 3
    told = command("verify", str(files.decision), "--genesis", str(files.genesis))
    assert (told.code, told.out.startswith(f"{files.decision} holds.\n")) == (0, True)
    assert "certified by  " in told.out
    assert "certified block(s). Whoever founded the federation is believed.\n" in told.out


def test_a_decision_printed_where_there_is_no_utf_8_holds(files: Files) -> None:
    text = spelled(json.loads(files.decision.read_text()), ascii_only=True).encode()
    assert text != files.decision.read_bytes()
    assert check(text, files) == ""


def test_no_byte_can_be_another(files: Files) -> None:
    text = files.decision.read_bytes()
    random = Random(5)
    places = [0, len(text) - 1, *(random.randrange(len(text)) for _ in range(FLIPS))]
    for place in places:
        changed = bytearray(text)
        changed[place] ^= 1 << random.randrange(8)
        assert check(bytes(changed), files), f"byte {place} of {len(text)} may be {changed[place]:#x}"


def test_no_byte_of_the_last_certificate_can_be_another_in_both_places(files: Files) -> None:
    """It stands twice in the file: on its own, and in the proof."""
    document = json.loads(files.decision.read_text())
    certificate = bytes.fromhex(document["certificate"])
    random = Random(6)
    for place in range(0, len(certificate), 3):
        changed = bytearray(certificate)
        changed[place] ^= 1 << random.randrange(8)
        document["certificate"] = document["proof"][-1]["certificate"] = changed.hex()
        assert check(spelled(document).encode(), files), f"byte {place} of the certificate"


@pytest.mark.parametrize("cut", [0, 1, 100, -1])
def test_nothing_can_be_cut_off_or_added(files: Files, cut: int) -> None:
    text = files.decision.read_bytes()
    assert check(text[:cut], files)
    assert check(text + b"\n", files)
    assert check(b" " + text, files)


def changed(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda document: document.update({name: value})


CHANGES = [
    pytest.param(
        changed("status", "REJECTED"), 'it says status = "REJECTED", and its blocks say "APPROVED"', id="status"
    ),
    pytest.param(changed("void", "x"), 'it says void = "x", and its blocks say null', id="void"),
    pytest.param(changed("height", 5), "it says height = 5, and its blocks say ", id="height"),
    pytest.param(changed("note", "trust me"), "it says 'note', of which its blocks say nothing", id="more"),
    pytest.param(changed("proof", []), "its proof is no list of blocks", id="no proof"),
    pytest.param(changed("proof", "00"), "its proof is no list of blocks", id="another proof"),
    pytest.param(lambda d: d["proof"].append("00"), "is no block with its certificate", id="no block"),
    pytest.param(lambda d: d["proof"].pop(), "its last block does not decide proposal", id="one block less"),
    pytest.param(lambda d: d["proof"].pop(0), "block 1 of its proof does not stand: ", id="not from the start"),
    pytest.param(lambda d: d["proof"].append(d["proof"][-1]), "of its proof comes twice", id="a block twice"),
    pytest.param(lambda d: d["proof"][0].update(block="xy"), "the block of entry 1 is not hexadecimal", id="no hex"),
    pytest.param(changed("proposal", "00" * 16), "does not decide proposal", id="another proposal"),
    pytest.param(changed("proposal", 5), "does not decide proposal", id="no proposal"),
    pytest.param(changed("federation_id", "00" * 32), "it is of federation 00", id="another federation"),
    pytest.param(lambda d: d.pop("proof"), "it holds no decision with its proof", id="without proof"),
]


@pytest.mark.parametrize(("change", "why"), CHANGES)
def test_what_was_changed_is_named(files: Files, change: Callable[[dict[str, Any]], None], why: str) -> None:
    document = json.loads(files.decision.read_text())
    change(document)
    assert why in check(spelled(document).encode(), files)


def test_a_file_that_was_formatted_anew_is_none(files: Files) -> None:
    document = json.loads(files.decision.read_text())
    assert "formatted anew" in check(json.dumps(document, indent=2).encode(), files)
    assert "formatted anew" in check(spelled(dict(reversed(document.items()))).encode(), files)


def test_a_decision_of_another_federation_is_none_here(files: Files, tmp_path: Path) -> None:
    """The same history elsewhere: under this genesis, its blocks are nobody's."""
    other = handed_over(tmp_path, seed=2)
    document = {**json.loads(other.decision.read_text()), "federation_id": read_federation(files)}
    assert "block 1 of its proof does not stand" in check(spelled(document).encode(), files)


def read_federation(files: Files) -> str:
    return str(json.loads(files.decision.read_text())["federation_id"])


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"proof": 1}', "[" * 100_000, "1" * 5_000])
def test_what_is_no_decision_is_refused(files: Files, tmp_path: Path, text: str) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    ran = command("verify", str(file), "--genesis", str(files.genesis))
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert ran.err.startswith(f"zenmesh: {file} proves nothing: ")


def test_a_genesis_that_is_none_is_refused(files: Files, tmp_path: Path) -> None:
    broken = tmp_path / "genesis"
    broken.write_bytes(files.genesis.read_bytes()[:-20])
    assert command("verify", str(files.decision), "--genesis", str(broken)).code == 2
    assert command("verify", str(files.decision), "--genesis", str(tmp_path / "none")).code == 2
    assert command("verify", str(tmp_path / "none"), "--genesis", str(files.genesis)).code == 1


def test_a_home_is_not_needed(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENMESH_HOME", "/no/such/home")
    monkeypatch.setattr(Home, "open", lambda *_: pytest.fail("no home is opened"))
    assert command("verify", str(files.decision), "--genesis", str(files.genesis)).code == 0
