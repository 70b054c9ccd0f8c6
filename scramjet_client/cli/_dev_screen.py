"""The stream of `scramjet dev`: lines of a program with the names of their streams, and notes between them."""

from __future__ import annotations

import json
import select
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from scramjet_client._common.log_records import HUB, full_record_of
from scramjet_client._common.trace import packed
from scramjet_client.cli import _output, _say

_COLOURS = {
    "output": _say.GREEN,
    "stdout": "36",
    "stderr": _say.RED,
    "log": _say.DIM,
    "event": "35",
    "dev": "34",
}
_WIDTH = 6
_RUNNER = "PythonRunner"
"""The source of what a runner writes into the log in the program's name."""

_TRACEBACK = "Traceback (most recent call last)"

_BEAT = "Control message received: 4004"
"""A line of the runner of Transform Hubs, each second."""

_MOST_EVENTS = 10_000
"""Events that wait for stdout at most; the oldest are left out."""

_HELD = 0.1
"""How often, in seconds, a thread that waits for stdout checks whether the command ends."""

_CLOSE_LIMIT = 1.0
"""Seconds that the end of the command waits for the events that are not yet printed."""


class Screen:
    """Prints lines, from any thread, each in one piece; `quiet` leaves out notes."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self._json = as_json
        self._quiet = quiet
        # Guard the two files. With one lock, a stdout that nobody reads would hold back the notes on stderr.
        self._lock = threading.Lock()
        self._stderr_lock = threading.Lock()
        self._closing = threading.Event()

    def data(self, name: str, line: bytes) -> None:
        """Print a line of a stream."""
        if self._json:
            self._as_json({"from": name, **packed(line)})
            return
        self.text(name, line.decode("utf-8", "replace").rstrip("\r\n"))

    def text(self, name: str, text: str) -> None:
        for each in text.split("\n"):
            self._print(name, each)

    def log(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        record = full_record_of(text)
        if record is not None and record.source == HUB and record.level != "ERROR":
            return  # each request for the info leaves one
        if self._json:
            self._as_json({"from": "log", **packed(line)})
        elif record is None:
            self.text("log", text)
        else:
            # The rest of a record with a traceback is on stderr, too.
            words = record.said if record.source == _RUNNER else record.words
            if words.startswith(_BEAT):
                return
            before, mark, _ = words.partition(_TRACEBACK)
            words = (before or words.rstrip().rpartition("\n")[2]).rstrip("\n") if mark else words
            self.text("log", f"{record.level} {words}")

    def event(self, name: str, message: Any) -> None:
        if self._json:
            self._as_json({"from": "event", "name": name, "message": message})
        else:
            self.text("event", f"{name} {json.dumps(message, ensure_ascii=False)}")

    def note(self, text: str, colour: str = _say.DIM) -> None:
        """Print a note on stderr, or with `--json` a record on stdout."""
        if self._json:
            self._as_json({"from": "dev", "text": text})
        elif not self._quiet:
            self._tell(text, colour)

    def problem(self, text: str) -> None:
        """Print a problem, as `note`, even with `--quiet`."""
        if self._json:
            self._as_json({"from": "dev", "problem": text})
        else:
            self._tell(text, _say.RED)

    def raw(self, text: str) -> None:
        """Print the output of a debugger as it comes."""
        with self._lock:
            if self._is_taken():
                _say.part(text)

    def _tell(self, text: str, colour: str) -> None:
        with self._stderr_lock:
            for each in text.split("\n"):
                _say.err((f"{'dev':<{_WIDTH}} ", _COLOURS["dev"]), (each, colour), keep="\t")

    def _print(self, name: str, text: str) -> None:
        with self._lock:
            if self._is_taken():
                _say.stream_line((f"{name:<{_WIDTH}} ", _COLOURS.get(name, "")), text)

    def _as_json(self, record: dict[str, Any]) -> None:
        with self._lock:
            if self._is_taken():
                _output.line(record)

    def _is_taken(self) -> bool:
        """Wait until stdout takes data; return False if the command ends before that. Needs the lock.

        A thread that waits in the write itself could not be ended.
        """
        try:
            number = sys.stdout.fileno()
        except (OSError, ValueError):
            return True  # a file in memory
        if sys.platform == "win32":
            return True
        while not select.select([], [number], [], _HELD)[1]:
            if self._closing.is_set():
                return False
        return True

    def close(self) -> None:
        """From now on, drop what stdout does not take at once."""
        self._closing.set()


class OwnEvents:
    """Prints the events of the command's own hub, on a thread of its own.

    The hub's thread brings them, and must not wait for a stdout that nobody reads.

    It calls `failed` with the error if stdout can't be written.
    """

    def __init__(self, screen: Screen, failed: Callable[[BaseException], object]) -> None:
        self._screen = screen
        self._failed = failed
        self._kept: deque[dict[str, Any]] = deque()
        self._missed = 0
        self._shown: set[str] = set()
        self._expecting = False
        self._printing = False
        self._closed = False
        # Guards the six above. It is free while something is printed.
        self._news = threading.Condition()
        # `close` ends it. A daemon, as stdout may hold it for ever.
        self._thread = threading.Thread(target=self._run, name="scramjet-dev-events", daemon=True)
        self._thread.start()

    def take(self, record: dict[str, Any]) -> None:
        with self._news:
            if len(self._kept) == _MOST_EVENTS:
                self._kept.popleft()
                self._missed += 1
            self._kept.append(record)
            self._news.notify_all()

    def expect(self) -> None:
        """Keep the events of unknown instances: one that is being started may emit before its id is known."""
        with self._news:
            self._expecting = True

    def show(self, id: str) -> None:
        """Show the events of this instance, which was expected, and drop those of unknown ones."""
        with self._news:
            self._expecting = False
            self._shown.add(id)
            self._news.notify_all()

    def wait(self) -> None:
        """Wait until all are printed that have come, or until the end of the command."""
        with self._news:
            self._news.wait_for(lambda: self._closed or not (self._printing or self._is_ready()))

    def _is_ready(self) -> bool:
        """Return whether there is an event, and it is known whether to show it. Needs the lock."""
        return bool(self._kept) and not (
            self._expecting and self._kept[0]["instance"] not in self._shown
        )

    def _run(self) -> None:
        while True:
            with self._news:
                self._printing = False
                self._news.notify_all()
                self._news.wait_for(lambda: self._closed or self._is_ready())
                if not self._is_ready():
                    return
                record, missed, self._missed = self._kept.popleft(), self._missed, 0
                self._printing = record["instance"] in self._shown
            try:
                if missed:
                    self._screen.problem(f"{missed} events are not shown: stdout was not read")
                if self._printing:
                    self._screen.event(str(record["name"]), record["message"])
            except OSError as error:
                self._failed(error)
                return

    def close(self) -> None:
        """Print what is left, unless stdout holds it up."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        self._thread.join(_CLOSE_LIMIT)
