"""The program alone, against mocks, with many groups and analyses: resources per group, time and peak memory
of a fresh process.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import ROOT, Figure, p50, say, show, wants_json

RUNS, AIM_SECONDS, AIM_RESOURCES = 3, 6.0, 4.0
GROUPS, ANALYSES = (1, 10, 100), (1, 10)
STACKS = ("utils", "one-webdev")


def project(folder: Path, groups: int, analyses: int) -> None:
    """`one` and its copies, which every group uses. The groups have no people: those are no resources of a
    group.
    """
    names = ["one", *(f"more-{number}" for number in range(1, analyses))]
    (folder / "runtime").symlink_to(ROOT / "runtime")
    (folder / "neurocaas").symlink_to(ROOT / "neurocaas")
    for name in names:
        own = folder / "blueprints" / name
        (own / "provision").mkdir(parents=True)
        text = (
            f"schema_version: 1\nname: {name}\ntitle: x\nscript: run.sh\ninstance: {{type: "
            f"m5.large}}\nimage: {{parent: ubuntu24}}\n"
        )
        (own / "blueprint.yaml").write_text(text)
        (own / "run.sh").write_text("#!/bin/bash\ntrue\n")
        (own / "provision" / "10-tools.sh").write_text("#!/bin/bash\ntrue\n")
    uses = ", ".join(f"{name}: " for name in names)
    lines = [f"  laboratory-{number:03}: {{analyses: {{{uses}}}}}\n" for number in range(groups)]
    (folder / "groups.yaml").write_text(
        "schema_version: 1\n" + ("groups:\n" + "".join(lines) if lines else "groups: {}\n")
    )


def run(folder: Path, stack: str) -> dict[str, float]:
    """One run of the program in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", str(folder), stack], check=True, capture_output=True, text=True
    )
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def child(folder: str, stack: str) -> None:
    """Runs in the process that is measured; the outputs of `utils` are kept for the other stack."""
    begun = time.perf_counter()
    from components import program
    from tests.program.projects import REFERENCE
    from tests.program.recording import deploy

    kept = Path(folder) / "utils.json"
    references = {REFERENCE: json.loads(kept.read_text())} if kept.is_file() else {}
    done = deploy(lambda: program.outputs(Path(folder)), stack, references=references)
    seconds, cpu = time.perf_counter() - begun, time.process_time()
    if stack == "utils":
        kept.write_text(json.dumps(done.outputs))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    made = len(done.resources) - 1  # the provider is none
    sys.stdout.write(json.dumps({"seconds": seconds, "cpu": cpu, "mib": peak, "resources": made}))


def measure(groups: int, analyses: int) -> list[dict[str, float]]:
    """Medians of each stack."""
    with tempfile.TemporaryDirectory(prefix="neurocaas-") as name:
        folder = Path(name)
        project(folder, groups, analyses)
        found = []
        for stack in STACKS:
            runs = [run(folder, stack) for _ in range(RUNS)]
            found.append({key: p50([one[key] for one in runs]) for key in runs[0]})
        return found


def figures() -> Sequence[Figure]:
    base = [one["resources"] for one in measure(0, 1)]
    result = []
    for analyses in ANALYSES:
        for groups in GROUPS:
            say(f"{groups} groups, {analyses} analyses")
            for stack, empty, got in zip(STACKS, base, measure(groups, analyses), strict=True):
                where = f"{groups} x {analyses}, {stack}"
                each = (got["resources"] - empty) / groups
                note = f"{got['resources']:.0f} resources, {got['cpu']:.1f} s of CPU; median of {RUNS}"
                result.append(Figure(f"{where}: time", got["seconds"], "s", AIM_SECONDS, note))
                result.append(Figure(f"{where}: peak memory", got["mib"], "MiB"))
                result.append(Figure(f"{where}: resources per group", each, "", AIM_RESOURCES))
    return result


def main() -> None:
    show("groups x analyses, program only", figures(), as_json=wants_json())


if __name__ == "__main__":
    child(*sys.argv[2:4]) if sys.argv[1:2] == ["--child"] else main()
