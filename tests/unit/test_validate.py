"""`invoke validate`: every mistake at once, each with rule, file, line and what is allowed. Scenario A6 is in
test_import_blueprint.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import blueprints
from blueprints import checks, schema
from blueprints.prices import table
from blueprints.reserved import RESERVED
from localcloud.tests.properties import examples
from neurocaas.protocol.problems import InvalidInput

ROOT = Path(__file__).resolve().parents[2]
GOOD = """\
schema_version: 1
name: spikes
title: Spike sorting
script: run_spikes.sh
instance: {type: m5.large, types: [m5.large, m5.xlarge]}
image: {parent: ubuntu24, required: false}
groups: [lab1]
"""
TYPES = {
    "m5.large",
    "m5.xlarge",
    "m5.2xlarge",
    "c5.large",
    "g4dn.xlarge",
    "p3.2xlarge",
    "r5.large",
    "t3.large",
}


def project(folder: Path, text: str = GOOD, script: str = "echo\n") -> Path:
    own = folder / "blueprints" / "spikes"
    own.mkdir(parents=True, exist_ok=True)
    (own / "blueprint.yaml").write_text(text)
    (own / "run_spikes.sh").write_text(script)
    return folder


def found(root: Path) -> dict[str, str]:
    """Rule -> path."""
    problems = blueprints.load_problems("spikes", root, TYPES)
    return {problem.rule: problem.to_dict()["path"] for problem in problems}


@pytest.mark.parametrize("name", sorted(RESERVED.keys() - {"base"}))
def test_a_name_that_is_taken_is_refused(name: str, tmp_path: Path) -> None:
    """By name, as nobody can see what lies beside the analysis's folder on a machine."""
    own = tmp_path / "blueprints" / name
    own.mkdir(parents=True)
    (own / "blueprint.yaml").write_text(GOOD.replace("name: spikes", f"name: {name}"))
    (own / "run_spikes.sh").write_text("echo\n")
    (problem,) = blueprints.load_problems(name, tmp_path, TYPES)
    assert (problem.rule, problem.got) == ("name.reserved", repr(name))
    assert problem.allowed == f"any other name: {RESERVED[name]}"
    assert problem.do.startswith("Rename the folder")


def test_mistakes_of_meaning_are_told_beside_those_of_form(tmp_path: Path) -> None:
    text = GOOD.replace("title: Spike sorting", "budget_usd: much").replace(
        "type: m5.large,", "type: zz.huge,"
    )
    text = text.replace("run_spikes.sh", "nonesuch.sh").replace("[lab1]", "[lab1, logs]")
    assert found(project(tmp_path, text)) == {
        "schema.missing-key": "title",
        "schema.type": "budget_usd",
        "instance.type-not-listed": "instance.type",
        "script.missing": "script",
        "groups.reserved": "groups[1]",
    }


def test_a_script_with_windows_line_ends_is_told(tmp_path: Path) -> None:
    folder = project(tmp_path, GOOD)
    script = folder / "blueprints" / "spikes" / "run_spikes.sh"
    script.write_bytes(b"#!/bin/bash\r\necho hi\r\n")
    assert found(folder) == {"script.line-ends": "script"}


