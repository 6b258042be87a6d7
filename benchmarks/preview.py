"""`pulumi preview` of every stack: time and peak memory, beside an empty program."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.engine import EMPTY, empty_project, timed
from benchmarks.report import ROOT, Figure, p50, say, show, wants_json
from console.stacks import all_stacks
from demo.playground import playground

RUNS, AIM_SECONDS = 3, 3.0


def main() -> None:
    figures = []
    with playground(ROOT) as ground:
        ground.invoke("local.up")
        environ = ground.local_environment()
        bare = empty_project(ground.root.parent / EMPTY)
        ground.run(["pulumi", "stack", "init", EMPTY, "--cwd", str(bare)], environ)
        base = [
            timed(["pulumi", "preview", "--stack", EMPTY, "--non-interactive"], bare, environ)
            for _ in range(RUNS)
        ]
        base_seconds = p50([seconds for seconds, _ in base])
        figures.append(
            Figure("empty program", base_seconds, "s", note="the engine and the language host by themselves")
        )
        for stack in all_stacks(ground.root):
            say(f"preview of {stack}")
            command = ["pulumi", "preview", "--stack", stack, "--non-interactive"]
            runs = [timed(command, ground.root, environ) for _ in range(RUNS)]
            seconds = p50([one for one, _ in runs])
            figures.append(
                Figure(
                    stack,
                    seconds,
                    "s",
                    AIM_SECONDS,
                    f"{seconds / base_seconds:.2f} x the empty program; median of {RUNS}",
                )
            )
            figures.append(
                Figure(
                    f"{stack}, peak memory",
                    max(one for _, one in runs),
                    "MiB",
                    note="CLI, language host, provider",
                )
            )
            if stack == "utils":
                # the others read its outputs
                ground.pulumi("up", "--yes", "--skip-preview", "--stack", stack)
    show("preview", figures, as_json=wants_json())


if __name__ == "__main__":
    main()
