"""One operation on trial: what it has, what happens to it, and how what comes of it is judged."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from scramjet_client import HostClient, InstanceClient
from scramjet_client.testing import Pass
from soak.accounts import Ledger, Received, Wrong
from soak.faults import KILLED, Chosen, choose
from soak.program.content import content
from soak.world import HASTY, World

_ids = itertools.count(1)

_LIMIT = 2 * HASTY
"""Seconds of the limits that an operation has as an argument, where it is to reach them."""


class Trial:
    """One operation, with the fault that happens to it.

    Attributes:
        rng: What everything about it is drawn from.
        size: Of its content, in bytes.
        client: What goes through the proxy.
    """

    def __init__(
        self, world: World, ledger: Ledger, rng: random.Random, operation: Operation
    ) -> None:
        self.world = world
        self.ledger = ledger
        self.rng = rng
        self.id = f"{next(_ids)}"
        self.seed = rng.getrandbits(32)
        self.size = int(operation.most ** rng.random())
        # An instance of 0.x is forgotten with what nobody has read of it.
        mortal = operation.mortal and world.hub.modern
        self.chosen: Chosen = choose(rng, operation.points, self.size, mortal=mortal)
        self.client: HostClient = world.hasty if self.chosen.silent else world.patient
        self.ok = False
        world.proxy.clear()
        if not isinstance(self.chosen.fault, Pass):
            world.proxy.next(self.chosen.fault, of="" if self._at_connect else operation.request)

    @property
    def _at_connect(self) -> bool:
        return self.chosen.fault.point == "connect"

    @property
    def limit(self) -> float | None:
        """Seconds for a call that has a limit as an argument."""
        return _LIMIT if self.chosen.silent else None

    @property
    def init(self) -> Any:
        """The same as a `request_init`."""
        return {"timeout": _LIMIT} if self.chosen.silent else None

    @property
    def text(self) -> bool:
        """Whether this hub carries text alone."""
        return not self.world.hub.modern

    def content(self, *, text: bool | None = None) -> bytes:
        """Return the content of the operation."""
        return content(self.seed, self.size, text=self.text if text is None else text)

    def received(self, data: bytes, what: str) -> Received:
        """Return what takes what comes of a content."""
        return Received(data, what, cut_text=self.text)

    @contextlib.contextmanager
    def started(self, *args: object) -> Iterator[InstanceClient]:
        """Start the program, give it by way of the proxy, and end it."""
        instance = self.world.start(*args)
        try:
            yield self.client.get_instance_client(instance.id)
        finally:
            self.world.end(instance)

    @property
    def killed(self) -> bool:
        """Whether the instance is killed meanwhile."""
        return self.chosen.kind == KILLED

    @contextlib.contextmanager
    def killing(self, instance: InstanceClient) -> Iterator[None]:
        """Kill the instance at some time during the block, if that is what happens."""
        direct = self.world.direct.get_instance_client(instance.id)
        killer = threading.Timer(0.3 * self.rng.random(), direct.kill)
        if self.killed:
            killer.start()
        try:
            yield
        finally:
            if self.killed:
                killer.join()
                self.ledger.struck(KILLED)

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """Judge what comes of the block: success, or an error that the fault may lead to."""
        if self._at_connect:
            # So that there is a connection to be made.
            self.client.close()
        try:
            yield
        except Wrong:
            raise
        except Exception as error:
            self.judge(error)
        else:
            self.ok = True

    def judge(self, error: BaseException) -> None:
        """Count an error if it may come of the fault, and raise Wrong if not."""
        expected = self.chosen.errors
        happened = bool(self.world.proxy.struck) or self.chosen.silent or self.killed
        if not happened or not isinstance(error, expected) or not str(error):
            raise Wrong(
                f"{type(error).__name__} came of {self.chosen.name}"
                f" ({'which happened' if happened else 'which did not happen'}): {error}"
            ) from error
        self.ledger.error(type(error).__name__, self.chosen.kind)


@attrs.frozen
class Operation:
    """Something that is done.

    Attributes:
        run: Does it.
        request: Which of its requests the fault happens to.
        points: Where it may happen (see `scramjet_client.testing`).
        most: Bytes of its content, at most.
        weight: How often it is chosen.
        mortal: Whether its instance may be killed meanwhile.
    """

    run: Callable[[Trial], None]
    request: str
    points: tuple[str, ...]
    most: int = 1
    weight: int = 1
    mortal: bool = False
