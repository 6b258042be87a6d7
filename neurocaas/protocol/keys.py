"""Where things lie in an analysis bucket (guide, "end goals"; the layout is used by other tools and by
people).

```
{group}/inputs|configs|submissions/…
{group}/results/job_{timestamp}/logs/…  process_results/…
{group}/results/job_{timestamp}/attempts/{n}/process_results/…  what an attempt wrote that was not its dataset's last
{group}/results/rejected_{id}/logs/certificate.txt      a submission that could not become a job
{group}/submissions/{id}_cancel.json                    ends the job of {id}_submit.json
{group}/submissions/{id}_watch.json                     has a folder watched (`neurocaas.protocol.watches`)
logs/active/{instance}.json   logs/{group}/{instance}.json
jobs/{group}/job_{timestamp}|rejected_{id}/…            the service's own records
jobs/{group}/early/{digest}.json                        a cancellation that waits for its submission
jobs/{group}/work/{digest}.json                         which job has done that work (`neurocaas.protocol.work`)
jobs/{group}/index/{number}.jsonl                       a line for each job (`neurocaas.protocol.job_index`)
jobs/{group}/watches|watching/{id}.json                 watches, and how far they have come
jobs/{group}/submissions/{id}_submit.json               a submission of the service's own (`neurocaas.protocol.chain`)
jobs/{group}/budget/{month}.json                        what is spent and reserved (`neurocaas.protocol.spending`)
evidence/{role}:{instance}/…                            what one machine says of its dataset
```

What the service decides by lies below `jobs/` and `logs/`, where only the service writes, and in its table.
What lies below a group's `results/` is for people: the group's machines may write there, and manager and
monitor read nothing of it again.
"""  # noqa: E501

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import NamedTuple

from neurocaas.protocol.names import GROUP_NAME, RESERVED_GROUPS, TIMESTAMP

INPUTS = "inputs"
CONFIGS = "configs"
SUBMISSIONS = "submissions"
RESULTS = "results"
SUBMISSION_SUFFIX = "submit.json"
CANCEL_SUFFIX = "cancel.json"
WATCH_SUFFIX = "watch.json"
RETRY_SUFFIX = ".retry"
ACTIVE_PREFIX = "logs/active/"
JOBS = "jobs"
"""Only manager and monitor (and the stack, at deploy) write below it; a group's people and machines may read
what is theirs.
"""
EVIDENCE = "evidence"
"""Each machine may write below a prefix of its own, and nobody below another's."""

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029/\\\ud800-\udfff]")
_ID_MAX_BYTES = 128
_RETRY = re.compile(
    rf"{JOBS}/({GROUP_NAME.pattern})/job_({TIMESTAMP.pattern})/attempts/([0-9]{{1,5}})-([0-9]{{1,3}}){re.escape(RETRY_SUFFIX)}"
)


@dataclass(frozen=True)
class RecordKeys:
    """Keys of the service's records of one submission: the answer and the end that count. `prefix` ends in
    '/'.
    """

    prefix: str

    @property
    def certificate(self) -> str:
        return f"{self.prefix}certificate.txt"

    @property
    def certificate_json(self) -> str:
        return f"{self.prefix}certificate.json"

    @property
    def end(self) -> str:
        """The line of `end.txt`, written when every dataset is final, whatever the outcome."""
        return f"{self.prefix}end.txt"

    def sweep(self, ending: str) -> str:
        """The table of a sweep's outcomes, as `json` or `csv` (`neurocaas.protocol.outcomes`)."""
        return f"{self.prefix}sweep.{ending}"

    def pins(self, index: int) -> str:
        """The objects of the folder that is the dataset of that index (`neurocaas.protocol.pins`)."""
        return f"{self.prefix}pins/{index}.json"

    def config(self, configname: str) -> str:
        """The configuration as the machines get it (`neurocaas.protocol.normal`)."""
        return f"{self.prefix}configs/{configname}"

    def original_config(self, configname: str) -> str:
        """The configuration as it was submitted, byte for byte."""
        return f"{self.prefix}configs/original/{configname}"


