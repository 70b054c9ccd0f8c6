"""Running programs to their end, on every hub."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scramjet_client import (
    HostClient,
    HubTimeoutError,
    InstanceClient,
    InstanceFailedError,
    InstanceNotFoundError,
    RunTimeoutError,
    Tuning,
    UnsupportedByHubError,
    UploadError,
)
from tests.contract.conftest import Hub, Start, ended
from tests.support.interrupted import interrupt
from tests.support.waiting import LIMIT, eventually, long_enough

LINGER = 0.5
"""Argument of Python samples: seconds that they live on for late readers on 0.x; there are none here."""

BLOCK = b"%099d\n" % 7 * 640

SIGINT_IN_A_RUN = """
import sys
from scramjet_client import HostClient
host = HostClient(sys.argv[1])
sequence = host.get_sequence_client(sys.argv[2])
try:
    print("ready")
    sequence.run(timeout=3600)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_output_of_what_is_sent(hub: Hub, host: HostClient):
    """What a program makes of its input comes back whole, and how it ended where the hub says it (1.x)."""
    done = hub.sequence(host, "py-echo").run(
        ["one ą\n", "two\n"], type="text/plain", args=[LINGER], timeout=LIMIT
    )

    assert done.output == "one ą\ntwo\n".encode()
    assert done.info.status == "stopped"
    if hub.modern:
        assert done.returncode == 0
        assert done.info.terminated is not None
        done.check_returncode()
    else:
        # 0.x has forgotten the instance by then: what is there is what it said at the beginning.
        assert done.returncode is None
        assert done.info.id
        assert done.info.started
        with pytest.raises(UnsupportedByHubError):
            done.check_returncode()


def test_progress_and_output_in_a_file(hub: Hub, host: HostClient, tmp_path: Path):
    """`run` says how much of a file is sent, and writes the output as it comes."""
    source, result = tmp_path / "source", tmp_path / "result"
    source.write_bytes(BLOCK)
    shown: list[tuple[int, int | None]] = []

    with source.open("rb") as file:
        done = hub.sequence(host, "py-echo").run(
            file,
            type="text/plain",
            args=[LINGER],
            output=result,
            progress=lambda sent, total: shown.append((sent, total)),
            timeout=LIMIT,
        )

    assert (result.read_bytes(), done.output) == (BLOCK, b"")
    assert shown[-1] == (len(BLOCK), len(BLOCK))


def test_many_runs_of_one_client(hub: Hub, host: HostClient):
    """From four at once on, a list of all instances replaces the looks at each; every run sees its end all the same."""
    host.client.tuning = Tuning(log_echo_limit=3600.0)
    sequence = hub.sequence(host, "py-echo")

    def once(number: int) -> bytes:
        text = f"{number}\n"
        return sequence.run(text, type="text/plain", args=[LINGER], timeout=LIMIT).output

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(once, range(6))) == [b"%d\n" % number for number in range(6)]


def test_stdin_stdout_and_stderr(hub: Hub, host: HostClient):
    """stdin is sent and ended as well, and stdout and stderr are kept apart."""
    done = hub.sequence(host, "py-stdin").run(stdin="ą one\ntwo\n", args=[LINGER], timeout=LIMIT)

    assert done.stdout == "ą one\ntwo\n".encode()
    assert done.stderr == "err:ą one\nerr:two\n".encode()


def test_node_program(hub: Hub, host: HostClient):
    """What a Node.js program wrote before it crashed comes back."""
    done = hub.sequence(host, "node-crash-later").run(args=[0.2], timeout=LIMIT)

    assert done.output == b"before the crash\n"


def test_much_in_both_directions(hub: Hub, host: HostClient):
    """Much in and as much out do not wait for each other: more than all buffers on the way can hold."""
    # An 0.x hub decodes and encodes all of it as UTF-8.
    count = (100_000_000 if hub.modern else 30_000_000) // len(BLOCK)

    done = hub.sequence(host, "py-echo").run(
        (BLOCK for _ in range(count)), args=[LINGER], timeout=LIMIT
    )

    assert done.output == BLOCK * count


