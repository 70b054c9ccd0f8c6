"""curl on LocalHub: HTTP as it is documented, with nothing of any client."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scramjet_client.hub import LocalHub
from tests.foreign.conftest import LIMIT, Hub, Lines, run
from tests.support.waiting import eventually

Package = Callable[[str], Path]

JSON = ("-H", "Content-Type: application/json")
BINARY = ("-H", "Content-Type: application/octet-stream")
TEXT = ("-H", "Content-Type: text/plain")
NDJSON = ("-H", "Content-Type: application/x-ndjson")
CHUNKED = ("-X", "POST", "-T", "-")  # a body of unknown length, from stdin


class Curl:
    """curl, which speaks to one hub."""

    def __init__(self, path: str, hub: Hub) -> None:
        # Neither the user's .curlrc nor a proxy of the environment.
        isolated = ["--disable", "--noproxy", "*"]
        self._command = [path, *isolated, "--silent", "--show-error", "--max-time", str(LIMIT)]
        self._url = hub.url

    def __call__(self, path: str, *options: str, stdin: bytes = b"") -> str:
        """Return the body of an answer."""
        return run([*self._command, *options, f"{self._url}/{path}"], stdin=stdin)

    def json(self, path: str, *options: str) -> Any:
        """Return the JSON value of an answer."""
        return json.loads(self(path, *options))

    def status(self, path: str, *options: str, stdin: bytes = b"") -> int:
        """Return the status of an answer, which has to end."""
        written = self(
            path, "--output", "/dev/null", "--write-out", "%{http_code}", *options, stdin=stdin
        )
        return int(written)

    def follow(self, path: str, *options: str) -> Lines:
        """Read a stream line by line; use the result in a `with` block."""
        return Lines([*self._command, "--no-buffer", *options, f"{self._url}/{path}"], {})

    def start(self, package: Path) -> tuple[str, str]:
        """Send and start a sequence; return the ids of sequence and instance."""
        sequence = self.json("sequence", *BINARY, "--data-binary", f"@{package}")["id"]
        order = '{"appConfig": {}, "args": []}'
        return sequence, self.json(f"sequence/{sequence}/start", *JSON, "--data", order)["id"]


@pytest.fixture
def curl(curl_path: str, hub: Hub) -> Curl:
    """curl for the hub."""
    return Curl(curl_path, hub)


def test_token_as_a_header(curl_path: str):
    """A LocalHub takes its token from any client, as a header."""
    with LocalHub() as local:
        curl = Curl(curl_path, Hub(local.url, modern=True))

        assert curl.status("version") == 401
        assert curl.status("version", "-H", f"Authorization: Bearer {local.token}") == 200


def test_version(curl: Curl, hub: Hub):
    """The version says which generation speaks."""
    version = curl.json("version")

    if hub.modern:
        assert (version["service"], version["apiVersion"]) == ("@scramjet/host", "v1")
        assert "LocalHub" in version["build"]
    else:
        assert version == {"version": "0.18.7"}


def test_headers(curl: Curl):
    """JSON is announced as such, with the headers that the hub's own browser clients need."""
    head = curl("version", "--dump-header", "-", "--output", "/dev/null").lower()

    assert head.startswith("http/1.1 200 ok\r\n")
    assert "content-type: application/json\r\n" in head
    assert "access-control-allow-origin: *\r\n" in head


def test_sequence_and_instance(curl: Curl, package: Package):
    """A package is uploaded and started, both are listed, and a sequence in use is not deleted."""
    sequence, instance = curl.start(package("py-echo"))

    assert sequence in {each["id"] for each in curl.json("sequences")}
    assert instance in {each["id"] for each in curl.json("instances")}
    assert curl.json(f"sequence/{sequence}/instances") == [instance]
    assert curl.json(f"instance/{instance}")["id"] == instance
    assert curl.json(f"instance/{instance}/health")["healthy"] is True
    assert curl.status(f"sequence/{sequence}", "-X", "DELETE", *JSON) == 409


def test_delete(curl: Curl, package: Package):
    """A sequence without instances is deleted, and then it is not there."""
    path = package("py-echo")
    sequence = curl.json("sequence", *BINARY, "--data-binary", f"@{path}")["id"]

    assert curl.json(f"sequence/{sequence}", "-X", "DELETE", *JSON)["id"] == sequence
    assert curl.status(f"sequence/{sequence}") == 404


def test_input_and_output(curl: Curl, package: Package):
    """A whole body and a chunked one go to the input, and the second ends it; the output is read to its end."""
    _, instance = curl.start(package("py-echo"))
    path = f"instance/{instance}/input"

    kept = curl.status(path, *TEXT, "-H", "x-end-stream: false", "--data-binary", "one ą\n")
    ended = curl.status(path, *TEXT, "-H", "x-end-stream: true", *CHUNKED, stdin=b"two\n")

    assert (kept, ended) == (202, 200)
    assert curl(f"instance/{instance}/output") == "one ą\ntwo\n"


