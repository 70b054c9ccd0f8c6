"""The fault table: what becomes of each operation, by fault and phase. docs/reliability.md shows the same.

`python -m tests.faults.table` prints it for the document.
"""

from __future__ import annotations

from collections.abc import Callable

from scramjet_client.testing import (
    Answer,
    CloseIdle,
    Corrupt,
    Cut,
    Delay,
    Drip,
    Drop,
    Fault,
    Reset,
    Restart,
    Stall,
    Truncate,
)

OPERATIONS = (
    "GET", "POST", "output", "log", "events", "send", "submit", "writer", "inout", "stop", "package"
)  # fmt: skip

AWAY = 0.1
"""Seconds for which a hub that restarts is away."""

FAULTS: dict[str, Callable[..., Fault]] = {
    "delay": lambda **where: Delay(0.1, **where),
    "drip": lambda **where: Drip(0.0, **where),
    "stall": Stall,
    "cut": Cut,
    "reset": Reset,
    "truncate": Truncate,
    "corrupt": Corrupt,
    "400": lambda **where: Answer(400, body=b'{"error": "no"}', **where),
    "503": lambda **where: Answer(503, **where),
    "redirect": lambda **where: Answer(302, {"Location": "http://127.0.0.1:1/"}, **where),
    "drop": Drop,
    "restart": lambda **where: Restart(AWAY, **where),
    "idle": lambda **where: CloseIdle(0.05),
}

PHASES = {
    "connect": "Before the connection",
    "request": "Before the hub has the request",
    "answer": "Before the answer",
    "body": "In the middle",
    "end": "At the end",
}

OUTCOMES = {
    "ok": "it succeeds",
    "again": "it succeeds, after a retry",
    "ok/lost": "`HubConnectionError`, or a retry if the connection was not open yet",
    "lost": "`HubConnectionError`",
    "late": "`HubTimeoutError` at the limit",
    "waits": "a stalled hub is back-pressure. The call waits until `cancel()`, which gives `UploadCancelledError`",
    "cut": "`StreamInterruptedError`",
    "silent": "`StreamIdleError` at the limit for silence",
    "400": "`BadParametersError`, the class of this status",
    "503": "`ServerError`, the class of this status",
    "redirect": "`HubResponseError`. The client follows no redirect",
    "a": "impossible. Nothing has been sent yet that could be slow, short or wrong",
    "b": "impossible. The status of an answer comes once, and has come",
    "c": "impossible. The client ends this answer, not the hub",
    "d": "impossible. The connection is in use",
    "e": "impossible. The stream has a connection of its own, which is not used again",
    "f": "impossible. Only the hub's bytes can be wrong here, and it sends none yet",
}
"""What the words of the table mean. A letter says why a cell is impossible."""

IMPOSSIBLE = {"a", "b", "c", "d", "e", "f"}

