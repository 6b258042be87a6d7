"""`pulumi up` of every stack when nothing has changed, beside an empty program."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.engine import EMPTY, empty_project, timed
from benchmarks.report import ROOT, Figure, p50, say, show, wants_json
from console.stacks import all_stacks
from demo.playground import playground

RUNS = 3


def main() -> None:
    figures = []
    with playground(ROOT) as ground:
        ground.invoke("local.up")
        environ = ground.local_environment()
        bare = empty_project(ground.root.parent / EMPTY)
        ground.run(["pulumi", "stack", "init", EMPTY, "--cwd", str(bare)], environ)
        unchanged = ["--yes", "--skip-preview", "--non-interactive"]
        timed(["pulumi", "up", "--stack", EMPTY, *unchanged], bare, environ)
        base = p50(
            [timed(["pulumi", "up", "--stack", EMPTY, *unchanged], bare, environ)[0] for _ in range(RUNS)]
        )
        figures.append(Figure("empty program", base, "s", note=f"median of {RUNS}"))
        total = 0.0
        for stack in all_stacks(ground.root):
            say(f"up of {stack}")
            command = ["pulumi", "up", "--stack", stack, *unchanged]
            first, _ = timed(command, ground.root, environ)
            again = p50(
                [timed([*command, "--expect-no-changes"], ground.root, environ)[0] for _ in range(RUNS)]
            )
            total += again
            figures.append(Figure(f"{stack}, first", first, "s"))
            figures.append(
                Figure(f"{stack}, unchanged", again, "s", note=f"{again / base:.2f} x the empty program")
            )
        figures.append(Figure("all stacks, unchanged", total, "s"))
    show("unchanged_up", figures, as_json=wants_json())


if __name__ == "__main__":
    main()
