"""Threads are there while a transfer runs, and at no other time."""

from __future__ import annotations

import subprocess
import sys

from tests.support.waiting import LIMIT

IDLE = """
import threading
import scramjet_client
from scramjet_client import HostClient, HttpClient
assert threading.enumerate() == [threading.main_thread()], "import starts a thread"
with HttpClient(), HostClient("http://127.0.0.1:9/api/v1", retries=0) as host:
    instance = host.get_instance_client("abc")
    sequence = host.get_sequence_client("abc")
    assert threading.enumerate() == [threading.main_thread()], "construction starts a thread"
    for call in (host.get_version, lambda: instance.send_input(b"x"), instance.open_input):
        try:
            call()
        except ConnectionError:
            pass
for each in threading.enumerate():
    if each is not threading.main_thread():
        each.join(60)
assert threading.enumerate() == [threading.main_thread()], "a failed call leaves a thread"
print("none")
"""


def test_none_at_import_construction_or_after_failed_calls():
    """Importing the package and making its clients starts no thread, and calls that fail leave none."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", IDLE],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "none\n", "")
