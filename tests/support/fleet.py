"""A platform for tests: middleware, multi-manager and managers, in front of hubs that run.

There is no manager to be had, so this serves the routes of docs/protocol.md, "Managers", as far as they are
known. Whatever a hub can answer, a hub answers: requests for it are passed on, streams included, and lists of
what is on the hubs are put together of what the hubs say. What is the platform's own (its log, audit, access
keys and store) is kept in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import socket
import tarfile
import threading
import uuid
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

import aiohttp
import attrs
from aiohttp import web

from tests.support.forwarding import forward, session
from tests.support.listening import stop_listening
from tests.support.waiting import LIMIT

BASE = "/api/v1"

_VERSION = {"service": "@scramjet/manager", "apiVersion": "v1", "version": "1.0.1"}

Handler = Callable[[web.Request, list[str]], Awaitable[web.StreamResponse]]


@attrs.define
class Member:
    """A hub as its manager knows it."""

    url: str
    connected: bool = True
    reason: str | None = None
    load: dict[str, Any] = attrs.field(factory=dict)
    """Put over what the hub says of its load: the hubs of a test share one machine."""
    full: bool = False
    """Whether a start is refused for want of resources, which no hub of a test does by itself."""


class Journal:
    """JSON lines that are kept, and read live: what a log or audit is made of."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._changed = asyncio.Condition()

    async def note(self, **record: Any) -> None:
        """Add a line."""
        async with self._changed:
            self._lines.append(json.dumps(record).encode() + b"\n")
            self._changed.notify_all()

    async def follow(self, request: web.Request) -> web.StreamResponse:
        """Answer with all lines, then with those that come; never ends."""
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(request)
        at = 0
        while True:
            async with self._changed:
                while len(self._lines) == at:
                    await self._changed.wait()
                lines = self._lines[at:]
            at += len(lines)
            await response.write(b"".join(lines))


