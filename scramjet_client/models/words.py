"""The words of the contract: streams, states, content types."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Union

InstanceInputStream = Literal["stdin", "input"]
"""The streams of an instance that you can write."""

InstanceOutputStream = Literal["stdout", "stderr", "output", "log"]
"""The streams of an instance that you can read."""

InstanceStatus = Literal["starting", "running", "stopping", "stopped", "crashed", "unknown"]
"""The contract's five words, and "unknown": ended, but nothing says whether well (docs/protocol.md)."""

STATUSES = ("starting", "running", "stopping", "stopped", "crashed")
HealthStatus = Literal["healthy", "unhealthy", "unknown"]
ParseResponse = Literal["json", "text", "stream"]

INPUT_STREAMS = ("stdin", "input")
OUTPUT_STREAMS = ("stdout", "stderr", "output", "log")

BINARY, TEXT, NDJSON = "application/octet-stream", "text/plain", "application/x-ndjson"
CONTENT_TYPES = (BINARY, TEXT, NDJSON, "text/x-ndjson")
"""The only types of `input` that a hub can use, exactly as written (docs/protocol.md, "Content types")."""

Milliseconds = Union[int, timedelta]
