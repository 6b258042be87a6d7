"""The submission file `{group}/submissions/{id}_submit.json`: what an analyst asks for.

```json
{"dataname": "lab/inputs/data.zip", "configname": "lab/configs/config.json", "timestamp": "2026-01-31T12:00:00"}
```
`dataname` may be a list (one machine for each; what is named twice is one dataset); a name that ends in `/`
is a folder: one dataset, or each object below it is one, as the blueprint says. The configuration may lie in
any of the group's folders configs, inputs and results.
Optional: `instance_type`; `rerun_of`, the timestamp of an earlier job of the group, whose image and code are
taken in place of those that are deployed now; `resultpath`, an `s3://{bucket}/{folder}` in which the job's
folder `job_{timestamp}` is made; `request`, any text, by which a client knows its own submission;
`wait`, how long the job may wait for room, capacity or budget (`4h`; a quarter of an hour where it says
nothing); `run`, `at-once` (all its datasets are paid before the first one starts, as usual) or
`as-budget-allows` (those that fit are started, the rest as reservations are released). Paths may be written with `s3://{bucket}/` in front; other buckets than the
analysis's own must be registered in its blueprint. A dataset may be a file in the world, by address and
digest (`neurocaas.protocol.addresses`), where the blueprint admits its host. `manifest` in place of `dataname`: a file that
lists them (`neurocaas.protocol.manifest`). `after`: an earlier job that is
waited for, and whose results datanames `process_results/…` name; `after_when` says what must have become of it
(`neurocaas.protocol.chain`).
"""  # noqa: E501

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Protocol

from neurocaas.protocol.addresses import FORM, admitted, is_address, parse_address
from neurocaas.protocol.chain import (
    PROCESS,
    SUCCEEDED,
    WHEN,
    AskedByService,
    Earlier,
    Source,
    asked_of,
    is_pattern,
    parse_after,
)
from neurocaas.protocol.config import SUFFIXES
from neurocaas.protocol.documents import TwiceError, once
from neurocaas.protocol.keys import CONFIGS, INPUTS, JOBS, RESULTS, SUBMISSIONS, JobId, JobKeys, SubmissionKey
from neurocaas.protocol.limits import KEY_MAX_BYTES, SUBMISSION_MAX_BYTES, WAIT_MAX_SECONDS
from neurocaas.protocol.manifest import SUFFIXES as MANIFEST_SUFFIXES
from neurocaas.protocol.manifest import ManifestLine, told
from neurocaas.protocol.names import check_timestamp, dataset_names, key_fault
from neurocaas.protocol.outside import SCHEME, OutsideBucket, admits, place_of, registered, whole
from neurocaas.protocol.problems import InvalidInput, Problem, shown
from neurocaas.protocol.settings import InstanceSettings, Limits
from neurocaas.protocol.units import duration_field
from neurocaas.protocol.waiting import AT_ONCE, RUNS

REQUEST = "request"
"""Any text: by it a client knows its own submission again (`neurocaas.analysis`); the service passes over it.
"""

FIELDS = frozenset(
    {
        "dataname",
        "configname",
        "timestamp",
        "instance_type",
        "resultpath",
        "rerun_of",
        "after",
        "after_when",
        "wait",
        "run",
        "manifest",
        REQUEST,
    }
)
CONFIG_FOLDERS = (CONFIGS, INPUTS, RESULTS)
"""Where a group's configurations may lie."""

WAIT_DO = "Say how long the job may wait, or leave it out for about a quarter of an hour"

_FACTS_SHOWN = 20


class SubmissionRules(Protocol):
    """What submissions are checked by: the settings of an analysis, or what a client knows of them."""

    @property
    def analysis(self) -> str: ...
    @property
    def bucket(self) -> str: ...
    @property
    def outside_buckets(self) -> tuple[OutsideBucket, ...]: ...
    @property
    def input_addresses(self) -> tuple[str, ...]: ...
    @property
    def instance(self) -> InstanceSettings: ...
    @property
    def limits(self) -> Limits: ...
    @property
    def sources(self) -> tuple[Source, ...]: ...


