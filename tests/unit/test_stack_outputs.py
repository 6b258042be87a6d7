"""A stack's outputs are read, and their absence is told, in one way by the console and the image builder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from console.engine import Engine
from console.errors import UserError
from image_builder.commands import stack_outputs
from image_builder.pipeline import BakeError


def pulumi(folder: Path, script: str) -> dict[str, str]:
    """An environment whose CLI is this script."""
    file = folder / "pulumi"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:/usr/bin:/bin"}


def both(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> tuple[object, object]:
    environ = pulumi(folder, script)
    monkeypatch.setenv("PATH", environ["PATH"])
    readers: tuple[Callable[[], object], ...] = (
        lambda: Engine(folder, environ).outputs("s"),
        lambda: stack_outputs(folder, "s"),
    )
    told: list[object] = []
    for read in readers:
        try:
            told.append(read())
        except (UserError, BakeError) as error:
            told.append(str(error))
    return told[0], told[1]


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ('echo \'{"bucket": "b"}\'', {"bucket": "b"}),
        ("echo '{}'", "stack 's' has no outputs: it was never deployed\n"),
        (
            "echo warning >&2; echo 'error: no stack named s' >&2; exit 1",
            "outputs: error: no stack named s\n",
        ),
    ],
)
def test_both_readers_tell_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, told: object
) -> None:
    one, other = both(tmp_path, script, monkeypatch)
    assert one == other
    assert str(told) in one if isinstance(one, str) else told == one
    if isinstance(one, str):
        assert one.endswith("\n  allowed: a stack that has been deployed\n  do: deploy it: `invoke deploy s`")


def test_a_stack_that_was_never_deployed_may_have_none(tmp_path: Path) -> None:
    environ = pulumi(tmp_path, "echo 'error: no stack' >&2; exit 1")
    assert Engine(tmp_path, environ).outputs_if_any("s") == {}
