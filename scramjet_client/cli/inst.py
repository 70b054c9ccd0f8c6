"""`scramjet inst`: instances, the programs that run on a hub."""

from __future__ import annotations

import _thread
import contextlib
import math
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import click

from scramjet_client.api.answers import shown_status
from scramjet_client.cli import _exits, _lookup, _output, _say, _streams
from scramjet_client.cli._click import Group
from scramjet_client.cli._numbers import seconds_type
from scramjet_client.cli._options import (
    LIMIT_NAMES,
    SENDING,
    check_output,
    file_option,
    follow_option,
    instance_argument,
    instances_argument,
    limit_option,
    lines_option,
    log_options,
    source_argument,
    type_option,
)
from scramjet_client.cli._progress import progress
from scramjet_client.cli._session import Session, pass_session
from scramjet_client.cli.events import event, events
from scramjet_client.errors import (
    HubTimeoutError,
    InstanceEndedError,
    InstanceNotFoundError,
    ScramjetError,
)
from scramjet_client.models import STATUSES, GetInstanceResponse, Termination

if TYPE_CHECKING:
    from scramjet_client.cli._bodies import Body
    from scramjet_client.instances.client import InstanceClient

_BEGINNING = 5.0
"""Seconds that `input` waits for the beginning of a pipe; then it is sent as bytes."""

_LEAST = 0.001
"""Seconds of a limit that is over, for an error that says so."""

_FIRST_WORD = 1.0
"""The same for `inout`, whose program may speak first."""


@click.group(cls=Group)
def inst() -> None:
    """Watch, feed, read and end instances.

    An INSTANCE is an id, or the beginning of one.
    """


inst.add_command(event)
inst.add_command(events)


@inst.command("list")
@click.option("-q", "--ids", is_flag=True, help="Only ids, one a line.")
# The list always contains all of them; users of docker ask for that.
@click.option("-a", "--all", "_all", is_flag=True, hidden=True, expose_value=False)
@pass_session
def list_(session: Session, ids: bool) -> None:
    r"""List instances, those that have just ended included.

    \b
    Example:
        scramjet inst list
    """
    entities = session.host.list_entities()
    names = {each.id: each.name for each in entities.sequences}

    def row(each: Any) -> list[str]:
        name = names.get(each.sequence) or each.sequence
        return [each.id, name, shown_status(each), _output.ago(each.started or each.created)]

    columns = ["ID", "SEQUENCE", "STATUS", "STARTED"]
    _output.listing(session, entities.instances, columns, row, first_only=ids)


@inst.command()
@instance_argument
@pass_session
def info(session: Session, instance: str) -> None:
    r"""Show what the hub knows of an instance.

    \b
    Example:
        scramjet inst info $ID
    """
    found = _lookup.instance_of(session, instance).get_info()
    how = found.terminated
    pairs = [
        ("id", found.id),
        ("sequence", found.sequence),
        ("status", shown_status(found)),
        ("created", found.created),
        ("started", found.started),
        ("ended", found.ended),
        ("exit code", None if how is None else _end_of(how)),
        *found.extra.items(),
    ]
    _output.details(session, found, pairs)


@inst.command()
@instance_argument
@pass_session
def health(session: Session, instance: str) -> None:
    r"""Show the last health message, or wait for the first.

    \b
    Example:
        scramjet inst health $ID
    """
    client = _lookup.instance_of(session, instance)
    # The uptime counts from the start.
    client.get_info()
    found = client.get_health()
    uptime = None if found.uptime is None else f"{found.uptime:.0f} s"
    pairs = [("status", found.status), ("message", found.message), ("uptime", uptime)]
    _output.details(session, found, [*pairs, *found.extra.items()])


# -- reading --------------------------------------------------------------------------------------


@inst.command()
@instance_argument
@log_options
@pass_session
def log(session: Session, /, instance: str, **given: Any) -> None:
    r"""Print the log that nobody has read yet.

    Without -f or --timeout it prints what there is, and ends. With --json a record is one line of JSON, as it came.
    The records that the looks of clients make are not shown without --all or --json.

    \b
    Example:
        scramjet inst log -f $ID --timeout 10 --level info
    """
    client = _lookup.instance_of(session, instance)
    came = _streams.show_log(session, client.get_log_stream, **given)
    if not (came or session.json or given["follow"]):
        level = given["level"]
        what = "no unread records" if level is None else f"no unread records of the level {level}"
        _say.err(f"{what}; `scramjet inst stdout {client.id}` has what the program prints")


