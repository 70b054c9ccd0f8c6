"""`scramjet dev` in processes and terminals of its own: restarts, input, errors, ends."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from scramjet_client import HostClient, cli
from scramjet_client.hub import LocalHub
from scramjet_client.hub.__main__ import main as hub_main
from tests.cli.conftest import Command, run
from tests.cli.terminal import COMMAND, environment, terminal
from tests.support.cases import mostly_long
from tests.support.real_hub import RealHub
from tests.support.scripted_hub import H1Hub, Instance
from tests.support.signals import hearing, ignoring
from tests.support.waiting import LIMIT, eventually
from tests.support.wheels import make_wheel
from tests.support.wire import Conn, Request

CTRL_C, CTRL_D = "\x03", "\x04"

ECHO = """
import sys
async def run(context, input):
    print("version one", file=sys.stderr)
    async for text in input:
        yield text.upper()
"""


@pytest.fixture
def own(home: Path) -> dict[str, str]:
    """The environment of a command that starts its own hub."""
    return environment(home, None)


class Lines:
    """A command whose stdout and stderr are one pipe, read line by line on a thread."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.decode().rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def until(self, pattern: str, since: int = 0) -> int:
        """Wait for a line that matches, and return the number of lines up to it."""
        with self._news:

            def found() -> int | None:
                at = (n for n, line in enumerate(self.lines) if n >= since)
                return next((n + 1 for n in at if re.search(pattern, self.lines[n])), None)

            self._news.wait_for(lambda: found() or self._ended, LIMIT)
            got = found()
            assert got, f"{pattern!r} did not come: {self.lines!r}"
            return got

    def write(self, text: str) -> None:
        """Write to its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def end(self, number: int | None = signal.SIGINT) -> int:
        """Send it a signal, and return its exit code."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(LIMIT)
        self._thread.join(LIMIT)
        return code


@contextlib.contextmanager
def dev(
    arguments: list[object],
    env: dict[str, str],
    cwd: Path,
    hub: Sequence[str] = ("--port", "0"),
    before: Sequence[str] = (),
) -> Iterator[Lines]:
    """Run `scramjet dev` while the block runs; its stdin is a pipe."""
    process = subprocess.Popen(
        [*before, *COMMAND, "dev", *hub, *map(str, arguments)],
        env=env, cwd=cwd,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        yield Lines(process)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


LAST_LOG = (
    b'{"level":"ERROR","msg":"ValueError: bad","from":"PythonRunner"}\n'
    b'{"level":"INFO","msg":"the program failed, with exit code 1","from":"PythonRunner"}\n'
)


class ForgettingHub(H1Hub):
    """A hub that forgets an instance at its end, and gives the last of its log after that."""

    def end(self, instance: Instance) -> None:
        """End an instance."""
        self._ended = instance
        del self.instances[instance.id]
        for name in ("output", "stdout", "stderr"):
            instance.pipes[name].end()

    def _instance(self, conn: Conn, request: Request, id: str, route: str) -> bool:
        if id not in self.instances and not self._ended.pipes["log"].ended:
            self._ended.pipes["log"].write(LAST_LOG)
            self._ended.pipes["log"].end()
        return super()._instance(conn, request, id, route)


def runners(parent: int) -> list[psutil.Process]:
    """Return the processes of the programs that a command runs."""
    children = psutil.Process(parent).children(recursive=True)
    return [each for each in children if any("_runner" in word for word in each.cmdline())]


def test_save_starts_anew_with_the_same_input(own: dict[str, str], tmp_path: Path):
    """What was typed before a save goes to the new version again, and what is typed later after it."""
    program = tmp_path / "app.py"
    program.write_text(ECHO)
    with dev(["app.py"], own, tmp_path) as lines:
        lines.until("stderr version one")
        lines.write("hello\n")
        at = lines.until("output HELLO")
        program.write_text(ECHO.replace("upper", "title").replace("one", "two"))
        # Two streams have no order.
        lines.until("stderr version two", at)
        at = lines.until("output Hello", at)
        lines.until(r"app.py saved: started anew in \d\.\d\d s")
        lines.write("again\n")
        at = lines.until("output Again", at)

        assert lines.end() == 0
    assert not [each for each in lines.lines if "Traceback" in each]


def test_folder_that_is_replaced(own: dict[str, str], tmp_path: Path):
    """A folder that is removed and made anew, or exchanged for another, is watched further."""
    here, other = tmp_path / "prog", tmp_path / "other"
    for folder, word in ((here, "one"), (other, "three")):
        folder.mkdir()
        (folder / "main.py").write_text(ECHO.replace("one", word))
    with dev(["prog"], own, tmp_path) as lines:
        at = lines.until("stderr version one")
        shutil.rmtree(here)
        here.mkdir()
        (here / "main.py").write_text(ECHO.replace("one", "two"))
        at = lines.until("stderr version two", at)
        here.rename(tmp_path / "old")
        other.rename(here)
        at = lines.until("stderr version three", at)
        (here / "main.py").write_text(ECHO.replace("one", "four"))
        lines.until("stderr version four", at)

        assert lines.end() == 0


def test_names_of_streams(own: dict[str, str], tmp_path: Path):
    """Output, stdout, stderr, log and events come in one stream, each line with its name."""
    (tmp_path / "app.py").write_text(
        "import sys\n"
        "async def run(context, input):\n"
        "    context.emit('ready', {'n': 1})\n"
        "    context.logger.info('noted')\n"
        "    print('printed')\n"
        "    print('complained', file=sys.stderr)\n"
        "    yield 'given\\n'\n"
    )
    done = run(["dev", "app.py", "--once", "--port", "0", "--no-input"], own, cwd=tmp_path)

    assert done.code == 0, done
    assert {
        'event  ready {"n": 1}',
        "log    INFO noted",
        "stdout printed",
        "stderr complained",
        "output given",
    } <= set(done.text.splitlines())


def test_json_lines(own: dict[str, str], tmp_path: Path):
    """With `--json` each line is a JSON document."""
    (tmp_path / "app.py").write_text(ECHO)
    done = run(
        ["dev", "app.py", "--once", "--json", "--port", "0"], own, cwd=tmp_path, input=b"hello\n"
    )

    found = [json.loads(each) for each in done.text.splitlines()]
    assert {"from": "output", "text": "HELLO\n"} in found
    assert {"from": "stderr", "text": "version one\n"} in found


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("async def run(context, input):\n    yield 'x'\n", 0, ""),
        ("def run(context, input):\n    raise SystemExit(7)\n", 7, ""),
        ("def run(context, input):\n    return 1 / 0\n", 1, "app.py:2: ZeroDivisionError"),
        ("import nothing_like_it\ndef run(context, input):\n    pass\n", 1,
         "app.py:1: ModuleNotFoundError"),
        ("import os\ndef run(context, input):\n    os.kill(os.getpid(), 15)\n", 143, ""),
        ("def run(context, input):\n    return (\n", 1, "app.py:2:12: SyntaxError: '(' was never"),
        ("def other(context, input):\n    pass\n", 1, "has no function run"),
        ("def run(context):\n    pass\n", 1, "must take (context, input, *args)"),
    ],
)  # fmt: skip
def test_once_ends_as_the_program(
    own: dict[str, str], tmp_path: Path, text: str, code: int, said: str
):
    """`--once` ends with the program's exit code, and says its error with file and line."""
    if sys.version_info < (3, 10):
        said = said.replace("app.py:2:12: SyntaxError: '(' was never", "SyntaxError")
    (tmp_path / "app.py").write_text(text)
    done = run(["dev", "app.py", "--once", "--port", "0", "--no-input"], own, cwd=tmp_path)

    assert done.code == code, done
    assert said in done.err


