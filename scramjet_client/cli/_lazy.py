"""A group that imports its commands only when they are used, so that the command starts quickly."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from scramjet_client.cli._click import Group


class LazyGroup(Group):
    """A group of groups. A table gives the location of each as `module:attribute`, and its help text.

    Args:
        groups: Location and help text, by name.
    """

    def __init__(
        self, *args: Any, groups: Mapping[str, tuple[str, str]] | None = None, **rest: Any
    ) -> None:
        super().__init__(*args, **rest)
        self._groups = dict(groups or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the groups, in the table's order."""
        return list(self._groups)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one group; import it now."""
        if cmd_name not in self._groups:
            return None
        module, _, attribute = self._groups[cmd_name][0].partition(":")
        found = getattr(importlib.import_module(module), attribute)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the help texts of the groups from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._groups.items()])
