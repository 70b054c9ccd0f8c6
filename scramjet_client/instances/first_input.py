"""The first input of an instance, of which a Node.js runner decodes what comes together with the header lines.

The hub puts header lines before an instance's first input. A Node.js runner decodes the read that has them
as UTF-8, with all of the body that came in the same read, and encodes it again: bytes that are not UTF-8, and a
character that the read cuts in two, become U+FFFD. ASCII survives that. So the first byte that is not ASCII
waits until the lines have been read, as far as that can be told (docs/protocol.md, "The first input").
"""

from __future__ import annotations

import contextlib
import json
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from typing import Any

from scramjet_client._base import public
from scramjet_client.api.generations import UNKNOWN, Intake
from scramjet_client.errors import (
    HubConnectionError,
    HubTimeoutError,
    InstanceNotFoundError,
    ScramjetError,
)
from scramjet_client.http.body import BodySource
from scramjet_client.http.tuning import Tuning
from scramjet_client.uploads.upload import Upload

_BINARY = "application/octet-stream"

_YES_LIMIT = 2.0
"""Seconds for the hub's yes, which comes at once unless something holds the request back."""

_LOOK_EVERY = 0.05
"""Seconds between two looks at a program that does not read yet; each leaves a line in its log on H1."""

_LOOK_PAUSE_LIMIT = 0.5
"""Seconds between looks at the most; the pause doubles."""

_SLOWNESS = 10
"""A hub that takes long to answer runs on a busy machine: so many times its answer's time are waited for, too."""

_SLOWNESS_LIMIT = 10.0
"""Seconds that are waited at the most because of that."""

_ONE_READ = 1024
"""Bytes of text that travel in one packet and are read at once, as a rule."""

_SPLIT = (
    "a Node.js program gets U+FFFD for a character that is split between two reads of its runner"
)


@public
class ChangedInputWarning(UserWarning):
    """Data was sent in a way in which a Node.js program may get U+FFFD for parts of it."""


class FirstInput:
    """What one client knows about the first input of one instance.

    Args:
        look: Asks the hub how the program takes its input.
        send_nothing: Sends an empty body of a content type, after which the input stays open.
        tuning: How long is waited for what.
    """

    def __init__(
        self,
        look: Callable[[], Intake],
        send_nothing: Callable[[str], object],
        tuning: Tuning,
    ) -> None:
        self._look = look
        self._tuning = tuning
        self._send_nothing = send_nothing
        self._intake: Intake | None = None
        """Known once the header lines have been read."""
        self._warned = False

    @property
    def unsettled(self) -> bool:
        """Whether the header lines may still wait to be read."""
        return self._intake is None

    def guard(self, body: BodySource, type: str, *, early_yes: bool) -> GuardedBody:
        """Return a body that waits where it must; give it its upload before it is sent.

        Args:
            body: What is to be sent.
            type: Its content type.
            early_yes: Whether the hub says yes before it reads any of the body.
        """
        return GuardedBody(self, body, type=type, early_yes=early_yes)

    def settle(self, upload: Upload[Any], type: str, *, early_yes: bool) -> None:
        """Wait until bytes that are not ASCII arrive unchanged, or the upload has ended."""
        if self._intake is not None:
            return
        if early_yes and not upload.wait_for_head(_YES_LIMIT):
            # What stands between may hold the request back until its body is whole, and a body that is empty is.
            with contextlib.suppress(ScramjetError):
                self._send_nothing(type)
        intake, seconds = self._looked(upload)
        if intake is None:
            return
        if intake.decodes:
            slow = min(_SLOWNESS * seconds, _SLOWNESS_LIMIT)
            wait([upload], max(self._tuning.input_settle, slow))
        if not intake.reading:
            warnings.warn(
                f"{upload.name}: the hub does not show that the program reads, so U+FFFD may stand in place of bytes "
                "that are not ASCII, at the beginning; have the program emit an event when it reads, and wait for that",
                ChangedInputWarning,
                stacklevel=2,
            )
        self._intake = intake

    def text(self, name: str) -> None:
        """Say once that a Node.js program may get other text than is sent."""
        if not self._warned and self._intake is not None and self._intake.decodes:
            self._warned = True
            advice = (
                "send it as bytes and decode it in the program, or send ASCII, as json=True does"
            )
            warnings.warn(f"{name}: {_SPLIT}; {advice}", ChangedInputWarning, stacklevel=2)

    def event(self, event_name: str, message: Any) -> None:
        """Say that a Node.js program may get another message than is sent, if that is so."""
        text = message if isinstance(message, str) else json.dumps(message, ensure_ascii=False)
        if len(text) <= _ONE_READ or text.isascii():
            return
        try:
            decodes = (self._intake or self._look()).decodes
        except ScramjetError:
            # What is wrong is said by the request that sends the event.
            return
        if decodes:
            warnings.warn(
                f"event {event_name!r}: {_SPLIT}; send long text as input, or as ASCII",
                ChangedInputWarning,
                stacklevel=3,
            )

    def _looked(self, upload: Upload[Any]) -> tuple[Intake | None, float]:
        """Return how the program takes its input, once it does, and how long the hub took to say so.

        None means that it does not matter any more.
        """
        pause, began = _LOOK_EVERY, time.monotonic()
        intake = None
        while not upload.done():
            asked = time.monotonic()
            try:
                intake = self._look()
            except InstanceNotFoundError:
                # It has ended; the hub's answer to the upload says so.
                return None, 0.0
            except (HubConnectionError, HubTimeoutError):
                # The upload's own connection meets it as well, if it lasts.
                pass
            except ScramjetError:
                # A hub that shows nothing, or something in front of it: only time is left.
                intake = UNKNOWN
            now = time.monotonic()
            left = began + self._patience(intake) - now
            if left <= 0:
                return intake or UNKNOWN, now - asked
            wait([upload], min(pause, left))
            pause = min(2 * pause, _LOOK_PAUSE_LIMIT)
        return None, 0.0

    def _patience(self, intake: Intake | None) -> float:
        """Return the seconds for which a program that is in this state is looked at again."""
        if intake is None or not intake.reading:
            return self._tuning.input_reading
        return 0.0 if intake.returned else self._tuning.input_return


class GuardedBody:
    """Passes a body's pieces on; before the first that is not ASCII it waits as `FirstInput` says.

    Attributes:
        upload: The upload that sends it.
        whole: All of it, where it is in memory.
    """

    def __init__(self, first: FirstInput, body: BodySource, *, type: str, early_yes: bool) -> None:
        self.upload: Upload[Any] | None = None
        self.whole: memoryview | None = body.whole
        self._first = first
        self._body = body
        self._type = type
        self._text = type != _BINARY
        self._early_yes = early_yes
        self._waits = first.unsettled
        self._size = 0

    def __iter__(self) -> Iterator[bytes | memoryview]:
        return self

    def __next__(self) -> bytes | memoryview:
        piece = next(self._body)
        if (self._waits or self._text) and not bytes(piece).isascii():
            self._not_ascii(bytes(piece))
        self._size += len(piece)
        return piece

    def _not_ascii(self, piece: bytes) -> None:
        assert self.upload is not None
        if self._waits:
            self._waits = False
            self._first.settle(self.upload, self._type, early_yes=self._early_yes)
        if self._text and not piece[max(0, _ONE_READ - self._size) :].isascii():
            self._text = False
            self._first.text(self.upload.name)

    def close(self) -> None:
        """Close the body."""
        # A connection that goes back to its pool leads here, by the error of a write, and must keep no upload.
        self.upload = None
        self._body.close()
