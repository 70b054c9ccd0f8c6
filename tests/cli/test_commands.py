"""Every command on LocalHub: what it prints for people in a pipe, and for machines."""

from __future__ import annotations

import gc
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from scramjet_client import HostClient, __version__
from scramjet_client.hub import LocalHub
from tests.cli.conftest import Command, Started
from tests.support.waiting import eventually
from tests.support.wire import Conn, RawServer


def document(text: str) -> Any:
    """Return the one JSON document that a text is, on one line."""
    (line,) = text.splitlines()
    return json.loads(line)


def documents(text: str) -> list[Any]:
    """Return the JSON document of each line."""
    return [json.loads(line) for line in text.splitlines()]


# -- hub ------------------------------------------------------------------------------------------


def test_version(scramjet: Command):
    """`--version` is the package's."""
    assert scramjet("--version").text == f"scramjet {__version__}\n"


def test_hub_info(scramjet: Command, hub: LocalHub, start: Started):
    """`hub info` says where the hub is, its version, and what runs."""
    start("idle")

    shown = dict(line.split(":", 1) for line in scramjet("hub", "info").text.splitlines())
    told = document(scramjet("hub", "info", "--json").text)

    assert shown["url"].strip() == told["url"] == hub.url
    assert shown["version"].strip() == told["version"] == "1.0.1"
    assert (told["sequences"], told["instances"], told["running"]) == (1, 1, 1)


def test_hub_load(scramjet: Command):
    """`hub load` shows loads and sizes in words, and as figures to machines."""
    shown, told = scramjet("hub", "load").text, document(scramjet("--json", "hub", "load").text)

    assert "memory, free:" in shown
    assert told["mem_free"] > 1_000_000
    assert "raw" not in told


def test_hub_log(scramjet: Command):
    """`hub log` ends with what there was; machines get the hub's own lines."""
    shown = scramjet("hub", "log", "-n", 1).text
    (told,) = documents(scramjet("hub", "log", "-n", 1, "--json").text)

    assert shown.split()[2:5] == [told["level"], told["from"], *told["msg"].split()[:1]]


def test_doctor(scramjet: Command, hub: LocalHub):
    """`hub doctor` reports what is used and why."""
    shown, told = scramjet("hub", "doctor").text, scramjet("hub", "doctor", "--json").text

    assert f"{hub.url} (from SCRAMJET_API_URL)" in shown
    assert document(told)["reachable"] is True


# -- sequences ------------------------------------------------------------------------------------


