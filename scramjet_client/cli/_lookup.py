"""Finds the instance or sequence for a word: an id, the beginning of one, a name, or a path."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scramjet_client.cli import _say
from scramjet_client.cli._progress import progress
from scramjet_client.cli._session import Session
from scramjet_client.errors import InstanceNotFoundError, NotFoundError, SequenceNotFoundError

if TYPE_CHECKING:
    from scramjet_client.clients.sequence import SequenceClient
    from scramjet_client.instances.client import InstanceClient

_ALL = ("all", "*")
"""What is typed for all instances or sequences."""

_GZIP = b"\x1f\x8b"
"""How a package begins."""

_WHOLE_ID = 36
"""Characters of an id. A complete id needs no request to the hub."""


def instance_of(session: Session, given: str) -> InstanceClient:
    """Return the instance with an id, or with an id that begins so."""
    host = session.host
    if len(given) < _WHOLE_ID:
        ids = [each.id for each in host.list_instances()]
        given = _one(given, _beginning(given, ids), "instance", InstanceNotFoundError, session)
    return host.get_instance_client(given)


def sequence_of(session: Session, given: str) -> SequenceClient:
    """Return the sequence with an id, or with an id that begins so, or the newest with this package name."""
    host = session.host
    if len(given) < _WHOLE_ID or is_path(given):
        known = host.list_sequences()
        # Hubs list sequences in the order of their arrival.
        found = [each.id for each in known if each.name == given][-1:] or _beginning(
            given, [each.id for each in known]
        )
        if not found and is_path(given):
            raise click.UsageError(
                f"{given!r} is a path, and this is about a sequence on the hub; `scramjet seq list` shows their names"
            )
        if not found and _is_sequence(given):
            raise SequenceNotFoundError(
                f"there is no sequence {given!r} on the hub at {host.api_base}; did you mean ./{given}?"
                " A path in this folder begins with './'"
            )
        given = _one(given, found, "sequence", SequenceNotFoundError, session)
    return host.get_sequence_client(given)


def sent_sequence(
    session: Session, given: str, requirements: Any = None, *, result: str | None = None
) -> SequenceClient:
    """Return a sequence as `sequence_of` does; if the word is a path, send the package first.

    `result` is the file of the output, which is no part of the package (see `files_of`).
    """
    file, colon, name = given.rpartition(":")
    if colon and (Path(file).is_file() or Path(f"{file}.py").is_file()):
        raise click.UsageError(
            f"a hub runs the function `run` of a file; `scramjet dev {file}:{name}` runs another one"
        )
    if not is_path(given):
        if requirements is not None:
            raise click.UsageError(
                f"-r puts requirements into a package before it is sent, and {given!r} is on the hub already"
            )
        found = sequence_of(session, given)
        if found.id != given and _is_sequence(given):
            _say.warn(
                f"{given!r} is the sequence on the hub here, not the one in this folder, which is ./{given}"
            )
        return found
    return send(session, given, requirements=requirements, result=result)


def _is_sequence(given: str) -> bool:
    """Return whether a word names a folder here, or a file that may be a package."""
    path = Path(given)
    try:
        return path.is_dir() or (path.is_file() and path.suffix in (".py", ".gz", ".tgz", ".tar"))
    except (OSError, ValueError):
        return False


def is_path(given: str) -> bool:
    """Return whether a word means a path: it has a slash, is only a dot, or ends like a file."""
    separators = [each for each in (os.sep, os.altsep) if each]
    return (
        given in (".", "..")
        or any(each in given for each in separators)
        or given.endswith((".py", ".tar.gz", ".tgz"))
    )


def requirements_of(given: str | None, path: str) -> str | None:
    """Return the path of the file that `-r` was given: from the current folder, or else from that of what is packed."""
    if given is None:
        return None
    folder = Path(path) if os.path.isdir(path) else Path(path).parent
    for each in (Path(given), folder / given):
        if each.is_file():
            return str(each.resolve())
    kind = "is a folder" if Path(given).is_dir() else "does not exist"
    beside = "" if Path(given).is_absolute() else f", neither here nor in {str(folder)!r}"
    raise click.BadParameter(
        f"File {given!r} {kind}{beside}.", param_hint="'-r' / '--requirements'"
    )


def requirements_beside(path: str) -> str | None:
    """Return what `-r` must be given for the requirements.txt of a folder that is sent; None if there is none."""
    if not is_path(path):
        return None
    folder = Path(path) if os.path.isdir(path) else Path(path).parent
    beside = folder / "requirements.txt"
    if not beside.is_file():
        return None
    return str(beside) if Path(beside.name).is_file() else beside.name


def send(
    session: Session,
    path: str,
    *,
    requirements: Any = None,
    replaced: str | None = None,
    result: str | None = None,
) -> SequenceClient:
    """Send a package with a progress bar, as a new sequence or as the replacement of one."""
    package: Any = Path(path)
    if path != "-":
        requirements = requirements_of(requirements, path)
    elif sys.stdin.isatty():
        raise click.UsageError("a package is not text; `-` is for pipes and files at stdin")
    host = session.host
    with contextlib.ExitStack() as stack:
        if path == "-":
            package = stack.enter_context(_piped_package())
        if result is not None and os.path.isdir(path) and os.path.isfile(result):
            from scramjet_client.packages.package import Package, leave_out_result  # noqa: PLC0415

            package = stack.enter_context(Package(path, requirements=requirements))
            requirements = None
            if leave_out_result(package, result):
                session.note(
                    f"{result!r} is the file of the output: it is not sent with the program"
                )
        report = stack.enter_context(progress(session, "package"))
        if replaced is not None:
            return host.update_sequence(
                replaced, package, requirements=requirements, progress=report
            )
        return host.send_sequence(package, requirements=requirements, progress=report)


@contextlib.contextmanager
def _piped_package() -> Iterator[Any]:
    """Give the package that comes from stdin, if what comes first may be one."""
    if sys.stdin.seekable():
        yield getattr(sys.stdin, "buffer", sys.stdin)
        return
    from scramjet_client.cli._streams import source  # noqa: PLC0415

    # Not the buffer of stdin: a thread that waits in it when the interpreter ends would abort the interpreter.
    with source("-") as keys:
        first = next(keys, b"")
        if not first or first[: len(_GZIP)] != _GZIP[: len(first)]:
            raise click.UsageError(
                "stdin has no sequence package: what comes is not gzip-compressed"
                if first
                else "stdin has no sequence package: it is empty"
            )
        yield itertools.chain([first], keys)


def files_of(path: str, requirements: str | None, result: str) -> list[tuple[Any, str]]:
    """Return the files that a sequence is made of, and what each is; none for a sequence on the hub.

    A file of the folder that is the result of an earlier run is no part of it.
    """
    from scramjet_client.packages.package import (  # noqa: PLC0415
        Package,
        files_of,
        leave_out_result,
    )

    if not is_path(path):
        return []
    found: list[tuple[Any, str]] = [(path, "the program")]
    if requirements is not None:
        found.append((requirements_of(requirements, path), "its requirements"))
    if os.path.isdir(path) or path.endswith(".py"):
        with contextlib.suppress(ValueError, OSError), Package(path) as package:
            if os.path.isdir(path):
                leave_out_result(package, result)
            found += files_of(package)
    return found


def _beginning(given: str, ids: Sequence[str]) -> list[str]:
    if not given:
        raise click.UsageError("an id must not be empty")
    return [given] if given in ids else [each for each in ids if each.startswith(given)]


def _one(
    given: str, found: Sequence[str], kind: str, not_found: type[NotFoundError], session: Session
) -> str:
    if not found:
        said = f"there is no {kind} {given!r} on the hub at {session.host.api_base}"
        if given.lower() in _ALL:
            group = "inst" if kind == "instance" else "seq"
            said += f"; each is named: `$(scramjet {group} list -q)` gives all ids"
        raise not_found(said)
    if len(found) > 1:
        raise click.UsageError(
            f"{given!r} may be any of {len(found)} {kind}s; give more of the id: {', '.join(found)}"
        )
    return found[0]
