"""From a submission file to the first line of the user's script, on the local cloud."""

import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import boto3

from benchmarks.report import ROOT, Figure, p50, say, show, wants_json
from console.cloud import lay_over
from demo.playground import Playground, playground
from neurocaas import Analysis

JOBS, AIM = 20, 1.5
STAMP = "first line at "


def stamp_first_line(ground: Playground) -> None:
    """Make the mock analysis of the copy print the time before anything else: what the machine itself saw,
    not what was polled.
    """
    folder = ground.root / "blueprints" / "analysis"
    for line in (folder / "blueprint.yaml").read_text().splitlines():
        if line.startswith("script:"):
            script = folder / line.partition(":")[2].partition("#")[0].strip()
    text = script.read_text()
    first, _, rest = text.partition("\n")
    script.write_text(f'{first}\necho "{STAMP}$(date +%s.%N)"\n{rest}')


def main() -> None:
    with playground(ROOT) as ground:
        stamp_first_line(ground)
        ground.invoke("local.up")
        for stack in ("utils", "analysis-webdev"):
            say(f"up of {stack}")
            ground.pulumi("up", "--yes", "--skip-preview", "--stack", stack)
        lay_over(os.environ, ground.local_environment())
        s3 = boto3.client("s3")
        analysis = Analysis("analysis", "debuggers")
        data = ground.root / "hello.txt"
        data.write_text("hello\n")
        keys = analysis.upload([data])
        to_line, to_end = [], []
        for number in range(JOBS + 1):
            begun = time.time()
            job = (
                analysis.submit(keys, "debuggers/configs/config.json")
                if number
                else analysis.submit(keys, {"wait": 0})
            )
            state = job.follow(lambda _: None, interval=0.1, timeout=120)
            if not state.succeeded:
                raise RuntimeError(job.certificate())
            if number == 0:  # the first wakes the Lambda and fills the machine's cache of the code
                analysis.upload_config({"wait": 0})
                continue
            to_line.append(first_line(s3, job.bucket, job.keys.status(state.datasets[0].name)) - begun)
            to_end.append(time.time() - begun)
            say(f"job {number}: {to_line[-1]:.2f} s")
    figures = [
        Figure("submit to first line, p50", p50(to_line), "s", AIM, f"of {JOBS} jobs, one after the other"),
        Figure("submit to first line, slowest", max(to_line), "s"),
        Figure(
            "submit to end of job, p50",
            p50(to_end),
            "s",
            note=f"{p50(to_end) / p50(to_line):.1f} x the first line",
        ),
    ]
    show("job_path", figures, as_json=wants_json())


def first_line(s3: Any, bucket: str, key: str) -> float:
    """When the script began, by its own clock (the machine's, which is this one)."""
    from neurocaas.protocol.status import DatasetStatus

    status = DatasetStatus.from_json(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return float(status.stdout["0"].removeprefix(STAMP))


if __name__ == "__main__":
    main()