def test_pack(scramjet: Command, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`seq pack` writes NAME.tar.gz here, or where it is told, or to stdout; `-l` writes nothing."""
    monkeypatch.chdir(tmp_path)

    assert scramjet("seq", "pack", folders / "echo.py").text == "echo.tar.gz\n"
    packed = (tmp_path / "echo.tar.gz").read_bytes()
    assert scramjet("seq", "pack", folders / "echo.py", "-o", "-").out == packed
    told = document(scramjet("seq", "pack", folders / "echo.py", "-o", "b.tar.gz", "--json").text)
    assert (told["path"], told["name"]) == ("b.tar.gz", "echo")
    assert "package.json" in {each["name"] for each in told["entries"]}
    listed = scramjet("seq", "pack", folders / "idle.py", "--list").text
    assert listed.split()[:2] == ["NAME", "SIZE"]
    assert not (tmp_path / "idle.tar.gz").exists()


def test_pack_warns_of_what_is_left_out(scramjet: Command, folders: Path, tmp_path: Path):
    """What does not travel is told on stderr, a line each, without a place in our source."""
    source = tmp_path / "program"
    source.mkdir()
    (source / "main.py").write_text((folders / "echo.py").read_text("utf-8"), "utf-8")
    (source / "package.json").write_text(
        '{"name": "a", "main": "main.py", "engines": {"python3": "3"}}'
    )
    (source / ".env").write_text("PASSWORD=x")

    packed = scramjet("seq", "pack", source, "-o", tmp_path / "a.tar.gz")
    sent = scramjet("seq", "send", source)

    listed = scramjet("seq", "pack", source, "--list")
    told = document(scramjet("seq", "pack", source, "--list", "--json").text)
    assert [each.split() for each in listed.text.splitlines() if ".env" in each] == [
        [".env", "left", "out", "as", "these", "may", "hold", "secrets"]
    ]
    assert told["left_out"] == [{"name": ".env", "why": "as these may hold secrets"}]
    assert ".env" in told["warnings"][0]

    for said in (packed.err, sent.err):
        (line,) = said.splitlines()
        assert line.startswith("Warning: ")
        assert ".env" in line


def test_send_list_and_remove(scramjet: Command, host: HostClient, folders: Path):
    """`seq send` prints an id, `seq list` and `seq info` know it, `seq rm` takes its name."""
    id = scramjet("seq", "send", folders / "echo.py").text.strip()

    assert [each.id for each in host.list_sequences()] == [id]
    table = scramjet("seq", "list").text.splitlines()
    assert table[0].split() == ["ID", "NAME", "VERSION", "INSTANCES"]
    assert table[1].split()[:2] == [id, "echo"]
    assert scramjet("seq", "list", "-q").text == f"{id}\n"
    assert document(scramjet("seq", "list", "--json").text)[0]["id"] == id
    assert f"{id}\n" in scramjet("seq", "info", "echo").text
    assert scramjet("seq", "rm", "echo").text == f"{id}\n"
    assert host.list_sequences() == []


def test_send_a_package_from_stdin(scramjet: Command, host: HostClient, folders: Path):
    """`seq send -` takes a package from a pipe."""
    packed = scramjet("seq", "pack", folders / "echo.py", "-o", "-").out

    id = document(scramjet("seq", "send", "-", "--json", stdin=packed).text)["id"]

    assert host.get_sequence(id).name == "echo"


def test_replace(scramjet: Command, host: HostClient, folders: Path):
    """`seq send --replace` keeps the id."""
    id = scramjet("seq", "send", folders / "echo.py").text.strip()

    assert scramjet("seq", "send", folders / "idle.py", "--replace", "echo").text.strip() == id
    assert host.get_sequence(id).name == "idle"


def test_start_with_arguments(scramjet: Command, host: HostClient, folders: Path, tmp_path: Path):
    """Words are arguments; `--args` and `--config` are JSON, from the line or from a file with CRLFs."""
    (tmp_path / "config.json").write_bytes(b'{\r\n"a": 1\r\n}\r\n')
    id = scramjet("seq", "send", folders / "tells.py").text.strip()

    def told(*arguments: object) -> Any:
        instance = scramjet("seq", "start", id, *arguments).text.strip()
        return json.loads(scramjet("inst", "output", instance).text)

    assert told("one", "--", "-two") == [{}, ["one", "-two"]]
    config = f"@{tmp_path / 'config.json'}"
    assert told("--args", '[1, {"b": null}]', "-c", config) == [{"a": 1}, [1, {"b": None}]]


def test_run(scramjet: Command, folders: Path):
    """`seq run` sends a path, feeds it stdin, shows its streams, and knows them apart."""
    echoed = scramjet("seq", "run", folders / "echo.py", stdin=b"one\xff\r\n\x00")
    shown = scramjet("seq", "run", folders / "many.py", "--log", "--output-only")

    assert (echoed.out, echoed.err) == (b"one\xff\r\n\x00", "")
    assert shown.out == b"on output\n"
    assert {"on stdout", "on stderr"} <= set(shown.err.splitlines())
    assert "a word\n" in shown.err


def test_run_for_machines(scramjet: Command, folders: Path):
    """`seq run --json` is one document of all that came, with the exit code of the instance."""
    done = document(scramjet("seq", "run", folders / "many.py", "--json").text)

    assert (done["returncode"], done["output"], done["stdout"]) == (0, "on output\n", "on stdout\n")
    assert (done["stderr"], done["info"]["status"]) == ("on stderr\n", "stopped")
    assert any(json.loads(line)["msg"] == "a word" for line in done["log"])


def test_run_for_machines_that_fails(scramjet: Command, tmp_path: Path):
    """The document of a program that crashed has what came before; what is not UTF-8 is base64."""
    (tmp_path / "fails.py").write_text(
        'provides = {"provides": "", "contentType": "application/octet-stream"}\n'
        "async def run(context, input):\n"
        "    yield b'\\xff'\n"
        "    raise RuntimeError('after that')\n"
    )

    failed = document(scramjet("--json", "seq", "run", tmp_path / "fails.py", code=1).text)

    assert (failed["returncode"], failed["output"]) == (1, {"base64": "/w=="})


def test_run_leaves_nothing_behind(scramjet: Command, host: HostClient, folders: Path):
    """`seq run PATH` can be run again at once, and what it has sent is gone soon after; not with `--keep`."""
    for _ in range(2):
        assert scramjet("seq", "run", folders / "many.py", "--output-only").out == b"on output\n"
    scramjet("seq", "run", folders / "fails.py", code=1)
    (kept,) = _sent_with_keep(scramjet, folders)

    # A hub counts an instance as one for 15 s after its end.
    eventually(lambda: [each.id for each in host.list_sequences()] == [kept], 60)


def _sent_with_keep(scramjet: Command, folders: Path) -> list[str]:
    before = set(scramjet("seq", "list", "-q").text.split())
    scramjet("seq", "run", folders / "many.py", "--keep")
    return sorted(set(scramjet("seq", "list", "-q").text.split()) - before)


@pytest.mark.parametrize("how", [[], ["--log"], ["--json"]], ids=["plain", "log", "json"])
def test_run_says_why_it_crashed(scramjet: Command, folders: Path, how: list[str]):
    """A crash is told on stderr as Python tells it, once, without the frames of the runner; the log has it too."""
    said = scramjet("seq", "run", folders / "fails.py", *how, code=1).err

    assert said.count("RuntimeError: after that") == (2 if how == ["--log"] else 1)
    assert "fails.py" in said
    if not how:
        assert said.splitlines()[0] == "Traceback (most recent call last):"
        assert said.count("  File ") == 1


def test_wait_says_why_it_crashed(scramjet: Command, start: Started):
    """`inst wait` ends as the program did, and says its error on one line."""
    said = scramjet("inst", "wait", start("fails").id, code=1).err

    assert "RuntimeError: after that (in run, line 4)" in said


def test_no_code_of_a_hub_is_shown(scramjet: Command, start: Started):
    """A good end and a graceful stop are 0 in every table, a kill is -9."""
    many, stopped, killed = start("many"), start("idle"), start("idle")
    many.wait(60)
    said = scramjet("inst", "stop", stopped.id).text
    scramjet("inst", "kill", killed.id)
    scramjet("inst", "wait", killed.id, code=137)

    for instance, code in ((many, "0 (Instance completed)"), (stopped, "0 (Instance stopped)")):
        said += scramjet("inst", "info", instance.id).text
        assert code in said
    assert "-9 (Instance killed)" in scramjet("inst", "info", killed.id).text
    assert "138" not in said.replace(many.id, "").replace(stopped.id, "")


def test_counts_are_of_what_runs(scramjet: Command, start: Started):
    """`seq list` and `hub info` count the instances that run; those that have ended are told apart."""
    instance = start("idle")
    many = start("many")
    many.wait(60)

    rows = [line.split() for line in scramjet("seq", "list").text.splitlines()[1:]]
    told = document(scramjet("hub", "info", "--json").text)

    assert sorted(row[-1] for row in rows) == ["0", "1"]
    assert (told["instances"], told["running"], told["ended"]) == (1, 1, 1)
    assert instance.get_info().status == "running"


def test_prune(scramjet: Command, start: Started):
    """`seq prune` deletes what no name means and nothing runs of; `--all` what nothing runs of."""
    old, newest, other = start.sequence("echo"), start.sequence("echo"), start.sequence("many")
    busy = start("idle").get_info().sequence

    assert scramjet("seq", "prune", "--list").text.split()[2:] == [old, "echo"]
    assert scramjet("seq", "prune").text == f"{old}\n"
    assert scramjet("seq", "prune").text == ""
    assert set(scramjet("seq", "prune", "--all").text.split()) == {newest, other}
    assert scramjet("seq", "list", "-q").text == f"{busy}\n"


def test_prune_beside_what_has_just_ended(scramjet: Command, start: Started):
    """What a hub still counts as in use stays, with a warning, and the others go."""
    busy, free = start("many"), start.sequence("many")
    start.sequence("many")
    busy.wait(60)
    sequence = busy.get_info().sequence

    done = scramjet("seq", "prune")

    assert done.text == f"{free}\n"
    assert done.err.startswith(f"Warning: sequence '{sequence}' stays")


def test_prune_beside_another(
    scramjet: Command, host: HostClient, start: Started, monkeypatch: pytest.MonkeyPatch
):
    """What has gone since the look, as after a forced deletion, is no error, and the others go."""
    gone, free = start.sequence("many"), start.sequence("many")
    start.sequence("many")
    before = host.list_entities()
    host.delete_sequence(gone)
    monkeypatch.setattr(HostClient, "list_entities", lambda self: before)

    assert scramjet("seq", "prune").text == f"{free}\n"


def test_run_from_a_file_to_stdin(scramjet: Command, folders: Path, tmp_path: Path):
    """`seq run --input FILE --stdin` feeds the program's stdin."""
    (tmp_path / "lines").write_text("a\n")

    done = scramjet("seq", "run", folders / "stdin.py", "--stdin", "-i", tmp_path / "lines")

    assert (done.out, done.err) == (b"a\n", "err:a\n")


def test_run_with_a_limit(scramjet: Command, host: HostClient, folders: Path):
    """`seq run --limit` kills the instance, and ends with 124."""
    done = scramjet("seq", "run", folders / "idle.py", "--no-input", "--limit", 1, code=124)

    assert "had not ended after 1 s" in done.err
    eventually(lambda: all(each.terminated for each in host.list_instances()))


# -- instances ------------------------------------------------------------------------------------


def test_list_and_info(scramjet: Command, start: Started):
    """`inst list` names the sequence, `inst info` takes the beginning of an id."""
    id = start("idle").id

    table = scramjet("inst", "list").text.splitlines()
    assert table[0].split() == ["ID", "SEQUENCE", "STATUS", "STARTED"]
    assert table[1].split()[:3] == [id, "idle", "running"]
    assert scramjet("inst", "list", "--ids").text == f"{id}\n"
    assert document(scramjet("inst", "list", "--json").text)[0]["status"] == "running"
    assert f"id:        {id}\n" in scramjet("inst", "info", id[:8]).text
    assert document(scramjet("inst", "info", id, "--json").text)["terminated"] is None


def test_health(scramjet: Command, start: Started):
    """`inst health` shows the last message."""
    id = start("idle").id

    assert scramjet("inst", "health", id).text.split()[:2] == ["status:", "healthy"]
    assert document(scramjet("inst", "health", id, "--json").text)["uptime"] >= 0


def test_input_and_output(scramjet: Command, start: Started, tmp_path: Path):
    """`inst input` sends stdin or a file and leaves the input open; `--end` ends it."""
    id = start("echo").id
    (tmp_path / "file").write_bytes(b"\xff from a file\r\n")

    scramjet("inst", "input", id, stdin=b"\x00 from stdin\n")
    sent = scramjet("inst", "input", id, tmp_path / "file", "--end", "--json")
    got = scramjet("inst", "output", id)

    assert document(sent.text)["bytes_written"] == 15
    assert got.out == b"\x00 from stdin\n\xff from a file\r\n"


def test_output_to_a_file_and_some_lines(scramjet: Command, start: Started, tmp_path: Path):
    """`inst output -o` writes a file, `-n` ends after so many lines."""
    ticks, many = start("ticks").id, start("many").id

    assert scramjet("inst", "output", ticks, "-n", 2).out == b"tick 0\ntick 1\n"
    assert scramjet("inst", "output", many, "-o", tmp_path / "out").out == b""
    assert (tmp_path / "out").read_bytes() == b"on output\n"


def test_stdio(scramjet: Command, start: Started):
    """`inst stdin`, `stdout` and `stderr` are the program's."""
    id = start("stdin").id
    scramjet("inst", "stdin", id, "-", "--end", stdin="ą\n".encode())

    assert scramjet("inst", "stdout", id).text == "ą\n"
    assert scramjet("inst", "stderr", id).text == "err:ą\n"


def test_log(scramjet: Command, start: Started):
    """`inst log` prints what there is, time, level, origin and message, and ends."""
    lines = scramjet("inst", "log", start("many").id).text.splitlines()
    told = documents(scramjet("inst", "log", "-f", start("many").id, "--json", "-n", 2).text)

    assert any(line.split()[2] == "INFO" and line.endswith(" a word") for line in lines)
    assert any(each["msg"] == "a word" for each in told)


def test_log_of_a_program_that_never_pauses(scramjet: Command, host: HostClient, tmp_path: Path):
    """`inst log` ends without -f, though there is always more."""
    (tmp_path / "talks.py").write_text(
        "import asyncio\n"
        "async def run(context, input):\n"
        "    yield 'x'\n"
        "    while True:\n"
        "        context.logger.info('a word')\n"
        "        await asyncio.sleep(0.02)  # fifty a second\n"
    )
    id = host.send_sequence(tmp_path / "talks.py").start().id

    said = scramjet("inst", "log", id).text

    assert "a word" in said
    assert scramjet("inst", "log", id, "--no-follow", "-n", 1).text.count("\n") == 1
    host.get_instance_client(id).kill()


def test_what_there_is_of_a_stream(scramjet: Command, start: Started):
    """`--no-follow` ends the other streams of an instance that goes on."""
    id = start("events").id
    with_output = start("deaf").id

    assert scramjet("inst", "output", with_output, "--no-follow").out == b"running\n"
    assert scramjet("inst", "stdout", id, "-F").out == b""
    assert scramjet("inst", "output", start("many").id, "--follow").out == b"on output\n"


def test_log_for_machines_is_json(scramjet: Command):
    """With `--json` each line of a log is JSON, also where a hub sends none."""

    def handle(conn: Conn) -> None:
        conn.read_request()
        lines = b'{"ts": 1,\t"msg": "\xc2\x9b"}\nno record\n[NaN]\n'
        conn.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + lines)

    with RawServer(handle) as server:
        told = documents(scramjet("-u", server.url, "hub", "log", "--json").text)

    assert told == [{"ts": 1, "msg": "\x9b"}, "no record", "[NaN]"]


