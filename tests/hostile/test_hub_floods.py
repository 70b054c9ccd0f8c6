"""Clients that send a LocalHub too much: without its token, and with it."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from scramjet_client.hub import LocalHub
from tests.hub.programs import IDLE
from tests.hub.wire import Wire, ask, info, package, run, start, upload
from tests.support.hubs import open_hub
from tests.support.waiting import eventually

MEGABYTE = 2**20

LIMIT = 60
"""Seconds in which whatever is waited for must have come."""


def _connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname or "", parts.port or 0), LIMIT)


def _memory() -> int:
    return psutil.Process().memory_info().rss


# -- without the token --------------------------------------------------------------------------------


@pytest.fixture
def closed() -> Iterator[LocalHub]:
    """A hub whose token these clients do not have."""
    with LocalHub() as hub:
        yield hub
        hub.check()


def test_nothing_is_kept_of_who_has_no_token(closed: LocalHub):
    """1,000 refused requests with 1.6 MB of headers each leave no trace in the hub's memory."""
    head = "GET /api/v1/version HTTP/1.1\r\nHost: x\r\n"
    head += "".join(f"X-{number}: {'a' * 16_000}\r\n" for number in range(100)) + "\r\n"
    request = head.encode()
    before = _memory()
    for _ in range(1000):
        with Wire(closed.url) as wire:
            # It may be refused before the last byte.
            with contextlib.suppress(ConnectionError):
                wire.sock.sendall(request)
            with contextlib.suppress(ConnectionError, EOFError):
                assert wire.head().status == 401

    assert closed.requests == []
    assert _memory() - before < 200 * MEGABYTE


@pytest.mark.parametrize(
    "before_it", ["", "\r\n", "\r\n\r\n", "\r\n" * 1000, "\n\n", "\n\r\n"], ids=repr
)
def test_heads_that_are_not_finished(closed: LocalHub, before_it: str):
    """200 connections with a head of 1.5 MB each, which does not end, are told so, and are not kept in memory.

    Nor does it help to send empty lines first, which parsers skip.
    """
    head = f"{before_it}GET /api/v1/version HTTP/1.1\r\nHost: x\r\n"
    head += "".join(f"X-{number}: {'a' * 15_000}\r\n" for number in range(100))
    before = _memory()
    with contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(_connect(closed.url)) for _ in range(200)]
        for sock in crowd:
            with contextlib.suppress(ConnectionError):
                sock.sendall(head.encode())
        right = {"Authorization": f"Bearer {closed.token}"}
        assert ask(closed.url, "GET", "version", headers=right).status == 200
        assert _memory() - before < 100 * MEGABYTE
        for sock in crowd:
            with contextlib.suppress(ConnectionError):
                assert sock.recv(12) == b"HTTP/1.1 401"


@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_a_refused_body_is_not_swallowed(closed: LocalHub, framing: str):
    """After a 401 a few megabytes of the body are taken, so that the client gets to read it; then the end is there."""
    kind = "Transfer-Encoding: chunked" if framing == "chunked" else f"Content-Length: {2**33}"
    data = bytes(65536)
    if framing == "chunked":
        data = b"%x\r\n%b\r\n" % (len(data), data)
    with _connect(closed.url) as sock:
        sock.sendall(f"POST /api/v1/sequence HTTP/1.1\r\nHost: x\r\n{kind}\r\n\r\n".encode())
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 2**30:
                sock.sendall(data)
                sent += len(data)

    # What the sockets hold is on top of it.
    assert sent < 64 * MEGABYTE


def test_a_refused_body_that_does_not_come(closed: LocalHub):
    """Who is refused and sends the rest by and by, or not at all, is cut off."""
    with _connect(closed.url) as sock:
        sock.sendall(b"POST /api/v1/sequence HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n")
        said = b""
        with contextlib.suppress(ConnectionError):
            while data := sock.recv(65536):
                said += data

    assert said.startswith(b"HTTP/1.1 401 ")


