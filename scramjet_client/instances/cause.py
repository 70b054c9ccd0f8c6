"""How a program ended, from its stderr and its log. Only this module reads what runners and programs write there.

Hubs say little: at best the exit code of their runner. The error itself is on stderr or in the log, in the
format of Python or Node.js. That text is untrusted: this module checks its form, relies on nothing else in it, and
reads only the end of it.
"""

from __future__ import annotations

import ast
import re
import signal
from collections.abc import Iterator

import attrs

from scramjet_client._common.log_records import HUB, record_of
from scramjet_client.errors import HubResponseError, InsufficientResourcesError
from scramjet_client.models import Cause, GetInstanceResponse, InstanceStatus, Termination

_TAIL = 256 * 1024
"""Bytes that are read from the end of a stream."""

_LONGEST_TRACEBACK = 32 * 1024
_LONGEST_MESSAGE = 2000
_LONGEST_NAME = 200
"""Characters of a `Cause`."""

_MOST_FRAMES = 1000

_HEADER = re.compile(
    r"^(?P<group>  \+ Exception Group )?Traceback \(most recent call last\):[ ]*$", re.MULTILINE
)
_CHAINED = re.compile(
    r"\n(?:The above exception was the direct cause of the following exception:"
    r"|During handling of the above exception, another exception occurred:)\s*\Z"
)
_FRAME = re.compile(
    r'^  File "(?P<file>[^"\n]{1,4096})", line (?P<line>\d{1,9})(?:, in (?P<function>[^\n]{1,200}))?$'
)
_RAISED = re.compile(r"^(?P<type>[A-Za-z_][\w.]{0,199})(?:: ?(?P<message>.*))?$", re.DOTALL)

_AT = re.compile(r"^ {2,}at (?P<where>.{1,4096})$")
_PLACE = re.compile(
    r"^(?:(?P<function>[^()]{1,200}) \()?(?P<file>[^()]{1,4096}?):(?P<line>\d{1,9})(?::\d{1,9})?\)?$"
)
_THROWN = re.compile(
    r"^(?:Uncaught )?(?P<type>[A-Za-z_$][\w$.]{0,199})(?: \[\w+\])?(?:: (?P<message>.*))?$",
    re.DOTALL,
)
_THROWN_FAR = re.compile(r"^(?:Uncaught )?[A-Za-z_$]?[\w$.]{0,199}(?:Error|Exception)\b")

_ABOVE = re.compile(r"^(?P<file>[^\s:][^\n]{0,4095}\.\w{1,5}):(?P<line>\d{1,9})$")

_OURS = re.compile(
    r"hub[/\\]_runner[/\\]|python-runner[/\\]|(?:^|[/\\])(?:scramjet_(?:adapter|program)|_scramjet_entry)\.py$"
    r"|^<frozen "
)
"""Files of the code that runs a program. They never interest its author."""

_BENEATH = re.compile(r"[/\\](?:asyncio|scramjet|pyee)[/\\]|[/\\]concurrent[/\\]futures[/\\]")
"""Files between the runner and the program. They are left out only above the program's own first line."""

_LIBRARY = re.compile(
    r"[/\\](?:lib[/\\]python\d[^/\\]*|site-packages|dist-packages|__pypackages__|node_modules)[/\\]|^<|^node:"
)
"""Files that are not the user's. Another line is the one to blame, if there is one."""

_NODE_OURS = re.compile(r"^node:|node_modules[/\\](?:@scramjet|scramjet(?:-core)?)[/\\]")

_LOCAL_HUB_SAYS = "the sequence raised while it "
"""Beginning of a LocalHub's record about an error of the program; the traceback follows."""

_LOCAL_HUBS_RUNNER = "the Python of this LocalHub"
"""In the reason that a LocalHub gives for a runner that failed. The known fault is of other hubs' runners only."""

_RUNNER_MAIN = re.compile(r"python-runner[/\\]runner\.py$")

