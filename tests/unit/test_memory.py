"""Whether a machine's memory was not enough: what Linux counts and logs says so, not how the script ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from localcloud.fleet.runfolder import KERNEL_LOG, kernel_says
from runtime.instance.agent.memory import Memory

KILLED = "6,339,{},-;Out of memory: Killed process 12 (python3) total-vm:1kB\n SUBSYSTEM=x\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine that has been up for 100 s, on which the kernel has killed before."""
    files = {
        "proc/self/cgroup": "1:name=systemd:/x\n0::/job\n",
        "proc/uptime": "100.00 1.0\n",
        "proc/vmstat": "pgfree 7\noom_kill 3\n",
        "sys/fs/cgroup/job/memory.events": "oom 2\noom_kill 2\n",
        "dev/kmsg": KILLED.format(90 * 10**6),
        "var/log/kern.log": "Out of memory: Killed process 3 (x)\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_what_was_before_does_not_count(root: Path) -> None:
    memory = Memory(root / "state", root)
    assert not memory.ran_out(137, "Killed", own_machine=True)
    assert not Memory(root / "state", root / "nowhere").ran_out(137, "Killed", own_machine=True)


@pytest.mark.parametrize(
    ("name", "text", "anywhere"),
    [
        ("sys/fs/cgroup/job/memory.events", "oom 3\noom_kill 3\n", True),
        ("proc/vmstat", "oom_kill 4\n", False),
        ("dev/kmsg", KILLED.format(101 * 10**6), False),
        (
            "var/log/kern.log",
            "Out of memory: Killed process 3 (x)\nMay 1 x kernel: [101.0] Out of memory: "
            "Killed process 9 (y)\n",
            False,
        ),
    ],
)
def test_each_witness_counts(root: Path, name: str, text: str, anywhere: bool) -> None:
    """Those of the whole computer only where it is the job's, or SIGKILL has ended the script."""
    Memory(root / "state", root)
    (root / name).write_text(text)
    taken_over = Memory(root / "state", root)  # by a second agent
    assert taken_over.ran_out(137, "", own_machine=False)
    assert taken_over.ran_out(1, "", own_machine=True) == (name != "proc/vmstat")
    assert taken_over.ran_out(1, "", own_machine=False) == anywhere


@pytest.mark.parametrize(
    "said",
    ["MemoryError", "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 9 GiB", "std::bad_alloc"],
)
def test_the_script_may_say_it(root: Path, said: str) -> None:
    assert Memory(root / "state", root).ran_out(1, said, own_machine=False)


@pytest.mark.parametrize(
    "said", ["torch.cuda.OutOfMemoryError: CUDA out of memory.", "not my MemoryErrors", "Killed"]
)
def test_other_words_do_not(root: Path, said: str) -> None:
    assert not Memory(root / "state", root).ran_out(1, said, own_machine=True)


def test_the_local_cloud_logs_as_a_machine_does(root: Path) -> None:
    memory = Memory(root / "state", root)
    assert KERNEL_LOG == "kern.log"
    kernel_says(root / "var/log", "ip-10", "Out of memory: Killed process 7 (python3)")
    assert memory.ran_out(137, "", own_machine=True)
