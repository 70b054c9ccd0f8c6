"""aiohttp: `iter_chunked`, lines by iterating the content, an asynchronous generator as data."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp

from benchmarks.contestants import INPUT_HEADERS, READ, CrowdWatch, Done, Job, MemoryWatch, Way

_Async = Callable[[aiohttp.ClientSession, Job], Awaitable[Done]]


def _run(way: _Async) -> Way:
    async def in_session(job: Job) -> Done:
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            return await way(session, job)

    return lambda job: asyncio.run(in_session(job))


async def chunks(session: aiohttp.ClientSession, job: Job) -> Done:
    """Read the output as it comes."""
    size = 0
    async with session.get(job.url("output")) as response:
        async for chunk in response.content.iter_chunked(READ):
            size += len(chunk)
    return Done(bytes=size)


async def chunks_any(session: aiohttp.ClientSession, job: Job) -> Done:
    """Read what there is, at once."""
    size = 0
    async with session.get(job.url("output")) as response:
        async for chunk in response.content.iter_any():
            size += len(chunk)
    return Done(bytes=size)


async def lines(session: aiohttp.ClientSession, job: Job) -> Done:
    """Read the output by lines."""
    count = size = 0
    async with session.get(job.url("output")) as response:
        async for line in response.content:
            count += 1
            size += len(line)
    return Done(bytes=size, items=count)


async def records(session: aiohttp.ClientSession, job: Job) -> Done:
    """Read the records of the hub's log."""
    count = 0
    async with session.get(f"{job.base}/log") as response:
        async for line in response.content:
            count += json.loads(line)["from"] == "Host"
    return Done(items=count)


async def upload(session: aiohttp.ClientSession, job: Job) -> Done:
    """Send items from a generator."""

    async def items() -> AsyncIterator[bytes]:
        for item in job.items():
            yield item

    async with session.post(job.url("input"), data=items(), headers=INPUT_HEADERS) as response:
        response.raise_for_status()
        await response.read()
    return Done(items=job.times)


async def lone_items(session: aiohttp.ClientSession, job: Job) -> Done:
    """Send items, each with the time at which it was made, that come after a pause."""

    async def items() -> AsyncIterator[bytes]:
        for _ in range(job.times):
            await asyncio.sleep(job.options["pause"])
            yield b"%020d\n" % time.monotonic_ns()

    async with session.post(job.url("input"), data=items()) as response:
        await response.read()
    return Done(items=job.times)


async def ping_pong(session: aiohttp.ClientSession, job: Job) -> Done:
    """Send a line when the last one has come back."""
    item, came = job.item, asyncio.Semaphore(0)
    waits = []
    sent_at = 0

    async def pings() -> AsyncIterator[bytes]:
        nonlocal sent_at
        for _ in range(job.times):
            sent_at = time.monotonic_ns()
            yield item
            await came.acquire()

    headers = {"Content-Type": "text/plain"}
    async with session.post(job.url("inout"), data=pings(), headers=headers) as response:
        for _ in range(job.times):
            assert await response.content.readline() == item
            waits.append(time.monotonic_ns() - sent_at)
            came.release()
        response.close()
    return Done(items=job.times, waits=waits)


async def both_ways(session: aiohttp.ClientSession, job: Job) -> Done:
    """Send items, and read what comes back meanwhile."""

    async def items() -> AsyncIterator[bytes]:
        for item in job.items():
            yield item

    size = 0
    headers = {"Content-Type": "text/plain"}
    async with session.post(job.url("inout"), data=items(), headers=headers) as response:
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size >= job.size * job.times:
                break
        response.close()
    return Done(bytes=size)


async def ping_pong_pair(session: aiohttp.ClientSession, job: Job) -> Done:
    """Send a line when the last one has come back, where a hub has no inout: by two requests."""
    item, came = job.item, asyncio.Semaphore(0)
    waits = []
    sent_at = 0

    async def pings() -> AsyncIterator[bytes]:
        nonlocal sent_at
        for _ in range(job.times):
            sent_at = time.monotonic_ns()
            yield item
            await came.acquire()

    async def send() -> None:
        headers = {"Content-Type": "text/plain", "x-end-stream": "false"}
        async with session.post(job.url("input"), data=pings(), headers=headers) as answer:
            await answer.read()

    async with session.get(job.url("output")) as response:
        sending = asyncio.create_task(send())
        for _ in range(job.times):
            assert await response.content.readline() == item
            waits.append(time.monotonic_ns() - sent_at)
            came.release()
        await sending
        response.close()
    return Done(items=job.times, waits=waits)


async def memory(session: aiohttp.ClientSession, job: Job) -> Done:
    """Read a long output, and watch the memory."""
    watch = MemoryWatch(job)
    async with session.get(job.url("output")) as response:
        async for chunk in response.content.iter_chunked(READ):
            watch.saw(len(chunk))
    return watch.done()


async def calls(session: aiohttp.ClientSession, job: Job) -> Done:
    """Ask for the version again and again."""
    url = f"{job.base}/version"
    for _ in range(job.times):
        async with session.get(url, raise_for_status=True) as response:
            assert (await response.json())["version"]
    return Done(items=job.times)


async def delays(session: aiohttp.ClientSession, job: Job) -> Done:
    """Say how long each line was on its way from the hub into the loop."""
    waits = []
    async with session.get(job.url("output")) as response:
        async for line in response.content:
            waits.append(time.monotonic_ns() - int(line[:20]))
    return Done(items=len(waits), waits=waits)


async def _many(job: Job) -> Done:
    watch = CrowdWatch(job)
    ca = job.options["ca"]
    context = ssl.create_default_context(cafile=ca) if ca else True
    # Its default would follow 100 at a time.
    connector = aiohttp.TCPConnector(limit=0, ssl=context)
    timeout = aiohttp.ClientTimeout(total=None)
    count = opened = 0

    async def follow(session: aiohttp.ClientSession, number: int) -> None:
        nonlocal count, opened
        async with session.get(f"{job.base}/instance/{job.instance}-{number}/output") as response:
            opened += 1
            if opened == job.times:
                watch.opened()
            async for _ in response.content:
                count += 1
                watch.look()

    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        await asyncio.gather(*(follow(session, number) for number in range(job.times)))
    return watch.done(count)


def many(job: Job) -> Done:
    """Follow many streams at once, a task each."""
    return asyncio.run(_many(job))


CASES: dict[str, Way] = {
    "chunks": _run(chunks),
    "chunks-any": _run(chunks_any),
    "lines": _run(lines),
    "records": _run(records),
    "upload": _run(upload),
    "lone": _run(lone_items),
    "ping-pong": _run(ping_pong),
    "both-ways": _run(both_ways),
    "ping-pong-pair": _run(ping_pong_pair),
    "memory": _run(memory),
    "many": many,
    "calls": _run(calls),
    "delays": _run(delays),
}