@dataclass(frozen=True)
class Submission:
    """A checked submission. `instance_type` is None when the analysis's own is wanted; `names` are the
    display names of `datanames`; `resultpath` is the job's folder in an outside bucket, None for the usual
    one; `ignored` are fields that mean nothing here, `repeated` the datasets that are named more than once
    (each is one dataset all the same). `after`: the job that is waited for, `after_when` what must have
    become of it, `taken` patterns below its `process_results/`, each of whose results is a dataset. `asked`:
    what the service says of a submission of its own. `wait_seconds`: how long it may wait, None where it says
    nothing. `manifest`: the key of the file that lists its datasets
    (`protocol.manifest`), "" where `dataname` names them."""

    group: str
    timestamp: str
    datanames: tuple[str, ...]
    names: tuple[str, ...]
    configname: str
    instance_type: str | None
    resultpath: str | None
    rerun_of: str | None
    ignored: tuple[str, ...]
    repeated: tuple[str, ...] = ()
    after: Earlier | None = None
    after_when: str = SUCCEEDED
    taken: tuple[str, ...] = ()
    asked: AskedByService | None = None
    wait_seconds: int | None = None
    run: str = AT_ONCE
    manifest: str = ""

    @property
    def keys(self) -> JobKeys:
        return JobKeys.of(self.group, self.timestamp)

    @property
    def resultdir(self) -> str:
        """What `run_main.sh` gets: below the group, or a whole s3:// path."""
        return self.resultpath or self.keys.resultdir


class InvalidSubmission(InvalidInput):
    """A refused submission. `timestamp` is set when that field alone is usable: the answer then goes to its
    job folder, otherwise to `keys.rejected_keys`. `datanames` and `configname` are the parts that are right
    so far, so that whoever can may look them up and tell all problems at once."""

    def __init__(
        self,
        problems: Sequence[Problem],
        timestamp: str | None,
        datanames: Sequence[str] = (),
        configname: str = "",
    ) -> None:
        super().__init__(problems)
        self.timestamp = timestamp
        self.datanames = tuple(datanames)
        self.configname = configname


def too_large(size: int) -> Problem:
    return Problem(
        "submission file",
        f"{size} bytes",
        f"up to {SUBMISSION_MAX_BYTES} bytes",
        "Name a folder instead of each of its files",
    )


def parse_submission(raw: bytes, key: str, settings: SubmissionRules) -> Submission:
    """Check a submission stored under `key` (decoded). Raises InvalidSubmission with every problem found, and
    ValueError when `key` is not the key of a submission."""
    submission_key = SubmissionKey.parse(key)
    group = submission_key.group
    data = _read(raw)
    stamp = data.get("timestamp")
    if isinstance(stamp, int) and not isinstance(stamp, bool) and abs(stamp) < 10**20:
        stamp = str(stamp)
    problems = check_timestamp(stamp)
    timestamp = None if problems else str(stamp)
    after = _after(data.get("after"), group, timestamp, settings, problems)
    when = _after_when(data, problems)
    named, taken = _split(data.get("dataname"), after, settings)
    following = after.path(settings.bucket, PROCESS) if after else ""
    manifest = _manifest(data, group, settings, problems)
    datanames, repeated = (
        ([], [])
        if data.get("manifest") is not None
        else _datanames(named, group, settings, problems, taken, following)
    )
    own = f"{JOBS}/{group}/{SUBMISSIONS}/"
    if submission_key.by_service and str(data.get("configname")).startswith(own):
        configname = str(data.get("configname"))
    else:
        configname = _configname(data.get("configname"), group, settings, problems)
    instance_type = _instance_type(data.get("instance_type"), settings, problems)
    _check_one_source([*datanames, *([configname] if configname else [])], settings, problems)
    resultpath = _resultpath(data.get("resultpath"), group, timestamp, settings, problems)
    earlier = data.get("rerun_of")
    if earlier is not None:
        do = "Name the earlier job by its timestamp, or leave it out"
        problems += [replace(problem, field="rerun_of", do=do) for problem in check_timestamp(earlier)]
    wait = _wait(data.get("wait"), problems)
    run = _run(data.get("run"), problems)
    names = dataset_names(datanames)
    if timestamp is not None:
        problems += long_names(JobKeys.of(group, timestamp), names, resultpath)
    if problems or timestamp is None:
        raise InvalidSubmission(
            [_misspelt(problem, data) for problem in problems], timestamp, datanames, configname
        )
    ignored = tuple(sorted(str(name) for name in data if name not in FIELDS))
    every = tuple(datanames)
    return Submission(
        group,
        timestamp,
        every,
        tuple(names),
        configname,
        instance_type,
        resultpath,
        earlier,
        ignored,
        tuple(repeated),
        after,
        when,
        tuple(taken),
        asked_of(data) if submission_key.by_service else None,
        wait,
        run,
        manifest=manifest,
    )


