"""`invoke images` and `images.*`: list, show, compare, promote and retire machine images."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from image_builder.commands import HELP, _root, clients_of, dumps, stack_of, stack_outputs

if TYPE_CHECKING:
    from image_builder.images import BakedImage
    from image_builder.pipeline import Target

_WHICH = {"stack": HELP["stack"], "analysis": HELP["analysis"]}
_JSON = {"json": "One JSON document on standard output."}


@task(help={**_WHICH, **_JSON}, default=True, name="list")
def list_images(c: Context, stack: str = "", analysis: str = "", json: bool = False) -> None:
    """List baked images: recipe, size, verification, age, who uses them, and what keeping them costs.

    Without --stack or --analysis: of every analysis whose webdev stack is deployed. "at most": a snapshot is
    billed for the blocks that are used.
    """
    found = [(place, image) for place in _places(stack, analysis) for image in place.images]
    if json:
        _out(dumps([{"analysis": place.target.analysis, **image.to_dict()} for place, image in found]))
        return
    rows = [("analysis", "image", "recipe", "created", "size", "verified", "a month", "used by")]
    for place, image in found:
        recipe = image.recipe_sha256[:8] + (" (deployed)" if image.current_recipe else "")
        cost = f"<= ${image.usd_per_month:.2f}"
        rows.append(
            (
                place.target.analysis,
                image.image_id,
                recipe,
                image.created[:16],
                f"{image.size_gib} GiB",
                image.verified,
                cost,
                _users(image),
            )
        )
    if len(rows) == 1:
        _out("no image yet; bake one: `invoke bake-ami --stack STACK`\n")
        return
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    _out(
        "".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n"
            for row in rows
        )
    )
    _out(f"in all at most ${sum(image.usd_per_month for _, image in found):.2f} a month\n")


@task(help={**_WHICH, **_JSON, "image": "The image's id, or its beginning."})
def show(c: Context, image: str, stack: str = "", analysis: str = "", json: bool = False) -> None:
    """Show an image: recipe, commit, how long its steps took, tools, packages, and their vulnerabilities.

    The advisories are those that were fetched last, by a bake or by `invoke images.advisories`.
    """
    place, one = _only(stack, analysis, image)
    from image_builder.advisories import lines
    from image_builder.images import details

    known = details(one, place.clients)
    if json:
        _out(dumps({**one.to_dict(), **asdict(known)}))
        return
    for name, value in one.to_dict().items():
        if name == "first_command_seconds":
            _out(f"{'first command':<16} {_first_command(value)}\n")
            continue
        _out(f"{name:<16} {', '.join(value) if isinstance(value, tuple) else value}\n")
    for step in known.steps:
        _out(
            f"{step.workflow:<16} {step.name}: {step.status}"
            + (f", {step.seconds:.1f} s\n" if step.seconds is not None else "\n")
        )
    for line in _golden_lines(known.golden):
        _out(f"{'golden test':<16} {line}\n")
    for line in lines(known.advisories) if known.advisories else ():
        _out(f"{'advisories':<16} {line}\n")
    installed = known.manifest
    if installed is None:
        _out("packages         unknown: the build's log is gone\n")
        return
    for name, version in installed.tools.items():
        _out(f"{name:<16} {version}\n")
    for kind, packages in installed.packages.items():
        _out(f"{kind:<16} {len(packages)} packages (all of them: --json)\n")


@task(help={**_WHICH, **_JSON, "first": "An image's id, or its beginning.", "second": "Another one's."})
def diff(
    c: Context, first: str, second: str, stack: str = "", analysis: str = "", json: bool = False
) -> None:
    """Compare two images of an analysis: packages, size, build time, numbers of their golden tests."""
    from image_builder.images import details
    from image_builder.manifest import differences

    place, old = _only(stack, analysis, first)
    _, new = _only(stack, analysis, second, place)
    both = details(old, place.clients), details(new, place.clients)
    before, after = (one.manifest for one in both)
    changed = differences(before, after) if before and after else None
    seconds = [one.seconds for one in both]
    used = [one.used_kib if one else None for one in (before, after)]
    golden = [list(_golden_lines(one.golden)) for one in both]
    if json:
        result = {
            "images": [old.image_id, new.image_id],
            "recipes": [old.recipe_sha256, new.recipe_sha256],
            "seconds": seconds,
        }
        _out(dumps({**result, "used_kib": used, "golden": [one.golden for one in both], "packages": changed}))
        return
    recipes = (
        "the same"
        if old.recipe_sha256 == new.recipe_sha256
        else f"{old.recipe_sha256[:8]} -> {new.recipe_sha256[:8]}"
    )
    _out(f"{'recipe':<16} {recipes}\n")
    _out(f"{'built in':<16} {seconds[0]:.1f} s -> {seconds[1]:.1f} s\n")
    if used[0] is not None and used[1] is not None:
        _out(f"{'used on disk':<16} {used[0] / 1024:.0f} MiB -> {used[1] / 1024:.0f} MiB\n")
    for sign, lines, others in (("-", golden[0], golden[1]), ("+", golden[1], golden[0])):
        for line in lines:
            if line not in others:
                _out(f"{'golden test':<16} {sign} {line}\n")
    if golden[0] and golden[0] == golden[1]:
        _out(f"{'golden test':<16} the same numbers\n")
    if changed is None:
        _out("packages         unknown: the log of a build is gone\n")
    for line in _package_lines(changed or {}):
        _out(line + "\n")
    if changed == {}:
        _out("no package differs\n")


@task(
    help={
        "ecosystem": "OSV's name, as PyPI or Ubuntu:24.04:LTS; else those of this project's images.",
        "archive": "A file all.zip of OSV's, fetched elsewhere (with --ecosystem).",
    }
)
def advisories(c: Context, ecosystem: str = "", archive: str = "") -> None:
    """Fetch the advisories (known vulnerabilities) that `images.show` compares an image's packages with.

    Whole archives are fetched: nobody is told which packages an image has.
    """
    from datetime import UTC, datetime

    from image_builder.advisories import AdvisoriesError, fetch
    from image_builder.images import ImageProblem, advisories_folder

    if archive and not ecosystem:
        do = "say of which ecosystem the file is: --ecosystem PyPI, for instance"
        raise ImageProblem("--archive alone", "--archive with --ecosystem", do)
    for name in [ecosystem] if ecosystem else _ecosystems():
        try:
            opened = (lambda address: open(archive, "rb")) if archive else None  # noqa: SIM115 (fetch closes it)
            count = fetch(name, advisories_folder(), datetime.now(UTC), opened)
        except AdvisoriesError as error:
            do = "see to the network, or fetch the file elsewhere and name it with --archive"
            raise ImageProblem(str(error), "advisories that can be had", do) from None
        _out(f"{name}: {count} advisories\n")


def _ecosystems() -> list[str]:
    """Those of the images that the blueprints' bake.json tell of; of Python's packages in any case."""
    import blueprints
    from image_builder import provenance
    from image_builder.advisories import ecosystems_of
    from image_builder.manifest import Manifest

    found = {"PyPI"}
    for name in (*blueprints.names(_root()), blueprints.BASE):
        for entry in provenance.read(_root() / "blueprints" / name).values():
            told = Manifest(entry.get("packages") or {}, entry.get("tools") or {})
            found.update(ecosystems_of(told))
    return sorted(found)


@task(
    help={
        **_WHICH,
        **_JSON,
        "image": "The image's id, or its beginning.",
        "commit": "Commit the blueprint's folder before and after (--no-commit: write the files only).",
        "message": "Why: a line of the second commit and of bake.json.",
    }
)
def promote(
    c: Context,
    image: str,
    stack: str = "",
    analysis: str = "",
    commit: bool = True,
    message: str = "",
    json: bool = False,
) -> None:
    """Name a baked image in the blueprint (an older one, for instance); the next deploy uses it."""
    from image_builder.baking import Baking, Options
    from image_builder.report import BakeReport

    place, one = _only(stack, analysis, image)
    report = BakeReport(sys.stderr if json else sys.stdout)
    baking = Baking(
        _root(),
        place.target,
        place.clients,
        report,
        Options(commit=commit, purpose=message or f"promoted {one.image_id}"),
    )
    commits = [] if one.blueprint else baking.promote(one)
    report.say(f"{one.image_id} is named in {place.file}" + (" already" if one.blueprint else ""))
    report.say(f"to use it: `invoke deploy {place.target.stack}`")
    if json:
        _out(dumps({"image_id": one.image_id, "changed": not one.blueprint, "commits": commits}))


@task(
    help={
        **_WHICH,
        **_JSON,
        "image": "The image's id, or its beginning.",
        "force": "Also one that the certificates of jobs name.",
    }
)
def retire(
    c: Context, image: str, stack: str = "", analysis: str = "", force: bool = False, json: bool = False
) -> None:
    """Delete an image for good: the AMI, its snapshots and the service's record.

    Refused for an image that a blueprint names or machines start from, and, without --force, for one that a
    job's certificate names.
    """
    from image_builder import images

    place, one = _only(stack, analysis, image)
    said = images.retire(one, place.clients, force=force)
    _out(dumps({"image_id": one.image_id, "done": said}) if json else "".join(f"{line}\n" for line in said))


class _Place:
    """The images of one stack."""

    def __init__(self, target: Target, outputs: Mapping[str, Any]) -> None:
        from blueprints.parents import BASE
        from image_builder.baking import load_imaged
        from image_builder.images import listed

        self.target = target
        self.clients = cache(clients_of(target.region))
        imaged = load_imaged(_root(), target)
        self.file, recorded = imaged.file, imaged.image.baked(target.account, target.region)
        users = [outputs] if target.analysis != BASE else [found for _, found in _deployed()]
        self.images = listed(
            target, outputs, recorded, _parents(target.account, target.region), users, self.clients
        )


def _parents(account: str, region: str) -> dict[str, str]:
    """Analysis -> the image that its own start from, where the blueprint names one by its id, or the base."""
    import blueprints
    from neurocaas.protocol.problems import InvalidInput

    found = {}
    for name in blueprints.names(_root()):
        with suppress(InvalidInput):  # that one's own commands say what is wrong with it
            parent = blueprints.parent_of(
                blueprints.load(name, blueprints.Stage.WEBDEV, _root()), account, region
            ).ami
            if parent:
                found[name] = parent
    return found


def _places(stack: str, analysis: str) -> Iterator[_Place]:
    from blueprints.model import UTILS
    from image_builder.pipeline import BakeError, Target

    if name := stack_of(stack, analysis):
        outputs = stack_outputs(_root(), name)
        yield _Place(Target.from_outputs(name, outputs), outputs)
        return
    for name, outputs in [*_deployed(UTILS), *_deployed()]:
        try:
            target = Target.from_outputs(name, outputs)
        except BakeError:  # without scripts: it has no images
            continue
        yield _Place(target, outputs)


@cache
def _deployed(*names: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Name and outputs of those of the stacks that were deployed; without names, of the webdev stacks of all
    analyses.
    """
    import blueprints
    from image_builder.pipeline import BakeError

    found = []
    for name in names or [f"{one}-{blueprints.Stage.WEBDEV}" for one in blueprints.names(_root())]:
        with suppress(BakeError):
            found.append((name, stack_outputs(_root(), name)))
    return found


