"""The source of what was typed at a plain prompt, from its history: until 3.12 Python keeps none of its own."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable

PROMPT = "<stdin>"
"""Name of the file of all that is typed at a plain prompt, until 3.12."""

_CLAUSES = ("elif", "else", "except", "finally", "case")
_MOST = 2000
"""Lines of the history that are looked through, the latest ones."""


def typed_statements() -> list[str]:
    """Return the statements that were typed at this process's prompt, as far as they are definitions or assignments.

    The history leaves out empty lines and a line that repeats the one before it, and holds what was typed in earlier
    processes, so whoever takes a statement checks that it is the right one.
    """
    return _statements(_history())


def _history() -> list[str]:
    # A prompt has loaded it; a program that has not needs none, and loading it may write to the terminal.
    readline = sys.modules.get("readline")
    if readline is None:
        return []
    length: int = readline.get_current_history_length()
    lines = (readline.get_history_item(at) for at in range(max(1, length - _MOST + 1), length + 1))
    return [line for line in lines if line]


def _statements(lines: Iterable[str]) -> list[str]:
    found: list[str] = []
    block: list[str] = []
    for line in lines:
        if block and not _goes_on(block, line):
            found += _parsed(block)
            block = []
        block.append(line)
    return found + _parsed(block)


def _goes_on(block: list[str], line: str) -> bool:
    """Return whether a line belongs to the statement before it."""
    word = line.split(":", maxsplit=1)[0].split(" ", maxsplit=1)[0].split("(", maxsplit=1)[0]
    if line[:1].isspace() or word in _CLAUSES:
        return True
    if block[-1].lstrip().startswith("@"):
        return True
    # A bracket or a text that is still open.
    try:
        ast.parse("\n".join(block) + "\n")
    except SyntaxError as error:
        return "never closed" in str(error) or "EOF" in str(error) or "unterminated" in str(error)
    return False


def _parsed(block: list[str]) -> list[str]:
    text = "\n".join(block) + "\n"
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return []
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign)
    return [text] if any(isinstance(each, kinds) for each in tree.body) else []
