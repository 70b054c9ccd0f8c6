"""The guides' code is run as a reader would run it: each block in the file that its first line names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_docs import code_blocks

pytest_plugins = ["pytester"]

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


@pytest.mark.parametrize(("guide", "passed"), [("testing.md", 8), ("flask.md", 3)])
def test_code_of_the_guide_works(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, guide: str, passed: int
) -> None:
    """All tests that the guide shows pass."""
    monkeypatch.delenv("SCRAMJET_TEST_HUB_URL", raising=False)
    for _, code in code_blocks(DOCS / guide, "python"):
        first, _, rest = code.partition("\n")
        path = pytester.path / first.removeprefix("# ")
        path.parent.mkdir(exist_ok=True)
        path.write_text(rest, "utf-8")
    for _, text in code_blocks(DOCS / guide, "json"):
        (pytester.path / "reverse" / "package.json").write_text(text, "utf-8")

    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", timeout=250)

    result.assert_outcomes(passed=passed)
