"""What a fleet of hubs answers: by hub, with the errors of those that failed beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import attrs

from scramjet_client._base import Shown
from scramjet_client.errors import FleetError, ScramjetError
from scramjet_client.instances.client import InstanceClient
from scramjet_client.models import SendEventResponse

_T = TypeVar("_T")


class FleetAnswer(Mapping[str, _T], Shown):
    """What the hubs of a fleet answered: a mapping from their ids.

    Hubs that failed are not in the mapping but in `errors`; `check()` makes one error of them.

    Attributes:
        errors: What went wrong, by the id of the hub.
    """

    def __init__(self, values: Mapping[str, _T], errors: Mapping[str, ScramjetError]) -> None:
        self._values = dict(values)
        self.errors: dict[str, ScramjetError] = dict(errors)

    def __repr__(self) -> str:
        return f"<FleetAnswer {self._values!r}, errors {self.errors!r}>"

    def _facts(self) -> Iterable[tuple[str, object]]:
        return [*self._values.items(), *self.errors.items()]

    def __getitem__(self, hub: str) -> _T:
        return self._values[hub]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def check(self) -> FleetAnswer[_T]:
        """Return this answer if every hub gave one.

        Raises:
            FleetError: Some did not; `.errors` says which and why.
        """
        check_all(self.errors, f"{len(self.errors)} of {len(self) + len(self.errors)} hubs failed")
        return self


@attrs.frozen(kw_only=True)
class FleetInstance(Shown):
    """An instance somewhere in a fleet: the id of its hub, and its client."""

    hub: str
    instance: InstanceClient


@attrs.frozen(kw_only=True)
class BroadcastResponse(Shown):
    """What became of an event that was sent to many instances.

    Attributes:
        sent: The hubs' answers, by hub and instance.
        failed: The errors, by hub and instance.
        errors: Hubs whose instances could not be found out, so that none of them was sent anything.
    """

    sent: Mapping[tuple[str, str], SendEventResponse]
    failed: Mapping[tuple[str, str], ScramjetError]
    errors: Mapping[str, ScramjetError]

    def check(self) -> BroadcastResponse:
        """Return this if every instance on every hub was reached.

        Raises:
            FleetError: Some were not; `.errors` says which and why.
        """
        wrong = {f"{hub} {instance}": error for (hub, instance), error in self.failed.items()}
        reached = f"the event reached {len(self.sent)} of {len(self.sent) + len(wrong)} instances"
        check_all({**self.errors, **wrong}, f"{reached}, and {len(self.errors)} hubs failed")
        return self


def check_all(errors: Mapping[str, ScramjetError], what: str) -> None:
    """Raise one error that holds all of these, if there are any."""
    if errors:
        listed = "; ".join(f"{hub}: {error}" for hub, error in errors.items())
        failure = FleetError(f"{what}: {listed}")
        failure.errors = dict(errors)
        raise failure
