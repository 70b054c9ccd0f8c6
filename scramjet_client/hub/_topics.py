"""Topics: named pipes between clients and instances."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from scramjet_client.hub._pipes import Feed, Pipe, Reader

CONTENT_TYPES = ("text/x-ndjson", "application/x-ndjson", "text/plain", "application/octet-stream")

_NAME = re.compile(r"[\\a-zA-Z0-9_+-]+")


def is_name(name: object) -> bool:
    """Return whether a hub accepts this as the name of a topic."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


class Topic:
    """A pipe that never ends; its writers take turns."""

    def __init__(self, name: str, content_type: str) -> None:
        self.name = name
        self.content_type = content_type
        self.pipe = Pipe()
        # One writer's body at a time, as on a real hub. Instances may write at the same time.
        self.turn = asyncio.Lock()

    def entry(self) -> dict[str, str]:
        """Return its entry in the list of topics."""
        return {
            "contentType": self.content_type,
            "localProvider": "",  # empty even if a Python instance provides it
            "topic": self.name,
            "topicName": self.name,
        }

    async def take(self, reader: Reader) -> None:
        """Pass an instance's output on to the topic."""
        await _pass(reader, self.pipe)

    async def give(self, feed: Feed) -> None:
        """Feed an instance as one more reader until it ends."""
        reader = self.pipe.attach()
        passing = asyncio.ensure_future(_pass(reader, feed))
        try:
            await feed.broken.wait()
        finally:
            passing.cancel()
            self.pipe.detach(reader)


async def _pass(reader: Reader, to: Pipe | Feed) -> None:
    while data := await reader.get():
        await to.write(data)


class Topics(dict[str, Topic]):
    """All topics of the hub, by name. The readers of a removed one keep waiting, as on a real hub."""

    def create(self, name: str, content_type: str) -> Topic:
        """Add a topic."""
        topic = self[name] = Topic(name, content_type)
        return topic

    def find(self, name: str, content_type: str) -> Topic | None:
        """Return the topic of this name, created if it is missing; None if its type differs."""
        if content_type not in CONTENT_TYPES or not is_name(name):
            return None
        topic = self.get(name) or self.create(name, content_type)
        return topic if topic.content_type == content_type else None


def created(topic: Topic) -> dict[str, Any]:
    """Return the answer to the creation of a topic."""
    return {
        "id": topic.name,
        "origin": {"id": "127.0.0.1", "type": "hub"},
        "state": "flowing",
        "contentType": topic.content_type,
    }
