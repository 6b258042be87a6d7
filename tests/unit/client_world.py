"""A group's bucket as the manager and the monitor leave it, for the tests of the client."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from neurocaas.commands.command import AnalystCommand
from neurocaas.protocol.documents import iso
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.published_settings import About, about_key
from neurocaas.protocol.status import DatasetStatus
from neurocaas.typed import called_as
from tests.unit.client_jobs import BUCKET, GROUP, job_json

ABOUT = About(
    analysis="dti",
    stage="webdev",
    title="Diffusion",
    instance_type="m5.large",
    instance_types=("m5.large", "m5.xlarge"),
    fallback_types=(),
    prices={"m5.large": 0.096, "m5.xlarge": 0.192},
    prices_date="2026-11-01",
    duration_minutes=60,
    max_datasets=500,
    budget_usd=300.0,
    image_id="ami-1",
    code_sha256="1" * 64,
    ledger_table="ledger",
    dead_letter_queue_url="",
)


MEMBER = {"NEUROCAAS_ANALYSIS": BUCKET, "NEUROCAAS_GROUP": GROUP}
"""Variables of a shell that names the analysis and the group."""


@contextmanager
def service(
    monkeypatch: pytest.MonkeyPatch, about: About = ABOUT, variables: dict[str, str] | None = None
) -> Iterator[Any]:
    """A client of an in-process S3 that has the bucket of an analysis, in a shell with these variables and
    keys of its own."""
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**keys, **(variables or {})}.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        tell(client, about)
        yield client


def put(s3: Any, key: str, body: str | bytes) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode() if isinstance(body, str) else body)


def tell(s3: Any, about: About = ABOUT) -> None:
    put(s3, about_key(GROUP), about.to_json())


def ended(
    s3: Any, stamp: str, seconds: dict[str, float], outputs: dict[str, str] | None = None, **facts: Any
) -> None:
    """A job that has succeeded, with the life of each dataset's machine."""
    keys = JobKeys.of(GROUP, stamp)
    put(s3, keys.job, job_json(f"{GROUP}/submissions/{stamp}_submit.json", *seconds, stamp=stamp))
    for name, body in (outputs or {}).items():
        put(s3, keys.process_prefix + name, body)
    put(
        s3,
        keys.records.certificate,
        f"JOB ID: {stamp}\n        [Internal (get_costmonitoring)] Projected total costs: $0.12. Remaining "
        "budget: $77.00\n",
    )
    for index, name in enumerate(seconds):
        for key in (keys.status(name), keys.verdict(index)):
            put(s3, key, DatasetStatus(status="SUCCESS", exit_code=0).to_json())
    put(s3, keys.records.end, f"SUCCESS {len(seconds)}/{len(seconds)}\n")
    datasets = [
        {
            "name": name,
            "inputpath": f"{GROUP}/inputs/{name}",
            "status": "SUCCESS",
            "seconds": life,
            "instance_type": "m5.large",
            "image_id": "ami-1",
            "start": iso(datetime.now(UTC) + timedelta(seconds=1)),
        }
        for name, life in seconds.items()
    ]
    certificate = {
        "schema_version": 1,
        "outcome": "SUCCESS",
        "exit_class": "success",
        "bucket": BUCKET,
        "group": GROUP,
        "job_id": stamp,
        "created": iso(datetime.now(UTC)),
        "config": {"wait": 5},
        "configpath": f"{GROUP}/configs/c.json",
        "image": {"id": "ami-1", "ready": True},
        "code_sha256": "1" * 64,
        "blueprint_commit": "abc",
        "datasets": datasets,
        "problems": [],
        "finished": iso(datetime.now(UTC) + timedelta(minutes=2)),
        "cost_usd": 0.0123,
    }
    put(s3, keys.records.certificate_json, json.dumps({**certificate, **facts}))


def run(command: AnalystCommand, *arguments: Any, **flags: Any) -> None:
    """A command as its module has it, without what the command line and `tasks.py` put around it: the choice
    of a cloud, errors as exit codes.
    """
    with called_as("neurocaas"):
        command.body(*arguments, **flags)
