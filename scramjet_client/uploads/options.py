"""What one send is to do: the contract's request and stream options, checked before a byte is sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Union

import attrs

from scramjet_client.http.answers import json_in
from scramjet_client.http.body import BodySource, BodyWriter
from scramjet_client.http.durations import duration, seconds
from scramjet_client.http.exchange import Exchange
from scramjet_client.http.settings import checked_headers
from scramjet_client.models import (
    CONTENT_TYPES,
    ParseResponse,
    RequestInit,
    SendStreamOptions,
    SendStreamResponse,
)
from scramjet_client.uploads.sources import JsonLines, ProgressHook, Source, size_of

_BINARY = "application/octet-stream"


OptionsLike = Union[SendStreamOptions, Mapping[str, Any]]


@attrs.frozen(kw_only=True)
class SendPlan:
    """One send, with all of its settings checked."""

    stream_id: str
    type: str
    end: bool
    parse: ParseResponse | None
    json: bool
    headers: Mapping[str, str]
    params: Mapping[str, str] | None
    timeout: float | None
    progress: ProgressHook | None

    def body(self, stream: Any) -> BodySource:
        """Return the body that a source makes; a source that can't be sent is a TypeError here."""
        return JsonLines(stream) if self.json else Source(stream)

    def reporter(self, stream: Any) -> Callable[[int], object] | None:
        """Return the progress callback of the writer, or None."""
        return (
            None
            if self.progress is None
            else reporter(self.progress, None if self.json else stream)
        )

    def exchange_maker(
        self, watch: Callable[[], Callable[[float], object] | None]
    ) -> Callable[[BodyWriter], Exchange]:
        """Return what makes the exchange of each request of this send, all under one deadline."""
        deadline = None if self.timeout is None else time.monotonic() + self.timeout

        def make(writer: BodyWriter) -> Exchange:
            exchange = Exchange(writer=writer, deadline=deadline, on_idle=watch())
            if self.timeout is not None:
                exchange.limit = f"{seconds(self.timeout)} (timeout)"
            return exchange

        return make


def reporter(hook: ProgressHook, stream: Any) -> Callable[[int], object]:
    """Return `hook` as a function of the bytes sent alone, for the body that `stream` makes."""
    total = None if stream is None else size_of(stream)

    def report(sent: int) -> object:
        nonlocal total
        if total is not None and sent > total:
            # A file that grows has more than it had.
            total = None
        return hook(sent, total)

    return report


def checked_stream_id(stream_id: str, known: tuple[str, ...]) -> str:
    """Return a stream id that is known, or raise ValueError."""
    if stream_id not in known:
        raise ValueError(f"stream_id must be one of {', '.join(known)}, not {stream_id!r}")
    return stream_id


def _init_of(request_init: RequestInit | None) -> dict[str, Any]:
    init: dict[str, Any] = {**(request_init or {})}
    unknown = set(init) - {"headers", "params", "timeout"}
    if unknown:
        raise ValueError(f"request_init has unknown keys: {', '.join(sorted(unknown))}")
    for name in checked_headers(init.get("headers") or {}):
        if name.lower() == "x-end-stream":
            raise ValueError(f"request_init must not set {name!r}; the client does (see end=)")
    init["timeout"] = duration("request_init['timeout']", init.get("timeout"))
    return init


def _options_of(options: OptionsLike | None, keywords: Mapping[str, Any]) -> SendStreamOptions:
    if isinstance(options, Mapping):
        options = SendStreamOptions(**options)
    elif options is None:
        options = SendStreamOptions()
    elif not isinstance(options, SendStreamOptions):
        raise TypeError(f"options must be SendStreamOptions, not {type(options).__name__}")
    given = {name: value for name, value in keywords.items() if value is not None}
    options = attrs.evolve(options, **given)
    for name in ("end", "json"):
        value = getattr(options, name)
        if value is not None and not isinstance(value, bool):
            raise TypeError(f"{name} must be a bool, not {type(value).__name__}")
    for name in ("parse_response", "parse"):
        if getattr(options, name) not in (None, "json", "text", "stream"):
            raise ValueError(f"{name} must be json, text or stream, not {getattr(options, name)!r}")
    if options.parse and options.parse_response and options.parse != options.parse_response:
        raise ValueError("parse and parse_response are two names of one option and differ")
    return options


def plan(
    stream_id: str,
    request_init: RequestInit | None,
    options: OptionsLike | None,
    keywords: Mapping[str, Any],
    *,
    default_type: str = _BINARY,
) -> SendPlan:
    """Check every setting of a send; raises TypeError or ValueError before a byte is sent."""
    init = _init_of(request_init)
    progress = keywords.get("progress")
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be callable, not {type(progress).__name__}")
    chosen = _options_of(
        options, {name: value for name, value in keywords.items() if name != "progress"}
    )
    headers = {name.lower(): value for name, value in (init.get("headers") or {}).items()}
    kind = headers.pop("content-type", None)
    if kind is not None and chosen.type is not None and kind != chosen.type:
        raise ValueError(f"type is {chosen.type!r} and the header content-type {kind!r}")
    kind = chosen.type or kind or default_type
    usable = CONTENT_TYPES if stream_id != "stdin" else (_BINARY,)
    if kind not in usable:
        raise ValueError(f"type of {stream_id} must be one of {', '.join(usable)}, not {kind!r}")
    return SendPlan(
        stream_id=stream_id,
        type=kind,
        end=bool(chosen.end),
        parse=chosen.parse_response or chosen.parse,
        json=chosen.json,
        headers=headers,
        params=init.get("params"),
        timeout=init.get("timeout"),
        progress=progress,
    )


def sent(text: str, bytes_sent: int, reason: str) -> SendStreamResponse:
    """Return the contract's answer to a send."""
    return SendStreamResponse(bytes_written=bytes_sent, message=reason or None, raw=text)


def _as_json(text: str, _bytes_sent: int, _reason: str) -> Any:
    if not text.strip():
        return None
    return json_in(text, "a send")


def _as_text(text: str, _bytes_sent: int, _reason: str) -> str:
    return text


CONVERT: dict[Any, Callable[[str, int, str], Any]] = {
    None: sent,
    "json": _as_json,
    "text": _as_text,
}
"""What the answer's text, the bytes sent and the reason phrase become, by `parse_response`."""
