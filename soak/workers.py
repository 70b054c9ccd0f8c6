"""The threads that do the operations, and the one that sees whether one of them hangs."""

from __future__ import annotations

import faulthandler
import random
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable

from soak.accounts import Ledger
from soak.operations import OPERATIONS
from soak.trial import Trial
from soak.world import Hub, World

HANG = 240.0
"""Seconds after which an operation hangs: more than all of its limits together."""

_ENOUGH = 10
"""Failures after which the soak ends."""

_TRACE = 40
"""Lines of a traceback that are shown."""


class Worker:
    """Does operations on a hub, one after the other, each drawn from the seed and its own number.

    Args:
        name: Part of what its operations are drawn from.
        hub: Where.
        ledger: Where it is written down.
        seed: The soak's.
        only: Names of the operations to choose from.
        sabotage: "hang" never ends an operation, "leak" leaves a socket open after each.
    """

    def __init__(
        self, name: str, hub: Hub, ledger: Ledger, *, seed: int, only: list[str], sabotage: str
    ) -> None:
        self.name = name
        self._hub = hub
        self._seed = seed
        self._ledger = ledger
        self._names = only or list(OPERATIONS)
        self._sabotage = sabotage
        self._leaked: list[socket.socket] = []
        self._number = 0
        self.doing = ""
        self.since = float("inf")

    def run(self, over: Callable[[], bool]) -> None:
        """Do operations until it is over; runs on a thread of its own."""
        world = World(self._hub)
        try:
            while not over() and len(self._ledger.failures) < _ENOUGH:
                self._do_one(world)
        except Exception:
            self._ledger.failed(f"{self.name}:\n{_trace()}")
        finally:
            self.since = float("inf")
            world.close()

    def _do_one(self, world: World) -> None:
        self._number += 1
        rng = random.Random(f"{self._seed}/{self.name}/{self._number}")
        weights = [OPERATIONS[name].weight for name in self._names]
        name = rng.choices(self._names, weights)[0]
        trial = Trial(world, self._ledger, rng, OPERATIONS[name])
        self.doing = f"{self.name}, operation {self._number}: {name}, {trial.chosen.name}"
        self.since = time.monotonic()
        try:
            OPERATIONS[name].run(trial)
        except Exception:
            self._ledger.failed(f"{self.doing}:\n{_trace()}")
            world.forget_echo()
        self._ledger.done(self._hub.name, name)
        if world.proxy.struck:
            self._ledger.struck(trial.chosen.name)
            # What a fault has broken, or left silent, is not there for the next operation.
            world.quiet()
        if self._sabotage == "leak":
            self._leaked.append(socket.socket())
        elif self._sabotage == "hang":
            threading.Event().wait()


def _trace() -> str:
    return "\n".join(traceback.format_exc().splitlines()[-_TRACE:])


class Watch:
    """Looks at the workers once a second, and ends the process when one of them hangs.

    Args:
        workers: At whom.
        limit: Seconds that an operation may take.
        give_up: Called before the process ends.
    """

    def __init__(self, workers: list[Worker], limit: float, give_up: Callable[[], None]) -> None:
        self._workers = workers
        self._limit = limit
        self._give_up = give_up
        self._over = threading.Event()
        # Ends with close(). A daemon, as everything else may hang.
        self._thread = threading.Thread(target=self._run, name="soak-watch", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(min(1.0, self._limit / 2)):
            now = time.monotonic()
            for worker in self._workers:
                if now - worker.since > self._limit:
                    print(
                        f"FAILED: after {self._limit:g} s this still goes on: {worker.doing}",
                        flush=True,
                    )
                    faulthandler.dump_traceback(sys.stderr, all_threads=True)
                    self._give_up()

    def close(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()
