"""Whatever a hub, a program or a file says: on a terminal and in JSON it only shows, and does nothing."""

from __future__ import annotations

import ast
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from scramjet_client import HubConnectionError, cli
from scramjet_client._base import printable, printable_json
from tests.cli.conftest import Command
from tests.cli.terminal import environment, terminal
from tests.support.wire import Conn, RawServer

ID = "0" * 36

ACTING = [
    *map(chr, (*range(9), 11, 12, *range(14, 32), *range(0x7F, 0xA0))),
    *"\u00ad\u034f\u061c\u115f\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e",
    *"\u2060\u2061\u2066\u2067\u2068\u2069\u206a\u3164\ufeff\ufff9\U0001d173\U000e0041\U000e0001",
]
"""Characters that do something else than show themselves; line ends and tabs have their own places."""

ATTACKS = [
    "\x1b]52;c;cm0gLXJmIH4=\x07",  # writes to the clipboard
    "\x1b[2J\x1b[1;1H",  # clears the screen
    "\x1b]0;title\x07",
    "\x9b2J\x9d0;title\x9c",  # the same in C1
    "[link=http://evil.example]here[/link] [bold red]x[/]",  # rich's markup
    "\u202egnp.exe\u202c",
]

EVIL = "".join([*ATTACKS, *ACTING])


def acting(text: str) -> set[str]:
    """Return the characters of a text that would act on a terminal."""
    return {each for each in text if each in ACTING}


INSTANCE = {
    "id": ID,
    "sequence": {"id": EVIL},
    "status": EVIL,
    "created": EVIL,
    "started": EVIL,
    EVIL: EVIL,
    "terminated": {"exitcode": 1, "reason": EVIL},
}

ANSWERS: dict[str, object] = {
    "version": {"version": EVIL, "apiVersion": EVIL, "service": EVIL, "build": EVIL},
    "status": {"cpm": {EVIL: EVIL}},
    "config": {"host": {"id": EVIL}, "runtimeAdapter": EVIL},
    "load-check": {
        "avgLoad": 1,
        "currentLoad": 1,
        "memFree": 1,
        "memUsed": 1,
        "fsSize": [{"mount": EVIL, "used": 1, "size": 2}],
    },
    "sequences": [{"id": EVIL, "config": {"name": EVIL, "version": EVIL}, "instances": []}],
    "instances": [INSTANCE],
    "entities": {
        "sequences": [{"id": EVIL, "config": {"name": EVIL, "version": EVIL}, "instances": []}],
        "instances": [{**INSTANCE, "id": EVIL, "terminated": None}],
    },
    "topics": [
        {
            "id": EVIL,
            "topic": EVIL,
            "topicName": EVIL,
            "name": EVIL,
            "contentType": EVIL,
            "localProvider": EVIL,
        }
    ],
    f"instance/{ID}": INSTANCE,
    f"instance/{ID}/health": {"healthy": True, "message": EVIL, EVIL: EVIL},
    f"instance/{ID}/event/text": EVIL,
    f"instance/{ID}/event/value": {EVIL: [EVIL]},
    f"sequence/{ID}": {
        "id": EVIL,
        "location": EVIL,
        "config": {"name": EVIL, "version": EVIL, "description": EVIL, "engines": {EVIL: EVIL}},
        "instances": [EVIL],
    },
    f"sequence/{ID}/start": {"id": EVIL},
}

LOG = b"".join(
    line + b"\n"
    for line in (
        json.dumps(
            {"ts": 1, "level": EVIL, "msg": EVIL, "from": EVIL, "data": [EVIL, {EVIL: EVIL}]}
        ).encode(),
        json.dumps({"ts": 2, "level": "INFO", "msg": EVIL}, ensure_ascii=False).encode(),
        EVIL.encode(),
        b'"\xff\xfe\x9b"',
    )
)


def _handle(conn: Conn) -> None:
    while (request := conn.read_request()) is not None:
        path = request.target.partition("/api/v1/")[2].partition("?")[0]
        conn.read_body(request)
        if path.endswith("log"):
            conn.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + LOG)
            return
        status, value = (200, ANSWERS[path]) if path in ANSWERS else (400, {"error": EVIL})
        body = json.dumps(value).encode()
        head = f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\n\r\n"
        conn.send(head.encode() + body)


@pytest.fixture(scope="module")
def hostile() -> Iterator[str]:
    """A hub that says nothing but what would act on a terminal."""
    with RawServer(_handle) as server:
        yield server.url


VERBS = [
    ["hub", "info"],
    ["hub", "load"],
    ["hub", "log"],
    ["hub", "doctor"],
    ["seq", "list"],
    ["seq", "list", "-q"],
    ["seq", "info", ID],
    ["seq", "start", ID],
    ["seq", "rm", ID],
    ["seq", "prune"],
    ["seq", "prune", "--list", "--all"],
    ["inst", "list"],
    ["inst", "list", "-q"],
    ["inst", "info", ID],
    ["inst", "health", ID],
    ["inst", "log", ID],
    ["inst", "wait", ID],
    ["inst", "stop", ID],
    ["inst", "kill", ID],
    ["inst", "event", "wait", ID, "text", "--last"],
    ["inst", "event", "wait", ID, "value", "--last"],
    ["inst", "event", "wait", ID, "refused", "--last"],
    ["inst", "output", ID],
    ["inst", "attach", ID],
    ["inst", "input", ID],
    ["topic", "list"],
    ["topic", "list", "-q"],
    ["topic", "create", "x"],
    ["topic", "get", "x"],
    ["topic", "rm", "x"],
    # What was typed, or comes out of a completion, may be theirs as well.
    ["seq", "info", EVIL],
    ["inst", "info", EVIL],
    ["topic", "rm", EVIL],
    ["profile", "show", EVIL],
    ["profile", "rm", EVIL],
    [EVIL],
    ["inst", EVIL],
    ["inst", "list", f"--{EVIL}"],
    ["seq", "send", EVIL],
    ["--profile", EVIL, "seq", "list"],
]


