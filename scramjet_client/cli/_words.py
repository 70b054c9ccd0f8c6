"""Suggestions for a word that is not a command or option here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

_GROUPS = {
    "seq": ("sequence", "sequences", "seqs", "image", "images"),
    "inst": (
        "instance",
        "instances",
        "insts",
        "container",
        "containers",
        "pod",
        "pods",
        "job",
        "jobs",
    ),
    "topic": ("topics",),
    "hub": ("hubs", "sth", "host", "server", "node"),
    "profile": ("profiles", "config", "context", "login"),
}
"""Names of the groups in other tools."""

_VERBS = {
    "inst list": ("ps", "ls", "list", "get", "status"),
    "inst log": ("logs", "tail", "trace", "debug", "journal"),
    "inst inout": ("pipe", "filter", "chat", "ask", "talk", "converse", "query", "prompt", "echo"),
    "inst attach": (
        *("exec", "connect", "shell", "ssh", "chat", "talk", "console", "terminal", "repl"),
        *("interact", "join", "enter"),
    ),
    "inst info": ("inspect", "describe", "show", "status", "get"),
    "inst stop": ("end", "terminate", "restart", "quit", "close", "cancel", "halt"),
    "inst kill": ("rm", "remove", "delete", "del", "destroy", "abort"),
    "inst output": ("cat", "read", "out", "get", "result", "results", "receive", "recv", "print"),
    "inst input": ("write", "in", "feed", "send", "put", "push", "say"),
    "inst health": ("ping", "healthcheck", "alive", "check"),
    "inst wait": ("join", "await", "block", "poll", "finish", "done"),
    "inst events": ("watch", "subscribe", "listen"),
    "inst event send": ("emit", "event", "signal", "trigger", "notify", "fire"),
    "inst stdin": ("type", "say", "enter"),
    "seq list": ("ls", "images", "list", "get"),
    "seq rm": ("rm", "remove", "delete", "del", "rmi", "undeploy"),
    "seq send": ("deploy", "push", "upload", "apply", "create", "add", "put", "update"),
    "seq start": ("create", "launch", "spawn"),
    "seq run": ("exec", "execute"),
    "seq pack": ("build", "package", "bundle", "zip"),
    "seq info": ("inspect", "describe", "show", "get"),
    "seq prune": ("clean", "cleanup", "gc", "clear"),
    "topic get": ("read", "cat", "consume", "subscribe", "output"),
    "topic send": ("write", "publish", "produce", "put", "input"),
    "topic list": ("ls",),
    "topic rm": ("remove", "delete", "del"),
    "topic create": ("add", "new"),
    "profile list": ("ls",),
    "profile use": ("switch", "select", "set", "login"),
    "profile show": ("get", "info", "inspect", "current"),
    "profile create": ("add", "new", "set"),
    "profile rm": ("remove", "delete", "del"),
    "hub start": ("serve", "up", "daemon"),
    "hub log": ("logs", "tail"),
    "hub info": ("version", "status", "show"),
    "hub doctor": ("check", "diagnose", "ping", "status", "health"),
    "hub load": ("top", "stats", "usage"),
    "--version": ("version",),
    "--help": ("help",),
}
"""Names of the verbs in docker, kubectl, si and shells, by the verbs' names here."""

