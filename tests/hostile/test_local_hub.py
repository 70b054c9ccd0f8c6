"""Clients that mean LocalHub no good: what they hold up, fill, find, smuggle, and take from others."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import socket
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from scramjet_client.hub import LocalHub
from tests.hub.programs import ECHO, IDLE
from tests.hub.wire import Wire, ask, opened, package, run, start, upload
from tests.support.hubs import open_hub
from tests.support.waiting import LIMIT, eventually

TOKEN = "hunter2"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalHub]:
    """A hub whose storage can be looked at."""
    with open_hub(storage=tmp_path_factory.mktemp("storage")) as hub:
        yield hub


def _connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), 30)


def _said(url: str, request: bytes, silence: float = LIMIT) -> bytes:
    """Return all that the hub says to some bytes until it closes, or is silent for some seconds."""
    with _connect(url) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(request)
        said = b""
        sock.settimeout(silence)
        with contextlib.suppress(OSError):
            while data := sock.recv(65536):
                said += data
        return said


def _statuses(said: bytes) -> list[int]:
    """Return the statuses of all answers in what was said."""
    return [
        int(line.split(b" ")[1])
        for line in said.replace(b"\r\n", b"\n").split(b"\n")
        if line.startswith(b"HTTP/1.")
    ]


def _answers(url: str) -> bool:
    """Return whether the hub answers, while others are still connected."""
    return ask(url, "GET", "version").status == 200


# -- holding up -------------------------------------------------------------------------------------


def test_thousand_idle_connections(url: str):
    """1,000 connections that say nothing hold nobody up, cost little, and leave nothing."""
    process = psutil.Process()
    before, memory = process.num_fds(), process.memory_info().rss
    with contextlib.ExitStack() as stack:
        for _ in range(1000):
            stack.enter_context(_connect(url))
        assert _answers(url)
        assert process.memory_info().rss - memory < 64 * 2**20
    eventually(lambda: process.num_fds() <= before + 4)


SLOW = [
    b"",
    b"G",
    b"GET /api/v1/version HTTP/1.1\r\nHost: localhost\r\nX-",
    b"POST /api/v1/sequence HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n",
    b"POST /api/v1/sequence HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1",
    b"POST /api/v1/topics HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 99\r\n\r\n{",
]


def test_slow_clients(url: str):
    """100 clients that send a byte now and then, at every place of a request, hold nobody up."""
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(_connect(url)) for _ in range(100)]
        for number, sock in enumerate(slow):
            sock.sendall(SLOW[number % len(SLOW)])
        for _ in range(3):
            for number, sock in enumerate(slow):
                if SLOW[number % len(SLOW)][-1:] in (b"-", b"{"):
                    sock.sendall(b"a")
            assert _answers(url)
        identity = run(url, ECHO)
        with opened(url, f"instance/{identity}/output") as wire:
            ask(
                url,
                "POST",
                f"instance/{identity}/input",
                raw=b"x",
                headers={"Content-Type": "text/plain"},
            )
            assert wire.read(1) == b"x"


def test_readers_that_do_not_read(url: str):
    """Clients that ask for much and take nothing hold nobody else up, nor fill the hub's memory."""
    memory = psutil.Process().memory_info().rss
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            sock = stack.enter_context(_connect(url))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            sock.sendall(b"GET /api/v1/load-check HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        assert _answers(url)
        assert psutil.Process().memory_info().rss - memory < 100 * 2**20


# -- filling ----------------------------------------------------------------------------------------

HEAD = b"GET /api/v1/version HTTP/1.1\r\nHost: localhost\r\n"

OVERSIZE = {
    "request line": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "endless line": b"G" * 4_000_000,
    "header": HEAD + b"X-A: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "header's name": HEAD + b"X" * 1_000_000 + b": a\r\n\r\n",
    "headers": HEAD + b"X-A: b\r\n" * 200_000 + b"\r\n",
    "no end of headers": HEAD + b"X-A: b\r\n" * 400_000,
    "size line": b"POST /api/v1/sequence HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"0" * 2_000_000,
    "extension": b"POST /api/v1/sequence HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"1;"
    + b"a" * 2_000_000,
    "trailers": b"POST /api/v1/sequence HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    + b"X-A: b\r\n" * 400_000,
}


@pytest.mark.parametrize("what", OVERSIZE)
def test_oversize_requests(what: str, url: str):
    """Whatever has no end is refused or cut within 64 MB of memory, and the hub goes on."""
    memory = psutil.Process().memory_info().rss
    # What has no end may be waited for; that nothing good is said does not need more than a while.
    said = _said(url, OVERSIZE[what], silence=1.0)

    assert 200 not in _statuses(said)
    assert psutil.Process().memory_info().rss - memory < 64 * 2**20
    assert _answers(url)


JSON_ROUTES = [
    "topics",
    "sequence/{s}/start",
    "instance/{i}/_event",
    "instance/{i}/_monitoring_rate",
]

JSON_BODIES = [
    *(b"", b"null", b"1", b'"x"', b"[]", b"{}", b"[null]", b"[[[]]]", b"\xff", b"NaN", b"1e999"),
    *(
        b"[" * 50_000,
        b'{"a":' * 50_000,
        b'{"id": {}}',
        b'[5001, {"eventName": {}}]',
        b'{"timeout": -1}',
    ),
    *(b'{"timeout": 1e300}', b'{"timeout": "x"}', b'{"appConfig": 1, "args": 1}', b"9" * 10_000),
    *(b'{"id": "../x", "content-type": "text/plain"}', b'{"id": 1}', b'{"instanceId": "../../x"}'),
    *(b'{"topic": "\\ud800"}', b'{"appConfig": {"\\u0000": "\\ud800"}, "args": ["\\u0000"]}'),
]


@pytest.mark.parametrize("route", JSON_ROUTES)
def test_wrong_json(route: str, url: str, shared: LocalHub):
    """No body makes a route fail in a way that is not an answer: the hub's own `check()` has nothing to say."""
    sequence = upload(url, package(IDLE))
    instance = start(url, sequence)
    for body in JSON_BODIES:
        answer = ask(
            url,
            "POST",
            route.format(s=sequence, i=instance),
            raw=body,
            headers={"Content-Type": "application/json"},
        )
        assert answer.status in (200, 202, 400, 404, 406, 409, 415, 422, 500), (body[:40], answer)
        shared.check()


# -- packages and paths -----------------------------------------------------------------------------


def _tar(name: str, **how: object) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        manifest = json.dumps({"main": "main.py", "engines": {"python3": "3"}}).encode()
        for each, content in (("package.json", manifest), (name, b"x")):
            entry = tarfile.TarInfo(each)
            entry.size = len(content)
            if each == name:
                for key, value in how.items():
                    setattr(entry, key, value)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(plain.getvalue())


GOOD = package("x = 1")

PACKAGES = {
    "empty": b"",
    "text": b"hello",
    "cut": GOOD[:-20],
    "cut early": GOOD[:20],
    "twice": GOOD + GOOD,
    "rubbish behind": GOOD + b"rubbish",
    "gzip of nothing": gzip.compress(b""),
    "gzip of rubbish": gzip.compress(b"x" * 5000),
    "zip": b"PK\x03\x04" + bytes(100),
    "bits": bytes(byte ^ 0x10 for byte in GOOD),
    "absolute": _tar("/etc/evil"),
    "up": _tar("../evil"),
    "up later": _tar("a/b/../../../evil"),
    "backslash": _tar("..\\evil"),
    "NUL": _tar("a\0b"),
    "device": _tar("null", type=tarfile.CHRTYPE, size=0),
    "pipe": _tar("pipe", type=tarfile.FIFOTYPE, size=0),
    "link out": _tar("l", type=tarfile.SYMTYPE, linkname="/etc", size=0),
    "hard link out": _tar("l", type=tarfile.LNKTYPE, linkname="../../x", size=0),
    "link to itself": _tar("l", type=tarfile.SYMTYPE, linkname="l", size=0),
    "bits of one": gzip.compress(b"\xff" * 10240),
    "main is outside": package("x = 1", main="../../../../etc/passwd"),
    "main is a list": package("x = 1", main=["main.py"]),
    "manifest is deep": _tar("package.json"),
}


HARMLESS = ("twice", "rubbish behind", "main is outside", "link to itself", "NUL")
"""What unpacks to something inside its folder, and may fail to start."""


@pytest.mark.parametrize("name", PACKAGES)
def test_malformed_packages(name: str, url: str, shared: LocalHub, tmp_path_factory):
    """A package that is none is refused, or is one whose program can't start; nothing is made outside its folder."""
    answer = ask(url, "POST", "sequence", raw=PACKAGES[name])

    if answer.status == 200:
        began = ask(
            url, "POST", f"sequence/{answer.json['id']}/start", {"appConfig": {}, "args": []}
        )
        assert name in HARMLESS, began
    else:
        assert answer.status == 422
    for evil in ("/etc/evil", "/evil", "/tmp/evil"):
        assert not Path(evil).exists()


TRAVERSALS = [
    *("../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "....//etc/passwd"),
    *(
        "sequence/../version",
        "sequence/..%2fversion",
        "instance/../../x",
        "sequence/%00",
        "instance/%0d%0aX",
    ),
    *(
        "sequence//instances",
        "topic/..",
        "topic/%2e%2e",
        "instance/a%2fb/log",
        "\\..\\x",
        "?/../version",
    ),
]


@pytest.mark.parametrize("path", TRAVERSALS)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_traversal(path: str, method: str, url: str):
    """A path that leads out finds nothing."""
    sequence = upload(url, package("x = 1"))
    said = _said(
        url,
        f"{method} /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode(),
    )

    assert b"root:" not in said
    assert set(_statuses(said)) <= {400, 403, 404, 405, 406, 411, 415} or path.startswith("topic/")
    assert [each["id"] for each in ask(url, "GET", "sequences").json] == [sequence]


# -- smuggling --------------------------------------------------------------------------------------

INNER = b"GET /api/v1/config HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /api/v1/topics HTTP/1.1\r\nHost: localhost\r\n"

SMUGGLED = {
    "both lengths": POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(INNER),
    "list of lengths": POST + b"Content-Length: 0, %d\r\n\r\n" % len(INNER),
    "sign": POST + b"Content-Length: +0\r\n\r\n",
    "length below zero": POST + b"Content-Length: -1\r\n\r\n",
    "hex": POST + b"Content-Length: 0x0\r\n\r\n",
    "space before colon": POST + b"Content-Length : 0\r\n\r\n",
    "space before name": POST + b" Transfer-Encoding: chunked\r\n\r\n",
    "other coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n",
    "coding twice": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n",
    "vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "NUL": POST + b"X-A: a\0b\r\nContent-Length: 0\r\n\r\n",
    "CR in a value": POST + b"X-A: a\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n",
    "chunk size with sign": POST + b"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n",
    "chunk size with 0x": POST + b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "chunk size below zero": POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    "chunk too long": POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n",
    "two hosts": b"GET /api/v1/version HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLED)
def test_smuggling(name: str, url: str):
    """A request whose end two readers could see in two places is refused, and what follows it is not read."""
    said = _said(url, SMUGGLED[name] + INNER)

    assert _statuses(said)[:1] in ([400], [])
    assert b"runtimeAdapter" not in said


# -- tokens -----------------------------------------------------------------------------------------

ROUTES = [
    *(
        ("GET", each)
        for each in ("version", "status", "config", "load-check", "sequences", "instances")
    ),
    *(
        ("GET", each)
        for each in ("entities", "log", "audit", "topics", "sequence/{s}", "sequence/{s}/instances")
    ),
    *(
        ("GET", f"instance/{{i}}/{each}")
        for each in ("health", "stdout", "stderr", "output", "log", "event/e")
    ),
    *(("GET", f"instance/{{i}}/{each}") for each in ("once/e", "events/e", "monitoring")),
    *(("GET", "instance/{i}"), ("GET", "topic/t"), ("POST", "topic/t"), ("DELETE", "topics/t")),
    *(
        ("POST", f"instance/{{i}}/{each}")
        for each in ("stdin", "input", "inout", "_event", "_stop", "_kill")
    ),
    *(("POST", "instance/{i}/_monitoring_rate"), ("POST", "sequence"), ("PUT", "sequence/{s}")),
    *(
        ("DELETE", "sequence/{s}"),
        ("POST", "sequence/{s}/start"),
        ("POST", "topics"),
        ("OPTIONS", "version"),
    ),
    *(
        ("HEAD", "instance/{i}/output"),
        ("GET", "nowhere"),
        ("PATCH", "version"),
        ("POST", "platform"),
    ),
]

TOKENS = [
    *(None, "", "Bearer", "Bearer ", "Bearer wrong", "bearer HUNTER2", "Basic aHVudGVyMg==", TOKEN),
    *(
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer x{TOKEN}",
        f"Bearer {TOKEN},",
        f"Token {TOKEN}",
    ),
]


def test_every_route_needs_the_token():
    """No route answers anything but 401 to no token or a wrong one, in the header, the query or a cookie."""
    with LocalHub(token=TOKEN) as hub:
        right = {"Authorization": f"Bearer {TOKEN}"}
        made = ask(hub.url, "POST", "sequence", raw=package(IDLE), headers=right).json["id"]
        began = ask(
            hub.url, "POST", f"sequence/{made}/start", {"appConfig": {}, "args": []}, headers=right
        ).json["id"]
        hidden = f"token={TOKEN}&access_token={TOKEN}"
        for number, (method, template) in enumerate(ROUTES):
            route = template.format(s=made, i=began)
            for given in (TOKENS[number % len(TOKENS)], TOKENS[(number + 5) % len(TOKENS)], None):
                headers = {} if given is None else {"Authorization": given}
                headers["Cookie"] = hidden.replace("&", "; ")
                with Wire(hub.url) as wire:
                    wire.request(method, f"{route}?{hidden}", headers, b"{}")
                    head = wire.head()
                    body = b"" if method == "HEAD" else wire.body(head)
                assert head.status == 401, (method, route, given)
                assert made.encode() not in body

        listed = ask(hub.url, "GET", "instances", headers=right).json
        assert [each["id"] for each in listed] == [began]
        assert "terminated" not in listed[0]
        hub.check()


def test_two_tokens(url: str):
    """Two Authorization headers are none."""
    with LocalHub(token=TOKEN) as hub:
        said = _said(
            hub.url,
            b"GET /api/v1/version HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer wrong\r\n"
            b"Authorization: Bearer hunter2\r\nConnection: close\r\n\r\n",
        )

    assert _statuses(said) in ([400], [401])


# -- two of them ------------------------------------------------------------------------------------


def test_two_readers_of_one_output(url: str):
    """Both get all of it, as from a real hub, whichever is the slower."""
    identity = run(url, ECHO)
    got: list[bytes] = [b"", b""]

    def read(number: int) -> None:
        with opened(url, f"instance/{identity}/output") as wire:
            ready.wait(LIMIT)
            while data := wire.chunk():
                got[number] += data

    ready = threading.Barrier(3)
    readers = [threading.Thread(target=read, args=(n,), name=f"test-reader-{n}") for n in (0, 1)]
    for each in readers:
        each.start()
    ready.wait(LIMIT)
    body = b"".join(b"%06d\n" % n for n in range(30_000))
    ask(
        url,
        "POST",
        f"instance/{identity}/input",
        raw=body,
        headers={"Content-Type": "text/plain", "x-end-stream": "true"},
    )
    for each in readers:
        each.join(LIMIT)
        assert not each.is_alive()

    assert got == [body, body]


def test_a_reader_that_leaves(url: str):
    """A reader that leaves in the middle takes only what it was given; the next one has the rest."""
    identity = run(url, ECHO)
    with Wire(url) as first:
        first.request("GET", f"instance/{identity}/output")
        first.head()
        ask(
            url,
            "POST",
            f"instance/{identity}/input",
            raw=b"first",
            headers={"Content-Type": "text/plain", "x-end-stream": "false"},
        )
        assert first.read(5) == b"first"
    with opened(url, f"instance/{identity}/output") as second:
        ask(
            url,
            "POST",
            f"instance/{identity}/input",
            raw=b"second",
            headers={"x-end-stream": "false"},
        )
        assert second.read(6) in (b"second", b"")