@pytest.mark.parametrize("how", [[], ["--json"], ["--debug"]], ids=["plain", "json", "debug"])
@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: " ".join(verb).replace(EVIL, "EVIL")[:60])
def test_nothing_acts(
    hostile: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    verb: list[str],
    how: list[str],
):
    """No verb prints a character that acts, on either stream; JSON stays JSON."""
    if "--profile" not in verb:
        monkeypatch.setenv("SCRAMJET_API_URL", hostile)
    words = [each.replace("\0", "") for each in verb]
    done = Command(monkeypatch).any_end(*how, *words)

    assert acting(done.text) == acting(done.err) == set()
    assert "defect" not in done.err
    if how == ["--json"] and done.code == 0:
        for line in done.text.splitlines():
            json.loads(line)


@pytest.mark.parametrize(
    "verb",
    [
        ["inst", "list"],
        ["seq", "list"],
        ["inst", "info", ID],
        ["topic", "list"],
        ["inst", "log", ID],
        ["inst", "info", "x"],
    ],
    ids=" ".join,
)
def test_nothing_acts_on_a_terminal(hostile: str, home: Path, verb: list[str]):
    """On a terminal there are the command's own colours, and no escape sequence of anybody else."""
    with terminal(verb, environment(home, hostile), columns=200) as screen:
        screen.end()

    assert acting(screen.seen.replace("\r", "")) == set()
    assert "\x1b]" not in screen.raw
    assert "\x1b[2J" not in screen.raw


def test_json_means_the_same(hostile: str, home: Path, monkeypatch: pytest.MonkeyPatch):
    """What is escaped in JSON is the same value for who reads it."""
    monkeypatch.setenv("SCRAMJET_API_URL", hostile)

    (told,) = json.loads(Command(monkeypatch)("topic", "list", "--json").text)

    assert told["name"] == EVIL


def test_a_record_is_no_two(hostile: str, home: Path, monkeypatch: pytest.MonkeyPatch):
    """A line end in a message begins no line that looks like a record."""
    forged = {"ts": 1, "level": "INFO", "msg": "one\n2026-01-01 00:00:00.000 ERROR forged"}

    def handle(conn: Conn) -> None:
        conn.read_request()
        conn.send(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + json.dumps(forged).encode() + b"\n"
        )

    with RawServer(handle) as server:
        said = Command(monkeypatch)("-u", server.url, "hub", "log").text

    assert [line[:4] for line in said.splitlines()] == ["1970", "    "]


def test_profiles_of_others(home: Path, monkeypatch: pytest.MonkeyPatch):
    """The names and contents of files are shown, not obeyed."""
    folder = home / ".si" / "profiles"
    folder.mkdir(parents=True)
    (folder / "\x1b[2J.json").write_text(json.dumps({"apiUrl": f"http://{EVIL}"}))
    (folder / "b.json").write_text(json.dumps({"env": EVIL}))

    done = Command(monkeypatch)("profile", "list")

    assert acting(done.text) == set()
    assert "\\x1b[2J" in done.text


def test_errors_of_the_library():
    """The text of an error can be printed; its attributes have what was said."""
    error = HubConnectionError(f"the hub said {EVIL}")

    assert acting(str(error)) == set()
    assert error.message == f"the hub said {EVIL}"


def test_every_character_that_acts_is_escaped():
    """Whatever Unicode calls a control or a format is escaped, but for the signs of Arabic that are seen."""
    seen = {
        "\u06dd",
        "\u070f",
        "\u08e2",
        "\u0890",
        "\u0891",
        "\U000110bd",
        "\U000110cd",
        *map(chr, range(0x600, 0x606)),
    }
    left = {
        chr(code)
        for code in range(0x110000)
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        and printable(chr(code)) == chr(code)
    }

    assert left <= seen
    assert printable("ąść \u00a0\U0001f600\t") == "ąść \u00a0\U0001f600\\t"
    assert json.loads(printable_json(json.dumps(EVIL, ensure_ascii=False))) == EVIL


def test_one_way_out():
    """No module of the command but one prints anything."""
    folder = Path(cli.__file__).parent
    found = []
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "print",
                "click.echo",
                "click.secho",
                "sys.stdout.write",
                "sys.stderr.write",
                "sys.stdout.buffer.write",
                "sys.stderr.buffer.write",
            ):
                found.append(path.name)

    # Where a package is missing, there is no other way yet.
    assert sorted(set(found)) == ["__init__.py", "_say.py"]


def test_the_bar_has_no_markup(hostile: str, home: Path, tmp_path: Path):
    """The label of a bar is text, whatever the name of a topic is."""
    (tmp_path / "file").write_bytes(b"x")
    name = "[link=http://evil.example]here[/link]"
    with terminal(
        ["topic", "send", name, str(tmp_path / "file")], environment(home, hostile)
    ) as screen:
        screen.end()

    assert "\x1b]8" not in screen.raw