_SIGNAL = re.compile(r"the process was ended by signal (?P<name>SIG[A-Z0-9]{1,12}|\d{1,3})")
_EXIT = re.compile(r"the program called sys\.exit\((?P<code>.{0,4000})\)", re.DOTALL)

_FAILED = re.compile(r"the program failed, with exit code (?P<code>\d{1,3})")
"""Written by LocalHub's runner, and by the code that runs deployed functions on other hubs."""

_SURVIVED = re.compile(
    r"^(?:in the background: )?(?:Task exception was never retrieved|Exception in (?:callback|thread) [^\n]{0,4096})"
    r"(?:\n(?:future|handle|source_traceback|task): [^\n]*)*\n(?=Traceback \(most recent call last\):)",
    re.MULTILINE,
)
"""What stands above the traceback of an error that ends a task, a callback or a thread, but not the process."""

_OF_HANDLERS = re.compile(
    r"^(?:a handler of event .{0,4096} raised|a stop handler raised;.{0,200}|the health check raised;.{0,200})\n"
)
_INPUT_LOST = re.compile(r"input cannot be read: ")
"""Beginnings of the same in the log of a LocalHub."""

_NO_ERRORS = (
    "SystemExit",
    "KeyboardInterrupt",
    "CancelledError",
    "asyncio.exceptions.CancelledError",
)
"""Exceptions of tasks that belong to an ordinary end."""

_NOT_UTF8 = re.compile(r"UnicodeDecodeError: 'utf-?8' codec can't decode")
_TEXT_IS_UTF8 = (
    "text/plain carries only UTF-8: send other input as application/octet-stream (`type=`), and have the program"
    " decode it"
)

_FINISHED = "Finished."
_STOPPING = "Gracefully shutting down"
_KILLING = "Control message received: 4002"
"""Written to the log by hubs' own Python runners: the program ended by itself, obeys a stop, was killed."""


_RUNNER_DIES = (
    "the hub's Python runner dies at its handshake on CPython 3.11.5 and newer (transform-hub issue 1051):"
    " give the hub an older CPython"
)

_CURES = {
    r"IncompleteReadError": _RUNNER_DIES,
    r"ModuleNotFoundError|^Error: Cannot find module": (
        "the hub has not got this module: send it along, with `requirements=` for a Python program"
    ),
    r"module '\w+' has no attribute 'run'|has no function `run": (
        "the file that `main` of package.json names must define `run(context, input, *args)`"
    ),
    r"has no attribute '(?:write_to|map)'|object has no attribute 'pipe'": (
        "what `run` returns is not a stream for this hub: return a scramjet.streams.Stream, or use `host.deploy`"
    ),
    r"data argument must be a bytes-like object|[Uu]nsupported content-?type|Content-Type is not supported": (
        "the runner can't use this content type with what the program gives: text/plain takes str,"
        " application/octet-stream bytes, application/x-ndjson values"
    ),
    r"entrypoint path .{0,4096} is invalid": (
        "`main` of package.json must name a file of the package"
    ),
    r"Context' object has no attribute '(?:log|logging|print|info|debug|warn|warning|error)'"
    r"|'Logger' object is not callable": (
        "the program's logger is context.logger: context.logger.info(text); print() goes to its stdout"
    ),
    r"Context' object has no attribute '(?:app_config|cfg|configuration|env|environ|options|params|settings)'": (
        "the program finds what start(app_config=...) gives in context.config"
    ),
    r"Context' object has no attribute '(?:arg|argv|args|arguments)'": (
        "what start(args=[...]) gives comes as further parameters: def name(context, input, *args)"
    ),
    r"'(?:Stream|_Input|async_generator)' object (?:has no attribute|is not iterable)": (
        "the input is no file: `async for piece in input` reads it in an async function, `for piece in input` in a"
        " generator; a piece may hold several lines, or a part of one"
    ),
    r"'async for' requires an object with __aiter__ method, got _Input": (
        "write `for piece in input` here, or make the function async"
    ),
    r"'coroutine' object (?:has no attribute|is not iterable|is not subscriptable)": (
        "an `await` is missing, as in `await input.read()` of an async function"
    ),
    r"^MemoryError|JavaScript heap out of memory|std::bad_alloc": (
        "the program has run out of memory: give it more (`limits`), or have it hold less at a time"
    ),
}
"""The cure for each known way to fail, by a pattern that is searched for in "Type: message". The first match counts."""

