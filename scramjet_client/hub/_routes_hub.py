"""The hub's routes about itself and its machine, its log and audit, and topics."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scramjet_client import __version__
from scramjet_client.hub._http import UNDEFINED, Exchange, for_ever
from scramjet_client.hub._records import History
from scramjet_client.hub._sequence import LOCATION
from scramjet_client.hub._state import State
from scramjet_client.hub._topics import CONTENT_TYPES, created, is_name

VERSION = {
    "service": "@scramjet/host",
    "apiVersion": "v1",
    # The version of the hub whose dialect this one speaks; clients choose theirs by it. `build` names this hub.
    "version": "1.0.1",
    "build": f"scramjet_client LocalHub {__version__}",
}


async def get(exchange: Exchange, state: State, route: str) -> bool:
    """Answer a GET of the hub's own routes; return False if the route is unknown."""
    answers: dict[str, Callable[[], Any]] = {
        "version": lambda: VERSION,
        "status": lambda: {"cpm": {}},
        "config": lambda: _config(state),
        "load-check": lambda: load(state.storage),
        "sequences": lambda: [state.describe(each) for each in state.sequences.values()],
        "instances": lambda: [each.info() for each in state.instances.values()],
        "entities": lambda: {
            "sequences": [state.describe(each) for each in state.sequences.values()],
            "instances": [each.info() for each in state.instances.values()],
        },
        "topics": lambda: [each.entry() for each in state.topics.values()],
    }
    if route in answers:
        exchange.must_accept_json()
        await exchange.answer(answers[route]())
    elif route == "log":
        await _history(exchange, state.log)
    elif route == "audit":
        await _history(exchange, state.audit)
    else:
        return False
    return True


async def _history(exchange: Exchange, history: History) -> None:
    exchange.must_accept_stream()
    pipe = history.attach()
    try:
        await exchange.stream(pipe)
    finally:
        history.detach(pipe)


def _config(state: State) -> dict[str, Any]:
    return {
        "logLevel": "debug",
        "cpmUrl": "",
        "cpmId": "",
        "docker": {"runner": {"maxMem": 512, "exposePortsRange": [30000, 32767]}},
        "host": {
            "apiBase": "/api/v1",
            "hostname": "127.0.0.1",
            "port": str(state.port),
            "id": LOCATION,
        },
        "instanceRequirements": {"cpuLoad": 10, "freeMem": 256, "freeSpace": 128},
        "safeOperationLimit": 512,
        "runtimeAdapter": "process",
        "timings": {
            "heartBeatInterval": 10000,
            "instanceLifetimeExtensionDelay": str(int(state.settings.instance_lifetime * 1000)),
            "instanceAdapterExitDelay": 9000,
        },
        "platform": {"apiVersion": "v1"},
    }


def load(storage: Path) -> dict[str, Any]:
    """Return the load of this machine; a value that the system does not report is 0."""
    average = os.getloadavg()
    disk = shutil.disk_usage(storage)
    total, free = _memory()
    return {
        "avgLoad": average[2],
        "currentLoad": average[0],
        "memFree": free,
        "memUsed": total - free,
        "fsSize": [
            {
                "fs": str(storage),
                "available": disk.free,
                "size": disk.total,
                "used": disk.used,
                "use": disk.used / disk.total,
            }
        ],
    }


def _memory() -> tuple[int, int]:
    """Return total and available memory in bytes."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        sizes = {
            name: int(rest.split()[0]) * 1024
            for name, _, rest in (each.partition(":") for each in lines)
        }
        return sizes["MemTotal"], sizes["MemAvailable"]
    with contextlib.suppress(OSError, ValueError):
        page = os.sysconf("SC_PAGE_SIZE")
        total = os.sysconf("SC_PHYS_PAGES") * page
        return total, total  # no portable call returns the free memory
    return 0, 0


# -- topics -----------------------------------------------------------------------------------------------


async def change_topics(exchange: Exchange, state: State) -> None:
    """Answer `POST topics`: make a topic."""
    body = await exchange.json()
    body = {} if body is UNDEFINED else body
    if not isinstance(body, dict) or not body.get("id"):
        problem = "Missing body param: id"
    elif not body.get("content-type"):
        problem = "Missing body param: content-type"
    elif body["content-type"] not in CONTENT_TYPES:
        problem = "Unsupported content-type"
    elif not is_name(body["id"]):
        problem = "Topic id incorrect format"
    elif body["id"] in state.topics:
        problem = "Topic with given id already exist"
    else:
        await exchange.answer(created(state.topics.create(body["id"], body["content-type"])))
        return
    await exchange.answer({"error": problem}, 400)


async def delete_topic(exchange: Exchange, state: State, name: str) -> None:
    """Answer `DELETE topics/NAME`."""
    await exchange.json()
    if not is_name(name):
        await exchange.answer({"error": "Topic id incorrect format"}, 400)
    elif state.topics.pop(name, None) is not None:
        await exchange.answer({"message": f"Topic {name} removed"})
    else:
        await exchange.answer({"error": f"Topic {name} not found"}, 404)


async def read_topic(exchange: Exchange, state: State, name: str) -> None:
    """Answer `GET topic/NAME` with an endless stream."""
    exchange.must_accept_stream()
    # Of all headers, the Content-Type of its request says which type the reader expects.
    kind = exchange.header("Content-Type") or "application/x-ndjson"
    if not is_name(name):
        await exchange.refuse(400, "Topic id incorrect format")
        return
    topic = state.topics.find(name, kind)
    if topic is None:
        await exchange.refuse(415, "Unsupported content-type")
        return
    await exchange.stream(topic.pipe)


async def write_topic(exchange: Exchange, state: State, name: str) -> None:
    """Answer `POST topic/NAME` only after the body has ended; writers take turns."""
    kind = exchange.header("Content-Type")
    if kind not in CONTENT_TYPES:
        await exchange.answer({"error": "Unsupported content-type"}, 400)
        return
    if not is_name(name):
        await exchange.answer({"error": "Topic id incorrect format"}, 400)
        return
    topic = state.topics.find(name, kind)
    if topic is None:
        await exchange.refuse(500, "Internal error occurred")
        return
    async with topic.turn:
        await exchange.send_continue()
        last = b"\n"
        try:
            async for chunk in exchange.chunks():
                last = chunk[-1:]
                await topic.pipe.write(chunk)
        except BaseException:
            topic.pipe.put(exchange.left_behind())  # the client left; its data still counts
            raise
        if kind == "application/x-ndjson" and last != b"\n":
            topic.pipe.put(b"\n")
    await exchange.answer({})


async def never(exchange: Exchange, _state: State) -> None:
    """Leave `POST platform` without an answer, as hubs do."""
    await exchange.drain()
    await for_ever()
