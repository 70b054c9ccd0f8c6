"""Forks, threads, signals, gevent, and the interpreter's end: what a program is in the midst of."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest

from scramjet_client import HostClient, HttpClient
from tests.support.certs import Certificates
from tests.support.interrupted import wait_until_blocked
from tests.support.scripted_hub import H1Hub
from tests.support.waiting import LIMIT
from tests.support.wire import Conn, RawServer
from tests.surroundings.programs import ROOT, environment, run

PREFORK = """
import os, sys, threading
from scramjet_client import HostClient

host = HostClient(sys.argv[1], verify=sys.argv[2])  # as gunicorn's --preload has it: made before the fork
instance = host.get_instance_client("i")
instance.get_info()
stream = instance.get_stream("stdout")
go = threading.Event()

def items():
    yield b"first"
    go.wait()
    yield b"second"

upload = instance.submit_input(items())
upload.accepted(60)
writer = instance.open_stdin()
writer.write(b"one\\n")
assert stream.readline() == b"one\\n"

# A thread that is just in the middle of something, and that no child has.
lock = host.client._session.get_adapter(sys.argv[1]).poolmanager.pools.lock
holding, over = threading.Event(), threading.Event()

def hold():
    with lock:
        holding.set()
        over.wait()

holder = threading.Thread(target=hold)
holder.start()
holding.wait()

workers = []
for number in range(4):
    pid = os.fork()
    if not pid:
        for turn in range(10):
            instance.get_info()
            instance.send_event(f"worker-{number}", str(turn))
        assert instance.send_input(b"x").bytes_written == 1
        if number % 2:
            stream.close()  # what it has inherited is its own to give up, and nobody else's
            upload.cancel()
        with instance.get_stream("stderr"):
            sys.exit(7)  # runs what is registered for the exit, and the garbage collector
    workers.append(pid)
for pid in workers:
    assert os.WEXITSTATUS(os.waitpid(pid, 0)[1]) == 7

over.set()
holder.join()
writer.write(b"two\\n")
assert stream.readline() == b"two\\n"
go.set()
assert upload.result(60).bytes_written == 11
writer.close()
instance.get_info()
stream.close()
print("whole")
"""


def test_prefork(hub: H1Hub, certificates: Certificates):
    """Workers forked from a process that has a client, streams and uploads use the client, and end nothing of it."""
    # What newer Pythons say of forks beside threads is meant for programs that need not fork.
    done = run(PREFORK, hub.url, certificates.ca_path, flags=("-W", "ignore::DeprecationWarning"))

    assert (done.stdout, done.stderr, done.returncode) == ("whole\n", "", 0)
    sent = [body[1]["eventName"] for _, body in hub.instances["i"].received]
    assert sorted(sent) == sorted(f"worker-{n}" for n in range(4) for _ in range(10))


POOLS = """
import multiprocessing, sys
from scramjet_client import HostClient

def ask(url, verify, number):
    with HostClient(url, verify=verify) as host:
        return host.get_instance_client("i").send_event("e", str(number)).sent

def inherited(number):
    return shared.get_instance_client("i").get_info().status

if __name__ == "__main__":
    method, url, verify = sys.argv[1:]
    shared = HostClient(url, verify=verify)
    inherited(0)
    with multiprocessing.get_context(method).Pool(3) as pool:
        assert all(pool.starmap(ask, [(url, verify, n) for n in range(9)]))
        if method == "fork":
            assert set(pool.map(inherited, range(9))) == {"running"}
        try:
            pool.apply(len, (shared,))
        except TypeError as error:
            print(error)
        pool.close()
        pool.join()
    shared.close()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method: str, hub: H1Hub, certificates: Certificates, tmp_path):
    """Workers of every kind have clients of their own, or the parent's after a fork; none is sent to them."""
    program = tmp_path / "program.py"
    program.write_text(POOLS)
    done = subprocess.run(
        [sys.executable, str(program), method, hub.url, certificates.ca_path],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )

    assert (done.stderr, done.returncode) == ("", 0)
    assert "can't be pickled" in done.stdout


