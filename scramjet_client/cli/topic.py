"""`scramjet topic`: named pipes between clients and instances."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from scramjet_client.cli import _output, _streams
from scramjet_client.cli._click import Group
from scramjet_client.cli._complete import complete_topic
from scramjet_client.cli._options import (
    SENDING,
    file_option,
    follow_option,
    limit_option,
    lines_option,
    source_argument,
    topic_argument,
    type_option,
)
from scramjet_client.cli._progress import progress
from scramjet_client.cli._session import Session, pass_session
from scramjet_client.models.words import NDJSON


@click.group(cls=Group)
def topic() -> None:
    """Send to topics and read them."""


@topic.command("list")
@click.option("-q", "--names", is_flag=True, help="Only names, one a line.")
@pass_session
def list_(session: Session, names: bool) -> None:
    r"""List the topics of the hub (1.x).

    \b
    Example:
        scramjet topic list
    """
    columns = ["NAME", "TYPE", "FROM"]

    def row(each: Any) -> list[str]:
        return [each.name, each.content_type, each.local_provider or ""]

    _output.listing(session, session.host.get_topics(), columns, row, first_only=names)


@topic.command()
@topic_argument
@type_option(NDJSON)
@pass_session
def create(session: Session, topic: str, content_type: str | None) -> None:
    r"""Make a topic (1.x).

    Sending to one, or reading it, makes it as well.

    \b
    Example:
        scramjet topic create names
    """
    made = session.host.create_topic(topic, content_type or NDJSON)
    _output.result(session, made, made.name)


@topic.command()
@topic_argument
@source_argument
@type_option(NDJSON)
@limit_option(SENDING)
@pass_session
def send(
    session: Session, topic: str, file: str, content_type: str | None, limit: float | None
) -> None:
    r"""Send a file, or stdin, to a topic.

    \b
    Example:
        echo '{"name": "Ada"}' | scramjet topic send names -
    """
    host = session.host
    until = session.limit(limit)
    with _streams.source(file) as body, progress(session, topic, source=file) as report:
        sent = host.send_topic(
            topic, body, content_type=content_type, progress=report, timeout=until
        )
    if session.json:
        _output.document(sent)


@topic.command()
@topic_argument
@type_option(NDJSON)
@follow_option(default=True)
@lines_option
@limit_option()
@file_option()
@pass_session
def get(
    session: Session,
    topic: str,
    *,
    content_type: str | None,
    follow: bool,
    lines: int | None,
    limit: float | None,
    path: str | None,
) -> None:
    r"""Copy what a topic carries to stdout.

    Byte for byte, until Ctrl-C: topics of 1.x never end. Reading a topic makes it, if it does not exist. With
    --no-follow it ends when nothing has come for a second.

    \b
    Example:
        scramjet topic get names -n 1
    """
    _tell_new(session, topic)
    limits = {"idle_timeout": None if follow else _streams.SILENCE, "timeout": session.limit(limit)}
    open_it = partial(session.host.get_topic, topic, content_type, **limits)
    _streams.copy(session, open_it, topic, path, lines)


def _tell_new(session: Session, topic: str) -> None:
    """Tell a user at a terminal that a topic does not exist yet: reading makes it, so a slip would be silent."""
    if not session.talks:
        return
    names = [each.name for each in session.host.get_topics()]
    if topic not in names and session.host.get_version().api_version is not None:
        there = f"; there are: {', '.join(names[:5])}" if names else ""
        session.note(f"there was no topic {topic!r}; reading makes it{there}")


@topic.command()
@click.argument(
    "topics", nargs=-1, required=True, metavar="TOPIC...", shell_complete=complete_topic
)
@pass_session
def rm(session: Session, topics: tuple[str, ...]) -> None:
    r"""Delete topics (1.x).

    Their readers are not told.

    \b
    Example:
        scramjet topic rm names
    """
    _output.for_each(session, topics, lambda name: (name, session.host.delete_topic(name)))
