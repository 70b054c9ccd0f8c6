"""The code of the documents: which blocks there are, and how those of a page are run."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from tests.support import run_blocks
from tests.support.waiting import BUILD_LIMIT

ROOT = Path(__file__).resolve().parent.parent.parent
GUIDES = ROOT / "docs" / "guides"

FENCE = re.compile(r"^( *)(`{3,})(\w*)[^\n]*\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
MARKER = re.compile(r"<!-- (not run|run by): (.+?) -->\s*\Z")
"""Stands before a block that is not run with its page."""

PAGE_MARKER = re.compile(r"^<!-- all of this page is (run by): (.+?) -->$", re.MULTILINE)
PRINTS = re.compile(r"\s*(?:[^\n`]*:)?\s*\Z")
"""What may stand between code and what it prints: nothing, or one line that ends in a colon."""


@attrs.frozen
class Block:
    """A fenced block.

    Attributes:
        line: Number of its first line.
        language: The word after the fence.
        code: Its text, without indentation.
        marker: ("not run", reason), ("run by", path of a test) or None.
        prints: What the page says that it prints, or None.
    """

    line: int
    language: str
    code: str
    marker: tuple[str, str] | None = None
    prints: str | None = None


def blocks(document: Path) -> list[Block]:
    """Return all fenced blocks of a document."""
    text = document.read_text("utf-8")
    whole = PAGE_MARKER.search(text)
    found: list[Block] = []
    end = 0
    for fence in FENCE.finditer(text):
        between = text[end : fence.start()]
        language, code = fence.group(3), textwrap.dedent(fence.group(4))
        if language == "text" and found and PRINTS.fullmatch(between):
            found[-1] = attrs.evolve(found[-1], prints=code)
        marker = whole or MARKER.search(between)
        line = text.count("\n", 0, fence.start()) + 2
        found.append(Block(line, language, code, marker and (marker[1], marker[2])))
        end = fence.end()
    return found


def code_blocks(document: Path, *languages: str) -> Iterator[tuple[int, str]]:
    """Yield the line number and the text of the code blocks in these languages."""
    for block in blocks(document):
        if block.language in languages:
            yield block.line, block.code


def programs(document: Path) -> list[Block]:
    """Return the Python blocks of a document that are run, in order."""
    return [each for each in blocks(document) if each.language == "python" and not each.marker]


def run_page(document: Path, folder: Path) -> list[str]:
    """Run the Python blocks of a page as one program, and return what differs from what it says they print.

    Args:
        document: The page. A guide begins as its index does.
        folder: Where the program runs, and finds the examples; there is no such folder yet.
    """
    beginning = programs(GUIDES / "index.md") if document.parent == GUIDES else []
    if document == GUIDES / "index.md":
        beginning = []
    parts = [*beginning, *programs(document)]
    shutil.copytree(ROOT / "examples", folder / "examples")  # makes the folder, too
    names = []
    for number, block in enumerate(parts):
        # Moved down, so that a traceback names the line of the page.
        code = "\n" * (block.line - 1) + block.code
        names.append(f"{document.stem}_{number}.py")
        (folder / names[-1]).write_text(code, "utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", run_blocks.__file__, *names],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=BUILD_LIMIT,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return list(_differences(parts, done.stdout.split(run_blocks.MARK)[1:]))


def _differences(parts: Sequence[Block], outputs: Sequence[str]) -> Iterator[str]:
    checker = doctest.OutputChecker()
    for block, output in zip(parts, outputs):
        printed = output.partition("\n")[2]
        if block.prints is not None and not checker.check_output(
            block.prints, printed, doctest.ELLIPSIS
        ):
            yield f"line {block.line} prints {printed!r}"