def test_refused_connections_are_used_once(closed: LocalHub):
    """Requests behind a refused one are not looked at."""
    with _connect(closed.url) as sock:
        sock.sendall(b"GET /api/v1/version HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
        said = b""
        with contextlib.suppress(ConnectionError):
            while data := sock.recv(65536):
                said += data

    assert said.count(b"HTTP/1.1 ") == 1


def test_heads_that_do_not_end():
    """A connection that does not say what it wants, or says it by and by, is closed after a while; others are not."""
    with LocalHub(head_timeout=1.0) as hub, Wire(hub.url) as known, contextlib.ExitStack() as stack:
        right = {"Authorization": f"Bearer {hub.token}"}
        known.request("GET", "log", right)
        assert known.head().status == 200
        slow = [stack.enter_context(_connect(hub.url)) for _ in range(20)]
        for number, sock in enumerate(slow):
            sock.sendall((b"", b"G", b"GET /api/v1/version HTTP/1.1\r\nHost: x\r\nX-")[number % 3])
        for sock in slow:
            with contextlib.suppress(ConnectionError):
                assert sock.recv(1) in (b"", b"H")
        assert known.chunk()


def test_too_many_connections():
    """Where there are too many, those go that have not shown a token, and who has it comes in and stays."""
    with (
        LocalHub(max_connections=50) as hub,
        Wire(hub.url) as known,
        contextlib.ExitStack() as stack,
    ):
        right = {"Authorization": f"Bearer {hub.token}"}
        known.request("GET", "log", right)
        assert known.head().status == 200
        crowd = [stack.enter_context(_connect(hub.url)) for _ in range(200)]
        assert ask(hub.url, "GET", "version", headers=right).status == 200
        assert known.chunk()
        for sock in crowd[:100]:
            with contextlib.suppress(ConnectionError):
                assert sock.recv(1) == b""


def test_empty_lines_without_end(closed: LocalHub):
    """What is no head is limited as one is."""
    with _connect(closed.url) as sock:
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 64 * MEGABYTE:
                sock.sendall(b"\r\n" * 30_000)
                sent += 60_000

    assert sent < 64 * MEGABYTE


def test_a_head_that_does_not_end_with_a_token(closed: LocalHub):
    """Who seems to have the token is told what is wrong."""
    with Wire(closed.url) as wire:
        head = f"GET /api/v1/version HTTP/1.1\r\nAuthorization: Bearer {closed.token}\r\n"
        wire.sock.sendall(head.encode() + b"X: " + b"a" * 15_000 + b"\r\n" * 1)
        wire.sock.sendall(b"".join(b"X: " + b"a" * 15_000 + b"\r\n" for _ in range(10)))
        assert wire.head().status == 431


def test_headers_in_all():
    """Many headers, each of a size that is allowed, are refused together."""
    with open_hub() as hub:
        headers = {f"X-{number}": "a" * 8000 for number in range(20)}
        assert ask(hub.url, "GET", "version", headers=headers).status == 431
        assert hub.requests == []
        assert ask(hub.url, "GET", "version", headers={"X-A": "a" * 8000}).status == 200


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        ("GET /api/v1/sequences", b"", b"200"),
        ("GET /api/v1/nowhere", b"", b"404"),
        ("GET /api/v1/instance/x/health", b"", b"404"),
        ("POST /api/v1/topics", b"0\r\n\r\n", b"400"),
    ],
)
def test_http_1_0(closed: LocalHub, head: str, body: bytes, status: bytes):
    """HTTP/1.0 has no chunks, and after an answer, whose end is the end of the connection, no second one."""
    token = f"Connection: keep-alive\r\nAuthorization: Bearer {closed.token}\r\n"
    coding = "Transfer-Encoding: chunked\r\n" if body else ""
    with _connect(closed.url) as sock:
        sock.sendall(f"{head} HTTP/1.0\r\n{token}{coding}\r\n".encode() + body)
        said = b""
        with contextlib.suppress(ConnectionError):
            # A hub that keeps the connection is asked once more, and answers.
            while data := sock.recv(65536):
                said += data
                sock.sendall(f"GET /api/v1/config HTTP/1.1\r\nHost: x\r\n{token}\r\n".encode())

    assert said.count(b"\r\nDate: ") == 1
    assert said.split(b" ")[1] == status
    assert b"keep-alive" not in said.lower()


