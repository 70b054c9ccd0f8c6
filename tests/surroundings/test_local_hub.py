"""LocalHub in the processes that people have: one table of surroundings, to which a further one is one line.

In each of them a process starts a LocalHub, deploys a function, sends to it and reads from it.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.support.cases import mostly_long
from tests.surroundings.programs import environment

LIMIT = 120.0
"""Seconds in which a program must have come to its end; only a hang needs them."""

PROGRAM = """
{before}
import sys
sys.path.insert(0, {root!r})
from scramjet_client.hub import LocalHub

def shout(context, input):
    import signal, subprocess
    print("began")
    for chunk in input:
        text = chunk if isinstance(chunk, str) else chunk.decode()
        yield text.upper()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    ignored = [int(n) for n in signal.valid_signals() if signal.getsignal(n) is signal.SIG_IGN]
    yield f"{{sorted(blocked)}} {{sorted(ignored)}} {{subprocess.run(['/bin/sh', '-c', 'exit 4']).returncode}}"

def leaves(context, input):
    yield "left"
    sys.exit(3)

def expect(found, expected, done):
    if found != expected:  # no assert, for -O
        raise SystemExit(f"{{found!r}} instead of {{expected!r}}: {{done.info}} {{done.stderr}} {{done.log}}")

def use():
    with LocalHub() as hub, hub.client() as host:
        done = host.deploy(shout).run("ąb\\n", type="text/plain", timeout=90)
        expect(done.output.decode(), "ĄB\\n[] [13, 25] 4", done)
        expect(done.stdout, b"began\\n", done)
        expect(done.info.terminated.exit_code, 0, done)
        done = host.deploy(leaves).run(timeout=90)
        expect((done.output, done.info.terminated.exit_code), (b"left", 3), done)
        hub.check()
    with open({report!r}, "w") as file:
        file.write("whole")

{around}
"""

PLAIN = 'if __name__ == "__main__":\n    use()'

THREAD = """
if __name__ == "__main__":
    import threading
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
"""

IN_A_LOOP = """
async def main():
    use()

if __name__ == "__main__":
    import asyncio
    asyncio.run(main())
"""

BESIDE_A_LOOP = """
async def main():
    await asyncio.get_running_loop().run_in_executor(None, use)

if __name__ == "__main__":
    import asyncio
    asyncio.run(main())
"""

FORKED = """
import os
if __name__ == "__main__":
    pid = os.fork()
    if not pid:
        use()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
"""

SPAWNED = """
import multiprocessing
if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=use)
    process.start()
    process.join()
    assert process.exitcode == 0
"""

OWN_POLICY = """
import asyncio

class Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self):
        raise RuntimeError("loops of this process are made by its framework")

