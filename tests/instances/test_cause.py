"""What stderr and logs of real runners say of an end: a table of texts as they were seen, a line each."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from scramjet_client import (
    BadParametersError,
    HostClient,
    HubResponseError,
    InsufficientResourcesError,
)
from scramjet_client.instances.cause import cure_of, evidence
from scramjet_client.models import Cause
from tests.support.wire import Conn, RawServer

RUNNER = "/opt/hub/node_modules/@scramjet/python-runner/runner.py"
MAIN = "/tmp/hub/sequences/2f10d171-a743-420c-8c7b-ba5d481eff84/main.py"

HEAD = "Traceback (most recent call last):\n"

BY_RUNNER = f"""\
  File "{RUNNER}", line 365, in <module>
    asyncio.run(runner.main(server_host, server_port))
  File "/usr/lib/python3.11/asyncio/runners.py", line 190, in run
    return runner.run(main)
           ^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/asyncio/base_events.py", line 653, in run_until_complete
    return future.result()
           ^^^^^^^^^^^^^^^
  File "{RUNNER}", line 68, in main
    await self.run_instance(config, args)
  File "{RUNNER}", line 212, in run_instance
    result = self.sequence.run(context, input_stream, *args)
             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
"""

OWN = f"""\
  File "{MAIN}", line 4, in run
    return helper("bad")
           ^^^^^^^^^^^^^
  File "{MAIN}", line 2, in helper
    return int(x)
           ^^^^^^
"""

BAD = "ValueError: invalid literal for int() with base 10: 'bad'\n"

BY_LOOP = f"""\
Task exception was never retrieved
future: <Task finished name='Task-15' coro=<consume() done, defined at streams.py:127> exception=SystemExit(3)>
{HEAD}  File "/usr/lib/python3.11/asyncio/runners.py", line 190, in run
    return runner.run(main)
  File "/opt/python-runner/__pypackages__/scramjet/streams.py", line 133, in consume
    [await stream._pyfca.write(item) async for item in iterable]
"""

STOP = f"""\
Task exception was never retrieved
future: <Task finished name='Task-12' coro=<Runner.connect_control_stream() done> exception=SystemExit(1)>
{HEAD}  File "/usr/lib/python3.11/asyncio/events.py", line 80, in _run
    self._context.run(self._callback, *self._args)
  File "{RUNNER}", line 159, in connect_control_stream
    await self.handle_stop(data)
  File "{RUNNER}", line 321, in exit_immediately
    sys.exit(1)
