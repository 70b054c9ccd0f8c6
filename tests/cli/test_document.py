"""docs/cli.md: every verb is in it, and all that it shows works."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from scramjet_client.cli import _exits
from scramjet_client.cli._root import root
from tests.cli.terminal import ROOT, environment

DOCUMENT = (ROOT / "docs" / "cli.md").read_text("utf-8")

BLOCKS = re.findall(r"^```sh\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)

LIMIT = 200.0
"""Seconds for all of them together."""


def verbs(command: click.Command, path: str) -> Iterator[str]:
    """Yield how each command is called."""
    if not isinstance(command, click.Group):
        yield path
        return
    ctx = click.Context(command)
    for name in command.list_commands(ctx):
        below = command.get_command(ctx, name)
        assert below is not None
        yield from verbs(below, f"{path} {name}")


def test_every_verb_has_an_example():
    """No verb is missing in the blocks that are run."""
    shown = "\n".join(BLOCKS)

    assert [each for each in verbs(root, "scramjet") if each not in shown] == []


def test_every_exit_code_is_explained():
    """The table of exit codes has all that the command uses."""
    codes = {
        str(value)
        for name, value in vars(_exits).items()
        if name.isupper() and isinstance(value, int)
    }
    table = set(re.findall(r"^\| (\d+) \|", DOCUMENT, re.MULTILINE))

    assert table == codes | {"0"}


def test_help_has_examples():
    """The help of every verb has an example of it."""
    missing = []
    for path in verbs(root, "scramjet"):
        command: click.Command = root
        for name in path.split()[1:]:
            assert isinstance(command, click.Group)
            found = command.get_command(click.Context(command), name)
            assert found is not None
            command = found
        if path not in (command.help or ""):
            missing.append(path)

    assert missing == []


@pytest.mark.timeout(900)
def test_the_examples_work(tmp_path: Path):
    """All blocks are run by bash in one go, and none fails."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "scramjet"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m scramjet_client "$@"\n')
    command.chmod(0o755)
    (tmp_path / "work").mkdir()
    script = (
        "set -euo pipefail\n" + "\n".join(map(textwrap.dedent, BLOCKS)) + "\nkill %1\nwait %1\n"
    )
    env = environment(tmp_path, None)
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(
            ["bash", "-x", "-c", script],
            cwd=tmp_path / "work",
            env={**env, "PATH": f"{tmp_path / 'bin'}{os.pathsep}{env['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            process.wait(800)
        finally:
            # The hub, too, where the script has not come to its end.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    text = (tmp_path / "said").read_text("utf-8", "replace")
    assert process.returncode == 0, text[-3000:]
    assert "Traceback" not in text
    assert (tmp_path / "work" / "shouted.txt").read_text() == "ONE?\nTWO?\n"
