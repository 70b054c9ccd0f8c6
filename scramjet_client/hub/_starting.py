"""Start of a hub by a command, with a token that clients of the same user find."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from scramjet_client._common.kept_tokens import VARIABLE, given_token, keep_token
from scramjet_client._common.trace import Taker
from scramjet_client.hub._local_hub import LocalHub, OpenHubWarning


def make_hub(
    host: str,
    port: int,
    *,
    token: str | None = None,
    no_token: bool = False,
    storage: str | None = None,
    page: bool = False,
    record: Taker | None = None,
) -> LocalHub:
    """Return the hub that a command asks for; if it does not mention a token, the hub has a random one.

    Raises:
        ValueError: The variable for its token is empty, or set together with `no_token`; or as for `LocalHub`.
    """
    if host == "localhost":
        # Use the address: clients do not send a token to a name by themselves, as a name may lead elsewhere too.
        host = "127.0.0.1"
    found = given_token() if token is None else token
    if no_token and found is not None:
        raise ValueError(f"no token is wanted, and {VARIABLE} is set; unset it")
    # Without the argument, the token is a random one.
    chosen: dict[str, Any] = {"token": found} if no_token or found is not None else {}
    with warnings.catch_warnings():
        if no_token:
            warnings.simplefilter("ignore", OpenHubWarning)  # kept_token says this in a sentence
        return LocalHub(host, port, storage=storage, page=page, record=record, **chosen)


_OPEN = "without a token, every user of this machine can run programs here as you"


class KeptToken(NamedTuple):
    """Where a hub's token is: the file with it, if any, and a sentence about it."""

    path: Path | None
    sentence: str


@contextlib.contextmanager
def kept_token(hub: LocalHub) -> Iterator[KeptToken]:
    """Keep the token of a running hub in a file of the user while the block runs.

    Raises:
        OSError: There is no place to keep a random token, so no client could have it.
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
