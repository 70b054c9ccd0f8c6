"""Compare dependencies with the advisories of PyPI: the lowest versions that are allowed, and the installed ones.

    python -m tests.support.audit

Fails on each advisory of the lowest versions that docs/environment.md does not list, and on every advisory of the
installed ones. Needs pip-audit and a way to PyPI.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LOWEST = ROOT / "tests" / "constraints-lowest.txt"
_ID = re.compile(r"CVE-\d+-\d+")


def known() -> list[str]:
    """Return the advisories that the page lists."""
    page = (ROOT / "docs" / "environment.md").read_text("utf-8")
    section = page.partition("## Known vulnerabilities\n")[2].partition("\n## ")[0]
    return sorted(set(_ID.findall(section)))


def commands() -> list[list[str]]:
    """Return what asks about the lowest versions, and about the installed ones."""
    audit = [sys.executable, "-m", "pip_audit"]
    ignored = [word for each in known() for word in ("--ignore-vuln", each)]
    return [
        [*audit, "--disable-pip", "--no-deps", "--requirement", str(LOWEST), *ignored],
        [*audit, "--local", "--skip-editable"],
    ]


def main() -> int:
    """Ask about both, and return 1 if one of them has something new."""
    return int(any([subprocess.run(each, check=False).returncode for each in commands()]))


if __name__ == "__main__":
    sys.exit(main())
