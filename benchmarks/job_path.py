"""From a submission file to the first line of the user's script, on the local cloud."""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import boto3  # noqa: E402

from benchmarks.report import ROOT, Figure, p50, say, show, wants_json  # noqa: E402
from client import Analysis  # noqa: E402
from demo.playground import Playground, playground  # noqa: E402

JOBS, AIM = 20, 1.5
STAMP = "first line at "


def stamp_first_line(ground: Playground) -> None:
    """Make the mock analysis of the copy print the time before anything else: what the machine itself saw, not what was polled."""
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
        environ = ground.local_environment()
        session = boto3.Session(environ["AWS_ACCESS_KEY_ID"], environ["AWS_SECRET_ACCESS_KEY"], region_name=environ["AWS_REGION"])
        s3 = session.client("s3", endpoint_url=environ["AWS_ENDPOINT_URL"])
        analysis = Analysis("analysis", "debuggers", session=_At(s3))
        data = ground.root / "hello.txt"
        data.write_text("hello\n")
        keys = analysis.upload([data])
        to_line, to_end = [], []
        for number in range(JOBS + 1):
            begun = time.time()
            job = analysis.submit(keys, "debuggers/configs/config.json") if number else analysis.submit(keys, {"wait": 0})
            state = job.follow(lambda _: None, interval=0.1, timeout=120)
            if not state.succeeded:
                raise RuntimeError(job.certificate())
            if number == 0:  # the first wakes the Lambda and fills the machine's cache of the code
                analysis.upload_config({"wait": 0})
                continue
            to_line.append(first_line(s3, job.keys.status(state.datasets[0].name)) - begun)
            to_end.append(time.time() - begun)
            say(f"job {number}: {to_line[-1]:.2f} s")
    figures = [
        Figure("submit to first line, p50", p50(to_line), "s", AIM, f"of {JOBS} jobs, one after the other"),
        Figure("submit to first line, slowest", max(to_line), "s"),
        Figure("submit to end of job, p50", p50(to_end), "s", note=f"{p50(to_end) / p50(to_line):.1f} x the first line"),
    ]
    show("job_path", figures, as_json=wants_json())


def first_line(s3: object, key: str) -> float:
    """When the script began, by its own clock (the machine's, which is this one)."""
    from runtime.protocol.status import DatasetStatus

    status = DatasetStatus.from_json(s3.get_object(Bucket="analysis", Key=key)["Body"].read())  # type: ignore[attr-defined]
    return float(status.stdout["0"].removeprefix(STAMP))


class _At:
    """A session that gives one client."""

    def __init__(self, client: object) -> None:
        self._client = client

    def client(self, _: str) -> object:
        return self._client


if __name__ == "__main__":
    main()
