"""A success is a success: what a script saw fail, who runs it, what it leaves running and lying, and what is
said of its end.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

import pytest

from neurocaas.protocol.interpreter import parse, problems
from tests.shell.machines import Machine

MAIN = "errorlog_init\nerrorlog_background & p=$!\n{}\nkill $p\n"

SEEN = {
    "a child fails": ("bash -c 'exit 3'; errorlog_final", "3"),
    "nothing fails": ("true; errorlog_final", None),
    "the script is missing": ("bash /nowhere.sh 2>/dev/null; errorlog_final", "127"),
    "the program is missing": ("no-such-program 2>/dev/null; errorlog_final", "127"),
    "in a function": ("f() { bash -c 'exit 3'; errorlog_final; }; g() { f; return 0; }; g", "3"),
    "in a subshell": ("(bash -c 'exit 3'; errorlog_final); true", "3"),
    "in another bash": ('bash -c \'source "$0"; bash -c "exit 3"; errorlog_final\' "$workflow" || true', "3"),
    "by an exported function": (
        "export -f errorlog_final; bash -c 'bash -c \"exit 3\"; errorlog_final' || true",
        "3",
    ),
    "in a substitution": ("x=$(bash -c 'exit 3'; errorlog_final) || true", "3"),
    "at the end, by a trap": ("(trap errorlog_final EXIT; exit 3) || true", "3"),
    "twice, then well": ("bash -c 'exit 3'; errorlog_final; true; errorlog_final", "3"),
    "twice": ("bash -c 'exit 3'; errorlog_final; bash -c 'exit 4'; errorlog_final", "3"),
    "well, then not": ("true; errorlog_final; bash -c 'exit 4'; errorlog_final", "4"),
    "under errorlog": ("errorlog; bash -c 'exit 3' || errorlog_final || true", "3"),
    "killed": ("bash -c 'kill -9 $$'; errorlog_final", "137"),
}


@pytest.mark.parametrize("case", SEEN)
def test_errorlog_final_leaves_the_first_failure_that_it_saw(machine: Machine, case: str) -> None:
    text, code = SEEN[case]
    state = machine.root / "state"
    state.mkdir()
    utils = machine.tree / "ncap_utils" / "workflow.sh"
    assert machine.bash(MAIN.format(text), NEUROCAAS_STATE=str(state), workflow=str(utils)).returncode == 0
    assert (os.readlink(state / "failure") if (state / "failure").is_symlink() else None) == code


def test_a_recorded_failure_is_a_failure_whatever_comes_after(machine: Machine) -> None:
    """As main scripts of the first implementation are written: they report, and then end what they think
    reports.
    """
    script = machine.script(
        MAIN.format("bash -c 'echo no volumes >&2; exit 3'\nerrorlog_final\necho sent >sent.txt")
    )
    assert machine.run(script).returncode == 3
    status = machine.status()
    assert (status["status"], status["exit_code"], status["reason"]) == (
        "FAILED",
        3,
        "no volumes (exit code 3)",
    )
    assert machine.log("stderr") == b"no volumes\n"  # nothing of what it thinks reports


PROGRAMS = (
    "/bin/bash",
    "/bin/sh",
    "/usr/bin/env",
    "/bin/dash",
    "/usr/bin/bash",
    "/opt/none/bin/bash",
    "bash",
    "/usr/bin/perl",
)
ARGUMENTS = (
    *(
        "",
        "-e",
        "-eu",
        "bash",
        "sh",
        "-S bash -eu",
        "-Sbash -e",
        "-vS bash",
        "-S sh -e -u",
        "--split-string=bash -e",
        "-S bash",
        "-S sh",
    ),
    *("-S /bin/sh -x", "-S A=1 bash -e", "-e -u", "--", "-S -i bash", "-S sh -c 'a b'", "-l", "perl -w"),
)


def test_the_machine_reads_first_lines_as_the_service_does(machine: Machine) -> None:
    """Every program with every argument, and blanks and tabs in all places."""
    chance, heads = (
        random.Random(7),
        [b"", b"\n", b"#!", b"#! \n", b"# !/bin/bash\n", b"echo x\n", b"#!/bin/bash"],
    )
    for program in PROGRAMS:
        for argument in ARGUMENTS:
            before, between, after = (chance.choice(("", " ", "\t", " \t ")) for _ in range(3))
            heads.append(
                f"#!{before}{program}{(between or ' ') + argument if argument else ''}{after}\necho x\n".encode()  # noqa: E501
            )
    folder = machine.root / "heads"
    folder.mkdir()
    for number, head in enumerate(heads):
        (folder / f"{number}").write_bytes(head)
    text = (
        "refuse_script() { echo \"refused $*\" | tr -d '\\n'; }\n"
        f"for number in {{0..{len(heads) - 1}}}; do interpreter=(); "
        f'neurocaas_interpreter "{folder}/$number" "$number"; printf \'%s\\1\' "${{interpreter[@]}}"; '
        "printf '\\n'; done"
    )
    answers = machine.bash(text).stdout.splitlines()
    for head, answer in zip(heads, answers, strict=True):
        expected = parse(head)
        if "refused" in answer:  # here is no such program
            assert "needs an interpreter that is not here" in answer or "as one" in answer
            assert problems(head) or not Path(expected.program).exists(), head
        else:
            # env says it itself
            assert not [one for one in problems(head) if "as one" in one.got and "to env" not in one.got], (
                head
            )
            command = ("bash",) if expected.command == ("/opt/none/bin/bash",) else expected.command
            command = ("bash", *command[1:]) if command[0] == "/opt/none/bin/bash" else command
            assert tuple(answer.split("\1")[:-1]) == command, head


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ("#!/bin/bash -e", 3),
        ("#!/usr/bin/env -S bash -euo pipefail", 3),
        ("#!/bin/sh -e", 3),
        ("#!/bin/bash", 0),
    ],
)
def test_flags_of_the_first_line_are_obeyed(machine: Machine, first: str, code: int) -> None:
    assert machine.run(machine.script(f"{first}\n(exit 3)\necho never\n", head=False)).returncode == code
    assert machine.log("stdout") == (b"" if code else b"never\n")


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        (
            b"#!/opt/none/python -u\n",
            127,
            'needs an interpreter that is not here: got "/opt/none/python" in the first line of',
        ),
        (b"#!/usr/bin/env bash -e\n", 127, "Several words need env -S: #!/usr/bin/env -S bash -e"),
        (b"#!/bin/bash -e -o pipefail\n", 126, "Write #!/usr/bin/env -S bash -e -o pipefail"),
        (
            b"\xef\xbb\xbf#!/bin/bash\n",
            126,
            'begins with a byte order mark: got "mock/run.sh". Allowed: UTF-8 without one.',
        ),
    ],
)
def test_a_script_that_nobody_can_run_is_told_why(
    machine: Machine, text: bytes, code: int, reason: str
) -> None:
    script = machine.script("", head=False)
    (machine.tree / script).write_bytes(text)
    assert machine.run(script).returncode == code
    assert machine.status()["reason"].startswith("The analysis script ")
    assert reason in machine.status()["reason"]


def test_arguments_and_configuration_of_a_script(machine: Machine) -> None:
    """Four arguments, as the first implementation's commands gave them; empty ones change nothing."""
    machine.put("lab/configs/config.json", '\ufeff{"wait": 0.5}')
    text = (
        'printf "%s\\n" "$@"\nparseargsstd "" "" "" ""\nprintf "%s\\n" "$bucketname" "$processdir" '
        '"$groupdir" "$dataname"\n'
    )
    text += 'parseargsstd "" "lab/inputs/b" "" ""\necho "$dataname $configname"\ncat "$NEUROCAAS_CONFIG"\n'
    assert machine.run(machine.script(text)).returncode == 0
    given = ["mock", "lab/inputs/data.zip", "results/job_1", "lab/configs/config.json"]
    lines = machine.log("stdout").decode().splitlines()
    assert lines[:9] == [*given, "mock", "results/job_1/process_results", "lab", "data.zip", "b config.json"]
    assert json.loads("".join(lines[9:])) == {"wait": 0.5}


