"""InstanceClient on 1.0 hubs, plain and TLS, on a raw server that says what they say."""

from __future__ import annotations

import hashlib
import os
import queue
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import attrs
import psutil
import pytest

from scramjet_client import (
    BadParametersError,
    HostClient,
    HubConnectionError,
    HubTimeoutError,
    InstanceClient,
    InstanceEndedError,
    InstanceNotFoundError,
    KillMessageData,
    SendStreamOptions,
    StopTimeoutError,
    StreamClosedError,
    StreamIdleError,
    Tuning,
    UnsupportedByHubError,
    UploadCancelledError,
    UploadError,
)
from scramjet_client.instances.watcher import SharedLooks
from scramjet_client.testing import Cut, FaultProxy, Pass, Stall
from tests.support.scripted_hub import H1Hub, Instance
from tests.support.tuned import tuned
from tests.support.waiting import LIMIT, eventually, long_enough
from tests.support.wire import Conn, RawServer

MEGABYTE = 1_000_000


LATE = """
import sys
from scramjet_client import HostClient, HubTimeoutError
try:
    HostClient(sys.argv[1]).get_sequence_client("s").run(timeout=0.5)
except HubTimeoutError as error:
    print(error, flush=True)
"""


@pytest.mark.parametrize("at_the_end", [False, True])
def test_instance_of_a_late_start_is_killed(at_the_end: bool):
    """A run whose time is over before the hub has answered the start kills the instance when it knows of it."""
    answered = threading.Event()

    def start(instance: Instance) -> None:
        answered.wait(LIMIT)
        instance.status = "running"

    with H1Hub() as hub:
        hub.sequences["s"] = b""
        hub.on_start = start
        if at_the_end:
            script = [sys.executable, "-c", LATE, hub.url]
            with subprocess.Popen(script, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                said = process.stdout.readline()
                answered.set()
        else:
            with HostClient(hub.url) as host:
                with pytest.raises(HubTimeoutError) as caught:
                    host.get_sequence_client("s").run(timeout=0.5)
                said = str(caught.value)
                answered.set()
                eventually(
                    lambda: [each.received for each in hub.instances.values() if each.received]
                )
        assert "not answered within 0.5 s (timeout); one that starts after all is killed" in said
        (instance,) = hub.instances.values()
        assert [route for route, _ in instance.received] == ["_kill"]


# -- lifecycle --------------------------------------------------------------------------------------


def test_info_in_the_contracts_words(instance: InstanceClient, there: Instance):
    """The hub's shape becomes the contract's; what it does not know stays in extra, all of it in raw."""
    info = instance.get_info()

    assert (info.id, info.sequence, info.status) == (there.id, "seq-1", "running")
    assert info.created == "2026-11-24T08:26:43.145Z"
    assert dict(info.extra) == {"appConfig": {}, "args": [], "provides": ""}
    assert info.raw["sequence"]["location"] == "sth-0"


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [
        ("initializing", None, "starting"),
        ("starting", None, "starting"),
        ("running", None, "running"),
        ("stopping", None, "stopping"),
        ("killing", None, "stopping"),
        ("completed", -1, "stopped"),
        ("completed", 138, "stopped"),
        ("stopping", 137, "stopped"),
        ("errored", 22, "crashed"),
        ("errored", 213, "unknown"),
        ("errored", None, "crashed"),
        ("a new word", None, "running"),
    ],
)
def test_status_words(instance: InstanceClient, there: Instance, status, code, word):
    """Each status of a 1.0 hub has its word in the contract; how it ended decides before the status."""
    there.status = status
    there.terminated = None if code is None else {"exitcode": code, "reason": "r"}

    assert instance.get_info().status == word


def test_stop_body_and_answer(instance: InstanceClient, there: Instance):
    """A stop sends the 1.0 body, milliseconds, and returns when the instance is seen to have ended."""
    there.on_stop = lambda _timeout: there.end(138, "Instance stopped")

    answer = instance.stop(timedelta(hours=1), can_call_keepalive=True)

    assert there.received == [("_stop", {"timeout": 3_600_000, "canCallKeepalive": True})]
    assert answer.acknowledged
    assert "Instance stopped" in answer.message


