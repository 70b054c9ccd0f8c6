"""Which fault happens to an operation, and which errors may come of it."""

from __future__ import annotations

import random
from collections.abc import Callable

import attrs

from scramjet_client import (
    BadParametersError,
    HubConnectionError,
    HubResponseError,
    HubTimeoutError,
    InstanceEndedError,
    ScramjetError,
    ServerError,
    StreamIdleError,
    StreamInterruptedError,
)
from scramjet_client.testing import (
    Answer,
    CloseIdle,
    Corrupt,
    Cut,
    Delay,
    Drip,
    Drop,
    Fault,
    Pass,
    Reset,
    Restart,
    Stall,
    Truncate,
)

Errors = tuple[type[ScramjetError], ...]

_BROKEN: Errors = (HubConnectionError, StreamInterruptedError)
_SILENT: Errors = (HubTimeoutError, StreamIdleError)

_DRIPPED = 4096
"""Bytes; more would take the rest of the day, one at a time."""


def _refusal(status: int, headers: dict[str, str]) -> Callable[..., Fault]:
    return lambda **where: Answer(status, headers, b'{"error": "not now"}', **where)


KINDS: dict[str, tuple[Callable[..., Fault], Errors]] = {
    "delay": (lambda **where: Delay(0.2, **where), ()),
    "drip": (lambda **where: Drip(0.0, **where), ()),
    "cut": (Cut, _BROKEN),
    "reset": (Reset, _BROKEN),
    "truncate": (Truncate, _BROKEN),
    "corrupt": (Corrupt, _BROKEN),
    "restart": (lambda **where: Restart(0.2, **where), _BROKEN),
    "stall": (Stall, _SILENT),
    "drop": (Drop, _SILENT),
    "400": (_refusal(400, {}), (BadParametersError,)),
    "503": (_refusal(503, {}), (ServerError,)),
    "redirect": (_refusal(302, {"Location": "http://127.0.0.1:1/"}), (HubResponseError,)),
    "idle": (lambda **_where: CloseIdle(0.05), ()),
}

KILLED = "instance killed"
SILENT = ("stall", "drop")
_REFUSALS = ("400", "503", "redirect")


@attrs.frozen
class Chosen:
    """What is to happen to one operation.

    Attributes:
        name: What it is called: "cut at body".
        kind: Key of `KINDS`, or "none".
        fault: To be given to the proxy.
        errors: What may come of it.
    """

    name: str = "none"
    kind: str = "none"
    fault: Fault = attrs.field(factory=Pass)
    errors: Errors = ()

    @property
    def silent(self) -> bool:
        """Whether nothing comes of it but a limit that passes."""
        return self.kind in SILENT


def choose(rng: random.Random, points: tuple[str, ...], size: int, *, mortal: bool) -> Chosen:
    """Return what happens to an operation, often nothing.

    Args:
        rng: What it is drawn from.
        points: Of its request.
        size: Of its body.
        mortal: Whether its instance may be killed.
    """
    dice = rng.random()
    if dice < 0.45:
        return Chosen()
    if mortal and dice < 0.55:
        return Chosen(KILLED, KILLED, errors=(InstanceEndedError,))
    kind = rng.choice([each for each in KINDS if each != "drip" or size <= _DRIPPED])
    make, errors = KINDS[kind]
    if kind == "idle":
        return Chosen(kind, kind, make(), errors) if "idle" in points else Chosen()
    at = rng.choice([each for each in points if each != "idle"])
    where: dict[str, object] = {"at": at}
    if at in ("upload", "body"):
        where["after"] = rng.randrange(max(size, 1))
    try:
        fault = make(**where)
    except ValueError:
        return Chosen()  # makes no sense there
    if at == "upload":
        # A hub that has said yes can't be answered for, and one that gets what is no chunk says no.
        errors += {"corrupt": (BadParametersError,)}.get(kind, _BROKEN if kind in _REFUSALS else ())
    return Chosen(f"{kind} at {at}", kind, fault, errors)
