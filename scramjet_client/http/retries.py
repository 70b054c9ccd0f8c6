"""Retries: which requests may be repeated after a failure, and when."""

from __future__ import annotations

import logging
import random
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import urllib3
from urllib3.util.ssl_match_hostname import CertificateError

from scramjet_client._base import logger, show_briefly
from scramjet_client._common.clock import monotonic
from scramjet_client.errors import HubConnectionError, HubResponseError, ScramjetError
from scramjet_client.http.causes import has_cause

_R = TypeVar("_R")

_BACK_OFF = 0.1
_LONGEST = 5.0
"""Seconds before the first retry, and at most before any."""

_PATIENCE = 60.0
"""Longest `Retry-After` of a hub, in seconds, that is waited for; a longer one raises the refusal."""

_NOT_TRUSTED = (ssl.SSLCertVerificationError, CertificateError)
"""A refused certificate: by OpenSSL, or in Python (a wrong name, and urllib3 1.26)."""

_PASSING = (429, 502, 503, 504)
"""Temporary refusals: too many requests, or a gateway whose hub is away."""


class Retries:
    """Repeats the calls of a hub that fail, as often as a client wants, with a `sleep` before each.

    It logs when they begin to fail and when they succeed again: two lines, however many fail in between. The attempts
    in between are logged at level DEBUG.
    """

    def __init__(self, hub: str, retries: int, sleep: Callable[[float], object]) -> None:
        self._hub = hub
        self._retries = retries
        self._sleep = sleep
        self._failed = 0
        self._began = 0.0
        # Guards the two fields above: many threads may use a client.
        self._lock = threading.RLock()

    def run(
        self,
        attempt: Callable[[], _R],
        *,
        again: bool,
        deadline: float | None,
        given_up: Callable[[], bool] = lambda: False,
    ) -> _R:
        """Run an attempt, and repeat it after a temporary failure if nothing can take effect twice.

        With `again`, a repetition is harmless; a request that never left is always repeated. Nothing is repeated after
        the deadline, a `monotonic()`, or once `given_up` returns that nobody wants the answer any more.
        """
        for number, back_off in enumerate(pauses(_BACK_OFF, _LONGEST, spread=True)):
            try:
                answer = attempt()
            except ScramjetError as error:
                pause = _pause(error, back_off, again=again) if number < self._retries else None
                late = deadline is not None and monotonic() + (pause or 0) >= deadline
                if pause is None or late or given_up():
                    self._note_end(error)
                    # Only we need its traceback; its cause says the rest.
                    raise error.with_traceback(None)  # noqa: B904 - it is its own
                self._note_failure(error, pause)
            except BaseException as error:  # an interrupt, from deep inside
                show_briefly(error)
                raise
            else:
                self._note_answer()
                return answer
            # This is outside the handler, because the next failure is not a consequence of this one.
            self._sleep(pause)
        raise AssertionError("unreachable")

    def _note_end(self, error: ScramjetError) -> None:
        """Record a raised error: a refusal counts as an answer, unless a gateway gives it for a hub."""
        if isinstance(error, HubResponseError) and error.status not in _PASSING:
            self._note_answer()
        else:
            self._note_failure(error, None)

    def _note_failure(self, error: ScramjetError, pause: float | None) -> None:
        """Record a failed attempt; `pause` is None if the error is raised instead of retried."""
        with self._lock:
            if not self._failed and pause is None:
                # The caller gets the error, and nothing was logged before.
                return
            begins = not self._failed
            self._failed += 1
            if begins:
                self._began = monotonic()
        if pause is None:
            return
        level = logging.WARNING if begins else logging.DEBUG
        logger.log(level, "%s; trying again in %.2f s", error, pause)

    def _note_answer(self) -> None:
        if not self._failed:
            return
        with self._lock:
            failed, self._failed = self._failed, 0
            seconds = monotonic() - self._began
        if failed:
            attempts = "1 attempt" if failed == 1 else f"{failed} attempts"
            logger.warning(
                "%s answers again: %s failed within %.1f s", self._hub, attempts, seconds
            )


def pauses(first: float, longest: float, *, spread: bool = False) -> Iterator[float]:
    """Yield the seconds to wait before each further attempt: every pause is twice the one before, up to the longest.

    With `spread`, a random part, up to half, is taken off each pause, so that clients that were cut off together do not
    return together.
    """
    pause = min(first, longest)
    while True:
        yield pause * random.uniform(0.5, 1.0) if spread else pause
        pause = min(2 * pause, longest)


def _pause(error: ScramjetError, back_off: float, *, again: bool) -> float | None:
    """Return the seconds to wait after a failed attempt; None forbids another one."""
    if has_cause(error, urllib3.exceptions.NewConnectionError):
        # The request never left.
        return back_off
    if not again:
        return None
    if isinstance(error, HubConnectionError):
        # A certificate does not improve.
        return None if has_cause(error, _NOT_TRUSTED) else back_off
    if isinstance(error, HubResponseError) and error.status in _PASSING:
        asked: float = error.retry_after or 0.0
        return max(asked, back_off) if asked <= _PATIENCE else None
    return None
