"""The content type of an input that is sent without one."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scramjet_client import HostClient, InstanceNotFoundError, UnsupportedByHubError, UploadError
from scramjet_client.hub import LocalHub
from tests.support.functions import types
from tests.support.waiting import LIMIT
from tests.support.wire import Conn, RawServer

TEXT, BYTES, VALUES = "text/plain", "application/octet-stream", "application/x-ndjson"


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with LocalHub() as hub:
        hub.add_sequence("types", types)
        yield hub


@pytest.fixture
def host(hub: LocalHub) -> Iterator[HostClient]:
    with hub.client() as host:
        yield host


def _items(*items: Any) -> Iterator[Any]:
    yield from items


SOURCES: dict[str, tuple[Callable[[Path], Any], str, str]] = {
    "str": (lambda path: "hi", "str", TEXT),
    "empty str": (lambda path: "", "", TEXT),
    "bytes": (lambda path: b"hi", "bytes", BYTES),
    "bytearray": (lambda path: bytearray(b"hi"), "bytes", BYTES),
    "list of str": (lambda path: ["a\n", "b\n"], "str", TEXT),
    "tuple of str": (lambda path: ("a\n", "b\n"), "str", TEXT),
    "list of bytes": (lambda path: [b"a"], "bytes", BYTES),
    "mixed list": (lambda path: ["a", b"b"], "bytes", BYTES),
    "generator of str": (lambda path: _items("a\n"), "str", TEXT),
    "generator of bytes": (lambda path: _items(b"a\n"), "bytes", BYTES),
    "empty generator": (lambda path: _items(), "", BYTES),
    "map": (lambda path: map(str, [1, 2]), "str", TEXT),
    "StringIO": (lambda path: io.StringIO("a\n"), "str", TEXT),
    "BytesIO": (lambda path: io.BytesIO(b"a\n"), "bytes", BYTES),
    "text file": (lambda path: path.open("r", encoding="utf-8"), "str", TEXT),
    "binary file": (lambda path: path.open("rb"), "bytes", BYTES),
    "Path": (lambda path: path, "bytes", BYTES),
    "dict": (lambda path: {"a": 1}, "str", TEXT),
    "list of dicts": (lambda path: [{"a": 1}, {"a": 2}], "str", TEXT),
    "generator of dicts": (lambda path: _items({"a": 1}, {"a": 2}), "str", TEXT),
    "long text that is not ASCII": (lambda path: "ż" * 5000 + "\n", "str", TEXT),
    "a line that a Python runner drops": (lambda path: "x" * 70_000, "bytes", BYTES),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_what_a_program_gets(hub: LocalHub, host: HostClient, tmp_path: Path, kind: str):
    """Text reaches a Python program as str, bytes as bytes, and values as lines of JSON."""
    path = tmp_path / "file"
    path.write_text("a\nb\n", "utf-8")
    make, got, type = SOURCES[kind]
    source = make(path)
    (id,) = host.get_sequence_id("types")

    completed = host.get_sequence_client(id).run(source, timeout=LIMIT)
    if isinstance(source, io.IOBase):
        source.close()

    assert set(completed.output.decode().split()) == ({got} if got else set())
    sent = [each for each in hub.requests if each.path.endswith("/input")]
    assert sent[0].headers["content-type"] == type


@pytest.mark.parametrize(
    ("items", "kind", "words"),
    [
        (["a", b"b\xff"], UnsupportedByHubError, r"offset 2.*send everything as bytes, or as"),
        ([{"a": 1}, "b"], UploadError, "item 1 of the source must be a dict, as the first one is"),
        (["a", {"b": 1}], UploadError, "item 1 of the source must be bytes or str"),
        ([{"a": float("nan")}], UploadError, "a can't be sent as JSON: it has no nan"),
    ],
)
def test_generators_of_two_kinds(
    hub: LocalHub, host: HostClient, items: list[Any], kind: type[Exception], words: str
):
    """What does not fit the first item of a generator is refused here, and does not crash the program."""
    (id,) = host.get_sequence_id("types")

    with pytest.raises(kind, match=words):
        host.get_sequence_client(id).run(_items(*items), timeout=LIMIT)


INFO = {
    "id": "abc",
    "status": "running",
    "requires": "",
    "provides": "",
    "sequence": {"id": "s", "config": {"engines": {"node": "x"}}},
}

NODE: dict[str, tuple[Callable[[], Any], dict[str, Any], str]] = {
    "str": (lambda: "hi", {}, TEXT),
    "short text that is not ASCII": (lambda: "ż" * 500, {}, TEXT),
    "long text that is ASCII": (lambda: "x" * 100_000, {}, TEXT),
    "long text that is not ASCII": (lambda: "ż" * 5000, {}, BYTES),
    "text of unknown length": (lambda: _items("a"), {}, BYTES),
    "dict": (lambda: {"a": "ż"}, {}, VALUES),
    "values": (lambda: [1, 2], {"json": True}, VALUES),
    "dicts": (lambda: _items({"a": 1}), {}, VALUES),
    "bytes": (lambda: b"x", {}, BYTES),
    "as was said": (lambda: _items("a"), {"type": TEXT}, TEXT),
}


@pytest.mark.waits
@pytest.mark.parametrize("kind", NODE)
def test_what_a_hub_would_spoil_stays_bytes(kind: str):
    """A Node.js program gets text where its runner can't split a character, and bytes where it might."""
    make, options, wanted = NODE[kind]
    types: list[str] = []

    def serve(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            if request.method == "POST":
                types.append(request.headers["content-type"])
                conn.read_body(request)
            conn.send_json(
                "200 OK",
                {"version": "1.0.1", "service": "host", "apiVersion": "v1", "build": "b"}
                if request.target.endswith("version")
                else INFO,
            )

    with RawServer(serve) as server, HostClient(server.url) as host:
        host.get_instance_client("abc").send_input(make(), **options)

    assert types[0] == wanted


def test_a_wrong_id_is_refused_while_a_generator_has_given_nothing(host: HostClient):
    """A generator without a first item holds no refusal back."""
    let_go = threading.Event()

    def waits() -> Iterator[str]:
        let_go.wait(LIMIT)
        yield "late"

    upload = host.get_instance_client("nobody").submit_input(waits())
    error = upload.exception(LIMIT)
    waited = let_go.is_set()
    let_go.set()

    assert isinstance(error, InstanceNotFoundError)
    assert not waited


def test_late_text_is_sent_as_bytes_and_says_so(host: HostClient):
    """Where the head went out before the first item, text arrives as bytes, with a warning."""
    (id,) = host.get_sequence_id("types")
    instance = host.get_sequence_client(id).start()
    accepted = threading.Event()

    def waits() -> Iterator[str]:
        accepted.wait(LIMIT)
        yield "late"

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        upload = instance.submit_input(waits(), end=True)
        assert upload.accepted(LIMIT)
        accepted.set()
        upload.result(LIMIT)
        output = instance.get_stream("output").read()

    assert output == b"bytes\n"
    assert any("came late" in str(each.message) for each in caught)


def test_the_first_input_decides(hub: LocalHub, host: HostClient):
    """What follows the first input has its type, and bytes that would be changed by it are refused."""
    (id,) = host.get_sequence_id("types")
    instance = host.get_sequence_client(id).start()
    instance.send_input("text\n")

    with pytest.raises(UnsupportedByHubError, match="began as text"):
        instance.send_input(b"\xff")
    instance.send_input(b"more\n", end=True)

    with instance.get_stream("output") as output:
        assert set(output.read().split()) == {b"str"}
    sent = [each.headers["content-type"] for each in hub.requests if each.path.endswith("/input")]
    assert set(sent) == {TEXT}


NO_TEXT = {
    "bytes": lambda: b"\xff\xfe",
    "list": lambda: [b"a", b"\xff"],
    "file": lambda: io.BytesIO(b"a\xff"),
    "generator": lambda: (each for each in (b"a", b"\xc4", b"x")),
}


@pytest.mark.parametrize("kind", NO_TEXT)
def test_bytes_that_are_not_of_the_given_type(host: HostClient, kind: str):
    """A first input whose type is that of text is refused if it is none: it would end the program."""
    (id,) = host.get_sequence_id("types")
    instance = host.get_sequence_client(id).start()

    with pytest.raises(UnsupportedByHubError, match="has the type text/plain"):
        instance.send_input(NO_TEXT[kind](), type="text/plain")


def test_what_a_generator_raises_first_is_told_as_ever(host: HostClient):
    """An error before the first item is the upload's, with the exception as its cause."""

    def raises() -> Iterator[str]:
        raise KeyError("mine")
        yield ""

    (id,) = host.get_sequence_id("types")
    upload = host.get_sequence_client(id).start().submit_input(raises())

    assert isinstance(upload.exception(LIMIT).__cause__, KeyError)


def test_type_that_comes_too_late_warns(hub: LocalHub, host: HostClient):
    """A type that a hub ignores, because the first input had another one, is told."""
    (id,) = host.get_sequence_id("types")
    instance = host.get_sequence_client(id).start()
    instance.send_input(b"bytes\n")

    with pytest.warns(
        UserWarning, match=f"began as {BYTES}.*'text/plain' of later data has no effect"
    ) as warned:
        instance.send_input("text\n", type=TEXT, end=True)

    assert warned[0].filename == __file__
    with instance.get_stream("output") as output:
        assert set(output.read().split()) == {b"bytes"}


@pytest.mark.parametrize("name", ["big.bin", "folder/big"])
def test_text_that_names_a_file_warns(
    host: HostClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
):
    """The name of a file is sent as text, with a warning that says how to send the file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"data")
    (id,) = host.get_sequence_id("types")

    with pytest.warns(
        UserWarning, match=rf"is sent as text.*Path\('{name}'\) sends the file"
    ) as warned:
        done = host.get_sequence_client(id).run(name, timeout=LIMIT)

    assert warned[0].filename == __file__
    assert done.output == b"str\n"


@pytest.mark.parametrize(
    "text", ["hello", "no.such.file", "two\nbig.bin", "", "x\0.bin", "." * 5000]
)
def test_other_text_does_not(
    host: HostClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
):
    """Text that names no file is sent without a word."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hello").write_bytes(b"a word is no path")
    (id,) = host.get_sequence_id("types")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        host.get_sequence_client(id).run(text, timeout=LIMIT)