def test_traceback_has_paths_of_this_machine(own: dict[str, str], tmp_path: Path):
    """An editor can click the lines of a traceback, of each file of the program."""
    (tmp_path / "app.py").write_text("import helper\ndef run(context, input):\n    helper.fail()\n")
    (tmp_path / "helper.py").write_text("def fail():\n    raise KeyError('x')\n")
    done = run(["dev", "app.py", "--once", "--port", "0", "--no-input"], own, cwd=tmp_path)

    assert 'File "app.py", line 3' in done.text
    assert 'File "helper.py", line 2' in done.text
    assert "helper.py:2: KeyError: 'x'" in done.err
    assert "scramjet-local-hub-" not in done.text


def test_error_that_a_program_survives(own: dict[str, str], tmp_path: Path):
    """An error in a task that ends nothing is shown with its file and line."""
    (tmp_path / "package.json").write_text('{"main": "main.py", "engines": {"python3": "3"}}')
    (tmp_path / "main.py").write_text(
        "def run(context, input):\n    return input.map(lambda x: x.nope())\n"
    )

    with dev([tmp_path], own, tmp_path) as lines:
        lines.write("hello\n")
        lines.until(r"^dev +main.py:2: AttributeError: 'str' object has no attribute 'nope'$")
        lines.until(r"^dev +the program still runs, and may wait for ever$")
        assert lines.end() == 0


def test_syntax_error_leaves_the_old_version(own: dict[str, str], tmp_path: Path):
    """A file that is no Python is told with its line; the version before goes on, and the mended one replaces it."""
    program = tmp_path / "app.py"
    program.write_text(ECHO)
    with dev(["app.py"], own, tmp_path) as lines:
        lines.until("stderr version one")
        program.write_text(ECHO + "def broken(:\n")
        at = lines.until(r"app.py:7:\d+: SyntaxError")
        lines.until("the version before goes on", at)
        lines.write("still\n")
        at = lines.until("output STILL", at)
        program.write_text(ECHO.replace("one", "two"))
        lines.until("stderr version two", at)

        assert lines.end() == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def run(\n", "SyntaxError"),
        ("import nothing_like_it\n" + ECHO, "app.py:1: ModuleNotFoundError"),
    ],
)
def test_program_that_fails_at_first(own: dict[str, str], tmp_path: Path, text: str, said: str):
    """A program that can't be packed or fails at import runs once it is mended."""
    program = tmp_path / "app.py"
    program.write_text(text)
    with dev(["app.py"], own, tmp_path) as lines:
        at = lines.until(said)
        at = lines.until("waiting for a save", at)
        program.write_text(ECHO)
        lines.until("stderr version one", at)

        assert lines.end() == 0


