"""Who is told of each request of a client."""

from __future__ import annotations

import time
from typing import Protocol

from scramjet_client._base import logger


class RequestLogger(Protocol):
    """What `add_logger` takes: told of each request, its answer or its failure, and its end."""

    def request(self, method: str, url: str) -> object:
        """Hear of a request that is about to be sent."""

    def ok(self, method: str, url: str, status: int) -> object:
        """Hear of the head of its answer."""

    def error(self, method: str, url: str, error: BaseException) -> object:
        """Hear of its failure, instead."""

    def end(self, method: str, url: str, seconds: float) -> object:
        """Hear that it is over, and how long it took to the answer's head."""


class Telling:
    """Tells listeners of one request: a `with` block in which it is sent."""

    def __init__(self, listeners: list[RequestLogger], method: str, url: str) -> None:
        self._listeners = listeners
        self._method = method
        self._url = url

    def __enter__(self) -> Telling:
        self._began = time.monotonic()
        for each in self._listeners:
            each.request(self._method, self._url)
        return self

    def answered(self, status: int) -> None:
        """Tell of the answer's head."""
        logger.debug("%s %s -> %d", self._method, self._url, status)
        for each in self._listeners:
            each.ok(self._method, self._url, status)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        for each in self._listeners:
            if error is not None:
                each.error(self._method, self._url, error)
            each.end(self._method, self._url, time.monotonic() - self._began)
