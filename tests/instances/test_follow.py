"""Following, attaching and running on a raw server that says what 1.0 hubs say, plain and TLS."""

from __future__ import annotations

import io
import logging
import os
import pickle
import subprocess
import sys
import threading

import pytest

from scramjet_client import (
    Follow,
    HostClient,
    HubTimeoutError,
    InstanceClient,
    InstanceFailedError,
    InstanceNotFoundError,
    RunTimeoutError,
    StreamInterruptedError,
    Timeouts,
    Tuning,
    UnsupportedByHubError,
    UploadError,
)
from tests.support.certs import Certificates
from tests.support.scripted_hub import H1Hub, Instance
from tests.support.threads import client_threads
from tests.support.tuned import tuned
from tests.support.waiting import LIMIT, eventually, long_enough
from tests.support.wire import Conn, RawServer

plain = pytest.mark.parametrize("scheme", ["plain"], indirect=True)
"""Marks tests whose claim has nothing to do with what is below HTTP."""


ENDS_WHILE_IT_FOLLOWS = """
import sys, time
from scramjet_client import HostClient
HostClient(sys.argv[1]).get_instance_client(sys.argv[2]).follow(stdout=True)
sys.stdin.read()
"""


def follow_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("scramjet-follow-")]


class Slow(io.RawIOBase):
    """An unbuffered file that takes three bytes at a time."""

    def __init__(self) -> None:
        self.taken = b""

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:
        self.taken += bytes(data[:3])
        return min(3, len(data))


class Notebook(io.StringIO):
    """Like sys.stdout in Jupyter: text alone, without a binary buffer."""


# -- what can be followed to --------------------------------------------------------------------------


def test_callable_gets_lines(instance: InstanceClient, there: Instance):
    """A callable is given each line as bytes with its newline, whatever the chunks; the last may lack it."""
    lines: list[bytes] = []

    following = instance.follow(output=lines.append)
    for chunk in (b"on", b"e\ntwo\n\nth", b"ree"):
        there.pipes["output"].write(chunk)
    there.pipes["output"].end()
    following.wait(LIMIT)

    assert lines == [b"one\n", b"two\n", b"\n", b"three"]


@plain
def test_files_of_every_kind(instance: InstanceClient, there: Instance, tmp_path):
    """Binary files and paths get the bytes, text files the text; files stay open, that of a path is closed."""
    binary, text = io.BytesIO(), io.StringIO()
    data = "ą😀 one\n".encode()

    following = instance.follow(stdout=binary, stderr=text, output=tmp_path / "output")
    for stream_id in ("stdout", "stderr", "output"):
        # Each byte in a chunk of its own.
        for byte in data:
            there.pipes[stream_id].write(bytes([byte]))
    there.end()
    following.wait(LIMIT)

    assert binary.getvalue() == data
    assert text.getvalue() == "ą😀 one\n"
    assert (tmp_path / "output").read_bytes() == data


@plain
def test_bytes_that_are_no_text(instance: InstanceClient, there: Instance):
    """What is not UTF-8, or a character that was cut by the end, is shown as such in a text file, with a warning."""
    text = io.StringIO()

    there.pipes["stdout"].write(b"a\xff" + "ą".encode()[:1])
    there.end()
    with pytest.warns(UserWarning, match="stdout takes text, and some bytes are not UTF-8.*'wb'"):
        instance.follow(stdout=text).wait(LIMIT)

    assert text.getvalue() == "a\ufffd\ufffd"


@plain
def test_unbuffered_file(instance: InstanceClient, there: Instance):
    """A file that takes less than it is given is given the rest."""
    file = Slow()

    following = instance.follow(output=file)
    there.pipes["output"].write(b"0123456789")
    there.end()
    following.wait(LIMIT)

    assert file.taken == b"0123456789"


