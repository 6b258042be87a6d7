"""Run scripts that `invoke import-blueprint` writes from the COMMANDs of the first implementation: they do
what those did, and a failure of what they run, or prepare, is always theirs."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blueprints import old_command, old_script
from localcloud.tests.properties import examples
from tests.shell.machines import Machine
from tests.unit.old_files import COMMANDS, UNSURE_COMMANDS

RUNS = [text for text in COMMANDS + UNSURE_COMMANDS if old_command.read(text).runs]
SAYS = {
    ".sh": (
        'printf "%s\\n" "$@" >>"$SAID"\nprintf "%s,%s\\n" "$MODE" "$THREADS" >>"$SAID.environment"\nexit '
        '"$CODE"\n'
    ),
    ".py": (
        "import os, sys\nopen(os.environ['SAID'], 'a').write('\\n'.join(sys.argv[1:]) + "
        "'\\n')\nsys.exit(int(os.environ['CODE']))\n"
    ),
}
JOB = {
    "bucketname": "the bucket",
    "inputpath": "lab/inputs/my data's.zip",
    "resultdir": "results/job_1",
    "configpath": "lab/configs/$(id).json",
}


@dataclass
class Bench:
    """A home as COMMANDs expect it, without any machine around it."""

    home: Path

    def place(self, text: str) -> Path:
        """Writes the run script of a COMMAND, and the scripts that it calls."""
        command = old_command.read(text)
        for step in command.steps:
            if step.script:
                below = step.script.removeprefix("/home/ubuntu/")
                script = (
                    self.home / "tree" / below
                    if step.kind == "script"
                    else self.home / ("ncap" if "cd ncap" in text else "") / below
                )
                if "cd neurocaas_contrib" in text and step.kind == "program":
                    script = self.home / "tree" / below
                script.parent.mkdir(parents=True, exist_ok=True)
                script.write_text(SAYS[script.suffix])
        run = self.home / "tree" / "a" / "run_a.sh"
        run.parent.mkdir(parents=True, exist_ok=True)
        run.write_text(old_script.write("a", "run_a.sh", text, command, "~/home/ec2-user"))
        return run

    def run(self, script: Path, code: int = 0) -> tuple[int, list[str], str]:
        """Its exit code, the arguments that the inner scripts got, and what it said."""
        said = self.home / "said"
        environment = {
            **JOB, "PATH": f"{self.home / 'programs'}:{os.environ['PATH']}", "HOME": str(self.home),
            "userhome": str(self.home),
            "neurocaasrootdir": str(self.home / "tree"), "SAID": str(said), "CODE": str(code),
        }  # fmt: skip
        done = subprocess.run(
            ["bash", script],
            env=environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return (
            done.returncode,
            said.read_text().splitlines() if said.exists() else [],
            done.stdout + done.stderr,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in {
        "activate": "true\n",
        "conda": 'echo "conda() { true; }"\n',
        "aws": "exit 0\n",
        "python": f'exec "{sys.executable}" "$@"\n',
        **dict.fromkeys(("sudo", "poweroff", "shutdown", "su", "cleanup"), f'touch "{tmp_path}/off"\n'),
    }.items():
        (programs / name).write_text(f"#!/bin/bash\n{text}")
        (programs / name).chmod(0o755)
    (tmp_path / "tree" / "ncap_utils").mkdir(parents=True)
    for folder in ("ncap", "tree/ncap"):
        (tmp_path / folder).mkdir()
    return Bench(tmp_path)


@pytest.mark.parametrize("text", RUNS)
@pytest.mark.parametrize("code", [0, 3])
def test_a_command_runs_its_script_and_ends_as_it_does(bench: Bench, text: str, code: int) -> None:
    ended, said, output = bench.run(bench.place(text), code)
    assert ended == code, output
    assert [value for value in list(JOB.values())[:3] if value not in said] == [], output
    assert not (bench.home / "off").exists()
    if "export MODE" in text:
        assert (bench.home / "said.environment").read_text() == "full,4\n"


@pytest.mark.parametrize("text", RUNS)
def test_a_script_that_is_nowhere_is_a_failure_that_says_so(bench: Bench, text: str) -> None:
    run = bench.place(text)
    for path in bench.home.rglob("*.[sp][hy]"):
        if path != run:
            path.unlink()
    ended, said, output = bench.run(run)
    assert (ended, said) == (127, [])
    assert "Allowed: a file of the image, or of the blueprint." in output


@pytest.mark.parametrize("text", [text for text in COMMANDS + UNSURE_COMMANDS if text not in RUNS])
def test_a_command_that_says_nothing_to_run_fails(bench: Bench, text: str) -> None:
    ended, _, output = bench.run(bench.place(text))
    assert ended == 64
    assert "Write it into blueprints/a/run_a.sh." in output


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("cd nowhere; bash run.sh {} {} {} {}", 1),
        ("source activate nothing && false; bash run.sh {} {} {} {}", 1),
        ("bash run.sh {} {} {} {}; false; cleanup", 1),
        ("bash run.sh {} {} {} {} && false", 1),
        ("bash -c 'false; true' _ {} {} {} {}", 1),
        ("bash -c 'bash run.sh {} {} {} {}; true'; true", 0),
        ("export A=$(false); bash run.sh {} {} {} {} | cat", 0),
    ],
)
def test_what_comes_before_and_after_may_fail_too(bench: Bench, text: str, code: int) -> None:
    assert bench.run(bench.place(text))[0] == code


def test_what_comes_after_a_failure_is_done_and_the_failure_stays(bench: Bench) -> None:
    ended, _, output = bench.run(bench.place("bash run.sh {} {} {} {} || true; echo after; cleanup"), 9)
    assert (ended, "after" in output) == (9, True)


@pytest.mark.parametrize(
    "folder",
    ["", "~/bin", "/home/ubuntu", "~", "~/home/ec2-user", "~/a b; touch $(x)'", "/nowhere", "relative"],
)
def test_any_working_directory(bench: Bench, folder: str) -> None:
    text = (
        "ls; cd ../../../../home/ubuntu/ncap; bash run.sh {} {} {} {}; . "
        "neurocaas_contrib/ncap_utils/workflow.sh; cleanup"
    )
    run = bench.place("cd ncap; bash run.sh {} {} {} {}")
    run.write_text(old_script.write("a", "run_a.sh", text, old_command.read(text), folder))
    assert bench.run(run)[:2] == (0, list(JOB.values()))


def test_what_a_command_says_stays_a_comment(bench: Bench) -> None:
    text = "sudo -u 'x\n touch off\n' bash ncap/run.sh {} {} {} {}; cleanup 'a\ntouch off\n'\r\n"
    bench.place("cd ncap; bash run.sh {} {} {} {}")
    assert bench.run(bench.place(text), 4)[0] == 4
    assert not list(bench.home.rglob("off"))


def test_settings_that_are_there_are_read_whatever_they_end_with(bench: Bench) -> None:
    (bench.home / ".toolsrc").write_text("export MODE=set\nfalse\n")
    run = bench.place("cd neurocaas_contrib; .toolsrc; bash run_main.sh {} {} {} {} x/run.sh")
    assert bench.run(run)[0] == 0
    assert (bench.home / "said.environment").read_text() == "set,\n"
    (bench.home / ".toolsrc").unlink()
    ended, _, output = bench.run(run)
    assert (ended, "There is no .toolsrc" in output) == (0, True)


def test_what_an_old_image_has_in_its_folder_is_found(bench: Bench) -> None:
    run = bench.place("cd neurocaas_contrib; bash run_main.sh {} {} {} {} epi/run_epi.sh")
    image = bench.home / "neurocaas_contrib.image" / "epi"
    image.parent.mkdir()
    (bench.home / "tree" / "epi").rename(image)
    assert bench.run(run)[:2] == (0, list(JOB.values()))
    assert (image / "ncap_utils").is_symlink()  # its functions are those of today


@pytest.mark.parametrize("code", [0, 3])
def test_in_a_job(machine: Machine, code: int) -> None:
    text = COMMANDS[2]
    inner = machine.tree / "dgp" / "run_dgp_cli.sh"
    inner.parent.mkdir()
    inner.write_text(
        f'#!/bin/bash -e\necho "$# $2 $4"\n[ {code} -eq 0 ] || bash -c "exit {code}"\necho done\n'
    )
    script = machine.script(
        old_script.write("a", "run_a.sh", text, old_command.read(text), "~/bin"), "a/run_a.sh", head=False
    )
    assert machine.run(script).returncode == code, machine.log("stderr")
    assert machine.status()["status"] == ("FAILED" if code else "SUCCESS")
    assert machine.log("stdout").splitlines()[0] == b"4 lab/inputs/data.zip lab/configs/config.json"


PARTS = [
    "ls", "cd ncap", "cd /home/ubuntu", "cd neurocaas_contrib", "source activate x", ". .rc", "export A='b "
        "c'", "sudo -u ubuntu", "nohup",
    "bash", "bash -c", "'", '"', "(", ")", "{}", "{} {} {} {}", '"{}" "{}" "{}" "{}"', "run_main.sh",
    "x/run.sh", "'a b.sh'", "go.py", "|",
    "2>&1", "&&", "||", ";", "&", "true", "false", "cleanup", "sudo poweroff", ". ncap_utils/workflow.sh",
    "\\", "$(", "`", "#", "é", "~",
    "B=1", "| tee l", ">l", "-x", "if", "\n",
]  # fmt: skip


@settings(max_examples=examples(120), deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=14))
def test_any_line_is_refused_or_becomes_a_script_that_bash_reads(parts: list[str]) -> None:
    text = " ".join(parts)
    if old_command.fault(text) is not None:
        return
    command = old_command.read(text)
    script = old_script.write("a", "run_a.sh", text, command)
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (text, script, done.stderr)