def test_stop_that_ends_in_a_kill(instance: InstanceClient, there: Instance):
    """An instance that the hub had to kill did not stop."""
    there.on_stop = lambda timeout: threading.Timer(
        timeout / 1000, there.end, (137, "Instance killed")
    ).start()

    with pytest.raises(StopTimeoutError, match="was killed") as caught:
        instance.stop(300)

    assert caught.value.code == "STOP_TIMEOUT"


@pytest.mark.waits
def test_stop_without_effect(instance: InstanceClient):
    """An instance that lives on after the hub's answer is a STOP_TIMEOUT too."""
    with pytest.raises(StopTimeoutError, match="still runs"):
        instance.stop(100)


def test_stop_whose_answer_is_lost_without_an_end():
    """A lost answer to a stop is a lost connection while the instance runs on: nobody knows what came of it."""
    with H1Hub() as hub, FaultProxy(hub.url) as proxy, HostClient(proxy.url) as host:
        proxy.next(Cut(), of="POST .*/_stop$")
        with pytest.raises(HubConnectionError):
            host.get_instance_client(hub.add_instance().id).stop(100)


def test_stop_whose_answer_is_lost_after_a_kill():
    """That the hub had to kill is told also if its answer was lost."""
    with H1Hub() as hub, FaultProxy(hub.url) as proxy, HostClient(proxy.url) as host:
        there = hub.add_instance()
        there.on_stop = lambda _timeout: there.end(137, "Instance killed")
        proxy.next(Cut(), of="POST .*/_stop$")
        with pytest.raises(StopTimeoutError, match="was killed"):
            host.get_instance_client(there.id).stop(100)


def test_stop_of_which_the_hub_does_not_tell_the_end():
    """A hub that takes a stop and then does not say whether the instance has ended is a STOP_TIMEOUT that says so."""
    tuning = Tuning(look=0.2, stop_settle=0.3)
    with H1Hub() as hub, FaultProxy(hub.url) as proxy, tuned(proxy.url, tuning=tuning) as host:
        proxy.next(Pass(), *[Stall()] * 20, of="GET .*/instance/[^/]+$")
        with pytest.raises(StopTimeoutError, match="does not say that it has") as caught:
            host.get_instance_client(hub.add_instance().id).stop(100)

    assert type(caught.value.__cause__) is HubTimeoutError


def test_stop_whose_end_is_seen_late():
    """A look that gets no answer after a stop is not the last one."""
    tuning = Tuning(look=0.5, stop_settle=LIMIT)
    with H1Hub() as hub, FaultProxy(hub.url) as proxy, tuned(proxy.url, tuning=tuning) as host:
        there = hub.add_instance()
        there.on_stop = lambda _timeout: there.end(138, "Instance stopped")
        proxy.next(Pass(), Stall(), of="GET .*/instance/[^/]+$")
        assert host.get_instance_client(there.id).stop(100).acknowledged


def test_kill_is_not_sent_again_to_an_old_hub():
    """A 0.x hub takes a kill in any state: a 400 is not its word, and the kill may have been carried out."""
    asked: list[str] = []

    def serve(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            conn.read_body(request)
            asked.append(request.method)
            if request.method == "GET":
                conn.send_json("200 OK", {"version": "0.18.7"})
            else:
                conn.send_json("400 Bad Request", {"error": "no"})

    with RawServer(serve) as server, HostClient(server.url) as host:
        with pytest.raises(BadParametersError):
            host.get_instance_client("abc").kill()

    assert asked == ["GET", "POST"]


def test_wait_after_a_stop(instance: InstanceClient, there: Instance):
    """The last info of a stopped Python program, whose exit code says nothing, is that it stopped."""
    there.on_stop = lambda _timeout: there.end(213, "Runner failed")
    instance.stop(20_000)

    info = instance.wait(timeout=LIMIT)

    assert (info.status, info.terminated.exit_code) == ("stopped", None)
    assert info.terminated.raw == {"exitcode": 213, "reason": "Runner failed"}
    assert info.terminated.reason == "Runner failed"


@pytest.mark.parametrize("given", [5, 1.5, 99, 0.001])
def test_stop_for_so_few_milliseconds_warns(
    instance: InstanceClient, there: Instance, given: float
):
    """A number that is likely to mean seconds is warned of where it was written; the stop is sent all the same."""
    there.on_stop = lambda _timeout: there.end(138, "Instance stopped")

    with pytest.warns(UserWarning, match=f"gives the program {given:g} milliseconds") as caught:
        assert instance.stop(given).acknowledged

    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "given", [0, 100, 7000, timedelta(milliseconds=5), timedelta(seconds=5), timedelta(0)]
)
def test_stop_that_does_not_warn(instance: InstanceClient, there: Instance, given: Any):
    """A timedelta says what it is, 0 is at once, and 100 ms is a time."""
    there.on_stop = lambda _timeout: there.end(138, "Instance stopped")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer = instance.stop(given)

    assert "138" not in answer.message


