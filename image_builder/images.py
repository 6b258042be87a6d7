"""Machine images as objects: what there is of an analysis, what it costs, who needs it, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from account.images import SNAPSHOT_USD_PER_GIB_MONTH, remove
from blueprints.samples import cache_home
from image_builder import advisories, golden, manifest, pipeline, provenance
from image_builder.preflight import ClientMaker
from neurocaas.protocol.keys import JOBS
from neurocaas.protocol.problems import UserFacingError

_READERS = 16


class ImageProblem(UserFacingError):
    """An image that is not there, or must not go."""


@dataclass(frozen=True)
class BakedImage:
    """An available image of an analysis. `size_gib`: of its volume. `blueprint`: the blueprint names it;
    `deployed`: the stack starts machines from it; `parent_of`: analyses whose images start from it; `jobs`:
    timestamps of jobs whose certificates name it ("<group>/<timestamp>"); `first_command_seconds`: the
    median, over the machines of these jobs, of the time from the launch to the first command of the script
    (boot, code and data included), None before any was measured."""

    image_id: str
    build_arn: str
    recipe_sha256: str
    current_recipe: bool
    created: str
    size_gib: int
    usd_per_month: float
    verified: str
    commit: str
    blueprint: bool
    deployed: bool
    parent_of: tuple[str, ...]
    jobs: tuple[str, ...]
    first_command_seconds: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def listed(
    target: pipeline.Target,
    outputs: Mapping[str, Any],
    recorded: str | None,
    parents: Mapping[str, str],
    users: Iterable[Mapping[str, Any]],
    clients: ClientMaker,
) -> list[BakedImage]:
    """The images of a stack in the target's account and region, the newest first. `parents`: analysis -> the
    image that its own start from; `users`: outputs of the stacks whose jobs may have run on them."""
    built: dict[str, Mapping[str, Any]] = {}
    for image in pipeline.images(target, clients("imagebuilder")):
        amis = (image.get("outputResources") or {}).get("amis", [])
        if image["state"]["status"] == "AVAILABLE" and any(
            ami.get("region") == target.region for ami in amis
        ):
            built[pipeline.pick(image, target)] = image
    if not built:
        return []
    filters = [{"Name": "image-id", "Values": list(built)}]
    known = {ami["ImageId"]: ami for ami in clients("ec2").describe_images(Filters=filters)["Images"]}
    jobs: dict[str, list[JobOfImage]] = {}
    for stack in users:
        for image_id, names in jobs_by_image(str(stack["bucket"]), stack["groups"], clients("s3")).items():
            jobs.setdefault(image_id, []).extend(names)
    found = []
    for image_id, image in built.items():
        ami = known.get(image_id)
        if ami is None:  # deregistered by somebody; the service still has its record
            continue
        own = {tag["Key"]: tag["Value"] for tag in ami.get("Tags", [])}
        tags = {**(image.get("tags") or {}), **own}
        size = sum(int(one.get("Ebs", {}).get("VolumeSize", 0)) for one in ami.get("BlockDeviceMappings", []))
        recipe = str((image.get("tags") or {}).get(pipeline.RECIPE_TAG, ""))
        found.append(
            BakedImage(
                image_id=image_id,
                build_arn=str(image["arn"]),
                recipe_sha256=recipe,
                current_recipe=recipe == target.recipe_sha256,
                created=str(ami.get("CreationDate", "")),
                size_gib=size,
                usd_per_month=round(size * SNAPSHOT_USD_PER_GIB_MONTH, 2),
                verified=str(tags.get("neurocaas:verified", "unknown")),
                commit=str(tags.get("neurocaas:commit", "unknown")),
                blueprint=image_id == recorded,
                deployed=image_id == outputs.get("image_id"),
                parent_of=tuple(
                    sorted(analysis for analysis, parent in parents.items() if parent == image_id)
                ),
                jobs=tuple(job.name for job in jobs.get(image_id, ())),
                first_command_seconds=_middle(jobs.get(image_id, ())),
            )
        )
    return sorted(found, key=lambda one: (one.created, one.build_arn), reverse=True)


class JobOfImage(NamedTuple):
    """A job that ran on an image ("<group>/<timestamp>"), and how many seconds after its launch each of its
    machines began with the script (`certificate.MachineOutcome`)."""

    name: str
    first_commands: tuple[float, ...]


def jobs_by_image(bucket: str, groups: Iterable[str], s3: Any) -> dict[str, list[JobOfImage]]:
    """Image id -> the jobs whose certificates name it: one request a job, sixteen at a time."""
    folders = []
    for group in groups:
        for page in s3.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=f"{JOBS}/{group}/job_", Delimiter="/"
        ):
            folders += [one["Prefix"] for one in page.get("CommonPrefixes", [])]

    def image_of(folder: str) -> tuple[str, tuple[float, ...]] | None:
        try:
            stored = json.load(s3.get_object(Bucket=bucket, Key=f"{folder}certificate.json")["Body"])
            return str(stored["image"]["id"]), _first_commands(stored)
        except (s3.exceptions.ClientError, ValueError, KeyError, TypeError):
            return None  # a job without a certificate names no image

    named: dict[str, list[JobOfImage]] = {}
    with ThreadPoolExecutor(_READERS) as readers:
        for folder, found in zip(folders, readers.map(image_of, folders), strict=True):
            if found:
                name = folder.removeprefix(f"{JOBS}/").rstrip("/").replace("/job_", "/", 1)
                named.setdefault(found[0], []).append(JobOfImage(name, found[1]))
    return named


def _first_commands(certificate: Mapping[str, Any]) -> tuple[float, ...]:
    """Of its machines; certificates of before it was measured have none."""
    machines = (machine for one in certificate.get("datasets", ()) for machine in one.get("machines", ()))
    seconds = (machine.get("first_command_seconds") for machine in machines)
    return tuple(float(one) for one in seconds if isinstance(one, (int, float)))


def _middle(jobs: Iterable[JobOfImage]) -> float | None:
    seconds = [one for job in jobs for one in job.first_commands]
    return round(median(seconds), 1) if seconds else None


def find(images: Iterable[BakedImage], image_id: str, analysis: str) -> BakedImage:
    """The image of that id (or the only one whose id begins so). Raises ImageProblem."""
    known = list(images)
    fitting = [image for image in known if image.image_id == image_id] or [
        image for image in known if image.image_id.startswith(image_id)
    ]
    if len(fitting) == 1 and image_id:
        return fitting[0]
    got = f"the beginning of {len(fitting)} images" if image_id and fitting else "no image of it"
    raise ImageProblem(
        f"{image_id!r} for the analysis '{analysis}': {got}",
        ", ".join(image.image_id for image in known) or "nothing: there is no image yet",
        "choose one of `invoke images`",
    )


@dataclass(frozen=True)
class Details:
    """How an image was built, what is installed in it, and what its golden test found (None when the build's
    log is gone; the last also when there was no such test). `advisories`: known vulnerabilities of what is
    installed (`image_builder.advisories.AdvisoryReport`)."""

    steps: list[provenance.WorkflowStep]
    manifest: manifest.Manifest | None
    golden: dict[str, Any] | None
    advisories: dict[str, Any] | None = None

    @property
    def seconds(self) -> float:
        """Of all steps together."""
        return round(sum(step.seconds or 0.0 for step in self.steps), 1)


def advisories_folder() -> Path:
    """Where this user's advisories are kept."""
    return cache_home() / "advisories"


