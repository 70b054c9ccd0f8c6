"""The aiohttp application: it checks who may come in, routes each request, and records it."""

from __future__ import annotations

import asyncio
import hmac
import re
import traceback
import uuid
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from scramjet_client.hub import _routes_hub, _routes_instance, _routes_sequence
from scramjet_client.hub._door import HEAD_LIMIT, Door
from scramjet_client.hub._foreign_origins import is_local
from scramjet_client.hub._http import (
    BESIDE_A_PAGE,
    Exchange,
    TooLarge,
    Unacceptable,
    Unparsable,
    prepare,
)
from scramjet_client.hub._page import Page
from scramjet_client.hub._state import State

BASE = "/api/v1"

_METHOD_CODES = {"POST": 100, "GET": 200, "PUT": 300, "DELETE": 400}
_KIND_CODES = {"sequence": 10000, "instance": 11000, "topic": 12000, "topics": 12000}
_OPERATIONS = (
    "stdout", "stderr", "stdin", "log", "monitoring", "output", "input", "health", "events", "event", "once",
    "_monitoring_rate", "_event", "_stop", "_kill", "instances", "start",
)  # fmt: skip
"""The last parts of routes that the audit knows, which it numbers from 1."""

_ROUTES: dict[tuple[str, str], Callable[..., Awaitable[None]]] = {
    ("POST", "sequence"): _routes_sequence.upload,
    ("PUT", "sequence/*"): _routes_sequence.replace,
    ("DELETE", "sequence/*"): _routes_sequence.delete,
    ("GET", "sequence/*"): _routes_sequence.describe,
    ("GET", "sequence/*/instances"): _routes_sequence.list_instances,
    ("POST", "sequence/*/start"): _routes_sequence.start,
    ("POST", "topics"): _routes_hub.change_topics,
    ("DELETE", "topics/*"): _routes_hub.delete_topic,
    ("GET", "topic/*"): _routes_hub.read_topic,
    ("POST", "topic/*"): _routes_hub.write_topic,
    ("POST", "platform"): _routes_hub.never,
}
"""The hub's routes with an id or a change; `*` is the id or name."""


