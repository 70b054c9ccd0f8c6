"""Fan out over a fleet: the same program on every hub, one event to all, one loop over all outputs.

python examples/fleet.py [URL ...]
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from _common import open_hosts

from scramjet_client import Fleet

WORK = 300
SHARES = 3


async def square_sums(
    context: Any, input: Any, share: int, shares: int
) -> AsyncIterator[dict[str, int]]:
    """Wait for the event that says how much there is to do, and do a share of it."""
    told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    context.on("work", told.set_result)
    context.logger.info("ready")
    numbers = range(share, json.loads(await told)["to"], shares)
    yield {"share": share, "count": len(numbers), "sum": sum(n * n for n in numbers)}


with open_hosts(SHARES) as hosts:
    fleet = Fleet({f"hub-{number}": host for number, host in enumerate(hosts, 1)})
    fleet.ask(lambda host: host.deploy(square_sums, name="square-sums")).check()
    for share in range(SHARES):
        started = fleet.start("square-sums", args=[share, SHARES])  # where there is the least to do
        # An event that comes before the program listens is lost.
        next(r for r in started.instance.get_log_stream().records() if r.get("msg") == "ready")
    with fleet.follow("square-sums", look=None) as following:
        reached = fleet.broadcast("square-sums", "work", json.dumps({"to": WORK})).check()
        hubs = {hub for hub, _ in reached.sent}
        print(f"{len(reached.sent)} instances have their orders, on {len(hubs)} hubs")
        results = [json.loads(line) for _, lines in following for line in lines]
    for result in sorted(results, key=lambda result: result["share"]):
        print(f"share {result['share']}: {result['count']} numbers, {result['sum']}")
    print("sum of all squares:", sum(result["sum"] for result in results))
