"""requests: a session, `iter_content`, `iter_lines`, a generator as data."""

from __future__ import annotations

import json
import threading
import time

import requests

from benchmarks.contestants import (
    INPUT_HEADERS,
    READ,
    CrowdWatch,
    Done,
    Job,
    MemoryWatch,
    UploadWatch,
    Way,
)


def chunks(job: Job) -> Done:
    """Read the output as it comes."""
    with requests.get(job.url("output"), stream=True, timeout=600) as response:
        return Done(bytes=sum(map(len, response.iter_content(READ))))


def lines(job: Job) -> Done:
    """Read the output by lines; `iter_lines` takes their ends off."""
    count = size = 0
    with requests.get(job.url("output"), stream=True, timeout=600) as response:
        for line in response.iter_lines(READ):
            count += 1
            size += len(line) + 1
    return Done(bytes=size, items=count)


def records(job: Job) -> Done:
    """Read the records of the hub's log."""
    count = 0
    with requests.get(f"{job.base}/log", stream=True, timeout=600) as response:
        for line in response.iter_lines(READ):
            count += json.loads(line)["from"] == "Host"
    return Done(items=count)


def upload(job: Job) -> Done:
    """Send items from a generator."""
    requests.post(
        job.url("input"), data=job.items(), headers=INPUT_HEADERS, timeout=600
    ).raise_for_status()
    return Done(items=job.times)


def memory(job: Job) -> Done:
    """Read a long output, and watch the memory."""
    watch = MemoryWatch(job)
    with requests.get(job.url("output"), stream=True, timeout=600) as response:
        for chunk in response.iter_content(READ):
            watch.saw(len(chunk))
    return watch.done()


def calls(job: Job) -> Done:
    """Ask for the version again and again."""
    url = f"{job.base}/version"
    with requests.Session() as session:
        for _ in range(job.times):
            response = session.get(url, timeout=60)
            response.raise_for_status()
            assert response.json()["version"]
    return Done(items=job.times)


def delays(job: Job) -> Done:
    """Say how long each line was on its way from the hub into the loop."""
    waits = []
    with requests.get(job.url("output"), stream=True, timeout=600) as response:
        for line in response.iter_lines(READ):
            waits.append(time.monotonic_ns() - int(line[:20]))
    return Done(items=len(waits), waits=waits)


def many(job: Job) -> Done:
    """Follow many streams at once, a thread each."""
    watch = CrowdWatch(job)
    counts = [0] * job.times
    all_open = threading.Barrier(job.times + 1, watch.opened, timeout=60)
    ca = job.options["ca"] or True

    def follow(number: int) -> None:
        url = f"{job.base}/instance/{job.instance}-{number}/output"
        with requests.get(url, stream=True, timeout=600, verify=ca) as response:
            all_open.wait()
            for _ in response.iter_lines(READ):
                counts[number] += 1

    threads = [threading.Thread(target=follow, args=(number,)) for number in range(job.times)]
    for thread in threads:
        thread.start()
    all_open.wait()
    watch.look()
    for thread in threads:
        thread.join()
    return watch.done(sum(counts))


def many_uploads(job: Job) -> Done:
    """Send many uploads at once, a thread each."""
    watch = UploadWatch(job)

    def send(number: int) -> None:
        url = f"{job.base}/instance/{job.instance}-{number}/input"
        requests.post(
            url, data=watch.items(), headers=INPUT_HEADERS, timeout=600
        ).raise_for_status()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(job.times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return watch.done()


CASES: dict[str, Way] = {
    "chunks": chunks,
    "lines": lines,
    "records": records,
    "upload": upload,
    "memory": memory,
    "many": many,
    "many-uploads": many_uploads,
    "calls": calls,
    "delays": delays,
}