def _after(
    value: Any, group: str, timestamp: str | None, settings: SubmissionRules, problems: list[Problem]
) -> Earlier | None:
    """The job that `after` names; nothing is looked up."""
    if value is None:
        return None
    known = {source.analysis: source for source in settings.sources}
    forms = ["a timestamp of a job", *(f"'{name}/TIMESTAMP'" for name in sorted(known))]
    allowed = f"{' or '.join(forms)} of your group"
    found = parse_after(value) if isinstance(value, str) else None
    do = "Name the earlier job by its timestamp, or leave it out"
    if found is None or found[1] == timestamp:
        got = f"{shown(value)}, which is this job itself" if found else shown(value)
        problems.append(Problem("after", got, allowed, do))
        return None
    analysis, earlier = found
    if analysis in ("", settings.analysis):
        return Earlier(JobId(settings.bucket, group, earlier))
    if analysis not in known:
        do = f"Ask the developer of {settings.analysis} to name it in takes_from of the blueprint"
        problems.append(Problem("after", f"a job of the analysis {shown(analysis)}", allowed, do))
        return None
    source = known[analysis]
    return Earlier(JobId(source.bucket, group, earlier), analysis, source.stack)


def _after_when(data: Mapping[str, Any], problems: list[Problem]) -> str:
    value = data.get("after_when")
    if value is None:
        return SUCCEEDED
    if value not in WHEN or data.get("after") is None:
        got = shown(value) if value not in WHEN else f"{shown(value)} without `after`"
        problems.append(
            Problem("after_when", got, f"beside `after`: {' or '.join(WHEN)}", "Correct it, or leave it out")
        )
        return SUCCEEDED
    return str(value)


def _manifest(data: Mapping[str, Any], group: str, settings: SubmissionRules, problems: list[Problem]) -> str:
    """The key of the manifest, "" for none. It lies in the analysis's own bucket."""
    value = data.get("manifest")
    if value is None:
        return ""
    if data.get("dataname") is not None:
        do = "Leave one of the two out"
        problems.append(Problem("manifest", "a manifest and dataname", "one of them", do))
    before = len(problems)
    key = _own_key(value, "manifest", group, settings, CONFIG_FOLDERS, problems)
    if key is None or len(problems) > before:
        return ""
    if not key.lower().endswith(MANIFEST_SUFFIXES) or SCHEME in key:
        allowed = f"a file of the analysis's bucket ending in {' or '.join(MANIFEST_SUFFIXES)}"
        problems.append(Problem("manifest", shown(value), allowed, "Rename it, or upload it"))
        return ""
    return key


def with_manifest(
    submission: Submission, lines: Sequence[ManifestLine], settings: SubmissionRules
) -> Submission:
    """The submission with the datasets of its manifest, which are checked as those of `dataname` are. Raises
    InvalidInput with every problem, each with its line."""
    faults, found = list[Problem](), dict[str, int]()
    for line in lines:
        key = _own_key(line.dataset, line.place, submission.group, settings, (INPUTS, RESULTS), faults)
        if key is not None and key in found:
            got = f"{shown(line.dataset)}, which line {found[key]} has already"
            faults.append(Problem(line.place, got, "each dataset once", "Take it out"))
        elif key is not None:
            found[key] = line.number
    problems = told(faults)
    _check_one_source([*found, submission.configname], settings, problems)
    names = dataset_names(list(found))
    problems += long_names(submission.keys, names, submission.resultpath)
    if problems:
        raise InvalidInput(problems)
    return replace(submission, datanames=tuple(found), names=tuple(names))


