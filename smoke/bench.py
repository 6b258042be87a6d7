"""What all steps of a run share: where it is, whom it asks, and what it has found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3

from account.clients import client
from console.adoption import StackState, strays
from console.engine import Engine
from console.own.model import Account, Owner, Thing
from smoke.place import RunPlace
from smoke.questions import Answers


class SmokeError(Exception):
    """A step did not come out as it should; the text says what was got and what was expected."""


@dataclass
class Bench:
    """`say` tells what goes on. `outputs` are those of the run's stack, `utils` those of `utils`, once there
    are any.
    """

    place: RunPlace
    engine: Engine
    session: boto3.Session
    say: Callable[[str], None]
    answers: Answers = field(default_factory=Answers)
    outputs: dict[str, Any] = field(default_factory=dict)
    utils: dict[str, Any] = field(default_factory=dict)
    spent_usd: float | None = None

    def make(self, service: str) -> Any:
        """A boto3 client of the run's region."""
        return client(service, session=self.session)

    def strays(self, stack: str, *buckets: str) -> list[Thing]:
        """All that the account has of a stack, by tags and names, whatever any state says."""
        at = Account(lambda service, **_: self.make(service), self.place.record.region)
        return strays(at, Owner(stack), StackState({"deployment": {"resources": []}}), *buckets)

    @property
    def bucket(self) -> str:
        return str(self.outputs["bucket"])
