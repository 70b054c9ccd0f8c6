"""Programs that fail, on every hub: what reaches the caller is the program's own error, as far as a hub tells it."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import requests

from scramjet_client import (
    Cause,
    HostClient,
    HubTimeoutError,
    InstanceClient,
    InstanceEndedError,
    InstanceFailedError,
    OutputStream,
    RunTimeoutError,
    UnsupportedByHubError,
)
from scramjet_client.models import GetInstanceResponse
from tests.contract.conftest import Hub
from tests.support.cases import mostly_long
from tests.support.waiting import long_enough

PATIENCE = 60.0
"""Seconds in which every instance must have ended; only a hang needs them."""

Program = Callable[[Any, Any], Any]


def parse(text: str) -> int:
    return int(text)


def failing(context: Any, input: Any) -> Any:
    yield "first\n"
    next(iter(input))
    yield str(parse("BOOM"))


def failing_at_once(context: Any, input: Any) -> Any:
    next(iter(input))
    raise LookupError("nothing there")


async def failing_async(context: Any, input: Any) -> Any:
    yield "first\n"
    await input.read()
    raise ValueError("no number in line 3")


def chained(context: Any, input: Any) -> Any:
    next(iter(input))
    try:
        parse("BOOM")
    except ValueError as error:
        raise RuntimeError("no number") from error
    yield "never"


def leaving(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "first\n"
    sys.exit(3)


def leaving_with_a_word(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "first\n"
    sys.exit("the reason")


def leaving_well(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "first\n"
    sys.exit(0)


def good(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "first\n"


def good_after_a_failure(context: Any, input: Any) -> Any:
    next(iter(input))
    try:
        parse("BOOM")
    except ValueError:
        traceback.print_exc()
    yield "first\n"


def killed_from_outside(context: Any, input: Any) -> Any:
    next(iter(input))
    yield "first\n"
    os.kill(os.getpid(), signal.SIGKILL)


BOOM = "ValueError: invalid literal for int() with base 10: 'BOOM'"


@attrs.frozen
class End:
    """A way to end, and how it is told.

    Attributes:
        program: What is deployed.
        local: The exit code on LocalHub, whose runner has codes of its own for exceptions.
        process: The same on a 1.x hub that runs programs as processes, which says 213 of all of them.
        summary: What is said of the error before its place; None for no error.
        function: Where it was raised.
    """

    program: Program
    local: int | None
    process: int | None
    summary: str | None = None
    function: str | None = None


ENDS = [
    End(good, 0, 0),
    End(good_after_a_failure, 0, 0),
    End(leaving_well, 0, 0),
    End(leaving, 3, 3),
    End(leaving_with_a_word, 1, 1, "SystemExit: the reason"),
    End(failing, 1, 1, BOOM, "parse"),
    End(failing_at_once, 1, 1, "LookupError: nothing there", "failing_at_once"),
    End(failing_async, 1, 1, "ValueError: no number in line 3", "failing_async"),
    End(chained, 1, 1, "RuntimeError: no number", "chained"),
    End(killed_from_outside, -9, None),
]

FAILURES = [each for each in ENDS if each.summary is not None]
EXCEPTIONS = [each for each in FAILURES if each.function is not None]


def name(end: End) -> str:
    return end.program.__name__


@pytest.fixture
def begin(host: HostClient) -> Callable[[Program], InstanceClient]:
    """Start a program and let it go on."""

    def start(program: Program) -> InstanceClient:
        instance = host.deploy(program).start(timeout=PATIENCE)
        instance.submit_input("go\n", type="text/plain", end=True)
        return instance

    return start


def code_on(hub: Hub, end: End) -> int | None:
    return end.local if hub.is_local else end.process


def check(end: End, cause: Cause | None) -> None:
    """Check that a cause is the program's own error, with nothing of what runs it."""
    if end.summary is None:
        assert cause is None
        return
    assert cause is not None
    assert cause.summary.startswith(end.summary)
    assert cause.function == end.function
    for word in ("scramjet_adapter", "_runner", "runner.py", "asyncio"):
        assert word not in cause.traceback
    if end.function is not None:
        assert f"in {end.function}, line {cause.line}" in cause.summary
        assert cause.traceback.startswith("Traceback (most recent call last):\n")


