"""The first input and the first stdin of an instance: a Node.js runner spoils what arrives too early.

The hub puts header lines before an instance's first input. A Node.js runner reads them together with the first
part of the body, decodes that read as UTF-8 and encodes it again. Bytes that are not UTF-8, and a character that
the read cuts in two, become U+FFFD. ASCII survives. So the client holds back the first byte that is not ASCII
until the lines have been read, as far as it can tell (docs/protocol.md, "The first input").

Such a runner puts each read of stdin before what the program has not taken yet. So the client holds back the
first stdin until the program takes it, as far as it can tell (docs/protocol.md, "The first stdin").
"""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from typing import Any

import attrs

from scramjet_client._base import public
from scramjet_client._common.clock import monotonic
from scramjet_client.api.generations import UNKNOWN, Intake
from scramjet_client.errors import (
    HubConnectionError,
    HubTimeoutError,
    InstanceNotFoundError,
    ScramjetError,
)
from scramjet_client.http.body import BodySource
from scramjet_client.http.retries import pauses
from scramjet_client.http.tuning import Tuning
from scramjet_client.models import BINARY
from scramjet_client.uploads.upload import Upload

_YES_LIMIT = 2.0
"""Seconds to wait for the hub's acceptance. It comes at once unless something holds the request back."""

_LOOK_EVERY = 0.05
"""Seconds between two looks at a program that does not read yet. Each look adds a line to its log on 1.x."""

_LOOK_PAUSE_LIMIT = 0.5
"""The longest pause between two looks, in seconds; the pause doubles up to it."""

_SLOWNESS = 10
"""A slow answer means a busy machine, so the client also waits this many times the hub's answer time."""

_SLOWNESS_LIMIT = 10.0
"""The longest such extra wait, in seconds."""

_FIRST_READ = 1 << 20
"""Bytes of ASCII behind which nothing comes together with the header lines: many times the 64 KB of such a read."""

ONE_READ = 1024
"""Bytes of text that normally travel in one packet and are read at once, so that no character of it is split."""

_SILENT = attrs.evolve(UNKNOWN, reading=False)
"""The assumption about a program of which nothing has been heard for so long that the client stops waiting."""

_SPLIT = (
    "a Node.js program gets U+FFFD for a character that is split between two reads of its runner"
)


@public
class ChangedInputWarning(UserWarning):
    """Data was sent in a way in which a Node.js program may receive U+FFFD for parts of it."""


