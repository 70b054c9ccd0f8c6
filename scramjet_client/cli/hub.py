"""`scramjet hub`: starts a hub here, and shows information about a hub."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING, Any, TypeVar

import click

from scramjet_client._common.kept_tokens import kept_at
from scramjet_client.api.answers import has_ended
from scramjet_client.cli import _exits, _output, _say, _streams
from scramjet_client.cli._click import Group
from scramjet_client.cli._options import PORT, log_options
from scramjet_client.cli._session import Session, pass_session
from scramjet_client.cli._terms import all_in_options, in_options
from scramjet_client.http.interrupts import wait_for_event

if TYPE_CHECKING:
    import ssl

_S = TypeVar("_S")


@click.group(cls=Group)
def hub() -> None:
    """Start a hub here, or look at one."""


@hub.command(asks_hub=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=PORT, default=8000, show_default=True, help="0 takes a free one.")
@click.option("--storage", metavar="DIR", help="Where sequences are kept. [default: temporary]")
@click.option(
    "--no-token", is_flag=True, help="Let every user of this machine run programs as you."
)
@click.option("--no-page", is_flag=True, help="Show no page for browsers.")
@click.option("--record", metavar="FILE", help="Keep a trace of inputs and outputs, for `replay`.")
@pass_session
def start(
    session: Session,
    *,
    host: str,
    port: int,
    storage: str | None,
    no_token: bool,
    no_page: bool,
    record: str | None,
) -> None:
    r"""Run a hub here until Ctrl-C.

    It is a LocalHub: it runs Python sequences as processes of this machine, and ends them with itself.

    Prints its URL. Clients must send its token, which is that of SCRAMJET_HUB_TOKEN, or else a random one. This
    command, and `HostClient.from_env()`, find it by themselves: it is in a file of yours, whose path --json and a
    note on a terminal show. Another note, and --json, show the address of a page for browsers. Needs the extra "hub".

    \b
    Example:
        scramjet hub start --port 8000
        curl -H "Authorization: Bearer $(cat FILE)" http://127.0.0.1:8000/api/v1/version
    """
    from scramjet_client.hub._signals import ended_by_signals  # noqa: PLC0415
    from scramjet_client.hub._starting import kept_token, make_hub  # noqa: PLC0415

    made = make_hub(host, port, no_token=no_token, storage=storage, page=not no_page, record=record)
    with contextlib.ExitStack() as stack:
        ended = stack.enter_context(ended_by_signals())
        running = _listen(stack, made, "hub", f"{host}:{port}")
        token = stack.enter_context(kept_token(running))
        if session.json:
            path = None if token.path is None else str(token.path)
            _output.line({"url": running.url, "token_file": path, "page": running.page_url})
        else:
            _say.out(running.url)
        if no_token:
            _say.warn(token.sentence)
        else:
            session.note(token.sentence)
        if running.page_url is not None:
            session.note(f"its page, for you alone: {running.page_url}")
        session.note("the hub runs until Ctrl-C")
        wait_for_event(ended)


@hub.command()
@click.option(
    "--port", type=PORT, default=0, show_default=True, help="Of the page; 0 takes a free one."
)
@pass_session
def page(session: Session, port: int) -> None:
    r"""Show a page for browsers in front of a hub, until Ctrl-C.

    It is the page of `hub start`, for any hub. It listens on this machine only. The hub's token stays in this
    command: the browser has a random one, in the address that is printed. Needs the extra "hub".

    \b
    Example:
        scramjet hub page --port 8001 --url https://hub.example/api/v1
    """
    from scramjet_client._common.kept_tokens import keep_token  # noqa: PLC0415
    from scramjet_client.hub._proxy import PageProxy  # noqa: PLC0415 - the extra "hub"
    from scramjet_client.hub._signals import ended_by_signals  # noqa: PLC0415

    session.host.get_version()  # says in one sentence what is wrong, before a browser would
    settings = session.settings
    tls = _tls(settings.verify)
    with contextlib.ExitStack() as stack:
        ended = stack.enter_context(ended_by_signals())
        proxy = PageProxy(settings.api_base, token=settings.token, tls=tls, port=port)
        running = _listen(stack, proxy, "page", f"127.0.0.1:{port}")
        with contextlib.suppress(OSError):
            stack.enter_context(keep_token(running.url, running.token))
        if session.json:
            _output.line({"page": running.page_url, "url": running.url})
        else:
            _say.out(running.page_url)
        session.note("the page is there until Ctrl-C")
        wait_for_event(ended)


def _tls(verify: bool | str | None) -> ssl.SSLContext | bool:
    import ssl  # noqa: PLC0415 - help needs none

    if verify is False:
        return False
    name = None if verify in (None, True) else str(verify)
    if name is not None and os.path.isdir(name):
        return ssl.create_default_context(capath=name)
    return ssl.create_default_context(cafile=name)


def _listen(
    stack: contextlib.ExitStack,
    server: contextlib.AbstractContextManager[_S],
    what: str,
    where: str,
) -> _S:
    """Have a server listen while the stack is open; if it can't, say what to do."""
    try:
        return stack.enter_context(server)
    except OSError as error:
        if error.filename is not None:
            raise  # it is about a file, such as the one of --record
        # asyncio's own text has the address, too.
        said = os.strerror(error.errno) if error.errno else str(error)
        cure = ""
        if error.errno == errno.EADDRINUSE:
            yours = "a hub of yours runs there; " if kept_at(f"http://{where}") else ""
            cure = f"; {yours}--port 0 takes a free one"
        raise click.ClickException(f"no {what} can listen on {where}: {said}{cure}") from error