def _only(stack: str, analysis: str, image: str, place: _Place | None = None) -> tuple[_Place, BakedImage]:
    """The one image that is meant. Without --stack or --analysis it is looked for in every analysis."""
    from image_builder.images import ImageProblem, find

    places = [place] if place else list(_places(stack, analysis))
    if len(places) > 1:
        places = [
            one for one in places if any(known.image_id.startswith(image) for known in one.images)
        ] or places
    if len(places) != 1:
        raise ImageProblem(
            f"{image!r}, which is an image of no analysis or of several",
            "the id of an image in `invoke images`",
            "correct it, or add --analysis NAME",
        )
    return places[0], find(places[0].images, image, places[0].target.analysis)


def _users(image: BakedImage) -> str:
    uses = [word for word, true in (("blueprint", image.blueprint), ("stack", image.deployed)) if true]
    uses += [f"parent of {analysis}" for analysis in image.parent_of]
    if image.jobs:
        uses.append(f"{len(image.jobs)} job{'s' if len(image.jobs) > 1 else ''}")
    return ", ".join(uses) or "nobody"


def _first_command(seconds: float | None) -> str:
    if seconds is None:
        return "not measured yet: no job of this image has ended"
    return f"{seconds:.1f} s after the launch, in the middle of its machines"


def _golden_lines(found: Mapping[str, Any] | None) -> Iterator[str]:
    """The numbers of a golden test, a line for each file of results."""
    for path, values in (found or {}).items():
        yield f"{path} {json_module.dumps(values)}"


def _package_lines(changed: Mapping[str, Mapping[str, tuple[str | None, str | None]]]) -> Iterator[str]:
    for kind, packages in changed.items():
        for name, (old, new) in packages.items():
            yield f"{kind:<16} {name} " + (
                f"{old} -> {new}" if old and new else f"+ {new}" if new else f"- {old}"
            )


def _out(text: str) -> None:
    sys.stdout.write(text)


collection = Collection("images", list_images, show, diff, promote, retire, advisories)
