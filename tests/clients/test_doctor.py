"""`doctor()`: what was resolved and why, for hubs that run, that don't, and that are none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import pytest
import requests
import urllib3

import scramjet_client
from scramjet_client import AuthenticationError, HostClient, HubConnectionError
from scramjet_client._common import kept_tokens
from scramjet_client._common.kept_tokens import keep_token
from scramjet_client.hub import LocalHub
from tests.support.certs import Certificates
from tests.support.waiting import LIMIT
from tests.support.wire import Conn, RawServer

TOKEN = "a-very-secret-token"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment that says nothing."""
    for name in list(os.environ):
        if name.startswith(("SCRAMJET_", "SI_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def answering(value: object, *, ahead: float = 0.0) -> Callable[[Conn], None]:
    """Return a handler that gives an answer, dated `ahead` seconds from now."""

    def handle(conn: Conn) -> None:
        while conn.read_request() is not None:
            body = json.dumps(value).encode()
            date = formatdate(time() + ahead, usegmt=True)
            head = f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: {len(body)}\r\n\r\n"
            conn.send(head.encode() + body)

    return handle


NEW = answering({"service": "@scramjet/host", "apiVersion": "v1", "version": "1.0.1"})


def test_report_of_a_hub(monkeypatch: pytest.MonkeyPatch):
    """Address, token, CAs, proxy, versions and the hub, each with where it came from."""
    with RawServer(NEW) as server:
        monkeypatch.setenv("SCRAMJET_API_URL", server.url)
        monkeypatch.setenv("SCRAMJET_TOKEN", TOKEN)
        with HostClient.from_env() as host:
            report = host.doctor()

    assert (report.url, report.url_source) == (server.url, "SCRAMJET_API_URL")
    assert report.token_source == "from SCRAMJET_TOKEN"
    assert report.proxy == "none (the hub is on this machine)"
    assert report.ca == "not used (the hub is spoken to without TLS)"
    assert report.client_certificate == "none"
    assert report.hub == {"version": "1.0.1", "generation": "1.x", "service": "@scramjet/host"}
    assert report.versions["scramjet_client"] == scramjet_client.__version__
    assert report.versions["requests"] == requests.__version__
    assert report.versions["urllib3"] == urllib3.__version__  # type: ignore[attr-defined]
    assert report.versions["openssl"].startswith("OpenSSL ")
    assert report.reachable
    assert report.seconds > 0
    assert (report.ignored, report.problems) == ((), ())


@pytest.mark.parametrize(
    ("version", "carries"),
    [
        ({"version": "1.0.1", "service": "@scramjet/host"}, "stdin and inout carry only UTF-8"),
        ({"version": "0.18.7"}, "all streams carry only UTF-8"),
    ],
    ids=["1.x", "0.x"],
)
def test_what_a_hub_changes_is_noted(version: dict[str, str], carries: str):
    """The report says what this generation of hubs does to what it carries."""

    def answer(conn: Conn) -> None:
        conn.read_request()
        conn.send_json("200 OK", version)

    with RawServer(answer) as server, HostClient(server.url) as host:
        report = host.doctor()

    assert report.notes[-1] == carries
    assert "Node.js" in report.notes[0]
    assert f"note:               {carries}" in str(report)


def test_report_is_printed_and_kept_without_the_token():
    """The printed lines and the dictionary tell the same, and neither holds the token."""
    with RawServer(NEW) as server, HostClient(server.url, token=TOKEN) as host:
        report = host.doctor()

    parts = report.as_dict()
    assert json.loads(json.dumps(parts)) == parts
    assert parts["url_source"] == "argument api_base"
    for shown in (str(report), repr(report), json.dumps(parts)):
        assert server.url in shown
        assert "1.0.1" in shown
        assert "argument token" in shown
        assert TOKEN not in shown


def test_hub_that_is_down(closed_port: int):
    """A hub that can't be reached makes a report that says why, and no error."""
    with HostClient(f"http://127.0.0.1:{closed_port}/api/v1", retries=0) as host:
        report = host.doctor()

    assert (report.reachable, report.hub, report.clock_skew) == (False, None, None)
    (problem,) = report.problems
    assert problem.startswith("CANNOT_CONNECT: ")
    assert "refused" in problem
    assert "NO" in str(report)


def test_hub_that_does_not_answer():
    """A hub that is silent is waited for as long as was asked."""

    def silent(conn: Conn) -> None:
        conn.read_request()
        conn.wait_closed(LIMIT)

    with RawServer(silent) as server, HostClient(server.url) as host:
        report = host.doctor(timeout=0.2)

    assert not report.reachable
    assert report.problems[0].startswith("REQUEST_TIMEOUT: ")
    assert report.seconds >= 0.2


@pytest.mark.parametrize("value", [{}, [], {"version": 3}, "hello"])
def test_what_is_no_hub(value: object):
    """An answer that is not a hub's is said to be none."""
    with RawServer(answering(value)) as server, HostClient(server.url) as host:
        report = host.doctor()

    assert not report.reachable
    assert "what answers is not a hub" in report.problems[0]


def test_old_hub():
    """The generation of a hub is told."""
    with RawServer(answering({"version": "0.18.7"})) as server, HostClient(server.url) as host:
        assert host.doctor().hub == {"version": "0.18.7", "generation": "0.x"}


@pytest.mark.parametrize(("ahead", "words"), [(3600.0, "ahead of"), (-3600.0, "behind")])
def test_clocks_that_differ(ahead: float, words: str):
    """A clock that is an hour off is a problem, with its side."""
    handler = answering({"version": "1.0.1", "apiVersion": "v1"}, ahead=ahead)
    with RawServer(handler) as server, HostClient(server.url) as host:
        report = host.doctor()

    assert report.reachable
    assert report.clock_skew == pytest.approx(ahead, abs=30)
    assert words in report.problems[0]


def test_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch, closed_port: int):
    """A proxy is named without its password, and a hub behind one that is down is not reached."""
    monkeypatch.setenv("http_proxy", f"http://user:secret-word@127.0.0.1:{closed_port}")
    with HostClient("http://hub.invalid/api/v1", retries=0) as host:
        report = host.doctor()
    monkeypatch.setenv("no_proxy", "hub.invalid")
    with HostClient("http://hub.invalid/api/v1", retries=0) as host:
        past_it = host.doctor().proxy

    assert report.proxy == f"http://127.0.0.1:{closed_port} (from the environment)"
    assert not report.reachable
    assert "secret-word" not in str(report)
    assert past_it == "none (the environment names none for it)"


def test_proxy_that_was_given(closed_port: int):
    """A proxy of the client's own is told as such."""
    proxies = {"http": f"http://user:secret-word@127.0.0.1:{closed_port}"}
    with HostClient("http://hub.invalid/api/v1", proxies=proxies, retries=0) as host:
        assert host.doctor().proxy == f"http://127.0.0.1:{closed_port} (argument proxies)"
    with RawServer(NEW) as server, HostClient(server.url, proxies={}) as host:
        assert host.doctor().proxy == "none (argument proxies has none for it)"


def test_what_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """What stands in the environment without effect is listed: logins, proxies, variables."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login eve password secret-word\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://user:secret-word@proxy:1")
    monkeypatch.setenv("SCRAMJET_TOKEN", TOKEN)
    with RawServer(NEW) as server, HostClient(server.url) as host:
        report = host.doctor()

    assert report.token_source == "none"
    assert [each.partition(":")[0] for each in report.ignored] == [
        str(netrc),
        "SCRAMJET_TOKEN",
        "HTTP_PROXY",
    ]
    assert "secret" not in str(report)


def test_trust(certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The CAs in use are named with where they came from; an untrusted hub is a problem."""
    context = certificates.server_context()
    with RawServer(NEW, ssl_context=context) as server:
        with HostClient(server.url, verify=certificates.ca_path) as host:
            given = host.doctor()
        monkeypatch.setenv("SCRAMJET_CA_BUNDLE", str(certificates.ca_path))
        with HostClient.from_env(api_base=server.url) as host:
            from_env = host.doctor()
        monkeypatch.delenv("SCRAMJET_CA_BUNDLE")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.ca_path))
        with HostClient(server.url) as host:
            from_requests = host.doctor()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nope.pem"))
        with HostClient(server.url, retries=0) as host:
            missing = host.doctor()
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        with HostClient(server.url, retries=0) as host:
            untrusted = host.doctor()

    assert given.ca == f"{certificates.ca_path} (from argument verify)"
    assert from_env.ca == f"{certificates.ca_path} (from SCRAMJET_CA_BUNDLE)"
    assert from_requests.ca == f"{certificates.ca_path} (from REQUESTS_CA_BUNDLE)"
    assert given.reachable
    assert from_env.reachable
    assert from_requests.reachable
    assert "there is no CA bundle" in missing.problems[0]
    assert untrusted.ca.endswith("(certifi)")
    assert not untrusted.reachable
    assert "certificate" in untrusted.problems[0].lower()


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_no_trust_at_all(certificates: Certificates):
    """A client that takes any certificate is told that it does."""
    with RawServer(NEW, ssl_context=certificates.server_context()) as server:
        with HostClient(server.url, verify=False, cert="/nowhere/cert.pem") as host:
            missing = host.doctor()
        with HostClient(server.url, verify=False) as host:
            report = host.doctor()

    assert report.ca.startswith("NONE")
    assert report.problems == ("certificates are not checked",)
    assert missing.client_certificate == "/nowhere/cert.pem"
    assert not missing.reachable
    assert "/nowhere/cert.pem" in missing.problems[1]