def test_output_that_is_not_asked_for(hub: Hub, host: HostClient):
    """A program that writes to every stream at once is not held back by one of them."""

    def timed_out(limit: float) -> HubTimeoutError:
        with pytest.raises(HubTimeoutError) as caught:
            hub.sequence(host, "py-ticker").run(args=[5], timeout=limit)
        return caught.value

    def has_all(error: HubTimeoutError) -> bool:
        if not isinstance(error, RunTimeoutError):
            return False  # it was over before the instance had started
        return all(
            b"tick 1" in data for data in (error.output, error.stdout, error.stderr, error.log)
        )

    error = long_enough(timed_out, has_all)
    assert isinstance(error, RunTimeoutError)

    for data in (error.output, error.stdout, error.stderr):
        assert data.startswith(b"tick 0\ntick 1\n")
    assert b"tick 1" in error.log


def test_timeout_kills(start: Start, hub: Hub):
    """A run that takes too long kills the instance, and says so."""

    def timed_out(limit: float) -> tuple[InstanceClient, RunTimeoutError]:
        instance = start("py-echo")
        with pytest.raises(RunTimeoutError, match="it was killed") as caught:
            instance.run(timeout=limit)
        return instance, caught.value

    instance, error = long_enough(timed_out, lambda it: it[1].info is not None)

    assert error.info.id == instance.id
    eventually(lambda: ended(instance))


def test_timeout_that_leaves(start: Start):
    """It can leave the instance alone, which can then be run again."""
    instance = start("py-echo", LINGER)

    with pytest.raises(RunTimeoutError, match="it was left"):
        instance.run(timeout=1, unfinished="leave")

    assert instance.run(b"one\n", timeout=LIMIT).output == b"one\n"


def test_crash(hub: Hub, host: HostClient):
    """A crash is in the return code where the hub says it; check=True raises it, and is refused on 0.x."""
    sequence = hub.sequence(host, "py-crash-later")
    before = {info.id for info in host.list_instances()}

    if not hub.modern:
        with pytest.raises(UnsupportedByHubError):
            sequence.run(args=[0.2], timeout=LIMIT, check=True)
        assert {info.id for info in host.list_instances()} == before
        return
    with pytest.raises(InstanceFailedError) as caught:
        sequence.run(args=[0.2], timeout=LIMIT, check=True)

    assert caught.value.completed.output == b"before the crash\n"
    assert caught.value.completed.info.status == "crashed"
    assert caught.value.completed.returncode not in (0, None)


def test_source_that_raises(hub: Hub, host: HostClient):
    """A source that raises is raised, and no instance lives on."""
    sequence = hub.sequence(host, "py-echo")
    before = set(sequence.list_instances())

    def items():
        yield b"one\n"
        raise KeyError("x")

    with pytest.raises(UploadError) as caught:
        sequence.run(items(), timeout=LIMIT)

    assert isinstance(caught.value.__cause__, KeyError)
    gone(host, set(sequence.list_instances()) - before)


def test_wrong_source(hub: Hub, host: HostClient):
    """What can't be sent is a TypeError, and no instance lives on."""
    sequence = hub.sequence(host, "py-echo")
    before = set(sequence.list_instances())

    with pytest.raises(TypeError):
        sequence.run(5, timeout=LIMIT)

    gone(host, set(sequence.list_instances()) - before)


def test_program_that_does_not_read(hub: Hub, host: HostClient):
    """A program that ends without having read its input is no error."""
    done = hub.sequence(host, "py-bytes").run(
        (BLOCK for _ in range(1000)), args=[1000, LINGER], timeout=LIMIT
    )

    assert len(done.output) == 1000


@pytest.mark.parametrize(
    "early", [False, True], ids=["while it runs", "before the hub has named it"]
)
def test_sigint(hub: Hub, host: HostClient, early: bool):
    """Ctrl-C ends a run whose program would go on, and no instance lives on."""
    sequence = hub.sequence(host, "py-echo")
    before = set(sequence.list_instances())

    code, said = interrupt(SIGINT_IN_A_RUN, hub.url, sequence.id, early=early)

    assert (code, said) == (0, "interrupted\n")
    gone(host, set(sequence.list_instances()) - before)


def test_unknown_instance(host: HostClient):
    """An instance that is not there can't be run."""
    with pytest.raises(InstanceNotFoundError):
        host.get_instance_client("00000000-0000-0000-0000-000000000000").run(b"x")


def gone(host: HostClient, ids: set[str]) -> None:
    """Wait until instances have ended."""
    for id in ids:
        eventually(lambda id=id: ended(host.get_instance_client(id)))
