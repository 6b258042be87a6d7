"""The submission file `{group}/submissions/{id}_submit.json`: what an analyst asks for.

```json
{"dataname": "lab/inputs/data.zip", "configname": "lab/configs/config.json", "timestamp": "2026-01-31T12:00:00"}
```
`dataname` may be a list (one machine for each); a name that ends in `/` is a folder: one dataset, or each object below it
is one, as the blueprint says.
Optional: `instance_type`. Paths may be written with `s3://{bucket}/` in front.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runtime.protocol.config import SUFFIXES
from runtime.protocol.keys import CONFIGS, INPUTS, RESULTS, JobKeys, SubmissionKey
from runtime.protocol.limits import KEY_MAX_BYTES, SUBMISSION_MAX_BYTES
from runtime.protocol.names import check_timestamp, dataset_names, key_fault
from runtime.protocol.problems import InvalidInput, Problem, shown
from runtime.protocol.settings import AnalysisSettings

FIELDS = frozenset({"dataname", "configname", "timestamp", "instance_type", "resultpath"})
_FACTS_SHOWN = 20


@dataclass(frozen=True)
class Submission:
    """A checked submission. `instance_type` is None when the analysis's own is wanted; `names` are the display names of
    `datanames`; `ignored` are fields that mean nothing here."""

    group: str
    timestamp: str
    datanames: tuple[str, ...]
    names: tuple[str, ...]
    configname: str
    instance_type: str | None
    ignored: tuple[str, ...]

    @property
    def keys(self) -> JobKeys:
        return JobKeys.of(self.group, self.timestamp)


class InvalidSubmission(InvalidInput):
    """A refused submission. `timestamp` is set when that field alone is usable: the answer then goes to its job folder,
    otherwise to `keys.rejected_certificate_key`. `datanames` and `configname` are the parts that are right so far, so
    that whoever can may look them up and tell all problems at once."""

    def __init__(self, problems: Sequence[Problem], timestamp: str | None, datanames: Sequence[str] = (), configname: str = "") -> None:
        super().__init__(problems)
        self.timestamp = timestamp
        self.datanames = tuple(datanames)
        self.configname = configname


def too_large(size: int) -> Problem:
    return Problem("submission file", f"{size} bytes", f"up to {SUBMISSION_MAX_BYTES} bytes", "Name a folder instead of each of its files")


def parse_submission(raw: bytes, key: str, settings: AnalysisSettings) -> Submission:
    """Check a submission stored under `key` (decoded). Raises InvalidSubmission with every problem found, and
    ValueError when `key` is not the key of a submission."""
    group = SubmissionKey.parse(key).group
    data = _read(raw)
    stamp = data.get("timestamp")
    if isinstance(stamp, int) and not isinstance(stamp, bool) and abs(stamp) < 10**20:
        stamp = str(stamp)
    problems = check_timestamp(stamp)
    timestamp = None if problems else str(stamp)
    datanames = _datanames(data.get("dataname"), group, settings, problems)
    configname = _configname(data.get("configname"), group, settings, problems)
    instance_type = _instance_type(data.get("instance_type"), settings, problems)
    if data.get("resultpath") is not None:
        problems.append(
            Problem(
                "resultpath",
                shown(data["resultpath"]),
                f"nothing: analysis {settings.analysis!r} has no outside bucket registered for results",
                "Remove resultpath; results appear below your group's results folder",
            )
        )
    names = dataset_names(datanames)
    if timestamp is not None:
        problems += long_names(JobKeys.of(group, timestamp), names)
    if problems or timestamp is None:
        raise InvalidSubmission(problems, timestamp, datanames, configname)
    ignored = tuple(sorted(str(name) for name in data if name not in FIELDS))
    return Submission(group, timestamp, tuple(datanames), tuple(names), configname, instance_type, ignored)


def _read(raw: bytes) -> Mapping[str, Any]:
    if len(raw) > SUBMISSION_MAX_BYTES:
        raise InvalidSubmission([too_large(len(raw))], None)
    allowed = 'a JSON object such as {"dataname": …, "configname": …, "timestamp": …}'
    try:
        data = json.loads(raw.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        got = f"text that is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise InvalidSubmission([Problem("submission file", got, allowed, "Correct the file and upload it again")], None) from error
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        problem = Problem("submission file", "text that is not JSON in UTF-8", allowed, "Correct the file and upload it again")
        raise InvalidSubmission([problem], None) from error
    if not isinstance(data, dict):
        raise InvalidSubmission([Problem("submission file", shown(data), allowed, "Correct the file and upload it again")], None)
    return data


def _datanames(value: Any, group: str, settings: AnalysisSettings, problems: list[Problem]) -> list[str]:
    allowed = f"a path such as '{group}/{INPUTS}/data.zip', or a list of 1 to {settings.max_datasets} of them"
    if value is None:
        problems.append(Problem("dataname", "nothing", allowed, "Say which data to analyse"))
        return []
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list) or not 1 <= len(entries) <= settings.max_datasets:
        got = f"a list of {len(entries)}" if isinstance(entries, list) else shown(value)
        problems.append(Problem("dataname", got, allowed, "Split the work into several submissions" if entries else "Name your data"))
        return []
    found: dict[str, int] = {}
    faults: list[Problem] = []
    for number, entry in enumerate(entries):
        field = "dataname" if entries is not value else f"dataname[{number}]"
        key = _own_key(entry, field, group, settings, (INPUTS, RESULTS), faults)
        if key is None:
            continue
        if key in found:
            faults.append(Problem(field, f"{shown(key)} again (also number {found[key]})", "each dataset once", "Remove one of them"))
        found.setdefault(key, number)
    problems += faults[:_FACTS_SHOWN]
    if len(faults) > _FACTS_SHOWN:
        problems.append(Problem("dataname", f"{len(faults) - _FACTS_SHOWN} more wrong entries", allowed, "Correct them too"))
    return list(found)


def _configname(value: Any, group: str, settings: AnalysisSettings, problems: list[Problem]) -> str:
    if value is None:
        allowed = f"a path such as '{group}/{CONFIGS}/config.json'"
        problems.append(Problem("configname", "nothing", allowed, "Upload a configuration file and name it here"))
        return ""
    key = _own_key(value, "configname", group, settings, (CONFIGS, RESULTS), problems)
    if key is not None and not key.lower().endswith(SUFFIXES):
        problems.append(Problem("configname", shown(key), f"a file ending in {', '.join(SUFFIXES)}", "Rename the configuration file"))
        return ""
    return key or ""


def _own_key(value: Any, field: str, group: str, settings: AnalysisSettings, folders: Sequence[str], problems: list[Problem]) -> str | None:
    """The key that a path of a submission means, None (and a problem) unless it lies in the submitting group's folders.
    Only the group that submits pays and may be read from; a name of another group is refused before anything is looked
    up, so that not even the existence of its data is told."""
    places = " or ".join(f"'{group}/{folder}/…'" for folder in folders)
    if not isinstance(value, str):
        problems.append(Problem(field, shown(value), f"text such as {places}", f"Write {field} as a path in quotes"))
        return None
    key = value
    if value.startswith("s3://"):
        bucket, _, key = value[len("s3://") :].partition("/")
        if bucket != settings.bucket:
            allowed = f"paths in {places}; no outside bucket is registered for analysis {settings.analysis!r}"
            problems.append(Problem(field, shown(value), allowed, f"Upload it to s3://{settings.bucket}/{group}/{folders[0]}/"))
            return None
    fault = key_fault(key)
    if fault is not None:
        problems.append(Problem(field, f"{shown(value)}: {fault}", f"a path such as {places}", "Rename it"))
        return None
    if not any(key.startswith(f"{group}/{folder}/") for folder in folders):
        do = f"Upload it to s3://{settings.bucket}/{group}/{folders[0]}/ and name it by its full path without the bucket"
        problems.append(Problem(field, shown(value), f"paths of your own group: {places}", do))
        return None
    return key


def _instance_type(value: Any, settings: AnalysisSettings, problems: list[Problem]) -> str | None:
    if value is None:
        return None
    if value not in settings.instance_types:
        allowed = "one of " + ", ".join(settings.instance_types)
        problems.append(Problem("instance_type", shown(value), allowed, f"Choose one, or leave it out for {settings.instance_type}"))
        return None
    return str(value)


def long_names(keys: JobKeys, names: Sequence[str]) -> list[Problem]:
    """Problems of display names that make keys which are longer than S3 allows."""
    return [
        Problem("dataname", f"{shown(name)}: too long for its status file", f"keys of up to {KEY_MAX_BYTES} bytes", "Shorten the name")
        for name in names
        if len(keys.status(name).encode()) > KEY_MAX_BYTES
    ][:_FACTS_SHOWN]
