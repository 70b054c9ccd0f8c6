"""Turns an error into one sentence and an exit code."""

from __future__ import annotations

import click

from scramjet_client.cli._terms import in_options
from scramjet_client.cli._words import Advice
from scramjet_client.errors import (
    AuthenticationError,
    ConfigurationError,
    HubConnectionError,
    HubResponseError,
    InstanceNotFoundError,
    InvalidResponseError,
    NotFoundError,
    ScramjetError,
    SequenceNotFoundError,
    StreamInterruptedError,
    TopicNotFoundError,
)

FAILED = 1
USAGE = 2
NOT_FOUND = 66
UNREACHABLE = 69
BUG = 70
REFUSED = 77
CONFIGURATION = 78
NOT_KNOWN = 79
TIMEOUT = 124
INTERRUPTED = 130
PIPE_CLOSED = 141

_GATEWAY = (502, 503, 504)
"""Statuses of a proxy that does not reach the hub."""

_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (BrokenPipeError, PIPE_CLOSED),
    (KeyboardInterrupt, INTERRUPTED),
    (click.Abort, INTERRUPTED),
    (ConfigurationError, CONFIGURATION),
    (NotFoundError, NOT_FOUND),
    (TimeoutError, TIMEOUT),
    (HubResponseError, REFUSED),
    (HubConnectionError, UNREACHABLE),
    # Another server answers there, such as a proxy with a web page.
    (InvalidResponseError, UNREACHABLE),
    (StreamInterruptedError, UNREACHABLE),
    (ScramjetError, FAILED),
    (OSError, FAILED),
    # An extra is missing; the message says how to install it.
    (ImportError, FAILED),
    (MemoryError, FAILED),
    # The client refuses these before it sends anything.
    (ValueError, USAGE),
    (TypeError, USAGE),
)
"""The first match counts."""


_ADVICE: tuple[tuple[type[BaseException], str], ...] = (
    (InstanceNotFoundError, "`scramjet inst list` shows those that there are"),
    (SequenceNotFoundError, "`scramjet seq list` shows those that there are"),
    (TopicNotFoundError, "`scramjet topic list` shows those that there are"),
    (NotFoundError, "`scramjet hub doctor` finds out whether its URL is right"),
    (AuthenticationError, "`scramjet hub doctor` says which token is used"),
    (HubConnectionError, "`scramjet hub doctor` finds out why"),
    (InvalidResponseError, "`scramjet hub doctor` finds out what is there"),
    (StreamInterruptedError, "`scramjet hub doctor` says whether the hub still answers"),
)
"""Advice for an error. Errors without an entry have it in their message, or there is none."""


class UnknownEnd(click.ClickException):
    """An instance has ended, and the hub does not say how."""

    exit_code = NOT_KNOWN

    def __init__(self, instance_id: str) -> None:
        super().__init__(f"how instance {instance_id!r} ended is not known: its hub does not say")


class Interrupted(Exception):
    """The user has interrupted, and the command has reacted; it waits for nothing more if the instance was killed."""

    def __init__(self, *, killed: bool = False) -> None:
        super().__init__()
        self.killed = killed


def code_of(error: BaseException) -> int:
    if isinstance(error, click.ClickException):
        return error.exit_code
    if type(error) is NotFoundError or getattr(error, "status", None) in _GATEWAY:
        # Not this thing, but the hub's API is not there.
        return UNREACHABLE
    return next((code for kind, code in _CODES if isinstance(error, kind)), BUG)


def sentence(error: BaseException) -> str:
    """Return the error and the advice on one line; "" if it is not an error."""
    if code_of(error) in (INTERRUPTED, PIPE_CLOSED):
        return ""
    if code_of(error) == BUG:
        return f"this is a defect of the scramjet command: {error!r} (--debug shows where)"
    if isinstance(error, click.ClickException):
        said = error.format_message()
        if isinstance(error, click.UsageError) and error.ctx is not None:
            how = "" if isinstance(error, Advice) else _how(error.ctx)
            said = f"{said.rstrip('.')}{how}"
    elif isinstance(error, OSError) and not isinstance(error, ScramjetError) and error.strerror:
        said = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        said = _said(error) or "there is not enough memory"
    advice = next((words for kind, words in _ADVICE if isinstance(error, kind)), "")
    return " ".join((f"{said}; {advice}" if advice and "`scramjet" not in said else said).split())


def _said(error: BaseException) -> str:
    """Return the text of an error of the library in the command's words; what a program said stays as it is."""
    cause = getattr(error, "cause", None)
    own = getattr(cause, "summary", "")
    before, found, after = str(error).partition(own) if own else (str(error), "", "")
    return f"{in_options(before)}{found}{in_options(after)}"


def _how(ctx: click.Context) -> str:
    """Return the usage of a command, for a message about its wrong use."""
    usage = " ".join([ctx.command_path, *ctx.command.collect_usage_pieces(ctx)])
    return f" (usage: {usage})"
