"""`doctor()`: what was resolved and why, for hubs that run, that don't, and that are none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from time import time

import pytest
import requests
import urllib3

import scramjet_client
from scramjet_client import HostClient
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
        ({"version": "1.0.1", "service": "@scramjet/host"}, "stdin and inout carry UTF-8 alone"),
        ({"version": "0.18.7"}, "all streams carry UTF-8 alone"),
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
