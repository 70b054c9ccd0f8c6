"""The hubs of the soak, and what each worker has of its own: a way through a proxy, and a way around it."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import attrs

from scramjet_client import (
    HostClient,
    InstanceClient,
    OutputStream,
    ScramjetError,
    SequenceClient,
    Timeouts,
)
from scramjet_client.testing import FaultProxy
from soak.accounts import Received
from tests.support.waiting import eventually

PROGRAM = Path(__file__).parent / "program"

PATIENCE = 60.0
"""Seconds after which something that should come is said to be lost; only a failure reaches it."""

HASTY = 2.0
"""Seconds of the limits of an operation that is to reach them."""


def packed(name: str, data: bytes = b"") -> bytes:
    """Return the soak's program as a package of this name, with some data."""
    manifest = json.loads((PROGRAM / "package.json").read_text("utf-8"))
    files = {
        "package.json": json.dumps({**manifest, "name": name}).encode(),
        "main.py": (PROGRAM / "main.py").read_bytes(),
        "content.py": (PROGRAM / "content.py").read_bytes(),
        "data.bin": data,
    }
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz", compresslevel=1) as package:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text)
            package.addfile(entry, io.BytesIO(text))
    return made.getvalue()


# Ends with its stdin, so with the process that started it, however that ends.
_LOCAL_HUB = """
import sys, warnings
from scramjet_client.hub import LocalHub

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    open_to_all = LocalHub(token=None)
with open_to_all as hub:
    print(hub.url, flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def local_hub() -> Iterator[tuple[str, int]]:
    """Run a LocalHub in a process of its own, whose resources are not ours; give its URL and process id."""
    command = [sys.executable, "-c", _LOCAL_HUB]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process.pid
        process.communicate()


@attrs.frozen
class Hub:
    """A hub that runs.

    Attributes:
        name: "local" or "real".
        url: Of its API.
        pid: Its process.
        modern: Whether it carries bytes; one that is not carries only UTF-8.
        sequence: The soak's program on it.
        sabotage: How the program spoils what it carries, "" for not at all.
    """

    name: str
    url: str
    pid: int
    modern: bool
    sequence: str
    sabotage: str = ""


class Echo:
    """An instance that echoes, over several operations, and a reader of all that it gives."""

    def __init__(self, instance: InstanceClient) -> None:
        self.instance = instance
        self.output: OutputStream = instance.get_stream("output", idle_timeout=PATIENCE)

    def take(self, received: Received) -> None:
        """Read until nothing is missing."""
        while received.missing:
            data = self.output.read1(received.missing)
            received.add(data)
            if not data:
                received.whole()


class World:
    """What one worker has of one hub.

    Attributes:
        direct: A client of the hub itself, for what is not on trial.
        patient: A client of the proxy, whose limits only a failure reaches.
        hasty: A client of the proxy whose limits are to be reached.
    """

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.proxy = FaultProxy(hub.url)
        self.direct = HostClient(hub.url, timeout=PATIENCE)
        limits = Timeouts(connect=PATIENCE, read=PATIENCE)
        self.patient = HostClient(self.proxy.url, timeout=limits, retries=4)
        limits = Timeouts(connect=HASTY, read=HASTY, idle=HASTY)
        self.hasty = HostClient(self.proxy.url, timeout=limits, retries=4)
        for each in (self.patient, self.hasty):
            each.get_version()
        self._echo: Echo | None = None

    @property
    def sequence(self) -> SequenceClient:
        """The soak's program, by the way around the proxy."""
        return self.direct.get_sequence_client(self.hub.sequence)

    def start(self, *args: object) -> InstanceClient:
        """Start the soak's program and return it by the way around the proxy."""
        instance = self.sequence.start(args=list(args), timeout=PATIENCE)
        if args[0] == "talker":
            # A Python program on 0.x dies of an event that comes before it is ready.
            instance.get_event("ready", timeout=PATIENCE)
        return instance

    def end(self, instance: InstanceClient) -> None:
        """See to it that an instance ends."""
        with contextlib.suppress(ScramjetError):  # it has ended, or is being stopped
            instance.kill(remove_immediately=True)

    def quiet(self) -> None:
        """End the proxy's connections, and return when they are gone: what they still held is at the hub or lost."""
        self.proxy.reset_connections()
        eventually(lambda: not self.proxy.open_connections, PATIENCE)

    def echo(self) -> Echo:
        """Return the instance that echoes, a new one if there is none."""
        if self._echo is None:
            self._echo = Echo(self.start("echo", self.hub.sabotage))
        return self._echo

    def retire_echo(self, received: Received, *, killed: bool) -> None:
        """End the echo after a send that failed; what comes must be a beginning of what was to be sent."""
        echo, self._echo = self._echo, None
        assert echo is not None
        self.quiet()
        try:
            with echo.output:
                if not killed:
                    echo.instance.send_input(b"", end=True)
                for data in echo.output.chunks():
                    received.add(data)
        finally:
            self.end(echo.instance)

    def forget_echo(self) -> None:
        """End the echo, of which nobody knows what it still holds."""
        echo, self._echo = self._echo, None
        if echo is not None:
            echo.output.close()
            self.end(echo.instance)

    def close(self) -> None:
        """End everything."""
        self.forget_echo()
        for client in (self.direct, self.patient, self.hasty):
            client.close()
        self.proxy.close()
