"""What documents show people to type: fenced blocks, the commands in them, and what is said to come out.

    ```console
    alice$ zenmesh invite          a prompt, `$ ` or `NAME$ `: what follows is typed, on the machine NAME
    zm1…                           other lines are output; `…` stands for whatever is there
    ```
    ```sh                          every line is a command
    zenmesh status
    ```

A word with `…` in it means, in later commands, what stood there: `zenmesh join zm1…` takes the printed ticket. One of
eight or more hexadecimal digits and `…` is an id: it begins with others each time.
A block that is shown but not to be run has a comment on the line before its fence, which no reader sees:

    <!-- not run: installs packages -->

`OTHER` names the languages that hold no commands; a block of any other language, or of none, has no decision.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]

SHOWN = ("console", "sh")
OTHER = ("text", "json", "python", "toml", "mermaid")
NODE = "zenmesh run"  # the one command that does not come back

_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+) -->\n)?^```(?P<language>.*)\n(?P<text>(?:.*\n)*?)```$", re.MULTILINE
)
_PROMPT = re.compile(r"([a-z]*)\$ (.+)")
_TYPED = re.compile(
    r"^(?:[a-z]*\$ |(?: {4}|\t)(?:[a-z]*\$ )?(?:zenmesh|make|git|sudo|apt|pip|python3?) )", re.MULTILINE
)
_OURS = re.compile(r"(?:sudo -u \S+ )?(zenmesh .+)")
_INLINE = re.compile(r"`(zenmesh [^`]+)`")


@dataclass(frozen=True, slots=True)
class Command:
    """One command as typed on `machine`, and the lines of output that the document shows."""

    machine: str
    text: str
    output: tuple[str, ...]

    @property
    def is_node(self) -> bool:
        """Whether it stays in the foreground until it is ended."""
        return self.text == NODE or self.text.startswith(f"{NODE} ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block; `reason` says why it is not run, if it is not."""

    line: int
    language: str
    text: str
    reason: str | None

    @property
    def has_decision(self) -> bool:
        """Run, not run for a reason, or no commands at all."""
        if self.language in SHOWN:
            return True
        return self.reason is None and self.language in OTHER and not _TYPED.search(self.text)

    def commands(self) -> Iterator[Command]:
        """The commands in order, run or not."""
        lines = self.text.replace("\\\n", "").splitlines()
        if self.language == "sh":
            yield from (Command("", line, ()) for line in lines if line and not line.startswith("#"))
        elif self.language == "console":
            starts = [at for at, line in enumerate(lines) if _PROMPT.fullmatch(line)]
            assert starts[:1] == [0], f"line {self.line}: a console begins with a prompt"
            for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
                machine, text = _PROMPT.fullmatch(lines[start]).groups()  # type: ignore[union-attr]
                yield Command(machine, text, tuple(lines[start + 1 : end]))


@dataclass(frozen=True, slots=True)
class Document:
    """A document for people."""

    name: str
    text: str

    def blocks(self) -> list[Block]:
        """Its fenced blocks."""
        return list(_blocks(self.text))

    def commands(self) -> list[Command]:
        """What is to be run."""
        return [command for block in self.blocks() if block.reason is None for command in block.commands()]

    def mentions(self) -> list[str]:
        """Every command line of ours, whether in a block or in a sentence."""
        typed = [_OURS.fullmatch(command.text) for block in self.blocks() for command in block.commands()]
        prose = _BLOCK.sub("", self.text).replace("\n", " ")
        return [match[1] for match in typed if match] + _INLINE.findall(prose)

    def strays(self) -> list[str]:
        """Commands outside of fences, where nobody would run them."""
        return [match.group() for match in _TYPED.finditer(_BLOCK.sub("", self.text))]


def _blocks(text: str) -> Iterator[Block]:
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("language")) + 1
        yield Block(line=line, language=match["language"], text=match["text"], reason=match["reason"])


@cache
def documents() -> tuple[Document, ...]:
    """The README and the guides."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return tuple(Document(path.relative_to(ROOT).as_posix(), path.read_text()) for path in paths)