@pytest.mark.parametrize(
    ("content", "rules"),
    [
        (b"\xef\xbb\xbf#!/bin/bash\necho\n", {"script.interpreter"}),
        ("#!/bin/bash\necho\n".encode("utf-16"), {"script.interpreter"}),
        ("#!/bin/bash\necho\n".encode("utf-16-le"), {"script.encoding"}),
        (b"\x7fELF\x02\0\0", {"script.encoding"}),
        (b"#!/bin/bash\nif true; then\r\n", {"script.line-ends", "script.syntax"}),
        (b"#!/bin/bash\nfor x in a b; do\necho $x\n", {"script.syntax"}),
        (b"echo 'a\n", {"script.syntax"}),
        (b"#!/bin/sh\ncat <<END\nx\n", {"script.syntax"}),
        (b"#!/usr/bin/env -S bash -euo pipefail\necho $(\n", {"script.syntax"}),
        (b"#!/bin/bash -e -u\necho\n", {"script.interpreter"}),
        (b"#!bash\necho\n", {"script.interpreter"}),
        (b"#!/usr/bin/env python3 -u\nprint()\n", {"script.interpreter"}),
        (b"#!/usr/bin/env python3\r\nprint()\n", {"script.line-ends"}),
        (b"#!/usr/bin/env python3\nprint()\r\n", set()),
        (b"#!/usr/bin/env -S bash -euo pipefail\nshopt -s extglob\nls !(x)\n", set()),
        (b"#!/usr/bin/env Rscript\nif (TRUE) {\n  1\n}\n", set()),
        (b"#!/bin/bash -e\n# caf\xe9\necho\n", set()),
    ],
)
def test_a_script_that_could_not_run_is_told_before_it_is_deployed(
    tmp_path: Path, content: bytes, rules: set[str]
) -> None:
    folder = project(tmp_path, GOOD)
    (folder / "blueprints" / "spikes" / "run_spikes.sh").write_bytes(content)
    problems = blueprints.load_problems("spikes", folder, TYPES)
    assert {problem.rule for problem in problems} == rules
    for problem in problems:
        assert all((problem.got, problem.allowed, problem.do))
    if not rules:
        blueprints.load("spikes", "webdev", folder)  # what a deploy reads
    else:
        with pytest.raises(InvalidInput):
            blueprints.load("spikes", "webdev", folder)


def test_a_mistake_in_bash_is_told_with_the_line_of_the_script(tmp_path: Path) -> None:
    folder = project(tmp_path, GOOD, "#!/bin/bash\necho a\ndone\n")
    (problem,) = blueprints.load_problems("spikes", folder, TYPES)
    assert (problem.source, problem.line) == ("blueprints/spikes/run_spikes.sh", 3)
    assert problem.got == "syntax error near unexpected token `done'"


def test_a_value_of_the_wrong_form_gives_no_second_mistake(tmp_path: Path) -> None:
    """The default in its place must not be compared with what the file says."""
    text = GOOD.replace(
        "type: m5.large, types: [m5.large, m5.xlarge]", "type: 3, types: [m5.xlarge], duration_minutes: x"
    )
    problems = blueprints.load_problems("spikes", project(tmp_path, text), TYPES)
    assert [problem.rule for problem in problems] == ["schema.type", "schema.type"]


@pytest.mark.parametrize("section", ["production: {}", "webdev: 3", "webdev: {name: other}"])
def test_a_wrong_stage_section_hides_no_other_mistake(tmp_path: Path, section: str) -> None:
    text = GOOD.replace("[lab1]", "[lab1, logs]") + f"stages:\n  {section}\n"
    assert found(project(tmp_path, text))["groups.reserved"] == "groups[1]"


def test_a_mistake_in_a_stage_is_told_once_with_its_line(tmp_path: Path) -> None:
    text = GOOD + "stages:\n  prod:\n    budget_usd: -1\n    groups: [logs]\n"
    problems = blueprints.load_problems("spikes", project(tmp_path, text), TYPES)
    assert [(problem.rule, problem.line) for problem in problems] == [
        ("schema.minimum", 10),
        ("groups.reserved", 11),
    ]


@pytest.mark.parametrize(
    ("got", "first"),
    [("m5.larg", "m5.large"), ("p3.xlarge", "p3.2xlarge"), ("M5.XLARGE", ""), ("zz.huge", "")],
)
def test_unknown_types_are_answered_with_near_ones(got: str, first: str) -> None:
    offered = checks.near_types(got, TYPES)
    assert offered.startswith(first)
    assert set(offered.split(", and ")[0].split(", ")) <= TYPES