# -- with it ------------------------------------------------------------------------------------------


def test_records_have_a_limit(url: str, shared: LocalHub):
    """What is kept of requests is limited in bytes, each and in all; the latest ones are there."""
    before = _memory()
    for number in range(2500):
        headers = {f"X-{each}": "a" * 12_000 for each in range(4)}
        ask(url, "GET", f"nothing/{number}", headers=headers)

    kept = shared.requests
    assert kept[-1].path.endswith("/nothing/2499")
    assert not kept[-1].complete
    assert sum(len(str(each.headers)) for each in kept) < 20 * MEGABYTE
    assert _memory() - before < 150 * MEGABYTE


def test_logs_have_a_limit(url: str):
    """The hub's log and audit keep so many bytes, however long a description or a path is."""
    before = _memory()
    long = package(IDLE, description="x" * 900_000)
    for _ in range(60):
        ask(url, "DELETE", f"sequence/{upload(url, long)}")
    for number in range(2000):
        ask(url, "GET", f"sequence/{number}{'a' * 15_000}", headers={"x-mw-billable": "b" * 15_000})

    assert _memory() - before < 100 * MEGABYTE


CONTROL = [
    ("POST", "topics"),
    ("DELETE", "topics/t"),
    ("DELETE", "sequence/{s}"),
    ("POST", "sequence/{s}/start"),
    ("POST", "instance/{i}/_event"),
    ("POST", "instance/{i}/_stop"),
    ("POST", "instance/{i}/_kill"),
    ("POST", "instance/{i}/_monitoring_rate"),
]


