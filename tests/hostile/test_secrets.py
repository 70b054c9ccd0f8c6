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

from scramjet_client import AuthenticationError, HostClient, HttpClient
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
        for each in (host, host.client, host.get_instance_client("i")):
            for way in (pickle.dumps, copy.copy, copy.deepcopy):
                if way is copy.copy and each not in (host, host.client):
                    continue
                with pytest.raises(TypeError, match="can't be pickled"):
                    way(each)


def test_proxy_password_in_errors(closed_port: int):
    """A proxy that is down is named without its password."""
    proxies = {"http": f"http://u:{PROXY}@127.0.0.1:{closed_port}"}
    with HttpClient("http://hub.invalid/api/v1", proxies=proxies, retries=0) as client:
        with pytest.raises(Exception) as caught:  # noqa: PT011
            client.get("x")

    assert SECRET not in _told(caught.value)
