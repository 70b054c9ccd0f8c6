"""`scramjet completion`: what makes a shell complete the command."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    r"""Print what makes a shell complete this command.

    Ids on the hub are completed, too, if it answers within a second.

    \b
    bash:  eval "$(scramjet completion bash)"        in ~/.bashrc
    zsh:   eval "$(scramjet completion zsh)"         in ~/.zshrc
    fish:  scramjet completion fish | source         in ~/.config/fish/config.fish
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, "scramjet", "_SCRAMJET_COMPLETE").source())
