"""One queen of four lies with all her might: the others decide on, agree, and send her where she does no harm.

Four real nodes. One ends in order and starts again as a liar (`tests.support.malicious_queen`): with its own keys, on
its own home. It is the one that leads the first view of every height, so that nothing is decided past it for free.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bootstrap.home import read_genesis
from bootstrap.keyfiles import queen, read_key
from consensus import evidence
from consensus.blocks import Block, QuarantineTx, decode_tx
from consensus.genesis import parse_genesis
from tests.support.malicious_queen import LIES
from tests.support.processes import Federation, Home, patiently, zenmesh
from tests.support.stand_in import launching
from wire import cbor, keys

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("processes")]

NAMES = ("alpha", "beta", "gamma", "delta")
PROVABLE = ("two-proposals", "two-ballots")
STORIES = (("withholds", "boasts", "two-proposals"), ("two-ballots",))  # the last one of each is its last


def propose(home: Home, target: str) -> dict[str, Any]:
    """A decision, as it is printed."""
    details = json.dumps({"kind": "task", "target": target, "priority": "critical"})
    asked = ("PRIORITY_CHANGE", "--action", "set_priority", "--details", details, "--wait")
    decided: dict[str, Any] = home.cli("propose", *asked).json
    return decided


def states(home: Home) -> dict[str, str]:
    return {row["swarm"]: row["state"] for row in home.call("members")["members"]}


def decisions(home: Home) -> dict[str, tuple[Any, ...]]:
    rows = home.call("decisions")["decisions"]
    return {row["proposal"]: (row["status"], row["height"], row["tally"]) for row in rows}


def leader_of(homes: list[Home]) -> Home:
    """Who leads view 0, as long as the chain is short: the swarm with the smallest id."""
    ids = {row["swarm"]: row["swarm_id"] for row in homes[0].call("members")["members"]}
    return min(homes, key=lambda home: str(ids[home.name]))


def turn(liar: Home, lie: str, honest: list[Home]) -> None:
    """It ends, and starts again as a liar; the others have it among them again."""
    assert liar.stop() == 0
    liar.launch = launching("tests.support.malicious_queen", lie)
    liar.run()
    for home in (liar, *honest):
        home.wait_until(lambda status: status["quorum"]["weight"] == len(NAMES), "all four in reach", 40.0)


@pytest.mark.parametrize("lies", STORIES, ids="-".join)
def test_decisions_go_on_and_whoever_can_be_convicted_is(lies: tuple[str, ...], tmp_path: Path) -> None:
    with Federation(tmp_path) as federation:
        homes = federation.govern(*NAMES, default="approve")
        liar = leader_of(homes)
        honest = [home for home in homes if home is not liar]
        decided: list[dict[str, Any]] = []
        for lie in lies:
            turn(liar, lie, honest)
            decided += [propose(home, f"{lie}, {home.name}") for home in honest]
            if lie not in PROVABLE:
                assert {state for home in honest for state in states(home).values()} == {"ACTIVE"}
                assert {one["tally"]["total"] for one in decided} == {len(NAMES)}
        for home in honest:
            home.wait_until(lambda _, home=home: states(home)[liar.name] == "QUARANTINED", "the liar's conviction")
        decided.append(propose(honest[0], "afterwards"))
        assert decided[-1]["tally"]["total"] == len(honest)
        assert {one["status"] for one in decided} == {"APPROVED"}
        all_agree(honest, [one["proposal"] for one in decided])
        anyone_can_convict(liar, honest[1], decided[-1]["proposal"], tmp_path)


def test_every_lie_is_told() -> None:
    assert sorted(lie for lies in STORIES for lie in lies) == sorted(LIES)
    assert [lies[-1] for lies in STORIES] == list(PROVABLE)


def all_agree(homes: list[Home], proposals: list[str]) -> None:
    """Every node has the same of everything that was decided."""
    for _ in patiently(20.0):
        known = [decisions(home) for home in homes]
        if all(set(proposals) <= set(one) for one in known):
            break
    for one in known:
        assert {proposal: one[proposal] for proposal in proposals} == {p: known[0][p] for p in proposals}


def anyone_can_convict(liar: Home, witness: Home, proposal: str, directory: Path) -> None:
    """A decision that came later holds the block with the evidence: who has the genesis needs nobody's word."""
    genesis, file = directory / "genesis", directory / "decision.json"
    witness.cli("federation", "genesis", "--out", str(genesis))
    witness.cli("decisions", "--id", proposal, "--output", str(file))
    zenmesh("verify", str(file), "--genesis", str(genesis), env={"ZENMESH_HOME": "/nowhere"})
    blocks = [cbor.decode_as(bytes.fromhex(row["block"]), Block) for row in json.loads(file.read_text())["proof"]]
    found = [tx for block in blocks for raw in block.txs if isinstance(tx := decode_tx(raw), QuarantineTx)]
    assert len(found) == 1
    identity = parse_genesis(read_genesis(genesis)).federation_id
    culprit = evidence.convicted(found[0].first, found[0].second, identity, keys.verify)
    assert culprit == read_key(liar.directory / "keys", queen(term=1)).public
