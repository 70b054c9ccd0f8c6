"""The end of asyncio's servers."""

from __future__ import annotations

import asyncio
from typing import Any


async def stop_listening(listener: Any) -> None:
    """Take no more connections, and let asyncio finish those it has taken; closing the server forgets them."""
    asyncio.get_running_loop().remove_reader(listener)
    for _ in range(3):
        await asyncio.sleep(
            0
        )  # asyncio makes the transport in one step, and tells its protocol in the next