def _reader(stream_id: Any) -> None:
    """Add the command that reads a stream."""
    crash = " If the program has crashed, its error goes to stderr, and the exit code is its own."
    ending = "" if stream_id == "stderr" else crash
    help = (
        f"Copy an instance's {stream_id} to stdout.\n\nByte for byte: unread data first, then new data, "
        "until it ends. Ctrl-C ends the reading; the instance goes on. With --no-follow it ends when nothing has "
        f"come for a second.{ending}\n\n\b\nExample:\n"
        f"    scramjet inst {stream_id} $ID > file"
    )

    def read(
        ctx: click.Context,
        /,
        instance: str,
        *,
        follow: bool,
        lines: int | None,
        limit: float | None,
        path: str | None,
    ) -> None:
        session: Session = ctx.obj
        idle = None if follow else _streams.SILENCE
        until = session.limit(limit)
        client = _lookup.instance_of(session, instance)
        deadline = math.inf if until is None else time.monotonic() + until
        open_it = partial(client.get_stream, stream_id, idle_timeout=idle, timeout=until)
        whole = _streams.copy(session, open_it, stream_id, path, lines)
        # Whoever reads stderr looks for the error, and has it.
        if whole and stream_id != "stderr" and time.monotonic() < deadline:
            _end_with(ctx, client)

    command = follow_option(default=True)(instance_argument(click.pass_context(read)))
    inst.command(stream_id, help=help)(file_option()(limit_option()(lines_option(command))))


def _end_with(
    ctx: click.Context, client: InstanceClient, sent: str | None = None, *, at_data: bool = False
) -> None:
    """End the command; if the instance has failed by now, say so, and end as it did."""
    from scramjet_client.cli import _crash  # noqa: PLC0415

    within = _crash.AFTER_DATA if at_data else _crash.AFTER_END
    if code := _crash.report_failure(client, within, sent):
        ctx.exit(code)


_reader("output")
_reader("stdout")
_reader("stderr")


# -- feeding --------------------------------------------------------------------------------------


def _send(
    ctx: click.Context,
    instance: str,
    stream_id: Any,
    file: str,
    limit: float | None,
    *,
    end: bool,
    content_type: str | None = None,
) -> None:
    from scramjet_client.cli import _bodies  # noqa: PLC0415

    session: Session = ctx.obj
    client = _lookup.instance_of(session, instance)
    with _bodies.body(file, content_type, stream_id) as body, contextlib.ExitStack() as stack:
        report = body.reported(stack.enter_context(progress(session, stream_id, source=file)))
        until = session.limit(limit)
        left = _left_for(body, until)
        try:
            sent = client.send_stream(
                stream_id, body.source, type=body.type, progress=report, timeout=left, end=end
            )
        except InstanceEndedError:
            # If it has crashed at the data, its own error comes with the cure.
            _end_with(ctx, client, body.sent_as)
            raise
        except HubTimeoutError as error:
            _name_limit(error, left, until)
            raise
    if session.json:
        _output.document(sent)
    _end_with(ctx, client, body.sent_as, at_data=not end)


def _left_for(body: Body, limit: float | None) -> float | None:
    """Wait for the beginning of a pipe, for a moment; return what is left of a limit."""
    if body.ready(0):
        return limit
    began = time.monotonic()
    body.ready(_BEGINNING if limit is None else min(_BEGINNING, limit))
    return None if limit is None else max(_LEAST, limit - (time.monotonic() - began))


_end_option = click.option("--end", is_flag=True, help="End the program's input with this.")


@inst.command("input")
@instance_argument
@source_argument
@_end_option
@type_option()
@limit_option(SENDING)
@click.pass_context
def input_(
    ctx: click.Context,
    instance: str,
    *,
    file: str,
    end: bool,
    content_type: str | None,
    limit: float | None,
) -> None:
    r"""Send a file, or stdin, to an instance's input.

    It goes byte for byte; the command waits until the hub has all of it. Without --end more can be sent
    later. The first type of an instance's life is final. Ctrl-C ends the
    sending, and leaves the input open. Then it watches for a moment whether the program crashes at it.

    A Python program gets text as str, and everything else as bytes; -t says which.

    \b
    Example:
        cat file | scramjet inst input $ID - --end
    """
    _send(ctx, instance, "input", file, limit, end=end, content_type=content_type)


