"""Our base classes for click: commands and groups that take the root's options anywhere, and suggest what was meant."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import click
from click.core import ParameterSource

from scramjet_client.cli import _exits, _say, _words
from scramjet_client.cli._complete import complete_profile
from scramjet_client.cli._numbers import seconds_type
from scramjet_client.cli._session import Session, given
from scramjet_client.cli._terms import in_options

# -- options of the root command ------------------------------------------------------------------


_PREFIX = "scramjet_"
"""Prefix of the names of these options, so that they differ from a verb's own options."""


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    name = str(param.name)
    # An option that is missing behind the verb must not override the one before the verb.
    if value is not None and ctx.get_parameter_source(name) is not ParameterSource.DEFAULT:
        given(ctx)[name[len(_PREFIX) :]] = value


def _option(*names: str, **rest: Any) -> click.Option:
    """Return an option of the root command, which is called as its first long name."""
    called = next(each[2:] for each in names if each.startswith("--"))
    return click.Option(
        [*names, f"{_PREFIX}{called}"], expose_value=False, callback=_remember, **rest
    )


def _with_options(
    params: list[click.Parameter], *, hidden: bool, without: Sequence[str] = ()
) -> None:
    """Add the root command's options, except those whose name has another meaning here, and those of `without`."""
    seconds = seconds_type()
    url_help = "The hub's API. [env: SCRAMJET_API_URL]"
    token_help = "Others can see it here; better set SCRAMJET_TOKEN."
    limit_help = "For each answer of the hub, and for streams. [env, for answers: SCRAMJET_TIMEOUT]"
    options = [
        _option("-u", "--url", "--api-url", metavar="URL", help=url_help),
        _option("--token", metavar="TOKEN", help=token_help),
        _option(
            "-p",
            "--profile",
            metavar="NAME",
            help="Profile of si that names the hub.",
            shell_complete=complete_profile,
        ),
        _option("--ca", metavar="FILE", help="CAs to trust. [env: SCRAMJET_CA_BUNDLE]"),
        _option("--insecure", is_flag=True, help="Take any certificate."),
        _option("--timeout", type=seconds, metavar="SECONDS", help=limit_help),
        _option("--json", is_flag=True, help="Results as one JSON document, or as JSON lines."),
        _option("--quiet", is_flag=True, help="No notes and no progress bars."),
        _option("--debug", is_flag=True, help="Show requests, and where errors come from."),
    ]
    taken = {name for param in params for name in (*param.opts, *param.secondary_opts)}
    for option in options:
        option.opts = [name for name in option.opts if name not in taken]
        option.hidden = hidden
        if option.opts and str(option.name)[len(_PREFIX) :] not in without:
            params.append(option)


# -- commands -------------------------------------------------------------------------------------

_FURTHER = "--url, --profile, --token, --json, --debug and the other options of `scramjet` are taken here, too."
_FURTHER_WITHOUT_HUB = "--json, --quiet and --debug are taken here, too."

_OF_A_HUB = ("url", "profile", "token", "ca", "insecure", "timeout")
"""The options of the root command that say which hub to ask, and how."""


class _Helped(click.Command):
    """A command whose help is its docstring, and which answers wrong options with suggestions.

    It takes the options of `scramjet` behind its name.
    """

    shows_options = False
    """Whether its help lists these options."""

    _complete = False

    asks_hub = True
    """Whether it takes the options that say which hub to ask."""

    def __init__(self, *args: Any, **rest: Any) -> None:
        super().__init__(*args, **rest)
        # Docstrings with backslashes are raw strings; click needs the real character, which means "leave these lines".
        self.help = (self.help or "").replace("\\b\n", "\b\n")

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the parameters, those of `scramjet` included."""
        if not self._complete:
            # Of a group of twenty verbs, one is used.
            self._complete = True
            without = () if self.asks_hub else _OF_A_HUB
            _with_options(self.params, hidden=not self.shows_options, without=without)
        return super().get_params(ctx)

    def make_context(self, *args: Any, **rest: Any) -> click.Context:
        with _say.named_stdout():
            return super().make_context(*args, **rest)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the line; suggest an alternative for an unknown option."""
        if not args and isinstance(self, click.Group) and not ctx.resilient_parsing:
            # Versions of click end differently here.
            _say.err(ctx.get_help(), keep=_say.LINES)
            ctx.exit(_exits.USAGE)
        line = tuple(args)  # the parser takes its words out
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise _words.about_option(error.option_name, ctx.command, ctx, line) from None
        except click.BadParameter:
            advice = _words.about_terminal(line, ctx)
            if advice is None:
                raise
            raise advice from None
        except click.UsageError as error:
            raise _words.about_extra(error, ctx) from None


class Command(_Helped):
    """A command that does something. If it asks no hub, it refuses the options that say which."""

    def __init__(self, *args: Any, asks_hub: bool = True, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.asks_hub = asks_hub
        self.epilog = self.epilog or (_FURTHER if asks_hub else _FURTHER_WITHOUT_HUB)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and show the client's warnings, and with --debug its log."""
        session = ctx.find_object(Session)
        for name in () if self.asks_hub else _OF_A_HUB:
            if given(ctx).get(name) is not None:
                raise _words.about_option(f"--{name}", self, ctx)
        with _hearing(session is not None and session.debug):
            return super().invoke(ctx)


class Group(_Helped, click.Group):
    """A group of such commands."""

    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command for a word; suggest an alternative for an unknown one."""
        word = str(args[0])
        if self.get_command(ctx, word) is None and not ctx.resilient_parsing:
            if word.startswith("-"):
                raise _words.about_option(word, self, ctx, args)
            raise _words.about_command(word, args[1:], self, ctx)
        return super().resolve_command(ctx, args)


class _Log(logging.Handler):
    """Shows the client's log."""

    def emit(self, record: logging.LogRecord) -> None:
        _say.err((record.getMessage(), _say.DIM))


@contextlib.contextmanager
def _hearing(debug: bool) -> Iterator[None]:
    """While the block runs, show the client's warnings, and with `debug` its log."""
    logger = logging.getLogger("scramjet_client")
    handler, level = _Log(), logger.level
    if debug:
        logger.setLevel(logging.DEBUG)
        logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            # The caller's path and line are of no use here.
            warnings.showwarning = lambda message, *_rest: _say.warn(in_options(str(message)))
            warnings.simplefilter("always", UserWarning)
            yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
