"""Run files one after the other as parts of one program, a marker on stdout before each."""

from __future__ import annotations

import sys
from pathlib import Path

MARK = "\x1e"
"""What stands before the name of a file; no text has it."""

if __name__ == "__main__":
    parts, sys.argv = sys.argv[1:], ["page.py"]
    for part in parts:
        print(f"{MARK}{part}", flush=True)
        exec(compile(Path(part).read_text("utf-8"), part, "exec"), globals())
