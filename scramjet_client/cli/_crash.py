"""Tells of a program that crashed while a command fed it or read it."""

from __future__ import annotations

import contextlib
import time

from scramjet_client.api.answers import has_ended
from scramjet_client.cli import _exits, _say
from scramjet_client.cli._hints import hint
from scramjet_client.cli._running import exit_code
from scramjet_client.cli._streams import log_line
from scramjet_client.errors import ScramjetError
from scramjet_client.instances.cause import evidence
from scramjet_client.instances.client import InstanceClient
from scramjet_client.instances.last_words import last_words_of
from scramjet_client.instances.lifetime import LOOK_FURTHER
from scramjet_client.instances.run import failed_error
from scramjet_client.models import GetInstanceResponse

AFTER_END = 3.0
"""Seconds in which a hub notices the end of an instance whose output has ended."""

AFTER_DATA = 2.0
"""Seconds in which a program that crashes at the data has crashed. The command ends so much later if all is well."""

_STDERR = 5.0
"""Seconds for reading the rest of an ended program's stderr."""

_PAUSE = 0.1
"""How often, in seconds, the info is fetched."""

_WHERE = "its stderr, as far as nobody had read it, is above; the hub's own log may say more (`scramjet hub log`)"
"""Where the reason is if it is not known: everything unread has been shown."""

_TRACEBACK = "Traceback (most recent call last):"


def report_failure(client: InstanceClient, within: float, sent: str | None = None) -> int:
    """Wait a moment for the end of an instance, and print its error if it has failed.

    To find out why, this reads the rest of its stderr, and prints it. It reads its log only if the instance has
    evidently failed, as others may want to read that.

    `sent` is the type of its input, if the command knows it.

    Returns:
        The exit code of the command: 0 unless the instance has failed.
    """
    deadline = time.monotonic() + within
    try:
        info = client.get_info()
        while not has_ended(info):
            if time.monotonic() >= deadline:
                return 0
            time.sleep(_PAUSE)
            info = client.get_info()
        said = ""
        if info.status == "unknown":
            # 1.x says the same about every end of a Python program. A crash has left its traceback on stderr.
            said = _rest_of_stderr(client)
            if evidence(said.encode(), b"").cause is not None:
                info = client.wait(_STDERR)
        if info.status == "unknown":
            _say_text(said)
            _say.warn(
                f"instance {client.id!r} has ended, and its hub does not say how; `scramjet inst wait {client.id}`"
                " looks for the reason in its log"
            )
            return 0
        if info.status != "crashed" and (info.terminated is None or not info.terminated.exit_code):
            _say_text(said)
            return 0
        if not said:
            info = client.wait(_STDERR)
            said = _rest_of_stderr(client)
    except ScramjetError:
        # A hub of 0.x has forgotten it, and knows nothing about its end.
        return 0
    _say_text(_without_frames(info, said))
    say_log(client)
    say_reason(info, sent)
    return exit_code(info)


def say_last_words(client: InstanceClient, info: GetInstanceResponse) -> None:
    """Print what the client has read of stderr and log to find the reason of an end: the hub has it no more."""
    stderr = last_words_of(client.client).take(info.id, "stderr").decode("utf-8", "replace")
    _say_text(_without_frames(info, stderr))
    say_log(client)


def say_log(client: InstanceClient) -> None:
    """Print the records of the log that were read to find the reason of an end."""
    for line in last_words_of(client.client).take(client.id, "log").splitlines():
        log_line(line)


def say_reason(info: GetInstanceResponse, sent: str | None = None) -> None:
    """Print why an instance failed, as far as it is known, and the cure."""
    said = _exits.sentence(failed_error(info))
    # What is unread has just been shown.
    _say.error(said.replace(LOOK_FURTHER, _WHERE))
    if (advice := hint(info.cause, sent)) is not None:
        _say.error(advice)


def _rest_of_stderr(client: InstanceClient) -> str:
    """Return what nobody has read of a program's stderr. The hub has it no more, so it must be shown."""
    with contextlib.suppress(ScramjetError), client.get_stream("stderr", timeout=_STDERR) as rest:
        return rest.read().decode("utf-8", "replace")
    return ""


def _say_text(text: str) -> None:
    if text.strip():
        _say.err(text.strip("\n"), keep=_say.LINES)


def _without_frames(info: GetInstanceResponse, stderr: str) -> str:
    """Return a program's stderr without the frames of what ran it, if it is the one error."""
    cause = info.cause
    whole = cause is not None and cause.traceback and stderr.lstrip().startswith(_TRACEBACK)
    return cause.traceback if cause and whole and stderr.count(_TRACEBACK) == 1 else stderr
