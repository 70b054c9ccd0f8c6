"""Names that are imported when they are first used, so that a script that needs one answer of a hub starts quickly."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from typing import Any


class Late:
    """Stands for a class or function of a module that is imported at its first use.

    Type checkers see the real one, from an import under TYPE_CHECKING.
    """

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it."""
        return self._found(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._found, name)

    @cached_property
    def _found(self) -> Any:
        return getattr(import_module(self._module), self._name)