@dataclass(frozen=True)
class ResultKeys:
    """Keys of one result folder. `group` is the first segment of every key, `folder` the folder below
    results/. `elsewhere` is the folder's prefix where it lies in another bucket."""

    group: str
    folder: str
    elsewhere: str = ""

    @property
    def resultdir(self) -> str:
        """Relative to the group, as `run_main.sh` gets it: `results/job_{timestamp}`."""
        return f"{RESULTS}/{self.folder}"

    @property
    def prefix(self) -> str:
        return self.elsewhere or f"{self.group}/{self.resultdir}/"

    @property
    def records(self) -> RecordKeys:
        """Where the service keeps what it decides by; `certificate` to `end` are copies of it for people."""
        return RecordKeys(f"{JOBS}/{self.group}/{self.folder}/")

    @property
    def logs_prefix(self) -> str:
        return f"{self.prefix}logs/"

    @property
    def certificate(self) -> str:
        return f"{self.logs_prefix}certificate.txt"

    @property
    def certificate_json(self) -> str:
        return f"{self.logs_prefix}certificate.json"

    def sweep(self, ending: str) -> str:
        """The copy for people of the table of a sweep's outcomes."""
        return f"{self.logs_prefix}sweep.{ending}"

    @property
    def process_prefix(self) -> str:
        return f"{self.prefix}process_results/"

    @property
    def end(self) -> str:
        """Written when every dataset is final, whatever the outcome."""
        return f"{self.process_prefix}end.txt"

    @property
    def attempts_prefix(self) -> str:
        return f"{self.prefix}attempts/"

    def apart(self, attempt: int, key: str) -> str:
        """Where a result at `key` goes that only the attempt of this number has written, which was not the
        last of its dataset.
        """
        return f"{self.attempts_prefix}{attempt}/{key.removeprefix(self.prefix)}"


class JobId(NamedTuple):
    """Which job it is."""

    bucket: str
    group: str
    timestamp: str

    @property
    def keys(self) -> JobKeys:
        return JobKeys.of(self.group, self.timestamp)


@dataclass(frozen=True)
class JobKeys(ResultKeys):
    """Keys of the job `timestamp` of `group`. Made by `JobKeys.of(group, timestamp)`."""

    timestamp: str = ""

    @classmethod
    def of(cls, group: str, timestamp: str) -> JobKeys:
        return cls(group, f"job_{timestamp}", timestamp=timestamp)

    @property
    def job(self) -> str:
        return f"{self.records.prefix}job.json"

    @property
    def stop(self) -> str:
        """The order to end the job early (`neurocaas.protocol.stop`)."""
        return f"{self.records.prefix}stop.json"

    @property
    def waiting(self) -> str:
        """What the job waits for, and its place in the queue (`neurocaas.protocol.waiting`)."""
        return f"{self.records.prefix}waiting.json"

    def verdict(self, index: int) -> str:
        """How the dataset of that index ended, as the service has decided (`neurocaas.protocol.status`)."""
        return f"{self.records.prefix}datasets/{index}.json"

    def record(self, name: str) -> str:
        """Size and SHA-256 of the files that the machine of the dataset with this display name read and wrote
        (for people).
        """
        return f"{self.logs_prefix}{name}_files.json"

    def retry(self, dataset: int, attempt: int) -> str:
        """What the monitor writes to ask the manager for another machine for a dataset, by its index
        (`neurocaas.protocol.attempt`).
        """
        return f"{self.records.prefix}attempts/{dataset}-{attempt}{RETRY_SUFFIX}"

    @property
    def events(self) -> str:
        """What happened to the job, in order, once it has ended (`neurocaas.protocol.events`)."""
        return f"{self.records.prefix}events.jsonl"

    @property
    def events_prefix(self) -> str:
        """Each event, as it is told."""
        return f"{self.records.prefix}events/"

    @property
    def update(self) -> str:
        """Written by a machine after its dataset is done."""
        return f"{self.process_prefix}update.txt"

    def member_config(self, number: int, configname: str) -> str:
        """The configuration of member `number` (from 1) of an ensemble: the job's, with `jobnb`."""
        return self.records.config(f"inst{number}_{configname}")

    def combination_config(self, number: int, configname: str) -> str:
        """The configuration of combination `number` (from 1) of a sweep: plain, with its parameters."""
        return self.records.config(f"run{number}_{configname}")

    def status(self, name: str) -> str:
        """The status file of the dataset with display name `name` (unique in its job, see
        `names.dataset_names`).
        """
        return f"{self.logs_prefix}DATASET_NAME:{name}_STATUS.txt"


@dataclass(frozen=True)
class SubmissionKey:
    """A key `{group}/submissions/{name}` whose name ends in `submit.json`. `by_service`: the same below
    `jobs/`, where only the service writes (`neurocaas.protocol.chain`)."""

    group: str
    name: str
    by_service: bool = False

    @classmethod
    def parse(cls, key: str) -> SubmissionKey:
        """Take a decoded object key apart. Raises ValueError when it is not the key of a submission."""
        own = key.removeprefix(f"{JOBS}/")
        return cls(*_in_submissions(own, SUBMISSION_SUFFIX), by_service=own != key)

    @property
    def key(self) -> str:
        return f"{JOBS}/" * self.by_service + f"{self.group}/{SUBMISSIONS}/{self.name}"

    @property
    def config(self) -> str:
        """Where the service puts the configuration of a submission of its own."""
        return self.key[: -len(SUBMISSION_SUFFIX)] + "config.json"

    @property
    def id(self) -> str:
        """What stands before `submit.json`, without the joining '_' or '-'. Empty for a bare
        `submit.json`.
        """
        return re.sub(r"[_-]$", "", self.name[: -len(SUBMISSION_SUFFIX)])


