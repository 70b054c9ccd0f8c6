"""How the classes of answers and options are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

import attrs

from scramjet_client._base import Shown

if TYPE_CHECKING:
    from attrs import frozen as frozen  # noqa: PLC0414 - the other modules have it from here
else:
    frozen = partial(attrs.frozen, eq=False, repr=False)
    """As of attrs, for subclasses of `Value`, which has these methods once. attrs would compile them for each class,
    and this is half of what a class costs at the start of a program (docs/decisions/start.md)."""


class Value(Shown):
    """Compares, hashes and shows an attrs class by its fields, as attrs itself does."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return all(mine == getattr(other, name) for name, mine in self._compared())

    def __hash__(self) -> int:
        return hash((type(self), *self._compared()))

    @recursive_repr()
    def __repr__(self) -> str:
        shown = [
            f"{field.name}={(field.repr if callable(field.repr) else repr)(getattr(self, field.name))}"
            for field in self._fields()
            if field.repr
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def _compared(self) -> Iterator[tuple[str, Any]]:
        return ((each.name, getattr(self, each.name)) for each in self._fields() if each.eq)

    def _fields(self) -> Iterable[attrs.Attribute[Any]]:
        fields: Iterable[attrs.Attribute[Any]] = getattr(type(self), "__attrs_attrs__", ())
        return fields


def raw_field() -> Any:
    """Return the field for the hub's own JSON, which is neither shown nor compared."""
    return attrs.field(default=None, repr=False, eq=False)


def extra_field() -> Any:
    """Return the field for an object of the hub's, which is neither shown nor compared."""
    return attrs.field(factory=dict, repr=False, eq=False)
