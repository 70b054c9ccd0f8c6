"""Sequences: upload, replacement, deletion, and start."""

from __future__ import annotations

import asyncio
import errno
import re
from collections.abc import Callable
from typing import Any

from scramjet_client.hub._http import UNDEFINED, Exchange, TooLarge
from scramjet_client.hub._instance import Start
from scramjet_client.hub._packages import PackageRefused, remove
from scramjet_client.hub._sequence import Sequence, make_sequence, receive
from scramjet_client.hub._state import State

_ID_LENGTH = 36

_REACHABLE = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)
"""Ids that every client writes into a path without escapes."""

_UNREACHABLE = (
    "instanceId must be 36 of the characters A-Z a-z 0-9 . _ ~ -, as no route leads to others"
)

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)

_TOO_MANY_ENGINES = (
    "Incorrect config passed to SequenceConfig,'engines' field can't contain more than one element"
)


async def upload(exchange: Exchange, state: State) -> None:
    """Answer `POST sequence`."""
    if await _has_wrong_type(exchange):
        return
    sequence = await _received(exchange, state, None)
    if sequence is not None:
        state.add(sequence)
        await exchange.answer({"id": sequence.id})


async def replace(exchange: Exchange, state: State, id: str) -> None:
    """Answer `PUT sequence/ID`."""
    if await _has_wrong_type(exchange):
        return
    if await _cannot_be_replaced(exchange, state, id):
        return
    sequence = await _received(exchange, state, id)
    if sequence is None:
        return
    # Check again: while the body arrived, somebody may have started or deleted the old sequence.
    refused = True
    try:
        refused = await _cannot_be_replaced(exchange, state, id)
        if not refused:
            state.add(sequence)
    finally:
        if refused:
            remove(sequence.folder)
    if not refused:
        await exchange.answer({"id": id})


async def _cannot_be_replaced(exchange: Exchange, state: State, id: str) -> bool:
    """Answer and return True if the sequence does not exist or is in use. Waits for nothing otherwise."""
    old = state.sequences.get(id)
    if old is None:
        await exchange.answer({"error": f"Sequence with id: {id} not found"}, 404)
        return True
    if state.instances_of(old):
        await exchange.answer({"error": "Can't update sequence with instances"}, 409)
        return True
    return False


async def _has_wrong_type(exchange: Exchange) -> bool:
    kind = exchange.header("Content-Type")
    prefix, star, _ = (kind or "").partition("*")
    if kind in (None, "", "application/octet-stream") or (
        star and "application/octet-stream".startswith(prefix)
    ):
        return False
    await exchange.refuse(415, "Invalid content-type")
    return True


async def _received(exchange: Exchange, state: State, id: str | None) -> Sequence | None:
    limit = state.settings.max_package_size
    try:
        file, size = await receive(exchange.chunks(), state.storage, limit)
    except TooLarge:
        sentence = f"the package has more than {limit} bytes (max_package_size)"
        await exchange.answer({"error": sentence}, 413)
        return None
    with file:
        try:
            return await make_sequence(file, size, state.storage, state.settings, id)
        except PackageRefused as refusal:
            await exchange.answer({"error": refusal.error}, 422)
            return None


async def delete(exchange: Exchange, state: State, id: str) -> None:
    """Answer `DELETE sequence/ID`; with force, after the hub has forgotten the instances."""
    await exchange.json()
    sequence = state.sequences.get(id)
    if sequence is None:
        await exchange.answer({"error": f"The sequence {id} does not exist."}, 404)
        return
    if exchange.header("x-seq-kill-inst"):
        # As on a real hub, this continues when the client does not wait for it.
        await asyncio.shield(_delete_by_force(state, sequence))
    elif any(each.in_use for each in state.instances_of(sequence)):
        await exchange.answer({"error": "Can't remove- Sequence in use"}, 409)
        return
    _delete(state, sequence)
    await exchange.answer({"id": id})


async def _delete_by_force(state: State, sequence: Sequence) -> None:
    """Kill the instances, and delete their sequence once the hub has forgotten them."""
    # Repeat until none is left: another client may start one meanwhile.
    while instances := state.instances_of(sequence):
        for instance in instances:
            instance.kill(remove_immediately=True)
        await asyncio.gather(*(each.unlisted.wait() for each in instances))
    _delete(state, sequence)


def _delete(state: State, sequence: Sequence) -> None:
    if state.sequences.get(sequence.id) is sequence:
        state.remove(sequence)


async def describe(exchange: Exchange, state: State, id: str) -> None:
    """Answer `GET sequence/ID`."""
    await _tell(exchange, state, id, state.describe)


async def list_instances(exchange: Exchange, state: State, id: str) -> None:
    """Answer `GET sequence/ID/instances`."""
    await _tell(exchange, state, id, lambda it: [each.id for each in state.instances_of(it)])


async def _tell(exchange: Exchange, state: State, id: str, told: Callable[[Sequence], Any]) -> None:
    exchange.must_accept_json()
    sequence = state.sequences.get(id)
    if sequence is None:
        await exchange.answer({"error": f"Sequence {id} not found"}, 404)
    else:
        await exchange.answer(told(sequence))


async def start(exchange: Exchange, state: State, id: str) -> None:
    """Answer `POST sequence/ID/start` once the runner has connected."""
    body = await exchange.json()
    sequence = state.sequences.get(id)
    if sequence is None:
        await exchange.answer({"error": "Not Found"}, 404)
        return
    order = _order(body if isinstance(body, dict) else {})
    if order is None:
        await exchange.refuse(500)
        return
    if not _REACHABLE.fullmatch(order.id):
        # A real hub accepts it, and then has an instance whose id nobody can write in a path.
        await exchange.answer({"error": _UNREACHABLE}, 400)
        return
    if order.id in state.instances:
        await exchange.answer({"error": "Instance with a given ID already exists"}, 409)
        return
    if len(sequence.manifest["engines"]) > 1:
        await exchange.answer({"error": _TOO_MANY_ENGINES}, 400)
        return
    instance, starting = state.start(sequence, order)
    try:
        failure = await asyncio.shield(starting)
    except OSError as error:
        if error.errno not in _EXHAUSTED:
            raise
        full = "Insufficient Space on Resource"
        await exchange.answer({"error": full}, 419, reason=full)
        return
    if failure is not None:
        await exchange.answer({"error": failure}, 400)
    else:
        await exchange.answer({"message": f"Sequence {instance.id} starting", "id": instance.id})


def _order(body: dict[str, Any]) -> Start | None:
    """Return the options of the start, or None for an instance id that makes a real hub fail."""
    args = body.get("args")
    if isinstance(args, str):
        args = list(args)  # JavaScript spreads a string
    elif args is not None and not isinstance(args, list):
        args = [args]
    start = Start(
        app_config=body.get("appConfig", UNDEFINED),
        args=args,
        output_topic=_text(body.get("outputTopic")),
        input_topic=_text(body.get("inputTopic")),
    )
    id = body.get("instanceId", UNDEFINED)
    if id is not UNDEFINED and id is not None:
        if not isinstance(id, str) or len(id) != _ID_LENGTH:
            return None
        start.id = id
    return start


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
