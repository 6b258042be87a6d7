"""Blueprints of others: with every optional field, with any part of them, and those of the first
implementation, all deployed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import blueprints
from blueprints import groups, import_old, schema
from blueprints.bucket_names import default_name, default_pattern
from blueprints.old_folder import import_folder
from blueprints.prices import table
from components import program
from components.outputs import AnalysisOutputs, json_schema
from localcloud.tests.properties import examples
from neurocaas.protocol.need import Need
from neurocaas.protocol.published_settings import About
from neurocaas.protocol.settings import AnalysisSettings
from tests.program.projects import REFERENCE, ROOT, make_project
from tests.program.recording import ACCOUNT, REGION, Recorded, deploy
from tests.unit import old_files

TYPES = sorted(table().usd_per_hour)
EVERYTHING: dict[str, Any] = {
    "schema_version": 1,
    "name": "spikes",
    "title": "Spike sorting — für alle",
    "description": "Sorts spikes.\nOf many probes.",
    "bucket": "spikes-of-the-lab",
    "script": "scripts/run_spikes.sh",
    "instance": {
        "type": "m5.xlarge",
        "types": ["m5.large", "m5.xlarge", "c5.large"],
        "fallback": ["c5.large"],
        "market": "spot-then-on-demand",
        "zones": ["us-east-1a", "us-east-1b"],
        "volume_gib": 100,
        "duration_minutes": 30,
        "max_duration_minutes": 43200,
        "grow_memory": False,
    },
    "image": {
        "parent": "ssm:/aws/service/debian/release/13/latest/amd64",
        "required": True,
        "amis": {f"{ACCOUNT}/us-east-1": "ami-0123456789abcdef0", "210987654321/eu-west-1": "ami-01234567"},
    },
    "limits": {
        "datasets": 10000, "dataset_size_gib": 16384, "ensemble_size": 1000, "attempts": 20, "machines": 10,
        "account_machines": 100, "sweep": 1000,
    },
    "datasets": {"folder": "each", "ignore": ["*.tmp"], "disk_factor": 1.5,
        "description": "A recording, as the rig writes it.", "example": "tests/data.txt"},
    "results": {"required": ["summary.json", "*/spikes.npy"]},
    "groups": ["debuggers", "Lab.one", "lab_2-b"],
    "outside_buckets": [
        {"bucket": "open-recordings"},
        {"bucket": "archive.of-the-lab", "prefix": "res/2026/", "use": ["inputs", "results"],
            "groups": ["Lab.one"]},
    ],
    "takes_from": ["motion"],
    "next": {"analysis": "quality", "datasets": ["*.npy", "units/"], "config": {"strict": True},
        "when": "ended"},
    "input_addresses": ["https://data.example.org/recordings/"],
    "secrets": ["API_TOKEN", "LICENCE_2"],
    "network": "open",
    "checkpoint": {"every": "2h", "size": "50 GiB"},
    "logs": {"keep": "1 GiB"},
    "errors": [{"match": "CUDA out of memory", "name": "The GPU is too small", "advice": "Choose a g5."}],
    "on_failure": "hold 30m",
    "idle": "end after 45m",
    "budget_usd": 12.5,
    "parameters": {"type": "object", "properties": {"threshold": {"type": "number", "default": 4.5}},
        "additionalProperties": False},
    "compare": {"*.csv": {"as": "csv", "relative": 0.01, "absolute": 0.5, "except": ["time", "host*"]},
        "log.txt": {"as": "ignore"}},
    "stages": {
        "develop": {"budget_usd": 1},
        "staging": {"bucket": "spikes-staging", "groups": ["debuggers"], "outside_buckets": []},
        "prod": {
            "bucket": "spikes-prod", "instance": {"market": "on-demand"}, "image": {"parent": "ubuntu22"},
            "limits": {"machines": 1},
            "datasets": {"folder": "one"}, "parameters": {"type": "object"},
        },
    },
}  # fmt: skip
BY_NEED: dict[str, Any] = {
    **EVERYTHING,
    "instance": {
        "architecture": "x86_64",
        "cpu": 4,
        "memory_gib": 15.5,
        "gpu": 1,
        "zones": ["us-east-1a"],
        "volume": "3x + 100 GiB",
    },
    "datasets": {"folder": "each"},
}
"""The same, with what a machine needs in place of its type."""
OPTIONAL = sorted(set(EVERYTHING) - set(schema.schema()["required"]))


def project_of(folder: Path, data: Mapping[str, Any]) -> Path:
    root = make_project(folder, yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True))
    script = root / "blueprints" / "spikes" / str(data["script"])
    script.parent.mkdir(exist_ok=True)
    script.write_text("#!/bin/bash\necho spikes\n")
    for name, more in (("motion", ""), ("quality", "takes_from: [spikes]\n")):
        other = root / "blueprints" / name
        other.mkdir()
        (other / "run.sh").write_text("#!/bin/bash\necho there\n")
        (other / "blueprint.yaml").write_text(
            f"schema_version: 1\nname: {name}\ntitle: {name}\nscript: run.sh\ninstance: {{type: m5.large}}\n"
            f"image: {{parent: ubuntu24, required: false}}\n{more}"
        )
    return root


def deployed(root: Path, stack: str, utils: Recorded) -> AnalysisOutputs:
    made = deploy(lambda: program.outputs(root), stack, references={REFERENCE: utils.outputs})
    jsonschema.validate(made.outputs, json_schema(AnalysisOutputs))
    return AnalysisOutputs.from_dict(made.outputs)


def fields(rules: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Every field that the schema knows, but what a stage repeats."""
    for key, rule in rules.get("properties", {}).items():
        whole = {**schema.schema()["$defs"].get(rule.get("$ref", "").rpartition("/")[2], {}), **rule}
        yield f"{above}{key}"
        if key != "stages":
            yield from fields(whole, f"{above}{key}.")
            for inner in (whole.get("items"), whole.get("additionalProperties")):
                if isinstance(inner, dict):
                    yield from fields(inner, f"{above}{key}.*.")


