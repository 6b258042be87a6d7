"""What a run found: text and JSON (docs/schema/smoke.json) without account ids, ARNs, addresses or people,
to be sent to the maintainers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from console.shareable import shareable_document
from smoke.proof import LeftThing
from smoke.questions import QUESTIONS, GivenAnswer

SCHEMA_VERSION = 1
DONE, FAILED, LEFT_OUT = "done", "failed", "left out"


@dataclass(frozen=True)
class SmokeStep:
    """One part of a run. `state` is one of the three words above; `said` what came out, or why not."""

    name: str
    state: str
    seconds: float
    said: str = ""


@dataclass(frozen=True)
class SmokeReport:
    """`cloud`: "aws", or "another endpoint". `ended`: why the run ended before its last step, "" when it did
    not. `spent_usd`: as the service has counted it, None when nobody could ask."""

    run: str
    version: str
    cloud: str
    region: str
    budget_usd: float
    spent_usd: float | None
    ended: str
    steps: Sequence[SmokeStep]
    answers: Mapping[str, GivenAnswer]
    left: Sequence[LeftThing]

    @property
    def ok(self) -> bool:
        """Whether every step was done, and nothing is left."""
        return not self.ended and not self.left and all(step.state == DONE for step in self.steps)

    def document(self, also: Mapping[str, str]) -> dict[str, Any]:
        """`also`: words of this machine and this account, and what stands for them."""
        kinds = Counter(one.kind for one in self.left)
        made = {
            "schema_version": SCHEMA_VERSION,
            "kind": "smoke",
            "ok": self.ok,
            "run": self.run,
            "version": self.version,
            "cloud": self.cloud,
            "region": self.region,
            "budget_usd": self.budget_usd,
            "spent_usd": None if self.spent_usd is None else round(self.spent_usd, 6),
            "seconds": round(sum(step.seconds for step in self.steps), 1),
            "ended": self.ended,
            "steps": [asdict(step) for step in self.steps],
            "answers": [
                {
                    "name": name,
                    "question": QUESTIONS[name],
                    "answer": given.answered.value,
                    "said": given.said,
                }
                for name, given in self.answers.items()
            ],
            "left": [{"kind": kind, "count": count} for kind, count in sorted(kinds.items())],
        }
        shared: dict[str, Any] = shareable_document(made, also)
        return shared


def text(document: Mapping[str, Any]) -> str:
    """The same for people."""
    from console.layout import labelled

    lines = [
        f"smoke test {document['run']} of version {document['version']}, {document['cloud']}, "
        f"{document['region']}: {'all is well' if document['ok'] else 'NOT all is well'}"
    ]
    for step in document["steps"]:
        head = f"{step['state']:<8} {step['seconds']:7.1f} s  {step['name']}"
        lines.append(labelled(head, step["said"], 36).removeprefix("  "))
    spent = "unknown" if document["spent_usd"] is None else f"${document['spent_usd']:.4f}"
    lines.append(
        f"in all {document['seconds']:.1f} s; {spent} of ${document['budget_usd']:g} counted by the service"
    )
    if document["ended"]:
        lines.append(f"ended early: {document['ended']}")
    lines.append("")
    lines += [labelled(one["answer"], f"{one['question']} {one['said']}", 12) for one in document["answers"]]
    left = ", ".join(f"{one['count']} {one['kind']}" for one in document["left"])
    return "\n".join([*lines, "", f"left: {left or 'nothing'}"])
