"""`scramjet dev`: runs a program here, and runs it anew whenever it is saved."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from scramjet_client.cli._click import Command
from scramjet_client.cli._options import (
    PORT,
    arguments_of,
    check_feed,
    feed_options,
    program_options,
    type_option,
)
from scramjet_client.cli._session import Session


@click.command(cls=Command)
@click.argument("path")
@click.option(
    "-i",
    "--input",
    "input_path",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="What to send to the program, again after each restart. [default: stdin]",
)
@feed_options
@type_option()
@click.option("--once", is_flag=True, help="End with the program, and with its exit code.")
@click.option("--pdb", "debugger", is_flag=True, help="Stop in the program where it fails.")
@click.option("--no-page", is_flag=True, help="Show no page.")
@click.option("--port", type=PORT, help="Where the hub listens. [default: 8000, or a free one]")
@click.option("--record", metavar="FILE", help="Keep a trace of inputs and outputs, for `replay`.")
@click.option("--event", "events", multiple=True, metavar="NAME", help="Show it (with --api-url).")
@program_options
@click.option(
    "-r",
    "--requirements",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Have pip install these into the package, once. [default: requirements.txt of a folder]",
)
@click.option("--no-requirements", is_flag=True, help="Leave requirements.txt alone.")
@click.pass_context
def dev(ctx: click.Context, /, path: str, **given: Any) -> None:
    r"""Run a program, and run it anew when it is saved.

    PATH is a folder, a Python file, or a function: `module:function`, `file.py:function`. It runs on a hub of
    its own, or on that of --api-url or --profile. Its output, stdout, stderr, log and events are one stream of
    lines with names. After a restart the program gets the same input again. Ctrl-C ends everything.

    \b
    Example:
        scramjet dev ./word_count --input lines.txt
    """
    from scramjet_client.cli import _dev_loop  # noqa: PLC0415

    session: Session = ctx.obj
    _check(given, session)
    wanted = _dev_loop.Wanted(path=path, args=arguments_of(given) or [], **given)
    ctx.exit(_dev_loop.run(session, wanted))


def _check(given: dict[str, Any], session: Session) -> None:
    """Refuse options that contradict each other, and say which extra is missing."""
    check_feed(given)
    if given["no_input"] and given["input_path"] is not None:
        raise click.UsageError("--no-input and --input contradict each other")
    if given["no_requirements"] and given["requirements"] is not None:
        raise click.UsageError("--no-requirements and --requirements contradict each other")
    path = given["input_path"]
    if path not in (None, "-") and not Path(path).is_file():
        missing = not Path(path).exists()
        if given["once"]:
            why = ": there is no such file" if missing else ""
            raise click.UsageError(
                f"--once needs a regular file as --input, and {path!r} is not one{why}"
            )
        if missing:
            raise click.UsageError(f"there is no such file for --input: {path!r}")
    if not given["once"] and find_spec("watchfiles") is None:
        raise click.ClickException(
            "scramjet dev needs the package 'watchfiles': pip install 'scramjet_client[cli]'"
        )
    elsewhere = session.names_a_hub
    session.check_own_hub()
    if elsewhere and (given["port"] is not None or given["debugger"]):
        wrong = "--port" if given["port"] is not None else "--pdb"
        raise click.UsageError(f"{wrong} is for a hub that is started here, without --api-url")
    if given["events"] and not elsewhere:
        raise click.UsageError("--event is for --api-url; without it you see all events")
    if given["debugger"] and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("--pdb needs a terminal at stdin and stdout")