def test_deleted_file(own: dict[str, str], tmp_path: Path):
    """A deleted program is told, and runs again when it is back."""
    program = tmp_path / "app.py"
    program.write_text(ECHO)
    with dev(["app.py"], own, tmp_path) as lines:
        at = lines.until("stderr version one")
        program.unlink()
        at = lines.until("app.py is not there", at)
        program.write_text(ECHO.replace("one", "two"))
        lines.until("stderr version two", at)

        assert lines.end() == 0


@pytest.mark.parametrize("name", ["helper.py", "pkg/inner.py"])
def test_module_beside_it_is_watched(own: dict[str, str], tmp_path: Path, name: str):
    """A save of a module that the program imports starts it anew, too."""
    helper = tmp_path / name
    helper.parent.mkdir(exist_ok=True)
    helper.write_text("WORD = 'first'\n")
    module = name.removesuffix(".py").replace("/", ".")
    (tmp_path / "app.py").write_text(
        f"from {module} import WORD\nasync def run(context, input):\n"
        "    yield WORD + '\\n'\n    async for x in input: yield x\n"
    )
    with dev(["app.py"], own, tmp_path) as lines:
        at = lines.until("output first")
        helper.write_text("WORD = 'second'\n")
        lines.until("output second", at)

        assert lines.end() == 0


def test_folder_and_its_requirements(own: dict[str, str], tmp_path: Path):
    """A folder runs with the requirements of its requirements.txt, which pip installs once."""
    wheel = make_wheel(tmp_path, "tiny_words", "WORD = 'tiny'\n")
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "requirements.txt").write_text(f"--no-index\n{wheel}\n")
    (folder / "package.json").write_text(
        '{"name": "p", "main": "main.py", "engines": {"python3": "3"}}'
    )
    main = folder / "main.py"
    text = (
        "import tiny_words\nasync def run(context, input):\n"
        "    yield tiny_words.WORD + ' one\\n'\n    async for x in input: yield x\n"
    )
    main.write_text(text)
    with dev(["program"], own, tmp_path) as lines:
        at = lines.until("output tiny one")
        main.write_text(text.replace("one", "two"))
        lines.until("output tiny two", at)

        assert lines.end() == 0
    assert sum("installing" in each for each in lines.lines) == 1


@pytest.mark.parametrize(
    "word",
    mostly_long(
        ["app:shout", "app.py:shout", "pkg.deep:shout", "app:plain"],
        but=["app:plain", "pkg.deep:shout"],
    ),
)
def test_function_of_a_module(own: dict[str, str], tmp_path: Path, word: str):
    """`module:function` runs that function, without importing it here."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("")
    text = (
        "def shout(context, input):\n    for text in input:\n        yield text.upper()\n"
        "def plain(context, input):\n    return [text.upper() for text in input]\n"
    )
    (tmp_path / "app.py").write_text(text)
    (tmp_path / "pkg" / "deep.py").write_text("from . import other\n" + text)
    (tmp_path / "pkg" / "other.py").write_text("")
    done = run(["dev", word, "--once", "--port", "0"], own, cwd=tmp_path, input=b"hello\n")

    assert done.code == 0, done
    assert "HELLO" in done.text


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("ap.py", "did you mean 'app.py'"),
        ("app", "did you mean 'app.py'"),
        ("apq:run", "did you mean 'app:run'"),
        ("nothing/here.py", "no folder and no file"),
        ("app:rum", "has no function rum"),
        ("my-prog.py:run", "'my-prog', which no Python program can import"),
        ("a b.py:run", "'a b', which no Python program can import"),
        ("a.b.py:run", "'a.b', which no Python program can import"),
        ("class.py:run", "'class', which no Python program can import"),
        ("class:run", "'class', which no Python program can import"),
        ("1st.py:run", "'1st', which no Python program can import"),
        ("nul.py", "nul.py: SyntaxError: "),
        ("nul:run", "nul.py: SyntaxError: "),
        ("latin.py", "latin.py"),
    ],
)
def test_mistyped(here: Command, tmp_path: Path, word: str, said: str):
    """A word that names nothing is refused, with what is near."""
    for name in ("app", "my-prog", "a b", "a.b", "class", "1st"):
        (tmp_path / f"{name}.py").write_text(ECHO)
    (tmp_path / "nul.py").write_bytes(ECHO.encode() + b"\0\n")
    (tmp_path / "latin.py").write_bytes(ECHO.encode() + b"X = '\xe9'\n")
    done = here.any_end("dev", word, "--once", "--port", "0")

    assert done.code in (1, 2)
    assert said in done.err


@pytest.mark.parametrize("port", ["99999", "65536", "-1", "x"])
@pytest.mark.parametrize(
    "command", [["dev", "app.py", "--once"], ["dev", "app.py"], ["hub", "start"], ["hub", "page"]]
)
def test_no_such_port(command: list[str], port: str, capsys: pytest.CaptureFixture[str]):
    """A number that no port has is refused as a mistake of the one who typed it."""
    assert cli.main([*command, f"--port={port}"]) == 2
    assert port in capsys.readouterr().err


def test_no_such_port_of_the_module(capsys: pytest.CaptureFixture[str]):
    """`python -m scramjet_client.hub` refuses it, too."""
    with pytest.raises(SystemExit) as ended:
        hub_main(["--port", "99999"])

    assert ended.value.code == 2
    assert "from 0 to 65535" in capsys.readouterr().err


def test_input_file_again(own: dict[str, str], tmp_path: Path):
    """`--input` is sent to each version, and its own change starts the program anew."""
    (tmp_path / "app.py").write_text(ECHO)
    lines_file = tmp_path / "lines.txt"
    lines_file.write_text("one\n")
    with dev(["app.py", "--input", "lines.txt"], own, tmp_path) as lines:
        at = lines.until("output ONE")
        at = lines.until("the program has ended; waiting", at)
        lines_file.write_text("two\n")
        at = lines.until("output TWO", at)
        (tmp_path / "app.py").write_text(ECHO.replace("upper", "title"))
        lines.until("output Two", at)

        assert lines.end() == 0


def root_and_token(address: str) -> tuple[str, str]:
    """Return the two parts of the address of a page."""
    found = re.fullmatch(r"(http://127\.0\.0\.1:\d+)/#token=(\S+)", address)
    assert found is not None, address
    return found[1], found[2]


def test_no_byte_of_a_pipe_is_lost(own: dict[str, str], tmp_path: Path):
    """The first version gets all that comes through a pipe, and in its order, however slowly it starts and reads."""
    (tmp_path / "app.py").write_text(
        "import asyncio, hashlib\n"
        "async def run(context, input):\n"
        "    found, size = hashlib.sha256(), 0\n"
        "    async for text in input:\n"
        "        await asyncio.sleep(0.001)  # slower than the pipe\n"
        "        found.update(text.encode())\n"
        "        size += len(text)\n"
        "    yield f'{size} {found.hexdigest()}\\n'\n"
    )
    data = b"".join(b"%09d\n" % each for each in range(400_000))
    done = run(["dev", "app.py", "--once", "--port", "0"], own, cwd=tmp_path, input=data)

    assert done.code == 0, done
    assert f"{len(data)} {hashlib.sha256(data).hexdigest()}" in done.text


_REPR = """
import sys, threading
async def run(context, input):
    found = [piece async for piece in input]
    yield repr((b"" if found and isinstance(found[0], bytes) else "").join(found)) + "\\n"
