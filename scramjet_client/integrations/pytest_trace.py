"""Traces as tests: each `*.trace.jsonl` that names its program is replayed, and fails where something differs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scramjet_client._common.trace import Run, read_trace
from scramjet_client.clients.host import HostClient
from scramjet_client.clients.replay import (
    Difference,
    EventCollector,
    chosen_run,
    program_of,
    replayed,
)
from scramjet_client.integrations.pytest_hub import given_url, host_of, hub_for
from scramjet_client.packages.package import package_of_word


class TraceFile(pytest.File):
    """A trace."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the test of its last run."""
        try:
            trace = read_trace(self.path)
            run = chosen_run(trace.runs)
        except ValueError as error:
            raise self.CollectError(str(error)) from error
        yield TraceItem.from_parent(
            self, name=run.sequence or "run", run=run, program=program_of(trace.about, self.path)
        )


class TraceDiffers(Exception):
    """The program gives something else than in the trace."""

    def __init__(self, differences: list[Difference]) -> None:
        super().__init__(differences)
        self.differences = differences


class TraceItem(pytest.Item):
    """The replay of a run."""

    def __init__(self, *, run: Run, program: str | None, **rest: Any) -> None:
        super().__init__(**rest)
        self._run = run
        self._program = program

    def runtest(self) -> None:
        """Replay it."""
        if self._program is None:
            pytest.skip("the trace names no program, as those of LocalHub(record=...)")
        with package_of_word(self._program) as package, _hub(self.config) as (host, tap):
            found = replayed(host.send_sequence(package), self._run, tap=tap)
        if found:
            raise TraceDiffers(found)

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """Return what differs as text."""
        if not isinstance(excinfo.value, TraceDiffers):
            return super().repr_failure(excinfo, style)
        lines = [f"{self._program} gives something else than in {self.path.name}"]
        for each in excinfo.value.differences:
            lines += [f"{each.of}:", *each.lines]
        return "\n".join(lines)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return where it is, for reports."""
        return self.path, None, f"trace {self.path.name}"


@contextlib.contextmanager
def _hub(config: pytest.Config) -> Iterator[tuple[HostClient, EventCollector | None]]:
    if given_url(config):
        with hub_for(config) as hub, host_of(hub) as (host, _):
            yield host, None
        return
    from scramjet_client.hub import LocalHub  # noqa: PLC0415 - an extra

    tap = EventCollector()
    with LocalHub(record=tap) as local, local.client() as host:
        yield host, tap
