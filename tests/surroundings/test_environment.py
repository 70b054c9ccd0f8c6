"""What the environment names, and what it does not change: certificates, proxies, logins."""

from __future__ import annotations

import contextlib
import datetime
import shutil
import socket
import ssl
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import trustme
from urllib3.util.ssl_match_hostname import CertificateError

from scramjet_client import HostClient, HttpClient
from scramjet_client.errors import (
    ConfigurationError,
    HubConnectionError,
    HubResponseError,
    NotFoundError,
    ScramjetError,
)
from scramjet_client.hub import LocalHub
from tests.hub.programs import ECHO
from tests.hub.wire import package
from tests.support.certs import Certificates
from tests.support.forwarding_proxy import passed_on, socks_to
from tests.support.hubs import open_hub
from tests.support.scripted_hub import H1Hub
from tests.support.sockets import listens
from tests.support.waiting import LIMIT, eventually
from tests.support.wire import Conn, RawServer

# -- certificates -----------------------------------------------------------------------------------


def _serve(conn: Conn) -> None:
    while (request := conn.read_request()) is not None:
        conn.read_body(request)
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


class Authority(NamedTuple):
    """A CA, and the path of its certificate."""

    ca: trustme.CA
    path: str

    def server(self, name: str = "127.0.0.1", **how: Any) -> ssl.SSLContext:
        """Return a server's context with a certificate for a name."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(name, **how).configure_cert(context)
        return context


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A CA that nobody else knows."""
    ca, path = trustme.CA(), tmp_path / "own.pem"
    ca.cert_pem.write_to_path(str(path))
    return Authority(ca, str(path))


