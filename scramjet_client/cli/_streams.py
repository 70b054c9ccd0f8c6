"""Streams between the hub and this process: files, pipes and the terminal."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from scramjet_client.cli import _output
from scramjet_client.cli._progress import progress
from scramjet_client.cli._session import Session, paint
from scramjet_client.errors import StreamIdleError
from scramjet_client.instances.keyboard import Keyboard

if TYPE_CHECKING:
    from scramjet_client.streams.output import OutputStream

SILENCE = 1.0
"""Seconds without a line after which a log that is not followed counts as read."""

_COLOURS = {"ERROR": "31", "FATAL": "31", "WARN": "33", "WARNING": "33", "DEBUG": "2", "TRACE": "2"}


class _Stdin(Keyboard):
    """What comes from stdin; where it is cut off, that does not look like its end to a program.

    An interrupt may come when an upload runs already and nobody holds it yet, who could cancel it.
    """

    cut = False

    def __next__(self) -> bytes | str:
        try:
            return super().__next__()
        except StopIteration:
            if self.cut:
                raise InterruptedError("the reading of stdin was interrupted") from None
            raise


@contextlib.contextmanager
def source(path: str) -> Iterator[Any]:
    """Open what is to be sent: a file, or stdin for "-", whose reader is freed at the end of the block."""
    if path != "-":
        yield Path(path)
        return
    if _is_regular(sys.stdin):
        # Its size is known, and it never waits.
        yield sys.stdin.buffer
        return
    keys = _Stdin(sys.stdin)
    try:
        yield keys
    except BaseException:
        keys.cut = True
        raise
    finally:
        keys.stop()


def _is_regular(file: Any) -> bool:
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def copy(
    session: Session, stream: OutputStream, label: str, path: str | None, lines: int | None
) -> None:
    """Copy a stream to stdout or to a file, byte for byte, as it comes."""
    with stream, contextlib.ExitStack() as stack:
        file = sys.stdout.buffer if path is None else stack.enter_context(open(path, "wb"))
        # What is printed to a terminal is progress enough.
        shown = path is not None or not sys.stdout.isatty()
        report = stack.enter_context(progress(session, label, shown=shown))
        through = 0
        for piece in stream.chunks() if lines is None else islice(stream, lines):
            file.write(piece)
            file.flush()
            through += len(piece)
            report(through, None)


def to_stdout(stream: OutputStream) -> None:
    """Copy a stream to stdout, byte for byte, as it comes."""
    stream.pipe_to(sys.stdout.buffer)


def show_log(session: Session, stream: OutputStream, lines: int | None) -> None:
    """Print a log, one record a line; a stream that is not followed ends with a silence."""
    with stream, contextlib.suppress(StreamIdleError):
        for line in islice(stream.lines(), lines):
            if session.json:
                sys.stdout.buffer.write(line + b"\n")
                sys.stdout.buffer.flush()
            else:
                click.echo(readable(line, sys.stdout))


def readable(line: bytes, file: TextIO) -> str:
    """Return a record of a log for people, to be printed to `file`; what is no record as it is."""
    text = line.decode("utf-8", "replace")
    try:
        record = json.loads(text)
        when = datetime.fromtimestamp(record["ts"] / 1000).isoformat(" ", "milliseconds")
        level, said = str(record["level"]), str(record["msg"])
    except (ValueError, TypeError, KeyError, OverflowError, OSError):
        return text
    data = record.get("data") or []
    further = [
        each if isinstance(each, str) else json.dumps(each, ensure_ascii=False)
        for each in (data if isinstance(data, list) else [data])
    ]
    head = paint(f"{level:<5}", _COLOURS.get(level, "32"), file)
    who = str(record.get("from") or "")
    return " ".join([paint(when, "2", file), head, *([who] if who else []), said, *further])


def show_event(session: Session, event: Any) -> None:
    """Print an event: its data alone, or for machines all of it."""
    if session.json:
        _output.line(event)
    elif isinstance(event.data, str):
        click.echo(event.data)
    else:
        _output.line(event.data)
