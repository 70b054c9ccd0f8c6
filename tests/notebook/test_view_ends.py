"""What the last picture of a view says, however the view ends; drawn without a notebook."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scramjet_client import HostClient, InstanceClient
from scramjet_client.integrations._drawing import ViewState, as_html
from scramjet_client.integrations._view import LiveView
from tests.notebook.hub_process import hub_process
from tests.support.scripted_hub import H1Hub
from tests.support.waiting import eventually


async def talk(context, input):
    """Give lines until told to stop."""
    done = asyncio.Event()
    context.on("finish", lambda _message: done.set())
    number = 0
    while not done.is_set():
        number += 1
        yield f"line {number}\n"
        await asyncio.sleep(0.02)


@pytest.fixture
def instance(host: HostClient) -> Iterator[InstanceClient]:
    """An instance that gives lines."""
    started = host.deploy(talk).start()
    started.wait_for("running", timeout=60)
    yield started
    started.kill()


def shown(instance: InstanceClient, interval: float = 0.05) -> tuple[LiveView, list[ViewState]]:
    """Return a view that has drawn some lines, and all that it draws."""
    drawn: list[ViewState] = []
    view = LiveView(instance, drawn.append, streams=["output"], lines=3, interval=interval)
    eventually(lambda: drawn and any(drawn[-1].streams["output"].rates))
    return view, drawn


ENDS: dict[str, tuple[Callable[[InstanceClient, LiveView], object], str, str]] = {
    # name: (what is done, how it says that it ended, its status)
    "closed": (lambda _instance, view: view.close(), "the view was closed", "was running"),
    "told": (lambda _instance, view: view.end("its cell was run again"), "its cell was run again", "was running"),
    "finished": (lambda instance, _view: instance.send_event("finish"), "the view has ended", "stopped"),
}  # fmt: skip


@pytest.mark.parametrize("how", ENDS)
def test_last_picture(instance: InstanceClient, how: str):
    """It says why it is the last, and what was last known; its rates are 0, and it is not live."""
    end, why, status = ENDS[how]
    view, drawn = shown(instance)
    assert drawn[-1].ended == ""
    end(instance, view)
    view.wait(60)

    assert drawn[-1].ended == why
    assert drawn[-1].facts[0] == status
    assert drawn[-1].streams["output"].rates[-1] == 0
    assert "animation" not in as_html(drawn[-1])


async def fail(context, input):
    """Give a line, and fail."""
    yield "line 1\n"
    raise ValueError("no number in line 3 <b>" + "x" * 500 + " end")


async def leave(context, input):
    """Give a line, and end with a code."""
    yield "line 1\n"
    sys.exit(3)


FAILURES: list[tuple[Any, str, list[str]]] = [
    # (program, its status, what its error says)
    (fail, "crashed", ["ValueError: no number in line 3 &lt;b&gt;", "in fail, line ", ".py, line "]),
    (leave, "crashed", []),
]  # fmt: skip


@pytest.mark.parametrize(("program", "status", "said"), FAILURES)
def test_error_of_the_program_stands_on_its_own(
    host: HostClient, program: Any, status: str, said: list[str]
):
    """The last picture has it in red, with file and line, and what the program gave before."""
    drawn: list[ViewState] = []
    started = host.deploy(program).start()
    with LiveView(
        started, drawn.append, streams=["output", "stdout", "stderr", "log"], lines=3, interval=0.05
    ) as view:
        view.wait(60)
    page = as_html(drawn[-1])

    assert drawn[-1].facts[0] == status
    assert all(each in page for each in said), page
    assert bool(drawn[-1].failure) == bool(said)
    assert "line 1" in page


def test_last_picture_when_the_hub_is_gone():
    """It says that the view broke off, and by what."""
    with hub_process() as url, HostClient(url) as host:
        started = host.deploy(talk).start()
        started.wait_for("running", timeout=60)
        view, drawn = shown(started)
    eventually(lambda: view.done)

    assert drawn[-1].ended == "the view broke off"
    assert drawn[-1].error
    assert drawn[-1].streams["output"].rates[-1] == 0


def test_streams_that_end_before_the_instance():
    """The view lives until the hub says that the instance has ended, and its last picture says so."""
    drawn: list[ViewState] = []
    with H1Hub() as hub, HostClient(hub.url) as host:
        program = hub.add_instance(id="i")
        view = LiveView(
            host.get_instance_client("i"), drawn.append, streams=["output"], lines=3, interval=0.05
        )
        program.pipes["output"].write(b"line 1\n")
        program.pipes["output"].end()
        eventually(lambda: view._follow.done)
        looks = len(drawn)
        eventually(lambda: len(drawn) > looks + 2)
        assert not view.done
        assert drawn[-1].facts[0] == "running"
        program.end()
        view.wait(60)

    assert drawn[-1].facts[0] == "stopped"
    assert drawn[-1].ended == "the view has ended"


@pytest.mark.parametrize(("interval", "rates"), [(0.05, 120), (0.5, 120), (2, 30), (60, 2)])
def test_rates_span_a_minute(instance: InstanceClient, interval: float, rates: int):
    """However often it draws, the rates that it keeps are those of the last minute."""
    drawn: list[ViewState] = []
    view = LiveView(instance, drawn.append, streams=["output"], lines=3, interval=interval)
    kept = view._meters["output"].rates.maxlen
    view.close()

    assert kept == rates
    assert drawn[-1].life >= 3 * interval
