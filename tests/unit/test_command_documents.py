"""What the commands print with --json keeps to the schemas in docs/schema/commands."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from neurocaas.cli import main
from neurocaas.commands import COMMANDS
from neurocaas.protocol.documents import iso
from neurocaas.protocol.keys import JobKeys, rejected_keys
from neurocaas.protocol.status import DatasetStatus
from tests.unit.client_jobs import BUCKET, GROUP, job_json
from tests.unit.client_world import MEMBER, ended, put, service

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "schema" / "commands"
WITH_JSON = sorted(one.name for one in COMMANDS if any(each.name == "json" for each in one.parameters))


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with service(monkeypatch, variables=MEMBER) as client:
        world(client)
        yield client


def world(s3: Any) -> None:
    """A job of each kind: done, failed, running, refused, waiting."""
    put(s3, f"{GROUP}/inputs/d.txt", "data")
    for name in ("done", "failed", "running", "typo", "waiting"):
        put(s3, f"{GROUP}/submissions/{name}_submit.json", "{}")
    ended(s3, "done", {"a": 60.0, "b": 61.0}, {"a.csv": "1"})
    lines = {"0": "one", "1": "two"}
    bad = DatasetStatus(status="FAILED", reason="exit status 3", exit_code=3, stderr={"0": "no"}).to_json()
    going = DatasetStatus(
        status="IN PROGRESS", job_start=iso(datetime.now(UTC)), progress=0.5, eta_seconds=9, stdout=lines
    ).to_json()
    for name, text in (("failed", bad), ("running", going)):
        keys = JobKeys.of(GROUP, name)
        put(s3, keys.job, job_json("s", "a", "b", stamp=name))
        put(s3, keys.records.certificate, "begun")
        put(s3, keys.status("a"), text)
        if name == "failed":
            put(s3, keys.verdict(0), bad)
            put(s3, keys.verdict(1), DatasetStatus(status="SUCCESS").to_json())
            facts = {"exit_class": "analysis", "problems": [], "finished": iso(datetime.now(UTC))}
            put(s3, keys.records.certificate_json, json.dumps({**facts, "cost_usd": 0.5}))
            put(s3, keys.records.end, "FAILED 1/2\n")
    sweep = {"schema_version": 1, "sweep": "s1", "digest": "0", "jobs": []}
    sweep["jobs"] = [{"job": f"s1-{n:03}", "parameters": {"threshold": n}} for n in (1, 2, 3)]
    put(s3, f"{GROUP}/configs/s1_sweep.json", json.dumps(sweep))
    ended(s3, "s1-001", {"a": 60.0}, {"a.csv": "1"}, cost_usd=0.5)
    put(s3, rejected_keys(GROUP, "s1-002").records.certificate, "…")
    put(s3, rejected_keys(GROUP, "s1-002").records.end, "FAILED 0/0 no such config")
    put(s3, rejected_keys(GROUP, "typo").records.certificate, "…")
    put(s3, rejected_keys(GROUP, "typo").records.end, "FAILED 0/0 no such config")


def schema_of(command: str) -> Any:
    return json.loads((FOLDER / f"{command}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", WITH_JSON)
def test_each_command_with_json_has_its_schema(command: str) -> None:
    schema = schema_of(command)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["description"]
    assert schema["title"] == f"neurocaas {command} --json"
    closed = [one for one in [schema, *schema.get("$defs", {}).values()] if "properties" in one]
    assert closed
    assert all("additionalProperties" in one for one in closed), "a new field has to be described"


def test_there_is_no_schema_without_its_command() -> None:
    assert sorted(file.stem for file in FOLDER.glob("*.json")) == WITH_JSON


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("jobs", 0),
        ("jobs --names", 0),
        ("jobs --since 2d --state open", 0),
        ("status done", 0),
        ("status done --certificate", 0),
        ("status failed", 1),
        ("status running", 0),
        ("status typo", 1),
        ("status waiting", 0),
        ("follow done", 0),
        ("follow failed", 1),
        ("follow typo", 1),
        ("watch done failed typo", 1),
        ("watch done", 0),
        ("logs running", 0),
        ("logs done", 0),
        ("cancel running", 0),
        ("explain failed", 0),
        ("events done", 0),
        ("events running", 0),
        ("explain typo", 0),
        ("explain nonesuch", 0),
        (f"forecast --key {GROUP}/inputs/d.txt", 0),
        (f"submit --key {GROUP}/inputs/d.txt --timestamp t9 --no-wait", 0),
        (f"submit --key {GROUP}/inputs/d.txt --timestamp t9 --dry-run", 0),
        ("submit --data d.txt --dry-run", 0),
        ("whoami", 0),
        ("profiles", 0),
        ("login --list", 0),
        ("results done --to out", 0),
        ("results s1 --to out", 0),
        ("download done --only *.csv", 0),
        ("sweep s1", 1),
        ("submit --data d.txt --sweep threshold=1,2 --timestamp s2", 0),
        ("submit --data d.txt --sweep threshold=1,2 --timestamp s2 --dry-run", 0),
        ("compare done failed", 1),
        ("compare done done", 0),
        ("share done", 0),
        ("cost", 0),
        ("cost --month 2020-01", 0),
        ("cost --since 2d", 0),
        ("cost --by member", 0),
        ("limit", 0),
        ("limit --member ann", 0),
        (f"stop-all --analysis {BUCKET}", 0),
        (f"stop-all --analysis {BUCKET} --yes", 0),
        ("uploads", 0),
    ],
)
def test_what_is_printed_keeps_to_the_schema(
    s3: Any, words: str, code: int, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("d.txt").write_text("other data")
    assert main([*words.split(), "--json"]) == code, capsys.readouterr().err
    printed = capsys.readouterr().out
    jsonschema.validate(json.loads(printed), schema_of(words.split()[0].replace("download", "results")))
    assert "FAILED 0/0" not in printed or '"REJECTED"' in printed


def test_a_rerun_is_described() -> None:
    from dataclasses import asdict

    from neurocaas.compare import OutputVerdict
    from neurocaas.rerun import Rerun

    done = Rerun("a", "b", "SUCCESS 1/1", (OutputVerdict("x.csv", "identical", "bytes", "none"),), ("note",))
    jsonschema.validate(
        json.loads(json.dumps({**asdict(done), "reproduced": done.reproduced})), schema_of("rerun")
    )
