"""How commands start a hub: with a token that clients of the same user find."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from scramjet_client._kept_tokens import VARIABLE, given_token, keep_token
from scramjet_client.hub._local_hub import LocalHub, OpenHubWarning


def make_hub(
    host: str, port: int, token: str | None, no_token: bool, storage: str | None
) -> LocalHub:
    """Return the hub that a command was asked for: without a word about tokens it has a random one.

    Raises:
        ValueError: The variable for its token is set but empty, or beside `no_token`; or as of `LocalHub`.
    """
    if host == "localhost":
        # What it listens on: the token of a name, which may lead elsewhere too, is not sent by itself.
        host = "127.0.0.1"
    found = given_token() if token is None else token
    if no_token and found is not None:
        raise ValueError(f"no token is wanted, and {VARIABLE} is set; unset it")
    if no_token:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OpenHubWarning)  # said by kept_token, as a sentence
            return LocalHub(host, port, token=None, storage=storage)
    if found is None:
        return LocalHub(host, port, storage=storage)
    return LocalHub(host, port, token=found, storage=storage)


_OPEN = "without a token, every user of this machine can run programs here as you"


class KeptToken(NamedTuple):
    """What became of a hub's token: the file that has it, if any, and that in words."""

    path: Path | None
    sentence: str


@contextlib.contextmanager
def kept_token(hub: LocalHub) -> Iterator[KeptToken]:
    """Keep the token of a hub that runs in a file of the user while the block runs.

    Raises:
        OSError: There is no place for a random token, so that no client could have it.
    """
    if hub.token is None:
        yield KeptToken(None, _OPEN)
        return
    with contextlib.ExitStack() as stack:
        try:
            path = stack.enter_context(keep_token(hub.url, hub.token))
        except OSError as error:
            if given_token() != hub.token:
                raise OSError(
                    f"its token can't be kept ({error}); give it one by {VARIABLE}"
                ) from error
            kept = KeptToken(None, f"its token is that of {VARIABLE}; clients must send it")
        else:
            kept = KeptToken(path, f"the token that clients must send is in {path}")
        yield kept
