"""Copy stdin to stdout, each line in brackets, until stdin ends."""

import asyncio
import sys

from scramjet.streams import Stream


def split(rest, text):
    return (rest + text).split("\n")


def run(context, input):
    output = Stream()

    async def copy():
        async for line in sys.stdin.sequence(split, ""):
            print(f"[{line}]")
        output.end()

    context.copying = asyncio.ensure_future(copy())  # asyncio itself keeps no hold of a task
    return output
