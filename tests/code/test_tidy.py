"""The code is as tidy as its rules say, and every rule bites: it finds what is wrong in a bad sample."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath

import pytest

from tests.code.rules import MAX_FUNCTION_LINES, MAX_LINES, MAX_TEST_LINES, RULES
from tests.code.sources import PURE, ROOT, Source, all_sources, modules


@pytest.mark.parametrize("name", RULES)
def test_the_code_keeps_the_rule(name: str) -> None:
    rule = RULES[name]
    judged = [source for source in all_sources() if rule.judges(source)]
    assert judged, "the rule judges nothing"
    findings = [f"{source.path}:{line}: {what}" for source in judged for line, what in rule.check(source)]
    assert not findings, "\n" + "\n".join(findings)


def test_test_files_have_names_of_their_own() -> None:
    names = Counter(PurePosixPath(source.path).name for source in modules("tests"))
    twice = {name: count for name, count in names.items() if count > 1 and name.startswith("test_")}
    assert not twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A text that breaks the rule at these lines, as the file `path`."""

    text: str
    path: str = "wire/sample.py"
    lines: tuple[int, ...] = (1,)


def lines(count: int) -> str:
    return "x = 1\n" * count


def function_of(count: int) -> str:
    return "def f():\n" + "    x = 1\n" * (count - 1)


BAD: dict[str, list[Sample]] = {
    "file size": [
        Sample(text=lines(MAX_LINES + 1), lines=(MAX_LINES + 1,)),
        Sample(text=lines(MAX_TEST_LINES + 1), path="tests/unit/sample.py", lines=(MAX_TEST_LINES + 1,)),
    ],
    "function size": [
        Sample(text=function_of(MAX_FUNCTION_LINES + 1)),
        Sample(text="class A:\n    async " + function_of(MAX_FUNCTION_LINES).replace("\n", "\n    "), lines=()),
        Sample(text="async " + function_of(MAX_FUNCTION_LINES + 1)),
    ],
    "module docstring": [Sample(text=""), Sample(text="x = 1\n"), Sample(text='"""Sample."""\n')],
    "leftovers": [
        Sample(text="x = 1\n# TO" + "DO: later\n", lines=(2,)),
        Sample(text="FIX" + "ME\n", path="docs/sample.md"),
    ],
    "traces of a machine": [
        Sample(text='P = "/ho' + 'me/ada/zenmesh"'),
        Sample(text="see /wo" + "rk/notes", path="docs/sample.md"),
        Sample(text='"resolved": "https://registry.npm' + 'js.org/x"', path="tests/interop/sample.json"),
        Sample(text="pip install --index" + "-url http://127.0.0.1/simple x", path="Makefile"),
    ],
    "real sleep": [
        Sample(text="import time\ntime.sleep(1)\nwhile x:\n    time.sleep(1)\n", path="tests/sample.py", lines=(2,))
    ],
    "glossary": [Sample(text="x = 1\n# the white" + "list of a clus" + "ter\n", lines=(2, 2))],
    "hash order": [
        Sample(text="for x in {1, 2}:\n    pass"),
        Sample(text="[x for x in set(y)]"),
        Sample(text="list({x for x in y})"),
        Sample(text='"".join(frozenset(y))'),
        Sample(text="f(*(a.keys() - b))"),
        Sample(text="held: set[int] = f()\n[x for x in held]", lines=(2,)),
        Sample(text="held = set()\nrest = held - other\nfor x in rest:\n    pass", lines=(3,)),
        Sample(text="self.held = {1}\nfor x in machine.held.union(y):\n    pass", lines=(2,)),
        Sample(text="def f(held: frozenset[int]):\n    yield from held", lines=(2,)),
        Sample(text="def f() -> set[int]: ...\ndict.fromkeys(x for x in f())\nenumerate(f())", lines=(2, 3)),
        Sample(text="held = {1}\nheld.pop()\nmax(held, key=len)\n{x: 1 for x in held}", lines=(2, 3, 4)),
    ],
}

GOOD: dict[str, list[str]] = {
    "file size": [lines(MAX_LINES)],
    "function size": [function_of(MAX_FUNCTION_LINES)],
    "module docstring": ['"""What this sample is good for, in a sentence."""'],
    "leftovers": ["# done"],
    "traces of a machine": ['P = "~/zenmesh"; Q = "/usr/bin/env"; R = "docs/home/page"'],
    "real sleep": ["await trio.sleep(1)"],
    "glossary": ['call("ip", "link", "set", "port", "master", "bridge")'],
    "hash order": [
        "for x in sorted({1, 2}):\n    pass",
        "any(x > 1 for x in {1, 2})",
        "len({1}); {x for x in {1}}; set(set(y)); 1 in {1}",
        "for x in {1: 2}:\n    pass",
        "held = {}\nfor x in held:\n    pass",
        "a = b | c\nfor x in a:\n    pass",
    ],
}


@pytest.mark.parametrize(
    ("name", "sample"), [pytest.param(name, sample, id=name) for name, samples in BAD.items() for sample in samples]
)
def test_a_rule_bites(name: str, sample: Sample) -> None:
    found = sorted(line for line, _ in RULES[name].check(Source(sample.path, sample.text)))
    assert found == sorted(sample.lines)


@pytest.mark.parametrize(
    ("name", "text"), [pytest.param(name, text, id=name) for name, texts in GOOD.items() for text in texts]
)
def test_a_rule_lets_the_good_pass(name: str, text: str) -> None:
    assert list(RULES[name].check(Source("wire/sample.py", text))) == []


def test_every_rule_has_samples() -> None:
    assert BAD.keys() == GOOD.keys() == RULES.keys()


@pytest.mark.parametrize("folder", PURE)
def test_the_pure_packages_are_judged_by_hash_order(folder: str) -> None:
    assert RULES["hash order"].judges(Source(f"{folder}/sample.py", ""))


LINTED = {
    "commented-out code": ("ERA001", "# x = f(1)\n"),
    "print": ("T201", "print(1)\n"),
    "relative import": ("TID252", "from . import rng\n"),
    "unused import": ("F401", "import os\n"),
    "unused name": ("F841", "def _f():\n    x = 1\n"),
    "module without docstring": ("D100", "x = 1\n"),
    "class without docstring": ("D101", "class A:\n    x = 1\n"),
    "function without docstring": ("D103", "def f():\n    return 1\n"),
}


@pytest.mark.parametrize("name", LINTED)
def test_the_linter_bites(name: str) -> None:
    code, text = LINTED[name]
    ran = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--output-format", "json", "--stdin-filename", "wire/sample.py", "-"],
        input=text,
        text=True,
        capture_output=True,
        cwd=ROOT,
    )
    assert code in [finding["code"] for finding in json.loads(ran.stdout)]
