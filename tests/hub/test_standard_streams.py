# ruff: noqa: E501  # the programs are lines of a table
"""stdin, stdout and stderr of a sequence are what Python's own libraries take them for: one table of programs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scramjet_client import HostClient
from tests.hub.wire import package

HEAD = """
import asyncio, concurrent.futures, faulthandler, io, multiprocessing, os, subprocess, sys, threading
from scramjet.streams import Stream, StringStream

def double(number):
    print("working", flush=True)
    return 2 * number

def off_the_loop(function):
    return asyncio.get_running_loop().run_in_executor(None, function)

"""

PROGRAMS = {
    # stdin as the stream that every hub has.
    "async for": ("async for text in sys.stdin: print(text, end='')", b"a\nb\n", b"a\nb\n"),
    "await read": ("print(await sys.stdin.read())", b"a\n", b"a\n\n"),
    "map": ("async for n in sys.stdin.map(len): print(n)", b"abc", b"3\n"),
    "split": ("async for s in sys.stdin.split('\\n'): print(s)", b"a\nb", b"a\nb\n"),
    "is a stream": ("print(isinstance(sys.stdin, StringStream))", b"", b"True\n"),
    "characters in pieces": (
        "async for t in sys.stdin: print(t, end='')",
        "ą€😀".encode(),
        "ą€😀".encode(),
    ),
    # stdin as a text file.
    "input": ("print(input('? ') + input())", b"a\nb\n", b"? ab\n"),
    "input at the end": (
        "try:\n        input()\n    except EOFError:\n        print('end')",
        b"",
        b"end\n",
    ),
    "readline": (
        "print(repr(sys.stdin.readline()), repr(sys.stdin.readline()))",
        b"a\nb",
        b"'a\\n' 'b'\n",
    ),
    "readline of a size": ("print(repr(sys.stdin.readline(2)))", b"abc\n", b"'ab'\n"),
    "readlines": ("print(sys.stdin.readlines())", b"a\nb", b"['a\\n', 'b']\n"),
    "for": ("for line in sys.stdin: print(line, end='')", b"a\nb\n", b"a\nb\n"),
    "next": ("print(next(sys.stdin), next(sys.stdin, None))", b"a", b"a None\n"),
    "read off the loop": ("print(await off_the_loop(sys.stdin.read))", b"a\nb\n", b"a\nb\n\n"),
    "read some": ("print(await off_the_loop(lambda: sys.stdin.read(2)))", b"abcd", b"ab\n"),
    "buffer": ("print(sys.stdin.buffer.read())", b"\x00a\n", b"b'\\x00a\\n'\n"),
    "a line, then the stream": (
        "print(sys.stdin.readline(), end='')\n    async for t in sys.stdin: print(t, end='')",
        b"a\nb\n",
        b"a\nb\n",
    ),
    "descriptors": (
        "print([f.fileno() for f in (sys.stdin, sys.stdout, sys.stderr)])",
        b"",
        b"[0, 1, 2]\n",
    ),
    "no terminals": (
        "print([f.isatty() for f in (sys.stdin, sys.stdout, sys.stderr)])",
        b"",
        b"[False, False, False]\n",
    ),
    "names": (
        "print(sys.stdin.name, sys.stdout.name, sys.stderr.name)",
        b"",
        b"<stdin> <stdout> <stderr>\n",
    ),
    "encodings": (
        "print(sys.stdin.encoding, sys.stdout.encoding, sys.stderr.encoding)",
        b"",
        b"utf-8 utf-8 utf-8\n",
    ),
    "modes": (
        "print(sys.stdin.readable(), sys.stdin.writable(), sys.stdout.writable())",
        b"",
        b"True False True\n",
    ),
    "reconfigure": (
        "sys.stdin.reconfigure(errors='strict'); sys.stdout.reconfigure(line_buffering=True); print('a')",
        b"",
        b"a\n",
    ),
    "detach": ("print(sys.stdin.detach().read())", b"a", b"b'a'\n"),
    "detach stdout": ("sys.stdout.detach().write(b'a')", b"", b"a"),
    "close": ("sys.stdin.close(); print(sys.stdin.closed)", b"", b"True\n"),
    "read when closed": (
        "sys.stdin.close()\n    try:\n        sys.stdin.readline()\n    except ValueError as e:\n        print(e)",
        b"",
        b"I/O operation on closed file.\n",
    ),
    "with": ("with sys.stdin as f: print(f.readline(), end='')", b"a\n", b"a\n"),
    "the first ones": (
        "print('a', file=sys.__stdout__); print(sys.__stdin__ is sys.stdin)",
        b"",
        b"a\nTrue\n",
    ),
    "redirected": (
        "import contextlib\n    with contextlib.redirect_stdout(io.StringIO()) as f: print('a')\n    print(f.getvalue(), end='')",
        b"",
        b"a\n",
    ),
    "flush": ("print('a', flush=True); sys.stderr.flush(); sys.stdin.flush()", b"", b"a\n"),
    "surrogates": ("print('\\udc80')", b"", b"\\udc80\n"),
    # Other processes.
    "subprocess with our streams": ("subprocess.run(['cat'], check=True)", b"a\n", b"a\n"),
    "subprocess by file": (
        "subprocess.run(['cat'], stdin=sys.stdin, stdout=sys.stdout, check=True)",
        b"a\n",
        b"a\n",
    ),
    "subprocess of Python": (
        "subprocess.run([sys.executable, '-c', 'print(input())'], check=True)",
        b"a\n",
        b"a\n",
    ),
    "subprocess, asynchronous": (
        "p = await asyncio.create_subprocess_exec('cat')\n    print(await p.wait())",
        b"a\n",
        b"a\n0\n",
    ),
    "os.system": ("os.system('cat')", b"a\n", b"a\n"),
    "os.fork": (
        "pid = os.fork()\n    if not pid:\n        print('child'); os._exit(0)\n    print(os.waitpid(pid, 0)[1])",
        b"",
        b"child\n0\n",
    ),
    "os.fork that exits": (
        "pid = os.fork()\n    if not pid:\n        sys.exit(4)\n    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))",
        b"",
        b"4\n",
    ),
    "os.fork that raises": (
        "pid = os.fork()\n    if not pid:\n        sys.stderr = open(os.devnull, 'w'); raise ValueError\n    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))",
        b"",
        b"23\n",
    ),
    "os.fork that returns": (
        "pid = os.fork()\n    if pid: print(os.waitpid(pid, 0)[1])",
        b"",
        b"0\n",
    ),
    **{
        f"{method}: a process": (
            f"p = multiprocessing.get_context('{method}').Process(target=double, args=(1,))\n"
            "    p.start(); p.join(); print(p.exitcode)",
            b"",
            b"working\n0\n",
        )
        for method in ("fork", "spawn", "forkserver")
    },
    **{
        f"{method}: a pool": (
            f"with multiprocessing.get_context('{method}').Pool(1) as pool: print(pool.map(double, [1]))",
            b"",
            b"working\n[2]\n",
        )
        for method in ("fork", "spawn", "forkserver")
    },
    "a pool of futures": (
        "with concurrent.futures.ProcessPoolExecutor(1) as pool: print(list(pool.map(double, [1])))",
        b"",
        b"working\n[2]\n",
    ),
    "a pool of futures, awaited": (
        "with concurrent.futures.ProcessPoolExecutor(1) as pool:\n"
        "        print(await asyncio.get_running_loop().run_in_executor(pool, double, 1))",
        b"",
        b"working\n[2]\n".replace(b"[2]", b"2"),
    ),
    "a pool while stdin is read": (
        "reading = asyncio.ensure_future(sys.stdin.read())\n    await asyncio.sleep(0)\n"
        "    with multiprocessing.Pool(1) as pool: print(pool.map(double, [1]))\n    print(await reading, end='')",
        b"a\n",
        b"working\n[2]\na\n",
    ),
    "threads": (
        "t = threading.Thread(target=lambda: print(sys.stdin.read(), end=''))\n    t.start(); await off_the_loop(t.join)",
        b"a\nb\n",
        b"a\nb\n",
    ),
    "faulthandler": (
        "faulthandler.enable(); faulthandler.dump_traceback(sys.stdout)\n    print(faulthandler.is_enabled())",
        b"",
        None,
    ),
    "quit": ("try:\n        quit(0)\n    except SystemExit: print('quit')", b"", b"quit\n"),
    "the debugger": (
        "import pdb\n    pdb.Pdb(nosigint=True).set_trace()\n    print('after')",
        b"c\n",
        None,
    ),
    "logging": (
        "import logging; logging.basicConfig(stream=sys.stdout, format='%(message)s'); logging.error('a')",
        b"",
        b"a\n",
    ),
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=list(PROGRAMS))
def test_program(url: str, tmp_path: Path, program: tuple[str, bytes, bytes | None]):
    """What the program prints is what it prints anywhere, and it ends by itself."""
    body, given, expected = program
    if "sys.exit(4)" in body and sys.version_info >= (3, 14):
        pytest.skip("since 3.14, asyncio itself goes on for ever in a fork that exits in a task")
    file = tmp_path / "program.tar.gz"
    file.write_bytes(package(f"{HEAD}async def run(context, data):\n    {body}\n"))
    with HostClient(url) as host:
        done = host.send_sequence(file).run(stdin=given, timeout=90)

    assert done.info.terminated is not None
    assert (done.info.terminated.exit_code, done.stderr) == (0, b""), done.log
    if expected is None:
        assert done.stdout
    else:
        assert done.stdout == expected


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_stdin_blocks(url: str, tmp_path: Path):
    """Reading it as a stream does not make the descriptor one that processes of the program can't use."""
    file = tmp_path / "program.tar.gz"
    code = "await sys.stdin.read()\n    print(os.get_blocking(0))"
    file.write_bytes(package(f"{HEAD}async def run(context, data):\n    {code}\n"))
    with HostClient(url) as host:
        done = host.send_sequence(file).run(stdin=b"a", timeout=90)

    assert done.stdout == b"True\n"
