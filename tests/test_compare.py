"""The comparison of LocalHub with another hub, which here is a second LocalHub."""

from __future__ import annotations

import pytest

from compare.__main__ import main
from compare.exchanges import REQUESTS
from tests.support.hubs import open_hub


@pytest.mark.parametrize(
    ("words", "count"),
    [
        pytest.param("request", len(REQUESTS), marks=pytest.mark.long),
        ("program prints", 1),
        pytest.param("program health check", 1, marks=pytest.mark.long),
    ],
)
def test_hubs_that_are_the_same(words: str, count: int, capsys: pytest.CaptureFixture[str]):
    """Hubs that are the same do not differ, and each case is counted."""
    with open_hub() as hub:
        assert main([hub.url, "-k", words]) == 0

    shown = capsys.readouterr().out
    assert shown.startswith(f"{count} cases: ")
    assert shown.endswith(
        " 0 known differences, 0 that nobody knows of\n" if count < 2 else "knows of\n"
    )
