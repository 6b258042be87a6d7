"""`invoke limit` on parameters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from invoke.context import Context
from moto import mock_aws

from components.policies import manager
from console import limits
from console.errors import UserError
from neurocaas.protocol.budget_parameters import LIMIT

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    (tmp_path / "blueprints").symlink_to(ROOT / "blueprints")
    (tmp_path / "groups.yaml").write_text(
        "schema_version: 1\ngroups: {lab1: {analyses: {dti: }}, lab2: {analyses: {dti: }}}\n"
    )
    monkeypatch.setattr("console.cloud.project_root", lambda: tmp_path)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        client = boto3.client("ssm")
        client.put_parameter(Name="/neurocaas/budgets/lab1/dti", Value="100.00", Type="String")
        yield client


def shown(capsys: pytest.CaptureFixture[str], *arguments: str, **options: Any) -> dict[str, Any]:
    limits.limit(Context(), *arguments, json=True, **options)
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_a_limit_is_shown_set_and_taken_away(ssm: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "lab1", "dti") == {
        "group": "lab1",
        "analysis": "dti",
        "budget_usd": 100.0,
        "limit_usd": None,
    }
    assert shown(capsys, "lab1", "dti", usd="49.9")["limit_usd"] == 49.9
    assert (
        ssm.get_parameter(Name=f"{manager.BUDGET_PARAMETERS}/lab1/dti/{LIMIT}")["Parameter"]["Value"]
        == "49.90"
    )
    assert shown(capsys, "lab1", "dti", usd="0")["limit_usd"] == 0.0
    assert shown(capsys, "lab1", "dti", remove=True)["limit_usd"] is None
    assert shown(capsys, "lab1", "dti", remove=True)["limit_usd"] is None
    assert shown(capsys, "lab2", "dti", usd="7") == {
        "group": "lab2",
        "analysis": "dti",
        "budget_usd": None,
        "limit_usd": 7.0,
    }


@pytest.mark.parametrize("usd", ["-1", "much", "nan", "inf", "1e10", "100", "100.00", "250"])
def test_what_is_no_limit_is_refused(ssm: Any, usd: str) -> None:
    with pytest.raises(UserError, match=f"--usd {usd}"):
        limits.limit(Context(), "lab1", "dti", usd=usd)
    with pytest.raises(UserError, match="one of them"):
        limits.limit(Context(), "lab1", "dti", usd="1", remove=True)


@pytest.mark.parametrize(
    ("group", "analysis"), [("lab9", "dti"), ("lab1", "fmri"), ("lab1", "nonesuch"), ("../lab1", "dti")]
)
def test_a_group_that_may_not_use_an_analysis_gets_no_limit(ssm: Any, group: str, analysis: str) -> None:
    with pytest.raises(UserError, match="groups that may use"):
        limits.limit(Context(), group, analysis, usd="1")
    assert len(ssm.describe_parameters()["Parameters"]) == 1


def test_the_developers_own_group_has_limits_too(ssm: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "debuggers", "dti", usd="7")["limit_usd"] == 7.0