@pytest.mark.parametrize("end", ENDS, ids=name)
def test_run(end: End, hub: Hub, host: HostClient):
    """`run` says how a program ended and by which error; a good end is never taken for a crash."""
    done = host.deploy(end.program).run("go\n", type="text/plain", timeout=PATIENCE)

    if not hub.modern:
        # 0.x says no codes, but stderr and log may: a good end stays unknown.
        assert done.returncode in ((None,) if not code_on(hub, end) else (code_on(hub, end), None))
        return
    assert done.returncode == code_on(hub, end)
    check(end, done.cause)
    if done.returncode is None:
        assert done.info.status == "unknown"
        with pytest.raises(UnsupportedByHubError, match="not known"):
            done.check_returncode()
    elif done.returncode == 0:
        assert (done.info.status, done.traceback) == ("stopped", "")
        done.check_returncode()
    else:
        assert done.info.status == "crashed"
        with pytest.raises(InstanceFailedError) as caught:
            done.check_returncode()
        assert caught.value.completed is done
        assert caught.value.cause is done.cause
        if done.cause is not None:
            assert done.cause.summary in str(caught.value)


@pytest.mark.parametrize("end", EXCEPTIONS, ids=name)
def test_error_on_an_old_hub(end: End, hub: Hub, host: HostClient):
    """A hub that says nothing of an end passes on the stderr in which a program does."""
    if hub.modern:
        pytest.skip("1.x says more")

    done = host.deploy(end.program).run("go\n", type="text/plain", timeout=PATIENCE)

    check(end, done.cause)
    assert (done.returncode, done.info.status) == (1, "crashed")


@pytest.mark.parametrize("end", ENDS, ids=name)
def test_wait(end: End, hub: Hub, begin: Callable[[Program], InstanceClient]):
    """`wait` says the same, and what it has read of stderr is there for the next reader."""
    if not hub.modern:
        pytest.skip("0.x forgets instances, and their streams, with their end")
    instance = begin(end.program)

    info: GetInstanceResponse = instance.wait(PATIENCE)

    assert info.terminated is not None
    assert info.terminated.exit_code == code_on(hub, end)
    check(end, info.cause)
    assert instance.get_info().status == info.status
    if info.cause is not None and info.cause.traceback:
        assert info.cause.message in instance.get_stream("stderr").read().decode()
    assert instance.wait(PATIENCE) == info


@pytest.mark.parametrize("end", EXCEPTIONS, ids=name)
def test_what_can_not_come_any_more(end: End, hub: Hub, begin: Callable[[Program], InstanceClient]):
    """Whatever waits for something of the instance says why it ended."""
    if not hub.modern:
        pytest.skip("0.x forgets instances, and their streams, with their end")
    instance = begin(end.program)

    with pytest.raises(InstanceEndedError) as caught:
        instance.get_next_event("never", timeout=PATIENCE)

    check(end, caught.value.cause)
    assert caught.value.cause.summary in str(caught.value)
    with pytest.raises(InstanceEndedError) as caught:
        instance.wait_for("starting", PATIENCE)
    check(end, caught.value.cause)


WAYS: list[tuple[Callable[[OutputStream], Any], End]] = [
    (list, ENDS[0]),
    (lambda stream: stream.read(), ENDS[0]),
    *((list, each) for each in ENDS[1:]),
    (lambda stream: stream.read(), FAILURES[1]),
    (lambda stream: list(stream.chunks()), FAILURES[1]),
    (lambda stream: list(io.TextIOWrapper(stream)), FAILURES[1]),
    (lambda stream: stream.pipe_to(io.BytesIO()), FAILURES[1]),
]
"""Ways of reading to the end, and of ending."""


