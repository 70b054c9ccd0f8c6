"""Requests that meet: what one has looked at, another changes before it is done. Their order is made, not hoped for."""

from __future__ import annotations

import asyncio
import os
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scramjet_client.hub import LocalHub
from scramjet_client.hub._process import Process
from scramjet_client.hub._reaper import Reaper
from tests.hub.programs import IDLE
from tests.hub.wire import Answer, Wire, ask, info, package, start, upload
from tests.support.hubs import open_hub
from tests.support.waiting import eventually

LIMIT = 60

FORCE = {"x-seq-kill-inst": "true"}

NEW = package("async def run(context, input):\n    yield 'new'\n")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[LocalHub]:
    """A hub whose files can be looked at; there are as many folders as sequences in the end."""
    with open_hub(storage=tmp_path, instance_lifetime=0.2) as hub:
        yield hub
        hub.check()
        known = {each["config"]["sequenceDir"] for each in ask(hub.url, "GET", "sequences").json}
        (storage,) = tmp_path.iterdir()
        assert {str(each) for each in storage.iterdir()} == known


class Put(Wire):
    """A replacement of a sequence whose body stops before its end, until `finish()`."""

    def __init__(self, url: str, sequence: str, data: bytes = NEW) -> None:
        super().__init__(url)
        self._rest = data[-10:]
        kind = {"Content-Type": "application/octet-stream", "Content-Length": str(len(data))}
        self.request("PUT", f"sequence/{sequence}", kind)
        self.sock.sendall(data[:-10])
        # It has looked at the sequence when the hub has taken what came; another request is answered after that.
        for _ in range(3):
            ask(url, "GET", f"sequence/{sequence}")

    def finish(self) -> Answer:
        """Send the rest, and return the answer."""
        self.sock.sendall(self._rest)
        head = self.head()
        return Answer(*head, self.body(head))


def files_of(url: str, sequence: str) -> Path:
    return Path(ask(url, "GET", f"sequence/{sequence}").json["config"]["sequenceDir"])


def test_start_during_a_put(hub: LocalHub):
    """A sequence that was started while its successor came is not replaced under its program."""
    sequence = upload(hub.url, package(IDLE))
    with Put(hub.url, sequence) as put:
        instance = start(hub.url, sequence)
        answer = put.finish()

    assert (answer.status, answer.json) == (409, {"error": "Can't update sequence with instances"})
    assert "yield 'new'" not in (files_of(hub.url, sequence) / "main.py").read_text()
    assert info(hub.url, instance)["status"] == "running"


def test_delete_during_a_put(hub: LocalHub):
    """A sequence that was deleted while its successor came stays deleted."""
    sequence = upload(hub.url, package(IDLE))
    with Put(hub.url, sequence) as put:
        assert ask(hub.url, "DELETE", f"sequence/{sequence}").status == 200
        answer = put.finish()

    assert answer.status == 404
    assert ask(hub.url, "GET", "sequences").json == []


def test_two_puts_at_once(hub: LocalHub):
    """Both are done, one after the other; the one that ends last stays, and nothing of the others."""
    sequence = upload(hub.url, package(IDLE))
    last = package("async def run(context, input):\n    yield 'last'\n")
    with Put(hub.url, sequence) as first, Put(hub.url, sequence, last) as second:
        assert first.finish().status == 200
        assert second.finish().status == 200

    assert "yield 'last'" in (files_of(hub.url, sequence) / "main.py").read_text()


def test_a_put_that_is_given_up(hub: LocalHub):
    """A client that leaves in the middle changes nothing."""
    sequence = upload(hub.url, package(IDLE))
    before = files_of(hub.url, sequence)
    with Put(hub.url, sequence):
        pass

    eventually(lambda: len(list(before.parent.iterdir())) == 1)
    assert files_of(hub.url, sequence) == before
    assert start(hub.url, sequence)


@pytest.mark.parametrize("force", [False, True])
def test_delete_beside_a_start(hub: LocalHub, force: bool, monkeypatch: pytest.MonkeyPatch):
    """A start that has no process yet counts as an instance: it keeps its sequence, or goes with it by force."""
    sequence = upload(hub.url, package(IDLE))
    begun, go_on = hold_starts(monkeypatch)
    with ThreadPoolExecutor(2) as threads:
        starting = threads.submit(
            ask, hub.url, "POST", f"sequence/{sequence}/start", {"appConfig": {}, "args": []}
        )
        assert begun.wait(LIMIT)
        listed = ask(hub.url, "GET", "instances").json
        assert [each["sequence"]["id"] for each in listed] == [sequence]
        headers = FORCE if force else {}
        deleting = threads.submit(ask, hub.url, "DELETE", f"sequence/{sequence}", headers=headers)
        if not force:
            assert deleting.result(LIMIT).status == 409
        for _ in range(3):
            ask(hub.url, "GET", "version")
        assert not force or not deleting.done()
        go_on.set()

        assert deleting.result(LIMIT).status == (200 if force else 409)
        assert starting.result(LIMIT).status == (400 if force else 200)
    assert len(ask(hub.url, "GET", "instances").json) == (0 if force else 1)
    assert len(ask(hub.url, "GET", "sequences").json) == (0 if force else 1)