# One line for each fault, one word for each operation, in the order of OPERATIONS.
_TABLE = {
    "connect": """
        delay     ok     ok       ok       ok       ok       ok       ok       ok       ok       ok     ok
        drip      a      a        a        a        a        a        a        a        a        a      a
        stall     late   late     late     late     late     late     late     late     late     late   late
        cut       again  lost     lost     lost     lost     lost     lost     lost     lost     again  lost
        reset     again  ok/lost  ok/lost  ok/lost  ok/lost  ok/lost  ok/lost  ok/lost  ok/lost  again  ok/lost
        truncate  a      a        a        a        a        a        a        a        a        a      a
        corrupt   a      a        a        a        a        a        a        a        a        a      a
        400       a      a        a        a        a        a        a        a        a        a      a
        503       a      a        a        a        a        a        a        a        a        a      a
        redirect  a      a        a        a        a        a        a        a        a        a      a
        drop      late   late     late     late     late     late     late     late     late     late   late
        restart   again  again    again    again    again    again    again    again    again    again  again
        idle      d      d        d        d        d        d        d        d        d        d      d
    """,
    "request": """
        delay     ok     ok       ok       ok       ok       ok       ok       ok       ok       ok     ok
        drip      ok     ok       ok       ok       ok       ok       ok       ok       ok       ok     ok
        stall     late   late     late     late     late     late     late     late     late     late   late
        cut       again  lost     lost     lost     lost     lost     lost     lost     lost     lost   lost
        reset     again  lost     lost     lost     lost     lost     lost     lost     lost     lost   lost
        truncate  again  lost     lost     lost     lost     lost     lost     lost     lost     lost   lost
        corrupt   f      f        f        f        f        f        f        f        f        f      f
        400       400    400      400      400      400      400      400      400      400      400    400
        503       again  503      503      503      503      503      503      503      503      503    503
        redirect  redirect redirect redirect redirect redirect redirect redirect redirect redirect redirect redirect
        drop      late   late     late     late     late     late     late     late     late     late   late
        restart   again  lost     lost     lost     lost     lost     lost     lost     lost     lost   lost
        idle      d      d        d        d        d        d        d        d        d        d      d
    """,
    "answer": """
        delay     ok     ok       ok       ok       ok       ok       ok       ok       ok       ok     ok
        drip      ok     ok       ok       ok       ok       ok       ok       ok       ok       ok     ok
        stall     late   late     late     late     late     late     late     late     late     ok     late
        cut       again  lost     lost     lost     lost     lost     lost     lost     lost     ok     lost
        reset     again  lost     lost     lost     lost     lost     lost     lost     lost     ok     lost
        truncate  again  lost     lost     lost     lost     lost     lost     lost     lost     ok     lost
        corrupt   again  lost     lost     lost     lost     lost     lost     lost     lost     ok     lost
        400       400    400      400      400      400      400      400      400      400      400    400
        503       again  503      503      503      503      503      503      503      503      503    503
        redirect  redirect redirect redirect redirect redirect redirect redirect redirect redirect redirect redirect
        drop      late   late     late     late     late     late     late     late     late     ok     late
        restart   again  lost     lost     lost     lost     lost     lost     lost     lost     ok     lost
        idle      d      d        d        d        d        d        d        d        d        d      d
    """,
    "body": """
        delay     ok     ok       ok       ok       ok       ok       ok       ok       ok       ok     ok
        drip      ok     ok       ok       ok       ok       ok       ok       ok       ok       ok     ok
        stall     late   late     silent   silent   silent   late     late     waits    silent   ok     late
        cut       again  lost     cut      cut      cut      lost     lost     lost     cut      ok     lost
        reset     again  lost     cut      cut      cut      lost     lost     lost     cut      ok     lost
        truncate  again  lost     cut      cut      cut      lost     lost     lost     cut      ok     lost
        corrupt   again  lost     cut      cut      cut      lost     lost     lost     cut      ok     lost
        400       b      b        b        b        b        b        b        b        b        b      400
        503       b      b        b        b        b        b        b        b        b        b      503
        redirect  b      b        b        b        b        b        b        b        b        b      redirect
        drop      late   late     silent   silent   silent   late     late     waits    silent   ok     late
        restart   again  lost     cut      cut      cut      lost     lost     lost     cut      ok     lost
        idle      d      d        d        d        d        d        d        d        d        d      d
    """,
    "end": """
        delay     ok     ok       ok       c        c        ok       ok       ok       c        ok     ok
        drip      ok     ok       ok       c        c        ok       ok       ok       c        ok     ok
        stall     late   late     silent   c        c        late     late     waits    c        ok     late
        cut       again  lost     cut      c        c        lost     lost     lost     c        ok     lost
        reset     again  lost     cut      c        c        lost     lost     lost     c        ok     lost
        truncate  again  lost     cut      c        c        lost     lost     lost     c        ok     lost
        corrupt   again  lost     cut      c        c        lost     lost     lost     c        ok     lost
        400       b      b        b        b        b        b        b        b        b        b      b
        503       b      b        b        b        b        b        b        b        b        b      b
        redirect  b      b        b        b        b        b        b        b        b        b      b
        drop      late   late     silent   c        c        late     late     waits    c        ok     late
        restart   again  lost     cut      c        c        lost     lost     lost     c        ok     lost
        idle      ok     ok       e        e        e        ok       ok       ok       e        d      ok
    """,
}


def _parsed(text: str) -> dict[tuple[str, str], str]:
    cells = {}
    for line in text.strip().splitlines():
        fault, *outcomes = line.split()
        cells.update(
            ((fault, operation), outcome) for operation, outcome in zip(OPERATIONS, outcomes)
        )
    return cells


TABLE: dict[str, dict[tuple[str, str], str]] = {
    phase: _parsed(text) for phase, text in _TABLE.items()
}
"""By phase: the outcome for a fault and an operation."""


def fault_at(fault: str, phase: str, operation: str) -> Fault:
    """Return the fault of a cell, to be given to a proxy."""
    if phase != "body":
        return FAULTS[fault](at=phase)
    if operation in ("send", "submit", "writer", "package"):
        # The middle of an upload is that of its request.
        return FAULTS[fault](at="upload", after=1000)
    return FAULTS[fault](at="body", after=5 if operation == "POST" else 100)


def as_markdown() -> str:
    """Return the table as it stands in the document."""
    lines = []
    for phase, title in PHASES.items():
        lines += [f"### {title}", ""]
        lines += [f"| | {' | '.join(OPERATIONS)} |", f"|---{'|---' * len(OPERATIONS)}|"]
        for fault in FAULTS:
            outcomes = [TABLE[phase][fault, operation] for operation in OPERATIONS]
            lines.append(f"| **{fault}** | {' | '.join(outcomes)} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    print(as_markdown())