@pytest.mark.parametrize(("way", "end"), WAYS)
def test_output_that_is_checked(
    way: Callable[[OutputStream], Any],
    end: End,
    hub: Hub,
    host: HostClient,
    begin: Callable[[Program], InstanceClient],
):
    """With `check` the end of an output is the program's error, after all bytes; without, it is an end."""
    if not hub.modern:
        with pytest.raises(UnsupportedByHubError):
            host.get_instance_client("any").get_stream("output", check=True)
        return
    output = begin(end.program).get_stream("output", check=True)

    if not code_on(hub, end):
        way(output)
    else:
        with pytest.raises(InstanceFailedError) as caught:
            way(output)
        check(end, caught.value.cause)
        assert caught.value.info.status == "crashed"


def test_bytes_before_the_end(hub: Hub, begin: Callable[[Program], InstanceClient]):
    """Every byte of a checked output is given before the error, or is with it."""
    if not hub.modern:
        pytest.skip("0.x does not tell how programs end")

    with begin(failing).get_stream("output", check=True) as output:
        assert output.readline() == b"first\n"
        with pytest.raises(InstanceFailedError):
            output.readline()
        assert output.readline() == b""
    with begin(failing).get_stream("output", check=True) as output:
        with pytest.raises(InstanceFailedError) as caught:
            output.read()
        assert caught.value.output == b"first\n"
    with begin(failing).get_stream("output") as output:
        assert output.read() == b"first\n"


def telling(context: Any, input: Any) -> Any:
    yield "first\n"
    try:
        parse("BOOM")
    except ValueError:
        traceback.print_exc()
    threading.Event().wait()


def test_error_of_a_program_that_does_not_end(hub: Hub, host: HostClient):
    """A run that takes too long says the error that the program has told of, which may be why."""
    sequence = host.deploy(telling)

    def timed_out(limit: float) -> HubTimeoutError:
        with pytest.raises(HubTimeoutError) as caught:
            sequence.run(timeout=limit)
        return caught.value

    error = long_enough(timed_out, lambda it: getattr(it, "cause", None) is not None)

    assert isinstance(error, RunTimeoutError)
    assert error.output == b"first\n"
    assert error.cause.summary.startswith(BOOM)
    assert error.cause.summary in str(error)


def shouting(context: Any, input: Any) -> Any:
    return input.map(parse)


def keeping(context: Any, input: Any) -> Any:
    return input.filter(parse)


def further(context: Any, input: Any) -> Any:
    return input.flatmap(lambda text: [parse(text)]).map(str)


def cutting(context: Any, input: Any) -> Any:
    return input.sequence(lambda rest, text: [parse(text)], "")


async def listing(context: Any, input: Any) -> Any:
    yield len(await input.map(parse).to_list())


async def parse_async(text: str) -> int:
    return int(text)


async def awaiting(context: Any, input: Any) -> Any:
    async for number in input.map(parse_async):
        yield number


STREAMS = (shouting, keeping, further, cutting, listing, awaiting)


@pytest.mark.parametrize("program", STREAMS, ids=lambda each: each.__name__)
def test_error_in_a_function_of_a_stream(program: Program, hub: Hub, host: HostClient):
    """An error in what `map` and the like call ends a deployed function, as any other error of it does."""
    completed = host.deploy(program).run("BOOM", timeout=PATIENCE)

    assert completed.info.status == "crashed"
    assert completed.cause.type == "ValueError"
    assert completed.cause.message.startswith("invalid literal")


def file_of(folder: Path, text: str) -> Path:
    (folder / "main.py").write_text(text)
    return folder / "main.py"


