"""What the benchmarks of the engine share: an empty program to compare with, and the memory of a tree of
processes.
"""

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

EMPTY = "empty"
POLL = 0.02


def empty_project(folder: Path) -> Path:
    """A project whose program makes nothing, for what the engine costs by itself. It shares the virtual
    environment.
    """
    folder.mkdir(parents=True)
    options = "runtime:\n  name: python\n  options:\n    toolchain: pip\n    virtualenv: .venv\n"
    (folder / "Pulumi.yaml").write_text(f"name: {EMPTY}\n{options}")
    (folder / "__main__.py").write_text("import pulumi  # noqa: F401\n")
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def timed(command: list[str], cwd: Path, environ: Mapping[str, str]) -> tuple[float, float]:
    """Run a command and return its seconds and the greatest memory (MiB, proportional) of it and its children
    at any moment.
    """
    begun, peak = time.monotonic(), 0.0
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=dict(environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    ) as child:
        while child.poll() is None:
            peak = max(peak, sum(memory(pid) for pid in family(child.pid)))
            time.sleep(POLL)
        seconds = time.monotonic() - begun
        if child.returncode != 0:
            raise RuntimeError(
                f"{' '.join(command)} ended with "
                f"{child.returncode}\n{(child.stderr.read() if child.stderr else b'').decode()}"
            )
    return seconds, peak


def family(root: int) -> list[int]:
    """A process and all that descend from it, from /proc."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, todo = [], [root]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def memory(pid: int) -> float:
    """MiB of a process, pages shared with others counted by their share; 0 when it has ended."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        return 0.0
    return 0.0