def _split(value: Any, after: Earlier | None, settings: SubmissionRules) -> tuple[Any, list[str]]:
    """The datanames, those of the earlier job's results as whole paths; and apart the patterns of such."""
    entries = [value] if isinstance(value, str) else value
    if after is None or not isinstance(entries, list) or len(entries) > settings.limits.datasets:
        return value, []
    named: list[Any] = []
    taken: dict[str, None] = {}
    for entry in entries:
        if not isinstance(entry, str) or not entry.startswith(PROCESS):
            named.append(entry)
        elif is_pattern(entry):
            taken[entry.removeprefix(PROCESS)] = None
        else:
            named.append(after.path(settings.bucket, entry))
    return named, list(taken)


def _read(raw: bytes) -> Mapping[str, Any]:
    if len(raw) > SUBMISSION_MAX_BYTES:
        raise InvalidSubmission([too_large(len(raw))], None)
    allowed = 'a JSON object such as {"dataname": …, "configname": …, "timestamp": …}'
    try:
        data = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=once)
    except TwiceError as error:
        raise InvalidSubmission([error.problem("submission file")], None) from error
    except json.JSONDecodeError as error:
        got = f"text that is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        raise InvalidSubmission(
            [Problem("submission file", got, allowed, "Correct the file and upload it again")], None
        ) from error
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        problem = Problem(
            "submission file",
            "text that is not JSON in UTF-8",
            allowed,
            "Correct the file and upload it again",
        )
        raise InvalidSubmission([problem], None) from error
    if not isinstance(data, dict):
        raise InvalidSubmission(
            [Problem("submission file", shown(data), allowed, "Correct the file and upload it again")], None
        )
    return data


def _misspelt(problem: Problem, data: Mapping[str, Any]) -> Problem:
    """The problem of a missing field, with what may have been meant to be it."""
    others = [name for name in data if name not in FIELDS]
    near = (
        get_close_matches(problem.field, {name.lower(): name for name in others}, 1, 0.8)
        if problem.got == "nothing"
        else []
    )
    if not near:
        return problem
    name = next(name for name in others if name.lower() == near[0])
    return replace(
        problem, got=f"nothing, but {shown(name)}, which is no field", do=f"Write it as {problem.field!r}"
    )


def _datanames(
    value: Any,
    group: str,
    settings: SubmissionRules,
    problems: list[Problem],
    taken: Sequence[str] = (),
    following: str = "",
) -> tuple[list[str], list[str]]:
    """The datasets, each once, and those of them that are named more than once."""
    allowed = (
        f"a path such as '{group}/{INPUTS}/data.zip', or a list of 1 to {settings.limits.datasets} of them"
    )
    if value is None:
        problems.append(Problem("dataname", "nothing", allowed, "Say which data to analyse"))
        return [], []
    entries = [value] if isinstance(value, str) else value
    if entries == [] and taken:
        return [], []
    if not isinstance(entries, list) or not 1 <= len(entries) <= settings.limits.datasets:
        got = f"a list of {len(entries)}" if isinstance(entries, list) else shown(value)
        do = (
            "Split the work into several submissions"
            if isinstance(entries, list) and entries
            else "Name your data"
        )
        problems.append(Problem("dataname", got, allowed, do))
        return [], []
    found: dict[str, int] = {}
    faults: list[Problem] = []
    for number, entry in enumerate(entries):
        field = "dataname" if entries is not value else f"dataname[{number}]"
        key = _own_key(entry, field, group, settings, (INPUTS, RESULTS), faults, following)
        if key is not None:
            found[key] = found.get(key, 0) + 1
    problems += faults[:_FACTS_SHOWN]
    if len(faults) > _FACTS_SHOWN:
        problems.append(
            Problem(
                "dataname", f"{len(faults) - _FACTS_SHOWN} more wrong entries", allowed, "Correct them too"
            )
        )
    return list(found), [key for key, times in found.items() if times > 1]


