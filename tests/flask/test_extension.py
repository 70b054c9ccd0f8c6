"""The Flask extension in an application of one process: settings, errors, answers, and forks."""

from __future__ import annotations

import io
import json
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from flask import Flask

from scramjet_client import HostClient
from scramjet_client.errors import (
    BadParametersError,
    ConfigurationError,
    GoneError,
    HubConnectionError,
    HubResponseError,
    HubTimeoutError,
    InstanceEndedError,
    InsufficientResourcesError,
    NotAuthorizedError,
    ScramjetError,
    ServerError,
    StreamClosedError,
    StreamIdleError,
    TopicNotFoundError,
    UnsupportedByHubError,
    UploadError,
)
from scramjet_client.hub import LocalHub
from scramjet_client.integrations._live import has_left
from scramjet_client.integrations.flask import (
    Scramjet,
    ServerSentEvent,
    event_stream_response,
    request_source,
    stream_response,
)
from scramjet_client.models import GetEventResponse
from tests.flask.servers import gunicorn
from tests.flask.upstream import SECRET, Upstream
from tests.support.waiting import eventually


@pytest.fixture
def app(upstream: Upstream) -> Iterator[Flask]:
    """An application of the hub of these tests."""
    made = Flask(__name__)
    made.config.update(SCRAMJET_API_URL=upstream.url, SCRAMJET_TOKEN=SECRET)
    scramjet = Scramjet(made)
    yield made
    with made.app_context():
        scramjet.host.close()


def raising(app: Flask, error: Exception) -> Any:
    """Return the answer of a view that raises."""

    def view() -> str:
        raise error

    app.add_url_rule("/raise", view_func=view)
    return app.test_client().get("/raise")


@pytest.mark.parametrize("make", [stream_response, event_stream_response])
@pytest.mark.parametrize(
    ("of", "words"),
    [
        (lambda host: host.get_instance_client("i"), "not InstanceClient; instance.get_stream("),
        (lambda host: host, "not HostClient; instance.get_stream("),
        (lambda host: 5, "not int"),
        (lambda host: b"bytes", "not bytes"),
    ],
)
def test_wrong_streams_are_refused(app: Flask, make: Any, of: Any, words: str) -> None:
    """What is no stream is refused by the argument's name, with what gives one."""
    with app.test_request_context(), pytest.raises(TypeError) as caught:
        make(of(Scramjet().host))

    assert str(caught.value).startswith("stream must be an OutputStream or an iterable")
    assert words in str(caught.value)


def test_a_stream_that_its_with_block_has_closed_is_told_of(app: Flask):
    """A page that returns from within a with block fails as a whole, and says what to write."""

    @app.get("/early")
    def early() -> Any:
        with io.BytesIO(b"data") as stream:
            return stream_response(stream)

    with pytest.raises(StreamClosedError, match="return it without one: the answer closes"):
        app.test_client().get("/early").get_data()


def test_guessed_names_are_refused_with_the_right_one(app: Flask) -> None:
    """The extension and its functions advise as clients do."""
    with pytest.raises(AttributeError, match="Scramjet has no 'client'; use host"):
        _ = Scramjet().client  # type: ignore[attr-defined]  # a wrong guess
    with pytest.raises(
        TypeError, match=r"stream_response\(\) has no argument 'mime'; it is called 'mimetype'"
    ):
        stream_response([], mime="text/plain")
    with pytest.raises(
        TypeError, match=r"takes 1 positional argument \(stream\) but 2 were given; name the others"
    ):
        stream_response([], "text/plain")


def test_settings_come_from_the_config(app: Flask) -> None:
    """The client has the address and the token of the application's config."""
    with app.app_context():
        host = Scramjet().host

        assert host.api_base == app.config["SCRAMJET_API_URL"]
        assert host.client.token.is_set


