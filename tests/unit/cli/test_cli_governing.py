"""Commands by which queens decide, on nodes of the small world: what they print, what they refuse, how they end."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bootstrap.cli import deciding
from bootstrap.cli.deciding import Asked, await_decision
from bootstrap.cli.decision_text import details_text
from bootstrap.cli.governing import ACTIONS
from bootstrap.cli.members import _show_leave, _show_members
from bootstrap.cli.nodes import show_status
from bootstrap.keyfiles import ROOT, write_key
from consensus.governance import actions
from consensus.governance.proposals import Choice
from mesh.api.client import CallFailed, Client
from mesh.protocol.commands import FailureKind
from tests.support.commands import Machine, serving_town
from tests.support.governed import swarm_hex, town_of
from tests.support.small_swarms import CREATORS_RULE, Town
from wire.errors import NoQuorum, NotRunning

DETAILS = '{"kind": "task", "target": "t1", "priority": "critical"}'
PRIORITY = ("propose", "PRIORITY_CHANGE", "--action", "set_priority", "--details", DETAILS)


@pytest.fixture(scope="module")
def town() -> Town:
    """Three queens that approve of whatever is asked for, but leave weights to their operators."""
    return town_of(3, set_weight=None, set_policy=Choice.REJECT)


@pytest.fixture(scope="module")
def members(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Machine]]:
    with serving_town(town, tmp_path_factory.mktemp("homes"), "alpha", "beta", "gamma") as machines:
        yield machines


@pytest.fixture
def alpha(members: list[Machine]) -> Machine:
    return members[0]


@pytest.fixture
def beta(members: list[Machine]) -> Machine:
    return members[1]


def weigh(town: Town, alpha: Machine) -> str:
    """An open proposal; its id."""
    details = json.dumps({"swarm": "beta", "weight": 2})
    options = ("--action", "set_weight", "--details", details, "--deadline", "7d")
    return str(alpha.json("propose", "FEDERATION_POLICY", *options)["proposal"])


# deciding


def test_every_action_is_named_where_one_is_asked_for() -> None:
    assert ACTIONS.split(", ") == list(actions.ACTIONS)


def test_propose_waits_for_the_decision_and_prints_what_proves_it(alpha: Machine) -> None:
    decided = alpha.json(*PRIORITY, "--wait")
    assert (decided["status"], decided["void"], decided["tally"]["total"]) == ("APPROVED", None, 3)
    assert decided["details"] == json.loads(DETAILS)
    assert len(decided["proof"]) == decided["height"]
    told = alpha(*PRIORITY, "--wait")
    assert (told.code, told.err) == (0, "")
    assert "status    APPROVED at height " in told.out
    assert "weight    2 approve, 0 reject, 0 abstain, of 3\n" in told.out


def test_what_holds_for_a_swarm_is_asked_for_by_its_name(alpha: Machine, beta: Machine) -> None:
    details = {"kind": "swarm", "target": "beta", "priority": "high"}
    options = ("propose", "PRIORITY_CHANGE", "--action", "set_priority", "--wait", "--details")
    assert alpha.json(*options, json.dumps(details))["details"]["target"] == swarm_of(beta)
    assert "details   kind=swarm target=beta priority=high\n" in alpha(*options, json.dumps(details)).out
    ran = alpha(*options, json.dumps({**details, "target": "betty"}))
    assert (ran.code, "no swarm is called 'betty'" in ran.err) == (FailureKind.USAGE, True)


def test_whom_a_certificate_is_for_is_shown_by_name(alpha: Machine, town: Town) -> None:
    certificate = town.swarms["beta"].certify(town.node("alpha").context.federation).hex()
    assert details_text({"certificate": certificate}, {}, short=True) == "certificate=beta (project demo)"
    for garbage in ("ab", "no hex"):
        assert details_text({"certificate": garbage}, {}, short=True) == f"certificate={garbage}"


def test_propose_takes_its_subject_in_any_case_and_its_details_from_stdin(
    alpha: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(DETAILS))
    asked = alpha.json("propose", "priority_change", "--action", "set_priority", "--details", "-")
    assert asked["status"] == "OPEN"


def test_what_is_rejected_ends_with_six(alpha: Machine) -> None:
    options = ("propose", "FEDERATION_POLICY", "--action", "set_policy", "--details", '{"swarm": "beta"}', "--wait")
    ran = alpha(*options)
    assert (ran.code, ran.err) == (FailureKind.REJECTED, "")
    assert "status    REJECTED at height " in ran.out
    assert json.loads(alpha(*options, "--json").out)["status"] == "REJECTED"


def test_what_was_approved_and_changed_nothing_ends_with_six_and_says_why(alpha: Machine, beta: Machine) -> None:
    ran = alpha("reinstate", swarm_of(beta), "--reason", "it is fine", "--wait")
    assert ran.code == FailureKind.REJECTED
    assert "void      it changed nothing: only a member that was suspended, quarantined or expelled" in ran.out


def swarm_of(machine: Machine) -> str:
    return str(machine.json("status")["swarm_id"])


def test_what_nobody_answers_expires(town: Town, alpha: Machine) -> None:
    details = json.dumps({"swarm": "gamma", "weight": 3})
    options = ("--action", "set_weight", "--details", details, "--deadline", "2s", "--wait")
    ran = alpha("propose", "FEDERATION_POLICY", *options)
    assert (ran.code, "status    EXPIRED" in ran.out) == (FailureKind.REJECTED, True)


def test_operators_vote_on_what_is_open(town: Town, alpha: Machine, beta: Machine) -> None:
    proposal = weigh(town, alpha)
    row = beta.json("proposals")["proposals"][-1]
    assert (row["proposal"], row["proposer"], row["ballots"]) == (proposal, "alpha", {})
    assert row["details"] == {"swarm": swarm_of(beta), "weight": 2}
    assert beta.json("vote", proposal[:8].upper(), "approve", "--reason", "fair") == {
        "proposal": proposal,
        "choice": "APPROVE",
        "reason": "fair",
    }
    assert f"{proposal}  set_weight" in alpha("proposals").out
    assert alpha.json("proposals")["proposals"][-1]["ballots"] == {"beta": "APPROVE"}
    assert alpha("vote", proposal, "Reject").out == f"REJECT: the vote on {proposal} is cast.\n"
    again = alpha("vote", proposal, "approve")
    assert (again.code, "has voted REJECT on it already: a vote is final" in again.err) == (6, True)


def test_decisions_are_listed_from_a_height_on(alpha: Machine, beta: Machine) -> None:
    height = alpha.json(*PRIORITY, "--wait")["height"]
    rows = beta.json("decisions")["decisions"]
    assert [row["height"] for row in rows] == sorted(row["height"] for row in rows)
    newest = beta.json("decisions", "--since", str(height))
    assert newest == {"since": height, "decisions": [row for row in rows if row["height"] >= height]}
    assert f"{height}" in beta("decisions", "--since", str(height)).out.splitlines()[1]
    assert beta("decisions", "--since", "9999").out == "nothing was decided from height 9999 on\n"


def test_a_terminal_shows_the_beginning_of_ids_and_of_what_is_long(
    town: Town, alpha: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = alpha.json("expel", "gamma", "--reason", "x" * 400, "--deadline", "1s", "--wait")["proposal"]
    proposal = weigh(town, alpha)
    monkeypatch.setattr("bootstrap.console.on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "300")
    for command, shown in (("proposals", proposal), ("decisions", long)):
        told = alpha(command).out
        assert f"{shown[:8]}…" in told
        assert shown not in told
        assert "x" * 50 not in told


def test_nothing_is_open_where_nothing_was_asked(tmp_path: Path) -> None:
    with serving_town(town_of(1), tmp_path, "alpha") as (alone,):
        assert alone("proposals").out == "nothing is open\n"
        assert alone("decisions").out == "nothing was decided\n"
        assert alone.json("decisions") == {"since": 0, "decisions": []}


def test_a_decision_is_printed_or_written_once(alpha: Machine, beta: Machine, tmp_path: Path) -> None:
    decided = alpha.json(*PRIORITY, "--wait")
    assert beta.json("decisions", "--id", decided["proposal"][:10]) == decided
    file = tmp_path / "d.json"
    written = beta.json("decisions", "--id", decided["proposal"], "--output", str(file))
    assert (written["file"], "proof" in written) == (str(file), False)
    assert json.loads(file.read_text()) == decided
    again = beta("decisions", "--id", decided["proposal"], "--output", str(file))
    assert (again.code, "is there already: name another file" in again.err) == (2, True)
    other = beta("decisions", "--id", decided["proposal"], "--output", str(tmp_path / "e.json"))
    assert f"`zenmesh verify {tmp_path / 'e.json'} --genesis GENESIS`" in other.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("vote", "zz", "approve"), "'zz' is no id of a proposal"),
        (("vote", "f" * 33, "approve"), "is no id of a proposal"),
        (("vote", "ffff", "approve"), "no proposal that is open begins with 'ffff'"),
        (("vote", "ffff", "perhaps"), "vote: CHOICE: 'perhaps' is not one of"),
        (("vote", "ffff", "approve", "--reason", "x" * 513), "reason has 513 bytes, at most 512 are taken"),
        (("decisions", "--id", "ffff"), "no decision that is remembered here begins with 'ffff'"),
        (("decisions", "--output", "file"), "--output writes one decision: name it with --id"),
        (("decisions", "--since", "-1"), "decisions: --since: "),
        (("propose", "WEATHER", "--action", "a", "--details", "{}"), "propose: SUBJECT: 'WEATHER' is not one of"),
        (("propose", "PRIORITY_CHANGE", "--action", "a", "--details", "x"), "--details is not JSON"),
        (("propose", "PRIORITY_CHANGE", "--action", "a", "--details", "[]"), "--details is a JSON object"),
        (("propose", "PRIORITY_CHANGE", "--action", "a", "--details", '{"a": NaN}'), "NaN is no number of JSON"),
        (("propose", "PRIORITY_CHANGE", "--action", "dance", "--details", "{}"), "no action is called 'dance'"),
        ((*PRIORITY, "--deadline", "8d"), "--deadline 8d: out of bounds, from 1s to 7d is taken"),
        (("federation", "admit", "dan"), "no request of 'dan' waits for this queen's vote; waiting: none"),
        (("expel", "dan", "--reason", "r"), "no swarm is called 'dan': `zenmesh members` lists them"),
        (
            ("reinstate", "beta", "--reason", "r"),
            "beta is ACTIVE: this is for who is SUSPENDED or QUARANTINED or EXP",
        ),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, tuple) else None,
)
def test_what_cannot_be_is_refused_with_a_sentence(alpha: Machine, arguments: tuple[str, ...], says: str) -> None:
    ran = alpha(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert ran.err.count("\n") == 1


def test_one_alone_is_refused_with_five_and_told_what_would_mend_it(tmp_path: Path) -> None:
    town = town_of(3)
    town.world.partition([town["alpha"], town["beta"]], [town["gamma"]])
    town.world.run(10_000_000)
    with serving_town(town, tmp_path, "gamma") as (gamma,):
        for arguments in (PRIORITY, ("expel", "alpha", "--reason", "gone"), ("leave",), ("vote", "0a", "approve")):
            ran = gamma(*arguments)
            assert (ran.code, ran.out) == (FailureKind.NO_QUORUM, "")
            assert "1 of 3 weight is in reach and a decision takes 2: waiting for " in ran.err
            assert "(MINORITY); start their nodes or mend the network: see `zenmesh peers`" in ran.err
        quorum = gamma.json("members")["quorum"]
        assert (quorum["state"], quorum["can"], quorum["needed"]) == ("MINORITY", ["own"], 2)
        for command in ("status", "members"):
            shown = gamma(command).out
            assert "quorum      MINORITY: 1 of 3 weight is in reach" in shown
            assert "it can      write, and share what is written\n" in shown
            assert "to mend it  start their nodes or mend the network: see `zenmesh peers`\n" in shown
            assert re.search(r"alpha .*suspected for \d+ s  ", shown)


def test_where_the_creator_governs_nothing_is_proposed(tmp_path: Path) -> None:
    town = Town("alpha", "beta", config=CREATORS_RULE)
    town.form()
    with serving_town(town, tmp_path, "beta") as (beta,):
        ran = beta(*PRIORITY)
        assert (ran.code, "the creator still governs; this node holds the handover back" in ran.err) == (6, True)
        assert "governed by its creator" in beta("members").out
        shown = beta("status").out
        assert "governed    by its creator alone; this node holds the handover back: once all nodes are up" in shown
        assert "quorum " not in shown


class Asleep(Client):
    """A node that knows nothing of a decision, or is gone."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    def call(self, operation: str, fields: Any = None) -> dict[str, Any]:
        raise self.failure


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (CallFailed(FailureKind.USAGE, "not decided yet"), NoQuorum),
        (CallFailed(FailureKind.STORAGE, "the disk"), CallFailed),
        (NotRunning("no node serves it"), NotRunning),
    ],
    ids=["nobody closes it", "it fails", "the node goes"],
)
def test_who_waits_in_vain_is_told_where_to_look(
    failure: Exception, raised: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "GRACE_S", 0.0)
    with pytest.raises(raised) as told:
        await_decision(Asked(Asleep(failure), "0a" * 16, 7, 0))
    assert raised is CallFailed or f"`zenmesh decisions --id {'0a' * 16}`" in str(told.value)


