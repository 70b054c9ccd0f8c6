"""`UploadWriter`: a writable file whose data is uploaded."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import Any

from scramjet_client._base import Live, public
from scramjet_client.errors import StreamClosedError
from scramjet_client.http.interrupts import wait_until
from scramjet_client.models import SendStreamResponse
from scramjet_client.uploads.sources import encode
from scramjet_client.uploads.upload import Upload

_LIMIT = 65536
"""Bytes that may wait to be sent before `write` blocks."""


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

    def put(self, data: bytes | memoryview, broken: Callable[[], bool]) -> bool:
        """Add data; wait while too much data is unsent, unless the upload is broken.

        Returns:
            False if `close()` was called before; nothing is added then, because the end may have been sent.
        """
        with self.changed:
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
        # Held while the upload is made: two threads may write first.
        self._lock = threading.Lock()

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
        with self._lock:
            if self._upload is None:
                # The callback must not hold this writer, so that a forgotten one is cancelled.
                buffer = self._buffer
                self._upload = self._begin(text)
                self._upload.add_done_callback(lambda _done: buffer.wake())
                if self._closed and self._cancelled:
                    self._upload.cancel()
                else:
                    self._upload.start()
            return self._upload

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
        """
        self._check()
        piece = encode(data, "what is written")
        if len(piece):
            upload = self._begun(text=isinstance(data, str))
            if not self._buffer.put(piece, upload.done):
                self._check()
        self._raise_failure()
        return len(data)

    def flush(self) -> None:
        """Wait until all written data has been sent."""
        if self._closed or self._upload is None:
            return
        self._buffer.drain(self._upload.done)
        self._raise_failure()

    def close(self) -> None:
        """Send the remaining data, end the program's input, and wait until the hub has taken all of it."""
        if self._closed:
            return
        # io's own close would flush first, but the remaining data is part of the end.
        self._closed = True
        self._finish()
        self._end()

    def detach(self) -> Any:
        """Send the remaining data and wait until the hub has taken it; the program's input stays open.

        Returns:
            The `SendStreamResponse`. The writer is closed.
        """
        self._check()
        self._closed = True
        return self._finish()

    def cancel(self) -> None:
        """Drop the upload and close the writer; the program's input stays open."""
        self._closed = self._cancelled = True
        if self._upload is not None:
            self._upload.cancel()
        self._buffer.close()

    def __del__(self) -> None:
        # A writer that was never closed has not confirmed that its data is complete.
        if not getattr(self, "_closed", True):
            self.cancel()

    def _finish(self) -> SendStreamResponse:
        upload = self.upload
        self._buffer.close()
        try:
            return upload.result()
        except BaseException:
            # An interrupt of the wait: the caller then does not know how much of the file has arrived.
            upload.cancel()
            raise

    def _raise_failure(self) -> None:
        if self._upload is not None and self._upload.done():
            self._upload.result()

    def _check(self) -> None:
        self._raise_failure()
        if self._closed:
            raise StreamClosedError(f"the writer to {self._name} is closed")
