"""Threads of uploads, and the error where there can be none."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from scramjet_client.errors import UploadError


@contextlib.contextmanager
def thread_needed() -> Iterator[None]:
    """Make and start a thread in the block, or raise `UploadError` if there can be none."""
    try:
        yield
    except RuntimeError as error:
        raise UploadError(
            f"an upload needs a thread of its own, and this process can start none ({error}): too many threads or too"
            " little memory are allowed (ulimit -u, ulimit -v), or this is an isolated sub-interpreter"
        ) from error
