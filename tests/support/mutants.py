"""Change one thing at a time in what sends and reads, by mutmut, and say how many changes a quick test notices.

    python -m tests.support.mutants --minutes 30 ["scramjet_client.http.chunked*"...]

[tool.mutmut] in pyproject.toml says which files are changed and which tests look at them. What was tried is kept in
mutants/, so that the next run goes on where the time was over.
"""

from __future__ import annotations

import argparse
import collections
import json
import signal
import subprocess
import sys
from pathlib import Path

_FOLDER = Path("mutants")
_SURVIVED = 0
"""The exit code of pytest for a change that no test noticed; one that never ends is noticed, too."""


def run(names: list[str], children: int, minutes: float) -> int:
    """Try what was not tried yet, for so many minutes; return how mutmut ended, 0 if it was stopped."""
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(children), *names]
    with subprocess.Popen(command) as process:
        try:
            return process.wait(minutes * 60)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            print(f"\nstopped after {minutes:g} min")
            return 0


def report() -> None:
    """Print, for each file, how many changes were noticed, which were not, and how many were not tried."""
    for path in sorted(_FOLDER.rglob("*.meta")):
        codes = json.loads(path.read_text("utf-8"))["exit_code_by_key"]
        counts = collections.Counter(
            "not tried" if code is None else "survived" if code == _SURVIVED else "noticed"
            for code in codes.values()
        )
        tried = counts["noticed"] + counts["survived"]
        if not tried:
            continue
        score = f"{counts['noticed'] / tried:.0%} of {tried} changes noticed"
        print(
            f"{path.relative_to(_FOLDER).with_suffix('')}: {score}, {counts['not tried']} not tried"
        )
        for name, code in codes.items():
            if code == _SURVIVED:
                print(f"    python -m mutmut show {name}")


def main(arguments: list[str]) -> None:
    """Run, and report."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.mutants")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--children", type=int, default=2, help="tests that run side by side")
    parser.add_argument("names", nargs="*", help='e.g. "scramjet_client.http.chunked*"')
    options = parser.parse_args(arguments)
    code = run(options.names, options.children, options.minutes)
    report()
    if code != 0:
        sys.exit(f"mutmut ended with {code}, so this is not the whole")


if __name__ == "__main__":
    main(sys.argv[1:])
