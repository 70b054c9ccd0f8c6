"""Output streams side by side with requests and with a raw socket, which decodes nothing.

The server is a process of its own that sends frames made beforehand.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import requests

from benchmarks.timing import interleaved
from scramjet_client import HttpClient

RUNS = 5

# Bytes of one chunk, bytes of the body.
CASES = [(65536, 500_000_000), (100, 50_000_000)]

SERVER = """
import socket, sys
chunk, total = int(sys.argv[1]), int(sys.argv[2])
payload = (b"x" * 99 + b"\\n") * (chunk // 100 + 1)
frame = b"%x\\r\\n%b\\r\\n" % (chunk, payload[:chunk])
count = max(1, 1_000_000 // chunk)
block, blocks = frame * count, total // (chunk * count)
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    sock, _ = server.accept()
    with sock:
        while not sock.recv(65536).endswith(b"\\r\\n\\r\\n"):
            pass
        try:
            sock.sendall(b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n")
            for _ in range(blocks):
                sock.sendall(block)
            sock.sendall(b"0\\r\\n\\r\\n")
        except OSError:
            pass
"""


@contextmanager
def serving(chunk: int, total: int) -> Iterator[int]:
    """Run the server; gives its port."""
    command = [sys.executable, "-c", SERVER, str(chunk), str(total)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def raw_socket(port: int) -> None:
    """Read everything and decode nothing."""
    buffer = bytearray(65_536)
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        tail = b""
        while not tail.endswith(b"0\r\n\r\n"):
            count = sock.recv_into(buffer)
            tail = tail[-5:] + bytes(buffer[max(0, count - 5) : count])


def ours(port: int) -> None:
    """Read chunks with this client."""
    with HttpClient(f"http://127.0.0.1:{port}") as client, client.get_stream("x") as stream:
        for _ in stream.chunks():
            pass


def our_lines(port: int) -> None:
    """Read lines with this client."""
    with HttpClient(f"http://127.0.0.1:{port}") as client, client.get_stream("x") as stream:
        for _ in stream:
            pass


def iter_content(port: int) -> None:
    """Read chunks with requests."""
    with requests.get(f"http://127.0.0.1:{port}/x", stream=True, timeout=60) as response:
        for _ in response.iter_content(65536):
            pass


def iter_lines(port: int) -> None:
    """Read lines with requests."""
    with requests.get(f"http://127.0.0.1:{port}/x", stream=True, timeout=60) as response:
        for _ in response.iter_lines(65536):
            pass


WAYS: dict[str, Callable[[int], None]] = {
    "raw socket": raw_socket,
    "scramjet_client, chunks()": ours,
    "requests, iter_content": iter_content,
    "scramjet_client, for line in": our_lines,
    "requests, iter_lines": iter_lines,
}


def main() -> None:
    """Print the tables."""
    for chunk, total in CASES:
        with serving(chunk, total) as port:
            actions = {name: (lambda way=way: way(port)) for name, way in WAYS.items()}
            taken = interleaved(actions, RUNS)
        limit = statistics.median(taken["raw socket"])
        print(f"\nOutput in chunks of {chunk} bytes: median of {RUNS}, MB/s (slowest-fastest)")
        for name, values in taken.items():
            rate = [total / 1e6 / each for each in values]
            share = limit / statistics.median(values)
            print(
                f"  {name:30} {statistics.median(rate):7.0f} ({min(rate):.0f}-{max(rate):.0f}),"
                f" {share:.2f} of the raw socket"
            )
