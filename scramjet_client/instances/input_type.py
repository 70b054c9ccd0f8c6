"""The default content type of an input: text for str, octets for bytes, JSON lines for values.

The type of an instance's first input decides, for its whole life, how the program receives data. So later inputs
use the type of the first (docs/protocol.md, "Content types").
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from scramjet_client._base import callers_level
from scramjet_client.api.generations import Intake
from scramjet_client.http.body import BodySource
from scramjet_client.http.interrupts import let_interrupts_pass
from scramjet_client.instances.first_input import ONE_READ
from scramjet_client.models import BINARY, NDJSON, TEXT
from scramjet_client.uploads.options import SendPlan
from scramjet_client.uploads.sources import JsonLines, Source, Utf8Only
from scramjet_client.uploads.upload import Upload

_FIRST_ITEM = 0.25
"""Seconds to wait for the first item of an iterable, which decides the type. A refusal must not wait longer."""

_LINE_LIMIT = 65536
"""Bytes of a text line above which a Python runner delivers it to no program."""


class InputType:
    """The content type of one instance's input; `look` asks the hub how the program takes it."""

    def __init__(self, look: Callable[[], Intake]) -> None:
        self._look = look
        self._first: str | None = None
        self._node: bool | None = None

    def of(self, plan: SendPlan, body: BodySource, name: str) -> tuple[str, BodySource]:
        """Return the content type of a body, and the body itself. Refuses bytes that the hub would change."""
        if plan.typed:
            if self._first is not None and plan.type != self._first:
                warnings.warn(
                    f"{name} began as {self._first}, and no hub changes that: the type {plan.type!r} of later data has "
                    "no effect; give the type with the first data",
                    UserWarning,
                    stacklevel=callers_level(),
                )
            kind = self._first or plan.type
            if kind != BINARY and isinstance(body, Source) and not body.text:
                body = Utf8Only(
                    body,
                    f"{name} has the type {kind}, so it",
                    f"; send it as {BINARY} (type=) from the first data on",
                )
            return plan.type, body
        kind = self._first or self._chosen(body)
        # The first item of an iterable says nothing of the others.
        if kind != BINARY and isinstance(body, Source) and not (body.text and body.whole):
            body = Utf8Only(
                body,
                f"{name} began as text, so it",
                "; send everything as bytes, or as application/octet-stream (type=) from the first data on",
            )
        return kind, body

    def begin(self, type: str, upload: Upload[Any]) -> None:
        """Record that an upload of a type begins. An upload that fails before it sends anything decides nothing."""
        if self._first is not None:
            return
        self._first = type

        def forget_failure(done: Any) -> None:
            if done.failure is not None and not done.bytes_sent:
                self._first = None

        upload.add_done_callback(forget_failure)

    def _chosen(self, body: BodySource) -> str:
        is_text = isinstance(body, Source) and body.kind_within(_FIRST_ITEM)
        if isinstance(body, JsonLines) or (isinstance(body, Source) and body.records):
            return NDJSON if self._is_node() else TEXT
        if not is_text:
            return BINARY
        if body.whole is not None:
            data = bytes(body.whole)
            whole_characters = len(data) <= ONE_READ or data.isascii()
            short_lines = max(map(len, data.split(b"\n"))) < _LINE_LIMIT
            if whole_characters and short_lines:
                return TEXT
            return TEXT if (whole_characters if self._is_node() else short_lines) else BINARY
        # Its length and content are not known yet.
        return BINARY if self._is_node() else TEXT

    def _is_node(self) -> bool:
        if self._node is None:
            try:
                self._node = self._look().decodes
            except Exception as error:  # a mock that knows no such request raises too
                let_interrupts_pass(error)
                # The request that sends the input reports the error.
                return False
        return self._node
