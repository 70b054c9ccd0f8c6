"""Draw docs/picture.svg: the program of README.md's section "Live streams", run in a terminal; and the gallery.

    python docs/make_picture.py

The program is taken from README.md and run as it is, on its LocalHub; what it prints is what the picture shows.
The pictures of docs/gallery.md, docs/images/examples/NAME.svg, show what the examples print.
Needs the extra "cli", for rich.
"""

from __future__ import annotations

import html
import io
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.syntax import Syntax
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "picture.svg"
TITLE = "scramjet_client"
WIDTH = 88  # columns: the longest line of the program
GALLERY_WIDTH = 64
GALLERY = ROOT / "docs" / "images" / "examples"
EXAMPLES = ("chat", "job_progress", "csv_to_json", "ship_logs", "fleet", "watchdog")
"""Examples that print the same each time."""


def live_program() -> str:
    """Return the first Python block of README.md's section "Live streams"."""
    text = (ROOT / "README.md").read_text("utf-8")
    found = re.search(r"^## Live streams\n.*?```python\n(.*?)```", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError('README.md has no Python block in "Live streams"')
    return found[1]


def draw() -> str:
    """Run the program and return the picture of it."""
    program = live_program()
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    _type(console, "cat first.py")
    console.print(Syntax(program.rstrip(), "python", theme="monokai", background_color="default"))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "first.py").write_text(program, "utf-8")
        _type(console, "python first.py")
        command = [sys.executable, "-u", "first.py"]
        with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            for line in running.stdout:
                console.print(Text(line.rstrip("\n"), style="bold"))
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)
    return _svg(console)


def draw_example(name: str) -> str:
    """Run an example and return the picture of what it prints."""
    command = [sys.executable, "-u", f"examples/{name}.py"]
    printed = subprocess.run(
        command, cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    ).stdout
    console = Console(record=True, width=GALLERY_WIDTH, file=io.StringIO(), force_terminal=True)
    _type(console, f"python examples/{name}.py")
    for line in printed.splitlines():
        console.print(Text(line))
    return _svg(console)


def text_of(picture: str) -> list[str]:
    """Return the lines of text of a picture, without spaces, which it does not keep."""
    lines: dict[str, str] = {}
    for row, text in re.findall(r'<text [^>]*y="([\d.]+)"[^>]*>([^<]*)</text>', picture):
        lines[row] = lines.get(row, "") + html.unescape(text)
    return ["".join(line.split()) for line in lines.values()]


def _type(console: Console, command: str) -> None:
    console.print(Text.assemble(("$ ", "bold green"), command))


def _svg(console: Console) -> str:
    # The id is fixed, so that the same text gives the same file.
    drawn = console.export_svg(title=TITLE, theme=MONOKAI, unique_id="terminal")
    # A page shows the picture without asking other hosts for fonts.
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)


if __name__ == "__main__":
    PICTURE.write_text(draw(), "utf-8")
    GALLERY.mkdir(exist_ok=True)
    for each in EXAMPLES:
        (GALLERY / f"{each}.svg").write_text(draw_example(each), "utf-8")
