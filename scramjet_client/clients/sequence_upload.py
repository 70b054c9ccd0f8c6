"""A sequence package on its way to a hub: as a new sequence, or in the place of one."""

from __future__ import annotations

from scramjet_client.api.answers import id_from
from scramjet_client.api.generations import dialect_of
from scramjet_client.api.http_client import HttpClient
from scramjet_client.errors import SequenceNotFoundError
from scramjet_client.http.settings import route
from scramjet_client.http.untrusted import json_in
from scramjet_client.packages.package import PackageLike, opened
from scramjet_client.packages.requirements import Requirements
from scramjet_client.uploads.sources import ProgressHook


def send_package(
    client: HttpClient,
    package: PackageLike,
    *,
    requirements: Requirements = None,
    progress: ProgressHook | None = None,
) -> str:
    """Send a package as a new sequence and return its id; see `HostClient.send_sequence`."""
    with opened(package, requirements) as source:
        text = client.send_stream(
            "sequence",
            source,
            subject="the sequence package",
            progress=progress,
            answer_limit=client.timeouts.read,
        )
    return _id(text)


def replace_package(
    client: HttpClient,
    id: str,
    package: PackageLike,
    *,
    requirements: Requirements = None,
    progress: ProgressHook | None = None,
) -> str:
    """Send a package in the place of that of a sequence (H1) and return the id of the sequence."""
    with opened(package, requirements) as source:
        dialect_of(client).require("replacing the package of a sequence")
        text = client.send_stream(
            route("sequence", id),
            source,
            method="PUT",
            subject=f"sequence {id!r}",
            not_found=SequenceNotFoundError,
            progress=progress,
            answer_limit=client.timeouts.read,
        )
    return _id(text)


def _id(text: str) -> str:
    return id_from(json_in(text, "a package"), "a package")
