"""run_main.sh from its call to the files in the bucket, with good scripts and bad ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shell.machines import Machine, until


def test_a_good_script_leaves_everything_the_guide_names(machine: Machine) -> None:
    text = 'errorlog\necho out; echo err >&2\necho "$processdir" > "$NEUROCAAS_OUTPUT/r.txt"\n'
    script = machine.script(text + 'upload "$NEUROCAAS_OUTPUT" "$bucketname" "$groupdir" "$processdir"\n')
    done = machine.run(script)
    assert done.returncode == 0, done.stderr
    status = machine.status()
    assert (status["status"], status["exit_code"], status["reason"]) == ("SUCCESS", 0, "NONE")
    assert status["input"] == "lab/inputs/data.zip"
    assert status["stdout"]["0"] == "out"
    assert status["stderr"] == {"0": "err"}
    assert status["last_command"].startswith("upload")
    assert status["job_start"] <= status["job_finish"]
    results = machine.job / "process_results"
    assert (results / "r.txt").read_text() == "results/job_1/process_results\n"
    assert (results / "config.json").read_text() == '{"wait": 0}'
    assert (results / "update.txt").is_file()
    assert machine.log("stdout").startswith(b"out\n")
    assert machine.log("stderr") == b"err\n"
    assert (machine.tree / "joboutput.txt").read_bytes() == machine.log("stdout")
    assert json.loads((machine.tree / "ncap_utils" / "statusdict.json").read_text())["status"] == "SUCCESS"
    record = json.loads((machine.job / "logs" / "data.zip_files.json").read_text())
    assert [item["key"] for item in record["results"]] == ["lab/results/job_1/process_results/r.txt"]


def test_the_environment_of_a_script(machine: Machine) -> None:
    names = (
        "bucketname groupdir resultdir processdir dataname inputpath configname configpath neurocaasrootdir "
        "userhome inputdir"
    )
    done = machine.run(machine.script(f'for name in {names}; do echo "$name=${{!name}}"; done\n'))
    assert done.returncode == 0
    assert (machine.tree / "joboutput.txt").read_text().splitlines() == [
        "bucketname=mock",
        "groupdir=lab",
        "resultdir=results/job_1",
        "processdir=results/job_1/process_results",
        "dataname=data.zip",
        "inputpath=lab/inputs/data.zip",
        "configname=config.json",
        "configpath=lab/configs/config.json",
        f"neurocaasrootdir={machine.tree}",
        f"userhome={machine.home}",
        "inputdir=lab/inputs",
    ]
    lines = [
        "mock",
        "lab",
        "results/job_1",
        "results/job_1/process_results",
        "data.zip",
        "lab/inputs/data.zip",
        "config.json",
    ]
    assert (machine.home / "check_vars.txt").read_text().splitlines() == [*lines, "lab/configs/config.json"]


def test_check_vars_that_cannot_be_written_stop_nothing(machine: Machine) -> None:
    (machine.home / "check_vars.txt").mkdir()
    assert machine.run(machine.script("exit 0\n")).returncode == 0


@pytest.mark.parametrize("name", ["two words.zip", "dätä-日本.zip", "$(touch x) '\"; exit 9.zip"])
def test_names_are_only_names(machine: Machine, name: str) -> None:
    machine.put(f"lab/inputs/{name}", "x")
    script = machine.script(
        'errorlog\ndownload "$inputpath" "$bucketname" "$userhome/in here"\n[ -f '
        '"$userhome/in here/$dataname" ]\n'
    )
    done = machine.run(script, f"lab/inputs/{name}")
    assert done.returncode == 0, (machine.tree / "joberror.txt").read_text()
    assert machine.status(name)["status"] == "SUCCESS"
    assert not list(machine.root.rglob("x"))


def test_a_script_that_fails(machine: Machine) -> None:
    done = machine.run(machine.script('errorlog\necho before\nbash -c "exit 3"\necho after\n'))
    assert done.returncode == 3
    status = machine.status()
    assert (status["status"], status["exit_code"]) == ("FAILED", 3)
    assert status["reason"] == 'exit code 3, its last command: bash -c "exit 3"'
    assert machine.log("stdout") == b"before\n"
    assert (machine.job / "process_results" / "config.json").is_file()


def test_results_of_a_script_that_fails_are_kept(machine: Machine) -> None:
    assert (
        machine.run(
            machine.script('mkdir "$NEUROCAAS_OUTPUT/a"; echo half > "$NEUROCAAS_OUTPUT/a/b.txt"; exit 1\n')
        ).returncode
        == 1
    )
    assert (machine.job / "process_results" / "a" / "b.txt").read_text() == "half\n"


def test_a_script_that_is_killed(machine: Machine) -> None:
    done = machine.run(machine.script("errorlog\nkill -9 $$\n"))
    assert done.returncode == 137
    status = machine.status()
    assert status["status"] == "FAILED"
    assert "SIGKILL" in status["reason"]
    assert status["last_command"] == "kill -9 $$"


def test_a_missing_script(machine: Machine) -> None:
    done = machine.run("mock/nothing.sh")
    assert done.returncode == 127
    status = machine.status()
    assert status["status"] == "FAILED"
    assert status["reason"].startswith('The analysis script is missing: got "mock/nothing.sh". Allowed:')
    assert "mock/nothing.sh" in done.stderr


def test_a_script_of_windows_is_told_so(machine: Machine) -> None:
    script = machine.script("#!/bin/bash\r\necho works\r\n", head=False)
    assert machine.run(script).returncode == 126
    assert machine.status()["reason"] == (
        f'The analysis script has Windows line ends: got CR LF in "{script}". Allowed: LF. Convert it, for '
        "instance with dos2unix."
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"#!{sys.executable} -I\nimport sys\nprint(sys.version_info[0], sys.flags.isolated)\n", "3 1"),
        ("#!/usr/bin/env -S python3 -I\nimport sys\nprint(sys.version_info[0], sys.flags.isolated)\n", "3 1"),
        # as ever: scripts say sh and mean bash
        ('#!/bin/sh\nsource /dev/null\nx=(bash)\necho "${x[@]}"', "bash"),
        ('# no interpreter\nx=(bash)\necho "${x[@]}"\n', "bash"),
    ],
)
def test_who_runs_a_script(machine: Machine, text: str, said: str) -> None:
    assert machine.run(machine.script(text, head=False)).returncode == 0
    assert machine.log("stdout") == f"{said}\n".encode()


@pytest.mark.parametrize("code", [0, 3])
def test_a_script_that_reports_for_itself(machine: Machine, code: int) -> None:
    """Some do all that main scripts do, and end what they think reports."""
    begin = "errorlog\nerrorlog_init\nerrorlog_background &\nbackground_pid=$!\necho works\n"
    script = machine.script(f'{begin}bash -c "exit {code}"\nerrorlog_final\nkill "$background_pid"\n')
    assert machine.run(script).returncode == code
    status = machine.status()
    assert (status["status"], status["exit_code"]) == ("FAILED" if code else "SUCCESS", code)
    assert status["stdout"] == {"0": "works"}
    assert list((machine.root / "tmp").iterdir()) == []


def test_a_script_that_runs_another(machine: Machine) -> None:
    inner = machine.script("echo inner\nexit 5\n", "inner/run.sh")
    call = 'bash "$neurocaasrootdir/run_main.sh" "$bucketname" "$inputpath" results/job_2 "$configpath"'
    assert machine.run(machine.script(f"{call} {inner}\necho $?\n")).returncode == 0
    assert machine.log("stdout").endswith(b"5\n")
    status = machine.job.parent / "job_2/logs/DATASET_NAME:data.zip_STATUS.txt"
    assert json.loads(status.read_text())["exit_code"] == 5


def test_nothing_that_goes_wrong_keeps_the_final_status_away(machine: Machine) -> None:
    script = machine.script(
        # renamed, not removed: where Python writes its bytecode meanwhile, rm fails
        'errorlog\nprintf "no record" >"$NEUROCAAS_STATE/files"\n'
        'mv "$neurocaasrootdir/ncap_utils" "$neurocaasrootdir/gone"\nexit 4\n'
    )
    assert machine.run(script).returncode == 4
    status = machine.status()
    assert (status["status"], status["exit_code"]) == ("FAILED", 4)
    assert "the record of transfers could not be saved" in "".join(status["stderr"].values())
    assert b"the record of transfers could not be saved" in machine.log("stderr")


def test_an_empty_script_name_is_missing_too(machine: Machine) -> None:
    assert machine.run("").returncode == 127
    assert machine.status()["status"] == "FAILED"


def test_wrong_number_of_arguments(machine: Machine) -> None:
    done = subprocess.run(
        machine.arguments("x")[:-1], env=machine.environment, capture_output=True, text=True, timeout=20
    )
    assert done.returncode == 64
    assert "got 4 arguments. Allowed: 5" in done.stderr


def test_run_main_cli_is_the_same(machine: Machine) -> None:
    arguments = machine.arguments(machine.script("exit 5\n"))
    arguments[1] = str(machine.tree / "run_main_cli.sh")
    assert subprocess.run(arguments, env=machine.environment, capture_output=True, timeout=60).returncode == 5
    assert machine.status()["exit_code"] == 5


def test_a_relative_script_of_the_current_folder(machine: Machine) -> None:
    (machine.home / "own.sh").write_text("exit 6\n")
    assert machine.run("own.sh").returncode == 6


def test_much_output_arrives_whole(machine: Machine) -> None:
    done = machine.run(machine.script("seq 1 2000000\nprintf 'a\\rb\\rthe end'\n"))
    assert done.returncode == 0
    whole = (machine.tree / "joboutput.txt").read_bytes()
    assert len(whole) > 14_000_000
    assert machine.log("stdout") == whole
    status = machine.status()
    assert status["stdout"]["2000000"] == "the end"
    assert status["stdout"]["1999999"] == "2000000"
    assert len(json.dumps(status)) < 40_000


def test_progress(machine: Machine) -> None:
    assert (
        machine.run(machine.script("echo ::progress 0.25 fitting\necho ::progress nonsense\n")).returncode
        == 0
    )
    status = machine.status()
    assert (status["progress"], status["progress_text"]) == (0.25, "fitting")


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("echo '35 %, 1024 MiB'; echo '0 %, 3 MiB'", "35 %, 1024 MiB; 0 %, 3 MiB"),
        ("echo broken >&2; exit 9", "NONE"),
        ("", "NONE"),
    ],
)
def test_gpus(machine: Machine, answer: str, shown: str) -> None:
    """What nvidia-smi says of each GPU. A broken driver is asked once."""
    programs, asked = machine.root / "bin", machine.root / "asked"
    programs.mkdir()
    (programs / "nvidia-smi").write_text(f'#!/bin/bash\necho "$*" >>"{asked}"\n{answer}\n')
    (programs / "nvidia-smi").chmod(0o755)
    assert machine.run(machine.script("sleep 0.6\n"), PATH=f"{programs}:/usr/bin:/bin").returncode == 0
    assert machine.status()["gpu_usage"] == shown
    assert asked.read_text() == "--query-gpu=utilization.gpu,memory.used --format=csv,noheader\n"


def test_without_a_gpu_there_is_none(machine: Machine) -> None:
    assert machine.run(machine.script("exit 0\n"), PATH="/usr/bin:/bin").returncode == 0
    assert machine.status()["gpu_usage"] == "NONE"


def test_the_time_that_is_left(machine: Machine) -> None:
    go = machine.root / "go"
    script = machine.script(f"echo ::progress 0.5 fitting\nuntil [ -e {go} ]; do sleep 0.02; done\n")
    running = subprocess.Popen(machine.arguments(script), env=machine.environment, stdout=subprocess.DEVNULL)
    path = machine.job / "logs" / "DATASET_NAME:data.zip_STATUS.txt"
    until(lambda: path.is_file() and machine.status()["progress"] is not None)
    status = machine.status()
    assert (status["progress"], status["progress_text"]) == (0.5, "fitting")
    assert 0 <= (status["eta_seconds"] or 0) <= 10  # as long as it took to the mark
    go.touch()
    assert running.wait(20) == 0
    assert machine.status()["eta_seconds"] is None


def test_status_goes_from_in_progress_to_the_end(machine: Machine) -> None:
    go = machine.root / "go"
    script = machine.script(f"errorlog\necho started\nuntil [ -e {go} ]; do sleep 0.02; done\n")
    running = subprocess.Popen(machine.arguments(script), env=machine.environment, stdout=subprocess.DEVNULL)
    path = machine.job / "logs" / "DATASET_NAME:data.zip_STATUS.txt"
    until(lambda: path.is_file() and machine.status()["stdout"] == {"0": "started"})
    assert machine.status()["status"] == "IN PROGRESS"
    assert machine.status()["job_finish"] == "NONE"
    go.touch()
    assert running.wait(20) == 0
    assert machine.status()["status"] == "SUCCESS"


def test_time_is_up(machine: Machine) -> None:
    script = machine.script('echo part > "$NEUROCAAS_OUTPUT/part.txt"\nsleep 50\n')
    done = machine.run(script, NEUROCAAS_DURATION_MINUTES="0.02")
    assert done.returncode == 128 + signal.SIGTERM
    status = machine.status()
    assert (status["status"], status["reason"]) == ("FAILED", "timed out after 0.02 minutes")
    assert b"it will be ended at its limit" in machine.log("stderr")
    assert (machine.job / "process_results" / "part.txt").read_text() == "part\n"


def test_run_main_is_killed(machine: Machine) -> None:
    script = machine.script(f"errorlog\necho $$ > {machine.root}/pid\nsleep 50\n")
    running = subprocess.Popen(
        machine.arguments(script),
        env=machine.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    pid = machine.root / "pid"
    until(lambda: pid.is_file() and pid.read_text())
    running.kill()
    running.wait()
    path = machine.job / "logs" / "DATASET_NAME:data.zip_STATUS.txt"
    until(lambda: path.is_file() and machine.status()["status"] == "FAILED")
    assert machine.status()["reason"] == "run_main.sh was killed while the script ran"
    assert not Path(f"/proc/{pid.read_text().strip()}/fd").exists()
    until(lambda: not list((machine.root / "tmp").iterdir()))  # the agent cleans up in its place


def test_the_agent_is_killed(machine: Machine) -> None:
    go = machine.root / "go"
    script = machine.script(f"errorlog\necho one\nuntil [ -e {go} ]; do sleep 0.02; done\necho two\nexit 4\n")
    running = subprocess.Popen(
        machine.arguments(script),
        env=machine.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert running.stdout
    agent = int(running.stdout.readline().split(",")[0])
    path = machine.job / "logs" / "DATASET_NAME:data.zip_STATUS.txt"
    until(path.is_file)
    os.kill(agent, signal.SIGKILL)
    go.touch()
    assert running.wait(30) == 4
    running.stdout.close()
    status = machine.status()
    assert (status["status"], status["exit_code"]) == ("FAILED", 4)
    assert machine.log("stdout") == b"one\ntwo\n"


def test_a_bucket_that_cannot_be_written(machine: Machine) -> None:
    (machine.buckets / "mock" / "lab" / "results").write_text("a file where a folder should be")
    done = machine.run(machine.script("echo works\nexit 7\n"))
    assert done.returncode == 7
    assert "A report could not be sent, the analysis goes on" in done.stderr
    assert '"status": "FAILED"' in done.stderr  # on the console, where nothing else is left


def test_a_job_file_names_status_and_duration(machine: Machine) -> None:
    key = "lab/results/job_1/logs/DATASET_NAME:b_data.zip_STATUS.txt"
    datasets = [{"name": "a_data.zip", "status_key": "no"}, {"name": "b_data.zip", "status_key": key}]
    job = machine.root / "job.json"
    job.write_text(json.dumps({"duration_minutes": 60, "datasets": datasets}))
    extra = {
        "NEUROCAAS_JOB_FILE": str(job),
        "NEUROCAAS_DATASET_INDEX": "1",
        "NEUROCAAS_INSTANCE_ID": "i-1",
        "NEUROCAAS_ATTEMPT": "2",
    }
    assert machine.run(machine.script("echo x\n"), **extra).returncode == 0
    status = machine.status("b_data.zip")
    assert (status["status"], status["instance"], status["attempt"]) == ("SUCCESS", "i-1", 2)
    assert machine.log("stdout", "b_data.zip") == b"x\n"


def test_nothing_is_left_behind(machine: Machine) -> None:
    made = machine.root / "made"
    script = machine.script(
        f'printf "%s\\n" "$NEUROCAAS_STATE" "$NEUROCAAS_OUTPUT" "$CHECKPOINT_DIR" >{made}\n'
    )
    assert machine.run(script).returncode == 0
    assert list((machine.root / "tmp").iterdir()) == []
    folders = [Path(line) for line in made.read_text().splitlines()]
    assert (len(folders), [folder for folder in folders if folder.exists()]) == (3, [])


def test_without_home_and_almost_without_an_environment(machine: Machine) -> None:
    environment = {
        name: value
        for name, value in machine.environment.items()
        if name not in ("HOME", "TMPDIR", "LANG", "LC_ALL")
    }
    script = machine.script(
        'errorlog\ndownload "$inputpath" "$bucketname" "$userhome/in"\necho "$dataname"\n'
    )
    arguments = machine.arguments(script, "lab/inputs/dätä.zip")
    machine.put("lab/inputs/dätä.zip", "x")
    done = subprocess.run(arguments, env=environment, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert machine.status("dätä.zip")["stdout"]["1"] == "dätä.zip"
