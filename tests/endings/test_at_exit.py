"""The interpreter's end with an upload in the background: programs that end in the middle of their last line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.endings.hub import EndingsHub
from tests.support.scripted_hub import Instance
from tests.support.waiting import LIMIT, eventually

BEGIN = """
import sys, threading, time
from scramjet_client import HostClient, HttpClient, Tuning
host = HostClient.over(HttpClient(sys.argv[1], tuning=Tuning(exit_grace=3600.0)))
instance = host.get_instance_client(sys.argv[2])
"""
LAST_LINE = "upload = instance.submit_input(b'abc')"
BURST = """
def items():
    yield b"abc"
    threading.main_thread().join()
    for n in range(1000):
        yield b"xyz"
upload = instance.submit_input(items())
"""
FAILING = """
def items():
    yield b"abc"
    threading.main_thread().join()
    raise KeyError("x")
upload = instance.submit_input(items())
"""
CANCELLED = """
def items():
    yield b"abc"
    threading.main_thread().join()
    upload.cancel()
    yield b"def"
upload = instance.submit_input(items())
"""
# `main_thread().join()` returns when the main thread is through with the program, and the exit begins.


@pytest.fixture
def hub() -> Iterator[EndingsHub]:
    with EndingsHub() as hub:
        yield hub
        hub.check()


def run(code: str, hub: EndingsHub, instance: Instance, grace: float = 3600.0) -> str:
    """Run a program to its end and return what it says on stderr."""
    begin = BEGIN.replace("3600.0", str(grace))
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", begin + code, hub.url, instance.id],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
    )
    return done.stderr


@pytest.mark.parametrize(
    ("code", "size"), [(LAST_LINE, 3), (BURST, 3003)], ids=["last line", "burst"]
)
def test_nothing_is_lost(code: str, size: int, hub: EndingsHub):
    """What needs another thread during the exit arrives too, though Python 3.12.1 would start none."""
    instance, record = hub.add()

    assert run(code, hub, instance) == ""
    assert (len(record.received), record.whole) == (size, True)


def test_failure_is_told(hub: EndingsHub):
    """An upload that fails while the interpreter ends is named, because nobody can ask any more."""
    instance, record = hub.add()

    # Where no line of the program is running any more; Python 3.13 names it in another way.
    assert run(FAILING, hub, instance).replace("<sys>:0", "sys:1") == (
        "sys:1: RuntimeWarning: while the interpreter ended: upload to input of"
        f" '{instance.id}' failed: its source raised KeyError('x'), after 3 bytes\n"
    )
    eventually(record.over.is_set)
    assert not record.whole


def test_cancel_is_no_failure(hub: EndingsHub):
    """An upload that its own program cancels during the exit is not reported."""
    instance, record = hub.add()

    assert run(CANCELLED, hub, instance) == ""
    eventually(record.over.is_set)
    assert not record.whole


@pytest.mark.parametrize(
    ("flushed", "told"),
    [(False, "was not closed: what was written is lost"), (True, "is cut after 1 bytes")],
)
def test_a_text_file_that_nobody_closes(flushed: bool, told: str, hub: EndingsHub):
    """It is closed when there are no threads any more: that ends, and is told."""
    instance, _ = hub.add()
    code = "import io\ntext = io.TextIOWrapper(instance.open_input())\ntext.write('x')\n"
    code += "text.flush()" if flushed else ""

    said = run(code, hub, instance, grace=0.1)

    assert told in said
