"""Every cell of the fault table: each fault, with each operation, in each phase, over plain sockets and TLS."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest

from scramjet_client import (
    BadParametersError,
    HostClient,
    HubConnectionError,
    HubResponseError,
    HubTimeoutError,
    ScramjetError,
    ServerError,
    StreamIdleError,
    StreamInterruptedError,
    Timeouts,
    UploadCancelledError,
    _lifetime,
)
from scramjet_client.api.generations import dialect_of
from scramjet_client.testing import FaultProxy
from tests.faults.operations import ALL_LINES, BODY, LIMIT, OPERATIONS, World, post
from tests.faults.table import AWAY, IMPOSSIBLE, OUTCOMES, PHASES, TABLE, as_markdown, fault_at
from tests.support.certs import Certificates
from tests.support.scripted_hub import H1Hub
from tests.support.waiting import eventually

HANG = 15.0
"""Seconds after which an operation counts as one that never ends, and is ended; every limit is far below."""

ERRORS: dict[str, type[ScramjetError]] = {
    "lost": HubConnectionError,
    "late": HubTimeoutError,
    "waits": UploadCancelledError,
    "cut": StreamInterruptedError,
    "silent": StreamIdleError,
    "400": BadParametersError,
    "503": ServerError,
    "redirect": HubResponseError,
}

CELLS = [
    (fault, phase, operation)
    for phase in TABLE
    for (fault, operation), outcome in TABLE[phase].items()
    if outcome not in IMPOSSIBLE
]

OVER_TLS = ("stall", "cut", "reset", "truncate")
"""The faults whose effect TLS could change; the others are above it, or differ from these in the direction back."""


@attrs.define
class Result:
    """What became of one operation.

    Attributes:
        error: What it raised, without its traceback, which would keep everything that it refers to.
        trace: That traceback, as text.
        seconds: How long it took.
        delivered: How many of its requests reached the hub.
        struck: Whether the fault did strike.
        retried: Whether a request failed on the way.
        received, taken: What the client and the hub got of a body.
        packages: What the hub got as packages.
    """

    error: BaseException | None
    trace: str
    seconds: float
    delivered: int
    struck: bool
    retried: bool
    received: bytes
    taken: bytes
    packages: list[bytes]


def run_cell(fault: str, phase: str, operation: str, certificates: Certificates | None) -> Result:
    """Run one operation on a hub, a proxy and a client of its own."""
    run, of = OPERATIONS[operation]
    limits = Timeouts(connect=1.0, read=LIMIT, idle=LIMIT)
    cert = certificates and certificates.server_path
    ca = certificates and certificates.ca_path
    with H1Hub() as hub, FaultProxy(hub.url, cert=cert) as proxy:
        with HostClient(proxy.url, timeout=limits, retries=3, verify=ca) as host:
            world = World(hub, proxy, host)
            dialect_of(host.client)  # asked for once, and not part of the operation
            refused = (fault, phase) == ("restart", "connect")
            if phase == "connect":
                host.close()  # so that there is a connection to be made
            if refused:
                proxy.restart(AWAY)
            elif phase == "connect":
                proxy.next(fault_at(fault, phase, operation))
            else:
                proxy.next(fault_at(fault, phase, operation), of=of)
            watchdog = threading.Timer(HANG, proxy.reset_connections)
            watchdog.name = "test-watchdog"
            watchdog.start()
            began = time.monotonic()
            error, trace = None, ""
            try:
                run(world)
                if fault == "idle":
                    eventually(lambda: proxy.connections > proxy.open_connections)
                    post(World(hub, proxy, host))
            except BaseException as raised:
                trace = traceback.format_exc()
                error = type(raised)(*raised.args)
            seconds = time.monotonic() - began
            watchdog.cancel()
            return Result(
                error,
                trace,
                seconds,
                world.delivered(of),
                refused or len(proxy.struck) == 1,
                bool(world.failures) or world.delivered(of) + (phase == "request") > 1,
                world.received,
                world.taken,
                list(hub.sequences.values()),
            )


@pytest.fixture(scope="module")
def results(certificates: Certificates) -> Callable[[str, str, bool], dict[str, Result]]:
    """Run all operations with one fault in one phase at the same time, once; their limits run side by side."""
    known: dict[tuple[str, str, bool], dict[str, Result]] = {}

    def get(fault: str, phase: str, tls: bool) -> dict[str, Result]:
        if (fault, phase, tls) not in known:
            possible = [each[2] for each in CELLS if each[:2] == (fault, phase)]
            with ThreadPoolExecutor(len(possible), "test-faults") as pool:
                futures = {
                    each: pool.submit(run_cell, fault, phase, each, certificates if tls else None)
                    for each in possible
                }
            known[fault, phase, tls] = {each: future.result() for each, future in futures.items()}
        return known[fault, phase, tls]

    return get


@pytest.mark.parametrize(
    ("fault", "phase", "operation", "tls"),
    [(*cell, False) for cell in CELLS] + [(*cell, True) for cell in CELLS if cell[0] in OVER_TLS],
)
def test_cell(fault, phase, operation, tls, results, monkeypatch):
    """The outcome is the one of the table, in time; nothing is done twice, and no byte is wrong."""
    monkeypatch.setattr(_lifetime, "_STOP_MARGIN", LIMIT)
    expected = TABLE[phase][fault, operation]

    result = results(fault, phase, tls)[operation]

    assert_outcome(expected, result)
    assert result.struck
    assert result.seconds < HANG
    assert ALL_LINES.startswith(result.received)
    if operation != "inout":  # whose output is read
        assert BODY.startswith(result.taken) or operation in ("output",)
    assert result.packages in ([], [BODY])
    if operation != "GET":
        assert result.delivered <= 1


def assert_outcome(expected: str, result: Result) -> None:
    if expected in ("ok", "again"):
        assert result.error is None, result.trace
        assert result.retried or expected == "ok"
    elif expected == "ok/lost":
        assert result.error is None or isinstance(result.error, HubConnectionError), result.trace
    else:
        assert type(result.error) is ERRORS[expected], result.trace


def test_document_shows_the_table():
    """docs/reliability.md holds the table and its words as they are here."""
    text = Path("docs/reliability.md").read_text("utf-8")

    assert as_markdown().strip() in text
    for word, meaning in OUTCOMES.items():
        assert f"- **{word}**: {meaning}" in text
    assert set().union(*(cells.values() for cells in TABLE.values())) == set(OUTCOMES)
    assert set(TABLE) == set(PHASES)
