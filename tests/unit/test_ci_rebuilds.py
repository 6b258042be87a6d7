"""The monthly rebuild: which images are due, and what a proposal says of the new one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from invoke.context import Context

import ci.commands
from ci import rebuilds
from ci.rebuilds import Rebuild, due, render
from image_builder import commands, provenance

PLACE = "123456789012/eu-west-1"
NOW = datetime(2026, 12, 2, 3, 17, tzinfo=UTC)


def entry(stack: str, recorded: str = "2026-11-01T00:00:00+00:00", **more: Any) -> dict[str, Any]:
    return {"stack": stack, "image_id": "ami-1", "recorded": recorded, **more}


def baked(root: Path, name: str, one: dict[str, Any]) -> None:
    folder = root / "blueprints" / name
    folder.mkdir(parents=True)
    provenance.write(folder, PLACE, one)


def test_old_images_are_due_the_base_first(tmp_path: Path) -> None:
    baked(tmp_path, "dti", entry("dti-prod"))
    baked(tmp_path, "pca", entry("pca-prod", "2026-11-20T00:00:00+00:00"))
    baked(tmp_path, "base", entry("utils", "2026-11-02T00:00:00"))
    names = ["dti-prod", "dti-webdev", "pca-prod", "fmri-prod", "utils"]
    account, _, region = PLACE.partition("/")
    assert due(names, tmp_path, account, region, NOW) == [
        Rebuild("utils", "ami-1", "2026-11-02T00:00:00+00:00"),
        Rebuild("dti-prod", "ami-1", "2026-11-01T00:00:00+00:00"),
    ]
    assert due(names, tmp_path, "000000000000", "eu-west-1", NOW) == []


BEFORE = entry(
    "dti-prod",
    golden={"fit.json": {"mean": 0.5, "directions": [1, 2]}},
    packages={"dpkg": {"openssl": "3.0.1", "bash": "5.2"}},
    advisories={"counts": {"high": 1}, "findings": [{"id": "CVE-1", "package": "openssl"}]},
)


def after(**more: Any) -> dict[str, Any]:
    return {**BEFORE, "image_id": "ami-2", **more}


def test_the_proposal_compares_numbers_vulnerabilities_and_packages() -> None:
    text = render(
        "dti-prod",
        BEFORE,
        after(
            golden={"fit.json": {"mean": 0.5000001, "directions": [1, 2]}},
            packages={"dpkg": {"openssl": "3.0.2", "bash": "5.2"}},
            advisories={"counts": {}, "findings": [], "unchecked": ["conda:x (1 packages): none"]},
        ),
    )
    assert "`ami-1` → `ami-2`" in text
    assert "| `fit.json: mean` | `0.5` | `0.5000001` |" in text
    assert "directions" not in text
    assert "Now: none. Gone: 1. New: 0." in text
    assert "- gone: `CVE-1` in `openssl`" in text
    assert "- not checked: `conda:x (1 packages): none`" in text
    assert "- `openssl` (`dpkg`): `3.0.1` → `3.0.2`" in text
    assert "bash" not in text


def test_the_same_is_said_to_be_the_same() -> None:
    text = render("dti-prod", BEFORE, after())
    assert "all 3 numbers are those of the image before" in text
    assert "No package differs." in text


def test_what_nobody_compared_is_said() -> None:
    text = render("dti-prod", {}, {"image_id": "ami-2"})
    assert "This image has no golden test" in text
    assert "Unknown: the bake could not compare" in text


def test_a_name_is_no_markup() -> None:
    told = after(packages={"dpkg": {"a`|<b>\n# x": "1"}})
    text = render("dti-prod", BEFORE, told)
    assert "- `a'/<b> # x` (`dpkg`): `none` → `1`" in text


class _Engine:
    def __init__(self, root: Path) -> None:
        self.root = root

    def outputs(self, stack: str) -> dict[str, str]:
        return dict(zip(("account", "region"), PLACE.split("/"), strict=True))

    def stack_names(self) -> list[str]:
        return ["dti-prod"]


def test_the_task_bakes_and_writes_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    baked(tmp_path, "dti", BEFORE)
    monkeypatch.setattr(ci.commands, "_engine", lambda: _Engine(tmp_path))
    monkeypatch.setattr(ci.commands, "_stacks", lambda engine, names: names or engine.stack_names())
    asked: list[dict[str, Any]] = []

    def bake(c: Any, **words: Any) -> None:
        asked.append(words)
        provenance.write(tmp_path / "blueprints" / "dti", PLACE, after())

    monkeypatch.setattr(commands.bake_ami, "body", bake)
    ci.commands.rebuild.body(Context(), stack="dti-prod", out=str(tmp_path / "out.md"))
    assert asked == [{"stack": "dti-prod", "force": True, "message": "built anew"}]
    assert "`ami-1` → `ami-2`" in (tmp_path / "out.md").read_text()


def test_the_task_lists_what_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    baked(tmp_path, "dti", entry("dti-prod", "2001-01-01T00:00:00+00:00"))
    monkeypatch.setattr(ci.commands, "_engine", lambda: _Engine(tmp_path))
    ci.commands.rebuilds.body(Context(), json=True)
    (one,) = json.loads(capsys.readouterr().out)
    assert one["stack"] == "dti-prod"
    assert rebuilds.folder_of("utils", tmp_path).name == "base"
