"""Every way to move data and every ending inside one process, plain and TLS: what the user sees, and what is left."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from scramjet_client import HostClient, OutputStream, StreamClosedError, Upload, UploadWriter
from scramjet_client.uploads.file import WriteBuffer
from tests.endings.hub import UNKNOWN, EndingsHub, Record
from tests.endings.table import (
    CODES,
    ENDED,
    ENDINGS,
    NONE,
    TABLE,
    THREADS,
    WAYS,
    WHOLE,
    Cell,
    documented,
    rendered,
)
from tests.endings.ways import Items, Transfer, kinds_of_threads, scramjet_threads
from tests.support.certs import Certificates
from tests.support.scripted_hub import Instance
from tests.support.waiting import LIMIT, eventually

OF_PROCESSES = ("ctrl-c", "exit", "exit in time")
CELLS = [each for each in TABLE if each.ending not in OF_PROCESSES and each.done]


@pytest.fixture
def hub(scheme: str, certificates: Certificates) -> Iterator[EndingsHub]:
    context = certificates.server_context() if scheme == "tls" else None
    with EndingsHub(ssl_context=context) as hub:
        yield hub
        hub.check()


@pytest.fixture
def host(hub: EndingsHub, certificates: Certificates) -> Iterator[HostClient]:
    with HostClient(hub.url, verify=certificates.ca_path) as host:
        yield host


class Running:
    """A transfer on a thread of its own, as a user's program would have it, and the other side of it."""

    def __init__(self, cell: Cell, hub: EndingsHub, host: HostClient) -> None:
        breaks = cell.ending if cell.ending in ("cut", "reset") else None
        self.cell = cell
        self.instance: Instance
        self.instance, self.record = hub.add(breaks)
        id = self.instance.id
        if cell.ending == "refused":
            id, self.record = UNKNOWN, hub.records[UNKNOWN]
        self.host = host
        self.transfer = Transfer(cell.way, host.get_instance_client(id))
        self.thread = threading.Thread(target=self.transfer.run, name="test-user")
        self.thread.start()

    def reached(self) -> bool:
        """Return whether it can be ended: it has begun on both sides."""
        return self.record.under_way.is_set() and self.transfer.running.is_set()

    def end(self) -> None:
        """Bring the ending about, from this thread."""
        handle, items = self.transfer.handle, self.transfer.items
        if self.cell.ending == "cancel":
            if self.cell.way == "send":
                items.broken.set()
            else:
                (handle.upload if self.cell.way == "inout" else handle).cancel()
        elif self.cell.ending == "close":
            handle.close()
        elif self.cell.ending in ("normal", "client closed"):
            if self.cell.ending == "client closed":
                self.host.close()
            items.enough.set()
            self.record.finish.set()

    def join(self) -> None:
        """Wait until the user's code is through."""
        self.thread.join(LIMIT)
        assert not self.thread.is_alive(), "the user's code is stuck"


def check_hub(cell: Cell, instance: Instance, record: Record, given: str) -> None:
    """Compare what the hub has of the input with the table."""
    if cell.hub == NONE:
        assert record.received == b""
        return
    assert record.over.wait(LIMIT)
    assert record.whole == (cell.hub in (WHOLE, ENDED))
    assert instance.input_ended == (cell.hub == ENDED)
    # What was given last may not have left.
    if record.whole and cell.ending != "close":
        assert record.received == given.encode()
    else:
        assert given.encode().startswith(record.received)


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: f"{cell.way}-{cell.ending}")
def test_ending(cell: Cell, hub: EndingsHub, host: HostClient):
    """The user sees what the table says, the hub has what it says, and the same client goes on working."""
    running = Running(cell, hub, host)
    if cell.ending not in ("refused", "cut", "reset"):
        eventually(running.reached)
        if cell.ending == "normal":
            assert kinds_of_threads() == THREADS[cell.way]
            assert all(each.daemon for each in scramjet_threads())
    running.end()
    running.join()
    seen = running.transfer.seen()

    assert (seen["error"], seen["code"]) == (cell.raised, CODES[cell.raised])
    assert seen["upload"] == cell.upload
    assert seen["closed"] is (None if cell.way == "output" else True)
    check_hub(cell, running.instance, running.record, seen["given"])
    if cell.way in ("send", "submit", "writer") and not cell.raised:
        assert seen["written"] == len(seen["given"])
    if cell.way == "output" and cell.ending != "refused":
        assert seen["got"] == ("one\n" if cell.raised else "one\ntwo\n")
    if cell.way == "inout":
        assert running.record.received.decode().startswith(seen["got"])
        if not cell.raised:
            assert seen["got"] == seen["given"]

    eventually(lambda: scramjet_threads() == [])
    assert host.get_version().version == "1.0.1"
    healthy, record = hub.add()
    host.get_instance_client(healthy.id).send_input(b"later")
    assert record.received == b"later"


