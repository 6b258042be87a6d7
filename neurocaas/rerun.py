"""Running a job again, and saying for each output whether it came out the same.

The new job has the configuration, the instance type and the inputs of the old one's certificate, these with
their content of then, and its image and code, also where others are deployed now. It is started from the
launch template that the group has now. What cannot be had as it was is said before anything is submitted or
copied.
"""

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from neurocaas import inputs
from neurocaas.analysis import Analysis, new_timestamp
from neurocaas.bucket import Bucket
from neurocaas.checks import timestamp_error, timestamp_used
from neurocaas.compare import DIFFERENT, IDENTICAL, OutputVerdict, checked, compare, rule_for
from neurocaas.digests import sha256_of_stream
from neurocaas.errors import AnalysisError, client_error, code_of, raise_all
from neurocaas.inputs import LARGEST, JobInput, Then
from neurocaas.job import JobHandle
from neurocaas.protocol.addresses import HTTPS
from neurocaas.protocol.documents import DocumentError, loads, moment
from neurocaas.protocol.job import Job
from neurocaas.protocol.keys import SUBMISSION_SUFFIX, SUBMISSIONS
from neurocaas.protocol.limits import CONFIG_MAX_BYTES
from neurocaas.protocol.names import TIMESTAMP, check_group_name, check_timestamp, key_fault
from neurocaas.protocol.outside import SCHEME, place_of
from neurocaas.protocol.pins import Pin, read_pins
from neurocaas.protocol.problems import shown
from neurocaas.protocol.published_settings import About
from neurocaas.typed import command as typed

_SERVICE = frozenset({"end.txt", "update.txt"})


@dataclass(frozen=True)
class Original:
    """What a certificate.json says of the job that is run again."""

    bucket: str
    group: str
    timestamp: str
    datanames: tuple[str, ...]
    config: Mapping[str, Any]
    configpath: str
    instance_type: str | None
    image_id: str
    code_sha256: str
    commit: str | None
    amis: tuple[str, ...]
    read_files: tuple[JobInput, ...]
    started: datetime

    @property
    def configname(self) -> str:
        return self.configpath.rpartition("/")[2]

    @classmethod
    def read(cls, text: str | bytes, source: str) -> "Original":
        """Raises AnalysisError for a text that is not the certificate of a job that ran."""
        try:
            facts = loads(text, source)
            if not facts["datasets"]:
                raise ValueError("none of its datasets was run")
            _check(facts)
            types = {str(one["instance_type"]) for one in facts["datasets"] if one.get("instance_type")}
            configs = {str(facts["configpath"]), *(str(one.get("configpath")) for one in facts["datasets"])}
            begun = [moment(one["start"]) for one in facts["datasets"] if one.get("start")]
            return cls(
                bucket=str(facts["bucket"]),
                group=str(facts["group"]),
                timestamp=str(facts["job_id"]),
                datanames=tuple(dict.fromkeys(str(one["inputpath"]) for one in facts["datasets"])),
                config=dict(facts["config"]),
                configpath=str(facts["configpath"]),
                instance_type=types.pop() if len(types) == 1 else None,
                image_id=str(facts["image"]["id"]),
                code_sha256=str(facts["code_sha256"]),
                commit=facts.get("blueprint_commit"),
                amis=tuple(
                    sorted({str(one["image_id"]) for one in facts["datasets"] if one.get("image_id")})
                ),
                read_files=tuple(_files(facts["datasets"], configs)),
                started=min(begun) if begun else moment(facts["created"]),
            )
        except (DocumentError, LookupError, TypeError, ValueError, AttributeError) as error:
            raise AnalysisError(
                f"{source} is not the certificate of a job that ran ({error})",
                "the file logs/certificate.json of a job's results",
                f"fetch it (`{typed('results', 'JOB')}`), or name the job itself",
            ) from error


@dataclass(frozen=True)
class Rerun:
    """The verdicts of a rerun. `notes` say what was not the same to begin with."""

    original: str
    job: str
    outcome: str
    verdicts: tuple[OutputVerdict, ...]
    notes: tuple[str, ...] = ()

    @property
    def reproduced(self) -> bool:
        """Whether every output of a job that succeeded is identical or within its tolerance."""
        return bool(self.verdicts) and all(one.outcome != DIFFERENT for one in self.verdicts)


