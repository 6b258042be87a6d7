"""`neurocaas-contrib`, by which scripts of the first implementation get their data and hand in results: all
of its 60 commands.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tasks
from localcloud.tests.properties import examples
from tests.shell.machines import ROOT, Machine

UTILS = ROOT / "runtime" / "instance" / "contrib" / "ncap_utils"
sys.path.append(str(UTILS))

from contrib_commands import cli  # type: ignore[import-not-found]  # noqa: E402  (a program of the machine, whose folder is no package of ours)
from contrib_commands.elsewhere import ELSEWHERE  # type: ignore[import-not-found]  # noqa: E402

# In their style: nothing is sourced, names are asked for, results are files and folders.
SCRIPT = """#!/bin/bash
set -e
echo "--Moving data--"
neurocaas-contrib workflow get-data GET
neurocaas-contrib workflow get-config
datapath=$(neurocaas-contrib workflow get-datapath)
configpath=$(neurocaas-contrib workflow get-configpath)
dataname=$(neurocaas-contrib workflow get-dataname)
resultpath=$(neurocaas-contrib workflow get-resultpath-tmp)
mode=$(neurocaas-contrib scripting read-yaml -p $configpath -f mode -d predict)
rate=$(neurocaas-contrib scripting read-yaml -p $configpath -f rate)
task=$(neurocaas-contrib scripting parse-zip -z "$datapath")
mkdir -p $resultpath/model
cat "$(dirname $datapath)/$task/trace.txt" > $resultpath/model/copy.txt
echo "$dataname $mode $rate $task" > $resultpath/said.txt
neurocaas-contrib workflow put-result -r $resultpath/* -d
echo "to $(neurocaas-contrib workflow get-resultpath -l $resultpath/said.txt)"
"""


def with_data(machine: Machine) -> None:
    machine.put("lab/configs/config.json", '{"rate": 30}')
    with zipfile.ZipFile(machine.put("lab/inputs/data.zip", ""), "w") as archive:
        archive.writestr("project/trace.txt", "1 2 3")
        archive.writestr("__MACOSX/project/._trace.txt", "")


@pytest.mark.parametrize("way", ["", '-d -f -o "$TMPDIR/data/"'])
def test_a_script_that_knows_no_other_way(machine: Machine, way: str) -> None:
    with_data(machine)
    assert machine.run(machine.script(SCRIPT.replace("GET", way), head=False)).returncode == 0, machine.log(
        "stderr"
    )
    results = machine.job / "process_results"
    assert (results / "said.txt").read_text() == "data.zip predict 30 project\n"
    assert (results / "model" / "copy.txt").read_text() == "1 2 3"
    assert machine.log("stdout").endswith(b"to s3://mock/lab/results/job_1/process_results/said.txt\n")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("workflow get-datapath", "the data is not here yet"),
        ("scripting parse-zip -z nothing.zip", "Allowed: a zip file with one folder"),
        ("scripting read-yaml -p nothing.json -f mode", "Check the path"),
        ("workflow put-result -r nothing", "There is no file or folder nothing"),
        ("workflow get-weather", "invalid choice"),
    ],
)
def test_what_is_wrong_is_told(machine: Machine, call: str, said: str) -> None:
    job = {"bucketname": "mock", "groupdir": "lab", "processdir": "results/r", "userhome": str(machine.home)}
    done = machine.bash(
        f"neurocaas-contrib {call}", NEUROCAAS_CONTRIB=str(machine.tree / "ncap_utils/contrib_cli.py"), **job
    )
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_outside_of_a_job_it_says_so(machine: Machine) -> None:
    done = machine.bash(
        "neurocaas-contrib workflow get-data",
        NEUROCAAS_CONTRIB=str(machine.tree / "ncap_utils/contrib_cli.py"),
    )
    assert (done.returncode, done.stderr.count("got no job")) == (1, 1)


# What the reference of the contract lists, group by group.
COMMANDS = {
    "": "init describe-analyses get-blueprint home analyze",
    "local": (
        "get-iae-info setup-development-container reset-container save-developed-image enter-container "
        "setup-inputs run-analysis"
    ),
    "monitor": "visualize-parallelism see-users describe-job-manager-request describe-certificate "
    "describe-datasets describe-datastatus "
    "poll-analysis",
    "scripting": "read-yaml parse-zip",
    "workflow": "register-dataset register-config register-file register-resultpath get-data get-config "
    "get-file put-result "
    "get-dataname get-configname get-filename get-datapath get-configpath get-filepath get-bucket get-group "
    "get-resultpath "
    "get-resultpath-tmp log-command log-command-local cleanup initialize-job",
    "remote": "launch-devinstance assign-instance select-instance list-instances start-devinstance "
    "stop-devinstance terminate-devinstance "
    "get-ip get-lifetime extend-lifetime submit-job job-status job-output create-devami update-blueprint "
    "develop-remote start-session "
    "end-session",
}
Call = Callable[..., "tuple[int, str, str]"]


@pytest.fixture
def call(machine: Machine, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Call:
    """Calls the command in this process, outside of any job; its exit code, what it printed, and what it said
    on standard error.
    """
    for name in (
        "bucketname",
        "inputpath",
        "configpath",
        "resultdir",
        "groupdir",
        "configname",
        "userhome",
        "NEUROCAAS_STATE",
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**machine.environment, "neurocaasrootdir": str(machine.tree)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(machine.home)

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = cli.main(list(arguments))
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, error = capfd.readouterr()
        return code, out, error

    return run


@pytest.fixture
def job(machine: Machine, monkeypatch: pytest.MonkeyPatch, call: Call) -> Call:
    """The same in a job."""
    state = machine.root / "state"
    state.mkdir()
    environment = {
        "bucketname": "mock", "groupdir": "lab", "inputpath": "lab/inputs/data.zip",
        "configpath": "lab/configs/config.json",
        "configname": "config.json", "resultdir": "results/job_1", "userhome": str(machine.home),
        "NEUROCAAS_STATE": str(state),
    }  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return call


def test_the_table_has_all_that_is_elsewhere() -> None:
    there = {(group, name or "") for group, commands in ELSEWHERE.items() for name in commands}
    listed = {
        (group or name, name if group else "") for group, names in COMMANDS.items() for name in names.split()
    }
    assert there == {one for one in listed if one[0] not in ("workflow", "scripting")}
    # get-bucket and get-group are counted as one there
    assert sum(len(names.split()) for names in COMMANDS.values()) == 61


def test_every_command_answers_without_a_traceback(call: Call) -> None:
    for group, names in COMMANDS.items():
        for name in names.split():
            words = [*([group] if group else []), name]
            code, out, error = call(*words)
            assert (code == 0, out) == (name == "initialize-job", ""), words
            assert "invalid choice" not in error
            if group in ("workflow", "scripting"):
                continue
            assert code == 2
            assert error.startswith(f"neurocaas-contrib {' '.join(words)}: got ")
            assert " Allowed here: workflow" in error
            # Its options were the developer's; they make no other error of it.
            assert call("--location", "x", "-a", "y", *words, "-a", "ami-1", "--message=a b", "x") == (
                code,
                out,
                error,
            )


def test_the_commands_of_today_exist() -> None:
    known = set(tasks.namespace.task_names) | {
        alias for aliases in tasks.namespace.task_names.values() for alias in aliases
    }
    told = {
        text.split("`invoke ")[1].split("`")[0].split()[0]
        for one in ELSEWHERE.values()
        for text in one.values()
        if "`invoke" in text
    }
    assert told <= known


def test_a_main_script_of_the_first_implementation(machine: Machine) -> None:
    """Its run_main_cli.sh, called by hand: no run_main.sh, no agent."""
    machine.put("lab/inputs/data.zip", "the data")
    machine.put("lab/configs/my config.json", '{"rate": 30}')
    inner = machine.home / "my script.sh"
    inner.write_text(
        "neurocaas-contrib workflow get-data\necho said; echo wrong >&2\n"
        'neurocaas-contrib workflow put-result -r "$(neurocaas-contrib workflow get-datapath)"\n[ ! -e fail '
        "] || exit 5\n"
    )
    main = machine.home / "main.sh"
    main.write_text(
        """#!/bin/bash
        neurocaas-contrib workflow initialize-job -p "$HOME/contrib data" || exit
        neurocaas-contrib workflow register-dataset -b "$1" -k "$2" || exit
        neurocaas-contrib workflow register-config -b "$1" -k "$4" || exit
        neurocaas-contrib workflow register-resultpath -b "$1" -k "$3" || exit
        neurocaas-contrib workflow log-command -b "$1" -c "$5" -r "$3"
        code=$?
        neurocaas-contrib workflow cleanup
        exit "$code"
        """
    )
    environment = {
        **machine.environment,
        "PATH": f"{machine.tree / 'ncap_utils/machine'}:{os.environ['PATH']}",
    }
    arguments = ["mock", "lab/inputs/data.zip", "results/job_1", "lab/configs/my config.json", str(inner)]
    for expected in (0, 5):
        done = subprocess.run(
            ["bash", main, *arguments],
            env=environment,
            cwd=machine.home,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == expected, done.stderr
        assert (machine.job / "process_results" / "data.zip").read_text() == "the data"
        assert {path.name for path in (machine.job / "process_results").iterdir()} == {
            "data.zip",
            "my config.json",
            "update.txt",
        }
        status = machine.status()
        assert (status["status"], status["reason"]) == (
            "FAILED" if expected else "SUCCESS",
            f"exit code {expected}",
        )
        assert {"said", "wrong"} <= set(status["std"].values())
        (machine.home / "fail").touch()


def test_a_command_that_fails_is_the_jobs_failure_whatever_comes_after(machine: Machine, job: Call) -> None:
    assert job("workflow", "log-command", "-c", "exit 4")[0] == 4
    assert job("workflow", "log-command", "-c", "false | true")[0] == 1
    assert job("workflow", "log-command", "-c", "kill -9 $$")[0] == 137
    assert (machine.root / "state" / "failure").readlink() == Path("4")  # the first counts
    assert job("workflow", "cleanup")[:2] == (0, "")
    assert not machine.job.exists()


def test_results_of_this_machine(machine: Machine, call: Call) -> None:
    data, config = machine.home / "täg 1" / "data", machine.home / "c.yaml"
    data.mkdir(parents=True)
    (data / "trace.txt").write_text("1")
    config.write_text("a: 1\n")
    call("workflow", "initialize-job", "--path", str(machine.home / "here"))
    assert call("workflow", "register-dataset", "--localpath", str(data))[0] == 0
    assert call("workflow", "register-config", "-l", str(config))[0] == 0
    assert call("workflow", "register-resultpath", "-l", "out put")[0] == 0
    assert call("workflow", "get-datapath") == (0, f"{data}\n", "")
    assert call("workflow", "get-data")[0] == 0
    assert call("workflow", "get-datapath") == (0, f"{machine.home / 'here' / 'inputs' / 'data'}\n", "")
    assert call("workflow", "log-command-local", "-c", "echo works; false")[0] == 1
    logs = machine.home / "out put" / "logs"
    assert json.loads((logs / "DATASET_NAME:data_STATUS.txt").read_text())["status"] == "FAILED"
    assert (logs / "log.txt").read_text() == "works\n"
    assert call("workflow", "put-result", "--resultpath", str(data), "-d") == (0, "", "")
    assert call("workflow", "cleanup")[0] == 0
    results = machine.home / "out put" / "process_results"
    assert sorted(path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()) == [
        "c.yaml",
        "data/trace.txt",
        "update.txt",
    ]
    code, _, error = call("workflow", "get-group")
    assert (code, "Register it with -b and -k" in error) == (1, True)


@pytest.mark.parametrize("name", ["with blank é.bin", "-n$(id)'b.bin"])
def test_other_files(machine: Machine, job: Call, name: str) -> None:
    machine.put(f"lab/inputs/{name}", "other")
    assert job("workflow", "register-file", "-n", "model", "-b", "mock", "-k", f"lab/inputs/{name}")[0] == 0
    assert job("workflow", "get-filename", "-n", "model") == (0, f"{name}\n", "")
    assert (
        "Call neurocaas-contrib workflow get-file first" in job("workflow", "get-filepath", "-n", "model")[2]
    )
    assert job("workflow", "get-file", "-n", "model", "--outputpath", "new folder", "--force", "true")[0] == 0
    place = machine.home / "new folder" / name
    assert job("workflow", "get-filepath", "-n", "model") == (0, f"{place}\n", "")
    place.write_text("mine")
    assert (
        "Set force = true to overwrite" in job("workflow", "get-file", "-n", "model", "-o", "new folder")[2]
    )
    assert place.read_text() == "mine"
    assert job("workflow", "get-file", "-n", "model", "-o", "new folder", "-f")[0] == 0
    assert place.read_text() == "other"
    assert "Allowed: model." in job("workflow", "get-file", "-n", "weights")[2]
    assert job("workflow", "get-data")[0] == 0  # the job's own is known without a word


def test_a_job_knows_its_own(machine: Machine, job: Call) -> None:
    assert [job("workflow", f"get-{what}")[1] for what in ("group", "bucket", "dataname", "configname")] == [
        "lab\n",
        "mock\n",
        "data.zip\n",
        "config.json\n",
    ]
    assert job("workflow", "get-resultpath")[1] == "s3://mock/lab/results/job_1/process_results\n"
    assert job("workflow", "register-resultpath", "-b", "other", "-k", "lab/results/x/")[0] == 0
    assert (
        job("workflow", "get-resultpath", "--locpath", "a/b.txt")[1]
        == "s3://other/lab/results/x/process_results/b.txt\n"
    )
    assert job("workflow", "register-resultpath", "-k", "s3://out/res")[0] == 0
    assert job("workflow", "get-resultpath")[1] == "s3://out/res/process_results\n"
    here = job("workflow", "get-resultpath-tmp")[1].strip()
    assert Path(here).is_dir()
    assert here.startswith(str(machine.home))


@pytest.mark.parametrize(
    "place",
    [[], ["-b", "mock"], ["-k", "lab/x"], ["-b", "mock", "-k", "lab/x", "-l", "y"], ["-l", "missing"]],
)
@pytest.mark.parametrize(
    "command", ["register-dataset", "register-config", "register-resultpath", "register-file"]
)
def test_a_place_is_in_a_bucket_or_here(job: Call, command: str, place: list[str]) -> None:
    code, out, error = job("workflow", command, *place, *(["-n", "x"] if command.endswith("file") else []))
    if (command, place) == ("register-resultpath", ["-l", "missing"]):
        assert code == 0
    else:
        assert (code, out) == (1, "")
        assert "Allowed: " in error


def test_what_is_sent_is_sent_although_something_is_missing(machine: Machine, job: Call) -> None:
    (machine.home / "a.txt").write_text("a")
    (machine.home / "b c").mkdir()
    (machine.home / "b c" / "d.txt").write_text("d")
    code, _, error = job("workflow", "put-result", "-r", "missing", "-r", "a.txt", "b c")
    assert (code, error.count("Allowed")) == (1, 1)
    assert (machine.job / "process_results" / "b c" / "d.txt").read_text() == "d"
    assert (machine.job / "process_results" / "a.txt").read_text() == "a"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@settings(
    max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=json_values, ending=st.sampled_from([".json", ".yaml", ".yml"]))
def test_values_come_out_as_scripts_take_them(
    call: Call, machine: Machine, value: object, ending: str
) -> None:
    path = machine.home / f"c{ending}"
    path.write_text(json.dumps({"other": 1, "field": value}), encoding="utf-8")
    code, out, _ = call("scripting", "read-yaml", "-p", str(path), "-f", "field")
    assert code == 0
    if isinstance(value, dict):
        assert json.loads(out) == value
    elif isinstance(value, list):
        if all(isinstance(one, int) for one in value):
            assert out.split() == [str(one) for one in value]
    else:
        assert out == f"{value}\n"


@pytest.mark.parametrize(
    ("text", "field", "options", "expected"),
    [
        ("names: [a, b, 3]", "names", [], "a b 3"),
        ("names: []", "names", ["-d", "x"], ""),
        ("a: {b: 1}", "a", [], '{"b": 1}'),
        ("a: [{b: 1}, [1, 2], true]", "a", [], '{"b": 1} [1, 2] True'),
        ("a: |\n  one\n  two\n", "a", [], "one\ntwo\n"),
        ("a: 'täg 日本'", "a", [], "täg 日本"),
        ("a: 1", "b", ["--default", "False"], "False"),
        ("a: 1", "b", ["-d", ""], ""),
        ("a: true", "a", [], "True"),
        ("a:", "a", [], "None"),
    ],
)
def test_values_of_yaml(
    call: Call, machine: Machine, text: str, field: str, options: list[str], expected: str
) -> None:
    path = machine.home / "my config.yaml"
    path.write_text(text, encoding="utf-8")
    assert call("scripting", "read-yaml", "--path", str(path), "--field", field, *options) == (
        0,
        f"{expected}\n",
        "",
    )


@pytest.mark.parametrize("text", ["a: [", "- a\n", "", "a: b: c"])
def test_no_values(call: Call, machine: Machine, text: str) -> None:
    path = machine.home / "c.yaml"
    path.write_text(text)
    code, out, error = call("scripting", "read-yaml", "-p", str(path), "-f", "a")
    assert (code, out) == (1, "")
    assert "Allowed: " in error
    path.write_text("b: 1\n")
    assert (
        "No field a exists in this yaml file."
        in call("scripting", "read-yaml", "-p", str(path), "-f", "a")[2]
    )


def test_a_zip_file_to_another_folder(call: Call, machine: Machine) -> None:
    path = machine.home / "my data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("täsk 1/a.txt", "täsk 1/../../../b.txt", "__MACOSX/x", ".DS_Store", "._täsk 1"):
            archive.writestr(name, "x")
    assert call("scripting", "parse-zip", "-z", str(path), "-o", str(machine.home / "new" / "place")) == (
        0,
        "täsk 1\n",
        "",
    )
    assert (machine.home / "new" / "place" / "täsk 1" / "a.txt").is_file()
    assert not (machine.home / "b.txt").exists()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/x", "")
        archive.writestr("b/x", "")
    assert call("scripting", "parse-zip", "-z", str(path))[0] == 1


def test_errorrep_records_and_says_the_end_and_stops_nothing(machine: Machine) -> None:
    script = machine.script("errorrep\nfalse\necho goes on\nls /nowhere-at-all\nexit 7\n")
    assert machine.run(script).returncode == 7
    assert machine.log("stdout").splitlines()[-2:] == [
        b"goes on",
        b'"exit 7" was the last command, with exit code 7.',
    ]
    assert machine.status()["last_command"] == "exit 7"


def test_programs_that_are_no_bash_find_the_command(machine: Machine) -> None:
    with_data(machine)
    script = machine.script(
        "sh -c 'neurocaas-contrib workflow get-bucket'\nenv -i PATH=\"$PATH\" neurocaas-contrib remote "
        "get-ip\n",
        head=False,
    )
    assert machine.run(script).returncode == 2
    assert machine.log("stdout") == b"mock\n"


@pytest.mark.parametrize(
    "path",
    [*sorted(UTILS.glob("contrib_*/*.py")), UTILS / "contrib_cli.py", UTILS / "yamltojson.py"],
    ids=lambda path: path.name,
)
def test_an_old_python_understands_it(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 7))
