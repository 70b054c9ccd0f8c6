"""`instance.show()` and interrupts, in a real kernel of Jupyter."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator

import pytest

from scramjet_client import HostClient, InstanceClient, InstanceNotFoundError
from tests.notebook.hub_process import hub_process
from tests.notebook.kernel import Kernel
from tests.support.waiting import eventually


async def chatter(context, input):
    """Say something on every stream until told to stop, then end by itself."""
    done = asyncio.Event()
    context.on("finish", lambda _message: done.set())
    context.set_health_check(lambda: {"healthy": True, "message": "well & alive"})
    number = 0
    while not done.is_set():
        number += 1
        context.logger.info(f"logged {number}")
        print("to stderr", number, file=sys.stderr, flush=True)
        yield f"<b>line {number}</b>\n"
        await asyncio.sleep(0.05)


async def silence(context, input):
    """Read a little of the input, and give nothing."""
    async for _chunk in input:
        await asyncio.Event().wait()
    await asyncio.Event().wait()
    yield ""


@pytest.fixture
def instance(host: HostClient, kernel: Kernel) -> Iterator[InstanceClient]:
    """An instance that talks, which is `instance` in the kernel too."""
    yield from _in_kernel(host, kernel, chatter)


@pytest.fixture
def silent(host: HostClient, kernel: Kernel) -> Iterator[InstanceClient]:
    """An instance that says nothing, which is `instance` in the kernel too."""
    yield from _in_kernel(host, kernel, silence)


def _in_kernel(host: HostClient, kernel: Kernel, program) -> Iterator[InstanceClient]:
    started = host.deploy(program).start()
    started.wait_for("running", timeout=60)
    assert kernel.run(f"instance = host.get_instance_client({started.id!r})").error == ""
    yield started
    started.kill()


def threads(kernel: Kernel) -> str:
    """Return the names of the package's threads in the kernel."""
    code = (
        "import threading; print(*(t.name for t in threading.enumerate() if 'scramjet' in t.name))"
    )
    return kernel.run(code).text.strip()


def test_view_is_live_while_other_cells_run(kernel: Kernel, instance: InstanceClient):
    """The cell ends at once, others run, and output, log, health and rates go on to be drawn in it."""
    shown = kernel.run("instance.show(widget=False, interval=0.1)", cell="a").shown
    first = kernel.drawn(shown[0], lambda page: "&lt;b&gt;line" in page and "health" in page)
    other = kernel.run("print(6 * 7)", cell="b")
    later = kernel.drawn(shown[0], lambda page: page.count("logged") > 5 and "well &amp;" in page)

    assert len(shown) == 1  # the view, and not its repr below
    assert other.text == "42\n"
    assert "<b>line" not in first + later
    assert "running" in later
    assert "to stderr" in later
    assert "INFO  logged" in later
    assert later.count("<polyline") == 4


def test_view_ends_with_the_instance(kernel: Kernel, instance: InstanceClient):
    """When the instance ends its end is drawn, with the last line of its output, and no thread is left."""
    shown = kernel.run("view = instance.show(widget=False, interval=0.1)").shown[0]
    kernel.drawn(shown, lambda page: "logged" in page)
    instance.send_event("finish")
    last = kernel.drawn(shown, lambda page: "stopped" in page)
    waited = kernel.run("view.wait(60); print(view.done)")

    assert "Instance completed" in last
    assert "exit code" not in last
    assert waited.text == "True\n"
    assert threads(kernel) == ""


def test_view_ends_when_its_cell_is_run_again(kernel: Kernel, instance: InstanceClient):
    """Running the cell again ends its view before the new run begins; running another one does not."""
    kernel.run("first = instance.show(widget=False)", cell="a")
    kernel.run("pass", cell="b")
    between = kernel.run("print(first.done)", cell="b").text
    again = kernel.run("print(first.done)", cell="a").text

    assert (between, again) == ("False\n", "True\n")


def test_one_view_for_an_instance(kernel: Kernel, instance: InstanceClient):
    """A second view of the same instance ends the first, and a `with` block its own."""
    code = (
        "first = instance.show(widget=False)\n"
        "with instance.show(widget=False, streams=['log']) as second: print(first.done)\n"
        "print(second.done)"
    )

    assert kernel.run(code).text == "True\nTrue\n"


def test_interrupt_ends_the_views(kernel: Kernel, instance: InstanceClient):
    """A SIGINT during a cell ends the views of the kernel, and neither the kernel nor the instance."""
    request = kernel.begin("view = instance.show(widget=False)\nprint('waiting')\nview.wait()")
    ran = kernel.end(request, on_text=kernel.interrupt)

    assert ran.error == "KeyboardInterrupt"
    assert kernel.run("print(view.done)").text == "True\n"
    assert threads(kernel) == ""
    assert instance.get_info().status == "running"


