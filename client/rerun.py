"""Running a job again, and saying for each output whether it came out the same.

The new job has the inputs, the configuration and the instance type of the old one's certificate. Its image and its code are
those that are deployed now: where these are not the certificate's, `differences` says so before anything is submitted.
"""

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.analysis import Analysis
from client.bucket import Bucket
from client.compare import DIFFERENT, IDENTICAL, Verdict, checked, compare, rule_for
from client.errors import AnalysisError
from client.job import JobHandle
from runtime.protocol.about import About
from runtime.protocol.documents import DocumentError, loads
from runtime.protocol.outside import SCHEME

LARGEST = 256 << 20
"""Bytes up to which outputs are compared by their values; larger ones are compared by their SHA-256."""

_SERVICE = frozenset({"end.txt", "update.txt"})
_MEMORY = "its outputs are still in the bucket"


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

    @classmethod
    def read(cls, text: str | bytes, source: str) -> "Original":
        """Raises AnalysisError for a text that is not the certificate of a job that ran."""
        try:
            facts = loads(text, source)
            types = {str(one["instance_type"]) for one in facts["datasets"] if one.get("instance_type")}
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
            )
        except (DocumentError, LookupError, TypeError, ValueError) as error:
            raise AnalysisError(
                f"{source} is not the certificate of a job that ran ({error})",
                "the file logs/certificate.json of a job's results",
                "fetch it (`invoke results JOB`), or name the job itself",
            ) from error


@dataclass(frozen=True)
class Rerun:
    """The verdicts of a rerun. `notes` say what was not the same to begin with."""

    original: str
    job: str
    outcome: str
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...] = ()

    @property
    def reproduced(self) -> bool:
        """Whether every output of a job that succeeded is identical or within its tolerance."""
        return bool(self.verdicts) and all(one.outcome != DIFFERENT for one in self.verdicts)


def original(name: str, analysis: Analysis | None) -> Original:
    """The certificate that `name` means: a file here, or a job of `analysis`."""
    path = Path(name)
    if path.is_file():
        return Original.read(path.read_bytes(), name)
    if analysis is None:
        raise AnalysisError(
            f"no file {name}",
            "a certificate.json on this computer, or a job with --bucket and --group",
            "check the path, or say where the job is",
        )
    key = analysis.job(name).keys.certificate_json
    raw = analysis.objects.get(key)
    if raw is None:
        raise AnalysisError(
            f"neither a file {name} nor {key} in the bucket", "a certificate.json, or a job that has ended", "check the name"
        )
    return Original.read(raw, key)


def differences(of: Original, about: About) -> list[str]:
    """How the analysis that is deployed now differs from that of the certificate; [] when it is the same."""
    pairs = (("image", of.image_id, about.image_id), ("code", of.code_sha256[:12], about.code_sha256[:12]))
    return [f"the {what} was {before}, now it is {now}" for what, before, now in pairs if before != now]


def check(of: Original, about: About) -> list[str]:
    """Raises AnalysisError when the analysis has moved on since the certificate."""
    found = differences(of, about)
    if found:
        commit = f"deploy commit {of.commit} of the blueprint" if of.commit else "deploy the blueprint as it was"
        raise AnalysisError(
            "; ".join(found),
            "the image and the code of the certificate",
            f"{commit} and rerun, or rerun with what is deployed now: --anyway",
        )
    return found


def submit(of: Original, analysis: Analysis, timestamp: str | None = None) -> JobHandle:
    """Submit the same inputs, configuration and instance type as a new job. Its results go to the group's folder. Data of an
    outside bucket comes with the configuration that is there now: the two may not be of different buckets."""
    outside = of.configpath.startswith(SCHEME)
    return analysis.submit(of.datanames, of.configpath if outside else of.config, timestamp, of.instance_type)


def judge(of: Original, again: JobHandle, about: About) -> tuple[list[Verdict], list[str]]:
    """A verdict for each output of either job, and notes about inputs that have changed in between."""
    rules = checked(about.compare)
    first = JobHandle(again.s3, of.bucket, of.group, of.timestamp)
    before, after = _Outputs(first, of.configpath.rpartition("/")[2]), _Outputs(again, again.job().configname)
    verdicts = [_verdict(path, before, after, rules) for path in sorted(before.sizes.keys() | after.sizes.keys())]
    if not before.sizes:
        raise AnalysisError(f"job {of.timestamp} has no outputs to compare with", f"a job that wrote some, and {_MEMORY}", "choose another")
    changed = [key for key, digest in before.inputs.items() if after.inputs.get(key, digest) != digest]
    return verdicts, [f"the input {key} has changed since the first run" for key in changed]


class _Outputs:
    """The outputs of a job: sizes and known digests by path, and its inputs' digests by key."""

    def __init__(self, job: JobHandle, configname: str) -> None:
        bucket, keys = job.results_place()
        self.objects = Bucket(job.s3, bucket)
        self.prefix = keys.process_prefix
        entries = [(str(entry["Key"]).removeprefix(self.prefix), int(entry["Size"])) for entry in self.objects.list(self.prefix)]
        self.sizes = {path: size for path, size in entries if path not in {*_SERVICE, configname} and not path.endswith("/")}
        self.digests = {key.removeprefix(self.prefix): digest for key, digest in job.digests().items()}
        self.inputs = job.digests("inputs")

    def read(self, path: str) -> bytes:
        return self.objects.get(self.prefix + path) or b""

    def digest(self, path: str) -> str:
        if path not in self.digests:
            digest = hashlib.sha256()
            with contextlib.closing(self.objects.open(self.prefix + path)) as body:
                for chunk in body.iter_chunks(1 << 20):
                    digest.update(chunk)
            self.digests[path] = digest.hexdigest()
        return self.digests[path]


def _verdict(path: str, before: _Outputs, after: _Outputs, rules: Mapping[str, Mapping[str, Any]]) -> Verdict:
    rule = rule_for(path, rules)
    if path not in before.sizes or path not in after.sizes:
        where = "the first run" if path in before.sizes else "the rerun"
        return Verdict(path, DIFFERENT, rule.comparator, rule.tolerance, f"only {where} has it")
    if before.sizes[path] == after.sizes[path] and before.digest(path) == after.digest(path):
        return Verdict(path, IDENTICAL, rule.comparator, rule.tolerance)
    if max(before.sizes[path], after.sizes[path]) > LARGEST:
        return Verdict(path, DIFFERENT, "bytes", "none", f"larger than {LARGEST >> 20} MiB: only the bytes are compared")
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