_OPTIONS = {
    "--follow": ("--tail", "--watch", "--stream", "-w"),
    "--limit": ("--timeout", "--wait", "--time", "--max-time", "--for", "--duration", "--deadline"),
    "--lines": ("--tail", "--head", "--count", "--max", "-c"),
    "--all": ("--everything", "--full", "--no-filter", "-a"),
    "--level": ("--loglevel", "--log-level", "--severity", "--min-level", "-l"),
    "--json": ("--format", "--raw", "--output", "-o", "-j"),
    "--ids": ("--quiet", "--short", "--names"),
    "--names": ("--quiet", "--short", "--ids"),
    "--quiet": ("--silent", "-s", "-q"),
    "--debug": ("--verbose", "-v", "--trace", "-d", "-D"),
    "--force": ("-f", "--yes", "-y"),
    "--url": ("--api", "--api-base", "--host", "--hub", "--server", "--address", "-H", "-h"),
    "--profile": ("--context", "--env"),
    "--ca": ("--cacert", "--ca-bundle", "--ca-cert", "--certificate-authority"),
    "--insecure": ("-k", "--no-verify", "--insecure-skip-tls-verify"),
    "--config": ("--env", "-e", "--app-config", "--set"),
    "--args": ("--arg", "-a", "--argument", "--arguments"),
    "--input": ("--file", "--in", "--from"),
    "--output": ("--out", "--file", "--to", "--save"),
    "--time": ("--timeout", "--grace-period", "--grace", "--limit", "--seconds", "--wait"),
    "--id": ("--name", "--instance-id"),
    "--type": ("--content-type", "--contenttype"),
    "--keep": ("--rm", "--no-rm"),
    "--requirements": ("--requirement", "--reqs"),
    "--value": ("--json-value", "--data", "-d", "--message"),
    "--version": ("-v", "-version"),
}
"""Names of options in other tools, by the options' names here."""


def _commands(group: click.Group, ctx: click.Context, path: str = "") -> Iterator[str]:
    """Yield the path of each command below a group."""
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            yield from _commands(command, ctx, f"{path}{name} ")
        else:
            yield f"{path}{name}"


def about_command(word: str, group: click.Group, ctx: click.Context) -> str:
    """Return the message about a word that is not a command of a group."""
    here = ctx.command_path
    root = ctx.find_root()
    assert isinstance(root.command, click.Group)
    prefix = here[len(root.command_path) :].strip()
    below = f"{prefix} " if prefix else ""
    all_of_them = list(_commands(root.command, ctx))
    inside = [each for each in all_of_them if each.startswith(below)]
    lower = word.lower()
    meant = [each for each in inside if each.split()[-1] == lower]
    meant += [each for each in _known(lower, _VERBS) if each in inside or each.startswith("-")]
    for name, others in _GROUPS.items():
        if lower in others and not prefix:
            meant.append(name)
    # A word that is known by its meaning is hardly a misspelt other one.
    meant += _near(lower, group.list_commands(ctx), below, 0.8 if meant else 0.6)
    if not meant:
        # Another group may have it.
        meant += [each for each in all_of_them if each.split()[-1] == lower]
        meant += [each for each in _known(lower, _VERBS) if each in all_of_them]
    return _sentence(f"there is no command {word!r} in `{here}`", root.command_path, meant, here)


def about_option(option: str, command: click.Command, path: str) -> str:
    """Return the message about an option that a command does not have."""
    here = [
        name
        for param in command.params
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
        if name.startswith("--")
    ]
    bare = option.partition("=")[0]
    known = [each for each in _known(bare, _OPTIONS) if each in here]
    near = _close(bare, here, 0.7) if bare.startswith("--") else []
    return _sentence(f"`{path}` has no option {bare!r}", "", [*known, *near], path)


def _known(word: str, table: dict[str, tuple[str, ...]]) -> Iterator[str]:
    return (name for name, others in table.items() if word in others)


def _near(word: str, names: Iterable[str], below: str, cutoff: float) -> list[str]:
    return [f"{below}{each}" for each in _close(word, names, cutoff)]


def _close(word: str, names: Iterable[str], cutoff: float) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415 - for a wrong word alone

    return get_close_matches(word, list(names), n=2, cutoff=cutoff)


def _sentence(said: str, prefix: str, meant: Iterable[str], here: str) -> str:
    words = [f"`{prefix} {each}`".replace("` ", "`") for each in dict.fromkeys(meant)][:3]
    if words:
        return f"{said}; did you mean {' or '.join(words)}?"
    return f"{said}; `{here} --help` shows what there is"
