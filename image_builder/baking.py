"""The whole of `invoke bake-ami`, for one image: look, build, write down, commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import blueprints
from blueprints import BASE, Imaged
from blueprints.golden import FOLDER
from blueprints.provision import ABOUT, read, sha256_of
from image_builder import advisories, pipeline, provenance
from image_builder.commits import CommitError, CommitState, can_commit, commit_folder, state
from image_builder.images import BakedImage, advisories_folder
from image_builder.manifest import Manifest
from image_builder.place import CONSEQUENCE, puts_something_there
from image_builder.preflight import ClientMaker, check
from image_builder.recipe import recipe_of
from image_builder.recording.verification import Verified, verification, way_out
from image_builder.report import BakeReport
from neurocaas.protocol import yaml12
from neurocaas.protocol.problems import InvalidInput, Problem

PARENT_TAG = "neurocaas:parent"
VERIFIED_TAG = "neurocaas:verified"
COMMIT_TAG = "neurocaas:commit"


@dataclass(frozen=True)
class Options:
    """`unverified`: bake a recording that no replay has proved. `keep`: write bake.json beside the image's
    id; `commit`: and make the two commits (never without `keep`). `purpose`: for the second commit.
    `advisories`: fetch those of the distribution and of Python's packages where they are old."""

    force: bool = False
    resume: bool = False
    unverified: bool = False
    keep: bool = True
    commit: bool = True
    purpose: str = ""
    advisories: bool = False


@dataclass(frozen=True)
class Preview:
    """What a bake would do. With `problems` it does nothing; `notes` are for the reader."""

    plan: pipeline.Plan
    recorded: str | None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    parent_ami: str | None = None
    verified: str = "yes"


@dataclass(frozen=True)
class _About:
    """What the blueprint's folder cannot tell of an image: `commit` is that of its scripts, None for the one
    that HEAD is.
    """

    verified: str
    recipe: Mapping[str, str]
    scripts: Mapping[str, str] | None
    commit: str | None


