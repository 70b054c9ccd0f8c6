"""Loads a sequence, runs it, and ends as a hub expects."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib.util
import inspect
import logging
import os
import random
import signal
import sys
from types import ModuleType
from typing import Any, NoReturn

from scramjet.streams import Stream

from ._channels import Control, Output, Source, encoder
from ._context import AppContext, logger_on, send_health
from ._debugger import stop_at
from ._failures import told
from ._stdio import connect_outputs, connect_stdin

# Exit codes (docs/protocol.md, "Exit codes").
COMPLETED, NO_ENTRY, LOAD_FAILED, RUN_FAILED, STOPPED = 0, 21, 22, 23, 138
INTERRUPTED = 130  # the exit code that a shell uses for it

_FLUSH_LIMIT = 1.0
"""Seconds that a stopped or failed instance waits for the hub to take the rest of its output."""

_INPUT_TYPES = ("text/plain", "application/octet-stream")

_WHAT_TO_RETURN = (
    "return a scramjet.streams.Stream (for example Stream.read_from(values)), make run() an async generator "
    "(`async def` with `yield`, called directly: an `async def` that returns one dies on a hub), "
    "or return None for no output"
)


class Refused(Exception):
    """The program does something that the contract of Python sequences does not allow."""


class Program:
    """One sequence in this process."""

    def __init__(self, control: Control, fds: tuple[int, int, int], order: dict[str, Any]) -> None:
        self._control = control
        self._input_fd, self._output_fd, log_fd = fds
        self._order = order
        self._logger = logger_on(log_fd)
        self._log_lines = tuple(self._logger.handlers)
        self._output: Output | None = None
        self._input_type: asyncio.Future[str] | None = None
        self._source = Source(self._input_fd)
        self._stopping = False
        self._loaded = False
        self._tasks: set[asyncio.Task[Any]] = set()

    # -- loading --------------------------------------------------------------------------------------

    def load(self) -> ModuleType:
        """Import the sequence's main module; its exceptions pass through."""
        # The framework, which is imported here, has set a fixed seed.
        random.seed()
        entry = self._order["entry"]
        root = self._order["root"]
        sys.path[:0] = [os.path.join(root, "__pypackages__"), os.path.dirname(entry)]
        name = os.path.splitext(os.path.basename(entry))[0]
        if name in sys.modules or not name.isidentifier():
            name = "scramjet_sequence"  # an entry called json.py must not replace json
        spec = importlib.util.spec_from_file_location(name, entry)
        if spec is None or spec.loader is None:
            raise Refused(f"{entry} is not a Python file: `main` of package.json must name one")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        if not callable(getattr(module, "run", None)):
            raise Refused("the main module has no function `run(context, input, *args)`")
        return module

    # -- running --------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Load and run the sequence; return the exit code. Exceptions of the program pass through."""
        loop = asyncio.get_running_loop()
        loop.set_task_factory(self._keep)
        loop.set_exception_handler(self._report)
        self._input_type = loop.create_future()
        connect_stdin()
        context = AppContext(self._control, self._logger, self._order.get("appConfig", {}))
        self._control.listen(
            lambda kind, value: loop.call_soon_threadsafe(self._heard, context, kind, value)
        )
        self._control.send("hello", {})
        # Send it before the program runs, as a real hub does: from now on a request for health gets an answer.
        self._control.send("health", context._health())
        module = self.load()
        self._loaded = True
        # As on a real hub, the program enters its folder only after it is loaded.
        os.chdir(os.path.dirname(self._order["entry"]))
        self._announce(getattr(module, "requires", None), "requires")
        asyncio.ensure_future(send_health(context, self._control))  # noqa: RUF006 - see _keep
        await self._run(module, context)
        return STOPPED if self._stopping else COMPLETED

    async def _run(self, module: ModuleType, context: AppContext) -> None:
        data = Stream.from_callback(64, self._read_input)
        result = module.run(context, data, *self._order["args"])
        is_stream = inspect.isasyncgen(result)
        if inspect.iscoroutine(result):
            result = await result
        if result is None:
            self._logger.debug("run() returned None: there is no output")
            return
        if not isinstance(result, Stream) and not is_stream:
            raise Refused(
                f"run() returned {type(result).__name__}, which is not a stream: {_WHAT_TO_RETURN}"
            )
        provides = getattr(module, "provides", None)
        if hasattr(result, "provides") and hasattr(result, "content_type"):
            provides = {"provides": result.provides, "contentType": result.content_type}
        content_type = self._announce(provides, "provides") or "text/plain"
        try:
            encode = encoder(content_type)
        except ValueError as error:
            raise Refused(str(error)) from None
        output = self._output = await Output.on(self._output_fd, encode)
        if isinstance(result, Stream):
            await result.write_to(output)
        else:
            async for item in result:
                await output.write(item)
        await output.finish()

    async def _read_input(self) -> Any:
        """Return the next piece of the input. Waits for the first upload, which sets the type."""
        assert self._input_type is not None
        kind = await self._input_type
        if kind not in _INPUT_TYPES:
            # As on a real hub: the hub accepts the upload, but the program never reads any of it.
            self._logger.error(
                "input cannot be read: its first request came as %r, and a Python sequence takes only %s",
                kind,
                " and ".join(_INPUT_TYPES),
            )
            return await asyncio.Event().wait()
        if kind == "application/octet-stream":
            return await self._source.read()
        try:
            return await self._source.read_text()
        except UnicodeDecodeError as error:
            # As on a real hub: it ends a task of the framework, and a program without our adapter waits for ever.
            reason = f"{error.reason} (input is read no further: it came as text/plain)"
            raise UnicodeDecodeError(
                error.encoding, error.object, error.start, error.end, reason
            ) from None

    # -- messages from the hub ------------------------------------------------------------------------

    def _heard(self, context: AppContext, kind: str, value: Any) -> None:
        if kind == "event":
            context._dispatch(value["name"], value["message"])
        elif kind == "stop":
            stopping = self._stop(context, value["timeout"], value["canKeepAlive"])
            asyncio.ensure_future(stopping)  # noqa: RUF006 - see _keep
        elif kind == "input" and self._input_type is not None and not self._input_type.done():
            self._input_type.set_result(value)

    async def _stop(self, context: AppContext, timeout: float, can_keep_alive: bool) -> None:
        self._stopping = True
        if not await context._stop(timeout, can_keep_alive):
            self._stopping = False
            self._logger.info("asked for more time, and lives on")
            return
        await self.flush()
        self.leave(STOPPED)

    # -- the end --------------------------------------------------------------------------------------

    def judge(self, error: BaseException) -> tuple[int, str]:
        """Write to stderr and the log what ended the program; return its exit code, and who chose it."""
        if isinstance(error, SystemExit):
            code = error.code
            self._logger.info("the program called sys.exit(%r)", code)
            if code is not None and not isinstance(code, int):
                print(code, file=sys.stderr)
                code = 1
            return (code or 0) & 0xFF, "exit"
        if isinstance(error, Refused):
            self._say(str(error), f"{error}\n")
            return RUN_FAILED if self._loaded else LOAD_FAILED, "end"
        if isinstance(error, KeyboardInterrupt):
            self._say("the program raised KeyboardInterrupt", told(error))
            return INTERRUPTED, "exit"
        if not self._loaded:
            self._say("the sequence raised while it was loaded", told(error))
            return LOAD_FAILED, "end"
        self._say("the sequence raised while it ran", told(error))
        return RUN_FAILED, "end"

    def _say(self, what: str, details: str) -> None:
        text = what if details.startswith(what) else f"{what}\n{details}"
        record = self._logger.makeRecord(
            self._logger.name, logging.ERROR, __file__, 0, text.rstrip("\n"), (), None
        )
        for handler in self._log_lines:  # the program may have disabled or emptied all loggers
            handler.emit(record)
        with contextlib.suppress(Exception):
            sys.stderr.write(details)

    async def flush(self) -> None:
        """Wait until the hub has taken the rest of the output, as long as it keeps reading."""
        if self._output is not None:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._output.finish(), _FLUSH_LIMIT)

    def leave(self, code: int, said: str = "end") -> NoReturn:
        """End the process with an exit code, even if the program has left threads running.

        It is said as "exit" if the program chose the code, as "end" if the runner did.
        """
        if not self._control.is_inherited:
            self._control.send(said, code)
        with contextlib.suppress(Exception):
            atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        with contextlib.suppress(Exception):
            logging.shutdown()
        os._exit(code)

    def _announce(self, topic: Any, role: str) -> str | None:
        """Tell the hub about a topic that the program reads or writes; return its content type."""
        if not isinstance(topic, dict):
            if role == "requires":
                # A real runner reports a missing input topic before it runs the program, but no missing output topic.
                self._control.send(role, {"topic": "", "contentType": None})
            return None
        kind = topic.get("contentType")
        self._control.send(role, {"topic": topic.get(role) or "", "contentType": kind})
        return kind

    def _keep(
        self, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any
    ) -> asyncio.Task[Any]:
        """Make a task that lives until it is done: neither asyncio nor the framework keeps a reference to it."""
        task = asyncio.Task(coro, loop=loop, **options)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _report(self, loop: asyncio.AbstractEventLoop, what: dict[str, Any]) -> None:
        self._logger.error("in the background: %s", what["message"], exc_info=what.get("exception"))


