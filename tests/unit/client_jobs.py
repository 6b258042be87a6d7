"""A job as the manager records it, for the tests of those who read it."""

from neurocaas.protocol.job import Dataset, Job
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.settings import Code, Group, Image

BUCKET, GROUP, STAMP = "dti", "debuggers", "2026-01-31"
KEYS = JobKeys.of(GROUP, STAMP)


def job_json(submission: str, *names: str, stamp: str = STAMP) -> str:
    keys = JobKeys.of(GROUP, stamp)
    return Job(
        analysis="dti",
        stage="webdev",
        bucket=BUCKET,
        region="us-east-1",
        group=GROUP,
        timestamp=stamp,
        submission_key=submission,
        submission_sha256="0" * 64,
        resultdir=keys.resultdir,
        configpath="debuggers/configs/c.json",
        configname="c.json",
        config={},
        script="dti/run_dti.sh",
        code=Code("a", "code/x.tar.gz", "1" * 64),
        instance_type="m5.large",
        instance_types=("m5.large",),
        prices={"m5.large": 0.096},
        duration_minutes=60,
        volume_gib=16,
        dataset_size_gib=0,
        image=Image("ami-1", True, None),
        launch_template=Group("lt-1", "1"),
        price_per_hour=0.096,
        created="2026-01-31T12:00:00.000Z",
        datasets=tuple(
            Dataset(i, name, f"{GROUP}/inputs/{name}", keys.status(name), 3) for i, name in enumerate(names)
        ),
    ).to_json()
