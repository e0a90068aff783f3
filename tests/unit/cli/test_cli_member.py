"""Commands to running members: what they print, and that what they print as JSON is what was published."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

from bootstrap.cli.nodes import show_status
from consensus.tickets import parse_ticket
from tests.support.commands import Machine, street


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, Machine]]:
    with street(tmp_path_factory.mktemp("homes"), "alpha", "beta") as (alpha, beta):
        assert alpha("memory", "put", "shared", '{"by": "alpha"}').code == 0
        assert beta("memory", "put", "shared", "[1, 2.5]").code == 0
        assert beta("memory", "put", "beta/only", '"ü"').code == 0
        yield alpha, beta


@pytest.fixture
def alpha(members: tuple[Machine, Machine]) -> Machine:
    return members[0]


@pytest.fixture
def beta(members: tuple[Machine, Machine]) -> Machine:
    return members[1]


# memory


def test_get_prints_the_value_of_every_swarm(alpha: Machine) -> None:
    assert alpha.json("memory", "get", "shared") == {"alpha": {"by": "alpha"}, "beta": [1, 2.5]}
    assert alpha("memory", "get", "shared").out == '{"alpha": {"by": "alpha"}, "beta": [1, 2.5]}\n'


def test_get_of_one_swarm_prints_the_value_alone(alpha: Machine) -> None:
    assert alpha("memory", "get", "beta/only", "--swarm", "beta").out == '"ü"\n'


def test_ls_prints_keys_by_swarm(alpha: Machine) -> None:
    assert alpha.json("memory", "ls") == {
        "prefix": "",
        "keys": {"alpha": ["shared"], "beta": ["beta/only", "shared"]},
    }
    assert alpha.json("memory", "ls", "beta/")["keys"] == {"alpha": [], "beta": ["beta/only"]}
    assert alpha.json("memory", "ls", "--swarm", "alpha")["keys"] == {"alpha": ["shared"]}
    assert alpha("memory", "ls").out.splitlines() == [
        "swarm  key",
        "alpha  shared",
        "beta   beta/only",
        "beta   shared",
    ]


@pytest.mark.parametrize(
    "text", ["-5", "0", "true", "null", '"-x"', '{"a": [1, {"b": null}]}', "12345678901234567890"], ids=repr
)
def test_put_takes_any_json(alpha: Machine, text: str) -> None:
    written = alpha.json("memory", "put", "any", text)
    assert written["key"] == "any"
    assert written["replicated"] is False
    assert alpha.json("memory", "get", "any") == {"alpha": json.loads(text)}


def test_put_reads_standard_input(alpha: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"long": "text"}\n'))
    assert alpha("memory", "put", "piped", "-").code == 0
    assert alpha.json("memory", "get", "piped", "--swarm", "alpha") == {"long": "text"}


def test_put_replicated_waits_for_others(alpha: Machine) -> None:
    assert alpha.json("memory", "put", "held", "1", "--replicated")["replicated"] is True
    assert "held by enough other members" in alpha("memory", "put", "held", "2", "--replicated").out


def test_rm_removes_a_key_of_its_own(alpha: Machine) -> None:
    alpha.json("memory", "put", "passing", "1")
    assert alpha.json("memory", "rm", "passing")["durable"] is True
    alpha.json("memory", "put", "passing", "1")
    assert alpha("memory", "rm", "passing").out.startswith("removed passing: durable here (record ")
    assert alpha("memory", "get", "passing").code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("memory", "get", "nothing"), 1, "no swarm has 'nothing'"),
        (("memory", "get", "shared", "--swarm", "gamma"), 2, "no member is called 'gamma'; the members are: "),
        (("memory", "rm", "beta/only"), 1, "only a swarm's own keys can be removed"),
        (("memory", "put", "key", "hello"), 2, "the value is not JSON"),
        (("memory", "put", "key", "NaN"), 2, "NaN is no number of JSON"),
        (("memory", "put", "key", "[" * 100_000), 2, "the value is not JSON"),
        (("memory", "put", "", "1"), 2, "the key is empty"),
        (("federation", "admit", "gamma"), 2, "no request of 'gamma' waits for this queen's vote; waiting: none"),
        (("invite", "--expires", "0s"), 2, "--expires 0s: out of bounds"),
        (("invite", "--expires", "367d"), 2, "--expires 367d: out of bounds"),
        (("invite", "--expires", "soon"), 2, "--expires soon: no duration"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else None,
)
def test_what_cannot_be_is_refused_with_a_sentence(
    alpha: Machine, arguments: tuple[str, ...], code: int, says: str
) -> None:
    ran = alpha(*arguments)
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.err
    assert ran.err.startswith("zenmesh: ")
    assert ran.err.count("\n") == 1


# the node


def test_invite_prints_the_ticket_alone(alpha: Machine) -> None:
    ran = alpha("invite")
    assert (ran.out.count("\n"), ran.err) == (1, "")
    assert parse_ticket(ran.out).federation_name == "meadow"


def test_invite_takes_a_duration(alpha: Machine) -> None:
    day = alpha.json("invite")["expires_ms"]
    week = alpha.json("invite", "--expires", "7d")["expires_ms"]
    assert 6 * 86_400_000 <= week - day < 7 * 86_400_000


def test_status_says_everything(beta: Machine) -> None:
    status = beta.json("status")
    assert status["lifecycle"] == "OPERATIONAL"
    assert [row["swarm"] for row in sorted(status["members"], key=lambda row: str(row["swarm"]))] == ["alpha", "beta"]
    shown = beta("status").out
    for text in (
        "OPERATIONAL",
        status["peer_id"],
        status["state_root"],
        status["addresses"][0],
        "alpha  ACTIVE",
        "meadow",
    ):
        assert text in shown


def test_status_says_what_an_operator_should_look_at(alpha: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    status = alpha.json("status")
    read_only = "read-only: asking the other members"
    show_status({**status, "pending_joins": [{"swarm": "eve"}], "warnings": ["check NTP"], "read_only": read_only})
    told = capsys.readouterr().out
    assert "eve asks to be admitted: `zenmesh federation admit eve`\n" in told
    assert "warning: check NTP\n" in told
    assert "\nread-only   asking the other members\n" in told


def test_status_of_a_machine_without_multicast(alpha: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    show_status({**alpha.json("status"), "mdns_problems": ["no interface can send multicast"]})
    assert "warning: mDNS: no interface can send multicast\n" in capsys.readouterr().out


def test_peers_shows_links_whole(beta: Machine) -> None:
    (row,) = beta.json("peers")["peers"]
    assert row["swarm"] == "alpha"
    assert row["peer_id"] in beta("peers").out


def test_joining_twice_is_refused(beta: Machine, alpha: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mesh.runtime.clock.wall_ms", lambda: 0)
    ran = beta("join", alpha("invite").out.strip())
    assert ran.code != 0
    assert "already" in ran.err
