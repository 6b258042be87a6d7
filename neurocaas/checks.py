"""What can be said of a submission before anything is uploaded: every mistake at once. The manager checks all
of it again, and more.

What a submission may say is checked by the manager's own rules (`neurocaas.protocol.submission`, `config`,
`disk`), with what the analysis tells of itself in place of its settings.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurocaas import configs, data_checks
from neurocaas.bucket import Bucket
from neurocaas.data_checks import Data
from neurocaas.errors import AnalysisError, raise_all
from neurocaas.following import earlier_job, taken
from neurocaas.formats.file_tree import FileTree
from neurocaas.nearest import did_you_mean
from neurocaas.protocol.chain import PROCESS
from neurocaas.protocol.config import ENSEMBLE_SIZE, MODE, SUFFIXES, TRAIN, ConfigRules, JobConfig, max_bytes
from neurocaas.protocol.disk import room
from neurocaas.protocol.keys import CONFIGS, INPUTS, RESULTS, SUBMISSIONS, JobKeys
from neurocaas.protocol.names import TIMESTAMP, key_fault
from neurocaas.protocol.outside import SCHEME, place_of
from neurocaas.protocol.problems import InvalidInput, shown
from neurocaas.protocol.published_settings import About
from neurocaas.protocol.submission import CONFIG_FOLDERS
from neurocaas.submission_checks import as_submitted, told
from neurocaas.uploads import name_of

_LISTED = 200
"""So many names of a manifest are checked at a time."""

_ANY = 10**9
"""A limit that none has set."""


@dataclass(frozen=True)
class Wish:
    """What somebody wants to submit as one job: `files` (and folders) here, `keys` in the bucket, `config`
    either, or the values themselves (nothing: the analysis's defaults), and how. `trees`: datasets that are
    chosen out of larger folders here (`neurocaas.formats`). `each`: every file of a folder is a dataset, not
    the folder. `after`: the job that it waits for, of whose results keys `process_results/…` are;
    `manifest`: a file here or a key, which lists the datasets in place of all others.
    `after_when`: what must have become of that one. Without a `timestamp` the job is named by the time of
    now. `run` and `wait` are as in the submission (`neurocaas.protocol.submission`).
    """

    files: Sequence[str] = ()
    keys: Sequence[str] = ()
    config: str | Mapping[str, Any] = ""
    timestamp: str = ""
    instance_type: str = ""
    resultpath: str = ""
    trees: Sequence[FileTree] = ()
    each: bool = False
    after: str = ""
    after_when: str = ""
    run: str = ""
    wait: str = ""
    manifest: str = ""


@dataclass(frozen=True)
class CheckedWish:
    """`config` as the job would have it, None where it cannot be read from here; `keys` and `files` what the
    data is, in the order of the wish."""

    config: JobConfig | None
    keys: tuple[Data, ...]
    files: tuple[Data, ...]

    @property
    def sizes(self) -> list[int | None]:
        """The bytes of each dataset, None where they cannot be known."""
        return [size for one in (*self.keys, *self.files) for size in one.sizes]


def check(wish: Wish, about: About, objects: Bucket, group: str, *, submits: bool = True) -> CheckedWish:
    """What can be seen from here of a submission. Raises AnalysisError with everything that is wrong.
    Without `submits`, nothing will be: a machine image may be missing."""
    errors = files(wish.files)
    local = data_checks.local(wish.files, about, group, errors, each=wish.each)
    local += data_checks.trees(wish.trees, about, group, errors)
    keys = _keys(wish, about, objects, group, errors)
    errors += _names(wish, about)
    if submits and not about.image_ready:
        errors.append(no_image(about))
    errors += _used(wish.timestamp, objects, group) if submits else []
    config = _config(wish, about, objects, errors)
    found = CheckedWish(config, tuple(keys), tuple(local))
    errors += _count(found, about, config)
    errors += _as_submitted(wish, found, about, objects, group, submits=submits)
    errors += _disk(found, about, config)
    raise_all(errors)
    return found


def files(paths: Sequence[str]) -> list[AnalysisError]:
    """What is wrong with files and folders that are to be uploaded under their own names."""
    return data_checks.names(paths)


def no_image(about: About) -> AnalysisError:
    """For an analysis that was deployed without the machine image that it needs."""
    stack = f"{about.analysis}-{about.stage}"
    do = (
        f"its developer bakes one (`invoke bake-ami --stack {stack}`) and deploys it (`invoke deploy "
        f"{stack}`); baked already, deploy it"
    )
    return AnalysisError(
        f"no machine image is deployed for {about.analysis}", "an analysis with a machine image", do
    )


def timestamp_error(stamp: str) -> AnalysisError:
    return AnalysisError(
        f"timestamp {stamp!r}",
        f"{TIMESTAMP.pattern} (at most 64 characters)",
        "choose another, or leave it out",
    )


def timestamp_used(stamp: str) -> AnalysisError:
    return AnalysisError(
        f"timestamp {stamp!r}, which another submission has",
        "a timestamp that is used once",
        "choose another, or leave it out",
    )


def instance_type_error(name: str, known: Sequence[str]) -> AnalysisError:
    do = did_you_mean(name, known, "choose one of the analysis's types")
    return AnalysisError(f"instance type {name!r}", ", ".join(known), do)


def _names(wish: Wish, about: About) -> list[AnalysisError]:
    """What is wrong with the names that a submission gives, whatever there is."""
    errors = []
    name = wish.config if isinstance(wish.config, str) else ""
    if name and not name.lower().endswith(SUFFIXES):
        errors.append(
            AnalysisError(f"config {name!r}", f"a file ending in {', '.join(SUFFIXES)}", "rename the config")
        )
    elif name and Path(name).is_file() and (fault := key_fault(name_of(name))) is not None:
        errors.append(AnalysisError(f"config {shown(name)}: {fault}", "a name that S3 can have", "rename it"))
    if wish.timestamp and not TIMESTAMP.fullmatch(wish.timestamp):
        errors.append(timestamp_error(wish.timestamp))
    if wish.instance_type and wish.instance_type not in about.instance_types:
        errors.append(instance_type_error(wish.instance_type, about.instance_types))
    return errors


def _used(stamp: str, objects: Bucket, group: str) -> list[AnalysisError]:
    """A timestamp is taken by a submission of that name, and by a job that the service has a record of."""
    if not TIMESTAMP.fullmatch(stamp):
        return []
    taken = objects.entry(f"{group}/{SUBMISSIONS}/{stamp}_submit.json") is not None or any(
        objects.list(JobKeys.of(group, stamp).records.prefix)
    )
    return [timestamp_used(stamp)] if taken else []


def _config(wish: Wish, about: About, objects: Bucket, errors: list[AnalysisError]) -> JobConfig | None:
    """The job's config; `errors` gets what is wrong with it. None also for one that these credentials may not
    read."""
    try:
        file = _config_file(wish.config, objects)
    except AnalysisError as error:
        errors.append(error)
        return None
    if file is None:
        return None
    config, wrong = configs.checked(file, about.config or _open(about))
    errors += wrong
    return config


def _open(about: About) -> ConfigRules:
    """The rules of an analysis that does not say them: what every configuration must be."""
    return ConfigRules(about.duration_minutes, _ANY, _ANY, _ANY)


def _config_file(config: str | Mapping[str, Any], objects: Bucket) -> configs.ConfigFile | None:
    """The config: values, a file here, or a key that these credentials may read (analysts write inputs and do
    not read them). Without one, the job's is empty."""
    if not config or not isinstance(config, str):
        return configs.of_values(config or {})
    if not config.lower().endswith(SUFFIXES):
        return None
    if Path(config).is_file():
        return configs.of_path(config)
    bucket, key = place_of(config, objects.name)
    where = objects if bucket == objects.name else Bucket(objects.s3, bucket)
    with contextlib.suppress(AnalysisError):
        raw = where.get(key, max_bytes(key))
        return None if raw is None else configs.ConfigFile(config, raw)
    return None


def _keys(wish: Wish, about: About, objects: Bucket, group: str, errors: list[AnalysisError]) -> list[Data]:
    """What the names in the bucket are; `errors` gets those at which nothing is, or that are no names of the
    group's."""
    good, of_earlier = [], []
    earlier = earlier_job(wish.after, about.sources, objects.name, group) if wish.after else None
    following = earlier.path(objects.name, PROCESS) if earlier else PROCESS
    for key in wish.keys:
        if earlier is not None and key.startswith((PROCESS, following)):
            of_earlier.append(PROCESS + key.removeprefix(following).removeprefix(PROCESS))
            continue
        error = _place_error(key, "dataset", (INPUTS, RESULTS), objects, group)
        errors += [error] if error else []
        good += [] if error else [key]
    found = data_checks.stored(good, about, objects)
    places = _places(group, (INPUTS, RESULTS))
    missing = [key for key, one in zip(good, found, strict=True) if one is None]
    errors += [
        data_checks.not_there(place_of(key, objects.name)[1], "dataset", places, objects, group)
        for key in missing
    ]
    twice = sorted({key for key in good if good.count(key) > 1}) if len(set(good)) < len(good) else []
    if twice:
        got = f"the same data twice: {', '.join(twice[:5])}"
        errors.append(AnalysisError(got, "each dataset once", "leave one out"))
    if isinstance(wish.config, str) and wish.config and not Path(wish.config).is_file():
        errors += _config_key(wish.config, objects, group)
    results = taken(earlier, of_earlier, objects, errors) if earlier is not None else []
    return [*(one or Data(key, (None,)) for key, one in zip(good, found, strict=True)), *results]


def _config_key(config: str, objects: Bucket, group: str) -> list[AnalysisError]:
    error = _place_error(config, "config", CONFIG_FOLDERS, objects, group)
    if error is not None:
        return [error]
    bucket, key = place_of(config, objects.name)
    if bucket != objects.name or objects.entry(key) is not None:
        return []
    return [data_checks.not_there(key, "config", _places(group, CONFIG_FOLDERS), objects, group)]


def _place_error(
    path: str, what: str, folders: Sequence[str], objects: Bucket, group: str
) -> AnalysisError | None:
    bucket, key = place_of(path, objects.name)
    if bucket != objects.name or key.startswith(tuple(f"{group}/{folder}/" for folder in folders)):
        return None
    beside = (
        "a file on this computer, or a key in the bucket: " if what == "config" else "keys in the bucket: "
    )
    do = "check the name"
    if what == "config" and not path.startswith(SCHEME):
        parent = Path(path).parent
        near = [one.name for one in parent.iterdir()] if parent.is_dir() else []
        do = did_you_mean(Path(path).name, near, do, at=parent)
    return AnalysisError(f"no {what} {path!r}", beside + _places(group, folders), do)


def _places(group: str, folders: Sequence[str]) -> str:
    return " or ".join(f"{group}/{folder}/…" for folder in folders)


def _count(found: CheckedWish, about: About, config: JobConfig | None) -> list[AnalysisError]:
    count = len(found.sizes)
    if not 0 < count <= about.max_datasets:
        got = f"{count} datasets" if count else "no datasets"
        allowed = f"1 to {about.max_datasets} datasets"
        return [AnalysisError(got, allowed, "name files with --data, or keys in the bucket with --key")]
    if config is not None and config.combinations and count * config.runs > about.max_datasets:
        runs = f"{config.runs} combinations for {count} dataset{'' if count == 1 else 's'}"
        do = "take fewer values or datasets, or split it into several jobs"
        allowed = f"up to {about.max_datasets} runs in a job"
        return [AnalysisError(f"{count * config.runs} runs ({runs})", allowed, do)]
    if config is not None and config.members is not None and count > 1:
        return [
            AnalysisError(
                f"{count} datasets for an ensemble",
                f"one dataset with {MODE}: {TRAIN} and {ENSEMBLE_SIZE}",
                f"name one dataset, or leave {ENSEMBLE_SIZE} out of the config",
            )
        ]
    return []


def _as_submitted(
    wish: Wish, found: CheckedWish, about: About, objects: Bucket, group: str, *, submits: bool
) -> list[AnalysisError]:
    """What the manager would say of the submission, of which files that are still here are taken as uploaded;
    without what was told already."""
    names = [one.name for one in found.keys]
    names += [f"{group}/{INPUTS}/{tree.name}/" for tree in wish.trees]
    names += [f"{group}/{INPUTS}/{name}" for path in wish.files if key_fault(name := name_of(path)) is None]
    config = f"{group}/{CONFIGS}/config.json"
    if isinstance(wish.config, str) and wish.config and not Path(wish.config).is_file():
        wrong = _place_error(wish.config, "config", CONFIG_FOLDERS, objects, group)
        config = config if wrong or not wish.config.lower().endswith(SUFFIXES) else wish.config
    elif not submits and any(name.startswith(SCHEME) for name in names):
        # a forecast needs no config, which would have to be beside the data
        config = next(name for name in names if name.startswith(SCHEME)).rpartition("/")[0] + "/config.json"
    more = {
        "resultpath": wish.resultpath,
        "after": wish.after,
        "after_when": wish.after_when,
        "run": wish.run,
        "wait": wish.wait,
    }
    if not wish.manifest:
        return as_submitted(names, config, wish.timestamp, more, about, objects.name, group)
    parts = [names[at : at + _LISTED] for at in range(0, len(names), _LISTED)]  # no submission has them all
    found_wrong = [
        error
        for part in parts
        for error in as_submitted(part, config, wish.timestamp, more, about, objects.name, group)
    ]
    return list({str(error): error for error in found_wrong}.values())


def _disk(found: CheckedWish, about: About, config: JobConfig | None) -> list[AnalysisError]:
    """Datasets that are larger than the largest disk of a machine."""
    if about.disk is None:
        return []
    errors = []
    for one in (*found.keys, *found.files):
        largest = max((size for size in one.sizes if size is not None), default=0)
        try:
            room(about.disk, config.dataset_size_gib if config else 0, {one.name: largest})
        except InvalidInput as error:
            errors += [told(problem) for problem in error.problems]
    return errors
