"""The `scramjet` command; needs the extra "cli". docs/cli.md describes it."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Sequence
from importlib.util import find_spec

_GARBAGE = 50_000
"""Objects that the command makes, beyond those that it gives back, before it searches for garbage."""


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
    limits = gc.get_threshold()
    # Most of what a start makes stays. To search it for garbage again and again takes 4 % of a short command.
    gc.set_threshold(_GARBAGE, *limits[1:])
    try:
        # Imported here, because at the top it would fail without the extra.
        root = importlib.import_module("scramjet_client.cli._root")
        return int(root.run(arguments))
    except KeyboardInterrupt:
        return 130
    finally:
        gc.set_threshold(*limits)
