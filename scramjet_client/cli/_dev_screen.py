"""The stream of `scramjet dev`: lines of a program with the names of their streams, and notes between them."""

from __future__ import annotations

import json
import threading
from typing import Any

from scramjet_client._log_records import record_of
from scramjet_client._trace import packed
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
_HUB, _RUNNER = "CSIController ", "PythonRunner "
"""Who writes into the log of an instance, beside the program: the hub, and the runner in the program's name."""


_TRACEBACK = "Traceback (most recent call last)"

_BEAT = "Control message received: 4004"
"""A line of the runner of Transform Hubs, each second."""


class Screen:
    """Prints lines, from any thread, each in one piece.

    Args:
        as_json: Whether to print JSON lines.
        quiet: Whether to leave out notes.
    """

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self._json = as_json
        self._quiet = quiet
        # Guards stdout and stderr.
        self._lock = threading.Lock()

    def data(self, name: str, line: bytes) -> None:
        """Print a line of a stream.

        Raises:
            OSError: stdout can't be written.
        """
        if self._json:
            self._as_json({"from": name, **packed(line)})
            return
        self.text(name, line.decode("utf-8", "replace").rstrip("\r\n"))

    def text(self, name: str, text: str) -> None:
        """Print text of a stream."""
        for each in text.split("\n"):
            self._print(name, each)

    def log(self, line: bytes) -> None:
        """Print a line of the log."""
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        record = record_of(text)
        if record is not None and record.words.startswith(_HUB) and record.level != "ERROR":
            return  # each look of a client leaves one
        if self._json:
            self._as_json({"from": "log", **packed(line)})
        elif record is None:
            self.text("log", text)
        else:
            # The rest of a record with a traceback is on stderr, too.
            words = record.words.removeprefix(_RUNNER)
            if words.startswith(_BEAT):
                return
            before, mark, _ = words.partition(_TRACEBACK)
            words = (before or words.rstrip().rpartition("\n")[2]).rstrip("\n") if mark else words
            self.text("log", f"{record.level} {words}")

    def event(self, name: str, message: Any) -> None:
        """Print an event."""
        if self._json:
            self._as_json({"from": "event", "name": name, "message": message})
        else:
            self.text("event", f"{name} {json.dumps(message, ensure_ascii=False)}")

    def note(self, text: str, colour: str = _say.DIM) -> None:
        """Tell the user something, on stderr."""
        if self._json:
            with self._lock:
                _output.line({"from": "dev", "text": text})
        elif not self._quiet:
            self._tell(text, colour)

    def problem(self, text: str) -> None:
        """Tell the user of a problem, however quiet the command is."""
        if self._json:
            with self._lock:
                _output.line({"from": "dev", "problem": text})
        else:
            self._tell(text, _say.RED)

    def raw(self, text: str) -> None:
        """Print what a debugger says."""
        with self._lock:
            _say.part(text)

    def _tell(self, text: str, colour: str) -> None:
        with self._lock:
            for each in text.split("\n"):
                _say.err((f"{'dev':<{_WIDTH}} ", _COLOURS["dev"]), (each, colour), keep="\t")

    def _print(self, name: str, text: str) -> None:
        with self._lock:
            _say.stream_line((f"{name:<{_WIDTH}} ", _COLOURS.get(name, "")), text)

    def _as_json(self, record: dict[str, Any]) -> None:
        with self._lock:
            _output.line(record)
