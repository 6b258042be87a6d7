"""`invoke configure`, `validate` and `import-blueprint` as they are typed: arguments, output at 80 columns,
exit codes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from demo.playground import copied
from tests.invoked import invoked

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which files may be made."""
    root = tmp_path_factory.mktemp("authoring") / "project"
    copied(ROOT, root)
    return root


def invoke(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "LOCALCLOUD_"))
    }
    done = invoked(root, *arguments, env=environ)
    assert "Traceback" not in done.stderr
    return done


def test_configure_says_what_it_made_and_what_is_next(project: Path) -> None:
    done = invoke(project, "configure", "spikes")
    assert done.returncode == 0
    assert "made blueprints/spikes/run_spikes.sh" in done.stdout
    assert "invoke validate spikes" in done.stdout
    again = invoke(project, "configure", "spikes")
    assert again.returncode == 1
    assert again.stderr.startswith("error: analysis name: got 'spikes', which already exists\n  allowed: ")
    bad = invoke(project, "configure", "My_Spikes")
    assert bad.returncode == 1
    assert "allowed: Names must be 3 to 63 lowercase letters, digits and '-'" in bad.stderr
    assert "do: Choose another name, for instance my-spikes" in bad.stderr
    assert invoke(project, "configure").returncode != 0


def test_validate_takes_any_number_of_names(project: Path) -> None:
    assert invoke(project, "validate", "analysis", "dti").stdout.count(": right") == 2
    report = json.loads(invoke(project, "validate", "--json").stdout)
    assert report["ok"]
    assert {"analysis", "dti"} <= {one["name"] for one in report["blueprints"]}
    blueprint = project / "blueprints/dti/blueprint.yaml"
    before = blueprint.read_text()
    blueprint.write_text(before.replace("duration_minutes: 60", "duration_minutes: 060", 1))
    told = invoke(project, "validate", "dti").stdout
    blueprint.write_text(before)
    assert "note: line 12, duration_minutes: 060 is 60 (YAML 1.2), which YAML 1.1 reads as 48" in told
    one = json.loads(invoke(project, "validate", "blueprints/dti/", "--json").stdout)
    assert [one["name"] for one in one["blueprints"]] == ["dti"]


def test_validate_tells_what_keeps_a_recording_from_being_read(project: Path) -> None:
    broken = project / "blueprints" / "unread"
    shutil.copytree(project / "blueprints" / "dti", broken)
    text = (broken / "blueprint.yaml").read_text()
    (broken / "blueprint.yaml").write_text(text.replace("name: dti", "name: unread"))
    (broken / "provision" / "20-more.sh").write_bytes(b"true\r\n")
    (broken / "provision" / "test" / "golden" / "expected.json").write_text("{}")
    done = invoke(project, "validate", "unread")
    shutil.rmtree(broken)
    assert done.returncode == 1
    assert "2 problems" in done.stdout
    assert "blueprints/unread/provision/20-more.sh  [provision]\n  got       Windows line ends" in done.stdout
    assert "blueprints/unread/provision/test/golden/expected.json  [provision]" in done.stdout


def test_problems_are_told_in_lines_that_fit(project: Path) -> None:
    broken = project / "blueprints" / "broken"
    shutil.copytree(project / "blueprints" / "analysis", broken)
    text = (broken / "blueprint.yaml").read_text()
    text = (
        text.replace("name: analysis", "name: broken")
        .replace("type: m5.large\n", "type: m5.larg\n")
        .replace("budget_usd: 300", "budgett: 3")
    )
    (broken / "blueprint.yaml").write_text(text.replace("types: [m5.large,", "types: [m5.larg,"))
    done = invoke(project, "validate", "broken")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == "blueprints/broken/blueprint.yaml: 2 problems"
    assert "blueprints/broken/blueprint.yaml:10: instance.types[0]  [instance.unknown-type]" in lines
    assert any(line.startswith("  allowed   m5.large") for line in lines)
    assert any("Did you mean 'budget_usd'?" in line for line in lines)
    assert max(map(len, lines)) <= 80
    report = json.loads(invoke(project, "validate", "broken", "--json").stdout)
    assert [problem["rule"] for problem in report["blueprints"][0]["problems"]] == [
        "instance.unknown-type",
        "schema.unknown-key",
    ]
    shutil.rmtree(broken)


def test_groups_are_checked_with_everything_else(project: Path) -> None:
    file = project / "groups.yaml"
    file.write_text(
        "schema_version: 1\nusers: {ann: }\ngroups:\n  lab1: {members: [ben], analyses: {dti: , "
        "nonesuch: }}\n"
    )
    done = invoke(project, "validate", "--json")
    file.unlink()
    assert done.returncode == 1
    (report,) = [one for one in json.loads(done.stdout)["blueprints"] if not one["ok"]]
    assert report["file"] == "groups.yaml"
    assert {problem["rule"] for problem in report["problems"]} == {
        "groups.user-missing",
        "groups.analysis-missing",
    }