def test_stop_of_what_has_ended(instance: InstanceClient, there: Instance):
    """A stop is not sent to an instance that has ended: the hub would forget its status for good."""
    there.end(-1, "Instance completed")

    answer = instance.stop(5000)

    assert "already ended" in answer.message
    assert there.received == []


def test_stop_of_a_crashing_python_program(instance: InstanceClient, there: Instance):
    """213 is how the process adapter names every end of a Python program: after a stop, it stopped."""
    there.on_stop = lambda _timeout: there.end(213, "Runner failed")

    assert instance.stop(5000).acknowledged
    assert instance.get_info().status == "stopped"


def test_kill_waits_for_the_start(instance: InstanceClient, there: Instance):
    """The hub refuses a kill while the instance starts; the client asks again until it runs."""
    there.status = "starting"

    def run_later() -> None:
        eventually(lambda: ("_kill", {"removeImmediately": True}) in there.received)
        there.status = "running"

    helper = threading.Thread(target=run_later, name="test-run-later")
    helper.start()

    answer = instance.kill(KillMessageData(remove_immediately=True))

    helper.join()
    assert (answer.killed, answer.message) == (True, "killing")


def test_kill_after_a_stop_is_the_hubs_refusal(instance: InstanceClient, there: Instance):
    """A 1.0 hub takes no kill after a stop, and its words are passed on."""
    there.status = "stopping"

    with pytest.raises(BadParametersError, match="Instance not running"):
        instance.kill()


def test_kill_of_what_has_ended(instance: InstanceClient, there: Instance):
    """Killing what has ended is no error, and says that nothing was killed."""
    there.end(22, "Sequence failed on start")

    answer = instance.kill()

    assert not answer.killed
    assert "Sequence failed on start" in answer.message


# -- uploads ----------------------------------------------------------------------------------------


def test_upload_headers(instance: InstanceClient, h1_hub: H1Hub, there: Instance):
    """Every send says its type and whether it ends the input; streams ask for no compression."""
    instance.send_input("a", type="text/plain")
    instance.send_input("b", None, SendStreamOptions(end=True))

    posts = [each.headers for each in h1_hub.requests if each.method == "POST"]
    assert [each["x-end-stream"] for each in posts] == ["false", "true"]
    assert [each["content-type"] for each in posts] == ["text/plain", "text/plain"]
    assert {each["accept"] for each in posts} == {"*/*"}
    assert {each["accept-encoding"] for each in posts} == {"identity"}
    assert all("expect" not in each for each in posts)


@pytest.mark.timeout(300)
def test_hundred_megabytes_of_bytes(instance: InstanceClient):
    """100 MB of random bytes come back unchanged, while this process stays within 30 MB of its size."""
    block = os.urandom(MEGABYTE)
    sent, got = hashlib.sha256(), hashlib.sha256()
    process = psutil.Process()

    def items():
        for n in range(100):
            piece = block[n:] + block[:n]
            sent.update(piece)
            yield piece

    with instance.get_stream("output") as output:
        idle = peak = process.memory_info().rss
        upload = instance.submit_input(items(), end=True)
        count = 0
        for chunk in output.chunks():
            got.update(chunk)
            count += len(chunk)
            peak = max(peak, process.memory_info().rss)

    assert upload.result(LIMIT).bytes_written == count == 100 * MEGABYTE
    assert got.hexdigest() == sent.hexdigest()
    assert peak - idle < 30 * MEGABYTE