@pytest.mark.parametrize(("method", "route"), CONTROL)
def test_control_routes_take_a_megabyte(url: str, method: str, route: str):
    """More than that is refused unread, so that nobody waits while it is parsed."""
    sequence = upload(url, package(IDLE))
    instance = start(url, sequence)
    body = b"[" + b"[]," * (20 * MEGABYTE // 3) + b"0]"
    with Wire(url) as wire:
        path = route.format(s=sequence, i=instance)
        with contextlib.suppress(ConnectionError):  # it is not taken to its end
            wire.request(method, path, {"Content-Type": "application/json"}, body)
        assert wire.head().status == 413


WRONG = {
    "NaN": b'{"args": [NaN], "appConfig": {"a": NaN}, "id": NaN}',
    "Infinity": b'{"args": [-Infinity]}',
    "a number without end": b'{"args": [1e999], "appConfig": {"a": -1e999}}',
    "too many digits": b'{"args": [' + b"9" * 4301 + b"]}",
    "a million digits": b'{"args": [' + b"9" * 1_000_000 + b"]}",
    "half a character": b'{"args": ["\\ud800"]}',
    "the other half": b'{"appConfig": {"\\udfff": 1}}',
    "halves in the wrong order": b'{"args": ["\\udc00\\ud800"]}',
    "half a character in bytes": b'{"args": ["\xed\xa0\x80"]}',
    "Latin-1": b'{"args": ["\xe9"]}',
    "UTF-16": '{"args": []}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"args": []}',
    "deep lists": b'{"args": ' + b"[" * 201 + b"]" * 201 + b"}",
    "deeper lists": b'{"args": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"appConfig": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
    "deep mixture": b'{"args": ' + b'[{"a":' * 450 + b"1" + b"}]" * 450 + b"}",
    "cut": b'{"args": [',
    "two": b"{}{}",
    "a NUL": b"{}\0",
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("route", ["topics", "sequence/{s}/start"])
def test_what_is_no_json_is_refused(url: str, what: str, route: str):
    """It is a 400 where it comes in, and in no list."""
    sequence = upload(url, package(IDLE))
    answer = ask(
        url,
        "POST",
        route.format(s=sequence),
        raw=WRONG[what],
        headers={"Content-Type": "application/json"},
    )

    assert answer.status == 400
    assert ask(url, "GET", "instances").json == []


def test_what_fits_is_taken(url: str):
    """The largest numbers, the deepest lists and any whole character come back as they were."""
    args = [1e308, -(10**4000), "\U0001f600\0\ufffe", json.loads("[" * 190 + "]" * 190)]
    instance = run(url, IDLE, args=args)

    assert info(url, instance)["args"] == args
    assert ask(url, "GET", "entities").json["instances"][0]["args"] == args


IDS = [
    *(
        "../" * 12,
        "?" + "a" * 35,
        "#" + "a" * 35,
        "%2e" * 12,
        "a b" * 12,
        "é" * 36,
        "a/b" * 12,
        "\\" * 36,
    ),
    *(
        "a" * 35,
        "a" * 37,
        "",
        ".",
        "..",
        "a" * 10_000,
        "a\0b" * 12,
        "\u202e" * 36,
        "\uff0e" * 36,
        "a\nb" * 12,
    ),
    *(";" * 36, "+" * 36, "$(id)" + "a" * 31, "`" * 36),
]


@pytest.mark.parametrize("id", IDS)
def test_ids_that_no_route_leads_to(url: str, id: str):
    """An instance that could never be asked for or ended does not start."""
    sequence = upload(url, package(IDLE))
    answer = ask(
        url, "POST", f"sequence/{sequence}/start", {"appConfig": {}, "args": [], "instanceId": id}
    )

    assert answer.status in (400, 500)
    assert ask(url, "GET", "instances").json == []


MANIFESTS = {
    "NaN": b'"description": NaN',
    "keywords": b'"keywords": [NaN]',
    "args": b'"args": [1e999]',
    "engines": b'"engines": {"python3": -1e999}',
    "repository": b'"repository": {"a": Infinity}',
    "elsewhere": b'"x": NaN',
    "half a name": b'"name": "\\ud800"',
    "half an author": b'"author": "\\udc00"',
    "deep": b'"args": ' + b"[" * 500 + b"]" * 500,
    "digits": b'"args": [' + b"9" * 5000 + b"]",
    "long": b'"description": "' + b"x" * MEGABYTE + b'"',
    "main with a NUL": b'"main": "a\\u0000b"',
    "main with half a character": b'"main": "\\ud800.py"',
}


@pytest.mark.parametrize("what", MANIFESTS)
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_package_json_that_is_none(url: str, what: str, method: str):
    """It is a 422, and lists are as before."""
    sequence = upload(url, package(IDLE))
    text = b'{"main": "main.py", "engines": {"python3": "3"}, ' + MANIFESTS[what] + b"}"
    path = "sequence" if method == "POST" else f"sequence/{sequence}"
    answer = ask(
        url,
        method,
        path,
        raw=_tar({"package.json": text, "main.py": IDLE.encode()}),
        headers={"Content-Type": "application/octet-stream"},
    )

    assert answer.status == 422
    assert [each["id"] for each in ask(url, "GET", "sequences").json] == [sequence]


EMITS = """
import asyncio
async def run(context, input):
    for value in (float("nan"), [float("inf")], "\\ud800", {"a": -float("inf")}, DEEP, "good"):
        context._control.send("event", {"name": "e", "message": value})
    yield "x\\n"
    await asyncio.Event().wait()
""".replace("DEEP", "eval('[' * 150 + ']' * 150)")


def test_events_that_are_no_json(url: str):
    """What is no JSON of a program's events is dropped, with a line in its log. `emit` itself refuses it."""
    instance = run(url, EMITS)
    eventually(lambda: ask(url, "GET", f"instance/{instance}/event/e").json == "good")
    with Wire(url) as wire:
        wire.request("GET", f"instance/{instance}/log")
        wire.head()
        said = b""
        while said.count(b"was dropped (event)") < 4:
            said += wire.chunk()
    for line in said.splitlines():
        json.loads(line)


TALKS = """
import asyncio, json, os, socket, sys
async def run(context, input):
    control = context._control._socket
    for line in LINES:
        control.sendall(line)
    yield "x\\n"
    await asyncio.Event().wait()
"""

LINES = [
    *(
        b"nothing\n",
        b"[]\n",
        b"5\n",
        b'{"event": 5}\n',
        b'{"event": {"name": 5, "message": 1}}\n',
        b'{"event": {}}\n',
    ),
    *(
        b'{"health": NaN}\n',
        b'{"health": []}\n',
        b'{"provides": {"topic": 5, "contentType": "text/plain"}}\n',
    ),
    *(
        b'{"requires": null}\n',
        b'{"requires": {"topic": "\\ud800", "contentType": null}}\n',
        b'{"x": 1}\n',
    ),
    *(b"[" * 100_000 + b"\n", b'{"end": {}}\n', b"\xff\n", b"\n"),
]


def test_a_program_that_talks_to_the_hub_itself(url: str):
    """Whatever a program writes to its hub, it spoils neither the lists nor its own end."""
    instance = run(url, TALKS.replace("LINES", repr(LINES)))
    with Wire(url) as wire:
        wire.request("GET", f"instance/{instance}/output")
        wire.head()
        assert wire.read(2) == b"x\n"
    for route in ("instances", "entities", f"instance/{instance}/health"):
        assert ask(url, "GET", route).json
    ask(url, "POST", f"instance/{instance}/_kill", {})
    eventually(lambda: "terminated" in info(url, instance))


def test_lists_and_audit_stay_json(url: str):
    """Bytes that are no text, in paths and headers, are escaped in whatever repeats them."""
    with Wire(url) as audit:
        audit.request("GET", "audit")
        audit.head()
        for path in (b"sequence/\xff", b"instance/\xed\xa0\x80/log"):
            with Wire(url) as wire:
                wire.sock.sendall(
                    b"GET /api/v1/"
                    + path
                    + b" HTTP/1.1\r\nHost: localhost\r\nx-mw-billable: \xff\xfe\r\n\r\n"
                )
                head = wire.head()
                assert head.status in (400, 404)
                if head.status == 404:
                    json.loads(wire.body(head).decode())
        ask(url, "GET", "sequence/last")
        said = b""
        while b'"last"' not in said:
            said += audit.chunk()
    for line in said.splitlines():
        json.loads(line.decode())


JSON = {"Content-Type": "application/json"}

NUMBERS = {
    "_stop": [b'{"timeout": 1e308}', b'{"timeout": -1e308}', b'{"timeout": %s}' % (b"9" * 4000)],
    "_monitoring_rate": [b'[4003, {"monitoringRate": %s}]' % (b"9" * 4000)],
}


@pytest.mark.parametrize(("route", "status"), [("_stop", 400), ("_monitoring_rate", 500)])
def test_numbers_that_no_clock_has(url: str, route: str, status: int):
    """They are refused, in the form of each route; the hub itself does not fail over them."""
    instance = run(url, IDLE)
    for body in NUMBERS[route]:
        answer = ask(url, "POST", f"instance/{instance}/{route}", raw=body, headers=JSON)
        assert answer.status == status


# -- packages that are more than they seem ------------------------------------------------------------


def _tar(files: dict[str, bytes]) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(plain.getvalue())


MANIFEST = json.dumps({"main": "main.py", "engines": {"python3": "3"}}).encode()

Entry = tuple[str, bytes, str, bytes]


def _entries(*entries: Entry, pax: dict[str, str] | None = None) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, link, content in (
            ("package.json", tarfile.REGTYPE, "", MANIFEST),
            *entries,
        ):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.size = kind, link, len(content)
            entry.pax_headers = dict(pax or {})
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), 1)


