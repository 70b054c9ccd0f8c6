"""Log records in readable form: time, level, source and text."""

from __future__ import annotations

import json
from datetime import datetime

import attrs


@attrs.frozen
class LogRecord:
    """The parts of a record that a person reads."""

    when: str
    level: str
    words: str


def record_of(text: str) -> LogRecord | None:
    """Return the record in a line of a log, or None if the line is not a record."""
    try:
        record = json.loads(text)
        when = datetime.fromtimestamp(record["ts"] / 1000).isoformat(" ", "milliseconds")
        level, said = str(record["level"]), str(record["msg"])
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return None
    data = record.get("data") or []
    further = [
        each if isinstance(each, str) else json.dumps(each, ensure_ascii=False)
        for each in (data if isinstance(data, list) else [data])
    ]
    who = str(record.get("from") or "")
    return LogRecord(when, level, " ".join([*([who] if who else []), said, *further]))


def indented(text: str) -> str:
    """Return text with its further lines indented, so that nobody takes them for records."""
    return text.rstrip("\n").replace("\n", "\n    ")
