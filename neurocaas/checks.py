"""What can be said of a submission before anything is uploaded: every mistake at once. The manager checks all
of it again, and more.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurocaas.bucket import Bucket
from neurocaas.errors import AnalysisError, raise_all
from neurocaas.protocol.config import SUFFIXES, ConfigRules, JobConfig, max_bytes, parse_config
from neurocaas.protocol.keys import CONFIGS, INPUTS, RESULTS
from neurocaas.protocol.names import TIMESTAMP, key_fault
from neurocaas.protocol.normal import normal_text
from neurocaas.protocol.outside import SCHEME
from neurocaas.protocol.problems import InvalidInput, shown
from neurocaas.protocol.published_settings import About
from neurocaas.protocol.submission import CONFIG_FOLDERS
from neurocaas.uploads import is_readable, name_of, names_below

_ANY = 10**9
"""A limit that none has set."""


@dataclass(frozen=True)
class Wish:
    """What somebody wants to submit as one job: `files` (and folders) here, `keys` in the bucket, `config`
    either, or the values themselves (nothing: the analysis's defaults), and how. Without a `timestamp` the
    job is named by the time of now.
    """

    files: Sequence[str] = ()
    keys: Sequence[str] = ()
    config: str | Mapping[str, Any] = ""
    timestamp: str = ""
    instance_type: str = ""
    resultpath: str = ""


@dataclass(frozen=True)
class CheckedWish:
    """`config` as the job would have it, None where it cannot be read from here; `sizes` of the datasets on
    this computer, in bytes."""

    config: JobConfig | None
    sizes: Sequence[int]


def check(wish: Wish, about: About, objects: Bucket, group: str, *, submits: bool = True) -> CheckedWish:
    """What can be seen from here of a submission. Raises AnalysisError with everything that is wrong.
    Without `submits`, nothing will be: a machine image may be missing."""
    errors = [*files(wish.files), *_keys(wish, objects, group)]
    sizes = _sizes(wish.files, about, errors)
    count = len(wish.keys) + len(sizes)
    if not 0 < count <= about.max_datasets:
        got = f"{count} datasets" if count else "no datasets"
        errors.append(
            AnalysisError(
                got,
                f"1 to {about.max_datasets} datasets",
                "name files with --data, or keys in the bucket with --key",
            )
        )
    name = wish.config if isinstance(wish.config, str) else ""
    if name and not name.lower().endswith(SUFFIXES):
        errors.append(
            AnalysisError(f"config {name!r}", f"a file ending in {', '.join(SUFFIXES)}", "rename the config")
        )
    if wish.timestamp and not TIMESTAMP.fullmatch(wish.timestamp):
        errors.append(timestamp_error(wish.timestamp))
    if wish.instance_type and wish.instance_type not in about.instance_types:
        allowed = ", ".join(about.instance_types)
        errors.append(
            AnalysisError(
                f"instance type {wish.instance_type!r}", allowed, "choose one of the analysis's types"
            )
        )
    if submits and not about.image_ready:
        errors.append(no_image(about))
    config = None
    try:
        raw = _read(wish.config, objects)
        config = (
            raw if raw is None else parse_config(raw, name or "config.json", about.config or _open(about))
        )
    except InvalidInput as error:
        errors += [
            AnalysisError(f"{problem.field}: {problem.got}", problem.allowed, _small(problem.do))
            for problem in error.problems
        ]
    raise_all(errors)
    return CheckedWish(config, sizes)


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


def _open(about: About) -> ConfigRules:
    """The rules of an analysis that does not say them: what every configuration must be."""
    return ConfigRules(about.duration_minutes, _ANY, _ANY, _ANY)


def _read(config: str | Mapping[str, Any], objects: Bucket) -> bytes | None:
    """The config: a file here, or a key that these credentials may read (analysts write inputs and do not
    read them). Without one, the job's is empty."""
    if not isinstance(config, str):
        return mapping_text(config).encode()
    if not config:
        return b"{}"
    if not config.lower().endswith(SUFFIXES):
        return None
    if Path(config).is_file():
        return Path(config).read_bytes()
    if not config.startswith(SCHEME):
        with contextlib.suppress(AnalysisError):
            return objects.get(config, max_bytes(config))
    return None


def mapping_text(config: Mapping[str, Any]) -> str:
    """A config that is a mapping, as its file has it. Raises AnalysisError for what JSON cannot hold."""
    try:
        return normal_text(config)
    except (TypeError, ValueError) as error:
        raise AnalysisError(
            f"a config that JSON cannot hold: {error}", "texts, numbers, lists and mappings", "change it"
        ) from error


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _sizes(paths: Sequence[str], about: About, errors: list[AnalysisError]) -> list[int]:
    """The bytes of each dataset that files and folders on this computer are; `errors` gets what is wrong with
    the folders.
    """
    sizes = []
    for path in map(Path, paths):
        if not path.is_dir():
            sizes.append(path.stat().st_size if path.is_file() else 0)
            continue
        try:
            names = names_below(path, about.ignore)
        except AnalysisError as error:
            errors.append(error)
            names = ["."]
        below = [(path / name).stat().st_size for name in names]
        sizes += below if about.folder == "each" else [sum(below)]
    return sizes


def files(paths: Sequence[str]) -> list[AnalysisError]:
    """What is wrong with files and folders that are to be uploaded under their own names."""
    errors = []
    missing = [path for path in paths if not (Path(path).is_file() or Path(path).is_dir())]
    if missing:
        errors.append(
            AnalysisError(
                f"no such file: {', '.join(missing)}", "files and folders on this computer", "check the paths"
            )
        )
    closed = [path for path in paths if Path(path).is_file() and not is_readable(Path(path))]
    if closed:
        errors.append(
            AnalysisError(
                f"files that cannot be read: {', '.join(closed)}",
                "files that you may read",
                "change their mode",
            )
        )
    names = [name_of(path) for path in paths]
    wrong = [f"{shown(name)}: {fault}" for name in names if (fault := key_fault(name)) is not None]
    if wrong:
        got = f"names that S3 cannot have: {'; '.join(wrong[:5])}"
        errors.append(AnalysisError(got, "names without control characters", "rename them"))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        got = f"several files are called {', '.join(twice)}"
        errors.append(AnalysisError(got, "one file of a name", "rename them, or upload them in turn"))
    return errors


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
        "choose another",
    )


