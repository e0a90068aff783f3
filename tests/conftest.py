"""What every test run shares: how hypothesis searches, what is skipped here, how one test is run again.

A run is deterministic unless `ZENMESH_SOAK=1` asks for the full counts: then hypothesis draws many fresh examples
and the tests marked `soak` run too. A test that needs something of the machine carries a marker from `NEEDS`; where
that is missing it is skipped, and the end of the output says what was not run, why, and how to get it. So a green
run on a poor machine never looks like a green run on a full one.
"""

from __future__ import annotations

import functools
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import settings

from bootstrap.live import netns
from tests.support import earlier

SOAK = os.environ.get("ZENMESH_SOAK") == "1"

# Every setting is named: what is not comes from hypothesis's own default, and that is another one where $CI is set.
settings.register_profile(
    "sampled", max_examples=100, derandomize=True, deadline=None, database=None, print_blob=False
)
settings.register_profile("soak", max_examples=2_000, derandomize=False, deadline=None, print_blob=True)
settings.load_profile("soak" if SOAK else "sampled")


@dataclass(frozen=True, slots=True)
class Need:
    """Something a test wants of its surroundings; `missing` says what is not there, None when all is."""

    what: str
    how: str
    missing: Callable[[], str | None]


def _no_soak() -> str | None:
    return None if SOAK else "only with ZENMESH_SOAK=1"


def _no_tools(*tools: str) -> str | None:
    absent = [tool for tool in tools if shutil.which(tool) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


NEEDS: dict[str, Need] = {
    "soak": Need("full counts", "make soak", _no_soak),
    "history": Need("the commit before this one", "git fetch --unshallow", earlier.missing),
    "netns": Need("network namespaces", "run as root; on Debian: apt install iproute2 nftables", netns.missing),
    "node": Need("Node.js and npm", "on Debian: apt install nodejs npm", functools.partial(_no_tools, "node", "npm")),
    "chromium": Need("Chromium", "on Debian: apt install chromium", functools.partial(_no_tools, "chromium")),
    "java": Need("Java", "on Debian: apt install default-jre-headless", functools.partial(_no_tools, "java")),
    "systemd": Need(
        "systemd's tools", "on Debian: apt install systemd", functools.partial(_no_tools, "systemd-analyze")
    ),
}
_MISSING = "missing"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot run here, and note on each such test what it lacks (the note travels with xdist's reports)."""
    for item in items:
        if "autojump_clock" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.trio(run=_in_virtual_time), append=False)
        for marker, need in NEEDS.items():
            lack = need.missing() if item.get_closest_marker(marker) else None
            if lack is not None:
                item.user_properties.append((_MISSING, f"{marker}: {lack}"))
                item.add_marker(pytest.mark.skip(reason=f"{need.what}: {lack}"))


def _in_virtual_time(test: Any, clock: trio.abc.Clock | None = None, **options: Any) -> None:
    """As `trio.run`; pytest-trio hands over a clock named in the signature, but none that came by `usefixtures`."""
    trio.run(test, clock=clock or trio.testing.MockClock(autojump_threshold=0), **options)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    """A failing test ends with the one command that runs it again."""
    report = yield
    if report.failed:
        report.sections.append(("once more", f"{'ZENMESH_SOAK=1 ' * SOAK}.venv/bin/pytest '{item.nodeid}'"))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Name each thing this machine lacks, with the number of tests that it cost."""
    counts = Counter(
        note
        for report in terminalreporter.stats.get("skipped", ())
        for key, note in report.user_properties
        if key == _MISSING
    )
    if not counts:
        return
    terminalreporter.section("not run on this machine")
    for note, count in sorted(counts.items()):
        marker, _, lack = note.partition(": ")
        need = NEEDS[marker]
        terminalreporter.line(f"{need.what}: {count} test{'s' * (count != 1)} ({lack}). To run: {need.how}")