class App:
    """Passes each request to its route."""

    def __init__(self, state: State, door: Door, page: Page | None = None) -> None:
        self._state = state
        self._door = door
        self._page = page

    def application(self) -> web.Application:
        """Return the application for aiohttp to serve."""
        application = web.Application(middlewares=[self._every])
        application[BESIDE_A_PAGE] = self._page is not None
        application.router.add_route("*", "/{path:.*}", self._handle, expect_handler=self._expected)
        application.on_response_prepare.append(prepare)
        return application

    @web.middleware
    async def _every(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        # The router has no route for "OPTIONS *" and "CONNECT host:port", and would answer them by itself.
        return await self._handle(request)

    async def _expected(self, request: web.Request) -> None:
        # Writers of a topic get "100 Continue" when their turn comes. A refused client gets none.
        exchange = self._exchange(request)
        if self._refusal(exchange) is None and not (
            request.method == "POST" and request.path.startswith(f"{BASE}/topic/")
        ):
            await exchange.send_continue()

    def _exchange(self, request: web.Request) -> Exchange:
        return Exchange(request, self._state.settings.max_json_size)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        file = None if self._page is None else self._page.answer(request)
        if file is not None:
            return file
        exchange = self._exchange(request)
        try:
            refusal = self._refusal(exchange)
            if refusal is not None:
                await exchange.turn_away(*refusal)
                if "Expect" in request.headers:
                    return exchange.response or web.Response()  # the hub has held its body back
            else:
                # Not earlier: the hub must not keep requests from clients without access.
                self._door.let_in(request.protocol)
                headers = request.headers.items()
                self._state.requests.add(request.method, request.raw_path, headers)
                await self._serve(exchange)
            # The client may still be sending a body that nobody reads. The connection stays usable after that.
            await exchange.drain_a_little()
        except asyncio.CancelledError:
            raise
        except (ConnectionError, web.RequestPayloadError):
            # The client left in the middle, so nobody reads an answer.
            return exchange.response or web.Response(status=400)
        except Exception as error:
            await self._failed(exchange, error)
        assert exchange.response is not None
        return exchange.response

    async def _failed(self, exchange: Exchange, error: Exception) -> None:
        """Keep a defect of this hub for `LocalHub.check()`."""
        self._state.failures.append(error)
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self._state.log.note("ERROR", f"{exchange.method} {exchange.path} failed", trace)
        if exchange.response is None:
            await exchange.short(500, f"{type(error).__name__}: {error}")

    # -- access ---------------------------------------------------------------------------------------

    def _refusal(self, exchange: Exchange) -> tuple[int, str] | None:
        """Return the status and the body for a request that may not come in, or None."""
        request, token = exchange.request, self._state.settings.token
        if token is not None and not has_token(token, request):
            return 401, '{"error":"a valid token is needed: Authorization: Bearer TOKEN"}'
        if token is None and not is_local(request):
            # Any web page in a browser can reach loopback, by name or not, and a sequence is a program.
            return (
                403,
                '{"error":"a hub without a token takes no requests for other hosts or from their web pages"}',
            )
        if sum(len(name) + len(value) for name, value in request.raw_headers) > HEAD_LIMIT:
            return 431, f'{{"error":"the headers have more than {HEAD_LIMIT} bytes"}}'
        if request.version < (1, 1) and "Transfer-Encoding" in request.headers:
            # HTTP/1.0 has no chunked encoding: a proxy between us may see the end of this request elsewhere.
            return 400, '{"error":"HTTP/1.0 has no Transfer-Encoding"}'
        return None

    # -- routing --------------------------------------------------------------------------------------

    async def _serve(self, exchange: Exchange) -> None:
        if exchange.request.method == "OPTIONS":
            await exchange.short(
                200,
                Access_Control_Allow_Headers="*",
                Access_Control_Allow_Methods="DELETE, POST, GET, OPTIONS",
            )
            return
        path = exchange.path
        route = path[len(BASE) + 1 :] if path.startswith(BASE + "/") else ""
        code, object_id = audit_code(exchange.method, route)
        note = partial(
            self._state.audit.request,
            code=code,
            object_id=object_id,
            requestor=exchange.header("x-mw-billable") or "system",
            request_id=str(uuid.uuid4()),
        )
        if code:
            note("START")
        outcome = "ERROR"
        try:
            await self._route(exchange, route)
            outcome = "END"
        finally:
            if code:
                note(outcome, rx=exchange.rx, tx=exchange.tx)

    async def _route(self, exchange: Exchange, route: str) -> None:
        match = re.fullmatch(r"instance/([^/]+)(?:/(.*))?", route)
        try:
            if match is not None:
                await _routes_instance.serve(exchange, self._state, match[1], match[2] or "")
            elif not await self._hub_route(exchange, route):
                await exchange.refuse(404)
        except Unacceptable:
            await exchange.refuse(415, "Invalid content-type")
        except Unparsable:
            await exchange.refuse(400, "Could not parse content")
        except TooLarge:
            await exchange.refuse(413, "Payload Too Large")

    async def _hub_route(self, exchange: Exchange, route: str) -> bool:
        """Answer a request that is not for an instance; return False if the route is unknown."""
        first, *rest = route.split("/")
        serve = _ROUTES.get(
            (exchange.method, "/".join([first, *("*" for _ in rest[:1]), *rest[1:]]))
        )
        if serve is None:
            return exchange.method == "GET" and await _routes_hub.get(exchange, self._state, route)
        await serve(exchange, self._state, *rest[:1])
        return True


def audit_code(method: str, route: str) -> tuple[int, str]:
    """Return the audit's code and object for a request, or (0, "") if it has none."""
    first, *rest = route.split("/")
    kind = _KIND_CODES.get(first)
    if kind is None or method not in _METHOD_CODES:
        return 0, ""
    operation = rest[1] if len(rest) > 1 else ""
    number = _OPERATIONS.index(operation) + 1 if operation in _OPERATIONS else 0
    return kind + _METHOD_CODES[method] + number, rest[0] if rest else ""


def has_token(token: str, request: web.Request) -> bool:
    """Return whether a request carries the token exactly once."""
    given = request.headers.getall("Authorization", ())
    if len(given) != 1:
        return False
    scheme, _, word = given[0].partition(" ")
    # A comparison in constant time reveals nothing about the token.
    return scheme.lower() == "bearer" and hmac.compare_digest(
        word.strip().encode("utf-8", "surrogateescape"), token.encode("utf-8", "surrogateescape")
    )