def test_refusal_while_the_source_never_ends(h1_host: HostClient):
    """A 404 for an endless generator is raised, and its generator closed."""
    nobody = h1_host.get_instance_client("nope")
    h1_host.get_version()
    closed = threading.Event()

    def items():
        try:
            while True:
                yield b"x" * 1000
        finally:
            closed.set()

    with pytest.raises(InstanceNotFoundError):
        nobody.send_input(items())

    assert closed.wait(LIMIT)


def test_refusal_while_the_source_is_blocked(h1_host: HostClient):
    """The same while the generator is blocked in its second item; it is closed when it comes free."""
    nobody = h1_host.get_instance_client("nope")
    h1_host.get_version()
    gate, closed = threading.Event(), threading.Event()
    opened: list[bool] = []

    def items():
        try:
            yield b"x"
            opened.append(gate.wait(LIMIT))
            yield b"y"
        finally:
            closed.set()

    with pytest.raises(InstanceNotFoundError):
        nobody.send_input(items())

    assert not opened
    gate.set()
    assert closed.wait(LIMIT)


def test_source_that_raises(instance: InstanceClient, there: Instance):
    """The input is not ended by a source that raises, and takes later sends."""

    def items():
        yield b"half\n"
        # What is still on its way when a connection is cut may be lost with it.
        assert output.readline() == b"half\n"
        raise KeyError("x")

    with instance.get_stream("output") as output:
        with pytest.raises(UploadError) as caught:
            instance.send_input(items(), end=True)
        assert isinstance(caught.value.__cause__, KeyError)
        assert not there.input_ended
        instance.send_input("later\n", end=True)
        assert output.read() == b"later\n"


@pytest.mark.waits
def test_instance_that_ends_under_an_upload(instance: InstanceClient, there: Instance):
    """A hub never answers an upload whose instance has ended; the client says so."""
    there.input_ended = True
    threading.Timer(0.2, there.end).start()

    with pytest.raises(InstanceEndedError) as caught:
        instance.send_input("x")

    assert caught.value.info.terminated.exit_code == 0


def test_time_limit_of_a_send(instance: InstanceClient, there: Instance):
    """`timeout` of request_init holds for the whole send."""
    there.input_ended = True
    began = time.monotonic()

    with pytest.raises(HubTimeoutError):
        instance.send_input("x", {"timeout": 0.3})

    assert time.monotonic() - began >= 0.3


def test_time_limit_of_a_source_that_gives_nothing(instance: InstanceClient):
    """The error blames the source, and not the hub, which answers what has an end."""
    over = threading.Event()

    def source() -> Iterator[str]:
        yield "one"
        over.wait(LIMIT)

    with pytest.raises(HubTimeoutError, match="it waited for its source, which has given 3 bytes"):
        instance.send_input(source(), timeout=0.3)
    over.set()


def test_cancel_while_the_hub_takes_nothing(instance: InstanceClient, there: Instance):
    """An upload that is held back by the program can be cancelled."""
    del there

    def items():
        while True:
            yield b"x" * 100_000

    upload = instance.submit_input(items())
    assert upload.accepted(LIMIT)
    last = -1
    while upload.bytes_sent != last:
        last = upload.bytes_sent
        time.sleep(0.2)  # until nothing more is taken: the output is read by nobody

    assert upload.cancel()

    with pytest.raises(UploadCancelledError):
        upload.result(LIMIT)


# -- outputs ----------------------------------------------------------------------------------------


def test_close_frees_a_blocked_reader(instance: InstanceClient):
    """`close()` from another thread frees a reader whose instance is silent, and tells it that it was this side."""
    output = instance.get_stream("output")
    blocked, errors = threading.Event(), []

    def read() -> None:
        blocked.set()
        try:
            output.readline()
        except BaseException as error:
            errors.append(error)

    reader = threading.Thread(target=read, name="test-reader")
    reader.start()
    assert blocked.wait(LIMIT)
    time.sleep(0.05)  # into the read, most of the time; a close before it proves less
    output.close()
    reader.join(LIMIT)

    assert [type(each) for each in errors] == [StreamClosedError]


