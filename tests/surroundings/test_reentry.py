"""Calls in the midst of another one, and forks in the midst of a transfer: nothing is cut, doubled or hangs."""

from __future__ import annotations

import pytest

from tests.support.certs import Certificates
from tests.support.scripted_hub import H1Hub
from tests.surroundings.programs import run

FORKING = """
import os, sys
from scramjet_client import HostClient

how, first = sys.argv[3], sys.argv[4] == "first item"
host = HostClient(sys.argv[1], verify=sys.argv[2])
instance = host.get_instance_client("i")
children = []

def fork():
    children.append(os.fork())
    if children[-1]:
        os.waitpid(children[-1], 0)
    return not children[-1]

def items():
    if not first:
        yield "one "
    if how in ("return", "sys.exit", "raise", "yield", "os._exit") and fork():
        if how == "return":
            return
        if how == "sys.exit":
            sys.exit(3)
        if how == "raise":
            raise ValueError("of the child")
        if how == "os._exit":
            os._exit(0)
        yield "of the child"
    try:
        yield "two "
        yield "three"
    finally:
        if how == "finally":
            fork()

def hook(sent, total):
    if how == "progress hook" and not children:
        fork()

with instance.get_stream("output") as output:
    answer = instance.send_input(items(), end=True, progress=hook, **({} if first else {"type": "text/plain"}))
    got = output.read()
assert got == (b"two three" if first else b"one two three"), got
assert answer.bytes_written == len(got)
assert len(children) == 1, children
print("whole")
"""

FORKS = ["return", "sys.exit", "raise", "yield", "os._exit", "finally", "progress hook"]


@pytest.mark.parametrize("place", ["first item", "later"])
@pytest.mark.parametrize("how", FORKS)
def test_a_fork_of_a_source_sends_nothing(
    how: str, place: str, hub: H1Hub, certificates: Certificates
):
    """A child that a source or a hook has made leaves the parent's upload alone, however it goes on."""
    done = run(
        FORKING,
        hub.url,
        certificates.ca_path,
        how,
        place,
        flags=("-W", "ignore::DeprecationWarning"),
    )

    assert (done.stdout, done.returncode) == ("whole\n", 0), done.stderr
    if how == "yield" and place == "later":
        assert "only the parent sends" in done.stderr
    assert hub.instances["i"].input_ended


WRITER_IN_A_CHILD = """
import os, sys
from scramjet_client import HostClient, StreamClosedError, UploadError

host = HostClient(sys.argv[1], verify=sys.argv[2])
instance = host.get_instance_client("i")
begun = instance.open_input(type="text/plain")
begun.write("one ")
new = host.get_instance_client("i").open_input()
upload = begun.upload

def refused(call, *args):
    try:
        call(*args)
    except (StreamClosedError, UploadError) as error:
        return "process that" in str(error)

def with_block(writer):
    with writer:
        pass

def failing_block(writer):
    try:
        with writer:
            1 / 0
    except ZeroDivisionError:
        pass

for way in range(6):
    pid = os.fork()
    if not pid:
        ok = False
        try:
            ok = not upload.cancel()
            ok = ok and all(map(refused, (upload.result, upload.exception, upload.accepted)))
            for each in (begun, new):
                if way == 0:
                    each.close()
                elif way == 1:
                    with_block(each)
                elif way == 2:
                    failing_block(each)
                elif way == 3:
                    ok = ok and refused(each.write, "child") and refused(each.flush) and refused(each.detach)
                elif way == 4:
                    ok = ok and refused(lambda: each.upload) or each is begun
                else:
                    each.cancel()
        finally:
            os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, way

with instance.get_stream("output") as output:
    begun.write("two")
    begun.close()
    got = output.read()
assert got == b"one two", got
new.cancel()
print("whole")
"""


def test_a_writer_belongs_to_its_process(hub: H1Hub, certificates: Certificates):
    """In a fork, closing a writer drops the copy, and everything else is refused; nothing waits or ends."""
    done = run(
        WRITER_IN_A_CHILD,
        hub.url,
        certificates.ca_path,
        flags=("-W", "ignore::DeprecationWarning"),
    )

    assert (done.stdout, done.stderr, done.returncode) == ("whole\n", "", 0)


LOGGING = """
import io, logging, signal, sys, threading
from scramjet_client import HostClient

way = sys.argv[3]
host = HostClient(sys.argv[1], verify=sys.argv[2])
instance = host.get_instance_client("i")
output = instance.get_stream("output")
writer = instance.open_input(**({"type": "text/plain"} if way == "begun" else {}))
root, app = logging.getLogger(), logging.getLogger("app")
handler = logging.StreamHandler(writer)
# urllib3 logs each connection and each request, in each thread that makes one.
root.setLevel(logging.DEBUG)
root.addHandler(handler)

if way == "threads":
    threads = [threading.Thread(target=app.info, args=(f"line {n}",)) for n in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
elif way == "much":
    for n in range(8):
        app.info("line %d %s", n, "x" * 50_000)
elif way == "signal":
    def on(*_):
        writer.write("line 7\\n")
    signal.signal(signal.SIGUSR1, on)

    class Signals(logging.Filter):
        def filter(self, record):
            if threading.current_thread() is threading.main_thread():
                signal.raise_signal(signal.SIGUSR1)
            return True

    logging.getLogger("urllib3.connectionpool").addFilter(Signals())
    root.removeHandler(handler)
    for n in range(7):
        print(f"line {n}", file=writer, flush=True)
else:
    for n in range(8):
        app.info("line %d", n)
handler.setStream(io.StringIO())  # a thread may be about to log
logging.getLogger("urllib3.connectionpool").filters.clear()
writer.close()
got = output.read().decode()
lines = {line[:6] for line in got.split("\\n") if line.startswith("line ")}
assert lines == {f"line {n}" for n in range(8)}, got
output.close()
print("whole")
"""


@pytest.mark.parametrize("way", ["first write", "begun", "threads", "much", "signal"])
def test_a_handler_may_write_into_a_writer(way: str, hub: H1Hub, certificates: Certificates):
    """What is logged while a writer begins or sends may go into the same writer: it arrives, and nothing hangs."""
    done = run(LOGGING, hub.url, certificates.ca_path, way)

    assert (done.stdout, done.stderr, done.returncode) == ("whole\n", "", 0)


CALLING_BACK = """
import logging, sys, threading
from scramjet_client import HostClient

host = HostClient(sys.argv[1], verify=sys.argv[2])
calls = []

class Asks(logging.Handler):
    def emit(self, record):
        if len(calls) < 20:
            calls.append(1)
            other = host.get_instance_client("i")
            other.get_info()
            other.send_input("x")

logger = logging.getLogger("urllib3")
logger.setLevel(logging.DEBUG)
logger.addHandler(Asks())
threads = [threading.Thread(target=host.get_instance_client("i").send_input, args=("y",)) for _ in range(4)]
for each in threads:
    each.start()
for each in threads:
    each.join()
assert calls
print("whole")
"""


def test_a_handler_of_logging_may_use_the_client(hub: H1Hub, certificates: Certificates):
    """A handler that calls the hub for each record does not wait for the call that it interrupts."""
    done = run(CALLING_BACK, hub.url, certificates.ca_path)

    assert (done.stdout, done.stderr, done.returncode) == ("whole\n", "", 0)
