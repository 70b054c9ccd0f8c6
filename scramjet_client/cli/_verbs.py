"""What the commands have in common: `--json` on each, and arguments that complete themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from scramjet_client.cli._session import Session, completing
from scramjet_client.models import CONTENT_TYPES

_F = TypeVar("_F", bound=Callable[..., Any])


def _set_json(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    session = ctx.find_object(Session)
    if value and session is not None:
        session.json = True


class Verb(click.Command):
    """A command that takes `--json` behind its name, too."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        help = "The result as one JSON document, or as JSON lines."
        self.params.append(
            click.Option(
                ["--json"], is_flag=True, expose_value=False, callback=_set_json, help=help
            )
        )


class Group(click.Group):
    """A group of such commands."""

    command_class = Verb


def _completed(
    list_them: Callable[[Any], list[tuple[str, str]]],
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    def complete(
        ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        try:
            with completing(ctx) as host:
                found = list_them(host)
        except Exception:
            # Whatever it is, a shell that waits for a word is no place to say it.
            return []
        return [
            CompletionItem(word, help=help) for word, help in found if word.startswith(incomplete)
        ]

    return complete


complete_instance = _completed(lambda host: [(i.id, i.status) for i in host.list_instances()])
complete_sequence = _completed(lambda host: [(s.id, s.name) for s in host.list_sequences()])
complete_topic = _completed(lambda host: [(t.name, t.content_type) for t in host.get_topics()])


def type_option(default: str) -> Callable[[_F], _F]:
    """Add `-t`, the content type of what is sent."""
    return click.option(
        "-t",
        "--type",
        "content_type",
        type=click.Choice(CONTENT_TYPES),
        help=f"Content type. [default: {default}]",
    )


instance_argument = click.argument("instance", shell_complete=complete_instance)
instances_argument = click.argument(
    "instances", nargs=-1, required=True, metavar="INSTANCE...", shell_complete=complete_instance
)
topic_argument = click.argument("topic", shell_complete=complete_topic)
source_argument = click.argument(
    "file",
    default="-",
    metavar="[FILE|-]",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
)
lines_option = click.option(
    "-n", "--lines", type=click.IntRange(min=1), metavar="N", help="End after N lines."
)
file_option = click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(dir_okay=False, writable=True),
    metavar="FILE",
    help="Write to a file, with a progress bar.",
)


def json_value(kind: type, called: str) -> Callable[[Any], Any]:
    """Return the type of an option that takes a value as JSON, or `@FILE` that holds it."""

    def convert(given: Any) -> Any:
        text = str(given)
        try:
            text = Path(text[1:]).read_text("utf-8") if text.startswith("@") else text
            value = json.loads(text)
        except (OSError, ValueError) as error:
            raise click.BadParameter(f"{given!r} is no JSON: {error}") from None
        if not isinstance(value, kind):
            raise click.BadParameter(f"it must be {called}, not {text.strip()[:40]!r}")
        return value

    return convert
