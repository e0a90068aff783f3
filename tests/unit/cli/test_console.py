"""Output for people: whole and plain in a pipe, fitted on a terminal, and harmless whatever names others have."""

from __future__ import annotations

import pytest

from bootstrap import console

LONG = "/ip4/192.0.2.1/tcp/4150/p2p/12D3KooWHZbUg5gTgVBpHwocqjzGs7DrxSLE8egkzyrwVpmQDYWK"


@pytest.fixture(params=[False, True], ids=["pipe", "terminal"])
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(console, "on_terminal", lambda: request.param)
    monkeypatch.setenv("COLUMNS", "60")
    return bool(request.param)


def test_facts_are_one_line_each_and_never_cut(terminal: bool, capsys: pytest.CaptureFixture[str]) -> None:
    console.facts({"swarm": "alpha", "addresses": [LONG, "b"], "absent": None, "none": []})
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "swarm      alpha",
        f"addresses  {LONG}",
        "           b",
        "none       -",
    ]


def test_nothing_is_read_as_markup(terminal: bool, capsys: pytest.CaptureFixture[str]) -> None:
    console.facts({"name": "[red]x[/red] :smile:"})
    console.table(["name"], [["[bold]y[/bold]"]])
    told = capsys.readouterr().out
    assert "[red]x[/red] :smile:" in told
    assert "[bold]y[/bold]" in told


def test_control_characters_stay_out(terminal: bool, capsys: pytest.CaptureFixture[str]) -> None:
    console.say("a\x1b]0;owned\x07b\u202e")
    console.facts({"name": "c\rd"})
    console.table(["name"], [["e\x1b[31mf\ng"]])
    told = capsys.readouterr().out
    assert {"\x1b", "\x07", "\r", "\u202e"}.isdisjoint(told)
    assert "e?[31mf?g" in told


def test_a_table_in_a_pipe_is_whole(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(console, "on_terminal", lambda: False)
    console.table(["swarm", "address", "n"], [["alpha", LONG, 1], ["b", None, 22]])
    assert capsys.readouterr().out.splitlines() == [
        f"swarm  {'address':{len(LONG)}}  n",
        f"alpha  {LONG}  1",
        f"b      {'-':{len(LONG)}}  22",
    ]


def test_a_table_on_a_terminal_folds(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(console, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    console.table(["swarm", "address"], [["alpha", LONG]])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 2
    assert max(map(len, lines)) <= 60
    assert "".join(line[6:].strip() for line in lines[1:]) == LONG


@pytest.mark.parametrize(
    ("width", "told"), [("15", "one  two  three"), ("14", "one two three"), ("13", "one two three")]
)
def test_columns_move_together_before_they_fold(
    width: str, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(console, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", width)
    console.table(["one", "two", "three"], [["a", "b", "c"]])
    assert capsys.readouterr().out.partition("\n")[0].rstrip() == told


def test_an_empty_table_is_its_columns(terminal: bool, capsys: pytest.CaptureFixture[str]) -> None:
    console.table(["swarm", "key"], [])
    assert capsys.readouterr().out.split() == ["swarm", "key"]
