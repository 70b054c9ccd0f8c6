"""Hubs without a token, for clients that know of none: raw sockets, other languages, scripts of the documents."""

from __future__ import annotations

import contextlib
import os
import warnings
from typing import Any

from scramjet_client import HostClient, ScramjetError
from scramjet_client.hub import LocalHub, OpenHubWarning
from tests.support.waiting import LIMIT


def open_hub(**options: Any) -> LocalHub:
    """Return a LocalHub that lets in everybody of this machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OpenHubWarning)
        return LocalHub(token=None, **options)


class FarHub:
    """The hub that `SCRAMJET_TEST_HUB_URL` names, for systems on which no LocalHub runs."""

    def __init__(self) -> None:
        self.url = os.environ["SCRAMJET_TEST_HUB_URL"]

    def __enter__(self) -> FarHub:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def client(self) -> HostClient:
        """Return a client of it."""
        return HostClient(self.url)

    def check(self) -> None:
        """Do nothing: its own failures are seen where it runs."""

    def clear(self) -> None:
        """Delete all sequences, with their instances, and topics."""
        with self.client() as host:
            for instance in host.list_instances():
                # Else the hub asks each to stop first, for which it takes 15 s.
                with contextlib.suppress(ScramjetError):
                    client = host.get_instance_client(instance.id)
                    client.kill(remove_immediately=True)
                    client.wait(LIMIT)
            for sequence in host.list_sequences():
                host.delete_sequence(sequence.id, force=True)
            for topic in host.get_topics():
                host.delete_topic(topic.name)
