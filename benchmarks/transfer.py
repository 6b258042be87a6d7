"""Transfers of the machines' agent against the AWS CLI, with the same server: one large object and many small ones, up and down.

`--megabytes N` (1000) and `--files N` (10000, of 64 KB) set the sizes. `--awscli PATH` is the program to compare with; without it, one
is put into a virtual environment in the user's cache. The server is the local cloud's S3 and keeps up with neither: the ratio counts.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import ROOT, Figure, say, show, wants_json
from demo.playground import playground
from localcloud.cache import cache_home

AIM = 1 / 0.9
"""Our time over the CLI's: at least 0.9 of its speed."""

CHUNK, SMALL = 1 << 20, 64 << 10
BUCKET = "transfer-benchmark"
AGENT = ROOT / "runtime" / "instance" / "agent" / "__main__.py"


def option(name: str, default: str) -> str:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


def awscli() -> str:
    given = option("--awscli", "")
    if given:
        return given
    environment = cache_home() / "awscli"
    if not (environment / "bin" / "aws").is_file():
        say("installing awscli")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
        subprocess.run([str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "awscli"], check=True)
    return str(environment / "bin" / "aws")


def timed(command: list[str], environ: dict[str, str]) -> float:
    begun = time.perf_counter()
    done = subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return time.perf_counter() - begun


def fill(large: Path, folder: Path, megabytes: int, files: int) -> None:
    with large.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(CHUNK))
    folder.mkdir()
    for number in range(files):
        (folder / f"{number:05d}.bin").write_bytes(os.urandom(SMALL))


def compare(work: Path, environ: dict[str, str], megabytes: int, files: int) -> list[Figure]:
    """Each kind of transfer with the CLI, then with the agent."""
    large, folder = work / "large.bin", work / "many"
    say(f"making {megabytes} MiB and {files} files")
    fill(large, folder, megabytes, files)
    agent, aws = [sys.executable, "-E", "-s", str(AGENT)], [awscli(), "s3"]
    base = f"s3://{BUCKET}"
    pairs = {
        "one object, up": ([*aws, "cp", str(large), f"{base}/g/cli/large.bin"], [*agent, "upload", str(large), BUCKET, "g", "own"]),
        "one object, down": (
            [*aws, "cp", f"{base}/g/cli/large.bin", str(work / "cli.bin")],
            [*agent, "download", "g/own/large.bin", BUCKET, str(work / "own")],
        ),
        "many objects, up": (
            [*aws, "cp", "--recursive", str(folder), f"{base}/g/cli-many"],
            [*agent, "upload", str(folder), BUCKET, "g", "own-many"],
        ),
        "many objects, down": (
            [*aws, "cp", "--recursive", f"{base}/g/cli-many", str(work / "cli-many")],
            [*agent, "download-folder", "g/own-many", BUCKET, str(work / "own-many")],
        ),
    }
    figures = []
    for name, (theirs, ours) in pairs.items():
        say(name)
        cli, own = timed(theirs, environ), timed(ours, environ)
        size = megabytes * CHUNK if name.startswith("one") else files * SMALL
        note = f"{own:.1f} s ({8 * size / 1e9 / own:.2f} Gb/s), AWS CLI {cli:.1f} s ({8 * size / 1e9 / cli:.2f} Gb/s)"
        figures.append(Figure(f"{name}: time over the CLI's", own / cli, "x", AIM, note))
        for copy in ("cli.bin", "own", "cli-many", "own-many"):
            path = work / copy
            (shutil.rmtree if path.is_dir() else Path.unlink)(path) if path.exists() else None
    return figures


def main() -> None:
    megabytes, files = int(option("--megabytes", "1000")), int(option("--files", "10000"))
    with playground(ROOT) as ground, tempfile.TemporaryDirectory(prefix="neurocaas-transfer-") as work:
        ground.invoke("local.up")
        environ = ground.local_environment()
        import boto3

        os.environ.update(environ)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        figures = compare(Path(work), environ, megabytes, files)
    show("transfer", figures, as_json=wants_json())


if __name__ == "__main__":
    main()
