"""The `si` command of @scramjet/cli 0.26.1 on LocalHub, as one would type it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tests.foreign.conftest import SEQUENCES, Hub, Si
from tests.support.waiting import eventually


def started(si: Si, name: str, *options: str) -> str:
    """Pack, send and start a sequence by one command, and return the id of the instance."""
    folder = SEQUENCES / name
    instance: dict[str, Any] = si.json("seq", "deploy", folder, "--args", "[]", *options)
    id = instance["_id"]
    assert isinstance(id, str)
    return id


def test_hub(si: Si, hub: Hub):
    """`si hub` shows version and load, and follows the log."""
    assert si.json("hub", "version")["version"] == ("1.0.1" if hub.modern else "0.18.7")
    assert si.json("hub", "load")["avgLoad"] >= 0
    with si.follow("hub", "logs") as lines:
        assert "msg" in json.loads(next(iter(lines)))


def test_sequences(si: Si, hub: Hub, tmp_path: Path):
    """`si seq` packs, sends, lists, starts and deletes; `-` is the last id."""
    archive = tmp_path / "packed.tar.gz"
    si("seq", "pack", SEQUENCES / "samples" / "args-and-config", "-o", archive)
    sequence = si.json("seq", "send", archive)["_id"]
    config = '{"format": {"prefix": "> "}}'
    instance = si.json("seq", "start", "-", "--args", '["a", 2]', "-s", config)["_id"]

    assert sequence in {each["id"] for each in si.json("seq", "list")}
    assert si.json("seq", "get", "-")["config"]["name"] == "sample-args-and-config"
    assert instance in {each["id"] for each in si.json("inst", "list")}
    info = si.json("inst", "info", "-")
    assert info["id"] == instance
    assert info["appConfig"] == {"format": {"prefix": "> "}}
    assert info["args" if hub.modern else "sequenceArgs"] == ["a", 2]
    refusal = si.refused("seq", "delete", sequence)
    assert (refusal["code"], refusal["apiStatusCode"]) == ("REQUEST_ERROR", "409")
    si("seq", "send", archive)
    assert si.json("seq", "delete", "-")["id"] != sequence


def test_input_and_output(si: Si, tmp_path: Path):
    """`si inst input` sends a file and its own stdin; `si inst output` prints all that comes."""
    file = tmp_path / "input.txt"
    file.write_text("one ą\n", encoding="utf-8")
    instance = started(si, "py-echo")

    si("inst", "input", instance, file)
    si("inst", "input", instance, "--end", stdin=b"two\n")

    assert si("inst", "output", instance) == "one ą\ntwo\n"


def test_stdio(si: Si):
    """`si inst stdin` sends, and `stdout` and `stderr` print, until the instance ends."""
    instance = started(si, "py-stdin")

    with si.follow("inst", "stdout", instance) as out, si.follow("inst", "stderr", instance) as err:
        si("inst", "stdin", instance, stdin=b"one\ntwo\n")

        assert list(out) == ["one", "two"]
        assert list(err) == ["err:one", "err:two"]


def test_log(si: Si):
    """`si inst log` prints the program's records, live."""
    instance = started(si, "py-ticker")

    with si.follow("inst", "log", instance) as lines:
        record = next(each for each in map(json.loads, lines) if each["msg"] == "tick 3")

    assert (record["level"], record["from"]) == ("INFO", "PythonRunner")


def test_events(si: Si, hub: Hub):
    """`si inst event` emits, prints the last event, and follows a stream of them."""

    def message(event: Any) -> Any:
        """Return what an event carries; 0.x puts it into an envelope."""
        return event if hub.modern else event["message"]

    instance = started(si, "py-events")
    assert message(si.json("inst", "event", "on", instance, "ready")) == "yes"

    accepted = si.json("inst", "event", "emit", instance, "ping", "hello")
    last = si.json("inst", "event", "on", instance, "pong")
    with si.follow("inst", "event", "on", instance, "pong", "--stream") as lines:
        # Nothing tells when the stream is open; so there are events until it gives one.
        for number in range(100):
            si("inst", "event", "emit", instance, "ping", f"number {number}")
            if lines.ready():
                break
        streamed = json.loads(next(iter(lines)))

    assert accepted == {"accepted": "OK" if hub.modern else True}
    assert message(last) == {"echo": "hello"}
    assert message(streamed)["echo"].startswith("number ")


def test_topics(si: Si, hub: Hub, tmp_path: Path):
    """`si topic` sends a file, prints what comes, and lists; 0.x never lists its topics."""
    file = tmp_path / "data.ndjson"
    file.write_text('{"a": 1}\n{"b": "ą"}\n', encoding="utf-8")

    si("topic", "send", "si-topic", file, "-t", "application/x-ndjson")
    with si.follow("topic", "get", "si-topic") as lines:
        data = [json.loads(next(iter(lines))) for _ in range(2)]

    assert data == [{"a": 1}, {"b": "ą"}]
    names = [each["topicName"] for each in si.json("topic", "ls")]
    assert names == (["si-topic"] if hub.modern else [])


def test_health(si: Si):
    """`si inst health` shows a running instance as healthy."""
    assert si.json("inst", "health", started(si, "py-echo"))["healthy"] is True


def test_stop(si: Si, hub: Hub):
    """`si inst stop` answers when its time is over: 1.x takes its own 7 s, as it cannot read the 2 s of si."""
    instance = started(si, "py-stop-fast")
    si("inst", "health", instance)
    began = time.monotonic()

    answer = si.json("inst", "stop", instance, "2000")

    assert time.monotonic() - began >= (7 if hub.modern else 2)
    if hub.modern:
        assert answer["terminated"] == {"exitcode": 138, "reason": "Instance stopped"}
    else:
        assert answer == {"opStatus": "OK"}


def test_kill(si: Si, hub: Hub):
    """`si inst kill` answers at once, and then the instance ends."""
    instance = started(si, "py-echo")
    si("inst", "health", instance)

    answer = si.json("inst", "kill", instance)

    if hub.modern:
        assert answer["status"] == "killing"
        info = eventually(
            lambda: (seen := si.json("inst", "info", instance)).get("terminated") and seen
        )
        assert info["terminated"] == {"exitcode": 137, "reason": "Instance killed"}
    else:
        assert answer == {"opStatus": "Accepted"}
        eventually(lambda: instance not in si("inst", "list"))


def test_unknown_instance(si: Si):
    """A command to an unknown instance fails, and says why."""
    refusal = si.refused("inst", "info", "00000000-0000-0000-0000-000000000000")

    assert (refusal["code"], refusal["apiStatusCode"]) == ("NOT_FOUND", "404")