def hold_starts(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Have the start of a process wait; return what says that one does, and what lets all go on."""
    begun, go_on = threading.Event(), threading.Event()
    original = Process.start

    async def held(*args: object) -> Process:
        begun.set()
        await asyncio.get_running_loop().run_in_executor(None, go_on.wait, LIMIT)
        return await original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(Process, "start", held)
    return begun, go_on


ROUTES = [
    *(("GET", each) for each in ("", "/stdout", "/log", "/event/e", "/health")),
    *(("POST", each) for each in ("/_kill", "/_stop", "/_event", "/stdin", "/input")),
]


@pytest.mark.parametrize(("method", "route"), ROUTES)
def test_an_instance_that_is_just_being_started(
    hub: LocalHub, method: str, route: str, monkeypatch: pytest.MonkeyPatch
):
    """Whatever is asked of it then is answered once it has begun, and does not make the hub fail."""
    sequence = upload(hub.url, package(IDLE))
    begun, go_on = hold_starts(monkeypatch)
    id = str(uuid.uuid4())
    with ThreadPoolExecutor(1) as threads, Wire(hub.url) as wire:
        order = {"appConfig": {}, "args": [], "instanceId": id}
        starting = threads.submit(ask, hub.url, "POST", f"sequence/{sequence}/start", order)
        assert begun.wait(LIMIT)
        wire.request(method, f"instance/{id}{route}", {"Content-Type": "application/json"}, b"{}")
        for _ in range(3):
            ask(hub.url, "GET", "version")
        go_on.set()
        starting.result(LIMIT)
    ask(hub.url, "GET", "version")


@pytest.mark.parametrize("how", ["clear", "stop"])
def test_an_end_beside_a_start(hub: LocalHub, how: str, monkeypatch: pytest.MonkeyPatch):
    """A hub that is cleared or stopped while a program is being started ends that too."""
    sequence = upload(hub.url, package(IDLE))
    pids: list[int] = []
    begun, go_on = hold_starts(monkeypatch)
    add = Reaper.add
    monkeypatch.setattr(Reaper, "add", lambda self, pid: (pids.append(pid), add(self, pid)))
    with ThreadPoolExecutor(2) as threads:
        starting = threads.submit(
            ask, hub.url, "POST", f"sequence/{sequence}/start", {"appConfig": {}, "args": []}
        )
        assert begun.wait(LIMIT)
        ending = threads.submit(getattr(hub, how))
        go_on.set()
        ending.result(LIMIT)
        assert starting.exception(LIMIT) is not None or starting.result().status == 400
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    if how == "stop":
        hub.start()
    assert ask(hub.url, "GET", "entities").json == {"sequences": [], "instances": []}


def test_two_starts_with_one_id(hub: LocalHub):
    """One of them has it, the other one is refused."""
    sequence = upload(hub.url, package(IDLE))
    order = {"appConfig": {}, "args": [], "instanceId": str(uuid.uuid4())}
    with ThreadPoolExecutor(8) as threads:
        answers = list(
            threads.map(
                lambda _: ask(hub.url, "POST", f"sequence/{sequence}/start", order), range(8)
            )
        )

    assert sorted(each.status for each in answers) == [200, *[409] * 7]
    assert len(ask(hub.url, "GET", "instances").json) == 1


def test_starts_while_all_is_deleted_by_force(hub: LocalHub):
    """However starts and a deletion by force fall together, there is no instance without its sequence in the end."""
    sequence = upload(hub.url, package(IDLE))
    with ThreadPoolExecutor(6) as threads:
        starts = [
            threads.submit(
                ask, hub.url, "POST", f"sequence/{sequence}/start", {"appConfig": {}, "args": []}
            )
            for _ in range(5)
        ]
        deleting = threads.submit(ask, hub.url, "DELETE", f"sequence/{sequence}", headers=FORCE)
        assert deleting.result(LIMIT).status == 200
        assert {each.result(LIMIT).status for each in starts} <= {200, 400, 404}

    assert ask(hub.url, "GET", "entities").json == {"sequences": [], "instances": []}
