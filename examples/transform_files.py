"""Make a table of contents of many Markdown files, several at a time, each by an instance of its own.

python examples/transform_files.py [URL]
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from _common import open_host

from scramjet_client import SequenceClient

DOCS = Path(__file__).parent.parent / "docs"
AT_ONCE = 3


async def outline(context: Any, input: Any) -> AsyncIterator[str]:
    """Give the headings of a Markdown text, indented by their level, without those in code."""
    text = "".join([chunk async for chunk in input])
    for at, block in enumerate(text.split("```")):
        for line in block.splitlines() if at % 2 == 0 else ():
            marks, _, title = line.partition(" ")
            if marks and set(marks) == {"#"}:
                yield "  " * (len(marks) - 1) + title + "\n"


def transform(sequence: SequenceClient, path: Path) -> str:
    """Send a file to a new instance, and return what it makes of it."""
    instance = sequence.start()
    with instance.get_stream("output") as output:
        instance.send_input(path, type="text/plain", end=True)
        return "".join(output.text())


with open_host() as host, ThreadPoolExecutor(AT_ONCE) as pool:
    sequence = host.deploy(outline)
    paths = sorted(DOCS.glob("p*.md"))
    for path, text in zip(paths, pool.map(lambda path: transform(sequence, path), paths)):
        print(f"{path.name}\n{text}")
