"""Web pages in a browser beside a LocalHub without a token: they reach loopback, and get nothing done."""

from __future__ import annotations

import pytest

from scramjet_client.hub import LocalHub
from tests.hub.wire import Wire, ask, opened

FOREIGN = [
    *(
        "evil.example",
        "localhost.evil.example",
        "127.evil.example",
        "evil.localhost",
        "127.0.0.1.nip.io",
    ),
    *(
        "localhost:1@evil.example",
        "localhost@evil.example",
        "@localhost",
        "localhost:@evil.example",
        "a:b@127.0.0.1",
    ),
    *(
        "localhost:80:80",
        "localhost:",
        "localhost:0",
        "localhost:65536",
        "localhost:99999999",
        "localhost:-1",
    ),
    *(
        "localhost:8000x",
        "localhost: 80",
        "localhost:+80",
        "localhost\\evil.example",
        "localhost#evil.example",
    ),
    *(
        "localhost..",
        ".localhost",
        "127.0.0.1.",
        "127.1",
        "0x7f.0.0.1",
        "127.0.0.01",
        "2130706433",
        "0177.0.0.1",
    ),
    *(
        "0.0.0.0",
        "[::]",
        "[::1",
        "::1",
        "[::1]evil.example",
        "[::1%25lo]",
        "[::1]]",
        "[localhost]",
        "[::ffff:1.2.3.4]",
    ),
    *(
        "128.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "[fe80::1]",
        "localhost,evil.example",
        "localhost evil.example",
    ),
    *("xn--localhost-", "localh\xf6st", "%6cocalhost", "localhost%2eevil.example", "", " "),
]
"""Names of places that are not this machine's, or that two readers could take for two places."""

OWN = [
    *(
        "localhost",
        "LOCALHOST",
        "Localhost:3000",
        "localhost.",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.255.255.254:65535",
    ),
    *("[::1]", "[::1]:8000", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]"),
]

ORIGINS = [
    *(f"http://{each}" for each in FOREIGN),
    *("null", "NULL", "", "localhost", "//localhost", "file://", "file://localhost", "ftp://localhost"),
    "http:localhost",
    *("http://localhost http://evil.example", "http://localhost/", "chrome-extension://localhost", "data:,x"),
    "https://evil.example",
]  # fmt: skip

REFERERS = [
    *(f"http://{each}/" for each in FOREIGN),
    *(
        "http://evil.example/http://localhost/",
        "http://evil.example?http://localhost/",
        "/page",
        "null",
    ),
    *(
        "about:client",
        "http://evil.example#@localhost/",
        "http://localhost@evil.example/",
        "http:///x",
    ),
]

REFUSED = [
    *({"Host": each} for each in FOREIGN),
    *({"Origin": each} for each in ORIGINS),
    *({"Referer": each} for each in REFERERS),
    *({"Sec-Fetch-Site": each} for each in ("cross-site", "same-site", "CROSS-SITE", "same-origin, none", "")),
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:3000"},
]  # fmt: skip

TAKEN = [
    {},
    *({"Host": each} for each in OWN),
    *({"Origin": f"http://{each}"} for each in OWN),
    *({"Referer": f"https://{each}/page?x=http://evil.example"} for each in OWN),
    *({"Sec-Fetch-Site": each} for each in ("same-origin", "none")),
]


def _status(hub: LocalHub, method: str, headers: dict[str, str], path: str = "version") -> int:
    with Wire(hub.url) as wire:
        given = {"Host": "localhost", **headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        wire.sock.sendall(f"{method} /api/v1/{path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
        return wire.head().status


@pytest.mark.parametrize("headers", REFUSED, ids=str)
def test_pages_of_strangers(hub: LocalHub, headers: dict[str, str]):
    """Whatever a browser says that is foreign is enough, for every method, and nothing is noted of it."""
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        assert _status(hub, method, headers) == 403
    assert hub.requests == []


@pytest.mark.parametrize("headers", TAKEN, ids=str)
def test_pages_of_this_machine(hub: LocalHub, headers: dict[str, str]):
    """Programs, the address bar, and pages of this machine are served."""
    assert _status(hub, "GET", headers) == 200


def test_two_hosts_and_two_origins(hub: LocalHub):
    """Of two headers each has to be right."""
    for name, own, foreign in (
        ("Origin", "http://localhost", "http://evil.example"),
        ("Referer", "http://localhost/", "http://evil.example/"),
        ("Sec-Fetch-Site", "none", "cross-site"),
        ("Host", "localhost", "evil.example"),
    ):
        for pair in ((own, foreign), (foreign, own)):
            with Wire(hub.url) as wire:
                lines = "".join(f"{name}: {each}\r\n" for each in pair)
                host = "" if name == "Host" else "Host: localhost\r\n"
                wire.sock.sendall(f"GET /api/v1/version HTTP/1.1\r\n{host}{lines}\r\n".encode())
                assert wire.head().status in (400, 403)


def test_absolute_target(hub: LocalHub):
    """The address in the request line goes before Host."""
    with Wire(hub.url) as wire:
        wire.sock.sendall(
            b"GET http://evil.example/api/v1/version HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        assert wire.head().status == 403


IMAGE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
"""What Chromium sends for `<img src=...>`: no Origin."""


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "headers", [IMAGE, {"Referer": "http://evil.example/"}], ids=["fetch", "referer"]
)
def test_an_image_takes_nothing_from_a_topic(hub: LocalHub, method: str, headers: dict[str, str]):
    """A picture's address makes no topic, reads none, and holds no writer up."""
    assert _status(hub, method, headers, "topic/new") == 403
    assert ask(hub.url, "GET", "topics").json == []

    ask(hub.url, "POST", "topics", {"id": "t", "content-type": "application/x-ndjson"})
    with Wire(hub.url) as image:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        image.sock.sendall(
            f"{method} /api/v1/topic/t HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode()
        )
        assert image.head().status == 403
        kind = {"Content-Type": "application/x-ndjson"}
        assert ask(hub.url, "POST", "topic/t", raw=b'{"a":1}\n', headers=kind).status == 200
    with opened(hub.url, "topic/t") as reader:
        assert reader.read(8) == b'{"a":1}\n'


def test_with_a_token_a_page_is_let_in_by_it():
    """The token says who may come in; behind a proxy the host is another, and a page that was given it may use it."""
    with LocalHub() as hub:
        right = {"Authorization": f"Bearer {hub.token}"}
        for headers in REFUSED[:3]:
            assert _status(hub, "GET", headers) == 401
            assert _status(hub, "GET", {**headers, **right}) == 200
