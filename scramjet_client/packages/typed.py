"""Source of statements typed at a plain prompt, from its history: until 3.12 Python does not keep the source itself."""

from __future__ import annotations

import ast
import sys

from scramjet_client.packages.syntax import parsed

PROMPT = "<stdin>"
"""Python's file name for code typed at a plain prompt, until 3.12."""

_CLAUSES = ("elif", "else", "except", "finally", "case")
_MOST = 2000
"""How many of the latest lines of the history are searched."""


def typed_statements() -> list[str]:
    """Return the definitions and assignments that were typed at this process's prompt.

    The history leaves out empty lines and a line that repeats the one before it. It also contains lines from earlier
    processes. So the caller must check that a statement is the right one.
    """
    found: list[str] = []
    block: list[str] = []
    for line in _history():
        if block and not _goes_on(block, line):
            found += _parsed(block)
            block = []
        block.append(line)
    return found + _parsed(block)


def _history() -> list[str]:
    # A prompt has loaded it. Other programs do not need it, and loading it may write to the terminal.
    readline = sys.modules.get("readline")
    if readline is None:
        return []
    length: int = readline.get_current_history_length()
    lines = (readline.get_history_item(at) for at in range(max(1, length - _MOST + 1), length + 1))
    return [line for line in lines if line]


def _goes_on(block: list[str], line: str) -> bool:
    """Return whether a line continues the statement before it."""
    word = line.split(":", maxsplit=1)[0].split(" ", maxsplit=1)[0].split("(", maxsplit=1)[0]
    if line[:1].isspace() or word in _CLAUSES or block[-1].lstrip().startswith("@"):
        return True
    # A bracket or a string is still open.
    try:
        parsed("\n".join(block) + "\n")
    except SyntaxError as error:
        return "never closed" in str(error) or "EOF" in str(error) or "unterminated" in str(error)
    return False


def _parsed(block: list[str]) -> list[str]:
    text = "\n".join(block) + "\n"
    try:
        tree = parsed(text)
    except (SyntaxError, ValueError):
        return []
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign)
    return [text] if any(isinstance(each, kinds) for each in tree.body) else []
