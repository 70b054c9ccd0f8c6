"""Answers and options: what their one base class does as attrs itself, and which module brings which of them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import attrs
import pytest

import scramjet_client
from scramjet_client import models
from scramjet_client.models._values import Value

_VALUES = sorted(
    name
    for name in scramjet_client.__all__
    if isinstance(getattr(scramjet_client, name), type)
    and issubclass(getattr(scramjet_client, name), Value)
)


def _filled(cls: type[Any], value: Any) -> Any:
    """Return an object of a class, or of its twin, whose fields without checks have this value."""
    return cls(
        **{
            each.name: value
            for each in attrs.fields(cls)
            if each.validator is None and each.converter is None and each.default is attrs.NOTHING
        }
    )


def _twin(cls: type[Any]) -> type[Any]:
    """Return a class with the same fields and with attrs' own methods."""
    fields = {
        each.name: attrs.field(
            default=each.default,
            converter=each.converter,
            validator=each.validator,
            repr=each.repr,
            eq=each.eq,
            kw_only=True,
        )
        for each in attrs.fields(cls)
    }
    return attrs.make_class(cls.__name__, fields, frozen=True, slots=True, cmp=True)


@pytest.mark.parametrize("name", _VALUES)
def test_values_are_shown_and_compared_as_by_attrs(name: str):
    """The text, the equality and the hash of each class are those that attrs writes for its fields."""
    cls = getattr(scramjet_client, name)
    twin = _twin(cls)
    one, same, other = _filled(cls, "x"), _filled(cls, "x"), _filled(cls, "y")
    has_fields = any(each.default is attrs.NOTHING for each in attrs.fields(cls))

    assert repr(one) == repr(_filled(twin, "x"))
    assert one == same
    assert (one != other) is has_fields
    assert one != _filled(twin, "x")
    assert (one == 1) is False
    try:
        hash(_filled(twin, "x"))
    except TypeError:
        with pytest.raises(TypeError):
            hash(one)
    else:
        assert len({one, same, other}) == (2 if has_fields else 1)


def test_fields_that_do_not_count():
    """The hub's own JSON is neither compared nor shown."""
    one = models.GetVersionResponse(version="1", raw={"version": "1"})

    assert one == models.GetVersionResponse(version="1")
    assert "raw" not in repr(one)


def test_a_value_in_itself_is_shown():
    """An event whose data holds the event is shown, as by attrs."""
    data: list[Any] = []
    event = models.GetEventResponse(event_name="e", data=data, timestamp="t")
    data.append(event)

    assert repr(event) == "GetEventResponse(event_name='e', data=[...], timestamp='t')"


def test_every_name_of_models_is_there():
    """The names that the module lists can be imported from it, and no other one."""
    assert {name for name in models.__all__ if getattr(models, name) is None} == set()
    assert set(models.__all__) <= set(dir(models))
    with pytest.raises(AttributeError, match="no attribute 'GetVersion'"):
        _ = models.GetVersion


def test_a_name_brings_its_group_alone():
    """Whoever imports one answer makes the classes of its group, and not those of the others."""
    code = "from scramjet_client.models import GetVersionResponse; import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    groups = {
        name.rpartition(".")[2]
        for name in done.stdout.split()
        if name.startswith("scramjet_client.models.") and "._" not in name
    }
    assert groups == {"version"}