# who belongs


def test_members_come_and_go(tmp_path: Path) -> None:
    town = town_of(4)
    with serving_town(town, tmp_path, "alpha", "delta") as (alpha, delta):
        rows = {row["swarm"]: row for row in alpha.json("members")["members"]}
        assert set(rows) == {"alpha", "beta", "gamma", "delta"}
        assert (rows["delta"]["state"], rows["delta"]["inviter"], rows["delta"]["in_reach"]) == (
            "ACTIVE",
            "alpha",
            True,
        )
        swarm = swarm_hex(town, "delta")
        assert alpha.json("expel", "delta", "--reason", "it lies", "--wait")["details"] == {
            "swarm": swarm,
            "reason": "it lies",
        }
        shown = alpha("members").out
        assert shown.splitlines()[-1].split()[:4] == ["delta", swarm, "EXPELLED", "0"]
        assert "quorum      QUORATE: 3 of 3 weight is in reach: decisions can be made\n" in shown
        assert "rule        two-thirds: goes on with up to 0 crashed and 0 hostile member(s)\n" in shown
        assert delta("memory", "put", "k", "1").code == FailureKind.REJECTED
        assert "the members have expelled this swarm" in delta("status").out
        assert alpha("reinstate", "delta", "--reason", "mended", "--wait").code == 0
        town.world.run_until(lambda: "ACTIVE" in states(alpha)["delta"])
        left = delta.json("leave")
        assert (left["swarm"], left["state"]) == ("delta", "LEFT")
        assert states(alpha)["delta"] == "LEFT"
        ran = alpha("reinstate", "delta", "--reason", "mended")
        assert (ran.code, "delta is LEFT: this is for who is" in ran.err) == (2, True)


