"""Threads with names, and the error where there can be none."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from scramjet_client.errors import NoThreadError, ScramjetError, UploadError
from scramjet_client.http import forks
from scramjet_client.http.contexts import in_context

_T = TypeVar("_T")

_numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: itertools.count(1))


def thread_name(kind: str) -> str:
    """Return the name of the next thread of a kind, `KIND-N`."""
    return f"{kind}-{next(_numbers[kind])}"


def fulfil(future: Future[_T], call: Callable[[], _T]) -> None:
    """Give a future what a call returns or raises; a fork that the call has made leaves it to its parent."""
    process = forks.process
    try:
        result = call()
    except BaseException as error:  # raised to whoever asks for the result
        if process is not forks.process:
            raise
        future.set_exception(error)
    else:
        if process is forks.process:
            future.set_result(result)


def start_thread(
    kind: str,
    work: Callable[..., object],
    *args: object,
    needed: Callable[[], contextlib.AbstractContextManager[None]],
) -> threading.Thread:
    """Start a daemon thread, `KIND-N`, in a copy of the present context, and return it.

    Args:
        kind: The name of such threads.
        work, args: What it calls.
        needed: `thread_needed` with what needs it, which raises the error if there can be none.
    """
    with needed():
        thread = threading.Thread(
            target=in_context(work), args=args, name=thread_name(kind), daemon=True
        )
        thread.start()
    return thread


@contextlib.contextmanager
def thread_needed(
    what: str, kept: str = "", kind: type[ScramjetError] = NoThreadError
) -> Iterator[None]:
    """Make and start threads in the block, or raise an error that says what can't have them.

    Args:
        what: What needs them.
        kept: What goes on or has not begun, so that the reader knows what is lost.
        kind: The class of the error.
    """
    try:
        yield
    except ScramjetError:
        raise
    except RuntimeError as error:
        raise kind(
            f"{what} needs a thread of its own, and this process can start none ({error}): too many threads or too"
            " little memory are allowed (ulimit -u, ulimit -v), or this is an isolated sub-interpreter"
            f"{kept and '; '}{kept}"
        ) from error


upload_thread_needed = partial(thread_needed, "an upload", kind=UploadError)
"""The same for the threads of an upload."""
