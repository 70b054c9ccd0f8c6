"""Events of one instance: the last ones, the waiting clients, and their HTTP answers."""

from __future__ import annotations

import asyncio
import http
from typing import Any

from scramjet_client.hub._http import PHRASES, UNDEFINED, Exchange
from scramjet_client.hub._pipes import Pipe
from scramjet_client.hub._records import compact

_STATUS_OF_PHRASE = {
    **{each.phrase: int(each) for each in http.HTTPStatus},
    **{phrase: status for status, phrase in PHRASES.items()},
}


def _is_truthy(message: Any) -> bool:
    """Return whether a value is true to JavaScript: empty lists and objects are."""
    return isinstance(message, (dict, list)) or bool(message)


class Events:
    """The events of the instance, by name."""

    def __init__(self) -> None:
        self._last: dict[str, Any] = {}
        self._waiting: dict[str, set[asyncio.Future[Any]]] = {}
        self._listeners: dict[str, list[Pipe]] = {}

    def emitted(self, name: str, message: Any) -> None:
        """Take an event that the instance has emitted."""
        # Real hubs test whether the message is true where they mean whether it is there. So they do not remember
        # falsy messages, and write an empty object for them into a stream.
        if _is_truthy(message):
            self._last[name] = message
        for future in list(self._waiting.get(name, ())):
            if not future.done():
                future.set_result(message)
        line = compact(message if _is_truthy(message) else {}) + b"\n"
        for pipe in self._listeners.get(name, ()):
            pipe.put(line)

    async def next(self, name: str) -> Any:
        """Wait for the next event of a name."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(name, set())
        waiting.add(future)
        try:
            return await future
        finally:
            waiting.discard(future)
            if not waiting and self._waiting.get(name) is waiting:
                del self._waiting[name]

    async def last(self, name: str) -> Any:
        """Return the last event of a name; wait for the first that the hub remembers."""
        while name not in self._last:
            await self.next(name)
        return self._last[name]

    def listen(self, name: str) -> Pipe:
        """Return a pipe of the events of a name from now on, as JSON lines."""
        # The pipe never holds its writer: the runner sends messages of all kinds through one channel.
        pipe = Pipe(dropping=True)
        self._listeners.setdefault(name, []).append(pipe)
        return pipe

    def unlisten(self, name: str, pipe: Pipe) -> None:
        """Remove a pipe."""
        self._listeners[name].remove(pipe)
        if not self._listeners[name]:
            del self._listeners[name]


async def answer_event(exchange: Exchange, message: Any) -> None:
    """Answer with a message. The answer loses the same parts as on a real hub (docs/protocol.md, "Events")."""
    if message is None:
        await exchange.refuse(204, "No content")
    elif isinstance(message, dict) and _is_truthy(message.get("opStatus")):
        phrase = message["opStatus"]
        status = _STATUS_OF_PHRASE.get(phrase) if isinstance(phrase, str) else None
        if status is None:
            await exchange.short(500, "500: Failed to serialize data")
            return
        # The remembered message itself: a second look at it gets what is left.
        del message["opStatus"]
        if status >= 400:
            message["error"] = phrase
        await exchange.answer(message or UNDEFINED, status)
    elif message and isinstance(message, (dict, list, str)):
        await exchange.answer(message)
    else:
        await exchange.answer([] if message == [] else UNDEFINED)
