"""The first argument of a sequence, its context, and its logger."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any

from ._channels import Control

TRACE = 5

_LEVELS = {"WARNING": "WARN", "CRITICAL": "FATAL", "NOTSET": "TRACE"}


class LogLines(logging.Handler):
    """Write log records as the JSON lines that a hub expects."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; waits if the hub is behind."""
        try:
            line = {
                "ts": int(record.created * 1000),
                "level": _LEVELS.get(record.levelname, record.levelname),
                "from": "PythonRunner",
                "msg": self.format(record),
            }
            rest = memoryview(json.dumps(line).encode() + b"\n")
            while rest:  # logging holds the handler's lock meanwhile, so lines stay whole
                rest = rest[os.write(self._fd, rest) :]
        except OSError:
            pass  # the hub is gone, so there is nobody to tell
        except Exception:
            self.handleError(record)


def logger_on(fd: int) -> logging.Logger:
    """Return the logger of the instance."""
    logging.addLevelName(TRACE, "TRACE")
    logger = logging.getLogger("PythonRunner")
    logger.setLevel(TRACE)
    logger.propagate = False  # the root logger belongs to the program
    logger.addHandler(LogLines(fd))
    return logger


class AppContext:
    """The context of one instance.

    Attributes:
        config: `appConfig` of the start, or {} without one.
        logger: A `logging.Logger` whose records go to the instance's log.
        tells_failures: Whether the runner itself writes a program's exception to stderr and to the log. Runners of
            real hubs lose the exception; there `scramjet_adapter` writes it.
    """

    tells_failures = True

    def __init__(self, control: Control, logger: logging.Logger, config: Any) -> None:
        self.config = config
        self.logger = logger
        self._control = control
        self._listeners: dict[str, list[Callable[[Any], Any]]] = {}
        self._stop_handlers: list[Callable[[float, bool], Awaitable[None]]] = []
        self._health_check: Callable[[], dict[str, Any]] | None = None
        self._asked_for_time = False

    def on(self, event_name: str, callback: Callable[[Any], Any]) -> None:
        """Register `callback(message)` for each event of that name; the context calls it, or awaits it."""
        self._listeners.setdefault(event_name, []).append(callback)

    def emit(self, event_name: str, message: Any = "") -> None:
        """Emit an event; the message is any JSON value."""
        try:
            json.dumps(message, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise TypeError(
                f"the message of the event {event_name!r} must be a JSON value: {error}"
            ) from None
        self._control.send("event", {"name": event_name, "message": message})

    def set_stop_handler(self, handler: Callable[[float, bool], Awaitable[None]]) -> None:
        """Add an async function; a stop calls it as `handler(timeout_seconds, can_keep_alive)`."""
        self._stop_handlers.append(handler)

    def set_health_check(self, check: Callable[[], dict[str, Any]]) -> None:
        """Set the function that the runner calls about once a second; it returns a dict with `healthy`."""
        self._health_check = check

    async def keep_alive(self, timeout: float = 0) -> None:
        """During a stop, ask for more time."""
        self._asked_for_time = True
        self._control.send("keepAlive", timeout)

    # -- for the runner -------------------------------------------------------------------------------

    def _dispatch(self, event_name: str, message: Any) -> None:
        for callback in list(self._listeners.get(event_name, ())):
            try:
                result = callback(message)
                if asyncio.iscoroutine(result):
                    asyncio.ensure_future(result)  # noqa: RUF006 - the loop holds its tasks
            except Exception:
                self.logger.exception("a handler of event %r raised", event_name)

    async def _stop(self, timeout: float, can_keep_alive: bool) -> bool:
        """Call the stop handlers; return whether the instance is to end."""
        self._asked_for_time = False
        for handler in self._stop_handlers:
            try:
                await handler(timeout, can_keep_alive)
            except Exception:
                self.logger.exception(
                    "a stop handler raised; it must be `async def handler(timeout, can_keep_alive)`"
                )
        return not self._asked_for_time

    def _health(self) -> dict[str, Any]:
        health: dict[str, Any] = {"healthy": True}
        if self._health_check is not None:
            try:
                health = dict(self._health_check())
                json.dumps(health)
            except Exception:
                self.logger.exception(
                    "the health check raised; it must return a dict with a key `healthy`"
                )
                health = {"healthy": False}
        return {**health, "processId": os.getpid()}


async def send_health(context: AppContext, control: Control) -> None:
    """Send health once a second, for ever."""
    while True:
        await asyncio.sleep(1)
        control.send("health", context._health())
