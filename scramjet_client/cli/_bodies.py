"""What the command sends to an input: text as text, and everything else as bytes.

A file is looked at as a whole. Of a pipe only the beginning can be looked at, so what follows is checked as it goes:
data that began as text and is not text later is refused, because no hub would deliver it whole.
"""

from __future__ import annotations

import codecs
import contextlib
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from scramjet_client.cli._progress import Report
from scramjet_client.cli._streams import Stdin, is_regular, source
from scramjet_client.errors import UnsupportedByHubError
from scramjet_client.models import BINARY, TEXT
from scramjet_client.uploads.sources import size_of

_PIECE = 65536
"""Bytes that are read and checked at a time; at least as many as `_LINE_LIMIT`, so that no piece hides a long line."""

_LINE_LIMIT = 65536
"""Bytes of a line of text above which a Python runner delivers it to no program (docs/protocol.md)."""

_PAUSE = 0.25
"""Seconds of silence after which the beginning of a pipe is judged though it has no whole line."""


class Text:
    """Decodes data that counts as text, and refuses what would not arrive as such; errors name what is read."""

    def __init__(self, name: str = "") -> None:
        self._name = name
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._taken = 0
        self._line = 0

    @property
    def is_whole(self) -> bool:
        """Whether no character lacks its end."""
        return not self._decoder.getstate()[0]

    def of(self, piece: bytes, *, final: bool = False) -> str:
        """Return the next piece, of at most 64 KiB, as text; raise if it is not UTF-8, or has too long a line."""
        try:
            text = self._decoder.decode(piece, final)
        except UnicodeDecodeError as error:
            at = self._taken + len(piece) - len(error.object) + error.start
            raise self._refusal(
                f"the byte 0x{error.object[error.start]:02x} at offset {at:,}"
            ) from None
        end = piece.find(b"\n")
        if self._line + (len(piece) if end < 0 else end) >= _LINE_LIMIT:
            at = self._taken - self._line
            raise self._refusal(f"a line of more than 64 KiB at offset {at:,}")
        self._line = self._line + len(piece) if end < 0 else len(piece) - 1 - piece.rfind(b"\n")
        self._taken += len(piece)
        return text

    def _refusal(self, what: str) -> UnsupportedByHubError:
        return UnsupportedByHubError(
            f"{self._name} began as text, which is sent as {TEXT}, and has {what}, which hubs do not deliver so: send"
            f" it with `-t {BINARY}`"
        )


def begins_as_text(pieces: Iterable[bytes], *, whole: bool = False) -> bool:
    """Return whether the beginning of some data, or all of it, is text: UTF-8 in lines, without a NUL."""
    text = Text()
    try:
        for each in pieces:
            if b"\0" in each:
                return False
            text.of(each)
        if whole:
            text.of(b"", final=True)
    except UnsupportedByHubError:
        return False
    return True


def is_text(path: Path) -> bool:
    with path.open("rb") as file:
        return _is_text(file)


def _is_text(file: BinaryIO) -> bool:
    """Return whether the rest of a file is text, and leave the file where it was."""
    start = file.tell()
    try:
        return begins_as_text(iter(lambda: file.read(_PIECE), b""), whole=True)
    finally:
        file.seek(start)


class Body:
    """Data to send, and its content type, or None if the library finds it."""

    total: int | None = None
    """The size of a file that the library can't know."""

    def __init__(self, source: Any, type: str | None = None) -> None:
        self.source = source
        self.type = type

    def ready(self, seconds: float) -> bool:
        """Wait until it is known whether this is text; return whether it is."""
        return True

    def reported(self, report: Report) -> Report:
        """Return a progress report that knows the size."""
        total = self.total
        if total is None:
            return report
        return lambda sent, known: report(sent, total if known is None else known)

    @property
    def sent_as(self) -> str | None:
        """The type that a Python program's input has; None if it is not known."""
        return self.type


