"""Tells of a program that crashed while a command fed it or read it."""

from __future__ import annotations

import contextlib
import time

from scramjet_client.api.answers import has_ended
from scramjet_client.cli import _exits, _say
from scramjet_client.cli._hints import hint
from scramjet_client.cli._running import exit_code
from scramjet_client.errors import ScramjetError
from scramjet_client.instances.client import InstanceClient
from scramjet_client.instances.run import failed_error
from scramjet_client.models import GetInstanceResponse

AFTER_END = 3.0
"""Seconds in which a hub notices the end of an instance whose output has ended."""

AFTER_DATA = 2.0
"""Seconds in which a program that crashes at the data has crashed. The command ends so much later if all is well."""

_STDERR = 5.0
"""Seconds for reading the rest of an ended program's stderr."""

_PAUSE = 0.1
"""Seconds between two looks at the instance."""

_TRACEBACK = "Traceback (most recent call last):"


def look(client: InstanceClient, within: float, sent: str | None = None) -> int:
    """Wait a moment for the end of an instance, and print its error if it has failed.

    To find out more about an end than the hub tells, its stderr and log have to be read. Others may want to read them.
    So this looks further only if the instance is known to have failed.

    Args:
        client: The instance.
        within: Seconds to wait.
        sent: The type of its input, if the command knows it.

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
        code = None if info.terminated is None else info.terminated.exit_code
        if info.status == "unknown":
            _say.warn(
                f"instance {client.id!r} has ended, and its hub does not say how; `scramjet inst wait {client.id}`"
                " finds it out from its stderr and log"
            )
            return 0
        if info.status != "crashed" and not code:
            return 0
        info = client.wait(_STDERR)
    except ScramjetError:
        # A hub of 0.x has forgotten it, and knows nothing about its end.
        return 0
    _say_failure(client, info, sent)
    return exit_code(info)


def _say_failure(client: InstanceClient, info: GetInstanceResponse, sent: str | None) -> None:
    # The search for the reason has taken the stderr from the hub, so it must be shown.
    text = ""
    with contextlib.suppress(ScramjetError), client.get_stream("stderr", timeout=_STDERR) as rest:
        text = rest.read().decode("utf-8", "replace")
    cause = info.cause
    if cause is not None and cause.traceback and text.lstrip().startswith(_TRACEBACK):
        # Without the frames of what ran it, unless there is more than the one error.
        text = cause.traceback if text.count(_TRACEBACK) == 1 else text
    if text.strip():
        _say.err(text.strip("\n"), keep=_say.LINES)
    _say.error(_exits.sentence(failed_error(info)))
    if (advice := hint(cause, sent)) is not None:
        _say.error(advice)
