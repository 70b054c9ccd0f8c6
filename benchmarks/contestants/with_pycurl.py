"""pycurl: libcurl, a library in C, with a Python callback for what comes; lines are split by hand."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable

import pycurl

from benchmarks.contestants import INPUT_HEADERS, READ, Done, Job, Way


def _handle(url: str) -> pycurl.Curl:
    curl = pycurl.Curl()
    curl.setopt(pycurl.URL, url)
    if "SSL_CERT_FILE" in os.environ:
        curl.setopt(pycurl.CAINFO, os.environ["SSL_CERT_FILE"])
    return curl


def _get(url: str, write: Callable[[bytes], object]) -> None:
    curl = _handle(url)
    curl.setopt(pycurl.BUFFERSIZE, READ)
    curl.setopt(pycurl.WRITEFUNCTION, write)
    curl.perform()
    curl.close()


def _get_lines(url: str, use: Callable[[bytes], object]) -> None:
    rest = b""

    def write(data: bytes) -> None:
        nonlocal rest
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            use(line)

    _get(url, write)
    if rest:
        use(rest)


def chunks(job: Job) -> Done:
    """Read the output as it comes."""
    size = 0

    def write(data: bytes) -> None:
        nonlocal size
        size += len(data)

    _get(job.url("output"), write)
    return Done(bytes=size)


def lines(job: Job) -> Done:
    """Read the output by lines, without their ends."""
    count = size = 0

    def use(line: bytes) -> None:
        nonlocal count, size
        count += 1
        size += len(line) + 1

    _get_lines(job.url("output"), use)
    return Done(bytes=size, items=count)


def records(job: Job) -> Done:
    """Read the records of the hub's log."""
    count = 0

    def use(line: bytes) -> None:
        nonlocal count
        count += json.loads(line)["from"] == "Host"

    _get_lines(f"{job.base}/log", use)
    return Done(items=count)


def upload(job: Job) -> Done:
    """Send items from a generator, one a callback, which is the way to send what comes."""
    items, rest = job.items(), b""

    def read(room: int) -> bytes:
        nonlocal rest
        item = rest or next(items, b"")
        item, rest = item[:room], item[room:]
        return item

    headers = [f"{name}: {value}" for name, value in INPUT_HEADERS.items()]
    curl = _handle(job.url("input"))
    curl.setopt(pycurl.POST, 1)
    curl.setopt(pycurl.HTTPHEADER, [*headers, "Transfer-Encoding: chunked", "Expect:"])
    curl.setopt(pycurl.UPLOAD_BUFFERSIZE, 2 * READ)  # an item and its frame have to fit
    curl.setopt(pycurl.READFUNCTION, read)
    curl.setopt(pycurl.WRITEFUNCTION, lambda _data: None)
    curl.perform()
    assert curl.getinfo(pycurl.RESPONSE_CODE) < 300
    curl.close()
    return Done(items=job.times)


def calls(job: Job) -> Done:
    """Ask for the version again and again, on one handle."""
    curl = _handle(f"{job.base}/version")
    for _ in range(job.times):
        assert json.loads(curl.perform_rb())["version"]
    curl.close()
    return Done(items=job.times)


def delays(job: Job) -> Done:
    """Say how long each line was on its way from the hub into the loop."""
    waits = []
    _get_lines(job.url("output"), lambda line: waits.append(time.monotonic_ns() - int(line[:20])))
    return Done(items=len(waits), waits=waits)


CASES: dict[str, Way] = {
    "chunks": chunks,
    "lines": lines,
    "records": records,
    "upload": upload,
    "calls": calls,
    "delays": delays,
}