def test_a_word_that_is_nearly_right_is_answered_with_the_right_one(tmp_path: Path) -> None:
    slips = {
        "type: m5.large,": ("type: m5.larg,", "m5.large"),
        "types: [m5.large": ("types: [m5.xlrge, m5.large", "m5.xlarge"),
        "parent: ubuntu24": ("parent: ubunto24", "ubuntu24"),
        "title: ": ("titel: ", "title"),
        "required: false": ("requird: false", "required"),
        "instance: {": ("instance: {market: spott, ", "spot"),
    }
    for right, (wrong, meant) in slips.items():
        assert right in GOOD
        problems = blueprints.load_problems("spikes", project(tmp_path, GOOD.replace(right, wrong, 1)), TYPES)
        assert f"Did you mean {meant!r}?" in [problem.do for problem in problems], wrong
    near = blueprints.load_problems(
        "spikes", project(tmp_path, GOOD + "stages: {prdo: {budget_usd: 1}}\n"), TYPES
    )
    assert [problem.do for problem in near] == ["Did you mean 'prod'?"]


def test_a_missing_blueprint_says_how_to_make_it(tmp_path: Path) -> None:
    (problem,) = blueprints.load_problems("nonesuch", project(tmp_path))
    assert problem.rule == "file.missing"
    assert "invoke configure nonesuch" in problem.do


def test_every_mistake_names_a_rule_and_a_file(tmp_path: Path) -> None:
    for text in (
        "",
        "[",
        "a: &a [*a]",
        "1: 2",
        "name: 3",
        GOOD.replace("name: spikes", "name: other"),
        GOOD.replace("ubuntu24", "x"),
    ):
        problems = blueprints.load_problems("spikes", project(tmp_path, text), TYPES)
        assert problems, text
        for problem in problems:
            assert "." in problem.rule
            assert problem.source == "blueprints/spikes/blueprint.yaml"
            assert json.dumps(problem.to_dict())


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5000)
    | st.text(max_size=6)
    | st.sampled_from(["m5.large", "ubuntu24", "lab1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


TEXTS = (
    GOOD,
    (ROOT / "blueprints" / "dti" / "blueprint.yaml").read_text().replace("name: dti", "name: spikes"),
)
SPOILT = st.sampled_from(
    ["", "null", "3", "-1", "1e99", "[]", "{}", "[1, 2]", "{a: 1}", "true", "*a", "&a b",
        "!!python/object:os.system x", "2026-01-01",
     ".nan", ".inf", '"\\u0000"', "a: b: c", "|", ">", "- - -", "é" * 100, "m5.xlrge", "9" * 400]
)  # fmt: skip
LINES = st.sampled_from(
    [
        "foo: bar",
        "\tx",
        "- x",
        "---",
        "...",
        "a: *nope",
        "<<: {a: 1}",
        "? x",
        "%YAML 1.1",
        "1: 2",
        "null: 3",
        "? [a]\n: b",
        "'",
    ]
)


@st.composite
def broken(draw: st.DrawFn) -> str:
    """A right blueprint after up to three slips of a hand."""
    lines = draw(st.sampled_from(TEXTS)).split("\n")
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(lines) - 1))
        line = lines[place]
        match draw(st.sampled_from(["value", "remove", "repeat", "indent", "letter", "insert", "cut"])):
            case "value":
                lines[place] = f"{line.split(':')[0]}: {draw(SPOILT)}"
            case "remove" if len(lines) > 1:
                del lines[place]
            case "repeat":
                lines.insert(place, line)
            case "indent":
                lines[place] = " " * draw(st.integers(0, 4)) + line
            case "letter" if line:
                at = draw(st.integers(0, len(line) - 1))
                lines[place] = line[:at] + draw(st.sampled_from("xyz:{[\t#&*!|@`%")) + line[at + 1 :]
            case "insert":
                lines.insert(place, draw(LINES))
            case _:
                lines[place] = line[: draw(st.integers(0, len(line)))]
    return "\n".join(lines)


@settings(
    max_examples=examples(400), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=broken())
