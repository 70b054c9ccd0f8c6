"""Hubs and proxies that repeat the token in what they answer: it is in no error, no report and no traceback."""

from __future__ import annotations

import base64
import html
import json
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from scramjet_client import HostClient, ScramjetError
from tests.support.wire import Conn, RawServer

TOKEN = "hunter2+T0/ken=&<x>"
KEY = "other-secret-key"

WRITTEN: dict[str, str] = {
    "plain": TOKEN,
    "bearer": f"Bearer {TOKEN}",
    "quoted": quote(TOKEN, safe=""),
    "quoted in lower case": quote(TOKEN, safe="").replace("%2B", "%2b"),
    "escaped": html.escape(TOKEN),
    "in JSON": json.dumps(TOKEN)[1:-1].replace("/", "\\/"),
    "base64": base64.b64encode(TOKEN.encode()).decode(),
    "basic": base64.b64encode(f":{TOKEN}".encode()).decode(),
    "basic with a user": base64.b64encode(f"me:{TOKEN}".encode()).decode(),
    "basic with another user": base64.b64encode(f"user:{TOKEN}".encode()).decode(),
    "a header of one's own": KEY,
}

CHUNKED = "Transfer-Encoding: chunked\r\n"

SAID: dict[str, Callable[[str], bytes]] = {
    "text": lambda token: _answer("401 No", f"no such token: {token}"),
    "json": lambda token: _answer("400 No", json.dumps({"error": f"token {token}"})),
    "page": lambda token: _answer("502 No", f"<html><title>{token}</title><p>{token}</html>"),
    "reason": lambda token: _answer(f"403 {token}", ""),
    "redirect": lambda token: _answer("302 Found", "", f"Location: https://x/?token={token}\r\n"),
    "no JSON": lambda token: _answer("200 OK", f"nonsense {token}"),
    "no HTTP": lambda token: f"{token} is what you sent\r\n\r\n".encode(),
    "coding": lambda token: _answer("200 OK", "", f"Content-Encoding: {token}\r\n"),
    "chunk size": lambda token: f"HTTP/1.1 200 OK\r\n{CHUNKED}\r\n{token}\r\n".encode(),
    "after a chunk": lambda token: f"HTTP/1.1 200 OK\r\n{CHUNKED}\r\n1\r\n1{token}\r\n".encode(),
    "length": lambda token: f"HTTP/1.1 200 OK\r\nContent-Length: {token}\r\n\r\n".encode(),
    "framing": lambda token: f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {token}\r\n\r\n".encode(),
    "no header": lambda token: f"HTTP/1.1 200 OK\r\n{token}\r\n\r\n".encode(),
    "gzip": lambda token: _answer("200 OK", token, "Content-Encoding: gzip\r\n"),
    "wrong JSON": lambda token: _answer("200 OK", json.dumps([token])),
}

NO_HTTP = {"no HTTP", "chunk size", "after a chunk", "length", "framing", "no header", "gzip"}
"""A doctor speaks TLS to such a server, and waits for its answer: once each is enough."""


def _answer(status: str, body: str, headers: str = "") -> bytes:
    data = body.encode()
    return (
        f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode()
        + data
    )


CALLS: dict[str, Callable[[HostClient], Any]] = {
    "get": lambda host: host.get_version(),
    "request": lambda host: host.client.get("x"),
    "stream": lambda host: host.client.get_stream("x").read(),
    "upload": lambda host: host.client.send_stream("x", b"a"),
}


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("call", CALLS)
def test_a_repeated_token_is_hidden(call: str, said: str, written: str):
    """Whatever way it is written in, and wherever it stands in an answer."""
    shown = WRITTEN[written]

    def handle(conn: Conn) -> None:
        request = conn.read_request()
        assert request is not None
        if request.headers.get("transfer-encoding") != "chunked":
            conn.read_body(request)
        conn.send(SAID[said](shown))

    texts: list[str] = []
    with RawServer(handle) as server:
        headers = {"X-Api-Key": KEY}
        with HostClient(server.url, token=TOKEN, headers=headers, retries=0) as host:
            try:
                texts.append(repr(CALLS[call](host)) * 0)
            except ScramjetError as error:
                texts += [str(error), repr(error), error.message, error.body or ""]
                texts += [*traceback.format_exception(type(error), error, error.__traceback__)]
            if call == "get" and (said not in NO_HTTP or written == "plain"):
                texts.append(str(host.doctor()))

    assert not [text for text in texts if shown in text or TOKEN in text]


LONG = "".join(f"{n:x}-" for n in range(4096, 4196))


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("call", CALLS)
def test_a_long_token_is_hidden(call: str, said: str):
    """No part of it is left of what an error shortens."""

    def handle(conn: Conn) -> None:
        request = conn.read_request()
        assert request is not None
        if request.headers.get("transfer-encoding") != "chunked":
            conn.read_body(request)
        conn.send(SAID[said](LONG))

    texts: list[str] = []
    with RawServer(handle) as server, HostClient(server.url, token=LONG, retries=0) as host:
        try:
            texts.append(repr(CALLS[call](host)) * 0)
        except ScramjetError as error:
            texts += [repr(error), error.message, error.body or ""]
            texts += [*traceback.format_exception(type(error), error, error.__traceback__)]

    assert not [text for text in texts if LONG[:10] in text]