@plain
def test_terminal(instance: InstanceClient, there: Instance, capfdbinary):
    """True is this program's stdout, for stderr and the log its stderr; the bytes are passed on as they are."""
    following = instance.follow(stdout=True, stderr=True, log=True)
    print("printed before")
    there.pipes["stdout"].write(b"out \xff\n")
    there.pipes["stderr"].write(b"err\n")
    there.pipes["log"].write(b"{}\n")
    there.end()
    following.wait(LIMIT)

    out, err = capfdbinary.readouterr()
    assert out == b"printed before\nout \xff\n"
    assert sorted(err.splitlines()) == [b"err", b"{}"]


@plain
def test_terminal_without_a_buffer(instance: InstanceClient, there: Instance, monkeypatch):
    """Where sys.stdout has no binary buffer, as in Jupyter, text is written, also of split characters."""
    screen = Notebook()
    monkeypatch.setattr(sys, "stdout", screen)

    following = instance.follow(stdout=True)
    for byte in "ą\n".encode():
        there.pipes["stdout"].write(bytes([byte]))
    there.end()
    following.wait(LIMIT)

    assert screen.getvalue() == "ą\n"


@plain
@pytest.mark.parametrize(
    ("targets", "error"),
    [({}, ValueError), ({"stdout": None}, ValueError), ({"stdout": 5}, TypeError)],
)
def test_what_can_not_be_followed_to(instance: InstanceClient, h1_hub: H1Hub, targets, error):
    """Nothing, or what is neither callable, file nor path, is refused before anything is asked of the hub."""
    with pytest.raises(error, match="stdout"):
        instance.follow(**targets)

    assert h1_hub.requests == []


@plain
def test_closed_file_and_missing_terminal(instance: InstanceClient, monkeypatch):
    """A closed file, and a terminal that is not there, are refused at once."""
    file = io.BytesIO()
    file.close()
    monkeypatch.setattr(sys, "stdout", None)

    with pytest.raises(ValueError, match="closed"):
        instance.follow(stdout=file)
    with pytest.raises(ValueError, match="terminal"):
        instance.follow(stdout=True)


# -- how following ends -------------------------------------------------------------------------------


def test_log_that_the_hub_never_ends(instance: InstanceClient, there: Instance):
    """The log of a 1.0 hub stays open; following it ends all the same, after what was written before."""
    log = io.BytesIO()

    following = instance.follow(log=log)
    there.pipes["log"].write(b'{"msg":"one"}\n')
    there.end()
    there.pipes["log"].write(b'{"msg":"last"}\n')
    following.wait(LIMIT)

    assert log.getvalue() == b'{"msg":"one"}\n{"msg":"last"}\n'
    assert following.done


@plain
def test_what_comes_after_the_end_was_seen(there: Instance, h1_hub: H1Hub):
    """What was on its way when the instance was seen to have ended is delivered too."""
    came = threading.Event()

    with tuned(h1_hub.url, tuning=Tuning(log_settle=3600.0)) as host:
        following = host.get_instance_client(there.id).follow(log=lambda line: came.set())
        there.end()
        eventually(lambda: h1_hub.requests[-1].target.endswith(there.id))
        there.pipes["log"].write(b"last\n")
        assert came.wait(LIMIT)
        assert not following.done
        following.close()


@plain
def test_streams_of_a_crashed_program_that_lives_on(there: Instance, h1_hub: H1Hub):
    """Following ends some time after its instance has, although the hub leaves the stream open."""
    lines: list[bytes] = []

    there.pipes["stdout"].write(b"one\n")
    with tuned(h1_hub.url, tuning=Tuning(stream_settle=0.5)) as host:
        following = host.get_instance_client(there.id).follow(stdout=lines.append)
        eventually(lambda: lines)
        there.status, there.terminated = "errored", {"exitcode": 101, "reason": "Uncaught"}
        following.wait(LIMIT)

    assert lines == [b"one\n"]


