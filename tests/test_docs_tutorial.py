"""The tutorial works where people type it: at the prompts of Python and IPython."""

from __future__ import annotations

import doctest
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal, terminal
from tests.support.distribution import PYTHONS, install, pythons
from tests.support.hubs import open_hub
from tests.support.pages import ROOT, Block, programs
from tests.support.run_blocks import EXAMPLE_URL

TUTORIAL = ROOT / "docs" / "tutorial.md"

PROMPT = r"(>>>|\.\.\.:?|In \[\d+\]:)$"
"""The last line of a terminal in which Python or IPython waits."""

IPYTHON = (sys.executable, "-m", "IPython", "--no-confirm-exit")

BASIC = {"PYTHON_BASIC_REPL": "1"}
"""From 3.13 on, makes the prompt that of the versions before."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a hub for the last part of the tutorial."""
    with open_hub() as hub:
        yield hub.url


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder that has the examples, as a checkout has."""
    shutil.copytree(ROOT / "examples", tmp_path / "checkout" / "examples")
    return tmp_path / "checkout"


def typed(prompt: Terminal, code: str) -> None:
    """Type code line by line, each when the prompt is there."""
    lines = code.splitlines()
    if lines[-1].startswith(" "):
        lines.append("")
    for line in lines:
        since = len(prompt.raw)
        # Ctrl-U takes away the indentation that a prompt may offer.
        prompt.type(f"\x15{line}\r")
        prompt.until_end_matches(PROMPT, since)


def pasted(prompt: Terminal, code: str) -> None:
    """Paste code, as a terminal does it."""
    prompt.type(f"\x1b[200~{code}\n\x1b[201~\r")


def follow(
    command: tuple[str, ...],
    how: Callable[[Terminal, str], None],
    checkout: Path,
    elsewhere: str,
    **variables: str,
) -> None:
    """Do the tutorial at a prompt, and compare what is printed with what the page says."""
    home = checkout.parent / "home"
    home.mkdir()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        **{"TERM": "xterm", "HOME": str(home), "IPYTHONDIR": str(home), "INPUTRC": "/dev/null"},
        "PROMPT_TOOLKIT_NO_CPR": "1",  # nobody here answers where the cursor is
        **variables,
    }
    with terminal([], environment, command=command, cwd=checkout, columns=200) as prompt:
        prompt.until_end_matches(PROMPT, 0)
        for number, block in enumerate(programs(TUTORIAL)):
            seen = len(prompt.seen)
            how(prompt, block.code.replace(EXAMPLE_URL, elsewhere))
            # Printed, it does not look as it does when it is typed.
            how(prompt, f'print("<" "{number}" ">")')
            prompt.until(f"<{number}>")
            _compare(block, prompt.seen[seen:])
        prompt.type("exit()\r")
        assert prompt.end() == 0


def _compare(block: Block, seen: str) -> None:
    assert "Traceback" not in seen, seen
    assert "Error:" not in seen, seen
    checker = doctest.OutputChecker()
    lines = iter(each.strip() for each in seen.splitlines())
    for expected in (block.prints or "").splitlines():
        # A prompt says more than the program does, but nothing in another order.
        assert any(
            checker.check_output(f"{expected}\n", f"{line}\n", doctest.ELLIPSIS) for line in lines
        ), f"line {block.line} does not print {expected!r}, but: {seen}"


def test_typed_line_by_line(checkout: Path, elsewhere: str) -> None:
    """At the plain prompt of this Python, each line can be typed as it stands."""
    command = (sys.executable,)

    follow(command, typed, checkout, elsewhere, PYTHONPATH=str(ROOT), **BASIC)


@pytest.mark.skipif(
    sys.version_info < (3, 13), reason="the prompt that edits blocks came with 3.13"
)
def test_typed_at_a_prompt_that_edits_blocks(checkout: Path, elsewhere: str) -> None:
    """The prompt of 3.13 takes the same lines, though it indents by itself."""
    follow((sys.executable,), typed, checkout, elsewhere, PYTHONPATH=str(ROOT))


def test_pasted_into_ipython(checkout: Path, elsewhere: str) -> None:
    """In IPython each piece can be pasted."""
    pytest.importorskip("IPython")

    follow(IPYTHON, pasted, checkout, elsewhere, PYTHONPATH=str(ROOT))


def test_typed_into_ipython(checkout: Path, elsewhere: str) -> None:
    """In IPython each line can be typed as it stands."""
    pytest.importorskip("IPython")
    command = (*IPYTHON, "--simple-prompt")

    follow(command, typed, checkout, elsewhere, PYTHONPATH=str(ROOT))


@pytest.mark.long
@pytest.mark.timeout(900)  # pip fills an environment
@pytest.mark.parametrize("minor", PYTHONS)
@pytest.mark.parametrize("variables", [BASIC, {}], ids=["basic", "usual"])
def test_typed_on_other_pythons(
    minor: str, variables: dict[str, str], wheel: Path, checkout: Path, elsewhere: str
) -> None:
    """At the prompt of every other Python, too, each line can be typed."""
    found = pythons()
    if minor not in found:
        pytest.skip(f"there is no Python {minor}")
    python = install(checkout.parent / "venv", f"{wheel}[hub]", found[minor])

    follow((python,), typed, checkout, elsewhere, **variables)
