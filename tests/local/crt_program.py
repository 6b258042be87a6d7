"""Sends a file to an S3 without TLS and gets it back by the AWS Common Runtime; run with a Python that has awscrt.

`crt_program.py HOST BUCKET FILE BACK` prints the SHA-256 of what came back.
"""

import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from runtime.instance.agent.crt import Runtime
from runtime.instance.agent.storage import Location, StorageError


def main(host: str, bucket: str, file: str, back: str) -> None:
    runtime = Runtime("us-east-1", lambda: ("test", "test", None), lambda place: (host, f"/{place.bucket}/{place.key}"), encrypted=False)
    place, digest = Location(bucket, "lab/results/by-runtime.bin"), hashlib.sha256()
    runtime.upload(Path(file), place)
    runtime.download(place, Path(back), digest.update)
    sys.stdout.write(digest.hexdigest() + "\n")
    try:
        runtime.download(Location(bucket, "lab/results/nothing"), Path(back), digest.update)
    except StorageError as error:
        sys.stdout.write(f"refused: {error}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
