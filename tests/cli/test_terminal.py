"""The command in a real pseudo-terminal: colours, widths, bars, typing, Ctrl-C and Ctrl-D."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from scramjet_client import HostClient
from tests.cli.conftest import Started, run
from tests.cli.terminal import COMMAND, Terminal, terminal
from tests.support.signals import hearing
from tests.support.waiting import eventually
from tests.support.wire import Conn, RawServer

GREEN = "\x1b[32m"
CTRL_C, CTRL_D = "\x03", "\x04"


def test_tables_have_colours(env: dict[str, str], start: Started):
    """A terminal gets a table with colours, and whole ids where they fit."""
    id = start("idle").id
    with terminal(["inst", "list"], env, columns=120) as screen:
        assert screen.end() == 0

    assert id in screen.seen
    assert f"{GREEN}running" in screen.raw


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_none_are_wanted(
    env: dict[str, str], start: Started, variables: dict[str, str]
):
    """NO_COLOR and a terminal without colours are respected, by tables, logs and errors."""
    id = start("many").id
    said = []
    for arguments in (
        ["inst", "list"],
        ["inst", "log", id, "-n", "1"],
        ["inst", "info", "nothing"],
    ):
        with terminal(arguments, {**env, **variables}) as screen:
            screen.end()
        said.append(screen.raw)

    assert all(re.search(r"\x1b\[[0-9;]*3[0-7]m", each) is None for each in said)
    assert "Error: " in said[2]


def test_narrow_terminal(env: dict[str, str], start: Started):
    """On a narrow terminal no row is broken, and the beginning of an id is left, which commands take."""
    id = start("idle").id
    with terminal(["inst", "list"], env, columns=40) as screen:
        assert screen.end() == 0

    head, row = screen.seen.splitlines()
    assert head.split()[0] == "ID"
    assert row.split()[0] == id[:12]
    assert all(len(line) <= 40 for line in (head, row))
    assert run(["inst", "info", row.split()[0]], env).code == 0


@pytest.mark.parametrize(
    "name", ["volume" * 20, "\x1b[31m" + "v" * 200, "\u8a71" * 34, "\u8a71" * 60]
)
def test_a_long_name_leaves_place_for_its_value(env: dict[str, str], name: str):
    """Where a name is longer than a line, its value is shown, and so are the other values."""
    disk = {"mount": f"/mnt/{name}", "used": 12_300_000_000, "size": 45_600_000_000}
    load = {"avgLoad": 1.25, "currentLoad": 7.5, "fsSize": [disk]}

    def handle(conn: Conn) -> None:
        assert conn.read_request() is not None
        conn.send_json("200 OK", load)

    with RawServer(handle) as server:
        variables = {**env, "SCRAMJET_API_URL": server.url}
        with terminal(["hub", "load"], variables, columns=80) as screen:
            assert screen.end() == 0

    for value in ("7.50", "1.25", "12.3 GB of 45.6 GB"):
        assert value in screen.seen
    assert max(map(len, screen.seen.splitlines())) <= 80


def test_help_on_a_narrow_terminal(env: dict[str, str]):
    """Help keeps to the width of the terminal."""
    with terminal(["inst", "--help"], env, columns=50) as screen:
        assert screen.end() == 0

    assert max(map(len, screen.seen.splitlines())) <= 50


def test_names_move_no_cursor(env: dict[str, str], host: HostClient, hub_folder: Path):
    """Escape sequences in the name of a sequence are shown, not obeyed."""
    host.send_sequence(hub_folder)
    with terminal(["seq", "list"], env) as screen:
        assert screen.end() == 0

    assert "\\x1b[31mred" in screen.seen
    assert "\x1b[31mred" not in screen.raw


@pytest.fixture
def hub_folder(tmp_path: Path) -> Path:
    """A sequence whose name has an escape sequence in it."""
    folder = tmp_path / "named"
    folder.mkdir()
    (folder / "main.py").write_text("def run(context, input):\n    return input\n")
    (folder / "package.json").write_text(
        '{"name": "\\u001b[31mred", "main": "main.py", "engines": {"python3": "3"}}'
    )
    return folder


def test_progress_of_an_upload(env: dict[str, str], start: Started, tmp_path: Path):
    """An upload has a bar with sizes and a rate, and leaves one line that says what it was."""
    instance = start("echo")
    (tmp_path / "file").write_bytes(bytes(40_000_000))
    with terminal(["inst", "input", instance.id, str(tmp_path / "file")], env) as screen:
        # More than can be on its way: it waits for who reads the output.
        screen.until("/40.0 MB")
        with instance.get_stream("output") as output:
            output.read(40_000_000)
        assert screen.end() == 0

    assert re.search(r"/40\.0 MB +[\d.]+ [kM]B/s", screen.seen)
    assert re.search(r"input: 40\.0 MB in \d+\.\d s, [\d.]+ .?B/s\n$", screen.seen)


def test_progress_of_a_download(env: dict[str, str], start: Started, tmp_path: Path):
    """A download to a file has a bar; none is mixed into what is printed."""
    with terminal(
        ["inst", "output", start("many").id, "-o", str(tmp_path / "file")], env
    ) as screen:
        assert screen.end() == 0
    with terminal(["inst", "output", start("many").id], env) as printed:
        assert printed.end() == 0

    assert "output: 10 B in " in screen.seen
    assert (tmp_path / "file").read_bytes() == b"on output\n"
    assert printed.raw == "on output\r\n"


def test_stdout_in_a_pipe_has_no_bar_in_it(env: dict[str, str], start: Started, tmp_path: Path):
    """With stdout in a file and stderr on the terminal, the bar is on the terminal and the data in the file."""
    with (
        (tmp_path / "file").open("wb") as file,
        terminal(["inst", "output", start("many").id], env, stdout=file.fileno()) as screen,
    ):
        assert screen.end() == 0

    assert (tmp_path / "file").read_bytes() == b"on output\n"
    assert "10 B" in screen.seen


def test_quiet_says_nothing(env: dict[str, str], start: Started, tmp_path: Path):
    """`--quiet` leaves out bars and notes."""
    (tmp_path / "file").write_bytes(b"x")
    with terminal(
        ["--quiet", "inst", "input", start("echo").id, str(tmp_path / "file")], env
    ) as screen:
        assert screen.end() == 0

    assert screen.raw == ""


def test_attach(env: dict[str, str], start: Started):
    """`inst attach` sends what is typed, shows stdout and stderr, and Ctrl-D ends the program's stdin."""
    with terminal(["inst", "attach", start("stdin").id], env) as screen:
        screen.until("attached")
        screen.type("hello\n")
        screen.until("err:hello\n")
        screen.type(CTRL_D)

        assert screen.end() == 0
    # Once as it was typed, once as it came back.
    assert screen.seen.count("hello\n") == 3


