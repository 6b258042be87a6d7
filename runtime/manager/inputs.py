"""Looking up what a submission names: the datasets and the configuration."""

from __future__ import annotations

import json
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from urllib.parse import unquote

from runtime.manager.plan import display_names
from runtime.manager.port import BucketRefusedError, Cloud, ObjectTooLargeError
from runtime.protocol.config import ENSEMBLE_SIZE, MODE, TRAIN, JobConfig, max_bytes, parse_config
from runtime.protocol.keys import JobKeys
from runtime.protocol.names import key_fault
from runtime.protocol.outside import SCHEME, place_of, whole
from runtime.protocol.problems import InvalidInput, Problem, shown
from runtime.protocol.settings import AnalysisSettings
from runtime.protocol.submission import long_names

_HEADS = 3
"""Up to so many datasets of one folder are looked up one by one; more are found by listing."""
_SHOWN, _NEAR = 20, 3
"""So many missing datasets are told, and for so many of them it is looked up what may have been meant."""


def look_up(
    cloud: Cloud, settings: AnalysisSettings, keys: JobKeys, datanames: Sequence[str], configname: str, resultpath: str | None = None
) -> tuple[list[Problem], dict[str, int | None], JobConfig | None]:
    """Everything that a submission names: all problems, the datasets with their sizes, the configuration (None when faulty)."""
    problems: list[Problem] = []
    sizes, config = dict[str, int | None](), None
    try:
        sizes, problems = find_datasets(cloud, settings, datanames)
    except BucketRefusedError as error:
        problems.append(_refused("dataname", datanames[0], settings, error))
    if configname:
        try:
            config = read_config(cloud, settings, configname)
        except InvalidInput as error:
            problems += error.problems
        except BucketRefusedError as error:
            problems.append(_refused("configname", configname, settings, error))
    if resultpath is not None:
        problems += _taken(cloud, settings, resultpath)
    if config is not None and sizes:
        if config.members is not None and len(sizes) > 1:
            got = f"{len(sizes)} datasets: for ensembles, we must have only one dataset."
            do = f"Name one dataset, or leave {ENSEMBLE_SIZE} out of the configuration"
            problems.append(Problem("dataname", got, f"one dataset with {MODE}: {TRAIN} and {ENSEMBLE_SIZE}", do))
        else:
            problems += long_names(keys, display_names(sizes, config), resultpath)
    return problems, sizes, config


def _taken(cloud: Cloud, settings: AnalysisSettings, resultpath: str) -> list[Problem]:
    """A job's folder in an outside bucket is its own: another analysis or group may have used the same timestamp there."""
    bucket, folder = place_of(resultpath, settings.bucket)
    try:
        there = next(iter(cloud.objects(bucket, f"{folder}/", "", 1)), None)
    except BucketRefusedError as error:
        return [_refused("resultpath", resultpath, settings, error)]
    if there is None:
        return []
    got = f"{shown(resultpath)}, where another job's results are"
    return [Problem("resultpath", got, "a folder without a job of this timestamp", "Give another timestamp, or another resultpath")]


def _refused(field: str, path: str, settings: AnalysisSettings, error: BucketRefusedError) -> Problem:
    if place_of(path, settings.bucket)[0] == settings.bucket:
        got = f"{shown(path)}: S3 does not let the analysis read it ({error})"
        allowed = "objects that are encrypted as the bucket does it, and not archived"
        return Problem(field, got, allowed, "Upload it again, without a key of your own")
    do = "Ask the bucket's owner to let the analysis in, or the analysis's developer to correct outside_buckets in its blueprint"
    return Problem(field, f"{shown(path)}: S3 refuses access to its bucket ({error})", "a bucket that the analysis can read", do)