_SHORT_OF_RESOURCES = (
    "the hub has not enough memory, CPU or disk free for another instance: end some, or lower the limits that it"
    " was started with"
)
_RUNNER_FAILED = (
    "its runner ended at the handshake; on CPython 3.11.5 and newer hubs' Python runners do (transform-hub issue"
    " 1051): if this is a Python program, give the hub an older CPython. The hub's log says more"
)
"""Cures for a refused start."""


def cure_of(text: str) -> str | None:
    """Return the cure for a known failure, recognized by "Type: message"."""
    text = text[:_LONGEST_MESSAGE]
    return next((cure for sign, cure in _CURES.items() if re.search(sign, text)), None)


def _cure_of_call(text: str) -> str | None:
    """Return the cure for an error that no line of the program has raised."""
    # The runner decodes what comes as text.
    return _TEXT_IS_UTF8 if _NOT_UTF8.match(text) else cure_of(text)


def cured(error: HubResponseError) -> None:
    """Add a cure to the refusal of a start, if one is known."""
    if isinstance(error, InsufficientResourcesError):
        cure: str | None = _SHORT_OF_RESOURCES
    else:
        said = f"{error.message}\n{error.body or ''}"
        cure = cure_of(said) or (_RUNNER_FAILED if "Runner failed" in said else None)
        if _LOCAL_HUBS_RUNNER in said and cure in (_RUNNER_FAILED, _RUNNER_DIES):
            cure = None
    if cure is not None:
        error.message += f"; {cure}"


@attrs.frozen(kw_only=True)
class Evidence:
    """What stderr and log say about an end.

    Attributes:
        exit_code: 0 for a good end or a stop, the program's own code for a failure, the negative number of a signal;
            None if neither text says.
        cause: The error, as far as it is known.
        fatal: Whether that error, or a signal that the hub did not send, certainly ended the program.
    """

    exit_code: int | None = None
    cause: Cause | None = None
    fatal: bool = False


def evidence(stderr: bytes, log: bytes) -> Evidence:
    """Return what stderr and log say about the end of an instance."""
    records = list(_records(log))
    python = _last_traceback(_text(stderr))
    runner = [text for source, _, text in records if source == "PythonRunner"]
    told = _told(records)
    fatal = python is not None and python.by_runner and python.type != "SystemExit"
    if told is not None:
        cause = None if told.exit_code == 0 else told.cause or _best(python, records, stderr)
        return attrs.evolve(told, cause=cause)
    if runner and not fatal:
        last = runner[-1]
        if any(each.startswith(_STOPPING) for each in runner[-5:]) or last == _FINISHED:
            return Evidence(exit_code=0)
        if any(each.startswith(_KILLING) for each in runner[-5:]):
            return Evidence(exit_code=-9)
    if python is not None and python.type == "SystemExit":
        # Through the program's own lines it is the program's; a runner's own says nothing.
        return _exit_of(python.message) if python.own else Evidence()
    cause = _best(python, records, stderr)
    if fatal:
        return Evidence(exit_code=1, cause=cause, fatal=True)
    return Evidence(cause=cause)


@attrs.frozen(kw_only=True)
class Survived:
    """An error of a program that did not end it: then the program often waits for ever.

    It was found in `stream`: "stderr" or "log".
    """

    stream: str
    cause: Cause

    @property
    def said(self) -> str:
        """Where it was found, what it is, and its cure, as the end of a sentence."""
        cure = f"; {self.cause.cure}" if self.cause.cure else ""
        return f"its {self.stream} says {self.cause.summary}{cure}"


