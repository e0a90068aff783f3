"""`zenmesh doctor`: look at everything that can be wrong with a node, and say what to do about it."""

from __future__ import annotations

from bootstrap.cli.asking import Result, hand_over
from bootstrap.cli.options import HomeOption, JsonOption
from mesh.protocol.commands import FailureKind

_MARKS = {"ok": "ok  ", "warning": "note", "failed": "FAIL"}


def doctor(home: HomeOption = None, as_json: JsonOption = False) -> int:
    """Check config, keys, clock, ports, mDNS and disk. Says what to do; exit 1 when something must be mended."""
    from bootstrap.doctor import examine
    from bootstrap.home import Home

    checks = [check.as_dict() for check in examine(Home.locate(home).expanduser().resolve())]
    hand_over({"checks": checks}, as_json, _show)
    failed = any(check["state"] == "failed" for check in checks)
    return int(FailureKind.FAILED) if failed else 0


def _show(result: Result) -> None:
    from bootstrap.console import say

    for check in result["checks"]:
        say(f"{_MARKS[check['state']]} {check['name']}: {check['found']}")
        if check["advice"]:
            say(f"     {check['advice']}")
