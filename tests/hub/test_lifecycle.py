"""How instances begin and end on LocalHub, and how that shows."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from scramjet_client.hub import LocalHub
from tests.hub.programs import ECHO, EVENTS, IDLE
from tests.hub.wire import (
    Wire,
    ask,
    ended,
    info,
    log,
    opened,
    package,
    run,
    start,
    upload,
)
from tests.support.hubs import open_hub
from tests.support.waiting import eventually

SLOW_STOP = """
import asyncio
from scramjet.streams import Stream
def run(context, input, seconds):
    async def stop(timeout, can_keep_alive):
        context.emit("stopping", [timeout, can_keep_alive])
        await asyncio.sleep(seconds)
    context.set_stop_handler(stop)
    return Stream()
"""

KEEP_ALIVE = """
from scramjet.streams import Stream
def run(context, input):
    async def stop(timeout, can_keep_alive):
        await context.keep_alive(1)
    context.set_stop_handler(stop)
    return Stream()
"""

RAISING_STOP = """
from scramjet.streams import Stream
def run(context, input):
    async def stop(timeout, can_keep_alive):
        raise RuntimeError("in the handler")
    context.set_stop_handler(stop)
    return Stream()
"""


_STOPPING = 3000
"""Milliseconds that a program gets to answer a stop; a busy machine needs some of those that the hub sleeps."""


@pytest.fixture(scope="module")
def brief() -> Iterator[LocalHub]:
    """A hub that forgets ended instances soon."""
    with open_hub(instance_lifetime=0.1) as hub:
        yield hub
        hub.check()


def stop(url: str, instance: str, timeout: float) -> tuple[float, dict[str, object]]:
    """Stop; return how long the answer took at least, and the info in it."""
    began = time.monotonic()
    answer = ask(
        url, "POST", f"instance/{instance}/_stop", {"timeout": timeout, "canCallKeepalive": True}
    )
    assert (answer.status, answer.reason) == (202, "Accepted")
    return time.monotonic() - began, answer.json


def test_stop_sleeps_its_whole_timeout(url: str):
    """The answer comes after the timeout, also when the instance ended at once; and tells of the end."""
    instance = run(url, IDLE)

    took, found = stop(url, instance, _STOPPING)

    assert took >= _STOPPING / 1000
    assert found["terminated"] == {"exitcode": 138, "reason": "Instance stopped"}
    assert found["status"] == "completed"
    assert found["ended"] >= found["started"]  # type: ignore[operator]  # both are times


def test_stop_handler_that_is_too_slow(url: str):
    """The handler gets seconds; when they are over the instance is killed, with code 137."""
    instance = run(url, SLOW_STOP, args=[30])
    with opened(url, f"instance/{instance}/events/stopping") as events:
        eventually(lambda: ask(url, "GET", f"instance/{instance}/health").json["healthy"])
        _, found = stop(url, instance, 500)
        assert events.chunk() == b"[0.5,true]\n"

    assert found["status"] == "stopping"
    assert "terminated" not in found
    assert ended(url, instance)["terminated"] == {"exitcode": 137, "reason": "Instance killed"}


def test_keep_alive(url: str):
    """An instance that asks for time lives on as `stopping`, and cannot be killed but stopped again."""
    instance = run(url, KEEP_ALIVE)
    ask(url, "GET", f"instance/{instance}/health")
    _, found = stop(url, instance, _STOPPING)

    assert (found["status"], found.get("terminated")) == ("stopping", None)
    refused = ask(url, "POST", f"instance/{instance}/_kill", {})
    assert (refused.status, refused.json) == (400, {"error": "Instance not running"})
    assert info(url, instance)["status"] == "stopping"


def test_stop_handler_that_raises(url: str):
    """It makes nothing immortal: the error is logged, and the instance is stopped."""
    instance = run(url, RAISING_STOP)
    ask(url, "GET", f"instance/{instance}/health")
    stop(url, instance, _STOPPING)

    assert ended(url, instance)["terminated"]["exitcode"] == 138
    assert log(url, instance, "in the handler")


def test_stop_goes_on_without_its_client(url: str):
    """A client that leaves does not call a stop off."""
    instance = run(url, SLOW_STOP, args=[30])
    ask(url, "GET", f"instance/{instance}/health")
    with Wire(url) as wire:
        wire.request(
            "POST",
            f"instance/{instance}/_stop",
            {"Content-Type": "application/json"},
            b'{"timeout":300}',
        )
        eventually(lambda: info(url, instance)["status"] == "stopping")

    assert ended(url, instance)["terminated"]["exitcode"] == 137


def test_stop_of_what_has_ended(url: str):
    """It sleeps all the same, and writes `stopping` over the status for good; `terminated` stays."""
    instance = run(url, "def run(context, input):\n    pass\n")
    ended(url, instance)
    took, found = stop(url, instance, 200)

    assert took >= 0.2
    assert found["status"] == info(url, instance)["status"] == "stopping"
    assert info(url, instance)["terminated"]["exitcode"] == -1


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b'{"timeout":"1"}', 400, b'{"error":"Invalid timeout format"}'),
        (b'{"timeout":true}', 400, b'{"error":"Invalid timeout format"}'),
        (
            b'{"timeout":1,"canCallKeepalive":1}',
            400,
            b'{"error":"Invalid canCallKeepalive format"}',
        ),
        (b"null", 500, b"Cannot read properties of null (reading 'timeout')"),
        (b"x", 500, b"400: Could not parse content"),
    ],
)
def test_bad_stops(url: str, body: bytes, status: int, text: bytes):
    """Bad options are refused at once and stop nothing."""
    instance = run(url, IDLE)
    kind = {"Content-Type": "application/json"}
    answer = ask(url, "POST", f"instance/{instance}/_stop", raw=body, headers=kind)

    assert (answer.status, answer.body) == (status, text)
    assert info(url, instance)["status"] == "running"


def test_kill(url: str):
    """The answer comes at once, the end soon, and a second kill is refused."""
    instance = run(url, IDLE)
    answer = ask(url, "POST", f"instance/{instance}/_kill", {"removeImmediately": True})

    assert (answer.status, answer.json["status"]) == (202, "killing")
    assert ask(url, "POST", f"instance/{instance}/_kill", {}).status == 400
    found = ended(url, instance)
    assert (found["status"], found["terminated"]["exitcode"]) == ("completed", 137)


@pytest.mark.parametrize(
    ("main", "status", "code", "reason", "said"),
    [
        ("raise RuntimeError('at load')", "errored", 22, "Sequence failed on start", "at load"),
        ("x = 1", "errored", 22, "Sequence failed on start", "no function `run"),
        (
            "def run(context, input):\n    raise RuntimeError('at run')",
            *("errored", 23, "Sequence failed during execution", "at run"),
        ),
        (
            "import sys\ndef run(context, input):\n    sys.exit(7)",
            *("errored", 7, "Runner failed", "exit code 7"),
        ),
        (
            "import os\ndef run(context, input):\n    os._exit(0)",
            *("completed", -1, "Instance completed", "completed"),
        ),
        (
            "import os\ndef run(context, input):\n    os.kill(os.getpid(), 9)",
            *("errored", 213, "Runner failed", "SIGKILL"),
        ),
        (
            "import os\ndef run(context, input):\n    os.kill(os.getpid(), 11)",
            *("errored", 213, "Runner failed", "SIGSEGV"),
        ),
    ],
)
def test_ends_are_told_apart(url: str, main: str, status: str, code: int, reason: str, said: str):
    """Status, `terminated` and the log tell how an instance ended."""
    instance = run(url, main)
    found = ended(url, instance)

    assert (found["status"], found["terminated"]) == (status, {"exitcode": code, "reason": reason})
    assert ("ended" in found) == (code != 22)
    assert log(url, instance, said)


def test_program_that_ignores_sigterm_and_keeps_the_interpreter(url: str):
    """A kill ends also what never lets the interpreter go."""
    instance = run(
        url,
        "import signal\ndef run(context, input):\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    context.emit('busy', 1)\n    sum(range(10**13))\n",
    )
    eventually(lambda: ask(url, "GET", f"instance/{instance}/event/busy").status == 200)
    ask(url, "POST", f"instance/{instance}/_kill", {})

    assert ended(url, instance)["terminated"]["exitcode"] == 137


def test_what_an_instance_has_started_ends_with_it(url: str):
    """Processes of the program do not outlive it."""
    instance = run(
        url,
        "import subprocess\nfrom scramjet.streams import Stream\ndef run(context, input):\n"
        "    context.emit('pid', {'pid': subprocess.Popen(['sleep', '600']).pid})\n    return Stream()\n",
    )
    pid = ask(url, "GET", f"instance/{instance}/event/pid").json["pid"]
    ask(url, "POST", f"instance/{instance}/_kill", {})
    ended(url, instance)

    eventually(lambda: not _lives(pid))


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def test_output_of_what_has_ended_waits_for_its_reader(url: str):
    """A late reader gets what is buffered, and the end; the next one the end alone."""
    instance = run(
        url, "async def run(context, input):\n    for n in range(3):\n        yield f'{n}\\n'\n"
    )
    ended(url, instance)

    for expected in (b"0\n1\n2\n", b""):
        with opened(url, f"instance/{instance}/output") as output:
            assert output.read(100) == expected


def test_ended_instances_answer_for_a_while(url: str):
    """During its lifetime an ended instance has its last health and events, and takes further ones."""
    instance = run(url, EVENTS)
    ask(url, "GET", f"instance/{instance}/event/ready")
    ask(url, "GET", f"instance/{instance}/health")
    ask(url, "POST", f"instance/{instance}/_kill", {})
    ended(url, instance)

    assert ask(url, "GET", f"instance/{instance}/health").json["healthy"] is True
    event = ask(url, "POST", f"instance/{instance}/_event", [5001, {"eventName": "x"}])
    assert event.status == 200
    assert ask(url, "GET", f"instance/{instance}/event/ready").json == "yes"


def test_ended_instances_are_forgotten(brief: LocalHub):
    """After its lifetime an instance is unknown, and its streams have ended, but for the log and events."""
    url = brief.url
    instance = run(url, EVENTS)
    ask(url, "GET", f"instance/{instance}/event/ready")
    with (
        opened(url, f"instance/{instance}/log") as logs,
        opened(url, f"instance/{instance}/events/x") as events,
    ):
        ask(url, "POST", f"instance/{instance}/_kill", {})
        eventually(lambda: ask(url, "GET", f"instance/{instance}").status == 404)

        while not logs.silent():
            assert logs.chunk() != b""
        assert events.silent()


def test_sequence_in_use(url: str):
    """A sequence is kept while its instances count; force ends them first."""
    sequence = upload(url, package(ECHO))
    instance = start(url, sequence)
    refused = ask(url, "DELETE", f"sequence/{sequence}")
    untouched = ask(url, "PUT", f"sequence/{sequence}", raw=package(IDLE))

    assert (refused.status, refused.json) == (409, {"error": "Can't remove- Sequence in use"})
    assert (untouched.status, untouched.json) == (
        409,
        {"error": "Can't update sequence with instances"},
    )
    forced = ask(url, "DELETE", f"sequence/{sequence}", headers={"x-seq-kill-inst": "true"})
    assert (forced.status, forced.json) == (200, {"id": sequence})
    assert ask(url, "GET", f"instance/{instance}").status == 404
    assert ask(url, "GET", f"sequence/{sequence}").status == 404


def test_sequences_come_and_go(url: str):
    """Upload, list, replace and delete answer as a 1.0 hub does."""
    sequence = upload(url, package(ECHO, version="1.2.3", description="d", keywords=["k"]))
    listed = ask(url, "GET", "sequences").json
    described = ask(url, "GET", f"sequence/{sequence}").json

    assert listed == [described]
    assert (described["config"]["version"], described["config"]["description"]) == ("1.2.3", "d")
    assert ask(url, "GET", "entities").json == {"sequences": listed, "instances": []}
    replaced = ask(url, "PUT", f"sequence/{sequence}", raw=package(IDLE, name="new"))
    assert (replaced.status, replaced.json) == (200, {"id": sequence})
    assert ask(url, "GET", f"sequence/{sequence}").json["config"]["name"] == "new"
    assert ask(url, "GET", f"sequence/{sequence}/instances").json == []
    no_type = ask(url, "DELETE", f"sequence/{sequence}", raw=b"")
    assert (no_type.status, no_type.reason) == (400, "Could not parse content")
    assert ask(url, "DELETE", f"sequence/{sequence}").json == {"id": sequence}
    gone = ask(url, "DELETE", f"sequence/{sequence}")
    assert (gone.status, gone.json) == (404, {"error": f"The sequence {sequence} does not exist."})
    unknown = ask(url, "PUT", f"sequence/{sequence}", raw=package(IDLE))
    assert (unknown.status, unknown.json) == (
        404,
        {"error": f"Sequence with id: {sequence} not found"},
    )


def test_start_options(url: str):
    """Ids, args and their mistakes are treated as on a 1.0 hub."""
    sequence = upload(url, package(IDLE.replace("input)", "input, *args)")))
    path = f"sequence/{sequence}/start"
    given = "01234567-89ab-cdef-0123-456789abcdef"
    started = ask(url, "POST", path, {"instanceId": given, "args": "ab"})

    assert started.json == {"message": f"Sequence {given} starting", "id": given}
    assert info(url, given)["args"] == ["a", "b"]
    assert "appConfig" not in info(url, given)
    again = ask(url, "POST", path, {"instanceId": given})
    assert (again.status, again.json) == (409, {"error": "Instance with a given ID already exists"})
    short = ask(url, "POST", path, {"instanceId": "x"})
    assert (short.status, short.body) == (500, b"")
    unknown = ask(url, "POST", "sequence/nope/start", {})
    assert (unknown.status, unknown.json) == (404, {"error": "Not Found"})
    kind = {"Content-Type": "application/json"}
    for body in (b"", b"[]", b"null", b"{}"):
        assert ask(url, "POST", path, raw=body, headers=kind).status == 200
    assert ask(url, "POST", path, raw=b"{", headers=kind).reason == "Could not parse content"


def test_start_that_fails(url: str):
    """A missing entry and two engines are found at the start."""
    missing = upload(url, package("", main="nothere.py"))
    escaping = upload(url, package("", main="../../x.py"))
    two = upload(url, package("", engines={"python3": "", "node": ""}))

    answers = [ask(url, "POST", f"sequence/{each}/start", {}) for each in (missing, escaping, two)]

    assert [each.status for each in answers] == [400, 400, 400]
    assert answers[0].json["error"] == (
        "Sequence entrypoint path nothere.py is invalid. Check `main` field in Sequence package.json"
    )
    assert answers[1].json["error"].startswith("Sequence entrypoint path ../../x.py is invalid")
    assert answers[2].json["error"].startswith("Incorrect config passed to SequenceConfig")
    assert ask(url, "GET", "instances").json == []


def test_health_check(url: str):
    """The dict of the health check goes through whole; it is asked once a second."""
    instance = run(
        url,
        "from scramjet.streams import Stream\ndef run(context, input):\n"
        "    context.set_health_check(lambda: {'healthy': False, 'message': 'bad'})\n    return Stream()\n",
    )

    health = eventually(
        lambda: (h := ask(url, "GET", f"instance/{instance}/health").json).get("message") and h
    )
    assert (health["healthy"], health["message"]) == (False, "bad")
    os.kill(health["processId"], signal.SIGKILL)
    assert ended(url, instance)["terminated"]["exitcode"] == 213