def survived(stderr: bytes, log: bytes) -> Survived | None:
    """Return the last error that has ended a task, a thread or the input of a program, but not the program."""
    runner = (
        text
        for source, level, text in _records(log)
        if level == "ERROR" and source == "PythonRunner"
    )
    for text in [*runner][::-1]:
        cause = _survived_in(text)
        if cause is not None:
            return Survived(stream="log", cause=cause)
    whole = _text(stderr[: stderr.rfind(b"\n") + 1])
    cause = _survived_in(whole)
    return None if cause is None else Survived(stream="stderr", cause=cause)


def _survived_in(text: str) -> Cause | None:
    if _INPUT_LOST.match(text):
        return Cause(type="", message=_shortened(text.strip()), traceback="")
    signs = [*_SURVIVED.finditer(text), *_OF_HANDLERS.finditer(text)]
    for sign in reversed(signs):
        found = _last_traceback(text[sign.end() :])
        if found is not None and found.type not in _NO_ERRORS:
            return found.cause()
    return None


def _exit_of(said: str) -> Evidence:
    """Return the meaning of the argument of `sys.exit`, as Python shows it."""
    try:
        value = ast.literal_eval(said) if said else None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        value = said
    if value is None:
        return Evidence(exit_code=0)
    if isinstance(value, int):
        code = int(value) & 0xFF
        return Evidence(exit_code=code, fatal=bool(code))
    cause = Cause(type="SystemExit", message=_shortened(str(value)), traceback="")
    return Evidence(exit_code=1, cause=cause, fatal=True)


def _told(records: list[tuple[str, str, str]]) -> Evidence | None:
    """Return what the log says explicitly about an end that has no code on the wire."""
    for source, _, text in reversed(records[-50:]):
        if source == HUB and (found := _SIGNAL.fullmatch(text)):
            return _signalled(found["name"])
        if found := _EXIT.fullmatch(text):
            return _exit_of(found["code"])
        if found := _FAILED.fullmatch(text):
            return Evidence(exit_code=int(found["code"]), fatal=True)
    return None


def _signalled(name: str) -> Evidence:
    number = int(name) if name.isdigit() else getattr(signal, name, None)
    return Evidence(exit_code=None if number is None else -int(number), fatal=True)


def settled(info: GetInstanceResponse, found: Evidence) -> GetInstanceResponse:
    """Return the info of an ended instance completed with the evidence; the hub's own facts take precedence."""
    how = info.terminated
    if how is not None and how.exit_code is not None:
        failed = how.exit_code > 0
        return attrs.evolve(info, cause=found.cause) if failed and found.cause else info
    code = found.exit_code
    if code is None or (how is None and not found.fatal):
        return info
    status: InstanceStatus = "crashed" if code and (code > 0 or found.fatal) else "stopped"
    reason = "" if how is None else how.reason
    raw = None if how is None else how.raw
    return attrs.evolve(
        info,
        status=status,
        terminated=Termination(exit_code=code, reason=reason, raw=raw),
        cause=found.cause if code > 0 else None,
    )


# -- the log --------------------------------------------------------------------------------------


def _text(data: bytes) -> str:
    return data[-_TAIL:].decode("utf-8", "replace").replace("\r\n", "\n")


def _records(log: bytes) -> Iterator[tuple[str, str, str]]:
    """Yield the writer, the level and the text of each record at the end of a log."""
    for line in log[-_TAIL:].splitlines():
        record = record_of(line)
        if record is not None:
            further = (each for each in record.data if isinstance(each, str))
            text = "\n".join([record.message, *further])
            yield record.source[:_LONGEST_NAME], record.level, text


# -- which of them --------------------------------------------------------------------------------


