"""Where else notebooks and their code are run: IPython in a terminal, and nbconvert."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import nbformat

from scramjet_client import HostClient
from tests.support.waiting import LIMIT


async def talk(context, input):
    """Give a line, and wait."""
    yield "first\n"
    await asyncio.Event().wait()


def ipython(tmp_path: Path, *lines: str) -> str:
    """Return what IPython says in a terminal to some lines."""
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor",
         f"--ipython-dir={tmp_path}"],
        input="\n".join([*lines, ""]),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=2 * LIMIT,
    )  # fmt: skip
    return done.stdout


def test_ipython_shows_errors_in_few_frames(tmp_path: Path, closed_port: int):
    """A refused call is the call and its error; all of it is a command away."""
    said = ipython(
        tmp_path,
        "from scramjet_client import HostClient",
        f"HostClient('http://127.0.0.1:{closed_port}').get_status()",
    )
    all_of_it = ipython(
        tmp_path,
        "from scramjet_client import HostClient",
        f"HostClient('http://127.0.0.1:{closed_port}').get_status()",
        "import traceback; traceback.print_last()",
    )

    assert "connection refused" in said
    assert "urllib3" not in said
    assert len(said.splitlines()) < 40
    assert "NewConnectionError" in all_of_it


def test_ipython_has_no_live_view(tmp_path: Path):
    """A terminal can't be drawn in, and show() says what works there."""
    said = ipython(
        tmp_path,
        "from scramjet_client import HostClient",
        "HostClient('http://127.0.0.1:1').get_instance_client('x').show()",
    )

    assert "RuntimeError: show() draws in a cell of a notebook" in said
    assert "follow() and attach() work everywhere" in said


def test_nbconvert_keeps_a_picture(tmp_path: Path, hub: str, host: HostClient):
    """A view that is open when the notebook ends is a picture in the page, which says that it is saved."""
    started = host.deploy(talk).start()
    started.wait_for("running", timeout=60)
    cells = [
        f"from scramjet_client import HostClient\nhost = HostClient({hub!r})\n"
        f"view = host.get_instance_client({started.id!r}).show(widget=False, interval=0.1)",
        "import time\ndraw, drawn = view._draw, []\n"
        "view._draw = lambda state: (draw(state), drawn.append(state))\n"
        "while not (drawn and drawn[-1].streams['output'].received): time.sleep(0.05)",
        "host.list_instances()",
    ]
    path = tmp_path / "book.ipynb"
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    nbformat.write(book, path)
    done = subprocess.run(
        [sys.executable, "-m", "nbconvert", "--execute", "--to", "html", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=4 * LIMIT,
    )
    page = path.with_suffix(".html").read_text() if done.returncode == 0 else done.stderr
    started.kill()

    assert re.search(r"as of \d{4}-\d\d-\d\d", page), page
    assert "a saved picture" in page
    assert "first" in page
    assert re.search(r"<caption>\d+ items?</caption>", page)
