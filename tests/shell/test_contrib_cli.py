"""`neurocaas-contrib`, by which scripts of the first implementation get their data and hand in results."""

from __future__ import annotations

import zipfile

import pytest

from tests.shell.machines import Machine

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
    assert machine.run(machine.script(SCRIPT.replace("GET", way), head=False)).returncode == 0, machine.log("stderr")
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
    done = machine.bash(f"neurocaas-contrib {call}", NEUROCAAS_CONTRIB=str(machine.tree / "ncap_utils/contrib_cli.py"), **job)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_outside_of_a_job_it_says_so(machine: Machine) -> None:
    done = machine.bash("neurocaas-contrib workflow get-data", NEUROCAAS_CONTRIB=str(machine.tree / "ncap_utils/contrib_cli.py"))
    assert (done.returncode, done.stderr.count("got no job")) == (1, 1)
