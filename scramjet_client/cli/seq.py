"""`scramjet seq`: sequences, the programs on a hub."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

import click

from scramjet_client.api.answers import has_ended
from scramjet_client.cli import _exits, _lookup, _output, _say
from scramjet_client.cli._click import Group
from scramjet_client.cli._complete import complete_sequence
from scramjet_client.cli._numbers import megabytes_type
from scramjet_client.cli._options import (
    OutputFile,
    ProgramPath,
    arguments_of,
    check_feed,
    check_output,
    feed_options,
    file_option,
    limit_option,
    program_options,
    refuse_to_replace,
    sequence_argument,
    type_option,
)
from scramjet_client.cli._session import Session, pass_session
from scramjet_client.errors import HubResponseError, SequenceNotFoundError

_F = TypeVar("_F", bound=Callable[..., Any])


@click.group(cls=Group)
def seq() -> None:
    """Pack, send, start, run and remove sequences.

    A SEQ is an id, the beginning of one, or the name of its package, whose newest is meant. Where PATH may stand,
    it is a folder with a package.json, a Python file, or a package; a folder here is written `./folder`.
    """


_either = click.argument("sequence", metavar="SEQ|PATH", shell_complete=complete_sequence)
_requirements = click.option(
    "-r",
    "--requirements",
    metavar="FILE",
    help="Have pip install these into the package. From here, or from its folder.",
)


def _start_options(function: _F) -> _F:
    for option in (
        click.option("--id", "instance_id", metavar="ID", help="Id of the instance (1.x)."),
        click.option(
            "--memory", type=megabytes_type(), metavar="MB", help="Limit of its container (1.x)."
        ),
        program_options,
        _requirements,
    ):
        function = option(function)
    return function


def _started_with(given: dict[str, Any]) -> dict[str, Any]:
    """Take the options of a start out of a command's options."""
    memory = given.pop("memory")
    return {
        "args": arguments_of(given),
        "app_config": given.pop("config"),
        "limits": None if memory is None else {"memory": memory},
        **{name: given.pop(name) for name in ("input_topic", "output_topic", "instance_id")},
    }


@seq.command(asks_hub=False)
@click.argument("path", type=ProgramPath())
@click.option(
    "-o",
    "--output",
    "target",
    type=OutputFile(allow_dash=True),
    metavar="FILE|-",
    help="[default: NAME.tar.gz]",
)
@click.option(
    "-l", "--list", "list_only", is_flag=True, help="Only show what would be in it, and what stays."
)
@_requirements
@pass_session
def pack(
    session: Session, path: str, target: str | None, list_only: bool, requirements: str | None
) -> None:
    r"""Make a package of a folder or a Python file.

    \b
    Example:
        scramjet seq pack ./word_count -o word_count.tar.gz
    """
    from scramjet_client.packages.package import Package, replaced_files  # noqa: PLC0415

    with Package(path, requirements=_lookup.requirements_of(requirements, path)) as package:
        for each in package.warnings:
            _say.warn(each)
        target = target or f"{package.name or 'sequence'}.tar.gz".replace("/", "-")
        if target == "-" and not list_only:
            if sys.stdout.isatty():
                raise click.UsageError("a package is not text; -o - is for pipes")
            with _say.named_stdout():
                package.write_to(sys.stdout.buffer)
            return
        replaced = None if target == "-" else replaced_files(package, target)
        if replaced is not None:
            refuse_to_replace("-o", target, replaced, "the package")
        if not list_only:
            package.save(target)
            session.note(f"{len(package.entries)} entries, {_output.size(package.size)} unpacked")
        if session.json:
            entries = [{"name": each.name, "size": each.size} for each in package.entries]
            left_out = [
                {"name": each.name, "why": each.note}
                for each in package.preview()
                if each.size is None
            ]
            _output.document(
                {
                    "path": None if list_only else target,
                    "name": package.name,
                    "entries": entries,
                    "left_out": left_out,
                    "warnings": list(package.warnings),
                }
            )
        elif list_only:
            _output.listing(
                session,
                package.preview().rows,
                ["NAME", "SIZE", "NOTE"],
                lambda each: [
                    each.name,
                    "left out" if each.size is None else _output.size(each.size),
                    each.note,
                ],
            )
        else:
            _say.out(target)


