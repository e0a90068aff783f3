"""Where a node's trace records go: the structured log, a trace file, and whoever shows them to a person.

Cores emit typed records and never log. Here each record becomes one log line (text or JSON), one line of the trace
file when there is one, and a call of the console's `show`. The level of a record is a table, not a judgement made
where it was emitted.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable
from typing import IO

from mesh.protocol.trace import TraceKind, TraceRecord
from mesh.runtime import clock
from wire.errors import Offence
from wire.ids import PeerId

LOGGER = logging.getLogger("zenmesh")

LEVELS: dict[TraceKind, int] = {
    TraceKind.LIFECYCLE: logging.INFO,
    TraceKind.LINK_UP: logging.INFO,
    TraceKind.LINK_DOWN: logging.INFO,
    TraceKind.DIAL_FAILED: logging.DEBUG,
    TraceKind.PEER_FOUND: logging.INFO,
    TraceKind.OFFENCE: logging.WARNING,
    TraceKind.BANNED: logging.WARNING,
    TraceKind.BATCH_WRITTEN: logging.DEBUG,
    TraceKind.BATCH_APPLIED: logging.DEBUG,
    TraceKind.SNAPSHOT_INSTALLED: logging.INFO,
    TraceKind.FORK_FOUND: logging.ERROR,
    TraceKind.SYNC_STARTED: logging.DEBUG,
    TraceKind.SYNC_FINISHED: logging.DEBUG,
    TraceKind.BLOCK_APPLIED: logging.INFO,
    TraceKind.LEAPT: logging.INFO,
    TraceKind.CONSENSUS: logging.DEBUG,
    TraceKind.EQUIVOCATION: logging.ERROR,
    TraceKind.PROPOSAL: logging.INFO,
    TraceKind.SUSPECTED: logging.WARNING,
    TraceKind.FAILED: logging.WARNING,
    TraceKind.RECOVERED: logging.INFO,
    TraceKind.REFUTED: logging.WARNING,
    TraceKind.FAILOVER: logging.WARNING,
    TraceKind.TAKING_OVER: logging.WARNING,
    TraceKind.FENCED: logging.WARNING,
    TraceKind.JOIN: logging.INFO,
    TraceKind.DAMAGE: logging.ERROR,
    TraceKind.FORGOT: logging.ERROR,
    TraceKind.CHAIN_FORKED: logging.ERROR,
}

Show = Callable[[TraceRecord], None]


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ts (ms since 1970), level, logger, event or message, and the record's fields."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "ts": int(record.created * 1000),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        trace = getattr(record, "trace", None)
        if isinstance(trace, TraceRecord):
            entry |= {"event": trace.kind.value, **trace.fields}
        else:
            entry["message"] = record.getMessage()
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def configure_logging(log_format: str, level: int = logging.INFO) -> None:
    """Send every log line to standard error, as text or JSON. Call before libp2p is imported."""
    handler = logging.StreamHandler()
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if log_format == "json" else text)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    LOGGER.setLevel(level)


class Reporting:
    """A `Reporter` for the node loop."""

    def __init__(self, trace_file: IO[str] | None = None, show: Show | None = None) -> None:
        self._trace_file = trace_file
        self._show = show
        self.offences: Counter[str] = Counter()

    def trace(self, record: TraceRecord, now: int) -> None:
        """Log, write down and show one record."""
        level = LEVELS[record.kind]
        if LOGGER.isEnabledFor(level):
            text = " ".join(f"{name}={value}" for name, value in record.fields.items())
            LOGGER.log(level, "%s %s", record.kind.value, text, extra={"trace": record})
        if self._trace_file is not None:
            line = {"at_us": now, "wall_ms": clock.wall_ms(), "kind": record.kind.value, **record.fields}
            self._trace_file.write(json.dumps(line) + "\n")
        if self._show is not None:
            self._show(record)

    def offence(self, peer: PeerId, offence: Offence, detail: str) -> None:
        """Count an offence; the trace record that goes with it is the log line."""
        self.offences[offence.value] += 1
