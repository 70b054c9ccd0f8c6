"""Uploads where the answer is a mock's: one table of ways to answer, one of ways to send."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import requests
import requests_mock
import responses
import responses.matchers
from requests.adapters import BaseAdapter

from scramjet_client import (
    HostClient,
    InstanceNotFoundError,
    InvalidResponseError,
    UploadError,
)
from scramjet_client.errors import HubTimeoutError
from tests.support.waiting import eventually

BASE = "http://hub.example/api/v1"
VERSION = {"service": "@scramjet/host", "apiVersion": "v1", "version": "1.0.1", "build": "x"}

Recorded = Callable[[], list[tuple[str, Any]]]
"""What has been asked: the end of the path of each request that was no GET, and its body."""


@contextlib.contextmanager
def with_responses(status: int, host: HostClient) -> Iterator[Recorded]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        mocked.get(f"{BASE}/version", json=VERSION)
        for path in ("instance/x/input", "instance/x/stdin", "instance/x/inout", "topic/t"):
            mocked.post(f"{BASE}/{path}", body="said", status=status)
        mocked.post(f"{BASE}/sequence", json={"id": "s"}, status=status)
        yield lambda: [
            (call.request.url, call.request.body)
            for call in mocked.calls
            if call.request.method != "GET"
        ]


@contextlib.contextmanager
def with_requests_mock(status: int, host: HostClient) -> Iterator[Recorded]:
    with requests_mock.Mocker() as mocked:
        mocked.get(f"{BASE}/version", json=VERSION)
        mocked.post(requests_mock.ANY, text="said", status_code=status)
        mocked.post(f"{BASE}/sequence", json={"id": "s"}, status_code=status)
        yield lambda: [
            (request.url, request.body)
            for request in mocked.request_history
            if request.method != "GET"
        ]


def answer(request: requests.PreparedRequest, status: int) -> requests.Response:
    response = requests.Response()
    response.status_code = 200 if request.method == "GET" else status
    response.url, response.request = request.url or "", request
    said = {"GET": json.dumps(VERSION)}.get(request.method or "", "said")
    if (request.url or "").endswith("/sequence"):
        said = '{"id": "s"}'
    response.raw = io.BytesIO(said.encode())
    return response


@contextlib.contextmanager
def with_a_patch(status: int, host: HostClient) -> Iterator[Recorded]:
    asked: list[requests.PreparedRequest] = []

    def send(self: Any, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        asked.append(request)
        return answer(request, status)

    with mock.patch("requests.adapters.HTTPAdapter.send", send):
        yield lambda: [(each.url, each.body) for each in asked if each.method != "GET"]


class OwnAdapter(BaseAdapter):
    """Takes the body itself, as one that goes by another way than a connection does."""

    def __init__(self, status: int, take: Callable[[Any], bytes]) -> None:
        super().__init__()
        self.status = status
        self.take = take
        self.asked: list[tuple[Any, Any]] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:  # type: ignore[override]
        if request.method != "GET":
            body: Any = request.body
            taken = body if isinstance(body, bytes) else self.take(body)
            self.asked.append((request.url, taken))
        return answer(request, self.status)

    def close(self) -> None:
        pass


@contextlib.contextmanager
def with_an_adapter(status: int, host: HostClient) -> Iterator[Recorded]:
    adapter = OwnAdapter(status, b"".join)
    host.client._session.mount("http://", adapter)
    yield lambda: adapter.asked


MOCKS: dict[str, Any] = {
    "responses": with_responses,
    "requests_mock": with_requests_mock,
    "a patched HTTPAdapter.send": with_a_patch,
    "an adapter of one's own": with_an_adapter,
}


def written(host: HostClient) -> None:
    with host.get_instance_client("x").open_input() as file:
        file.write("a")
        file.flush()
        file.write("b")


def conversed(host: HostClient) -> None:
    with host.get_instance_client("x").inout(iter(["a", "b"]), end=False) as stream:
        assert stream.read() == b"said"
        assert stream.upload is not None
        assert stream.upload.result(60).bytes_written == 2


SENDS: dict[str, Callable[[HostClient], object]] = {
    "bytes": lambda host: host.get_instance_client("x").send_input(b"ab"),
    "text": lambda host: host.get_instance_client("x").send_input("ab"),
    "list": lambda host: host.get_instance_client("x").send_input(["a", "b"]),
    "generator": lambda host: host.get_instance_client("x").send_input(iter(["a", "b"])),
    "file": lambda host: host.get_instance_client("x").send_input(io.BytesIO(b"ab")),
    "send_stdin": lambda host: host.get_instance_client("x").send_stdin(iter(["a", "b"])),
    "submit_input": lambda host: (
        host.get_instance_client("x").submit_input(iter(["a", "b"])).result(60)
    ),
    "send_topic": lambda host: host.send_topic("t", iter(["a", "b"])),
    "submit_topic": lambda host: host.submit_topic("t", iter(["a", "b"])).result(60),
    "send_stream": lambda host: host.client.send_stream("topic/t", iter(["a", "b"])),
    "open_input": written,
    "inout": conversed,
}


@pytest.fixture
def host() -> Iterator[HostClient]:
    with HostClient(BASE, retries=0) as host:
        yield host


@pytest.mark.parametrize("way", MOCKS)
@pytest.mark.parametrize("send", SENDS)
def test_a_mock_answers_an_upload_and_has_its_body(host: HostClient, send: str, way: str):
    """The mocked answer is the upload's result, and the recorded request has all that was sent."""
    with MOCKS[way](200, host) as recorded:
        SENDS[send](host)

        assert b"ab" in [body for _, body in recorded()]
        # One request, and one more where an input is ended apart.
        assert len(recorded()) == (2 if send == "open_input" else 1)


