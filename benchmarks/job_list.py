"""Listing 10,000 jobs of a group and their cost of a month from its index, beside each job's
documents.

The client over HTTP against the control plane of a local cloud (without its fleet). The index is written as
the service writes it, with three months of jobs of four members; of a hundred jobs there are also the
documents, which are read one by one as before there was an index.
"""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.emulated import bare_cloud
from benchmarks.report import Figure, p50, say, seconds_of, show, wants_json

JOBS, ASKED, RUNS = 10_000, 100, 5
BUCKET, GROUP = "analysis", "lab"
MEMBERS = ("ann", "bob", "eve", "lea")


def main() -> None:
    with bare_cloud():
        figures = _measured()
    show("Index of jobs", figures, as_json=wants_json())


def _measured() -> list[Figure]:
    from neurocaas import Analysis
    from neurocaas.listing import ListedJob
    from neurocaas.overview import AnalysisPlace, overview, row
    from neurocaas.spending import month_of, spending, totals

    analysis, now = Analysis(BUCKET, GROUP), datetime.now(UTC)
    analysis.s3.create_bucket(Bucket=BUCKET)
    say(f"writing an index of {JOBS} jobs, and the documents of {ASKED}")
    _write(analysis.s3, now)
    calls = list[str]()
    analysis.s3.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))
    month, figures = month_of("", now), []

    def measured(name: str, limit: float | None, work: Callable[[], Any]) -> float:
        calls.clear()
        seconds = p50([seconds_of(work) for _ in range(RUNS)])
        figures.append(Figure(name, seconds, "s", limit, f"{len(calls) // RUNS} requests, median of {RUNS}"))
        return seconds

    assert len(overview([analysis], limit=0).rows) == JOBS
    measured("the latest 20 jobs (`neurocaas jobs`)", 1.0, lambda: overview([analysis]))
    whole = measured(f"all {JOBS} (`neurocaas jobs --limit 0`)", 1.0, lambda: overview([analysis], limit=0))
    measured(
        "what a month has cost (`neurocaas cost --by member`)",
        1.0,
        lambda: totals([spending(analysis, month)], "member"),
    )
    place = AnalysisPlace(BUCKET, GROUP, analysis.objects)
    names = [f"old-{number:05d}" for number in range(ASKED)]
    seconds = seconds_of(lambda: [row(place, ListedJob(name, now, "job")) for name in names])
    each = seconds * JOBS / ASKED
    return [
        *figures,
        Figure("each job's documents", each, "s", None, f"{ASKED} of them measured, one after another"),
        Figure("ratio", each / whole, "x", None, "each job's documents / all from the index"),
    ]


def _write(s3: Any, now: datetime) -> None:
    from neurocaas.protocol.documents import iso
    from neurocaas.protocol.job_index import SEGMENT, IndexEntry, complete_key, segment_key
    from neurocaas.protocol.keys import JobKeys

    step = timedelta(days=90) / JOBS
    entries = []
    for number in range(JOBS):
        began = now - step * (JOBS - number)
        name = f"{began:%Y-%m-%dT%H-%M-%S}.{number:05d}Z"
        entries.append(
            IndexEntry(
                f"job_{name}",
                iso(began),
                "SUCCESS",
                "analysis",
                MEMBERS[number % 4],
                f"{GROUP}/submissions/{name}_submit.json",
                iso(began + timedelta(minutes=20)),
                3,
                3,
                cost=48_000,
                seconds=5400.0,
                config="0" * 64,
                work="1" * 64,
            )
        )
    for start in range(0, JOBS, SEGMENT):
        text = "".join(f"{one.line()}\n" for one in entries[start : start + SEGMENT])
        s3.put_object(Bucket=BUCKET, Key=segment_key(GROUP, start // SEGMENT), Body=text.encode())
    s3.put_object(Bucket=BUCKET, Key=complete_key(GROUP), Body=b"{}")
    for number in range(ASKED):
        keys = JobKeys.of(GROUP, f"old-{number:05d}").records
        facts = {"schema_version": 1, "finished": iso(now), "cost_usd": 0.048, "datasets": []}
        s3.put_object(Bucket=BUCKET, Key=keys.certificate_json, Body=json.dumps(facts).encode())
        s3.put_object(Bucket=BUCKET, Key=keys.end, Body=b"SUCCESS 3/3\n")


if __name__ == "__main__":
    main()