def test_environment_fills_what_the_config_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application without settings goes where the environment says."""
    monkeypatch.setenv("SCRAMJET_API_URL", "http://hub.example:8000/api/v1")
    app = Flask(__name__)
    scramjet = Scramjet()
    scramjet.init_app(app)

    with app.app_context():
        assert scramjet.host.api_base == "http://hub.example:8000/api/v1"


def test_each_application_has_its_own_client() -> None:
    """One extension serves the applications of a factory, each with its own hub."""
    scramjet = Scramjet()
    apps = [Flask(name) for name in ("one", "two")]
    bases = []
    for app in apps:
        app.config["SCRAMJET_API_URL"] = f"http://{app.name}.example/api/v1"
        scramjet.init_app(app)
    for app in apps:
        with app.app_context():
            bases.append(scramjet.host.api_base)

    assert bases == ["http://one.example/api/v1", "http://two.example/api/v1"]


def test_threads_share_one_client(app: Flask) -> None:
    """However many threads ask first, they get the same client."""
    found: list[HostClient] = []
    barrier = threading.Barrier(8)

    def ask() -> None:
        with app.app_context():
            barrier.wait(60)
            found.append(Scramjet().host)

    threads = [threading.Thread(target=ask, name=f"test-{number}") for number in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert len(found) == 8
    assert len({id(each) for each in found}) == 1


def test_forgotten_setup_is_named() -> None:
    """An application without `init_app` is told so."""
    with Flask("forgetful").app_context(), pytest.raises(RuntimeError, match=r"init_app\(app\)"):
        _ = Scramjet().host


def test_fork_has_a_client_of_its_own() -> None:
    """A client that was used before a fork is not used after it, on either side by mistake."""
    code = """
import os, sys
from flask import Flask
from scramjet_client.integrations.flask import Scramjet
app = Flask("forking")
app.config["SCRAMJET_API_URL"] = "http://hub.example/api/v1"
scramjet = Scramjet(app)
with app.app_context():
    before = scramjet.host
    child = os.fork()
    if child == 0:
        os._exit(0 if scramjet.host is not before and scramjet.host is scramjet.host else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert scramjet.host is before
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_preloaded_workers_do_not_share_the_client(upstream: Upstream) -> None:
    """Gunicorn's `--preload` uses a client before it forks; each worker then has one of its own."""
    answers: dict[int, Any] = {}
    with gunicorn(
        "tests.flask.app:create_app()", "--preload", "--workers", "2",
        SCRAMJET_API_URL=upstream.url, TEST_CLIENT_BEFORE_FORK="1",
    ) as served:  # fmt: skip

        def ask() -> bool:
            answer = requests.get(f"{served.url}/client", timeout=60).json()
            answers[answer["process"]] = answer
            return len(answers) == 2

        eventually(ask)

    assert all(each["version"] == "1.0.1" for each in answers.values())
    assert [each["shared"] for each in answers.values()] == [False, False]
    assert all(each["before"] not in (None, process) for process, each in answers.items())


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadParametersError("bad", status=400), 400),
        (TopicNotFoundError("none", status=404), 404),
        (GoneError("gone", status=410), 410),
        (InstanceEndedError("ended"), 410),
        (HubResponseError("busy", status=409), 409),
        (HubResponseError("odd", status=418), 502),
        # The token is the application's, and the browser can't do anything about it.
        (NotAuthorizedError("no", status=403), 502),
        (ServerError("failed", status=500), 502),
        (HubConnectionError("down"), 502),
        (UploadError("cut"), 502),
        (HubTimeoutError("late"), 504),
        (StreamIdleError("silent"), 504),
        (InsufficientResourcesError("full", status=419), 503),
        (UnsupportedByHubError("old"), 501),
        (ConfigurationError("wrong"), 500),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_errors_are_answers(app: Flask, error: ScramjetError, status: int) -> None:
    """Each error of the client is an HTTP answer that says its code and message as JSON."""
    answer = raising(app, error)

    assert answer.status_code == status
    assert answer.get_json() == {"code": error.code, "message": error.message}


def test_unreachable_hub_is_a_bad_gateway(closed_port: int) -> None:
    """A hub that is down is a 502, and the answer does not say where it was expected."""
    app = Flask(__name__)
    app.config.update(SCRAMJET_API_URL=f"http://127.0.0.1:{closed_port}/api/v1", SCRAMJET_RETRIES=0)
    scramjet = Scramjet(app)
    app.add_url_rule("/version", view_func=lambda: scramjet.host.get_version().version)
    answer = app.test_client().get("/version")

    assert (answer.status_code, answer.get_json()["code"]) == (502, "CANNOT_CONNECT")
    assert str(closed_port) not in answer.text