@pytest.mark.parametrize("way", MOCKS)
def test_a_mock_refuses_an_upload(host: HostClient, way: str):
    """A mocked refusal is raised as a hub's is."""
    with MOCKS[way](404, host), pytest.raises(InstanceNotFoundError):
        host.get_instance_client("x").send_input(iter(["a", "b"]))


@pytest.mark.parametrize("way", MOCKS)
def test_a_source_that_raises_fails_under_a_mock_too(host: HostClient, way: str):
    """What a generator raises is the cause of the upload's error."""

    def broken() -> Iterator[bytes]:
        yield b"a"
        raise KeyError("x")

    with MOCKS[way](200, host), pytest.raises(UploadError) as caught:
        host.get_instance_client("x").send_input(broken())

    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("way", ["responses", "requests_mock", "a patched HTTPAdapter.send"])
def test_a_limit_holds_under_a_mock(host: HostClient, way: str):
    """A source that never ends is cut at the time limit of its send."""
    closed: list[bool] = []

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b"a"
        finally:
            closed.append(True)

    with MOCKS[way](200, host), pytest.raises(HubTimeoutError):
        host.get_instance_client("x").send_input(endless(), {"timeout": 0.2})
    eventually(lambda: closed)


def test_a_body_in_memory_is_there_when_a_mock_looks(host: HostClient):
    """A matcher sees what is sent from memory, before it answers."""
    seen: list[Any] = []

    def look(request: Any) -> tuple[int, dict[str, str], str]:
        seen.append(request.body)
        return 200, {}, ""

    with responses.RequestsMock() as mocked:
        mocked.get(f"{BASE}/version", json=VERSION)
        mocked.add_callback(responses.POST, f"{BASE}/instance/x/input", look)
        host.get_instance_client("x").send_input("ab")

    assert seen == [b"ab"]


def test_an_answer_that_was_made_by_hand(host: HostClient):
    """A `requests.Response` that knows no request of its own is as good as one that a mock makes."""
    said = requests.Response()
    said.status_code, said.raw = 404, io.BytesIO(b"no such instance")
    with (
        mock.patch("requests.Session.send", return_value=said),
        pytest.raises(InstanceNotFoundError, match=r"GET .*/instance/x answered 404"),
    ):
        host.get_instance_client("x").get_info()

    wrong = requests.Response()
    wrong.status_code, wrong._content = 200, b"said"
    with (
        mock.patch("requests.Session.send", return_value=wrong),
        pytest.raises(
            InvalidResponseError,
            match=r"GET .*/version answered 200 with something that is not JSON",
        ),
    ):
        host.get_version()

    lines = requests.Response()
    lines.status_code, lines._content = 200, b"a\nb\n"
    with (
        mock.patch("requests.Session.send", return_value=lines),
        host.get_instance_client("x").get_stream("output") as output,
    ):
        assert list(output.lines()) == [b"a", b"b"]


