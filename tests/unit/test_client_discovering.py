"""What an analyst is told of the analyses there are: `neurocaas analyses`, `neurocaas describe`."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import jsonschema
import pytest
import yaml
from moto import mock_aws

from blueprints.loader import load, names
from neurocaas import AnalysisError, access, configs, describing
from neurocaas.commands import discovering, speaking
from neurocaas.configuration import Profile
from neurocaas.protocol.analyses import DeployedAnalysis, parameter
from neurocaas.protocol.chain import Source
from neurocaas.protocol.config import parse_config
from neurocaas.protocol.outside import OutsideBucket
from neurocaas.protocol.published_settings import About, about_key
from tests.unit.client_jobs import BUCKET, GROUP
from tests.unit.client_world import ABOUT, ended, put, run

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "docs" / "schema" / "commands"


def of_blueprint(name: str) -> About:
    one = load(name, "webdev", ROOT)
    return replace(
        ABOUT,
        analysis=name,
        title=one.title,
        description=one.description,
        dataset_description=one.dataset_description,
        dataset_example=one.dataset_example,
        config=one.config_rules,
        disk=one.disk_rules,
    )


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in (("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", speaking.BUCKET):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NEUROCAAS_GROUP", GROUP)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        deployed(client, "dti", "prod", BUCKET, of_blueprint("dti"))
        yield client


def deployed(s3: Any, name: str, stage: str, bucket: str, about: About | None, group: str = GROUP) -> None:
    one = DeployedAnalysis(name, stage, bucket, "123456789012", "us-east-1", "Its title")
    boto3.client("ssm").put_parameter(Name=parameter(group, name, stage), Value=one.to_json(), Type="String")
    if about is not None:
        s3.put_object(Bucket=bucket, Key=about_key(group), Body=about.to_json())


def checked(text: str, command: str) -> Any:
    found = json.loads(text)
    schema = json.loads((SCHEMAS / f"{command}.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(found)
    return found


def test_the_analyses_of_a_group_are_listed_by_the_names_that_are_typed(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    s3.create_bucket(Bucket="other")
    deployed(s3, "dti", "webdev", "other", replace(of_blueprint("dti"), image_ready=False))
    deployed(s3, "gone", "prod", "nowhere", None)
    deployed(s3, "secret", "prod", "other", None, group="lab")
    run(discovering.analyses)
    said = capsys.readouterr()
    head, *rows = [line.split() for line in said.out.splitlines()]
    assert head[:1] == ["analysis"]
    assert [(row[0], row[-1]) for row in rows] == [("dti", "yes"), ("dti-webdev", "no"), ("gone", "unknown")]
    assert "0.096" in rows[0]
    assert "secret" not in said.out
    run(discovering.analyses, json=True)
    told = checked(capsys.readouterr().out, "analyses")["analyses"]
    assert [(one["name"], one["ready"]) for one in told] == [
        ("dti", True),
        ("dti-webdev", False),
        ("gone", None),
    ]
    assert told[0]["usd_at_most"] == pytest.approx(0.12)


def test_a_group_without_an_analysis_is_told_whom_to_ask(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run(discovering.analyses, group="lab")
    said = capsys.readouterr()
    assert said.out == ""
    assert "no analysis is listed for lab: ask the administrator" in said.err
    run(discovering.analyses, group="lab", json=True)
    assert checked(capsys.readouterr().out, "analyses")["analyses"] == []


def test_a_slip_of_a_group_is_told_with_the_nearest_of_the_persons(
    s3: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = Profile(name="me", way="environment", group=GROUP, groups=("north",))
    monkeypatch.setattr(access, "profile_in_use", lambda *_: profile)
    run(discovering.analyses, group="debugers")
    assert f"no analysis is listed for debugers: did you mean '{GROUP}'?" in capsys.readouterr().err


def test_all_groups_of_a_person_are_listed(
    s3: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(s3, "dti", "prod", BUCKET, of_blueprint("dti"), group="lab")
    monkeypatch.setattr(discovering, "_groups", lambda _: [GROUP, "lab"])
    run(discovering.analyses, json=True)
    told = checked(capsys.readouterr().out, "analyses")["analyses"]
    assert [(one["name"], one["group"]) for one in told] == [("dti", GROUP), ("dti", "lab")]
    run(discovering.analyses)
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["group", GROUP, "lab"]


def test_nobody_in_no_group_is_told_how_to_say_it(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEUROCAAS_GROUP")
    with pytest.raises(AnalysisError, match="no --group"):
        run(discovering.analyses)


def test_an_analysis_is_described_in_80_columns(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    ended(s3, "t1", {"a": 60.0, "b": 120.0})
    run(discovering.describe, "dti")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    for part in (
        "dti: Diffusion tensor fit",
        "one .bval and one .bvec file",
        "b0_threshold number, 0 or more (s/mm2); default 50",
        "fit_method one of WLS, OLS, NLLS; default WLS",
        "__duration__ whole number, 1 to 720 (minutes); default 60",
        "m5.large at $0.096 an hour; also m5.xlarge",
        "Of 2 earlier runs of your group, half took up to 1 min 30 s",
        "At most $0.12 a dataset",
        "neurocaas submit dti --data small_64D.zip --config config.yaml --dry-run",
    ):
        assert part in text


def test_headings_are_bold_on_a_terminal_and_nowhere_else(
    s3: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(discovering.describe, "dti")
    plain = capsys.readouterr().out
    assert "\x1b" not in plain
    for name in ("CI", "NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    run(discovering.describe, "dti")
    drawn = capsys.readouterr().out
    assert re.findall(r"\x1b\[1m(.*?)\x1b\[0m", drawn)[1:] == [
        "Dataset",
        "Parameters, in a config file (JSON or YAML)",
        "Machine, time and cost",
        "Try it",
    ]
    monkeypatch.setenv("NO_COLOR", "1")
    run(discovering.describe, "dti")
    assert "\x1b" not in capsys.readouterr().out


def test_the_description_for_programs_is_what_its_schema_says(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    about = replace(
        of_blueprint("dti"),
        outside_buckets=(OutsideBucket("open", "raw/", ("inputs",), ()),),
        sources=(Source("motion", "motion-webdev", "motion-data"),),
    )
    put(s3, about_key(GROUP), about.to_json())
    run(discovering.describe, "dti", json=True)
    told = checked(capsys.readouterr().out, "describe")
    assert told["typical"] is None
    assert told["takes_from"] == ["motion"]
    run(discovering.describe, "dti")
    assert "Its jobs may take results of: motion" in " ".join(capsys.readouterr().out.split())
    assert told["outside_buckets"] == [{"path": "s3://open/raw/", "use": ["inputs"]}]
    assert told["parameters_schema"]["properties"].keys() == {
        one["name"] for one in told["parameters"] if not one["name"].startswith("__")
    }
    ended(s3, "t1", {"a": 60.0})
    run(discovering.describe, "dti", json=True)
    assert checked(capsys.readouterr().out, "describe")["typical"]["runs"] == 1


def test_an_analysis_of_an_earlier_version_is_described_as_far_as_it_says(
    s3: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    old = json.loads(ABOUT.to_json())
    for name in (
        "description",
        "dataset_description",
        "dataset_example",
        "outside_buckets",
        "config",
        "disk",
    ):
        del old[name]
    put(s3, about_key(GROUP), json.dumps(old))
    run(discovering.describe, "dti")
    text = " ".join(capsys.readouterr().out.split())
    assert "has not said what a dataset must contain" in text
    assert "any names are taken" in text
    run(discovering.describe, "dti", json=True)
    assert checked(capsys.readouterr().out, "describe")["parameters_schema"] is None


def test_a_wrong_name_is_told_with_the_nearest(s3: Any) -> None:
    with pytest.raises(AnalysisError, match="did you mean 'dti'"):
        run(discovering.describe, "dtii")


@pytest.mark.parametrize("ending", ["yaml", "yml", "json"])
@pytest.mark.parametrize("name", names(ROOT))
def test_the_example_of_each_blueprint_is_a_config_that_it_takes(name: str, ending: str) -> None:
    about = of_blueprint(name)
    assert about.config is not None
    text = describing.example_text(about, f"c.{ending}")
    values = parse_config(text.encode(), f"c.{ending}", about.config).values
    assert values == parse_config(b"{}", "c.json", about.config).values
    assert dict(values) == configs.example(about.config.parameters)
    if ending != "json":
        for one in describing.parameters(about):
            assert f"{one['name']}:" in text, "what has no value is there in a comment"


@pytest.mark.parametrize("name", names(ROOT))
def test_each_blueprint_of_the_project_says_what_a_dataset_must_contain(name: str) -> None:
    about = of_blueprint(name)
    assert len(about.dataset_description) > 40
    assert about.dataset_example
    assert about.config is not None
    for one in describing.parameters(about):
        assert one["description"], one["name"]


def test_an_example_is_saved_and_nothing_is_replaced(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(discovering.describe, "dti", example="c.yaml")
    assert yaml.safe_load(Path("c.yaml").read_text())["fit_method"] == "WLS"
    assert "c.yaml: an example config" in capsys.readouterr().err
    Path("c.yaml").write_text("mine: 1\n")
    with pytest.raises(AnalysisError, match="is there already"):
        run(discovering.describe, "dti", example="c.yaml")
    assert Path("c.yaml").read_text() == "mine: 1\n"
    for wrong, part in (("c.txt", "a name ending in"), ("no/c.json", "No such file")):
        with pytest.raises(AnalysisError, match=part):
            run(discovering.describe, "dti", example=wrong)
    run(discovering.describe, "dti", example="-")
    assert yaml.safe_load(capsys.readouterr().out)["b0_threshold"] == 50


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"type": "integer", "minimum": 2, "maximum": 20}, "whole number, 2 to 20"),
        ({"type": "number", "exclusiveMinimum": 0}, "number, more than 0"),
        ({"type": "number", "maximum": 1, "exclusiveMaximum": 2}, "number, at most 1, less than 2"),
        ({"type": "integer", "multipleOf": 5}, "whole number, in steps of 5"),
        ({"type": "boolean"}, "true or false"),
        ({"enum": ["a", 1, None]}, "one of a, 1, null"),
        ({"const": "x"}, "x"),
        ({"type": ["number", "null"]}, "number or null"),
        ({"type": "string", "maxLength": 5, "pattern": "^a"}, "text, at most 5 characters, matching ^a"),
        (
            {"type": "array", "items": {"type": "integer"}, "minItems": 1},
            "list, each whole number, at least 1 items",
        ),
        ({}, "anything"),
    ],
)
def test_what_a_parameter_takes_is_said_in_words(rule: dict[str, Any], text: str) -> None:
    assert describing.takes(rule) == text


def test_an_example_has_what_must_be_there() -> None:
    schema = {
        "required": ["a", "b", "c", "d"],
        "properties": {
            "a": {"type": "integer", "minimum": 3},
            "b": {"enum": ["x", "y"]},
            "c": {"type": "array"},
            "d": {"type": "string", "examples": ["scan"]},
            "e": {"type": "string"},
        },
    }
    assert configs.example(schema) == {"a": 3, "b": "x", "c": [], "d": "scan"}
