"""What goes wrong around a script: the final status is right in the end, and nothing that was written is
lost.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shell.machines import PYTHON, Machine, new_machine, until
from tests.shell.sandboxes import sandbox
from tests.shell.services import Objects

JOB = "mock/lab/results/job_1"


@pytest.fixture
def objects() -> Iterator[Objects]:
    made = Objects()
    made.objects = {"mock/lab/inputs/data.zip": b"the data", "mock/lab/configs/config.json": b"{}"}
    yield made
    made.close()


def log(objects: Objects, stream: str) -> bytes:
    prefix = f"{JOB}/logs/data.zip/{stream}."
    return b"".join(body for key, body in sorted(objects.objects.items()) if key.startswith(prefix))


def status(objects: Objects) -> dict[str, object]:
    return dict(json.loads(objects.objects[f"{JOB}/logs/DATASET_NAME:data.zip_STATUS.txt"]))


SCRIPT = """errorlog
echo begun
download "$inputpath" "$bucketname" "$userhome/in"
cp "$userhome/in/$dataname" "$NEUROCAAS_OUTPUT/copy"
upload "$NEUROCAAS_OUTPUT" "$bucketname" "$groupdir" "$processdir"
exit 3
"""


def test_s3_is_away_for_a_while(machine: Machine, objects: Objects) -> None:
    objects.away = True
    command = machine.arguments(machine.script(SCRIPT))
    with subprocess.Popen(
        command, env=objects.environment(machine.environment), stderr=subprocess.PIPE, text=True
    ) as running:
        until(lambda: objects.refused > 3, 60)
        objects.away = False
        _, said = running.communicate(timeout=90)
    assert running.returncode == 3, said + (machine.tree / "joberror.txt").read_text()
    assert (status(objects)["status"], status(objects)["exit_code"]) == ("FAILED", 3)
    assert objects.objects[f"{JOB}/process_results/copy"] == b"the data"
    assert log(objects, "stdout") == (machine.tree / "joboutput.txt").read_bytes()
    assert log(objects, "stderr") == (machine.tree / "joberror.txt").read_bytes()


def test_s3_goes_away_at_the_end(machine: Machine, objects: Objects) -> None:
    """The script is done, the machine waits with its last reports."""
    done_script = machine.root / "done"
    script = machine.script(f"errorlog\necho one\necho > {done_script}\nexit 3\n")
    objects.away = True
    with subprocess.Popen(
        machine.arguments(script), env=objects.environment(machine.environment), stderr=subprocess.DEVNULL
    ) as running:
        until(done_script.exists)
        until(lambda: objects.refused > 5)
        assert running.poll() is None
        objects.away = False
        assert running.wait(60) == 3
    assert status(objects)["status"] == "FAILED"
    assert log(objects, "stdout") == b"one\n"
    assert f"{JOB}/process_results/update.txt" in objects.objects


def test_a_network_that_is_away(machine: Machine, objects: Objects) -> None:
    """Nobody listens at the address; the analysis is not held up, and the status is left in the console
    log.
    """
    objects.close()
    environment = {**objects.environment(machine.environment), "NEUROCAAS_PATIENCE": "2"}
    script = machine.script(f"errorlog\necho works\necho > {machine.root}/ran\nexit 3\n")
    done = subprocess.run(
        machine.arguments(script), env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 3
    assert (machine.root / "ran").exists()
    assert "A report could not be sent, the analysis goes on" in done.stderr
    assert '"exit_code": 3' in done.stderr
    assert (machine.tree / "joboutput.txt").read_text() == "works\n"


JUMPED = """
import runpy, sys, time
real = time.time
time.time = lambda: real() + 3600
sys.argv = sys.argv[3:]  # without -E -s
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_clock_that_jumps(machine: Machine) -> None:
    """The time service sets the clock an hour forward just after the script started: its thirty minutes are
    not over.
    """
    jumped, python = machine.root / "jumped.py", machine.root / "python"
    jumped.write_text(JUMPED)
    python.write_text(f'#!/bin/bash\nexec "{PYTHON}" "{jumped}" "$@"\n')
    python.chmod(0o755)
    done = machine.run(
        machine.script("sleep 1.5\n"), NEUROCAAS_PYTHON=str(python), NEUROCAAS_DURATION_MINUTES="30"
    )
    assert (done.returncode, machine.status()["status"]) == (0, "SUCCESS"), machine.status()["reason"]


FILLS = """errorlog
echo before
head -c 30000000 /dev/zero > "$neurocaasrootdir/big"
echo never
"""