def test_idle_timeout(instance: InstanceClient, there: Instance):
    """A stream that is silent for longer than the user allows says so, after what had come."""

    def read(limit: float) -> tuple[bytes, BaseException]:
        there.pipes["stdout"].write(b"one\n")
        line = b""
        with instance.get_stream("stdout", idle_timeout=limit) as stream:
            with pytest.raises(StreamIdleError) as caught:  # noqa: PT012 - on a slow machine by the first one
                line = stream.readline()
                stream.readline()
        return line, caught.value

    line, error = long_enough(read, lambda it: it[0])

    assert line == b"one\n"
    assert isinstance(error, TimeoutError)


def test_log_ends_with_its_instance(instance: InstanceClient, there: Instance):
    """A 1.0 hub leaves the log open for ever; the client ends it after what is buffered."""
    there.pipes["log"].write(b'{"msg":"one"}\n')
    there.end()
    there.pipes["log"].write(b'{"msg":"two"}\n')

    with instance.get_log_stream() as log:
        assert [each["msg"] for each in log.records()] == ["one", "two"]


def test_unlisted_instance_ends_its_log(instance: InstanceClient, h1_hub: H1Hub, there: Instance):
    """An instance that the hub has forgotten has ended."""
    with instance.get_log_stream() as log:
        del h1_hub.instances[there.id]
        assert log.read() == b""


@pytest.mark.waits
def test_many_waits_share_one_look(h1_hub: H1Hub, h1_host: HostClient):
    """Many streams that wait come to look at a list of the instances, instead of each at its own."""
    logs = [
        h1_host.get_instance_client(h1_hub.add_instance().id).get_log_stream() for _ in range(10)
    ]
    readers = [
        threading.Thread(target=log.read, name=f"test-reader-{n}") for n, log in enumerate(logs)
    ]
    for reader in readers:
        reader.start()
    eventually(lambda: any(each.target.endswith("/instances") for each in h1_hub.requests))
    for each in list(h1_hub.instances.values()):
        each.end()
    for reader in readers:
        reader.join(LIMIT)
    for log in logs:
        log.close()


def test_one_list_serves_all_looks_of_a_second(h1_hub: H1Hub, h1_host: HostClient):
    """From the fourth one on, all that look within a second are served by one list."""
    now = 0.0
    looks = SharedLooks(h1_host.client, clock=lambda: now)
    ids = [h1_hub.add_instance().id for _ in range(10)]

    def asked() -> list[str]:
        del h1_hub.requests[:]
        for id in ids:
            info = looks.fetch(id)
            assert info is not None
            assert info.id == id
        return [each.target.rpartition("/")[2] for each in h1_hub.requests]

    assert asked() == [*ids[:3], "instances"]
    now = 0.9
    assert asked() == []
    now = 1.0
    assert asked() == ["instances"]
    now = 9.0  # nobody has asked for long: it begins anew
    assert asked() == [*ids[:3], "instances"]


# -- inout ------------------------------------------------------------------------------------------


def test_ping_pong(instance: InstanceClient, there: Instance):
    """1,000 rounds on one connection whose answer has no status line before the first output."""
    lines: queue.Queue[bytes | None] = queue.Queue()

    with instance.inout(iter(lines.get, None), type="text/plain", end=False) as stream:
        for n in range(1000):
            lines.put(b"line %d\n" % n)
            assert stream.readline() == b"line %d\n" % n
        lines.put(None)
        assert stream.upload.result(LIMIT).bytes_written == 8890
    assert there.accepted == [("inout", "text/plain")]


def test_inout_refusal_is_raised_by_read_and_upload(h1_host: HostClient):
    """A refusal comes out of the first read and out of the upload."""
    nobody = h1_host.get_instance_client("nope")

    with nobody.inout("x", end=False) as stream:
        with pytest.raises(InstanceNotFoundError):
            stream.read()
        with pytest.raises(InstanceNotFoundError):
            stream.upload.result(LIMIT)


def test_inout_before_any_output(instance: InstanceClient):
    """`inout` returns before the hub has said anything, and close frees everything."""
    gate = threading.Event()

    def items():
        gate.wait(LIMIT)
        yield b"x"

    stream = instance.inout(items(), end=False)
    stream.close()
    gate.set()

    assert stream.upload.cancelled()


