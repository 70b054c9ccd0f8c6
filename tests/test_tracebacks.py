"""What a traceback shows: the caller's line, one of ours, and the lines of what the caller has given us."""

from __future__ import annotations

import io
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scramjet_client import HostClient, InstanceClient, InvalidResponseError, UploadError
from scramjet_client._base import in_html
from scramjet_client._common.tracebacks import below, shorten
from scramjet_client.hub import LocalHub
from tests.support.hubs import open_hub
from tests.support.waiting import LIMIT

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="older Pythons show one line more"
)

OURS = os.path.join(os.path.dirname(os.path.dirname(__file__)), "scramjet_client")


def one(context: Any, input: Any) -> Iterator[str]:
    """Say one thing."""
    yield "a\n"


def silent(context: Any, input: Any) -> Iterator[str]:
    """Say nothing."""
    time.sleep(600)
    yield ""


def reads(context: Any, input: Any) -> Iterator[str]:
    """Read the input."""
    for _ in input:
        yield "got\n"


def crashes(context: Any, input: Any) -> Iterator[str]:
    """Say one thing, and fail."""
    yield "a\n"
    raise ValueError("of the program")


def source() -> Iterator[bytes]:
    """Raise as what a user sends may do."""
    yield b"x\n"
    raise ZeroDivisionError("of the source")


def endless() -> Iterator[bytes]:
    """Send until somebody ends it."""
    while True:
        yield b"x" * 1000


def fails(*_: object) -> Any:
    """Raise as a callback of a user may do."""
    raise ZeroDivisionError("of the callback")


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalHub]:
    """A hub for all tests."""
    with open_hub() as hub:
        yield hub


@pytest.fixture
def host(shared: LocalHub) -> Iterator[HostClient]:
    """A client of it."""
    with shared.client() as client:
        yield client
    shared.clear()


class Target:
    """A file that can't be written."""

    write = fails


class Source(io.RawIOBase):
    """A file that can't be read."""

    def readable(self) -> bool:
        """Return True."""
        return True

    readinto = fails


def shape(error: BaseException) -> str:
    """Return what a traceback shows, a letter for each frame: of ours (s), of the test (U), or another (x)."""
    blocks = [""]
    for line in "".join(traceback.format_exception(None, error, error.__traceback__)).splitlines():
        if line.startswith(("The above exception", "During handling")):
            blocks.append("")
        elif line.startswith('  File "') and ", in " in line:
            path = line.split('"')[1]
            ours = path.startswith(OURS)
            blocks[-1] += "s" if ours else "U" if path == __file__ else "x"
    return "|".join(blocks)


def started(host: HostClient, function: Any) -> InstanceClient:
    """Start an instance."""
    return host.deploy(function).start()


def a_listener_there(host: HostClient) -> None:
    """Start a hub at a port that is taken."""
    port = int(host.api_base.split(":")[2].split("/")[0])
    with LocalHub(port=port):
        pass


def broken_package(host: HostClient, folder: Path) -> None:
    """Send a file with a mistake."""
    (folder / "broken.py").write_text("def f(:\n")
    host.send_sequence(folder / "broken.py")


def lines(stream: Any) -> None:
    """Read to the end."""
    for _ in stream:
        pass


