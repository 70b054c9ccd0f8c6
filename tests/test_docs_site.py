"""The documentation site builds without a warning, leads nowhere that is not there, and leaves nothing out."""

from __future__ import annotations

import importlib.util
import inspect
import io
import re
import subprocess
import sys
import types
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag

import pytest

import scramjet_client
from scramjet_client import errors
from tests.support.distribution import install, run
from tests.support.waiting import BUILD_LIMIT

ROOT = Path(__file__).resolve().parent.parent
MODULES = (
    "",
    ".errors",
    ".uploads",
    ".streams",
    ".packages",
    ".testing",
    ".hub",
    ".pytest_plugin",
    ".config",
    ".integrations.flask",
    ".integrations.notebook",
)


class Page(HTMLParser):
    """The links of a page, and what it can be linked by."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            if name in ("href", "src") and value:
                self.links.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site; a warning is an error. Its theme, which takes a third of the time, is left out here."""
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "-q", "-b", "html",
        "-D", "html_theme=basic",
        "-d", str(folder / "doctrees"), str(ROOT / "docs"), str(folder / "html"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILD_LIMIT)
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    """The pages of the site."""
    return {path: Page(path) for path in site.rglob("*.html")}


def foreign(pages: Iterable[Path]) -> set[tuple[str, str]]:
    """Return what pages load of other hosts."""
    loads = re.compile(r'<(?:script|img|link)\b[^>]*\b(?:src|href)="(https?:[^"]+)"')
    return {(path.name, each) for path in pages for each in loads.findall(path.read_text("utf-8"))}


@pytest.mark.long
@pytest.mark.timeout(900)  # pip fills an environment
def test_extra_for_documents_builds_the_site(wheel: Path, tmp_path: Path) -> None:
    """Nothing but the extra "docs" is needed to build the site without a warning, and its theme asks no other host."""
    python = install(tmp_path / "venv", f"{wheel}[docs]")

    run(python, "-m", "sphinx", "-q", "-W", str(ROOT / "docs"), str(tmp_path / "html"))

    assert (tmp_path / "html" / "reference" / "index.html").is_file()
    assert foreign((tmp_path / "html").rglob("*.html")) == set()


def test_every_document_is_a_page(site: Path) -> None:
    """No document of docs/ is missing in the site."""
    documents = {
        path.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        for suffix in ("md", "rst")
        for path in (ROOT / "docs").rglob(f"*.{suffix}")
    }

    assert {name for name in documents if not (site / name).is_file()} == set()


def test_links_lead_somewhere(pages: dict[Path, Page]) -> None:
    """Every link within the site leads to a file of it, and every fragment to a place there."""
    broken = set()
    for path, page in pages.items():
        for link in page.links:
            target, fragment = urldefrag(link)
            if re.match(r"[a-z][a-z+.-]*:|//", target):
                continue
            there = path.parent / unquote(target).partition("?")[0] if target else path
            there = there.resolve()
            known = pages[there].anchors if there in pages else {unquote(fragment)}
            if not there.exists() or (fragment and unquote(fragment) not in known):
                broken.add(f"{path.name}: {link}")

    assert broken == set()


def test_pages_ask_no_other_host(pages: dict[Path, Page]) -> None:
    """A page that is read from the disk, without a network, is whole: its scripts, styles and pictures are its own."""
    assert foreign(pages) == set()


def public_names(suffix: str) -> set[str]:
    """Return the full names that a public module has."""
    module = importlib.import_module(f"scramjet_client{suffix}")
    if hasattr(module, "__all__"):
        names = set(module.__all__) - {"__version__"}
    else:
        names = {
            name
            for name, value in vars(module).items()
            if not name.startswith("_")
            and getattr(value, "__module__", None) == module.__name__
            and not name.startswith("pytest_")
        }
    return {f"{module.__name__}.{name}" for name in names}


@pytest.mark.parametrize("suffix", MODULES)
def test_reference_leaves_no_name_out(suffix: str, pages: dict[Path, Page]) -> None:
    """Every public name of the package and its public modules is in the reference."""
    described = set().union(*(page.anchors for page in pages.values()))
    # What the package exports is described as its own, wherever it was made.
    missing = {
        name
        for name in public_names(suffix)
        if name not in described and f"scramjet_client.{name.rpartition('.')[2]}" not in described
    }

    assert public_names(suffix)
    assert missing == set()


