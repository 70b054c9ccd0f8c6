"""What all projects of these tests have in common."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _without_other_plugins(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out plugins that are installed here for other tests: to load them takes half of a small run."""
    if "pytester" in request.fixturenames:
        request.getfixturevalue("pytester")  # it removes this variable
        others = ("hypothesispytest", "anyio", "requests_mock")
        monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(f"-p no:{each}" for each in others))