def test_detach(env: dict[str, str], start: Started):
    """Ctrl-C detaches with 0; the instance goes on, and takes what is typed after another `attach`."""
    instance = start("stdin")
    for word in ("one", "two"):
        with terminal(["inst", "attach", instance.id], env) as screen:
            screen.until("attached")
            screen.type(f"{word}\n")
            screen.until(f"err:{word}\n")
            screen.type(CTRL_C)

            assert screen.end() == 0
        assert f"detached; {instance.id} goes on\n" in screen.seen
        assert instance.get_info().status == "running"


def test_run_is_a_conversation(env: dict[str, str], folders: Path):
    """`seq run` answers what is typed while it is typed; Ctrl-D ends it."""
    # Without the bar of the package, which is drawn over what is typed meanwhile.
    with terminal(["--quiet", "seq", "run", str(folders / "echo.py")], env) as screen:
        screen.type("one\n")
        screen.until("one\none\n")
        screen.type("two\n")
        screen.until("two\ntwo\n")
        screen.type(CTRL_D)

        assert screen.end() == 0


def _the_one(host: HostClient) -> str:
    (info,) = host.list_instances()
    return info.id


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda screen: screen.type(CTRL_C), 130),
        (lambda screen: screen.process.terminate(), 143),
        (Terminal.hang_up, 129),
    ],
    ids=["ctrl-c", "sigterm", "window-closed"],
)
def test_interrupted_run_stops(
    env: dict[str, str],
    host: HostClient,
    folders: Path,
    end: Callable[[Terminal], object],
    code: int,
):
    """What ends `seq run` from outside asks the instance to stop, and is its exit code once that has stopped."""
    heard = [*hearing("SIGHUP"), *COMMAND]
    with terminal(["seq", "run", str(folders / "ticks.py")], env, command=heard) as screen:
        screen.until("tick 3\n")
        end(screen)

        assert screen.end() == code
    ended = host.get_instance_client(_the_one(host)).get_info()
    assert ended.terminated is not None
    assert ended.terminated.exit_code == 0
    assert "Traceback" not in screen.seen


def test_interrupted_run_kills(env: dict[str, str], host: HostClient, folders: Path):
    """A second Ctrl-C does not wait for a program that does not stop, and says what becomes of it."""
    with terminal(["seq", "run", str(folders / "deaf.py")], env) as screen:
        screen.until("running\n")
        screen.type(CTRL_C)
        screen.until("Ctrl-C again")
        instance = host.get_instance_client(_the_one(host))
        eventually(lambda: instance.get_info().status == "stopping")
        screen.type(CTRL_C)

        assert screen.end() == 130
    # A 1.x hub takes no kill after a stop.
    assert f"instance '{instance.id}' is stopping; its hub kills it" in screen.seen
    assert instance.get_info().status == "stopping"


def test_interrupted_before_it_runs(env: dict[str, str], host: HostClient, start: Started):
    """Ctrl-C while an instance starts leaves none behind."""
    sequence = start.sequence("idle")
    with terminal(["seq", "run", sequence], env) as screen:
        eventually(lambda: host.list_instances() or None)
        screen.type(CTRL_C)

        assert screen.end() == 130
    eventually(lambda: all(each.terminated for each in host.list_instances()))


def test_package_is_not_printed(env: dict[str, str], folders: Path):
    """A package goes to a pipe and not to a terminal."""
    with terminal(["seq", "pack", str(folders / "echo.py"), "-o", "-"], env) as screen:
        assert screen.end() == 2

    assert "not text" in screen.seen


def test_terminal_is_left_as_it_was(env: dict[str, str], start: Started, tmp_path: Path):
    """A bar that is interrupted shows the cursor again."""
    instance = start("idle")
    (tmp_path / "file").write_bytes(os.urandom(8_000_000))
    screen = Terminal(["inst", "input", instance.id, str(tmp_path / "file")], env)
    try:
        screen.until("/8.0 MB")
        screen.type(CTRL_C)
        assert screen.end() == 130
    finally:
        screen.close()

    assert screen.raw.rfind("\x1b[?25h") > screen.raw.rfind("\x1b[?25l")
