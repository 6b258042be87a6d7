"""What a watched folder costs at 100,000 objects, beside listing it once.

The sweep's own code over HTTP against the control plane of a local cloud (without its fleet); the ledger and
the manager are left out. The objects are a month old, as most are in a folder that has been watched for long.
Sweeps are five minutes apart by a clock of the benchmark's own, for half a day.
"""

import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.emulated import bare_cloud
from benchmarks.report import Figure, say, show, wants_json

OBJECTS, SWEEPS = 100_000, 144
BUCKET, GROUP, PREFIX = "analysis", "lab", "lab/inputs/rig1/"


def main() -> None:
    with bare_cloud():
        figures = _measured()
    show(f"Watching a folder of {OBJECTS:,} objects", figures, as_json=wants_json())


def _measured() -> list[Figure]:
    from neurocaas.protocol.documents import iso
    from neurocaas.protocol.watches import Watch
    from runtime.aws.clients import Clients
    from runtime.monitor import folders
    from runtime.monitor.objects import ConfinedObjects
    from runtime.monitor.port import Deployed

    class Cloud(ConfinedObjects):
        """Objects as the sweep reads them; what it submits is only noted."""

        sent: list[str]
        watching: tuple[Watch, ...]

        def put(
            self,
            bucket: str,
            key: str,
            body: str,
            *,
            if_absent: bool = False,
            metadata: Mapping[str, str] | None = None,
        ) -> bool:
            self.clients.s3.put_object(Bucket=bucket, Key=key, Body=body.encode())
            return True

        def watches(self) -> Any:
            return ((one, "") for one in self.watching)

        def analyses(self) -> Any:
            return iter([Deployed(BUCKET, (GROUP,), "queue", "dti-webdev")])

        def committed_of_cap(self, cap: str) -> int:
            return 0

        def submit(self, queue_url: str, bucket: str, files: Mapping[str, str]) -> str | None:
            self.sent.append(list(files)[-1])
            return None

    cloud = Cloud(Clients(3))
    cloud.sent, s3 = [], cloud.clients.s3
    s3.create_bucket(Bucket=BUCKET)
    say(f"writing {OBJECTS:,} objects")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: _write(s3, f"{number:06}.nwb"), range(OBJECTS)))
    calls = list[str]()
    s3.meta.events.register("before-call.s3", lambda model, **_: calls.append(model.name))
    begun = time.perf_counter()
    assert sum(1 for _ in cloud.files(BUCKET, PREFIX)) == OBJECTS
    listing, listed = len(calls), time.perf_counter() - begun
    now = datetime.now(UTC) + timedelta(days=30)
    made = now - timedelta(days=29)
    cloud.watching = (
        Watch(
            *(BUCKET, GROUP, "rig1", "on", "ann", PREFIX, "c", "c", 600, 10**9, 10**5),
            *("files", "**", False, iso(made), iso(now + timedelta(days=30))),
        ),
    )
    counts, seconds = list[int](), list[float]()
    for _ in range(SWEEPS):
        now += timedelta(minutes=5)
        calls.clear()
        begun = time.perf_counter()
        at = now
        faults = folders.watch_folders(cloud, lambda at=at: at, lambda text, job: None)  # type: ignore[arg-type,misc]
        assert faults == [], faults
        seconds.append(time.perf_counter() - begun)
        counts.append(calls.count("ListObjectsV2"))
    day = 2 * sum(counts)
    mean = sum(counts) / len(counts)
    return [
        Figure("a plain listing", listing, "req", None, f"{listed:.1f} s"),
        Figure("a sweep at most", max(counts), "req", 25, f"{max(seconds):.2f} s"),
        Figure("a sweep on average", mean, "req", 10, f"{sum(seconds) / len(seconds):.2f} s"),
        Figure("a day", day, "req", None, "288 sweeps"),
        Figure("ratio", day / (288 * listing), "x", 0.1, "a day / a listing in each sweep"),
        Figure("a month", day * 30 * 0.005 / 1000, "USD", 1, "at $0.005 for 1,000 requests to list"),
    ]


def _write(s3: Any, name: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}{name}", Body=b"x")


if __name__ == "__main__":
    main()
