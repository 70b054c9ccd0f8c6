"""`UploadWriter`: a writable file whose data is uploaded."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from scramjet_client._base import Live, public, warn_aside
from scramjet_client._common.tracebacks import shorten
from scramjet_client.errors import StreamClosedError
from scramjet_client.http import forks
from scramjet_client.http.interrupts import wait_until
from scramjet_client.models import SendStreamResponse
from scramjet_client.uploads.sources import encode
from scramjet_client.uploads.upload import Upload

_LIMIT = 65536
"""Bytes that may wait to be sent before `write` blocks."""

_LIMIT_AT_ONCE = 1 << 20
"""Bytes that may wait to be sent where `write` must not block."""

_LOGGERS = ("logging", "loguru._handler")
"""Modules that hold a lock while they write. A thread of the upload that logs needs that lock, too."""


def _is_logging() -> bool:
    """Whether the caller is a handler of logging; asked only where a wait is about to begin."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_globals.get("__name__") not in _LOGGERS:
        frame = frame.f_back
    return frame is not None


class WriteBuffer:
    """The source of a writer's upload: it gives all that was written since the last piece as one piece."""

    def __init__(self) -> None:
        self._waiting: list[bytes | memoryview] = []
        self._size = 0
        self._over = False
        self._idle = True
        # Guards all of the above; notified when one of them changes, and when the upload has failed.
        self.changed: threading.Condition = threading.Condition()

    def __iter__(self) -> WriteBuffer:
        return self

    def __next__(self) -> bytes:
        with self.changed:
            # This call means that the last piece has been sent.
            self._idle = True
            self.changed.notify_all()
            self.changed.wait_for(lambda: self._waiting or self._over)
            if not self._waiting:
                raise StopIteration
            data = b"".join(self._waiting)
            self._waiting, self._size, self._idle = [], 0, False
            self.changed.notify_all()
            return data

    @property
    def waiting(self) -> bool:
        """Whether data waits to be sent."""
        return bool(self._waiting)

    def put(
        self,
        data: bytes | memoryview,
        broken: Callable[[], bool],
        may_wait: Callable[[int], bool],
    ) -> bool:
        """Add data; wait while too much data is unsent, unless the upload is broken.

        Args:
            data: The data.
            broken: Whether nothing of it will ever be sent.
            may_wait: Asked before a wait, with the bytes that are unsent.

        Returns:
            False if `close()` was called before; nothing is added then, because the end may have been sent.
        """
        with self.changed:
            if self._size >= _LIMIT and not self._over and not broken() and may_wait(self._size):
                wait_until(self.changed, lambda: self._size < _LIMIT or self._over or broken())
            if self._over:
                return False
            # A copy, because the caller may use the buffer again.
            self._waiting.append(bytes(data))
            self._size += len(data)
            self.changed.notify_all()
            return True

    def drain(self, broken: Callable[[], bool]) -> None:
        """Wait until all data has been sent, or the upload is broken."""
        with self.changed:
            wait_until(self.changed, lambda: (self._idle and not self._waiting) or broken())

    def close(self) -> None:
        """End the body after the data that is waiting."""
        with self.changed:
            self._over = True
            self.changed.notify_all()

    def wake(self) -> None:
        """Wake all waiters."""
        with self.changed:
            self.changed.notify_all()


