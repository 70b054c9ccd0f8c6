"""The comparison of LocalHub with another hub, which here is a second LocalHub."""

from __future__ import annotations

import pytest

from compare.__main__ import main
from compare.exchanges import REQUESTS
from tests.support.hubs import open_hub


@pytest.mark.parametrize("words", ["request", "program prints", "program health check"])
def test_equals(words: str, capsys: pytest.CaptureFixture[str]):
    """Hubs that are the same do not differ, and each case is counted."""
    with open_hub() as hub:
        assert main([hub.url, "-k", words]) == 0

    count = len(REQUESTS) if words == "request" else 1
    assert (
        capsys.readouterr().out == f"{count} cases: 0 known differences, 0 that nobody knows of\n"
    )


def test_difference(capsys: pytest.CaptureFixture[str]):
    """A difference is shown with both sides, or with its reason where it is a known one."""
    with open_hub(instance_lifetime=100.0) as hub:
        assert main([hub.url, "-k", "request", "--all"]) == 0

    shown = capsys.readouterr().out
    assert "GET config" not in shown or "because" in shown