@seq.command()
@click.argument("path", type=ProgramPath())
@click.option(
    "--replace",
    metavar="SEQ",
    shell_complete=complete_sequence,
    help="Put it in the place of this sequence, which keeps its id (1.x).",
)
@_requirements
@pass_session
def send(session: Session, path: str, replace: str | None, requirements: str | None) -> None:
    r"""Send a folder, a Python file or a package.

    "-" is a package from stdin. Prints the id of the new sequence.

    \b
    Example:
        scramjet seq send ./word_count
    """
    replaced = None if replace is None else _lookup.sequence_of(session, replace).id
    sent = _lookup.send(session, path, requirements=requirements, replaced=replaced)
    _output.result(session, {"id": sent.id}, sent.id)


@seq.command("list")
@click.option("-q", "--ids", is_flag=True, help="Only ids, one a line.")
@pass_session
def list_(session: Session, ids: bool) -> None:
    r"""List the sequences on the hub, the newest last; INSTANCES are those that run.

    \b
    Example:
        scramjet seq list
    """
    entities = session.host.list_entities()
    running = _running_of(entities)

    def row(each: Any) -> list[str]:
        version = str(each.config.get("version") or "")
        return [each.id, each.name, version, str(running[each.id])]

    columns = ["ID", "NAME", "VERSION", "INSTANCES"]
    _output.listing(session, entities.sequences, columns, row, first_only=ids)


def _running_of(entities: Any) -> Counter[str]:
    """Return how many instances of each sequence run."""
    return Counter(each.sequence for each in entities.instances if not has_ended(each))


@seq.command()
@sequence_argument
@pass_session
def info(session: Session, sequence: str) -> None:
    r"""Show what the hub knows of a sequence.

    \b
    Example:
        scramjet seq info word_count
    """
    found = _lookup.sequence_of(session, sequence).get_info()
    pairs = [
        ("id", found.id),
        ("name", found.name),
        ("version", found.config.get("version")),
        ("description", found.config.get("description")),
        ("engines", ", ".join(found.config.get("engines") or ())),
        ("instances", ", ".join(found.instances)),
        ("hub", found.location),
    ]
    _output.details(session, found, pairs)


@seq.command()
@_either
@_start_options
@pass_session
def start(session: Session, /, sequence: str, requirements: str | None, **given: Any) -> None:
    r"""Start an instance, and print its id.

    A PATH is sent first. Arguments that begin with a dash come after "--".

    \b
    Example:
        scramjet seq start word_count first-argument second
    """
    options = _started_with(given)
    instance = _lookup.sent_sequence(session, sequence, requirements).start(**options)
    _output.result(session, {"id": instance.id}, instance.id)


@seq.command()
@_either
@_start_options
@click.option(
    "-i",
    "--input",
    "input_path",
    default="-",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="What to send to the program. [default: stdin]",
)
@feed_options
@type_option()
@click.option("--log", is_flag=True, help="Print its log to stderr.")
@file_option("Write its output to a file; its stdout goes on to stdout.")
@click.option("--output-only", is_flag=True, help="Its stdout goes to stderr, as its stderr does.")
@limit_option("Kill it after so long.")
@click.option("--keep", is_flag=True, help="Leave the sequence of a PATH on the hub.")
@click.pass_context
def run(ctx: click.Context, /, sequence: str, requirements: str | None, **given: Any) -> None:
    r"""Run a sequence as a command of the shell.

    stdin is its input, its output and stdout go to stdout; with -o its output goes to a file. Its input ends where
    stdin does. Ends with the exit code of the instance. Ctrl-C asks the instance to stop, a second one kills it. If
    stdout is closed, as by `| head`, it is killed. A PATH is sent first, and what was sent is deleted at the end. If
    the program crashes, its own error goes to stderr. A Python program gets text as str, and everything else as bytes;
    -t says which.

    \b
    Example:
        cat file | scramjet seq run ./word_count > counts
    """
    from scramjet_client.cli import _running  # noqa: PLC0415

    session: Session = ctx.obj
    options = _started_with(given)
    check_feed(given)
    path = None if given["no_input"] else given["input_path"]
    its_own = (
        [] if given["path"] is None else _lookup.files_of(sequence, requirements, given["path"])
    )
    check_output(given["path"], (path, "its input"), *its_own)
    found = _lookup.sent_sequence(session, sequence, requirements, result=given["path"])
    feed = _running.Feed(
        path=path,
        stream_id="stdin" if given["to_stdin"] else "input",
        type=given["content_type"],
    )
    how = _running.Display(
        log=given["log"],
        output_only=given["output_only"],
        collected=session.json,
        path=given["path"],
        requirements=None if requirements else _lookup.requirements_beside(sequence),
    )
    patient = True
    try:
        info = _running.run(session, lambda: found.start(**options), feed, how, given["limit"])
    except _exits.Interrupted as interrupted:
        patient = not interrupted.killed
        raise
    finally:
        if _lookup.is_path(sequence) and not given["keep"]:
            _running.remove(found, patient=patient)
    ctx.exit(_running.exit_code(info))


