"""Traces: what was sent to instances and what came from them, with times, as JSON lines.

The first line is `{"scramjet_trace": 1, ...}`. Each further line is a record with `t` (seconds since the first line),
`instance` and `kind`:

- "start": an instance began; `sequence` is its name, `args` and `config` are those of its start.
- "sent": something went to it; `to` is "input", "stdin" or "event".
- "came": something came from it; `from` is "output", "stdout", "stderr", "log" or "event".
- "closed": its input or stdin (`to`) has ended.
- "end": it has ended; `exit_code` and `reason` as its hub tells them.

Data is in `text`, or in `base64` where it is not UTF-8. Events have `name` and `message`. docs/dev.md describes it.
"""

from __future__ import annotations

import base64
import errno
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, Union

import attrs

FORMAT = 1
COMPARED = ("output", "stdout", "stderr")
"""Streams whose bytes two runs are compared by. A log has times in it."""

_LONGEST_LINE = 64 * 2**20

Taker = Union[str, "os.PathLike[str]", Callable[[dict[str, Any]], object]]
"""Where records go: a file, which is made anew, or a callable."""


class TraceWriter:
    """Writes records, from any thread. A failure to write ends the trace, and nothing else.

    A trace that is there already stays until the first record of an instance replaces it.

    Args:
        taker: The file, or the callable.
        about: Further fields of the first line.

    Attributes:
        failure: The error that ended the trace, if any.

    Raises:
        OSError: The file can't be made, or it exists and is not a trace.
    """

    def __init__(self, taker: Taker, about: Mapping[str, Any] | None = None) -> None:
        self.failure: BaseException | None = None
        self._began = time.monotonic()
        # Guards the file, and the order of the records.
        self._lock = threading.RLock()
        self._call = taker if callable(taker) else None
        self._file: TextIO | None = None
        self._replaces = False
        if not callable(taker):
            path = Path(taker)
            self._replaces = _has_content(path)
            if self._replaces and not is_trace(path):
                said = "this file is not a trace, and must not be lost; name another file"
                raise FileExistsError(errno.EEXIST, said, os.fspath(path))
            self._file = path.open("a", encoding="utf-8", newline="\n")
        self._head: dict[str, Any] | None = {
            "scramjet_trace": FORMAT,
            "began": _now(),
            **(about or {}),
        }
        if not self._replaces:
            self._begin()

    def add(self, kind: str, instance: str, **fields: Any) -> None:
        """Write a record. `data=` is bytes."""
        if "data" in fields:
            fields.update(packed(fields.pop("data")))
        with self._lock:
            at = round(time.monotonic() - self._began, 6)
            self._begin()
            self._put({"t": at, "instance": instance, "kind": kind, **fields})

    def copy(self, record: dict[str, Any]) -> None:
        """Write a record of another trace, as it is; not its first line."""
        if "scramjet_trace" not in record:
            with self._lock:
                self._begin()
                self._put(record)

    def _begin(self) -> None:
        """Write the first line, once."""
        head, self._head = self._head, None
        if head is None:
            return
        if self._replaces and self._file is not None and not self._file.closed:
            try:
                self._file.truncate(0)
            except OSError as error:
                self.failure = error
        self._put(head)

    def _put(self, record: dict[str, Any]) -> None:
        if self.failure is not None:
            return
        try:
            if self._call is not None:
                self._call(record)
            elif self._file is not None and not self._file.closed:
                self._file.write(json.dumps(record, ensure_ascii=True) + "\n")
                # The file must be readable while the program runs, and complete if this process is killed.
                self._file.flush()
        except Exception as error:
            self.failure = error

    def close(self) -> None:
        """Close the file; safe to call twice."""
        with self._lock:
            if self._file is not None:
                try:
                    self._file.close()
                except OSError as error:
                    self.failure = self.failure or error


def is_trace(path: str | os.PathLike[str]) -> bool:
    """Return whether a file begins as a trace does.

    Raises:
        OSError: It can't be read.
    """
    with Path(path).open("rb") as file:
        line = file.readline(_LONGEST_LINE)
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and "scramjet_trace" in record


def _has_content(path: Path) -> bool:
    # A device or a pipe has nothing that could be lost.
    return path.is_file() and path.stat().st_size > 0


