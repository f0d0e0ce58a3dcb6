"""Structured logs: one JSON object a line on stderr, never anything from a picture."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

log = logging.getLogger("mien.server")


class AsJson(logging.Formatter):
    """A record as a line of JSON, with the fields of `extra={"fields": {...}}` next to the time and the event."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": when, "level": record.levelname.lower(), "event": record.getMessage()}
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def to_stderr(level: str) -> None:
    """Send this package's and uvicorn's records to stderr, as lines of JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(AsJson())
    for name in ("mien.server", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler] if name != "uvicorn.error" else []
        logger.propagate = name == "uvicorn.error"
        logger.setLevel(level.upper() if name == "mien.server" else logging.WARNING)


def at_any_level(event: str, **fields: Any) -> None:
    """Log at every level what has to be known, such as where it listens."""
    log.handle(log.makeRecord(log.name, logging.INFO, "", 0, event, (), None, extra={"fields": fields}))
