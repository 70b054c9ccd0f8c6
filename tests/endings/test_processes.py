"""Ctrl-C and the interpreter's end, in real processes: what the user sees, and what the hub has."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.endings.hub import EndingsHub, Record
from tests.endings.table import CODES, ENDED, TABLE, WHOLE, Cell
from tests.support.cases import mostly_long
from tests.support.certs import Certificates
from tests.support.scripted_hub import Instance
from tests.support.waiting import LIMIT

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 4
"""How many programs run side by side: enough to fill the time in which they wait, on two processors."""

WARNING = re.compile(
    # Where no line of the program is running any more; Python 3.13 names it in another way.
    r"(?:sys:1|<sys>:0): RuntimeWarning: the interpreter ends while the upload to (\w+) of '([0-9a-f-]+)' runs:"
    r" it is cut after (\d+) bytes\n"
)
SHORT_GRACE = "0.3"
LONG_GRACE = "3600"
TLS = ("output", "inout")
"""Ways that `make test` tries over TLS, too: one of each direction of the data."""

USERS_GRACE = ("plain", "submit")
"""The one that waits for as long as users' programs do, which is 5 s."""


class Program:
    """One run of tests/endings/program.py, and the other side of it."""

    def __init__(self, cell: Cell, scheme: str, hub: EndingsHub, ca: str) -> None:
        self.cell = cell
        self.instance: Instance
        self.record: Record
        self.later: Record
        self.instance, self.record = hub.add()
        healthy, self.later = hub.add()
        grace = LONG_GRACE if cell.ending == "exit in time" else SHORT_GRACE
        if (scheme, cell.way) == USERS_GRACE and cell.ending == "exit":
            grace = ""
        command = [sys.executable, "-X", "dev", "-m", "tests.endings.program"]
        command += [cell.way, cell.ending, hub.url, ca, self.instance.id, healthy.id, grace]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.said = self.complaints = ""
        self.seconds = 0.0

    def end(self) -> None:
        """Interrupt it, or let its main thread end, once the transfer is on its way on both sides."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "running\n", self.process.communicate()
        assert self.record.under_way.wait(LIMIT)
        if self.cell.ending == "ctrl-c":
            self.process.send_signal(signal.SIGINT)
        else:
            assert self.process.stdin is not None
            self.process.stdin.write("leave\n")
            self.process.stdin.flush()
        self._ended_at = time.monotonic()

    def finish(self) -> None:
        """Wait for it, and keep what it said."""
        self.said, self.complaints = self.process.communicate(timeout=LIMIT)
        self.seconds = time.monotonic() - self._ended_at


@contextmanager
def hubs(certificates: Certificates) -> Iterator[dict[str, EndingsHub]]:
    """Yield a hub for each scheme."""
    with EndingsHub() as plain, EndingsHub(ssl_context=certificates.server_context()) as tls:
        yield {"plain": plain, "tls": tls}
        plain.check()
        tls.check()


@pytest.fixture(scope="module")
def programs(
    request: pytest.FixtureRequest, certificates: Certificates
) -> dict[tuple[str, str, str], Program]:
    """What became of a program for each cell that is tested; they are run side by side, because they mostly wait."""
    todo = [
        (item.callspec.params["scheme"], item.callspec.params["cell"])
        for item in request.session.items
        if item.path == Path(__file__)
        and isinstance(item, pytest.Function)
        and hasattr(item, "callspec")
    ]
    # The one with the long grace first, so that the others run meanwhile.
    todo.sort(
        key=lambda each: (each[1].way, each[1].ending, each[0]) != ("submit", "exit", "plain")
    )
    done: dict[tuple[str, str, str], Program] = {}
    with hubs(certificates) as there, ExitStack() as running:
        waiting: list[Program] = []
        for scheme, cell in todo:
            program = Program(cell, scheme, there[scheme], certificates.ca_path)
            running.enter_context(program.process)
            running.callback(program.process.kill)
            done[scheme, cell.way, cell.ending] = program
            waiting.append(program)
            if len(waiting) == AT_ONCE:
                _through(waiting)
        _through(waiting)
        for program in done.values():
            program.finish()
            assert program.record.over.wait(LIMIT)
    return done


def _through(programs: list[Program]) -> None:
    """Bring the ending of all of them about."""
    while programs:
        programs.pop(0).end()


def of(ending: str) -> Any:
    """Parametrize a test with the cells of one ending."""
    cells = [
        (scheme, each) for scheme in ("plain", "tls") for each in TABLE if each.ending == ending
    ]
    return pytest.mark.parametrize(
        ("scheme", "cell"),
        mostly_long(
            cells, but=[each for each in cells if each[0] == "plain" or each[1].way in TLS]
        ),
        ids=lambda each: each if isinstance(each, str) else each.way,
    )


def check_hub(program: Program) -> None:
    """Compare what the hub has of the input with the table."""
    cell, record = program.cell, program.record
    assert record.whole == (cell.hub in (WHOLE, ENDED))
    assert program.instance.input_ended == (cell.hub == ENDED)
    assert (record.received == b"") == (cell.way == "output")
    if cell.way != "output":
        assert record.received.startswith(b"one\n")


@of("ctrl-c")
def test_interrupted(cell: Cell, scheme: str, programs: dict[tuple[str, str, str], Program]):
    """Ctrl-C is a KeyboardInterrupt and nothing else, nothing is left, and the same client goes on working."""
    program = programs[scheme, cell.way, cell.ending]
    assert (program.process.returncode, program.complaints) == (0, "")
    seen = json.loads(program.said)

    assert (seen["error"], seen["code"]) == (cell.raised, CODES[cell.raised])
    assert seen["upload"] == cell.upload
    assert seen["closed"] is (None if cell.way == "output" else True)
    assert seen["still_running"] == (cell.way == "submit")
    assert seen["sockets"] == 0
    check_hub(program)
    assert seen["given"].encode().startswith(program.record.received)
    if cell.hub == WHOLE:
        assert seen["given"].encode() == program.record.received
    assert (seen["later"], program.later.received) == (5, b"later")


@of("exit")
def test_exit_while_it_runs(cell: Cell, scheme: str, programs: dict[tuple[str, str, str], Program]):
    """The interpreter's end waits a little, names the upload that it cuts, and is no end of the input."""
    program = programs[scheme, cell.way, cell.ending]

    assert (program.process.returncode, program.said) == (0, "")
    check_hub(program)
    if not cell.warned:
        assert program.complaints == ""
        return
    found = WARNING.fullmatch(program.complaints)
    assert found is not None, program.complaints
    assert found[1] == ("inout" if cell.way == "inout" else "input")
    assert found[2] == program.instance.id
    assert 0 < int(found[3]) <= len(program.record.received)
    assert program.seconds > (5 if (scheme, cell.way) == USERS_GRACE else float(SHORT_GRACE))


@of("exit in time")
def test_exit_and_it_ends_soon_after(
    cell: Cell, scheme: str, programs: dict[tuple[str, str, str], Program]
):
    """What is through within the grace arrives whole, and nothing is said."""
    program = programs[scheme, cell.way, cell.ending]

    assert (program.process.returncode, program.said, program.complaints) == (0, "", "")
    check_hub(program)
