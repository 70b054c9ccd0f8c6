"""One request and its answer, in a hub's formats (docs/protocol.md, "Errors")."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

from aiohttp import web

from scramjet_client.hub import _json
from scramjet_client.hub._page import PageFile
from scramjet_client.hub._pipes import Pipe
from scramjet_client.hub._records import compact

UNDEFINED = object()
"""The value of an empty JSON body."""

_DRAIN_LIMIT = 4 * 2**20
_DRAIN_TIME = 5.0
"""Bytes and seconds for the unread rest of a body; after that the hub closes the connection."""

_GARBLED = 0.5
"""How often, in seconds, a body is checked for whether it is valid HTTP."""

_JSON_TYPES = ("application/json", "text/json")
_STREAM_TYPES = ("application/octet-stream",)

PHRASES = {
    413: "Payload Too Large",
    419: "Insufficient Space on Resource",
    422: "Unprocessable Entity",
}
"""Reason phrases in which Node differs from some versions of Python."""


BESIDE_A_PAGE = web.AppKey("beside_a_page", bool)
"""Whether the hub shows a page."""


class Unacceptable(Exception):
    """The Accept header allows no answer of this route."""


class Unparsable(Exception):
    """The body is not JSON, or its Content-Type does not say JSON."""


class TooLarge(Exception):
    """The body is larger than this hub takes."""


class _Reply(web.StreamResponse):
    """An answer that may lack a Content-Type."""

    typeless = False


async def prepare(request: web.Request, response: web.StreamResponse) -> None:
    """Set the headers that all answers have, and remove those that aiohttp adds."""
    headers = response.headers
    headers.pop("Server", None)
    if isinstance(response, PageFile):
        return
    if request.app.get(BESIDE_A_PAGE):
        # An answer that was opened as a page would be one of the same site, with what the page keeps.
        headers["X-Content-Type-Options"] = "nosniff"
    if isinstance(response, _Reply) and response.typeless:
        headers.pop("Content-Type", None)
    headers["Access-Control-Allow-Origin"] = "*"
    if response.keep_alive:
        headers["Connection"] = "keep-alive"
        headers["Keep-Alive"] = "timeout=5"


class Exchange:
    """A request, and the one answer to it.

    Attributes:
        method: GET also for HEAD: the hub serves both the same way, but writes no body for HEAD.
        path: The path as the client sent it: undecoded, without query and trailing slashes.
        rx, tx: Bytes of the bodies so far.
    """

    def __init__(self, request: web.Request, max_json_size: int) -> None:
        self.request = request
        self._max_json_size = max_json_size
        self.method = "GET" if request.method == "HEAD" else request.method
        target = request.raw_path
        if "://" in target.partition("?")[0]:
            target = "/" + target.partition("://")[2].partition("/")[2]
        self.path = target.partition("?")[0].partition("#")[0].rstrip("/")
        self.rx = self.tx = 0
        self.response: _Reply | None = None
        # In HTTP/1.0 an answer can't be chunked, so closing the connection ends the answer. And a connection
        # that becomes a tunnel takes no more requests.
        self._closing = request.version < (1, 1) or request.method == "CONNECT"

    def header(self, name: str) -> str | None:
        """Return a header of the request, or None."""
        return self.request.headers.get(name)

    # -- checks ---------------------------------------------------------------------------------------

    def must_accept_json(self) -> None:
        """Raise Unacceptable unless Accept allows JSON, as a hub reads it."""
        self._must_accept(_JSON_TYPES)

    def must_accept_stream(self) -> None:
        """Raise Unacceptable unless Accept allows a stream."""
        self._must_accept(_STREAM_TYPES)

    def _must_accept(self, types: Iterable[str]) -> None:
        accept = self.header("Accept")
        if not accept:
            return
        # Hubs do not trim: for them "text/html, application/json" does not contain "application/json".
        for value in (each.partition(";")[0] for each in accept.split(",")):
            prefix, star, _ = value.partition("*")
            if value in types or (star and any(each.startswith(prefix) for each in types)):
                return
        raise Unacceptable

    # -- the request's body ---------------------------------------------------------------------------

    async def json(self) -> Any:
        """Return the JSON body, or `UNDEFINED` if it is empty.

        Raises:
            Unparsable: It is not JSON, or its Content-Type differs from the exact one that hubs take.
            TooLarge: It is larger than such a call needs. A real hub has no limit, and dies of it.
        """
        kind, *parameters = (self.header("Content-Type") or "").split(";")
        if kind.strip() not in _JSON_TYPES:
            raise Unparsable
        for each in parameters:
            name, _, value = each.strip().partition("=")
            if name == "charset" and value != "utf-8":
                raise Unparsable
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
            if len(body) > self._max_json_size:
                raise TooLarge
        if not body:
            return UNDEFINED
        try:
            return _json.parse(bytes(body))
        except ValueError as error:
            raise Unparsable from error

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives. A client that leaves, or sends invalid HTTP, cancels the handler."""
        watching = asyncio.ensure_future(self._cut_if_garbled())
        try:
            while chunk := await self.request.content.readany():
                self.rx += len(chunk)
                yield chunk
        finally:
            watching.cancel()

    async def _cut_if_garbled(self) -> None:
        """Close the connection when the body is not valid HTTP, as a real hub does.

        aiohttp would answer the invalid part only after this request, which would wait for its body for ever.
        So this looks at the messages that aiohttp keeps for later.
        """
        later = getattr(self.request.protocol, "_messages", ())
        while not any(type(message).__name__ == "_ErrInfo" for message, _ in later):
            await asyncio.sleep(_GARBLED)
        if self.request.transport is not None:
            self.request.transport.close()

    def left_behind(self) -> bytes:
        """Return the unread bytes of a client that has left.

        Its `StreamReader` returns nothing more once the connection is lost, so this looks inside it.
        """
        content = self.request.content
        data = b"".join(getattr(content, "_buffer", ()))
        return data[getattr(content, "_buffer_offset", 0) :]

    async def drain(self) -> None:
        """Read and discard the body, as hubs do."""
        async for _ in self.chunks():
            pass

    async def drain_a_little(self) -> None:
        """Read and discard a moderate rest of the body to keep the connection usable; else close the connection."""
        if self.request.content.is_eof():
            return
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._drain_up_to(_DRAIN_LIMIT), _DRAIN_TIME)
        if not self.request.content.is_eof() and self.request.transport is not None:
            self.request.transport.close()

    async def _drain_up_to(self, limit: int) -> None:
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > limit:
                return

    async def send_continue(self) -> None:
        """Send the interim answer "100 Continue" if the client waits for one."""
        if (self.header("Expect") or "").lower() == "100-continue":
            await self.request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.request.writer.output_size = 0

    # -- answers --------------------------------------------------------------------------------------

    async def answer(
        self, value: Any, status: int = 200, *, typed: bool = True, reason: str | None = None
    ) -> None:
        """Send a JSON value; `UNDEFINED` gives an empty body."""
        await self.head(status, kind="application/json" if typed else None, reason=reason)
        if value is not UNDEFINED:
            await self.write(compact(value))
        await self.finish()

    async def stream(self, pipe: Pipe) -> None:
        """Send what passes through a pipe from now on, to its end."""
        reader = pipe.attach()
        try:
            await self.head(kind="application/octet-stream")
            while data := await reader.get():
                await self.write(data)
            await self.finish()
        finally:
            pipe.detach(reader)

    async def refuse(self, status: int, reason: str | None = None) -> None:
        """Send an answer of the hub's router: the reason phrase is the message, the body is empty."""
        await self.head(status, reason=reason)
        await self.finish()

    async def turn_away(self, status: int, text: str) -> None:
        """Send a refusal to a client that may not come in, and stop using the connection."""
        self._closing = True
        await self.short(status, text, **({"WWW_Authenticate": "Bearer"} if status == 401 else {}))

    async def short(self, status: int, text: str = "", **headers: str) -> None:
        """Send a text with a Content-Length and without a Content-Type, as routes of instances do."""
        self._begin(status, None, None)
        assert self.response is not None
        for name, value in headers.items():
            self.response.headers[name.replace("_", "-")] = value
        data = text.encode()
        if status != 204:
            self.response.content_length = len(data)
        await self.response.prepare(self.request)
        if self.request.method != "HEAD" and data:
            await self.response.write(data)
        await self.finish()

    async def head(
        self, status: int = 200, *, kind: str | None = None, reason: str | None = None
    ) -> None:
        """Send the head of a chunked answer immediately."""
        self._begin(status, kind, reason)
        assert self.response is not None
        chunked = self.request.version >= (1, 1) and self.request.method != "HEAD"
        if chunked and status != 204:
            self.response.enable_chunked_encoding()
        await self.response.prepare(self.request)

    def _begin(self, status: int, kind: str | None, reason: str | None) -> None:
        self.response = _Reply(status=status, reason=reason or PHRASES.get(status))
        if self._closing:
            self.response.force_close()
        if kind is None:
            self.response.typeless = True
        else:
            self.response.headers["Content-Type"] = kind

    async def write(self, data: bytes) -> None:
        """Send a piece of the body; wait while the client does not read."""
        assert self.response is not None
        if self.request.method != "HEAD" and data:
            self.tx += len(data)
            await self.response.write(data)

    async def finish(self) -> None:
        """Send the end of the body."""
        assert self.response is not None
        await self.response.write_eof()


async def for_ever() -> None:
    """Wait until the client leaves, as hubs do where they forget to answer."""
    await asyncio.Event().wait()
