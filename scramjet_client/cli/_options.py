"""The arguments and options of several verbs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import click

from scramjet_client._common.files import replaced_by
from scramjet_client.cli._complete import complete_instance, complete_sequence, complete_topic
from scramjet_client.cli._numbers import count_type, seconds_type
from scramjet_client.cli._words import FORMATS, Advice
from scramjet_client.models.words import CONTENT_TYPES

_F = TypeVar("_F", bound=Callable[..., Any])

_READ = f"{__name__}.read"
"""Where the context of a command keeps the files that its options have read."""


def type_option(
    default: str = "text/plain for text, else application/octet-stream",
) -> Callable[[_F], _F]:
    """Add `-t`, the content type of the data to send."""
    return click.option(
        "-t",
        "--type",
        "--content-type",
        "content_type",
        type=click.Choice(CONTENT_TYPES),
        help=f"Content type. [default: {default}]",
    )


PORT = count_type(0, 65535)
"""The type of an option that takes a port to listen on."""


def follow_option(*, default: bool) -> Callable[[_F], _F]:
    """Add `-f`: whether to keep reading a stream when nothing arrives.

    Without the default, the value is None where the option is missing (see `follows`).
    """
    usual = "[default]" if default else "[default with --timeout]"
    return click.option(
        "-f/-F",
        "--follow/--no-follow",
        "follow",
        default=True if default else None,
        help=f"Go on with new data, or print the present data and end. {usual}",
    )


def follows(follow: bool | None, limit: float | None) -> bool:
    """Return whether to follow a log: if the line says so, or else if it has a limit, which is of use only then."""
    return limit is not None if follow is None else follow


instance_argument = click.argument("instance", shell_complete=complete_instance)
instances_argument = click.argument(
    "instances", nargs=-1, required=True, metavar="INSTANCE...", shell_complete=complete_instance
)
sequence_argument = click.argument("sequence", metavar="SEQ", shell_complete=complete_sequence)
topic_argument = click.argument("topic", shell_complete=complete_topic)


class _Source(click.Path):
    """The path of a file to send, or "-"."""

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, allow_dash=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; explain how text is sent if there is no such file."""
        path = super().coerce_path_result(value)
        if path != "-" and not os.path.lexists(path) and ctx is not None:
            name = next((str(each) for each in ctx.params.values() if isinstance(each, str)), "ID")
            raise Advice(
                f"there is no file {value!r}; to send text, pipe it: `echo hello | {ctx.command_path} {name} -`",
                ctx,
            )
        return super().convert(value, param, ctx)


source_argument = click.argument("file", default="-", metavar="[FILE|-]", type=_Source())
lines_option = click.option(
    "-n", "--lines", type=count_type(1), metavar="N", help="End after N lines."
)
LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
"""Levels of a log's records, the least first."""


LIMIT_NAMES = ("--limit", "--timeout", "--seconds")
"""The names of an option that limits a time."""


SENDING = "Give up after so long, with 124, if the hub has not taken all. [default: never]"
"""What happens at the limit of a verb that sends."""


def limit_option(says: str = "End after so long, with 0. [default: never]") -> Callable[[_F], _F]:
    """Add `--limit`, in seconds; `says` is what happens then."""
    return click.option(*LIMIT_NAMES, "limit", type=seconds_type(), metavar="SECONDS", help=says)


def log_options(function: _F) -> _F:
    """Add how far to read a log, and the choice of its lines: `--level` and `--all`."""
    level = click.option(
        "--level",
        type=click.Choice(LEVELS, case_sensitive=False),
        metavar="LEVEL",
        help=f"Only records of this level and worse: {', '.join(LEVELS)}.",
    )
    every = click.option(
        "--all",
        "every",
        is_flag=True,
        help="Also the records that the looks of clients make (Get info).",
    )
    for option in (every, level, limit_option(), lines_option, follow_option(default=False)):
        function = option(function)
    return function


class ProgramPath(click.Path):
    """The path of a program to pack. Whether it is there is seen when it is packed."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path, unless it is none."""
        if not value:
            # It would mean the folder here.
            self.fail("the path is empty", param, ctx)
        if "://" in value:
            self.fail(
                f"{value!r} is a URL; give the path of what lies there, after a download",
                param,
                ctx,
            )
        try:
            os.stat(value)
        except FileNotFoundError:
            # The error that comes knows a name that is near.
            return value
        except (OSError, ValueError) as error:
            self.fail(f"{value!r}: {getattr(error, 'strerror', error)}", param, ctx)
        return value


