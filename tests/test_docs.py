"""The documents say what is there: links, code, commands, versions and citations; and their code runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from scramjet_client import __version__
from tests.support.pages import FENCE, GUIDES, ROOT, Block, blocks, code_blocks, programs, run_page
from tests.support.sources import sources
from tests.support.waiting import LIMIT

LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)")
REFERENCE = re.compile(r"^\[[^\]]+\]: *(\S+)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6} +(.*?) *#*$", re.MULTILINE)
RELEASE = re.compile(r"^## \[([^\]]+)\]", re.MULTILINE)
CITATION = re.compile(r"docs/(\w+\.md), \"([^\"]+)\"")


def named(path: Path) -> str:
    """Return how a test is called after a file."""
    return path.relative_to(ROOT).as_posix()


DOCUMENTS = sources(ROOT, ".md")
each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=named)


def prose(document: Path) -> str:
    """Return a document without its code blocks."""
    return FENCE.sub("", document.read_text("utf-8"))


def headings(document: Path) -> list[str]:
    """Return the section titles of a document."""
    return [title.replace("`", "") for title in HEADING.findall(prose(document))]


def anchors(document: Path) -> set[str]:
    """Return the fragments that its headings can be linked by."""
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings(document)
    }


@each_document
def test_relative_links_resolve(document: Path) -> None:
    """Every relative link leads to a file that exists, and every fragment to a heading there."""
    broken = []
    text = prose(document)
    for target in LINK.findall(text) + REFERENCE.findall(text):
        if re.match(r"[a-z][a-z+.-]*:", target):
            continue
        path, _, fragment = target.partition("#")
        there = (document.parent / path).resolve() if path else document
        if not there.exists() or (fragment and fragment not in anchors(there)):
            broken.append(target)

    assert broken == []


@each_document
def test_python_blocks_compile(document: Path) -> None:
    """Every Python block is valid Python."""
    for line, code in code_blocks(document, "python", "py"):
        # Counted from the document's top, so that a SyntaxError names the right line.
        compile("\n" * (line - 1) + code, str(document), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Path, Future[list[str]]]]:
    """Run the pages of all tests that are selected, some at a time: most of their time is waiting."""
    folder = tmp_path_factory.mktemp("pages")
    selected = [
        item.callspec.params["document"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == "test_python_blocks_run"
    ]
    with ThreadPoolExecutor(3) as pool:
        yield {
            page: pool.submit(run_page, page, folder / str(number))
            for number, page in enumerate(selected)
        }


@pytest.mark.parametrize("document", [each for each in DOCUMENTS if programs(each)], ids=named)
def test_python_blocks_run(document: Path, runs: dict[Path, Future[list[str]]]) -> None:
    """The Python blocks of a page run on a LocalHub, one after the other, and print what it says they print."""
    assert runs[document].result(timeout=LIMIT) == []


@each_document
def test_what_is_not_run_says_why(document: Path) -> None:
    """A Python block that is not run here names the test that runs it, or the reason."""
    for block in blocks(document):
        if block.marker and block.marker[0] == "run by":
            assert (ROOT / block.marker[1]).is_file(), block.line
        elif block.marker:
            assert len(block.marker[1].split()) > 2, block.line
    # A language that nobody runs would be a way around.
    assert not {block.language for block in blocks(document)} & {"py", "python3", "pycon"}


def test_expected_output_is_compared(tmp_path: Path) -> None:
    """A page that says something else than its code prints is found out, with the line of the code."""
    page = tmp_path / "page.md"
    page.write_text("\n```python\nprint(1)\n```\n\nIt prints:\n\n```text\n2\n```\n", "utf-8")

    assert blocks(page)[0] == Block(3, "python", "print(1)\n", None, "2\n")
    assert run_page(page, tmp_path / "run") == ["line 3 prints '1\\n'"]


def test_every_guide_is_listed() -> None:
    """The index of the guides leads to each of them, by a sentence and in the site's tree."""
    index = (GUIDES / "index.md").read_text("utf-8")
    guides = {path.stem for path in GUIDES.glob("*.md")} - {"index"}

    assert set(re.findall(r"\(([\w-]+)\.md\)", index)) == guides
    assert set(re.findall(r"^[\w-]+$", index.partition(":hidden:")[2], re.MULTILINE)) == guides


@each_document
def test_imported_names_exist(document: Path) -> None:
    """Every name that a Python block imports from the package is there."""
    package = __import__("scramjet_client")
    missing = [
        alias.name
        for _, code in code_blocks(document, "python", "py")
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and node.module == "scramjet_client"
        for alias in node.names
        if not hasattr(package, alias.name)
    ]

    assert missing == []


@each_document
def test_make_commands_are_targets(document: Path) -> None:
    """Every `make` command that a document names is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    commands = re.findall(r"`make ([a-z-]+)", prose(document))
    for _, code in code_blocks(document, "", "sh", "console"):
        commands += re.findall(r"^(?:\$ +| *)make ([a-z-]+)", code, re.MULTILINE)

    assert set(commands) - targets == set()


def test_every_target_is_explained() -> None:
    """`make help` lists every target that is declared phony."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)

    assert set(re.findall(r"^([a-z-]+):.* ## ", makefile, re.MULTILINE)) == set(phony[0].split())


def test_changelog_has_this_version() -> None:
    """Unreleased is on top, and the newest release, once there is one, is the package's version."""
    top, *releases = RELEASE.findall((ROOT / "CHANGELOG.md").read_text("utf-8"))

    assert top == "Unreleased"
    assert releases[:1] in ([], [__version__])


def test_citations_name_sections() -> None:
    """Every section of docs/ that a source file cites exists."""
    missing = []
    for path in sources(ROOT, ".py"):
        # A citation may be broken over two lines of a docstring or comment.
        text = re.sub(r"\s*\n\s*(?:# )?", " ", path.read_text("utf-8"))
        for document, section in CITATION.findall(text):
            if section not in headings(ROOT / "docs" / document):
                missing.append(f"{named(path)}: docs/{document}, {section!r}")

    assert missing == []
