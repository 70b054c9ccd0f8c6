"""What an instance's process and its hub say to each other, and the bytes that pass between them."""

from __future__ import annotations

import asyncio
import codecs
import collections.abc
import contextlib
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Generator
from typing import Any, Optional, cast

_PARENT_POLL = 0.5
"""Seconds between two looks at whether the parent still lives."""

_BLOCK = 65536
"""Bytes that are read at once; the framework's streams count items, so this bounds their memory."""


class Control:
    """JSON lines in both directions: `{"stop": {...}}` and so on.

    A daemon thread reads; it ends the process when the hub is gone, whatever the program is doing.
    """

    def __init__(self, fd: int) -> None:
        self._pid = os.getpid()
        self._socket = socket.socket(fileno=fd)
        # It has the time limit of socket.setdefaulttimeout(), which a sitecustomize may have called.
        self._socket.settimeout(None)
        self._lines = self._socket.makefile("rb")
        # Guards the sending side: the program's threads may emit while its loop sends health.
        self._sending = threading.Lock()

    def read(self) -> dict[str, Any]:
        """Return the next message; waits for it. The end of the hub ends this process."""
        try:
            line = self._lines.readline()
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            die()
        message: dict[str, Any] = json.loads(line)
        return message

    def send(self, kind: str, value: Any) -> None:
        """Send one message. From any thread; a hub that is gone is found out by the reading side."""
        line = json.dumps({kind: value}).encode() + b"\n"
        with self._sending, contextlib.suppress(OSError):
            self._socket.sendall(line)

    @property
    def is_inherited(self) -> bool:
        """Whether this is a process that the program has forked, which does not speak for the instance."""
        return os.getpid() != self._pid

    def listen(self, on_message: Callable[[str, Any], object]) -> None:
        """Start the threads that pass on messages and watch the hub."""

        def read() -> None:
            while True:
                for kind, value in self.read().items():
                    if kind == "kill":
                        # Not by the loop: the program may never give it a turn again.
                        os._exit(137)
                    on_message(kind, value)

        def watch() -> None:
            # A copy of the hub's end of the socket may live on in a process that the hub's has forked;
            # then there is no end of file, but the parent is another one all the same.
            parent = os.getppid()
            while os.getppid() == parent:
                pause.wait(_PARENT_POLL)
            die()

        pause = threading.Event()
        for target in (read, watch):
            threading.Thread(
                target=target, name=f"scramjet-runner-{target.__name__}", daemon=True
            ).start()


def die() -> None:
    """End this process and all that it has started, at once."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(137)


class _Drained(collections.abc.Coroutine):  # type: ignore[type-arg]
    """What `Output.write` returns: an awaitable that may as well be left alone.

    `Stream.write_to` of the framework awaits what `asyncio.iscoroutine` says yes to; programs with a
    `write_to` of their own call `write` without awaiting it, and a real coroutine would warn of that.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._running: Optional[Generator[Any, None, None]] = None

    def __await__(self) -> Generator[Any, None, None]:
        return self._output.sync().__await__()

    def send(self, value: Any) -> Any:
        if self._running is None:
            self._running = self.__await__()
        return self._running.send(value)

    def throw(self, *error: Any) -> Any:
        if self._running is None:
            self._running = self.__await__()
        return self._running.throw(*error)

    def close(self) -> None:
        if self._running is not None:
            self._running.close()


class Output(asyncio.BaseProtocol):
    """The writing end of the instance's output: `write(item)`, `await sync()`.

    A protocol on a pipe, not an `asyncio.StreamWriter`: those close what they write to when they are
    collected, since Python 3.11.5.
    """

    def __init__(self, encode: Callable[[Any], bytes]) -> None:
        self._encode = encode
        self._transport: Optional[asyncio.WriteTransport] = None
        self._room = asyncio.Event()
        self._room.set()
        self._gone = asyncio.Event()

    @classmethod
    async def on(cls, fd: int, encode: Callable[[Any], bytes]) -> Output:
        """Return an output that writes to an open pipe."""
        loop = asyncio.get_running_loop()
        _, output = await loop.connect_write_pipe(lambda: cls(encode), os.fdopen(fd, "wb", 0))
        return output

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport (asyncio calls this)."""
        # Transports of other loops than asyncio's own are of no class of asyncio.
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Optional[Exception]) -> None:
        """Let go whoever waits: nobody reads any more, or all is written."""
        self._room.set()
        self._gone.set()

    def pause_writing(self) -> None:
        """Hold writers: the hub does not take more for now."""
        self._room.clear()

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._room.set()

    def write(self, item: Any) -> _Drained:
        """Write one item; await the answer, or `sync()`, to be held back by a slow reader."""
        data = self._encode(item)
        if data and self._transport is not None:
            self._transport.write(data)
        return _Drained(self)

    async def sync(self) -> None:
        """Wait until the hub has room for more."""
        if self._room.is_set():
            await asyncio.sleep(0)  # a program that only writes would else never let the loop turn
        else:
            await self._room.wait()

    async def finish(self) -> None:
        """End the output, and wait until all of it has left this process."""
        if self._transport is not None:
            self._transport.close()
            await self._gone.wait()


def encoder(content_type: str) -> Callable[[Any], bytes]:
    """Return how items of a content type become bytes.

    Raises:
        ValueError: No hub knows this type.
    """

    def text(item: Any) -> bytes:
        if not isinstance(item, str):
            raise TypeError(
                f"the output is text/plain, so its items must be str, not {type(item).__name__}; for others set "
                "provides = {'provides': '', 'contentType': 'application/octet-stream'} (bytes) "
                "or 'application/x-ndjson' (JSON values) in the module"
            )
        return item.encode()

    def binary(item: Any) -> bytes:
        if not isinstance(item, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"the output is {content_type}, so its items must be bytes, not {type(item).__name__}"
            )
        return bytes(item)

    def ndjson(item: Any) -> bytes:
        return json.dumps(item).encode() + b"\n"

    known = {
        "text/plain": text,
        "application/octet-stream": binary,
        "application/x-ndjson": ndjson,
        "text/x-ndjson": binary,  # a hub's runner makes JSON of the items of the other one alone
    }
    if content_type not in known:
        raise ValueError(
            f"{content_type!r} is no content type of an output; there are {', '.join(known)}"
        )
    return known[content_type]


class Source:
    """A pipe that is read piece by piece, as text or bytes; nothing is read before the first call.

    Args:
        fd: The open pipe.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._reader: Optional[asyncio.StreamReader] = None
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    async def read(self) -> bytes:
        """Return what has come, b"" at the end."""
        if self._reader is None:
            self._reader = asyncio.StreamReader(_BLOCK)
            protocol = asyncio.StreamReaderProtocol(self._reader)
            await asyncio.get_running_loop().connect_read_pipe(
                lambda: protocol, os.fdopen(self._fd, "rb", 0)
            )
        return await self._reader.read(_BLOCK)

    async def read_text(self) -> str:
        """Return what has come as whole characters, "" at the end."""
        while True:
            data = await self.read()
            text = self._decoder.decode(data, final=not data)
            if text or not data:
                return text
