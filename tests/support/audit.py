"""Compare dependencies with the advisories of PyPI: the lowest versions that are allowed, and the installed ones.

    python -m tests.support.audit

Fails on each advisory of the lowest versions that docs/environment.md does not list, on every advisory of the installed
ones, and if it can't reach PyPI. Needs pip-audit.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LOWEST = ROOT / "tests" / "constraints-lowest.txt"
_ID = re.compile(r"CVE-\d+-\d+")


def known() -> list[str]:
    """Return the advisories that the page lists."""
    page = (ROOT / "docs" / "environment.md").read_text("utf-8")
    section = page.partition("## Known vulnerabilities\n")[2].partition("\n## ")[0]
    return sorted(set(_ID.findall(section)))


def command(requirements: Path, ignored: list[str]) -> list[str]:
    """Return what asks about the versions in a file.

    Without `--strict`, pip-audit calls a version sound that it could not ask about.
    """
    words = [word for each in ignored for word in ("--ignore-vuln", each)]
    audit = [sys.executable, "-m", "pip_audit", "--strict", "--disable-pip", "--no-deps"]
    return [*audit, "--requirement", str(requirements), *words]


def installed() -> str:
    """Return the installed versions, one a line, without this package."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "list", "--exclude-editable"]
    return subprocess.run(
        [*pip, "--format", "freeze"], check=True, capture_output=True, text=True
    ).stdout


def main() -> int:
    """Ask about both, and return 1 if one of them has something new."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "installed.txt"
        file.write_text(installed(), "utf-8")
        audits = [command(LOWEST, known()), command(file, [])]
        codes = [subprocess.run(each, check=False).returncode for each in audits]
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
