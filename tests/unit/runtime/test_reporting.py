"""Records become log lines, lines of the trace file, and calls of whoever shows them: every kind of record does."""

from __future__ import annotations

import io
import json
import logging

import pytest

from mesh.protocol.trace import TraceKind, TraceRecord
from mesh.runtime.reporting import LOGGER, Reporting


@pytest.mark.parametrize("kind", TraceKind)
def test_every_kind_of_record_is_logged_written_and_shown(kind: TraceKind, caplog: pytest.LogCaptureFixture) -> None:
    file, shown = io.StringIO(), list[TraceRecord]()
    record = TraceRecord(kind=kind, fields={"swarm": "alpha", "height": 3})
    with caplog.at_level(logging.DEBUG, LOGGER.name):
        Reporting(file, shown.append).trace(record, 17)
    (line,) = caplog.records
    assert line.getMessage() == f"{kind.value} swarm=alpha height=3"
    assert json.loads(file.getvalue()).items() >= {"at_us": 17, "kind": kind.value, "swarm": "alpha"}.items()
    assert shown == [record]