@public
class UploadWriter(Live, io.BufferedIOBase):
    """A program's input as a writable file: for `print(..., file=w)`, `csv.writer(w)`, `shutil.copyfileobj`.

    `write` takes bytes, or text, which it encodes as UTF-8. Its own thread sends the data at once; `flush` waits
    until it is sent. `write` blocks while the program does not read. If the upload was refused or has broken, the
    next `write`, `flush` or `close` raises.

    `close()`, or the end of a `with` block, ends the program's input. `detach()` ends only this upload: you can
    send more later. If an error leaves the `with` block, the upload is cancelled, because half of the data must
    not look like all of it.

    Without a `type`, the first write begins the upload: what it writes, text or bytes, is what the program gets.

    A handler of logging, or of a signal, may write into it. In a handler of logging, `flush` does not wait. It belongs
    to the process that opened it: in a fork, `close` and the end of `with` only drop the copy, and all else raises.
    """

    def __init__(
        self,
        name: str,
        buffer: WriteBuffer,
        begin: Callable[[bool], Upload[SendStreamResponse]],
        end: Callable[[], object],
    ) -> None:
        """For `open_input` and `open_stdin`: `begin` makes the upload, given whether its first data is text.

        A close calls `end`, which ends the program's input.
        """
        self._name = name
        self._buffer = buffer
        self._begin = begin
        self._end = end
        self._closed = False
        self._cancelled = False
        self._upload: Upload[SendStreamResponse] | None = None
        self._process = forks.process
        # The thread that makes the upload, in a tuple of its own. It is no lock: to make an upload, requests are sent
        # and logged, and the handlers of that may write here, or wait for another thread that does.
        self._beginner: dict[str, tuple[int]] = {}

    def __repr__(self) -> str:
        sent = 0 if self._upload is None else self._upload.bytes_sent
        return (
            f"<UploadWriter to {self._name}: {'closed' if self.closed else f'{sent} bytes sent'}>"
        )

    @property
    def upload(self) -> Upload[SendStreamResponse]:
        """The `Upload` below. To ask for it before the first write begins the upload, as one of bytes."""
        return self._begun(text=False)

    def _begun(self, *, text: bool) -> Upload[SendStreamResponse]:
        """Return the upload; begin it, as one of text or of bytes, if it has not begun."""
        self._check_process()
        self._refuse_at_exit()
        me = (threading.get_ident(),)
        while self._upload is None:
            beginner = self._beginner.setdefault("", me)
            if beginner is me:
                try:
                    if self._upload is None:
                        self._make(text)
                finally:
                    self._beginner.clear()
                    self._buffer.wake()
            else:
                self._refuse_inside()
                wait_until(self._buffer.changed, lambda: not self._beginner)
        return self._upload

    def _refuse_at_exit(self) -> None:
        """Raise once the interpreter has ended its threads: nobody would send, or wake who waits for that.

        `io.TextIOWrapper` writes what it holds that late, and ignores the error.
        """
        if sys.is_finalizing():
            lost = f"the interpreter has ended, and the writer to {self._name} was not closed"
            if self._upload is None:
                # Of an upload that runs, the exit itself has told.
                warn_aside(f"{lost}: what was written is lost", RuntimeWarning)
            raise StreamClosedError(lost)

    def _is_inside(self) -> bool:
        """Whether a handler has interrupted this thread while it makes the upload."""
        return self._beginner.get("") == (threading.get_ident(),)

    def _refuse_inside(self) -> None:
        if self._is_inside():
            raise RuntimeError(
                f"the writer to {self._name} is just beginning in this thread, further up (a reentrant call): only"
                " write() can be called until then"
            )

    def _check_process(self) -> None:
        if self._process is not forks.process:
            raise StreamClosedError(
                f"the writer to {self._name} belongs to the process that opened it: open another one in this process"
            )

    def _make(self, text: bool) -> None:
        # The callback must not hold this writer, so that a forgotten one is cancelled.
        buffer = self._buffer
        self._upload = self._begin(text)
        self._upload.add_done_callback(lambda _done: buffer.wake())
        if self._closed and self._cancelled:
            self._upload.cancel()
        else:
            self._upload.start()

    def _broken(self) -> bool:
        """Whether nothing is sent any more, or nobody begins to."""
        return not self._beginner if self._upload is None else self._upload.done()

    def _may_wait(self, unsent: int) -> bool:
        """Return whether a write may wait; raise if it may neither wait nor add to what is unsent."""
        inside = self._is_inside()
        if not inside and not _is_logging():
            return True
        if unsent >= _LIMIT_AT_ONCE:
            raise RuntimeError(
                f"{unsent} bytes for {self._name} are unsent, and a write can't wait for them inside"
                f" {'the first write (a reentrant call)' if inside else 'a handler of logging'}"
            )
        return False

    def __enter__(self) -> UploadWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        if kind is not None and not self._closed:
            self.cancel()
        self.close()

    @property
    def closed(self) -> bool:
        """Whether the writer is closed."""
        return self._closed

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, data: Any) -> int:
        """Send bytes or text; return how many bytes or characters it was.

        Raises:
            StreamClosedError: The writer is closed, or another thread has closed it meanwhile. The error is also
                a ValueError, as for any file. Nothing of this write was sent.
            ScramjetError: The upload was refused, cancelled, or has broken.
            RuntimeError: Too much is unsent, and a handler of logging can't wait.
        """
        try:
            self._check()
            piece = encode(data, "what is written")
            if len(piece):
                # What is written while the upload begins is sent with it.
                if not self._beginner:
                    self._begun(text=isinstance(data, str))
                if not self._buffer.put(piece, self._broken, self._may_wait):
                    self._check()
            self._raise_failure()
        except BaseException as error:
            shorten(error)
            raise
        return len(data)

    def flush(self) -> None:
        """Wait until all written data has been sent."""
        if self._closed:
            return
        self._check()
        begun = self._upload is not None or self._beginner or self._buffer.waiting
        if begun and not _is_logging():
            self._buffer.drain(self._begun(text=False).done)
            self._raise_failure()

    def close(self) -> None:
        """Send the remaining data, end the program's input, and wait until the hub has taken all of it."""
        if self._closed:
            return
        if self._process is not forks.process:
            self._closed = True
            return
        # io's own close would flush first, but the remaining data is part of the end.
        self._finish()
        self._end()

    def detach(self) -> Any:
        """Send the remaining data and wait until the hub has taken it; the program's input stays open.

        Returns:
            The `SendStreamResponse`. The writer is closed.
        """
        self._check()
        return self._finish()

    def cancel(self) -> None:
        """Drop the upload and close the writer; the program's input stays open."""
        self._closed = self._cancelled = True
        if self._process is not forks.process:
            return
        if self._upload is not None:
            self._upload.cancel()
        self._buffer.close()

    def __del__(self) -> None:
        # A writer that was never closed has not confirmed that its data is complete.
        if not getattr(self, "_closed", True):
            self.cancel()

    def _finish(self) -> SendStreamResponse:
        self._refuse_inside()
        self._closed = True
        upload = self._begun(text=False)
        self._buffer.close()
        try:
            return upload.result()
        except BaseException:
            # An interrupt of the wait: the caller then does not know how much of the file has arrived.
            upload.cancel()
            raise

    def _raise_failure(self) -> None:
        self._check_process()
        if self._upload is not None and self._upload.done():
            self._upload.result()

    def _check(self) -> None:
        self._raise_failure()
        if self._closed:
            raise StreamClosedError(f"the writer to {self._name} is closed")
