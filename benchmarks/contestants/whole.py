"""Whole processes: run one again and again, and print what it took, as the other contestants do.

    python whole.py WAY JOB

It imports the standard library alone, so that a process that it starts is all that counts.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

_OURS = """
import sys
from scramjet_client import HostClient
with HostClient(sys.argv[1]) as host:
    print(host.get_version().version)
"""

_REQUESTS = """
import sys, requests
answer = requests.get(sys.argv[1] + "/version", timeout=60)
answer.raise_for_status()
print(answer.json()["version"])
"""

_URLLIB3 = """
import json, sys, urllib3
print(json.loads(urllib3.PoolManager().request("GET", sys.argv[1] + "/version").data)["version"])
"""

_HTTPX = """
import sys, httpx
answer = httpx.get(sys.argv[1] + "/version", timeout=60)
answer.raise_for_status()
print(answer.json()["version"])
"""

_AIOHTTP = """
import asyncio, sys, aiohttp
async def ask():
    async with aiohttp.ClientSession() as session, session.get(sys.argv[1] + "/version") as answer:
        print((await answer.json())["version"])
asyncio.run(ask())
"""

_PYCURL = """
import json, sys, pycurl
curl = pycurl.Curl()
curl.setopt(pycurl.URL, sys.argv[1] + "/version")
print(json.loads(curl.perform_rb())["version"])
"""

_LIST = """
import sys, requests
answer = requests.get(sys.argv[1] + "/instances", timeout=60)
answer.raise_for_status()
rows = [[each["id"], each["sequence"], each["status"], each["started"]] for each in answer.json()]
for row in [["ID", "SEQUENCE", "STATUS", "STARTED"], *rows]:
    print("  ".join(map(str, row)))
"""

_COMMAND = "import sys; from scramjet_client.cli import main; sys.exit(main(sys.argv[2:]))"

WAYS = {
    "nothing": ["pass"],
    "ours": [_OURS],
    "requests": [_REQUESTS],
    "urllib3": [_URLLIB3],
    "httpx": [_HTTPX],
    "aiohttp": [_AIOHTTP],
    "pycurl": [_PYCURL],
    "help": [_COMMAND, "--help"],
    "list": [_COMMAND, "--url", "BASE", "inst", "list"],
    "requests-list": [_LIST],
}
"""The program of each way, and its further arguments."""


def main() -> None:
    """Run what the command line says."""
    way, fields = sys.argv[1:]
    job = json.loads(fields)
    code, *words = WAYS[way]
    words = [job["base"] if word == "BASE" else word for word in words]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    for _ in range(job["times"]):
        command = [sys.executable, "-c", code, job["base"], *words]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        json.dumps(
            {
                "items": job["times"],
                "seconds": seconds,
                "cpu_user": after.ru_utime - before.ru_utime,
                "cpu_system": after.ru_stime - before.ru_stime,
            }
        )
    )


if __name__ == "__main__":
    main()
