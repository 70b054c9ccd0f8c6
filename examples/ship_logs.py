"""Ship a web server's log to a program on a hub, which says at once which requests failed.

python examples/ship_logs.py [URL]
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from _common import open_host

LOG = Path(__file__).parent / "data" / "access.log"


async def find_failures(context: Any, input: Any) -> AsyncIterator[dict[str, Any]]:
    """Give the failed requests of a log in the common format, which may come cut anywhere."""
    rest, lines = "", 0
    async for chunk in input:
        *whole, rest = (rest + chunk).split("\n")
        for line in whole:
            lines += 1
            _, request, end = line.split('"')
            if end.split()[0] >= "500":
                yield {"line": lines, "request": request, "status": int(end.split()[0])}
    context.logger.info(f"looked at {lines} lines")


def tail(path: Path) -> Iterator[str]:
    """Give the lines of a log as a server writes them, which this stands in for by its pauses."""
    with path.open() as log:
        for line in log:
            time.sleep(0.002)
            yield line


with open_host() as host:
    instance = host.deploy(find_failures).start()
    with instance.get_stream("output") as output:
        upload = instance.submit_input(tail(LOG), type="text/plain", end=True)
        for failure in output.records():
            print(f"line {failure['line']}: {failure['status']} {failure['request']}")
    print(upload.result().bytes_written, "bytes shipped")