@inst.command()
@instance_argument
@source_argument
@_end_option
@limit_option(SENDING)
@click.pass_context
def stdin(ctx: click.Context, instance: str, file: str, end: bool, limit: float | None) -> None:
    r"""Send a file, or stdin, to an instance's stdin.

    Hubs carry only UTF-8 there.

    \b
    Example:
        scramjet inst stdin $ID lines.txt --end
    """
    _send(ctx, instance, "stdin", file, limit, end=end)


@inst.command()
@instance_argument
@source_argument
@click.option("--no-end", is_flag=True, help="Leave the program's input open.")
@type_option()
@limit_option()
@click.pass_context
def inout(
    ctx: click.Context,
    instance: str,
    *,
    file: str,
    no_end: bool,
    content_type: str | None,
    limit: float | None,
) -> None:
    r"""Send to an instance's input, and print its output.

    Ends with the output. With --no-end hubs carry only UTF-8. A Python program gets text as str, and
    everything else as bytes; -t says which. If it crashes, its error goes to stderr, and the exit code is its own.

    \b
    Example:
        scramjet inst inout $ID lines.txt > answers
    """
    from scramjet_client.cli import _bodies  # noqa: PLC0415

    session: Session = ctx.obj
    check_output(None, (file, "its input"))
    client = _lookup.instance_of(session, instance)
    time_limit = _streams.Limit(session.limit(limit))
    with contextlib.ExitStack() as stack:
        body = stack.enter_context(_bodies.body(file, content_type))
        shown = progress(session, "input", source=file, printed=True)
        report = body.reported(stack.enter_context(shown))
        # No longer: whoever writes to the pipe may wait for the program's first word.
        body.ready(_FIRST_WORD)
        stream = client.inout(body.source, type=body.type, end=not no_end, progress=report)
        # Closing it cancels the rest of the upload before the reader of stdin is freed.
        stack.enter_context(stream)
        with time_limit.ends(stream.close):
            stream.pipe_to(_say.Data().write)
    if not time_limit.over:
        _end_with(ctx, client, body.sent_as)


@inst.command()
@instance_argument
@click.option("--no-stdin", is_flag=True, help="Only look.")
@click.option("--output", is_flag=True, help="Its output, too, goes to stdout.")
@click.option("--log", is_flag=True, help="Its log, too, goes to stderr.")
@limit_option()
@click.pass_context
def attach(
    ctx: click.Context,
    instance: str,
    *,
    no_stdin: bool,
    output: bool,
    log: bool,
    limit: float | None,
) -> None:
    r"""Connect this terminal to an instance, as `docker attach`.

    What is typed goes to its stdin; its stdout and stderr are shown. To talk to its input and output instead, use
    `scramjet inst inout`.

    Ctrl-C detaches, and the instance goes on; Ctrl-D ends its stdin. Ends with the instance, with its exit
    code; with 0 after Ctrl-C. Hubs carry only UTF-8 to stdin.

    \b
    Example:
        scramjet inst attach $ID --output
    """
    from scramjet_client.cli._running import exit_code  # noqa: PLC0415

    session: Session = ctx.obj
    client = _lookup.instance_of(session, instance)
    session.note("attached; Ctrl-C detaches")
    ended = None
    # The library detaches as it does at Ctrl-C.
    with _streams.Limit(session.limit(limit)).ends(_thread.interrupt_main):
        ended = client.attach(
            stdin=not no_stdin,
            output=True if output else None,
            log=_streams.log_line if log else None,
        )
    if ended is None:
        session.note(f"detached; {client.id} goes on")
        return
    _say_end(client, ended)
    ctx.exit(exit_code(ended))


# -- stop, kill and wait --------------------------------------------------------------------------


@inst.command()
@instances_argument
@click.option(
    "-t",
    "--time",
    *LIMIT_NAMES,
    "seconds",
    type=seconds_type(min_open=False),
    default=7.0,
    show_default=True,
    help="Seconds that the program gets before the hub kills it.",
)
@click.option("--keepalive", is_flag=True, help="Let the program ask for more time.")
@pass_session
def stop(session: Session, instances: tuple[str, ...], seconds: float, keepalive: bool) -> None:
    r"""Ask instances to stop, and wait until they have.

    Ends with 124 if one had to be killed, or still runs.

    \b
    Example:
        scramjet inst stop $ID
    """

    def end(given: str) -> tuple[str, Any]:
        client = _lookup.instance_of(session, given)
        return client.id, client.stop(timedelta(seconds=seconds), keepalive)

    _output.for_each(session, instances, end)


