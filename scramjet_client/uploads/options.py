"""The settings of one send: the contract's request and stream options, checked before a byte is sent."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Union

import attrs

from scramjet_client._base import callers_level, quoted
from scramjet_client._common.checks import checked
from scramjet_client._common.files import Reading
from scramjet_client.http.body import BodySource
from scramjet_client.http.callbacks import refuse_result, refuse_unheard, takes
from scramjet_client.http.durations import Duration, duration
from scramjet_client.http.settings import checked_headers
from scramjet_client.models import (
    BINARY,
    CONTENT_TYPES,
    ParseResponse,
    RequestInit,
    SendStreamOptions,
)
from scramjet_client.uploads.sources import (
    JsonLines,
    ProgressHook,
    Source,
    size_of,
    why_nothing,
)

_LONGEST_PATH = 255
"""Characters of a text that may be meant as a path."""

_PATH = re.compile(r"[/\\]|\.\w+$")
_HOOK_CALL = "(sent, total)"
_FOR_TQDM = "for tqdm: progress=lambda sent, total: bar.update(sent - bar.n)"

OptionsLike = Union[SendStreamOptions, Mapping[str, Any]]


@attrs.frozen(kw_only=True)
class SendPlan:
    """One send with checked settings; `typed` says whether the caller gave the type."""

    stream_id: str
    type: str
    typed: bool
    end: bool
    parse: ParseResponse | None
    json: bool
    headers: Mapping[str, str]
    params: Mapping[str, str] | None
    timeout: float | None
    progress: ProgressHook | None

    def body(self, stream: Any, *, own: bool = False) -> BodySource:
        """Return the body for a source; a source that can't be sent raises TypeError here.

        With `own`, memory that the caller can change is copied.
        """
        if isinstance(stream, str) and not self.json and _is_file(stream):
            warnings.warn(
                f"{stream!r} is sent as text, and a file of this name is here: Path({stream!r}) sends the file",
                UserWarning,
                stacklevel=callers_level(),
            )
        elif why := why_nothing(stream):
            warnings.warn(f"the source is {why}", UserWarning, stacklevel=callers_level())
        return JsonLines(stream) if self.json or _is_record(stream) else Source(stream, own=own)

    def progress_callback(self, stream: Any) -> Callable[[int], object] | None:
        """Return the progress callback, or None."""
        if self.progress is None:
            return None
        return progress_callback(self.progress, None if self.json or _is_record(stream) else stream)


def check_source(stream: Any, *, json: bool = False) -> None:
    """Refuse a value that can't be a body, such as a file that does not exist, or that a target replaces.

    For a caller that does something else before it sends.
    """
    kind = type(stream)
    if json:
        Reading(stream if hasattr(kind, "read") else None).close()
    elif hasattr(kind, "__fspath__") or hasattr(kind, "read") or not hasattr(kind, "__iter__"):
        Source(stream).close()
    elif isinstance(stream, (list, tuple)) and not _is_record(stream):
        # The whole of it may be large, and is looked at when it is sent.
        Source(stream[:1]).close()


def check_stdin(stdin: Any, arguments: str = "are args=[...]") -> None:
    """Refuse a value that can't be a program's stdin; it may be meant as an argument, so say where arguments go."""
    try:
        check_source(stdin)
    except TypeError as error:
        raise TypeError(f"stdin: {error}; arguments of the program {arguments}") from None


def _is_file(text: str) -> bool:
    """Whether a text looks like the path of a file, and there is such a file."""
    if len(text) > _LONGEST_PATH or "\n" in text or not _PATH.search(text):
        return False
    try:
        return os.path.isfile(text)
    except ValueError:  # it holds a NUL
        return False


def _is_record(stream: Any) -> bool:
    """Whether a source is a value, or a list of values, that only JSON can carry."""
    if isinstance(stream, (list, tuple)):
        return bool(stream) and all(isinstance(each, Mapping) for each in stream)
    return isinstance(stream, Mapping)


def check_hook(hook: ProgressHook | None) -> None:
    """Refuse a progress hook that can't be called as it will be, before anything is sent."""
    if hook is not None and not callable(hook):
        raise TypeError(
            f"progress must be callable, not {type(hook).__name__}; it gets {_HOOK_CALL}; {_FOR_TQDM}"
        )
    refuse_unheard(hook, "progress")
    if hook is not None and not takes(hook, 0, 0):
        name = getattr(hook, "__qualname__", type(hook).__name__)
        raise TypeError(f"progress gets {_HOOK_CALL}, which {name} does not take; {_FOR_TQDM}")


