"""Transfers of the analysts' library beside boto3, the AWS CLI and s5cmd, with the same server: one large
object and many small ones, up and down.

`--megabytes N` (1000) and `--files N` (10000, of 64 KB) set the sizes; the full size is 5000 and 10000;
`--rounds N` (1) takes the best of so many. The library does more than the others: each file is compared with
what is there, each download is checked by a digest, and either goes on where it was killed. The server is the
local cloud's S3, on the same processors: the ratio counts, and the load is stated.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import ROOT, Figure, say, show, wants_json
from benchmarks.transfer import AIM, BUCKET, CHUNK, SMALL, fill, option, others, timed
from demo.playground import playground

OURS = "neurocaas"


def transfer(who: str, what: str, source: str, target: str) -> None:
    """In a process of its own: `who` (this library, or boto3 as it is) moves a file or a folder."""
    import boto3

    if who == "boto3":
        _plain(boto3.client("s3"), what, source, target)
        return
    from neurocaas.bucket import Bucket, s3_client
    from neurocaas.protocol.ignored import LEFT_BEHIND
    from neurocaas.results import Fetching, fetch, wanted
    from neurocaas.uploads import Uploads

    s3 = s3_client(boto3.Session())
    if what == "up":
        path = Path(source)
        uploads = Uploads(Bucket(s3, BUCKET), lambda: s3_client(boto3.Session()), target, say)
        if path.is_dir():
            uploads.folder(path, LEFT_BEHIND)
        else:
            uploads.files([path])
        return
    entries = list(Bucket(s3, BUCKET).list(source))
    fetch(s3, wanted(BUCKET, entries, source, {}), Path(target), Fetching())


def _plain(s3: object, what: str, source: str, target: str) -> None:
    """boto3's own transfers, ten files at a time."""
    from concurrent.futures import ThreadPoolExecutor

    client: object = s3

    def up(path: Path, key: str) -> None:
        client.upload_file(str(path), BUCKET, key)  # type: ignore[attr-defined]

    def down(key: str, path: Path) -> None:
        client.download_file(BUCKET, key, str(path))  # type: ignore[attr-defined]

    with ThreadPoolExecutor(10) as pool:
        if what == "up":
            path = Path(source)
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            list(pool.map(lambda one: up(one, f"{target}/{one.name}"), files))
            return
        pages = client.get_paginator("list_objects_v2").paginate(  # type: ignore[attr-defined]
            Bucket=BUCKET, Prefix=source
        )
        keys = [one["Key"] for page in pages for one in page["Contents"]]
        list(pool.map(lambda key: down(key, Path(target) / key.rpartition("/")[2]), keys))


def commands(programs: Path, endpoint: str, work: Path) -> dict[str, dict[str, list[str]]]:
    """What is moved -> who moves it -> the command. `got` is where downloads go: they are of what the AWS CLI
    has sent."""
    ours = [sys.executable, __file__, "--as"]
    aws, s5cmd = (
        [str(programs / "aws"), "s3", "cp"],
        [str(programs / "s5cmd"), "--endpoint-url", endpoint, "cp"],
    )
    large, folder, got, base = work / "large.bin", work / "many", work / "got", f"s3://{BUCKET}"
    return {
        "one object, up": {
            OURS: [*ours, OURS, "up", str(large), "ours"],
            "boto3": [*ours, "boto3", "up", str(large), "boto3"],
            "AWS CLI": [*aws, str(large), f"{base}/aws/large.bin"],
            "s5cmd": [*s5cmd, str(large), f"{base}/s5cmd/large.bin"],
        },
        "one object, down": {
            OURS: [*ours, OURS, "down", "aws/", str(got)],
            "boto3": [*ours, "boto3", "down", "aws/", str(got)],
            "AWS CLI": [*aws, f"{base}/aws/large.bin", f"{got}/large.bin"],
            "s5cmd": [*s5cmd, f"{base}/aws/large.bin", f"{got}/large.bin"],
        },
        "many objects, up": {
            OURS: [*ours, OURS, "up", str(folder), "ours"],
            "boto3": [*ours, "boto3", "up", str(folder), "boto3-many"],
            "AWS CLI": [*aws, "--recursive", str(folder), f"{base}/aws-many"],
            "s5cmd": [*s5cmd, f"{folder}/*", f"{base}/s5cmd-many/"],
        },
        "many objects, down": {
            OURS: [*ours, OURS, "down", "aws-many/", str(got)],
            "boto3": [*ours, "boto3", "down", "aws-many/", str(got)],
            "AWS CLI": [*aws, "--recursive", f"{base}/aws-many", str(got)],
            "s5cmd": [*s5cmd, f"{base}/aws-many/*", f"{got}/"],
        },
    }


def compare(work: Path, environ: dict[str, str], megabytes: int, files: int, rounds: int) -> list[Figure]:
    """Each kind of transfer with each program."""
    say(f"making {megabytes} MiB and {files} files")
    fill(work / "large.bin", work / "many", megabytes, files)
    environ = {**environ, "NEUROCAAS_STATE_FOLDER": str(work / "state")}
    figures = []
    for name, by in commands(others(), environ["AWS_ENDPOINT_URL"], work).items():
        size = megabytes * CHUNK if name.startswith("one") else files * SMALL
        best: dict[str, tuple[float, float]] = {}
        for _ in range(rounds if name.endswith("down") else 1):  # what was sent is not sent again
            for who, command in by.items():
                say(f"{name}: {who}")
                (work / "got").mkdir()
                took = timed(command, environ)
                arrived = sum(path.stat().st_size for path in (work / "got").rglob("*.bin"))
                if name.endswith("down") and arrived != size:
                    raise RuntimeError(f"{name}: {who} has brought {arrived} of {size} bytes")
                shutil.rmtree(work / "got")
                best[who] = min(best.get(who, took), took)
        other = min(seconds for who, (seconds, _) in best.items() if who != OURS)
        load = os.getloadavg()[0]
        note = ", ".join(
            f"{who} {wall:.1f} s ({8 * size / 1e9 / wall:.2f} Gb/s; CPU {cpu:.1f} s)"
            for who, (wall, cpu) in best.items()
        )
        ratio = best[OURS][0] / other
        figures.append(
            Figure(f"{name}: time over the best other's", ratio, "x", AIM, f"{note}; load {load:.0f}")
        )
        python = min(best[who][0] for who in ("boto3", "AWS CLI"))
        figures.append(
            Figure(f"{name}: time over that of boto3 or its CLI", best[OURS][0] / python, "x", AIM)
        )
    return figures


def main() -> None:
    if "--as" in sys.argv:
        transfer(*sys.argv[sys.argv.index("--as") + 1 :])
        return
    megabytes, files = int(option("--megabytes", "1000")), int(option("--files", "10000"))
    with playground(ROOT) as ground, tempfile.TemporaryDirectory(prefix="neurocaas-transfer-") as work:
        ground.invoke("local.up")
        environ = ground.local_environment()
        import boto3

        os.environ.update(environ)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        figures = compare(Path(work), environ, megabytes, files, int(option("--rounds", "1")))
    show("client transfer", figures, as_json=wants_json())


if __name__ == "__main__":
    main()