asyncio.set_event_loop_policy(Policy())
"""

LOGGING = """
import logging.config
logging.config.dictConfig({"version": 1, "disable_existing_loggers": True, "root": {"level": "CRITICAL"}})
logging.disable(logging.CRITICAL)
"""

CLOSED = "import os\nfor fd in {}:\n    os.close(fd)"

IGNORED = "import signal\nsignal.signal(signal.{}, signal.SIG_IGN)"

NO_CWD = """
import os, tempfile
gone = tempfile.mkdtemp()
os.chdir(gone)
os.rmdir(gone)
"""

REAPING = """
import os, signal
def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
signal.signal(signal.SIGCHLD, reap)
"""

GEVENT = "from gevent import monkey\nmonkey.patch_all()"


def _limited(what: int, most: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(what, (most, most))


def _no_descriptors() -> None:
    for fd in range(3):
        os.close(fd)


@attrs.frozen
class Surrounding:
    """What is special about a process.

    Attributes:
        before: Code that runs first.
        around: Code that calls `use()`.
        env: Variables; None takes one away. `{tmp}` is a folder of the test's own.
        flags: Options of the interpreter.
        prepare: What the new process does before it becomes Python.
        folders: Folders to make below `{tmp}`, with their modes.
    """

    before: str = ""
    around: str = PLAIN
    env: dict[str, str | None] = attrs.field(factory=dict)
    flags: tuple[str, ...] = ()
    prepare: Callable[[], Any] | None = None
    folders: dict[str, int] = attrs.field(factory=dict)


SURROUNDINGS = {
    "plain": Surrounding(),
    # Sockets.
    "default timeout": Surrounding("import socket\nsocket.setdefaulttimeout(30)"),
    "default timeout of nothing": Surrounding("import socket\nsocket.setdefaulttimeout(0)"),
    "default timeout by sitecustomize": Surrounding(env={"PYTHONPATH": "{tmp}/site"}),
    "gevent": Surrounding(GEVENT),
    # Loops.
    "uvloop": Surrounding("import uvloop\nuvloop.install()"),
    "a policy without loops": Surrounding(OWN_POLICY),
    "in a loop": Surrounding(around=IN_A_LOOP),
    "beside a loop": Surrounding(around=BESIDE_A_LOOP),
    "beside uvloop": Surrounding("import uvloop\nuvloop.install()", BESIDE_A_LOOP),
    "debugged loops": Surrounding(env={"PYTHONASYNCIODEBUG": "1"}),
    # Processes and threads.
    "a thread": Surrounding(around=THREAD),
    "a forked child": Surrounding(around=FORKED),
    "a spawned child": Surrounding(around=SPAWNED),
    # Signals.
    "SIGCHLD ignored": Surrounding(IGNORED.format("SIGCHLD")),
    "SIGCHLD inherited ignored": Surrounding(
        prepare=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    ),
    "SIGCHLD reaped by others": Surrounding(REAPING),
    "SIGINT ignored": Surrounding(IGNORED.format("SIGINT")),
    "SIGTERM ignored": Surrounding(IGNORED.format("SIGTERM")),
    "SIGHUP ignored": Surrounding(prepare=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)),
    "SIGPIPE by default": Surrounding(
        "import signal\nsignal.signal(signal.SIGPIPE, signal.SIG_DFL)"
    ),
    "all signals blocked": Surrounding(
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())"
    ),
    # Files.
    "no stdin": Surrounding(CLOSED.format("[0]")),
    "no stdout": Surrounding(CLOSED.format("[1]")),
    "no standard streams": Surrounding(CLOSED.format("range(3)")),
    "started without standard streams": Surrounding(prepare=_no_descriptors),
    "no sys.stdout": Surrounding("import sys\nsys.stdin = sys.stdout = sys.stderr = None"),
    "few descriptors": Surrounding(prepare=_limited(resource.RLIMIT_NOFILE, 64)),
    "no core files": Surrounding(prepare=_limited(resource.RLIMIT_CORE, 0)),
    "a small stack": Surrounding(prepare=_limited(resource.RLIMIT_STACK, 1 << 20)),
    "no working directory": Surrounding(NO_CWD),
    "umask": Surrounding("import os\nos.umask(0o777)"),
    # Variables.
    "no HOME": Surrounding(env={"HOME": None}),
    "HOME that is not there": Surrounding(env={"HOME": "/nowhere"}),
    "no PATH": Surrounding(env={"PATH": None}),
    "TMPDIR with spaces": Surrounding(
        env={"TMPDIR": "{tmp}/a b 'c' \"d\""}, folders={"a b 'c' \"d\"": 0o700}
    ),
    "TMPDIR long": Surrounding(env={"TMPDIR": "{tmp}/" + "x" * 200}, folders={"x" * 200: 0o700}),
    "TMPDIR with letters": Surrounding(env={"TMPDIR": "{tmp}/zażółć"}, folders={"zażółć": 0o700}),
    "TMPDIR that is not there": Surrounding(env={"TMPDIR": "/nowhere/at/all"}),
    "TMPDIR relative": Surrounding(env={"TMPDIR": "."}),
    "TMPDIR read-only": Surrounding(env={"TMPDIR": "{tmp}/ro"}, folders={"ro": 0o500}),
    "LANG=C": Surrounding(
        env={"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    ),
    "POSIX": Surrounding(env={"LC_ALL": "POSIX"}),
    "latin-1": Surrounding(env={"PYTHONIOENCODING": "latin-1"}),
    "PYTHONSTARTUP": Surrounding(env={"PYTHONSTARTUP": "/nowhere.py", "PYTHONINSPECT": None}),
    "PYTHONUNBUFFERED": Surrounding(env={"PYTHONUNBUFFERED": "1"}),
    "PYTHONOPTIMIZE": Surrounding(env={"PYTHONOPTIMIZE": "2"}),
    "PYTHONSAFEPATH": Surrounding(env={"PYTHONSAFEPATH": "1"}),
    "PYTHONDEVMODE": Surrounding(env={"PYTHONDEVMODE": "1"}),
    "PYTHONWARNINGS": Surrounding(env={"PYTHONWARNINGS": "error"}),
    "PYTHONDONTWRITEBYTECODE": Surrounding(env={"PYTHONDONTWRITEBYTECODE": "1"}),
    "PYTHONHOME that is not heeded": Surrounding(env={"PYTHONHOME": "/nowhere"}, flags=("-E",)),
    "PYTHONNOUSERSITE": Surrounding(env={"PYTHONNOUSERSITE": "1"}),
    # Options.
    "-W error": Surrounding(flags=("-W", "error")),
    "-I": Surrounding(flags=("-I",)),
    "-E -s": Surrounding(flags=("-E", "-s")),
    "-X dev": Surrounding(flags=("-X", "dev")),
    "-OO": Surrounding(flags=("-OO",)),
    "-u": Surrounding(flags=("-u",)),
    # Settings of the program's own.
    "its own logging": Surrounding(LOGGING),
    "its own warnings": Surrounding("import warnings\nwarnings.simplefilter('error')"),
    "its own locale": Surrounding("import locale\nlocale.setlocale(locale.LC_ALL, 'C')"),
    "a low recursion limit": Surrounding("import sys\nsys.setrecursionlimit(400)"),
    "a tracer": Surrounding("import sys, threading\nthreading.settrace(lambda *_: None)"),
}


ALWAYS = {
    *("default timeout of nothing", "gevent", "uvloop", "a forked child", "SIGCHLD ignored"),
    *("started without standard streams", "few descriptors", "no working directory", "TMPDIR long"),
    *("no PATH", "LANG=C", "-I"),
}
"""One of each kind: libraries, processes, signals, descriptors, folders, variables and flags."""


@pytest.mark.parametrize("name", mostly_long(SURROUNDINGS, but=ALWAYS))
def test_surrounding(name: str, tmp_path: Path):
    """A LocalHub works, and its instances are as they are everywhere."""
    surrounding = SURROUNDINGS[name]
    report, program = tmp_path / "report", tmp_path / "program.py"
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import socket\nsocket.setdefaulttimeout(30)\n"
    )
    for folder, mode in surrounding.folders.items():
        (tmp_path / folder).mkdir(mode=mode)
    program.write_text(
        PROGRAM.format(
            before=surrounding.before,
            around=surrounding.around,
            root=str(Path(__file__).resolve().parent.parent.parent),
            report=str(report),
        ),
        "utf-8",
    )
    env = {k: v for k, v in environment().items() if k not in surrounding.env}
    for key, value in surrounding.env.items():
        if value is not None:
            env[key] = value.replace("{tmp}", str(tmp_path))

    done = subprocess.run(
        [sys.executable, *surrounding.flags, str(program)],
        cwd=tmp_path,
        env=env,
        preexec_fn=surrounding.prepare,
        capture_output=True,
        timeout=LIMIT,
        check=False,
    )

    assert report.exists(), done.stderr.decode("utf-8", "replace")
    assert (report.read_text(), done.returncode) == ("whole", 0)
