"""`invoke import-blueprint`: a verdict for each field of the first implementation's files, whatever they say,
and the same meaning.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import blueprints
from blueprints import groups, import_old, old_command, old_format, old_people
from blueprints.finding import dotted
from blueprints.import_old import Imported
from blueprints.prices import table
from blueprints.verdicts import Status
from localcloud.tests.properties import examples
from neurocaas.protocol.problems import InvalidInput

TYPES = sorted(table().usd_per_hour)
COMMAND = (
    'cd neurocaas_contrib; bash run_main.sh "{}" "{}" "{}" "{}" \'epi/run_epi.sh\'; . '
    "neurocaas_contrib/workflow.sh; cleanup"
)
OLD: dict[str, Any] = {
    "PipelineName": "epi-web",
    "REGION": "us-east-1",
    "STAGE": "webdev",
    "Lambda": {
        "CodeUri": "../../protocols",
        "Handler": "submit_start.handler_develop",
        "Launch": True,
        "LambdaConfig": {
            "AMI": "ami-061f98a1f90c0d6fd",
            "INSTANCE_TYPE": "m5.large",
            "REGION": "us-east-1",
            "SECURITY_GROUPS": "some-group",
            "IAM_ROLE": "SSMRole",
            "KEY_NAME": "some-key",
            "WORKING_DIRECTORY": "~/bin",
            "COMMAND": COMMAND,
            "SHUTDOWN_BEHAVIOR": "terminate",
            "CONFIG": "config.yaml",
            "MISSING_CONFIG_ERROR": "We need a config file to analyze data.",
            "EXECUTION_TIMEOUT": 180,
            "SSM_TIMEOUT": 172000,
            "LAUNCH": True,
            "LOGFILE": "lambda_log.txt",
            "DEPLOY_LIMIT": 100,
            "MAXCOST": "250",
            "MONITOR": True,
        },
    },
    "UXData": {
        "Affiliates": [
            {
                "AffiliateName": "debuggers",
                "UserNames": ["dummyuser"],
                "UserInput": True,
                "ContactEmail": "The email we should notify…",
            },
            {
                "AffiliateName": "lab-two",
                "UserNames": ["ann", "ben"],
                "UserInput": True,
                "ContactEmail": "",
                "PipelineDir": "",
            },
        ]
    },
}
ABSENT = object()


def changed(*path: str | int, value: Any = ABSENT) -> dict[str, Any]:
    """OLD with another value at a path, or without it."""
    data = copy.deepcopy(OLD)
    *above, last = path
    place: Any = data
    for key in above:
        place = place[key]
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return data


def read(data: Any, name: str | None = None) -> Imported:
    return import_old.read(json.dumps(data), TYPES, name)


def fields(data: Any, above: str = "") -> Iterator[str]:
    """The paths of everything in a file that is no object and no list of objects."""
    for key, value in data.items():
        path = f"{above}.{key}" if above else key
        if isinstance(value, dict):
            yield from fields(value, path)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for index, one in enumerate(value):
                yield from fields(one, f"{path}[{index}]")
        else:
            yield path


def test_every_field_of_the_file_has_exactly_one_verdict() -> None:
    paths = [verdict.path for verdict in read(OLD).verdicts]
    assert set(fields(OLD)) <= set(paths)
    assert len(paths) == len(set(paths))
    assert read(OLD).stops == []


def test_the_meaning_stays(tmp_path: Path) -> None:
    text = json.dumps(OLD)
    script = tmp_path / "run_epi.sh"
    script.write_text("echo\n")
    (tmp_path / "blueprints").mkdir()
    made = import_old.write(
        import_old.read(text, TYPES), text, tmp_path, "x/stack_config_template.json", script
    )
    assert blueprints.load_problems("epi-web", tmp_path, TYPES) == ()
    loaded = blueprints.load("epi-web", "webdev", tmp_path)
    assert (loaded.name, loaded.instance.type, loaded.budget_usd, loaded.groups) == (
        "epi-web",
        "m5.large",
        250.0,
        ("debuggers", "lab-two"),
    )
    assert (loaded.image.parent, loaded.image.required, loaded.limits.datasets) == (
        "ami-061f98a1f90c0d6fd",
        False,
        100,
    )
    assert (
        loaded.instance.max_duration_minutes * 60 >= 172000 > (loaded.instance.max_duration_minutes - 1) * 60
    )
    kept = loaded.folder / "imported"
    assert json.loads((kept / "stack_config_template.json").read_text()) == OLD
    assert json.loads((kept / "report.json").read_text())["counts"]["impossible"] == 0
    assert len(made) == 5
    with pytest.raises(InvalidInput, match="already exists"):
        import_old.write(import_old.read(text, TYPES), text, tmp_path, "stack_config_template.json")


def test_the_people_become_a_proposal_that_the_directory_accepts(tmp_path: Path) -> None:
    text = read(OLD).groups
    assert yaml.safe_load(text)["groups"]["lab-two"] == {
        "members": ["annus-east-1", "benus-east-1"],
        "analyses": {"epi-web": None},
    }
    own = tmp_path / "blueprints" / "epi-web"
    own.mkdir(parents=True)
    (own / "blueprint.yaml").write_text("schema_version: 1\n")
    (tmp_path / "groups.yaml").write_text(text)
    directory = groups.load(tmp_path)
    assert directory.using("epi-web") == ("debuggers", "lab-two")
    assert directory.users["annus-east-1"].existing


L = ("Lambda", "LambdaConfig")


@pytest.mark.parametrize(
    ("data", "path", "allowed"),
    [
        (changed("STAGE", value="deploy"), "STAGE", "webdev, develop, websubstack"),
        (
            changed("STAGE", value="webdev (default) develop or deploy"),
            "STAGE",
            "webdev, develop, websubstack",
        ),
        (changed(*L, "INSTANCE_TYPE", value="zz.huge"), "Lambda.LambdaConfig.INSTANCE_TYPE", "others (docs"),
        (changed(*L, "INSTANCE_TYPE", value="p3.2xlarg"), "Lambda.LambdaConfig.INSTANCE_TYPE", "p3.2xlarge"),
        (
            changed(*L, "MAXCOST", value="prose"),
            "Lambda.LambdaConfig.MAXCOST",
            "a number of US dollars, 0 or more",
        ),
        (
            changed(*L, "COMMAND", value="ls; bash run_main.sh {} {} {}"),
            "Lambda.LambdaConfig.COMMAND",
            "bucket, input, results folder, config",
        ),
        (
            changed("Lambda", "PostHandler", value="postprocess.epipostprocess"),
            "Lambda.PostHandler",
            "no step after a job",
        ),
        (changed("PipelineNam", value="x"), "PipelineNam", "PipelineName"),
        (changed("UXData"), "UXData", "an object"),
        (changed("PipelineName", value="The name of your pipeline"), "PipelineName", "Names must be"),
        (changed(*L, "AMI", value="The id of your image"), "Lambda.LambdaConfig.AMI", "ami- and 8 to 17"),
        (
            changed(*L, "SHUTDOWN_BEHAVIOR", value="stop"),
            "Lambda.LambdaConfig.SHUTDOWN_BEHAVIOR",
            "terminate",
        ),
        (
            changed("UXData", "Affiliates", 0, "UserInput", value="perhaps"),
            "UXData.Affiliates[0].UserInput",
            "true or false",
        ),
        (
            changed("UXData", "Affiliates", 0, "UserInput", value=False),
            "UXData.Affiliates[0].UserInput",
            "true",
        ),
        (
            changed("UXData", "Affiliates", 0, "AffiliateName", value=" "),
            "UXData.Affiliates[0].AffiliateName",
            "not 'logs'",
        ),
    ],
)
def test_a6_each_mistake_is_rejected_with_its_path_and_what_is_allowed(
    data: Any, path: str, allowed: str
) -> None:
    (verdict,) = read(data).asks
    assert verdict.path == path
    assert allowed in verdict.allowed
    assert verdict.do


def test_a6_a_monitor_that_is_off_is_told_and_does_not_stop() -> None:
    data = read(changed(*L, "MONITOR", value=False))
    (verdict,) = [one for one in data.verdicts if one.path.endswith("MONITOR")]
    assert (verdict.status, data.stops) == (Status.DROPPED, [])
    assert "every machine is watched" in verdict.why


WRONG = [
    None,
    True,
    3,
    2.5,
    -1,
    "",
    "prose in place of a value",
    "{}",
    [],
    ["a"],
    [3],
    {},
    {"a": 1},
    "x" * 500,
    "\u0000",
    10**400,
]
EVERY = (
    [((key,), rule) for key, rule in old_format.TOP.items()]
    + [(("Lambda", key), rule) for key, rule in old_format.LAMBDA.items()]
    + [((*L, key), rule) for key, rule in old_format.LAMBDA_CONFIG.items()]
    + [(("UXData", "Affiliates", 0, key), rule) for key, rule in old_people.BLUEPRINT.items()]
    + [((key,), None) for key in old_format.OBJECTS]
    + [
        (("Lambda", "LambdaConfig"), None),
        (("UXData", "Affiliates"), None),
        (("UXData", "Affiliates", 0), None),
    ]
)


@pytest.mark.parametrize("path", [path for path, _ in EVERY], ids=str)
def test_each_field_missing_or_of_any_type_has_a_verdict(path: tuple[str | int, ...]) -> None:
    dotted = blueprints.finding.dotted(path)
    for value in (*WRONG, ABSENT):
        present = path[-1] != "PipelineVersion"
        if value is ABSENT and not (present and dotted in {*fields(OLD), "Lambda", "UXData"}):
            continue
        imported = read(changed(*path, value=value))
        if value is not ABSENT:
            assert any(verdict.path.startswith(dotted) for verdict in imported.verdicts), (
                value,
                imported.verdicts,
            )
        for verdict in imported.stops:
            assert verdict.allowed
            assert verdict.do
        json.dumps(imported.to_dict())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=examples(300), deadline=None)
@given(
    changes=st.lists(st.tuples(st.sampled_from([path for path, _ in EVERY]), json_values), max_size=5),
    more=st.dictionaries(st.text(max_size=6), json_values),
)
def test_no_mixture_of_values_fails_and_no_key_is_passed_over(
    changes: list[tuple[Any, Any]], more: dict[str, Any]
) -> None:
    data: Any = {**copy.deepcopy(OLD), **more}
    for path, value in changes:
        place = data
        for key in path[:-1]:
            ok = (isinstance(place, dict) and key in place) or (
                isinstance(place, list) and isinstance(key, int) and len(place) > key
            )
            place = place[key] if ok else None
        if isinstance(place, dict):
            place[path[-1]] = value
    imported = read(data)
    told = {verdict.path for verdict in imported.verdicts}
    for key in (dotted((name,)) for name in data):
        assert any(path == key or path.startswith((f"{key}.", f"{key}[")) for path in told), key
    if imported.name:
        yaml.safe_dump(imported.blueprint)


@settings(max_examples=examples(60), deadline=None)
@given(
    name=st.from_regex(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", fullmatch=True),
    kind=st.sampled_from(TYPES),
    dollars=st.integers(0, 10**6) | st.integers(0, 999).map(str),
    seconds=st.integers(1, 2_592_000),
    members=st.lists(
        st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{5,20}", fullmatch=True), min_size=1, max_size=4
    ),
)
def test_what_can_be_said_comes_through(
    name: str, kind: str, dollars: Any, seconds: int, members: list[str]
) -> None:
    data = changed("PipelineName", value=name)
    config = data["Lambda"]["LambdaConfig"]
    config |= {"INSTANCE_TYPE": kind, "MAXCOST": dollars, "SSM_TIMEOUT": seconds}
    data["UXData"]["Affiliates"] = [
        {"AffiliateName": one, "UserNames": ["u"], "UserInput": True} for one in members
    ]
    imported = read(data)
    assert imported.stops == []
    made = imported.blueprint
    assert (made["name"], made["instance"]["type"], made["budget_usd"]) == (name, kind, float(dollars))
    assert made["groups"] == list(dict.fromkeys(members))
    assert 0 <= made["instance"]["max_duration_minutes"] * 60 - seconds < 60


@pytest.mark.parametrize("text", ["", "[", "[1]", "3", '"x"', "{'a': 1}", "null", "[" * 100_000])
def test_what_is_no_json_object_is_one_message(text: str) -> None:
    with pytest.raises(InvalidInput, match="JSON"):
        import_old.read(text, TYPES)


def test_a_key_given_twice_is_told() -> None:
    assert "given twice" in import_old.read('{"STAGE": "webdev", "STAGE": "develop"}', TYPES).stops[0].got


def test_another_name_keeps_the_bucket() -> None:
    imported = read(OLD, "epi")
    assert (imported.name, imported.blueprint["bucket"]) == ("epi", "epi-web")
    assert read(changed("PipelineName"), "epi").name == "epi"


@pytest.mark.parametrize(
    ("text", "script"),
    [
        (COMMAND, "epi/run_epi.sh"),
        ("cd ncap && bash run_main_cli.sh {} {} {} {} pmd/run.sh && sudo poweroff", "pmd/run.sh"),
        ("sudo -u ubuntu bash run_main.sh '{}' '{}' '{}' '{}' \"a b/run.sh\"", "a b/run.sh"),
        ("bin/run.sh {} {} {} {}", "bin/run.sh"),
        ("python go.py {} {} {} {}", "go.py"),
        ("go {} {} {} {}", None),
    ],
)
def test_the_script_of_a_command(text: str, script: str | None) -> None:
    assert old_command.fault(text) is None
    assert old_command.read(text).script == script


@pytest.mark.parametrize(
    "text",
    ["", "ls", "a {0} {} {} {}", "a '{} {} {} {}", "write it", "{{}} {} {} {}", "{ {} {} {} {}"],
)
def test_no_other_line_is_a_command(text: str) -> None:
    assert old_command.fault(text)


PROFILE: dict[str, Any] = {
    "STAGE": "webusercentric",
    "UXData": {
        "Affiliates": [
            {
                "AffiliateName": "lab1", "UserNames": ["ann"], "ContactEmail": {"a": "b"},
                "KeySerialNumber": 1,
                "Pipelines": ["epi-web", "dlc-ncap-web"], "PipelineDir": "",
            }
        ]
    },
    "Lambda": {"LambdaConfig": {"REGION": "eu-west-1"}},
}  # fmt: skip


def test_a_profile_becomes_a_proposal_of_groups() -> None:
    imported = read(PROFILE)
    assert (imported.kind, imported.stops) == ("profile", [])
    proposal = yaml.safe_load(imported.groups)
    assert proposal["groups"]["lab1"] == {
        "members": ["anneu-west-1"],
        "analyses": {"epi-web": None, "dlc-ncap-web": None},
    }
    told = {verdict.path for verdict in imported.verdicts}
    assert {
        "STAGE",
        "Lambda",
        *(f"UXData.Affiliates[0].{key}" for key in PROFILE["UXData"]["Affiliates"][0]),
    } <= told


@pytest.mark.parametrize("key", [*old_people.PROFILE, "AffiliateName"])
def test_each_field_of_a_profile_missing_or_of_any_type_has_a_verdict(key: str) -> None:
    for value in (*WRONG, ABSENT):
        data = copy.deepcopy(PROFILE)
        affiliate = data["UXData"]["Affiliates"][0]
        affiliate.pop(key, None)
        if value is not ABSENT:
            affiliate[key] = value
        # it stays a profile
        affiliate.setdefault("KeySerialNumber" if key == "Pipelines" else "Pipelines", 1)
        imported = read(data)
        assert imported.kind == "profile"
        told = {verdict.path for verdict in imported.verdicts}
        if value is not ABSENT:
            assert any(path.startswith(f"UXData.Affiliates[0].{key}") for path in told), value
        for verdict in imported.stops:
            assert verdict.allowed
            assert verdict.do
        if imported.groups:
            assert set(yaml.safe_load(imported.groups)) == {"schema_version", "users", "groups"}


def test_placeholders_of_a_profile_are_found() -> None:
    data = copy.deepcopy(PROFILE)
    data["UXData"]["Affiliates"][0] |= {
        "Pipelines": "Path to processing directory.",
        "PipelineDir": "Directory where it should be built",
    }
    assert [verdict.path for verdict in read(data).stops] == ["UXData.Affiliates[0].Pipelines"]
    assert read({**PROFILE, "STAGE": "the stage"}).stops[0].path == "STAGE"


def test_several_groups_of_a_profile_become_one_proposal_that_the_directory_accepts(tmp_path: Path) -> None:
    labs = {"lab1": (["ann", "ben"], ["epi-web", "dlc"]), "lab2": ("cyn", ["dlc"]), "lab3": (["ann"], [])}
    affiliates = [
        {"AffiliateName": lab, "UserNames": people, "Pipelines": uses} for lab, (people, uses) in labs.items()
    ]
    imported = read(
        {
            "UXData": {"Affiliates": affiliates},
            "Lambda": {"LambdaConfig": {"REGION": "us-east-1", "MONITOR": True}},
        }
    )
    assert imported.stops == []
    for name in ("epi-web", "dlc"):
        (tmp_path / "blueprints" / name).mkdir(parents=True)
        (tmp_path / "blueprints" / name / "blueprint.yaml").write_text("schema_version: 1\n")
    (tmp_path / "groups.yaml").write_text(imported.groups)
    directory = groups.load(tmp_path)
    assert (directory.using("dlc"), directory.using("epi-web")) == (("lab1", "lab2"), ("lab1",))
    assert directory.groups["lab2"].members == ("cynus-east-1",)


@pytest.mark.parametrize(
    ("text", "place", "got"),
    [
        ("", "the file", "an empty file"),
        ("[" * 5000, "the file", "too deep"),
        ('{"a": 1,\n "b": 2,\n}', "line 3, column 1", "not JSON"),
        ("// mine\n{}", "line 1, column 1", "not JSON"),
    ],
)
def test_text_that_is_no_json_is_told_with_its_place(text: str, place: str, got: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        import_old.read(text, TYPES)
    (problem,) = refused.value.problems
    assert problem.field == place
    assert got in problem.got


def test_more_groups_than_a_blueprint_has_need_a_decision_and_the_rest_is_kept(tmp_path: Path) -> None:
    many = [
        {"AffiliateName": f"lab{number}", "UserNames": ["ann"], "UserInput": True} for number in range(120)
    ]
    imported = read(changed("UXData", "Affiliates", value=many))
    assert [(stop.path, stop.got) for stop in imported.stops] == [("UXData.Affiliates", "120 groups")]
    assert len(yaml.safe_load(imported.groups)["groups"]) == 120
    (tmp_path / "blueprints").mkdir()
    script = tmp_path / "run.sh"
    script.write_text("echo\n")
    import_old.write(imported, "{}", tmp_path, "x.json", script)
    assert blueprints.load_problems("epi-web", tmp_path, TYPES) == ()


@pytest.mark.parametrize(
    ("value", "got"), [(None, "null"), (False, "false"), (3, "3"), ("a\x1b[2J", r"'a\x1b[2J'")]
)
def test_values_are_told_as_json_calls_them(value: Any, got: str) -> None:
    assert {one.got for one in read(changed("REGION", value=value)).verdicts if one.path == "REGION"} == {got}