@hub.command()
@pass_session
def info(session: Session) -> None:
    r"""Show the hub's version, what runs on it, its manager.

    \b
    Example:
        scramjet hub info
    """
    host = session.host
    version = host.get_version()
    entities = host.list_entities()
    modern = version.api_version is not None
    ended = sum(has_ended(each) for each in entities.instances)
    running = len(entities.instances) - ended
    manager: Any = (host.get_status().cpm or None) if modern else None
    known = {
        "url": host.api_base,
        "version": version.version,
        "api_version": version.api_version,
        "service": version.service,
        "build": version.build,
        "runtime_adapter": host.get_config().runtime_adapter if modern else None,
        "sequences": len(entities.sequences),
        "instances": running,
        "running": running,
        "ended": ended,
        "manager": manager,
    }
    pairs = [(name.replace("_", " "), value) for name, value in known.items()]
    _output.details(session, known, pairs)


@hub.command()
@log_options
@pass_session
def log(session: Session, /, **given: Any) -> None:
    r"""Print the hub's log.

    Without -f or --timeout it prints what there is, and ends.

    \b
    Example:
        scramjet hub log
    """
    _streams.show_log(session, session.host.get_log_stream, is_kept=True, **given)


@hub.command()
@click.option("--timeout", default=10.0, show_default=True, help="Seconds that the hub gets.")
@click.pass_context
def doctor(ctx: click.Context, timeout: float) -> None:
    r"""Say which hub is meant, and whether it answers.

    Ends with 69 if it does not, with 77 if it refuses the token, with 1 if something else is wrong. Shows no token.

    \b
    Example:
        scramjet hub doctor
    """
    session: Session = ctx.obj
    report = session.host.doctor(timeout=timeout)
    if session.json:
        _output.document(all_in_options(report.as_dict()))
    else:
        _say.out(in_options(str(report)), keep=_say.LINES)
    if report.cause in ("no-token", "refused-token"):
        ctx.exit(_exits.REFUSED)
    if not report.reachable:
        ctx.exit(_exits.UNREACHABLE)
    if report.problems:
        ctx.exit(_exits.FAILED)


@hub.command()
@pass_session
def load(session: Session) -> None:
    r"""Show the load of the hub's machine.

    \b
    Example:
        scramjet hub load
    """
    found = session.host.get_load_check()
    pairs: list[tuple[str, Any]] = [
        ("load, now", f"{found.current_load:.2f}"),
        ("load, average", f"{found.avg_load:.2f}"),
        ("memory, used", _output.size(found.mem_used)),
        ("memory, free", _output.size(found.mem_free)),
    ]
    for each in found.fs_size:
        used, whole = each.get("used"), each.get("size")
        if isinstance(used, (int, float)) and isinstance(whole, (int, float)):
            name = f"disk {each.get('mount') or each.get('fs') or ''}".rstrip()
            pairs.append((name, f"{_output.size(used)} of {_output.size(whole)}"))
    _output.details(session, found, pairs)
