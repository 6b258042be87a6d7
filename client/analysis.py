"""An analysis as one group uses it: a bucket, a folder in it, and jobs."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import boto3

from client.errors import AnalysisError, s3_errors
from client.job import JobHandle
from runtime.protocol.names import GROUP_NAME, TIMESTAMP


@dataclass(frozen=True)
class Forecast:
    """The most that a submission can cost in machine time: every dataset running for its whole duration."""

    datasets: int
    minutes: int
    instance_type: str
    price_per_hour: float

    @property
    def usd(self) -> float:
        return self.datasets * self.minutes / 60 * self.price_per_hour


class Analysis:
    """An analysis (its bucket) for the members of one group.

    `session` is a boto3 session; without it, the credentials and the endpoint of the environment are used.
    """

    def __init__(self, bucket: str, group: str, *, session: Any = None) -> None:
        if not GROUP_NAME.fullmatch(group):
            raise AnalysisError(
                f"{group!r} as the name of a group", GROUP_NAME.pattern, "use the group's name as the administrator gave it"
            )
        self.bucket, self.group = bucket, group
        self.s3 = (session or boto3).client("s3")

    def upload(self, paths: Iterable[str | os.PathLike[str]]) -> list[str]:
        """Upload files to the group's `inputs/` under their own names and return their keys, which is what `submit` takes.

        Two files of one name would replace each other: that is refused before anything is uploaded, as is a missing file.
        """
        files = [Path(path) for path in paths]
        missing = [str(path) for path in files if not path.is_file()]
        if missing:
            raise AnalysisError(
                f"no such file: {', '.join(missing)}", "files on this computer", "check the paths (a folder is uploaded file by file)"
            )
        names = [path.name for path in files]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise AnalysisError(f"several files are called {', '.join(twice)}", "one file of a name", "rename them, or upload them in turn")
        keys = []
        for path in files:
            key = f"{self.group}/inputs/{path.name}"
            with s3_errors(self.bucket, key):
                self.s3.upload_file(str(path), self.bucket, key)
            keys.append(key)
        return keys

    def upload_config(self, config: Mapping[str, Any] | str | os.PathLike[str], name: str | None = None) -> str:
        """Put a config (a mapping, or a JSON or YAML file) into the group's `configs/` and return its key."""
        if isinstance(config, Mapping):
            body = json.dumps(config, indent=2).encode()
            name = name or "config.json"
        else:
            path = Path(config)
            if not path.is_file():
                raise AnalysisError(f"no such config file: {path}", "a JSON or YAML file, or a mapping", "check the path")
            body, name = path.read_bytes(), name or path.name
        key = f"{self.group}/configs/{name}"
        with s3_errors(self.bucket, key):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return key

    def submit(
        self,
        datanames: str | Iterable[str],
        config: Mapping[str, Any] | str,
        timestamp: str | None = None,
        instance_type: str | None = None,
    ) -> JobHandle:
        """Submit datasets (keys in the bucket) with one config, and return the job. One machine is started for each dataset.

        `config` is a key in the bucket, or a mapping, which is uploaded as the job's own config file. `timestamp` names the
        job (letters, digits, `.` `_` `:` `-`, at most 64); by default the time of now. `instance_type` must be one that the
        analysis allows; by default the analysis's own. The answer to the submission is in the job's certificate.
        """
        stamp = timestamp or new_timestamp(datetime.now(UTC))
        if not TIMESTAMP.fullmatch(stamp):
            raise AnalysisError(f"timestamp {stamp!r}", f"{TIMESTAMP.pattern} (at most 64 characters)", "choose another, or leave it out")
        names = [datanames] if isinstance(datanames, str) else list(datanames)
        if not names:
            raise AnalysisError("no datasets", "one dataset or more", "name at least one key in the group's inputs/")
        configname = config if isinstance(config, str) else self.upload_config(config, f"{stamp}_config.json")
        body: dict[str, Any] = {"dataname": names, "configname": configname, "timestamp": stamp}
        if instance_type:
            body["instance_type"] = instance_type
        key = f"{self.group}/submissions/{stamp}_submit.json"
        with s3_errors(self.bucket, key):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=json.dumps(body, indent=2).encode())
        return JobHandle(self.s3, self.bucket, self.group, stamp, key)

    def job(self, timestamp: str) -> JobHandle:
        """The job of that timestamp, submitted by whomever of the group."""
        return JobHandle(self.s3, self.bucket, self.group, timestamp)

    def jobs(self) -> list[str]:
        """The timestamps of the group's jobs, sorted."""
        prefix = f"{self.group}/results/job_"
        stamps = []
        with s3_errors(self.bucket, prefix):
            for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix, Delimiter="/"):
                stamps += [PurePosixPath(one["Prefix"]).name.removeprefix("job_") for one in page.get("CommonPrefixes", [])]
        return sorted(stamps)

    @staticmethod
    def forecast(datasets: int, minutes: int, instance_type: str, prices: Mapping[str, float]) -> Forecast:
        """The most that `datasets` datasets of at most `minutes` minutes each can cost on `instance_type`.

        `prices` are US dollars per hour by instance type, as in the stack's output `prices`.
        """
        if instance_type not in prices:
            raise AnalysisError(
                f"no price for instance type {instance_type!r}", ", ".join(sorted(prices)) or "(none)", "choose one of the analysis's types"
            )
        return Forecast(datasets, minutes, instance_type, float(prices[instance_type]))


def new_timestamp(now: datetime) -> str:
    """A job name from a moment, fine enough that two submissions by hand do not meet: 2026-11-25T03-04-05.678Z."""
    return f"{now.astimezone(UTC):%Y-%m-%dT%H-%M-%S}.{now.microsecond // 1000:03d}Z"