def _check(facts: Mapping[str, Any]) -> None:
    """A certificate may come from anywhere: what it names must be names, before anything is asked or copied
    by them. Raises ValueError.
    """
    every = [str(moved["key"]) for dataset in facts["datasets"] for moved in dataset.get("inputs", [])]
    every += [str(facts["configpath"]), *(str(dataset["inputpath"]) for dataset in facts["datasets"])]
    faults = [
        f"{shown(path)} as a path: {fault}"
        for path in every
        if (fault := key_fault(path.removeprefix(SCHEME).removeprefix(HTTPS))) is not None
    ]
    problems = [*check_group_name(facts["group"]), *check_timestamp(facts["job_id"])]
    faults += [f"{problem.got} as its {problem.field}" for problem in problems]
    if faults:
        raise ValueError("; ".join(faults[:3]))


def _files(datasets: Sequence[Mapping[str, Any]], configs: set[str]) -> Sequence[JobInput]:
    """What the machines have read, but for configurations; each object once."""
    found = {}
    for dataset in datasets:
        for one in dataset.get("inputs", []):
            if one["key"] not in configs:
                found[str(one["key"])] = JobInput(
                    str(one["key"]), int(one["bytes"]), str(one["sha256"]), one.get("version_id")
                )
    return list(found.values())


def original(name: str, analysis: Analysis | None, session: Any = None) -> Original:
    """The certificate that `name` means: a file here, an object (`s3://bucket/key`), or a job of
    `analysis`.
    """
    path = Path(name)
    if path.is_file():
        return Original.read(path.read_bytes(), name)
    if name.startswith("s3://"):
        bucket, _, key = name.removeprefix("s3://").partition("/")
        import boto3

        raw = Bucket((session or boto3).client("s3"), bucket).get(key) if bucket and key else None
        if raw is None:
            raise AnalysisError(
                f"no object {name}", "the s3:// address of a certificate.json", "check the address"
            )
        return Original.read(raw, name)
    if analysis is None or "/" in name:  # no name of a job has one
        raise AnalysisError(
            f"no file {name}",
            "a certificate.json on this computer or in S3 (s3://…), or a job with --bucket and --group",
            "check the path, or say where the job is",
        )
    job = analysis.find(name)
    raw = analysis.objects.get(job.keys.records.certificate_json)
    if raw is None:
        raise AnalysisError(
            f"job {job.timestamp} has no certificate.json", "a job that has ended", "wait for its end"
        )
    return Original.read(raw, job.keys.records.certificate_json)


def differences(of: Original, about: About) -> list[str]:
    """How the analysis that is deployed now differs from that of the certificate; [] when it is the same."""
    pairs = (("image", of.image_id, about.image_id), ("code", of.code_sha256[:12], about.code_sha256[:12]))
    return [f"the {what} was {before}, now it is {now}" for what, before, now in pairs if before != now]


def _record(of: Original, analysis: Analysis) -> Job | None:
    """The manager's record of the job, where it is of this bucket and group and can be read."""
    if (of.bucket, of.group) == (analysis.bucket, analysis.group):
        with contextlib.suppress(AnalysisError):
            return analysis.job(of.timestamp).job()
    return None


def _as_pinned(of: Original, job: Job | None, objects: Bucket) -> Then:
    """The inputs of then: what was pinned at the submission, and what else the machines have read."""
    read = {one.key: one for one in of.read_files}
    for dataset in job.datasets if job is not None else ():
        pins = list[Pin]()
        if dataset.pins and job is not None:
            with contextlib.suppress(DocumentError):
                pins = read_pins(objects.get(job.keys.records.pins(dataset.index)) or b"")
        elif dataset.etag is not None:
            pins = [Pin(dataset.inputpath, dataset.size or 0, dataset.etag, dataset.version_id)]
        for pin in pins:
            digest = read[pin.path].sha256 if pin.path in read else ""
            read[pin.path] = JobInput(pin.path, pin.size, digest, pin.version_id, pin.etag)
    return Then(of.datanames, tuple(read.values()), of.started)


def _cannot_be_had(of: Original, analysis: Analysis, about: About, job: Job | None) -> list[AnalysisError]:
    """Why the image and the code of then, which are not deployed any more, cannot be used; [] when the
    manager can be asked for them.
    `job`: the record of then."""
    allowed, anyway = "the image and the code of the certificate", "rerun with what is deployed now: --anyway"
    if of.image_id != about.image_id and _retired(of.image_id, analysis.session):
        got = f"the image {of.image_id} has been retired; now it is {about.image_id}"
        return [AnalysisError(got, allowed, f"it cannot be had again; {anyway}")]
    if job is not None:
        template = about.launch_template_id or job.launch_template.launch_template_id
        if of.image_id == about.image_id or template == job.launch_template.launch_template_id:
            return []
        got = (
            f"the launch template of the image {of.image_id} is gone (the group was removed, and came "
            f"back); now it is {about.image_id}"
        )
        return [AnalysisError(got, allowed, f"it cannot be had again; {anyway}")]
    again = f"deploy commit {of.commit} of the blueprint" if of.commit else "deploy the blueprint as it was"
    return [AnalysisError("; ".join(differences(of, about)), allowed, f"{again} and rerun, or {anyway}")]


