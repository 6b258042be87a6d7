"""`invoke publish`: the entry is what the deployed stack runs, in the shape of its schema, and the index has
all entries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import boto3
import jsonschema
import pytest
from moto import mock_aws

import blueprints
from blueprints.model import Stage
from console import catalogue
from console.errors import UserError
from neurocaas.protocol.settings import AnalysisSettings, Code, Image, InstanceSettings, Limits
from tests.unit.job_world import changed

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "docs" / "schema"
NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
SETTINGS = AnalysisSettings(
    instance=InstanceSettings(
        type="m5.large",
        types=("m5.large", "m5.xlarge", "c5.large"),
        duration_minutes=60,
        max_duration_minutes=2880,
        volume_gib=16,
    ),
    limits=Limits(dataset_size_gib=1024, datasets=500),
    analysis="analysis",
    stage="prod",
    stack="analysis-prod",
    bucket="analysis",
    region="eu-west-1",
    account="111122223333",
    groups={},
    prices={"m5.large": 0.096, "m5.xlarge": 0.192, "c5.large": 0.085},
    prices_date="2026-11-01",
    budget_usd=300.0,
    image=Image("ami-1", True),
    script="analysis/run_analysis.sh",
    code=Code("artifacts", "code/a.tar.gz", "a" * 64),
    ledger_table="ledger",
    queue_url="queue",
    parameters={"type": "object", "properties": {"wait": {"type": "number"}}},
    blueprint_digest="b" * 64,
    blueprint_commit="c" * 40,
)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="public")
        client.put_bucket_versioning(Bucket="public", VersioningConfiguration={"Status": "Enabled"})
        yield client


def entry(**changes: Any) -> dict[str, Any]:
    return catalogue.entry(
        changed(SETTINGS, **changes), blueprints.load("analysis", Stage.PROD, ROOT, {"bucket": "x-prod"}), NOW
    )


def index(s3: Any) -> Any:
    found = json.loads(s3.get_object(Bucket="public", Key="catalogue/index.json")["Body"].read())
    jsonschema.validate(found, json.loads((SCHEMAS / "catalogue-index.json").read_text()))
    return found["entries"]


def test_the_entry_is_what_runs_and_follows_its_schema() -> None:
    found = entry()
    jsonschema.validate(found, json.loads((SCHEMAS / "catalogue-entry.json").read_text()))
    assert found["price"] == {
        "currency": "USD", "per": "machine hour", "least": 0.085, "most": 0.192, "default": 0.096,
        "date": "2026-11-01",
    }  # fmt: skip
    assert (found["parameters"], found["commit"], found["bucket"]) == (
        SETTINGS.parameters,
        "c" * 40,
        "analysis",
    )
    assert found["published"] == "2026-11-02T12:00:00+00:00"
    assert "111122223333" not in json.dumps(found)


def test_the_version_changes_with_what_runs_and_with_nothing_else() -> None:
    same = catalogue.entry(
        replace(SETTINGS, budget_usd=1.0),
        blueprints.load("analysis", Stage.WEBDEV, ROOT),
        NOW.astimezone(timezone(timedelta(hours=2))),
    )
    assert same["version"] == entry()["version"]
    assert same["published"] == entry()["published"]
    others = [
        entry(blueprint_digest="d" * 64),
        entry(code=Code("artifacts", "code/e.tar.gz", "e" * 64)),
        entry(image=Image("ami-2", True)),
    ]
    assert len({entry()["version"], *(other["version"] for other in others)}) == 4


def test_publishing_and_withdrawing_keep_the_index_true(s3: Any) -> None:
    assert (
        catalogue.publish(s3, "public", "analysis-prod", entry(), SCHEMAS) == "catalogue/analysis-prod.json"
    )
    catalogue.publish(s3, "public", "analysis-prod", entry(), SCHEMAS)
    catalogue.publish(s3, "public", "analysis-webdev", entry(stage="webdev"), SCHEMAS)
    assert [(one["file"], one["stage"]) for one in index(s3)] == [
        ("analysis-prod.json", "prod"),
        ("analysis-webdev.json", "webdev"),
    ]
    put = s3.get_object(Bucket="public", Key="catalogue/analysis-prod.json")
    assert put["ContentType"] == "application/json"
    assert json.loads(put["Body"].read()) == entry()
    assert catalogue.withdraw(s3, "public", "analysis-prod") is True
    assert [one["file"] for one in index(s3)] == ["analysis-webdev.json"]
    versions = s3.list_object_versions(Bucket="public", Prefix="catalogue/analysis-prod.json")
    assert "Versions" not in versions
    assert catalogue.withdraw(s3, "public", "analysis-prod") is False


def test_an_entry_that_is_not_in_shape_is_not_put(s3: Any) -> None:
    with pytest.raises(UserError, match=r"instance_types: \[\] should be non-empty"):
        catalogue.publish(s3, "public", "analysis-prod", {**entry(), "instance_types": []}, SCHEMAS)
    assert "Contents" not in s3.list_objects_v2(Bucket="public")
