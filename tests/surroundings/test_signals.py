"""Signals that a program inherits as ignored: from `&` in a script, `nohup`, or a supervisor."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from scramjet_client import HostClient
from tests.support.certs import Certificates
from tests.support.interrupted import wait_until_blocked
from tests.support.scripted_hub import H1Hub
from tests.support.signals import ignoring
from tests.support.waiting import LIMIT
from tests.surroundings.programs import ROOT, environment

BLOCKED = """
import sys
from scramjet_client import HostClient

host = HostClient(sys.argv[1], verify=sys.argv[2])
instance = host.get_instance_client("i")
CALLS = {
    "get_stream": lambda: instance.get_stream("stdout").read(),
    "submit": lambda: instance.submit_input(iter(instance.get_stream("stdout"))).result(),
    "follow": lambda: instance.follow(stdout=print).wait(),
    "run": lambda: instance.run(),
    "attach": lambda: instance.attach(stdin=None),
    "wait": lambda: instance.wait(),
}
print("ready", flush=True)
CALLS[sys.argv[3]]()
print("went on")
"""


@contextmanager
def running(*command: str, ignored: str) -> Iterator[subprocess.Popen[str]]:
    """Run a program that has inherited a signal as ignored, until the block is left."""
    with subprocess.Popen(
        [*ignoring(ignored), sys.executable, *command],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("call", ["get_stream", "submit", "follow", "run", "attach", "wait"])
def test_ctrl_c_that_is_ignored(call: str, hub: H1Hub, certificates: Certificates):
    """What runs in the background of a script is not ended by its Ctrl-C, whatever it waits for."""
    with running("-c", BLOCKED, hub.url, certificates.ca_path, call, ignored="SIGINT") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        wait_until_blocked(process.pid)
        process.send_signal(signal.SIGINT)
        hub.instances["i"].end()
        said, errors = process.communicate(timeout=LIMIT)

    assert (process.returncode, said, errors) == (0, "went on\n", "")


HUBS = [
    ("-m", "scramjet_client.hub", "--no-token"),
    ("-m", "scramjet_client", "hub", "start", "--no-token"),
]


@pytest.mark.parametrize("command", HUBS, ids=["module", "command"])
def test_hub_in_the_background(command: tuple[str, ...]):
    """A hub goes on after a Ctrl-C that it has inherited as ignored; SIGTERM ends it in good order."""
    with running(*command, "--port", "0", ignored="SIGINT") as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        process.send_signal(signal.SIGINT)
        with HostClient(url) as host:
            assert host.list_instances() == []
        process.terminate()
        process.communicate(timeout=LIMIT)

    assert process.returncode == 0


@pytest.mark.parametrize("command", HUBS, ids=["module", "command"])
def test_hub_that_inherits_an_ignored_sigchld(command: tuple[str, ...], tmp_path):
    """A hub says how a program ended also where its own parent has no interest in its children."""
    program = tmp_path / "killed.py"
    program.write_text(
        "import os, signal\ndef run(context, input):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with running(*command, "--port", "0", ignored="SIGCHLD") as process:
        assert process.stdout is not None
        with HostClient(process.stdout.readline().strip()) as host:
            instance = host.send_sequence(program).start()
            assert instance.wait(LIMIT).status == "crashed"
            with instance.get_log_stream() as log:
                said = log.read()
        process.terminate()
        process.communicate(timeout=LIMIT)

    assert b"ended by signal SIGKILL" in said
