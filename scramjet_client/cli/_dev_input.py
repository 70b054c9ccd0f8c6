"""The input of `scramjet dev`: read once, and sent to each new version of the program."""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator

from scramjet_client.cli._bodies import begins_as_text
from scramjet_client.instances.keyboard import Keyboard

_KEPT = 1 << 20
"""Bytes of stdin that are kept for the next version. Reading pauses while the present one has not taken them."""


_BETWEEN = 0.02
"""Seconds between two typed lines that are sent again."""


class Cut(Exception):
    """The version of the program that read this input is over."""


class KeptInput:
    """Stdin, kept for the next version. One thread reads it; each version has a reader of its own.

    Unless it is `binary`, bytes that are not UTF-8 are replaced, with a `note`. None means that the first data decides,
    which is text if somebody types it.
    """

    def __init__(self, *, binary: bool | None, note: Callable[[str], object]) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._note = note
        if binary is None and sys.stdin.isatty():
            binary = False
        self._binary = binary
        self._known = threading.Event()
        if binary is not None:
            self._known.set()
        self._chunks: list[bytes] = []
        self._forgotten = 0
        self._size = 0
        self._reader: threading.Event | None = None
        self._taken = 0
        self._ended = False
        self._stopped = False
        self._debugger: Callable[[bytes], object] | None = None
        # Guards those above.
        self._news = threading.Condition()
        self._keys: Keyboard | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to read stdin, unless this process is in the background of a terminal, which would stop it."""
        if sys.platform != "win32" and sys.stdin.isatty():
            with contextlib.suppress(OSError):
                if os.tcgetpgrp(sys.stdin.fileno()) != os.getpgrp():
                    return
        self._keys = Keyboard(sys.stdin)
        # `stop` ends it. It is a daemon because a file that is not one of the system can't be interrupted.
        self._thread = threading.Thread(target=self._read, name="scramjet-dev-input", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._keys is not None
        try:
            while not self._stopped:
                for piece in self._keys:
                    data = piece.encode() if isinstance(piece, str) else piece
                    if not self._was_diverted(data):
                        if self._binary is None:
                            self._decide(binary=not begins_as_text([data]))
                        self._keep(data if self._binary else self._decoded(data))
                self._end()
                if not sys.stdin.isatty():
                    return  # at a terminal, one can go on after Ctrl-D
        except (OSError, ValueError):
            self._end()

    def _was_diverted(self, piece: bytes) -> bool:
        """Pass a typed piece to the debugger, if there is one; return whether there is."""
        with self._news:
            debugger = self._debugger
        if debugger is not None:
            with contextlib.suppress(OSError):
                debugger(piece)
        return debugger is not None

    def _decide(self, *, binary: bool) -> None:
        self._binary = binary
        self._known.set()

    def is_binary(self, seconds: float) -> bool | None:
        """Wait until it is known whether stdin is sent as bytes, and return that; None if it is not known by then."""
        self._known.wait(seconds)
        return self._binary

    def _decoded(self, piece: bytes, *, final: bool = False) -> bytes:
        try:
            text = self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            self._note(
                "stdin is not UTF-8: the program gets U+FFFD in place of other bytes; "
                "its input takes all bytes with --type application/octet-stream"
            )
            self._decoder.errors = "replace"
            text = self._decoder.decode(piece, final)
        return text.encode()

    def _keep(self, text: bytes) -> None:
        if not text:
            return
        with self._news:
            self._chunks.append(text)
            self._size += len(text)
            self._news.notify_all()
            # Otherwise a program that starts slowly, or reads slowly, would miss the beginning.
            self._news.wait_for(lambda: self._forget() or self._stopped or self._debugger)

    def _forget(self) -> bool:
        """Drop the oldest pieces that were taken, beyond the limit; return whether there is room. Needs the lock."""
        while self._size > _KEPT and self._forgotten < self._taken:
            self._size -= len(self._chunks.pop(0))
            self._forgotten += 1
        return self._size <= _KEPT

    def _end(self) -> None:
        if self._was_diverted(b""):
            return
        if self._binary is None:
            self._decide(binary=False)
        if not self._binary:
            self._keep(self._decoded(b"", final=True))  # a character may lack its end
        with self._news:
            self._ended = True
            self._news.notify_all()

    def divert(self, debugger: Callable[[bytes], object] | None) -> None:
        """Pass typed text to a callable instead, until it is None again; b"" is Ctrl-D."""
        with self._news:
            self._debugger = debugger
            self._news.notify_all()

    def reader(self, over: threading.Event) -> Iterator[bytes | str]:
        """Return an iterator over the kept data and everything that follows. It replaces the reader before it.

        The iterator raises `Cut` when `over` is set.
        """
        with self._news:
            self._reader = over
            self._taken = self._forgotten
            kept = self._forgotten + len(self._chunks)
        return self._pieces(over, kept)

    def _pieces(self, over: threading.Event, kept: int) -> Iterator[bytes | str]:
        first = True
        while True:
            if not first and self._taken < kept and sys.stdin.isatty():
                # Lines that were typed one by one should come so again, as far as the way there keeps them apart.
                over.wait(_BETWEEN)
            first = False
            with self._news:
                while True:
                    if over.is_set() or self._reader is not over:
                        raise Cut
                    at = self._taken - self._forgotten
                    if at < len(self._chunks):
                        break
                    if self._ended:
                        return
                    self._news.wait(0.5)
                chunk = self._chunks[at]
                self._taken += 1
                self._news.notify_all()
            yield chunk if self._binary else chunk.decode()

    def stop(self) -> None:
        with self._news:
            self._stopped = True
            self._news.notify_all()
        if self._keys is not None:
            self._keys.stop()
        if self._thread is not None:
            self._thread.join(1.0)
