"""Set-up: `make setup` when everything is there, and, with `--cold`, every step of it in a fresh clone with
an empty cache.

The cold run uses the package indexes and module proxies of this machine; a build of the Pulumi CLI in it
takes some minutes.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import ROOT, Figure, p50, say, show, wants_json

REPEATS, AIM = 20, 0.3
DONE = re.compile(r"^([^:(]+)[:(].* done in (?:(\d+) min )?(\d+) s$", re.MULTILINE)


def once(root: Path, variables: dict[str, str]) -> tuple[float, str]:
    """Seconds of one set-up, and what it said."""
    begun = time.perf_counter()
    done = subprocess.run(
        ["make", "setup"],
        cwd=root,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begun
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return seconds, done.stderr


def cold() -> list[Figure]:
    """The steps of a set-up from nothing."""
    with tempfile.TemporaryDirectory(prefix="neurocaas-setup-") as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        say("a set-up from nothing")
        seconds, said = once(
            clone, {"HOME": folder, "XDG_CACHE_HOME": f"{folder}/cache", "GOFLAGS": "-modcacherw"}
        )
    steps = [
        Figure(f"cold: {name.strip()}", 60.0 * int(minutes or 0) + int(rest), "s")
        for name, minutes, rest in DONE.findall(said)
    ]
    return [*steps, Figure("cold: everything", seconds, "s")]


def main() -> None:
    once(ROOT, {})
    warm = p50([once(ROOT, {})[0] for _ in range(REPEATS)])
    figures = [Figure("warm: everything is there", warm, "s", AIM, f"median of {REPEATS}")]
    if "--cold" in sys.argv[1:]:
        figures += cold()
    show("setup_time", figures, as_json=wants_json())


if __name__ == "__main__":
    main()