@plain
def test_wait_has_a_limit(instance: InstanceClient):
    """Waiting ends with a timeout while the instance lives, and following goes on."""
    with instance.follow(stdout=io.BytesIO()) as following:
        with pytest.raises(HubTimeoutError):
            following.wait(0.05)

        assert not following.done
        assert len(follow_threads()) == 1
    assert follow_threads() == []


def test_close_stops_at_once(instance: InstanceClient):
    """Closing frees silent streams whose instance lives on, from any thread, twice if wanted."""
    following = instance.follow(stdout=io.BytesIO(), stderr=io.BytesIO(), log=io.BytesIO())
    closer = threading.Thread(target=following.close, name="test-closer")
    closer.start()
    closer.join(LIMIT)
    following.close()

    assert follow_threads() == []


@plain
def test_close_from_a_callable(instance: InstanceClient, there: Instance):
    """A callable may close what calls it: it is not called again."""
    lines: list[bytes] = []
    begun = threading.Event()
    handle: list[Follow] = []

    def take(line: bytes) -> None:
        assert begun.wait(LIMIT)
        lines.append(line)
        handle[0].close()

    handle.append(instance.follow(stdout=take, stderr=io.BytesIO()))
    begun.set()
    there.pipes["stdout"].write(b"one\ntwo\n")
    handle[0].wait(LIMIT)

    assert lines == [b"one\n"]


@plain
def test_error_of_a_callable(instance: InstanceClient, there: Instance):
    """What a callable raises ends all of it, and is raised as it is by wait, then no more by close."""
    error = KeyError("x")

    def take(line: bytes) -> None:
        raise error

    following = instance.follow(stdout=take, stderr=io.BytesIO(), log=io.BytesIO())
    there.pipes["stdout"].write(b"one\n")
    with pytest.raises(KeyError) as caught:
        following.wait(LIMIT)
    following.close()

    assert caught.value is error
    assert follow_threads() == []


@plain
def test_error_is_raised_by_close(instance: InstanceClient, there: Instance):
    """Who does not wait hears of it from close, at the end of a `with` block, and once."""
    file = io.BytesIO()

    following = instance.follow(stdout=file)
    file.close()
    there.pipes["stdout"].write(b"one\n")
    eventually(lambda: following.done)

    with pytest.raises(ValueError, match="closed file"), following:
        pass
    following.close()


@plain
def test_error_that_nobody_asks_for(instance: InstanceClient, there: Instance, caplog):
    """An error of a handle that was dropped is logged."""

    def take(line: bytes) -> None:
        raise KeyError("nobody")

    instance.follow(stdout=take)
    with caplog.at_level(logging.WARNING, logger="scramjet_client"):
        there.pipes["stdout"].write(b"one\n")
        eventually(lambda: "nobody" in caplog.text)


@plain
def test_error_of_the_block_comes_first(instance: InstanceClient, there: Instance):
    """An error in the `with` block is not replaced by one of following."""

    def take(line: bytes) -> None:
        raise KeyError("x")

    following = instance.follow(stdout=take)
    there.pipes["stdout"].write(b"one\n")
    eventually(lambda: following.done)

    with pytest.raises(ZeroDivisionError), following:
        _ = 1 / 0


def test_cut_is_no_end(instance: InstanceClient, there: Instance, h1_hub: H1Hub):
    """A connection that breaks is raised, after what came before it was delivered."""
    lines: list[bytes] = []
    following = instance.follow(stdout=lines.append, stderr=io.BytesIO())
    there.pipes["stdout"].write(b"one\n")
    eventually(lambda: lines)
    h1_hub.stopped.set()

    with pytest.raises(StreamInterruptedError):
        following.wait(LIMIT)

    assert lines == [b"one\n"]