class Manager:
    """One manager, or space, with its hubs."""

    def __init__(self, id: str, hubs: dict[str, str]) -> None:
        self.id = id
        self.hubs = {hub: Member(url) for hub, url in hubs.items()}
        self.store: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, dict[str, Any]] = {}
        self.log = Journal()
        self.audit = Journal()

    async def serve(
        self, request: web.Request, client: aiohttp.ClientSession, path: list[str]
    ) -> web.StreamResponse:
        """Answer a request below the manager's API."""
        await self.audit.note(method=request.method, path="/".join(path))
        first, rest = path[0], path[1:]
        if first == "sth" and len(rest) > 1:
            return await self._to_hub(request, client, rest[0], rest[1:])
        if first in ("log", "audit") and not rest:
            return await getattr(self, first).follow(request)  # type: ignore[no-any-return]
        if first == "topic" and rest:
            return await forward(request, client, f"{self._any().url}/topic/{rest[0]}")
        plain: dict[str, Callable[[], Any]] = {
            "version": lambda: _VERSION,
            "config": lambda: {"config": {"id": self.id}},
            "list": lambda: [self._entry(hub) for hub in self.hubs],
            "s3": lambda: list(self.store.values()),
        }
        if request.method == "GET" and first in plain and not rest:
            return web.json_response(plain[first]())
        if request.method == "GET" and not rest:
            return await self._of_all(client, first)
        return await self._change(request, first, rest)

    # -- what the hubs answer ---------------------------------------------------------------------

    async def _to_hub(
        self, request: web.Request, client: aiohttp.ClientSession, hub: str, path: list[str]
    ) -> web.StreamResponse:
        member = self.hubs.get(hub)
        if member is None:
            return web.json_response({"error": f"Hub {hub} not found"}, status=404)
        if not member.connected:
            return web.json_response({"error": f"Hub {hub} is not connected"}, status=502)
        base = "/".join(["", *path[:2]])
        if base != BASE:
            return web.Response(status=404)
        rest = path[2:]
        if rest[:3] == ["cpm", "api", "v1"] and await self._is_modern(client, member):
            return await self.serve(request, client, rest[3:])
        if rest == ["status"] and await self._is_modern(client, member):
            return web.json_response({"cpm": {"connected": True, "cpmId": self.id}})
        if rest == ["load-check"] and member.load:
            return web.json_response(
                {**await _get(client, f"{member.url}/load-check"), **member.load}
            )
        if rest[0] == "sequence" and rest[-1] == "start" and member.full:
            return web.json_response({"error": "Insufficient Space on Resource"}, status=419)
        query = f"?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else ""
        return await forward(request, client, f"{member.url}/{'/'.join(rest)}{query}")

    async def _is_modern(self, client: aiohttp.ClientSession, member: Member) -> bool:
        return "apiVersion" in await _get(client, f"{member.url}/version")

    async def _of_all(self, client: aiohttp.ClientSession, what: str) -> web.StreamResponse:
        route = {
            "load": "load-check",
            "sequences": "sequences",
            "all_sequences": "sequences",
            "instances": "instances",
            "topics": "topics",
        }.get(what)
        if route is None:
            return web.Response(status=404)
        answers = {}
        for hub, member in self.hubs.items():
            with contextlib.suppress(aiohttp.ClientError, OSError):
                if member.connected or what == "all_sequences":
                    answers[hub] = await _get(client, f"{member.url}/{route}")
        if what == "load":
            return web.json_response(next(iter(answers.values())))
        items = [(hub, each) for hub, found in answers.items() for each in found]
        if what == "topics":
            return web.json_response([_topic(hub, each) for hub, each in items])
        if what == "instances":
            return web.json_response([each for _, each in items])
        return web.json_response([{**each, "location": hub} for hub, each in items])

    def _any(self) -> Member:
        return next(each for each in self.hubs.values() if each.connected)

    def _entry(self, hub: str) -> dict[str, Any]:
        member = self.hubs[hub]
        return {
            "id": hub,
            "info": {
                "created": "2026-11-24T08:00:00.000Z",
                "lastConnected": "2026-11-24T08:00:01.000Z",
            },
            "healthy": member.connected,
            "selfHosted": True,
            "isConnectionActive": member.connected,
            "tags": ["test"],
            **({"disconnectReason": member.reason} if member.reason else {}),
        }

    # -- what is the manager's own ----------------------------------------------------------------

    async def _change(
        self, request: web.Request, first: str, rest: list[str]
    ) -> web.StreamResponse:
        await self.log.note(msg=f"{request.method} {first}", level="INFO", ts=0)
        if request.method == "PUT" and first == "s3":
            return await self._put(rest[0] if rest and rest[0] else str(uuid.uuid4()), request)
        if request.content_type != "application/json":
            return web.Response(status=400, reason="Could not parse content")
        if request.method == "POST" and first == "disconnect":
            return self._disconnect(await request.json())
        if request.method == "DELETE":
            return self._delete(request, first, rest)
        return web.Response(status=404)

    def _delete(self, request: web.Request, first: str, rest: list[str]) -> web.Response:
        if first == "store":
            self.store.clear()
        elif first == "s3" and rest[0] in self.store:
            del self.store[rest[0]]
        elif first == "sth" and rest[0] in self.hubs:
            if self.hubs[rest[0]].connected and request.headers["x-force"] != "true":
                return web.json_response({"error": "Hub is connected"}, status=409)
            del self.hubs[rest[0]]
        else:
            return web.json_response({"error": f"{first} not found"}, status=404)
        return web.json_response({})

    def _disconnect(self, wanted: dict[str, Any]) -> web.Response:
        ids = [wanted["id"]] if "id" in wanted else list(self.hubs)[: wanted.get("limit")]
        reason = "disconnected on request"
        for hub in ids:
            self.hubs[hub].connected, self.hubs[hub].reason = False, reason
        gone = [{"sthId": hub, "reason": reason} for hub in ids]
        return web.json_response({"managerId": self.id, "disconnected": gone})

    async def _put(self, id: str, request: web.Request) -> web.Response:
        data = b"".join([chunk async for chunk in request.content.iter_any()])
        try:
            with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
                found = archive.extractfile("package.json") or io.BytesIO()
                package = json.loads(found.read())
        except (tarfile.TarError, KeyError, ValueError):
            error = {"code": 1003, "message": "Unprocessable entity"}
            return web.json_response({"error": error}, status=400)
        self.store[id] = {"id": id, "name": package["name"], "version": package.get("version")}
        return web.json_response(self.store[id])


