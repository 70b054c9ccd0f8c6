"""Does the same to several things: it tries all, and the first failure sets the exit code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from scramjet_client.cli import _exits, _output, _say
from scramjet_client.cli._session import Session
from scramjet_client.errors import ScramjetError


def for_each(session: Session, given: Sequence[str], act: Callable[[str], tuple[str, Any]]) -> None:
    """Do something to each of `given`, and print the ids of those where it succeeded.

    `act` handles one word; it returns its id, and the client's answer.
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
