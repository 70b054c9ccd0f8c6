"""Records of a hub's log: their parts, and the same for people."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple

HUB = "CSIController"
"""The source of a hub's own records in the log of an instance."""


class LogRecord(NamedTuple):
    """A record.

    Attributes:
        ts: Seconds since 1970 by the clock of its writer; None if it has no time.
        when: The same as local time.
        level: Such as "INFO"; "" if it has none.
        source: Who wrote it; "" if it does not say.
        message: Its text.
        data: The values behind the text.
    """

    ts: float | None
    when: str
    level: str
    source: str
    message: str
    data: list[Any]

    @property
    def said(self) -> str:
        """Its text and the values behind it, for a person."""
        further = (
            each if isinstance(each, str) else json.dumps(each, ensure_ascii=False)
            for each in self.data
        )
        return " ".join([self.message, *further])

    @property
    def words(self) -> str:
        """The same behind its source."""
        return f"{self.source} {self.said}" if self.source else self.said

    @property
    def is_look(self) -> bool:
        """Whether it is one that a hub writes about each request for an instance's info."""
        return self.source == HUB and self.message.startswith("Get info")


def record_of(line: str | bytes) -> LogRecord | None:
    """Return the record in a line of a log, or None if the line is not a record."""
    try:
        record = json.loads(line)
        message, data = str(record["msg"]), record.get("data") or []
        level, source = str(record.get("level") or ""), str(record.get("from") or "")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    ts, when = None, ""
    try:
        when = datetime.fromtimestamp(record["ts"] / 1000).isoformat(" ", "milliseconds")
        ts = record["ts"] / 1000
    except (ValueError, TypeError, KeyError, OverflowError, OSError):
        pass
    return LogRecord(ts, when, level, source, message, data if isinstance(data, list) else [data])


def full_record_of(line: str | bytes) -> LogRecord | None:
    """Return the record in a line that has a time and a level; people see other lines as they are."""
    record = record_of(line)
    return record if record is not None and record.when and record.level else None


def indented(text: str) -> str:
    """Return text with its further lines indented, so that nobody takes them for records."""
    return text.rstrip("\n").replace("\n", "\n    ")
