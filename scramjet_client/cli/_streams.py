"""Streams between the hub and this process: files, pipes and the terminal."""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from scramjet_client._common.files import NewFile
from scramjet_client._common.log_records import LogRecord, full_record_of, indented
from scramjet_client.cli import _output, _say
from scramjet_client.cli._options import LEVELS, follows
from scramjet_client.cli._progress import progress
from scramjet_client.cli._session import Session
from scramjet_client.errors import ScramjetError, StreamIdleError
from scramjet_client.http.answers import loads
from scramjet_client.http.threads import thread_needed
from scramjet_client.instances.keyboard import Keyboard

if TYPE_CHECKING:
    from scramjet_client.streams.output import OutputStream

SILENCE = 1.0
"""Seconds of silence after which a log counts as read, if it is not followed."""

_NO_TIMES = 5.0
"""Seconds after which a log ends that is not followed, never pauses, and has no times."""

_MOST_ARRIVED = 16 * 2**20
"""Bytes that are looked for behind the last line of a reading; more than a hub and the sockets hold."""

_COLOURS = {"ERROR": "31", "FATAL": "31", "WARN": "33", "WARNING": "33", "DEBUG": "2", "TRACE": "2"}


class Stdin(Keyboard):
    """Reads stdin. An interrupted stdin does not look like a complete one to a program.

    An interrupt may arrive when an upload already runs, but nobody has a reference yet to cancel it.
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
    """Open the data to send: a file, or stdin for "-". The end of the block frees the reader of stdin."""
    if path != "-":
        yield Path(path)
        return
    if is_regular(sys.stdin):
        # Its size is known, and reading never waits.
        yield sys.stdin.buffer
        return
    keys = Stdin(sys.stdin)
    try:
        yield keys
    except BaseException:
        keys.cut = True
        raise
    finally:
        keys.stop()


def is_regular(file: Any) -> bool:
    """Return whether an open file is a regular one of the system."""
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def copy(
    session: Session,
    open_it: Callable[[], OutputStream],
    label: str,
    path: str | None,
    lines: int | None,
) -> bool:
    """Copy a stream to stdout or to a file, byte for byte, as it arrives; a silence over the limit ends the copy.

    Returns:
        Whether the copy went on to the end of the stream.
    """
    with contextlib.ExitStack() as stack:
        # Before the stream, because the hub gives its data once.
        file: Any = _say.Data() if path is None else stack.enter_context(NewFile(path, "-o"))
        stream = stack.enter_context(open_it())
        # A silence ends only the copy: the file is then complete.
        stack.enter_context(contextlib.suppress(StreamIdleError))
        # On a terminal, the printed data itself shows the progress.
        report = stack.enter_context(progress(session, label, printed=path is None))
        through = 0
        pieces = stream.chunks() if lines is None else iter(stream)
        # The iterator is kept: without it the stream would close after the last line.
        for piece in islice(pieces, lines):
            file.write(piece)
            file.flush()
            through += len(piece)
            report(through, None)
        if lines is None:
            return True
        _tell_lost(len(_arrived(stream)), lines)
    return False


def _arrived(stream: OutputStream) -> list[bytes]:
    """Return the lines that have come and were not read, without waiting; the stream is only good for `close` then."""
    from scramjet_client.streams.lines import bare  # noqa: PLC0415
    from scramjet_client.streams.output import arrived  # noqa: PLC0415

    rest = arrived(stream, _MOST_ARRIVED)
    return [bare(each) for each in io.BytesIO(rest)]


def _arrived_records(stream: OutputStream) -> Iterator[tuple[str, LogRecord | None]]:
    """Yield each line of a log that has come and was not read, and its record."""
    for line in _arrived(stream):
        text = line.decode("utf-8", "replace")
        yield text, full_record_of(text)


def _tell_lost(lost: int, lines: int) -> None:
    """Warn that lines which came behind the last wanted one are gone."""
    if lost:
        more = "1 more line" if lost == 1 else f"{lost} more lines"
        _say.warn(
            f"behind {'the line' if lines == 1 else f'the {lines} lines'}, {more} had come and can't be read again: a"
            " hub gives data once, and without -n you get all of it"
        )


class Limit:
    """The time limit of a command whose call of the library has none: seconds from now on."""

    def __init__(self, seconds: float | None) -> None:
        self.over = False
        self._deadline = None if seconds is None else time.monotonic() + seconds

    @contextlib.contextmanager
    def ends(self, end: Callable[[], object]) -> Iterator[None]:
        """Call `end` from another thread when the time is over while the block runs; hide the errors that it causes."""
        if self._deadline is None:
            yield
            return

        def fire() -> None:
            self.over = True
            end()

        timer = threading.Timer(max(0.0, self._deadline - time.monotonic()), fire)
        # It ends with the block; an error before that must not keep the process.
        timer.daemon = True
        with thread_needed("a time limit", "nothing has begun"):
            timer.start()
        try:
            yield
        except (ScramjetError, ValueError):
            if not self.over:
                raise
        finally:
            timer.cancel()


@attrs.frozen(kw_only=True)
class Chosen:
    """The lines of a log to show to people: from a `level` on, and `every` one or without those that looks leave."""

    every: bool = False
    level: str | None = None

    def shows(self, record: LogRecord | None, *, person: bool) -> bool:
        """Return whether a line is shown, given its record; a line that is not a record always is."""
        if record is None:
            return True
        if person and not self.every and record.is_look:
            return False
        level = {"WARNING": "WARN", "CRITICAL": "FATAL"}.get(record.level, record.level)
        if self.level is None or level not in LEVELS:
            return True
        return LEVELS.index(level) >= LEVELS.index(self.level)


def show_log(
    session: Session,
    open_it: Callable[..., OutputStream],
    *,
    follow: bool | None,
    lines: int | None,
    limit: float | None,
    is_kept: bool = False,
    **choice: Any,
) -> int:
    """Print a log, one record a line. If it is not followed, stop at the end of the existing records.

    The end is a second without data, or, for a program that never pauses, what has come with the first record that
    is younger than this command.

    `is_kept` says that the hub gives the same records to the next reader again, and `choice` is that of `Chosen`.

    Returns:
        How many lines it has printed.
    """
    goes_on, chosen, person = follows(follow, limit), Chosen(**choice), not session.json
    stream = open_it(idle_timeout=None if goes_on else SILENCE, timeout=session.limit(limit))

    def show(text: str, record: LogRecord | None) -> bool:
        if not chosen.shows(record, person=person):
            return False
        if session.json:
            _say.raw_out(_as_json(text))
        else:
            _say.out(*_readable(text, record), keep=_say.LINES)
        return True

    asked, began = time.time(), time.monotonic()
    youngest: float | None = None
    shown = 0
    with stream, contextlib.suppress(StreamIdleError):
        for line in stream.lines():
            text = line.decode("utf-8", "replace")
            record = full_record_of(text)
            shown += show(text, record)
            if shown == lines:
                if not is_kept:
                    rest = (record for _, record in _arrived_records(stream))
                    _tell_lost(sum(chosen.shows(each, person=person) for each in rest), lines)
                return shown
            reading = time.monotonic() - began
            if goes_on or reading < SILENCE:
                continue
            if youngest is None:
                # The times come from the hub's clock; its Date header has whole seconds.
                youngest = asked + (session.host.doctor().clock_skew or 0.0) + 1.0
            if record.ts > youngest if record and record.ts else reading > _NO_TIMES:
                # Nobody else would get it.
                for each in [] if is_kept else _arrived_records(stream):
                    if shown != lines:
                        shown += show(*each)
                break
    return shown


def _as_json(text: str) -> str:
    """Return a line of a log as a line of JSON: a record unchanged, anything else as a JSON string."""
    try:
        loads(text)
    except ValueError:
        return _output.for_stdout(json.dumps(text, ensure_ascii=False))
    # Between JSON tokens these characters are only spaces, and strings can't contain them.
    return _output.for_stdout(text.replace("\t", " ").replace("\r", " "))


def _readable(text: str, record: LogRecord | None) -> list[_say.Piece]:
    """Return a record of a log for people: time, level, source, and message. Other lines stay unchanged."""
    if record is None:
        return [indented(text)]
    head = (f"{record.level:<5}", _COLOURS.get(record.level, _say.GREEN))
    return [(record.when, _say.DIM), " ", head, " ", indented(record.words)]


def log_line(line: bytes) -> None:
    """Print a line of a log to stderr, for people, unless a request of a client has left it."""
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    record = full_record_of(text)
    if Chosen().shows(record, person=True):
        _say.err(*_readable(text, record), keep=_say.LINES)


def show_event(session: Session, event: Any) -> None:
    """Print an event: for people only its data, for machines all of it."""
    if session.json:
        _output.line(event)
    elif isinstance(event.data, str):
        _say.out(event.data, keep=_say.LINES)
    else:
        _output.line(event.data)
