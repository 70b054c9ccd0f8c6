"""Shell completion. The shell evaluates the completed line, so only harmless words are offered."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from scramjet_client.cli._session import completing

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_WORD = re.compile(r"[A-Za-z0-9._-]+")
"""Words that every shell takes literally. A hub may hold ids and names of any kind."""

_HELP = re.compile(r"[A-Za-z0-9._/+ -]+")
"""Help texts beside a word that a shell's script does not take for the next word."""


Complete = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]


def _completed(list_them: Callable[[click.Context], list[tuple[str, str]]]) -> Complete:
    """Return a completer for an argument; `list_them` returns words with their help texts."""

    def complete(
        ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - for a shell alone

        try:
            found = list_them(ctx)
        except Exception:
            # Ignore every error: a shell that waits for a word can't show it.
            return []
        return [
            CompletionItem(word, help=help if _HELP.fullmatch(help) else None)
            for word, help in dict(found).items()
            # A word that begins with a dash would be an option.
            if word.startswith(incomplete) and _WORD.fullmatch(word) and not word.startswith("-")
        ]

    return complete


def _of_hub(list_them: Callable[[Any], list[tuple[str, str]]]) -> Complete:
    def ask(ctx: click.Context) -> list[tuple[str, str]]:
        with completing(ctx) as host:
            return list_them(host)

    return _completed(ask)


def _sequences(host: Any) -> list[tuple[str, str]]:
    known = host.list_sequences()
    return [
        *((each.id, each.name) for each in known),
        *((each.name, "newest of this name") for each in known if each.name),
    ]


def _profiles(_ctx: click.Context) -> list[tuple[str, str]]:
    from scramjet_client.config import profile_names  # noqa: PLC0415

    return [(name, "") for name in profile_names()]


complete_instance = _of_hub(lambda host: [(i.id, i.status) for i in host.list_instances()])
complete_sequence = _of_hub(_sequences)
complete_topic = _of_hub(lambda host: [(t.name, t.content_type) for t in host.get_topics()])
complete_profile = _completed(_profiles)