@pytest.mark.waits
def test_inout_ends_with_its_instance(instance: InstanceClient, there: Instance):
    """The hub never ends an inout; the client does, when the instance has ended."""
    gate = threading.Event()

    def items():
        yield b"a\n"
        gate.wait(LIMIT)

    with instance.inout(items(), end=False) as stream:
        assert stream.readline() == b"a\n"
        there.end()
        assert stream.read() == b""
        with pytest.raises(UploadError, match="its instance has ended"):
            stream.upload.result(LIMIT)
    gate.set()


@pytest.mark.waits
def test_inout_whose_instance_ends_without_a_word(instance: InstanceClient, there: Instance):
    """No output at all, and then the end: the stream ends, and its upload says why it could not."""
    gate = threading.Event()

    def items():
        gate.wait(LIMIT)
        yield b"x"

    with instance.inout(items(), end=False) as stream:
        there.status, there.terminated = "completed", {"exitcode": -1, "reason": "r"}
        assert stream.read() == b""
        with pytest.raises(UploadError, match="its instance has ended"):
            stream.upload.result(LIMIT)
    gate.set()


def test_inout_with_end_goes_by_two_requests(instance: InstanceClient, there: Instance):
    """The hub's inout can't end an input, so a body that ends it goes another way."""
    with instance.inout(["a\n", "b\n"], end=True) as stream:
        assert stream.read() == b"a\nb\n"

    assert [route for route, _ in there.accepted] == ["input"]


def test_inout_ends_the_input(instance: InstanceClient, there: Instance):
    """The program's input ends with the source, unless `end=False` or the options say otherwise."""
    with instance.inout(["a\n"], options={"end": False}):
        eventually(lambda: there.accepted)
    assert not there.input_ended

    with instance.inout(["a\n"]) as stream:
        stream.upload.result(LIMIT)
    assert there.input_ended


def test_inout_that_is_silent(instance: InstanceClient):
    """`idle_timeout` holds for what is read, whatever the source does."""
    gate = threading.Event()

    def items():
        yield "a\n"
        gate.wait(LIMIT)

    with instance.inout(items(), idle_timeout=0.3) as stream, pytest.raises(StreamIdleError):
        stream.read()
    gate.set()


def test_inout_is_text_alone(instance: InstanceClient):
    """Other bytes would be changed by the hub, so they are refused with their offset."""
    with pytest.raises(UnsupportedByHubError, match="offset 2"):
        instance.inout(b"ab\xff", end=False)


# -- events -----------------------------------------------------------------------------------------


def test_bare_messages(instance: InstanceClient, there: Instance):
    """1.0 events are bare messages, one a line; one that looks like an envelope is not taken apart."""
    with instance.get_event_stream("e") as events:
        eventually(lambda: there.listeners)
        for message in ({"a": 1}, "text\nmore", 42, {"eventName": "x", "message": "y"}):
            there.emit("e", message)
        got = [next(events).data for _ in range(4)]

    assert got == [{"a": 1}, "text\nmore", 42, {"eventName": "x", "message": "y"}]


def test_get_event_waits_for_the_first(instance: InstanceClient, there: Instance):
    """The head of the answer comes only with the event."""
    threading.Timer(0.2, there.emit, ("e", {"a": 1})).start()

    assert instance.get_event("e", timeout=LIMIT).data == {"a": 1}


@pytest.mark.parametrize("name", ["get_event", "get_next_event"])
def test_wait_for_an_event_of_what_ends(instance: InstanceClient, there: Instance, name: str):
    """A wait that no hub would end is ended when the instance has ended, with its last info."""
    threading.Timer(0.2, there.end, (23, "Sequence failed during execution")).start()

    with pytest.raises(InstanceEndedError) as caught:
        getattr(instance, name)("never")

    assert caught.value.code == "INSTANCE_ENDED"


def expected_event(instance: InstanceClient, timeout: float | None) -> None:
    with instance.expect_event("never", timeout):
        pass


EVENT_WAITS = {
    "get_event": lambda instance, timeout: instance.get_event("never", timeout=timeout),
    "get_next_event": lambda instance, timeout: instance.get_next_event("never", timeout=timeout),
    "expect_event": expected_event,
}


@pytest.mark.parametrize("timeout", [0.3, 2, None])
@pytest.mark.parametrize("way", EVENT_WAITS)
def test_wait_for_an_event_of_what_has_ended(
    instance: InstanceClient, there: Instance, way: str, timeout: float | None
):
    """The end is what is told, and not that the time is over; the message names the event."""
    there.end(0)

    with pytest.raises(InstanceEndedError, match="event 'never' was awaited"):
        EVENT_WAITS[way](instance, timeout)


