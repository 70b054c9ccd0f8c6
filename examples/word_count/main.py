"""A sequence that counts the words of its text input while it comes.

Input: text/plain. Output: one JSON document a line, for each line of the input
`{"lines": 12, "words": 345, "distinct": 120}`, the counts so far; and when the input has ended, one last
document that has "done": true and the most frequent words besides.

Event `progress`, every `progress_every` lines: `{"lines": 500, "words": 3210}`.

The instance ends after the last document; with `"wait_for_stop": true` in its configuration it waits
to be stopped, so that whoever reads the output can be sure to have it all on any hub.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from scramjet.streams import Stream

# The type of the output: 0.x hubs read the first name, 1.x hubs the second (with no topic).
output_type = "application/x-ndjson"
provides = {"provides": "", "contentType": output_type}

WORD = re.compile(r"[^\W\d_]+")


async def _lines(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    """Yield whole lines; a hub may cut the text anywhere."""
    rest = ""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split("\n")
        for line in whole:
            yield line
    if rest:
        yield rest


class WordCount:
    """The counts so far."""

    def __init__(self) -> None:
        self.lines = 0
        self.words: Counter[str] = Counter()
        self.total = 0

    def add(self, line: str) -> dict[str, int]:
        """Count a line; return the counts so far."""
        words = WORD.findall(line.lower())
        self.lines += 1
        self.total += len(words)
        self.words.update(words)
        return self.so_far()

    def so_far(self) -> dict[str, int]:
        """Return the counts so far."""
        return {"lines": self.lines, "words": self.total, "distinct": len(self.words)}

    def result(self) -> dict[str, Any]:
        """Return the counts at the end."""
        return {**self.so_far(), "done": True, "top": self.words.most_common(5)}


async def run(context: Any, input: Any, *args: Any) -> Stream:
    """Start counting; called by the hub's runner."""
    config = context.config or {}
    every = int(config.get("progress_every", 500))
    output = Stream()

    async def count() -> None:
        counts = WordCount()
        context.logger.info("word count started")
        try:
            async for line in _lines(input):
                # Waits while nobody takes the output, and so holds the input back too.
                await output.write(counts.add(line))
                if counts.lines % every == 0:
                    context.emit("progress", {"lines": counts.lines, "words": counts.total})
            await output.write(counts.result())
            if config.get("wait_for_stop"):
                await asyncio.Event().wait()
        finally:
            context.logger.info(f"word count ended after {counts.lines} lines")
            output.end()

    async def stop(timeout: float | None = None, can_keep_alive: bool | None = None) -> None:
        # 1.x hubs call it with two arguments, 0.x hubs with none.
        counting.cancel()
        await asyncio.wait([counting])

    counting = asyncio.ensure_future(count())
    context.set_stop_handler(stop)
    return output