"""
_REPR_STDIN = """
import sys
def run(context, input):
    yield repr(sys.stdin.buffer.read()) + "\\n"
"""


@pytest.mark.parametrize(
    ("program", "options", "data", "got", "told"),
    mostly_long([
        (_REPR, [], b"abc\xc3", "abc\ufffd", True),
        (_REPR, [], b"\xff\xfeabc\n", b"\xff\xfeabc\n", False),
        (_REPR, ["-t", "text/plain"], b"\xff\xfeabc\n", "\ufffd\ufffdabc\n", True),
        (_REPR, [], "zażółć \ufffd\n".encode(), "zażółć \ufffd\n", False),
        (_REPR, [], b"", "", False),
        (_REPR, ["-t", "application/octet-stream"], b"abc\xc3", b"abc\xc3", False),
        (_REPR_STDIN, ["--stdin"], b"\xff\n\xc3", "\ufffd\n\ufffd".encode(), True),
        (_REPR_STDIN, ["--stdin"], "zażółć".encode(), "zażółć".encode(), False),
    ], but=[
        (_REPR, [], b"abc\xc3", "abc\ufffd", True),
        (_REPR, ["-t", "application/octet-stream"], b"abc\xc3", b"abc\xc3", False),
        (_REPR_STDIN, ["--stdin"], b"\xff\n\xc3", "\ufffd\n\ufffd".encode(), True),
    ]),
)  # fmt: skip
def test_pipe_that_is_not_utf8(
    own: dict[str, str],
    tmp_path: Path,
    program: str,
    options: list[str],
    data: bytes,
    got: object,
    told: bool,
):
    """A pipe that begins as text is text: other bytes are replaced with a note, also at its end; else all stay."""
    (tmp_path / "app.py").write_text(program)
    done = run(["dev", "app.py", "--once", "--port", "0", *options], own, cwd=tmp_path, input=data)

    assert done.code == 0, done
    assert f"output {got!r}" in done.text
    assert done.err.count("stdin is not UTF-8") == int(told)


def test_program_that_reads_nothing_holds_a_pipe_back(own: dict[str, str], tmp_path: Path):
    """A program that ends without reading ends `--once`, though more waits in the pipe than is kept."""
    (tmp_path / "app.py").write_text("async def run(context, input):\n    yield 'enough\\n'\n")
    done = run(
        ["dev", "app.py", "--once", "--port", "0"], own, cwd=tmp_path, input=b"line\n" * 1_000_000
    )

    assert done.code == 0, done
    assert "output enough" in done.text


def test_topic_survives(own: dict[str, str], tmp_path: Path):
    """The topic of the program is there for the next version, with what was sent to it meanwhile."""
    program = tmp_path / "app.py"
    program.write_text(ECHO)
    arguments = ["app.py", "--input-topic", "words", "-t", "text/plain"]
    with dev(arguments, own, tmp_path) as lines:
        lines.until("stderr version one")
        page = next(each for each in lines.lines if "page http" in each)
        root, token = root_and_token(page.rpartition(" ")[2])
        with HostClient(f"{root}/api/v1", token=token) as host:
            host.create_topic("kept", "text/plain")
            at = len(lines.lines)
            program.write_text(ECHO.replace("one", "two"))
            lines.until("stderr version two", at)

            assert "kept" in {each.name for each in host.get_topics()}
        assert lines.end() == 0


@pytest.mark.parametrize("signals", [1, 2])
def test_ctrl_c_ends_everything(own: dict[str, str], tmp_path: Path, signals: int):
    """One Ctrl-C ends the command, its hub and the program, and so do two in a row."""
    (tmp_path / "app.py").write_text(ECHO)
    with terminal(["dev", "app.py", "--port", "0"], own, cwd=tmp_path) as screen:
        screen.until("version one")
        found = runners(screen.process.pid)
        screen.type("hello\n")
        screen.until("HELLO")
        screen.type(CTRL_C * signals)

        assert screen.end() in ((0,) if signals == 1 else (0, 130))
    assert found
    eventually(lambda: not any(each.is_running() for each in found))
    assert "Traceback" not in screen.seen


@pytest.mark.parametrize(
    ("leave", "more"),
    mostly_long(
        [("q\n", []), ("q\n", ["--no-input"]), (CTRL_D, []), (CTRL_D, ["--no-input"])],
        but=[("q\n", []), (CTRL_D, ["--no-input"])],
    ),
)
def test_pdb_stops_where_it_failed(
    own: dict[str, str], tmp_path: Path, more: list[str], leave: str
):
    """`--pdb` is a prompt in the program, with its variables; after it, a save runs the program anew."""
    program = tmp_path / "app.py"
    broken = "def run(context, input):\n    secret = 'un' + 'seen'\n    raise ValueError('no')\n"
    program.write_text(broken)
    with terminal(["dev", "app.py", "--port", "0", "--pdb", *more], own, cwd=tmp_path) as screen:
        screen.until("(Pdb) ")
        assert "> app.py(3)run()" in screen.seen
        # Typed ahead, while it answers.
        screen.type("p secret\nwhere\n")
        screen.until("'unseen'")
        screen.type(leave)
        screen.until("the program has failed with exit code 1; waiting for a save")
        program.write_text("def run(context, input):\n    print('mended')\n")
        screen.until("stdout mended")
        screen.until("the program has ended")
        program.write_text(broken)
        screen.raw = ""
        screen.until("(Pdb) ")
        found = runners(screen.process.pid)
        screen.type(CTRL_C)

        assert screen.end() == 0
    eventually(lambda: not any(each.is_running() for each in found))


def test_deaf_program_is_killed(own: dict[str, str], tmp_path: Path):
    """A program that does not stop by itself is killed, at a save and at Ctrl-C."""
    deaf = (
        "import time\ndef run(context, input):\n    print('WORD', flush=True)\n"
        "    while True:\n        time.sleep(1)  # it never ends by itself\n"
    )
    program = tmp_path / "app.py"
    program.write_text(deaf.replace("WORD", "first"))
    with dev(["app.py"], own, tmp_path) as lines:
        at = lines.until("stdout first")
        first = runners(lines.process.pid)
        program.write_text(deaf.replace("WORD", "second"))
        lines.until("stdout second", at)
        eventually(lambda: not any(each.is_running() for each in first))
        second = runners(lines.process.pid)

        assert lines.end() == 0
    eventually(lambda: not any(each.is_running() for each in second))


@pytest.mark.parametrize(
    ("given", "line"),
    [("yield 'tick\\n'", "output tick"), ("context.emit('tick', 1)", "event  tick 1")],
)
def test_closed_pipe(own: dict[str, str], tmp_path: Path, given: str, line: str):
    """If nobody reads stdout any more, the command ends, and the program with it."""
    (tmp_path / "app.py").write_text(
        f"import asyncio\nasync def run(context, input):\n    while True:\n        {given}\n"
        "        await asyncio.sleep(0.01)  # a source with a rate\n"
    )
    command = " ".join([*COMMAND, "dev app.py --port 0 --no-input"])
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -n 3; echo ${{PIPESTATUS[0]}}"],
        cwd=tmp_path, env=own, capture_output=True, timeout=LIMIT, check=False,
    )  # fmt: skip

    assert done.stdout.decode().splitlines() == [line] * 3 + ["141"]
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("given", "as_json"),
    mostly_long(
        [
            ("context.emit('tick', 'x' * 4000)", False),
            ("context.emit('tick', 'x' * 4000)", True),
            ("print('x' * 4000)", False),
            ("print('x' * 4000)", True),
        ],
        but=[("context.emit('tick', 'x' * 4000)", True), ("print('x' * 4000)", False)],
    ),
)
@pytest.mark.skipif(
    sys.platform == "win32", reason="a pipe of Windows can't be asked whether it is full"
)
def test_stdout_that_nobody_reads(own: dict[str, str], tmp_path: Path, given: str, as_json: bool):
    """The hub answers, and the command ends, while a program fills a pipe that nobody reads."""
    program = tmp_path / "app.py"
    program.write_text(
        f"import asyncio\nasync def run(context, input):\n    while True:\n        {given}\n"
        "        await asyncio.sleep(0)  # gives way to the runner\n"
    )
    unread, full = os.pipe()
    process = subprocess.Popen(
        [*COMMAND, "dev", "app.py", "--port", "0", "--no-input", *["--json"] * as_json],
        env=own, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        first = os.read(unread, 4096) if as_json else process.stderr.readline()
        found = re.search(rb"page (http\S+)/#token=([\w-]+)", first)
        assert found
        url, token = (each.decode() for each in found.groups())
        eventually(lambda: not select.select([], [full], [], 0)[1])
        with HostClient(f"{url}/api/v1", token=token) as host:
            assert host.list_instances()
            if as_json:
                # A whole file: the command would wait for stdout to tell of the mistake in a half one.
                saved = tmp_path / "saved.txt"
                saved.write_text(program.read_text() + "        # saved\n")
                saved.replace(program)
                eventually(lambda: len(host.list_sequences()) == 2)

        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=LIMIT)
        assert (process.returncode, said) == (0, b"")
    finally:
        process.kill()
        process.communicate()
        os.close(unread)
        os.close(full)


def test_port_in_use(own: dict[str, str], tmp_path: Path):
    """A port that is in use is said, with what to do."""
    (tmp_path / "app.py").write_text(ECHO)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(["dev", "app.py", "--once", "--port", port], own, cwd=tmp_path)

    assert done.code == 1
    assert f"127.0.0.1:{port}" in done.err
    assert "--port 0" in done.err


def test_nothing_moves_the_cursor(own: dict[str, str], tmp_path: Path):
    """Colours of a program are shown, and other escape sequences are visible text."""
    (tmp_path / "app.py").write_text(
        "def run(context, input):\n"
        "    print('\\x1b[31mred\\x1b[0m \\x1b[2J\\x1b]0;title\\x07 \\u202egnp.exe')\n"
    )
    arguments = ["dev", "app.py", "--once", "--port", "0", "--no-input"]
    with terminal(arguments, own, cwd=tmp_path) as screen:
        assert screen.end() == 0

    assert "\x1b[31mred" in screen.raw
    assert "\\x1b[2J" in screen.raw
    assert "\x1b]0;" not in screen.raw
    assert "\u202e" not in screen.raw


def test_on_another_hub(host: HostClient, hub: LocalHub, home: Path, tmp_path: Path):
    """With `--api-url` the program runs there, its named events are shown, and nothing stays there."""
    (tmp_path / "app.py").write_text(
        "async def run(context, input):\n    async for text in input:\n"
        "        context.emit('seen', text)\n        yield text\n"
    )
    process = subprocess.Popen(
        [*COMMAND, "dev", "app.py", "--api-url", hub.url, "--event", "seen"],
        env=environment(home, None), cwd=tmp_path,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    lines = Lines(process)
    try:
        eventually(host.list_instances)
        lines.write("hello\n")
        lines.until("output hello")
        lines.until('event  seen "hello')

        assert lines.end() == 0
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()
    eventually(lambda: all(each.terminated for each in host.list_instances()))
    eventually(lambda: not host.list_sequences())


def test_on_a_transform_hub(home: Path, tmp_path: Path):
    """On an older Transform Hub a save, an error with its place, a trace and its replay are as on a LocalHub."""
    text = (
        "import sys\nasync def run(context, input):\n    print('version ONE', file=sys.stderr)\n"
        "    async for text in input:\n        if text == 'boom\\n':\n            raise ValueError('bad')\n"
        "        yield text.upper()\n"
    )
    program = tmp_path / "app.py"
    program.write_text(text)
    env = environment(home, None)
    with RealHub() as real:
        where = ["--api-url", real.url]
        with terminal(
            ["dev", "app.py", *where, "--record", "t.jsonl"], env, cwd=tmp_path
        ) as screen:
            screen.until("version ONE")
            screen.type("hello\n")
            screen.until("output HELLO")
            program.write_text(text.replace("ONE", "TWO"))
            screen.until("version TWO")
            screen.until("app.py saved")
            screen.raw = ""
            screen.type("boom\n")
            screen.until("app.py:6: ValueError: bad")
            screen.until("waiting for a save")
            screen.type(CTRL_C)
            assert screen.end() == 0
        assert "SystemExit" not in screen.seen
        again = run(["replay", "t.jsonl", *where], env, cwd=tmp_path)
        program.write_text(text.replace("ONE", "THREE"))
        changed = run(["replay", "t.jsonl", *where], env, cwd=tmp_path)

    assert (again.code, again.text) == (0, "")
    assert "+version THREE" in changed.text


def test_end_before_the_first_look(home: Path, tmp_path: Path):
    """A program that a hub has forgotten before its streams are open has ended, and a save starts it anew."""

    class QuickHub(ForgettingHub):
        """Forgets the first instance when it has started."""

        def add_instance(self, status: str = "running", id: str | None = None) -> Instance:
            instance = super().add_instance("running", id)
            if len(self.starts) == 1:
                self.end(instance)
            return instance

    program = tmp_path / "app.py"
    program.write_text(ECHO)
    arguments = ["app.py", "--no-input", "--event", "seen"]
    with QuickHub() as hub:
        where = ["--api-url", hub.url]
        with dev(arguments, environment(home, None), tmp_path, hub=where) as lines:
            at = lines.until("the program has ended; its hub does not say how; waiting for a save")
            program.write_text(ECHO.replace("one", "two"))
            instance = eventually(lambda: next(iter(hub.instances.values()), None))
            instance.pipes["stdout"].write(b"again\n")
            lines.until("stdout again", at)

            assert lines.end() == 0


def test_hub_restart_is_survived(home: Path, tmp_path: Path):
    """If the hub of `--api-url` goes and comes back, the program runs on it again."""
    (tmp_path / "app.py").write_text(ECHO)
    token = "a-token-that-stays"
    hub = LocalHub(token=token)
    hub.start()
    port = int(hub.url.split(":")[2].split("/")[0])
    url = hub.url
    process = subprocess.Popen(
        [*COMMAND, "dev", "app.py", "--api-url", url],
        env=environment(home, None, SCRAMJET_TOKEN=token), cwd=tmp_path,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    lines = Lines(process)
    again = LocalHub(port=port, token=token)
    try:
        lines.until("stderr version one")
        lines.write("hello\n")
        at = lines.until("output HELLO")
        hub.stop()
        at = lines.until("the hub does not answer", at)
        again.start()
        # Two streams have no order.
        lines.until("stderr version one", at)
        lines.until("output HELLO", at)

        assert lines.end() == 0
    finally:
        process.kill()
        process.wait()
        again.stop()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def test_typed_end_and_on(own: dict[str, str], tmp_path: Path):
    """Ctrl-D ends the input; the program that has ended runs again at a save, with the same lines one by one."""
    program = tmp_path / "app.py"
    text = "def run(context, input):\n    for piece in input:\n        yield f'WORD {piece}'\n"
    program.write_text(text.replace("WORD", "one"))
    with terminal(["dev", "app.py", "--port", "0"], own, cwd=tmp_path) as screen:
        screen.until("page")
        screen.type("ada\n")
        screen.until("output one ada")
        screen.type(CTRL_D)
        screen.until("the program has ended; waiting for a save")
        program.write_text(text.replace("WORD", "two"))
        screen.until("output two ada")
        screen.until("app.py saved")
        screen.type(CTRL_C)

        assert screen.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_end_everything(own: dict[str, str], tmp_path: Path, number: signal.Signals):
    """A terminal that is closed, and a service that is stopped, end the command as Ctrl-C does."""
    (tmp_path / "app.py").write_text(ECHO)
    with dev(["app.py"], own, tmp_path, before=hearing("SIGTERM", "SIGHUP")) as lines:
        lines.until("stderr version one")
        found = runners(lines.process.pid)

        assert lines.end(number) == 0
    eventually(lambda: not any(each.is_running() for each in found))


def test_nohup_is_respected(own: dict[str, str], tmp_path: Path):
    """A command that was started with a signal ignored goes on after it."""
    (tmp_path / "app.py").write_text(ECHO)
    with dev(["app.py"], own, tmp_path, before=ignoring("SIGHUP")) as lines:
        lines.until("stderr version one")
        lines.process.send_signal(signal.SIGHUP)
        lines.write("hello\n")
        lines.until("output HELLO")

        assert lines.end(signal.SIGTERM) == 0


UNSEEN = """
import os, signal, sys, threading
from queue import SimpleQueue
from scramjet_client.cli import _dev_loop