def _is_method(name: str, value: object) -> bool:
    # What a file has anyway is described by Python.
    public = not name.startswith("_") and not hasattr(io.BufferedReader, name)
    return public and isinstance(value, (types.FunctionType, property, classmethod))


def test_methods_are_described(pages: dict[Path, Page]) -> None:
    """Every public method of the clients and streams is in the reference, inherited ones of this package as well."""
    described = set().union(*(page.anchors for page in pages.values()))
    missing = set()
    for name in scramjet_client.__all__:
        owner = getattr(scramjet_client, name)
        if not inspect.isclass(owner) or issubclass(owner, BaseException):
            continue
        missing |= {
            f"scramjet_client.{name}.{each}"
            for base in owner.__mro__
            for each, value in vars(base).items()
            if base.__module__.startswith("scramjet_client") and _is_method(each, value)
        }

    assert missing - described == set()


@pytest.mark.parametrize(
    "name", ["HostClient", "SequenceClient", "InstanceClient", "OutputStream", "Upload"]
)
def test_reference_begins_with_tables_of_methods(
    name: str, pages: dict[Path, Page], site: Path
) -> None:
    """The first page of the reference has a line for each method of a class, which leads to it."""
    shown = {urldefrag(link)[1] for link in pages[site / "reference" / "index.html"].links}
    described = set().union(*(page.anchors for page in pages.values()))
    methods = {each for each in described if each.startswith(f"scramjet_client.{name}.")}
    inherited = {f"scramjet_client.{name}.{each}" for each in dir(io.BufferedReader)}

    assert methods - inherited - _fields(name) <= shown
    assert methods & shown


def _fields(name: str) -> set[str]:
    annotations = vars(getattr(scramjet_client, name)).get("__annotations__", {})
    return {f"scramjet_client.{name}.{each}" for each in annotations}


def test_every_error_has_cause_and_cure() -> None:
    """Each class of errors.py has a section of its code in docs/errors.md, with what causes it and what to do."""
    text = (ROOT / "docs" / "errors.md").read_text("utf-8")
    sections = dict(
        re.findall(r"^### ([A-Z_]+)\n\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    )
    classes = [
        each
        for each in vars(errors).values()
        if inspect.isclass(each) and issubclass(each, errors.ScramjetError)
    ]

    assert {each.code: f"`{each.__name__}`" for each in classes} == {
        code: section.partition(",")[0].partition(":")[0] for code, section in sections.items()
    }
    for code, section in sections.items():
        assert re.search(r"^- \*\*Causes\*\*: .{10}", section, re.MULTILINE), code
        assert re.search(r"^- \*\*Cures\*\*: .{10}", section, re.MULTILINE), code


@pytest.fixture(scope="module")
def made() -> Any:
    """What draws the pictures."""
    script = ROOT / "docs" / "make_picture.py"
    spec = importlib.util.spec_from_file_location("make_picture", script)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_gallery_shows_what_the_examples_print(made: Any) -> None:
    """Each picture of the gallery is there, is shown, and has what its example prints now."""
    page = (ROOT / "docs" / "gallery.md").read_text("utf-8")

    assert {each.stem for each in made.GALLERY.iterdir()} == set(made.EXAMPLES)
    for name in made.EXAMPLES:
        assert f"](images/examples/{name}.svg)" in page
        picture = (made.GALLERY / f"{name}.svg").read_text("utf-8")
        assert made.text_of(picture) == made.text_of(made.draw_example(name))


def test_picture_is_what_the_program_prints(made: Any) -> None:
    """The picture of README.md shows its live program, and what that prints now; it is small enough for a page."""
    picture = made.PICTURE.read_text("utf-8")
    shown = made.text_of(picture)

    assert shown == made.text_of(made.draw())
    assert shown[-4:] == ["HELLOADA", "HELLOGRACE", "HELLOMARGARET", "37bytessent"]
    assert {"".join(line.split()) for line in made.live_program().splitlines()} <= {*shown, ""}
    assert len(picture) < 100_000
    assert "](docs/picture.svg)" in (ROOT / "README.md").read_text("utf-8")