class _File(Body):
    """A regular file."""

    def __init__(self, file: Any, name: str) -> None:
        self._name = name
        self._text = is_text(file) if isinstance(file, Path) else _is_text(file)
        self.total = size_of(file)
        super().__init__(self._pieces(file) if self._text else file)

    @property
    def sent_as(self) -> str | None:
        return TEXT if self._text else BINARY

    def _pieces(self, file: Any) -> Iterator[str]:
        text = Text(self._name)
        with contextlib.ExitStack() as stack:
            if isinstance(file, Path):
                file = stack.enter_context(file.open("rb"))
            while piece := file.read(_PIECE):
                yield text.of(piece)
            yield text.of(b"", final=True)


class _Pipe(Body):
    """Data of which only the beginning can be looked at: a pipe or a terminal.

    `open` returns its reader, and may wait for a writer. What somebody has `typed` is text.
    """

    def __init__(self, open: Callable[[], Stdin], name: str, *, typed: bool) -> None:
        super().__init__(self, TEXT if typed else None)
        self._open = open
        self._keys: Stdin | None = None
        self._text = typed
        self._decoder = Text(name)
        self._head: deque[bytes] = deque()
        self._error: BaseException | None = None
        self._known = threading.Event()
        # Whether that was known before the sending began; later the library decides.
        self._in_time = typed
        self._over = False
        if typed:
            self._keys = open()
            self._known.set()
        else:
            # A daemon, because opening a named pipe can't be interrupted.
            threading.Thread(target=self._look, name="scramjet-first-look", daemon=True).start()

    def ready(self, seconds: float) -> bool:
        self._in_time = self._known.wait(seconds)
        return self._in_time

    @property
    def sent_as(self) -> str | None:
        if not self._in_time:
            return None
        return TEXT if self._text else BINARY

    def _look(self) -> None:
        try:
            self._keys = keys = self._open()
            if self._over:
                keys.cut = True
                keys.stop()
            self._text = self._begins_as_text(keys)
        except BaseException as error:  # raised in the thread that sends
            self._error = error
        finally:
            self._known.set()

    def _begins_as_text(self, keys: Stdin) -> bool:
        text, size = Text(), 0
        for piece in map(_bytes, keys):
            self._head.append(piece)
            size += len(piece)
            try:
                text.of(piece)
            except UnsupportedByHubError:
                return False
            has_line = b"\n" in piece and text.is_whole
            if b"\0" in piece or size >= _PIECE or not keys.more_within(0 if has_line else _PAUSE):
                return b"\0" not in piece
        return begins_as_text(self._head, whole=True)

    def __iter__(self) -> Iterator[bytes | str]:
        return self

    def __next__(self) -> bytes | str:
        self._known.wait()
        if self._head:
            piece = self._head.popleft()
        elif self._error is not None:
            raise self._error
        else:
            assert self._keys is not None
            try:
                piece = _bytes(next(self._keys))
            except StopIteration:
                if self._text:
                    self._decoder.of(b"", final=True)
                raise
        return self._decoder.of(piece) if self._text else piece

    def stop(self, *, cut: bool) -> None:
        """Free the reader."""
        self._over = True
        if self._keys is not None:
            self._keys.cut = self._keys.cut or cut
            self._keys.stop()


def _bytes(piece: bytes | str) -> bytes:
    return piece.encode() if isinstance(piece, str) else piece


@contextlib.contextmanager
def body(path: str, type: str | None, stream_id: str = "input") -> Iterator[Body]:
    """Open the data to send to an input: a file, or stdin for "-". The end of the block frees the reader of a pipe."""
    if type is not None or stream_id != "input":
        with source(path) as given:
            yield Body(given, type)
        return
    if path == "-" and is_regular(sys.stdin):
        yield _File(sys.stdin.buffer, "stdin")
        return
    if path != "-" and Path(path).is_file():
        yield _File(Path(path), path)
        return
    typed = path == "-" and sys.stdin.isatty()
    pipe = _Pipe(
        lambda: Stdin(sys.stdin if path == "-" else open(path, "rb")),  # noqa: SIM115 - ends with the command
        "stdin" if path == "-" else path,
        typed=typed,
    )
    try:
        yield pipe
    except BaseException:
        pipe.stop(cut=True)
        raise
    finally:
        pipe.stop(cut=False)
