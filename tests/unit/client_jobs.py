"""A job as the manager records it, for the tests of those who read it."""

import json

from runtime.protocol.keys import JobKeys

BUCKET, GROUP, STAMP = "dti", "debuggers", "2026-01-31"
KEYS = JobKeys.of(GROUP, STAMP)


def job_json(submission: str, *names: str) -> str:
    return json.dumps(
        {
            "schema_version": 1,
            "analysis": "dti",
            "stage": "webdev",
            "bucket": BUCKET,
            "region": "us-east-1",
            "group": GROUP,
            "timestamp": STAMP,
            "submission_key": submission,
            "submission_sha256": "0" * 64,
            "resultdir": KEYS.resultdir,
            "configpath": "debuggers/configs/c.json",
            "configname": "c.json",
            "config": {},
            "script": "dti/run_dti.sh",
            "code": {"bucket": "a", "key": "code/x.tar.gz", "sha256": "1" * 64},
            "instance_type": "m5.large",
            "instance_types": ["m5.large"],
            "prices": {"m5.large": 0.096},
            "duration_minutes": 60,
            "volume_gib": 16,
            "dataset_size_gib": 0,
            "image": {"id": "ami-1", "ready": True, "recipe_sha256": None},
            "launch_template": {"launch_template_id": "lt-1", "launch_template_version": "1"},
            "price_per_hour": 0.096,
            "created": "2026-01-31T12:00:00.000Z",
            "datasets": [
                {"index": i, "name": name, "inputpath": f"{GROUP}/inputs/{name}", "status_key": KEYS.status(name), "size": 3}
                for i, name in enumerate(names)
            ],
        }
    )
