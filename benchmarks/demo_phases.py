"""The phases of `make demo`, cold and warm."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import ROOT, Figure, say, show, wants_json
from demo.playground import Playground, playground


def phases(ground: Playground, name: str) -> dict[str, float]:
    say(f"{name} run")
    ground.invoke("demo")
    summary = json.loads((ground.root / "results" / "demo" / "summary.json").read_text())
    return {phase["name"]: phase["seconds"] for phase in summary["phases"]}


def main() -> None:
    with playground(ROOT) as ground:
        cold, warm = phases(ground, "cold"), phases(ground, "warm")
    figures = [Figure(f"cold: {name}", seconds, "s") for name, seconds in cold.items()]
    figures += [Figure(f"warm: {name}", seconds, "s") for name, seconds in warm.items()]
    total_cold, total_warm = sum(cold.values()), sum(warm.values())
    figures += [
        Figure("cold: all", total_cold, "s"),
        Figure("warm: all", total_warm, "s"),
        Figure("warm / cold", total_warm / total_cold, ""),
    ]
    show("demo_phases", figures, as_json=wants_json())


if __name__ == "__main__":
    main()
