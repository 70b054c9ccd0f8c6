"""What an ended instance left behind: read to find its error, and given to later readers."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from scramjet_client import HostClient, Tuning
from tests.support.certs import Certificates
from tests.support.scripted_hub import H1Hub
from tests.support.waiting import LIMIT, eventually

TRACEBACK = b"""Traceback (most recent call last):
  File "/package/main.py", line 3, in run
    raise ValueError("too late?")
ValueError: too late?
"""


def test_output_opens_while_last_words_are_read(h1_hub: H1Hub, certificates: Certificates):
    """A stream opens at once though another thread waits for the rest of stderr."""
    there = h1_hub.add_instance()
    there.end(1, "it failed")
    there.pipes["stderr"].ended = False
    with HostClient(h1_hub.url, verify=certificates.ca_path) as host:
        host.client.tuning = Tuning(look=LIMIT, log_settle=LIMIT)
        instance = host.get_instance_client(there.id)
        waiting = threading.Thread(target=instance.wait, name="test-wait")
        waiting.start()
        eventually(lambda: any(each.target.endswith("/stderr") for each in h1_hub.requests))

        instance.get_stream("output").close()
        still_reads = waiting.is_alive()

        for name in ("stderr", "log"):
            there.pipes[name].end()
        waiting.join()
    assert still_reads


def test_stderr_that_is_late_is_awaited(h1_hub: H1Hub, certificates: Certificates):
    """Only stderr's own end ends it, and no silence as of a log: a slow line is silent, too."""
    there = h1_hub.add_instance()
    there.end(1, "it failed")
    there.pipes["stderr"].ended = False
    there.pipes["log"].end()
    with HostClient(h1_hub.url, verify=certificates.ca_path) as host, ThreadPoolExecutor() as pool:
        host.client.tuning = Tuning(look=LIMIT, log_settle=0.02, stream_settle=LIMIT)
        waiting = pool.submit(host.get_instance_client(there.id).wait)
        eventually(lambda: any(each.target.endswith("/stderr") for each in h1_hub.requests))
        time.sleep(0.5)  # many times the silence that ends a log
        there.pipes["stderr"].write(TRACEBACK)
        there.pipes["stderr"].end()
        info = waiting.result(LIMIT)

    assert (info.cause.type, info.cause.message) == ("ValueError", "too late?")
