"""What an ended instance left behind: read to find its error, and given to later readers."""

from __future__ import annotations

import threading

from scramjet_client import HostClient, Tuning
from tests.support.certs import Certificates
from tests.support.scripted_hub import H1Hub
from tests.support.waiting import LIMIT, eventually


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
