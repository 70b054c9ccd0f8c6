"""Who may use a LocalHub."""

from __future__ import annotations

import socket

import pytest

from scramjet_client.hub import LocalHub
from tests.hub.wire import ask, package, upload

ROUTES = [
    ("GET", "version"),
    ("GET", "nowhere"),
    ("OPTIONS", "version"),
    ("POST", "sequence"),
    ("GET", "log"),
    ("GET", "instance/x"),
    ("POST", "instance/x/input"),
    ("DELETE", "sequence/x"),
]


def test_token_is_needed_on_every_route():
    """With a token nothing is answered without it, and it is in no record."""
    with LocalHub(token="s3cret-ą") as hub:
        for method, path in ROUTES:
            for headers in (
                {},
                {"Authorization": "Bearer wrong"},
                {"Authorization": "Basic s3cret-ą"},
                {"Authorization": "s3cret-ą"},
            ):
                answer = ask(hub.url, method, path, headers=headers)
                assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
                assert "token" in answer.json["error"]
        assert (
            ask(hub.url, "GET", "version", headers={"Authorization": "Bearer s3cret-ą"}).status
            == 200
        )
        assert "s3cret" not in repr(hub.requests) + repr(hub) + repr(
            [each.headers for each in hub.requests]
        )
        hub.check()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "example.com"])
def test_open_hub_without_a_token_is_refused(host: str):
    """A hub that other machines reach runs what they send, so it needs a token."""
    with pytest.raises(ValueError, match="needs a token"):
        LocalHub(host, token=None)


def test_open_hub_with_a_token():
    """With a token any address will do."""
    with LocalHub("0.0.0.0", token="t") as hub:
        assert hub.url.startswith("http://127.0.0.1:")
        assert ask(hub.url, "GET", "version", headers={"Authorization": "Bearer t"}).status == 200
        assert ask(hub.url, "GET", "version").status == 401


def test_empty_token_is_none():
    """An empty token, as of an unset variable, is refused and does not open the hub."""
    with pytest.raises(ValueError, match="empty"):
        LocalHub(token="")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "rebound.example:8000"}, 403),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Origin": "http://[::1]:3000"}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "[::1]:80"}, 200),
    ],
)
def test_web_pages_of_strangers(url: str, headers: dict[str, str], status: int):
    """A page in the user's browser can reach loopback; without a token it gets nothing done there."""
    assert ask(url, "GET", "version", headers=headers).status == status


def test_page_of_a_stranger_uploads_nothing(url: str):
    """The program in such a request is not kept."""
    answer = ask(
        url, "POST", "sequence", raw=package("x = 1"), headers={"Origin": "https://evil.example"}
    )

    assert answer.status == 403
    assert ask(url, "GET", "sequences").json == []
    assert upload(url, package("x = 1"))


def test_loopback_alone_is_listened_on(url: str):
    """The default address is loopback."""
    port = int(url.rpartition(":")[2].partition("/")[0])
    addresses = {
        each[4][0] for each in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    }

    for address in addresses - {"127.0.0.1", "127.0.1.1"}:
        with pytest.raises(OSError):  # noqa: PT011 - refused or unreachable, as the system likes
            socket.create_connection((address, port), 1)
