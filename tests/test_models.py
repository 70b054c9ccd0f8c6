"""Answers and options: which module brings which of them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from scramjet_client import models


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