@pytest.mark.parametrize(
    ("call", "status"),
    [("run()", "stopped"), ("run(unfinished='leave')", "running")],
)
def test_interrupted_run_ends_the_instance_unless_told_otherwise(
    kernel: Kernel, silent: InstanceClient, call: str, status: str
):
    """A `run` that is interrupted does what `unfinished` says, as in a script."""
    request = kernel.begin(f"{WHEN_IT_WAITS}instance.{call}")
    ran = kernel.end(request, on_text=kernel.interrupt)

    assert ran.error == "KeyboardInterrupt"
    eventually(lambda: _status(silent) in (status, "crashed" if status == "stopped" else status))


def _status(instance: InstanceClient) -> str:
    try:
        return instance.get_info().status
    except InstanceNotFoundError:
        return "stopped"


@pytest.mark.parametrize(
    "call",
    ["host.get_status()", "instance.get_info()", "instance.run()", "instance.get_stream('output')"],
)
def test_a_traceback_is_a_few_frames(kernel: Kernel, call: str):
    """An error shows the caller's lines, the call, and the way to the rest, which is there."""
    code = "from scramjet_client import HostClient\nhost = HostClient('http://127.0.0.1:9')\n"
    kernel.run(code.replace("host =", "nowhere ="))
    call = call.replace("host.", "nowhere.").replace(
        "instance.", "nowhere.get_instance_client('x')."
    )
    ran = kernel.run(f"def mine():\n    return {call}\nmine()")
    rest = kernel.run("import traceback; traceback.print_last()").text

    assert ran.error == "HubConnectionError"
    assert len(re.findall("^File ", ran.traceback, re.MULTILINE)) == 1, ran.traceback
    assert "in mine()" in ran.traceback
    assert "connection refused" in ran.traceback
    assert "urllib3" not in ran.traceback
    assert "traceback.print_last()" in ran.traceback
    assert "NewConnectionError" in rest


def test_errors_of_the_caller_stay_in_the_traceback(kernel: Kernel):
    """What the caller's own source raised is shown, and the caller's error before is, too."""
    code = (
        "from scramjet_client import HubConnectionError\n"
        "try: {}['mine']\n"
        "except KeyError: raise HubConnectionError('later')"
    )
    ran = kernel.run(code)

    assert "KeyError: 'mine'" in ran.traceback
    assert "HubConnectionError: later" in ran.traceback


def test_hub_that_goes_away_is_shown(kernel: Kernel):
    """When the hub is gone the cell says what happened, and `wait` raises it."""
    with hub_process() as url, HostClient(url) as other:
        id = other.deploy(chatter).start().id
        code = f"view = HostClient({url!r}).get_instance_client({id!r}).show(widget=False, interval=0.1)"
        shown = kernel.run(code).shown[0]
        kernel.drawn(shown, lambda page: "logged" in page)
    last = kernel.drawn(shown, lambda page: '#d62728">Stream' in page or '#d62728">Hub' in page)

    assert "Error" in last
    assert kernel.run("view.wait(60)").error in ("StreamInterruptedError", "HubConnectionError")
    assert threads(kernel) == ""


WAITS = {
    "wait": "instance.wait()",
    "read": "instance.get_stream('output').read()",
    "lines": "for line in instance.get_stream('stdout'): pass",
    "log": "list(instance.get_log_stream().records())",
    "event": "instance.get_next_event('never')",
    "send": "instance.send_input(iter(lambda: b'x' * 65536, None))",
    # A notebook keeps the last traceback, and with it what is not closed by a `with`.
    "inout": "with instance.inout('x', type='text/plain') as output: output.read()",
    "run": "instance.run(unfinished='leave')",
    "follow": "instance.follow(output=print).wait()",
}

WHEN_IT_WAITS = """
import sys, threading, time, traceback

def tell(cells_thread):
    seen = []
    while len(seen) < 10 or len(set(seen[-10:])) > 1:  # it stands still, inside of the package
        time.sleep(0.02)
        stack = traceback.extract_stack(sys._current_frames()[cells_thread])
        inside = any("scramjet_client" in frame.filename for frame in stack)
        seen.append((stack[-1].filename, stack[-1].lineno) if inside else time.monotonic())
    print("it waits")

threading.Thread(target=tell, args=[threading.get_ident()]).start()
"""


@pytest.mark.parametrize("what", WAITS)
def test_interrupt_stops_the_wait_and_not_the_kernel(
    kernel: Kernel, silent: InstanceClient, what: str
):
    """A SIGINT in any waiting call is a KeyboardInterrupt; kernel and instance live on, and no upload does."""
    request = kernel.begin(WHEN_IT_WAITS + WAITS[what])
    ran = kernel.end(request, on_text=kernel.interrupt)

    assert ran.error == "KeyboardInterrupt"
    assert len(re.findall("^File ", ran.traceback, re.MULTILINE)) <= 6, ran.traceback
    assert kernel.run("print(6 * 7)").text == "42\n"
    assert silent.get_info().status == "running"
    if what == "follow":  # it goes on without its handle
        silent.kill()
    eventually(lambda: threads(kernel) == "")