def _best(
    python: _Traceback | None, records: list[tuple[str, str, str]], stderr: bytes
) -> Cause | None:
    """Return the most informative error: one raised in a line of the user's code, if there is one."""
    if python is not None and python.type != "SystemExit":
        return python.cause()
    errors = [(source, text) for source, level, text in records if level in ("ERROR", "FATAL")]
    thrown = [found for source, text in errors if "Runner" in source and (found := _thrown(text))]
    logged = [raised for _, text in errors if (raised := _last_traceback(text))]
    causes = [
        *(each for each in reversed(thrown) if each.file is not None),
        *(each.cause() for each in reversed(logged)),
        *reversed(thrown),
    ]
    if causes:
        return causes[0]
    on_stderr = _thrown(_text(stderr))
    if on_stderr is not None:
        return on_stderr
    # The hub's own records only say that the program failed.
    plain = [text for source, text in errors if "Runner" in source and "Adapter" not in source]
    if not plain:
        return None
    head, _, rest = plain[-1].strip().partition("\n")
    call = _RAISED.match(rest) if head.startswith(_LOCAL_HUB_SAYS) else None
    if call is not None:
        # The call of the program failed, so no line of it is to blame.
        message = _shortened((call["message"] or "").strip("\n"))
        return Cause(type=call["type"], message=message, traceback="", cure=_cure_of_call(rest))
    said = _shortened(plain[-1].strip())
    return Cause(type="", message=said, traceback="", cure=cure_of(said)) if said else None


def _shortened(text: str, limit: int = _LONGEST_MESSAGE) -> str:
    return text if len(text) <= limit else text[:limit] + "…"


# -- Python ---------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class _CodeLine:
    """A line of code; its fields are those of a `Cause`."""

    file: str
    line: int
    function: str | None


@attrs.frozen(kw_only=True)
class _Traceback:
    """A parsed Python traceback.

    Attributes:
        type, message: The exception that was raised.
        text: The traceback without internal lines, preceded by those that it is chained to.
        own: Its lines that are not internal.
        by_runner: Whether it passed through all of a hub's runner, and so ended the program.
    """

    type: str
    message: str
    text: str
    own: tuple[_CodeLine, ...]
    by_runner: bool

    def cause(self) -> Cause:
        users = [each for each in self.own if not _LIBRARY.search(each.file)]
        own = users or list(self.own)
        place = own[-1] if own else None
        said = f"{self.type}: {self.message}"
        cure = cure_of(said) if users else _cure_of_call(said)
        return Cause(
            type=self.type,
            message=_shortened(self.message),
            traceback=_shortened(self.text, _LONGEST_TRACEBACK),
            # A program that runs has a runner that works.
            cure=None if users and cure == _RUNNER_DIES else cure,
            **({} if place is None else attrs.asdict(place)),
        )


_Frame = tuple[_CodeLine, list[str]]
"""A place, and the lines of a traceback about it."""


def _last_traceback(text: str) -> _Traceback | None:
    """Return the last traceback of a text, with the tracebacks that it is chained to."""
    starts = [each.start() for each in _HEADER.finditer(text)][-20:]
    if not starts:
        return None
    blocks = [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)])]
    first = len(blocks) - 1
    while first and _CHAINED.search(blocks[first - 1]):
        first -= 1
    read = [_block(each) for each in blocks[first:]]
    found = read[-1]
    if found is None:
        return None
    whole = "\n".join(each.text.rstrip("\n") + "\n" for each in read if each is not None)
    return attrs.evolve(found, text=whole)


