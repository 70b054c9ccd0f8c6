"""What a hub knows of an instance."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import attrs

from scramjet_client._base import Shown, printable, public
from scramjet_client._common.names import Guided, guessed
from scramjet_client.models._fields import Answer, extra_field
from scramjet_client.models.words import InstanceStatus

_LONGEST_SUMMARY = 300
"""The longest part of a program's error that a message repeats, in characters."""


@public
@attrs.frozen(kw_only=True)
class Termination(Guided, Answer):
    """How an instance ended.

    Attributes:
        exit_code: As in `subprocess`: 0 for a good end, including a stop; the program's own code for a failure;
            -9 if it was killed. None if the hub does not say: 1.x gives 213 for an end that it knows nothing about.
        reason: The hub's words.
        raw: The hub's JSON: `{"exitcode", "reason"}`.
    """

    _guesses: ClassVar[Mapping[str, str]] = guessed(
        {
            "exit_code": "code exitcode return_code returncode",
            "reason": "message",
        }
    )

    exit_code: int | None
    reason: str


@public
@attrs.frozen(kw_only=True)
class Cause(Shown):
    """The error that ended a program, as the program itself wrote it to its stderr or its log.

    Attributes:
        type: Name of its type, such as "ValueError"; "" for a sentence of the hub's runner.
        message: Its text.
        traceback: The traceback, or the stack, without the lines of the runner; "" if there is none.
        file: File of the innermost line of yours, as the hub knows it; None if it is unknown.
        line: Its number.
        function: Its function.
        cure: What to do, for known failures.
    """

    type: str
    message: str
    traceback: str = attrs.field(default="", repr=False)
    file: str | None = None
    line: int | None = None
    function: str | None = None
    cure: str | None = attrs.field(default=None, repr=False)

    @property
    def summary(self) -> str:
        """The error on one line: `ValueError: no number in line 3 (in count, line 12)`."""
        named = f"{self.type}: {self.message}" if self.type and self.message else self.type
        text = " ".join((named or self.message).split())
        if len(text) > _LONGEST_SUMMARY:
            text = text[:_LONGEST_SUMMARY] + "…"
        if self.line is not None:
            where = self.function
            if not where or where.endswith(">"):
                where = re.split(r"[/\\]", self.file or "")[-1]
            text += f" (in {where}, line {self.line})" if where else f" (line {self.line})"
        return printable(text)

    def __str__(self) -> str:
        return self.summary


@public
@attrs.frozen(kw_only=True)
class GetInstanceResponse(Guided, Answer):
    """A hub's info on an instance.

    Attributes:
        id: The instance's id.
        sequence: Id of the sequence that it runs.
        status: The contract's word for its state, or "unknown": ended, but nothing says whether well. The hub's
            own word is in `raw["status"]` if it has one.
        ports: Open ports by name; no hub fills it.
        created: ISO 8601 time; if the hub leaves it out, that of `started`.
        started: ISO 8601 time, or None before the start.
        ended: ISO 8601 time, or None before the end and on 0.x hubs.
        terminated: How it ended; None while it runs and on 0.x hubs.
        cause: The program's own error after a crash, from `wait` and `run`, which look for it; else None.
        extra: All other fields by the hub's own names (`appConfig`, `args`, `provides`...).
    """

    _guesses: ClassVar[Mapping[str, str]] = guessed(
        {
            "terminated.exit_code": "code exit_code exitcode return_code returncode",
            "cause": "error",
            "id": "instance_id",
            "terminated.reason": "reason",
            "sequence": "sequence_id",
            "status": "state",
            "cause.traceback": "traceback",
        }
    )

    id: str
    sequence: str
    status: InstanceStatus
    ports: Mapping[str, int] = attrs.field(factory=dict)
    created: str = ""
    started: str | None = None
    ended: str | None = None
    terminated: Termination | None = None
    cause: Cause | None = attrs.field(default=None, repr=False)
    extra: Mapping[str, Any] = extra_field()
