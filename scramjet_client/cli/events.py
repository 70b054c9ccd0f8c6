"""`scramjet inst event` and `events`: events from instances to clients, and back."""

from __future__ import annotations

from itertools import islice
from typing import Any

import click

from scramjet_client.cli import _lookup, _output, _streams
from scramjet_client.cli._click import Command, Group
from scramjet_client.cli._options import instance_argument, json_value, limit_option, lines_option
from scramjet_client.cli._session import Session, pass_session


@click.group(cls=Group)
def event() -> None:
    """Send events, and wait for them."""


@event.command()
@instance_argument
@click.argument("name")
@click.argument("message", default="")
@click.option(
    "--value",
    type=json_value(object, "JSON"),
    metavar="JSON",
    help="A message that is not text (1.x); or @FILE.",
)
@click.option(
    "--wait", "answer", metavar="NAME", help="Wait for this event, listening before it is sent."
)
@limit_option("Of --wait, or else of the hub's answer. [default of --wait: for ever]")
@pass_session
def send(
    session: Session,
    instance: str,
    name: str,
    message: str,
    *,
    value: Any,
    answer: str | None,
    limit: float | None,
) -> None:
    r"""Send an event to an instance.

    Hubs take an event for an instance that has ended, and nobody gets it: then this is an error.

    \b
    Example:
        scramjet inst event send $ID ping hello --wait pong
    """
    if answer is None:
        session.limit_answers(limit)
    client = _lookup.instance_of(session, instance)
    said = message if value is None else value
    # The client looks itself before it sends, if it has seen the end.
    client.get_info()
    if answer is None:
        sent = client.send_event(name, said)
        if session.json:
            _output.document(sent)
        return
    with client.expect_event(answer, limit) as expected:
        client.send_event(name, said)
    _streams.show_event(session, expected.value)


@event.command()
@instance_argument
@click.argument("name")
@click.option("--last", is_flag=True, help="The last that the hub has seen, if there was one.")
@limit_option("[default: for ever]")
@pass_session
def wait(session: Session, instance: str, name: str, last: bool, limit: float | None) -> None:
    r"""Wait for the next event, and print its message.

    \b
    Example:
        scramjet inst event wait $ID ready --last
    """
    client = _lookup.instance_of(session, instance)
    ask = client.get_event if last else client.get_next_event
    _streams.show_event(session, ask(name, timeout=limit))


@click.command(cls=Command)
@instance_argument
@click.argument("name")
@lines_option
@limit_option()
@pass_session
def events(
    session: Session, instance: str, name: str, lines: int | None, limit: float | None
) -> None:
    r"""Print the events of a name as they come.

    One a line, until the instance ends.

    \b
    Example:
        scramjet inst events $ID progress
    """
    client = _lookup.instance_of(session, instance)
    with client.get_event_stream(name, timeout=session.limit(limit)) as stream:
        for each in islice(stream, lines):
            _streams.show_event(session, each)