BACKGROUND = """
import multiprocessing, sys, threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import util
from scramjet_client import HostClient, HttpClient, Tuning

def work(url, verify, ends):
    tuning = Tuning(exit_grace=3600.0 if ends else 0.01)
    host = HostClient.over(HttpClient(url, verify=verify, tuning=tuning))
    go = threading.Event()

    def items():
        yield b"first"
        go.wait()  # the child's end has begun
        yield b"last"

    upload = host.get_instance_client("i").submit_input(items())
    upload.accepted(60)
    if ends:
        util.Finalize(None, go.set, exitpriority=0)

if __name__ == "__main__":
    method, kind, *args = sys.argv[1:5]
    args.append(sys.argv[5] == "ends")
    context = multiprocessing.get_context(method)
    if kind == "Process":
        child = context.Process(target=work, args=args)
        child.start()
        child.join()
        assert child.exitcode == 0, child.exitcode
    elif kind == "Pool":
        pool = context.Pool(1)
        pool.apply(work, args)
        pool.close()
        pool.join()
    else:
        with ProcessPoolExecutor(1, mp_context=context) as executor:
            executor.submit(work, *args).result()
"""


@pytest.mark.parametrize("ends", [True, False], ids=["ends in time", "is cut"])
@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("fork", "Process"),
        ("spawn", "Process"),
        ("fork", "Pool"),
        ("forkserver", "ProcessPoolExecutor"),
    ],
)
def test_uploads_of_children(
    method: str, kind: str, ends: bool, hub: H1Hub, certificates: Certificates, tmp_path
):
    """The end of a child of multiprocessing waits for background uploads, and names those that it cuts."""
    program = tmp_path / "program.py"
    program.write_text(BACKGROUND)
    told = "ends" if ends else "is cut"
    done = subprocess.run(
        [sys.executable, str(program), method, kind, hub.url, certificates.ca_path, told],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("RuntimeWarning") == (not ends), done.stderr
    assert "is cut after 5 bytes" in done.stderr or ends
    assert hub.instances["i"].pipes["output"].held() == (b"firstlast" if ends else b"first")


def test_fifty_threads():
    """50 threads on one client get their own answers, and their uploads arrive whole."""

    def handle(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            body = conn.read_body(request)
            answer = json.dumps([request.target.rpartition("/")[2], body.decode()]).encode()
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(answer), answer))

    wrong: list[Any] = []

    def work(number: int) -> None:
        try:
            for turn in range(5):
                wrong.extend(_asked(client, f"{number}-{turn}"))
        except BaseException as error:
            wrong.append(error)

    with RawServer(handle) as server, HttpClient(server.url, timeout=LIMIT) as client:
        threads = [threading.Thread(target=work, args=(n,), name=f"test-{n}") for n in range(50)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(LIMIT)
        assert not any(each.is_alive() for each in threads)
        assert server.connections < 50 * 20

    assert wrong == []


def _asked(client: HttpClient, name: str) -> list[str]:
    """Return which of four ways to ask an echo gave another's answer."""
    answers = {
        "get": client.get(name) == [name, ""],
        "post": client.post(name, name) == [name, json.dumps(name)],
        "upload": json.loads(client.send_stream(name, [name] * 9)) == [name, name * 9],
        "stream": json.loads(client.get_stream(name).read() or b"") == [name, ""],
    }
    return [f"{way} of {name}" for way, right in answers.items() if not right]


BLOCKED = """
import signal, sys
from scramjet_client import HostClient

host = HostClient(sys.argv[1], verify=sys.argv[2], timeout=None)
instance = host.get_instance_client("i")

def endless():
    while True:
        yield b"x" * 65536

CALLS = {
    "get_info": lambda: host.client.request("GET", "instance/i/event/never", timeout=3600),
    "get_stream": lambda: instance.get_stream("stdout").read(),
    "lines": lambda: list(instance.get_stream("output")),
    "event": lambda: instance.get_next_event("never"),
    "wait": lambda: instance.wait(),
    "wait_for": lambda: instance.wait_for("stopped"),
    "stop": lambda: instance.stop(3_600_000),
    "inout": lambda: instance.inout([b""], end=False).read(),
    "send": lambda: host.client.send_stream("instance/never/input", endless()),
    "result": lambda: instance.submit_stream("stdin", iter(lambda: signal.pause(), 0)).result(),
    "connect": lambda: HostClient("http://192.0.2.1:9/api/v1", timeout=None).get_version(),
}
"""

INTERRUPTED = (
    BLOCKED
    + """
try:
    print("ready", flush=True)
    CALLS[sys.argv[3]]()
except KeyboardInterrupt:
    print("interrupted")
host.close()
"""
)

PLAIN_CALLS = ["get_info", "get_stream", "lines", "event", "wait", "wait_for", "stop", "inout"]


def _signalled(code: str, hub: H1Hub, ca: str, call: str, number: int) -> tuple[int, str, str]:
    """Run a program, send it a signal when it blocks, and return its code, output and errors."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, hub.url, ca, call],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        wait_until_blocked(process.pid)
        process.send_signal(number)
        said, errors = process.communicate(timeout=LIMIT)
        return process.returncode, said, errors
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("call", PLAIN_CALLS)
def test_interrupt(call: str, hub: H1Hub, certificates: Certificates):
    """Ctrl-C in a call that blocks for an hour or for ever is a KeyboardInterrupt, and the program can go on."""
    code, said, errors = _signalled(INTERRUPTED, hub, certificates.ca_path, call, signal.SIGINT)

    assert (code, said, errors) == (0, "interrupted\n", "")


TERMINATED = """
import signal, sys, threading
from scramjet_client import HostClient, HttpClient, Tuning

if sys.argv[3] == "handler":
    signal.signal(signal.SIGTERM, lambda *_: (go.set(), sys.exit(3)))
tuning = Tuning(exit_grace=3600.0)
host = HostClient.over(HttpClient(sys.argv[1], verify=sys.argv[2], tuning=tuning))
instance = host.get_instance_client("i")
go = threading.Event()

def items():
    yield b"first"
    go.wait()
    yield b"last"

upload = instance.submit_input(items())
upload.accepted(60)
print("ready", flush=True)
threading.Event().wait()
"""


def test_sigterm(hub: H1Hub, certificates: Certificates):
    """SIGTERM ends a program, its upload is cut, and the program on the hub does not see an end of input."""
    code, said, errors = _signalled(
        TERMINATED, hub, certificates.ca_path, "default", signal.SIGTERM
    )

    assert (code, said, errors) == (-signal.SIGTERM, "", "")
    assert hub.instances["i"].pipes["output"].held() == b"first"
    assert not hub.instances["i"].input_ended


def test_sigterm_with_a_handler(hub: H1Hub, certificates: Certificates):
    """A handler that exits makes it the interpreter's end, which waits for uploads that end soon."""
    code, said, errors = _signalled(
        TERMINATED, hub, certificates.ca_path, "handler", signal.SIGTERM
    )

    assert (code, said, errors) == (3, "", "")
    assert hub.instances["i"].pipes["output"].held() == b"firstlast"


HANDLED = """
import signal, sys, threading, time
from scramjet_client import HostClient

signals = []
signal.signal(signal.SIGALRM, lambda *_: signals.append(1))
host = HostClient(sys.argv[1], verify=sys.argv[2])
instance = host.get_instance_client("i")
stream = instance.get_stream("stdout")
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)

def later():
    for number in range(20):
        time.sleep(0.02)
        yield f"{number}\\n"

upload = instance.submit_stdin(later())
got = [stream.readline() for _ in range(20)]
instance.send_input(later())
signal.setitimer(signal.ITIMER_REAL, 0)
assert got == [b"%d\\n" % number for number in range(20)], got
assert upload.result(60).bytes_written == 50
assert len(signals) > 10
stream.close()
print("whole")
"""


def test_signals_that_are_handled(hub: H1Hub, certificates: Certificates):
    """A signal whose handler returns disturbs nothing that waits."""
    done = run(HANDLED, hub.url, certificates.ca_path)

    assert (done.stdout, done.stderr, done.returncode) == ("whole\n", "", 0)


EVERYTHING = """
import sys
from scramjet_client import HostClient
from scramjet_client.errors import NotFoundError

def main():
    with HostClient(sys.argv[1], verify=sys.argv[2]) as host:
        instance = host.get_instance_client("i")
        assert instance.get_info().status == "running"
        with instance.get_stream("output") as stream:
            upload = instance.submit_input(b"%d\\n" % n for n in range(100))
            lines = [stream.readline() for _ in range(100)]
            assert lines[99] == b"99\\n", lines
            assert upload.result(60).bytes_written == 290
        with instance.open_stdin() as writer:
            writer.write(b"x\\n")
        with instance.get_stream("stdout") as stream:
            assert stream.readline() == b"x\\n"
        try:
            host.get_instance_client("nope").send_input(iter([b"x"] * 1000))
        except NotFoundError:
            pass
        else:
            raise AssertionError
        if sys.argv[3:] == ["many"]:
            many(host)

main()
print("whole")
"""


@pytest.mark.parametrize("flags", [("-X", "dev", "-W", "error"), ("-OO",), ("-I",)], ids=" ".join)
def test_ways_to_run_python(flags: tuple[str, ...], hub: H1Hub, certificates: Certificates):
    """In the dev mode with warnings as errors, optimized or isolated, nothing is said and all works."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{EVERYTHING}"
    done = run(code, hub.url, certificates.ca_path, flags=flags)

    assert (done.stdout, done.stderr, done.returncode) == ("whole\n", "", 0)


LEFT_OPEN = """
import sys, threading
from scramjet_client import HostClient

host = HostClient(sys.argv[1], verify=sys.argv[2])
instance = host.get_instance_client("i")
instance.get_info()
stream = instance.get_stream("stdout")
events = instance.get_event_stream("e")
reader = threading.Thread(target=stream.read, daemon=True)
reader.start()
loop = iter(instance.get_stream("stderr"))
print("ready", flush=True)
"""


@pytest.mark.parametrize("flags", [(), ("-X", "dev")], ids=["plain", "dev"])
def test_interpreters_end(flags: tuple[str, ...], hub: H1Hub, certificates: Certificates):
    """A program that ends with clients, streams and a reader blocked for ever left open ends, without a word."""
    done = run(LEFT_OPEN, hub.url, certificates.ca_path, flags=flags)

    assert (done.stdout, done.stderr, done.returncode) == ("ready\n", "", 0)


GEVENT = """
from gevent import monkey
monkey.patch_all()
import gevent
from scramjet_client.errors import StreamClosedError

def reads_until_closed(stream):
    try:
        return stream.read(1)
    except StreamClosedError:
        return "closed"

def many(host):
    instance = host.get_instance_client("i")
    assert instance.get_info().status == "running"
    jobs = [gevent.spawn(instance.send_event, f"e{n}", "m") for n in range(30)]
    gevent.joinall(jobs, timeout=60, raise_error=True)

    # While one greenlet waits for a hub that says nothing, the others go on.
    turns = []
    with instance.get_stream("stderr") as silent:
        waiting = gevent.spawn(reads_until_closed, silent)
        for n in range(20):
            turns.append(instance.get_info().status)
        assert not waiting.ready()
        silent.close()
        waiting.join(60)
    assert len(turns) == 20 and waiting.value == "closed"
"""


def test_gevent(hub: H1Hub, certificates: Certificates):
    """In a program patched by gevent, calls, streams, uploads and closing work, and greenlets go on beside them."""
    done = run(GEVENT + EVERYTHING, hub.url, certificates.ca_path, "many", limit=2 * LIMIT)

    assert (done.stdout, done.stderr, done.returncode) == ("whole\n", "", 0)


def test_lost_clients_say_nothing(hub: H1Hub, certificates: Certificates):
    """A client that is lost without `close()` gives its connections up; a warning would hit every notebook."""
    host = HostClient(hub.url, verify=certificates.ca_path)
    host.get_instance_client("i").get_info()
    del host  # the guard of all tests looks for its socket, and warnings are errors