@dataclass
class Baking:
    """An analysis (or the base), its stack's outputs (`target`), and boto3 clients (`clients("ec2")`) for the
    target's region.
    """

    root: Path
    target: pipeline.Target
    clients: ClientMaker
    report: BakeReport
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        self.clients = cache(self.clients)
        self.imaged = load_imaged(self.root, self.target)
        provision = self.imaged.folder / "provision"
        made = read(provision) if provision.is_dir() else None
        self._scripts = {path: sha256_of(file) for path, file in (made.files if made else ())}
        self._in_place = any(puts_something_there(script.text) for script in (made.scripts if made else ()))

    @property
    def _commits(self) -> bool:
        return self.options.keep and self.options.commit

    @property
    def place(self) -> str:
        return f"{self.target.account}/{self.target.region}"

    def preview(self) -> Preview:
        """Look at everything that can be seen without building: seconds, and all problems at once."""
        recorded = self.imaged.image.baked(self.target.account, self.target.region)
        plan = pipeline.plan(self.target, recorded, self.clients("imagebuilder"), force=self.options.force)
        problems, notes, parent = self._recipe_problems(), [], None
        verified, doubt = _verified(self.imaged)
        if doubt:
            notes.append(doubt)
        if self.options.resume and plan.action != "resume":
            allowed, do = (
                "a build of this recipe that is under way",
                f"Start one: `invoke bake-ami --stack {self.target.stack}`",
            )
            problems.append(Problem("--resume", "no build to take up", allowed, do).text())
        if plan.action != "nothing" and self._commits:
            try:
                can_commit(self.root, notes.append)
            except CommitError as error:
                problems.append(str(error))
        if plan.action == "build":
            checked = check(
                self.target.stack, self.target.pipeline_arn, self.clients, parent=self.imaged.image.parent
            )
            problems += [problem.text() for problem in checked.problems]
            notes += checked.notes
            parent = checked.parent_ami
            if (
                verified == "no"
                and (self.imaged.folder / "provision" / ABOUT).is_dir()
                and not self.options.unverified
            ):
                do = f"{way_out(self.imaged)}; or bake it as it is with --unverified"
                problems.append(
                    Problem(
                        "recording", doubt, "a recording that a replay on a clean root has proved", do
                    ).text()
                )
        if self._in_place:
            notes.append(CONSEQUENCE)
        if plan.action == "nothing" and (changed := self._golden_changes()):
            notes.append(
                f"the golden test changed since {plan.image_id} passed it ({', '.join(changed)}), and no "
                "image is built for that: "
                f"`invoke golden {self.target.analysis}` tries it; --force bakes an image that must pass it"
            )
        return Preview(plan, recorded, tuple(problems), tuple(notes), parent, verified)

    def _golden_changes(self) -> list[str]:
        """Files of the golden test that are not as they were when the recorded image was baked."""
        known = provenance.read(self.imaged.folder).get(self.place, {}).get("scripts") or {}
        paths = sorted(path for path in known.keys() | self._scripts.keys() if path.startswith(f"{FOLDER}/"))
        return [path for path in paths if known.get(path) != self._scripts.get(path)] if known else []

    def _recipe_problems(self) -> list[str]:
        try:
            recipe = recipe_of(self.imaged, self.target.account, self.target.region)
        except InvalidInput as error:
            return [problem.text() for problem in error.problems]
        stack, folder = self.target.stack, f"blueprints/{self.target.analysis}/provision/"
        if recipe is None:
            do = f"Write {folder}10-tools.sh, then `invoke deploy {stack}`"
            return [Problem(folder, "no scripts", "at least one script", do).text()]
        if recipe.sha256 != self.target.recipe_sha256:
            got = f"the scripts (or parent, or volume) changed since the last deploy of {stack}"
            return [
                Problem(
                    folder, got, "the recipe that is deployed", f"Deploy first: `invoke deploy {stack}`"
                ).text()
            ]
        return []

    def run(self, preview: Preview) -> dict[str, Any]:
        """Do what a preview says and return what was done. Raises BakeError when there are problems or the
        build fails: the blueprint is then as it was. KeyboardInterrupt leaves the build going on."""
        if preview.problems:
            listed = "\n".join(f"- {problem}" for problem in preview.problems)
            raise pipeline.BakeError(
                f"no bake:\n{listed}", "", ""
            )  # each says what is allowed, and what to do
        todo, imagebuilder = preview.plan, self.clients("imagebuilder")
        image_id, build_arn, seconds = todo.image_id, todo.build_arn, 0.0
        if todo.action in ("build", "resume"):
            if build_arn is None:
                tags = {
                    VERIFIED_TAG: preview.verified,
                    **({PARENT_TAG: preview.parent_ami} if preview.parent_ami else {}),
                }
                build_arn = pipeline.start(self.target, imagebuilder, tags)
            self.report.say(f"build {build_arn.rpartition('image/')[2]}")
            with self.report:
                baked = pipeline.follow(
                    self.target, build_arn, imagebuilder, self.clients("logs"), self.report.event
                )
            image_id, seconds = baked.image_id, baked.seconds
            self.report.say(f"{image_id} baked in {seconds:.0f} s")
        done: dict[str, Any] = {
            "image_id": image_id,
            "build_arn": build_arn,
            "seconds": round(seconds, 1),
            "commits": [],
        }
        if todo.action != "nothing" and image_id is not None and build_arn is not None:
            done["commits"] = self._keep(image_id, build_arn, self._about(preview.verified))
        return done

    def promote(self, image: BakedImage) -> list[str]:
        """Name an image that was baked earlier in the blueprint; returns the commits."""
        if self._commits:
            can_commit(self.root, self.report.say)
        recipe = {**self._recipe, "recipe_sha256": image.recipe_sha256}
        scripts = self._scripts if image.current_recipe else None
        return self._keep(
            image.image_id, image.build_arn, _About(image.verified, recipe, scripts, image.commit)
        )

    @property
    def _recipe(self) -> dict[str, str]:
        return {
            "stack": self.target.stack,
            "pipeline_arn": self.target.pipeline_arn,
            "recipe_sha256": self.target.recipe_sha256,
        }

    def _about(self, verified: str) -> _About:
        same = not self._recipe_problems()
        if not same:
            self.report.say(
                "the scripts changed while the image was baked: the image is of those that were deployed"
            )
        return _About(verified, self._recipe, self._scripts, None if same else "unknown")

    def _keep(self, image_id: str, build_arn: str, about: _About) -> list[str]:
        """Write the image into the blueprint, with the commits before and after; returns their hashes."""
        if not self.options.keep:
            self._record(image_id)
            return []
        folder, now = self.imaged.folder, datetime.now(UTC).isoformat(timespec="seconds")
        commits: list[str | None] = []
        if self._commits:
            message = f"automatic commit to document pipeline blueprint.yaml before update at {now}"
            commits.append(commit_folder(self.root, folder, message, say=self.report.say, empty=True))
        where = state(folder)
        what = provenance.entry(
            image_id=image_id,
            target=about.recipe,
            git=where if about.commit is None else CommitState(about.commit, about.commit == "unknown"),
            scripts=about.scripts,
            parent=self.imaged.image.parent,
            verified=about.verified,
            imagebuilder=self.clients("imagebuilder"),
            logs=self.clients("logs"),
            build_arn=build_arn,
            purpose=self.options.purpose,
            advise=self._advise,
        )
        provenance.write(folder, self.place, what)
        self._record(image_id)
        tags = {VERIFIED_TAG: about.verified, COMMIT_TAG: about.commit or where.commit or "none"}
        self.clients("ec2").create_tags(
            Resources=[image_id], Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
        )
        if self._commits:
            purpose = (
                self.options.purpose
                or f"{image_id} of recipe {about.recipe['recipe_sha256'][:8]} for {self.place}"
            )
            message = (
                f"automatic commit to document pipeline blueprint.yaml after update at {now}. Purpose: "
                f"{purpose}"
            )
            try:
                commits.append(commit_folder(self.root, folder, message, say=lambda text: None))
            except CommitError as error:
                raise CommitError(
                    error.got,
                    error.allowed,
                    f"{error.do}\n  {image_id} is recorded in blueprints/{self.target.analysis}/, only not "
                    "committed",
                ) from None
        return [commit for commit in commits if commit]

    def _advise(self, installed: Manifest) -> dict[str, Any]:
        """The known vulnerabilities of what is installed, as of now where the advisories can be had."""
        folder = advisories_folder()
        if self.options.advisories:
            wanted = advisories.ecosystems_of(installed)
            advisories.refresh(wanted, folder, datetime.now(UTC), self.report.say)
        found = advisories.check(installed, folder).to_dict()
        for line in advisories.lines(found, 3):
            self.report.say(f"advisories: {line}")
        kept = [{key: one[key] for key in one if key != "summary"} for one in found["findings"]]
        return {**found, "findings": kept}

    def _record(self, image_id: str) -> None:
        """Name the image in the blueprint; from the first one on jobs run on nothing else."""
        blueprints.record_image(
            self.root, self.target.analysis, self.target.account, self.target.region, image_id
        )
        if blueprints.require_image(self.root, self.target.analysis):
            self.report.say(
                f"{self.imaged.file}: `image.required: false` is taken out, so that no job runs "
                "on the bare parent any more"
            )


def load_imaged(root: Path, target: pipeline.Target) -> Imaged:
    """The base, or the blueprint as the stack resolves it: with the overrides of the stack's settings file,
    if there is one.
    """
    if target.analysis == BASE:
        return blueprints.imaged(BASE, root)
    overrides: Mapping[str, Any] | None = None
    settings = root / "stacks" / f"Pulumi.{target.stack}.yaml"
    if settings.is_file():
        loaded = yaml12.load(settings.read_text(encoding="utf-8"), f"stacks/{settings.name}") or {}
        overrides = (loaded.get("config") or {}).get("neurocaas:overrides")
    return blueprints.imaged(target.analysis, root, target.stack.rpartition("-")[2], overrides)


def _verified(imaged: Imaged) -> tuple[str, str]:
    """ "yes", or "no" with the reason: what the image's tag says."""
    known = verification(imaged)
    return (
        ("yes", "")
        if isinstance(known, Verified)
        else ("no", f"the recording of {imaged.name} is not verified: {known.why}")
    )
