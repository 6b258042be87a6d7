"""Blueprints: what is accepted, what is refused and how it is told, how layers merge."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import blueprints
from blueprints import machine_kinds, memory, merge, prices, schema
from blueprints.document import YamlDocument, parse
from blueprints.model import StackName, Stage, parse_stack_name
from localcloud import instance_types
from neurocaas.protocol import required
from neurocaas.protocol.addresses import PREFIX
from neurocaas.protocol.disk import DiskRules
from neurocaas.protocol.problems import InvalidInput
from neurocaas.protocol.runs import NamedError, RunRules

GOOD = """\
schema_version: 1
name: spikes
title: Spike sorting
script: run_spikes.sh
instance: {type: m5.large, types: [m5.large, m5.xlarge], duration_minutes: 30}
image:
  parent: ubuntu24
groups: [lab1, lab2]
parameters:
  type: object
  properties: {threshold: {type: number}}
stages:
  prod:
    bucket: spikes-prod
    instance: {type: m5.xlarge}
    groups: [lab3]
"""


def project(folder: Path, text: str = GOOD, name: str = "spikes") -> Path:
    own = folder / "blueprints" / name
    (own / "provision").mkdir(parents=True)
    (own / "blueprint.yaml").write_text(text)
    (own / "run_spikes.sh").write_text("echo\n")
    (own / "provision" / "10-packages.sh").write_text("echo\n")
    return folder


def problems(folder: Path, text: str, **files: str) -> list[str]:
    root = project(folder, text)
    for name, content in files.items():
        (root / "blueprints/spikes" / name).write_text(content)
    with pytest.raises(InvalidInput) as error:
        blueprints.load("spikes", Stage.WEBDEV, root)
    return [problem.text() for problem in error.value.problems]


GROW = "instance: {type: m5.large, types: [m5.large, m5.xlarge, r5.large, g4dn.xlarge], grow_memory: true}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (GROW, ""),
        (
            GROW.replace("m5.xlarge, r5.large, ", ""),
            "a type in instance.types with more memory than m5.large",
        ),
        (GROW.replace("r5.large", "hpc6a.48xlarge"), "true, with hpc6a.48xlarge in instance.types"),
        ("results: {required: [summary.json, '**/*.png']}", ""),
        ("results: {required: [process_results/a.csv]}", "a path below process_results/"),
        ("results: {required: [/a.csv]}", "/a.csv"),
        ("results: {require: [a.csv]}", "require"),
    ],
)
def test_growing_and_required_results_are_checked(tmp_path: Path, line: str, said: str) -> None:
    text = re.sub(r"instance: .*", line, GOOD, count=1) if line.startswith("instance") else f"{GOOD}{line}\n"
    text = text.replace("    instance: {type: m5.xlarge}\n", "")
    if said:
        assert said in "\n".join(problems(tmp_path, text))
    else:
        loaded = blueprints.load("spikes", "webdev", project(tmp_path, text))
        assert (loaded.instance.grow_memory, loaded.results_required) in (
            (True, ()),
            (False, ("summary.json", "**/*.png")),
        )


LONG = """\
checkpoint: {every: 2h, size: 50 GiB}
logs: {keep: 1 GiB}
on_failure: hold 30m
idle: end after 45m
errors:
  - {match: 'CUDA out of memory', name: The GPU is too small, advice: Choose a g5.}
  - {match: '(?i)no gradient', name: No gradients}