def find_datasets(cloud: Cloud, settings: AnalysisSettings, keys: Sequence[str]) -> tuple[dict[str, int | None], list[Problem]]:
    """The size of each dataset that exists (None for a folder), in order, and a problem for each that does not.

    A key must exist exactly; one that ends in '/' is a folder and must have at least one object in it: it is one dataset,
    or each of its objects is (`settings.folder`). Datasets of one folder are found by listing the folder, so the number of
    calls follows the number of folders.
    """
    sizes: dict[str, dict[str, int | None]] = {}
    folders: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        if key.endswith("/"):
            content = _find_folder(cloud, settings, key)
            if content:
                sizes[key] = content
        else:
            folders[key.rpartition("/")[0] + "/"].append(key)
    for folder, wanted in folders.items():
        sizes.update((key, {key: size}) for key, size in _find_files(cloud, settings, folder, wanted).items())
    missing = [key for key in keys if key not in sizes]
    problems = [_missing(cloud, "dataname", settings.bucket, key) for key in missing[:_NEAR]]
    problems += [_missing(None, "dataname", settings.bucket, key) for key in missing[_NEAR:_SHOWN]]
    if len(missing) > _SHOWN:
        problems.append(
            Problem("dataname", f"{len(missing) - _SHOWN} more that do not exist", "data that is uploaded", "Upload them first")
        )
    found = {path: size for key in keys for path, size in sizes.get(key, {}).items()}
    if len(found) > settings.max_datasets:
        got = f"folders with more than {settings.max_datasets} objects"
        do = "Split the work into several submissions"
        problems.append(Problem("dataname", got, f"up to {settings.max_datasets} datasets in a submission", do))
    return found, problems


def _find_folder(cloud: Cloud, settings: AnalysisSettings, prefix: str) -> dict[str, int | None]:
    """The datasets of a folder, at most one more than a submission may have. Empty objects whose names end in '/' are what
    consoles make to show a folder."""
    each = settings.folder == "each"
    wanted = settings.max_datasets + 1 if each else 1
    found: dict[str, int | None] = {}
    bucket, folder = place_of(prefix, settings.bucket)
    for item in cloud.objects(bucket, folder, "", 2 * wanted + 1000 if each else 2):
        if not item.key.endswith("/") or (not each and item.key != folder):
            found[item.key if bucket == settings.bucket else whole(bucket, item.key)] = item.size
        if len(found) == wanted:
            break
    return found if each else {prefix: None} if found else {}


def _find_files(cloud: Cloud, settings: AnalysisSettings, folder: str, wanted: Sequence[str]) -> dict[str, int]:
    """The sizes of those paths of one folder that exist."""
    bucket, folder = place_of(folder, settings.bucket)
    paths = {place_of(path, settings.bucket)[1]: path for path in wanted}
    return {paths[key]: size for key, size in _find_keys(cloud, bucket, folder, list(paths)).items()}


def _find_keys(cloud: Cloud, bucket: str, folder: str, wanted: Sequence[str]) -> dict[str, int]:
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
    bucket, name = place_of(key, settings.bucket)
    try:
        raw = cloud.get(bucket, name, max_bytes(key))
    except ObjectTooLargeError as error:
        allowed = f"up to {max_bytes(key)} bytes"
        raise InvalidInput([Problem("config file", f"{error.size} bytes", allowed, "Put data into the inputs folder instead")]) from error
    if raw is None:
        raise InvalidInput([_missing(cloud, "configname", settings.bucket, key)])
    return parse_config(raw, key, settings)


def _missing(cloud: Cloud | None, field: str, bucket: str, path: str) -> Problem:
    """A path at which nothing is; with a `cloud`, what may have been meant is looked up."""
    own = not path.startswith(SCHEME)
    got = f"{shown(path)}: S3 Bucket does not contain {path}"
    allowed = "the full path of an uploaded file" + (", without the bucket name" if own else "")
    do = f"Upload it to s3://{bucket}/ or correct the name" if own else "Correct the name"
    meant = _meant(cloud, *place_of(path, bucket)) if cloud else None
    if meant is not None:  # as JSON escapes it: the same letter can be written in two ways
        do = f"Write it as the bucket has it: {json.dumps(meant)}"
    return Problem(field, got, allowed, do)


def _meant(cloud: Cloud, bucket: str, key: str) -> str | None:
    """A key that is there and differs from `key` in what people do not see: the form of its letters (macOS has its own), escapes of
    a URL, blanks around it, the '/' at the end of a folder."""
    forms = [*(unicodedata.normalize(form, key) for form in ("NFC", "NFD")), unquote(key), key.strip()]
    for form in dict.fromkeys(forms):
        if form != key and key_fault(form) is None and cloud.head(bucket, form) is not None:
            return form
    if any(True for _ in cloud.objects(bucket, f"{key}/", "", 1)):
        return f"{key}/"
    return None
