"""Routes of one instance."""

from __future__ import annotations

import asyncio
import codecs
from typing import Any

from scramjet_client.hub._events import answer_event
from scramjet_client.hub._http import UNDEFINED, Exchange, Unacceptable, Unparsable, for_ever
from scramjet_client.hub._instance import Instance
from scramjet_client.hub._pipes import Feed
from scramjet_client.hub._records import compact
from scramjet_client.hub._state import State

_STOP_LIMIT = 2**53
"""Longest timeout of a stop, in milliseconds: the limit of JavaScript's numbers, and of a clock."""

_STREAMS = ("stdout", "stderr", "output", "log")


class Thrown(Exception):
    """The error text that a real hub throws for such a body."""


async def serve(exchange: Exchange, state: State, id: str, route: str) -> None:
    """Answer a request to `instance/ID/ROUTE`."""
    instance = state.instances.get(id)
    # The instance is listed as soon as its start begins, and has streams a moment later.
    if instance is None or (route and not await instance.begun()):
        await exchange.answer({"error": f"Instance {id} not found"}, 404, typed=False)
        return
    try:
        if exchange.method == "GET":
            known = await _get(exchange, instance, route)
        else:
            known = exchange.method == "POST" and await _post(exchange, instance, route)
    except Unacceptable:
        await exchange.short(500, "415: Invalid content-type")
    except Unparsable:
        await exchange.short(500, "400: Could not parse content")
    except Thrown as thrown:
        await exchange.short(500, str(thrown))
    else:
        if not known:
            await exchange.short(404)


# -- GET --------------------------------------------------------------------------------------------------


async def _get(exchange: Exchange, instance: Instance, route: str) -> bool:
    if route == "":
        exchange.must_accept_json()
        await exchange.answer(instance.info())
    elif route == "health":
        exchange.must_accept_json()
        await instance.health_came.wait()
        await exchange.answer(instance.health)
    elif route in _STREAMS:
        exchange.must_accept_stream()
        await exchange.stream(getattr(instance.process, route))
    else:
        kind, _, name = route.partition("/")
        if kind not in ("event", "once", "events") or not name or "/" in name:
            return False
        await _get_event(exchange, instance, kind, name)
    return True


async def _get_event(exchange: Exchange, instance: Instance, kind: str, name: str) -> None:
    if kind == "events":
        exchange.must_accept_stream()
        pipe = instance.events.listen(name)
        try:
            await exchange.stream(pipe)
        finally:
            instance.events.unlisten(name, pipe)
        return
    exchange.must_accept_json()
    events = instance.events
    await answer_event(exchange, await (events.last if kind == "event" else events.next)(name))


# -- POST -------------------------------------------------------------------------------------------------


async def _post(exchange: Exchange, instance: Instance, route: str) -> bool:
    uploads = {"input": _input, "stdin": _stdin, "inout": _inout}
    operations = {"_event": _event, "_stop": _stop, "_kill": _kill, "_monitoring_rate": _rate}
    if route in uploads:
        await uploads[route](exchange, instance)
    elif route in operations:
        await operations[route](exchange, instance, await exchange.json())
    else:
        return False
    return True


async def _input(exchange: Exchange, instance: Instance) -> None:
    if instance.requires:
        await exchange.answer({"error": "Input provided in other way"}, 405)
        return
    kind = exchange.header("Content-Type")
    if instance.input_type is None:
        if not kind:
            await exchange.answer({"error": "Content-Type must be defined"}, 406)
            return
        instance.set_input_type(kind)
    feed = instance.process.input
    await _upload(exchange, feed, text=False)
    if not instance.lives or feed.broken.is_set():
        await for_ever()
    await exchange.finish()


async def _stdin(exchange: Exchange, instance: Instance) -> None:
    if exchange.header("Content-Type") not in (None, "", "application/octet-stream"):
        raise Unacceptable
    await _upload(exchange, instance.process.stdin, text=True)
    await exchange.finish()


async def _upload(exchange: Exchange, feed: Feed, *, text: bool) -> None:
    """Accept immediately, and then take the body. The caller ends the answer."""
    # Unknown values mean the default, which is that the stream ends with this body.
    end = exchange.header("x-end-stream") not in ("false", "success")
    await exchange.head(200 if end else 202)
    if feed.ended and not feed.broken.is_set():
        await exchange.drain()
        await for_ever()  # as hubs do after an input has ended
    await _copy(exchange, feed, text=text)
    if end:
        feed.end()


