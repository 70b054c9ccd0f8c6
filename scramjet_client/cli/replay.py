"""`scramjet replay`: feeds a trace to a program again, and shows what differs."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scramjet_client._common.trace import read_trace
from scramjet_client.cli import _exits, _output, _say
from scramjet_client.cli._click import Command
from scramjet_client.cli._numbers import count_type
from scramjet_client.cli._running import remove
from scramjet_client.cli._session import Session

if TYPE_CHECKING:
    from scramjet_client.clients.host import HostClient
    from scramjet_client.clients.replay import EventCollector


@click.command(cls=Command)
@click.argument("trace", type=click.Path(exists=True, dir_okay=False))
@click.argument("path", required=False)
@click.option(
    "--run",
    "number",
    type=count_type(1),
    metavar="N",
    help="Which run of the trace. [default: the last]",
)
@click.option("--pace", is_flag=True, help="Send at the pace of the trace.")
@click.option(
    "--patience",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    help="Seconds of silence after which nothing more is expected.",
)
@click.pass_context
def replay(
    ctx: click.Context,
    *,
    trace: str,
    path: str | None,
    number: int | None,
    pace: bool,
    patience: float,
) -> None:
    r"""Feed a trace to a program again, and show what differs.

    TRACE is a file of `scramjet dev --record` or of a LocalHub. The program is the one that it names, or PATH. It
    gets the input, stdin, events, arguments and configuration of the trace. Its output, stdout, stderr, events and
    end are compared. Ends with 0 if they are the same, and with 1 if not. It runs on a hub of its own, or on that
    of --api-url or --profile.

    \b
    Example:
        scramjet replay words.trace.jsonl
    """
    from scramjet_client.clients.replay import (  # noqa: PLC0415
        chosen_run,
        program_of,
        replayed,
    )
    from scramjet_client.packages.package import package_of_word  # noqa: PLC0415

    session: Session = ctx.obj
    found = read_trace(trace)
    program = path or program_of(found.about, Path(trace))
    if program is None:
        raise click.UsageError(f"{trace} names no program; give its PATH", ctx)
    run = chosen_run(found.runs, number)
    with contextlib.ExitStack() as stack:
        package = stack.enter_context(package_of_word(program))
        host, tap = _hub_for(session, stack)
        sequence = host.send_sequence(package)
        if session.names_a_hub:
            stack.callback(remove, sequence, patient=True)
        try:
            differences = replayed(sequence, run, tap=tap, patience=patience, at_its_pace=pace)
        except KeyboardInterrupt:
            raise _exits.Interrupted from None
    if session.json:
        _output.document({"same": not differences, "differences": differences})
    else:
        for each in differences:
            _say.out((f"{each.of} differs", _say.RED))
            for line in each.lines:
                _say.out((line, _COLOURS.get(line[:1], "")), keep="\t")
    if differences:
        ctx.exit(_exits.FAILED)
    session.note("it gave the same again")


_COLOURS = {"-": _say.RED, "+": _say.GREEN, "@": "36"}


def _hub_for(
    session: Session, stack: contextlib.ExitStack
) -> tuple[HostClient, EventCollector | None]:
    session.check_own_hub()
    if session.names_a_hub:
        return session.host, None
    from scramjet_client.clients.replay import EventCollector  # noqa: PLC0415
    from scramjet_client.hub import LocalHub  # noqa: PLC0415 - the extra "hub"

    tap = EventCollector()
    hub = stack.enter_context(LocalHub(record=tap))
    return stack.enter_context(hub.client()), tap