def test_every_combination_is_in_the_table():
    """Five ways, ten endings, each once."""
    assert [(each.way, each.ending) for each in TABLE] == [
        (way, ending) for way in WAYS for ending in ENDINGS
    ]


@pytest.mark.parametrize(
    ("kind", "name"), [(Upload, "close"), (OutputStream, "cancel"), (OutputStream, "abort")]
)
def test_what_the_table_calls_missing(kind: type, name: str):
    """Where the table says that there is nothing to call, there is nothing."""
    assert not hasattr(kind, name)


def test_what_the_table_has_no_handle_for():
    """A cell without a way to bring it about says what is there instead."""
    missing = [each for each in TABLE if not each.done]

    assert [(each.way, each.ending) for each in missing] == [
        ("send", "close"),
        ("submit", "close"),
        ("output", "cancel"),
    ]
    assert all(each.note for each in missing)


def test_the_document_has_this_table():
    """docs/endings.md says what is tested; `python -m tests.endings.table` writes it."""
    assert documented() == rendered()


@pytest.fixture
def stalled(hub: EndingsHub, host: HostClient) -> Iterator[tuple[UploadWriter, Record]]:
    """A writer to an instance that reads nothing for as long as the test runs."""
    instance, record = hub.add()
    gate = threading.Event()
    hub.stalls[instance.id] = gate
    w = host.get_instance_client(instance.id).open_input()
    yield w, record
    gate.set()


def blocked_write(w: UploadWriter) -> tuple[threading.Thread, list[BaseException], list[int]]:
    """Have a thread write until it is held back, and return when it is."""
    errors: list[BaseException] = []
    written: list[int] = []

    def write() -> None:
        try:
            while True:
                written.append(w.write(b"x" * 1_000_000))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=write, name="test-writer")
    thread.start()
    # The buffer is full, and its last piece is on the way: nothing but the hub or an end moves it now.
    eventually(lambda: len(written) >= 2 and w._buffer._size >= 1_000_000)
    return thread, errors, written


def test_cancel_frees_a_blocked_write(stalled: tuple[UploadWriter, Record]):
    """A `write` that the program holds back is freed by a cancel, and says what happened."""
    w, record = stalled
    thread, errors, _ = blocked_write(w)
    w.cancel()
    thread.join(LIMIT)

    assert [type(each).__name__ for each in errors] == ["UploadCancelledError"]
    assert not record.whole


def test_close_frees_a_blocked_write(stalled: tuple[UploadWriter, Record], hub: EndingsHub):
    """A `write` that meets a `close` sends nothing and says so; all that was written before arrives."""
    w, record = stalled
    thread, errors, written = blocked_write(w)
    closer = threading.Thread(target=w.close, name="test-closer")
    closer.start()
    thread.join(LIMIT)
    assert [type(each) for each in errors] == [StreamClosedError]

    for gate in hub.stalls.values():
        gate.set()
    closer.join(LIMIT)
    assert record.whole
    assert len(record.received) == sum(written)


@pytest.mark.parametrize(
    ("by", "raised"), [("close", "StreamClosedError"), ("cancel", "UploadCancelledError")]
)
def test_inout_ended_before_its_first_output(
    by: str, raised: str, hub: EndingsHub, host: HostClient
):
    """A read that waits for an answer which has not begun is freed, and says why, as later ones do."""
    instance, _record = hub.add()
    hub.stalls[instance.id] = gate = threading.Event()
    items = Items(threading.Event())
    errors: list[BaseException] = []
    stream = host.get_instance_client(instance.id).inout(items.start(), end=False)

    def read() -> None:
        try:
            stream.readline()
        except BaseException as error:
            errors.append(error)

    reader = threading.Thread(target=read, name="test-reader")
    reader.start()
    eventually(lambda: "scramjet-answer-N" in kinds_of_threads() and items.given.count(b"\n") > 1)
    stream.close() if by == "close" else stream.upload.cancel()  # type: ignore[union-attr]
    reader.join(LIMIT)

    assert [type(each).__name__ for each in errors] == [raised]
    assert stream.upload is not None
    assert stream.upload.cancelled()
    assert items.closed.wait(LIMIT)
    stream.close()
    gate.set()


def test_nothing_is_added_after_the_end():
    """What is put after the close of an buffer is refused, because the end may be on the wire by then."""
    buffer = WriteBuffer()
    assert buffer.put(b"before", lambda: False, lambda _unsent: True)
    buffer.close()

    assert not buffer.put(b"after", lambda: False, lambda _unsent: True)
    assert list(buffer) == [b"before"]