class OutputFile(click.Path):
    """The path of a file to write; neither an empty one, nor a format that `-o` chooses in other tools."""

    def __init__(self, **rest: Any) -> None:
        super().__init__(dir_okay=False, **rest)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; explain what the option takes."""
        if not value:
            self.fail("the name of the file is empty", param, ctx)
        if value in FORMATS and ctx is not None:
            raise Advice(
                f"-o names a file, and {value!r} is a format, which only `--json` chooses; `-o ./{value}` is the file",
                ctx,
            )
        return super().convert(value, param, ctx)


def file_option(says: str = "Write to a file, with a progress bar.") -> Callable[[_F], _F]:
    """Add `-o`, the file that takes an output; `says` is its help."""
    return click.option(
        "-o",
        "--output",
        "path",
        type=OutputFile(writable=True),
        metavar="FILE",
        help=says,
    )


def refuse_to_replace(option: str, path: str, what: str, instead: str) -> NoReturn:
    """Refuse a file to be written that the command reads."""
    raise click.UsageError(f"{option} {path} would replace {what}; name another file for {instead}")


def check_output(path: str | None, *read: tuple[Any, str]) -> None:
    """Refuse `-o`, or stdout, if it is a file that the command reads, so before anything is lost.

    `read` are the files that it reads, "-" for stdin, and what each of them is.
    """
    given = [*read, *click.get_current_context().meta.get(_READ, ())]
    files = [(sys.stdin if each == "-" else each, what) for each, what in given]
    if path is not None and (what := replaced_by(path, files)):
        refuse_to_replace("-o", path, what, "the output")
    what = replaced_by(sys.stdout, files)
    if what is not None:
        raise click.UsageError(
            f"stdout goes into the file that is {what}, so it would not end; name another file for stdout"
        )


def program_options(function: _F) -> _F:
    """Add the arguments, the configuration and the topics of a program that is started."""
    for option in (
        click.argument("words", nargs=-1, metavar="[ARG]..."),
        click.option("--output-topic", metavar="TOPIC", help="Where its output goes (1.x)."),
        click.option("--input-topic", metavar="TOPIC", help="What feeds its input (1.x)."),
        click.option(
            "--args",
            type=json_value(list, "a JSON list"),
            metavar="JSON",
            help="Arguments that are more than words, as a JSON list; or @FILE.",
        ),
        click.option(
            "-c",
            "--config",
            type=json_value(dict, "a JSON object"),
            metavar="JSON",
            help="The program's configuration, as a JSON object; or @FILE.",
        ),
    ):
        function = option(function)
    return function


def arguments_of(given: dict[str, Any]) -> list[Any] | None:
    """Take the arguments of a program out of a command's options."""
    words, args = given.pop("words"), given.pop("args")
    if words and args is not None:
        raise click.UsageError("ARG and --args both give the arguments; use one of them")
    return list(words) or args


def feed_options(function: _F) -> _F:
    """Add the choice of what feeds a program: `--no-input` and `--stdin`."""
    none = click.option(
        "--no-input",
        is_flag=True,
        help="Send nothing, and leave its input open; `< /dev/null` is an empty input.",
    )
    stdin = click.option(
        "--stdin", "to_stdin", is_flag=True, help="Send to its stdin instead of its input."
    )
    return none(stdin(function))


def check_feed(given: dict[str, Any]) -> None:
    """Refuse options of the input that contradict each other."""
    if given["to_stdin"] and given["content_type"]:
        raise click.UsageError("--type is for the input; stdin has none")


def _cure(text: str, kind: type) -> str:
    """Return what to write instead of a text that is not JSON, as the end of a sentence."""
    if not text.startswith("@") and (text.endswith(".json") or os.path.isfile(text)):
        return f"; `@{text}` reads a file"
    if kind is list:
        return "; arguments that are words stand behind the sequence, without --args"
    if kind is object:
        return "; a message that is text stands behind the name, without --value"
    if kind is dict:
        return """; it is written '{"key": "value"}'"""
    return ""


def json_value(kind: type, called: str) -> Callable[[Any], Any]:
    """Return the type of an option that takes a JSON value, or `@FILE` with one."""

    def convert(given: Any) -> Any:
        from scramjet_client.http.answers import loads  # noqa: PLC0415 - help needs no answer

        text = str(given)
        try:
            if text.startswith("@"):
                path = text[1:]
                with open(path, encoding="utf-8-sig") as file:
                    text = file.read()
                meta = click.get_current_context().meta
                meta.setdefault(_READ, []).append((path, "a file of its arguments"))
            value = loads(text)
        except OSError as error:
            raise click.BadParameter(f"{text[1:]!r} can't be read: {error.strerror}") from None
        except ValueError as error:
            raise click.BadParameter(f"{given!r} is not JSON: {error}{_cure(text, kind)}") from None
        if not isinstance(value, kind):
            raise click.BadParameter(f"it must be {called}, not {text.strip()[:40]!r}")
        return value

    return convert