news = SimpleQueue()
main = threading.get_ident()

def send():
    # This thread gets the signal, so that it does not interrupt the wait.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    while sys._current_frames()[main].f_code is not _dev_loop._next.__code__:
        pass
    os.kill(os.getpid(), signal.SIGTERM)

with _dev_loop._signals(lambda: None):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    for _ in range(5):
        signal.signal(signal.SIGTERM, lambda *_: news.put(_dev_loop._Stop()))
        thread = threading.Thread(target=send)
        thread.start()
        assert isinstance(_dev_loop._next(news), _dev_loop._Stop)
        thread.join()
"""


def test_signal_that_interrupts_no_wait():
    """A signal ends the wait for news even if the system has not interrupted the wait."""
    subprocess.run([sys.executable, "-c", UNSEEN], timeout=LIMIT, check=True)


@pytest.mark.parametrize("once", [False, True])
def test_end_that_the_hub_has_forgotten(home: Path, tmp_path: Path, once: bool):
    """The last lines of stderr and log say how a program has ended, if its hub does not know it any more."""
    (tmp_path / "app.py").write_text(ECHO)
    arguments = ["app.py", "--no-input", *(["--once"] if once else [])]
    with ForgettingHub() as hub:
        where = ["--api-url", hub.url]
        with dev(arguments, environment(home, None), tmp_path, hub=where) as lines:
            instance = eventually(lambda: next(iter(hub.instances.values()), None))
            instance.status = "running"
            instance.pipes["stderr"].write(b"begun\n")
            lines.until("stderr begun")
            instance.pipes["stderr"].write(
                b'Traceback (most recent call last):\n  File "app.py", line 6, in run\n'
                b"    raise ValueError('bad')\nValueError: bad\n"
            )
            hub.end(instance)
            at = lines.until("app.py:6: ValueError: bad")
            lines.until("the program has failed with exit code 1", at)

            assert lines.end(None if once else signal.SIGINT) == int(once)


def test_killed_command_leaves_no_program(own: dict[str, str], tmp_path: Path):
    """If the command is killed, its program ends, too."""
    (tmp_path / "app.py").write_text(ECHO)
    with dev(["app.py"], own, tmp_path) as lines:
        lines.until("stderr version one")
        found = runners(lines.process.pid)
        lines.end(signal.SIGKILL)

    assert found
    eventually(lambda: not any(each.is_running() for each in found))


def test_page_in_front_of_a_hub(own: dict[str, str], hub: LocalHub, tmp_path: Path):
    """`hub page` prints an address with a token that is not the hub's, and ends at Ctrl-C."""
    with LocalHub() as other:
        env = {**own, "SCRAMJET_TOKEN": other.token or ""}
        process = subprocess.Popen(
            [*COMMAND, "hub", "page", "--api-url", other.url],
            env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            root, token = root_and_token(process.stdout.readline().decode().strip())
            with HostClient(f"{root}/api/v1", token=token) as host:
                assert host.get_version().version == "1.0.1"
                assert host.send_sequence(_written(tmp_path)).run("hello\n").output == b"HELLO\n"
            assert token != other.token
            process.send_signal(signal.SIGINT)
            assert process.wait(LIMIT) == 0
        finally:
            process.kill()
            process.communicate()


def _written(folder: Path) -> Path:
    path = folder / "app.py"
    path.write_text(ECHO)
    return path


def test_page_of_a_hub_that_is_not_there(own: dict[str, str]):
    """`hub page` says in one sentence that there is no hub, before a browser would."""
    done = run(["hub", "page", "--api-url", "http://127.0.0.1:1/api/v1"], own)

    assert done.code == 69
    assert "connection refused" in done.err


@pytest.mark.parametrize(("more", "has"), [([], True), (["--no-page"], False)])
def test_hub_start_has_a_page(own: dict[str, str], more: list[str], has: bool):
    """`hub start` shows the page unless it is told not to; only --json and a terminal get its address."""
    with terminal(["hub", "start", "--port", "0", *more], own) as screen:
        screen.until("until Ctrl-C")
        assert ("#token=" in screen.seen) is has
        screen.type(CTRL_C)
        assert screen.end() == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pdb"], "--pdb needs a terminal"),
        (["--event", "x"], "--event is for --api-url"),
        (["--no-input", "--input", "app.py"], "contradict"),
        (
            ["--once", "--input", "nowhere.txt"],
            "--once needs a regular file as --input, and 'nowhere.txt' is not one",
        ),
        (["--once", "--input", "/dev/null"], "is not one"),
        (["--stdin", "-t", "text/plain"], "stdin has none"),
        (["--api-url", "http://127.0.0.1:1/api/v1", "--port", "1"], "--port is for a hub"),
        (["--api-url", "http://127.0.0.1:1/api/v1"], "connection refused"),
        (["--args", "[1]", "word"], "use one of them"),
    ],
)
def test_wrong_options(here: Command, tmp_path: Path, arguments: list[str], said: str):
    """Options that contradict each other, and a hub that is not there, are one sentence."""
    (tmp_path / "app.py").write_text(ECHO)
    done = here.any_end("dev", "app.py", "--once", *arguments)

    assert done.code in (2, 69)
    assert said in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.long
