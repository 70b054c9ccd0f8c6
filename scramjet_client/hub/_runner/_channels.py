"""The channels between an instance's process and its hub: messages, and the bytes of streams."""

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
"""How often, in seconds, the runner checks whether its parent is alive."""

_BLOCK = 65536
"""Bytes of one read. The framework's streams count items, so this bounds their memory."""


class Control:
    """JSON lines in both directions: `{"stop": {...}}` and so on.

    A daemon thread reads. It ends the process when the hub is gone, even if the program is busy.
    """

    def __init__(self, fd: int) -> None:
        self._pid = os.getpid()
        self._socket = socket.socket(fileno=fd)
        # socket.setdefaulttimeout(), perhaps called by a sitecustomize, gives the socket a time limit.
        self._socket.settimeout(None)
        self._lines = self._socket.makefile("rb")
        # Guards sending: the program's threads may emit an event while its loop sends health.
        self._sending = threading.Lock()

    def read(self) -> dict[str, Any]:
        """Wait for the next message, and return it. When the hub ends, this process ends."""
        try:
            line = self._lines.readline()
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            die()
        message: dict[str, Any] = json.loads(line)
        return message

    def send(self, kind: str, value: Any) -> None:
        """Send one message, from any thread. Only the reading side detects that the hub is gone."""
        line = json.dumps({kind: value}).encode() + b"\n"
        with self._sending, contextlib.suppress(OSError):
            self._socket.sendall(line)

    @property
    def is_inherited(self) -> bool:
        """Whether this is a process that the program has forked; such a process does not speak for the instance."""
        return os.getpid() != self._pid

    def listen(self, on_message: Callable[[str, Any], object]) -> None:
        """Start the threads that pass messages on and watch the hub."""

        def read() -> None:
            while True:
                for kind, value in self.read().items():
                    if kind == "kill":
                        # The loop can't do this: the program may never give it a turn again.
                        os._exit(137)
                    on_message(kind, value)

        def watch() -> None:
            # A fork of the hub's process may hold a copy of the hub's end of the socket. Then the file does not end,
            # but the parent still changes.
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
    """Kill this process and everything that it has started, at once."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(137)


class _Drained(collections.abc.Coroutine):  # type: ignore[type-arg]
    """The result of `Output.write`: an awaitable that the caller may ignore.

    `Stream.write_to` of the framework awaits a value if `asyncio.iscoroutine` returns true for it. Programs with their
    own `write_to` call `write` without awaiting it, and a real coroutine would warn about that.
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

    A protocol on a pipe, not an `asyncio.StreamWriter`: since Python 3.11.5, a StreamWriter closes its pipe when
    it is garbage-collected.
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
        # Transports of other loops than asyncio's own do not inherit from a class of asyncio.
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Optional[Exception]) -> None:
        """Wake waiting writers: nobody reads any more, or everything is written."""
        self._room.set()
        self._gone.set()

    def pause_writing(self) -> None:
        """Hold writers: the hub takes no more for now."""
        self._room.clear()

    def resume_writing(self) -> None:
        """Let writers continue."""
        self._room.set()

    def write(self, item: Any) -> _Drained:
        """Write one item. Await the result, or `sync()`, to wait for a slow reader."""
        data = self._encode(item)
        if data and self._transport is not None:
            self._transport.write(data)
        return _Drained(self)

    async def sync(self) -> None:
        """Wait until the hub has room for more."""
        if self._room.is_set():
            await asyncio.sleep(0)  # gives the loop a turn while a program only writes
        else:
            await self._room.wait()

    async def finish(self) -> None:
        """End the output, and wait until all of it has left this process."""
        if self._transport is not None:
            self._transport.close()
            await self._gone.wait()


def encoder(content_type: str) -> Callable[[Any], bytes]:
    """Return the function that encodes items of a content type as bytes; raise ValueError if no hub knows the type."""

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
        "text/x-ndjson": binary,  # a hub's runner encodes items as JSON only for the type above
    }
    if content_type not in known:
        raise ValueError(
            f"{content_type!r} is not a content type of an output; there are {', '.join(known)}"
        )
    return known[content_type]


class Source:
    """Reads an open pipe piece by piece, as text or bytes. It reads nothing before the first call."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._reader: Optional[asyncio.StreamReader] = None
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    async def read(self) -> bytes:
        """Return the bytes that have arrived, b"" at the end."""
        if self._reader is None:
            self._reader = asyncio.StreamReader(_BLOCK)
            protocol = asyncio.StreamReaderProtocol(self._reader)
            await asyncio.get_running_loop().connect_read_pipe(
                lambda: protocol, os.fdopen(self._fd, "rb", 0)
            )
        return await self._reader.read(_BLOCK)

    async def read_text(self) -> str:
        """Return the arrived text in whole characters, "" at the end."""
        while True:
            data = await self.read()
            text = self._decoder.decode(data, final=not data)
            if text or not data:
                return text
