"""`scramjet profile`: the profiles of the `si` command, which name hubs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import attrs
import click

from scramjet_client.cli import _output
from scramjet_client.cli._click import Group
from scramjet_client.cli._complete import complete_profile
from scramjet_client.cli._session import Session, pass_session
from scramjet_client.errors import ConfigurationError

_DEFAULT = "default"


@click.group(cls=Group)
def profile() -> None:
    """Name hubs, and choose one; the `si` command has the same profiles.

    They are in ~/.si/profiles. A token is never shown.
    """


_name_argument = click.argument("name", shell_complete=complete_profile)


def _current() -> str | None:
    """Return the name of the profile that commands use; None if it is unknown."""
    from scramjet_client.config import profile_settings  # noqa: PLC0415

    try:
        return profile_settings().name
    except ConfigurationError:
        return None


def _described(found: Any, current: str | None) -> dict[str, Any]:
    known = attrs.asdict(found)
    known["token"] = "set" if known["token"] else None
    return {**known, "in_use": found.name == current}


@profile.command("list", asks_hub=False)
@click.option("-q", "--names", is_flag=True, help="Only names, one a line.")
@pass_session
def list_(session: Session, names: bool) -> None:
    r"""List the profiles; that in use has a star.

    \b
    Example:
        scramjet profile list
    """
    from scramjet_client.config import profile_names, profile_settings  # noqa: PLC0415

    current = _current()
    known: list[dict[str, Any]] = []
    for name in profile_names():
        try:
            known.append(_described(profile_settings(name), current))
        except ConfigurationError as error:
            known.append({"name": name, "api_base": "", "error": error.message})

    def row(each: dict[str, Any]) -> list[str]:
        where = each["middleware_base"] if each.get("production") else each["api_base"]
        return [each["name"], "*" if each.get("in_use") else "", each.get("error") or where or ""]

    _output.listing(session, known, ["NAME", "IN USE", "WHERE"], row, first_only=names)


@profile.command(asks_hub=False)
@click.argument("name", required=False, shell_complete=complete_profile)
@pass_session
def show(session: Session, name: str | None) -> None:
    r"""Show a profile; without NAME the one in use.

    \b
    Example:
        scramjet profile show default
    """
    from scramjet_client.config import profile_settings  # noqa: PLC0415

    known = _described(profile_settings(name), _current())
    _output.details(session, known, [(key.replace("_", " "), each) for key, each in known.items()])


@profile.command(asks_hub=False)
@click.argument("name")
@click.option("--url", required=True, metavar="URL", help="The hub's API.")
@click.option("--use", "chosen", is_flag=True, help="Choose it, too.")
@pass_session
def create(session: Session, name: str, url: str, chosen: bool) -> None:
    r"""Make a profile that names a hub.

    \b
    Example:
        scramjet profile create lab --url http://lab:8000/api/v1
    """
    from scramjet_client.config import profile_file  # noqa: PLC0415
    from scramjet_client.http.settings import checked_base  # noqa: PLC0415

    path = profile_file(name)
    if path.exists():
        raise click.ClickException(f"there is a profile {name!r} already: {path}")
    # All keys that si looks for.
    _write(
        path,
        {
            "configVersion": 1,
            "apiUrl": checked_base(url),
            "middlewareApiUrl": "",
            "env": "development",
            "scope": "",
            "token": "",
            "log": {"debug": False, "format": "pretty"},
        },
    )
    if chosen:
        _choose(name)
    _output.result(session, {"name": name}, name)


@profile.command(asks_hub=False)
@_name_argument
@pass_session
def use(session: Session, name: str) -> None:
    r"""Choose the profile that is used here and by `si`.

    \b
    Example:
        scramjet profile use lab
    """
    from scramjet_client.config import profile_settings  # noqa: PLC0415

    profile_settings(name)
    _choose(name)
    for variable in ("SCRAMJET_API_URL", "SI_CONFIG_PATH", "SI_CONFIG"):
        if os.environ.get(variable):
            session.note(f"{variable} is set and goes before it")
    _output.result(session, {"name": name}, name)


@profile.command(asks_hub=False)
@_name_argument
@pass_session
def rm(session: Session, name: str) -> None:
    r"""Remove a profile.

    \b
    Example:
        scramjet profile rm lab
    """
    from scramjet_client.config import profile_file  # noqa: PLC0415

    path = profile_file(name)
    if not path.exists():
        raise click.ClickException(f"there is no profile {name!r}: {path}")
    if name == _current() and name != _DEFAULT:
        raise click.ClickException(f"profile {name!r} is in use; choose another one first")
    path.unlink()
    _output.result(session, {"name": name}, name)


def _choose(name: str) -> None:
    """Write which profile is in use, and keep the rest of the file."""
    from scramjet_client.config import chosen_settings, si_folder  # noqa: PLC0415

    _write(si_folder() / "si-config.json", {**chosen_settings(), "profile": name})


def _write(path: Path, value: dict[str, Any]) -> None:
    """Write a settings file that nobody else may read, because it may later hold a token."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="\n") as file:
            json.dump(value, file, indent=2)
        partial.replace(path)
    except OSError:
        # Windows replaces no file that another process has open.
        partial.unlink(missing_ok=True)
        raise
