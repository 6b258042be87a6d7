"""What a machine of a type may take of this host: memory, processes, disk. The kernel holds it to that, or
else the fleet.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.sandbox import disks, trees, watch
from localcloud.sandbox.limits import PROCESSES, Limit
from localcloud.tests.bases import isolated
from localcloud.tests.fleet_fakes import POOR, RunningFleet, running_fleet

pytestmark = pytest.mark.local

GROWS = (
    'python3 -c \'import time\nheld = []\nfor step in range(200): held.append(bytearray(b"x") * (8 << 20)); '
    "time.sleep(0.02)\n"
    'print("all of it")\'\necho status $?\n'
)
FORKS = (
    "python3 -c 'import os, signal\nmade = 0\ntry:\n  while made < 5000:\n    if os.fork() == 0: "
    "signal.pause()\n    made += 1\n"
    'except OSError as error: print(error.strerror)\nprint("made", made, flush=True); signal.pause()\'\n'
)


@pytest.fixture(scope="module", params=["kernel", "fleet"])
def fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFleet]:
    """A fleet on this host as it is, and one on a host that offers neither control groups nor file systems in
    files.
    """
    home = tmp_path_factory.mktemp("cloud")
    isolated(home)
    if request.param == "fleet" and os.getuid() != 0:
        pytest.skip("only root can hide what this host offers")
    with running_fleet(home, POOR if request.param == "fleet" else ()) as running:
        yield running


def said(fleet: RunningFleet) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while not (file := fleet.home / "fleet" / "status.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_what_cannot_be_held_is_said(fleet: RunningFleet) -> None:
    status = said(fleet)
    notes = " ".join(status["notes"])
    assert (status["limits"] == "rlimit") == ("no control groups can be written" in notes)
    assert (status["disks"] == "folder") == ("the size of a machine's disk is measured" in notes)
    if fleet.wrapper:
        assert (status["limits"], status["disks"]) == ("rlimit", "folder")


def test_a_script_that_takes_more_memory_than_the_type_has_is_killed_and_the_machine_goes_on(
    fleet: RunningFleet,
) -> None:
    identifier = fleet.emulator.launch(
        1, "#!/bin/bash\n" + GROWS + "echo goes on\nshutdown now\n", instance_type="t3.nano"
    )
    fleet.emulator.until_state(identifier, "terminated", 60)
    console = fleet.console(identifier)
    assert "status 137" in console
    assert "goes on" in console
    assert "Out of memory" in console


HOLDS = "python3 -c 'import time\nheld = bytearray(b\"x\") * (300 << 20); time.sleep(1)'\n"


def test_files_in_memory_count(fleet: RunningFleet) -> None:
    script = (
        f"#!/bin/bash\n{HOLDS}echo first $?\nhead -c 400M /dev/zero > /dev/shm/a\n{HOLDS}echo second "
        "$?\necho > /dev/a\nshutdown now\n"
    )
    identifier = fleet.emulator.launch(2, script, instance_type="t3.nano")
    fleet.emulator.until_state(identifier, "terminated", 60)
    console = fleet.console(identifier)
    assert "first 0" in console
    assert "No space left on device" in console  # half the memory
    assert "second 137" in console
    assert "/dev/a: Read-only file system" in console


def test_a_machine_that_makes_processes_without_end_leaves_room_for_others(fleet: RunningFleet) -> None:
    many = fleet.emulator.launch(3, "#!/bin/bash\n" + FORKS, instance_type="m5.large")
    fleet.emulator.until_state(many, "running", 60)
    if fleet.wrapper:  # root is not held by RLIMIT_NPROC
        fleet.emulator.until_state(many, "terminated", 60)
        assert "Too many processes" in fleet.console(many)
    else:
        made = int(re.findall(r"made (\d+)", fleet.console_until(many, "made ", 60))[0])
        assert 0 < made < PROCESSES
    other = fleet.emulator.launch(4, "#!/bin/bash\necho well\nshutdown now\n")
    fleet.emulator.until_state(other, "terminated", 60)
    assert "well" in fleet.console(other)
    fleet.emulator.set_state(many, "shutting-down")
    if not fleet.wrapper:
        fleet.emulator.until_state(many, "terminated", 60)
    assert len(trees.tree(fleet.pid)) < 50


def test_a_full_disk_is_an_error_of_the_script_and_no_harm_to_the_host(fleet: RunningFleet) -> None:
    error = "File too large" if said(fleet)["disks"] == "folder" else "No space left on device"
    script = (
        "#!/bin/bash\nexec 2>&1\nfallocate -l 2G /opt/one; fallocate -l 700M /opt/two; fallocate -l 700M "
        "/usr/local/three\n"
        "for i in $(seq 100); do head -c 400M /dev/zero > /opt/four || break; sleep 0.1; done; rm -f /opt/* "
        "/usr/local/three\n"
        "for i in $(seq 100); do head -c 1M /dev/zero > /opt/five && break; sleep 0.1; done 2> /dev/null\n"
        "df --output=size -BM / | tail -1\nls /opt\nshutdown now\n"
    )
    identifier = fleet.emulator.launch(5, script, volume_gib=1)
    fleet.emulator.until_state(identifier, "terminated", 60)
    console = fleet.console(identifier)
    assert f"/opt/one: fallocate failed: {error}" in console or f"fallocate failed: {error}" in console
    assert f"head: error writing 'standard output': {error}" in console
    assert "\nfive\n" in console
    if said(fleet)["disks"] == "file":
        assert 900 < int(re.findall(r"(\d+)M\n", console)[0]) <= 1024


@pytest.fixture
def hogs() -> Iterator["list[subprocess.Popen[str]]"]:
    """Two shells, each with a program that holds 150 or 20 MiB."""
    program = (
        "import sys; held = bytearray(b'x') * (int(sys.argv[1]) << 20); print('held', flush=True); "
        "sys.stdin.read()"
    )
    found = [
        subprocess.Popen(
            ["sh", "-c", '"$0" "$@"; exit $?', sys.executable, "-c", program, size],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for size in ("150", "20")
    ]
    for process in found:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
    yield found
    for process in found:
        process.communicate()


def test_a_host_without_memory_takes_it_from_the_largest_machine(
    hogs: "list[subprocess.Popen[str]]", monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    logged: list[str] = []
    monkeypatch.setattr(watch, "available_memory", lambda: 0 if hogs[0].poll() is None else 1 << 40)
    watching = watch.Watch()
    by_kernel = Limit((Path("/sys/fs/cgroup"),), {}, 8192)
    for number, process in enumerate(hogs):
        watching.add(
            str(number),
            watch.Watched(process.pid, by_kernel, lines.append, process.kill, False, logged.append),
        )
    assert hogs[0].wait(timeout=20) == 128 + 9
    assert hogs[1].poll() is None
    watching.remove("0")
    watching.remove("1")
    assert "hardly any memory left" in lines[0]
    assert logged[0].startswith("Out of memory: Killed process ")


def test_a_host_without_room_lets_no_file_grow_until_it_has_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = shutil.disk_usage(tmp_path).free
    reserve = [free * 2]
    monkeypatch.setattr(disks, "reserve_bytes", lambda folder: reserve[0])
    program = (
        "import os, time\nsaid, file = '', os.open('file', os.O_WRONLY | os.O_CREAT)\nfor _ in range(1000):\n"
        "  try:\n    os.pwrite(file, b'x', 9); now = 'grows'\n"
        "  except OSError as error: now = error.strerror\n  if now != said: print(now, flush=True); said = "
        "now\n  time.sleep(0.02)\n"
    )
    lines: list[str] = []
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "grows\n"
        watching = disks.DiskWatch(tmp_path)
        watching.add("one", disks.Measured(process.pid, tmp_path, None, lines.append))
        assert process.stdout.readline() == "File too large\n"
        reserve[0] = 0
        assert process.stdout.readline() == "grows\n"
        watching.remove("one")
        assert len(lines) == 1
        assert "hardly any room left" in lines[0]
    finally:
        process.kill()
        process.communicate()


def test_a_plain_process_is_held_too_and_leaves_nothing_running(tmp_path: Path) -> None:
    marker = f"3{os.getpid()}"
    script = (
        f"#!/bin/bash\nulimit -f\nulimit -d\nsetsid sleep {marker} & disown\n(setsid sleep {marker} "
        "&)\necho ready\n"
    )
    with running_fleet(tmp_path, POOR if os.getuid() == 0 else (), LOCALCLOUD_SANDBOX="process") as fleet:
        identifier = fleet.emulator.launch(1, script, volume_gib=2, instance_type="t3.nano")
        fleet.emulator.until_state(identifier, "running")
        console = fleet.console_until(identifier, "ready")
        assert f"{2 << 20}\n" in console  # KiB
        wait_until(lambda: len(sleepers(marker)) == 2)  # they may start after the script's last word
        fleet.emulator.set_state(identifier, "shutting-down")
        fleet.emulator.until_state(identifier, "terminated")
        wait_until(lambda: not sleepers(marker))


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert holds()


def sleepers(marker: str) -> list[Path]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cmdline").read_bytes() == f"sleep\0{marker}\0".encode():
                found.append(entry)
        except OSError:
            continue
    return found


def test_the_memory_of_a_control_group_is_all_there_is() -> None:
    parent = (
        Path("/sys/fs/cgroup/memory") if Path("/sys/fs/cgroup/memory").is_dir() else Path("/sys/fs/cgroup")
    )
    group = parent / f"localcloud-test-{os.getpid()}"
    try:
        group.mkdir()
        name = next(name for name in ("memory.max", "memory.limit_in_bytes") if (group / name).exists())
        (group / name).write_text(str(900 << 20))
    except (OSError, StopIteration):
        pytest.skip("no control groups can be written here")
    try:
        program = (
            f"import os; open('{group}/cgroup.procs', 'w').write(str(os.getpid()))\n"
            "from localcloud.sandbox import limits; print(limits.host_memory_mib(), "
            "limits.memory_mib('m5.large'))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["900", "450"]
    finally:
        group.rmdir()
