"""Tidiness as a table of rules: each reads one file and yields what is wrong there.

The linter holds what a linter can (unused code, commented-out code, `print`, relative imports, missing docstrings;
`test_tidy.py` proves that it is told to). Here is the rest: sizes that fit a screen and a sitting, docstrings that
say something, no iteration whose order depends on hashing, no trace of the machine a file was written on, one word
for one thing. A rule is a function from a file to its findings, and a row of `RULES` with the files it judges.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.code.hashing import iterations_by_hash
from tests.code.sources import PURE, Source

MAX_LINES = 350
MAX_TEST_LINES = 400
MAX_FUNCTION_LINES = 60
MIN_DOCSTRING_CHARS = 30

Finding = tuple[int, str]  # line, what is wrong
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`check` yields the findings of a file, if the rule `judges` it."""

    judges: Callable[[Source], bool]
    check: Callable[[Source], Iterator[Finding]]


def file_size(source: Source) -> Iterator[Finding]:
    """A file is read in one sitting."""
    limit = MAX_TEST_LINES if source.within("tests") else MAX_LINES
    count = len(source.text.splitlines())
    if count > limit:
        yield count, f"{count} lines where {limit} are allowed: split it by ideas"


def function_size(source: Source) -> Iterator[Finding]:
    """A function fits a screen."""
    for node in ast.walk(source.tree):
        if isinstance(node, Function) and node.end_lineno is not None:
            count = node.end_lineno - node.lineno + 1
            if count > MAX_FUNCTION_LINES:
                yield node.lineno, f"{node.name} has {count} lines where {MAX_FUNCTION_LINES} are allowed"


def module_docstring(source: Source) -> Iterator[Finding]:
    """A module says what it is for, in more than its own name."""
    docstring = ast.get_docstring(source.tree) or ""
    if len(docstring) < MIN_DOCSTRING_CHARS:
        yield 1, f"the module's docstring says too little: {docstring!r}"


def leftovers(source: Source) -> Iterator[Finding]:
    """What is left to do lies in the tracker, not in the code."""
    words = "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"))
    yield from _matches(source, re.compile(rf"\b(?:{words})\b"), "left over")


def traces_of_a_machine(source: Source) -> Iterator[Finding]:
    """No path of anyone's machine and no package registry: those who clone this have others."""
    paths = r"(?<![\w.~*])/(?:work|root|home|Users)/[\w.-]+"
    hosts = "|".join(map(re.escape, ("pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com")))
    yield from _matches(source, re.compile(paths), "a path of one machine")
    yield from _matches(source, re.compile(rf"{hosts}|--(?:extra-)?index-url|--find-links\s*=?\s*/"), "a registry")


def real_sleep(source: Source) -> Iterator[Finding]:
    """A test waits for conditions: it may poll in a loop, never hope that a while is long enough."""
    polls = {id(inner) for node in ast.walk(source.tree) if isinstance(node, ast.While) for inner in ast.walk(node)}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep" and id(node) not in polls:
            yield node.lineno, "time.sleep outside of a polling loop: wait for a condition"


# One word, one meaning. Left: what is not said here; right: what is.
SAY_INSTEAD = {
    r"(?:black|white)-?list(?:s|ed)?": "refused, allowed",
    r"masters?|slaves?": "queen, leader, owner",
    r"merkle[ -]trees?": "Merkle trie",
    r"clusters?": "federation",
    r"(?:sub-?)?hives?": "swarm",
    r"gossip[ -]mesh": "mesh",
    r"peer[ -]?names?": "peer id",
    r"(?:super|sub)-?majority": "quorum",
    r"(?:random )?oracles?": "checker",
    r"leader[ -]elections?": "view change",
    r"failover[ -]master": "backup queen",
}
# A word in double quotes is someone else's: an argument of `ip`, a name in a library.
_MISUSED = re.compile(r"(?<!\")\b(?:" + "|".join(SAY_INSTEAD) + r")\b", re.IGNORECASE)


def glossary(source: Source) -> Iterator[Finding]:
    """The glossary's word, and no second one for the same thing."""
    for line, found in _found(source, _MISUSED):
        right = next(right for wrong, right in SAY_INSTEAD.items() if re.fullmatch(wrong, found, re.IGNORECASE))
        yield line, f"{found!r}: here one says {right}"


def hash_order(source: Source) -> Iterator[Finding]:
    """No order that depends on hashing reaches an effect or an encoding."""
    yield from iterations_by_hash(source.tree)


def _found(source: Source, pattern: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(source.text.splitlines(), 1):
        for match in pattern.finditer(line):
            yield number, match.group()


def _matches(source: Source, pattern: re.Pattern[str], what: str) -> Iterator[Finding]:
    for line, found in _found(source, pattern):
        yield line, f"{what}: {found!r}"


def _python(source: Source) -> bool:
    return source.is_python


def _anything(source: Source) -> bool:
    return True


def _spoken(source: Source) -> bool:
    return source.path.endswith((".py", ".md")) and not source.within("tests/code")


def _test(source: Source) -> bool:
    return source.is_python and source.within("tests") and not source.within("tests/support")


RULES: dict[str, Rule] = {
    "file size": Rule(judges=_python, check=file_size),
    "function size": Rule(judges=_python, check=function_size),
    "module docstring": Rule(judges=_python, check=module_docstring),
    "leftovers": Rule(judges=_anything, check=leftovers),
    "traces of a machine": Rule(judges=_anything, check=traces_of_a_machine),
    "real sleep": Rule(judges=_test, check=real_sleep),
    "glossary": Rule(judges=_spoken, check=glossary),
    "hash order": Rule(judges=lambda source: source.is_python and source.within(*PURE, "chaos"), check=hash_order),
}