class Platform:
    """Middleware at `url`, a multi-manager at `multi_url`; both lead to the same managers.

    Use it in a `with` block. Runs on a thread of its own, on loopback.

    Args:
        spaces: The URLs of the hubs, by their ids, by the ids of the spaces.
        token: What every request has to carry, if there is one.
    """

    def __init__(self, spaces: dict[str, dict[str, str]], token: str | None = None) -> None:
        self._spaces = spaces
        self._token = token
        self.managers: dict[str, Manager] = {}
        self.failures: list[Exception] = []
        self._port = 0
        self._loop: asyncio.AbstractEventLoop
        self._ending: asyncio.Event
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run()), name="test-platform"
        )

    @property
    def url(self) -> str:
        """Base URL of the middleware."""
        return f"http://127.0.0.1:{self._port}{BASE}"

    @property
    def multi_url(self) -> str:
        """Base URL of the multi-manager."""
        return f"http://127.0.0.1:{self._port}/multi{BASE}"

    def __enter__(self) -> Platform:
        self._thread.start()
        assert self._ready.wait(LIMIT)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()
        if error is None and self.failures:
            raise self.failures[0]

    def cut(self) -> None:
        """Break all connections of clients, as a network does."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for connection in self._runner.server.connections if self._runner.server else ():
            if connection.transport is not None:
                connection.transport.abort()

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        self.managers = {id: Manager(id, hubs) for id, hubs in self._spaces.items()}
        self._audit, self._log = Journal(), Journal()
        application = web.Application(client_max_size=2**30)
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = self._runner = web.AppRunner(
            application,
            access_log=None,
            handler_cancellation=True,
            auto_decompress=False,
            shutdown_timeout=0.5,
        )
        await runner.setup()
        async with session() as self._client:
            listener = socket.create_server(("127.0.0.1", 0))
            await web.SockSite(runner, listener).start()
            self._port = listener.getsockname()[1]
            self._ready.set()
            await self._ending.wait()
            await stop_listening(listener)
            self._cut()
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self._token and request.headers.get("Authorization") != f"Bearer {self._token}":
            error = {"code": 1001, "message": "Not authorized"}
            return web.json_response({"error": error}, status=401)
        path = request.rel_url.raw_path.strip("/").split("/")
        try:
            if path[:3] == ["multi", "api", "v1"]:
                return await self._multi(request, path[3:])
            if path[:2] == ["api", "v1"]:
                return await self._middleware(request, path[2:])
        except (ConnectionError, web.RequestPayloadError):
            return web.Response(status=400)  # the client has left
        except Exception as error:
            self.failures.append(error)
            raise
        return web.Response(status=404)

    async def _middleware(self, request: web.Request, path: list[str]) -> web.StreamResponse:
        await self._audit.note(method=request.method, path="/".join(path))
        if path[0] == "space":
            manager = self.managers.get(path[1])
            if manager is None:
                return web.json_response({"error": f"Space {path[1]} not found"}, status=404)
            if path[2:] == ["apikey"]:
                return await self._keys(request, manager)
            return await manager.serve(request, self._client, path[4:])
        if path == ["audit"]:
            return await self._audit.follow(request)
        answers: dict[str, Any] = {
            "version": {**_VERSION, "service": "@scramjet/middleware"},
            "spaces": [{"id": id} for id in self.managers],
        }
        return _plain(answers, request, path)

    async def _multi(self, request: web.Request, path: list[str]) -> web.StreamResponse:
        await self._log.note(msg="/".join(path), level="INFO", ts=0)
        if path[0] == "cpm":
            manager = self.managers.get(path[1])
            if manager is None:
                return web.Response(status=404)
            return await manager.serve(request, self._client, path[4:])
        if path == ["log"]:
            return await self._log.follow(request)
        if path == ["start"]:
            wanted = (await request.json())["manager"]
            id = wanted.get("id") or str(uuid.uuid4())
            self.managers[id] = Manager(id, {})
            return web.json_response({"id": id})
        if path == ["load"]:
            member = next(each for some in self.managers.values() for each in some.hubs.values())
            return web.json_response(await _get(self._client, f"{member.url}/load-check"))
        answers: dict[str, Any] = {
            "version": {**_VERSION, "service": "@scramjet/multi-manager"},
            "list": [{"id": id} for id in self.managers],
            "info": {
                "apiBase": BASE,
                "apiPort": self._port,
                "id": "multi",
                "managersCount": len(self.managers),
            },
        }
        return _plain(answers, request, path)

    async def _keys(self, request: web.Request, manager: Manager) -> web.StreamResponse:
        keys = manager.keys
        if request.method == "GET":
            return web.json_response({"accessKeys": list(keys.values())})
        if request.method == "POST":
            key = str(uuid.uuid4())
            keys[key] = {"created": 1795508425992, **await request.json()}
            return web.json_response({"apiKey": key})
        revoked = list(keys) if "x-revoke-all" in request.headers else [request.headers["x-revoke"]]
        if not all(each in keys for each in revoked):
            return web.json_response({"error": "Access key not found"}, status=404)
        for each in revoked:
            del keys[each]
        return web.json_response({"message": "Keys revoked", "keysRevoked": len(revoked)})


def _plain(answers: dict[str, Any], request: web.Request, path: list[str]) -> web.Response:
    found = answers.get("/".join(path)) if request.method == "GET" else None
    return web.Response(status=404) if found is None else web.json_response(found)


async def _get(client: aiohttp.ClientSession, url: str) -> Any:
    async with client.get(url) as answer:
        return await answer.json(content_type=None)


def _topic(hub: str, value: dict[str, Any]) -> dict[str, Any]:
    actor = {"hostId": hub, "stream": True, "retired": False, "role": "provider", "type": "hub"}
    return {"name": value["topic"], "contentType": value["contentType"], "actors": [actor]}
