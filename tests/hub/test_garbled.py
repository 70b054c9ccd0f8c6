"""Bodies that are no HTTP: the hub ends the connection, and goes on."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scramjet_client import HostClient
from tests.support.hubs import open_hub

ECHO = Path(__file__).parent.parent / "sequences" / "py-echo"

HEAD = """POST {path} HTTP/1.1\r
Host: 127.0.0.1\r
Content-Type: application/octet-stream\r
x-end-stream: false\r
Transfer-Encoding: chunked\r
\r
"""


@pytest.mark.parametrize("route", ["input", "stdin", "inout", "sequence"])
def test_body_that_is_none(route: str):
    """A chunk header that is none ends the connection; what came before it counts, and the input stays open."""
    with open_hub() as hub, HostClient(hub.url) as host:
        instance = host.send_sequence(ECHO).start()
        url = urlsplit(hub.url)
        path = (
            f"{url.path}/sequence"
            if route == "sequence"
            else f"{url.path}/instance/{instance.id}/{route}"
        )
        with socket.create_connection(("127.0.0.1", url.port or 0), timeout=60) as client:
            client.sendall(HEAD.format(path=path).encode() + b"6\r\nbefore\r\n")
            if route in ("input", "stdin"):
                assert client.recv(65536).startswith(b"HTTP/1.1 202")
            client.sendall(b"no chunk\r\n")
            while client.recv(65536):
                pass

        if route == "input":
            instance.send_input(b" after", end=True)
            assert instance.get_stream("output").read() == b"before after"