def test_retry_after_is_passed_on(app: Flask) -> None:
    """What a busy hub says of when to come back reaches the browser."""
    error = HubResponseError("slow down", status=429)
    error.retry_after = 7.0
    answer = raising(app, error)

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


def test_errors_can_be_left_to_the_application() -> None:
    """With SCRAMJET_HANDLE_ERRORS=False no handler is registered."""
    app = Flask(__name__)
    app.config["SCRAMJET_HANDLE_ERRORS"] = False
    Scramjet(app)
    app.testing = True

    with pytest.raises(GoneError):
        raising(app, GoneError("gone", status=410))


def test_source_that_is_too_large_is_a_413(app: Flask) -> None:
    """What Flask itself refuses in a body keeps its status, though it comes out of an upload."""
    from werkzeug.exceptions import RequestEntityTooLarge  # noqa: PLC0415

    error = UploadError("failed")
    error.__cause__ = RequestEntityTooLarge()

    assert raising(app, error).status_code == 413


def events_of(stream: Any, **options: Any) -> str:
    """Return the answer to a request for a stream of events."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: event_stream_response(stream, **options))
    return app.test_client().get("/").text


def test_values_become_events() -> None:
    """Bytes and text are data, an instance's event has its name, anything else is JSON."""
    happened = GetEventResponse(event_name="progress", data={"lines": 2}, timestamp="")
    chosen = ServerSentEvent(data="two\r\nlines\n", event="own", id="a", retry=5)

    assert events_of([b"caf\xc3\xa9\n", "text", happened, {"a": [1]}, chosen], end=None) == (
        ": connected\n\n"
        "data: café\n\ndata: text\n\nevent: progress\ndata: {\"lines\":2}\n\ndata: {\"a\":[1]}\n\n"
        "event: own\nid: a\nretry: 5\ndata: two\ndata: lines\ndata: \n\n"
    )  # fmt: skip


@pytest.mark.parametrize("item", [b"a\r\r\n", "a\r\r\n"], ids=["bytes", "text"])
def test_an_event_loses_only_the_end_of_its_line(item: bytes | str) -> None:
    """Of several carriage returns, one belongs to the end of the line, and the others to the data."""
    assert events_of([item], end=None) == ": connected\n\ndata: a\ndata: \n\n"


def test_name_of_an_event_can_not_break_out() -> None:
    """A name or id with a line end, which would be a field of its own, is refused."""
    with pytest.raises(ValueError, match="event must be one line"):
        ServerSentEvent(event="a\ndata: b")
    with pytest.raises(ValueError, match="id must be one line"):
        ServerSentEvent(id="1\n\n")


def test_counting_goes_on_after_the_last_event() -> None:
    """A browser that comes back gets numbers that follow on the last it has seen."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: event_stream_response(["x"], ids=True, end=None))
    answer = app.test_client().get("/", headers={"Last-Event-ID": "41"})

    assert answer.text == ": connected\n\nid: 42\ndata: x\n\n"


def test_defect_of_a_source_is_not_hidden() -> None:
    """An exception of the application's own generator cuts the answer, and its words go to nobody."""

    def broken() -> Iterator[str]:
        yield "one"
        raise KeyError("secret")

    with pytest.raises(KeyError):
        events_of(broken())


def test_answer_that_is_not_read_closes_its_stream(app: Flask) -> None:
    """A HEAD request opens no thread, and the source is closed all the same."""
    closed = []

    class Source:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"data"])

        def close(self) -> None:
            closed.append(True)

    app.add_url_rule("/", view_func=lambda: stream_response(Source()))
    app.test_client().head("/").close()

    assert closed == [True]


def test_generator_is_closed_where_it_runs() -> None:
    """A generator's `finally` runs when the answer is given up in the middle."""
    ended = threading.Event()

    def endless() -> Iterator[str]:
        try:
            while True:
                yield "more"
        finally:
            ended.set()

    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: stream_response(endless(), mimetype="text/plain"))
    answer = app.test_client().get("/", buffered=False)
    pieces = iter(answer.response)
    assert [next(pieces) for _ in range(3)] == [b"", b"more", b"more"]
    answer.close()

    assert ended.wait(60)


