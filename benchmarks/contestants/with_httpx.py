"""httpx, blocking: `iter_raw`, `iter_lines`, a generator as content."""

from __future__ import annotations

import json
import time

import httpx

from benchmarks.contestants import INPUT_HEADERS, READ, Done, Job, Way


def chunks(job: Job) -> Done:
    """Read the output as it comes."""
    with httpx.Client(timeout=600) as client, client.stream("GET", job.url("output")) as response:
        return Done(bytes=sum(map(len, response.iter_raw(READ))))


def lines(job: Job) -> Done:
    """Read the output by lines, which are text; `iter_lines` takes their ends off."""
    count = size = 0
    with httpx.Client(timeout=600) as client, client.stream("GET", job.url("output")) as response:
        for line in response.iter_lines():
            count += 1
            size += len(line) + 1
    return Done(bytes=size, items=count)


def records(job: Job) -> Done:
    """Read the records of the hub's log."""
    count = 0
    with httpx.Client(timeout=600) as client, client.stream("GET", f"{job.base}/log") as response:
        for line in response.iter_lines():
            count += json.loads(line)["from"] == "Host"
    return Done(items=count)


def upload(job: Job) -> Done:
    """Send items from a generator."""
    with httpx.Client(timeout=600) as client:
        client.post(job.url("input"), content=job.items(), headers=INPUT_HEADERS).raise_for_status()
    return Done(items=job.times)


def calls(job: Job) -> Done:
    """Ask for the version again and again."""
    url = f"{job.base}/version"
    with httpx.Client(timeout=60) as client:
        for _ in range(job.times):
            response = client.get(url)
            response.raise_for_status()
            assert response.json()["version"]
    return Done(items=job.times)


def delays(job: Job) -> Done:
    """Say how long each line was on its way from the hub into the loop."""
    waits = []
    with httpx.Client(timeout=600) as client, client.stream("GET", job.url("output")) as response:
        for line in response.iter_lines():
            waits.append(time.monotonic_ns() - int(line[:20]))
    return Done(items=len(waits), waits=waits)


CASES: dict[str, Way] = {
    "chunks": chunks,
    "lines": lines,
    "records": records,
    "upload": upload,
    "calls": calls,
    "delays": delays,
}