def test_last_event_of_what_has_ended(instance: InstanceClient, there: Instance):
    """An event that the hub has kept is given after the end too."""
    there.emit("e", {"a": 1})
    there.end(0)

    assert instance.get_event("e", timeout=LIMIT).data == {"a": 1}


@pytest.mark.parametrize("name", ["get_event", "get_next_event"])
def test_event_that_does_not_come(instance: InstanceClient, name: str):
    """The message names the event, and says how long the limit was."""
    with pytest.raises(
        HubTimeoutError,
        match=r"^event 'never' of instance '.*' did not come within 0.3 s \(timeout\)$",
    ):
        getattr(instance, name)("never", timeout=0.3)


def test_health_of_what_ends_before_its_first_message(instance: InstanceClient, there: Instance):
    """Hub 0.18.7 never answers then; the end of the instance is the answer."""
    there.reports_health = False
    there.on_look = partial(there.end, 23, "Sequence failed during execution")

    with pytest.raises(InstanceEndedError, match="while its health was awaited"):
        instance.get_health()


@pytest.mark.parametrize("message", ["text", {"a": 1}, 5, None, [True]])
def test_any_message_can_be_sent(instance: InstanceClient, there: Instance, message):
    """A 1.0 hub takes any JSON value as a message."""
    answer = instance.send_event("any name/ą", message)

    assert answer.sent
    assert there.received == [("_event", [5001, {"eventName": "any name/ą", "message": message}])]


def test_expected_event_is_never_missed(instance: InstanceClient, there: Instance):
    """The answer to what is sent inside the block is there after it, however quick it was."""
    with instance.expect_event("pong", timeout=LIMIT) as expected:
        eventually(lambda: there.listeners)
        there.emit("pong", {"n": 1})
        there.emit("pong", {"n": 2})

    assert expected.value.data == {"n": 1}


def test_block_that_raises_is_not_waited_for(instance: InstanceClient):
    """An error inside the block of `expect_event` is not held up, or hidden."""
    with pytest.raises(KeyError), instance.expect_event("pong"):
        raise KeyError("x")


# -- waiting ----------------------------------------------------------------------------------------


def test_wait_returns_how_it_ended(instance: InstanceClient, there: Instance):
    """`wait` blocks until the end, and says how it came."""
    threading.Timer(0.2, there.end, (22, "Sequence failed on start")).start()

    info = instance.wait(timeout=LIMIT)

    assert info.status == "crashed"
    assert info.terminated is not None
    assert (info.terminated.exit_code, info.terminated.reason) == (1, "Sequence failed on start")


def test_wait_has_a_limit(instance: InstanceClient):
    """A wait that is over says what the instance was then."""
    with pytest.raises(HubTimeoutError, match="still running"):
        instance.wait(0.2)


def test_wait_for_a_status(instance: InstanceClient, there: Instance):
    """`wait_for` returns at the status, and raises when it can't come any more."""
    there.status = "starting"
    threading.Timer(0.2, setattr, (there, "status", "running")).start()
    assert instance.wait_for("running", timeout=LIMIT).status == "running"

    there.end()
    with pytest.raises(InstanceEndedError) as caught:
        instance.wait_for("running")
    assert caught.value.info.status == "stopped"
    with pytest.raises(ValueError, match="status must be"):
        instance.wait_for("sleeping")


def test_wait_for_what_is_forgotten(instance: InstanceClient, there: Instance, h1_hub: H1Hub):
    """An instance that vanishes while it is waited for has stopped; one that never was is not found."""

    def forget() -> None:
        eventually(lambda: sum("/instance/" in each.target for each in h1_hub.requests) > 2)
        del h1_hub.instances[there.id]

    helper = threading.Thread(target=forget, name="test-forget")
    helper.start()

    assert instance.wait(LIMIT).status == "stopped"
    helper.join()
    with pytest.raises(InstanceNotFoundError):
        instance.wait(LIMIT)


