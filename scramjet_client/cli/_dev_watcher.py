"""What `scramjet dev` watches: the folders of a program, and what is saved in them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

_STEP_MS = 25
"""Milliseconds of silence that end a save: editors write in several steps."""

_LONGEST_STEP_MS = 400


def is_temporary(path: str) -> bool:
    """Return whether a saved file is one that an editor makes for a moment: it is gone again, or has such a name."""
    name = Path(path).name
    return name.startswith(".") or name.endswith(("~", ".tmp", ".swp")) or not Path(path).exists()


class Watcher:
    """Watches folders, each set of them on a thread of its own; `saved` is called with the paths that were saved."""

    def __init__(
        self, saved: Callable[[frozenset[str]], object], problem: Callable[[str], object]
    ) -> None:
        self._saved = saved
        self._problem = problem
        self._running: dict[frozenset[str], tuple[threading.Event, threading.Thread]] = {}

    def watch(self, below: set[str], alone: set[str]) -> None:
        """Watch these folders, and no others."""
        wanted = {frozenset(below): True, frozenset(alone - below): False}
        wanted.pop(frozenset(), None)
        for each in [each for each in self._running if each not in wanted]:
            self._running.pop(each)[0].set()
        for folders, recursive in wanted.items():
            if folders in self._running:
                continue
            stop, ready = threading.Event(), threading.Event()
            # `stop` ends it. A daemon, as it is in the system's hands meanwhile.
            thread = threading.Thread(
                target=self._run,
                args=(folders, recursive, stop, ready),
                name="scramjet-dev-watch",
                daemon=True,
            )
            thread.start()
            self._running[folders] = stop, thread
            ready.wait(5.0)

    def _run(
        self,
        folders: frozenset[str],
        recursive: bool,
        stop: threading.Event,
        ready: threading.Event,
    ) -> None:
        import watchfiles  # noqa: PLC0415 - an extra, and slow

        try:
            while not stop.is_set():
                known = _identities(folders)
                if None in known:
                    # It is there again soon, as after `git checkout`.
                    ready.set()
                    stop.wait(_STEP_MS / 1000)
                    continue
                found = watchfiles.watch(
                    *sorted(folders),
                    debounce=_LONGEST_STEP_MS,
                    step=_STEP_MS,
                    rust_timeout=50,
                    yield_on_timeout=True,
                    stop_event=stop,
                    raise_interrupt=False,
                    recursive=recursive,
                )
                if ready.is_set():
                    # Another folder took its place, and was written to before this.
                    self._saved(folders)
                for changes in found:
                    # The first time-out shows that it watches.
                    ready.set()
                    if changes:
                        self._saved(frozenset(path for _, path in changes))
                    if _identities(folders) != known:
                        # The system goes on watching the folder that was there before.
                        break
        except (OSError, RuntimeError) as error:
            self._problem(f"{', '.join(sorted(folders))} can't be watched: {error}")
        finally:
            ready.set()

    def stop(self) -> None:
        for stop, thread in self._running.values():
            stop.set()
            thread.join(2.0)
        self._running.clear()


def _identities(folders: frozenset[str]) -> list[tuple[int, int] | None]:
    """Return device and inode of each folder, None for a missing one: they change if a folder is replaced."""
    found: list[tuple[int, int] | None] = []
    for each in sorted(folders):
        try:
            status = os.stat(each)
        except OSError:
            found.append(None)
        else:
            found.append((status.st_dev, status.st_ino))
    return found