@attrs.define(kw_only=True, eq=False)
class FirstInput:
    """A client's knowledge about the first input and the first stdin of one instance.

    Args:
        look: Asks the hub how the program takes its input.
        hear: Waits until the hub has heard from the program.
        shows_reading: Says whether this hub shows how far a program is.
        send_nothing: Sends an empty body of a content type, after which the input stays open.
        tuning: The time limits.
    """

    _look: Callable[[], Intake]
    _hear: Callable[[], object]
    _shows_reading: Callable[[], bool]
    _send_nothing: Callable[[str], object]
    _tuning: Tuning
    intake: Intake | None = attrs.field(default=None, init=False)
    """Set once the program has read the header lines."""
    _heard: bool = attrs.field(default=False, init=False)
    """Whether the program of an old hub has been heard of."""
    _ordered: bool = attrs.field(default=False, init=False)
    """Whether the program takes its stdin in order."""
    _warned: bool = attrs.field(default=False, init=False)

    def settle(self, upload: Upload[Any], type: str, *, early_yes: bool) -> None:
        """Wait until bytes that are not ASCII would arrive unchanged, or the upload has ended."""
        if self.intake is not None:
            return
        if early_yes and not upload.wait_for_head(_YES_LIMIT):
            # A proxy may hold the request back until its body is complete. An empty body is complete at once.
            with contextlib.suppress(ScramjetError):
                self._send_nothing(type)
        intake, seconds = self._looked(upload)
        if intake is None:
            return
        if intake.decodes:
            slow = min(_SLOWNESS * seconds, _SLOWNESS_LIMIT)
            wait([upload], max(self._tuning.input_settle, slow))
        if not intake.reading:
            self._warn(
                upload, "U+FFFD may stand in place of bytes that are not ASCII, at the beginning"
            )
        self.intake = intake

    def hear(self, upload: Upload[Any]) -> None:
        """Wait until the first piece of an input would arrive once, or the upload has ended.

        An old hub's runner may give its program twice what comes before the program is there.
        """
        if upload.writer.connected and not self._heard and not self._shows_reading():
            self._heard = self._looked(upload)[0] is not None

    def settle_stdin(self, upload: Upload[Any]) -> None:
        """Wait until stdin would arrive in order, or the upload has ended."""
        if self._ordered or not upload.writer.connected:
            return
        intake, _ = self._looked(upload)
        if intake is None:
            return
        if intake.decodes:
            # Its function has been called, but may wait for something before it takes its stdin.
            wait([upload], self._tuning.input_settle)
        if not intake.reading:
            self._warn(upload, "parts of it may come in the wrong order")
        self._ordered = True

    def text(self, name: str) -> None:
        """Warn once that a Node.js program may receive other text than was sent."""
        if not self._warned and self.intake is not None and self.intake.decodes:
            self._warned = True
            advice = (
                "send it as bytes and decode it in the program, or send ASCII, as json=True does"
            )
            warnings.warn(f"{name}: {_SPLIT}; {advice}", ChangedInputWarning, stacklevel=2)

    def event(self, event_name: str, message: Any) -> None:
        """Warn if a Node.js program may receive another message than was sent."""
        text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
        if len(text) <= ONE_READ or text.isascii():
            return
        try:
            decodes = (self.intake or self._look()).decodes
        except ScramjetError:
            # The request that sends the event reports the error.
            return
        if decodes:
            warnings.warn(
                f"event {event_name!r}: {_SPLIT}; send long text as input, or as ASCII",
                ChangedInputWarning,
                stacklevel=3,
            )

    def _warn(self, upload: Upload[Any], what: str) -> None:
        warnings.warn(
            f"{upload.name}: the hub does not show that the program reads, so {what}; have the program emit an event "
            "when it reads, and wait for that",
            ChangedInputWarning,
            stacklevel=3,
        )

    def _looked(self, upload: Upload[Any]) -> tuple[Intake | None, float]:
        """Return how the program takes its input, once it does, and the duration of the hub's last answer.

        None means that it no longer matters.
        """
        waits, began = pauses(_LOOK_EVERY, _LOOK_PAUSE_LIMIT), monotonic()
        intake, seconds = None, 0.0
        while not upload.done():
            asked = monotonic()
            try:
                seen = self._look()
                seconds = monotonic() - asked
                if seen.decodes and not self._shows_reading():
                    self._hear()
                intake = seen
            except InstanceNotFoundError:
                # The instance has ended; the hub's answer to the upload says so.
                return None, 0.0
            except (HubConnectionError, HubTimeoutError):
                # If the failure lasts, the upload's own connection meets it too.
                pass
            except ScramjetError:
                # The hub, or something in front of it, shows nothing. The client can only wait for a time.
                intake, seconds = UNKNOWN, monotonic() - asked
            left = began + self._patience(intake) - monotonic()
            if left <= 0:
                return intake or _SILENT, seconds
            wait([upload], min(next(waits), left))
        return None, 0.0

    def _patience(self, intake: Intake | None) -> float:
        """Return for how many seconds to keep looking at a program in this state."""
        if intake is None or not intake.reading:
            return self._tuning.input_reading
        return 0.0 if intake.returned else self._tuning.input_return


class _WaitingBody:
    """A body that passes its pieces on, and waits where it must; set its `upload` before it is sent."""

    def __init__(self, first: FirstInput, body: BodySource) -> None:
        self.upload: Upload[Any] | None = None
        self.whole: memoryview | None = body.whole
        self._first = first
        self._body = body

    def __iter__(self) -> Iterator[bytes | memoryview]:
        raise NotImplementedError

    def close(self) -> None:
        """Close the body."""
        # A write error refers to this body, and a pooled connection refers to the error: drop the upload here.
        self.upload = None
        self._body.close()

    @property
    def _own(self) -> Upload[Any]:
        assert self.upload is not None
        return self.upload


class GuardedBody(_WaitingBody):
    """A body for an input. It waits before the first piece that is not ASCII, as `FirstInput` says.

    With `early_yes`, the hub accepts the request before it reads any of the body.
    """

    def __init__(self, first: FirstInput, body: BodySource, type: str, *, early_yes: bool) -> None:
        super().__init__(first, body)
        self._type = type
        self._text = type != BINARY
        self._early_yes = early_yes
        self._waits = first.intake is None
        self._looks = self._waits or self._text
        self._size = 0

    def __iter__(self) -> Iterator[bytes | memoryview]:
        pieces = iter(self._body)
        while self._looks:
            piece = next(pieces, None)
            if piece is None:
                return
            if not bytes(piece).isascii():
                self._not_ascii(bytes(piece))
            elif self._waits and not self._size:
                self._first.hear(self._own)
            self._size += len(piece)
            if self._size >= _FIRST_READ:
                # A look at each byte of a long body costs as much as the rest of this package's part in sending it.
                self._waits = False
            self._looks = self._waits or self._text
            yield piece
            # The source can't change the size of its buffer as long as somebody looks at it.
            del piece
        yield from pieces

    def _not_ascii(self, piece: bytes) -> None:
        if self._waits:
            self._waits = False
            self._first.settle(self._own, self._type, early_yes=self._early_yes)
        if self._text and not piece[max(0, ONE_READ - self._size) :].isascii():
            self._text = False
            self._first.text(self._own.name)


class HeldBody(_WaitingBody):
    """A body for stdin. Its first piece, or its end, waits until the program takes it, as `FirstInput` says."""

    def __iter__(self) -> Iterator[bytes | memoryview]:
        self._first.settle_stdin(self._own)
        yield from self._body