def test_body_without_an_end_is_refused(app: Flask) -> None:
    """A chunked body on a server that does not say where it ends is a 411, not an empty upload."""
    app.add_url_rule("/", view_func=lambda: list(request_source()), methods=["POST"])
    answer = app.test_client().post("/", headers={"Transfer-Encoding": "chunked"})

    assert answer.status_code == 411


def test_missing_flask_is_a_sentence() -> None:
    """Without Flask the import says what to install."""
    code = "import sys; sys.modules['flask'] = None; import scramjet_client.integrations.flask"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )

    assert "ImportError: scramjet_client.integrations.flask needs Flask" in done.stderr
    assert "pip install 'scramjet_client[flask]'" in done.stderr


def test_told_errors_hide_the_token(app: Flask) -> None:
    """What a hub repeats of the token does not reach the browser, in an answer or in an event."""
    with app.app_context():
        assert Scramjet().host.get_version().version == "1.0.1"
    error = ServerError(f"no such token: {SECRET}", status=500)

    def events() -> Iterator[str]:
        yield "one"
        raise error

    app.add_url_rule("/events", view_func=lambda: event_stream_response(events()))
    answer = raising(app, error)
    text = app.test_client().get("/events").text

    assert json.loads(text.split("data: ")[-1]) == {
        "code": "SERVER_ERROR", "message": "no such token: ***",
    }  # fmt: skip
    assert SECRET not in text + answer.text


def test_leaving_is_seen_without_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows a closed connection is seen where nothing is left unread."""
    monkeypatch.delattr(select, "poll", raising=False)
    server, browser = socket.socketpair()
    with server, browser:
        left = has_left({"gunicorn.socket": server})
        assert left() is False
        browser.sendall(b"GET")
        assert left() is False
        assert server.recv(3) == b"GET"
        browser.close()
        assert left() is True


@pytest.mark.skipif(not hasattr(select, "poll"), reason="select does not see what lies behind data")
def test_leaving_is_seen_on_the_socket() -> None:
    """A browser that is there, even with something unread, has not left; one that has closed has, unread or not."""
    found = []
    for unread in (b"", b"GET / HTTP/1.1"):
        server, browser = socket.socketpair()
        with server, browser:
            left = has_left({"gunicorn.socket": server})
            browser.sendall(unread)
            found.append(left())
            browser.close()
            found.append(left())
            # A TLS socket can't be peeked into; poll has to say it.
            sealed = has_left({"gunicorn.socket": Sealed(server)})
            found.append(sealed())
        found.append(left())

    assert found == [False, True, True, True] * 2
    assert has_left({})() is False


class Sealed:
    """What of a TLS socket may be used to look at it."""

    def __init__(self, sock: socket.socket) -> None:
        self.fileno = sock.fileno

    def pending(self) -> int:
        raise AssertionError("nothing is read")


async def broken(context, input):
    yield "one\n"
    raise ValueError("it broke")


async def patient(context, input):
    yield "one\n"
    async for _ in input:
        pass


@pytest.mark.parametrize("how", ["crashed", "killed"])
def test_end_event_says_how_a_program_ended_if_it_is_asked(how: str) -> None:
    """With `check=True`, what a program that crashed or was killed gives does not end like a good end."""
    app = Flask(__name__)
    with LocalHub() as hub, hub.client() as host:
        id = hub.add_sequence(how, broken if how == "crashed" else patient)
        instance = host.get_sequence_client(id).start()

        @app.route("/")
        def output() -> Any:
            return event_stream_response(instance.get_stream("output", check=True))

        response = app.test_client().get("/", buffered=False)
        came = b""
        for chunk in response.response:
            came += chunk
            if how == "killed" and b"data: one" in came:
                how = "done"
                instance.kill(remove_immediately=True)
        last = came.decode().rstrip("\n").split("\n\n")[-1].split("\n")

    assert last[0] == "event: failed"
    assert json.loads(last[-1][len("data: ") :])["code"] == "INSTANCE_FAILED"
