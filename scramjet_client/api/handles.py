"""The base classes of clients: for one thing on a hub, for a whole API, and for an API behind another one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Protocol, TypeVar

import requests

from scramjet_client._base import Closing, Live
from scramjet_client._common.checks import checked
from scramjet_client.api.http_client import ClientProvider, HttpClient
from scramjet_client.errors import HubResponseError, NotFoundError, ScramjetError
from scramjet_client.http.settings import TimeoutLike, route

_H = TypeVar("_H", bound="Handle")


class Handle(Live):
    """A client of one instance or sequence of a hub. You may use it from any number of threads.

    Making one sends nothing to the hub, and it keeps no connection open.
    """

    _kind: ClassVar[str]
    _not_found: ClassVar[type[NotFoundError]]

    def __init__(self, id: str, host: ClientProvider) -> None:
        checked("id", id, str)
        route(self._kind, id)
        if not hasattr(host, "client"):
            raise TypeError(
                f"host must be a HostClient, not {type(host).__name__}; HostClient(url) makes one"
            )
        self._id = id
        self._client = host.client
        # Facts that every request passes on, for its possible errors.
        self._error_context: dict[str, Any] = {
            "subject": f"{self._kind} {id!r}",
            "not_found": self._not_found,
        }

    @classmethod
    def from_(cls: type[_H], id: str, host: ClientProvider) -> _H:
        """Return a client for the instance or sequence with this id; sends nothing to the hub."""
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


class _Listed(Protocol):
    @property
    def id(self) -> str: ...


_A = TypeVar("_A", bound="ApiClient")


class ApiClient(Closing):
    """The client of one API. You may use it from any number of threads; one for each process is enough.

    It sends nothing until you call a method. The arguments are those of `HttpClient`.
    """

    def __init__(
        self,
        api_base: str,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: TimeoutLike = None,
        verify: bool | str | None = None,
        cert: str | tuple[str, str] | None = None,
        proxies: Mapping[str, str] | None = None,
        retries: int = 2,
    ) -> None:
        self._use(
            HttpClient(
                api_base,
                token=token,
                headers=headers,
                timeout=timeout,
                verify=verify,
                cert=cert,
                proxies=proxies,
                retries=retries,
            )
        )

    @classmethod
    def over(cls: type[_A], client: HttpClient) -> _A:
        """Return a client that sends with an existing `HttpClient`."""
        made = cls.__new__(cls)
        made._use(client)
        return made

    def _use(self, client: HttpClient) -> None:
        self._client = client

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.api_base}>"

    def close(self) -> None:
        """Close idle connections, including those of clients that it has made."""
        self._client.close()

    @property
    def api_base(self) -> str:
        """URL of the API."""
        return self._client.api_base

    @property
    def client(self) -> HttpClient:
        """The HTTP client it sends with."""
        return self._client


class ProxiedClient(HttpClient):
    """An `HttpClient` for an API behind another one's address, such as a hub of a manager.

    It shares session, token, limits and loggers with the outer client, but keeps its own facts about the far end.

    Args:
        outer: The client of the API in front.
        path: Path below its `api_base`.
        explain: Called with the error of a 404, which either API may have sent; returns the true error, or raises
            it.
    """

    def __init__(
        self, outer: HttpClient, path: str, explain: Callable[[NotFoundError], HubResponseError]
    ) -> None:
        self.__dict__.update(outer.__dict__)
        self.api_base: str = f"{outer.api_base}/{path}"
        self.memo: dict[str, Any] = {}
        self._explain = explain

    def refusal(
        self, response: requests.Response, subject: str, not_found: type[NotFoundError]
    ) -> HubResponseError:
        """Return the error that an answer of 300 or more means, after checking where it came from."""
        error = super().refusal(response, subject, not_found)
        return self._explain(error) if isinstance(error, NotFoundError) else error


def unless_listed(
    error: NotFoundError, list_them: Callable[[], Iterable[_Listed]], id: str, truer: NotFoundError
) -> HubResponseError:
    """Return the true error for a 404 from behind an API: perhaps this API sent it, because it does not list the id."""
    try:
        known = {each.id for each in list_them()}
    except NotFoundError as nearer:
        # It has been explained if the API in front is itself behind another one.
        return error if type(nearer) is NotFoundError else nearer
    except ScramjetError:
        return error
    return error if id in known else more_specific(error, truer)


def more_specific(error: NotFoundError, truer: NotFoundError) -> NotFoundError:
    """Return a more specific error for a 404, with the facts of the given one."""
    truer.status, truer.url, truer.body = error.status, error.url, error.body
    truer.__cause__ = error
    return truer