def _retired(image: str, session: Any) -> bool:
    """Whether an AMI is gone, as far as these credentials may know."""
    if not image.startswith("ami-"):
        return False
    try:
        return not session.client("ec2").describe_images(ImageIds=[image])["Images"]
    except client_error() as error:
        return code_of(error).startswith("InvalidAMIID")


@dataclass(frozen=True)
class Prepared:
    """What a rerun will be: `names` from each dataset of the certificate to what is submitted, `notes` what
    is not the same.
    `as_then`: with the image and the code of then, which are not those that are deployed now.
    `instance_type`: None for the analysis's own."""

    stamp: str
    names: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    as_then: bool = False
    instance_type: str | None = None


def prepare(
    of: Original, analysis: Analysis, about: About, timestamp: str | None = None, *, anyway: bool = False
) -> Prepared:
    """Find what the job had, and put inputs that have changed since where the new job can read them as they
    were.

    Raises AnalysisError with everything that cannot be had, unless `anyway`: then what there is now is taken,
    and noted.
    """
    if not JobOutputs(JobHandle(analysis.s3, of.bucket, of.group, of.timestamp), of.configname).sizes:
        raise AnalysisError(
            f"job {of.timestamp} has no outputs to compare with",
            "a job that wrote some, which are still in the bucket",
            "choose another",
        )
    stamp = timestamp or new_timestamp(datetime.now(timezone.utc))
    raise_all(_cannot_be_asked(of, analysis, about, stamp))
    job = _record(of, analysis)
    then = _as_pinned(of, job, analysis.objects)
    found = inputs.find(analysis.objects, then)
    other = differences(of, about)
    lost = _cannot_be_had(of, analysis, about, job) if other else []
    faults, instance_type = [*lost, *found.faults, *_config_has_changed(of, job, analysis)], of.instance_type
    if instance_type is not None and instance_type not in about.instance_types:
        do = f"rerun with {about.instance_type}: --anyway"
        faults.append(
            AnalysisError(
                f"the instance type was {instance_type}", f"now {', '.join(about.instance_types)}", do
            )
        )
        instance_type = None
    if not anyway:
        raise_all(faults)
    notes = [*(fault.got for fault in faults), *found.notes]
    if not of.image_id.startswith("ami-") and not of.amis:
        notes.append(f"the image is what {of.image_id} names, which may have changed")
    as_then = bool(other) and not lost
    if as_then:
        notes.append(f"{'; '.join(other)}: the job runs on what there was then")
    return Prepared(
        stamp,
        inputs.restore(analysis.objects, of.group, then, found, stamp),
        tuple(notes),
        as_then,
        instance_type,
    )


def submit(of: Original, analysis: Analysis, prepared: Prepared) -> JobHandle:
    """Submit the same inputs, configuration and instance type as a new job. The configuration keeps its name.
    Results go to the group's folder. Data of an outside bucket comes with the configuration that is there
    now: the two may not be of different buckets."""
    config = of.configpath
    if not config.startswith(SCHEME):
        config = analysis.upload_config(of.config, f"rerun_{prepared.stamp}/{of.configname}")
    earlier = of.timestamp if prepared.as_then else None
    return analysis.submit(
        tuple(prepared.names.values()),
        config,
        prepared.stamp,
        prepared.instance_type,
        rerun_of=earlier,
        check=False,
    )


def _config_has_changed(of: Original, job: Job | None, analysis: Analysis) -> list[AnalysisError]:
    """The configuration of an outside bucket is taken as it is there now. What these credentials may not read
    is not known to differ.
    """
    if not of.configpath.startswith(SCHEME) or job is None or job.config_source is None:
        return []
    bucket, key = place_of(of.configpath, analysis.bucket)
    try:
        raw = Bucket(analysis.s3, bucket).get(key, CONFIG_MAX_BYTES)
    except AnalysisError:
        return []
    if raw is not None and hashlib.sha256(raw).hexdigest() == job.config_source.sha256:
        return []
    got = f"the configuration {of.configpath} {'is gone' if raw is None else 'has changed since'}"
    original = job.keys.records.original_config(of.configname)
    do = f"put back s3://{of.bucket}/{original}, or rerun with what is there now: --anyway"
    return [AnalysisError(got, "the configuration of then", do)]