SystemExit: 1
"""

INDEX = "/tmp/hub/sequences/5aee6c82-ce8b-4cc7-8826-016210f116f1/index.js"
NODE_RUNNER = "/opt/hub/node_modules/@scramjet/runner/src/runner.js"

THROWN = f"""\
TypeError: bad thing
    at helper ({INDEX}:1:25)
    at module.exports ({INDEX}:2:28)
    at Runner.runSequence ({NODE_RUNNER}:468:28)
    at Runner.main ({NODE_RUNNER}:330:24)"""

MISSING = f"""\
Error: Cannot find module 'nothere-x'
Require stack:
- {INDEX}
- {NODE_RUNNER}
    at Module._resolveFilename (node:internal/modules/cjs/loader:1207:15)
    at Object.<anonymous> ({INDEX}:1:1)
    at Runner.main ({NODE_RUNNER}:295:29)"""

SYNTAX = f"""\
{INDEX}:1
module.exports = function( {{
                            ^

SyntaxError: Unexpected end of input
    at wrapSafe (node:internal/modules/cjs/loader:1464:18)
    at Runner.main ({NODE_RUNNER}:295:29)"""


def log(*records: tuple[str, str, str] | tuple[str, str, str, list[Any]]) -> bytes:
    lines = []
    for source, level, msg, *data in records:
        record = {"msg": msg, "level": level, "ts": 1, "from": source}
        lines.append(json.dumps({**record, **({"data": data[0]} if data else {})}))
    return "".join(line + "\n" for line in lines).encode()


def python(*messages: str) -> bytes:
    """Return the log of a hub's Python runner that ends with these messages, and the hub's own words after it."""
    runner = [("PythonRunner", "INFO", each) for each in ("Running instance...", *messages)]
    return log(
        *runner, ("CSIController", "ERROR", "Instance promise rejected", [{"exitcode": 213}])
    )


@attrs.frozen
class Case:
    """What was said, and what it means.

    Attributes:
        name: A name.
        code: The exit code that it proves.
        stderr, log: What was said.
        summary: The error on one line; None for no error.
        cure: A word of what to do.
    """

    name: str
    code: int | None
    stderr: str = ""
    log: bytes = b""
    summary: str | None = None
    cure: str | None = None


CASES = [
    Case("nothing", None),
    Case("good end", 0, log=python("Finished.")),
    Case("good end after a caught error", 0, HEAD + OWN + BAD, python("Finished.")),
    Case(
        "stop",
        0,
        STOP,
        python("Control message received: 4001 {}", "Gracefully shutting down...{}"),
    ),
    Case("kill", -9, STOP, python("Control message received: 4002 {}")),
    Case("os._exit", None, log=python()),
    Case(
        "caught error, then a kill from outside",
        None,
        HEAD + OWN + BAD + "\nwent on\n",
        python(),
        "ValueError: invalid literal for int() with base 10: 'bad' (in helper, line 2)",
    ),
    Case(
        "raised in run",
        1,
        HEAD + BY_RUNNER + OWN + BAD,
        python(),
        "ValueError: invalid literal for int() with base 10: 'bad' (in helper, line 2)",
    ),
    Case(
        "raised in run, log unread",
        1,
        HEAD + BY_RUNNER + OWN + BAD,
        summary="ValueError: invalid literal for int() with base 10: 'bad' (in helper, line 2)",
    ),
    Case(
        "deployed function",
        1,
        HEAD + OWN + BAD,
        python() + log(("X", "INFO", "the program failed, with exit code 1")),
        "ValueError: invalid literal for int() with base 10: 'bad' (in helper, line 2)",
    ),
    Case(
        "raised in a library",
        1,
        f'{HEAD}{BY_RUNNER}{OWN}  File "/usr/lib/python3.11/json/decoder.py", line 9, in raw\n    x\n{BAD}',
        summary="ValueError: invalid literal for int() with base 10: 'bad' (in helper, line 2)",
    ),
    Case(
        "chained",
        1,
        f"{HEAD}{OWN}{BAD}\nThe above exception was the direct cause of the following exception:\n\n"
        f'{HEAD}{BY_RUNNER}  File "{MAIN}", line 9, in run\n    raise X from e\nRuntimeError: the end\n',
        summary="RuntimeError: the end (in run, line 9)",
    ),
    Case(
        "syntax error",
        1,
        f'{HEAD}{BY_RUNNER}  File "<frozen importlib._bootstrap>", line 241, in _call\n'
        f"  File \"{MAIN}\", line 1\n    def run(context, input)\n        ^\nSyntaxError: expected ':'\n",
        summary="SyntaxError: expected ':' (in main.py, line 1)",
    ),
    Case(
        "without a message",
        1,
        f"{HEAD}{BY_RUNNER}{OWN}KeyError\n",
        summary="KeyError (in helper, line 2)",
    ),
    Case("sys.exit(3)", 3, f"{BY_LOOP}{OWN}SystemExit: 3\n", python()),
    Case("sys.exit(0)", 0, f"{BY_LOOP}{OWN}SystemExit: 0\n", python()),
    Case("sys.exit of a function", 3, log=log(("X", "INFO", "the program called sys.exit(3)"))),
    Case(
        "sys.exit() of a function", 0, log=log(("X", "INFO", "the program called sys.exit(None)"))
    ),
    Case(
        "sys.exit('text')",
        1,
        log=log(("X", "INFO", "the program called sys.exit('the reason')")),
        summary="SystemExit: the reason",
    ),
    Case(
        "signal",
        -11,
        log=log(("CSIController", "ERROR", "the process was ended by signal SIGSEGV")),
    ),
    Case(
        "missing module",
        1,
        f"{HEAD}{BY_RUNNER}  File \"{MAIN}\", line 1, in <module>\nModuleNotFoundError: No module named 'numpyy'\n",
        summary="ModuleNotFoundError: No module named 'numpyy' (in main.py, line 1)",
        cure="requirements=",
    ),
    Case(
        "no run",
        1,
        f"{HEAD}{BY_RUNNER}AttributeError: module 'sequence' has no attribute 'run'\n",
        summary="AttributeError: module 'sequence' has no attribute 'run'",
        cure="must define `run",
    ),
    Case(
        "a list",
        1,
        f"{HEAD}{BY_RUNNER}AttributeError: 'list' object has no attribute 'map'\n",
        summary="AttributeError: 'list' object has no attribute 'map'",
        cure="is not a stream",
    ),
    Case(
        "a content type",
        1,
        f"{HEAD}{BY_RUNNER}TypeError: data argument must be a bytes-like object, not 'str'\n",
        summary="TypeError: data argument must be a bytes-like object, not 'str'",
        cure="content type",
    ),
    Case(
        "the handshake of new Pythons",
        1,
        f"{HEAD}{BY_RUNNER}asyncio.exceptions.IncompleteReadError: 0 bytes read on a total of 1 expected bytes\n",
        summary="asyncio.exceptions.IncompleteReadError: 0 bytes read on a total of 1 expected bytes",
        cure="issue 1051",
    ),
    Case(
        "thrown",
        None,
        log=log(
            ("Runner", "ERROR", "Function errored", [1, THROWN]),
            (
                "Runner",
                "ERROR",
                "Error occurred: ",
                [f"Error: Application\n    at Runner.main ({NODE_RUNNER}:3:4)"],
            ),
            ("CSIController", "ERROR", "Crashlog", [[]]),
        ),
        summary="TypeError: bad thing (in helper, line 1)",
    ),
    Case(
        "missing module of Node",
        None,
        log=log(("Runner", "ERROR", "Sequence error:", [MISSING])),
        summary="Error: Cannot find module 'nothere-x' (in index.js, line 1)",
        cure="has not got this module",
    ),
    Case(
        "syntax error of Node",
        None,
        log=log(("Runner", "ERROR", "Sequence syntax error.", [SYNTAX])),
        summary="SyntaxError: Unexpected end of input (in index.js, line 1)",
    ),
    Case(
        "uncaught",
        None,
        f"Error: later\n    at Timeout._onTimeout ({INDEX}:1:57)\n    at listOnTimeout (node:internal/timers:5:7)\n",
        summary="Error: later (in Timeout._onTimeout, line 1)",
    ),
    Case(
        "an error of the hub alone",
        None,
        log=log(("CSIController", "ERROR", "Error caught", [None])),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_said(case: Case):
    """Each text as runners leave it gives the code that it proves, the program's error, and its cure."""
    found = evidence(case.stderr.encode(), case.log)

    cause = found.cause
    assert found.exit_code == case.code
    if case.code not in (0, None) or cause is not None:
        assert (None if cause is None else cause.summary) == case.summary
    if case.cure is not None:
        assert cause is not None
        assert case.cure in (cause.cure or "")


@pytest.mark.parametrize(
    "case", [each for each in CASES if each.summary], ids=lambda case: case.name
)
def test_internal_lines_are_cut(case: Case):
    """No traceback names what runs the program."""
    cause = evidence(case.stderr.encode(), case.log).cause

    assert cause is not None
    for word in ("python-runner", "runner.js", "asyncio/", "node:internal", "<frozen"):
        # The text of an error is the program's own.
        assert word not in cause.traceback.replace(cause.message, "")


def test_places():
    """File, line and function are those of the innermost line of the user's."""
    cause = evidence((HEAD + BY_RUNNER + OWN + BAD).encode(), b"").cause

    assert cause is not None
    assert (cause.file, cause.line, cause.function) == (MAIN, 2, "helper")
    assert cause.traceback == HEAD + OWN + BAD
    assert str(cause) == cause.summary


HOSTILE = {
    "endless message": HEAD + BY_RUNNER + OWN + "ValueError: " + "x" * 10_000_000,
    "endless frames": HEAD + BY_RUNNER + OWN * 100_000 + BAD,
    "endless tracebacks": (HEAD + OWN + BAD) * 50_000,
    "endless headers": HEAD * 300_000,
    "endless stack": "Error: x\n" + "    at f (a.js:1:1)\n" * 300_000,
    "control characters": HEAD + OWN + "ValueError: \x1b]0;title\x07\x1b[2J\n",
    "no UTF-8": HEAD + OWN + "ValueError: \udcff\udcfe\n",
    "spaces": " " * 1_000_000,
    "colons": ":" * 1_000_000,
    "file": '  File "' * 100_000,
    "quotes": HEAD + '  File "' + "a" * 1_000_000 + '", line 1, in x\n' + BAD,
    "parentheses": "E: x\n    at " + "(" * 1_000_000,
    "deep argument": "the program called sys.exit(" + "(" * 3000 + ")",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("where", ["stderr", "log", "record", "exit"])
def test_hostile_texts(name: str, where: str):
    """Whatever was written, a cause is small, and can be printed."""
    text = HOSTILE[name]
    said = text.encode("utf-8", "surrogateescape")
    if where == "record":
        said = log(
            ("Runner", "ERROR", text), ("PythonRunner", "ERROR", text, [text, [[[text]]], None, 1])
        )
    elif where == "exit":
        said = log(("Runner", "INFO", f"the program called sys.exit({text})"))

    cause = evidence(said if where == "stderr" else b"", b"" if where == "stderr" else said).cause

    if cause is not None:
        assert len(cause.summary) < 1000
        assert len(cause.traceback) < 40_000
        assert len(cause.message) < 3000
        assert "\x1b" not in cause.summary
        assert "\n" not in cause.summary


@pytest.mark.parametrize(
    "junk", [b"[" * 100_000, b"{}\n[]\nnull\n1\n", b'{"level": "ERROR", "msg": {}, "from": 1}\n']
)
def test_log_that_is_no_log(junk: bytes):
    """Lines that are no records say nothing."""
    assert evidence(b"", junk).cause is None


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("AttributeError: 'AppContext' object has no attribute 'log'", "context.logger.info(text)"),
        ("TypeError: 'Logger' object is not callable", "context.logger.info(text)"),
        ("AttributeError: 'AppContext' object has no attribute 'params'", "context.config"),
        ("AttributeError: 'AppContext' object has no attribute 'args'", "*args"),
        ("AttributeError: '_Input' object has no attribute 'lines'", "for piece in input"),
        (
            "AttributeError: 'Stream' object has no attribute 'readlines'",
            "async for piece in input",
        ),
        ("TypeError: 'Stream' object is not iterable", "async for piece in input"),
        ("AttributeError: 'coroutine' object has no attribute 'decode'", "await input.read()"),
    ],
)
def test_wrong_guesses_in_programs_have_cures(said: str, cure: str):
    """What a program guesses of its context and its input is answered with what there is."""
    assert cure in (cure_of(said) or "")


def test_cures_are_known():
    """What is no known way to fail has no cure."""
    assert cure_of("ValueError: no number in line 3") is None


@pytest.mark.parametrize(
    ("file", "cure"),
    [
        ("/srv/seq/main.py", None),
        ("/usr/lib/node_modules/@scramjet/python-runner/runner.py", "issue 1051"),
    ],
)
def test_fault_of_a_runner(file: str, cure: str | None):
    """What only a runner at its handshake raises is no known fault where a program's own line raises it."""
    stderr = (
        "Traceback (most recent call last):\n"
        f'  File "{file}", line 3, in <module>\n    wait()\n'
        "asyncio.exceptions.IncompleteReadError: 0 bytes read on a total of 36 expected bytes\n"
    )
    found = evidence(stderr.encode(), b"").cause

    assert found is not None
    assert (found.cure is None) if cure is None else (cure in (found.cure or ""))


def test_summary_without_a_place():
    """A sentence of the runner is shown as it is."""
    assert Cause(type="", message="run() returned list").summary == "run() returned list"


@pytest.mark.parametrize(
    ("status", "said", "kind", "cure"),
    [
        ("400 Bad Request", "Runner failed", BadParametersError, "issue 1051"),
        (
            "400 Bad Request",
            "Sequence entrypoint path x.py is invalid. Check `main` field in Sequence package.json",
            BadParametersError,
            "must name a file of the package",
        ),
        ("419 Insufficient resources", "no memory", InsufficientResourcesError, "end some"),
        ("507 Insufficient Storage", "no memory", InsufficientResourcesError, "end some"),
    ],
)
def test_start_that_is_refused(status: str, said: str, kind: type[HubResponseError], cure: str):
    """The refusal of a start says what the hub said, and what to do about it."""

    def serve(conn: Conn) -> None:
        while (request := conn.read_request()) is not None:
            conn.read_body(request)
            if request.method == "GET":
                conn.send_json("200 OK", {"version": "1.0.1", "apiVersion": "v1", "service": "x"})
            else:
                conn.send_json(status, {"error": said})

    with RawServer(serve) as server, HostClient(server.url) as host, pytest.raises(kind) as caught:
        host.get_sequence_client("s").start()

    assert said in str(caught.value)
    assert cure in str(caught.value)
    assert str(caught.value) == caught.value.message