def _keys(wish: Wish, objects: Bucket, group: str) -> list[AnalysisError]:
    """What is wrong with the names of objects in the bucket."""
    errors = []
    wanted: list[tuple[str, tuple[str, ...]]] = [(key, (INPUTS, RESULTS)) for key in wish.keys]
    if isinstance(wish.config, str) and wish.config and not Path(wish.config).is_file():
        wanted.append((wish.config, CONFIG_FOLDERS))
    for key, folders in wanted:
        if key.startswith(SCHEME):
            continue  # which outside buckets there are is known to the manager alone
        what = "config" if CONFIGS in folders else "dataset"
        places = " or ".join(f"{group}/{folder}/…" for folder in folders)
        if not key.startswith(tuple(f"{group}/{folder}/" for folder in folders)):
            beside = (
                "a file on this computer, or a key in the bucket: "
                if what == "config"
                else "keys in the bucket: "
            )
            errors.append(AnalysisError(f"no {what} {key!r}", f"{beside}{places}", "check the name"))
        elif not any(entry["Key"] == key or key.endswith("/") for entry in _first(objects, key)):
            errors.append(
                AnalysisError(
                    f"no {what} {key!r} in bucket {objects.name}",
                    places,
                    "upload it first, or check the name",
                )
            )
    return errors


def _first(objects: Bucket, prefix: str) -> list[dict[str, object]]:
    """The first object below a prefix, which is the one of that very name if there is one."""
    return [entry for entry, _ in zip(objects.list(prefix), range(1), strict=False)]
