"""Names that go: they work until then, and warn at the line of their user (docs/versions.md, "Deprecation").

Only old names import this module.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

_PACKAGE = __name__.partition(".")[0]


def warn_of(old: str, new: str, *, gone_in: str, stacklevel: int = 2) -> None:
    """Warn of a name that goes.

    Args:
        old: The name, as its user writes it.
        new: What to write instead.
        gone_in: The first version without the name.
        stacklevel: 2 is the caller of the function that calls this one.
    """
    warnings.warn(
        f"{old} goes in {_PACKAGE} {gone_in}; write: {new}",
        DeprecationWarning,
        stacklevel=stacklevel + 1,
    )


def moved(module: str, names: Sequence[str], *, gone_in: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of a module whose names are in the package itself now, until a version without it."""

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn_of(f"{module}.{name}", f"from {_PACKAGE} import {name}", gone_in=gone_in)
        return getattr(import_module(_PACKAGE), name)

    return find
