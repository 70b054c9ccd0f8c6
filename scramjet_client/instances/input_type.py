"""The content type of an input that is sent without one: text is text, bytes are bytes, values are JSON lines.

The type of an instance's first input decides for its whole life how the program is given what is sent, so what
follows the first input has its type (docs/protocol.md, "Content types").
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from scramjet_client.api.generations import Intake
from scramjet_client.http.body import BodySource
from scramjet_client.http.interrupts import let_interrupts_pass
from scramjet_client.uploads.options import SendPlan
from scramjet_client.uploads.sources import JsonLines, Source, Utf8Only
from scramjet_client.uploads.upload import Upload

BINARY = "application/octet-stream"
TEXT = "text/plain"
VALUES = "application/x-ndjson"

_FIRST_ITEM = 0.25
"""Seconds in which the first item of an iterable decides; a refusal must not wait longer for it."""

_SPLIT_FROM = 1024
"""Bytes of text from which on a Node.js runner may split a character between two reads."""

_LINE_LIMIT = 65536
"""Bytes of a line of text from which on a Python runner gives it to no program."""


class InputType:
    """Which content type the input of one instance has.

    Args:
        look: Asks the hub how the program takes its input.
    """

    def __init__(self, look: Callable[[], Intake]) -> None:
        self._look = look
        self._first: str | None = None
        self._node: bool | None = None

    def of(self, plan: SendPlan, body: BodySource, name: str) -> tuple[str, BodySource]:
        """Return the content type of a body, and the body, refusing bytes that would be changed."""
        if plan.typed:
            return plan.type, body
        if self._first is None:
            return self._chosen(body), body
        if self._first != BINARY and isinstance(body, Source) and not body.text:
            body = Utf8Only(body, f"{name} began as text, so it")
        return self._first, body

    def begin(self, type: str, upload: Upload[Any]) -> None:
        """Take note that an upload of a type begins; one that has sent nothing decides nothing."""
        if self._first is not None:
            return
        self._first = type

        def forget_failure(done: Any) -> None:
            # Not by the upload's own method, which takes note that somebody has asked.
            if Future.exception(done) is not None and not done.bytes_sent:
                self._first = None

        upload.add_done_callback(forget_failure)

    def _chosen(self, body: BodySource) -> str:
        if isinstance(body, JsonLines):
            return VALUES if self._is_node() else TEXT
        if not isinstance(body, Source) or not body.kind_within(_FIRST_ITEM):
            return BINARY
        if body.whole is not None:
            data = bytes(body.whole)
            whole_characters = len(data) <= _SPLIT_FROM or data.isascii()
            short_lines = max(map(len, data.split(b"\n"))) < _LINE_LIMIT
            if whole_characters and short_lines:
                return TEXT
            return TEXT if (whole_characters if self._is_node() else short_lines) else BINARY
        # How long it is, and what it holds, is not known yet.
        return BINARY if self._is_node() else TEXT

    def _is_node(self) -> bool:
        if self._node is None:
            try:
                self._node = self._look().decodes
            except Exception as error:  # also of a mock that knows no such request
                let_interrupts_pass(error)
                # What is wrong is said by the request that sends the input.
                return False
        return self._node
