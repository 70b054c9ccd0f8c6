"""`InstanceClient.attach`: connect an instance to the terminal, as if it had been started there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from scramjet_client.http.interrupts import Event
from scramjet_client.instances.follow import Feeds, Follow, Open
from scramjet_client.instances.keyboard import Keyboard
from scramjet_client.instances.lifetime import Instance
from scramjet_client.instances.watcher import EndWatcher
from scramjet_client.models import GetInstanceResponse
from scramjet_client.streams.targets import TargetLike, targets_of

_PAUSE = 1.0
"""Seconds between two looks at the upload."""


def _keyboard(stdin: Any) -> Keyboard | None:
    """Return a reader of `stdin`: True means the terminal, None means nothing."""
    if stdin is None or stdin is False:
        return None
    file = sys.stdin if stdin is True else stdin
    if file is None:
        raise ValueError("there is no terminal: sys.stdin is None")
    if not hasattr(file, "read"):
        raise TypeError(f"stdin must be a file or True, not {type(file).__name__}")
    return Keyboard(file)


def attach(
    instance: Instance,
    open_stream: Open,
    stdin: Any,
    targets: Mapping[str, TargetLike],
    wait: Callable[[GetInstanceResponse], GetInstanceResponse],
) -> GetInstanceResponse | None:
    """Connect an instance until it ends or the user detaches; see `InstanceClient.attach`."""
    news = Event()
    watcher = EndWatcher(instance.client, instance.id)
    name = f"instance {instance.id!r}"
    keys = feeds = None
    try:
        # 0.x forgets an instance at its end, so ask for its info first.
        known = instance.get_info()
        keys = _keyboard(stdin)
        with Follow(
            name, open_stream, watcher, targets_of(repr(instance.id), **targets), news=news.set
        ) as shown:
            if keys is not None:
                feeds = Feeds([instance.submit_stdin(keys, end=True)], news.set)
            while not shown.done:
                news.wait(_PAUSE)
                news.clear()
                if feeds is not None:
                    feeds.check()
            shown.wait()
            return wait(known)
    except KeyboardInterrupt:
        return None
    finally:
        # In this order: this cancellation must not look like the end of the keyboard's input.
        if feeds is not None:
            feeds.cancel()
        if keys is not None:
            keys.stop()
        if keys is not None and feeds is None:
            keys.close()
