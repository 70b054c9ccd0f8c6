"""Compare LocalHub with a hub that runs, and print what differs.

    python -m compare http://127.0.0.1:8000/api/v1 [-k WORDS] [--all]

The hub gets two sequences, a topic named "compare" and an instance for each program, and all of them go again.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tarfile
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from compare.exchanges import NONE, REQUESTS, Facts, exchange
from compare.known import ABSENT, KNOWN
from compare.programs import PROGRAMS, TOPIC, Program
from scramjet_client import HostClient, RunTimeoutError, ScramjetError, SequenceClient
from scramjet_client.hub import LocalHub, OpenHubWarning

_RUN_LIMIT = 25.0
"""Seconds after which a program that has not ended is taken for one that lives on."""

_HEALTH_LIMIT = 10.0
"""Seconds in which a health check of the program must show."""

_AT_ONCE = 4
"""Programs that run at the same time."""

_WIDTH = 110
"""Characters of a value in the table."""

_SERVED = (
    "from scramjet.streams import Stream\n"
    "def run(context, input):\n    context.emit('ready', 'yes')\n    return Stream()\n"
)


def package(name: str, text: str) -> bytes:
    """Return a package with one module."""
    about = {"name": name, "version": "1.0.0", "main": "main.py", "engines": {"python3": ">=3.8"}}
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for path, data in (("package.json", json.dumps(about)), ("main.py", text)):
            entry = tarfile.TarInfo(path)
            entry.size = len(data.encode())
            archive.addfile(entry, io.BytesIO(data.encode()))
    return file.getvalue()


@contextlib.contextmanager
def sequence(host: HostClient, name: str, text: str) -> Iterator[SequenceClient]:
    """Have a sequence on a hub inside the block."""
    sent = host.send_sequence(package(name, text))
    try:
        yield sent
    finally:
        with contextlib.suppress(ScramjetError):
            sent.delete(force=True)


def behaviour(host: HostClient, program: Program) -> Facts:
    """Run a program, and return what is to be compared of it."""
    facts: Facts = {}
    with sequence(host, "compare", program.text) as sent:
        try:
            instance = sent.start(app_config=program.config, args=list(program.args), timeout=30)
        except ScramjetError as error:
            return {"start": f"{error.status} {error.message.rpartition(': ')[2]}"}
        try:
            for name, message in program.events:
                instance.send_event(name, message)
            if program.health:
                # The first message comes before the program runs.
                deadline = time.monotonic() + _HEALTH_LIMIT
                while (
                    health := instance.get_health()
                ).message is None and time.monotonic() < deadline:
                    time.sleep(0.2)
                facts["health"] = [health.status, health.message]
            if program.stop is not None:
                with contextlib.suppress(ScramjetError):
                    instance.stop(program.stop)
            done: Any = instance.run(
                program.input,
                program.stdin,
                type="text/plain" if program.input else None,
                timeout=_RUN_LIMIT,
            )
            facts["end"] = "ended"
            facts["said"] = None if done.info.raw is None else done.info.raw.get("terminated")
        except RunTimeoutError as error:
            done = error
            facts["end"] = "lives on"
        except ScramjetError as error:
            return {**facts, "end": type(error).__name__}
    output = done.output
    facts["output"] = (
        f"{len(output)} bytes" if len(output) > 200 else output.decode("utf-8", "replace")
    )
    facts["stdout"] = done.stdout.decode("utf-8", "replace")
    errors = done.stderr.decode("utf-8", "replace").rstrip().splitlines()
    facts["stderr"] = errors[-1] if errors else ""
    facts["log"] = _logged(done.log)
    return facts


def _logged(log: bytes) -> list[str]:
    """Return what a program has logged itself, which has non-ASCII or is a stop's."""
    messages = []
    for line in log.splitlines():
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            text = str(record.get("msg"))
            if not text.isascii() or text.startswith("('stop'"):
                messages.append(f"{record.get('level')} {text}")
    return messages


def facts_of(url: str, words: str) -> Iterator[tuple[str, Facts]]:
    """Yield each case and its facts on a hub."""
    with HostClient(url) as host:
        if not words or "request" in words:
            with sequence(host, "compare-served", _SERVED) as served:
                instance = served.start()
                instance.get_event("ready", timeout=30)
                ids = {"seq": served.id, "inst": instance.id, "none": NONE}
                for number, request in enumerate(REQUESTS):
                    shown = f"{request.method} {request.target}"
                    details = [request.body.decode()] if request.body is not None else []
                    details += [f"{name}: {value}" for name, value in request.headers.items()]
                    yield (
                        f"request {number}: {' | '.join([shown, *details])}",
                        exchange(url, request, ids),
                    )
        chosen = {name: it for name, it in PROGRAMS.items() if words in f"program {name}"}
        # Together, since a hub takes 15 s and more to delete what has instances.
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            results = pool.map(partial(behaviour, host), chosen.values())
            yield from zip((f"program: {name}" for name in chosen), results)
        with contextlib.suppress(ScramjetError):
            host.delete_topic(TOPIC)


def _differences(there: Any, here: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(there, dict) and isinstance(here, dict):
        for key in sorted({*there, *here}):
            yield from _differences(
                there.get(key, ABSENT), here.get(key, ABSENT), f"{path} {key}".strip()
            )
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for number, (theirs, ours) in enumerate(zip(there, here)):
            yield from _differences(theirs, ours, f"{path} {number}".strip())
    elif there != here:
        yield path, there, here


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = repr(text)[1:-1]
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def main(arguments: list[str] | None = None) -> int:
    """Compare, and return 1 if there are differences that nobody knows of."""
    parser = argparse.ArgumentParser(prog="compare", description=__doc__.splitlines()[0])
    parser.add_argument("url", help="API base of a 1.x hub: http://127.0.0.1:8000/api/v1")
    parser.add_argument(
        "-k", dest="words", default="", help="only the cases whose name has these words"
    )
    parser.add_argument("--all", action="store_true", help="print the known differences, too")
    chosen = parser.parse_args(arguments)
    there = dict(facts_of(chosen.url, chosen.words))
    warnings.simplefilter("ignore", OpenHubWarning)
    with LocalHub(token=None) as hub:
        here = dict(facts_of(hub.url, chosen.words))
    known = unknown = 0
    for case, facts in there.items():
        for fact, theirs, ours in _differences(facts, here[case], ""):
            reason = next(
                (each.reason for each in KNOWN if each.matches(case, fact, theirs, ours)), None
            )
            known += reason is not None
            unknown += reason is None
            if reason is None or chosen.all:
                print(
                    f"{case}\n    {fact}\n      hub       {_short(theirs)}\n      LocalHub  {_short(ours)}"
                )
                if reason is not None:
                    print(f"      because   {reason}")
    print(f"{len(there)} cases: {known} known differences, {unknown} that nobody knows of")
    return min(unknown, 1)


if __name__ == "__main__":
    sys.exit(main())