def test_inout(scramjet: Command, start: Started):
    """`inst inout` is a filter, for bytes of any kind."""
    assert scramjet("inst", "inout", start("echo").id, stdin=b"\xff\x00").out == b"\xff\x00"


def test_attach_to_its_end(scramjet: Command, start: Started):
    """`inst attach` sends stdin, shows stdout and stderr, and ends as the instance does."""
    done = scramjet("inst", "attach", start("stdin").id, stdin=b"a\n")
    failed = scramjet(
        "inst", "attach", start("fails").id, "--output", "--log", "--no-stdin", code=1
    )

    assert (done.out, done.err) == (b"a\n", "err:a\n")
    assert failed.out == b"before\n"
    assert "after that" in failed.err


def test_events(scramjet: Command, start: Started):
    """`inst event send --wait` listens first; `event wait --last` and `events` print messages."""
    id = start("events").id
    assert scramjet("inst", "event", "wait", id, "ready", "--last").text == "yes\n"

    pong = scramjet("inst", "event", "send", id, "ping", "hello", "--wait", "pong", "--limit", 60)
    assert pong.text == '{"echo":"hello"}\n'
    order = '{"name": "text", "message": "ą"}'
    told = scramjet(
        "inst", "event", "send", id, "emit", "--value", order, "--wait", "text", "--json"
    )
    assert document(told.text)["data"] == "ą"
    assert document(scramjet("inst", "event", "send", id, "ping", "--json").text)["sent"] is True


