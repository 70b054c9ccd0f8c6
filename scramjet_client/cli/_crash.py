"""What a program that crashed said of it, in the log of its instance."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

_TRACEBACK = "Traceback (most recent call last):\n"

_FRAME = re.compile(r'  File "(?P<path>[^"]*)", line ')

_RUNNERS = re.compile(r"(hub[/\\]_runner|python-runner|[/\\]asyncio)[/\\]|<frozen ")
"""Frames of what runs a program: LocalHub's runner, a hub's own, and what these are built on."""

_NODE = re.compile(r"^(?:Uncaught )?\w*(?:Error|Exception)\b.*(?:\n +at .*)+", re.MULTILINE)


def own_error(log: Iterable[bytes]) -> str:
    """Return what the last error of a log says of a crash, a traceback without the runner's frames; "" for none."""
    found = last = ""
    for line in log:
        text = _error_text(line)
        if _TRACEBACK in text:
            found = _cut(text[text.index(_TRACEBACK) :])
        elif _NODE.search(text):
            found = _NODE.findall(text)[-1]
        elif text and not found and _is_of_program(line):
            last = text
    return (found or last).strip("\n")


def _is_of_program(line: bytes) -> bool:
    """Say whether a record is of what runs the program, and not of the hub, which only says that it failed."""
    try:
        return "Runner" in str(json.loads(line).get("from"))
    except (ValueError, AttributeError, RecursionError):
        return False


def _error_text(line: bytes) -> str:
    """Return the text of a record if it is one of an error, or of a line that is no record."""
    text = line.decode("utf-8", "replace")
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(record, dict) or record.get("level") not in ("ERROR", "FATAL"):
        return ""
    data = record.get("data")
    parts = [record.get("msg"), *(data if isinstance(data, list) else [])]
    return "\n".join(each for each in parts if isinstance(each, str))


def _cut(traceback: str) -> str:
    """Return a traceback without the frames of the runner that stand before the program's own."""
    head, *frames = re.split(r'(?m)^(?=  File ")', traceback)
    own = [
        each
        for each in frames
        if not _RUNNERS.search(getattr(_FRAME.match(each), "group", lambda _: "")("path"))
    ]
    if not own:
        return _after(frames[-1]) if frames else traceback
    # The last part holds what was raised, too.
    return head + "".join(own if own[-1] is frames[-1] else [*own, _after(frames[-1])])


def _after(frame: str) -> str:
    """Return what follows a frame that is left out."""
    lines = frame.splitlines(keepends=True)
    return "".join(each for each in lines if not each.startswith("  "))