# -- why, and what to do --------------------------------------------------------------------------


def saying(head: str, body: str = "") -> Callable[[Conn], None]:
    """Return a handler that gives one answer to everything."""

    def handle(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            conn.read_body(request)
            length = f"Content-Length: {len(body.encode())}"
            conn.send(f"HTTP/1.1 {head}\r\n{length}\r\n\r\n{body}".encode())

    return handle


def under_api(conn: Conn) -> None:
    """Be a hub at /api/v1 alone."""
    while (request := conn.read_request()) is not None:
        found = request.target == "/api/v1/version"
        body = b'{"version": "1.0.1", "apiVersion": "v1"}' if found else b"Not Found"
        status = b"200 OK" if found else b"404 Not Found"
        conn.send(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)


PAGE = "<!DOCTYPE html>\n<html>\n<h1>nginx</h1>\n</html>\n"

ANSWERS = [
    ("401 Unauthorized", '{"error": "no"}', None, "no-token", "SCRAMJET_TOKEN"),
    ("403 Forbidden", "", None, "no-token", "SCRAMJET_TOKEN"),
    ("401 Unauthorized", "", TOKEN, "refused-token", "argument token"),
    ("403 Forbidden", '{"error": "no"}', TOKEN, "refused-token", "argument token"),
    ("404 Not Found", "", None, "wrong-path", "/api/v1"),
    ("404 Not Found", PAGE, None, "proxy", "web page"),
    ("200 OK", PAGE, None, "proxy", "web page"),
    ("403 Forbidden", PAGE, None, "proxy", "web page"),
    ("302 Found\r\nLocation: http://login.invalid/", "", None, "proxy", "web page"),
    ("407 Proxy Authentication Required", PAGE, None, "proxy", "login"),
    ("502 Bad Gateway", PAGE, None, "proxy", "behind it"),
    ("503 Service Unavailable", PAGE, None, "proxy", "behind it"),
    ("504 Gateway Timeout", "", None, "proxy", "behind it"),
    ("200 OK", "hello", None, "not-a-hub", "another service"),
    ("200 OK", "{}", None, "not-a-hub", "another service"),
    ("400 Bad Request", "The plain HTTP request was sent to HTTPS port", None, "tls", "https://"),
]


@pytest.mark.parametrize(("head", "body", "token", "cause", "words"), ANSWERS)
def test_why_an_answer_is_none(head: str, body: str, token: str | None, cause: str, words: str):
    """What answered, and what to do, is told apart; a page is one line."""
    with (
        RawServer(saying(head, body)) as server,
        HostClient(server.url, token=token, retries=0) as host,
    ):
        report = host.doctor()

    assert (report.reachable, report.cause) == (False, cause)
    assert words in (report.advice or "")
    assert all("\n" not in each for each in report.problems)
    assert f"what to do:         {report.advice} ({cause})" in str(report)


def behind_prefix(conn: Conn) -> None:
    """Be a hub at /hubs/lab/api/v1 that wants a token, behind a server that has nothing else."""
    while (request := conn.read_request()) is not None:
        here = request.target.startswith("/hubs/lab/api/v1/")
        status = b"401 Unauthorized" if here else b"404 Not Found"
        conn.send(b"HTTP/1.1 %b\r\nContent-Length: 2\r\n\r\n{}" % status)


@pytest.mark.parametrize(
    ("hub", "path", "right"),
    [
        *(
            (under_api, path, "/api/v1")
            for path in ("", "/", "/api", "/api/v2", "/v1", "/api/v1/api/v1")
        ),
        *(
            (behind_prefix, f"/hubs/lab{path}", "/hubs/lab/api/v1")
            for path in ("", "/api", "/api/v2", "/v1")
        ),
    ],
)
def test_wrong_path(hub: Callable[[Conn], None], path: str, right: str):
    """A hub elsewhere on the host is found and named, and the token is not sent there, even if it wants one."""
    with RawServer(hub) as server:
        origin = server.url.partition("/api/v1")[0]
        with HostClient(f"{origin}{path}", token=TOKEN) as host:
            report = host.doctor()

    assert (report.cause, report.reachable) == ("wrong-path", False)
    assert f"{origin}{right};" in (report.advice or "")


@pytest.mark.parametrize(
    "path",
    ["", "/api", "/api/v2", "/foo", "/v1", "/api/v1/sequences", "/api/v1/api/v1", "/a/b/c/d"],
)
def test_wrong_path_of_a_hub_that_always_wants_its_token(path: str):
    """A hub that asks for its token on any path does not pass for one at a path where it has none."""
    with LocalHub() as hub:
        url, origin = hub.url, hub.url.partition("/api/v1")[0]
        with HostClient(f"{origin}{path}", token=hub.token) as host:
            report = host.doctor()
        with HostClient(f"{origin}{path}") as host:
            without = host.doctor()
            with pytest.raises(AuthenticationError) as refused:
                host.get_version()
        with HostClient(f"{origin}{path}", token="wrong") as host:
            other = host.doctor()

    assert report.cause == "wrong-path"
    assert report.advice == f"a hub's API answers at {url}; use this URL"
    assert without.cause == "no-token"
    assert "answers at" not in (without.advice or "")
    off = not path.endswith("/api/v1")
    for said in (without.advice, other.advice, refused.value.message):
        assert ("normally below /api/v1" in (said or "")) == off


def test_no_hub(closed_port: int):
    """Where nothing listens, it is said how to start a hub."""
    with HostClient(f"http://127.0.0.1:{closed_port}/api/v1", retries=0) as host:
        report = host.doctor()

    assert report.cause == "no-hub"
    assert "scramjet hub start" in (report.advice or "")


def test_no_such_host():
    """A name that nobody knows is told apart from a host without a hub."""
    with HostClient("http://hub.invalid/api/v1", proxies={}, retries=0) as host:
        assert host.doctor().cause in ("unknown-host", "timeout")


def test_silence():
    """A hub that takes the connection and says nothing is told apart, too."""
    with RawServer(lambda conn: conn.wait_closed(60)) as server, HostClient(server.url) as host:
        assert host.doctor(timeout=timedelta(seconds=0.2)).cause == "timeout"


def test_proxy_that_is_away(closed_port: int):
    """A proxy that can't be reached is not the hub's fault."""
    proxies = {"http": f"http://127.0.0.1:{closed_port}"}
    with HostClient("http://hub.invalid/api/v1", proxies=proxies, retries=0) as host:
        report = host.doctor()

    assert report.cause == "proxy"


def test_tls(certificates: Certificates):
    """TLS where none is, none where it is, an unknown CA, and another name are told apart by what to do."""

    def no_tls(conn: Conn) -> None:
        conn.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        conn.wait_closed(60)

    with (
        RawServer(no_tls) as plain,
        RawServer(NEW, ssl_context=certificates.server_context()) as tls,
    ):
        cases = [
            (plain.url.replace("http:", "https:"), None, "http://"),
            (tls.url.replace("https:", "http:"), None, "https://"),
            (tls.url, None, "CA is not known"),
        ]
        for url, verify, words in cases:
            with HostClient(url, verify=verify, retries=0) as host:
                report = host.doctor()
            assert (report.cause, words in (report.advice or "")) == ("tls", True), report


def test_a_hub_has_no_cause():
    """Where a hub was reached, there is nothing to do."""
    with RawServer(NEW) as server, HostClient(server.url) as host:
        report = host.doctor()

    assert (report.cause, report.advice) == (None, None)
    assert "what to do" not in str(report)


async def waits(context: Any, input: Any) -> Any:
    yield await input.read()


def test_hub_that_has_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A hub that has answered before is gone: no other hub is named, and the instance is."""
    monkeypatch.setattr(kept_tokens, "_bases", lambda: [tmp_path])
    with LocalHub(token="a") as other, keep_token(other.url, "a"):
        elsewhere = other.url
        with LocalHub() as hub:
            host = hub.client()
            instance = host.deploy(waits).start()
        with pytest.raises(HubConnectionError) as caught:
            instance.wait(timeout=30)
        report = host.doctor()

    said = str(caught.value)
    assert "no longer answers: connection refused" in said
    assert f"instance '{instance.id}'" in said
    assert elsewhere not in said
    assert elsewhere not in str(report)
