"""The progress hook of a send: what it is told, by whom, and what happens when it raises."""

from __future__ import annotations

import functools
import io
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from scramjet_client import HostClient, InstanceClient, UploadError
from tests.support.scripted_hub import H1Hub
from tests.support.waiting import LIMIT

DATA = bytes(range(256)) * 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "data").write_bytes(DATA)
    return tmp_path / "data"


@pytest.mark.parametrize("kind", ["bytes", "path", "file", "bytesio", "list", "generator"])
def test_the_hook_hears_every_write_and_the_size_where_it_is_known(
    instance: InstanceClient, path: Path, kind: str
):
    """It is told rising counts up to the whole, and the whole, unless only a reader could know it."""
    told: list[tuple[int, int | None]] = []
    with path.open("rb") as file:
        source = {
            "bytes": DATA,
            "path": path,
            "file": file,
            "bytesio": io.BytesIO(DATA),
            "list": [DATA[:1000], DATA[1000:]],
            "generator": iter((DATA[:1000], DATA[1000:])),
        }[kind]
        instance.send_input(source, progress=lambda sent, total: told.append((sent, total)))

    counts = [sent for sent, _ in told]
    assert counts == sorted(counts)
    assert counts[-1] == len(DATA)
    assert {total for _, total in told} == {None if kind in ("list", "generator") else len(DATA)}


def test_a_file_counts_from_where_it_stands(instance: InstanceClient, path: Path):
    """What has been read of a file before is not part of the total, and it is not read twice."""
    told: list[tuple[int, int | None]] = []
    with path.open("rb") as file:
        file.seek(1000)
        instance.send_input(file, progress=lambda sent, total: told.append((sent, total)))

    assert told[-1] == (len(DATA) - 1000, len(DATA) - 1000)


def test_a_hook_that_raises_fails_the_upload_by_its_name(instance: InstanceClient):
    """The source is closed, the error says that it was the hook, and its exception is the cause."""
    closed = threading.Event()

    def items():
        try:
            while True:
                yield b"x" * 70000
        finally:
            closed.set()

    def hook(sent: int, total: int | None) -> None:
        raise KeyError("bar")

    with pytest.raises(UploadError, match="progress hook raised KeyError") as caught:
        instance.send_input(items(), progress=hook)
    assert isinstance(caught.value.__cause__, KeyError)
    assert closed.wait(LIMIT)


def test_a_hook_that_can_not_be_called_is_refused_before_anything_is_sent(instance: InstanceClient):
    """`progress=True`, say, is a TypeError; so is an async one, which would never run."""

    async def hook(sent: int, total: int | None) -> None:
        raise AssertionError

    with pytest.raises(TypeError, match="progress must be an ordinary function"):
        instance.send_input(b"x", progress=hook)
    with pytest.raises(TypeError, match="progress must be callable, not bool"):
        instance.send_input(b"x", progress=True)  # type: ignore[arg-type]


class Bar:
    """A bar as of tqdm."""

    n = 0

    def update(self, n: float = 1) -> bool | None:
        """Move by `n`."""
        raise AssertionError

    def __call__(self, sent: int) -> None:
        raise AssertionError


WRONG_HOOKS = {
    "the update of a bar": Bar().update,
    "an object that takes one": Bar(),
    "a function of one": lambda sent: None,
    "a function of three": lambda sent, total, more: None,
    "a partial": functools.partial(lambda sent, total: None, 1),
    "keywords only": lambda *, sent, total: None,
}

PLACES = {
    "send_input": lambda host, hook: host.get_instance_client("x").send_input(b"x", progress=hook),
    "submit_input": lambda host, hook: host.get_instance_client("x").submit_input(
        b"x", progress=hook
    ),
    "inout": lambda host, hook: host.get_instance_client("x").inout(b"x", progress=hook),
    "run": lambda host, hook: host.get_instance_client("x").run(b"x", progress=hook),
    "run of a sequence": lambda host, hook: host.get_sequence_client("x").run(b"x", progress=hook),
    "send_sequence": lambda host, hook: host.send_sequence(b"x", progress=hook),
    "update_sequence": lambda host, hook: host.update_sequence("x", b"x", progress=hook),
    "send_topic": lambda host, hook: host.send_topic("x", b"x", progress=hook),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("wrong", WRONG_HOOKS)
def test_a_hook_that_takes_something_else_is_refused_before_anything_is_sent(
    h1_hub: H1Hub, h1_host: HostClient, wrong: str, place: str
):
    """The refusal says what a hook gets, and what to write for a bar."""
    before = len(h1_hub.requests)
    with pytest.raises(TypeError, match=r"progress gets \(sent, total\)") as caught:
        PLACES[place](h1_host, WRONG_HOOKS[wrong])
    assert "lambda sent, total: bar.update(sent - bar.n)" in str(caught.value)
    assert len(h1_hub.requests) == before


@pytest.mark.parametrize("hook", [print, lambda *given: None, lambda a, b, c=1: None, max])
def test_a_hook_that_can_take_two_is_taken(instance: InstanceClient, hook: Callable[..., object]):
    """Functions of C too, whose signature nobody may know."""
    instance.send_input(b"x", progress=hook)
