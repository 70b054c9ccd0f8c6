"""The live view in JupyterLab, in a browser: what a person sees, and can do while it is live.

Needs a Chromium with its driver, and what `make test-long` installs; takes minutes. With PICTURES set to a folder, it
keeps pictures there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("jupyterlab")
pytest.importorskip("selenium")

from tests.notebook.browser import Lab
from tests.notebook.hub_process import hub_process

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not shutil.which("chromedriver"), reason="there is no chromedriver"),
]

PROGRAM = """
import asyncio, sys
from scramjet_client import HostClient

async def count(context, input):
    for number in range(1, 10_000):
        context.logger.info(f"batch {number} counted")
        print("looking at batch", number, file=sys.stderr, flush=True)
        yield f"line {number}: {number * 7} words\\n"
        await asyncio.sleep(0.3)

async def fail(context, input):
    yield "line 1\\n"
    yield "line 2\\n"
    await asyncio.sleep(1)
    raise ValueError("no number in line 3")
    yield

host = HostClient(%r)
count, fail = host.deploy(count), host.deploy(fail)
"""

SECTIONS = "[...document.querySelectorAll('.jp-OutputArea-output details')]"


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    """The URL of a hub of their own."""
    with hub_process() as url:
        yield url


@pytest.fixture
def lab(hub: str, tmp_path: Path) -> Callable[..., Lab]:
    """Return a notebook with the programs in its first cell."""
    return lambda *cells: Lab(tmp_path, [PROGRAM % hub, *cells])


def keep(lab: Lab, name: str, cell: int = 1) -> None:
    """Keep pictures in both themes, where they are wanted."""
    folder = os.environ.get("PICTURES")
    if folder:
        for theme in ("light", "dark"):
            lab.theme(theme)
            lab.picture(Path(folder) / f"{name}-{theme}.png", cell)


@pytest.mark.parametrize("widget", [True, False])
def test_view_is_live_and_then_says_that_it_is_not(lab: Callable[..., Lab], widget: bool):
    """It goes on while it is live; a tab that is opened again shows a picture that says what it is."""
    with lab(f"view = count.start().show(widget={widget})", "view.close()") as page:
        page.run_next()
        page.run_next()
        live = page.shows(lambda text: "line 12" in text and "healthy" in text)
        keep(page, f"notebook-{'widget' if widget else 'live'}")
        page.run_next()
        closed = page.shows(lambda text: "the view was closed" in text)
        saved = page.saved()

    assert "a saved picture" not in live  # innerText has what is seen
    assert "was running" in closed
    data = saved["cells"][1]["outputs"][0]["data"]
    assert set(data) == {"text/html", "text/plain"}
    assert "the view was closed" in "".join(data["text/html"])


def test_a_kernel_that_is_gone_leaves_a_saved_picture(lab: Callable[..., Lab]):
    """When nothing draws any more, the picture says so by itself, here and when it is opened again."""
    with lab(
        "view = count.start().show(widget=False)", "import os, signal; os.kill(os.getpid(), 9)"
    ) as page:
        page.run_next()
        page.run_next()
        page.shows(lambda text: "line 3" in text)
        page.saved()
        page.ask("window.jupyterapp.commands.execute('notebook:run-cell')")
        gone = page.shows(lambda text: "a saved picture" in text)
        page.saved()
        page.open()
        again = page.shows(lambda text: "a saved picture" in text)

    assert "as of 20" in gone
    assert "as of 20" in again


def test_widget_can_be_operated_while_it_is_live(lab: Callable[..., Lab]):
    """A closed section stays closed, selected text stays selected, and the newest lines can be seen."""
    with lab("view = count.start().show()", "view.close()") as page:
        page.run_next()
        page.run_next()
        page.shows(lambda text: "line 4" in text)
        page.ask(f"{SECTIONS}[3].querySelector('summary').click()")
        page.ask(
            f"const line = [...{SECTIONS}[0].querySelectorAll('pre div')][1];"
            "document.getSelection().selectAllChildren(line)"
        )
        selected = page.ask("return String(document.getSelection())")
        page.until(f"return {SECTIONS}[0].innerText.includes('line 40')")
        after = page.ask("return String(document.getSelection())")
        opened = page.ask(f"return {SECTIONS}.map((each) => each.open)")
        newest = page.ask(
            f"const box = {SECTIONS}[0].querySelector('div'), end = box.getBoundingClientRect().bottom;"
            f"const lines = [...{SECTIONS}[0].querySelectorAll('pre div')];"
            "return lines[lines.length - 1].getBoundingClientRect().bottom <= end + 2"
        )
        page.run_next()
        page.shows(lambda text: "the view was closed" in text)
        at_the_end = page.ask(f"return {SECTIONS}.map((each) => each.open)")

    assert selected == after == "line 2: 14 words"
    assert opened == at_the_end == [True, True, True, False]
    assert newest


def test_an_error_of_the_program_stands_on_its_own(lab: Callable[..., Lab]):
    """It is in red below the streams, with its line; so is an error of a cell, in a few frames."""
    with lab("view = fail.start().show()", "host.get_instance_client('nobody').get_info()") as page:
        page.run_next()
        page.run_next()
        crashed = page.shows(lambda text: "the view has ended" in text)
        page.run_next()
        page.shows(lambda text: "INSTANCE_NOT_FOUND" in text or "not found" in text)
        keep(page, "notebook-crash")
        keep(page, "notebook-error", cell=2)

    assert "ValueError: no number in line 3" in crashed
