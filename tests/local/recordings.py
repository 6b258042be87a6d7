"""What tests of recordings share: a project to type in, and recordings without the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import blueprints
from blueprints import Blueprint
from blueprints.provision import read
from demo.playground import copied
from image_builder.recording import replay
from image_builder.recording.recording import Recording
from localcloud.images.cleanroot import LocalRoots
from localcloud.paths import Paths
from tests.local.terminals import Terminal, terminal

ROOT = Path(__file__).resolve().parents[2]
BLUEPRINT = """\
schema_version: 1
name: {name}
title: Typed
description: What somebody typed.
script: run.sh
instance: {{type: m5.large, volume_gib: 16}}
image: {{parent: ubuntu24}}
groups: [debuggers]
budget_usd: 300
"""


class Project:
    """A copy of the project with one analysis `typed` that has no scripts yet."""

    def __init__(self, root: Path, home: Path) -> None:
        copied(ROOT, root)
        self.root, self.provision = root, root / "blueprints/typed/provision"
        (root / "blueprints/typed").mkdir()
        (root / "blueprints/typed/blueprint.yaml").write_text(BLUEPRINT.format(name="typed"))
        (root / "blueprints/typed/run.sh").write_text("#!/bin/bash\n")
        self.environ = {**os.environ, "LOCALCLOUD_HOME": str(home), "TERM": "xterm"}

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "invoke", *words, "--analysis", "typed"]

    def invoke(self, *words: str) -> tuple[int, str]:
        """Exit status, and all that was said."""
        done = subprocess.run(
            self.command(*words),
            cwd=self.root,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def record(self, *flags: str, type_into: Callable[[Terminal], None]) -> tuple[int, str]:
        """A session at a terminal; exit status, and all that was shown."""
        with terminal(self.command("record", *flags), self.root, self.environ) as shown:
            prompt(shown)
            type_into(shown)
            return shown.end(), shown.seen

    @property
    def script(self) -> str:
        return (self.provision / "10-recorded.sh").read_text()


def prompt(shown: Terminal) -> None:
    shown.wait("[recording] ")
    shown.wait(" # ")


def lines(*typed: str) -> Callable[[Terminal], None]:
    """Types line after line, each when the prompt is back."""

    def type_into(shown: Terminal) -> None:
        for line in typed:
            shown.type(line + "\n")
            prompt(shown)

    return type_into


def lines_then_finish(*typed: str) -> Callable[[Terminal], None]:
    def type_into(shown: Terminal) -> None:
        lines(*typed)(shown)
        shown.type("rec finish\n")

    return type_into


class Bench:
    """Recordings without the command line: one blueprint, sessions from texts."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.roots = LocalRoots(Paths(home))
        analysis = blueprints.load("analysis", "webdev", ROOT)
        self.blueprint: Blueprint = replace(analysis, name="bench", root=folder)
        self.recording = Recording(self.roots, self.blueprint)

    def record(self, text: str) -> str:
        """The script of a session, the only one there is. Raises InvalidInput."""
        shutil.rmtree(self.blueprint.folder / "provision", ignore_errors=True)
        self.recording.drop()
        assert self.recording.session(lambda line: None, script=text, resume=False)
        self.recording.finish()
        return (self.blueprint.folder / "provision/10-recorded.sh").read_text()

    def verify(self) -> replay.Verdict:
        return replay.verify(
            self.roots, self.blueprint, read(self.blueprint.folder / "provision"), lambda line: None
        )