@seq.command()
@click.argument(
    "sequences", nargs=-1, required=True, metavar="SEQ...", shell_complete=complete_sequence
)
@click.option("-f", "--force", is_flag=True, help="Kill its instances first (1.x; up to 31 s).")
@pass_session
def rm(session: Session, sequences: tuple[str, ...], force: bool) -> None:
    r"""Delete sequences.

    \b
    Example:
        scramjet seq rm word_count
    """

    def remove(given: str) -> tuple[str, Any]:
        found = _lookup.sequence_of(session, given)
        try:
            return found.id, found.delete(force=force)
        except HubResponseError as error:
            if error.status == HTTPStatus.CONFLICT:
                _say_what_runs(session, found.id, given, error)
            raise

    _output.for_each(session, sequences, remove)


def _say_what_runs(session: Session, id: str, given: str, error: HubResponseError) -> None:
    """Put into the refusal of a deletion which instances run, and what to do."""
    running = [
        each.id
        for each in session.host.list_entities().instances
        if each.sequence == id and not has_ended(each)
    ]
    if running:
        more = f" and {len(running) - 3} more" if len(running) > 3 else ""
        some = f"instance {', '.join(running[:3])}{more} {'runs' if len(running) == 1 else 'run'}"
        what = f"{some}: `scramjet seq rm --force {given}` kills what runs first"
    else:
        what = "a hub counts an instance for 15 s after its end: delete it then, or with --force"
    error.message = f"{error.message.partition('; it has instances')[0]}; {what}"


@seq.command()
@click.option("-a", "--all", "every", is_flag=True, help="The newest of each name, too.")
@click.option("-l", "--list", "list_only", is_flag=True, help="Only show what would go.")
@pass_session
def prune(session: Session, every: bool, list_only: bool) -> None:
    r"""Delete the sequences that nothing runs of and that no name means.

    These are all but the newest of each name. Those of which an instance runs, or has run a moment ago, stay. It is
    no error if somebody else deletes one at the same time.

    \b
    Example:
        scramjet seq prune
    """
    entities = session.host.list_entities()
    running = _running_of(entities)
    newest = {} if every else {each.name: each.id for each in entities.sequences}
    unused = [
        each.id
        for each in entities.sequences
        if not running[each.id] and newest.get(each.name) != each.id
    ]
    if list_only:
        chosen = [each for each in entities.sequences if each.id in unused]
        _output.listing(session, chosen, ["ID", "NAME"], lambda each: [each.id, each.name])
        return

    def remove(id: str) -> tuple[str, Any]:
        return id, session.host.get_sequence_client(id).delete()

    for id in unused:
        try:
            _output.for_each(session, [id], remove)
        except SequenceNotFoundError:
            # Deleted since the look, for example by the hub itself, which carries out a forced deletion 15 s later.
            continue
        except HubResponseError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            # Not by force, which would kill an instance that somebody has started since.
            _say.warn(
                f"sequence {id!r} stays: a hub counts an instance as one for 15 s after its end; prune again then"
            )