FILE, LINK, SYMLINK, FOLDER = tarfile.REGTYPE, tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE

LARGE = {
    "hard links to a large file": _entries(
        ("big", FILE, "", bytes(900_000)), *((f"l{n}", LINK, "big", b"") for n in range(40))
    ),
    "hard links to hard links": _entries(
        ("l0", FILE, "", bytes(400_000)), *((f"l{n + 1}", LINK, f"l{n}", b"") for n in range(40))
    ),
    "a hard link that takes another's place": _entries(
        ("big", FILE, "", bytes(900_000)), *(("same", LINK, "big", b"") for _ in range(40))
    ),
    "folders on the way to files": _entries(
        *((f"{n}a/b/c/d/e/f/g/h/file", FILE, "", b"") for n in range(10))
    ),
    "folders on the way to links": _entries(
        *((f"{n}a/b/c/d/e/f/g/h/link", SYMLINK, "x", b"") for n in range(10))
    ),
    "folders on the way to folders": _entries(
        *((f"{n}a/b/c/d/e/f", FOLDER, "", b"") for n in range(20))
    ),
    "one folder many times": _entries(*(("a", FOLDER, "", b"") for _ in range(100))),
    "its own folder many times": _entries(*((".", FOLDER, "", b"") for _ in range(100))),
    "many empty files": _entries(*((f"f{n}", FILE, "", b"") for n in range(100))),
    "deep": _entries(("/".join("a" * 101) + "/b", FILE, "", b"")),
    "very deep": _entries(("a/" * 1500 + "b", FILE, "", b"")),
    "long symbolic links": _entries(*((f"l{n}", SYMLINK, "a/" * 20_000, b"") for n in range(40))),
    "a file in the place of its folder": _entries((".", FILE, "", b"x")),
    "a link in the place of its folder": _entries((".", SYMLINK, "x", b"")),
    "headers that are kept": _entries(
        *((f"f{n}", FILE, "", b"") for n in range(20)),
        pax={f"k{n}": "v" * 900_000 for n in range(1)},
    ),
}


