"""No secret in anything that a program logs, prints, pickles or shows to a stranger."""

from __future__ import annotations

import copy
import io
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scramjet_client import AuthenticationError, HostClient, HttpClient, ScramjetError
from scramjet_client.cli import main
from scramjet_client.hub import LocalHub
from tests.support.waiting import LIMIT
from tests.support.wire import Conn, RawServer

TOKEN = "hunter2-token"
HEADER = "hunter2-header"
PROXY = "hunter2-proxy"
SECRET = "hunter2"


def _answers(status: bytes) -> Callable[[Conn], None]:
    def handle(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            assert TOKEN in request.headers["authorization"]
            if request.headers.get("transfer-encoding") == "chunked":
                return
            conn.read_body(request)
            conn.send(b"HTTP/1.1 %b\r\nContent-Length: 3\r\n\r\n<1>" % status)

    return handle


def _cuts(conn: Conn) -> None:
    conn.read_request()
    conn.reset()


HUBS: dict[str, Callable[[Conn], None]] = {
    "nonsense": _answers(b"200 OK"),
    "refusal": _answers(b"401 Unauthorized"),
    "redirect": _answers(b"302 Found\r\nLocation: http://evil.example/"),
    "failure": _answers(b"503 Away"),
    "cut": _cuts,
}

CALLS: dict[str, Callable[[HostClient], Any]] = {
    "get": HostClient.get_version,
    "post": lambda host: host.get_instance_client("i").send_event("e", "m"),
    "stream": lambda host: list(host.get_instance_client("i").get_log_stream().records()),
    "upload": lambda host: host.get_instance_client("i").send_stdin(iter([b"x"])),
    "submit": lambda host: host.get_instance_client("i").submit_stdin([b"x"]).result(LIMIT),
    "inout": lambda host: host.get_instance_client("i").inout([b"x"], end=False).read(),
    "stop": lambda host: host.get_instance_client("i").stop(100),
    "bad header": lambda host: host.client.get("x", headers={"X-Key": f"{HEADER}\r\nX: y"}),
    "bad header of an upload": lambda host: host.client.send_stream(
        "x", b"", headers={"X-Key": f"{HEADER}\n"}
    ),
}


@pytest.fixture
def everything_logged() -> Iterator[io.StringIO]:
    """All that any logger of this process says, requests and urllib3 included."""
    said = io.StringIO()
    handler = logging.StreamHandler(said)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s %(exc_text)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield said
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def _told(error: BaseException) -> str:
    """Return all that an error tells: its trace with its causes, its attributes, its pickle."""
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    told = [trace, repr(error), repr(vars(error))]
    chain: BaseException | None = error
    while chain is not None:
        told += [repr(chain), repr(getattr(chain, "args", ""))]
        for each in (chain, getattr(chain, "response", None)):
            # Those of requests hold the request, with its headers.
            told.append(repr(getattr(getattr(each, "request", None), "headers", "")))
        chain = chain.__cause__ or chain.__context__
    told.append(pickle.dumps(error).decode("latin-1"))
    return "\n".join(told)


@pytest.mark.parametrize("hub", HUBS)
@pytest.mark.parametrize("call", CALLS)
def test_no_secret_is_told(call: str, hub: str, everything_logged: io.StringIO):
    """Neither token nor header is in errors, traces, pickles, reprs or any log at its loudest."""
    told: list[str] = []

    class Listener:
        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *args: told.append(repr(args))

    with RawServer(HUBS[hub]) as server:
        with HostClient(
            server.url, token=TOKEN, headers={"X-Key": HEADER}, retries=1, timeout=5
        ) as host:
            host.client.add_logger(Listener())  # type: ignore[arg-type]
            with pytest.raises(Exception) as caught:  # noqa: PT011 - what it says is the matter
                CALLS[call](host)
            things = [host, host.client, host.get_instance_client("i"), host.client.timeouts]
            told += [_told(caught.value), *map(repr, things), *map(str, things)]

    told.append(everything_logged.getvalue())
    assert len(everything_logged.getvalue()) > 50 or "header" in call
    for each in told:
        assert SECRET not in each


def test_reports_and_models(everything_logged: io.StringIO, monkeypatch: pytest.MonkeyPatch):
    """`doctor()` of a hub that works and of one that does not, and a config with a key, show none of it."""
    monkeypatch.setenv("https_proxy", f"http://u:{PROXY}@proxy.invalid:3128")
    monkeypatch.setenv("SCRAMJET_TOKEN", TOKEN)
    told: list[str] = []
    with LocalHub(token=TOKEN) as local:
        for url in (local.url, "https://hub.invalid/api/v1"):
            monkeypatch.setenv("SCRAMJET_API_URL", url)
            with HostClient.from_env(headers={"X-Key": HEADER}) as host:
                report = host.doctor(timeout=LIMIT)
                told += [str(report), repr(report), repr(report.as_dict())]
        told += [repr(local), repr(local.requests), str([vars(each) for each in ()])]
        with local.client() as host:
            host.get_instance_client("i").id  # noqa: B018
            config = host.get_config()
            told += [repr(config), str(config)]
        with (
            HostClient(local.url, token="hunter2-wrong") as host,
            pytest.raises(AuthenticationError) as caught,
        ):
            host.get_version()
        told.append(_told(caught.value))

    for each in [*told, everything_logged.getvalue()]:
        assert SECRET not in each


def test_clients_are_not_pickled():
    """A client, which holds the token, can't be sent to another process, nor copied."""
    with HostClient(token=TOKEN, headers={"X-Key": HEADER}) as host:
        for each in (host, host.client, host.get_instance_client("i"), host.client.token):
            for way in (pickle.dumps, copy.copy, copy.deepcopy):
                if way is copy.copy and each == host.get_instance_client("i"):
                    continue
                with pytest.raises(TypeError, match="can't be pickled"):
                    way(each)


PROXIES = [
    "http://u:{}@127.0.0.1:99999", "http://u:{}@127.0.0.1:1", "https://u:{}@127.0.0.1:1", "u:{}@127.0.0.1:1",
    "http://u:{}@127.0.0.1:abc", "http://u:{}@127.0.0.1:1:2", "http://u:{}@[", "http://u:{}@", "http://{}@127.0.0.1:99999",
    "http://u:{}@ho st:1", "http:/u:{}@127.0.0.1:1", "//u:{}@127.0.0.1:1", "http:\\\\u:{}@127.0.0.1:1",
    "http://u:a/{}@127.0.0.1:1", "http://u:{}/b@127.0.0.1:1", "http://u:{}?b@127.0.0.1:1", "http://u:{}#b@127.0.0.1:1",
    "http://u:a@{}@127.0.0.1:99999", "http://u:%zz{}@127.0.0.1:99999", "http://u:\u017c{}@127.0.0.1:1",
    "ftp://u:{}@127.0.0.1:1", "socks5://u:{}@127.0.0.1:1", "socks5://u:{}@127.0.0.1:99999", "socks9://u:{}@127.0.0.1:1",
    "http://u:{}@127.0.0.1:99999?token={}", "http://127.0.0.1:99999/{}@",
]  # fmt: skip


@pytest.mark.parametrize("form", PROXIES)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("given", [True, False])
def test_login_of_a_proxy_in_any_form(
    form: str,
    scheme: str,
    given: bool,
    everything_logged: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
):
    """However wrong the URL of a proxy is, no error, report or log repeats its login."""
    url = form.replace("{}", PROXY)
    proxies = {"http": url, "https": url} if given else None
    if not given:
        monkeypatch.setenv("http_proxy", url)
        monkeypatch.setenv("https_proxy", url)
    told = []
    with HostClient(f"{scheme}://hub.invalid/api/v1", proxies=proxies, retries=0) as host:
        for call in ("get", "stream", "upload", "submit"):
            with pytest.raises(ScramjetError) as caught:
                CALLS[call](host)
            told.append(_told(caught.value))
        told += [str(host.doctor()), repr(host.client)]

    for each in [*told, everything_logged.getvalue()]:
        assert SECRET not in each


ADDRESSES = [
    "http://u:{}@h:8000/api/v1", "http://u:{}@h:99999/api/v1", "http://u:{}@[", "u:{}@h:8000", "ftp://u:{}@h",
    "http://u:{}@h:8000:9/", "//u:{}@h/", "http:\\\\u:{}@h/", "http://u:{}%@h/", "http:/u:{}@h/", "http:u:{}@h",
    "http://h/api/v1?token={}", "http://h/api/v1#{}", "h:8000?token={}", "h#{}", "http://u:{}@h\n/", "http:\\\\h?{}",
    "ftp://h/?token={}", "http://u:a/{}@h/", "http://u:a?{}@h/", "http://u:a#{}@h/", "http:///api?{}", " http://h?{}",
]  # fmt: skip


@pytest.mark.parametrize("form", ADDRESSES)
def test_secrets_in_addresses(
    form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """An address that is refused is not repeated if it may hold a login or a token."""
    url = form.replace("{}", SECRET)
    told = []
    for make in (HostClient, HttpClient, lambda url: HostClient.from_env(api_base=url)):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - what it says is the matter
            make(url)
        told.append(_told(caught.value))
    monkeypatch.setenv("SCRAMJET_API_URL", url)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - what it says is the matter
        HostClient.from_env()
    told.append(_told(caught.value))
    assert main(["--url", url, "hub", "version"]) != 0

    for each in [*told, *capsys.readouterr()]:
        assert SECRET not in each


def test_proxy_password_in_errors(closed_port: int):
    """A proxy that is down is named without its password."""
    proxies = {"http": f"http://u:{PROXY}@127.0.0.1:{closed_port}"}
    with HttpClient("http://hub.invalid/api/v1", proxies=proxies, retries=0) as client:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - what it says is the matter
            client.get("x")

    assert SECRET not in _told(caught.value)
