"""Who writes faster than somebody reads is held, and nothing grows."""

from __future__ import annotations

import asyncio
import hashlib
import os
import select
import threading
from typing import Any

import psutil
import pytest

from scramjet_client.hub._pipes import Feed
from tests.hub.programs import ECHO, FLOOD, IDLE
from tests.hub.wire import Wire, ask, ended, info, opened, run
from tests.support.waiting import eventually

MEGABYTE = 2**20
OCTETS = {"Content-Type": "application/octet-stream"}
CHUNKED = {**OCTETS, "Transfer-Encoding": "chunked"}


def flood(url: str, size: int) -> str:
    """Start a program that writes `size` bytes as fast as it may."""
    return run(url, FLOOD, args=[size])


def settled(url: str, instance: str) -> int:
    """Wait until the program writes no more, and return how much it has written."""
    last = -1
    with Wire(url) as wire:
        while (now := ask(url, "GET", f"instance/{instance}/event/written").json["bytes"]) != last:
            last = now
            wire.silent(0.5)
    return int(last)


def test_program_is_held_without_a_reader(url: str):
    """A program that writes 200 MB for nobody is held after some; then all of it arrives, in order."""
    size = 200 * MEGABYTE
    instance = flood(url, size)

    assert settled(url, instance) < 16 * MEGABYTE
    with opened(url, f"instance/{instance}/output") as output:
        count = 0
        while chunk := output.chunk():
            count += len(chunk)
    assert count == size
    assert ended(url, instance)["terminated"]["exitcode"] == -1


def test_slow_reader_holds_program_and_hub(url: str):
    """A reader that stops reading holds the program, with flat memory in hub and program."""
    size = 400 * MEGABYTE
    hub, before = psutil.Process(), psutil.Process().memory_info().rss
    instance = flood(url, size)
    program = psutil.Process(ask(url, "GET", f"instance/{instance}/health").json["processId"])
    with opened(url, f"instance/{instance}/output") as output:
        count = len(output.chunk())

        assert settled(url, instance) < 32 * MEGABYTE
        assert hub.memory_info().rss - before < 30 * MEGABYTE
        assert program.memory_info().rss < 100 * MEGABYTE
        while chunk := output.chunk():
            count += len(chunk)
    assert count == size


def test_printing_program_is_held(url: str):
    """A program that prints 1 GB to stderr for nobody is held, and can be killed."""
    before = psutil.Process().memory_info().rss
    instance = run(
        url,
        "import sys\ndef run(context, input):\n    context.emit('go', 1)\n"
        "    for _ in range(1000):\n        sys.stderr.write('x' * 1_000_000)\n",
    )
    ask(url, "GET", f"instance/{instance}/event/go")
    with Wire(url) as wire:
        wire.silent(0.5)

    assert info(url, instance)["status"] == "running"
    assert psutil.Process().memory_info().rss - before < 30 * MEGABYTE
    assert ask(url, "POST", f"instance/{instance}/_kill", {}).status == 202
    assert ended(url, instance)["terminated"]["exitcode"] == 137


def test_upload_is_held(url: str):
    """A program that does not read holds the upload to it."""
    instance = run(url, IDLE)
    with Wire(url) as wire:
        wire.request("POST", f"instance/{instance}/input", CHUNKED)
        assert wire.head().status == 200
        wire.sock.setblocking(False)
        chunks = b"10000\r\n%b\r\n" % bytes(65536) * 1024
        sent = 0
        # Once some of it is taken, a second in which nothing more is means that it is held.
        while sent < len(chunks):
            if select.select([], [wire.sock], [], 1)[1]:
                sent += wire.sock.send(memoryview(chunks)[sent:])
            elif sent > MEGABYTE:
                break

    assert sent < 32 * MEGABYTE


@pytest.mark.timeout(900)
def test_much_through_one_echo(url: str):
    """200 MB go in and come out unchanged, with flat memory."""
    block = bytes(range(256)) * 1024
    count = 200 * MEGABYTE // len(block)
    before = psutil.Process().memory_info().rss
    instance = run(url, ECHO)
    sent = hashlib.sha256()
    for _ in range(count):
        sent.update(block)

    def send() -> None:
        with Wire(url) as wire:
            wire.request("POST", f"instance/{instance}/input", CHUNKED)
            wire.head()
            for _ in range(count):
                wire.send_chunk(block)
            wire.send_chunk(b"")
            assert wire.chunk() == b""

    sender = threading.Thread(target=send, name="test-sender")
    got, peak = hashlib.sha256(), 0
    with opened(url, f"instance/{instance}/output") as output:
        sender.start()
        while chunk := output.chunk():
            got.update(chunk)
            peak = max(peak, psutil.Process().memory_info().rss)
    sender.join()

    assert got.hexdigest() == sent.hexdigest()
    assert peak - before < 40 * MEGABYTE


def test_two_readers_and_one_that_comes_back(url: str):
    """Both get all from the coming of the second; what is left unread waits for who comes back."""
    instance = run(url, ECHO)
    path = f"instance/{instance}/input"

    def send(text: bytes) -> None:
        ask(url, "POST", path, raw=text, headers={**OCTETS, "x-end-stream": "false"})

    with opened(url, f"instance/{instance}/output") as first:
        send(b"one\n")
        assert first.chunk() == b"one\n"
        with opened(url, f"instance/{instance}/output") as second:
            send(b"two\n")
            assert (first.chunk(), second.chunk()) == (b"two\n", b"two\n")
        send(b"three\n")
        assert first.chunk() == b"three\n"
    eventually(lambda: info(url, instance)["status"] == "running")
    send(b"four\n")
    with opened(url, f"instance/{instance}/output") as again:
        assert again.chunk() == b"four\n"


@pytest.mark.timeout(900)
def test_many_instances_at_once(url: str):
    """20 instances run beside each other, each with its own answer."""
    instances = [run(url, ECHO) for _ in range(20)]
    for number, instance in enumerate(instances):
        raw = b"%d" % number
        ask(
            url,
            "POST",
            f"instance/{instance}/input",
            raw=raw,
            headers={**OCTETS, "x-end-stream": "true"},
        )

    for number, instance in enumerate(instances):
        with opened(url, f"instance/{instance}/output") as output:
            assert output.read(10) == b"%d" % number


def test_a_feed_that_ends_and_is_aborted_reports_its_end_once():
    """An end and an abort in one step of the loop leave nothing for the loop to complain about."""

    async def end_and_abort() -> list[dict[str, Any]]:
        complaints: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: complaints.append(context)
        )
        read, write = os.pipe()
        feed = await Feed.on(write)
        feed.end()
        feed.abort()
        await feed.broken.wait()
        for _ in range(5):
            await asyncio.sleep(0)
        os.close(read)
        return complaints

    assert asyncio.run(end_and_abort()) == []