FILES = {
    "map": "def run(context, input):\n    return input.map(int)\n",
    "async": "async def run(context, input):\n    return input.map(int).map(str)\n",
    "text": "output_type = 'text/plain'\nprovides = {'provides': '', 'contentType': 'text/plain'}\n"
    "def run(context, input):\n    return input.map(int)\n",
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_error_in_a_function_of_a_stream_of_a_file(
    text: str, hub: Hub, host: HostClient, tmp_path: Path
):
    """It ends a program of one file too."""
    completed = host.send_sequence(file_of(tmp_path, text)).run("BOOM", timeout=PATIENCE)

    assert completed.info.status == "crashed"
    assert completed.cause.type == "ValueError"
    assert completed.cause.message.startswith("invalid literal")


def test_text_that_is_not_utf_8(hub: Hub, host: HostClient):
    """From another client, it ends the program, and the cause says what to do. This one refuses it."""
    if not hub.modern:
        pytest.skip("0.x changes the bytes")

    def echo(context: Any, input: Any) -> Any:
        yield from input

    instance = host.deploy(echo).start()
    with pytest.raises(UnsupportedByHubError, match="offset 3"):
        instance.send_input(b"caf\xe9\n", type="text/plain")
    url = f"{hub.url}/instance/{instance.id}/input"
    text = {"Content-Type": "text/plain"}
    # A hub does not end its answer to an input whose program has crashed by then.
    with requests.post(url, b"caf\xe9\n", headers=text, stream=True, timeout=PATIENCE):
        info = instance.wait(PATIENCE)

    assert info.status == "crashed"
    assert info.cause.type == "UnicodeDecodeError"
    assert "application/octet-stream" in info.cause.cure


async def going_on(context: Any, input: Any) -> Any:
    async def fail() -> None:
        raise ValueError("nobody minds")

    handled = asyncio.ensure_future(fail())
    await asyncio.wait([handled])
    yield str(handled.exception())
    forgotten = asyncio.ensure_future(fail())
    await asyncio.wait([forgotten])  # asks for no exception
    del forgotten
    gc.collect()
    await asyncio.sleep(0)  # asyncio tells of it now
    try:
        await asyncio.ensure_future(fail())
    except ValueError as error:
        yield f", {error}"
    yield ", done"


def test_errors_of_own_tasks_end_nothing(hub: Hub, host: HostClient):
    """A task of the program itself may fail: handled, awaited, or forgotten."""
    completed = host.deploy(going_on).run(b"", timeout=PATIENCE)

    assert completed.output == b"nobody minds, nobody minds, done"
    assert completed.cause is None


FOLDERS = {
    "map": ("return input.map(int)", "ValueError: invalid literal"),
    "filter": ("return input.filter(int)", "ValueError: invalid literal"),
    "flatmap": ("return input.flatmap(int)", "ValueError: invalid literal"),
    "thread": (
        "import threading\n    threading.Thread(target=int, args=('BOOM',)).start()\n    return input.map(str)",
        "ValueError: invalid literal",
    ),
}


@pytest.mark.parametrize(
    ("body", "said"),
    mostly_long(FOLDERS.values(), but=(FOLDERS["map"], FOLDERS["thread"])),
    ids=FOLDERS,
)
def test_error_that_a_program_survives(
    body: str, said: str, hub: Hub, host: HostClient, tmp_path: Path
):
    """A run says at once, and again when its time is over, what has gone wrong in a program that lives on."""
    (tmp_path / "package.json").write_text('{"main": "main.py", "engines": {"python3": "3"}}')
    file_of(tmp_path, f"def run(context, input):\n    {body}\n")

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        instance = host.send_sequence(tmp_path).start()
        upload = instance.submit_input("BOOM\n", end=False)
        with pytest.raises(RunTimeoutError) as caught:
            instance.run(timeout=12)
        upload.result(PATIENCE)

    warned = [str(each.message) for each in told if each.category is RuntimeWarning]
    assert [
        each for each in warned if f"{instance.id!r} still runs, but its " in each and said in each
    ]
    assert caught.value.cause.summary.startswith(said)
    assert said in str(caught.value)


def reading_stdin(context: Any, input: Any) -> Any:
    # Not the loop over lines that the adapter takes for one over the input.
    while line := sys.stdin.readline():
        yield line
    threading.Event().wait()


@pytest.mark.parametrize(
    ("given", "said"), [({"input": "x\n"}, "reads sys.stdin"), ({"stdin": ""}, "sent no input")]
)
def test_what_was_not_fed(given: dict[str, str], said: str, hub: Hub, host: HostClient):
    """A run that has got nothing says which of stdin and input it has not fed."""
    if not hub.is_local:
        pytest.skip("sys.stdin of other hubs' Python programs has no such lines")
    with pytest.raises(RunTimeoutError, match=said):
        host.deploy(reading_stdin).run(**given, timeout=5)