def test_a_full_disk(machine: Machine) -> None:
    """Code, logs, home and temporary files on a disk of 8 MB, as they are on one disk of a machine."""
    room = sandbox("--size", "8000000", "--tmpfs", "/home")
    if room is None:
        pytest.skip("bubblewrap is not here or not allowed")
    script = machine.script(FILLS)
    _, _, *arguments = machine.arguments(script)
    start = (
        f"mkdir -p /home/ubuntu/tmp; cp -r {machine.tree} /home/ubuntu/code; exec bash "
        '/home/ubuntu/code/run_main.sh "$@"'
    )
    environment = {**machine.environment, "TMPDIR": "/home/ubuntu/tmp", "NEUROCAAS_USERHOME": "/home/ubuntu"}
    done = subprocess.run(
        [*room, "bash", "-c", start, "start", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    found = machine.status()
    assert found["status"] == "FAILED"
    assert "the disk is full (a larger __dataset_size__" in found["reason"]
    assert found["last_command"].startswith("head -c 30000000")
    assert machine.log("stdout") == b"before\n"
    assert (machine.job / "process_results" / "config.json").is_file()


def test_a_gigabyte_of_output(machine: Machine) -> None:
    done = machine.run(machine.script(f"errorlog\nyes '{'x' * 99}' | head -c 1000000000\nexit 3\n"))
    assert done.returncode == 3, done.stderr
    pieces = sorted((machine.job / "logs" / "data.zip").glob("stdout.*"))
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        content = piece.read_bytes()
        assert len(content) <= 8 << 20
        size += len(content)
        digest.update(content)
    assert (128 << 20) - 4096 < size <= 128 << 20  # its beginning and its end, by default
    texts = [piece.read_bytes() for piece in pieces]
    assert texts[0].startswith(b"x" * 99 + b"\n")
    assert b"".join(texts).count(b"NeuroCAAS") == 1  # says how much is left out
    # what is left out takes no disk either
    assert (machine.tree / "joboutput.txt").stat().st_blocks * 512 < 256 << 20
    assert machine.status()["exit_code"] == 3
    assert len(json.dumps(machine.status())) < 40_000


def test_only_a_bare_machine_is_needed(machine: Machine) -> None:
    """Bash, a few coreutils and a Python without packages; no HOME."""
    bare = machine.root / "bare"
    bare.mkdir()
    for name in ("bash", "basename", "cat", "chmod", "dirname", "ln", "mkdir", "mkfifo", "mktemp", "rm"):
        found = next(folder for folder in ("/usr/bin", "/bin") if os.path.exists(f"{folder}/{name}"))
        (bare / name).symlink_to(f"{found}/{name}")
    plain = machine.root / "plain"
    plain.write_text(f'#!{bare}/bash\nexec "{os.path.realpath(PYTHON)}" -S "$@"\n')
    plain.chmod(0o755)
    text = (
        'errorlog\ndownload "$inputpath" "$bucketname" in\naccessdir out\nupload in "$bucketname" '
        '"$groupdir" "$processdir"\nexit 3\n'
    )
    environment = {**machine.environment, "PATH": str(bare), "NEUROCAAS_PYTHON": str(plain)}
    del environment["HOME"]
    arguments = [str(bare / "bash"), *machine.arguments(machine.script(text))[1:]]
    done = subprocess.run(
        arguments, env=environment, cwd=machine.home, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 3, done.stderr + (machine.tree / "joberror.txt").read_text()
    assert (machine.job / "process_results" / "data.zip").read_text() == "the data"
    assert machine.status()["exit_code"] == 3


@pytest.mark.skipif(os.getuid() != 0, reason="all tests run as an ordinary user here")
def test_an_ordinary_user_runs_it_too() -> None:
    """As on a laptop: nothing of the root user is used, and the machine's own Python is enough."""
    with tempfile.TemporaryDirectory(prefix="neurocaas-user-") as folder:
        machine = new_machine(Path(folder) / "machine")
        machine.put("lab/inputs/data.zip", "the data")
        machine.put("lab/configs/config.json", "{}")
        text = (
            'errorlog\nid -u\ndownload "$inputpath" "$bucketname" in\nupload in "$bucketname" "$groupdir" '
            '"$processdir"\ncat /root/x\n'
        )
        script = machine.script(text)
        for path in [Path(folder), *Path(folder).rglob("*")]:
            os.chown(path, 65534, 65534, follow_symlinks=False)
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *machine.arguments(script)]
        environment = {**machine.environment, "NEUROCAAS_PYTHON": "/usr/bin/python3", "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            command, env=environment, cwd=machine.home, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 1, done.stderr
        status = machine.status()
        assert (status["status"], status["stdout"]["0"]) == ("FAILED", "65534")
        assert (machine.job / "process_results" / "data.zip").read_text() == "the data"