@example(text="name: spikes\nimage: {parent: ubuntu24}\ng")
def test_every_slip_is_told_with_its_line_and_what_is_allowed(tmp_path: Path, text: str) -> None:
    for problem in blueprints.load_problems("spikes", project(tmp_path, text), TYPES):
        assert problem.rule
        assert problem.allowed
        assert problem.do
        assert problem.line or problem.rule == "yaml.empty", problem
        assert not problem.line or problem.line <= text.count("\n") + 1
        assert problem.field.startswith(
            f"blueprints/spikes/blueprint.yaml:{problem.line}" if problem.line else "blueprints/spikes/"
        )


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
        ),
        "a:" + "{a: " * 60 + "1" + "}" * 60,
        "a:" + "{a: " * 3000 + "1" + "}" * 3000,
        "[" * 5000,
    ],
    ids=["aliases", "levels", "many-levels", "unclosed"],
)
def test_a_small_file_that_means_a_huge_one_is_refused_at_once(tmp_path: Path, text: str) -> None:
    (problem,) = blueprints.load_problems("spikes", project(tmp_path, text), TYPES)
    assert problem.rule in ("yaml.size", "yaml.syntax")


@pytest.mark.parametrize(
    "name", ["../x", "", "a/b", ".", "spikes/../spikes", "/etc", "-x", "x" * 5000, "\0", "spikes\n", "Spikes"]
)
def test_only_names_of_analyses_are_looked_up(tmp_path: Path, name: str) -> None:
    (problem,) = blueprints.load_problems(name, project(tmp_path), TYPES)
    assert (problem.rule, "which is no name of an analysis" in problem.got) == ("file.missing", True)
    assert "invoke configure" not in problem.do


def test_a_folder_whose_name_breaks_the_rule_is_to_be_renamed(tmp_path: Path) -> None:
    root = project(tmp_path)
    (root / "blueprints" / "spikes").rename(root / "blueprints" / "Spikes")
    (problem,) = blueprints.load_problems("Spikes", root, TYPES)
    assert problem.do == "Rename the folder"
    assert "lowercase letters" in problem.allowed


@pytest.mark.parametrize("name", ["blueprint.yml", "Blueprint.yaml"])
def test_a_file_with_nearly_the_right_name_is_to_be_renamed(tmp_path: Path, name: str) -> None:
    root = project(tmp_path)
    own = root / "blueprints" / "spikes"
    (own / "blueprint.yaml").rename(own / name)
    (problem,) = blueprints.load_problems("spikes", root, TYPES)
    assert problem.do == f"Rename {name}"


def test_files_that_an_editor_has_changed(tmp_path: Path) -> None:
    root = project(tmp_path)
    file = root / "blueprints" / "spikes" / "blueprint.yaml"
    for content, rules in (
        (b"\xef\xbb\xbf" + GOOD.encode(), []),
        (GOOD.replace("\n", "\r\n").encode(), []),
        (GOOD.encode("utf-16"), ["file.encoding"]),
        (GOOD.encode() + b"description: \xe9\n", ["file.encoding"]),
        (GOOD.encode() + b"\0", ["yaml.syntax"]),
    ):
        file.write_bytes(content)
        assert [problem.rule for problem in blueprints.load_problems("spikes", root, TYPES)] == rules


@settings(
    max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    keys=st.lists(st.sampled_from(sorted(schema.schema()["properties"])), max_size=4, unique=True),
    stage=st.sampled_from(["webdev", "prod", "other"]),
    value=values,
)
def test_no_value_anywhere_makes_the_checks_fail(
    tmp_path: Path, keys: list[str], stage: str, value: object
) -> None:
    data = yaml.safe_load(GOOD)
    for key in keys:
        data[key] = value
        data["stages"] = {stage: {key: value}} if key != "stages" else value
    root = project(tmp_path, yaml.safe_dump(data, allow_unicode=True))
    for problem in blueprints.load_problems("spikes", root, TYPES):
        assert problem.text()


def test_the_starter_is_right_with_the_types_that_have_a_price(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "blueprints" / "analysis", tmp_path / "blueprints" / "analysis")
    assert blueprints.load_problems("analysis", tmp_path, set(table().usd_per_hour)) == ()
