"""config.toml: what is written reads back, and what is wrong is named with its value and the rule."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from bootstrap.config import Config, Hook, check_config, load_config, override, render_config
from consensus.governance.proposals import Choice
from mesh.protocol.config import VotingPolicy
from wire.errors import ConfigError

NAMES = {"swarm": "alpha", "project": "demo"}

VOTING = """
swarm = "alpha"
project = "demo"
govern = false

[voting]
default = "ask"
hook = ["/usr/local/bin/judge", "--strict"]
hook_timeout_s = 5

[voting.rules]
set_priority = "approve"
expel = "reject"
set_weight = "abstain"
admit = "ask"
"""


def test_a_home_that_says_nothing_governs_with_the_others_and_leaves_every_vote_to_its_operator() -> None:
    config = check_config(NAMES)
    assert (config.govern, config.voting, config.hook) == (True, VotingPolicy(), Hook())
    assert config == Config(**NAMES)


def test_how_a_queen_votes_is_read(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(VOTING)
    config = load_config(file)
    assert config.govern is False
    assert config.hook == Hook(program=("/usr/local/bin/judge", "--strict"), timeout_s=5)
    choices = {action: config.voting.choice(action) for action in ("set_priority", "expel", "set_weight", "admit")}
    assert choices == {
        "set_priority": Choice.APPROVE,
        "expel": Choice.REJECT,
        "set_weight": Choice.ABSTAIN,
        "admit": None,
    }
    assert config.voting.choice("reinstate") is None


@pytest.mark.parametrize(
    "voting",
    [{}, {"rules": {"expel": "ask", "set_priority": "approve"}, "default": "abstain", "hook": ['a "quoted" word']}],
    ids=["defaults", "everything"],
)
def test_what_is_rendered_reads_back(voting: dict[str, object]) -> None:
    values = {**NAMES, "govern": True, "voting": voting}
    assert check_config(tomllib.loads(render_config(values))) == check_config(values)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"govern": "yes"}, "govern = 'yes': true or false"),
        ({"govern": 1}, "govern = 1: true or false"),
        ({"gouvern": True}, "gouvern = True: no such field; did you mean govern?"),
        ({"voting": {"default": "maybe"}}, "voting.default = 'maybe': one of approve, reject, abstain, ask"),
        ({"voting": {"default": True}}, "voting.default = True: one of approve, reject, abstain, ask"),
        ({"voting": {"rules": "approve"}}, "voting.rules = 'approve': a table of actions and choices, such as {"),
        (
            {"voting": {"rules": {"set_prio": "approve"}}},
            "voting.rules = {'set_prio': 'approve'}: no action is called 'set_prio'; did you mean set_priority?",
        ),
        ({"voting": {"rules": {"dance": "approve"}}}, "no action is called 'dance'; there are allocate_agents, "),
        (
            {"voting": {"rules": {"expel": "yes"}}},
            "the choice of each action is one of approve, reject, abstain, ask",
        ),
        ({"voting": {"rule": {"expel": "ask"}}}, "no such field; did you mean voting.rules?"),
        ({"voting": {"hook": "judge"}}, "voting.hook = 'judge': a list of at most 64 words: a program and its arg"),
        ({"voting": {"hook": [""]}}, "voting.hook = ['']: the first word is a program: an absolute path, or a name"),
        ({"voting": {"hook": ["judge\0"]}}, "the first word is a program"),
        ({"voting": {"hook_timeout_s": 0}}, "voting.hook_timeout_s = 0: a whole number from 1 to 3600"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_wrong_is_named_with_the_rule(values: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check_config({**NAMES, **values})
    assert says in str(raised.value)


def test_what_is_wrong_on_the_command_line_is_shown_as_it_would_stand_in_the_file() -> None:
    with pytest.raises(ConfigError, match=r"^listen = \['bar'\]: 'bar': not a multiaddr such as "):
        override(check_config(NAMES), listen=("bar",))
