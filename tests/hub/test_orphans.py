"""No process outlives its hub, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.hub.programs import IDLE
from tests.hub.wire import ask, run
from tests.support.hubs import open_hub
from tests.support.waiting import eventually

CHILD = """
import subprocess
from scramjet.streams import Stream
def run(context, input):
    context.emit('pid', {'pid': subprocess.Popen(['sleep', '600']).pid})
    return Stream()
"""

BUSY = """
import signal, os
def run(context, input):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    context.emit('pid', {'pid': os.getpid()})
    sum(range(10**13))
"""


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(pids: list[int]) -> bool:
    return not any(map(runs, pids))


def all_gone(pids: list[int]) -> None:
    eventually(lambda: gone(pids))


def start_all(url: str) -> list[int]:
    """Start an idle program, one with a child, and one that never lets the interpreter go; return all pids."""
    idle, child, busy = (run(url, each) for each in (IDLE, CHILD, BUSY))
    pids = [ask(url, "GET", f"instance/{each}/health").json["processId"] for each in (idle, child)]
    return pids + [
        ask(url, "GET", f"instance/{each}/event/pid").json["pid"] for each in (child, busy)
    ]


def test_closed_hub():
    """All is over when stop() returns."""
    with open_hub() as hub:
        pids = start_all(hub.url)
        storage = list(Path(hub._state.storage.parent).glob(hub._state.storage.name))

    assert gone(pids)
    assert storage
    assert not storage[0].exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_hub_process_that_ends(how: signal.Signals):
    """The same for a hub in a process of its own: killed, terminated or interrupted."""
    with subprocess.Popen(
        [sys.executable, "-m", "scramjet_client.hub", "--port", "0", "--no-token"],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        pids = start_all(url)
        folder = Path(ask(url, "GET", "sequences").json[0]["config"]["sequenceDir"]).parent
        process.send_signal(how)

        all_gone(pids)
        assert process.wait(60) == (-9 if how == signal.SIGKILL else 0)
        eventually(lambda: not folder.exists())


def test_forked_copy_of_the_hub_process():
    """A child that the hub's process has forked holds its sockets open, and keeps no instance alive."""
    code = (
        "import os, sys, time\n"
        "from scramjet_client.hub import LocalHub\n"
        "hub = LocalHub(token=None); hub.start(); print(hub.url, flush=True); sys.stdin.readline()\n"
        "child = os.fork()\n"
        "if child == 0:\n    time.sleep(600); os._exit(0)\n"
        "print(child, flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        instance = run(url, CHILD)
        pids = [ask(url, "GET", f"instance/{instance}/health").json["processId"]]
        pids.append(ask(url, "GET", f"instance/{instance}/event/pid").json["pid"])
        process.stdin.write("\n")
        process.stdin.flush()
        copy = int(process.stdout.readline())
        process.kill()

        try:
            all_gone(pids)
            assert runs(copy)
        finally:
            os.kill(copy, signal.SIGKILL)


def test_thread_that_ends():
    """The hub's thread takes all with it when it is made to end, while its process lives on."""
    code = (
        "import ctypes, sys, threading\n"
        "from scramjet_client.hub import LocalHub\n"
        "hub = LocalHub(token=None); hub.start(); print(hub.url, flush=True); sys.stdin.readline()\n"
        "thread = next(each for each in threading.enumerate() if each.name == 'scramjet-local-hub')\n"
        "ctypes.pythonapi.PyThreadState_SetAsyncExc(\n"
        "    ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))\n"
        "hub._server.loop.call_soon_threadsafe(lambda: None)\n"
        "thread.join(); hub.stop(); print('ended', flush=True); sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # asyncio complains of the tasks that it lost
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        pids = start_all(process.stdout.readline().strip())
        process.stdin.write("\n")
        process.stdin.flush()

        all_gone(pids)
        assert process.stdout.readline() == "ended\n"
        assert process.poll() is None
        process.stdin.close()


def test_hub_that_nobody_stops():
    """The interpreter ends without being held by a hub, and nothing stays."""
    code = (
        "import sys\nfrom scramjet_client.hub import LocalHub\n"
        "from scramjet.streams import Stream\n"
        "hub = LocalHub(); hub.start()\n"
        "s = hub.add_sequence('x', lambda context, input: Stream())\n"
        "i = hub.client().get_sequence_client(s).start()\n"
        "print(i.get_health().extra['processId'], flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )

    all_gone([int(done.stdout)])
