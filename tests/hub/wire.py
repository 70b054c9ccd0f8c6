"""A client of raw sockets, and packages made of strings: foreign to the SDK, so that it can judge the hub."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import socket
import tarfile
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.support.waiting import eventually

_TIMEOUT = 60.0
"""Seconds for each wait; only a hang reaches them."""


class Head(NamedTuple):
    """The head of an answer; names of headers in lower case."""

    status: int
    reason: str
    headers: dict[str, str]


class Wire:
    """One connection to a hub."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.sock = socket.create_connection((parts.hostname, parts.port or 80), _TIMEOUT)
        self._base = parts.path
        self._host = parts.netloc
        self._buffer = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *exc: object) -> None:
        self.sock.close()

    def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> None:
        """Send a request; without a body only its head."""
        given = {"Host": self._host, **(headers or {})}
        if body is not None:
            given["Content-Length"] = str(len(body))
        lines = [f"{method} {self._base}/{path} HTTP/1.1", *(f"{k}: {v}" for k, v in given.items())]
        self.sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))

    def send_chunk(self, data: bytes) -> None:
        """Send one chunk; b"" is the last."""
        self.sock.sendall(b"%x\r\n%b\r\n" % (len(data), data))

    def _fill(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError(f"the hub closed the connection after {self._buffer!r}")
        self._buffer += data

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._fill()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def head(self) -> Head:
        """Return the head of the next answer."""
        _, status, reason = self._line().decode().split(" ", 2)
        headers = {}
        while line := self._line():
            name, _, value = line.decode().partition(":")
            headers[name.strip().lower()] = value.strip()
        return Head(int(status), reason, headers)

    def chunk(self) -> bytes:
        """Return one chunk, b"" for the last."""
        size = int(self._line(), 16)
        while len(self._buffer) < size + 2:
            self._fill()
        data, self._buffer = self._buffer[:size], self._buffer[size + 2 :]
        return data

    def read(self, size: int) -> bytes:
        """Return that many bytes of a chunked body, or fewer at its end; whole chunks are not kept."""
        data = b""
        while len(data) < size and (chunk := self.chunk()):
            data += chunk
        return data

    def body(self, head: Head) -> bytes:
        """Return the whole body."""
        if head.headers.get("transfer-encoding") == "chunked":
            return b"".join(iter(self.chunk, b""))
        size = int(head.headers.get("content-length", 0))
        while len(self._buffer) < size:
            self._fill()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def silent(self, seconds: float = 0.3) -> bool:
        """Say whether the hub sends nothing for a while."""
        if self._buffer:
            return False
        self.sock.settimeout(seconds)
        try:
            self._buffer += self.sock.recv(65536)
        except (TimeoutError, socket.timeout):
            return True
        finally:
            self.sock.settimeout(_TIMEOUT)
        return False

    def closed(self) -> bool:
        """Wait until the hub closes the connection."""
        with contextlib.suppress(ConnectionError):
            return self.sock.recv(1) == b""
        return True


class Answer(NamedTuple):
    """A whole answer."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def ask(
    url: str,
    method: str,
    path: str,
    body: Any = None,
    *,
    headers: dict[str, str] | None = None,
    raw: bytes | None = None,
) -> Answer:
    """Send one request and return its answer; a `body` goes as JSON, with its type."""
    given = dict(headers or {})
    data = raw
    if body is not None:
        data = json.dumps(body).encode()
    if raw is None and method != "GET":
        given.setdefault("Content-Type", "application/json")
    with Wire(url) as wire:
        wire.request(method, path, given, data)
        head = wire.head()
        return Answer(*head, wire.body(head))


@contextlib.contextmanager
def opened(url: str, path: str, headers: dict[str, str] | None = None) -> Iterator[Wire]:
    """Open a stream and read its head."""
    with Wire(url) as wire:
        wire.request("GET", path, headers)
        head = wire.head()
        assert head.status == 200, head
        yield wire


def archive(files: dict[str, bytes | str], *, level: int = 1) -> bytes:
    """Return a tar.gz of files."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), level)


def package(main: str, /, **manifest: Any) -> bytes:
    """Return a package of one Python file."""
    described = {"name": "t", "main": "main.py", "engines": {"python3": ">=3.9"}, **manifest}
    return archive({"package.json": json.dumps(described), "main.py": main})


def upload(url: str, data: bytes) -> str:
    """Upload a package and return its id."""
    answer = ask(url, "POST", "sequence", raw=data)
    assert answer.status == 200, answer
    return str(answer.json["id"])


def start(url: str, sequence: str, **body: Any) -> str:
    """Start a sequence and return the instance's id."""
    answer = ask(url, "POST", f"sequence/{sequence}/start", {"appConfig": {}, "args": [], **body})
    assert answer.status == 200, answer
    return str(answer.json["id"])


def run(url: str, main: str, **body: Any) -> str:
    """Upload and start one Python file."""
    return start(url, upload(url, package(main)), **body)


def info(url: str, instance: str) -> dict[str, Any]:
    """Return an instance's info."""
    answer = ask(url, "GET", f"instance/{instance}")
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json
    return found


def log(url: str, instance: str, *said: str) -> list[dict[str, Any]]:
    """Read the log until each of these texts is in some message, and return its lines so far."""
    data, missing = b"", set(said)
    with opened(url, f"instance/{instance}/log") as wire:
        while missing or not data.endswith(b"\n"):
            chunk = wire.chunk()
            assert chunk, f"the log ended without {missing}: {data!r}"
            data += chunk
            missing = {each for each in missing if not _is_said(each, data)}
    return [json.loads(line) for line in data.splitlines()]


def _is_said(text: str, data: bytes) -> bool:
    whole = data[: data.rfind(b"\n") + 1]
    return any(text in json.loads(line)["msg"] for line in whole.splitlines())


def ended(url: str, instance: str) -> dict[str, Any]:
    """Wait for the end of an instance and return its info."""
    return dict(eventually(lambda: (found := info(url, instance)).get("terminated") and found))
