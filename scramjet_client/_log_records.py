"""Records of a log as people read them: time, level, who, and what."""

from __future__ import annotations

import json
from datetime import datetime

import attrs


@attrs.frozen
class LogRecord:
    """What a person reads of a record."""

    when: str
    level: str
    words: str


def record_of(text: str) -> LogRecord | None:
    """Return a record of a line of a log, None for what is no record."""
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
    """Return text whose further lines can't be taken for records."""
    return text.rstrip("\n").replace("\n", "\n    ")
