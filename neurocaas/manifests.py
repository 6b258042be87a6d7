"""Manifests, on this computer or in the bucket: read and checked before anything is uploaded, by the
service's own rules (`neurocaas.protocol.manifest`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from neurocaas.bucket import Bucket
from neurocaas.errors import AnalysisError, raise_all
from neurocaas.protocol.config import JobConfig, overridden
from neurocaas.protocol.manifest import MANIFEST_MAX_BYTES, SUFFIXES, ManifestLine, parse_manifest, told
from neurocaas.protocol.outside import SCHEME
from neurocaas.protocol.problems import InvalidInput, Problem
from neurocaas.protocol.published_settings import About


def lines_of(manifest: str, about: About, objects: Bucket) -> list[ManifestLine]:
    """The lines of a file here, or of an object that these credentials may read. Raises AnalysisError with
    everything that is wrong."""
    if about.config is None or not about.config.max_sweep:
        raise AnalysisError(
            f"a manifest for {about.analysis}, whose service is of an earlier version",
            "datasets by --data and --key",
            "ask its developer to deploy it again",
        )
    if not manifest.lower().endswith(SUFFIXES) or manifest.startswith(SCHEME):
        allowed = f"a file here or a key in the bucket, ending in {' or '.join(SUFFIXES)}"
        raise AnalysisError(f"manifest {manifest!r}", allowed, "rename it")
    path = Path(manifest)
    if path.is_file():
        raw: bytes | None = path.read_bytes()
    elif objects.entry(manifest) is not None:
        raw = objects.get(manifest, MANIFEST_MAX_BYTES + 1)
    else:
        raw = None
    if raw is None:
        raise AnalysisError(
            f"no manifest {manifest!r}", "a file here, or a key in the bucket", "check the name"
        )
    try:
        return parse_manifest(raw, manifest, about.config.parameters, about.max_datasets)
    except InvalidInput as error:
        raise_all([_told(manifest, problem) for problem in error.problems])
        raise


def parameter_errors(
    manifest: str, lines: Sequence[ManifestLine], config: JobConfig | None, about: About
) -> list[AnalysisError]:
    """What is wrong with the parameters of single datasets, in the job's config."""
    own = [line for line in lines if line.parameters]
    if not own or config is None or about.config is None:
        return []
    if config.combinations or config.members is not None:
        what = "a sweep" if config.combinations else "an ensemble"
        got = f"parameters in {manifest}, and {what} in the config"
        return [AnalysisError(got, "one of them", "leave one of the two out")]
    problems: list[Problem] = []
    for line in own:
        _, wrong = overridden(config, line.parameters, about.config)
        problems += [Problem(f"{line.place}, {one.field}", one.got, one.allowed, one.do) for one in wrong]
    return [_told(manifest, problem) for problem in told(problems)]


def _told(manifest: str, problem: Problem) -> AnalysisError:
    """With the file and the line, as compilers write it."""
    field = problem.field.removeprefix("manifest").removeprefix(" line ")
    number, _, rest = field.partition(", ")
    place = f"{manifest}:{number}" if number else manifest
    what = f": {rest.removeprefix('config ')}" if rest else ""
    return AnalysisError(
        f"{place}{what}: got {problem.got}", problem.allowed, problem.do[:1].lower() + problem.do[1:]
    )
