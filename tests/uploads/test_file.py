"""An input as a file, plain and TLS."""

from __future__ import annotations

import csv
import gc
import io
import shutil
import threading
import time

import pytest

from scramjet_client import (
    HostClient,
    InstanceClient,
    InstanceNotFoundError,
    UnsupportedByHubError,
)
from scramjet_client.hub import LocalHub
from tests.support.functions import types_async
from tests.support.scripted_hub import Instance
from tests.support.waiting import LIMIT, eventually


def test_everything_that_writes_to_files(instance: InstanceClient, there: Instance):
    """print, csv.writer, copyfileobj and write itself; the end of the block ends the input."""
    with instance.get_stream("output") as output:
        with instance.open_input(type="text/plain") as w:
            print("one", "ą", file=w)
            csv.writer(w).writerow([1, "two"])
            shutil.copyfileobj(io.BytesIO(b"three\n" * 50_000), w)
            assert w.write(b"four") == 4

        expected = "one ą\n1,two\r\n".encode() + b"three\n" * 50_000 + b"four"
        assert output.read() == expected
    assert there.input_ended
    assert w.upload.result().bytes_written == len(expected)


def test_flush_means_on_the_wire(instance: InstanceClient):
    """After flush everything has left; nothing is held back for more to come."""
    with instance.get_stream("output") as output, instance.open_input() as w:
        w.write(b"abc\n")
        w.flush()
        assert w.upload.bytes_sent == 4
        assert output.readline() == b"abc\n"


def test_detach_leaves_the_input_open(instance: InstanceClient, there: Instance):
    """A detached writer delivers, and more can be sent later."""
    w = instance.open_input()
    w.write("one\n")

    assert w.detach().bytes_written == 4
    assert w.closed
    assert not there.input_ended
    with instance.get_stream("output") as output:
        instance.send_input("two\n", end=True)
        assert output.read() == b"one\ntwo\n"


def test_close_is_the_end_for_this_client(instance: InstanceClient):
    """After close the client refuses to send more, and the writer to be written to."""
    w = instance.open_input()
    w.close()
    w.close()

    with pytest.raises(ValueError, match="is closed"):
        w.write(b"x")
    with pytest.raises(ValueError, match="has been ended"):
        instance.send_input("x")


def test_an_error_in_the_block_is_no_end(instance: InstanceClient, there: Instance):
    """Half of the data does not look like all of it: the input is not ended."""
    w = instance.open_input()

    def half() -> None:
        with w:
            w.write(b"half")
            raise KeyError("x")

    with pytest.raises(KeyError):
        half()
    assert w.upload.cancelled()
    assert not there.input_ended


def test_refusal_is_raised_by_the_next_write(h1_host: HostClient):
    """A writer to an unknown instance says so, at the latest when it is closed."""
    w = h1_host.get_instance_client("nope").open_input()

    def write_on() -> None:
        while True:
            w.write(b"x")
            w.flush()

    with pytest.raises(InstanceNotFoundError):
        write_on()
    with pytest.raises(InstanceNotFoundError):
        w.close()
    assert w.closed


def test_forgotten_writer_is_no_end(instance: InstanceClient, there: Instance):
    """A writer that nobody holds any more cancels its upload, and leaves no thread."""
    w = instance.open_input()
    w.write(b"half")
    w.flush()
    upload = w.upload
    del w

    eventually(lambda: gc.collect() or upload.cancelled())
    assert not there.input_ended


def test_program_that_does_not_read_holds_the_writer(instance: InstanceClient, there: Instance):
    """What is not read is not piled up here: `write` blocks, and goes on with the reader."""
    written: list[int] = []

    def write() -> None:
        with instance.open_input() as w:
            for _ in range(200):
                written.append(w.write(b"x" * 100_000))

    writer = threading.Thread(target=write, name="test-writer")
    writer.start()
    eventually(lambda: len(there.pipes["output"].held()) >= 1_000_000 and written)
    time.sleep(0.3)  # in which a writer that piles up what is not read would be through

    assert len(written) < 200
    with instance.get_stream("output") as output:
        assert len(output.read()) == 20_000_000
    writer.join(LIMIT)


def test_stdin_is_text(instance: InstanceClient):
    """Bytes that the hub would change come out of the next call."""
    w = instance.open_stdin()
    w.write(b"\xff")

    with pytest.raises(UnsupportedByHubError, match="offset 0"):
        w.close()


def test_what_is_not_data(instance: InstanceClient):
    """Only text and bytes can be written."""
    with instance.open_input() as w:
        with pytest.raises(TypeError, match="not int"):
            w.write(5)


FIRST_WRITES = {
    "write of text": (lambda w: w.write("one\n"), "str"),
    "write of bytes": (lambda w: w.write(b"one\n"), "bytes"),
    "print": (lambda w: print("one", file=w), "str"),
    "csv": (lambda w: csv.writer(w, lineterminator="\n").writerow(["one"]), "str"),
    "an empty text first": (lambda w: (w.write(""), w.flush(), w.write(b"one\n")), "bytes"),
    "writelines": (lambda w: w.writelines(["one\n"]), "str"),
    "the upload before it": (lambda w: (w.upload.done(), w.write("one\n")), "bytes"),
}
"""The first data of a writer, and how it reaches a Python program."""


@pytest.mark.parametrize("way", FIRST_WRITES)
def test_the_first_write_decides_the_type(way: str):
    """As with `send_input`, a program gets text as text, and bytes as bytes."""
    write, expected = FIRST_WRITES[way]
    with LocalHub() as hub, hub.client() as host:
        instance = host.get_sequence_client(hub.add_sequence("types", types_async)).start()
        with instance.get_stream("output", idle_timeout=LIMIT) as output:
            with instance.open_input() as w:
                write(w)
            assert output.readline().decode().strip() == expected


def test_a_later_writer_sends_as_the_first_input():
    """The first input decides for all, and text that began as text refuses other bytes."""
    with LocalHub() as hub, hub.client() as host:
        instance = host.get_sequence_client(hub.add_sequence("types", types_async)).start()
        with instance.get_stream("output", idle_timeout=LIMIT) as output:
            instance.send_input("one\n")
            assert output.readline() == b"str\n"
            with instance.open_input() as w:
                w.write(b"two\n")
            assert output.readline() == b"str\n"


def test_nothing_is_sent_before_the_first_write(instance: InstanceClient, there: Instance):
    """A writer that was cancelled before its first write has sent nothing, and a closed one has ended the input."""
    w = instance.open_input()
    w.flush()
    assert repr(w) == f"<UploadWriter to input of {instance.id!r}: 0 bytes sent>"
    w.cancel()
    assert w.upload.cancelled()
    assert not there.input_ended

    with instance.open_input():
        pass
    assert there.input_ended
