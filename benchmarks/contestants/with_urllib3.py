"""urllib3: a pool, `read_chunked`, lines by iterating the response, a generator as body."""

from __future__ import annotations

import json
import time

import urllib3

from benchmarks.contestants import INPUT_HEADERS, READ, Done, Job, Way


def _get(pool: urllib3.PoolManager, url: str) -> urllib3.response.BaseHTTPResponse:
    return pool.request("GET", url, preload_content=False)


def chunks(job: Job) -> Done:
    """Read the output as it comes."""
    with urllib3.PoolManager() as pool:
        return Done(bytes=sum(map(len, _get(pool, job.url("output")).stream(READ))))


def read_chunked(job: Job) -> Done:
    """Read the output chunk by chunk."""
    with urllib3.PoolManager() as pool:
        return Done(bytes=sum(map(len, _get(pool, job.url("output")).read_chunked())))


def lines(job: Job) -> Done:
    """Read the output by lines."""
    count = size = 0
    with urllib3.PoolManager() as pool:
        for line in _get(pool, job.url("output")):
            count += 1
            size += len(line)
    return Done(bytes=size, items=count)


def records(job: Job) -> Done:
    """Read the records of the hub's log."""
    count = 0
    with urllib3.PoolManager() as pool:
        for line in _get(pool, f"{job.base}/log"):
            count += json.loads(line)["from"] == "Host"
    return Done(items=count)


def upload(job: Job) -> Done:
    """Send items from a generator."""
    with urllib3.PoolManager() as pool:
        answer = pool.request(
            "POST", job.url("input"), body=job.items(), headers=INPUT_HEADERS, chunked=True
        )
        assert answer.status < 300
    return Done(items=job.times)


def calls(job: Job) -> Done:
    """Ask for the version again and again."""
    url = f"{job.base}/version"
    with urllib3.PoolManager() as pool:
        for _ in range(job.times):
            assert json.loads(pool.request("GET", url).data)["version"]
    return Done(items=job.times)


def delays(job: Job) -> Done:
    """Say how long each line was on its way from the hub into the loop."""
    waits = []
    with urllib3.PoolManager() as pool:
        for line in _get(pool, job.url("output")):
            waits.append(time.monotonic_ns() - int(line[:20]))
    return Done(items=len(waits), waits=waits)


CASES: dict[str, Way] = {
    "chunks": chunks,
    "chunks-chunked": read_chunked,
    "lines": lines,
    "records": records,
    "upload": upload,
    "calls": calls,
    "delays": delays,
}
