"""Write what comes."""

from typing import Any

provides = {"provides": "", "contentType": "application/octet-stream"}


async def run(context: Any, input: Any) -> Any:
    """Give back each chunk."""
    async for chunk in input:
        yield chunk.encode() if isinstance(chunk, str) else chunk
