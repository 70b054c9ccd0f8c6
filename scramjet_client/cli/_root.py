"""The command itself: its options, its groups, and what becomes of errors."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import click

from scramjet_client import __version__
from scramjet_client.cli import _exits
from scramjet_client.cli._lazy import LazyGroup
from scramjet_client.cli._session import Session, paint, verification, warn


class _Log(logging.Handler):
    """Shows what the client logs."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(paint(record.getMessage(), "2", sys.stderr), err=True)


class _Root(LazyGroup):
    """The group of all groups; whatever goes wrong below becomes a sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except (KeyboardInterrupt, _exits.Interrupted):
            _explain(ctx)
            ctx.exit(_exits.INTERRUPTED)
        except BrokenPipeError:
            # Nobody reads what we write any more; a hub that leaves is a ScramjetError.
            _explain(ctx)
            ctx.exit(_exits.PIPE_CLOSED)
        except Exception as error:
            return self._fail(ctx, error)

    @staticmethod
    def _fail(ctx: click.Context, error: Exception) -> None:
        _explain(ctx)
        click.echo(f"{paint('Error:', '31', sys.stderr)} {_exits.sentence(error)}", err=True)
        ctx.exit(_exits.code_of(error))


def _explain(ctx: click.Context) -> None:
    if isinstance(ctx.obj, Session) and ctx.obj.debug:
        traceback.print_exc(file=sys.stderr)


@click.group(
    cls=_Root,
    groups={
        "hub": ("scramjet_client.cli.hub:hub", "Start a hub here, or look at one."),
        "seq": ("scramjet_client.cli.seq:seq", "Pack, send, start, run and remove sequences."),
        "inst": ("scramjet_client.cli.inst:inst", "Watch, feed, read and end instances."),
        "topic": ("scramjet_client.cli.topic:topic", "Send to topics and read them."),
        "profile": ("scramjet_client.cli.profile:profile", "Name hubs, and choose one."),
        "completion": (
            "scramjet_client.cli.completion:completion",
            "Print what makes a shell complete this command.",
        ),
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 66 not found, 69 hub unreachable, 77 refused, 78 settings, "
    "79 end not known, 124 timeout, 130 interrupted; `seq run` and `inst wait` give the instance's own.",
)
@click.option("-u", "--url", metavar="URL", help="The hub's API. [env: SCRAMJET_API_URL]")
@click.option("--token", metavar="TOKEN", help="Others can see it here; better set SCRAMJET_TOKEN.")
@click.option("-p", "--profile", metavar="NAME", help="Profile of si that names the hub.")
@click.option("--ca", metavar="FILE", help="CAs to trust. [env: SCRAMJET_CA_BUNDLE]")
@click.option("--insecure", is_flag=True, help="Take any certificate.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="For each answer of the hub; streams have none. [env: SCRAMJET_TIMEOUT]",
)
@click.option("--json", is_flag=True, help="Results as one JSON document, or as JSON lines.")
@click.option("--quiet", is_flag=True, help="No notes and no progress bars.")
@click.option("--debug", is_flag=True, help="Show requests, and where errors come from.")
@click.version_option(__version__, "-V", "--version", message="scramjet %(version)s")
@click.pass_context
def root(ctx: click.Context, /, **given: Any) -> None:
    """Run programs on a Scramjet Transform Hub, feed them, and read what they give.

    Without --url or --profile, the hub is the one of SCRAMJET_API_URL, of the profile of si that is in
    use, or http://127.0.0.1:8000/api/v1, in this order. `scramjet hub doctor` says which, and why.
    """
    if given["url"] and given["profile"]:
        raise click.UsageError("--url and --profile both say where the hub is; give one of them")
    session = Session(
        {
            "api_base": given["url"],
            "profile": given["profile"],
            "token": given["token"],
            "verify": verification(given["ca"], given["insecure"]),
            "timeout": given["timeout"],
        },
        json=given["json"],
        quiet=given["quiet"],
        debug=given["debug"],
    )
    ctx.obj = session
    ctx.call_on_close(session.close)
    ctx.with_resource(_hearing(session.debug))


@contextlib.contextmanager
def _hearing(debug: bool) -> Iterator[None]:
    """Show what the client warns of, and for `debug` what it logs, while the block runs."""
    logger = logging.getLogger("scramjet_client")
    handler, level = _Log(), logger.level
    if debug:
        logger.setLevel(logging.DEBUG)
        logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            # The path and line of who called is of no use here.
            warnings.showwarning = lambda message, *_rest: warn(str(message))
            warnings.simplefilter("always", UserWarning)
            yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def run(arguments: Sequence[str] | None) -> int:
    """Run the command and return its exit code."""
    for file in (sys.stdout, sys.stderr):
        if isinstance(file, io.TextIOWrapper):
            # A name that the terminal's encoding does not have must not end the command.
            file.reconfigure(errors="backslashreplace")
    try:
        root.main(
            args=None if arguments is None else list(arguments),
            prog_name="scramjet",
            complete_var="_SCRAMJET_COMPLETE",
        )
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else _exits.FAILED
    return _flushed(code)


def _flushed(code: int) -> int:
    """Write out what stdout still holds, or see to it that nobody tries again."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter's end would flush once more, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _exits.PIPE_CLOSED
    return code
