"""Headers that would break the framing of a request: every place that takes headers, and every such header."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scramjet_client import HostClient, ManagerClient, MiddlewareClient, MultiManagerClient

BASE = "http://127.0.0.1:9/api/v1"


def nowhere() -> Any:
    return HostClient(BASE, retries=0)


PLACES: dict[str, Callable[[Any], object]] = {
    "HostClient": lambda headers: HostClient(BASE, headers=headers),
    "HostClient.from_env": lambda headers: HostClient.from_env(api_base=BASE, headers=headers),
    "ManagerClient": lambda headers: ManagerClient(BASE, headers=headers),
    "MultiManagerClient": lambda headers: MultiManagerClient(BASE, headers=headers),
    "MiddlewareClient": lambda headers: MiddlewareClient(BASE, headers=headers),
    "request": lambda headers: nowhere().client.request("GET", "version", headers=headers),
    "get": lambda headers: nowhere().client.get("version", headers=headers),
    "get_stream": lambda headers: nowhere().client.get_stream("log", headers=headers),
    "send_stream": lambda headers: nowhere().client.send_stream("x", b"", headers=headers),
    "send_input": lambda headers: (
        nowhere().get_instance_client("x").send_input(b"", {"headers": headers})
    ),
    "submit_input": lambda headers: (
        nowhere().get_instance_client("x").submit_input(b"", {"headers": headers})
    ),
    "inout": lambda headers: (
        nowhere().get_instance_client("x").inout(b"", {"headers": headers}, end=False)
    ),
    "send_topic": lambda headers: nowhere().send_topic("x", b"", {"headers": headers}),
    "submit_topic": lambda headers: nowhere().submit_topic("x", b"", {"headers": headers}),
}

NAMES: list[Any] = [
    "Content-Length",
    "content-length",
    "CONTENT-LENGTH",
    "Transfer-Encoding",
    "Host",
    "Connection",
    "Upgrade",
    "Expect",
    "TE",
    "Trailer",
    "Keep-Alive",
    "Proxy-Connection",
    b"Content-Length",
    " Content-Length",
    "Content-Length ",
    "Content-Length\r\n",
    "X\r\nContent-Length",
]


@pytest.mark.parametrize(
    "headers",
    [[("X", "a")], "X: a", 5, {"X"}, {1: "a"}, {"X": 1}, {"X": None}, {"X": ["a"]}],
    ids=repr,
)
@pytest.mark.parametrize("place", PLACES)
def test_what_are_no_headers_is_refused_by_name(place: str, headers: Any):
    """Headers are a dict of text, as they were given to no one's socket yet."""
    with pytest.raises(TypeError, match=r"header.* must be a (str|dict of str), not"):
        PLACES[place](headers)


@pytest.mark.parametrize("name", NAMES, ids=repr)
@pytest.mark.parametrize("place", PLACES)
def test_a_header_that_breaks_framing_is_refused_where_it_is_given(place: str, name: Any):
    """What belongs to the connection is refused before anything is sent, and named."""
    with pytest.raises((TypeError, ValueError)) as caught:
        PLACES[place]({name: "5"})

    assert repr(name) in str(caught.value)
