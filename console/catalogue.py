"""The public catalogue: an entry a published stack, made from what is deployed, and an index of all
entries.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from blueprints.model import Blueprint
from console.errors import UserError
from neurocaas.protocol.settings import AnalysisSettings

SCHEMA_VERSION = 1
FOLDER = "catalogue/"
INDEX = f"{FOLDER}index.json"


def entry(settings: AnalysisSettings, blueprint: Blueprint, now: datetime) -> dict[str, Any]:
    """What the world is told. Title and description are the blueprint's, all else is what the deployed stack
    runs.
    """
    prices = [settings.prices[name] for name in settings.instance.types]
    running = f"{settings.blueprint_digest} {settings.code.sha256} {settings.image.id}"
    return {
        "schema_version": SCHEMA_VERSION,
        "name": settings.analysis,
        "stage": settings.stage,
        "title": blueprint.title,
        "description": blueprint.description,
        "version": hashlib.sha256(running.encode()).hexdigest()[:12],
        "commit": settings.blueprint_commit,
        "published": now.astimezone(UTC).isoformat(timespec="seconds"),
        "region": settings.region,
        "bucket": settings.bucket,
        "parameters": None if settings.parameters is None else dict(settings.parameters),
        "price": {
            "currency": "USD",
            "per": "machine hour",
            "least": min(prices),
            "most": max(prices),
            "default": settings.prices[settings.instance.type],
            "date": settings.prices_date,
        },
        "instance_type": settings.instance.type,
        "instance_types": list(settings.instance.types),
        "duration_minutes": settings.instance.duration_minutes,
        "max_duration_minutes": settings.instance.max_duration_minutes,
        "max_datasets": settings.limits.datasets,
    }


def publish(s3: Any, bucket: str, stack: str, document: Mapping[str, Any], schemas: Path) -> str:
    """Put an entry and the new index; its key. Raises UserError for one that does not agree with its
    schema.
    """
    import jsonschema

    problems = jsonschema.Draft202012Validator(
        json.loads((schemas / "catalogue-entry.json").read_text())
    ).iter_errors(dict(document))
    said = "\n".join(
        f"  {'.'.join(map(str, one.absolute_path)) or '(entry)'}: {one.message}" for one in problems
    )
    if said:
        do = "deploy the stack with this version of the program, then publish it again"
        raise UserError(
            f"the entry of {stack} does not agree with its schema:\n{said}",
            str(schemas / "catalogue-entry.json"),
            do,
        )
    _put(s3, bucket, f"{FOLDER}{stack}.json", document)
    _index(s3, bucket)
    return f"{FOLDER}{stack}.json"


def withdraw(s3: Any, bucket: str, stack: str) -> bool:
    """Take an entry back, its older versions too; whether there was one."""
    from console.buckets import contents, empty

    key = f"{FOLDER}{stack}.json"
    if not contents(s3, bucket, key).objects:
        return False
    refused = empty(s3, bucket, key)
    if refused:
        raise UserError(
            f"S3 refuses to delete {refused[0]}",
            "a bucket that you may delete from",
            "use an administrator's credentials",
        )
    _index(s3, bucket)
    return True


def _index(s3: Any, bucket: str) -> None:
    """The index of what is there now: of two who publish at a time, the later one lists both."""
    entries = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=FOLDER):
        for one in page.get("Contents", ()):
            if one["Key"] != INDEX:
                found = json.loads(s3.get_object(Bucket=bucket, Key=one["Key"])["Body"].read())
                short = {name: found[name] for name in ("name", "stage", "title", "version")}
                entries.append({"file": one["Key"].removeprefix(FOLDER), **short})
    _put(s3, bucket, INDEX, {"schema_version": SCHEMA_VERSION, "entries": entries})


def _put(s3: Any, bucket: str, key: str, document: Mapping[str, Any]) -> None:
    body = json.dumps(document, indent=2).encode() + b"\n"
    s3.put_object(
        Bucket=bucket, Key=key, Body=body, ContentType="application/json", CacheControl="max-age=60"
    )
