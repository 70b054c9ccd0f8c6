"""A program that asks a hostile hub for something, and prints what came of it and what it cost."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from scramjet_client import HostClient, ScramjetError

_LIMIT = 8 * 2**20
"""Bytes of an answer, where the default is not what is tested."""


def _peak() -> int:
    """Return the most memory that this process ever had, in bytes; Linux counts from the last reset."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _read(host: HostClient) -> int:
    with host.get_instance_client("i").get_stream("output") as stream:
        return sum(map(len, stream.chunks()))


def _lines(host: HostClient) -> int:
    with host.get_instance_client("i").get_stream("output") as stream:
        return sum(1 for _ in stream.lines(limit=1_000_000))


def _records(host: HostClient) -> int:
    with host.get_instance_client("i").get_log_stream() as stream:
        return sum(1 for _ in stream.records(limit=1_000_000))


OPERATIONS: dict[str, Callable[[HostClient], Any]] = {
    "get": lambda host: len(str(host.client.get("x"))),
    "post": lambda host: len(str(host.client.post("x", {}))),
    "upload": lambda host: host.get_instance_client("i").send_stdin(b"x").bytes_written,
    "read": _read,
    "lines": _lines,
    "records": _records,
}


def main(url: str, operation: str, limit: str, timeout: str) -> None:
    """Do one operation; print its outcome and the growth of memory in bytes."""
    with HostClient(url, timeout=float(timeout), retries=0) as host:
        if limit == "small":
            host.client.answer_limit = _LIMIT
        # What is imported at its first use is no cost of an answer.
        import_module("scramjet_client.instances.client")
        # "5" sets the peak back to what is used now, where the kernel knows it.
        Path("/proc/self/clear_refs").write_text("5")
        before = _peak()
        try:
            outcome = str(OPERATIONS[operation](host))
        except ScramjetError as error:
            outcome = type(error).__name__
            if len(str(error)) > 2000 or len(error.body or "") > 65536:
                outcome += ", and it is too long itself"
        print(json.dumps({"outcome": outcome, "grown": _peak() - before}))


if __name__ == "__main__":
    main(*sys.argv[1:])