"""


def test_checkpoints_logs_errors_and_held_machines_are_as_the_blueprint_says(tmp_path: Path) -> None:
    plain = blueprints.load("spikes", "webdev", project(tmp_path, GOOD)).runs
    assert plain == RunRules(checkpoint_minutes=30, checkpoint_gib=20, log_mib=128, hold_minutes=0)
    made = blueprints.load("spikes", "webdev", project(tmp_path / "more", GOOD + LONG)).runs
    assert (made.checkpoint_minutes, made.checkpoint_gib, made.log_mib, made.hold_minutes) == (
        120,
        50,
        1024,
        30,
    )
    assert (plain.idle_minutes, made.idle_minutes) == (0, 45)
    assert made.errors == (
        NamedError("CUDA out of memory", "The GPU is too small", "Choose a g5."),
        NamedError("(?i)no gradient", "No gradients"),
    )


def with_volume(text: str) -> str:
    return GOOD.replace("duration_minutes: 30", f"duration_minutes: 30, volume: {text}")


@pytest.mark.parametrize(
    ("text", "factor", "gib"),
    [("3x + 20 GiB", 3.0, 20), ("0x+8GiB", 0.0, 8), ("2.5 x + 100 GB", 2.5, 94), ("1x + 1.5 TiB", 1.0, 1536)],
)
def test_a_disk_may_follow_the_input(tmp_path: Path, text: str, factor: float, gib: int) -> None:
    loaded = blueprints.load("spikes", "webdev", project(tmp_path, with_volume(repr(text))))
    assert loaded.disk_rules == DiskRules(gib, 1024, factor, besides=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3x", "as '3x + 20 GiB'"),
        ("3x + 20", "as '3x + 20 GiB'"),
        ("101x + 20 GiB", "as '3x + 20 GiB'"),
        ("3x + 7 GiB", "as '3x + 20 GiB'"),
        ("3x - 20 GiB", "as '3x + 20 GiB'"),
        ("3x + 20 GiB, volume_gib: 30", "Remove instance.volume_gib"),
        ("3x + 20 GiB}\ndatasets: {disk_factor: 2", "Remove datasets.disk_factor"),
    ],
)
def test_a_rule_for_the_disk_that_cannot_be_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        blueprints.load("spikes", "webdev", project(tmp_path, with_volume(text)))
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("checkpoint: {every: 2d}", "0m, or 1m to 1d"),
        ("checkpoint: {every: often}", "checkpoint.every"),
        ("checkpoint: {size: 0 GiB}", "1 GiB to 1024 GiB"),
        ("logs: {keep: 1 MiB}", "2 MiB to 10 GiB"),
        ("on_failure: hold 13h", "end, or hold 1m to 12h"),
        ("on_failure: hold 0m", "end, or hold 1m to 12h"),
        ("on_failure: keep", "on_failure"),
        ("idle: end after 5m", "tell, or end after 15m to 24h"),
        ("idle: stop", "idle"),
        ("errors: [{match: '(a', name: x}]", "a ( is not closed (at character 3)"),
        ("errors: [{match: 'a*', name: x}]", "it fits every line"),
        ("errors: [{match: 'a'}]", "name"),
    ],
)
def test_what_is_wrong_with_them_is_said_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    (found,) = problems(tmp_path, f"{GOOD}{line}\n")
    assert said in found
    assert f"blueprint.yaml:{GOOD.count(chr(10)) + 1}" in found


@pytest.mark.parametrize(
    ("prefix", "good"),
    [
        ("https://dandiarchive.s3.amazonaws.com/", True),
        ("https://data.example.org/open/raw/", True),
        ("https://data.example.org", False),
        ("https://data.example.org/open", False),
        ("http://data.example.org/", False),
        ("https://169.254.169.254/", False),
        ("https://localhost/", False),
        ("https://data.example.org:8443/", False),
        ("https://u:p@data.example.org/", False),
        ("https://*.example.org/", False),
        ("https:///", False),
    ],
)
def test_addresses_of_inputs_are_admitted_by_a_host_of_the_world(
    tmp_path: Path, prefix: str, good: bool
) -> None:
    text = f"{GOOD}input_addresses: ['{prefix}']\n"
    assert bool(PREFIX.fullmatch(prefix)) is good  # what the schema says and what the contract says are one
    if good:
        assert blueprints.load("spikes", "webdev", project(tmp_path, text)).input_addresses == (prefix,)
    else:
        assert "input_addresses" in "\n".join(problems(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("secrets: [AWS_SECRET_ACCESS_KEY]", "no machine goes by"),
        ("secrets: [api-token]", "capitals"),
        ("secrets: [A, A]", "secrets"),
        ("secrets: [API_TOKEN]\nnetwork: closed", "does not reach the parameter store"),
        ("input_addresses: ['https://data.example.org/']\nnetwork: closed", "does not reach the addresses"),
        ("network: shut", "closed"),
    ],
)
def test_secrets_and_closed_networks_are_checked(tmp_path: Path, text: str, said: str) -> None:
    assert said in "\n".join(problems(tmp_path, f"{GOOD}{text}\n"))


def test_secrets_and_the_network_reach_the_settings_of_a_stage(tmp_path: Path) -> None:
    text = GOOD.replace("  prod:\n", "  prod:\n    network: closed\n    secrets: []\n")
    root = project(tmp_path, f"{text}secrets: [API_TOKEN]\n")
    webdev, prod = (blueprints.load("spikes", stage, root) for stage in ("webdev", "prod"))
    assert (webdev.secrets, webdev.network) == (("API_TOKEN",), "open")
    assert (prod.secrets, prod.network) == ((), "closed")


def test_a_dataset_grows_to_the_next_amount_of_memory_on_a_type_of_its_kind() -> None:
    prices = {
        "m5.large": 0.096,
        "m5.xlarge": 0.192,
        "r5.large": 0.126,
        "r5.4xlarge": 1.008,
        "g4dn.xlarge": 0.526,
        "g4dn.2xlarge": 0.752,
    }
    assert memory.larger("m5.large", tuple(prices), prices) == ("r5.large", "r5.4xlarge")
    assert memory.larger("m5.large", tuple(prices), prices, ("m5.xlarge",)) == ("m5.xlarge", "r5.4xlarge"), (
        "one that may have stood in"
    )
    assert memory.larger("g4dn.xlarge", tuple(prices), prices) == ("g4dn.2xlarge",)
    assert memory.larger("r5.4xlarge", tuple(prices), prices) == ()


def test_the_memory_of_every_type_on_offer_is_known_and_is_what_the_local_cloud_has() -> None:
    for name in prices.table().usd_per_hour:
        known = machine_kinds.kind(name)
        assert known, name
        assert known.gib == instance_types.table().types[name].memory_mib / 1024, name
    assert not any(machine_kinds.kind(name) for name in ("m5.metal", "zz9.large", "m5"))


@pytest.mark.parametrize(
    ("pattern", "fits", "others"),
    [
        (
            "summary.json",
            ["summary.json"],
            ["a/summary.json", "summary.json2", "Summary.json", "summaryxjson"],
        ),
        ("*.csv", ["a.csv", ".csv"], ["a/b.csv", "a.csv/b"]),
        ("**/*.csv", ["a.csv", "a/b.csv", "a/b/c.csv"], ["a.txt"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "b/a"]),
        ("a/**/b", ["a/b", "a/x/y/b"], ["a", "ab"]),
        ("run[0-9]?.h5", ["run1a.h5"], ["runa1.h5", "run1.h5", "run1/.h5"]),
    ],
)
def test_patterns_of_results(pattern: str, fits: list[str], others: list[str]) -> None:
    assert [path for path in [*fits, *others] if required.fits(pattern, path)] == fits
    assert required.missing([pattern, "**"], others) == [pattern]


def test_no_pattern_takes_long_whatever_a_machine_calls_its_results() -> None:
    assert required.missing(["**/" * 40 + "*a" * 30 + "b"], ["a/" * 500 + "a" * 20] * 20)


def test_a_blueprint_is_resolved_with_defaults(tmp_path: Path) -> None:
    loaded = blueprints.load("spikes", "webdev", project(tmp_path))
    assert (loaded.name, loaded.stage, loaded.bucket, loaded.stack) == (
        "spikes",
        Stage.WEBDEV,
        "",
        "spikes-webdev",
    )
    assert loaded.instance.types == ("m5.large", "m5.xlarge")
    assert (loaded.instance.duration_minutes, loaded.instance.max_duration_minutes) == (30, 2880)
    assert (loaded.limits.datasets, loaded.budget_usd, loaded.image.required) == (500, 300.0, True)
    assert loaded.folder == tmp_path / "blueprints" / "spikes"
    assert loaded.image.baked("111122223333", "us-east-1") is None


def test_numbers_may_be_written_in_every_way_of_yaml_1_2(tmp_path: Path) -> None:
    minutes = "duration_minutes: 3e1, max_duration_minutes: 0100"
    text = GOOD.replace("duration_minutes: 30", minutes).replace("title:", "budget_usd: 1e2\ntitle:")
    loaded = blueprints.load("spikes", "webdev", project(tmp_path, text), {"instance": {"volume_gib": 20.0}})
    assert (
        loaded.instance.duration_minutes,
        loaded.instance.max_duration_minutes,
        loaded.instance.volume_gib,
    ) == (30, 100, 20)
    assert {type(loaded.instance.duration_minutes), type(loaded.instance.volume_gib)} == {int}
    assert loaded.budget_usd == 100.0


def test_a_stage_section_wins_over_the_blueprint_and_the_stack_over_both(tmp_path: Path) -> None:
    root = project(tmp_path)
    prod = blueprints.load("spikes", Stage.PROD, root)
    assert (prod.bucket, prod.instance.type, prod.instance.duration_minutes) == (
        "spikes-prod",
        "m5.xlarge",
        30,
    )
    assert prod.groups == ("lab3",)
    stack = blueprints.load(
        "spikes", Stage.PROD, root, {"bucket": "mine", "instance": {"duration_minutes": 5}}
    )
    assert (stack.bucket, stack.instance.type, stack.instance.duration_minutes) == ("mine", "m5.xlarge", 5)


def test_the_digest_says_whether_the_settings_differ(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = project(tmp_path / "a"), project(tmp_path / "b", GOOD.replace("lab2", "lab4"))
    digest = blueprints.load("spikes", "webdev", one).digest
    assert digest == blueprints.load("spikes", "webdev", one).digest
    commented = project(tmp_path / "c", "# a comment\n" + GOOD)
    assert digest == blueprints.load("spikes", "webdev", commented).digest
    assert (
        len(
            {
                digest,
                blueprints.load("spikes", "webdev", other).digest,
                blueprints.load("spikes", "prod", one).digest,
            }
        )
        == 3
    )


def test_the_default_list_of_types_is_the_type(tmp_path: Path) -> None:
    root = project(
        tmp_path, GOOD.replace("type: m5.large, types: [m5.large, m5.xlarge], ", "type: r5.large, ")
    )
    assert blueprints.load("spikes", "webdev", root).instance.types == ("r5.large",)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("schema_version: 1", "schema_version: 2", "blueprint.yaml:1: schema_version: got 2. Allowed: 1."),
        ("title: Spike sorting", "titel: Spikes", "blueprint.yaml:3: titel: got the unknown key 'titel'"),
        (
            "title: Spike sorting\n",
            "",
            "title: got nothing. Allowed: One line for people. Add the key 'title'",
        ),
        (
            "name: spikes",
            "name: Spikes",
            "blueprint.yaml:2: name: got 'Spikes'. Allowed: Name of the analysis, equal to its folder",
        ),
        ("name: spikes", "name: Spikes", "Write 'spikes'"),
        ("name: spikes", "name: True", "Put it in quotes."),
        ("title: Spike sorting", "title: Spikes: sorted", "blueprint.yaml:3: got a ':' where no key can be."),
        (
            "title: Spike sorting",
            "title: @lab",
            "got a text that begins with '@'. Allowed: a YAML document. Put the text in quotes.",
        ),
        ("  prod:", "\tprod:", "got a tab. Allowed: a YAML document. Indent with spaces."),
        ("name: spikes", "name:", "name: got nothing. Allowed: text. Name of the analysis"),
        ("schema_version: 1\n", "", "Add schema_version: 1."),
        ("script: run_spikes.sh", "script: ./run_spikes.sh", "Write 'run_spikes.sh', for instance."),
        ("[lab1, lab2]", "lab1, lab2", "Allowed: a list ([a, b]). Groups of analysts."),
        ("[lab1, lab2]", "lab1, lab2", "Write [lab1, lab2]."),
        ("[lab1, lab2]", '["lab1\\n"]', "groups[0]: got 'lab1\\n'. Allowed: Name of a group"),
        ("[lab1, lab2]", '["lab1\\n"]', "Write 'lab1', for instance."),
        ("[lab1, lab2]", "[Lab Müller]", "Write 'Lab-Muller', for instance."),
        (
            "type: m5.large,",
            "instance_type: m5.large,",
            "instance.instance_type: got the unknown key 'instance_type'",
        ),
        ("duration_minutes: 30", "duration_minutes: 2h", "Write the number alone, without a unit."),
        ("name: spikes", '"a\\e[2Jb": 1\nname: spikes', "blueprint.yaml:2: a\\x1b[2Jb: got the unknown key"),
        (
            "duration_minutes: 30",
            "duration_minutes: -1",
            "instance.duration_minutes: got -1. Allowed: 1 to 43200.",
        ),
        (
            "duration_minutes: 30",
            "duration_minutes: '30'",
            "instance.duration_minutes: got '30'. Allowed: a whole number. Minutes a job may take",
        ),
        ("duration_minutes: 30", "duration_minutes: '30'", "Write 30 without quotes."),
        (
            "duration_minutes: 30",
            "duration_minutes: 9999",
            "got 9999. Allowed: at most instance.max_duration_minutes (2880).",
        ),
        (
            "type: m5.large,",
            "type: c5.large,",
            "blueprint.yaml:5: instance.type: got 'c5.large'. Allowed: one of instance.types",
        ),
        ("script: run_spikes.sh", "script: ../x.sh", "blueprint.yaml:4: script: got '../x.sh'"),
        (
            "script: run_spikes.sh",
            "script: nonesuch.sh",
            "got 'nonesuch.sh', which does not exist. Allowed: a script in spikes/",
        ),
        (
            "name: spikes",
            "name: other",
            "blueprint.yaml:2: name: got 'other'. Allowed: the name of its folder, 'spikes'",
        ),
        (
            "ubuntu24",
            "ubuntu18",
            "blueprint.yaml:7: image.parent: got 'ubuntu18', which gets no security updates any more",
        ),
        ("ubuntu24", "dlami16", "Write dlami24."),
        (
            "ubuntu24",
            "windows",
            "Allowed: ubuntu22, ubuntu24, dlami22, dlami24, base, an AMI id (ami-…), or a public "
            "parameter (ssm:/aws/service/…).",
        ),
        (
            "[lab1, lab2]",
            "[lab1, lab1]",
            "blueprint.yaml:8: groups: got 'lab1' twice. Allowed: items that differ",
        ),
        ("[lab1, lab2]", "[lab1, logs]", "blueprint.yaml:8: groups[1]: got 'logs'"),
        ("[lab1, lab2]", "[]", "blueprint.yaml:8: groups: got 0 items. Allowed: 1 to 99 items."),
        ("[lab1, lab2]", "['a/b']", "blueprint.yaml:8: groups[0]: got 'a/b'"),
        ("{type: number}", "{type: nummer}", "blueprint.yaml:11: parameters"),
        ("{type: number}", "{type: nummer}", "Did you mean 'number'?"),
        (
            "{type: number}",
            "{type: number, minimum: '3', required: yes}",
            "minimum: got '3'. Allowed: a JSON Schema (draft 2020-12), here a number.",
        ),
        (
            "{type: number}",
            "{type: number, minimum: '3', required: true}",
            "required: got true. Allowed: a JSON Schema (draft 2020-12), here a list",
        ),
        ("{type: number}", "{type: number, minumum: 3}", "minumum: got the unknown word 'minumum'."),
        ("{type: number}", "{type: number, minumum: 3}", "Did you mean 'minimum'?"),
        ("{type: number}", "{type: number, unit: s}", "Remove it, or call it x-unit."),
        ("  type: object\n", "  rate: {type: number}\n", "parameters.rate: got the unknown word 'rate'."),
        ("  type: object\n", "  rate: {type: number}\n", "Put rate below properties:."),
        (
            "{type: number}",
            "0.5",
            "got 0.5. Allowed: a JSON Schema (draft 2020-12), here a mapping that says what a value must be.",
        ),
        ("duration_minutes: 30", "duration_minutes: '3e1'", "Write 30 without quotes."),
        ("duration_minutes: 30", "duration_minutes: 1:30", "Write 90 without quotes."),
        ("title: Spike sorting", "title: 010", "title: got 10. Allowed: text."),
        (
            "parent: ubuntu24",
            "parent: ubuntu24\n  required: yes",
            "image.required: got 'yes'. Allowed: true or false.",
        ),
        ("parent: ubuntu24", "parent: ubuntu24\n  required: off", "Write false."),
        ("title: Spike sorting", "title: 'Spikes", "blueprint.yaml:3: got a text without its closing quote."),
        ("  prod:", "  <<: {webdev: {}}\n  prod:", "Write the values out."),
        ("  prod:", "  production: {}\n  webdev: 3\n  prod:", "stages.webdev: got 3. Allowed: a mapping"),
        (
            "  type: object\n",
            "  type: array\n",
            "blueprint.yaml:10: parameters.type: got 'array'. Allowed: object",
        ),
        ("{type: number}", "{default: !!timestamp 2026-01-01}", "Allowed: values that JSON has."),
        (
            "  prod:",
            "  production:",
            "stages.production: got the unknown key 'production'. Allowed: develop, prod, staging, webdev.",
        ),
        (
            "groups: [lab1, lab2]",
            "groups: [lab1]\ngroups: [lab2]",
            "blueprint.yaml:9: groups: got given twice, first in line 8.",
        ),
        ("name: spikes", "name: [spikes", "blueprint.yaml:3"),
        ("name: spikes", "name: !!python/object:os.system spikes", "Allowed: plain YAML values."),
    ],
)
def test_each_mistake_is_told_with_its_place_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new, 1))
    assert any(expected in text for text in found), found


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        GOOD.replace("name: spikes", "name: S")
        .replace("duration_minutes: 30", "duration_minutes: 0")
        .replace("[lab1, lab2]", "[]")
    )
    found = problems(tmp_path, text)
    assert [text.split(": got")[0].rpartition(": ")[2] for text in found] == [
        "name",
        "instance.duration_minutes",
        "groups",
    ]


def test_several_missing_keys_are_each_named(tmp_path: Path) -> None:
    found = problems(tmp_path, "schema_version: 1\nname: spikes\n")
    assert len(found) == 4
    assert all(
        any(f"Add the key '{key}'" in text for text in found)
        for key in ("title", "script", "instance", "image")
    )


@pytest.mark.parametrize("text", ["", "# only a comment\n", "- a\n- b\n", "3\n", "name: &a {b: *a}\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text)


def test_a_mistake_in_a_stage_is_found_in_that_stage_and_by_checking_all(tmp_path: Path) -> None:
    root = project(tmp_path, GOOD.replace("{type: m5.xlarge}", "{type: c5.large}"))
    blueprints.load("spikes", "webdev", root)
    with pytest.raises(InvalidInput, match=r"blueprint.yaml:15: instance.type"):
        blueprints.load("spikes", "prod", root)
    assert len(blueprints.load_problems("spikes", root)) == 1
    assert blueprints.load_problems("spikes", project(tmp_path / "good")) == ()


def test_an_empty_provisioning_script_is_refused(tmp_path: Path) -> None:
    root = project(tmp_path)
    script = root / "blueprints/spikes/provision/10-packages.sh"
    script.write_text("\n \n")
    with pytest.raises(InvalidInput, match=r"provision/10-packages\.sh: got an empty script"):
        blueprints.load("spikes", "webdev", root)
    script.unlink()
    script.symlink_to("nowhere")
    with pytest.raises(InvalidInput, match=r"provision/10-packages\.sh: got a folder, or a link to nothing"):
        blueprints.load("spikes", "webdev", root)
    script.unlink()
    with pytest.raises(InvalidInput, match="no provisioning script"):
        blueprints.load("spikes", "webdev", root)


def test_types_on_offer_are_checked_where_they_are_given(tmp_path: Path) -> None:
    root = project(tmp_path)
    with pytest.raises(
        InvalidInput, match=r"blueprint.yaml:5: instance.types\[1\]: got 'm5.xlarge'. Allowed: m5.large"
    ):
        blueprints.load("spikes", "webdev", root, known_types={"m5.large"})


def test_names_are_the_folders_with_a_blueprint(tmp_path: Path) -> None:
    root = project(tmp_path)
    (root / "blueprints" / "empty").mkdir()
    assert blueprints.names(root) == ("spikes",)
    with pytest.raises(InvalidInput, match="the blueprints there are: spikes"):
        blueprints.load("nonesuch", "webdev", root)


@pytest.mark.parametrize("name", blueprints.names(Path(__file__).resolve().parents[2]))
def test_the_blueprints_of_the_project_are_right_in_every_stage(name: str) -> None:
    assert blueprints.load_problems(name, Path(__file__).resolve().parents[2]) == ()


@pytest.mark.parametrize("text", ["analysis-webdev", "my-long-name-prod"])
def test_stack_names_are_split_from_the_right(text: str) -> None:
    assert str(parse_stack_name(text)) == text


@pytest.mark.parametrize(
    "text", ["utils", "analysis", "analysis-deploy", "-webdev", "ab_c-webdev", "webdev", "a-webdev"]
)
def test_other_stack_names_are_refused_with_the_stages(text: str) -> None:
    with pytest.raises(ValueError, match="webdev, develop, staging, prod"):
        parse_stack_name(text)


@given(
    name=st.from_regex(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", fullmatch=True), stage=st.sampled_from(list(Stage))
)
def test_every_analysis_and_stage_make_a_stack_name_that_can_be_split(name: str, stage: Stage) -> None:
    assert parse_stack_name(f"{name}-{stage}") == StackName(name, stage)


@pytest.mark.parametrize("code", ["ubuntu22", "ubuntu24", "dlami22", "dlami24"])
def test_codes_stand_for_public_parameters(code: str) -> None:
    parent = blueprints.parent_image(code)
    assert parent.for_image_builder.startswith("ssm:/aws/service/")
    assert parent.for_launch_template == f"resolve:{parent.for_image_builder}"


def test_images_and_public_parameters_can_be_parents_and_parameters_of_ones_own_cannot() -> None:
    """A bake and a launch may read public parameters only (Image Builder user guide, "Service-linked
    role").
    """
    assert blueprints.parent_image("ami-0123456789abcdef0").for_image_builder == "ami-0123456789abcdef0"
    debian = "ssm:/aws/service/debian/release/13/latest/amd64"
    assert blueprints.parent_image(debian).for_launch_template == f"resolve:{debian}"
    for code in ("ami-xyz", "ssm:", "ssm:a b", "ssm:/golden/ami-id", "ssm:/aws/other/ami", "", "ubuntu16"):
        with pytest.raises(ValueError, match=r"known|security updates|no public parameter"):
            blueprints.parent_image(code)


def test_the_schema_is_one_and_describes_every_property() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.schema())

    def described(rules: dict[str, object]) -> None:
        for name, rule in rules.get("properties", {}).items():  # type: ignore[attr-defined]
            resolved = dict(schema._resolve(rule))
            assert resolved.get("description"), name
            described(resolved)

    described(schema.schema())


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=8,
)
layers = st.dictionaries(st.sampled_from("abcd"), values, max_size=4)


def merged(*documents: dict[str, object]) -> dict[str, object]:
    result = merge.Layers()
    for number, data in enumerate(documents):
        result.add(YamlDocument(f"layer{number}", data))
    return result.data


@given(layers, layers, layers)
def test_merging_keeps_what_is_stronger_and_loses_nothing_else(
    one: dict[str, object], two: dict[str, object], three: dict[str, object]
) -> None:
    before = json.dumps([one, two, three], sort_keys=True)
    assert merged(one) == one
    assert merged(one, one) == one
    assert merged(one, two, three) == merged(merged(one, two), three)
    both = merged(one, two)
    assert set(both) == set(one) | set(two)
    for key, value in two.items():
        if not isinstance(value, dict):
            assert both[key] == value
    assert json.dumps([one, two, three], sort_keys=True) == before


@given(st.text(max_size=60))
def test_no_text_makes_the_parser_fail(text: str) -> None:
    document = parse(text, "file")
    assert document.problems or document.data is not None or text.strip()


def test_what_is_no_schema_is_told_once(tmp_path: Path) -> None:
    """The metaschema has seven parts, each of which says so."""
    assert len(problems(tmp_path, GOOD.replace("{type: number}", "0.5"))) == 1


def test_a_schema_may_have_words_of_its_own(tmp_path: Path) -> None:
    text = GOOD.replace(
        "{type: number}", "{type: number, x-unit: s, examples: [1], anyOf: [{minimum: 1}, {const: 0}]}"
    )
    blueprints.load("spikes", "webdev", project(tmp_path, text))
