"""Why a dial failed, as it is told: one short cause, whatever the library wrapped around it."""

from __future__ import annotations

import errno
import socket

import pytest
import trio

from mesh.runtime.dialling import dial_cause


def wrapped(cause: BaseException) -> BaseException:
    """As the library raises it."""
    error = RuntimeError("failed to dial")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (trio.TooSlowError(), "no answer within 3 s"),
        (
            wrapped(OSError(errno.ECONNREFUSED, "error connecting to ('127.0.0.1', 4703): Connection refused")),
            "connection refused",
        ),
        (wrapped(OSError(errno.EHOSTUNREACH, "No route to host")), "no route to host"),
        (wrapped(OSError("all attempts to connect failed: [Errno 111]")), "connection refused"),
        (ExceptionGroup("", [OSError(errno.ENETUNREACH, "")]), "network is unreachable"),
        (socket.gaierror(-2, "Name or service not known"), "the name does not resolve (Name or service not known)"),
        (wrapped(ValueError("peer id mismatch")), "another peer answers there"),
        (ValueError("no such transport"), "no such transport"),
        (ValueError(), "ValueError"),
    ],
)
def test_a_cause_is_told_in_words(error: BaseException, told: str) -> None:
    assert dial_cause(error, 3.0) == told
