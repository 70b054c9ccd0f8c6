"""Bars for transfers: a hook for sends, and a wrapper of streams."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scramjet_client import HostClient, InstanceClient
from scramjet_client.integrations.notebook import TransferBar


async def lengths(context, input):
    """Give the length of all that has come so far, a line for each chunk."""
    total = 0
    async for chunk in input:
        total += len(chunk)
        yield {"total": total}


@pytest.fixture
def instance(host: HostClient) -> Iterator[InstanceClient]:
    started = host.deploy(lengths).start()
    yield started
    started.kill()


def test_bar_of_an_upload(instance: InstanceClient, tmp_path: Path):
    """A file's size is the bar's total, and the bar is full when it is sent."""
    path = tmp_path / "data"
    path.write_bytes(b"x" * 300_000)
    text = io.StringIO()

    with TransferBar("up", file=text) as bar, instance.get_stream("output") as output:
        instance.send_input(path, end=True, progress=bar)
        *_, last = output.records()

    assert last == {"total": 300_000}
    assert "up: 100%" in text.getvalue()
    assert "300k/300k" in text.getvalue()


def test_bar_of_a_stream(instance: InstanceClient):
    """A wrapped stream is the same file, line for line as it comes, and the bar counts its bytes."""
    text = io.StringIO()
    bar = TransferBar("down", file=text)

    with bar.wrap(instance.get_stream("output")) as stream:
        instance.send_input(b"x" * 10)
        first = json.loads(stream.readline())
        instance.send_input(b"x" * 5, end=True)
        rest = [json.loads(line) for line in stream]

    assert (first, rest) == ({"total": 10}, [{"total": 15}])
    assert "down: 28.0B" in text.getvalue()


def test_stream_to_a_frame_in_one_line(host: HostClient):
    """pandas takes an output as it is, and its records."""
    import pandas  # noqa: PLC0415 - it takes half a second, and whoever collects other tests needs none

    sequence = host.deploy(lengths)
    frames = []
    for read in (
        lambda output: pandas.DataFrame(output.records()),
        lambda output: pandas.read_json(output, lines=True),
    ):
        started = sequence.start()
        with started.get_stream("output") as output:
            started.send_input(b"x" * 10, end=True)
            frames.append(read(output))

    assert [frame.to_dict("list") for frame in frames] == [{"total": [10]}] * 2
