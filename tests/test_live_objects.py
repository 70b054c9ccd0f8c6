"""What holds a connection, a thread or a client: it can't be copied, and says so."""

from __future__ import annotations

import codecs
import copy
import io
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scramjet_client import Fleet, HostClient, ManagerClient, Multiplexer
from scramjet_client.hub import LocalHub
from tests.streams.test_output import Said
from tests.support.waiting import eventually

COPIES: dict[str, Callable[[Any], object]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
    "old pickle": lambda value: pickle.dumps(value, 0),
    "deepcopy in a list": lambda value: copy.deepcopy([value]),
}


@pytest.fixture
def live(h1_hub: Any, h1_host: HostClient) -> Iterator[dict[str, Any]]:
    instance = h1_host.get_instance_client(h1_hub.add_instance().id)
    with instance.open_input() as writer, instance.get_stream("output") as stream:
        with instance.follow(stderr=lambda line: None) as follow, Multiplexer() as multiplexer:
            with instance.get_event_stream("a") as events:
                yield {
                    "HostClient": h1_host,
                    "HttpClient": h1_host.client,
                    "ManagerClient": ManagerClient("http://127.0.0.1:9/api/v1"),
                    "InstanceClient": instance,
                    "SequenceClient": h1_host.get_sequence_client("x"),
                    "Upload": writer.upload,
                    "UploadWriter": writer,
                    "OutputStream": stream,
                    "EventStream": events,
                    "ExpectedEvent": instance.expect_event("a"),
                    "Follow": follow,
                    "Multiplexer": multiplexer,
                    "LocalHub": LocalHub(),
                    "Fleet": Fleet(ManagerClient("http://127.0.0.1:9/api/v1")),
                }


@pytest.mark.parametrize("scheme", ["plain"], indirect=True)
@pytest.mark.parametrize("way", COPIES)
def test_live_objects_say_that_they_can_not_be_copied(live: dict[str, Any], way: str):
    """Each of them says one sentence, and works on."""
    for name, value in live.items():
        with pytest.raises(
            TypeError, match=rf"^this {name} can't be pickled or copied: make another"
        ):
            COPIES[way](value)


@pytest.mark.parametrize("scheme", ["plain"], indirect=True)
def test_an_upload_says_whether_it_runs(h1_hub: Any, h1_host: HostClient):
    """`running()` is True from the beginning of an upload to its end."""
    instance = h1_host.get_instance_client(h1_hub.add_instance().id)
    with instance.open_input() as writer:
        assert writer.upload.running()
    assert not writer.upload.running()

    cancelled = instance.submit_stdin(iter(lambda: b"a", b""))
    assert cancelled.running()
    cancelled.cancel()
    assert not cancelled.running()
    eventually(cancelled.done)


# -- pipe_to --------------------------------------------------------------------------------------

TEXT = "zażółć\n"


class OwnFile:
    """A file of text that is none of io's."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.got = ""

    def write(self, text: str) -> int:
        self.got += text
        return len(text)


def piped(target: Any) -> int:
    """Pipe TEXT in two pieces that part a character; the second one comes when the first is written."""
    data, written = TEXT.encode(), threading.Event()
    with Said(data[:3], release=written, afterwards=data[3:]) as stream:
        pieces = stream.chunks()

        def chunks() -> Iterator[bytes]:
            for piece in pieces:
                yield piece
                written.set()

        stream.chunks = chunks  # type: ignore[method-assign]
        return stream.pipe_to(target)


@pytest.mark.parametrize(
    "kind",
    [
        "StringIO",
        "text file",
        "wrapper",
        "own",
        "path",
        "str",
        "stdout",
        "encoder",
        "codecs.open",
        "recoder",
        "packer",
    ],
)
def test_pipe_to_takes_what_follow_takes(
    kind: str, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
):
    """Text files get text, whose characters may be split over pieces; the bytes are counted."""
    path = tmp_path / "file"
    file = path.open("w", encoding="utf-16")
    coded = codecs.getwriter("utf-16")((tmp_path / "c").open("wb"))
    own, string, below = OwnFile(), io.StringIO(), io.BytesIO()
    wrapper = io.TextIOWrapper(below, "utf-8", newline="")
    target: Any = {
        "StringIO": string, "text file": file, "wrapper": wrapper, "own": own,
        "encoder": codecs.getwriter("utf-16-le")(below), "codecs.open": coded,
        "recoder": codecs.EncodedFile(below, "utf-8", "utf-16-le"), "packer": codecs.getwriter("hex")(below),
        "path": tmp_path / "x", "str": str(tmp_path / "x"), "stdout": True,
    }[kind]  # fmt: skip

    assert piped(target) == len(TEXT.encode())

    file.close()
    coded.close()
    assert {
        "encoder": lambda: below.getvalue().decode("utf-16-le"),
        "codecs.open": lambda: (tmp_path / "c").read_text("utf-16"),
        "recoder": lambda: below.getvalue().decode("utf-16-le"),
        "packer": lambda: codecs.decode(below.getvalue(), "hex").decode(),
        "StringIO": string.getvalue,
        "text file": lambda: path.read_text("utf-16"),
        "wrapper": lambda: below.getvalue().decode(),
        "own": lambda: own.got,
        "path": lambda: (tmp_path / "x").read_text("utf-8"),
        "str": lambda: (tmp_path / "x").read_text("utf-8"),
        "stdout": lambda: str(capsysbinary.readouterr().out, "utf-8"),
    }[kind]() == TEXT


async def never(data: bytes) -> None:
    raise AssertionError


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda path: never, TypeError),
        (lambda path: 5, TypeError),
        (lambda path: None, TypeError),
        (lambda path: closed(io.StringIO()), ValueError),
        (lambda path: path.open("rb"), ValueError),
    ],
)
def test_pipe_to_reads_nothing_for_what_takes_nothing(
    make: Any, error: type[Exception], tmp_path: Path
):
    """A target that can't be written to is refused before anything is taken of the stream."""
    (tmp_path / "file").touch()
    target = make(tmp_path / "file")
    with Said(b"all of it") as stream:
        with pytest.raises(error, match="target"):
            stream.pipe_to(target)
        assert stream.read() == b"all of it"
    if hasattr(target, "close"):
        target.close()


def closed(file: Any) -> Any:
    file.close()
    return file
