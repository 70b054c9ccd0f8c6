"""Five programs that go wrong, each in its own way, and how that shows beside each other."""

from __future__ import annotations

import pytest

from tests.hub.wire import Wire, ask, ended, info, log, opened, run
from tests.support.waiting import eventually

STREAM = "from scramjet.streams import Stream\n"

CRASHING = "def run(context, input):\n    raise RuntimeError('crashed on purpose')\n"

IGNORING = (
    STREAM
    + """
import signal
def run(context, input):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    context.emit("ready", "yes")
    return Stream()
"""
)

PRINTING = """
import os
def run(context, input):
    block = b"e" * 1_000_000
    for _ in range(1000):
        written = 0
        while written < len(block):
            written += os.write(2, block[written:])
"""

EXITING = (
    STREAM
    + """
import sys
def run(context, input):
    context.on("go", lambda message: sys.exit(3))
    context.emit("ready", "yes")
    return Stream()
"""
)

CLOSING = (
    STREAM
    + """
import os
def run(context, input):
    os.close(1)
    context.logger.info("stdout is closed")
    return Stream()
"""
)


def shown(url: str, instance: str) -> tuple[str, int | None]:
    """Return status and exit code."""
    found = info(url, instance)
    return found["status"], found["terminated"]["exitcode"] if "terminated" in found else None


def ready(url: str, instance: str) -> None:
    """Wait until the program says that it runs."""
    eventually(lambda: ask(url, "GET", f"instance/{instance}/event/ready").body == b'"yes"')


@pytest.mark.timeout(900)
def test_five_ways_to_go_wrong(url: str):
    """A crash, a deaf one, one that prints 1 GB of errors, one that leaves its waiter, one without stdout."""
    crashing, ignoring, printing, exiting, closing = (
        run(url, main) for main in (CRASHING, IGNORING, PRINTING, EXITING, CLOSING)
    )

    ended(url, crashing)

    ready(url, ignoring)
    assert ask(url, "POST", f"instance/{ignoring}/_kill", {}).status == 202
    ended(url, ignoring)

    printed = 0
    with opened(url, f"instance/{printing}/stderr") as stream:
        while chunk := stream.chunk():
            printed += len(chunk)
    ended(url, printing)

    ready(url, exiting)
    with Wire(url) as waiter:
        waiter.request("GET", f"instance/{exiting}/once/never")
        assert waiter.silent()
        ask(url, "POST", f"instance/{exiting}/_event", [5001, {"eventName": "go", "message": ""}])
        ended(url, exiting)
        assert waiter.silent()

    with opened(url, f"instance/{closing}/stdout") as stream:
        assert stream.chunk() == b""

    assert shown(url, crashing) == ("errored", 23)
    assert shown(url, ignoring) == ("completed", 137)
    assert shown(url, printing) == ("completed", -1)
    assert shown(url, exiting) == ("errored", 3)
    assert shown(url, closing) == ("running", None)
    assert printed == 1_000_000_000
    assert log(url, crashing, "crashed on purpose")
    assert log(url, ignoring, "Instance killed")
    assert log(url, printing, "Instance completed")
    assert log(url, exiting, "exit code 3")
    assert log(url, closing, "stdout is closed")
