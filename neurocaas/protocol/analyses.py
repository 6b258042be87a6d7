"""The index of analyses: which a group may use, and in which bucket each of them is.

People say the name of an analysis. What its bucket is called is the service's business, and names of buckets
are unique in all of AWS, so they cannot be the same. Each stack keeps one parameter of Systems Manager for
each of its groups, `/neurocaas/analyses/<group>/<analysis>/<stage>`: a member may list those of the group,
with one call and no checkout, and sees no other group's. (An object would have to lie in a bucket, whose name
one would have to know; parameters of this kind cost nothing.)
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

PARAMETERS = "/neurocaas/analyses"
SCHEMA_VERSION = 1

STAGES = ("prod", "staging", "develop", "webdev")
"""Of several stages of one analysis, its bare name means the first of these that there is."""


@dataclass(frozen=True)
class DeployedAnalysis:
    """An analysis in one stage, as a group has it."""

    analysis: str
    stage: str
    bucket: str
    account: str
    region: str
    title: str = ""

    @property
    def stack(self) -> str:
        return f"{self.analysis}-{self.stage}"

    def to_json(self) -> str:
        """The value of its parameter: the same analysis gives the same text."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> DeployedAnalysis | None:
        """None for a text of another version."""
        try:
            found = json.loads(text)
            if found["schema_version"] != SCHEMA_VERSION:
                return None
            names = ("analysis", "stage", "bucket", "account", "region", "title")
            return cls(*(str(found[name]) for name in names))
        except (ValueError, KeyError, TypeError):
            return None


def folder(group: str) -> str:
    """Of the parameters of a group."""
    return f"{PARAMETERS}/{group}"


def parameter(group: str, analysis: str, stage: str) -> str:
    """The name of one parameter."""
    return f"{folder(group)}/{analysis}/{stage}"


def listed(ssm: Any, group: str) -> list[DeployedAnalysis]:
    """What the group may use, sorted by name, later stages first; `ssm` is a boto3 client. Raises what the
    client raises."""
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=folder(group), Recursive=True)
    read = (DeployedAnalysis.from_json(one["Value"]) for page in pages for one in page["Parameters"])
    return sorted((one for one in read if one is not None), key=_order)


def named(analyses: Iterable[DeployedAnalysis], name: str) -> DeployedAnalysis | None:
    """The analysis that `name` means: its own name, that of its stack, or of its bucket; None for none."""
    known = sorted(analyses, key=_order, reverse=True)
    # the most exact name last: a stack may be called like another analysis
    names = {one.analysis: one for one in known} | {one.bucket: one for one in known}
    return (names | {one.stack: one for one in known}).get(name)


def _order(one: DeployedAnalysis) -> tuple[str, int]:
    return one.analysis, STAGES.index(one.stage) if one.stage in STAGES else len(STAGES)
