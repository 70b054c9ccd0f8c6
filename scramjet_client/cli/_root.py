"""The root command: its options, its groups, and its error handling."""

from __future__ import annotations

import contextlib
import importlib
import signal
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, NoReturn

import click

from scramjet_client import __version__
from scramjet_client._common.signals import ENDING, taken
from scramjet_client.cli import _exits, _say
from scramjet_client.cli._click import Group
from scramjet_client.cli._session import Session, connection, given
from scramjet_client.errors import InvalidResponseError, NotFoundError

_SIGNALLED = 128
"""What a shell adds to the number of a signal that has ended a program."""

_NEARBY = 5.0
"""Seconds to look for a hub on the same host."""

_GROUPS = {
    "dev": "Run a program here, anew whenever it is saved.",
    "replay": "Feed a trace to a program again, and compare.",
    "hub": "Start a hub here, or look at one.",
    "seq": "Pack, send, start, run and remove sequences.",
    "inst": "Watch, feed, read and end instances.",
    "topic": "Send to topics and read them.",
    "profile": "Name hubs, and choose one.",
    "completion": "Print what makes a shell complete this command.",
}
"""The module of each group or command, which has its name, and its help text."""


class _Root(Group):
    """The group of all groups. It imports one when it is used, so that the command starts quickly."""

    shows_options = True

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one group; import it now."""
        if cmd_name not in _GROUPS:
            return None
        module = importlib.import_module(f"scramjet_client.cli.{cmd_name}")
        found = getattr(module, cmd_name)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_GROUPS.items()))

    def make_context(self, *args: Any, **rest: Any) -> click.Context:
        with _ends():
            return super().make_context(*args, **rest)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; with --debug, show where an error comes from."""
        with _ends():
            try:
                return super().invoke(ctx)
            except (click.exceptions.Exit, click.UsageError):
                raise
            except BaseException as error:
                _say_where(ctx, error)
                if given(ctx).get("debug"):
                    _say.err(traceback.format_exc().rstrip(), keep=_say.LINES)
                raise


def _say_where(ctx: click.Context, error: BaseException) -> None:
    """If the URL lacks the path of a hub's API, add to the error the URL on its host at which one answers."""
    session = ctx.find_object(Session)
    if session is None or not isinstance(error, (NotFoundError, InvalidResponseError)):
        return
    if "doctor()" not in error.message:
        return
    from scramjet_client.clients.diagnosis import api_nearby  # noqa: PLC0415

    found = api_nearby(session.host.client, _NEARBY)
    if found is not None:
        error.message = f"{error.message.rpartition('; ')[0]}; a hub's API answers at {found}"


@contextlib.contextmanager
def _ends() -> Iterator[None]:
    """Turn interrupts and closed pipes into exit codes, before click handles them in its own way."""
    try:
        yield
    except (KeyboardInterrupt, _exits.Interrupted):
        raise click.exceptions.Exit(_exits.INTERRUPTED) from None
    except BrokenPipeError:
        # Nobody reads our output any more. (A hub that leaves raises a ScramjetError.)
        raise click.exceptions.Exit(_exits.PIPE_CLOSED) from None


@click.group(
    cls=_Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="The options are taken behind a verb, too. Exit codes: 0 done, 1 failed, 2 usage, 66 not found, "
    "69 hub unreachable, 77 refused, 78 settings, 79 end not known, 124 timeout, 130 interrupted; "
    "`seq run` and `inst wait` give the instance's own.",
)
@click.version_option(__version__, "-V", "--version", message="scramjet %(version)s")
@click.pass_context
def root(ctx: click.Context) -> None:
    """Run programs on a Scramjet Transform Hub, feed them, and read what they give.

    Without --url or --profile, the hub is the one of SCRAMJET_API_URL, of the profile of si that is in
    use, or http://127.0.0.1:8000/api/v1, in this order. `scramjet hub doctor` says which, and why.
    """
    connection(given(ctx))
    ctx.obj = session = Session(given(ctx))
    ctx.call_on_close(session.close)


def run(arguments: Sequence[str] | None) -> int:
    """Run the command and return its exit code, whatever goes wrong.

    SIGTERM, as of `timeout` or of a supervisor, and the end of the terminal do what Ctrl-C does: what a command leaves
    behind on a hub must not depend on the signal. The exit code says which it was, as that of a shell.
    """
    ended_by = 0

    def interrupt(number: int, _frame: FrameType | None) -> NoReturn:
        nonlocal ended_by
        ended_by = number
        raise KeyboardInterrupt

    _say.attach()
    # Where somebody else takes them already, as a program that calls this, they are not ours.
    ours = [each for each in ENDING if signal.getsignal(each) is signal.SIG_DFL]
    with taken(ours, interrupt):
        code = _code(arguments)
    return _say.flushed(_SIGNALLED + ended_by if ended_by else code)


def _code(arguments: Sequence[str] | None) -> int:
    try:
        done = root.main(
            args=None if arguments is None else list(arguments),
            prog_name="scramjet",
            complete_var="_SCRAMJET_COMPLETE",
            standalone_mode=False,
        )
        return done if isinstance(done, int) else 0
    except SystemExit as error:
        # Raised by completion.
        return error.code if isinstance(error.code, int) else 0
    except BaseException as error:
        sentence = _exits.sentence(error)
        if sentence:
            _say.error(sentence)
        return _exits.code_of(error)
