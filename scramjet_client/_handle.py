"""What a client of one thing on a hub has, whatever the thing is, and what everything with a `close()` has."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from scramjet_client._html import Live
from scramjet_client._settings import route
from scramjet_client.errors import NotFoundError

if TYPE_CHECKING:
    from scramjet_client.http_client import ClientProvider, HttpClient

_H = TypeVar("_H", bound="Handle")
_C = TypeVar("_C", bound="Closing")


class Closing(Live):
    """Makes a class with a `close()` a context manager."""

    def __enter__(self: _C) -> _C:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up what this holds; safe to call twice."""
        raise NotImplementedError


class Handle(Live):
    """A client of one instance or sequence of a hub. Safe to use from any number of threads.

    Nothing is asked of the hub when one is made, and it holds no connection of its own.

    Args:
        id: The thing's id.
        host: Whose `.client` talks to the hub; a `HostClient`, normally.
    """

    _kind: ClassVar[str]
    _not_found: ClassVar[type[NotFoundError]]

    def __init__(self, id: str, host: ClientProvider) -> None:
        if not isinstance(id, str):
            raise TypeError(f"id must be a str, not {type(id).__name__}")
        route(self._kind, id)
        self._id = id
        self._client = host.client
        # What every request says of itself, for the errors that may come of it.
        self._about: dict[str, Any] = {
            "subject": f"{self._kind} {id!r}",
            "not_found": self._not_found,
        }

    @classmethod
    def from_(cls: type[_H], id: str, host: ClientProvider) -> _H:
        """Return a client for the thing with this id; nothing is asked of the hub."""
        return cls(id, host)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._id!r} at {self._client.api_base}>"

    def _facts(self) -> Iterable[tuple[str, object]]:
        return ("id", self._id), ("hub", self._client.api_base)

    @property
    def id(self) -> str:
        """The id on the hub."""
        return self._id

    @property
    def client(self) -> HttpClient:
        """The HTTP client it sends with."""
        return self._client

    def _route(self, *rest: str) -> str:
        return route(self._kind, self._id, *rest)