def progress_callback(hook: ProgressHook, stream: Any) -> Callable[[int], object]:
    """Return `hook` as a function of only the bytes sent, for the body of `stream`."""
    check_hook(hook)
    total = None if stream is None else size_of(stream)

    def report(sent: int) -> object:
        nonlocal total
        if total is not None and sent > total:
            # The file has grown beyond the size that it had.
            total = None
        result = hook(sent, total)
        if result is not None:
            refuse_result(result, "progress")
        return result

    return report


def checked_stream_id(stream_id: str, known: tuple[str, ...]) -> str:
    """Return the stream id if it is known, or raise ValueError."""
    if stream_id not in known:
        raise ValueError(f"stream_id must be one of {', '.join(known)}, not {quoted(stream_id)}")
    return stream_id


def _init_of(request_init: RequestInit | None) -> dict[str, Any]:
    if request_init is not None and not isinstance(request_init, Mapping):
        raise TypeError(
            f"request_init must be a mapping of headers, params and timeout, not {type(request_init).__name__}; all "
            "data goes into one argument, and a list sends several pieces"
        )
    init: dict[str, Any] = {**(request_init or {})}
    unknown = set(init) - {"headers", "params", "timeout"}
    if unknown:
        raise ValueError(f"request_init has unknown keys: {', '.join(sorted(unknown))}")
    params = init.get("params")
    if params is not None and not isinstance(params, Mapping):
        raise TypeError(f"request_init['params'] must be a dict, not {type(params).__name__}")
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
        if value is not None:
            checked(name, value, bool)
    for name in ("parse_response", "parse"):
        if getattr(options, name) not in (None, "json", "text", "stream"):
            raise ValueError(
                f"{name} must be json, text or stream, not {quoted(getattr(options, name))}"
            )
    if options.parse and options.parse_response and options.parse != options.parse_response:
        raise ValueError("parse and parse_response are two names of one option and differ")
    return options


def plan(
    stream_id: str,
    request_init: RequestInit | None = None,
    options: OptionsLike | None = None,
    *,
    type: str | None = None,
    end: bool | None = None,
    json: bool | None = None,
    parse_response: ParseResponse | None = None,
    parse: ParseResponse | None = None,
    progress: ProgressHook | None = None,
    timeout: Duration | None = None,
    default_type: str | None = None,
    default_end: bool = False,
) -> SendPlan:
    """Check every setting of a send; raises TypeError or ValueError before a byte is sent."""
    init = _init_of(request_init)
    check_hook(progress)
    chosen = _options_of(
        options,
        {"type": type, "end": end, "json": json, "parse_response": parse_response, "parse": parse},
    )
    headers = {name.lower(): value for name, value in (init.get("headers") or {}).items()}
    kind = headers.pop("content-type", None)
    if kind is not None and chosen.type is not None and kind != chosen.type:
        raise ValueError(f"type is {chosen.type!r} and the header content-type {kind!r}")
    said = chosen.type or kind or default_type
    kind = said or BINARY
    usable = CONTENT_TYPES if stream_id != "stdin" else (BINARY,)
    if kind not in usable:
        raise ValueError(
            f"type of {stream_id} must be one of {', '.join(usable)}, not {quoted(kind)}"
        )
    limit = duration("timeout", timeout)
    if limit is not None and init["timeout"] is not None and limit != init["timeout"]:
        raise ValueError(
            "timeout and request_init['timeout'] are two names of one option and differ"
        )
    return SendPlan(
        stream_id=stream_id,
        type=kind,
        typed=said is not None or stream_id == "stdin",
        end=default_end if chosen.end is None else chosen.end,
        parse=chosen.parse_response or chosen.parse,
        json=bool(chosen.json),
        headers=headers,
        params=init.get("params"),
        timeout=init["timeout"] if limit is None else limit,
        progress=progress,
    )
