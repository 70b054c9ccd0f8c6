"""The TypeScript client, @scramjet/api-client 0.26.1, on LocalHub; the scenarios are in api_client.js.

It speaks as 0.x: a 1.x hub takes its orders to stop and to kill, but not what is in them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.foreign.conftest import Hub

ApiClient = Callable[..., Any]
Package = Callable[[str], Path]


def test_hub(api_client: ApiClient, hub: Hub):
    """Version, load and log of the hub come as the client expects them."""
    seen = api_client("hub")

    assert seen["version"]["version"] == ("1.0.1" if hub.modern else "0.18.7")
    assert (seen["load"], seen["disk"]) == ("number", True)
    assert {"level", "msg", "ts", "from"} <= set(seen["logLine"])


def test_sequences(api_client: ApiClient, package: Package):
    """A package is uploaded, listed, started with configuration and arguments, and deleted."""
    assert api_client("sequences", package("samples/args-and-config")) == {
        "names": ["sample-args-and-config"],
        "info": "sample-args-and-config",
        "get": True,
        "instances": True,
        "listedInstance": True,
        "hostInfo": True,
        "appConfig": {"format": {"prefix": "> "}},
        "args": ["a", 2],
        "inUse": {"code": "REQUEST_ERROR", "status": "409"},
        "deleted": True,
        "gone": {"code": "NOT_FOUND", "status": "404"},
    }


def test_bad_package(api_client: ApiClient):
    """What is no package is refused as one that cannot be processed."""
    assert api_client("badPackage") == {"code": "UNPROCESSABLE_ENTITY", "status": "422"}


def test_input_and_output(api_client: ApiClient, package: Package):
    """Two uploads to one input, the second of which ends it, come out in their order."""
    assert api_client("input", package("py-echo")) == "one ą\ntwo\nthree\n"


def test_large_input(api_client: ApiClient, package: Package):
    """An upload that is larger than all buffers goes through while the output is read."""
    seen = api_client("largeInput", package("py-echo"), "20000000")

    assert seen == {"sent": 20_054_016, "came": 20_054_016}


def test_stdin_stdout_and_stderr(api_client: ApiClient, package: Package):
    """What goes to stdin comes from stdout and stderr; sending it once ends it."""
    seen = api_client("stdio", package("py-stdin"))

    assert seen == ["one ą\ntwo\n", "err:one ą\nerr:two\n"]


def test_log(api_client: ApiClient, package: Package):
    """The log has the program's own records, live."""
    record = api_client("log", package("py-ticker"))

    assert record == {
        "ts": record["ts"],
        "level": "INFO",
        "from": "PythonRunner",
        "msg": "tick 2",
    }


def test_events(api_client: ApiClient, hub: Hub, package: Package):
    """Events go both ways, and come by all three routes; 0.x puts each into an envelope."""
    seen = api_client("events", package("py-events"))

    def event(name: str, message: object) -> object:
        return message if hub.modern else {"eventName": name, "message": message}

    assert seen == {
        "ready": event("ready", "yes"),
        "sent": {"accepted": "OK" if hub.modern else True},
        "streamed": event("pong", {"echo": "first"}),
        "next": event("pong", {"echo": "next"}),
        "last": event("pong", {"echo": "next"}),
    }


def test_topics(api_client: ApiClient, hub: Hub):
    """What is sent to a topic comes from it; 0.x never lists its topics."""
    assert api_client("topics") == {
        "data": [{"a": 1}, {"b": "ą"}],
        "listed": ["application/x-ndjson"] if hub.modern else [],
    }


def test_health(api_client: ApiClient, package: Package):
    """A running instance is healthy."""
    seen = api_client("health", package("py-echo"))

    assert seen["healthy"] is True
    assert seen["processId"] > 0


def test_stop(api_client: ApiClient, hub: Hub, package: Package):
    """Stop answers when its time is over: 1.x takes its own 7 s, as it cannot read the client's 2 s."""
    seen = api_client("stop", package("py-stop-fast"))

    assert seen["seconds"] > (6.9 if hub.modern else 1.9)  # its clock counts whole milliseconds
    if hub.modern:
        assert seen["answer"]["status"] == "completed"
        assert seen["ended"] == {"exitcode": 138, "reason": "Instance stopped"}
    else:
        assert seen["answer"] == {"opStatus": "OK"}


def test_kill(api_client: ApiClient, hub: Hub, package: Package):
    """Kill answers at once, and then the instance ends."""
    seen = api_client("kill", package("py-echo"))

    if hub.modern:
        assert seen["answer"]["status"] == "killing"
        assert seen["ended"] == {"exitcode": 137, "reason": "Instance killed"}
    else:
        assert seen["answer"] == {"opStatus": "Accepted"}


def test_unknown(api_client: ApiClient):
    """Whatever is asked of what is not there is refused as not found."""
    not_found = {"code": "NOT_FOUND", "status": "404"}

    seen = api_client("unknown")

    assert seen == dict.fromkeys(
        ["info", "health", "output", "input", "event", "kill", "sequence"], not_found
    )
