"""Sockets of the standard library, and no HTTP but what the case needs: the limit of what Python can do."""

from __future__ import annotations

import json
import socket
import ssl
import time
from urllib.parse import urlsplit

from benchmarks.contestants import READ, Done, Job, Way

LARGE = 4 * READ

_STAMPED = 106
"""Bytes of the frame of a line of 100 bytes."""


def _connected(url: str, method: str, headers: str = "") -> socket.socket:
    parts = urlsplit(url)
    sock = socket.create_connection((parts.hostname or "", parts.port or 80))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if parts.scheme == "https":
        sock = ssl.create_default_context().wrap_socket(sock, server_hostname=parts.hostname)
    sock.sendall(
        f"{method} {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{headers}\r\n".encode()
    )
    return sock


def _read_to_end(url: str, size: int) -> int:
    """Read an answer to its final chunk, and decode nothing; return the bytes that came."""
    buffer = bytearray(size)
    view = memoryview(buffer)
    came, tail = 0, b""
    with _connected(url, "GET") as sock:
        while tail != b"0\r\n\r\n":
            count = sock.recv_into(buffer)
            if not count:
                raise EOFError("the answer was cut")
            came += count
            tail = bytes(view[count - 5 : count]) if count >= 5 else (tail + view[:count])[-5:]
    return came


def chunks(job: Job) -> Done:
    """Read the output in reads of the size that the others use."""
    return Done(notes={"wire_bytes": _read_to_end(job.url("output"), READ)})


def large_chunks(job: Job) -> Done:
    """Read the output in larger reads."""
    return Done(notes={"wire_bytes": _read_to_end(job.url("output"), LARGE)})


def upload(job: Job) -> Done:
    """Send each item as a chunk, by one call."""
    head = "Transfer-Encoding: chunked\r\nContent-Type: application/octet-stream\r\nx-end-stream: true\r\n"
    with _connected(job.url("input"), "POST", head) as sock:
        for item in job.items():
            sock.sendall(b"%x\r\n%b\r\n" % (len(item), item))
        sock.sendall(b"0\r\n\r\n")
        _await_end(sock)
    return Done(items=job.times)


def lone_items(job: Job) -> Done:
    """Send items, each with the time at which it was made, that come after a pause."""
    with _connected(job.url("input"), "POST", "Transfer-Encoding: chunked\r\n") as sock:
        for _ in range(job.times):
            time.sleep(job.options["pause"])
            sock.sendall(b"15\r\n%020d\n\r\n" % time.monotonic_ns())
        sock.sendall(b"0\r\n\r\n")
        _await_end(sock)
    return Done(items=job.times)


def _await_end(sock: socket.socket) -> None:
    answer = b""
    while not answer.endswith(b"0\r\n\r\n"):
        answer += sock.recv(READ) or b"cut: 0\r\n\r\n"


def ping_pong(job: Job) -> Done:
    """Send a line when the last one has come back."""
    item = job.item
    frame = b"%x\r\n%b\r\n" % (len(item), item)
    waits, answer = [], b""
    with _connected(
        job.url("inout"), "POST", "Transfer-Encoding: chunked\r\nContent-Type: text/plain\r\n"
    ) as sock:
        for _ in range(job.times):
            sent_at = time.monotonic_ns()
            sock.sendall(frame)
            answer = b""
            while not answer.endswith(frame):
                answer += sock.recv(READ)
            waits.append(time.monotonic_ns() - sent_at)
    return Done(items=job.times, waits=waits)


def ping_pong_pair(job: Job) -> Done:
    """Send a line when the last one has come back, where a hub has no inout: on two connections."""
    item = job.item
    frame = b"%x\r\n%b\r\n" % (len(item), item)
    waits = []
    head = "Transfer-Encoding: chunked\r\nContent-Type: text/plain\r\nx-end-stream: false\r\n"
    output = _connected(job.url("output"), "GET")
    with output, _connected(job.url("input"), "POST", head) as sock:
        for _ in range(job.times):
            sent_at = time.monotonic_ns()
            sock.sendall(frame)
            answer = b""
            while not answer.endswith(frame):
                answer += output.recv(READ)
            waits.append(time.monotonic_ns() - sent_at)
        sock.sendall(b"0\r\n\r\n")
    return Done(items=job.times, waits=waits)


def calls(job: Job) -> Done:
    """Ask for the version again and again, on one connection."""
    path = urlsplit(f"{job.base}/version").path
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with _connected(f"{job.base}/version", "GET") as sock:
        for number in range(job.times):
            answer = b""
            while not answer.endswith(b"}"):
                answer += sock.recv(READ)
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["version"]
            if number < job.times - 1:
                sock.sendall(request)
    return Done(items=job.times)


def delays(job: Job) -> Done:
    """Say how long each line was on its way from the hub into the loop."""
    waits = []
    with _connected(job.url("output"), "GET") as sock:
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += sock.recv(READ)
        answer = answer.partition(b"\r\n\r\n")[2]
        while answer != b"0\r\n\r\n":
            answer += sock.recv(READ)
            came = time.monotonic_ns()
            while len(answer) >= _STAMPED:
                waits.append(came - int(answer[4:24]))
                answer = answer[_STAMPED:]
    return Done(items=len(waits), waits=waits)


CASES: dict[str, Way] = {
    "chunks": chunks,
    "chunks-large": large_chunks,
    "upload": upload,
    "lone": lone_items,
    "ping-pong": ping_pong,
    "ping-pong-pair": ping_pong_pair,
    "calls": calls,
    "delays": delays,
}
