"""The state of one run of the command: its hub, and its way to report."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

import click

from scramjet_client.cli import _say

if TYPE_CHECKING:
    from scramjet_client.clients.host import HostClient
    from scramjet_client.config import Settings

_COMPLETION_LIMIT = 1.0
"""Seconds that a hub gets to answer while a shell waits for completions."""

_KEY = "scramjet_client.cli"


def given(ctx: click.Context) -> MutableMapping[str, Any]:
    """Return the options of the root command, wherever they are on the line."""
    found: MutableMapping[str, Any] = ctx.meta.setdefault(_KEY, {})
    return found


class Session:
    """The settings of one run, and the client that is created from them when a command needs it.

    `options` are those of `given`, to which the options behind the verb are added later.
    """

    def __init__(self, options: MutableMapping[str, Any]) -> None:
        self._options = options
        self._host: HostClient | None = None

    @property
    def json(self) -> bool:
        """Whether results are JSON, for machines."""
        return bool(self._options.get("json"))

    @property
    def debug(self) -> bool:
        """Whether to show requests, and a traceback with each error."""
        return bool(self._options.get("debug"))

    @property
    def quiet(self) -> bool:
        """Whether to leave out notes."""
        return bool(self._options.get("quiet"))

    @property
    def names_a_hub(self) -> bool:
        """Whether an option names a hub or its address; variables do not count."""
        return any(self._options.get(each) is not None for each in ("url", "profile"))

    @property
    def host(self) -> HostClient:
        from scramjet_client.clients.host import HostClient  # noqa: PLC0415

        if self._host is None:
            self._host = HostClient.from_env(
                **connection(self._options), timeout=self._options.get("timeout")
            )
        return self._host

    def limit(self, of_verb: float | None) -> float | None:
        """Return the limit of a stream: the verb's own, or else `--timeout` from before the verb.

        SCRAMJET_TIMEOUT, which stays in the environment for all commands, limits no stream.
        """
        given: float | None = self._options.get("timeout")
        return given if of_verb is None else of_verb

    def check_own_hub(self) -> None:
        """Refuse options that are of no use for a hub of the command's own, if no option names another one."""
        given = [
            each for each in ("token", "ca", "insecure") if self._options.get(each) is not None
        ]
        if given and not self.names_a_hub:
            raise click.UsageError(
                f"--{given[0]} is for a hub elsewhere; without --url or --profile the command runs one of its own"
            )

    def limit_answers(self, seconds: float | None) -> None:
        """Limit every answer of the hub, as `--timeout` before the verb does; None changes nothing."""
        if seconds is not None:
            self._options["timeout"] = seconds

    @property
    def settings(self) -> Settings:
        """The address of the hub and what it takes to reach it, as `host` uses them."""
        from scramjet_client.config import resolve  # noqa: PLC0415

        return resolve(**connection(self._options))

    def close(self) -> None:
        if self._host is not None:
            self._host.close()

    @property
    def talks(self) -> bool:
        """Whether a user at a terminal wants to hear more than the result."""
        return not self._options.get("quiet") and not self.json and sys.stderr.isatty()

    def note(self, text: str) -> None:
        """Print a note to stderr, only for a user at a terminal."""
        if self.talks:
            _say.err((text, _say.DIM))


def connection(options: MutableMapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `HostClient.from_env` that choose the hub."""
    if options.get("url") is not None and options.get("profile") is not None:
        raise click.UsageError("--url and --profile both say where the hub is; give one of them")
    url = options.get("url")
    if url is not None and "://" not in url:
        from scramjet_client.http.settings import shown_url  # noqa: PLC0415

        raise click.UsageError(
            "--url must begin with http:// or https://, and normally ends with /api/v1: not "
            + shown_url(url)
        )
    return {
        "api_base": url,
        "profile": options.get("profile"),
        "token": options.get("token"),
        "verify": False if options.get("insecure") else options.get("ca"),
    }


def completing(ctx: click.Context) -> HostClient:
    """Return a client for completing a word: it asks only once, with a short timeout."""
    from scramjet_client.clients.host import HostClient  # noqa: PLC0415

    return HostClient.from_env(**connection(given(ctx)), timeout=_COMPLETION_LIMIT, retries=0)


pass_session = click.make_pass_decorator(Session)
