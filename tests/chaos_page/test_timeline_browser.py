"""The timeline page in a real browser: a lane per host, arrows and the violation drawn, nothing on the console.

The script tells on the canvas how much it drew; a screenshot, decoded here, shows that pixels agree.
"""

from __future__ import annotations

import re
import struct
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from chaos.actions import Action, Crash, Cut, Pause, Start, Write
from chaos.checkers import Violation
from chaos.runner import run
from chaos.scenario import Scenario
from chaos.timeline import page
from chaos.trace import Kind

pytestmark = pytest.mark.chromium

BROKEN = Violation("convergence", 9_000_000, "s2", "</script><img src=x onerror=console.log('CONSOLE-RAN')>")
SIZE = (1_200, 800)
RED = (0xD3, 0x20, 0x2F)
FAULTS: tuple[Action, ...] = (
    *(Write(at_ms=4_000 + 500 * number, host=f"s{number % 3 + 1}", key=f"k{number}") for number in range(10)),
    Cut(at_ms=5_000, sources=("s1",), targets=("s2", "s3"), for_ms=3_000),
    Pause(at_ms=6_000, host="s3", for_ms=1_000),
    Crash(at_ms=7_000, host="s2"),
    Start(at_ms=8_000, host="s2"),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the browser made of a page."""

    dom: str
    console: list[str]
    picture: Path

    def drawn(self, what: str) -> int:
        """How much of `what` the script says that it drew."""
        found = re.search(rf'<canvas[^>]* data-{what}="(\d+)"', self.dom)
        assert found, f"the script never drew: {self.console}"
        return int(found[1])


def browse(folder: Path, text: str) -> Seen:
    """Open a page in Chromium without a screen; it ends when the page is done."""
    (folder / "page.html").write_text(text)
    options = [
        *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
        *("--disable-dev-shm-usage", "--enable-logging=stderr", "--v=0", "--virtual-time-budget=2000"),
        *(f"--user-data-dir={folder / 'profile'}", f"--window-size={SIZE[0]},{SIZE[1]}"),
    ]
    page_url = (folder / "page.html").as_uri()
    picture = folder / "page.png"
    dumped = subprocess.run(["chromium", *options, "--dump-dom", page_url], capture_output=True, text=True)
    shot = subprocess.run(["chromium", *options, f"--screenshot={picture}", page_url], capture_output=True, text=True)
    assert (dumped.returncode, shot.returncode) == (0, 0), dumped.stderr + shot.stderr
    lines = [*dumped.stderr.splitlines(), *shot.stderr.splitlines()]
    return Seen(dumped.stdout, [line for line in lines if "CONSOLE" in line], picture)


@pytest.fixture(scope="module", params=[3, 10], ids=["3 swarms", "10 swarms"])
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Seen]:
    """A run with faults and a violation, seen by the browser."""
    scenario = Scenario(seed=1, swarms=request.param, name="seen", actions=FAULTS, faults_s=10, settle_s=2)
    report = run(scenario, keep=True)
    text = page(report.trace, scenario, title="a run that is looked at", violations=[BROKEN])
    return request.param, browse(tmp_path_factory.mktemp("browser"), text)


def test_a_lane_per_host(seen: tuple[int, Seen]) -> None:
    swarms, page_seen = seen
    lanes = re.search(r'<ol id="lanes".*?</ol>', page_seen.dom, re.DOTALL)
    assert lanes
    assert re.findall(r">(s\d+)</li>", lanes[0]) == [f"s{number}" for number in range(1, swarms + 1)]


def test_nothing_on_the_console(seen: tuple[int, Seen]) -> None:
    assert seen[1].console == []


def test_arrows_are_drawn(seen: tuple[int, Seen]) -> None:
    assert seen[1].drawn("arrows") > 20


def test_the_violation_is_marked_and_can_be_gone_to(seen: tuple[int, Seen]) -> None:
    assert seen[1].drawn("violations") == 1
    assert "go to convergence at 9.00 s</button>" in seen[1].dom
    assert "an invariant broke" in seen[1].dom


def test_the_violation_is_a_red_line_through_all_lanes(seen: tuple[int, Seen]) -> None:
    columns = [0] * SIZE[0]
    for row in rows(seen[1].picture):
        for column in range(SIZE[0]):
            columns[column] += row[column * 3 : column * 3 + 3] == bytes(RED)
    assert max(columns) > SIZE[1] / 2


def test_text_of_a_peer_is_shown_and_does_nothing(seen: tuple[int, Seen]) -> None:
    assert "<img" not in seen[1].dom
    assert "&lt;img src=x onerror=" in seen[1].dom


def test_a_bare_trace_is_a_page_too(tmp_path: Path) -> None:
    report = run(Scenario(seed=1, swarms=1, faults_s=0, settle_s=0), keep=True)
    assert Kind.VIOLATION not in {record.kind for record in report.trace.records}
    found = browse(tmp_path, page(report.trace, report.scenario, title="nothing happened", violations=()))
    assert (found.drawn("arrows"), found.drawn("violations"), found.console) == (0, 0, [])
    assert "every invariant held" in found.dom


def rows(picture: Path) -> Iterator[bytes]:
    """The rows of a PNG as RGB bytes; the browser writes 8 bits a channel, with or without transparency."""
    data, place, packed, header = picture.read_bytes(), 8, b"", (0, 0, 0, 0)
    while place < len(data):
        length, name = struct.unpack(">I4s", data[place : place + 8])
        body = data[place + 8 : place + 8 + length]
        header = struct.unpack(">IIBB", body[:10]) if name == b"IHDR" else header
        packed += body if name == b"IDAT" else b""
        place += length + 12
    width, height, depth, colour = header
    assert (width, depth) == (SIZE[0], 8)
    step = {2: 3, 6: 4}[colour]
    raw, before = zlib.decompress(packed), bytearray(width * step)
    for number in range(height):
        start = number * (width * step + 1)
        before = unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + width * step]), before, step)
        yield bytes(before) if step == 3 else b"".join(before[i : i + 3] for i in range(0, len(before), 4))


def unfiltered(way: int, row: bytearray, above: bytearray, step: int) -> bytearray:
    """A row of a PNG as it was before its filter."""
    for place in range(len(row)):
        left = row[place - step] if place >= step else 0
        corner = above[place - step] if place >= step else 0
        up = above[place]
        nearest = min(
            (abs(up - corner), 0, left), (abs(left - corner), 1, up), (abs(left + up - 2 * corner), 2, corner)
        )
        row[place] = (row[place] + (0, left, up, (left + up) // 2, nearest[2])[way]) & 255
    return row
