"""Threads of uploads, and the error where there can be none."""

from __future__ import annotations

import threading

from scramjet_client.errors import UploadError


def begin(thread: threading.Thread) -> None:
    """Start a thread.

    Raises:
        UploadError: It can't start.
    """
    try:
        thread.start()
    except RuntimeError as error:
        raise UploadError(
            f"an upload needs a thread of its own, and this process can start none ({error}): too many threads or too"
            " little memory are allowed (ulimit -u, ulimit -v), or this is an isolated sub-interpreter"
        ) from error