def test_two_hundred_restarts_leave_nothing(own: dict[str, str], tmp_path: Path):
    """After 200 saves one version runs, and after the end there is no process, thread or file of any."""
    program = tmp_path / "app.py"
    program.write_text(ECHO)
    (tmp_path / "tmp").mkdir()
    with dev(["app.py"], {**own, "TMPDIR": str(tmp_path / "tmp")}, tmp_path) as lines:
        at = lines.until("stderr version one")
        lines.write("hello\n")
        at = lines.until("output HELLO", at)
        files, threads = [], []
        for number in range(200):
            program.write_text(ECHO.replace("one", f"number {number}."))
            # The two streams come in any order.
            at = max(
                lines.until(f"stderr version number {number}\\.", at),
                lines.until("output HELLO", at),
            )
            if number in (50, 199):
                process = psutil.Process(lines.process.pid)
                files.append(process.num_fds())
                threads.append(process.num_threads())
        eventually(lambda: len(runners(lines.process.pid)) <= 2)  # the program, and the reaper
        assert files[1] <= files[0] + 20, files
        assert threads[1] <= threads[0] + 20, threads
        left = runners(lines.process.pid)

        assert lines.end() == 0
    eventually(lambda: not any(each.is_running() for each in left))
    assert list((tmp_path / "tmp").iterdir()) == []