def _block(block: str) -> _Traceback | None:
    """Read one traceback; None if it is cut off before the line with the exception."""
    lines = block.split("\n")
    grouped = lines[0].startswith("  + ")
    body = [each.removeprefix("  | ") for each in lines[1:]] if grouped else lines[1:]
    frames: list[_Frame] = []
    at = next((at for at, each in enumerate(body) if not each.startswith(" ")), None)
    if at is None:
        return None
    for line in body[:at]:
        place = _FRAME.match(line)
        if place is not None:
            found = _CodeLine(
                file=place["file"], line=int(place["line"]), function=place["function"]
            )
            frames.append((found, [line]))
        elif frames:
            frames[-1][1].append(line)
    said, rest = _said(body[at:])
    raised = _RAISED.match(said)
    if raised is None:
        return None
    frames = frames[-_MOST_FRAMES:]
    kept = _cut(frames)
    belongs = grouped or _CHAINED.search("\n" + rest) is not None
    text = [
        "Traceback (most recent call last):",
        *(line for _, each in kept for line in each),
        said,
        *([rest.rstrip("\n")] if belongs else []),
    ]
    first = frames[0][0] if frames else None
    by_runner = (
        first is not None and first.function == "<module>" and _RUNNER_MAIN.search(first.file)
    )
    return _Traceback(
        type=raised["type"],
        message=(raised["message"] or "").strip("\n"),
        text="\n".join(text),
        own=tuple(place for place, _ in kept),
        by_runner=bool(by_runner),
    )


def _said(lines: list[str]) -> tuple[str, str]:
    """Return the text of the exception, notes included, and the text that follows it."""
    end = next((at for at, each in enumerate(lines) if not each.strip()), len(lines))
    inner = next((at for at, each in enumerate(lines) if each.startswith("  +-")), end)
    end = min(end, inner)
    return "\n".join(lines[:end])[: 4 * _LONGEST_MESSAGE], "\n".join(lines[end:])


def _cut(frames: list[_Frame]) -> list[_Frame]:
    """Leave out internal frames. Frames beneath the program are left out only above its own first line."""
    kept = [each for each in frames if not _OURS.search(each[0].file)]
    while kept and _BENEATH.search(kept[0][0].file):
        del kept[0]
    return kept


# -- Node.js --------------------------------------------------------------------------------------


def _thrown(text: str) -> Cause | None:
    """Return the last error in a text that has a Node.js stack below it."""
    lines = text.split("\n")[-2000:]
    end = next((at for at in range(len(lines) - 1, -1, -1) if _AT.match(lines[at])), None)
    if end is None:
        return None
    start = end
    while start and _AT.match(lines[start - 1]):
        start -= 1
    head = _head(lines, start)
    if head is None:
        return None
    thrown = _THROWN.match("\n".join(lines[head:start]).rstrip("\n"))
    if thrown is None:
        return None
    stack = [line for line in lines[start : end + 1] if not _is_of_node(line)]
    places = [place for line in stack if (place := _place(line)) is not None]
    users = [each for each in places if not _LIBRARY.search(each.file)]
    place = users[0] if users else _place_above(lines[max(0, head - 20) : head])
    # Node.js lists the files that led to a missing module. Except for the first, they are the runner's own.
    message = (thrown["message"] or "").partition("\nRequire stack:\n")[0].strip()
    shown = f"{thrown['type']}: {message}" if message else thrown["type"]
    return Cause(
        type=thrown["type"],
        message=_shortened(message),
        traceback=_shortened("\n".join([shown, *stack]) + "\n", _LONGEST_TRACEBACK),
        cure=cure_of(shown),
        **({} if place is None else attrs.asdict(place)),
    )


def _head(lines: list[str], start: int) -> int | None:
    """Return the line where an error begins, given the line where its stack begins (`start`)."""
    for at in range(start - 1, max(-1, start - 20), -1):
        if _THROWN_FAR.match(lines[at]):
            return at
    if start and lines[start - 1].strip():
        return start - 1
    return None


def _place(line: str) -> _CodeLine | None:
    found = _AT.match(line)
    place = None if found is None else _PLACE.match(found["where"].removeprefix("async "))
    if place is None:
        return None
    return _CodeLine(file=place["file"], line=int(place["line"]), function=place["function"])


def _place_above(lines: list[str]) -> _CodeLine | None:
    """Return the place that Node.js writes above a syntax error."""
    found = [each for line in lines if (each := _ABOVE.match(line))]
    if not found:
        return None
    return _CodeLine(file=found[-1]["file"], line=int(found[-1]["line"]), function=None)


def _is_of_node(line: str) -> bool:
    place = _place(line)
    return place is not None and bool(_NODE_OURS.search(place.file))
