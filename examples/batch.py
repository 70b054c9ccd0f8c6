"""A batch of jobs by `run`, which starts an instance, feeds it, collects all that it gives and waits for its end.

python examples/batch.py [URL]
"""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from _common import open_host

JOBS = [
    *sorted(Path(__file__).parent.glob("[bc]*.py")),
    Path(__file__).parent / "data" / "access.log",
]


async def measure(context: Any, input: Any) -> AsyncIterator[dict[str, int]]:
    """Count what is in a Python program; anything else is an error, which ends the instance."""
    tree = ast.parse("".join([chunk async for chunk in input]))
    nodes = list(ast.walk(tree))
    functions = sum(isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) for node in nodes)
    yield {"functions": functions, "statements": sum(isinstance(node, ast.stmt) for node in nodes)}


with open_host() as host:
    sequence = host.deploy(measure)
    for path in JOBS:
        completed = sequence.run(path, type="text/plain", timeout=120)
        # An old hub says nothing of how a program ended, and the log says it on every hub.
        if completed.output:
            print(f"{path.name}: {completed.output.decode().strip()}")
        else:
            print(
                f"{path.name}: failed, {'SyntaxError' if b'SyntaxError' in completed.log else 'unknown'}"
            )
