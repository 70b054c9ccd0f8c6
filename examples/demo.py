"""Count the words of this repository on a hub, and watch the counts stream back while the text is sent.

    make demo                                                starts LocalHub, the embedded hub
    make demo HUB=real                                       starts a Transform Hub from npm
    make demo HUB=http://127.0.0.1:8000/api/v1               uses a hub that runs

Every figure that it prints was measured in that run; it ends with exit code 1 if the hub's counts
differ from those made here.
"""

from __future__ import annotations

import argparse
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import attrs

from scramjet_client import (
    EventStream,
    HostClient,
    InstanceClient,
    OutputStream,
    ScramjetError,
    Upload,
)
from scramjet_client.hub import LocalHub

ROOT = Path(__file__).resolve().parent.parent
SEQUENCE = Path(__file__).resolve().parent / "word_count"
WORD = re.compile(r"[^\W\d_]+")
LEFT_OUT = {"node_modules", "build", "dist"}

PRINT_EVERY = 1000  # lines
PROGRESS_EVERY = 2000  # lines
PAUSE = 0.05  # seconds after each file, so that there is a source to wait for, as in life
STOP_TIMEOUT = 5000  # milliseconds
JOIN_TIMEOUT = 10.0  # seconds


def say(text: str) -> None:
    """Print a line in one piece: three threads print here."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def text_files(root: Path) -> list[Path]:
    """Return the Markdown and Python files of this repository."""
    return [
        path
        for path in sorted(root.rglob("*"))
        if path.suffix in (".md", ".py")
        and path.is_file()
        and not any(
            part in LEFT_OUT or part.startswith(".") for part in path.relative_to(root).parts
        )
    ]


@attrs.define
class Sent:
    """What the generator has given to the upload so far."""

    files: int = 0
    lines: int = 0
    words: int = 0


def lines_of(paths: list[Path], sent: Sent) -> Iterator[str]:
    """Yield the lines of files one by one, and count them; runs on the upload's thread."""
    for path in paths:
        with path.open(encoding="utf-8") as file:
            for line in file:
                sent.lines += 1
                sent.words += len(WORD.findall(line.lower()))
                yield line if line.endswith("\n") else line + "\n"
        sent.files += 1
        time.sleep(PAUSE)


def show_progress(events: EventStream) -> None:
    """Print the events as they come; runs on a thread of its own until the stream is closed."""
    for event in events:
        say(f"  event  {event.event_name} {event.data}")


def show_log(log: OutputStream) -> None:
    """Print what the sequence itself logs; runs on a thread of its own until the instance has ended."""
    for record in log.records():
        if "word count" in str(record.get("msg", "")):
            say(f"  log    {record['level']} {record['msg']}")


def follow(output: OutputStream, upload: Upload[Any], sent: Sent, began: float) -> dict[str, Any]:
    """Print counts as they come back, and return the last one; it raises what stops the upload."""
    for received, counts in enumerate(output.records(), 1):
        if received == 1:
            say(
                f"  first count came {1000 * (time.monotonic() - began):.1f} ms after the upload began"
            )
        if counts.get("done"):
            return {**counts, "received": received}
        if received % PRINT_EVERY == 0:
            say(
                f"  output {counts['lines']} lines counted, {counts['words']} words;"
                f" {sent.lines} lines and {upload.bytes_sent} bytes sent by now"
            )
    upload.result(JOIN_TIMEOUT)
    raise RuntimeError("the output ended without a result")


def count_words(instance: InstanceClient) -> bool:
    """Send the files and follow the counts, then stop the instance; return whether they are right."""
    sent = Sent()
    with instance.get_stream("output") as output, ExitStack() as stack:
        events = stack.enter_context(instance.get_event_stream("progress"))
        log = stack.enter_context(instance.get_log_stream())
        threads = [
            threading.Thread(target=show_progress, args=[events], name="progress", daemon=True),
            threading.Thread(target=show_log, args=[log], name="log", daemon=True),
        ]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        lines = lines_of(text_files(ROOT), sent)
        upload = instance.submit_input(lines, type="text/plain", end=True)
        result = follow(output, upload, sent, began)
        taken = upload.result(JOIN_TIMEOUT)
        seconds = time.monotonic() - began
        began = time.monotonic()
        stopped = instance.stop(STOP_TIMEOUT)
        say(f"Stopped after {time.monotonic() - began:.2f} s: {stopped.message}.")
        # Both streams end with the instance.
        for thread in threads:
            thread.join(JOIN_TIMEOUT)
    right = (result["lines"], result["words"]) == (sent.lines, sent.words)
    say(f"Sent      {sent.files} files, {sent.lines} lines, {taken.bytes_written} bytes.")
    say(f"Received  {result['received']} counts, {output.bytes_read} bytes, in {seconds:.2f} s.")
    say(f"Counted   {result['words']} words, {result['distinct']} of them distinct.")
    say("Top five  " + ", ".join(f"{word} {count}" for word, count in result["top"]))
    say(
        "The same lines and words were counted here."
        if right
        else f"But {sent.lines} lines and {sent.words} words were counted here."
    )
    return right


def start_hub(kind: str, stack: ExitStack) -> HostClient:
    """Start a hub for the length of this demo, the embedded one or the "real" one; return a client of it."""
    if kind == "local":
        say("Starting LocalHub, the hub that is part of this package")
        return stack.enter_context(LocalHub()).client()
    # Not above: without it this file needs nothing of the tests, nor Node.js.
    from tests.support.real_hub import RealHub  # noqa: PLC0415

    say("Starting a Transform Hub (the first time, npm fetches it)")
    return HostClient(stack.enter_context(RealHub()).url)


def main() -> int:
    """Run the demo; return its exit code."""
    parser = argparse.ArgumentParser(description="Count the words of this repository on a hub.")
    parser.add_argument(
        "--hub",
        default="local",
        metavar="local|real|URL",
        help="start the embedded hub (the default) or the one from npm, or use one that runs",
    )
    hub = parser.parse_args().hub
    with ExitStack() as stack:
        started = hub in ("local", "real")
        host = start_hub(hub, stack) if started else HostClient.from_env(api_base=hub)
        stack.enter_context(host)
        say(f"Hub {host.get_version().version} at {host.api_base}")
        sequence = host.send_sequence(SEQUENCE)
        say(f"Sequence {sequence.id} uploaded from {SEQUENCE.relative_to(ROOT)}")
        instance = sequence.start(
            app_config={"progress_every": PROGRESS_EVERY, "wait_for_stop": True}, args=[]
        )
        say(f"Instance {instance.id} started; sending, with a pause of {PAUSE} s after each file")
        try:
            right = count_words(instance)
        except BaseException:
            with suppress(ScramjetError):
                instance.kill()
            raise
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