def test_event_stream(scramjet: Command, host: HostClient, start: Started):
    """`inst events -n` ends after so many."""
    id = start("events").id
    instance = host.get_instance_client(id)
    over = threading.Event()

    def ping() -> None:
        while not over.wait(0.05):
            instance.send_event("ping", "x")

    pinging = threading.Thread(target=ping, name="test-ping")
    pinging.start()
    try:
        shown = scramjet("inst", "events", id, "pong", "-n", 2).text
    finally:
        over.set()
        pinging.join()

    assert shown == '{"echo":"x"}\n' * 2


def test_stop_and_wait(scramjet: Command, start: Started):
    """`inst stop` prints the id once it has ended; `inst wait` then has nothing to wait for."""
    one, two = start("idle").id, start("idle").id

    assert scramjet("inst", "stop", one, two[:8]).text == f"{one}\n{two}\n"
    ended = document(scramjet("inst", "wait", one, "--json").text)
    assert (ended["status"], ended["terminated"]["exit_code"]) == ("stopped", 0)


def test_kill(scramjet: Command, start: Started):
    """`inst kill` prints the id; `inst wait` then ends with 137."""
    id = start("idle").id
    scramjet("inst", "wait", id, "--status", "running")

    assert document(scramjet("inst", "kill", id, "--json").text)["id"] == id
    scramjet("inst", "wait", id, code=137)