def _self_signed(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """Return a server's context with a certificate that signed itself, and the path of that."""
    path = tmp_path / "self.pem"
    made = f"-subj /CN=hub -addext subjectAltName=IP:127.0.0.1 -keyout {path} -out {path}.crt"
    subprocess.run(
        [
            "openssl",
            *["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"],
            *made.split(),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{path}.crt", str(path))
    return context, f"{path}.crt"


@pytest.mark.parametrize(
    "variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "verify="]
)
def test_who_names_the_cas(authority: Authority, variable: str, monkeypatch: pytest.MonkeyPatch):
    """The variables of requests name the trusted CAs, those of OpenSSL do not, and `verify=` goes before all."""
    verify = None
    if variable == "verify=":
        verify = authority.path
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    else:
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        named = str(Path(authority.path).parent) if variable.endswith("DIR") else authority.path
        monkeypatch.setenv(variable, named)
    with RawServer(_serve, ssl_context=authority.server()) as server:
        with HostClient(server.url, verify=verify) as host:
            if variable.startswith("SSL_"):
                with pytest.raises(HubConnectionError, match=r"(?i)verify failed"):
                    host.client.get("x")
                assert any(variable in said for said in host.doctor(timeout=LIMIT).ignored)
            else:
                assert host.client.get("x") == {}


def test_bundle_that_is_not_there(authority: Authority, monkeypatch: pytest.MonkeyPatch):
    """A bundle that can't be read is an error that names it, and no reason to trust anybody."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    with (
        RawServer(_serve, ssl_context=authority.server()) as server,
        HttpClient(server.url) as client,
    ):
        for ask in (client.get, client.get_stream, lambda path: client.send_stream(path, [b"x"])):
            with pytest.raises(HubConnectionError, match=r"/nowhere\.pem"):
                ask("x")
        assert server.connections == 0


REFUSED = (ssl.SSLCertVerificationError, CertificateError)  # the second is of urllib3 1.26
WRONG = ["another CA", "self-signed", "expired", "not yet valid", "another name"]


@pytest.mark.parametrize("wrong", WRONG)
def test_certificates_that_are_not_trusted(
    wrong: str, authority: Authority, certificates: Certificates, tmp_path: Path
):
    """Each is refused before a byte of the request leaves, once for each call, by every way to send."""
    today = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    context = {
        "another CA": certificates.server_context,
        "self-signed": lambda: _self_signed(tmp_path)[0],
        "expired": lambda: authority.server(not_before=today - 9 * day, not_after=today - day),
        "not yet valid": lambda: authority.server(
            not_before=today + day, not_after=today + 9 * day
        ),
        "another name": lambda: authority.server("hub.example"),
    }[wrong]()
    asked: list[object] = []

    with RawServer(lambda conn: asked.append(conn.read_request()), ssl_context=context) as server:
        with HttpClient(server.url, token="secret", verify=authority.path) as client:
            ways = (
                client.get,
                client.post,
                client.get_stream,
                lambda p: client.send_stream(p, [b"x"]),
            )
            for number, ask in enumerate(ways, 1):
                with pytest.raises(
                    HubConnectionError, match=r"(?i)certificate|doesn't match"
                ) as caught:
                    ask("x")
                assert isinstance(_root(caught.value), REFUSED)
                assert server.connections == number

    assert not [each for each in asked if each]


def _root(error: BaseException) -> object:
    """Return the innermost thing that an error says of its cause."""
    found: object = error.__cause__
    while isinstance(found, BaseException):
        inner = getattr(found, "reason", None) or next(iter(found.args), None)
        if not isinstance(inner, BaseException):
            return found
        found = inner
    return found


def test_self_signed_and_trusted(tmp_path: Path):
    """A certificate that signed itself works where it is itself what is trusted."""
    context, path = _self_signed(tmp_path)
    with (
        RawServer(_serve, ssl_context=context) as server,
        HttpClient(server.url, verify=path) as client,
    ):
        assert client.get("x") == {}
        assert client.send_stream("x", iter([b"x"])) == "{}"


def test_client_certificates(authority: Authority, tmp_path: Path):
    """A hub that asks for a certificate gets it by calls, streams and uploads, as one file or two."""
    issued = authority.ca.issue_cert("client@example.org")
    both, cert, key = (str(tmp_path / name) for name in ("both.pem", "cert.pem", "key.pem"))
    issued.private_key_and_cert_chain_pem.write_to_path(both)
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    context = authority.server()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority.path)

    with RawServer(_serve, ssl_context=context) as server:
        for given in (both, (cert, key)):
            with HttpClient(server.url, verify=authority.path, cert=given) as client:
                assert client.get("x") == {}
                assert client.send_stream("x", iter([b"x"] * 9)) == "{}"
                assert client.get_stream("x").read() == b"{}"
        for missing in (None, str(tmp_path / "nothing.pem"), authority.path):
            with HttpClient(server.url, verify=authority.path, cert=missing, retries=0) as client:
                for ask in (client.get, lambda path, c=client: c.send_stream(path, [b"x"])):
                    with pytest.raises(HubConnectionError):
                        ask("x")


def test_netrc_is_for_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Logins of .netrc are sent with nothing: calls, streams, uploads, with a token or without."""
    netrc = tmp_path / "netrc"
    netrc.write_text(
        "machine 127.0.0.1 login eve password other\ndefault login eve password other\n"
    )
    monkeypatch.setenv("NETRC", str(netrc))
    seen: list[str | None] = []

    def handle(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            conn.read_body(request)
            seen.append(request.headers.get("authorization"))
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with RawServer(handle) as server:
        for token in (None, "t"):
            with HttpClient(server.url, token=token) as client:
                client.get("x")
                client.send_stream("x", [b"x"])
                client.get_stream("x").read()

    assert seen == [None] * 3 + ["Bearer t"] * 3


# -- proxies ----------------------------------------------------------------------------------------


def _forward(asked: list[str], hub: list[int], login: str | None = None) -> Any:
    """Return a forward proxy's handler: CONNECT, and plain requests; "hub.invalid" is the hub."""
    expected = None if login is None else "Basic " + b64encode(login.encode()).decode()

    def handle(conn: Conn) -> None:
        request = conn.read_request()
        if request is None:
            return
        asked.append(f"{request.method} {request.target}")
        headers = {k: v for k, v in request.headers.items() if k != "proxy-authorization"}
        if expected is not None and request.headers.get("proxy-authorization") != expected:
            conn.send(
                b"HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n"
            )
            return
        passed_on(conn, request, ("127.0.0.1", hub[0]), headers.items())

    return handle


TINYPROXY = shutil.which("tinyproxy")


@contextlib.contextmanager
def _tinyproxy(folder: Path, *further: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    config = folder / "tinyproxy.conf"
    lines = [f"Port {port}", "Listen 127.0.0.1", "Timeout 60", "MaxClients 50", *further]
    config.write_text("\n".join(lines) + "\n")
    with subprocess.Popen(
        [TINYPROXY or "", "-d", "-c", str(config)], stdout=subprocess.DEVNULL
    ) as process:
        try:
            eventually(lambda: listens(port))
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.fixture(scope="module", params=["plain", "tls"])
def local_hub(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[LocalHub]:
    """A hub that runs programs."""
    context = certificates.server_context() if request.param == "tls" else None
    with open_hub(ssl_context=context) as hub:
        yield hub
        hub.check()


@pytest.fixture(params=["own", "socks5h", "socks4", *(["tinyproxy"] if TINYPROXY else [])])
def proxy(request: pytest.FixtureRequest, local_hub: LocalHub, tmp_path: Path) -> Iterator[str]:
    """A proxy: our own, one of SOCKS, and tinyproxy where it is installed (`make test` does, as root on Debian)."""
    if request.param == "tinyproxy":
        with _tinyproxy(tmp_path) as running:
            yield running
    elif "socks" in request.param:
        port = urlsplit(local_hub.url).port or 0
        with RawServer(lambda conn: socks_to(conn, port, [])) as server:
            yield f"{request.param}://127.0.0.1:{server.port}"
    else:
        with RawServer(_forward([], [urlsplit(local_hub.url).port or 0])) as server:
            yield f"http://127.0.0.1:{server.port}"


def test_everything_through_a_proxy(proxy: str, local_hub: LocalHub, certificates: Certificates):
    """Calls, live streams, uploads from generators, early refusals and `inout` go through a forward proxy."""
    proxies = dict.fromkeys(("http", "https"), proxy)
    with HostClient(local_hub.url, proxies=proxies, verify=certificates.ca_path) as host:
        instance = host.send_sequence(package(ECHO)).start()
        instance.wait_for("running", timeout=LIMIT)
        assert instance.send_event("e", "m").sent
        with instance.get_stream("output") as stream:
            assert instance.send_input(b"%d\n" % n for n in range(1000)).bytes_written == 3890
            assert [stream.readline() for _ in range(1000)][-1] == b"999\n"
            with instance.open_input() as writer:
                for number in range(3):
                    writer.write(b"live %d\n" % number)
                    assert stream.readline() == b"live %d\n" % number
        with host.get_log_stream() as log:
            assert next(log.records())
        with pytest.raises(NotFoundError):
            host.get_instance_client("nope").send_input(iter([b"x" * 1000] * 100))
        assert instance.wait(LIMIT).status == "stopped"


def test_proxy_variables(monkeypatch: pytest.MonkeyPatch, certificates: Certificates, scheme: str):
    """Variables name the proxy of hubs elsewhere, `no_proxy` takes one out, and `proxies=` goes before all."""
    asked: list[str] = []
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    context = None
    if scheme == "tls":
        ca = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("hub.invalid").configure_cert(context)
        bundle = Path(certificates.ca_path).with_name("proxied.pem")
        ca.cert_pem.write_to_path(str(bundle))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    protocol = "https" if scheme == "tls" else "http"
    with H1Hub(ssl_context=context) as hub, RawServer(_forward(asked, [hub.port])) as server:
        url, address = f"{protocol}://hub.invalid/api/v1", f"http://127.0.0.1:{server.port}"
        for name in (f"{protocol}_proxy", "ALL_PROXY"):
            with monkeypatch.context() as patch, HostClient(url, retries=0) as host:
                patch.setenv(name, address)
                assert host.get_version().version == "1.0.1"
                patch.setenv("no_proxy", "hub.invalid")
                with pytest.raises(HubConnectionError):
                    host.client.get("x")
        with HostClient(url, proxies={protocol: address}) as host:
            monkeypatch.setenv(f"{protocol}_proxy", "http://127.0.0.1:1")
            assert host.get_version().version == "1.0.1"

    assert len(asked) == 3
    assert all("hub.invalid" in each for each in asked)
    assert {each.split()[0] for each in asked} == {"CONNECT" if scheme == "tls" else "GET"}


def test_login_of_a_proxy(scheme: str, certificates: Certificates):
    """A proxy gets the login of its URL, the hub does not; a wrong one is an error without the password."""
    seen: list[str] = []
    context = certificates.server_context() if scheme == "tls" else None
    with H1Hub(ssl_context=context) as hub:
        with RawServer(_forward(seen, [hub.port], login="eve:hunter2")) as server:
            for login, good in (("eve:hunter2", True), ("eve:hunter2-wrong", False)):
                address = f"http://{login}@127.0.0.1:{server.port}"
                proxies = dict.fromkeys(("http", "https"), address)
                with HttpClient(
                    hub.url, proxies=proxies, verify=certificates.ca_path, retries=0
                ) as client:
                    if good:
                        assert client.get("version")["version"] == "1.0.1"
                        continue
                    with pytest.raises(
                        (HubResponseError, HubConnectionError), match="407"
                    ) as caught:
                        client.get("version")
                    assert "hunter2" not in str(caught.value)
        assert not any("proxy-authorization" in each.headers for each in hub.requests)


@pytest.mark.parametrize("version", ["socks5h", "SOCKS5h", "socks5", "socks4a"])
def test_socks_proxies(version: str, monkeypatch: pytest.MonkeyPatch, certificates: Certificates):
    """A SOCKS proxy of a variable or an argument gets the name of the hub, where its scheme says so, and the login."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    asked: list[str] = []
    by_name = "5h" in version or "4a" in version
    login = None if "4" in version else (b"eve", b"hunter2")
    context = certificates.server_context()
    with H1Hub(ssl_context=context) as tls, H1Hub() as plain:
        for scheme, hub in (("https", tls), ("http", plain)):
            base = f"{scheme}://{'localhost' if by_name else '127.0.0.1'}:{hub.port}/api/v1"
            with RawServer(lambda conn, hub=hub: socks_to(conn, hub.port, asked, login)) as server:
                address = f"{version}://eve:hunter2@127.0.0.1:{server.port}"
                with HttpClient(
                    base, proxies={"all": address}, verify=certificates.ca_path
                ) as client:
                    assert client.get("version")["version"] == "1.0.1"
                    assert client.get("version")["version"] == "1.0.1"
                    with client.get_stream("version") as stream:
                        assert b"1.0.1" in stream.read()
                if scheme == "http":
                    monkeypatch.setenv("ALL_PROXY", address)
                    with HttpClient("http://hub.invalid/api/v1") as client:
                        if by_name:
                            assert client.get("version")["version"] == "1.0.1"

    host = "localhost" if by_name else "127.0.0.1"
    assert {each.split()[0] for each in asked} == {version[5]}
    assert {each.split()[1] for each in asked} == {host, *(["hub.invalid"] if by_name else [])}


@pytest.mark.parametrize("upload", [False, True])
def test_socks_proxy_that_does_not_connect(upload: bool, closed_port: int):
    """A SOCKS proxy that is down, and one that wants another login, are named as the proxy, without the password."""
    with RawServer(lambda conn: socks_to(conn, 0, [], (b"eve", b"other"))) as server:
        for port in (closed_port, server.port):
            proxies = {"http": f"socks5h://eve:hunter2@127.0.0.1:{port}"}
            with HttpClient("http://hub.invalid/api/v1", proxies=proxies, retries=0) as client:
                with pytest.raises(HubConnectionError, match="the proxy does not lead") as caught:
                    client.send_stream("x", [b"x"]) if upload else client.get("x")
                assert "hunter2" not in str(caught.value)


def test_socks_without_pysocks(monkeypatch: pytest.MonkeyPatch):
    """Where PySocks is missing, the error says what to install."""
    monkeypatch.delattr("scramjet_client.http.socks_proxies", raising=False)
    monkeypatch.setitem(sys.modules, "scramjet_client.http.socks_proxies", None)
    with HttpClient("http://hub.invalid/api/v1", proxies={"http": "socks5://x:1"}) as client:
        with pytest.raises(ConfigurationError, match=r"pip install 'requests\[socks\]'"):
            client.get("x")


@pytest.mark.parametrize(
    "proxy",
    [
        "socks6://",
        "ftp://",
        "htp://",
        "http://eve:ż",
        "http://eve:hunter2@",
        "socks5h://eve:hunter2@",
    ],
)
@pytest.mark.parametrize("upload", [False, True])
def test_proxies_that_can_not_be_used(proxy: str, upload: bool):
    """A proxy of an unknown kind, without a host, or with a login that can't be sent, is told in a sentence."""
    url = (
        proxy if proxy.endswith("@") else f"{proxy}{':' * proxy.endswith('//')}hunter2@127.0.0.1:1"
    )
    with HttpClient("http://hub.invalid/api/v1", proxies={"http": url}) as client:
        with pytest.raises(ConfigurationError, match="prox") as caught:
            client.send_stream("x", [b"x"]) if upload else client.get("x")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 403 No\r\n\r\n", b"HTTP/1.1 502 No\r\n\r\n", b"", b"hello"]
)
def test_proxy_that_does_not_connect(answer: bytes, certificates: Certificates):
    """A tunnel that is refused is a connection that did not come about, for every way to send."""

    def handle(conn: Conn) -> None:
        conn.read_request()
        conn.send(answer)

    with RawServer(handle) as server:
        proxies = {"https": f"http://127.0.0.1:{server.port}"}
        with HttpClient("https://hub.invalid/api/v1", proxies=proxies, retries=0) as client:
            for ask in (
                client.get,
                client.get_stream,
                lambda path: client.send_stream(path, [b"x"]),
            ):
                with pytest.raises(ScramjetError) as caught:
                    ask("x")
                assert isinstance(caught.value, HubConnectionError)