@inst.command()
@instances_argument
@click.option("--forget", is_flag=True, help="Have the hub forget them soon after.")
@pass_session
def kill(session: Session, instances: tuple[str, ...], forget: bool) -> None:
    r"""Kill instances.

    \b
    Example:
        scramjet inst kill $ID
    """

    def end(given: str) -> tuple[str, Any]:
        client = _lookup.instance_of(session, given)
        return client.id, client.kill(remove_immediately=forget)

    _output.for_each(session, instances, end)


@inst.command()
@instances_argument
@click.option(
    "--status",
    type=click.Choice(STATUSES, case_sensitive=False),
    help="Wait for this, not for its end.",
)
@limit_option("Wait no longer, for all of them. [default: for ever]")
@click.pass_context
def wait(ctx: click.Context, instances: tuple[str, ...], status: Any, limit: float | None) -> None:
    r"""Wait until instances have ended, and end as they did.

    With --status, ends with 0 when it has come. 124 says that --limit was too short, 79 that the hub does not
    say how it ended (0.x). Of several instances, the first in the line that did not end well gives the exit code.

    \b
    Example:
        scramjet inst wait $ID --limit 60
    """
    from scramjet_client.cli._running import exit_code  # noqa: PLC0415

    session: Session = ctx.obj
    deadline = None if limit is None else time.monotonic() + limit
    clients = [_lookup.instance_of(session, each) for each in instances]
    alone = len(clients) == 1
    # 0.x forgets an instance at its end, which may come while another one is waited for.
    known = {} if alone or status is not None else _known(clients)
    first = 0
    for client in clients:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            found = _ended(client, left, known) if status is None else client.wait_for(status, left)
            if session.json:
                (_output.document if alone else _output.line)(found)
            if status is None:
                _say_end(client, found)
                first = first or exit_code(found)
        except (ScramjetError, _exits.UnknownEnd) as error:
            if isinstance(error, HubTimeoutError):
                _name_limit(error, left, limit)
                cure = f"`scramjet inst input {client.id} --end < /dev/null`"
                error.message = error.message.replace("send_input(b'', end=True)", cure)
            if alone:
                raise
            _say.error(_exits.sentence(error))
            first = first or _exits.code_of(error)
    ctx.exit(first)


def _name_limit(error: HubTimeoutError, left: float | None, limit: float | None) -> None:
    """Put the limit that the user gave into an error about what was left of it."""
    if left is not None and limit is not None:
        error.message = error.message.replace(f"{left:g} s", f"{limit:g} s", 1)


def _known(clients: Sequence[InstanceClient]) -> dict[str, GetInstanceResponse]:
    """Return the info of those instances that the hub knows."""
    known = {}
    for client in clients:
        with contextlib.suppress(InstanceNotFoundError):
            known[client.id] = client.get_info()
    return known


def _ended(
    client: InstanceClient, left: float | None, known: dict[str, GetInstanceResponse]
) -> GetInstanceResponse:
    """Wait for the end of an instance, which the hub may have forgotten since it was known."""
    try:
        return client.wait(left)
    except InstanceNotFoundError:
        if client.id not in known:
            raise
        return attrs.evolve(known[client.id], status="stopped")


def _say_end(client: InstanceClient, info: GetInstanceResponse) -> None:
    """Print what was read to find out how an instance ended, and the reason if it failed."""
    from scramjet_client.cli import _crash  # noqa: PLC0415

    _crash.say_last_words(client, info)
    # Who has killed it knows that.
    code = None if info.terminated is None else info.terminated.exit_code
    if info.cause is not None or info.status == "crashed" or (code is not None and code > 0):
        _crash.say_reason(info)


def _end_of(how: Termination) -> str:
    from scramjet_client.api.answers import OWN_CODE  # noqa: PLC0415

    code = "not known" if how.exit_code is None else str(how.exit_code)
    # A code of the program's own says all; the hub's words for it speak of a runner.
    return code if how.reason in ("", OWN_CODE) else f"{code} ({how.reason})"
