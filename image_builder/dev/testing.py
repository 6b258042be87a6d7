"""Testing a machine image: the job that the manager would start, run on the development instance instead of a
fresh machine.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from image_builder.dev.errors import DevelopmentError
from neurocaas.protocol.command import main_command, shown
from neurocaas.protocol.config import parse_config
from neurocaas.protocol.development import GROUP, debug_job_key, debug_keys
from neurocaas.protocol.job import ConfigSource, Job
from neurocaas.protocol.keys import SUBMISSIONS
from neurocaas.protocol.pins import Pin
from neurocaas.protocol.plan import DatasetInput, FoundInputs, ReadConfig, configs, plan
from neurocaas.protocol.problems import InvalidInput, Problem
from neurocaas.protocol.settings import AnalysisSettings
from neurocaas.protocol.status import DatasetStatus
from neurocaas.protocol.submission import parse_submission
from neurocaas.protocol.userdata import UserDataPayload, debug_script

MOST = 20
"""Datasets of one test: they run one after another on one machine."""
_LONGEST_SECONDS = 172_800
"""Longest `executionTimeout` of AWS-RunShellScript."""
DOCUMENT = "AWS-RunShellScript"


def settings_of(outputs: Mapping[str, Any], s3: Any) -> AnalysisSettings:
    """The settings that the deployed stack gives its manager."""
    text = s3.get_object(Bucket=outputs["settings_bucket"], Key=outputs["settings_key"])["Body"].read()
    return AnalysisSettings.from_json(text)


def job_of(path: Path, settings: AnalysisSettings, s3: Any, now: datetime) -> Job:
    """The job of a submit file, as the manager plans it, with a `debugjob_…` folder for its results.

    Raises DevelopmentError for a file that cannot be read, InvalidInput with every problem of what it asks
    for.
    """
    try:
        raw = path.expanduser().read_bytes()
    except OSError as error:
        raise DevelopmentError(
            f"submit file {path}: {error.strerror}",
            "a JSON file with dataname, configname, timestamp",
            "write it (guide, 'Testing a machine image')",
        ) from None
    if GROUP not in settings.groups:
        raise DevelopmentError(
            f"analysis '{settings.analysis}', whose groups are {', '.join(sorted(settings.groups))}",
            f"an analysis with the group '{GROUP}': development instances reach no other group's data",
            f"add it to `groups` of the blueprint, then `invoke deploy {settings.stack}`",
        )
    key = f"{GROUP}/{SUBMISSIONS}/debug_submit.json"
    submission = parse_submission(raw, key, settings)
    problems: list[Problem] = []
    if len(submission.datanames) > MOST:
        got, do = f"{len(submission.datanames)} datasets", "Test with a few of them"
        problems.append(
            Problem("dataname", got, f"up to {MOST}, which run one after another on one machine", do)
        )
    inputs = {name: _input(name, settings.bucket, s3, problems) for name in submission.datanames}
    config = _object(submission.configname, settings.bucket, s3, problems)
    if problems or config is None:
        raise InvalidInput(problems)
    body, source = config
    parsed = parse_config(body, submission.configname, settings)
    found = FoundInputs(
        inputs, config=ReadConfig(parsed, body, source), dataset_size_gib=parsed.dataset_size_gib
    )
    job = plan(settings, submission, key, hashlib.sha256(raw).hexdigest(), found, now)
    keys = debug_keys(now.strftime("%Y%m%dT%H%M%S%f")[:-3])
    # The records of real jobs are out of a development instance's reach: configurations lie with the results,
    # folders are not pinned.
    datasets = tuple(
        dataclasses.replace(
            dataset,
            status_key=keys.status(dataset.name),
            configpath=f"{keys.prefix}configs/{job.configpath_of(dataset.index).rpartition('/')[2]}",
            pins=False,
        )
        for dataset in job.datasets
    )
    # the development instance has another role
    template = dataclasses.replace(job.launch_template, role_id="")
    return dataclasses.replace(
        job, timestamp=keys.timestamp, resultdir=keys.resultdir, datasets=datasets, launch_template=template
    )


def submit(path: Path, instance_id: str, settings: AnalysisSettings, s3: Any, ssm: Any) -> dict[str, Any]:
    """Send the job's command to the instance; what is to be remembered of it. Raises what `job_of` raises,
    and DevelopmentError when the instance takes no commands."""
    job = job_of(path, settings, s3, datetime.now(UTC))
    keys = debug_keys(job.timestamp)
    document = debug_job_key(keys)
    s3.put_object(Bucket=job.bucket, Key=document, Body=job.to_json().encode())
    for key, text in configs(job).items():
        s3.put_object(Bucket=job.bucket, Key=key, Body=text.encode())
    for dataset in job.datasets:
        initial = DatasetStatus(input=dataset.inputpath, instance=instance_id).to_json()
        s3.put_object(Bucket=job.bucket, Key=dataset.status_key, Body=initial.encode())
    count = len(job.datasets)
    script = debug_script(UserDataPayload(job.bucket, document, job.code, account=settings.account), count)
    seconds = min(_LONGEST_SECONDS, (job.duration_minutes + 5) * 60 * count)
    try:
        sent = ssm.send_command(
            InstanceIds=[instance_id],
            DocumentName=DOCUMENT,
            Comment=f"{settings.analysis} debugjob {job.timestamp}"[:100],
            Parameters={"commands": script.splitlines(), "executionTimeout": [str(seconds)]},
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidInstanceId":
            raise
        raise DevelopmentError(
            f"instance {instance_id} takes no commands",
            "a running instance whose SSM agent has reported (about a minute after its start)",
            "wait a minute and try again; images without the SSM agent need it installed",
        ) from None
    return {
        "instance": instance_id,
        "time": job.created,
        "commandid": sent["Command"]["CommandId"],
        "commands": [shown(main_command(job, index)) for index in range(count)],
        "results": f"s3://{job.bucket}/{keys.prefix}",
    }


def entry_at(commands: list[dict[str, Any]], index: int) -> dict[str, Any]:
    """The test job at an index of the history; -1 is the most recent. Raises IndexError in words."""
    if isinstance(index, bool) or not isinstance(index, int) or not -len(commands) <= index < len(commands):
        known = (
            f"0 to {len(commands) - 1}, or -1 for the most recent"
            if commands
            else "none: no job was submitted yet"
        )
        raise IndexError(f"job with index {index} does not exist for this object; allowed: {known}")
    return commands[index]


def invocation(entry: Mapping[str, Any], ssm: Any) -> dict[str, Any]:
    """SSM's record of a test job: `Status`, outputs, times; empty before SSM knows it, and after it has
    forgotten (30 days).
    """
    try:
        found: dict[str, Any] = ssm.get_command_invocation(
            CommandId=entry["commandid"], InstanceId=entry["instance"]
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvocationDoesNotExist":
            return {}
        raise
    return found


def dumps(value: Any) -> str:
    """JSON for a machine that reads along."""
    return json.dumps(value, indent=2, default=str) + "\n"


def _missing(field: str, key: str, bucket: str) -> Problem:
    return Problem(
        field,
        f"{key!r}, which is not in the bucket",
        "data that is uploaded",
        f"Upload it: aws s3 cp FILE s3://{bucket}/{key}",
    )


def _object(key: str, bucket: str, s3: Any, problems: list[Problem]) -> tuple[bytes, ConfigSource] | None:
    try:
        found = s3.get_object(Bucket=bucket, Key=key)
        body = bytes(found["Body"].read())
        etag, version = found["ETag"].strip('"'), found.get("VersionId")
        return body, ConfigSource(etag, version, hashlib.sha256(body).hexdigest())
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("NoSuchKey", "404"):
            raise
    problems.append(_missing("configname", key, bucket))
    return None


def _input(key: str, bucket: str, s3: Any, problems: list[Problem]) -> DatasetInput:
    """A dataset, as far as it is needed here: the object, or that there is a folder. One without anything for
    what is missing.
    """
    if key.endswith("/"):
        if not s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=2).get("Contents"):
            problems.append(_missing("dataname", key, bucket))
        return DatasetInput((), folder=True)
    try:
        found = s3.head_object(Bucket=bucket, Key=key)
        return DatasetInput(
            (Pin(key, int(found["ContentLength"]), found["ETag"].strip('"'), found.get("VersionId")),)
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchKey"):
            raise
    problems.append(_missing("dataname", key, bucket))
    return DatasetInput(())