# -- topics ---------------------------------------------------------------------------------------


def test_topics(scramjet: Command):
    """A topic is made, filled from stdin, listed, read and removed."""
    assert scramjet("topic", "create", "names").text == "names\n"
    scramjet("topic", "send", "names", stdin=b'{"name": "Ada"}\n{"name": "Bob"}\n')

    assert scramjet("topic", "get", "names", "-n", 2).text == '{"name": "Ada"}\n{"name": "Bob"}\n'
    table = scramjet("topic", "list").text.splitlines()
    assert table[0].split() == ["NAME", "TYPE", "FROM"]
    assert table[1].split() == ["names", "application/x-ndjson"]
    assert scramjet("topic", "list", "-q").text == "names\n"
    assert scramjet("topic", "rm", "names").text == "names\n"
    assert document(scramjet("topic", "list", "--json").text) == []


def test_topic_of_another_type(scramjet: Command):
    """`-t` says what a topic carries, when it is made, written and read."""
    scramjet("topic", "create", "raw", "-t", "text/plain")
    scramjet("topic", "send", "raw", "-t", "text/plain", stdin=b"a\n")

    assert scramjet("topic", "get", "raw", "-t", "text/plain", "-n", 1).out == b"a\n"
    scramjet("topic", "get", "raw", code=77)


