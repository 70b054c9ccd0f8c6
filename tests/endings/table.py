"""How every way of moving data ends: the table that drives the tests, and is printed in docs/endings.md.

`python -m tests.endings.table` writes the table of the document anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "endings.md"

WAYS = {
    "send": "`send_input(generator)`",
    "submit": "`submit_input(generator)`",
    "writer": "`with open_input() as w`",
    "inout": "`with inout(generator) as stream`",
    "output": '`with get_stream("output") as stream`',
}

ENDINGS = {
    "normal": "normal end",
    "refused": "early refusal (404)",
    "cut": "cut: FIN in the middle",
    "reset": "cut: RST in the middle",
    "cancel": "cancel",
    "close": "close by another thread",
    "client closed": "`HostClient.close()` by another thread",
    "ctrl-c": "Ctrl-C",
    "exit": "exit while it runs",
    "exit in time": "exit, and it ends soon after",
}

CODES = {
    "": "",
    "KeyboardInterrupt": "",
    "HubConnectionError": "CANNOT_CONNECT",
    "InstanceNotFoundError": "INSTANCE_NOT_FOUND",
    "StreamClosedError": "STREAM_CLOSED",
    "StreamInterruptedError": "STREAM_INTERRUPTED",
    "UploadCancelledError": "UPLOAD_CANCELLED",
    "UploadError": "UPLOAD_FAILED",
}

THREADS = {
    "send": ["scramjet-upload-N"],
    "submit": ["scramjet-answer-N", "scramjet-upload-N"],
    "writer": ["scramjet-answer-N", "scramjet-upload-N"],
    "inout": ["scramjet-upload-N"],
    "output": [],
}
"""The threads of the client while one runs; `inout` has another until the hub has begun to answer."""

WHOLE = "all"
ENDED = "all, and its end"
PART = "what had left; no end"
NONE = "-"


class Cell(NamedTuple):
    """One way and one ending.

    Attributes:
        done: What brings the ending about; "" where there is nothing that could, which `note` explains.
        raised: What the user's code meets.
        upload: What the `Upload` that the user holds ends with.
        hub: What the hub has of the input.
        warned: Whether the interpreter's end names the upload on stderr.
    """

    way: str
    ending: str
    done: str = ""
    raised: str = ""
    upload: str = ""
    hub: str = NONE
    warned: bool = False
    note: str = ""


TABLE = [
    Cell("send", "normal", "the generator ends", hub=WHOLE),
    Cell("send", "refused", "the hub answers 404", "InstanceNotFoundError", hub=PART),
    Cell("send", "cut", "the hub ends the connection", "HubConnectionError", hub=PART),
    Cell("send", "reset", "the hub resets the connection", "HubConnectionError", hub=PART),
    Cell(
        "send",
        "cancel",
        "the generator raises",
        "UploadError",
        hub=PART,
        note="there is no handle: its source is what can end it",
    ),
    Cell("send", "close", note="there is no handle"),
    Cell("send", "client closed", "`host.close()`", hub=WHOLE, note="it goes on"),
    Cell("send", "ctrl-c", "SIGINT", "KeyboardInterrupt", hub=PART),
    Cell(
        "send",
        "exit",
        "the main thread ends",
        hub=PART,
        warned=True,
        note="on a daemon thread; for others the interpreter waits",
    ),
    Cell("send", "exit in time", "the main thread ends", hub=WHOLE, note="on a daemon thread"),
    Cell("submit", "normal", "the generator ends", hub=WHOLE),
    Cell(
        "submit",
        "refused",
        "the hub answers 404",
        "InstanceNotFoundError",
        "InstanceNotFoundError",
        PART,
    ),
    Cell(
        "submit",
        "cut",
        "the hub ends the connection",
        "HubConnectionError",
        "HubConnectionError",
        PART,
    ),
    Cell(
        "submit",
        "reset",
        "the hub resets the connection",
        "HubConnectionError",
        "HubConnectionError",
        PART,
    ),
    Cell(
        "submit",
        "cancel",
        "`upload.cancel()`",
        "UploadCancelledError",
        "UploadCancelledError",
        PART,
    ),
    Cell("submit", "close", note="an `Upload` has no `close()`"),
    Cell("submit", "client closed", "`host.close()`", hub=WHOLE, note="it goes on"),
    Cell(
        "submit",
        "ctrl-c",
        "SIGINT in `result()`",
        "KeyboardInterrupt",
        hub=WHOLE,
        note="it goes on, and can be waited for again",
    ),
    Cell("submit", "exit", "the main thread ends", hub=PART, warned=True),
    Cell("submit", "exit in time", "the main thread ends", hub=WHOLE),
    Cell("writer", "normal", "the block ends", hub=ENDED),
    Cell(
        "writer",
        "refused",
        "the hub answers 404",
        "InstanceNotFoundError",
        "InstanceNotFoundError",
        PART,
        note="raised by the next `write`, `flush` or `close`",
    ),
    Cell(
        "writer",
        "cut",
        "the hub ends the connection",
        "HubConnectionError",
        "HubConnectionError",
        PART,
        note="raised by the next `write`, `flush` or `close`",
    ),
    Cell(
        "writer",
        "reset",
        "the hub resets the connection",
        "HubConnectionError",
        "HubConnectionError",
        PART,
        note="raised by the next `write`, `flush` or `close`",
    ),
    Cell(
        "writer",
        "cancel",
        "`w.cancel()`",
        "UploadCancelledError",
        "UploadCancelledError",
        PART,
        note="raised by the next `write`",
    ),
    Cell(
        "writer",
        "close",
        "`w.close()`",
        "StreamClosedError",
        hub=ENDED,
        note="raised by the next `write`, which sends nothing",
    ),
    Cell("writer", "client closed", "`host.close()`", hub=ENDED, note="it goes on"),
    Cell(
        "writer",
        "ctrl-c",
        "SIGINT in the block",
        "KeyboardInterrupt",
        "UploadCancelledError",
        PART,
    ),
    Cell("writer", "exit", "the main thread ends", hub=PART, warned=True),
    Cell(
        "writer",
        "exit in time",
        "the main thread ends",
        hub=ENDED,
        note="on a thread that is not a daemon; a daemon's `close()` may come too late to end the input",
    ),
    Cell("inout", "normal", "the instance ends", hub=WHOLE),
    Cell(
        "inout",
        "refused",
        "the hub answers 404",
        "InstanceNotFoundError",
        "InstanceNotFoundError",
        PART,
        note="raised by the first read",
    ),
    Cell(
        "inout",
        "cut",
        "the hub ends the connection",
        "StreamInterruptedError",
        "HubConnectionError",
        PART,
    ),
    Cell(
        "inout",
        "reset",
        "the hub resets the connection",
        "StreamInterruptedError",
        "HubConnectionError",
        PART,
    ),
    Cell(
        "inout",
        "cancel",
        "`stream.upload.cancel()`",
        "UploadCancelledError",
        "UploadCancelledError",
        PART,
        note="both directions are one connection",
    ),
    Cell("inout", "close", "`stream.close()`", "StreamClosedError", "UploadCancelledError", PART),
    Cell("inout", "client closed", "`host.close()`", hub=WHOLE, note="it goes on"),
    Cell(
        "inout",
        "ctrl-c",
        "SIGINT in a read",
        "KeyboardInterrupt",
        "UploadCancelledError",
        PART,
    ),
    Cell("inout", "exit", "the main thread ends", hub=PART, warned=True),
    Cell("inout", "exit in time", "the main thread ends", hub=WHOLE),
    Cell("output", "normal", "the program ends"),
    Cell(
        "output",
        "refused",
        "the hub answers 404",
        "InstanceNotFoundError",
        note="raised by `get_stream`",
    ),
    Cell("output", "cut", "the hub ends the connection", "StreamInterruptedError"),
    Cell("output", "reset", "the hub resets the connection", "StreamInterruptedError"),
    Cell("output", "cancel", note="an `OutputStream` has no `cancel()`: `close()` is what ends it"),
    Cell("output", "close", "`stream.close()`", "StreamClosedError"),
    Cell("output", "client closed", "`host.close()`", note="it goes on"),
    Cell("output", "ctrl-c", "SIGINT in a read", "KeyboardInterrupt"),
    Cell("output", "exit", "the main thread ends", note="at once: there is nothing to wait for"),
    Cell("output", "exit in time", "the main thread ends", note="at once, as above"),
]


def cell(way: str, ending: str) -> Cell:
    """Return the cell of the table."""
    (found,) = (each for each in TABLE if (each.way, each.ending) == (way, ending))
    return found


def _named(error: str) -> str:
    if not error:
        return "-"
    return f"`{error}`" + (f", `{CODES[error]}`" if CODES[error] else "")


def _row(each: Cell) -> str:
    if each.done:
        raised = "`RuntimeWarning` on stderr" if each.warned else _named(each.raised)
        columns = [each.done, raised, _named(each.upload), each.hub, each.note]
    else:
        columns = ["-"] * 4 + [each.note]
    return " | ".join(["", ENDINGS[each.ending], *columns, ""]).strip()


def rendered() -> str:
    """Return the table as it is in the document: one for each way."""
    head = (
        "| ending | by what | is raised | its `Upload` ends with | the hub has of the input | |\n"
        "|---|---|---|---|---|---|"
    )
    return "\n\n".join(
        "\n".join([f"### {title}", "", head, *(_row(each) for each in TABLE if each.way == way)])
        for way, title in WAYS.items()
    )


def documented() -> str:
    """Return what the document has of it."""
    text = DOCUMENT.read_text("utf-8")
    return text[text.index("### ") :].strip()


if __name__ == "__main__":
    written = DOCUMENT.read_text("utf-8")
    DOCUMENT.write_text(written.replace(documented(), rendered()), "utf-8")
