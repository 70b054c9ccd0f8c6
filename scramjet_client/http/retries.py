"""What may be sent again after a failure, and when."""

from __future__ import annotations

import itertools
import logging
import random
import ssl
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import urllib3
from urllib3.util.ssl_match_hostname import CertificateError

from scramjet_client._base import logger, show_briefly
from scramjet_client.errors import (
    HubConnectionError,
    HubResponseError,
    ScramjetError,
)
from scramjet_client.http.interrupts import causes

_R = TypeVar("_R")

_BACK_OFF = 0.1
_LONGEST = 5.0
"""Seconds before the first retry; doubled for each further one, up to the longest, and then shortened by up to
a half by chance, so that clients that were cut off together do not come back together."""

_PATIENCE = 60.0
"""Seconds of a hub's `Retry-After` beyond which its refusal is raised instead."""

_NOT_TRUSTED = (ssl.SSLCertVerificationError, CertificateError)
"""A certificate that is refused, by OpenSSL or, for another name and by urllib3 1.26, in Python."""

_PASSING = (429, 502, 503, 504)
"""Refusals that may pass: too many requests, and a gateway whose hub is away."""


class Outages:
    """Logs when calls begin to fail and when they succeed again: two lines, however many calls fail between.

    The attempts in between are logged on the level DEBUG.

    Args:
        hub: What is called, for the log.
    """

    def __init__(self, hub: str) -> None:
        self._hub = hub
        self._failed = 0
        self._began = 0.0
        # Guards the two above: a client is used by many threads.
        self._lock = threading.Lock()

    def failed(self, error: ScramjetError, pause: float | None) -> None:
        """Take note of a failed attempt; `pause` is None where it is raised instead of tried again."""
        with self._lock:
            if not self._failed and pause is None:
                # The caller hears of it, and nothing else was said.
                return
            begins = not self._failed
            self._failed += 1
            if begins:
                self._began = time.monotonic()
        if pause is None:
            return
        level = logging.WARNING if begins else logging.DEBUG
        logger.log(level, "%s; trying again in %.2f s", error, pause)

    def succeeded(self) -> None:
        """Take note of an answer."""
        if not self._failed:
            return
        with self._lock:
            failed, self._failed = self._failed, 0
            seconds = time.monotonic() - self._began
        if failed:
            attempts = "1 attempt" if failed == 1 else f"{failed} attempts"
            logger.warning(
                "%s answers again: %s failed within %.1f s", self._hub, attempts, seconds
            )


def tried(
    attempt: Callable[[], _R],
    retries: int,
    *,
    outages: Outages,
    again: bool,
    deadline: float | None,
    sleep: Callable[[float], object],
    given_up: Callable[[], bool] = lambda: False,
) -> _R:
    """Run an attempt, and again after a failure that may pass, if that can't do anything twice.

    Args:
        attempt: Sends a request; raises errors of this package.
        retries: How often it may be tried again.
        outages: Told of what fails, and of answers.
        again: Whether a repetition is harmless; what never left is tried again in any case.
        deadline: `time.monotonic()` beyond which nothing is tried, or None.
        sleep: Waits between two attempts.
        given_up: Asked before each retry whether nobody wants it any more.
    """
    for number in itertools.count():
        try:
            answer = attempt()
        except ScramjetError as error:
            pause = _pause(error, number, again=again) if number < retries else None
            late = deadline is not None and time.monotonic() + (pause or 0) >= deadline
            if pause is None or late or given_up():
                _note_end(error, outages)
                # Where it came from is ours alone; its cause says the rest.
                raise error.with_traceback(None)  # noqa: B904 - it is its own
            outages.failed(error, pause)
        except BaseException as error:  # an interrupt, from deep inside
            show_briefly(error)
            raise
        else:
            outages.succeeded()
            return answer
        # Not inside the handler: the next failure is not a consequence of this one.
        sleep(pause)
    raise AssertionError("unreachable")


def _note_end(error: ScramjetError, outages: Outages) -> None:
    """Tell of an error that is raised: a refusal is an answer, too, unless a gateway gives it for a hub."""
    if isinstance(error, HubResponseError) and error.status not in _PASSING:
        outages.succeeded()
    else:
        outages.failed(error, None)


def _pause(error: ScramjetError, number: int, *, again: bool) -> float | None:
    """Return how many seconds to wait after the failed attempt of this number; None forbids another one."""
    back_off = min(_BACK_OFF * 2.0**number, _LONGEST) * random.uniform(0.5, 1.0)
    if _has_cause(error, urllib3.exceptions.NewConnectionError):
        return back_off
    if not again:
        return None
    if isinstance(error, HubConnectionError):
        # A certificate does not get better.
        return None if _has_cause(error, _NOT_TRUSTED) else back_off
    if isinstance(error, HubResponseError) and error.status in _PASSING:
        asked: float = error.retry_after or 0.0
        return max(asked, back_off) if asked <= _PATIENCE else None
    return None


def _has_cause(
    error: ScramjetError, kind: type[BaseException] | tuple[type[BaseException], ...]
) -> bool:
    """Tell whether an error comes from one of a kind: a request that did leave must not pass for one that did not."""
    return any(isinstance(cause, kind) for cause in causes(error))
