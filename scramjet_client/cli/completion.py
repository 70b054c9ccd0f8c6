"""`scramjet completion`: prints the script that lets a shell complete the command."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from scramjet_client.cli import _say
from scramjet_client.cli._click import Command


@click.command(cls=Command, asks_hub=False)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    r"""Print what makes a shell complete this command.

    Ids and names on the hub are completed, too, if it answers within a second.

    \b
    bash:  eval "$(scramjet completion bash)"        in ~/.bashrc
    zsh:   eval "$(scramjet completion zsh)"         in ~/.zshrc
    fish:  scramjet completion fish | source         in ~/.config/fish/config.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    _say.raw_out(found(ctx.find_root().command, {}, "scramjet", "_SCRAMJET_COMPLETE").source())
