"""`invoke import-blueprint FOLDER`: all files of the first implementation in one go, to blueprints that are
right, with one list of what to decide; the kinds of machines, the names of groups, and the lines of shell
that it reads."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import blueprints
from blueprints import (
    groups,
    import_old,
    machine_kinds,
    old_command,
    old_names,
    old_script,
    old_shell,
    old_types,
)
from blueprints.old_folder import GROUPS, import_folder
from blueprints.prices import table
from blueprints.verdicts import Status
from console.importing import told_of_folder
from localcloud.instance_types import table as machines
from neurocaas.protocol.names import GROUP_NAME, RESERVED_GROUPS
from tests.unit.old_files import COMMANDS, UNSURE_COMMANDS, every, write

PRICES = table().usd_per_hour
SHELLCHECK = Path(sys.executable).with_name("shellcheck")


def project(folder: Path) -> Path:
    (folder / "project" / "blueprints").mkdir(parents=True)
    return folder / "project"


def test_all_files_of_a_folder_are_imported_in_one_go_and_are_right(tmp_path: Path) -> None:
    root = project(tmp_path)
    report = import_folder(write(tmp_path / "old"), root, PRICES)
    assert (len(report.done), report.failed) == (41, [])
    names = blueprints.names(root)
    assert len(names) == 41
    for name in names:
        assert blueprints.load_problems(name, root, PRICES) == ()
    scripts = [
        str(root / "blueprints" / name / blueprints.load(name, "webdev", root).script) for name in names
    ]
    assert (
        subprocess.run(
            [SHELLCHECK, "-e", "SC1090,SC1091,SC2154,SC2320", *scripts],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        == ""
    )
    assert [path.name for path in report.passed_over] == ["global_params.json"]
    # Handlers that nothing here needs ask nothing; what is asked is asked once.
    asked = report.decisions()
    assert not any(one.field == "Lambda.Handler" for one in asked)
    assert len({(one.field, one.verdict.got) for one in asked}) == len(asked) < 25
    assert (
        next(one for one in asked if one.verdict.got == "'p2.xlarge'").verdict.to
        == "instance.type g4dn.4xlarge"
    )
    told = told_of_folder(report, dry_run=False)
    assert "'ann@uni.example' -> ann-uni.example-2" in told
    assert "import --anyway" not in told
    assert f"{len(asked)} to decide, 0 not imported" in told
    json.dumps(report.to_dict())


def test_the_groups_of_a_folder_are_one_directory_that_can_be_used_as_it_is(tmp_path: Path) -> None:
    root = project(tmp_path)
    report = import_folder(write(tmp_path / "old", seed=1), root, PRICES)
    shutil.copy(root / GROUPS, root / groups.FILE)
    directory = groups.load(root)
    named = {
        group for name in blueprints.names(root) for group in blueprints.load(name, "webdev", root).groups
    }
    assert set(directory.groups) == named
    for name in blueprints.names(root):
        assert set(groups.using(name, root)) == set(blueprints.load(name, "webdev", root).groups)
    assert directory.groups[report.renamed["ann@uni.example"]].title == "ann@uni.example"
    assert all(user.endswith("us-east-1") for user in directory.users)
    assert (
        max(sum(2 if leads else 1 for _, leads in directory.memberships(user)) for user in directory.users)
        <= 10
    )


def test_nothing_is_overwritten_without_force_and_the_others_are_imported(tmp_path: Path) -> None:
    root, old = project(tmp_path), tmp_path / "old"
    old.mkdir()
    files = dict(every())
    for number, place in enumerate(sorted(files)[:4]):
        (old / f"{number}.json").write_text(json.dumps(files[place]))
    (old / "broken.json").write_text("{,}")
    (old / "latin.json").write_bytes('{"PipelineName": "é"}'.encode("latin-1"))
    (old / "list.json").write_text("[1]")
    (old / ".hidden").mkdir()
    (old / ".hidden" / "stack_config_template.json").write_text("{")
    first = import_folder(old, root, PRICES)
    assert (len(first.done), [path.name for path, _ in first.failed]) == (
        4,
        ["broken.json", "latin.json", "list.json"],
    )
    assert all(problem.do for _, problems in first.failed for problem in problems)
    name = blueprints.names(root)[0]
    mine = root / "blueprints" / name / "provision" / "10-mine.sh"
    mine.parent.mkdir()
    mine.write_text("true\n")
    settings_file = root / "blueprints" / name / "blueprint.yaml"
    settings_file.write_text("mine")
    (old / "one_more.json").write_text(json.dumps(files[sorted(files)[9]]))
    again = import_folder(old, root, PRICES)
    # the three, four that exist, and the proposal for groups.yaml
    assert (len(again.done), len(again.failed)) == (1, 8)
    assert settings_file.read_text() == "mine"
    forced = import_folder(old, root, PRICES, force=True)
    assert (len(forced.done), len(forced.failed)) == (5, 3)
    assert blueprints.load_problems(name, root, PRICES) == ()
    assert mine.is_file()


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    root = project(tmp_path)
    report = import_folder(write(tmp_path / "old"), root, PRICES, dry_run=True)
    assert (len(report.done), list((root / "blueprints").iterdir()), (root / GROUPS).exists()) == (
        41,
        [],
        False,
    )
    assert "could be imported" in told_of_folder(report, dry_run=True)


def test_a_profile_in_the_folder_joins_the_proposal(tmp_path: Path) -> None:
    root, old = project(tmp_path), tmp_path / "old"
    old.mkdir()
    (old / "a.json").write_text(
        json.dumps(next(data for _, data in every() if data["PipelineName"] == "analysis-3-web"))
    )
    person = {
        "AffiliateName": "new@lab",
        "UserNames": ["zoe"],
        "KeySerialNumber": 1,
        "Pipelines": ["analysis-3-web", "gone-web"],
    }
    (old / "user_config_template.json").write_text(
        json.dumps({"REGION": "eu-west-1", "UXData": {"Affiliates": [person]}})
    )
    report = import_folder(old, root, PRICES)
    proposal = yaml.safe_load((root / GROUPS).read_text())
    assert proposal["groups"]["new-lab"] == {
        "title": "new@lab",
        "members": ["zoeeu-west-1"],
        "analyses": {"analysis-3-web": None},
    }
    assert any("gone-web" in note for note in report.people.notes)


def test_a_script_that_the_folder_has_is_taken_along(tmp_path: Path) -> None:
    root, old = project(tmp_path), tmp_path / "old"
    data = next(data for _, data in every())
    for name, command in (("with-steps", COMMANDS[2]), ("without", COMMANDS[1])):
        data["PipelineName"] = name
        data["Lambda"]["LambdaConfig"]["COMMAND"] = command
        place = old / name / old_command.read(command).script  # type: ignore[operator]
        place.parent.mkdir(parents=True)
        place.write_text(f"echo {name}\n")
        (old / name / "stack_config_template.json").write_text(json.dumps(data))
    import_folder(old, root, PRICES)
    folder = root / "blueprints"
    assert (folder / "with-steps" / "run_dgp_cli.sh").read_text() == "echo with-steps\n"
    assert "settings .dlamirc" in (folder / "with-steps" / "run_with-steps.sh").read_text()
    assert (folder / "without" / "run_without.sh").read_text() == "echo without\n"


# Kinds of machines


def test_what_types_have_is_what_the_table_of_machines_says() -> None:
    for name, known in machines().types.items():
        kind = machine_kinds.kind(name)
        assert kind is not None
        assert (kind.vcpu, kind.gpus) == (known.vcpu, known.gpus)
        assert kind.gib == pytest.approx(known.memory_mib / 1024, rel=0.03)
    assert set(PRICES) <= {name for name in PRICES if machine_kinds.kind(name)}


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("p2.xlarge", "g4dn.4xlarge"), ("p2.8xlarge", "g6.48xlarge"), ("p2.16xlarge", "g6.48xlarge"),
        ("g2.2xlarge", "g4dn.2xlarge"),
        ("g3s.xlarge", "g4dn.2xlarge"), ("m3.xlarge", "m5.xlarge"), ("m4.2xlarge", "m5.2xlarge"),
        ("c3.xlarge", "c5.xlarge"),
        ("c4.8xlarge", "c5.9xlarge"), ("r3.xlarge", "r5.xlarge"), ("t1.micro", "t3a.micro"),
        ("t2.2xlarge", "t3a.2xlarge"),
        ("i3.xlarge", "r5.xlarge"), ("zz.huge", None), ("the type", None), ("", None), ("p3.2xlarg", None),
    ],
)  # fmt: skip
def test_a_type_of_the_same_kind(was: str, now: str | None) -> None:
    assert old_types.same_kind(was, PRICES) == now


FAMILIES = "m1 m3 m4 m5d m6a m7g c1 c3 c4 c5n c6g r3 r4 r5a x1 i2 d2 g2 g3 p2 p3 t2 t3a g4dn g5"
SIZES = ["micro", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge"]


@given(st.sampled_from(FAMILIES.split()), st.sampled_from(SIZES))
def test_every_type_becomes_one_on_offer_that_is_never_less_when_there_is_one(family: str, size: str) -> None:
    was = machine_kinds.kind(f"{family}.{size}")
    now = old_types.same_kind(f"{family}.{size}", PRICES)
    assert (was is None) == (now is None)
    if was and now:
        kind = machine_kinds.kind(now)
        assert kind is not None
        assert bool(kind.gpus) == bool(was.gpus)
        enough = [
            one
            for one in PRICES
            if (known := machine_kinds.kind(one)) and known.covers(was) and bool(known.gpus) == bool(was.gpus)
        ]
        assert kind.covers(was) or not enough


def test_an_import_lets_submissions_ask_for_other_types() -> None:
    for name in PRICES:
        types = old_types.askable(name, PRICES)
        assert (types[0], len(types), len(set(types))) == (name, 20, 20)
        family = {one for one in PRICES if one.partition(".")[0] == name.partition(".")[0]}
        assert family <= set(types)


# Names of groups


@given(
    st.lists(st.text(max_size=70) | st.from_regex(r"[a-zA-Z]{1,3}@?[a-z.]{0,3}", fullmatch=True), max_size=12)
)
def test_new_names_are_names_and_no_two_are_one(old: list[str]) -> None:
    new = old_names.new_names(old)
    assert set(new) == set(old)
    assert all(GROUP_NAME.fullmatch(name) and name not in RESERVED_GROUPS for name in new.values())
    assert max(Counter(name.lower() for name in new.values()).values(), default=1) == 1
    assert old_names.new_names(reversed(old)) == new
    alone = {name.lower() for name in old}
    for name in old:
        if (
            old_names.is_group(name)
            and sum(other.lower() == name.lower() for other in set(old)) == 1
            and len(alone)
        ):
            assert new[name] == name


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lab@uni.edu", "lab-uni.edu"),
        ("Größe lab", "Grosse-lab"),
        ("logs", "logs-group"),
        ("a" * 80, "a" * 63),
        (".x.", "x"),
    ],
)
def test_a_name_that_can_be_read(old: str, new: str) -> None:
    assert old_names.new_names([old]) == {old: new}


# Lines of shell


@given(
    st.lists(
        st.sampled_from(
            [
                "a",
                "'x; y'",
                '"b && c"',
                "$(d; e)",
                "`f | g`",
                "\\;",
                "2>&1",
                ">&2",
                "&>h",
                "i|j",
                "{}",
                '"{}"',
            ]
        ),
        min_size=1,
    )
)
def test_a_line_without_joins_is_one_command(words: list[str]) -> None:
    line = " ".join(words)
    (one,) = old_shell.commands(f"{line}; {line}")[:1]
    assert (one.text, list(one.words)) == (line, words)


@pytest.mark.parametrize("text", ["a 'b", 'a "b', "a $(b", "a `b", "(a"])
def test_a_line_that_does_not_end(text: str) -> None:
    with pytest.raises(ValueError, match="not closed"):
        old_shell.commands(text)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        (
            "a {} '{}' \"x {} y\" '{}'",
            "a \"$bucketname\" ''\"$inputpath\"'' \"x ${resultdir} y\" ''\"$configpath\"''",
        ),
        (
            "cd /home/ubuntu/x '/home/ubuntu' \"/home/ubuntu/y\"",
            'cd "$userhome"/x \'\'"$userhome"\'\' "${userhome}/y"',
        ),
        ("cd ~/bin; a=~ b~ ~ubuntu/x '~'", 'cd "$userhome"/bin; a="$userhome" b~ "$userhome"/x \'~\''),
        ('echo "${{HOME}}"', 'echo "${HOME}"'),
        ("cd ../../../../home/ubuntu/; ls ../x/home/ubuntu", 'cd "$userhome"/; ls ../x"$userhome"'),
    ],
)
def test_variables_in_the_place_of_placeholders(text: str, made: str) -> None:
    numbers = iter(range(9))
    assert old_shell.filled(text, lambda: next(numbers)) == made


@pytest.mark.parametrize("text", COMMANDS + UNSURE_COMMANDS)
def test_all_of_a_command_is_in_the_run_script_or_said(text: str) -> None:
    command = old_command.read(text)
    script = old_script.write("a", "run_a.sh", text, command)
    code = "\n".join(line for line in script.splitlines() if not line.startswith("#"))
    assert command.doubts or text not in UNSURE_COMMANDS
    for word in ("sudo", "poweroff", "cleanup", "nohup", "run_main_cli", "run_main.sh"):
        assert word not in code
        assert word not in text or any(word in one for one in command.left_out) or not command.runs
    for word in (
        "source activate",
        "conda activate",
        ".dlamirc",
        "MODE=full",
        "THREADS=4",
        "tee out.log",
        "cd ncap",
        "aws s3 ls",
        "wait",
    ):
        said = word.replace("source ", "") if word == ".dlamirc" else word
        assert (
            said not in text.replace('"$userhome"', "")
            or said in code
            or word.replace("cd ", "cd ") in script
            or not command.runs
        )


def test_verdicts_say_what_iam_role_and_working_directory_are_now() -> None:
    data = next(data for _, data in every())
    told = {one.path.rpartition(".")[2]: one for one in import_old.read(json.dumps(data), PRICES).verdicts}
    assert told["IAM_ROLE"].status is Status.DROPPED
    assert "outside_buckets" in told["IAM_ROLE"].why
    assert told["WORKING_DIRECTORY"].status is Status.MAPPED
    assert "the run script changes to it" in told["WORKING_DIRECTORY"].why
