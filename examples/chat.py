"""Talk with a program over `inout`: each line is written when the last answer has come.

python examples/chat.py [URL]
"""

from __future__ import annotations

import queue
from collections.abc import AsyncIterator, Iterator
from typing import Any

from _common import open_host

CONVERSATION = ["hello", "my name is Ada", "what is my name?", "add 2 3.5 36.5", "bye"]


async def answer(context: Any, input: Any) -> AsyncIterator[str]:
    """Answer each line; remember the name of who is talking."""
    name, rest = "stranger", ""
    async for chunk in input:
        *lines, rest = (rest + chunk).split("\n")
        for line in lines:
            if line.startswith("my name is "):
                name = line[11:]
                yield f"pleased to meet you, {name}\n"
            elif line.startswith("add "):
                yield f"that is {sum(map(float, line.split()[1:])):g}\n"
            elif "my name" in line:
                yield f"it is {name}\n"
            else:
                yield f"{line}, {name}\n"


def say(heard: queue.Queue[str]) -> Iterator[str]:
    """Give line after line, each when the one before was answered."""
    for line in CONVERSATION:
        print(">", line)
        yield line + "\n"
        print("<", heard.get(timeout=30))


with open_host() as host:
    instance = host.deploy(answer).start()
    heard: queue.Queue[str] = queue.Queue()
    with instance.inout(say(heard), type="text/plain", end=True) as answers:
        for reply in answers.lines():
            heard.put(reply.decode())