def _cannot_be_asked(of: Original, analysis: Analysis, about: About, stamp: str) -> list[AnalysisError]:
    """What no --anyway helps against."""
    errors = []
    if not TIMESTAMP.fullmatch(stamp):
        errors.append(timestamp_error(stamp))
    elif analysis.objects.entry(f"{analysis.group}/{SUBMISSIONS}/{stamp}_{SUBMISSION_SUFFIX}") is not None:
        errors.append(timestamp_used(stamp))
    if len(of.datanames) > about.max_datasets:
        got, allowed = f"{len(of.datanames)} datasets", f"up to {about.max_datasets} in a submission now"
        errors.append(
            AnalysisError(got, allowed, "ask the analysis's developer for a larger limits.datasets")
        )
    return errors


def judge(
    of: Original, again: JobHandle, about: About, names: Mapping[str, str] | None = None
) -> tuple[list[OutputVerdict], list[str]]:
    """A verdict for each output of either job, and notes about inputs and images that were not the same.
    `names` as `Prepared`.
    """
    rules = checked(about.compare)
    first = JobHandle(again.s3, of.bucket, of.group, of.timestamp)
    before, after = JobOutputs(first, of.configname), JobOutputs(again, again.job().configname)
    with ThreadPoolExecutor(4) as pool:
        verdicts = list(
            pool.map(
                lambda path: verdict(path, before, after, rules),
                sorted(before.sizes.keys() | after.sizes.keys()),
            )
        )
    notes = [
        f"the input {key} has changed since the first run"
        for key, digest in before.inputs.items()
        if after.inputs.get(_now(key, names or {}), digest) != digest
    ]
    amis = Original.read(
        again.objects.get(again.keys.records.certificate_json) or b"", "the certificate of the rerun"
    ).amis
    if of.amis and amis and of.amis != amis:
        notes.append(f"it ran on the image {', '.join(of.amis)}, now on {', '.join(amis)}")
    return verdicts, notes


def _now(key: str, names: Mapping[str, str]) -> str:
    """Where an object of the first run's inputs lies for the rerun."""
    for before, now in names.items():
        if key == before or (before.endswith("/") and key.startswith(before)):
            return now + key.removeprefix(before)
    return key


class JobOutputs:
    """The outputs of a job: sizes and known digests by path, and its inputs' digests by key."""

    def __init__(self, job: JobHandle, configname: str) -> None:
        bucket, keys = job.results_place()
        self.objects = Bucket(job.s3, bucket)
        self.prefix = keys.process_prefix
        entries = [
            (str(entry["Key"]).removeprefix(self.prefix), int(entry["Size"]))
            for entry in self.objects.list(self.prefix)
        ]
        self.sizes = {
            path: size
            for path, size in entries
            if path not in {*_SERVICE, configname} and not path.endswith("/")
        }
        self.digests = {key.removeprefix(self.prefix): digest for key, digest in job.digests().items()}
        self.inputs = job.digests("inputs")

    def read(self, path: str) -> bytes:
        return self.objects.get(self.prefix + path) or b""

    def digest(self, path: str) -> str:
        if path not in self.digests:
            with contextlib.closing(self.objects.open(self.prefix + path)) as body:
                self.digests[path] = sha256_of_stream(body)
        return self.digests[path]


def verdict(
    path: str,
    before: JobOutputs,
    after: JobOutputs,
    rules: Mapping[str, Mapping[str, Any]],
    called: tuple[str, str] = ("the first run", "the rerun"),
) -> OutputVerdict:
    """Of one output of either; `called` is what people call the two."""
    rule = rule_for(path, rules)
    if path not in before.sizes or path not in after.sizes:
        where = called[0] if path in before.sizes else called[1]
        return OutputVerdict(path, DIFFERENT, rule.comparator, rule.tolerance, f"only {where} has it")
    if before.sizes[path] == after.sizes[path] and before.digest(path) == after.digest(path):
        return OutputVerdict(path, IDENTICAL, rule.comparator, rule.tolerance)
    if max(before.sizes[path], after.sizes[path]) > LARGEST:
        return OutputVerdict(
            path, DIFFERENT, "bytes", "none", f"larger than {LARGEST >> 20} MiB: only the bytes are compared"
        )
    return compare(path, before.read(path), after.read(path), rule)


def lines(done: Rerun) -> Sequence[str]:
    """As people read it."""
    said = [f"note: {note}" for note in done.notes]
    for one in done.verdicts:
        stated = f" (tolerance: {one.tolerance}, by {one.comparator})" if one.outcome != IDENTICAL else ""
        said.append(f"{one.outcome:16}  {one.path}{stated}{f': {one.detail}' if one.detail else ''}")
    same = sum(one.outcome != DIFFERENT for one in done.verdicts)
    said.append(f"job {done.job} reproduces {same} of {len(done.verdicts)} outputs of job {done.original}")
    return said
