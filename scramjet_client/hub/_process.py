"""One instance's process: its pipes, and the messages in both directions."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import scramjet

from scramjet_client.hub._pipes import Feed, Pipe, pump
from scramjet_client.hub._python import Runs
from scramjet_client.hub._reaper import Reaper

with contextlib.suppress(ImportError):  # this is not a POSIX system, so no hub runs on it
    import fcntl

_FRAMEWORK = Path(scramjet.__file__ or "").resolve().parent.parent
"""The framework's folder or zip, so that the runner finds it even if this process had to change `sys.path`."""

_MESSAGE_LIMIT = 64 * 2**20
"""Most bytes of one message from the runner; an event contains its whole message."""

_TOKENS = ("SCRAMJET_HUB_TOKEN", "SCRAMJET_TOKEN")
"""Variables with secrets, which no program needs: they give access to this hub, or this user access to another one."""

_REMEMBERED = 65536
"""Last bytes of stdout, stderr and log that the hub keeps for test reports, even if somebody has read them."""

_KILL_GRACE = 2.0
"""Seconds in which a process may follow the order to end before a signal kills it."""


class Process:
    """A runner and its program, on the hub's loop. `await Process.start(...)`, then `await exited()`.

    Attributes:
        returncode: As in `subprocess`. None while it runs, and where the system does not tell this process
            (SIGCHLD is ignored, or something else has waited for it).
        last_word: The exit code that the runner announced; None if the program ended the process itself.
        own_code: The exit code that the program chose by `sys.exit()` and the like; None if it chose none.
    """

    def __init__(self, on_message: Callable[[str, Any], None]) -> None:
        self.stdout, self.stderr = Pipe(remembers=_REMEMBERED), Pipe(remembers=_REMEMBERED)
        self.output = Pipe()
        # An unread log must not hold the program that writes it.
        self.log = Pipe(dropping=True, remembers=_REMEMBERED)
        self.stdin: Feed
        self.input: Feed
        self.has_ended = False
        self.returncode: int | None = None
        self.last_word: int | None = None
        self.own_code: int | None = None
        self.killed = False
        self._on_message = on_message
        self._process: subprocess.Popen[bytes]
        self._writer: asyncio.WriteTransport
        self._exit: asyncio.Task[None]
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    async def start(
        cls,
        order: dict[str, Any],
        on_message: Callable[[str, Any], None],
        reaper: Reaper,
        runs: Runs,
    ) -> Process:
        """Start the process and send it its order."""
        self = cls(on_message)
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            far, near = _open_socket(theirs, ours)
            (in_r, in_w), (data_r, data_w) = (_open_pipe(theirs, ours) for _ in range(2))
            (out_r, out_w), (err_r, err_w) = (_open_pipe(ours, theirs) for _ in range(2))
            (put_r, put_w), (log_r, log_w) = (_open_pipe(ours, theirs) for _ in range(2))
            passed = (far, data_r, put_w, log_w)
            # asyncio's processes depend on the loop, the thread, and SIGCHLD, so this uses subprocess.
            self._process = subprocess.Popen(
                [runs.python, *_flags(), str(runs.runner), *map(str, passed), str(_FRAMEWORK)],
                stdin=in_r,
                stdout=out_w,
                stderr=err_w,
                pass_fds=passed,
                # The runner changes to the folder of the sequence after it has loaded the sequence.
                cwd=Path(order["root"]).parent,
                env={name: each for name, each in os.environ.copy().items() if name not in _TOKENS},
                start_new_session=True,  # its own group, so that the hub can kill everything that it starts
            )
            ours.pop_all()  # from here on, each end has an owner
        reaper.add(self.pid)
        over = self._watch()
        self.stdin, self.input = await Feed.on(in_w), await Feed.on(data_w)
        await self._connect(near, order)
        for fd, pipe in [
            (out_r, self.stdout),
            (err_r, self.stderr),
            (put_r, self.output),
            (log_r, self.log),
        ]:
            passing = pump(fd, pipe, ending=pipe is not self.log)
            self._tasks.append(asyncio.ensure_future(passing))
        self._exit = asyncio.ensure_future(self._wait(over, reaper))
        return self

    def _watch(self) -> asyncio.Future[int | None]:
        """Start a thread that waits for the process's end, and then ends; return the future exit code."""
        loop = asyncio.get_running_loop()
        over: asyncio.Future[int | None] = loop.create_future()

        def wait() -> None:
            try:
                code: int | None = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            except ChildProcessError:
                code = None
            # Otherwise Popen would wait for it again.
            self._process.returncode = 0 if code is None else code
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(over.set_result, code)

        try:
            # A daemon, as the process outlives a hub that nobody stops; the reaper then kills it.
            threading.Thread(target=wait, name="scramjet-hub-wait", daemon=True).start()
        except RuntimeError as error:
            self._signal_group()
            self._process.wait()
            raise OSError(errno.EAGAIN, f"no thread for an instance: {error}") from error
        return over

    @property
    def pid(self) -> int:
        """The process's id, which is also the id of its group."""
        return self._process.pid

    async def _connect(self, ours: socket.socket, order: dict[str, Any]) -> None:
        reader = asyncio.StreamReader(_MESSAGE_LIMIT)
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: asyncio.StreamReaderProtocol(reader), sock=ours
        )
        # Transports of other loops than asyncio's own do not inherit from a class of asyncio.
        self._writer = cast("asyncio.WriteTransport", transport)
        self.send("start", order)
        self._listening = asyncio.ensure_future(self._listen(reader))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := await reader.readline():
                for kind, value in _message(line).items():
                    if kind == "end":
                        self.last_word = value
                    elif kind == "exit":
                        self.own_code = value
                    else:
                        self._on_message(kind, value)

    async def _wait(self, over: asyncio.Future[int | None], reaper: Reaper) -> None:
        code = await over
        # Everything the program has started ends with it, and so do the last holders of its pipes.
        self._signal_group()
        reaper.discard(self.pid)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._listening, 1)  # the last messages that it sent
        self.stdin.abort()
        self.input.abort()
        self._writer.abort()
        self.returncode = code
        self.has_ended = True

    def _signal_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def send(self, kind: str, value: Any) -> None:
        """Send the runner a message; does nothing if the runner has ended."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps({kind: value}).encode() + b"\n")

    async def exited(self) -> None:
        """Wait until the process has ended and its last messages have arrived."""
        await asyncio.shield(self._exit)

    def kill(self) -> None:
        """Order it to end, and make sure that it does."""
        self.killed = True
        self.send("kill", {})
        asyncio.get_running_loop().call_later(_KILL_GRACE, self._insist)

    def _insist(self) -> None:
        if not self.has_ended:
            self._signal_group()

    async def last_line(self) -> str:
        """Return the last line that an ended process wrote to its stderr."""
        await asyncio.wait(self._tasks, timeout=1)
        said = self.stderr.last.decode("utf-8", "replace").split("\n")
        return next((each for each in reversed(said) if each.strip()), "")

    async def close(self) -> None:
        """Kill it at once, and free all its resources."""
        self.killed = True
        if not self.has_ended:
            self._signal_group()
        await self.exited()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _message(line: bytes) -> dict[str, Any]:
    """Parse a line of the program's process; an unreadable line becomes a message of an unknown kind."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        message = None
    return message if isinstance(message, dict) else {"unreadable": None}