def given_fields(data: Any, rules: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for key, value in data.items():
        rule = rules.get("properties", {}).get(key)
        if rule is None:
            yield from given_fields(value, rules["additionalProperties"], f"{above}*.")
            continue
        whole = {**schema.schema()["$defs"].get(rule.get("$ref", "").rpartition("/")[2], {}), **rule}
        yield f"{above}{key}"
        if isinstance(value, dict) and key not in ("stages", "parameters", "amis", "config"):
            yield from given_fields(value, whole, f"{above}{key}.")
        for item in value if isinstance(value, list) else ():
            if isinstance(item, dict):
                yield from given_fields(item, whole["items"], f"{above}{key}.*.")


def test_the_example_has_every_field_there_is() -> None:
    every = schema.schema()
    given = {*given_fields(EVERYTHING, every), *given_fields(BY_NEED, every)}
    assert set(fields(every)) - given == set()


def test_a_machine_that_is_said_by_its_need_is_deployed(utils: Recorded, tmp_path: Path) -> None:
    root = project_of(tmp_path, BY_NEED)
    made = deploy(lambda: program.outputs(root), "spikes-webdev", references={REFERENCE: utils.outputs})
    assert {one.inputs["instanceType"] for one in made.of_type("LaunchTemplate")} == {"g4dn.xlarge"}
    settings = AnalysisSettings.from_json(made.one("BucketObjectv2", "settings").inputs["content"])
    assert settings.instance.need == Need(4, 15.5, 1)
    about = next(one for one in made.of_type("BucketObjectv2") if one.inputs["key"].endswith("analysis.json"))
    assert About.from_json(about.inputs["content"]).need == Need(4, 15.5, 1)


@pytest.mark.parametrize("stage", ["webdev", "develop", "staging", "prod"])
def test_a_blueprint_with_every_field_is_right_and_deploys_in_every_stage(
    tmp_path: Path, utils: Recorded, stage: str
) -> None:
    root = project_of(tmp_path, EVERYTHING)
    assert blueprints.load_problems("spikes", root, TYPES) == ()
    made = deployed(root, f"spikes-{stage}", utils)
    own = EVERYTHING["stages"].get(stage, {})
    assert made.bucket == own.get("bucket", "spikes-of-the-lab")
    assert set(made.groups) == set(own.get("groups", EVERYTHING["groups"]))
    assert made.image_id == "ami-0123456789abcdef0"
    assert made.image_ready
    assert made.script == "spikes/scripts/run_spikes.sh"


@settings(max_examples=examples(6), deadline=None)
@given(
    left_out=st.sets(st.sampled_from(OPTIONAL)),
    inner=st.sets(st.sampled_from(["instance", "image", "limits"])),
    stage=st.sampled_from(["webdev", "prod"]),
)
def test_any_part_of_the_fields_will_do(
    tmp_path_factory: pytest.TempPathFactory, utils: Recorded, left_out: set[str], inner: set[str], stage: str
) -> None:
    data = {key: {} if key in inner else value for key, value in EVERYTHING.items() if key not in left_out}
    if "instance" in inner:
        data.pop("stages", None)
    if "groups" in left_out:
        data.pop("outside_buckets", None)
    root = project_of(tmp_path_factory.mktemp("part"), data)
    assert blueprints.load_problems("spikes", root, TYPES) == ()
    assert deployed(root, f"spikes-{stage}", utils).stage == stage


def old(name: str, handler: str, command: str, **config: Any) -> dict[str, Any]:
    """A file in the shape of the first implementation's; names, images and people are made up."""
    fixed = {
        "AMI": "ami-0a1b2c3d4e5f60718",
        "INSTANCE_TYPE": "m5.large",
        "REGION": "us-east-1",
        "IAM_ROLE": "SSMRole",
    }
    affiliates = [
        {
            "AffiliateName": "debuggers",
            "UserNames": ["dummyuser"],
            "UserInput": True,
            "ContactEmail": "NOTE: KEEP THIS",
        },
        {
            "AffiliateName": "somelab",
            "UserNames": ["a1", "b2"],
            "PipelinePath": "",
            "PipelineDir": "folder",
            "UserInput": True,
        },
    ]
    inside = {**fixed, "KEY_NAME": "some-key", "WORKING_DIRECTORY": "~/bin", "COMMAND": command, **config}
    return {
        "PipelineName": name, "REGION": "us-east-1", "STAGE": "websubstack",
        "Lambda": {"CodeUri": "../../protocols", "Handler": handler, "Launch": True, "LambdaConfig": inside},
        "UXData": {"Affiliates": affiliates},
    }  # fmt: skip


DIRECTORIES = {"INDIR": "inputs", "OUTDIR": "results", "LOGDIR": "logs"}
CONTRIB, FOUR, THREE = "cd /home/ubuntu; neurocaas_contrib/", '"{}" "{}" "{}" "{}" ', '"{}" "{}" "{}" '
TAIL = "; . neurocaas_contrib/ncap_utils/workflow.sh; cleanup"
DEVELOP = "submit_start.handler_develop"
SHAPES = {
    "plain": old("mock-web", DEVELOP, f"{CONTRIB}run_main.sh {FOUR} mock/run_mock.sh{TAIL}"),
    "as a user": old(
        "torch-one", "submit_start.handler_multisession",
        f"cd /home/ubuntu; sudo -u ubuntu neurocaas_contrib/run_main_cli.sh {FOUR} \"torch/run_main.py\"; . "
        "neurocaas_contrib/x.sh;",
        INSTANCE_TYPE="p3.2xlarge", EXECUTION_TIMEOUT=900, SSM_TIMEOUT=172000,
    ),
    "ensemble": old(
        "ensemble-one", "submit_start.handler_ensemble", f"{CONTRIB}run_main.sh {FOUR} one/run_full.sh{TAIL}",
        MAXCOST="300", MONITOR=True, LAUNCH=True, DEPLOY_LIMIT=100, SHUTDOWN_BEHAVIOR="terminate",
    ),
    "its own script": old("remote-one", DEVELOP, f"ls; cd /home/ubuntu; remote/run_mock.sh {FOUR}{TAIL}",
        MAXCOST=100, **DIRECTORIES),
    "power off": old("power-one", DEVELOP, "bash run_main.sh {} {} {} {} a/run_a.sh; sudo poweroff",
        MONITOR=False),
}  # fmt: skip
SHAPES |= {
    "dead handler": old("log-one", "submit_start.handler_log", f"run.sh {FOUR}"),
    "second step": old("post-one", DEVELOP, f"run.sh {FOUR}"),
    "three places": old("places-one", DEVELOP, f"cd x; ./run.sh {THREE}", INSTANCE_TYPE="p2.xlarge"),
}
UNSURE = {
    "no type": old("three-one", DEVELOP, f"cd x; ./run.sh {THREE}", INSTANCE_TYPE=""),
    "placeholders": old(
        "The name of your pipeline", DEVELOP, "the command to run", AMI="The AMI", MAXCOST="in dollars"
    ),
}
SHAPES["second step"]["Lambda"] |= {
    "PostCodeUri": "../../protocols",
    "PostHandler": "postprocess.epipostprocess",
    "PostTrigger": "x.json",
}


def imported(
    data: Mapping[str, Any], folder: Path, name: str | None = None
) -> tuple[Path, import_old.Imported]:
    read = import_old.read(json.dumps(data), TYPES, name)
    (folder / "blueprints").mkdir()
    (folder / "runtime").symlink_to(ROOT / "runtime")
    (folder / "neurocaas").symlink_to(ROOT / "neurocaas")
    script = folder / "run.sh"
    script.write_text("echo\n")
    import_old.write(read, json.dumps(data), folder, "stack_config_template.json", script)
    return folder, read


@pytest.mark.parametrize("shape", SHAPES)
def test_a_file_of_the_first_implementation_is_imported_right_and_deploys(
    tmp_path: Path, utils: Recorded, shape: str
) -> None:
    root, read = imported(SHAPES[shape], tmp_path)
    assert read.stops == []
    assert read.name
    assert blueprints.load_problems(read.name, root, TYPES) == ()
    made = deployed(root, f"{read.name}-{read.stage}", utils)
    assert (made.bucket, made.stage, set(made.groups)) == (
        default_name(SHAPES[shape]["PipelineName"], "prod", ACCOUNT, REGION),
        "prod",
        {"debuggers", "somelab"},
    )
    assert made.image_id == "ami-0a1b2c3d4e5f60718"


@pytest.mark.parametrize("shape", UNSURE)
def test_one_that_needs_a_decision_deploys_after_it(tmp_path: Path, utils: Recorded, shape: str) -> None:
    root, read = imported(UNSURE[shape], tmp_path, "decided")
    assert read.stops
    assert all(verdict.allowed and verdict.do for verdict in read.stops)
    assert blueprints.load_problems("decided", root, TYPES) == ()
    assert deployed(root, "decided-webdev", utils).analysis == "decided"


def test_a_folder_of_them_deploys_with_its_groups(tmp_path: Path, utils: Recorded) -> None:
    """A part of the 41, each in its stage, since a deploy takes its time; tests/unit/test_import_folder.py
    checks all of them. Their groups are those of the blueprint, whether or not groups.yaml names them as
    well."""
    root = tmp_path / "project"
    (root / "blueprints").mkdir(parents=True)
    (root / "runtime").symlink_to(ROOT / "runtime")
    (root / "neurocaas").symlink_to(ROOT / "neurocaas")
    done = import_folder(old_files.write(tmp_path / "old"), root, table().usd_per_hour).done
    assert len(done) == 41
    for one in done[::8]:
        made = deployed(root, f"{one.imported.name}-{one.imported.stage}", utils)
        assert set(made.groups) == set(one.imported.blueprint["groups"])
    shutil.copy(root / "imported-groups.yaml", root / "groups.yaml")
    name = str(done[0].imported.name)
    stack = f"{name}-{done[0].imported.stage}"
    own = {"lead_group": None, "session_role": "r", "buckets": [default_pattern(name, ACCOUNT, REGION)]}
    known = {group: {**own, "analyst_group": f"g-{group}"} for group in groups.load(root).groups}
    both = deploy(
        lambda: program.outputs(root), stack, references={REFERENCE: {**utils.outputs, "groups": known}}
    )
    assert set(both.outputs["groups"]) == set(done[0].imported.blueprint["groups"])
    assert all(group["analyst_group"] == f"g-{name}" for name, group in both.outputs["groups"].items())
