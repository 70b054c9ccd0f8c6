"""What one run of the command knows: where the hub is, and how to say things."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from scramjet_client.clients.host import HostClient

_COMPLETION_LIMIT = 1.0
"""Seconds that a hub gets to answer while a shell waits for what could come next."""


class Session:
    """The settings of one run, and the client that is made of them when a command needs one.

    Args:
        connection: Arguments of `HostClient.from_env`.
        json: Whether results are for machines.
        quiet: Whether notes and progress bars are left out.
        debug: Whether errors come with their traceback.
    """

    def __init__(
        self,
        connection: dict[str, Any],
        *,
        json: bool = False,
        quiet: bool = False,
        debug: bool = False,
    ) -> None:
        self.connection = connection
        self.json = json
        self.quiet = quiet
        self.debug = debug
        self._host: HostClient | None = None

    @property
    def host(self) -> HostClient:
        """The client of the hub."""
        from scramjet_client.clients.host import HostClient  # noqa: PLC0415

        if self._host is None:
            self._host = HostClient.from_env(**self.connection)
        return self._host

    def close(self) -> None:
        """Close the client."""
        if self._host is not None:
            self._host.close()

    @property
    def talks(self) -> bool:
        """Whether somebody sits at the terminal who wants to hear more than the result."""
        return not self.quiet and not self.json and sys.stderr.isatty()

    def note(self, text: str) -> None:
        """Say something on stderr that only somebody at a terminal wants to hear."""
        if self.talks:
            click.echo(paint(text, "2", sys.stderr), err=True)


def paint(text: str, code: str, file: TextIO) -> str:
    """Return text in a colour of the terminal, if `file` is one that shows colours."""
    shows = file.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\x1b[{code}m{text}\x1b[0m" if shows else text


def warn(text: str) -> None:
    """Say on stderr what must be heard in any case."""
    click.echo(f"{paint('Warning:', '33', sys.stderr)} {text}", err=True)


def completing(ctx: click.Context) -> HostClient:
    """Return a client for completing a word: it asks once, and not for long."""
    from scramjet_client.clients.host import HostClient  # noqa: PLC0415

    given = ctx.find_root().params
    return HostClient.from_env(
        api_base=given.get("url"),
        profile=given.get("profile"),
        token=given.get("token"),
        verify=verification(given.get("ca"), bool(given.get("insecure"))),
        timeout=_COMPLETION_LIMIT,
        retries=0,
    )


def verification(ca: str | None, insecure: bool) -> bool | str | None:
    """Return what `verify` of a client means these options."""
    return False if insecure else ca


pass_session = click.make_pass_decorator(Session)