def _configname(value: Any, group: str, settings: SubmissionRules, problems: list[Problem]) -> str:
    if value is None:
        allowed = f"a path such as '{group}/{CONFIGS}/config.json'"
        problems.append(
            Problem("configname", "nothing", allowed, "Upload a configuration file and name it here")
        )
        return ""
    key = _own_key(value, "configname", group, settings, CONFIG_FOLDERS, problems)
    if key is not None and not key.lower().endswith(SUFFIXES):
        problems.append(
            Problem(
                "configname",
                shown(key),
                f"a file ending in {', '.join(SUFFIXES)}",
                "Rename the configuration file",
            )
        )
        return ""
    return key or ""


def _own_key(
    value: Any,
    field: str,
    group: str,
    settings: SubmissionRules,
    folders: Sequence[str],
    problems: list[Problem],
    following: str = "",
) -> str | None:
    """The key that a path of a submission means, None (and a problem) unless it lies in the submitting
    group's folders.
    `following`: where the results of the job lie that is waited for.
    Only the group that submits pays and may be read from; a name of another group is refused before anything
    is looked up, so that not even the existence of its data is told."""
    places = " or ".join(f"'{group}/{folder}/…'" for folder in folders)
    if not isinstance(value, str):
        problems.append(
            Problem(field, shown(value), f"text such as {places}", f"Write {field} as a path in quotes")
        )
        return None
    if is_address(value):
        return _address(value, field, settings, places, problems)
    bucket, key = place_of(value, settings.bucket)
    followed = bool(following) and value.startswith(following)
    if (
        bucket != settings.bucket
        and not followed
        and not admits(settings.outside_buckets, group, INPUTS, value)
    ):
        allowed = f"paths in {places}{_registered(settings, group, INPUTS)}"
        problems.append(
            Problem(
                field, shown(value), allowed, f"Upload it to s3://{settings.bucket}/{group}/{folders[0]}/"
            )
        )
        return None
    fault = key_fault(key)
    if fault is not None:
        do = "Leave out the '/' at its beginning" if key.startswith("/") else "Rename it"
        if "://" in value:
            do = f"Write it as a path in the bucket, or with s3://{settings.bucket}/ in front"
        problems.append(Problem(field, f"{shown(value)}: {fault}", f"a path such as {places}", do))
        return None
    if bucket != settings.bucket:
        return whole(bucket, key)
    if not any(key.startswith(f"{group}/{folder}/") for folder in folders):
        do = (
            f"Upload it to s3://{settings.bucket}/{group}/{folders[0]}/ and name it by its full path "
            "without the bucket"
        )
        problems.append(Problem(field, shown(value), f"paths of your own group: {places}", do))
        return None
    return key


def _address(
    value: str, field: str, settings: SubmissionRules, places: str, problems: list[Problem]
) -> str | None:
    """A file in the world, which the blueprint's `input_addresses` must admit."""
    allowed = f"paths in {places}"
    hosts = settings.input_addresses
    if field == "configname" or not hosts:
        do = f"Write it as a path in the bucket, or with s3://{settings.bucket}/ in front"
        got = f"{shown(value)}, an address{'' if hosts else ', of which this analysis takes none'}"
        problems.append(Problem(field, got, allowed, do))
        return None
    allowed += f", or addresses below {', '.join(hosts)} as {FORM}"
    try:
        address = parse_address(value)
    except ValueError as error:
        problems.append(Problem(field, f"{shown(value)}: {error}", allowed, "Correct it, or upload the data"))
        return None
    if not admitted(hosts, address):
        problems.append(Problem(field, shown(value), allowed, "Upload the data"))
        return None
    return address.dataname


