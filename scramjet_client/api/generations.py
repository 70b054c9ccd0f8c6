"""Differences between hub generations; only this module knows them (docs/protocol.md, "Version and generation").

"1.x" means hubs since 0.28.2, "0.x" hubs before that. If the shape of an answer shows the
generation, that shape decides. The version is requested only for facts that are needed before sending, once per
`HttpClient`, and not before they matter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import attrs

from scramjet_client import models
from scramjet_client.api.answers import version_from
from scramjet_client.api.http_client import HttpClient
from scramjet_client.errors import (
    HubNotFoundError,
    InvalidResponseError,
    ManagerNotFoundError,
    NotFoundError,
    UnsupportedByHubError,
)
from scramjet_client.http.turns import Turn

if TYPE_CHECKING:
    from scramjet_client.uploads.sending import RouteLimits

_FIRST_1X = (0, 28, 2)
_VERSION_LENGTH = 40
"""Characters of a hub's version that messages repeat."""

_EVENT, _STOP, _KILL = 5001, 4001, 4002


@attrs.frozen(kw_only=True)
class Intake:
    """How one program takes its input, as far as the hub shows it (docs/protocol.md, "The first input").

    Attributes:
        reading: Whether its runner has begun to read input.
        returned: Whether its function has returned. One that has not may compute, which delays its runner, or read.
        decodes: Whether its runner is a Node.js one, which decodes the read that has the header lines of the first
            input, and decodes each read of text separately.
    """

    reading: bool
    returned: bool
    decodes: bool


UNKNOWN = Intake(reading=True, returned=True, decodes=True)
"""The assumption if a hub shows nothing about an instance."""


@attrs.frozen(kw_only=True)
class Generation:
    """The generation of one hub.

    Attributes:
        version: The hub's version, in its own words.
        modern: Whether it is 1.x.
    """

    version: str
    modern: bool

    def require(self, what: str) -> None:
        """Raise `UnsupportedByHubError` on 0.x, which lacks this feature."""
        if not self.modern:
            raise UnsupportedByHubError(
                f"{what} is not supported by this hub (version {self.version})"
            )

    def utf8_only(self, stream_id: str) -> str | None:
        """Return a display name if this stream carries UTF-8 only, else None."""
        if self.modern and stream_id not in ("stdin", "inout"):
            return None
        return f"{stream_id} of a {self.version} hub"

    @property
    def shows_reading(self) -> bool:
        """Whether info shows how far a program is; if not, its first health message is all that is known of it."""
        return self.modern

    @property
    def changes(self) -> tuple[str, ...]:
        """Changes that a hub of this generation and its runners make to data, one sentence each."""
        first = (
            "the first input and stdin of a Node.js program are held back until it reads; one that computes for longer "
            "than Tuning.input_settle first gets U+FFFD for input that is not ASCII"
        )
        text = (
            "Node.js programs get U+FFFD for characters of text/plain, x-ndjson and long events that a read splits; "
            "ASCII, and input without a type, arrive whole"
        )
        order = (
            "a Node.js program gets what comes to its stdin while it does not take it in the wrong order; input keeps "
            "its order"
        )
        if self.modern:
            return (first, text, order, "stdin and inout carry only UTF-8")
        return (first, text, order, "all streams carry only UTF-8")

    def intake(self, info: Mapping[str, Any], config: Mapping[str, Any]) -> Intake:
        """Return how a program takes its input, from the hub's info of its instance and its sequence's config.

        Only Node.js runners decode the beginning of the first input. They begin to read it with their first message
        about topics, which 1.x shows as `requires`, even if it is empty. They send another message when the function
        has returned, which 1.x shows as `provides`. 0.x shows nothing.
        """
        engines = config.get("engines")
        python = config.get("language") == "py" or (
            isinstance(engines, Mapping) and "python3" in engines
        )
        if python or info.get("terminated"):
            return Intake(reading=True, returned=True, decodes=False)
        returned = not self.modern or "provides" in info
        return Intake(reading=returned or "requires" in info, returned=returned, decodes=True)

    def stop_body(self, timeout: float, can_call_keepalive: bool) -> Any:
        """Return the body of `_stop`; 1.x would silently read 0.x's list as 7 s."""
        body = {"timeout": timeout, "canCallKeepalive": can_call_keepalive}
        return body if self.modern else [_STOP, body]

    def kill_body(self, remove_immediately: bool) -> Any:
        """Return the body of `_kill`."""
        return {"removeImmediately": remove_immediately} if self.modern else [_KILL, {}]

    def start_body(
        self,
        app_config: Mapping[str, Any] | None,
        args: list[Any] | tuple[Any, ...] | None,
        further: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Return the body of `start`; Python sequences of 0.x die without `appConfig` and `args`."""
        body: dict[str, Any] = {"appConfig": dict(app_config or {}), "args": list(args or [])}
        for name, value in further.items():
            if value is None:
                continue
            self.require(f"{name} at the start of a sequence")
            body[name] = dict(value) if isinstance(value, Mapping) else value
        return body

    def event(self, event_name: str, value: Any) -> models.GetEventResponse:
        """Return an event from a hub's message: bare on 1.x, in an envelope on 0.x."""
        data, name = value, event_name
        if not self.modern and isinstance(value, dict):
            data, name = value.get("message"), value.get("eventName", event_name)
        return models.GetEventResponse(event_name=name, data=data, timestamp=_now(), raw=value)


def _now() -> str:
    """Return the current time in UTC, as ISO 8601 with milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# Only saves effort: without it, two threads that ask first at the same time would both fetch the version.
_asking = Turn()


def generation_of(client: HttpClient) -> Generation:
    """Return the generation of the client's hub; asks the hub only once."""
    known = client.memo.get("generation")
    if known is None:
        with _asking.taken(client.tuning.look):
            known = client.memo.get("generation") or _ask(client)
            client.memo["generation"] = known
    generation: Generation = known
    return generation


def event_body(client: HttpClient, event_name: str, message: Any) -> Any:
    """Return the body of `_event`; all hubs take text alike, and only 1.x takes another message."""
    if not isinstance(message, str):
        generation_of(client).require(f"an event message of type {type(message).__name__}")
    return [_EVENT, {"eventName": event_name, "message": message}]


def route_limits(client: HttpClient, stream_id: str) -> RouteLimits:
    """Return the limits for bodies on a route: 0.x cuts old ones, nginx stalls large ones that are answered early."""
    from scramjet_client.uploads.sending import RouteLimits  # noqa: PLC0415 - only senders need it

    spoken = generation_of(client)
    early = not spoken.modern or stream_id in ("stdin", "input")
    return RouteLimits(
        body_lifetime=None if spoken.modern else client.tuning.body_lifetime,
        body_size=client.body_size if early else None,
        utf8_only=spoken.utf8_only(stream_id),
    )


def _ask(client: HttpClient) -> Generation:
    try:
        version = version_from(client.request("GET", "version", subject="the hub's API"))
    except (HubNotFoundError, ManagerNotFoundError):
        raise
    except NotFoundError as error:
        raise InvalidResponseError(
            f"there is no Transform Hub at {client.api_base}: {error}",
            status=error.status,
            url=error.url,
            body=error.body,
        ) from error
    return generation_from(version)


def generation_from(version: models.GetVersionResponse) -> Generation:
    """Return the generation of a hub of this version."""
    modern = version.service is not None or version.api_version is not None
    numbers = tuple(int(part) for part in re.findall(r"[0-9]{1,9}", version.version)[:3])
    shown = version.version[:_VERSION_LENGTH]
    return Generation(version=shown, modern=modern and (not numbers or numbers >= _FIRST_1X))