def old(project: Path, **changes: object) -> Path:
    config = {
        "AMI": "ami-061f98a1f90c0d6fd",
        "INSTANCE_TYPE": "m5.large",
        "COMMAND": "bash run_main.sh {} {} {} {} epi/run_epi.sh",
    }
    affiliates = [{"AffiliateName": "debuggers", "UserNames": ["dummyuser"], "UserInput": True}]
    data = {
        "PipelineName": "epi-web",
        "REGION": "us-east-1",
        "Lambda": {"Handler": "submit_start.handler_develop", "LambdaConfig": {**config, **changes}},
        "UXData": {"Affiliates": affiliates},
    }
    file = project / "stack_config_template.json"
    file.write_text(json.dumps(data))
    return file


def test_an_old_blueprint_is_imported_and_can_be_deployed(project: Path) -> None:
    script = project / "run_epi.sh"
    script.write_text("echo\n")
    file = old(project)
    dry = invoke(project, "import-blueprint", str(file), "--dry-run")
    assert (dry.returncode, (project / "blueprints" / "epi-web").exists()) == (0, False)
    assert max(map(len, dry.stdout.splitlines())) <= 80 + len(str(file))
    done = invoke(project, "import-blueprint", str(file), "--script", str(script))
    assert done.returncode == 0, done.stderr
    assert "invoke deploy epi-web-webdev" in done.stdout
    assert invoke(project, "validate", "epi-web").returncode == 0
    assert "already exists" in invoke(project, "import-blueprint", str(file)).stderr


def test_an_old_blueprint_with_a_mistake_needs_a_decision(project: Path) -> None:
    file = old(project, INSTANCE_TYPE="zz.huge", MAXCOST="prose", NEW=1)
    done = invoke(project, "import-blueprint", str(file), "--name", "epi", "--json")
    report = json.loads(done.stdout)
    assert (
        done.returncode,
        report["written"],
        report["counts"]["impossible"],
        report["counts"]["unknown"],
    ) == (1, [], 2, 1)
    checked = json.loads(invoke(project, "validate", str(file), "--json").stdout)
    assert [problem["rule"] for problem in checked["blueprints"][0]["problems"]] == [
        "import.impossible",
        "import.impossible",
        "import.unknown",
    ]
    anyway = invoke(project, "import-blueprint", str(file), "--name", "epi", "--anyway")
    assert anyway.returncode == 0
    assert "put the analysis script into blueprints/epi/run_epi.sh" in anyway.stdout
    assert "bucket: epi-web" in (project / "blueprints" / "epi" / "blueprint.yaml").read_text()


def test_a_folder_of_old_blueprints_is_imported_in_one_go(project: Path) -> None:
    folder = project / "old files"
    for name, change in (("one-web", {}), ("two-web", {"INSTANCE_TYPE": "p2.xlarge", "MAXCOST": "prose"})):
        data = json.loads(old(project, **change).read_text()) | {"PipelineName": name}
        (folder / name).mkdir(parents=True)
        (folder / name / "stack_config_template.json").write_text(json.dumps(data))
    done = invoke(project, "import-blueprint", str(folder))
    assert done.returncode == 0, done.stderr
    assert "2 to decide, 0 not imported" in done.stdout
    assert "g4dn.4xlarge" in done.stdout
    assert invoke(project, "validate", "one-web", "two-web").returncode == 0
    (folder / "broken.json").write_text("{")
    again = invoke(project, "import-blueprint", str(folder), "--json")
    report = json.loads(again.stdout)
    assert (again.returncode, len(report["failed"]), report["imported"]) == (1, 3, [])
    (folder / "broken.json").unlink()
    assert invoke(project, "import-blueprint", str(folder), "--force").returncode == 0
    assert "a single file" in invoke(project, "import-blueprint", str(folder), "--name", "x").stderr


def test_files_with_nearly_the_right_names_are_not_passed_over(project: Path) -> None:
    misnamed = project / "blueprints" / "misnamed" / "blueprint.yml"
    misnamed.parent.mkdir()
    misnamed.write_text("schema_version: 1\n")
    groups = project / "groups.yml"
    groups.write_text("schema_version: 1\n")
    told = invoke(project, "validate")
    shutil.rmtree(misnamed.parent)
    groups.unlink()
    assert told.returncode == 1
    assert "Rename blueprint.yml" in told.stdout
    assert "Rename groups.yml" in told.stdout


def test_what_needs_a_decision_is_at_the_end_of_the_report(project: Path) -> None:
    file = project / "undecided.json"
    file.write_text(
        json.dumps({"PipelineNmae": "epi", "REGION": "us-east-1", "Lambda": {}, "UXData": {"Affiliates": []}})
    )
    told = invoke(project, "import-blueprint", str(file)).stdout
    statuses = re.findall(r"^(mapped|defaulted|dropped|unknown|impossible) +\S", told, re.MULTILINE)
    stops = [status in ("unknown", "impossible") for status in statuses]
    assert {True, False} == set(stops)
    assert stops == sorted(stops)
    assert "Did you mean 'PipelineName'?" in told


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"[", b"3"])
def test_a_file_that_is_no_blueprint_is_one_message(project: Path, content: bytes | None) -> None:
    file = project / "x.json"
    file.unlink(missing_ok=True)
    if content is not None:
        file.write_bytes(content)
    done = invoke(project, "import-blueprint", str(file))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "allowed: " in done.stderr
