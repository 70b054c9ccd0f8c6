"""What an exception comes from, through the wrappers of requests, urllib3 and this package."""

from __future__ import annotations

from collections.abc import Iterator


def causes(exception: BaseException) -> Iterator[BaseException]:
    """Yield an exception and its wrapped ones, in the ways of requests and urllib3: in args, reason or `__cause__`.

    `__context__` is left out, because it leads to whatever the caller is handling at the time.
    """
    seen: set[int] = set()
    pending: list[object] = [exception]
    while pending:
        item = pending.pop(0)
        if not isinstance(item, BaseException) or id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        pending += [*item.args, getattr(item, "reason", None), item.__cause__]
        if type(item).__name__ == "NewConnectionError" and item.__cause__ is None:
            # urllib3 1.26 raises it while it handles the cause, and sets none.
            pending.append(item.__context__)


def has_cause(
    exception: BaseException, kind: type[BaseException] | tuple[type[BaseException], ...]
) -> bool:
    """Return whether an exception, or one that it wraps, is of one of these kinds."""
    return any(isinstance(cause, kind) for cause in causes(exception))