SITUATIONS: dict[str, tuple[Callable[[HostClient], object], str]] = {
    "no hub there": (lambda _: HostClient("http://127.0.0.1:1", retries=0).get_version(), "|s"),
    "404": (lambda h: h.get_sequence("none"), "s"),
    "404 of a start": (lambda h: h.get_sequence_client("none").start(), "s"),
    "404 of an upload": (lambda h: h.get_instance_client("none").send_input(b"x"), "s"),
    "a limit of a wait": (lambda h: started(h, silent).wait(0.1), "s"),
    "a limit of an event": (lambda h: started(h, silent).get_event("no", timeout=0.1), "|s"),
    "a limit of a run": (lambda h: h.deploy(silent).run(timeout=0.5), "s"),
    "a silent read": (
        lambda h: started(h, silent).get_stream("output", idle_timeout=0.1).read(),
        "|s",
    ),
    "a silent loop": (
        lambda h: lines(started(h, silent).get_stream("output", idle_timeout=0.1)),
        "|Us",
    ),
    "a silent loop over text": (
        lambda h: lines(started(h, silent).get_stream("output", idle_timeout=0.1).text()),
        "|Us",
    ),
    "a crash during a loop": (
        lambda h: lines(started(h, crashes).get_stream("output", check=True)),
        "Us",
    ),
    "a crash during a read": (
        lambda h: started(h, crashes).get_stream("output", check=True).read(),
        "s",
    ),
    "a crash during an upload": (lambda h: started(h, crashes).send_input(endless()), "s"),
    "a crash during a submit": (
        lambda h: started(h, crashes).submit_input(endless()).result(LIMIT),
        "s",
    ),
    "a run of what fails": (lambda h: h.deploy(crashes).run(check=True), "s"),
    "no JSON": (lambda h: lines(started(h, one).get_stream("output").records()), "|Us"),
    "a source, by send_input": (lambda h: started(h, reads).send_input(source()), "U|s"),
    "a source, by result": (
        lambda h: started(h, reads).submit_input(source()).result(LIMIT),
        "U|s",
    ),
    "a source, by the output": (lambda h: lines(started(h, reads).inout(source())), "U|Us"),
    "a source, by run": (lambda h: h.deploy(reads).run(input=source()), "U|s"),
    "a file": (lambda h: started(h, reads).send_input(Source()), "U|s"),
    "a progress callback": (
        lambda h: started(h, reads).send_input(b"x" * 100, progress=fails),
        "U|s",
    ),
    "a target of run": (lambda h: h.deploy(one).run(output=Target()), "sU"),
    "a target of follow": (lambda h: started(h, one).follow(output=Target()).wait(LIMIT), "sU"),
    "a callback of follow": (lambda h: started(h, one).follow(output=fails).wait(LIMIT), "sU"),
    "a target of pipe_to": (
        lambda h: started(h, one).get_stream("output").pipe_to(Target()),
        "sU",
    ),
    "a hub that can't start": (a_listener_there, "s"),
    "misuse": (lambda h: h.get_instance_client("x").send_stream("nothing", b""), "s"),
    "misuse of what takes nothing": (lambda h: h.get_version(5), "s"),
}  # fmt: skip


@pytest.mark.parametrize("situation", SITUATIONS)
def test_frames(situation: str, host: HostClient):
    """There is one line of ours at most, below the caller's, and none beside the caller's own in a cause."""
    call, expected = SITUATIONS[situation]

    with pytest.raises(Exception) as caught:  # noqa: PT011 - the table says what is shown of any
        call(host)

    *causes, told = expected.split("|")
    assert shape(caught.value) == "|".join([*causes, f"UU{told}"])


def test_frames_of_a_file_that_is_no_python(host: HostClient, tmp_path: Path):
    """The cause is the place in the file."""
    with pytest.raises(ValueError, match="is not Python") as caught:
        broken_package(host, tmp_path)

    assert shape(caught.value) == "|UUs"
    assert 'broken.py", line 1' in "".join(traceback.format_exception(caught.value.__cause__))


def test_frames_are_those_of_the_last_call(host: HostClient):
    """An error that is raised again is as short as at first."""
    upload = started(host, reads).submit_input(source())
    follow = started(host, one).follow(output=Target())
    for ask, expected in ((upload.result, "U|Us"), (follow.wait, "UsU")):
        for _ in range(3):
            with pytest.raises((UploadError, ZeroDivisionError)) as caught:
                ask(LIMIT)
            assert shape(caught.value) == expected


def test_all_frames_for_who_asks(host: HostClient, caplog: pytest.LogCaptureFixture):
    """The package's logger at DEBUG leaves tracebacks whole."""
    stream = started(host, one).get_stream("output")

    with (
        caplog.at_level(logging.DEBUG, "scramjet_client"),
        pytest.raises(InvalidResponseError) as caught,
    ):
        lines(stream.records())

    assert shape(caught.value).count("s") > 2


def test_frames_of_a_defect_stay():
    """What Python raises at a line of this package, where nobody has meant it, says how it came there."""
    with pytest.raises(TypeError) as caught:
        in_html(5)  # type: ignore[arg-type]
    error = caught.value.with_traceback(below(caught.value))
    shorten(error)

    assert shape(error) == "ss"