@pytest.mark.parametrize("what", LARGE)
def test_packages_that_grow(tmp_path: Path, what: str):
    """All that would reach the disk, or stay in memory, counts; a package with too much of it is refused whole."""
    with open_hub(storage=tmp_path, max_unpacked_size=1_000_000, max_package_files=50) as hub:
        most = [0, 0]
        done = threading.Event()

        def watch() -> None:
            while not done.is_set():
                paths = []
                with contextlib.suppress(OSError):
                    paths = list(tmp_path.rglob("*"))
                    most[0] = max(
                        most[0], sum(each.lstat().st_size for each in paths if each.is_file())
                    )
                most[1] = max(most[1], len(paths))
                time.sleep(0.001)

        watcher = threading.Thread(target=watch, name="test-watcher")
        watcher.start()
        answer = ask(hub.url, "POST", "sequence", raw=LARGE[what])
        done.set()
        watcher.join(LIMIT)

        assert answer.status == 422
        assert answer.json["error"]
        assert most[0] <= 1_100_000
        assert most[1] <= 60
        assert [list(each.iterdir()) for each in tmp_path.iterdir()] == [[]]
        hub.check()


def test_an_honest_package_may_be_as_large_as_it_says(tmp_path: Path):
    """Folders count once, whether they come as entries or are made on the way; links inside work."""
    entries: list[Entry] = [
        ("main.py", FILE, "", IDLE.encode()),
        ("a", FOLDER, "", b""),
        ("a/b", FOLDER, "", b""),
    ]
    entries += [(f"a/b/{n}", FILE, "", b"x") for n in range(43)]
    entries += [("hard", LINK, "a/b/1", b""), ("soft", SYMLINK, "a/b/1", b"")]
    with open_hub(storage=tmp_path, max_package_files=50) as hub:
        more: list[Entry] = [("c", FILE, "", b""), ("d", FILE, "", b"")]
        run_id = start(hub.url, upload(hub.url, _entries(*entries[:-1])))
        assert info(hub.url, run_id)["status"] == "running"
        refused = ask(
            hub.url,
            "POST",
            "sequence",
            raw=_entries(*entries, *more),
        )
        assert "more than 50 entries" in refused.json["error"]
