"""What the README and the guides tell people to type works: every command is run as written, in real processes.

A document is followed from its first command to its last in a directory of its own, and, if it starts nodes, on a LAN
of its own. Blocks that are not run are listed as skipped, each with its reason.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from bootstrap.cli.main import build
from bootstrap.live.netns import Lan
from tests.support.documents import Block, Command, Document, documents
from tests.support.typist import Typist

FOLLOWED = [
    pytest.param(
        document,
        id=document.name,
        marks=[pytest.mark.processes, pytest.mark.xdist_group("netns")]
        + [pytest.mark.netns] * any(command.is_node for command in document.commands()),
    )
    for document in documents()
    if document.commands()
]
SKIPPED = [
    pytest.param(block, id=f"{document.name}:{block.line}")
    for document in documents()
    for block in document.blocks()
    if block.reason is not None
]


@pytest.mark.parametrize("document", FOLLOWED)
def test_a_document_can_be_followed(tmp_path: Path, document: Document) -> None:
    commands = document.commands()
    machines = list(dict.fromkeys(command.machine for command in commands))
    if not any(command.is_node for command in commands):
        follow(Typist(tmp_path, machines), commands)
        return
    with Lan(len(machines)) as lan:
        follow(Typist(tmp_path, machines, lan), commands)


def follow(typist: Typist, commands: list[Command]) -> None:
    with typist:
        for command in commands:
            typist.follow(command)


@pytest.mark.parametrize("block", SKIPPED)
def test_a_block_that_is_not_run(block: Block) -> None:
    assert list(block.commands()), "a comment for nothing"
    pytest.skip(f"shown, not run: {block.reason}")


@pytest.mark.parametrize("document", documents(), ids=lambda document: document.name)
def test_every_block_is_run_or_says_why_not(document: Document) -> None:
    assert [block.line for block in document.blocks() if not block.has_decision] == []
    assert document.strays() == []


def test_the_documents_have_commands() -> None:
    assert {"README.md", "docs/operations.md"} <= {parameter.id for parameter in FOLLOWED}


# Commands in sentences, tables and blocks that are not run exist all the same.

MENTIONS = sorted({(document.name, text) for document in documents() for text in document.mentions()})


@pytest.mark.parametrize(("document", "text"), MENTIONS)
def test_a_command_that_is_mentioned_exists(document: str, text: str) -> None:
    assert spoken(text.split()[1:]), f"{document} speaks of `{text}`"


def spoken(words: list[str]) -> bool:
    """Whether a command line names a command and options that exist; `a|b` stands for either."""
    node: Any = get_command(build())
    while words and hasattr(node, "commands"):
        if words[0].startswith("-"):
            break
        word, *words = words
        names = word.split("|")
        if not set(names) <= set(node.commands):
            return False
        node = node.commands[names[0]]
    known = {name for parameter in node.params for name in (*parameter.opts, *parameter.secondary_opts)}
    given = set(re.findall(r"(?<!\S)--[a-z][a-z-]*", " ".join(words)))
    return given <= known | {"--help"}


@pytest.mark.parametrize("text", ["statsu", "memory drop", "run --speed", "federation create --nam acme"])
def test_a_command_that_does_not_exist_is_noticed(text: str) -> None:
    assert not spoken(text.split())


# The mechanism itself.


def page(text: str) -> Document:
    return Document("page.md", text)


def test_a_block_without_a_decision_is_noticed() -> None:
    text = "```\n$ zenmesh run\n```\n\n```text\nalice$ zenmesh run\n```\n\n```console\n$ true\n```\n"
    document = page(text)
    assert [block.has_decision for block in document.blocks()] == [False, False, True]
    assert page("Type\n\n    zenmesh run\n").strays() == ["    zenmesh "]


def test_a_block_is_read_as_typed() -> None:
    text = "<!-- not run: because -->\n```console\n$ one \\\n  more\nout\nbob$ two\n```\n```sh\n# says\nthree\n```\n"
    first, second = page(text).blocks()
    assert (first.reason, first.line, second.reason) == ("because", 2, None)
    assert list(first.commands()) == [Command("", "one   more", ("out",)), Command("bob", "two", ())]
    assert page(text).commands() == [Command("", "three", ())]


@pytest.mark.parametrize(
    ("text", "output"),
    [("echo one; echo two", ["two", "one"]), ("echo one", ["on"]), ("false", []), ("no-such-command", [])],
)
def test_what_is_not_as_shown_is_noticed(tmp_path: Path, text: str, output: list[str]) -> None:
    with pytest.raises(AssertionError), Typist(tmp_path, [""]) as typist:
        typist.follow(Command("", text, tuple(output)))


def test_what_was_printed_is_meant_later(tmp_path: Path) -> None:
    with Typist(tmp_path, [""]) as typist:
        typist.follow(Command("", "echo a ticket: zm1abc, for you", ("a ticket: zm1…, …",)))
        typist.follow(Command("", "echo with zm1…,", ("with zm1abc,",)))
