"""The page in front of any hub: a small proxy on loopback that keeps the hub's token to itself."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import ssl
from collections.abc import AsyncIterator
from functools import partial
from urllib.parse import quote

import aiohttp
from aiohttp import web
from yarl import URL

from scramjet_client.hub._app import BASE, has_token
from scramjet_client.hub._door import Door
from scramjet_client.hub._foreign_origins import is_local
from scramjet_client.hub._page import Page
from scramjet_client.hub._settings import HubSettings
from scramjet_client.hub._thread import LoopThread, serving

_HOST = "127.0.0.1"

_TO_HUB = ("Accept", "Content-Type", "Content-Length", "x-end-stream", "x-seq-kill-inst")
_FROM_HUB = ("Content-Type", "Content-Length")
"""Headers that pass. All others are between two neighbours, or nobody's business."""

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE")

_CONNECT_LIMIT = 10.0
"""Seconds to reach the hub. Streams have no limit."""


class PageProxy:
    """The page for the hub at a URL. Use it in a `with` block, or call `start()` and `stop()`.

    It listens on loopback, at a free port if that is 0, and takes requests to the API with its own random `token` only.
    It sends the hub's token to the hub; the browser never has it. `tls` says how to check the hub's certificate; False
    takes any.
    Return a target; `calls` makes that of a callable for bytes.
    """

    def __init__(
        self,
        api_base: str,
        *,
        token: str | None = None,
        tls: ssl.SSLContext | bool = True,
        port: int = 0,
    ) -> None:
        self.token = secrets.token_urlsafe(32)
        self._base = api_base.rstrip("/")
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._tls = tls
        self._port = port
        self._settings = HubSettings(token=self.token)
        self._door = Door(self._settings)
        self._server = LoopThread("scramjet-page")
        self._url = ""
        self._page: Page
        self._http: aiohttp.ClientSession

    def __enter__(self) -> PageProxy:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Base URL of the API behind this proxy."""
        return self._url + BASE

    @property
    def page_url(self) -> str:
        """Address of the page, to open in a browser; its fragment has the token."""
        return f"{self._url}/#token={quote(self.token, safe='')}"

    def start(self) -> None:
        """Start it, and return when it listens; raise OSError if it cannot listen on the port."""
        self._page = Page()
        listener = socket.create_server((_HOST, self._port))
        self._server.start(partial(self._serve, listener), contextlib.closing(listener))
        self._url = f"http://{_HOST}:{listener.getsockname()[1]}"

    def stop(self) -> None:
        """Close all connections. Safe to call twice."""
        self._server.stop()

    @contextlib.asynccontextmanager
    async def _serve(self, listener: socket.socket) -> AsyncIterator[None]:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._tls),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_LIMIT),
            auto_decompress=False,
            trust_env=True,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        async with serving(application, self._door, listener, clear=self._http.close):
            yield

    # -- requests -------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        file = self._page.answer(request)
        if file is not None:
            return file
        if not has_token(self.token, request):
            return _refusal(401, "a valid token is needed: Authorization: Bearer TOKEN")
        if not is_local(request):
            return _refusal(403, "this page is for this machine")
        self._door.let_in(request.protocol)
        target = request.raw_path
        if request.method not in _METHODS or not target.startswith(f"{BASE}/"):
            return _refusal(404, "there is no such route")
        try:
            return await self._forward(request, target[len(BASE) :])
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as error:
            return _refusal(502, f"the hub does not answer: {type(error).__name__}")

    async def _forward(self, request: web.Request, path: str) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in _TO_HUB if name in request.headers}
        async with self._http.request(
            request.method,
            # As the browser wrote it: another form of an id may mean something else to the hub.
            URL(self._base + path, encoded=True),
            headers={**headers, **self._headers},
            data=request.content if request.body_exists else None,
            allow_redirects=False,
        ) as answer:
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            for name in _FROM_HUB:
                if name in answer.headers:
                    response.headers[name] = answer.headers[name]
            response.headers.setdefault("Content-Type", "application/octet-stream")
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers["Cache-Control"] = "no-store"
            if "Content-Length" not in response.headers and request.method != "HEAD":
                response.enable_chunked_encoding()
            await response.prepare(request)
            try:
                async for data in answer.content.iter_any():
                    await response.write(data)
            except (aiohttp.ClientError, OSError):
                # The head has gone, so only a cut tells the browser that this is not the end.
                if request.transport is not None:
                    request.transport.abort()
                return response
            await response.write_eof()
            return response


def _refusal(status: int, words: str) -> web.Response:
    return web.json_response(
        {"error": words}, status=status, headers={"X-Content-Type-Options": "nosniff"}
    )