def details(image: BakedImage, clients: ClientMaker) -> Details:
    """Ask for what is known of an image's build."""
    imagebuilder = clients("imagebuilder")
    built = imagebuilder.get_image(imageBuildVersionArn=image.build_arn)["image"]
    log = provenance.log_lines(clients("logs"), built)
    installed = manifest.from_log(log)
    return Details(
        provenance.steps(imagebuilder, image.build_arn),
        installed,
        golden.from_log(log),
        advisories.check(installed, advisories_folder()).to_dict() if installed else None,
    )


def retire(image: BakedImage, clients: ClientMaker, *, force: bool = False) -> list[str]:
    """Deregister an image, delete its snapshots and the service's record of it. Returns lines that say what
    was done.

    Raises ImageProblem for one that a blueprint names or that is deployed; and, without `force`, for one that
    certificates name: it is needed to repeat those jobs.
    """
    if image.blueprint or image.deployed:
        why = "the blueprint names it" if image.blueprint else "the stack starts machines from it"
        raise ImageProblem(
            f"{image.image_id} is in use: {why}",
            "an image that nothing is started from",
            "bake or promote another one, deploy it, then retire this one",
        )
    if image.parent_of:
        raise ImageProblem(
            f"{image.image_id} is the parent of the images of {', '.join(image.parent_of)}",
            "an image that no blueprint names",
            "choose another image.parent there, deploy and bake it, then retire this one",
        )
    if image.jobs and not force:
        some = ", ".join(image.jobs[:3]) + (f" and {len(image.jobs) - 3} more" if len(image.jobs) > 3 else "")
        raise ImageProblem(
            f"{image.image_id} is named by the certificates of {len(image.jobs)} jobs ({some})",
            "an image that no job ran on, since no such job could be repeated exactly",
            "keep it, or add --force",
        )
    return remove(image.image_id, image.build_arn, clients)