def test_command_gives_the_collector_back(scramjet: Command):
    """A program that calls the command has its own limits of the garbage collector afterwards."""
    limits = gc.get_threshold()
    scramjet("--version")

    assert gc.get_threshold() == limits


_MANIFEST = '{"name": "p", "version": "1.0.0", "main": "main.py", "engines": {"python3": ">=3"}}'


def test_a_result_in_the_folder_of_the_program(
    scramjet: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """`-o` into the program's folder works again and again, and the program does not get its old result."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "package.json").write_text(_MANIFEST)
    (tmp_path / "data.txt").write_text("")
    (tmp_path / "main.py").write_text(
        "import os\n"
        "def run(context, input):\n"
        "    yield ' '.join(sorted(os.listdir(os.path.dirname(os.path.abspath(__file__)))))\n"
    )
    found = []
    for _ in range(2):
        scramjet("seq", "run", ".", "-o", "result.txt")
        found.append((tmp_path / "result.txt").read_text())

    assert "data.txt" in found[0]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("seq run ./echo.py -i in -o in", "-o in would replace its input"),
        ("seq run ./echo.py -i in -o ./echo.py", "would replace the program"),
        ("seq run ./echo.py -i in -c @c.json -o c.json", "would replace a file of its arguments"),
        ("seq run ./pkg -i in -o pkg/main.py", "would replace a file of the program"),
        ("seq run ./pkg -i in -o pkg/package.json", "would replace a file of the program"),
        ("seq run ./echo.py -i in -o none/x", "none/x: there is no folder 'none'; make it first"),
        ("seq pack ./echo.py -o echo.py", "-o echo.py would replace the program"),
        ("seq pack ./echo.py -o none/x", "none/x: there is no folder 'none'; make it first"),
        ("inst output ID -o none/x", "none/x: there is no folder 'none'; make it first"),
        ("inst output 11111111-1111-1111-1111-111111111111 -o in", "not found"),
    ],
)
def test_no_output_destroys_what_is_read(
    scramjet: Command,
    start: Started,
    folders: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    said: str,
):
    """`-o` replaces no file that is read, and if its file can't be opened, the hub still has the data."""
    monkeypatch.chdir(tmp_path)
    texts = {"in": "data\n", "c.json": '{"a": 1}', "echo.py": (folders / "echo.py").read_text()}
    texts |= {"pkg/main.py": "def run(context, input): yield 'a'\n", "pkg/package.json": _MANIFEST}
    Path("pkg").mkdir()
    for name, text in texts.items():
        Path(name).write_text(text)
    many = start("many").id
    done = scramjet.any_end(*line.replace("ID", many).split())

    assert done.code
    assert said in done.err
    assert {name: Path(name).read_text() for name in texts} == texts
    assert scramjet("inst", "output", many).out == b"on output\n"