LEAVES = {
    "in the background": "{} &",
    "in a session of its own": "setsid bash -c '{}' &",
    "as a daemon": "(setsid bash -c '{}' >/dev/null 2>&1 </dev/null &) &",
    "without hearing of TERM": "nohup bash -c 'trap \"\" TERM; {}' >/dev/null 2>&1 &",
    "without an environment": "env -i /usr/bin/setsid /bin/bash -c '{}' &",
}


def test_nothing_of_a_script_runs_when_its_results_are_read(machine: Machine) -> None:
    """Whatever the ways by which processes stay: all of them write on until they are ended, and what is
    uploaded is what is there then.
    """
    out = machine.root / "out"
    loops = []
    for number, way in enumerate(LEAVES.values()):
        file = f"{out}/{number}"
        loops.append(way.format(f"while true; do echo x >>{file}; /bin/sleep 0.01; done"))
    session = machine.tree / "agent" / "processes.py"
    session.write_text(
        session.read_text().replace("WAIT = 1.0", "WAIT = 0.2").replace("GRACE = 5.0", "GRACE = 0.5")
    )
    wait = f"until [ $(cat {out}/* | wc -l) -gt 20 ] && [ -e {out}/4 ]; do sleep 0.05; done\n"
    done = machine.run(
        machine.script(
            f"mkdir {out}\n" + "\n".join(loops) + f"\nexec > >(tee {out}/tee)\n{wait}echo the end\n"
        )
    )
    sizes = {path: path.stat().st_size for path in out.iterdir()}
    assert done.returncode == 0
    assert len(sizes) == 6
    said = machine.log("stderr").decode()
    assert (
        "NeuroCAAS: still running when the script had ended, and ended before the results are saved: " in said
    )
    assert "tee" not in said.partition("NeuroCAAS")[2]  # it had read all there was
    time.sleep(0.1)
    assert {path: path.stat().st_size for path in out.iterdir()} == sizes
    assert machine.log("stdout").endswith(b"the end\n")


