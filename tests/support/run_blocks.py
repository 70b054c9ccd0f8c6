"""Run files one after the other as parts of one program, with a hub to use, and a marker on stdout before each."""

from __future__ import annotations

import os
import sys
from pathlib import Path

MARK = "\x1e"
"""What stands before the name of a file; no text has it."""

EXAMPLE_URL = "http://127.0.0.1:8000/api/v1"
"""Where the documents say that a hub is; a run has its own in the place of it."""


def _run(parts: list[str], url: str) -> None:
    os.environ["SCRAMJET_API_URL"] = url
    for part in parts:
        print(f"{MARK}{part}", flush=True)
        code = Path(part).read_text("utf-8").replace(EXAMPLE_URL, url)
        exec(compile(code, part, "exec"), globals())


if __name__ == "__main__":
    from tests.support.hubs import open_hub

    files, sys.argv = sys.argv[1:], ["page.py"]
    with open_hub() as given:
        _run(files, given.url)