def _check_one_source(paths: Sequence[str], settings: SubmissionRules, problems: list[Problem]) -> None:
    """Data and configuration of outside buckets come from one bucket: its owner answers for what belongs
    together.
    """
    ours = {source.bucket for source in settings.sources}
    places = {place_of(path, settings.bucket)[0] for path in paths if not is_address(path)}
    sources = sorted({settings.bucket if place in ours else place for place in places})
    if len(sources) > 1:
        got = (
            f"buckets {', '.join(sources)}: If bypassing storage for input, data and config must be from "
            "same bucket."
        )
        problems.append(
            Problem(
                "dataname",
                got,
                "one bucket",
                "Put data and configuration into one bucket, or split the submission",
            )
        )


def _resultpath(
    value: Any, group: str, timestamp: str | None, settings: SubmissionRules, problems: list[Problem]
) -> str | None:
    """The job's folder in the outside bucket that a submission wants its results in, without a '/' at the
    end.
    """
    if value is None:
        return None
    allowed = (
        f"no resultpath (results appear below '{group}/{RESULTS}/'){_registered(settings, group, RESULTS)}"
    )
    do = "Correct it, or leave it out"
    if not isinstance(value, str) or not value.startswith(SCHEME):
        got = f"{shown(value)}: If bypassing storage for output, s3:// format path required"
        problems.append(Problem("resultpath", got, allowed, do))
        return None
    bucket, key = place_of(value, settings.bucket)
    fault = key_fault(key.rstrip("/")) if key.strip("/") else None
    folder = whole(
        bucket,
        "".join(f"{part}/" for part in (key.rstrip("/"), JobKeys.of(group, timestamp or "0").folder) if part),
    )
    if fault is not None:
        problems.append(Problem("resultpath", f"{shown(value)}: {fault}", allowed, do))
        return None
    if bucket == settings.bucket or not admits(settings.outside_buckets, group, RESULTS, folder):
        problems.append(Problem("resultpath", shown(value), allowed, do))
        return None
    return folder.rstrip("/")


def _registered(settings: SubmissionRules, group: str, use: str) -> str:
    """What a group may name outside, as the end of a sentence about what is allowed."""
    known = [f"'{one.path}…'" for one in registered(settings.outside_buckets, group, use)]
    if known:
        return f", or below {' or '.join(known)}"
    return f"; analysis {settings.analysis!r} has no outside bucket registered for {use} of group {group!r}"


def _instance_type(value: Any, settings: SubmissionRules, problems: list[Problem]) -> str | None:
    if value is None:
        return None
    if value not in settings.instance.types:
        allowed = "one of " + ", ".join(settings.instance.types)
        do = (
            f"Choose one, or leave it out for {settings.instance.type}; others the analysis's developer "
            "adds to instance.types"
        )
        problems.append(Problem("instance_type", shown(value), allowed, do))
        return None
    return str(value)


def _wait(value: Any, problems: list[Problem]) -> int | None:
    if value is None:
        return None
    try:
        return duration_field("wait", value, most=WAIT_MAX_SECONDS, do=WAIT_DO)
    except InvalidInput as error:
        problems += error.problems
        return None


def _run(value: Any, problems: list[Problem]) -> str:
    if value is None or value in RUNS:
        return AT_ONCE if value is None else str(value)
    do = f"Choose one, or leave it out for {AT_ONCE}"
    problems.append(Problem("run", shown(value), " or ".join(RUNS), do))
    return AT_ONCE


def long_names(keys: JobKeys, names: Sequence[str], resultpath: str | None = None) -> list[Problem]:
    """Problems of display names that make keys which are longer than S3 allows, here or below an outside
    `resultpath`.
    """
    outside = max(0, len((resultpath or "").partition("/")[2]) - len(keys.prefix))
    return [
        Problem(
            "dataname",
            f"{shown(name)}: too long for its status file",
            f"keys of up to {KEY_MAX_BYTES} bytes",
            "Shorten the name",
        )
        for name in names
        if len(keys.status(name).encode()) + outside > KEY_MAX_BYTES
    ][:_FACTS_SHOWN]