def main(control_fd: int, input_fd: int, output_fd: int, log_fd: int) -> None:
    """Run the sequence that the hub names in its first message, and end the process."""
    for fd in (control_fd, input_fd, output_fd, log_fd):
        os.set_inheritable(fd, False)
    _reset_signals()
    connect_outputs()
    control = Control(control_fd)
    order = control.read()["start"]
    program = Program(control, (input_fd, output_fd, log_fd), order)
    if not os.path.isfile(order["entry"]):
        program.leave(NO_ENTRY)
    loop = asyncio.new_event_loop()
    try:
        # Not asyncio.run(): it would wait for tasks that the program has left running.
        code, said = loop.run_until_complete(program.run()), "end"
    except BaseException as error:  # raised by the program, or by one of its tasks or callbacks
        code, said = program.judge(error)
        stop_at(error)
        if not control.is_inherited:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            with contextlib.suppress(BaseException):
                loop.run_until_complete(program.flush())
    program.leave(code, said)


def _reset_signals() -> None:
    """Restore the signal handlers of a fresh program, even if the hub's process has changed its own."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals():
        # Python itself ignores these two by default.
        if number in (signal.SIGPIPE, getattr(signal, "SIGXFSZ", None)):
            continue
        if signal.getsignal(number) is signal.SIG_IGN:
            interrupt = number == signal.SIGINT
            with contextlib.suppress(OSError):
                signal.signal(number, signal.default_int_handler if interrupt else signal.SIG_DFL)