async def _copy(exchange: Exchange, feed: Feed, *, text: bool) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def through(data: bytes, final: bool = False) -> bytes:
        # Hubs decode these bytes as UTF-8, and write U+FFFD for invalid ones.
        return decoder.decode(data, final).encode() if text else data

    try:
        async for chunk in exchange.chunks():
            await feed.write(through(chunk))
    except BaseException:
        feed.put(through(exchange.left_behind(), True))  # the client left
        raise
    feed.put(through(b"", True))


async def _inout(exchange: Exchange, instance: Instance) -> None:
    """Answer with the output. The head waits for its first byte, and the answer has no end."""
    # A hub does not check whether there is a type; a missing one ruins the input.
    instance.set_input_type(exchange.header("Content-Type") or "undefined")
    copying = asyncio.ensure_future(_copy(exchange, instance.process.input, text=True))
    reader = instance.process.output.attach()
    try:
        while data := await reader.get():
            if exchange.response is None:
                await exchange.head()
            await exchange.write(data)
        await for_ever()
    finally:
        instance.process.output.detach(reader)
        copying.cancel()
        await asyncio.gather(copying, return_exceptions=True)


async def _event(exchange: Exchange, instance: Instance, body: Any) -> None:
    event = _second(body, "eventName")
    name = event.get("eventName") if isinstance(event, dict) else None
    if not isinstance(name, str) or not name:
        await exchange.answer({"error": "Invalid format, eventName missing."}, 400)
        return
    instance.send_event(name, event.get("message"))
    await exchange.answer({"accepted": "OK"})


def _second(body: Any, key: str) -> Any:
    """Return the second item of a message, with JavaScript's destructuring rules.

    Raises:
        Thrown: JavaScript could not take it apart.
    """
    symbol = "(cannot read property Symbol(Symbol.iterator))"
    if body is UNDEFINED or body is None:
        raise Thrown(
            f"{'undefined' if body is UNDEFINED else 'object null'} is not iterable {symbol}"
        )
    if not isinstance(body, (list, str)):
        kind = "boolean" if isinstance(body, bool) else "number"
        what = "object" if isinstance(body, dict) else f"{kind} {compact(body).decode()}"
        raise Thrown(f"{what} is not iterable {symbol}")
    if len(body) < 2 or body[1] is None:
        raise Thrown(f"Cannot read properties of undefined (reading '{key}')")
    return body[1]


async def _stop(exchange: Exchange, instance: Instance, body: Any) -> None:
    if body is None:
        raise Thrown("Cannot read properties of null (reading 'timeout')")
    options = body if isinstance(body, dict) else {}
    timeout = options.get("timeout", 7000)
    can_keep_alive = options.get("canCallKeepalive", False)
    if (
        isinstance(timeout, bool)
        or not isinstance(timeout, (int, float))
        or abs(timeout) > _STOP_LIMIT
    ):
        await exchange.answer({"error": "Invalid timeout format"}, 400)
    elif not isinstance(can_keep_alive, bool):
        await exchange.answer({"error": "Invalid canCallKeepalive format"}, 400)
    else:
        # A separate task, so that a client that leaves does not cancel the stop.
        stopping = asyncio.ensure_future(instance.stop(timeout / 1000, can_keep_alive))
        await asyncio.shield(stopping)
        await exchange.answer(instance.info(), 202)


async def _kill(exchange: Exchange, instance: Instance, body: Any) -> None:
    if instance.status != "running":
        await exchange.answer({"error": "Instance not running"}, 400)
        return
    options = body if isinstance(body, dict) else {}
    remove_immediately = options.get("removeImmediately", False)
    if not isinstance(remove_immediately, bool):
        await exchange.answer({"error": "Invalid removeImmediately format"}, 400)
        return
    instance.kill(remove_immediately=remove_immediately)
    await exchange.answer(instance.info(), 202)


async def _rate(exchange: Exchange, instance: Instance, body: Any) -> None:
    if not isinstance(body, list) or len(body) < 2:
        raise Thrown("Cannot read properties of undefined (reading 'monitoringRate')")
    rate = body[1].get("monitoringRate") if isinstance(body[1], dict) else None
    try:
        good = rate is not None and float(rate) >= 0
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good:
        raise Thrown("Bad message of type 4003")
    await exchange.answer({"accepted": True}, 202)  # Python runners ignore it