def test_what_lies_in_the_output_folder_is_uploaded_once(machine: Machine) -> None:
    text = 'cd "$NEUROCAAS_OUTPUT"; mkdir a b; echo 1 >a/x; echo 1 >b/x; echo 2 >c; echo 3 >d\n'
    text += (
        'upload a/x "$bucketname" "$groupdir" "$processdir/else"\nupload c "$bucketname" "$groupdir" '
        '"$processdir"\necho 4 >c\n'
    )
    assert machine.run(machine.script(text)).returncode == 0
    results = machine.job / "process_results"
    found = {
        path.relative_to(results).as_posix(): path.read_text()
        for path in results.rglob("*")
        if path.is_file()
    }
    del found["config.json"], found["update.txt"]
    assert found == {"else/x": "1\n", "b/x": "1\n", "c": "4\n", "d": "3\n"}
    assert (machine.status()["status"], machine.status()["uploaded"]) == ("SUCCESS", 4)


def test_results_that_cannot_be_uploaded_are_no_success(machine: Machine) -> None:
    (machine.job / "process_results").mkdir(parents=True)
    (machine.job / "process_results" / "x").mkdir()  # a folder where the result should be
    assert machine.run(machine.script('echo 1 >"$NEUROCAAS_OUTPUT/x"\n')).returncode == 0
    status = machine.status()
    assert status["status"] == "FAILED"
    assert status["reason"].startswith("results could not be uploaded: ")


@pytest.mark.skipif(
    os.getuid() != 0, reason="only root, as on each machine, moves what is in somebody's home"
)
def test_an_image_may_have_the_folder_of_the_first_implementation(machine: Machine) -> None:
    """It is moved aside, and said; what the script finds at the guide's path is the deployed code, and the
    image's own beside it.
    """
    own = machine.home / "neurocaas_contrib"
    (own / "epi").mkdir(parents=True)
    (own / "run_main.sh").write_text("exit 0\n")
    (own / "epi" / "model.py").write_text("a model\n")
    text = (
        'cat "$userhome/neurocaas_contrib/epi/model.py"; cmp "$userhome/neurocaas_contrib/run_main.sh" '
        '"$neurocaasrootdir/run_main.sh"\n'
    )
    assert machine.run(machine.script(text), NEUROCAAS_INSTANCE_ID="i-1").returncode == 0
    assert machine.log("stdout") == b"a model\n"
    assert f"NeuroCAAS: the image's own {own} is {own}.image now" in machine.log("stderr").decode()
    assert (machine.home / "neurocaas_contrib.image" / "run_main.sh").read_text() == "exit 0\n"


def test_a_temporary_folder_that_takes_nothing_is_not_needed(machine: Machine) -> None:
    (machine.root / "tmp").rmdir()
    (machine.root / "tmp").write_text("no folder")
    assert machine.run(machine.script('echo 1 >"$NEUROCAAS_OUTPUT/x"; [ -w "$TMPDIR" ]\n')).returncode == 0
    assert (machine.job / "process_results" / "x").is_file()


def test_a_killed_script_is_not_said_to_lack_memory(machine: Machine) -> None:
    machine.run(machine.script("kill -9 $$\n"))
    status = machine.status()
    assert (status["reason"], status["out_of_memory"]) == (
        "exit code 137: the script was killed by SIGKILL",
        False,
    )


def test_a_script_that_says_that_its_memory_is_full(machine: Machine) -> None:
    machine.run(machine.script("echo 'MemoryError: 3 GiB' >&2; exit 1\n"))
    status = machine.status()
    assert (
        status["reason"]
        == "MemoryError: 3 GiB (exit code 1, not enough memory (a larger instance_type has more))"
    )
    assert (status["said"], status["out_of_memory"]) == ("MemoryError: 3 GiB", True)


def test_scripts_switch_nothing_off(machine: Machine) -> None:
    """Neither what they call on their PATH, nor cleanup; and cleanup removes nothing that is not the
    run's.
    """
    other = machine.root / "other"
    other.mkdir()
    text = (
        f'cleanup {other} "$userhome/in"\nfor p in shutdown poweroff reboot halt; do $p now; '
        "done\nsystemctl poweroff\n"
    )
    (machine.home / "in").mkdir()
    assert machine.run(machine.script(text)).returncode == 0
    assert other.is_dir()
    assert not (machine.home / "in").exists()
    said = machine.log("stderr").decode()
    assert f"cleanup leaves {other} alone" in said
    assert said.count("is not obeyed") == 5
