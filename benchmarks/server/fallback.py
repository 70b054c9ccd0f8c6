"""The server in Python: for machines without a C compiler, and for TLS. It does what server.c says.

    python -m benchmarks.server.fallback [CERTIFICATE KEY]

Prints its port and serves until its stdin ends.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
import time
from collections.abc import AsyncIterator
from typing import ClassVar

_BLOCK = 1 << 20
_LEAD = 100_000  # microseconds from the answer to "begin" to the first gap
_READ = 1 << 18
_KEEP = "Access-Control-Allow-Origin: *\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n"
_STREAM = (
    f"HTTP/1.1 200 OK\r\n{_KEEP}content-type: application/octet-stream\r\n"
    "Transfer-Encoding: chunked\r\n\r\n"
).encode()
_ACCEPTED = f"HTTP/1.1 202 Accepted\r\n{_KEEP}Transfer-Encoding: chunked\r\n\r\n".encode()
_END = b"0\r\n\r\n"

_VERSION = {
    "service": "@scramjet/host",
    "apiVersion": "v1",
    "version": "1.0.1",
    "build": "benchmark",
}
_HEALTH = {"healthy": True, "processId": 17683, "uptime": 12.5}
_INFO = {
    "id": "bench",
    "sequence": {"id": "seq", "config": {}, "location": "sth-0"},
    "created": "2026-11-24T08:26:43.145Z",
    "started": "2026-11-24T08:26:43.187Z",
    "status": "running",
}


def _option(url: str, name: str, otherwise: int) -> int:
    found = re.search(rf"{name}-(\d+)", url)
    return int(found.group(1)) if found else otherwise


def _frame(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def _record(number: int) -> bytes:
    value = {
        "level": "DEBUG",
        "msg": f"Request done in {number % 97} ms",
        "ts": 1795508425992 + number,
        "from": "Host",
        "id": "5c7e0f9a",
        "data": [number % 1000, "ok", True],
    }
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _behind(number: int, gap: int) -> int:
    """Return by how many microseconds a stream is behind the others, as server.c does."""
    mixed = number * 2654435761 & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 16) * 73244475 & 0xFFFFFFFF
    return (mixed ^ mixed >> 16) % gap


class _Connection:
    """One connection, and what has been received on all of them, and when the lines of crowds begin."""

    received: ClassVar[dict[str, int]] = {"bodies": 0, "bytes": 0}
    waits: ClassVar[list[int]] = []
    crowds: ClassVar[dict[int, asyncio.Future[int]]] = {}

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def serve(self) -> None:
        """Answer requests until the other side leaves."""
        try:
            while True:
                head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, target, _ = head.split(" ", 2)
                await self._answer(method, target.partition("?")[0], head.lower())
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._writer.close()

    async def _answer(self, method: str, url: str, head: str) -> None:
        route = url.rpartition("/")[2]
        if "\r\nexpect:" in head:
            await self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if method == "POST":
            await (self._inout() if route == "inout" else self._input(url, head))
        elif route in ("output", "stdout", "log"):
            await (self._stamped_output(url) if "gap-" in url else self._output(url))
        elif route == "begin":
            crowd = self._crowd(url)
            if not crowd.done():
                crowd.set_result(time.monotonic_ns() // 1000 + _LEAD)
            await self._send_json({"from": crowd.result()})
        elif route == "received":
            answer = {**self.received, "waits": list(self.waits)}
            self.received.update(bodies=0, bytes=0)
            self.waits.clear()
            await self._send_json(answer)
        else:
            known = {"version": _VERSION, "health": _HEALTH, "instances": []}
            await self._send_json(known.get(route, _INFO))

    async def _send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def _send_json(self, value: object) -> None:
        body = json.dumps(value).encode()
        head = f"HTTP/1.1 200 OK\r\n{_KEEP}content-type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        await self._send(head.encode() + body)

    async def _output(self, url: str) -> None:
        total, chunk = _option(url, "total", 1_000_000), _option(url, "chunk", 100)
        if "json" in url:
            count, frames = total, [_frame(_record(number)) for number in range(min(total, 4096))]
        else:
            line = b"x" * 99 + b"\n"
            payload = (line * (chunk // 100 + 1))[: chunk - 1] + b"\n"
            count = total // chunk
            frames = [_frame(payload)] * min(count, max(1, _BLOCK // chunk))
        block = b"".join(frames)
        await self._send(_STREAM)
        for done in range(0, count, len(frames) or 1):
            left = count - done
            await self._send(block if left >= len(frames) else b"".join(frames[:left]))
        await self._send(_END)

    def _crowd(self, url: str) -> asyncio.Future[int]:
        """Return when the first gap of a crowd begins, in microseconds, once it has been asked for."""
        made = asyncio.get_running_loop().create_future
        return self.crowds.setdefault(_option(url, "crowd", 0), made())

    async def _stamped_output(self, url: str) -> None:
        gap, start = _option(url, "gap", 2000), 0
        await self._send(_STREAM)
        if "crowd-" in url:
            start = await self._crowd(url)
        if start and "apart" in url:
            start += _behind(_option(url, "bench", 0), gap)
        for number in range(1, _option(url, "total", 500) + 1):
            wait = (start + number * gap) / 1e6 - time.monotonic() if start else gap / 1e6
            await asyncio.sleep(wait)
            await self._send(_frame(b"%020d%079d\n" % (time.monotonic_ns(), 0)))
        await self._send(_END)

    async def _pieces(self, head: str) -> AsyncIterator[bytes]:
        """Yield the pieces of a request's body."""
        length = re.search(r"\r\ncontent-length: *(\d+)", head)
        if length:
            left = int(length.group(1))
            while left:
                piece = await self._reader.read(min(left, _READ))
                if not piece:
                    raise ConnectionError("the body was cut")
                left -= len(piece)
                yield piece
            return
        raw = b""
        while True:
            at = 0
            while True:
                end = raw.find(b"\r\n", at)
                size = int(raw[at:end], 16) if end >= 0 else -1
                if size < 0 or end + 4 + size > len(raw):
                    break
                at = end + 4 + size
                if size == 0:
                    return
                yield raw[end + 2 : end + 2 + size]
            came = await self._reader.read(_READ)
            if not came:
                raise ConnectionError("the body was cut")
            raw = raw[at:] + came

    async def _input(self, url: str, head: str) -> None:
        await self._send(_ACCEPTED)
        size = 0
        async for piece in self._pieces(head):
            size += len(piece)
            if "stamped" in url:
                self.waits.append(time.monotonic_ns() - int(piece[:20]))
        self.received["bodies"] += 1
        self.received["bytes"] += size
        await self._send(_END)

    async def _inout(self) -> None:
        head = _STREAM
        async for piece in self._pieces(""):
            await self._send(head + _frame(piece))
            head = b""
        await self._reader.read()  # as on a hub, the answer never ends


async def main() -> None:
    """Serve until stdin ends."""
    context = None
    if len(sys.argv) > 1:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*sys.argv[1:])
    server = await asyncio.start_server(
        lambda reader, writer: _Connection(reader, writer).serve(),
        "127.0.0.1", 0, ssl=context, limit=_READ, backlog=4096,
    )  # fmt: skip
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
