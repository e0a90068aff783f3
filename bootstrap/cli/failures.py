"""What is said when a command fails: what happened, why, and what to do; one sentence, one exit code, no traceback.

| exit | kind | |
|---|---|---|
| 1 | failed | it was tried, and did not work |
| 2 | usage | what was asked for, or a setting or file of the home, is wrong |
| 3 | not_running | no node serves this home |
| 4 | not_member | this home belongs to no federation |
| 5 | no_quorum | too few members are reachable |
| 6 | rejected | the federation said no |
| 7 | storage | the disk did not keep its promise |

A person reads the sentence on standard error. With `--json` it is one object on standard output instead, so that a
program that asked for JSON finds exactly one object there, whatever happens:

    {"error": {"kind": "not_running", "code": 3, "message": "…", "retry_after_s": null}}
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

from bootstrap.cli.asking import print_json
from mesh.api.client import CallFailed
from mesh.protocol.commands import FailureKind
from wire.errors import (
    ConfigError,
    NoQuorum,
    NotMember,
    NotRunning,
    Rejected,
    StoreError,
    Unavailable,
    UsageError,
    ZenmeshError,
)

DEBUG = "ZENMESH_DEBUG"  # set: an error of our own making is raised, with its traceback

KINDS: tuple[tuple[type[Exception], FailureKind], ...] = (  # the first row that fits
    (NotMember, FailureKind.NOT_MEMBER),
    (Rejected, FailureKind.REJECTED),
    (UsageError, FailureKind.USAGE),
    (ConfigError, FailureKind.USAGE),
    (NotRunning, FailureKind.NOT_RUNNING),
    (NoQuorum, FailureKind.NO_QUORUM),
    (StoreError, FailureKind.STORAGE),
    (ZenmeshError, FailureKind.FAILED),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """A failure as it is told."""

    kind: FailureKind
    message: str
    retry_after_s: float | None = None


def complaint_of(error: Exception) -> Complaint:
    """How to tell `error`. An error that nobody foresaw is raised anew when $ZENMESH_DEBUG is set."""
    match error:
        case CallFailed(kind=kind, retry_after_s=retry_after_s):
            return Complaint(kind=kind, message=str(error), retry_after_s=retry_after_s)
        case ConfigError(field=field, value=value, rule=rule) if field.startswith("/"):
            return Complaint(kind=FailureKind.USAGE, message=f"{field} is {value}: {rule}")
        case ZenmeshError():
            kind = next(kind for known, kind in KINDS if isinstance(error, known))
            retry = error.retry_after_s if isinstance(error, Unavailable) else None
            return Complaint(kind=kind, message=str(error), retry_after_s=retry)
        case OSError(strerror=str(reason)):
            where = "" if error.filename is None else f"{error.filename}: "
            return Complaint(kind=FailureKind.FAILED, message=f"{where}{reason}")
    if os.environ.get(DEBUG):
        raise error
    return Complaint(
        kind=FailureKind.FAILED, message=unforeseen(error, f"set {DEBUG}=1 and run it again to see where")
    )


def is_foreseen(error: Exception) -> bool:
    """Whether `error` is somebody's doing that we know of; any other is a mistake of ours."""
    return isinstance(error, ZenmeshError | OSError)


def unforeseen(error: Exception, where: str) -> str:
    """The sentence about a mistake of ours; `where` tells how to see more."""
    what = f"{type(error).__name__}: {error}".strip(": ")
    return f"an error that zenmesh did not foresee ({what}); {where}, and report it"


def tell(complaint: Complaint, as_json: bool) -> int:
    """Say it where it belongs; the exit code."""
    if as_json:
        error = {
            "kind": complaint.kind.name.lower(),
            "code": int(complaint.kind),
            "message": complaint.message,
            "retry_after_s": complaint.retry_after_s,
        }
        print_json({"error": error})
    else:
        print(f"zenmesh: {complaint.message}", file=sys.stderr)
    return int(complaint.kind)