def packed(data: bytes) -> dict[str, str]:
    """Return bytes as fields of a record."""
    try:
        return {"text": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def unpacked(record: Mapping[str, Any]) -> bytes:
    if isinstance(record.get("text"), str):
        return str(record["text"]).encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(str(record.get("base64", "")), validate=True)
    except ValueError as error:
        raise ValueError(f"a record has data that is not base64: {error}") from None


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


# -- reading ----------------------------------------------------------------------------------------------


def sizes_of(data: Mapping[str, bytes | bytearray], events: Sequence[Any]) -> dict[str, int]:
    """Return how much there is: the bytes of each stream, and the number of events as "event"."""
    return {**{name: len(data.get(name, b"")) for name in COMPARED}, "event": len(events)}


@attrs.define(kw_only=True)
class Run:
    """One instance of a trace.

    Attributes:
        instance: Its id.
        sequence: Name of its sequence.
        args, config: Those of its start.
        sent: The records of what was sent, and of what was closed, in their order.
        before: For each of `sent`, the sizes of the data that had come before it.
        came: The data that came, by the name of the stream.
        events: Name and message of each event that came.
        exit_code: As its hub tells it; None if the trace ends before the instance.
        stopped: Whether somebody stopped it, or the trace ends before it.
        silence: Seconds between the last data and the end; 0 if the trace ends before the instance.
    """

    instance: str
    sequence: str = ""
    args: list[Any] = attrs.field(factory=list)
    config: dict[str, Any] = attrs.field(factory=dict)
    sent: list[dict[str, Any]] = attrs.field(factory=list)
    before: list[dict[str, int]] = attrs.field(factory=list)
    came: dict[str, bytes] = attrs.field(factory=dict)
    events: list[tuple[str, Any]] = attrs.field(factory=list)
    exit_code: int | None = None
    stopped: bool = True
    silence: float = 0.0
    _last: float = attrs.field(default=0.0, init=False)

    def sizes(self) -> dict[str, int]:
        """Return how much came, as `sizes_of`."""
        return sizes_of(self.came, self.events)

    def take(self, record: dict[str, Any]) -> None:
        kind, at = record["kind"], float(record.get("t") or 0.0)
        if kind == "start" or (kind == "came" and record.get("from") != "log"):
            self._last = at
        if kind == "start":
            self.sequence = str(record.get("sequence") or "")
            self.args = list(record.get("args") or [])
            self.config = dict(record.get("config") or {})
        elif kind in ("sent", "closed"):
            unpacked(record)
            self.sent.append(record)
            self.before.append(self.sizes())
        elif kind == "came" and record.get("from") == "event":
            self.events.append((str(record.get("name")), record.get("message")))
        elif kind == "came":
            name = str(record.get("from"))
            self.came[name] = self.came.get(name, b"") + unpacked(record)
        elif kind == "end":
            code = record.get("exit_code")
            self.exit_code = code if isinstance(code, int) else None
            self.stopped = self.exit_code in (None, 137, 138, -9)
            self.silence = at - self._last


@attrs.frozen(kw_only=True)
class Trace:
    """A trace that was read.

    Attributes:
        about: The fields of its first line.
        runs: Its instances, in the order of their starts.
    """

    about: dict[str, Any]
    runs: list[Run]


def read_trace(path: str | os.PathLike[str]) -> Trace:
    """Read a trace.

    Raises:
        ValueError: The file is not a trace; the message names the line.
        OSError: It can't be read.
    """
    runs: dict[str, Run] = {}
    about: dict[str, Any] = {}
    for number, record in _records(Path(path)):
        try:
            if number == 1:
                about = _checked_head(record)
                continue
            _check(record)
            run = runs.setdefault(record["instance"], Run(instance=record["instance"]))
            run.take(record)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{str(path)!r}, line {number}: {error}") from None
    if not about:
        raise ValueError(f"{str(path)!r} is empty, so it is not a trace")
    return Trace(about=about, runs=list(runs.values()))


def _checked_head(record: dict[str, Any]) -> dict[str, Any]:
    found = record.get("scramjet_trace")
    if found is None:
        raise ValueError('this is not a trace: its first line must have "scramjet_trace"')
    if found != FORMAT:
        raise ValueError(f"this trace has format {found!r}, and this version reads only {FORMAT}")
    return record


_PLACES = {
    "sent": ("to", ("input", "stdin", "event")),
    "closed": ("to", ("input", "stdin")),
    "came": ("from", ("output", "stdout", "stderr", "log", "event")),
}
_TYPES: dict[str, tuple[type, str]] = {
    "args": (list, "a JSON list"),
    "config": (dict, "a JSON object"),
    "text": (str, "text"),
    "base64": (str, "text"),
    "type": (str, "text"),
    "name": (str, "text"),
}
_KINDS = ("start", *_PLACES, "end")


def _check(record: dict[str, Any]) -> None:
    """Refuse a record that lacks a field, or has an unknown value.

    Raises:
        ValueError: The message names the field.
    """
    _one_of(record, "kind", _KINDS)
    if not isinstance(record.get("instance"), str):
        raise ValueError('a record has its "instance", as text')
    if not isinstance(record.get("t", 0), (int, float)):
        raise ValueError(f'"t" is {record["t"]!r}, not a number of seconds')
    for name, (kind, called) in _TYPES.items():
        if record.get(name) is not None and not isinstance(record[name], kind):
            raise ValueError(f'"{name}" is {record[name]!r}, and not {called}')
    kind = record["kind"]
    if kind not in _PLACES:
        return
    field, places = _PLACES[kind]
    _one_of(record, field, places)
    if kind == "closed":
        return
    if record[field] == "event":
        if record.get("name") is None:
            raise ValueError('an event has a "name"')
    elif record.get("text") is None and record.get("base64") is None:
        raise ValueError('there is no data: it is in "text" or in "base64"')


def _one_of(record: dict[str, Any], field: str, known: tuple[str, ...]) -> None:
    if record.get(field) not in known:
        said = f"is {record[field]!r}" if field in record else "is not there"
        raise ValueError(f'"{field}" {said}; it is one of {", ".join(known)}')


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), 1):
            if not line.endswith(b"\n") and number > 1:
                return  # its writer was killed while it wrote
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                raise ValueError(f"{str(path)!r}, line {number}: this is not JSON") from None
            if not isinstance(record, dict):
                raise ValueError(f"{str(path)!r}, line {number}: a record is a JSON object")
            yield number, record
