"""Doing the same to several things: all are tried, and the first that fails says how it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from scramjet_client.cli import _exits, _output, _say
from scramjet_client.cli._session import Session
from scramjet_client.errors import ScramjetError


def for_each(session: Session, given: Sequence[str], act: Callable[[str], tuple[str, Any]]) -> None:
    """Do something to each of `given`; print the id of each that it was done to.

    Args:
        session: Who asks.
        given: What was typed.
        act: Does it to one; returns its id, and the client's answer.
    """
    first: ScramjetError | None = None
    for each in given:
        try:
            id, answer = act(each)
        except ScramjetError as error:
            if first is not None:
                _say.error(_exits.sentence(error))
            first = first or error
            continue
        message = getattr(answer, "message", "")
        if session.json:
            _output.line({**_output.plain(answer), "id": id})
        else:
            _say.out(id)
            if message:
                session.note(f"{id}: {message}")
    if first is not None:
        raise first
