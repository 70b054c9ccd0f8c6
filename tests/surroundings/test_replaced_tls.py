"""Packages that put something of their own in the place of ssl's contexts, as truststore, eventlet and pyOpenSSL do."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3.util.ssl_

from scramjet_client import HttpClient
from scramjet_client.errors import HubConnectionError
from tests.support.certs import Certificates
from tests.support.wire import Conn, RawServer

checked: list[str] = []


class Distrust(ssl.SSLCertVerificationError):
    """What a check of certificates raises."""


class Wrapping(ssl.SSLContext):
    """Wraps a context whose sockets check certificates after the handshake, as truststore's does."""

    trusts = True

    def __new__(cls, protocol: int = ssl.PROTOCOL_TLS_CLIENT) -> Wrapping:
        return super().__new__(cls, protocol)

    def __init__(self, protocol: int = ssl.PROTOCOL_TLS_CLIENT) -> None:
        inner = self._ctx = ssl.SSLContext(protocol)
        trusts = self.trusts

        class Checking(ssl.SSLSocket):
            def do_handshake(self, block: bool = False) -> None:
                super().do_handshake(block)
                checked.append(str(self.version()))
                if not trusts:
                    self.close()
                    raise Distrust("the keychain says no")

        inner.sslsocket_class = Checking

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        return self._ctx.wrap_socket(*args, **kwargs)

    def load_verify_locations(self, *args: Any, **kwargs: Any) -> None:
        self._ctx.load_verify_locations(*args, **kwargs)


class Distrusting(Wrapping):
    """The same, with a check that fails."""

    trusts = False


class GreenSocket(ssl.SSLSocket):
    """A socket that reads in a way of its own."""

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        return super().recv(*args, **kwargs)


class Insisting(ssl.SSLContext):
    """Has sockets of its own, whatever class it is told, as eventlet's has."""

    @property
    def sslsocket_class(self) -> type[ssl.SSLSocket]:
        return GreenSocket

    @sslsocket_class.setter
    def sslsocket_class(self, _kind: Any) -> None:
        pass


class WrappingGreen(Wrapping):
    """Wraps a context with such sockets."""

    def __init__(self, protocol: int = ssl.PROTOCOL_TLS_CLIENT) -> None:
        super().__init__(protocol)
        self._ctx.sslsocket_class = GreenSocket


class Foreign:
    """No context of ssl at all, as pyOpenSSL's in urllib3."""

    def __init__(self, protocol: int) -> None:
        self.protocol, self.options = protocol, 0

    verify_mode, check_hostname, minimum_version, maximum_version = ssl.CERT_NONE, False, 0, 0
    hostname_checks_common_name, post_handshake_auth, verify_flags = False, False, 0

    def set_ciphers(self, ciphers: str) -> None:
        pass

    def set_alpn_protocols(self, protocols: list[str]) -> None:
        pass


@pytest.fixture
def server(certificates: Certificates) -> Iterator[RawServer]:
    def serve(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            asked.append(f"{request.method} {request.target}")
            conn.read_body(request)
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    asked: list[str] = []
    checked.clear()
    with RawServer(serve, ssl_context=certificates.server_context()) as server:
        server.asked = asked  # type: ignore[attr-defined]
        yield server


def _put(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib3.util.ssl_, "SSLContext", kind)


def test_context_that_checks_by_itself(
    server: Any, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
):
    """Calls, streams and uploads work, and each connection is checked in that context's way."""
    _put(Wrapping, monkeypatch)
    with HttpClient(server.url, verify=certificates.ca_path) as client:
        assert client.get("x") == {}
        assert client.send_stream("x", iter([b"x"] * 9)) == "{}"
        assert client.get_stream("x").read() == b"{}"
    assert len(checked) == server.connections > 0


def test_context_that_distrusts(
    server: Any, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
):
    """If its own check says no, no byte of the request leaves."""
    _put(Distrusting, monkeypatch)
    with HttpClient(server.url, verify=certificates.ca_path) as client:
        for ask in (client.get, client.get_stream, lambda path: client.send_stream(path, [b"x"])):
            with pytest.raises(HubConnectionError, match="the keychain says no"):
                ask("x")
    assert len(checked) == server.connections > 0
    assert server.asked == []


@pytest.mark.parametrize("kind", [Insisting, WrappingGreen])
def test_sockets_of_its_own(
    kind: Any, server: Any, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
):
    """An upload, which needs sockets of this package, says who has replaced them, before it sends anything."""
    _put(kind, monkeypatch)
    with HttpClient(server.url, verify=certificates.ca_path) as client:
        assert client.get("x") == {}
        with pytest.raises(HubConnectionError, match=r"tests has replaced.*GreenSocket") as caught:
            client.send_stream("x", iter([b"x"]))
    assert "inside TLS" not in str(caught.value)
    assert len(server.asked) == 1


def test_context_of_another_library(
    server: Any, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
):
    """Everything over TLS says who has replaced ssl, and sends nothing."""
    _put(Foreign, monkeypatch)
    with HttpClient(server.url, verify=certificates.ca_path) as client:
        for ask in (client.get, client.get_stream, lambda path: client.send_stream(path, [b"x"])):
            with pytest.raises(HubConnectionError, match=r"tests has replaced.*Foreign"):
                ask("x")
    assert server.asked == []