def test_stdin_and_stdout(curl: Curl, package: Package):
    """What goes to stdin comes from stdout; a body without the header ends it."""
    _, instance = curl.start(package("py-stdin"))

    with curl.follow(f"instance/{instance}/stdout") as out:
        assert curl.status(f"instance/{instance}/stdin", *CHUNKED, stdin=b"one\ntwo\n") == 200

        assert list(out) == ["one", "two"]


def test_log(curl: Curl, package: Package):
    """The log is JSON lines, the program's own among them, live."""
    _, instance = curl.start(package("py-ticker"))

    with curl.follow(f"instance/{instance}/log") as lines:
        assert any(each["msg"] == "tick 3" for each in map(json.loads, lines))


def test_events(curl: Curl, hub: Hub, package: Package):
    """An event is taken, and the one that answers it is there to be read."""
    _, instance = curl.start(package("py-events"))

    def message(event: Any) -> Any:
        return event if hub.modern else event["message"]

    assert message(curl.json(f"instance/{instance}/event/ready")) == "yes"
    order = '[5001, {"eventName": "ping", "message": "ą"}]'
    accepted = curl.json(f"instance/{instance}/_event", *JSON, "--data", order)

    assert accepted == {"accepted": "OK" if hub.modern else True}
    assert message(curl.json(f"instance/{instance}/event/pong")) == {"echo": "ą"}


def test_topics(curl: Curl, hub: Hub):
    """A topic takes a body and gives it; 1.x alone can be asked to make, list and delete topics."""
    sent = curl.status(
        "topic/curl-data", *NDJSON, "-H", "x-end-stream: false", *CHUNKED, stdin=b'{"a":1}\n'
    )
    with curl.follow("topic/curl-data", *NDJSON) as lines:
        assert next(iter(lines)) == '{"a":1}'
    assert sent == (200 if hub.modern else 202)

    order = '{"id": "curl-made", "content-type": "text/plain"}'
    made = curl.status("topics", *JSON, "--data", order)
    if hub.modern:
        assert made == 200
        assert "curl-made" in {each["topicName"] for each in curl.json("topics")}
        assert curl.status("topics/curl-made", "-X", "DELETE", *JSON) == 200
        assert "curl-made" not in {each["topicName"] for each in curl.json("topics")}
    else:
        assert made == 404


def test_stop(curl: Curl, hub: Hub, package: Package):
    """Stop is ordered in the hub's own way, and says how the instance has ended where it can."""
    _, instance = curl.start(package("py-stop-fast"))
    curl(f"instance/{instance}/health")
    order = {"timeout": 1000, "canCallKeepalive": False}
    body = json.dumps(order if hub.modern else [4001, order])

    answer = curl.json(f"instance/{instance}/_stop", *JSON, "--data", body)

    if hub.modern:
        assert answer["terminated"] == {"exitcode": 138, "reason": "Instance stopped"}
    else:
        assert answer == {"opStatus": "OK"}


def test_kill(curl: Curl, hub: Hub, package: Package):
    """Kill is ordered in the hub's own way, and the instance ends."""
    _, instance = curl.start(package("py-echo"))
    curl(f"instance/{instance}/health")
    body = '{"removeImmediately": true}' if hub.modern else "[4002, {}]"

    answer = curl.json(f"instance/{instance}/_kill", *JSON, "--data", body)

    if hub.modern:
        assert answer["status"] == "killing"
        info = eventually(
            lambda: (seen := curl.json(f"instance/{instance}")).get("terminated") and seen
        )
        assert info["terminated"] == {"exitcode": 137, "reason": "Instance killed"}
    else:
        assert answer == {"opStatus": "Accepted"}
        eventually(lambda: curl.status(f"instance/{instance}") == 404)


@pytest.mark.parametrize(
    ("path", "options", "modern", "old"),
    [
        ("instance/nope", (), 404, 404),
        ("sequence/nope", (), 404, 404),
        ("nope", (), 404, 404),
        ("version", ("-H", "Accept: image/png"), 415, 400),
        ("log", ("-H", "Accept: application/json"), 415, 400),
        ("sequence", (*TEXT, "--data-binary", "x"), 415, 400),
        ("sequence", (*BINARY, "--data-binary", "x"), 422, 422),
        ("sequence/nope", ("-X", "DELETE"), 400, 400),
        ("sequence/nope", ("-X", "DELETE", *JSON), 404, 404),
        ("sequence/nope/start", (*JSON, "--data", "{}"), 404, 404),
    ],
)
def test_refusals(curl: Curl, hub: Hub, path: str, options: tuple[str, ...], modern: int, old: int):
    """What cannot be done is refused by the same status as on the hub of that generation."""
    assert curl.status(path, *options) == (modern if hub.modern else old)


def test_missing_curl_is_named(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest):
    """Without curl the tests fail by a sentence that says what to install."""
    monkeypatch.setenv("PATH", "")

    with pytest.raises(pytest.fail.Exception, match="install curl"):
        request.getfixturevalue("curl_path")
