"""Jobs that follow others: `after` of a submission, the next step of an analysis, and submissions that the
service makes itself.

A submission with `"after": "2026-01-31T12:00:00"` waits until that job of its group has ended, and then takes
its results: datanames below `process_results/` are looked up there at that time. `"after":
"spikes/2026-01-31T12:00:00"` means a job of another analysis (of the same stage), where the blueprint says
`takes_from: [spikes]`.

The next step of an analysis (`next:` of its blueprint), and a watched folder, are submitted by the service:
files `jobs/{group}/submissions/{id}_submit.json`, where only the service writes. They say in `asked` in whose
name they were made, and by what; that is believed of these files alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from neurocaas.protocol.documents import DocumentError
from neurocaas.protocol.keys import JobId, JobKeys
from neurocaas.protocol.names import ANALYSIS_NAME, TIMESTAMP, bounded
from neurocaas.protocol.outside import whole
from neurocaas.protocol.typed_json import read, stored

PROCESS = "process_results/"
"""Datanames that begin with it are below the folder of the earlier job."""

SUCCEEDED, ENDED = "success", "ended"
WHEN = (SUCCEEDED, ENDED)
"""What must have become of the earlier job: every dataset succeeded, or whatever."""

STEPS_MAX = 10
"""Jobs of one chain that the service submits by itself, one after another: a circle of blueprints, which a
deploy refuses, ends here in any case."""

AFTER_MAX = 50
"""Jobs that wait for one another in a row."""

_WAITS = re.compile(r"Waiting for job (\S+) to end\. Nothing is reserved\.")
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Source:
    """Another analysis whose results may be taken (`takes_from`): its stack, and the bucket that it has in
    this stage."""

    analysis: str
    stack: str
    bucket: str


@dataclass(frozen=True)
class Earlier:
    """The job that a submission follows. `analysis` is "" for the own one."""

    job: JobId
    analysis: str = ""
    stack: str = ""

    @property
    def name(self) -> str:
        """As submissions write it."""
        return f"{self.analysis}/{self.job.timestamp}" if self.analysis else self.job.timestamp

    @property
    def keys(self) -> JobKeys:
        return self.job.keys

    def path(self, own: str, name: str) -> str:
        """The whole path of `name` below the job's folder, for an analysis whose bucket is `own`."""
        key = f"{self.keys.prefix}{name}"
        return key if self.job.bucket == own else whole(self.job.bucket, key)


@dataclass(frozen=True)
class ChainStep:
    """`next` of a blueprint: what is submitted when a job of the analysis has ended. `datasets`: patterns
    (`protocol.required`) of its results, each of which becomes a dataset; `config`: the values of its
    configuration; `when`: one of WHEN."""

    analysis: str
    config: Mapping[str, Any] = field(default_factory=dict, metadata=stored(added=True))
    datasets: tuple[str, ...] = field(default=("*",), metadata=stored(added=True))
    when: str = field(default=SUCCEEDED, metadata=stored(among=WHEN, added=True))


@dataclass(frozen=True)
class AskedByService:
    """What a submission of the service says of itself. `submitter`: in whose name ("" for nobody's); `by`:
    what made it (`job dti/2026-01-31`, `watch rig1`); `step`: its number in a chain of such jobs, from 1;
    `watch`: the name of the watch, whose jobs of a month may cost `cap` micro-dollars."""

    submitter: str = field(default="", metadata=stored(added=True))
    by: str = field(default="", metadata=stored(added=True))
    step: int = field(default=1, metadata=stored(added=True))
    watch: str = field(default="", metadata=stored(added=True))
    cap: int = field(default=0, metadata=stored(added=True))


def parse_after(text: str) -> tuple[str, str] | None:
    """Analysis ("" for the own one) and timestamp of `after`; None when it is neither form."""
    analysis, slash, timestamp = text.rpartition("/")
    if slash and not ANALYSIS_NAME.fullmatch(analysis):
        return None
    return (analysis, timestamp) if TIMESTAMP.fullmatch(timestamp) else None


def is_pattern(name: str) -> bool:
    return _WILD.search(name) is not None


def waits_line(name: str) -> str:
    """What the certificate of a job says while it waits for another."""
    return f"Waiting for job {name} to end. Nothing is reserved."


def waited_for(certificate: str) -> str:
    """The job that one waits for, by its certificate; "" when it waits for none."""
    found = _WAITS.findall(certificate)
    return str(found[-1]) if found else ""


def next_timestamp(job: JobId, analysis: str) -> str:
    """The timestamp of the job that follows this one by itself, a job of `analysis`: always the same, so
    that it is started once, however often it is asked for."""
    return bounded(f"{job.timestamp}_{analysis}", 64)


def asked_of(data: Mapping[str, Any]) -> AskedByService:
    """What a service's submission says of itself; nothing of what cannot be read."""
    value = data.get("asked")
    value = value if isinstance(value, dict) else {}
    with suppress(DocumentError):
        return read(AskedByService, value, "asked")
    return AskedByService()
