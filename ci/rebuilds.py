"""The monthly rebuild of an image, as a proposal: which images are due, and what a rebuilt one is beside the
one before, from what the bakes have written down (`bake.json`). Nothing is asked of AWS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import blueprints
from blueprints.model import UTILS
from image_builder import provenance
from image_builder.manifest import Manifest, differences

DUE = timedelta(days=25)
"""Older images are due: a month has 28 days at least, and a run may be late."""

_SHOWN = 40
"""Packages and vulnerabilities that a proposal lists."""


@dataclass(frozen=True)
class Rebuild:
    """An image that is due. `recorded`: when the present one was made (ISO 8601)."""

    stack: str
    image_id: str
    recorded: str


def folder_of(stack: str, root: Path) -> Path:
    """The folder whose `bake.json` tells of a stack's image. Raises ValueError for no name of a stack."""
    name = blueprints.BASE if stack == UTILS else blueprints.parse_stack_name(stack).analysis
    return root / "blueprints" / name


def due(
    stacks: Iterable[str], root: Path, account: str, region: str, now: datetime, older: timedelta = DUE
) -> list[Rebuild]:
    """The images that are due, that of the base first: those of its analyses start from the recorded one.
    What never was baked is no rebuild."""
    found = []
    for stack in sorted(stacks, key=lambda name: (name != UTILS, name)):
        entry = _entry(folder_of(stack, root), f"{account}/{region}")
        try:
            made = datetime.fromisoformat(str(entry.get("recorded", "")))
        except ValueError:
            continue
        made = made if made.tzinfo else made.replace(tzinfo=UTC)
        if entry.get("stack") == stack and now - made >= older:
            found.append(Rebuild(stack, str(entry["image_id"]), made.isoformat(timespec="seconds")))
    return found


def _entry(folder: Path, place: str) -> Mapping[str, Any]:
    found = provenance.read(folder).get(place)
    return found if isinstance(found, dict) else {}


def render(stack: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """The text of the pull request, from the entries of `bake.json` before and after."""
    lines = [
        f"Image of `{stack}`, built anew from the same scripts: `{before.get('image_id', 'none')}` → "
        f"`{after.get('image_id', 'none')}`. Merging deploys it; closing keeps the one before.",
        "",
        "### Golden test",
        "",
        *_golden(before.get("golden"), after.get("golden")),
        "",
        "### Known vulnerabilities",
        "",
        *_advisories(before.get("advisories"), after.get("advisories")),
        "",
        "### Packages",
        "",
        *_packages(before, after),
    ]
    return "\n".join(lines) + "\n"


def _golden(before: Any, after: Any) -> list[str]:
    """The numbers that a fresh machine of the new image has found, beside those of the image before. That
    they are within the tolerance of the expected ones is certain: else there would be no new image."""
    if not isinstance(after, dict):
        return ["This image has no golden test: nothing has compared its numbers."]
    old, new = _numbers(before), _numbers(after)
    changed = {name: (old.get(name), value) for name, value in new.items() if old.get(name) != value}
    gone = sorted(old.keys() - new.keys())
    if not changed and not gone:
        return [f"Passed on a fresh machine: all {len(new)} numbers are those of the image before."]
    told = ["Passed on a fresh machine. Not as in the image before:", ""]
    told += ["| number | before | now |", "|---|---|---|"]
    told += [
        f"| {_cell(name)} | {_cell(was)} | {_cell(now)} |" for name, (was, now) in sorted(changed.items())
    ]
    return told + [f"| {_cell(name)} | {_cell(old[name])} | not there |" for name in gone]


def _numbers(golden: Any, path: str = "") -> dict[str, Any]:
    """Every value by its path."""
    if not isinstance(golden, (dict, list)):
        return {path: golden} if path else {}
    inner = golden.items() if isinstance(golden, dict) else enumerate(golden)
    found: dict[str, Any] = {}
    for name, value in inner:
        found |= _numbers(value, f"{path}: {name}" if path else str(name))
    return found


def _advisories(before: Any, after: Any) -> list[str]:
    if not isinstance(after, dict):
        return ["Unknown: the bake could not compare its packages with advisories."]
    old, new = ({(one["id"], one["package"]): one for one in _findings(some)} for some in (before, after))
    mended, come = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
    counts = ", ".join(f"{count} {severity}" for severity, count in after.get("counts", {}).items()) or "none"
    lines = [f"Now: {counts}. Gone: {len(mended)}. New: {len(come)}."]
    lines += [f"- new: {_cell(name)} in {_cell(package)}" for name, package in come[:_SHOWN]]
    lines += [f"- gone: {_cell(name)} in {_cell(package)}" for name, package in mended[:_SHOWN]]
    return lines + [f"- not checked: {_cell(why)}" for why in after.get("unchecked", ())]


def _findings(some: Any) -> list[Mapping[str, Any]]:
    return list(some.get("findings", ())) if isinstance(some, dict) else []


def _packages(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    old, new = (Manifest(dict(one.get("packages") or {})) for one in (before, after))
    changed = [
        (kind, name, was, now)
        for kind, packages in differences(old, new).items()
        for name, (was, now) in packages.items()
    ]
    if not changed:
        return ["No package differs."]
    lines = [
        f"- {_cell(name)} ({_cell(kind)}): {_cell(was)} → {_cell(now)}"
        for kind, name, was, now in changed[:_SHOWN]
    ]
    return lines + ([f"- and {len(changed) - _SHOWN} more"] if len(changed) > _SHOWN else [])


def _cell(value: Any) -> str:
    """A value in a line of Markdown, as a value: names of packages are written by others."""
    text = "none" if value is None else str(value)
    return "`" + " ".join(text.replace("`", "'").replace("|", "/").split())[:120] + "`"
