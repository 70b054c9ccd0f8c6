"""The `scramjet` command; needs the extra "cli". docs/cli.md describes it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.util import find_spec


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the `scramjet` command and return its exit code.

    Args:
        arguments: The words after the command's name; None means those of this process.
    """
    for name in ("click", "rich"):
        if find_spec(name) is None:
            if sys.stderr is not None:
                said = f"the scramjet command needs the package {name!r}"
                print(f"Error: {said}: pip install 'scramjet_client[cli]'", file=sys.stderr)
            return 1
    try:
        # Imported here, because at the top it would fail without the extra.
        root = importlib.import_module("scramjet_client.cli._root")
        return int(root.run(arguments))
    except KeyboardInterrupt:
        return 130
