"""What nobody could try without an account: the questions to which a smoke test gives answers, the most
valuable first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Answered(StrEnum):
    """`unknown`: not reached, or it cannot be tried here; `said` of the answer is why."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class GivenAnswer:
    """An answer, and what it rests on."""

    answered: Answered
    said: str


QUESTIONS: Mapping[str, str] = {
    "launch-index": "Do two spot machines of one call have the launch indexes 0 and 1?",
    "utils": "Can the stack utils be made (trust of the lifecycle role)?",
    "managed-keys": "Do permissions boundaries leave AWS's own keys usable (disk, ledger)?",
    "full-object-checksum": "Does an upload in parts get a checksum of the whole object?",
    "fresh-profile": "Does a machine with an instance profile that is seconds old get its credentials?",
    "partial-launch": "Does RunInstances over the quota of virtual CPUs start a part of the machines?",
    "metrics": "Do metrics in the functions' log lines arrive in CloudWatch?",
    "conditional-writes": "Has the botocore of Lambda's runtime conditional writes?",
    "build-log": "Are the lines of an image's build where the program looks for them?",
    "replaced-recipe": "Can a recipe be replaced whose image exists?",
    "golden-in-build": "Does the golden test run in the test phase of a build?",
}
"""Name -> question; docs/aws.md has them too."""

NOT_REACHED = GivenAnswer(Answered.UNKNOWN, "not reached")
UNTRIED: Mapping[str, GivenAnswer] = {
    "partial-launch": GivenAnswer(Answered.UNKNOWN, "not tried: it takes as many machines as the quota")
}
"""What no run tries, and why."""


class Answers:
    """The answers so far."""

    def __init__(self) -> None:
        self._given: dict[str, GivenAnswer] = {}

    def give(self, name: str, answered: Answered, said: str) -> None:
        if name not in QUESTIONS:
            raise KeyError(name)
        self._given[name] = GivenAnswer(answered, said)

    def yes(self, name: str, said: str) -> None:
        self.give(name, Answered.YES, said)

    def judge(self, name: str, good: bool, said: str) -> None:
        self.give(name, Answered.YES if good else Answered.NO, said)

    def unknown(self, name: str, said: str) -> None:
        self.give(name, Answered.UNKNOWN, said)

    def all(self) -> Mapping[str, GivenAnswer]:
        return {name: self._given.get(name, UNTRIED.get(name, NOT_REACHED)) for name in QUESTIONS}
