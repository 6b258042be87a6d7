"""Looking up what a submission names: the datasets and the configuration, each as it is now, before a machine
reads it.

What is found is pinned (`protocol.pins`): size, ETag and, in the analysis's own bucket, the version,
so that a machine gets what was submitted although it was replaced since. Few objects are asked for one by
one; many of one folder are found by listing the versions of the folder, a thousand in a call, as many calls
as for their names. Of outside buckets the ETag alone is pinned: to list and to read versions, their owners
would have to grant two more rights, and that an object was replaced is seen by its ETag as well. Addresses in
the world are never asked for anything here: they bring their size and digest with them.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import unquote

from neurocaas.protocol.addresses import is_address, parse_address
from neurocaas.protocol.chain import PROCESS
from neurocaas.protocol.config import (
    ENSEMBLE_SIZE,
    MODE,
    TRAIN,
    JobConfig,
    max_bytes,
    overridden,
    parse_config,
)
from neurocaas.protocol.disk import room
from neurocaas.protocol.ignored import is_ignored
from neurocaas.protocol.job import ConfigSource
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.limits import FOLDER_MAX_OBJECTS, FOLDERS_MAX_OBJECTS
from neurocaas.protocol.manifest import MANIFEST_MAX_BYTES, parse_manifest, told
from neurocaas.protocol.names import folder_faults, key_fault
from neurocaas.protocol.outside import SCHEME, place_of, whole
from neurocaas.protocol.pins import Pin
from neurocaas.protocol.plan import DatasetInput, FoundInputs, ManifestRead, ReadConfig, planned_runs
from neurocaas.protocol.problems import InvalidInput, Problem, shown
from neurocaas.protocol.required import fits
from neurocaas.protocol.settings import AnalysisSettings
from neurocaas.protocol.submission import Submission, long_names, with_manifest
from neurocaas.protocol.sweep import SWEEP
from runtime.manager.following import Results
from runtime.manager.port import (
    BucketRefusedError,
    ManagerCloud,
    ObjectTooLargeError,
    ReadObject,
    StoredObject,
)

_HEADS = 3
"""Up to so many datasets of one folder are looked up one by one; more are found by listing."""
_SHOWN, _NEAR = 20, 3
"""So many missing datasets are told, and for so many of them it is looked up what may have been meant."""


def look_up(
    cloud: ManagerCloud,
    settings: AnalysisSettings,
    keys: JobKeys,
    datanames: Sequence[str],
    configname: str,
    resultpath: str | None = None,
    taken: Results | None = None,
    manifest: ManifestRead | None = None,
) -> FoundInputs:
    """Everything that a submission names, with all problems; the configuration is None when it is faulty.
    `taken`: what it takes of an earlier job; `manifest`: what lists its datasets."""
    found = FoundInputs(manifest=manifest, hidden=taken.hidden if taken else frozenset())
    try:
        find_datasets(cloud, settings, datanames, found)
        if taken is not None and taken.patterns and not found.problems:
            _find_results(cloud, settings, taken, found)
    except BucketRefusedError as error:
        where = datanames[0] if datanames else taken.earlier.path(settings.bucket, PROCESS) if taken else ""
        found.problems.append(_refused("dataname", where, settings, error))
    problems = found.problems
    if configname:
        try:
            found.config = read_config(cloud, settings, configname)
        except InvalidInput as error:
            problems += error.problems
        except BucketRefusedError as error:
            problems.append(_refused("configname", configname, settings, error))
    if resultpath is not None:
        problems += _taken(cloud, settings, resultpath)
    if found.config is not None and found.inputs:
        config = found.config.config
        if manifest is not None:
            problems += _own_parameters(settings, config, manifest, found)
        if config.members is not None and len(found.inputs) > 1:
            got = f"{len(found.inputs)} datasets: for ensembles, we must have only one dataset."
            do = f"Name one dataset, or leave {ENSEMBLE_SIZE} out of the configuration"
            problems.append(
                Problem("dataname", got, f"one dataset with {MODE}: {TRAIN} and {ENSEMBLE_SIZE}", do)
            )
        elif (count := len(found.inputs) * config.runs) > settings.limits.datasets and config.combinations:
            problems.append(_too_many_runs(len(found.inputs), config.runs, count, settings.limits.datasets))
        else:
            names = [run.name for run in planned_runs(found.inputs, config, found.own)]
            problems += long_names(keys, names, resultpath)
        try:
            found.dataset_size_gib = room(
                settings.disk_rules,
                config.dataset_size_gib,
                {path: one.size for path, one in found.inputs.items()},
            )
        except InvalidInput as error:
            problems += error.problems
    return found


def _own_parameters(
    settings: AnalysisSettings, config: JobConfig, manifest: ManifestRead, found: FoundInputs
) -> list[Problem]:
    """Give each dataset the parameters that its line of the manifest has, checked with the configuration.
    A folder each of whose objects is a dataset hands them on."""
    lines = [line for line in manifest.lines if line.parameters]
    if not lines:
        return []
    if config.combinations or config.members is not None:
        what = SWEEP if config.combinations else ENSEMBLE_SIZE
        got, allowed = f"parameters in a manifest, and {what} in the configuration", "one of them"
        return [Problem("manifest", got, allowed, "Leave one of the two out")]
    problems = list[Problem]()
    for line in lines:
        own, wrong = overridden(config, line.parameters, settings)
        problems += [replace(one, field=f"{line.place}, {one.field}") for one in wrong]
        path = line.dataset.removeprefix(f"{SCHEME}{settings.bucket}/")
        below = [path] if path in found.inputs else [one for one in found.inputs if one.startswith(path)]
        found.own.update(dict.fromkeys(below, own))
    return told(problems)


def read_manifest(
    cloud: ManagerCloud, settings: AnalysisSettings, submission: Submission
) -> tuple[Submission, ManifestRead]:
    """The submission with the datasets that its manifest lists, read once: what is checked is what is pinned.
    Raises InvalidInput."""
    key = submission.manifest
    try:
        content = cloud.read(settings.bucket, key, MANIFEST_MAX_BYTES)
    except ObjectTooLargeError as error:
        allowed = f"up to {MANIFEST_MAX_BYTES} bytes"
        raise InvalidInput([Problem("manifest", f"{error.size} bytes", allowed, "Split it")]) from error
    except BucketRefusedError as error:
        raise InvalidInput([_refused("manifest", key, settings, error)]) from error
    if content is None:
        raise InvalidInput([_missing(cloud, "manifest", settings.bucket, key)])
    lines = parse_manifest(content.body, key, settings.parameters, settings.limits.datasets)
    source = ConfigSource(content.etag, content.version_id, hashlib.sha256(content.body).hexdigest())
    read = ManifestRead(tuple(lines), content.body, source)
    return with_manifest(submission, lines, settings), read


def _too_many_runs(datasets: int, combinations: int, count: int, limit: int) -> Problem:
    """Those of a sweep: each combination with each dataset is one."""
    got = f"{combinations} combinations for {datasets} dataset{'' if datasets == 1 else 's'}: {count} runs"
    do = "Take fewer values or datasets, or split it into several jobs"
    return Problem(f"config {SWEEP}", got, f"up to {limit} datasets in a submission", do)


def _taken(cloud: ManagerCloud, settings: AnalysisSettings, resultpath: str) -> list[Problem]:
    """A job's folder in an outside bucket is its own: another analysis or group may have used the same
    timestamp there.
    """
    bucket, folder = place_of(resultpath, settings.bucket)
    try:
        there = next(iter(cloud.objects(bucket, f"{folder}/", "", 1)), None)
    except BucketRefusedError as error:
        return [_refused("resultpath", resultpath, settings, error)]
    if there is None:
        return []
    got = f"{shown(resultpath)}, where another job's results are"
    return [
        Problem(
            "resultpath",
            got,
            "a folder without a job of this timestamp",
            "Give another timestamp, or another resultpath",
        )
    ]


def _refused(field: str, path: str, settings: AnalysisSettings, error: BucketRefusedError) -> Problem:
    if place_of(path, settings.bucket)[0] == settings.bucket:
        got = f"{shown(path)}: S3 does not let the analysis read it ({error})"
        allowed = "objects that are encrypted as the bucket does it, and not archived"
        return Problem(field, got, allowed, "Upload it again, without a key of your own")
    do = (
        "Ask the bucket's owner to let the analysis in, or the analysis's developer to correct "
        "outside_buckets in its blueprint"
    )
    return Problem(
        field,
        f"{shown(path)}: S3 refuses access to its bucket ({error})",
        "a bucket that the analysis can read",
        do,
    )


def find_datasets(
    cloud: ManagerCloud, settings: AnalysisSettings, keys: Sequence[str], found: FoundInputs
) -> None:
    """Put each dataset that exists into `found`, in order, and a problem for each that does not.

    A key must exist exactly; one that ends in '/' is a folder and must have at least one object in it that is
    not ignored: it is one dataset, or each of its objects is (`settings.data`).
    Datasets of one folder are found by listing the folder, so the number of calls follows the number of
    folders.
    """
    inputs: dict[str, dict[str, DatasetInput]] = {}
    folders: dict[str, list[str]] = defaultdict(list)
    empty, count, problems = list[str](), 0, found.problems
    for key in keys:
        if is_address(key):  # the machine asks it, and compares
            address = parse_address(key)
            inputs[key] = {key: DatasetInput((Pin(key, address.size, f"sha256:{address.sha256}"),))}
        elif not key.endswith("/"):
            folders[key.rpartition("/")[0] + "/"].append(key)
        elif settings.data.folder == "each":
            inputs[key] = _each(cloud, settings, key, found, empty)
        else:
            one = _one(cloud, settings, key, found, empty)
            count += len(one.pins) if one else 0
            if count > FOLDERS_MAX_OBJECTS:
                problems.append(_too_many("folders", FOLDERS_MAX_OBJECTS, "in the folders of one submission"))
                return
            inputs[key] = {key: one} if one else {}
    for folder, wanted in folders.items():
        inputs.update(
            (key, {key: DatasetInput((pin,))})
            for key, pin in _find_files(cloud, settings, folder, wanted).items()
        )
    missing = [key for key in keys if not inputs.get(key) and key not in empty]
    problems += [
        Problem(
            "dataname",
            f"{shown(key)}, in which there is only what {_LEFT_BEHIND}",
            "a folder with data in it",
            "Upload the data",
        )
        for key in empty[:_SHOWN]
    ]
    problems += [_missing(cloud, "dataname", settings.bucket, key) for key in missing[:_NEAR]]
    problems += [_missing(None, "dataname", settings.bucket, key) for key in missing[_NEAR:_SHOWN]]
    if len(missing) > _SHOWN:
        problems.append(
            Problem(
                "dataname",
                f"{len(missing) - _SHOWN} more that do not exist",
                "data that is uploaded",
                "Upload them first",
            )
        )
    found.inputs = {path: one for key in keys for path, one in inputs.get(key, {}).items()}
    _check_number(settings, found)


def _find_results(
    cloud: ManagerCloud, settings: AnalysisSettings, taken: Results, found: FoundInputs
) -> None:
    """Put the results of the earlier job that fit a pattern behind what was found."""
    earlier, names, unused = taken.earlier, list[str](), dict.fromkeys(taken.patterns)
    for name, pin in _below(cloud, settings, earlier.path(settings.bucket, PROCESS), found):
        if name.endswith("/") or is_ignored(name, settings.data.ignore):
            continue
        names.append(name)
        fitting = [pattern for pattern in taken.patterns if fits(pattern, name)]
        if fitting and key_fault(name) is None:
            found.inputs.setdefault(pin.path, DatasetInput((pin,)))
        for pattern in fitting:
            unused.pop(pattern, None)
        if len(found.inputs) > settings.limits.datasets:
            break
    else:
        there = ", ".join(map(shown, names[:_NEAR])) + (", …" if len(names) > _NEAR else "")
        found.problems += [
            Problem(
                "dataname",
                f"{PROCESS}{pattern}, which no result of job {earlier.name} fits",
                f"patterns of its results: {there or 'it has none'}",
                "Correct the pattern",
            )
            for pattern in unused
        ]
    _check_number(settings, found)


def _check_number(settings: AnalysisSettings, found: FoundInputs) -> None:
    if len(found.inputs) > settings.limits.datasets:
        got = f"folders with more than {settings.limits.datasets} objects"
        do = "Split the work into several submissions"
        found.problems.append(
            Problem("dataname", got, f"up to {settings.limits.datasets} datasets in a submission", do)
        )


def _objects(
    cloud: ManagerCloud, settings: AnalysisSettings, bucket: str, prefix: str, after: str, limit: int
) -> Iterator[tuple[StoredObject, Pin]]:
    """The objects below a prefix, and what pins each."""
    for item in cloud.objects(bucket, prefix, after, limit, versions=bucket == settings.bucket):
        yield item, _pin(settings, bucket, item)


def _pin(settings: AnalysisSettings, bucket: str, item: StoredObject) -> Pin:
    if bucket == settings.bucket:
        return Pin(item.key, item.size, item.etag, item.version_id)
    return Pin(whole(bucket, item.key), item.size, item.etag)


def _each(
    cloud: ManagerCloud, settings: AnalysisSettings, prefix: str, found: FoundInputs, empty: list[str]
) -> dict[str, DatasetInput]:
    """The datasets of a folder, at most one more than a submission may have. Empty objects whose names end in
    '/' are what consoles make to show a folder."""
    wanted, inputs, ignored = settings.limits.datasets + 1, dict[str, DatasetInput](), False
    for name, pin in _below(cloud, settings, prefix, found):
        if name.endswith("/"):
            continue
        if is_ignored(name, settings.data.ignore):
            found.pass_over(pin.path)
            ignored = True
            continue
        fault = key_fault(name)
        if fault is not None and len(found.problems) < _SHOWN:
            found.problems.append(
                Problem("dataname", f"{shown(pin.path)}: {fault}", "names that a file can have", "Rename it")
            )
        inputs[pin.path] = DatasetInput((pin,))
        if len(inputs) == wanted:
            break
    if ignored and not inputs:
        empty.append(prefix)
    return inputs


def _one(
    cloud: ManagerCloud, settings: AnalysisSettings, prefix: str, found: FoundInputs, empty: list[str]
) -> DatasetInput | None:
    """The folder as one dataset, None when there is nothing in it. All its objects are pinned, also those
    that would make no dataset.
    """
    pins, names, something = list[Pin](), list[str](), False
    for name, pin in _below(cloud, settings, prefix, found):
        if not name.endswith("/"):
            pins.append(pin)
            names.append(name)
        something = something or not is_ignored(name, settings.data.ignore)
    for fault in folder_faults(names)[:_SHOWN]:
        found.problems.append(
            Problem(
                "dataname",
                f"{shown(prefix)}: {fault}",
                "names that files of one folder can have",
                "Rename them",
            )
        )
    if pins and not something:
        for pin in pins:
            found.pass_over(pin.path)
        empty.append(prefix)
    return DatasetInput(tuple(pins), folder=True) if something else None


def _below(
    cloud: ManagerCloud, settings: AnalysisSettings, prefix: str, found: FoundInputs
) -> Iterator[tuple[str, Pin]]:
    """The objects in a folder, but for the one that shows it: their names below it, and what pins each.
    Nothing is left out in silence: a folder with too many is a problem."""
    bucket, folder = place_of(prefix, settings.bucket)
    for count, (item, pin) in enumerate(
        _objects(cloud, settings, bucket, folder, "", FOLDER_MAX_OBJECTS + 1)
    ):
        if count == FOLDER_MAX_OBJECTS:
            found.problems.append(_too_many(shown(prefix), FOLDER_MAX_OBJECTS, "in a folder"))
        if item.key != folder and item.key not in found.hidden:
            yield item.key[len(folder) :], pin


_LEFT_BEHIND = "operating systems and programs leave behind (datasets.ignore of the blueprint)"


def _too_many(what: str, limit: int, where: str) -> Problem:
    got = f"{what} with more than {limit:,} objects"
    return Problem(
        "dataname",
        got,
        f"up to {limit:,} objects {where}",
        "Put them into archives (tar, zip), which are read faster as well",
    )


def _find_files(
    cloud: ManagerCloud, settings: AnalysisSettings, folder: str, wanted: Sequence[str]
) -> dict[str, Pin]:
    """Those paths of one folder that exist."""
    bucket, folder = place_of(folder, settings.bucket)
    paths = {place_of(path, settings.bucket)[1]: path for path in wanted}
    return {paths[key]: pin for key, pin in _find_keys(cloud, settings, bucket, folder, list(paths)).items()}


def _find_keys(
    cloud: ManagerCloud, settings: AnalysisSettings, bucket: str, folder: str, wanted: Sequence[str]
) -> dict[str, Pin]:
    rest = sorted(wanted, key=_s3_order)
    found: dict[str, Pin] = {}
    if len(rest) > _HEADS:
        looked_for, last = frozenset(rest), _s3_order(rest[-1])
        # Ten times as many objects as wanted (at least two pages): a folder with a million others is not read
        # to its end.
        limit, count, behind = max(2000, 10 * len(rest)), 0, b""
        for item, pin in _objects(cloud, settings, bucket, folder, _before(rest[0], folder), limit):
            count, behind = count + 1, _s3_order(item.key)
            if item.key in looked_for:
                found[item.key] = pin
            if behind >= last:
                break
        rest = [key for key in rest if _s3_order(key) > behind] if count == limit else []
    for key in rest:
        head = cloud.head(bucket, key)
        if head is not None:
            found[key] = _pin(settings, bucket, head)
    return found


def _s3_order(key: str) -> bytes:
    """S3 lists keys in the order of their UTF-8 bytes."""
    return key.encode()


def _before(key: str, folder: str) -> str:
    """A key that sorts directly before `key` for practical purposes: `StartAfter` excludes the key itself."""
    return key[:-1] if len(key) > len(folder) + 1 else ""


def read_config(cloud: ManagerCloud, settings: AnalysisSettings, key: str) -> ReadConfig:
    """Fetch and check the configuration, in one read: what is checked is what is pinned. Raises
    InvalidInput.
    """
    bucket, name = place_of(key, settings.bucket)
    try:
        content: ReadObject | None = cloud.read(bucket, name, max_bytes(key))
    except ObjectTooLargeError as error:
        allowed = f"up to {max_bytes(key)} bytes"
        raise InvalidInput(
            [
                Problem(
                    "config file", f"{error.size} bytes", allowed, "Put data into the inputs folder instead"
                )
            ]
        ) from error
    if content is None:
        raise InvalidInput([_missing(cloud, "configname", settings.bucket, key)])
    version = content.version_id if bucket == settings.bucket else None
    source = ConfigSource(content.etag, version, hashlib.sha256(content.body).hexdigest())
    return ReadConfig(parse_config(content.body, key, settings), content.body, source)


def _missing(cloud: ManagerCloud | None, field: str, bucket: str, path: str) -> Problem:
    """A path at which nothing is; with a `cloud`, what may have been meant is looked up."""
    own = not path.startswith(SCHEME)
    got = f"{shown(path)}: S3 Bucket does not contain {path}"
    allowed = "the full path of an uploaded file" + (", without the bucket name" if own else "")
    do = f"Upload it to s3://{bucket}/ or correct the name" if own else "Correct the name"
    meant = _meant(cloud, *place_of(path, bucket)) if cloud else None
    if meant is not None:  # as JSON escapes it: the same letter can be written in two ways
        do = f"Write it as the bucket has it: {json.dumps(meant)}"
    return Problem(field, got, allowed, do)


def _meant(cloud: ManagerCloud, bucket: str, key: str) -> str | None:
    """A key that is there and differs from `key` in what people do not see: the form of its letters (macOS
    has its own), escapes of a URL, blanks around it, the '/' at the end of a folder."""
    forms = [*(unicodedata.normalize(form, key) for form in ("NFC", "NFD")), unquote(key), key.strip()]
    for form in dict.fromkeys(forms):
        if form != key and key_fault(form) is None and cloud.head(bucket, form) is not None:
            return form
    if any(True for _ in cloud.objects(bucket, f"{key}/", "", 1)):
        return f"{key}/"
    return None
