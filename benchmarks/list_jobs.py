"""Listing 10,000 jobs of a group, beside asking for each job by itself.

The client over HTTP against the control plane of a local cloud (without its fleet). Each job has a submission
and a certificate, the latest have an end. `neurocaas jobs --names` lists the folders of jobs; without it
also the submissions, for their times and those without an answer, and reads the outcomes of the 20 latest.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.emulated import bare_cloud
from benchmarks.report import Figure, p50, say, seconds_of, show, wants_json

JOBS, ASKED, RUNS = 10_000, 100, 5
BUCKET, GROUP = "analysis", "lab"


def main() -> None:
    with bare_cloud():
        figures = _measured()
    show("Listing jobs", figures, as_json=wants_json())


def _measured() -> list[Figure]:
    from neurocaas import Analysis

    analysis = Analysis(BUCKET, GROUP)
    analysis.s3.create_bucket(Bucket=BUCKET)
    say(f"writing {JOBS} jobs")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: _job(analysis.s3, number), range(JOBS)))
    names = analysis.job_names()
    assert len(names) == len(analysis.listing()) == JOBS
    calls = list[str]()
    analysis.s3.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))
    figures, measured = [], dict[str, float]()
    for name, work in (
        (f"names of {JOBS} jobs (`neurocaas jobs --names`)", analysis.jobs),
        ("their times, refusals and unanswered ones too", analysis.listing),
        (
            "and the outcomes of the latest 20 (`neurocaas jobs`)",
            lambda: analysis.ends(analysis.listing()[-20:]),
        ),
    ):
        calls.clear()
        measured[name] = p50([seconds_of(work) for _ in range(RUNS)])
        figures.append(
            Figure(name, measured[name], "s", 1.0, f"{len(calls) // RUNS} requests, median of {RUNS}")
        )
    begun = time.process_time()
    analysis.listing()
    figures.append(
        Figure(
            "of the times: the client's own work", time.process_time() - begun, "s", None, "processor time"
        )
    )
    one_by_one = seconds_of(lambda: [analysis.job(name).status() for name in names[-ASKED:]]) * JOBS / ASKED
    return [
        *figures,
        Figure("each job by itself", one_by_one, "s", None, f"{ASKED} of them measured"),
        Figure("ratio", one_by_one / next(iter(measured.values())), "x", None, "each by itself / names"),
    ]


def _job(s3: Any, number: int) -> None:
    name = f"job-{number:05d}"
    folder = f"jobs/{GROUP}/job_{name}/"
    s3.put_object(
        Bucket=BUCKET,
        Key=f"{GROUP}/submissions/{name}_submit.json",
        Body=json.dumps({"timestamp": name}).encode(),
    )
    s3.put_object(Bucket=BUCKET, Key=f"{folder}certificate.txt", Body=b"JOB ID\n")
    if number >= JOBS - ASKED:
        s3.put_object(Bucket=BUCKET, Key=f"{folder}end.txt", Body=b"SUCCESS 1/1\n")


if __name__ == "__main__":
    main()
