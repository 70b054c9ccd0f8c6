"""What of an error and of an event reaches a browser."""

from __future__ import annotations

from typing import Any

import pytest

from scramjet_client import HttpClient, ServerError
from scramjet_client.integrations._http_errors import told
from scramjet_client.integrations._sse import ServerSentEvent

BASE = "http://10.1.2.3:8000/api/v1"

TOLD = {
    f"hub refused: GET {BASE}/sequence/x answered 302 (a redirect to 'https://internal:9/a b', which is not"
    " followed)": "hub refused: GET /sequence/x answered 302 (a redirect, which is not followed)",
    f"POST {BASE}/sequence answered 500 (ENOENT: no such file or directory, open"
    " '/var/lib/sth/sequences/abc/main.py')": "POST /sequence answered 500 (ENOENT: no such file or directory, open"
    " '(a path)')",
    f"GET {BASE}/load-check answered 500 (Error at /usr/lib/node_modules/@scramjet/sth/dist/index.js:10:5)": (
        "GET /load-check answered 500 (Error at (a path))"
    ),
    f"GET {BASE}/x answered 500 (C:\\Users\\me\\hub\\index.js:3 failed)": "GET /x answered 500 ((a path) failed)",
    f"GET {BASE}/x failed: see http://10.9.9.9:1234/admin": "GET /x failed: see (an address)",
    f"no hub at {BASE}: connection refused; a hub of yours runs at http://127.0.0.1:1/api/v1": (
        "no hub at (an address): connection refused"
    ),
    f"no hub at {BASE}: connection refused; `scramjet hub start` starts one here": (
        "no hub at (an address): connection refused"
    ),
    f"the hub at {BASE} no longer answers: connection refused (GET {BASE}/instance/x)": (
        "the hub at (an address) no longer answers: connection refused (GET /instance/x)"
    ),
    "the proxy does not lead to 10.1.2.3:8000": "the proxy does not lead to (an address)",
    "instance 'a/b' not found": "instance 'a/b' not found",
    f"GET {BASE}/instance/x/output answered 404": "GET /instance/x/output answered 404",
}


@pytest.mark.parametrize("message", TOLD)
def test_a_browser_is_told_no_addresses_and_no_paths(message: str):
    """The address of a redirect, other addresses and the paths of files stay with the application."""
    with HttpClient(BASE) as client:
        assert told(ServerError(message), client)["message"] == TOLD[message]


@pytest.mark.parametrize(
    "fields",
    [
        {"retry": "5\n\ndata: evil"},
        {"retry": "5"},
        {"retry": 1.5},
        {"retry": True},
        {"retry": -1},
        {"event": "a\ndata: evil"},
        {"event": "a\rb"},
        {"event": 5},
        {"id": "1\n\ndata: evil"},
        {"id": "1\0"},
        {"id": 1},
        {"data": b"x"},
        {"data": None},
    ],
    ids=repr,
)
def test_a_field_of_an_event_is_what_it_says(fields: dict[str, Any]):
    """No field can hold another one, or an event of its own."""
    with pytest.raises((TypeError, ValueError), match=next(iter(fields))):
        ServerSentEvent(**fields)


def test_data_of_an_event_stays_data():
    """A line end in the data begins another line of data, whichever it is."""
    event = ServerSentEvent(data="a\n\nevent: evil\rid: 1\r\nretry: 5", retry=10)

    assert event.encode().decode().splitlines() == [
        "retry: 10", "data: a", "data: ", "data: event: evil", "data: id: 1", "data: retry: 5", "",
    ]  # fmt: skip


def test_a_browser_is_told_no_secret():
    """Neither the token nor a header that identifies the application is in what a browser gets."""
    with HttpClient(
        "http://hub.test/api/v1", token="token-of-app", headers={"X-Api-Key": "key-of-the-app"}
    ) as client:
        message = told(ServerError("refused: token-of-app, key-of-the-app"), client)["message"]

    assert message == "refused: ***, ***"