def _flags() -> list[str]:
    """Return this interpreter's options that affect where it finds modules and how it reads text."""
    flags = [f"-Xutf8={sys.flags.utf8_mode}"]
    if sys.flags.isolated:
        flags.append("-I")
    else:
        flags += ["-E"] * bool(sys.flags.ignore_environment) + ["-s"] * bool(sys.flags.no_user_site)
    return flags


def _open_socket(
    theirs: contextlib.ExitStack, ours: contextlib.ExitStack
) -> tuple[int, socket.socket]:
    """Return the runner's end of a new socket, which blocks, and the hub's, which does not block."""
    there, near = socket.socketpair()
    ours.callback(near.close)
    near.setblocking(False)
    far = _above_stdio(there.detach())
    theirs.callback(os.close, far)
    # This sets the flag itself instead of calling a method: after socket.setdefaulttimeout(), and where gevent has
    # replaced sockets, such a method does not make it block.
    os.set_blocking(far, True)
    return far, near


def _open_pipe(readers: contextlib.ExitStack, writers: contextlib.ExitStack) -> tuple[int, int]:
    """Return the two ends of a new pipe. Each closes together with the others of its side."""
    reading, writing = os.pipe()
    reading, writing = _above_stdio(reading), _above_stdio(writing)
    readers.callback(os.close, reading)
    writers.callback(os.close, writing)
    return reading, writing


def _above_stdio(fd: int) -> int:
    """Return the descriptor, or a copy above 2: a process without stdin gets 0, which the runner's stdin needs."""
    if fd > 2:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(fd)
