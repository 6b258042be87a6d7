"""Looking up what a submission names: the datasets and the configuration."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from runtime.manager.port import Cloud, ObjectTooLargeError
from runtime.protocol.config import JobConfig, max_bytes, parse_config
from runtime.protocol.problems import InvalidInput, Problem, shown
from runtime.protocol.settings import AnalysisSettings

_HEADS = 3
"""Up to so many datasets of one folder are looked up one by one; more are found by listing."""
_SHOWN = 20


def find_datasets(cloud: Cloud, bucket: str, keys: Sequence[str]) -> tuple[dict[str, int | None], list[Problem]]:
    """The size of each dataset that exists (None for a folder), and a problem for each that does not.

    A key must exist exactly; one that ends in '/' is a folder and must have at least one object in it. Datasets of one
    folder are found by listing the folder, so the number of calls follows the number of folders.
    """
    sizes: dict[str, int | None] = {}
    folders: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        if key.endswith("/"):
            if any(item.key != key for item in cloud.objects(bucket, key, "", 2)):
                sizes[key] = None
        else:
            folders[key.rpartition("/")[0] + "/"].append(key)
    for folder, wanted in folders.items():
        sizes.update(_find_files(cloud, bucket, folder, wanted))
    missing = [key for key in keys if key not in sizes]
    problems = [_missing("dataname", bucket, key) for key in missing[:_SHOWN]]
    if len(missing) > _SHOWN:
        problems.append(
            Problem("dataname", f"{len(missing) - _SHOWN} more that do not exist", "data that is uploaded", "Upload them first")
        )
    return sizes, problems


def _find_files(cloud: Cloud, bucket: str, folder: str, wanted: Sequence[str]) -> dict[str, int]:
    rest = sorted(wanted, key=_s3_order)
    found: dict[str, int] = {}
    if len(rest) > _HEADS:
        looked_for, last = frozenset(rest), _s3_order(rest[-1])
        # Ten times as many objects as wanted (at least two pages): a folder with a million others is not read to its end.
        limit, count, behind = max(2000, 10 * len(rest)), 0, b""
        for item in cloud.objects(bucket, folder, _before(rest[0], folder), limit):
            count, behind = count + 1, _s3_order(item.key)
            if item.key in looked_for:
                found[item.key] = item.size
            if behind >= last:
                break
        rest = [key for key in rest if _s3_order(key) > behind] if count == limit else []
    for key in rest:
        head = cloud.head(bucket, key)
        if head is not None:
            found[key] = int(head["size"])
    return found


def _s3_order(key: str) -> bytes:
    """S3 lists keys in the order of their UTF-8 bytes."""
    return key.encode()


def _before(key: str, folder: str) -> str:
    """A key that sorts directly before `key` for practical purposes: `StartAfter` excludes the key itself."""
    return key[:-1] if len(key) > len(folder) + 1 else ""


def read_config(cloud: Cloud, settings: AnalysisSettings, key: str) -> JobConfig:
    """Fetch and check the configuration. Raises InvalidInput."""
    try:
        raw = cloud.get(settings.bucket, key, max_bytes(key))
    except ObjectTooLargeError as error:
        allowed = f"up to {max_bytes(key)} bytes"
        raise InvalidInput([Problem("config file", f"{error.size} bytes", allowed, "Put data into the inputs folder instead")]) from error
    if raw is None:
        raise InvalidInput([_missing("configname", settings.bucket, key)])
    return parse_config(raw, key, settings)


def _missing(field: str, bucket: str, key: str) -> Problem:
    got = f"{shown(key)}: S3 Bucket does not contain {key}"
    return Problem(
        field, got, "the full path of an uploaded file, without the bucket name", f"Upload it to s3://{bucket}/ or correct the name"
    )