# -- misuse -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda i: i.get_stream("nope"), ValueError),
        (lambda i: i.get_stream("output", idle_timeout=0), ValueError),
        (lambda i: i.send_stream("output", "x"), ValueError),
        (lambda i: i.send_input(5), TypeError),
        (lambda i: i.send_input(None), TypeError),
        (lambda i: i.send_input("x", type="application/json"), ValueError),
        (lambda i: i.send_input("x", type="text/plain; charset=utf-8"), ValueError),
        (lambda i: i.send_input("x", type="TEXT/PLAIN"), ValueError),
        (lambda i: i.send_stream("stdin", "x", type="text/plain"), ValueError),
        (lambda i: i.send_input("x", end="yes"), TypeError),
        (lambda i: i.send_input("x", parse_response="xml"), ValueError),
        (lambda i: i.send_input("x", parse="json", parse_response="text"), ValueError),
        (lambda i: i.send_input("x", {"headers": {"X-End-Stream": "true"}}), ValueError),
        (lambda i: i.send_input("x", {"headers": {"content-type": "a/b"}}), ValueError),
        (lambda i: i.send_input("x", {"nope": 1}), ValueError),
        (lambda i: i.send_input("x", {"timeout": -1}), ValueError),
        (lambda i: i.send_input("x", None, {"nope": 1}), TypeError),
        (lambda i: i.send_input("x", None, 5), TypeError),
        (lambda i: i.stop(-1), ValueError),
        (lambda i: i.stop(float("nan")), ValueError),
        (lambda i: i.stop("5"), TypeError),
        (lambda i: i.stop(True), TypeError),
        (lambda i: i.stop(1000, "no"), TypeError),
        (lambda i: i.kill(5), TypeError),
        (lambda i: i.kill({"remove_immediately": "yes"}), TypeError),
        (lambda i: i.get_event("a b"), ValueError),
        (lambda i: i.get_event("ą"), ValueError),
        (lambda i: i.get_next_event("a/b"), ValueError),
        (lambda i: i.get_event_stream(".."), ValueError),
        (lambda i: i.get_event(""), ValueError),
        (lambda i: i.get_event("x", timeout=0), ValueError),
        (lambda i: i.get_next_event("x", timeout="1"), TypeError),
        (lambda i: i.send_event(""), ValueError),
        (lambda i: i.send_event(5), TypeError),
        (lambda i: i.inout(5), TypeError),
        (lambda i: i.inout("x", type="image/png"), ValueError),
    ],
)
def test_misuse_is_found_before_anything_is_sent(closed_port: int, call, kind):
    """A wrong argument is a ValueError or TypeError though there is no hub to talk to."""
    with HostClient(f"http://127.0.0.1:{closed_port}/api/v1") as host:
        instance = host.get_instance_client("abc")
        with pytest.raises(kind):
            call(instance)


def test_an_id_with_half_of_a_character(closed_port: int):
    """The error says what is wrong with the id, and not how Python encodes text."""
    with HostClient(f"http://127.0.0.1:{closed_port}/api/v1") as host:
        with pytest.raises(ValueError, match="half of a character") as caught:
            host.get_instance_client("a\udcff").get_info()
    assert "'a\\udcff' can't be part of a path on a hub" in str(caught.value)


@pytest.mark.parametrize(("id", "kind"), [("", ValueError), (None, TypeError), ("..", ValueError)])
def test_unusable_ids(closed_port: int, id, kind):
    """An id that can't be part of a path is refused when the client is made."""
    with HostClient(f"http://127.0.0.1:{closed_port}/api/v1") as host, pytest.raises(kind):
        InstanceClient.from_(id, host)


def test_long_silence_without_input_is_said(
    h1_host: HostClient, there: Instance, monkeypatch: pytest.MonkeyPatch
):
    """A run without input and limit that gets nothing says, once and without ending, what it may wait for."""
    h1_host.client.tuning = attrs.evolve(h1_host.client.tuning, run_silence=0.1)
    said = []

    def say(text: str, category: type[Warning]) -> None:
        said.append(text)
        there.end()

    monkeypatch.setattr("scramjet_client.instances.run.warn_aside", say)

    h1_host.get_instance_client(there.id).run()

    (words,) = said
    assert "has given nothing for 0.1 s, and run() sent it no input" in words
    assert "input=b'' ends it" in words