@pytest.mark.parametrize(("others_know", "then"), [(True, "can be stopped"), (False, "let it run until one")])
def test_who_left_hears_whether_its_node_may_be_stopped(
    others_know: bool, then: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _show_leave({"swarm": "delta", "height": 7, "others_know": others_know})
    assert then in capsys.readouterr().out


def states(machine: Machine) -> dict[str, str]:
    return {row["swarm"]: row["state"] for row in machine.json("members")["members"]}


def test_status_says_who_governs_and_what_is_open(town: Town, alpha: Machine, beta: Machine) -> None:
    weigh(town, alpha)
    told = beta("status").out
    assert "governed    by its queens, led by " in told
    assert " open: `zenmesh proposals`\n" in told
    assert "this queen votes" in told


def test_a_backup_is_called_no_queen_and_has_no_term(alpha: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    status = alpha.json("status")
    silent = {**status["consensus"], "voting": False}
    show_status({**status, "role": "backup", "term": 0, "consensus": silent})
    told = capsys.readouterr().out
    assert "swarm       alpha (project demo), backup\n" in told
    assert "this node does not vote" in told


# certificates


def test_the_root_key_renews_a_certificate(town: Town, alpha: Machine, tmp_path: Path) -> None:
    write_key(tmp_path, ROOT, town.swarms["alpha"].root)
    file = str(tmp_path / ROOT.file)
    ends = alpha.json("members")["members"][0]["expires_ms"]
    renewed = alpha.json("renew", "--root-key", file, "--expires", "1d")
    assert renewed["swarm"] == "alpha"
    assert renewed["expires_ms"] == ends + 1, "none ends before the one that it replaces"
    assert "The certificate of alpha in term 1 holds until" in alpha("renew", "--root-key", file).out
    assert "That is later than --expires asks" in alpha("renew", "--root-key", file, "--expires", "1d").out
    (row,) = [row for row in alpha.json("members")["members"] if row["swarm"] == "alpha"]
    assert row["expires_ms"] > ends + 1


def test_another_swarms_root_key_renews_nothing(town: Town, alpha: Machine, tmp_path: Path) -> None:
    write_key(tmp_path, ROOT, town.swarms["beta"].root)
    ran = alpha("renew", "--root-key", str(tmp_path / ROOT.file))
    assert (ran.code, "not the root key of alpha" in ran.err) == (2, True)


def test_members_shows_what_soon_ends(capsys: pytest.CaptureFixture[str], alpha: Machine) -> None:
    _show_members({**alpha.json("members"), "warnings": ["the certificate of beta ends in 3 day(s)"]})
    assert "warning: the certificate of beta ends in 3 day(s)\n" in capsys.readouterr().out
