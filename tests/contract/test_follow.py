"""Following live instances, and being attached to them, on every hub."""

from __future__ import annotations

import io
import os
import select
import subprocess
import sys
import threading
from pathlib import Path

from scramjet_client import HostClient
from tests.contract.conftest import Hub, Start, ended
from tests.support.interrupted import interrupt
from tests.support.waiting import LIMIT, eventually

ROOT = Path(__file__).resolve().parent.parent.parent

ATTACH = """
import sys
from scramjet_client import HostClient
with HostClient(sys.argv[1]) as host:
    print("ready")
    info = host.get_instance_client(sys.argv[2]).attach()
    print("detached" if info is None else info.status)
"""

FOLLOW = """
import sys
from scramjet_client import HostClient
with HostClient(sys.argv[1]) as host:
    try:
        print("ready")
        with host.get_instance_client(sys.argv[2]).follow(output=print, log=print) as following:
            following.wait()
    except KeyboardInterrupt:
        print("interrupted")
"""


def test_every_stream_at_once(start: Start):
    """All streams come as the program writes, and following ends with the instance."""
    instance = start("py-ticker", 20)
    taken: dict[str, list[bytes]] = {"stdout": [], "stderr": [], "output": [], "log": []}

    following = instance.follow(**{name: lines.append for name, lines in taken.items()})
    eventually(lambda: all(len(lines) > 5 for lines in taken.values()))
    instance.kill()
    following.wait(LIMIT)

    for name in ("stdout", "stderr", "output"):
        assert taken[name][:3] == [b"tick 0\n", b"tick 1\n", b"tick 2\n"]
    assert any(b'"tick 1"' in line for line in taken["log"])


def test_all_that_was_written_before_the_end(start: Start, language: str, tmp_path):
    """Following ends only after everything that the program wrote has been delivered."""
    instance = start(f"{language}-bytes", 3_000_000, 0.5)

    instance.follow(output=tmp_path / "output").wait(LIMIT)

    assert (tmp_path / "output").stat().st_size == 3_000_000


def test_attach_in_a_terminal(start: Start, hub: Hub):
    """In a terminal, what is typed is the program's stdin, line by line, and Ctrl-D ends it."""
    instance = start("py-stdin", 0.5)
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", ATTACH, hub.url, instance.id],
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        start_new_session=True,
    )
    os.close(theirs)
    try:
        read_until(ours, b"ready\r\n")
        os.write(ours, "ą one\n".encode())
        # Once as the terminal's echo, once from the program.
        assert read_until(ours, "ą one\r\n".encode(), 2).count("ą one\r\n".encode()) == 2
        os.write(ours, b"two\n\x04")
        assert b"stopped" in read_until(ours, b"stopped") or not hub.modern
        assert process.wait(LIMIT) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b"err:\xc4\x85 one\nerr:two\n"
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()
        os.close(ours)


def test_sigint_detaches(start: Start, hub: Hub):
    """Ctrl-C detaches; the instance goes on, and its stdin is still open."""
    instance = start("py-stdin", 0.5)

    code, said = interrupt(ATTACH, hub.url, instance.id)

    assert (code, said) == (0, "detached\n")
    assert not ended(instance)
    assert instance.run(stdin="one\n", timeout=LIMIT).stdout == b"one\n"


def test_sigint_while_following(start: Start, hub: Hub):
    """Ctrl-C frees who waits for the end of following, while the instance lives on."""
    instance = start("py-echo")

    code, said = interrupt(FOLLOW, hub.url, instance.id)

    assert code == 0
    assert said.splitlines()[-1] == "interrupted"
    assert not ended(instance)


def test_attach_of_files(start: Start, tmp_path):
    """A file of any length is sent and ended, and the last info comes back."""
    instance = start("py-stdin", 0.5)
    lines = b"".join(b"%d\n" % number for number in range(20_000))
    (tmp_path / "in").write_bytes(lines)
    out, err = io.BytesIO(), io.BytesIO()

    with (tmp_path / "in").open("rb") as stdin:
        info = instance.attach(stdin=stdin, stdout=out, stderr=err)

    assert out.getvalue() == lines
    assert err.getvalue().count(b"err:") == 20_000
    assert info is not None
    assert info.id == instance.id


def test_two_follow_one(start: Start, host: HostClient):
    """Two handles of one instance do not disturb each other, and closing one leaves the other."""
    instance = start("py-ticker", 20)
    first: list[bytes] = []
    second: list[bytes] = []

    with instance.follow(output=first.append):
        other = host.get_instance_client(instance.id).follow(output=second.append)
        eventually(lambda: first and second)
    count = len(second)
    eventually(lambda: len(second) > count + 3)
    other.close()

    assert not [t for t in threading.enumerate() if t.name.startswith("scramjet-follow")]


def read_until(terminal: int, end: bytes, count: int = 1) -> bytes:
    """Return what a terminal shows until `end` has come `count` times."""
    shown = b""
    while shown.count(end) < count:
        ready, _, _ = select.select([terminal], [], [], LIMIT)
        assert ready, f"{end!r} did not come, but {shown!r}"
        try:
            shown += os.read(terminal, 4096)
        except OSError:
            # Linux's way to say that the other end is closed.
            break
    return shown
