"""What the clients of a hub, a manager and a platform share: an address, and an `HttpClient` for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import requests

from scramjet_client.api.handles import Closing
from scramjet_client.api.http_client import HttpClient
from scramjet_client.errors import HubResponseError, NotFoundError
from scramjet_client.http.settings import TimeoutLike

_A = TypeVar("_A", bound="ApiClient")


class ApiClient(Closing):
    """The client of one API. Safe to use from any number of threads; one for each process is enough.

    Nothing is asked of the other side until a method is called.

    Args:
        api_base: URL of the API.
        token: Sent as `Authorization: Bearer`; never shown.
        headers: Sent with each request.
        timeout: `Timeouts`, or seconds for the whole answer of a JSON call.
        verify: True, False or the path of a CA bundle.
        cert: Path of a client certificate, or (certificate, key).
        proxies: As in requests; None means the environment's, except for loopback hosts.
        retries: How often a JSON GET, or a request that never left, is tried again.
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
        """Return a client that sends with an `HttpClient` that is there."""
        made = cls.__new__(cls)
        made._use(client)
        return made

    def _use(self, client: HttpClient) -> None:
        self._client = client

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.api_base}>"

    def close(self) -> None:
        """Close idle connections, those of clients that it has made included."""
        self._client.close()

    @property
    def api_base(self) -> str:
        """URL of the API."""
        return self._client.api_base

    @property
    def client(self) -> HttpClient:
        """The HTTP client it sends with."""
        return self._client


class Below(HttpClient):
    """An `HttpClient` of what lies behind another one's address: a hub of a manager, say.

    Session, token, limits and loggers are the outer one's; what is learned of the far end is its own.

    Args:
        outer: The client of what stands in front.
        path: Path below its `api_base`.
        explain: Called with the error of a 404, which may come from either of them; returns the one that
            is true, or raises it.
    """

    def __init__(
        self,
        outer: HttpClient,
        path: str,
        explain: Callable[[NotFoundError], HubResponseError],
    ) -> None:
        self.__dict__.update(outer.__dict__)
        self.api_base = f"{outer.api_base}/{path}"
        self.memo: dict[str, Any] = {}
        self._explain = explain

    def refusal(
        self, response: requests.Response, subject: str, not_found: type[NotFoundError]
    ) -> HubResponseError:
        """Return the error that an answer of 300 or more means, after a look at where it came from."""
        error = super().refusal(response, subject, not_found)
        return self._explain(error) if isinstance(error, NotFoundError) else error


def instead(error: NotFoundError, kind: type[NotFoundError], message: str) -> NotFoundError:
    """Return a truer error for a 404, with the facts of the one that it was taken for."""
    truer = kind(message, status=error.status, url=error.url, body=error.body)
    truer.__cause__ = error
    return truer