@plain
def test_interpreters_end(there: Instance, h1_hub: H1Hub):
    """A program that ends while something is followed ends well, at once, and says that it is followed no more."""
    stopped = threading.Event()

    def write() -> None:
        while not stopped.wait(0.001):
            there.pipes["stdout"].write(b"x" * 1000 + b"\n")

    writer = threading.Thread(target=write, name="test-writer")
    writer.start()
    with subprocess.Popen(
        [sys.executable, "-c", ENDS_WHILE_IT_FOLLOWS, h1_hub.url, there.id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        first = process.stdout.read(1001)
        _, errors = process.communicate(timeout=LIMIT)  # closes its stdin, which ends it
    stopped.set()
    writer.join()

    assert process.returncode == 0
    assert first == b"x" * 1000 + b"\n"
    assert b"RuntimeWarning: the interpreter ends while stdout of instance" in errors


FORKS_WHILE_IT_FOLLOWS = """
import os, sys
from scramjet_client import HostClient

following = HostClient(sys.argv[1]).get_instance_client(sys.argv[2]).follow(stdout=print)
if not (child := os.fork()):
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
print("forked", flush=True)
following.wait()
"""


@plain
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_does_not_follow(there: Instance, h1_hub: H1Hub):
    """A child that is forked while something is followed ends without a word, and ends nothing of its parent."""
    quiet = "ignore::DeprecationWarning"
    with subprocess.Popen(
        [sys.executable, "-W", quiet, "-c", FORKS_WHILE_IT_FOLLOWS, h1_hub.url, there.id],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"forked\n"
        there.pipes["stdout"].write(b"one\n")
        there.end()
        rest, errors = process.communicate(timeout=LIMIT)

    assert (rest, errors, process.returncode) == (b"one\n", b"", 0)


@plain
def test_unknown_instance(h1_host: HostClient, tmp_path):
    """An instance that is not there is an error of the call, and nothing stays open."""
    with pytest.raises(InstanceNotFoundError):
        h1_host.get_instance_client("nobody").follow(stdout=tmp_path / "out", log=True)

    assert follow_threads() == []


@plain
def test_idle_limit_of_the_client_does_not_count(
    h1_hub: H1Hub, there: Instance, certificates: Certificates
):
    """A limit for silent streams is not meant for those read together: one of them is always silent."""
    limits = Timeouts(idle=0.1)
    with HostClient(h1_hub.url, verify=certificates.ca_path, timeout=limits) as host:
        following = host.get_instance_client(there.id).follow(stdout=io.BytesIO())
        with pytest.raises(HubTimeoutError):
            following.wait(0.5)
        there.end()
        following.wait(LIMIT)


# -- run ----------------------------------------------------------------------------------------------


def test_run(instance: InstanceClient, there: Instance):
    """A run sends, ends the input, collects every stream, and says how it ended."""
    there.pipes["stderr"].write(b"err\n")
    there.pipes["log"].write(b"{}\n")
    ender = threading.Thread(
        target=lambda: eventually(lambda: there.input_ended) and there.end(), name="test-ender"
    )
    ender.start()

    done = instance.run("one ą\n", type="text/plain", timeout=LIMIT)
    ender.join()

    assert (done.output, done.stderr, done.log) == ("one ą\n".encode(), b"err\n", b"{}\n")
    assert done.returncode == 0
    assert done.info.terminated is not None
    assert done.info.terminated.exit_code == 0
    assert done.info.terminated.raw["exitcode"] == -1
    assert there.accepted == [("input", "text/plain")]
    done.check_returncode()


@plain
@pytest.mark.parametrize(("code", "returncode"), [(-1, 0), (0, 0), (138, 0), (137, -9), (23, 1)])
def test_return_codes(instance: InstanceClient, there: Instance, code: int, returncode: int):
    """0 is a good end, however the hub says it, a kill is -9, else it is the program's code; check raises them."""
    there.end(code, "the reason")

    done = instance.run(timeout=LIMIT)

    assert done.returncode == returncode
    if returncode:
        with pytest.raises(InstanceFailedError, match="failed: the reason") as caught:
            done.check_returncode()
        assert caught.value.completed is done
    else:
        done.check_returncode()


@plain
def test_run_of_an_end_that_nobody_knows(instance: InstanceClient, there: Instance):
    """213 without a word on stderr or in the log is neither a good end nor a crash, and check says so."""
    there.end(213, "Runner failed")

    done = instance.run(timeout=LIMIT)

    assert (done.returncode, done.info.status, done.cause, done.traceback) == (
        None,
        "unknown",
        None,
        "",
    )
    with pytest.raises(UnsupportedByHubError, match="is not known"):
        done.check_returncode()


@plain
def test_run_with_check(instance: InstanceClient, there: Instance):
    """With check=True a bad end is raised, and the error has all that the program gave."""
    there.pipes["stderr"].write(b"err\n")
    there.end(23, "raised")

    with pytest.raises(InstanceFailedError) as caught:
        instance.run(timeout=LIMIT, check=True)

    assert caught.value.completed.stderr == b"err\n"
    assert pickle.loads(pickle.dumps(caught.value)).completed == caught.value.completed
    assert there.received == []


def test_run_timeout(h1_host: HostClient, h1_hub: H1Hub):
    """After a timeout the instance is killed, and the error has what came until then."""

    def timed_out(limit: float) -> tuple[Instance, RunTimeoutError]:
        there = h1_hub.add_instance()
        there.pipes["output"].write(b"half")
        there.pipes["stderr"].write(b"err")
        with pytest.raises(RunTimeoutError, match="it was killed") as caught:
            h1_host.get_instance_client(there.id).run(timeout=limit)
        return there, caught.value

    there, error = long_enough(
        timed_out, lambda it: it[1].output and it[1].stderr and it[1].info is not None
    )

    assert (error.output, error.stdout, error.stderr) == (b"half", b"", b"err")
    assert error.info.status == "running"
    assert isinstance(error, TimeoutError)
    assert there.received == [("_kill", {"removeImmediately": True})]


@plain
def test_run_timeout_before_anything_is_known(instance: InstanceClient, there: Instance):
    """The limit of a run is named as that also if the hub has not answered its first question by then."""
    answer = threading.Event()
    there.on_look = lambda: answer.wait(LIMIT)

    with pytest.raises(RunTimeoutError, match=r"had not ended after 0\.2 s.*it was killed"):
        instance.run(timeout=0.2)
    answer.set()


@plain
def test_run_that_leaves_or_stops(instance: InstanceClient, there: Instance):
    """What becomes of an instance after a timeout can be chosen: it is left, or stopped."""
    with pytest.raises(RunTimeoutError, match="it was left"):
        instance.run(timeout=0.2, unfinished="leave")
    assert there.received == []

    there.on_stop = lambda _timeout: there.end(138, "Instance stopped")
    with pytest.raises(RunTimeoutError, match="it was stopped"):
        instance.run(timeout=0.2, unfinished="stop")
    assert [route for route, _ in there.received] == ["_stop"]


@plain
def test_run_whose_source_raises(instance: InstanceClient, there: Instance):
    """A source that raises ends the run with its error, and the instance is killed."""

    def items():
        yield b"one\n"
        raise KeyError("x")

    with pytest.raises(UploadError) as caught:
        instance.run(items(), timeout=LIMIT)

    assert isinstance(caught.value.__cause__, KeyError)
    assert [route for route, _ in there.received] == ["_kill"]


def test_run_of_a_program_that_does_not_read(instance: InstanceClient, there: Instance):
    """A program that ends without having read its input is no error, and the upload is given up."""
    closed = threading.Event()

    def endless():
        try:
            while True:
                yield bytes(60_000)
        finally:
            closed.set()

    there.pipes["output"].end()  # nobody reads what is written from now on
    ender = threading.Thread(
        target=lambda: eventually(lambda: there.accepted) and there.end(), name="test-ender"
    )
    ender.start()
    done = instance.run(endless(), timeout=LIMIT)
    ender.join()

    assert done.returncode == 0
    assert closed.wait(LIMIT)


@plain
def test_run_of_wrong_arguments(instance: InstanceClient, there: Instance, h1_hub: H1Hub):
    """Misuse is refused before anything is sent, the instance goes on, and its inputs are as before."""
    for arguments, error in (
        ({"input": 5}, TypeError),
        ({"input": b"x", "stdin": 5}, TypeError),
        ({"input": b"x", "type": "text/html"}, ValueError),
        ({"unfinished": "murder"}, ValueError),
        ({"timeout": 0}, ValueError),
    ):
        with pytest.raises(error):
            instance.run(**arguments)

    assert {request.method for request in h1_hub.requests} <= {"GET"}
    assert there.received == []
    assert instance.send_input(b"x").bytes_written == 1


def test_run_when_the_hub_dies():
    """A hub that dies in the middle is an error, not an end; that the instance is not killed is logged."""
    dying = threading.Event()

    def serve(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            if request.target.endswith("/x"):
                conn.send_json("200 OK", {"id": "x", "sequence": {"id": "s"}, "status": "running"})
            elif "/x/" in request.target and request.method == "GET":
                conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                conn.send_chunk(b"half")
                dying.wait(0.3)
                conn.reset()
                return
            else:
                conn.send_json("200 OK", {"apiVersion": "v1", "version": "1.0.1"})

    with RawServer(serve) as server, HostClient(server.url) as host:
        with pytest.raises(StreamInterruptedError):
            host.get_instance_client("x").run(timeout=LIMIT)
        server.check()


# -- attach -------------------------------------------------------------------------------------------


def test_attach_by_pipes(instance: InstanceClient, there: Instance):
    """What comes from a pipe goes to stdin at once, its end ends it, and stdout comes back as it comes."""
    ours, theirs = os.pipe()
    shown = io.BytesIO()

    def type_it() -> None:
        with open(theirs, "wb", buffering=0) as keys:
            keys.write(b"one\n")
            eventually(lambda: shown.getvalue() == b"one\n")
            keys.write("ą\n".encode())
        eventually(lambda: there.input_ended)
        there.end()

    typist = threading.Thread(target=type_it, name="test-typist")
    typist.start()
    with open(ours, "rb") as stdin:
        info = instance.attach(stdin=stdin, stdout=shown, stderr=None)
    typist.join()

    assert shown.getvalue() == "one\ną\n".encode()
    assert info is not None
    assert (info.status, info.terminated.exit_code) == ("stopped", 0)


def test_attach_ends_with_a_silent_keyboard(instance: InstanceClient, there: Instance):
    """Attaching ends with the instance though nothing was typed, and no thread goes on waiting for a key."""
    ours, theirs = os.pipe()
    with open(ours, "rb") as stdin, open(theirs, "wb") as keys:
        ender = threading.Thread(
            target=lambda: eventually(lambda: there.accepted) and there.end(), name="test-ender"
        )
        ender.start()
        instance.attach(stdin=stdin, stdout=io.BytesIO(), stderr=None)
        ender.join()
        eventually(lambda: not client_threads())
        keys.write(b"for somebody else\n")
        keys.flush()

        assert stdin.readline() == b"for somebody else\n"


@plain
def test_attach_of_files_in_memory(instance: InstanceClient, there: Instance):
    """A file that is none of the operating system's can be sent too."""
    shown = io.BytesIO()
    ender = threading.Thread(
        target=lambda: eventually(lambda: there.input_ended) and there.end(), name="test-ender"
    )
    ender.start()
    instance.attach(stdin=io.StringIO("one\ntwo\n"), stdout=shown, stderr=None)
    ender.join()

    assert shown.getvalue() == b"one\ntwo\n"


@plain
def test_attach_whose_keyboard_breaks(instance: InstanceClient):
    """A file that can't be read ends the attachment with its error."""

    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            raise OSError("no such tape")

    with pytest.raises(UploadError) as caught:
        instance.attach(stdin=Broken(), stdout=io.BytesIO(), stderr=None)

    assert "no such tape" in str(caught.value.__cause__)
