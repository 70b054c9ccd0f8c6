"""The notebooks of examples/notebooks, run from clean in a kernel of their own."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.notebook.kernel import Kernel

NOTEBOOKS = Path(__file__).parents[2] / "examples" / "notebooks"


def cells(name: str) -> list[Any]:
    """Return the code cells of a notebook."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def results(name: str) -> list[str]:
    """Run a notebook; return what each cell printed, and the text of what it showed."""
    found = []
    with Kernel() as kernel:
        for cell in cells(name):
            ran = kernel.run(cell.source, cell=cell.id)
            assert ran.error == "", f"{cell.source}\n{ran.text}"
            found.append(ran.text + "".join(each["data"]["text/plain"] for each in ran.shown))
    return found


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_outputs_are_stripped(path: Path):
    """No output and no count of a run is kept in the repository."""
    kept = [cell for cell in cells(path.stem) if cell.outputs or cell.execution_count is not None]

    assert kept == []


def test_every_notebook_is_run():
    """There is a test here for each of them."""
    tested = {"first_steps", "live_view", "stream_to_dataframe"}

    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == tested


def test_first_steps():
    """Records, log, end, collected output and an error are what the program makes of its input."""
    said = results("first_steps")

    assert " ".join(said[3].split()) == (
        "[{'line': 'to be or not to be', 'words': 6}, {'line': 'that is the question', 'words': 4}]"
    )
    assert said[4].startswith("SendStreamResponse(bytes_written=40, status='success'")
    assert said[5] == "['a line of 18 characters', 'a line of 20 characters']"
    assert said[6] == "Termination(exit_code=0, reason='Instance completed')"
    assert said[7].startswith('{"line": "brevity is the soul of wit", "words": 6}')
    assert said[8].startswith("INSTANCE_NOT_FOUND - instance 'nobody' not found")


def test_live_view():
    """The bar comes to its end, all is sent, and the view ends with the instance."""
    said = results("live_view")

    if find_spec("ipywidgets") is None:  # else the bar is a widget, which has no text
        assert "sending: 100%" in said[2]
        assert "600k/600k" in said[2]
    assert "bytes_written=600000" in said[2]
    assert said[3] == "True"


def test_stream_to_dataframe():
    """A stream makes the same frame by its records and as a file, and a CSV one goes through read_csv."""
    said = results("stream_to_dataframe")

    assert [line.split() for line in said[2].splitlines()] == [
        ["planet", "moons", "rocky"],
        ["0", "Mercury", "0", "True"],
        ["1", "Venus", "0", "True"],
        ["2", "Earth", "1", "True"],
        ["3", "Mars", "2", "True"],
    ]
    assert said[3] == "True"
    assert said[4].splitlines()[1].split() == ["True", "3"]
    assert said[5].endswith("332833500")
