"""The one place where exceptions of requests, urllib3, http.client and the socket become this package's."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, IncompleteRead

import requests
import urllib3

from scramjet_client.errors import (
    HubConnectionError,
    HubTimeoutError,
    InvalidResponseError,
    ScramjetError,
)
from scramjet_client.http.interrupts import causes, let_interrupts_pass

# socket.timeout is an OSError of its own on Python 3.9.
_TIMEOUTS = (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError, socket.timeout)


def is_timeout(exception: BaseException) -> bool:
    """Say whether a foreign exception is, at its root, a time limit that passed."""
    found = list(causes(exception))
    # The kernel's own limit: keep-alive, or a retransmission, found that the other side has vanished.
    if any(isinstance(cause, OSError) and cause.errno == errno.ETIMEDOUT for cause in found):
        return False
    # urllib3 1.26 derives "connection refused" from its timeout class.
    return any(
        isinstance(cause, _TIMEOUTS)
        and not isinstance(cause, urllib3.exceptions.NewConnectionError)
        for cause in found
    )


def root_text(exception: BaseException) -> str:
    """Return the words of the innermost cause: "[Errno 111] Connection refused", not three reprs."""
    *_, root = causes(exception)
    if isinstance(root, IncompleteRead):
        # Its own text is a repr, and counts what was held in a buffer, which nobody asked about.
        missing = f", with {root.expected} bytes still to come" if root.expected else ""
        return f"the connection closed before the end{missing}"
    return str(root) or type(root).__name__


FOREIGN = (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError)
"""What may escape from requests, urllib3, http.client and the socket while a request runs."""


@contextmanager
def translated(method: str, url: str) -> Iterator[None]:
    """Turn whatever requests, urllib3 or the socket raise inside the block into errors of this package."""
    try:
        yield
    except ScramjetError:
        raise
    except requests.exceptions.InvalidSchema as error:
        raise ValueError(f"cannot use {url!r}: {error}") from error
    except requests.exceptions.InvalidHeader as error:
        if any(isinstance(cause, urllib3.exceptions.InvalidHeader) for cause in causes(error)):
            raise InvalidResponseError(
                f"{method} {url} was answered with a bad header: {root_text(error)[:200]}", url=url
            ) from error
        # Its text holds the header's value, which may be a secret.
        raise ValueError(
            f"a header of {method} {url} can't be sent: it has line ends in it"
        ) from None
    except FOREIGN as error:
        let_interrupts_pass(error)
        if is_timeout(error):
            raise HubTimeoutError(
                f"{method} {url} timed out: {root_text(error)}", url=url
            ) from error
        raise HubConnectionError(f"{method} {url} failed: {root_text(error)}", url=url) from error
