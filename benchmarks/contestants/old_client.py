"""scramjet-api-client, the platform's Python client of old: it can do little, and runs in an environment of its own."""

from __future__ import annotations

import asyncio
import json

from client.host_client import HostClient

from benchmarks.contestants import Done, Job, Way


async def _records(job: Job) -> Done:
    count = 0
    async for line in await HostClient(job.base).get_log_stream():
        count += json.loads(line)["from"] == "Host"
    return Done(items=count)


async def _calls(job: Job) -> Done:
    host = HostClient(job.base)
    for _ in range(job.times):
        assert (await host.get_version())["version"]
    return Done(items=job.times)


def records(job: Job) -> Done:
    """Read the records of the hub's log."""
    return asyncio.run(_records(job))


def calls(job: Job) -> Done:
    """Ask for the version again and again; it makes a session and a connection for each call."""
    return asyncio.run(_calls(job))


CASES: dict[str, Way] = {"records": records, "calls": calls}
