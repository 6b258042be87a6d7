"""What the manager would say of a submission as it would be written, by its own rules
(`neurocaas.protocol.submission`) with what the analysis tells of itself in place of its settings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurocaas.errors import AnalysisError
from neurocaas.protocol.chain import Source
from neurocaas.protocol.keys import INPUTS, SUBMISSIONS
from neurocaas.protocol.limits import SUBMISSION_MAX_BYTES
from neurocaas.protocol.names import TIMESTAMP
from neurocaas.protocol.outside import SCHEME, USES, OutsideBucket, place_of
from neurocaas.protocol.problems import Problem
from neurocaas.protocol.published_settings import About
from neurocaas.protocol.settings import InstanceSettings, Limits
from neurocaas.protocol.submission import InvalidSubmission, parse_submission


@dataclass(frozen=True)
class _Rules:
    """What submissions are checked by, as far as the analysis tells it."""

    analysis: str
    bucket: str
    outside_buckets: tuple[OutsideBucket, ...]
    input_addresses: tuple[str, ...]
    instance: InstanceSettings
    limits: Limits
    sources: tuple[Source, ...]


def as_submitted(
    names: Sequence[str],
    config: str,
    timestamp: str,
    more: Mapping[str, str],
    about: About,
    bucket: str,
    group: str,
) -> list[AnalysisError]:
    """What is wrong with a submission of these datasets and this config, by their keys, with `more` fields
    ("" for none). A timestamp that is none, and that there are no datasets or too many, is told elsewhere."""
    stamp = timestamp if TIMESTAMP.fullmatch(timestamp) else "0" * 24
    body: dict[str, Any] = {"dataname": list(dict.fromkeys(names)), "configname": config, "timestamp": stamp}
    body |= {name: text for name, text in more.items() if text}
    size = len(json.dumps(body, indent=2))
    if size > SUBMISSION_MAX_BYTES:
        got = f"a submission of {size} bytes, which are the names of {len(names)} datasets"
        do = "put them into one folder, or split the work into several submissions"
        return [AnalysisError(got, f"up to {SUBMISSION_MAX_BYTES} bytes", do)]
    rules = _rules(about, bucket, [*names, config, more.get("resultpath", "")], len(names))
    if not names:
        body["dataname"] = f"{group}/{INPUTS}/none"
    try:
        parse_submission(json.dumps(body).encode(), f"{group}/{SUBMISSIONS}/{stamp}_submit.json", rules)
    except InvalidSubmission as error:
        return [told(problem) for problem in error.problems]
    return []


def _rules(about: About, bucket: str, paths: Sequence[str], count: int) -> _Rules:
    outside = about.outside_buckets
    if outside is None:  # an analysis of an earlier version does not say which there are
        named = [place_of(path, "")[0] for path in paths if path.startswith(SCHEME)]
        outside = tuple(OutsideBucket(one, "", USES, ()) for one in named)
    machine = InstanceSettings(
        type=about.instance_type,
        types=about.instance_types,
        volume_gib=0,
        duration_minutes=0,
        max_duration_minutes=0,
    )
    limits = Limits(datasets=max(about.max_datasets, count), dataset_size_gib=0)
    return _Rules(about.analysis, bucket, outside, about.input_addresses, machine, limits, about.sources)


def told(problem: Problem) -> AnalysisError:
    """A problem of the contract, as the client tells it."""
    return AnalysisError(problem.place(), problem.allowed, problem.do[:1].lower() + problem.do[1:])
