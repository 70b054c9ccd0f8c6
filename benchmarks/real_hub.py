"""The same on the real hub: each turn has an instance of its own, and the hub is the bottleneck."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.cases import expect
from benchmarks.contestants import Job
from benchmarks.line_up import CALLERS, LINE_READERS, NO_OUTPUTS, SENDERS, them, us
from benchmarks.model import (
    CALLS,
    CPU_PER_GB,
    CPU_PER_MILLION,
    MEGABYTES,
    MEMORY,
    MILLIONS,
    P50,
    P99,
    Case,
    Scene,
    Turn,
)
from scramjet_client import HostClient, InstanceClient
from scramjet_client.packages.package import pack
from tests.support.real_hub import RealHub

_SEQUENCES = Path(__file__).parent / "sequences"


class Stage:
    """The hub, started when a case first needs it, and the sequences on it."""

    def __init__(self) -> None:
        self._hub = RealHub()
        self._host: HostClient | None = None
        self._ids: dict[str, str] = {}

    def close(self) -> None:
        """Stop the hub."""
        if self._host is not None:
            self._host.close()
            self._hub.stop()

    @property
    def base(self) -> str:
        """The URL of the hub's API."""
        return self._hub.url

    def _open(self) -> HostClient:
        if self._host is None:
            self._hub.start()
            self._host = HostClient(self._hub.url)
        return self._host

    @contextmanager
    def instance(self, sequence: str, *args: int) -> Iterator[InstanceClient]:
        """Run an instance of one of the benchmark's sequences; it runs when the block begins."""
        host = self._open()
        if sequence not in self._ids:
            package = pack(_SEQUENCES / sequence)
            self._ids[sequence] = host.send_sequence(package).id
        instance = host.get_sequence_client(self._ids[sequence]).start(args=list(args))
        instance.get_health()
        try:
            yield instance
        finally:
            instance.kill()


def _outputs(stage: Stage, size: int, *, by_lines: bool) -> Scene:
    @contextmanager
    def scene(amount: int) -> Iterator[Turn]:
        count = amount if by_lines else amount // size
        with stage.instance("source", count, size) as instance:

            def finish(printed: dict[str, Any]) -> None:
                if printed.get("bytes"):
                    expect("bytes", printed["bytes"], count * size)

            yield Turn(Job(stage.base, instance.id, size, count, {}), amount, finish)

    return scene


def _uploads(stage: Stage, size: int, *, by_items: bool) -> Scene:
    @contextmanager
    def scene(amount: int) -> Iterator[Turn]:
        count = amount if by_items else amount // size
        with stage.instance("sink") as instance:

            def finish(_printed: dict[str, Any]) -> None:
                url = f"{stage.base}/instance/{instance.id}/output"
                with urllib.request.urlopen(url, timeout=60) as answer:
                    expect("bytes", int(answer.read()), count * size)

            yield Turn(Job(stage.base, instance.id, size, count, {}), amount, finish)

    return scene


def _echo(stage: Stage) -> Scene:
    @contextmanager
    def scene(amount: int) -> Iterator[Turn]:
        with stage.instance("echo") as instance:
            yield Turn(Job(stage.base, instance.id, 100, amount, {}), amount)

    return scene


_READERS = (
    us("chunks"),
    them("with_requests", "chunks"),
    them("with_urllib3", "chunks"),
    them("with_httpx", "chunks"),
    them("with_aiohttp", "chunks"),
    them("with_pycurl", "chunks"),
    them("node", "chunks"),
    them("old_client", "", reason=NO_OUTPUTS),
    them("raw_socket", "chunks"),
)
_SENDERS = tuple(each for each in SENDERS if each.kind != "server")


def _output_cases(stage: Stage) -> list[Case]:
    return [
        Case(
            name="real-output",
            title="Real hub: output, written in blocks of 64 KiB",
            measures=(MEGABYTES, CPU_PER_GB, MEMORY),
            contestants=_READERS,
            scene=_outputs(stage, 65536, by_lines=False),
            first=16 << 20,
            step=65536,
        ),
        Case(
            name="real-lines",
            title="Real hub: output, written in lines of 100 bytes",
            measures=(MILLIONS, CPU_PER_MILLION, MEMORY),
            contestants=LINE_READERS,
            scene=_outputs(stage, 100, by_lines=True),
            first=20_000,
        ),
    ]


def _upload_cases(stage: Stage) -> list[Case]:
    return [
        Case(
            name="real-upload-64k",
            title="Real hub: upload, items of 64 KiB",
            measures=(MEGABYTES, CPU_PER_GB, MEMORY),
            contestants=_SENDERS,
            scene=_uploads(stage, 65536, by_items=False),
            first=16 << 20,
            step=65536,
        ),
        Case(
            name="real-upload-100",
            title="Real hub: upload, items of 100 bytes",
            measures=(MILLIONS, CPU_PER_MILLION, MEMORY),
            contestants=_SENDERS,
            scene=_uploads(stage, 100, by_items=True),
            first=5_000,
        ),
    ]


def cases(stage: Stage) -> list[Case]:
    """Return the cases on the real hub."""
    return [
        *_output_cases(stage),
        *_upload_cases(stage),
        Case(
            name="real-ping-pong",
            title="Real hub: round trip of a line through a program",
            measures=(P50, P99, CPU_PER_MILLION),
            contestants=(
                us("ping-pong"),
                them("with_aiohttp", "ping-pong-pair"),
                them("raw_socket", "ping-pong-pair"),
            ),
            scene=_echo(stage),
            first=100,
            fixed=1000,
            note="This hub, 0.18.7, has no `inout`: everybody reads the output by one request and sends by another.",
        ),
        Case(
            name="real-json-calls",
            title="Real hub: JSON calls (`get_version`)",
            measures=(CALLS, CPU_PER_MILLION, MEMORY),
            contestants=CALLERS,
            scene=_echo(stage),
            first=100,
        ),
    ]
