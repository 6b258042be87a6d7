"""Sends a file to an S3 without TLS and gets it back by the AWS Common Runtime; run with a Python that has
awscrt.

`crt_program.py HOST BUCKET FILE BACK` prints the SHA-256 of what came back, that of what was read, and what
was refused.
"""

import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from runtime.instance.agent.crt import Runtime
from runtime.instance.agent.reading import FileReading
from runtime.instance.agent.storage import Location, StorageError

ETAG = "*"
"""Of any object that is there."""


def main(host: str, bucket: str, file: str, back: str) -> None:
    runtime = Runtime(
        "us-east-1",
        lambda: ("test", "test", None),
        lambda place: (host, f"/{place.bucket}/{place.key}"),
        encrypted=False,
    )
    place, digest = Location(bucket, "lab/results/by-runtime.bin"), hashlib.sha256()
    with FileReading(Path(file)) as reading:
        runtime.upload(reading, place)
    runtime.download(place, Path(back), digest.update, ETAG)
    sys.stdout.write(f"{digest.hexdigest()}\n{reading.sha256}\n")
    for other, etag in (
        (Location(bucket, "lab/results/nothing"), ETAG),
        (place, '"0123456789abcdef0123456789abcdef"'),
    ):
        try:
            runtime.download(other, Path(back), digest.update, etag)
        except StorageError as error:
            sys.stdout.write(f"refused: {error}\n")
    with FileReading(Path(file), last=False) as reading:
        Path(file).touch()
        if runtime.upload(reading, Location(bucket, "lab/results/changed.bin")) is not None:
            raise SystemExit("a file that has changed was sent")


if __name__ == "__main__":
    main(*sys.argv[1:])
