"""Every cell of the fault table: each fault, with each operation, in each phase, over plain sockets and TLS."""

from __future__ import annotations

import contextlib
import threading
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
    Tuning,
    UploadCancelledError,
)
from scramjet_client.api.generations import generation_of
from scramjet_client.testing import FaultProxy
from tests.faults.operations import ALL_LINES, BODY, OPERATIONS, Limits, World, post
from tests.faults.table import IMPOSSIBLE, OUTCOMES, PHASES, TABLE, as_markdown, fault_at
from tests.support.certs import Certificates
from tests.support.scripted_hub import H1Hub
from tests.support.tuned import tuned
from tests.support.waiting import LIMIT, eventually

SHORT = (1.0, 5.0, 25.0)
"""Seconds of the limits that what stalls for ever is to reach: the next one where, on a slow machine, a limit
was over before the fault had struck."""

HANG = 2 * LIMIT
"""Seconds after which an operation counts as one that never ends, and is ended; every limit is below."""

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
        hung: Whether it had to be ended.
        delivered: How many of its requests reached the hub.
        struck: Whether the fault did strike.
        retried: Whether a request failed on the way.
        received, taken: What the client and the hub got of a body.
        packages: What the hub got as packages.
    """

    error: BaseException | None
    trace: str
    hung: bool
    delivered: int
    struck: bool
    retried: bool
    received: bytes
    taken: bytes
    packages: list[bytes]


def run_cell(fault: str, phase: str, operation: str, certificates: Certificates | None) -> Result:
    """Run one operation on a hub, a proxy and a client of its own, until the fault has struck."""
    outcome = TABLE[phase][fault, operation]
    for short in SHORT:
        limits = Limits.of(outcome, short)
        result = _run_once(fault, phase, operation, certificates, limits)
        if result.struck or limits == Limits():
            break
    return result


def _run_once(
    fault: str, phase: str, operation: str, certificates: Certificates | None, limits: Limits
) -> Result:
    run, of = OPERATIONS[operation]
    timeouts = Timeouts(connect=limits.answer, read=limits.answer, idle=limits.silence)
    tuning = Tuning(stop_margin=limits.answer, stop_settle=LIMIT)
    # Nobody knows for how long a slow machine's proxy is away.
    retries = 20 if fault == "restart" else 3
    cert = certificates and certificates.server_path
    ca = certificates and certificates.ca_path
    with H1Hub() as hub, FaultProxy(hub.url, cert=cert) as proxy:
        with tuned(proxy.url, tuning=tuning, timeout=timeouts, retries=retries, verify=ca) as host:
            world = World(hub, proxy, host, limits)
            eventually(
                lambda: _knows_its_hub(host)
            )  # asked for once, and not part of the operation
            refused = (fault, phase) == ("restart", "connect")
            if phase == "connect":
                host.close()  # so that there is a connection to be made
            if refused:
                proxy.restart(HANG)  # or until a request has failed
            elif phase == "connect":
                proxy.next(fault_at(fault, phase, operation))
            else:
                proxy.next(fault_at(fault, phase, operation), of=of)
            hung = threading.Event()

            def end() -> None:
                hung.set()
                proxy.reset_connections()

            watchdog = threading.Timer(HANG, end)
            watchdog.name = "test-watchdog"
            watchdog.start()
            error, trace = None, ""
            try:
                run(world)
                if fault == "idle":
                    eventually(lambda: proxy.connections > proxy.open_connections)
                    post(World(hub, proxy, host, limits))
            except BaseException as raised:
                trace = traceback.format_exc()
                error = type(raised)(*raised.args)
            watchdog.cancel()
            return Result(
                error,
                trace,
                hung.is_set(),
                world.delivered(of),
                refused or len(proxy.struck) == 1,
                bool(world.failures) or world.delivered(of) + (phase == "request") > 1,
                world.received,
                world.taken,
                list(hub.sequences.values()),
            )


def _knows_its_hub(host: HostClient) -> bool:
    """Return whether the hub's generation is known, which a short limit may have prevented."""
    with contextlib.suppress(HubTimeoutError):
        generation_of(host.client)
        return True
    return False


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
def test_cell(fault, phase, operation, tls, results):
    """The outcome is the one of the table; nothing waits for ever or is done twice, and no byte is wrong."""
    expected = TABLE[phase][fault, operation]

    result = results(fault, phase, tls)[operation]

    assert_outcome(expected, result)
    assert result.struck
    assert not result.hung
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