@dataclass(frozen=True)
class CancelKey:
    """A key `{group}/submissions/{name}` whose name ends in `cancel.json`: it stands beside the submission it
    cancels.
    """

    group: str
    name: str

    @classmethod
    def parse(cls, key: str) -> CancelKey:
        """Raises ValueError when `key` (decoded) is not the key of a cancellation."""
        return cls(*_in_submissions(key, CANCEL_SUFFIX))

    @property
    def key(self) -> str:
        return f"{self.group}/{SUBMISSIONS}/{self.name}"

    @property
    def id(self) -> str:
        """Its own name without `.json`: where the answer to a refused cancellation goes is derived from
        it.
        """
        return self.name.removesuffix(".json")

    @property
    def submission(self) -> SubmissionKey:
        return SubmissionKey(self.group, self.name[: -len(CANCEL_SUFFIX)] + SUBMISSION_SUFFIX)


@dataclass(frozen=True)
class WatchKey:
    """A key `{group}/submissions/{name}` whose name ends in `watch.json`."""

    group: str
    name: str

    @classmethod
    def parse(cls, key: str) -> WatchKey:
        """Raises ValueError when `key` (decoded) is not the key of a watch."""
        return cls(*_in_submissions(key, WATCH_SUFFIX))

    @property
    def key(self) -> str:
        return f"{self.group}/{SUBMISSIONS}/{self.name}"

    @property
    def id(self) -> str:
        """The name of the watch."""
        return re.sub(r"[_-]$", "", self.name[: -len(WATCH_SUFFIX)])


@dataclass(frozen=True)
class RetryKey:
    """A key that `JobKeys.retry` makes."""

    group: str
    timestamp: str
    dataset: int
    attempt: int

    @classmethod
    def parse(cls, key: str) -> RetryKey:
        """Raises ValueError for any other key."""
        found = _RETRY.fullmatch(key)
        if found is None:
            raise ValueError(f"{key!r} does not ask for another attempt")
        return cls(found[1], found[2], int(found[3]), int(found[4]))


def early_cancel_key(group: str, name: str) -> str:
    """Where a cancellation waits for what it cancels: `name` is the key of a submission, or a timestamp."""
    return f"{JOBS}/{group}/early/{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}.json"


def _in_submissions(key: str, suffix: str) -> tuple[str, str]:
    """Group and name of a key `{group}/submissions/{name}` that ends in `suffix`. Raises ValueError for any
    other key.
    """
    group, _, rest = key.partition("/")
    folder, _, name = rest.partition("/")
    if (
        folder != SUBMISSIONS
        or not name.endswith(suffix)
        or not GROUP_NAME.fullmatch(group)
        or group in RESERVED_GROUPS
    ):
        raise ValueError(f"{key!r} is not '<group>/{SUBMISSIONS}/<name>{suffix}'")
    return group, name


def rejected_keys(group: str, submission_id: str) -> ResultKeys:
    """Where a submission without a usable timestamp (or with a used one) gets its answer.

    The folder is `rejected_{id}`; an id with characters that a file name cannot have, or longer than 128
    bytes, is changed to safe ones and gets a hash so that different ids stay different.
    """
    safe = _UNSAFE.sub("_", submission_id).lstrip(".")
    if len(safe.encode()) > _ID_MAX_BYTES:
        safe = safe.encode()[:_ID_MAX_BYTES].decode("utf-8", "ignore")
    if not safe or safe != submission_id:
        digest = hashlib.sha256(submission_id.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        safe = f"{safe or 'submission'}-{digest}"
    return ResultKeys(group, f"rejected_{safe}")


@dataclass(frozen=True)
class EvidenceKeys:
    """What the machine `instance` with the role `role_id` (`AROA…`) says of its own dataset. The prefix is
    the machine's `aws:userid` (IAM user guide, "IAM policy elements: Variables and tags"), by which its
    policy lets it write there and nowhere else."""

    role_id: str
    instance: str

    @property
    def prefix(self) -> str:
        return f"{EVIDENCE}/{self.role_id}:{self.instance}/"

    @property
    def status(self) -> str:
        """Its last status (`neurocaas.protocol.status`)."""
        return f"{self.prefix}status.json"

    @property
    def files(self) -> str:
        """Size and SHA-256 of the files that it read and wrote."""
        return f"{self.prefix}files.json"

    @property
    def idle(self) -> str:
        """Since when it does next to nothing; there once it did."""
        return f"{self.prefix}idle.json"


def active_report_key(instance: str) -> str:
    """The compute report of a machine that lives."""
    return f"{ACTIVE_PREFIX}{instance}.json"


def report_key(group: str, instance: str) -> str:
    """The compute report of a machine that has ended; filed under the group that submitted, never the
    data's.
    """
    return f"logs/{group}/{instance}.json"
