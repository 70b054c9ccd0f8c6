"""Follow a long job by the events that it emits, and take its result from its output.

python examples/job_progress.py [URL]
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from _common import open_host

LIMIT, STEPS = 200_000, 5


async def count_primes(context: Any, input: Any) -> AsyncIterator[dict[str, int]]:
    """Count the primes below the number that is sent, and say how far it is on the way."""
    job = json.loads("".join([chunk async for chunk in input]))
    sieve = bytearray([1]) * job["limit"]
    primes, part = 0, job["limit"] // job["steps"]
    for number in range(2, job["limit"]):
        if sieve[number]:
            primes += 1
            sieve[number * number :: number] = bytes(len(sieve[number * number :: number]))
        if (number + 1) % part == 0:
            context.emit(
                "progress", {"percent": 100 * (number + 1) // job["limit"], "primes": primes}
            )
    yield {"primes": primes}


with open_host() as host:
    instance = host.deploy(count_primes).start()
    # The job begins when its input comes, so that no event is missed.
    with instance.get_event_stream("progress") as events, instance.get_stream("output") as output:
        instance.send_input(
            json.dumps({"limit": LIMIT, "steps": STEPS}), type="text/plain", end=True
        )
        for event in events:
            done = event.data["percent"]
            print(f"[{'#' * (done // 5):<20}] {done:>3}%  {event.data['primes']} primes")
            if done == 100:
                break
        print(next(output.records())["primes"], "primes below", LIMIT)
