"""A program of a user's, run as a process: it moves data one way, and is interrupted or ends meanwhile.

It says "running" once the transfer can be ended. After Ctrl-C it says what it saw, as JSON. An exit begins
with a line on its standard input.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

from scramjet_client import HostClient, Tuning
from tests.endings.ways import Transfer, wait_until_threads_are_gone
from tests.support.tuned import tuned
from tests.support.waiting import LIMIT

SOON = 0.3
"""Seconds after the main thread's end in which a source ends that does so "soon after"."""


def open_sockets() -> int:
    """Return how many sockets this process has."""
    folder = Path("/proc/self/fd")
    found = 0
    for entry in folder.iterdir() if folder.is_dir() else ():
        try:
            found += os.readlink(entry).startswith("socket:")
        except OSError:
            continue
    return found


def is_asleep() -> bool:
    """Return whether the main thread waits, and not for a processor; True where the system does not say it."""
    status = Path(f"/proc/self/task/{os.getpid()}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "S"


def wait_until_main_thread_is_blocked() -> None:
    """Return when the main thread has stood at one place for some looks, or moves for too long to be waited for.

    A signal that comes just before a thread goes into the kernel is seen by Python only when the thread
    comes out again: nobody's fingers hit that moment, but a test does.
    """
    main = threading.main_thread().ident
    assert main is not None
    still, last = 0, None
    for _ in range(100):
        time.sleep(0.01)
        frame = sys._current_frames()[main]
        here = (frame.f_code, frame.f_lasti)
        still = still + 1 if here == last and is_asleep() else 0
        last = here
        if still == 5:
            return


def say_when_running(transfer: Transfer) -> None:
    """Tell the test, from a thread that does not count."""

    def watch() -> None:
        if transfer.running.wait(LIMIT):
            wait_until_main_thread_is_blocked()
            print("running", flush=True)

    threading.Thread(target=watch, daemon=True).start()


def be_interrupted(host: HostClient, transfer: Transfer, healthy: str) -> None:
    """Do the transfer until Ctrl-C, and say what was seen and whether the same client goes on working."""
    transfer.run()
    still_running = transfer.upload is not None and not transfer.upload.done()
    transfer.items.enough.set()
    seen = transfer.seen()
    seen["still_running"] = still_running
    seen["later"] = host.get_instance_client(healthy).send_input(b"later").bytes_written
    host.close()
    wait_until_threads_are_gone()
    seen["sockets"] = open_sockets()
    print(json.dumps(seen))


def leave(way: str, transfer: Transfer, *, soon: bool) -> None:
    """Start the transfer, and return when told to, with nobody waiting for it."""
    if way == "submit":
        transfer.begin_submit()
    else:
        # A writer has its end sent by the thread that closes it, so the interpreter must wait for that.
        daemon = not (way == "writer" and soon)
        threading.Thread(target=transfer.run, daemon=daemon).start()
    sys.stdin.readline()
    if soon:
        timer = threading.Timer(SOON, transfer.items.enough.set)
        timer.daemon = True
        timer.start()


def main() -> None:
    way, ending, url, ca, id, healthy, grace = sys.argv[1:]
    tuning = Tuning(exit_grace=float(grace)) if grace else Tuning()
    host = tuned(url, tuning=tuning, verify=ca)
    transfer = Transfer(way, host.get_instance_client(id))
    say_when_running(transfer)
    if ending == "ctrl-c":
        be_interrupted(host, transfer, healthy)
    else:
        leave(way, transfer, soon=ending == "exit in time")


main()