MATCHED: dict[str, tuple[Any, dict[str, Any]]] = {
    "text": ('{"a": 1}', {}),
    "json": ({"a": 1}, {"json": True}),
    "list": (['{"a"', ": 1}"], {}),
    "json of a list": ([{"a": 1}], {"json": True}),
}


@pytest.mark.parametrize("kind", MATCHED)
def test_a_matcher_sees_what_is_in_memory(host: HostClient, kind: str):
    """Mocks that choose their answer by the body have it, also on the first input of an instance."""
    source, options = MATCHED[kind]
    with responses.RequestsMock() as mocked:
        mocked.get(f"{BASE}/version", json=VERSION)
        mocked.post(
            f"{BASE}/instance/x/input", match=[responses.matchers.json_params_matcher({"a": 1})]
        )
        host.get_instance_client("x").send_input(source, **options)

    with requests_mock.Mocker() as mocker:
        mocker.post(
            f"{BASE}/instance/x/input",
            additional_matcher=lambda request: request.json() == {"a": 1},
        )
        host.get_instance_client("x").send_input(source, **options)


def test_a_sequence_is_sent_to_a_mock(host: HostClient, tmp_path: Path):
    """A package is sent, and recorded, as other uploads are."""
    (tmp_path / "package.json").write_text(
        '{"name": "x", "version": "1.0.0", "main": "x.py", "engines": {"python3": "3"}}'
    )
    (tmp_path / "x.py").write_text("def run(context, input): ...")
    for way in (with_responses, with_requests_mock, with_a_patch):
        with way(200, host) as recorded:
            assert host.send_sequence(tmp_path).id == "s"
            (asked,) = recorded()
            assert gzip.decompress(asked[1])


def test_an_adapter_that_reads_a_part_gets_the_rest_read(host: HostClient):
    """A source is read to its end, whatever an adapter of the user's own took of it."""
    adapter = OwnAdapter(200, next)
    host.client._session.mount("http://", adapter)

    assert host.get_instance_client("x").send_input(iter(["a", "b"])).bytes_written == 2
    assert [body for _, body in adapter.asked] == [b"a"]


REPLACED = {
    "before": "replace(); import scramjet_client",
    "after": "import scramjet_client; replace()",
}


@pytest.mark.parametrize("order", REPLACED)
def test_the_client_has_its_own_session_class(order: str, tmp_path: Path):
    """requests' session may be replaced by one that caches answers: live streams stay live all the same."""
    program = textwrap.dedent(
        """
        import requests

        class Cached(requests.Session):
            def send(self, request, **options):
                raise AssertionError("a session of somebody else's was used")

        def replace():
            requests.Session = requests.sessions.Session = Cached

        @@ORDER@@
        from scramjet_client.hub import LocalHub

        async def echo(context, input):
            async for chunk in input:
                yield chunk

        with LocalHub() as hub, hub.client() as host:
            instance = host.deploy(echo).start()
            instance.send_input("abc", end=True)
            with instance.get_stream("output") as output:
                print(output.read())
            print(instance.wait(60).status)
        """
    ).replace("@@ORDER@@", REPLACED[order])
    path = tmp_path / "program.py"
    path.write_text(program)
    found = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=100, check=False
    )

    assert found.stdout.split() == ["b'abc'", "stopped"], found.stderr


def test_first_use_within_a_cassette(tmp_path: Path):
    """A library that has replaced urllib3's connections before the first use is named at once."""
    program = textwrap.dedent(
        """
        import urllib3.connection

        class Stub(urllib3.connection.HTTPConnection):
            pass

        urllib3.connection.HTTPConnection = Stub
        try:
            from scramjet_client import HostClient
        except RuntimeError as error:
            print(error)
        """
    )
    path = tmp_path / "program.py"
    path.write_text(program)
    found = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=100, check=False
    )

    assert found.stdout.startswith("__main__ has replaced the connections of urllib3"), found.stderr
