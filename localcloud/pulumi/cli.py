"""Find the Pulumi CLI, or get it (standard library only: set-up imports this).

The order: `pulumi` on PATH at a supported version; the user's cache; the official release where its site can
be reached; a build from its Go module. Binaries never enter the repository.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localcloud.cache import cache_home, content_hash, locked
from localcloud.progress import Progress
from localcloud.pulumi import cli_build, cli_release
from localcloud.pulumi.host_script import LANGUAGE_HOST

MODULE = Path(__file__).resolve().parent / "cli-module"
"""Our Go module that names the CLI as its tool: its go.mod is the one place that says which version we
get.
"""
OLDEST = (3, 250)
"""The oldest minor version supported: the provider and language protocols that the kit speaks are those of
3.250 and later.
"""
NEXT_MAJOR = 4


@dataclass(frozen=True, kw_only=True)
class PulumiCli:
    """A usable CLI."""

    path: Path
    """The binary itself, links resolved."""
    version: str
    """Such as `3.274.1`."""
    has_python_host: bool
    """Whether `pulumi-language-python` lies beside it: the official one, or ours in the cache."""
    from_cache: bool
    """Whether it lies in our cache, and hence not on the user's PATH."""


class CliUnavailable(Exception):
    """No CLI was found and none could be made; the text says what was tried and what to install."""

    exit_code = 1  # of a command that ends with it


def wanted_version() -> str:
    """The version that we get when none is on PATH, from go.mod."""
    found = re.search(
        r"^\s*github\.com/pulumi/pulumi/pkg/v3 v(\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE
    )
    if found is None:
        raise CliUnavailable(
            f"{MODULE / 'go.mod'} names no github.com/pulumi/pulumi/pkg/v3; restore it from git"
        )
    return found[1]


def cache_directory() -> Path:
    """The folder of the CLI that we got ourselves: it is complete when it exists, since it is moved into
    place as a whole.
    """
    return cache_home() / f"pulumi-{wanted_version()}-{content_hash(MODULE / 'go.mod', MODULE / 'go.sum')}"


def find_cli() -> PulumiCli | None:
    """The CLI that is ready to use, or None. Changes nothing."""
    return _on_path()[0] or _cached()


def ensure_cli(progress: Progress | None = None) -> PulumiCli:
    """The CLI, got first if there is none: once per machine, a download of a minute or a build of some
    minutes.

    Raises `CliUnavailable` with every way tried and what to install.
    """
    progress = progress or Progress()
    cli, refused = _on_path()
    if refused:
        progress.say(refused)
    cli = cli or _cached()
    if cli is not None:
        return cli
    target = cache_directory()
    with locked(target.with_name(f"{target.name}.lock"), waiting_for="the Pulumi CLI", say=progress.say):
        cli = _cached()
        if cli is None:
            _get(target, wanted_version(), progress, [refused] if refused else [])
            cli = _cached()
    if cli is None:
        raise CliUnavailable(
            f"{target} was made but holds no executable `pulumi`; remove the folder and try again"
        )
    return cli


def obstacles(python: Path) -> list[str]:
    """Why the CLI cannot be had on this machine, in the order of the ways to it; empty when it is here, or
    when a way looks open.

    Takes seconds and gets nothing. `python` is one with a pip: its package index is a way.
    """
    if find_cli() is not None:
        return []
    refused = _on_path()[1]
    reasons = [refused] if refused else []
    for ask in (
        lambda: cli_release.wanted(wanted_version()),
        lambda: cli_build.ask(wanted_version(), cache_directory(), python),
    ):
        try:
            ask()
        except cli_release.Unavailable as reason:
            reasons.append(str(reason))
        else:
            return []
    return reasons


def version_of(binary: Path) -> str | None:
    """The version a binary reports, without the leading v; None when it cannot be run or does not answer in
    ten seconds.
    """
    try:
        answer = subprocess.run(
            [binary, "version"],
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(r"v?(\d+\.\d+\.\d+\S*)", answer.stdout.strip())
    return found[1] if answer.returncode == 0 and found else None


def supported(version: str) -> bool:
    """Whether the kit works with this version."""
    major, minor = (int(part) for part in version.split(".")[:2])
    return OLDEST <= (major, minor) < (NEXT_MAJOR, 0)


def on_path(path: str | None = None) -> Path | None:
    """`pulumi` on a PATH (default: this process's), whatever its version."""
    found = shutil.which("pulumi", path=path)
    return None if found is None else Path(found)


def is_ours(found: Path) -> bool:
    """Whether this is the CLI of our cache, or a link to it."""
    return cache_home().resolve() in found.resolve().parents


def _on_path() -> tuple[PulumiCli | None, str | None]:
    """The CLI on PATH, else the reason why the one there is not used."""
    found = on_path()
    if found is None:
        return None, None
    binary = found.resolve()
    if is_ours(found):
        return None, None  # our own link, from an environment of the local cloud: the cache is looked at next
    version = version_of(binary)
    if version is None:
        return None, f"{found} is skipped: it does not report a version"
    if not supported(version):
        oldest = ".".join(str(part) for part in OLDEST)
        return None, (
            f"{found} is skipped: it is version {version}, supported are {oldest} up to, not including, "
            f"{NEXT_MAJOR}.0"
        )
    beside = (found.parent, binary.parent)
    host = any((folder / LANGUAGE_HOST).is_file() for folder in beside)
    return PulumiCli(path=binary, version=version, has_python_host=host, from_cache=False), None


def _cached() -> PulumiCli | None:
    directory = cache_directory()
    binary = directory / "pulumi"
    if not os.access(binary, os.X_OK):
        return None
    return PulumiCli(
        path=binary,
        version=wanted_version(),
        has_python_host=(directory / LANGUAGE_HOST).is_file(),
        from_cache=True,
    )


def _get(target: Path, version: str, progress: Progress, tried: list[str]) -> None:
    """Fill the cache by the first way that works; a half-made folder never gets the final name."""
    work = target.with_name(f"{target.name}.part")
    for way in (cli_release.download, cli_build.build):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        try:
            way(version, work, progress)
            reported = version_of(work / "pulumi")
            if reported != version:
                raise cli_release.Unavailable(
                    f"what was got reports version {reported}, expected was {version}"
                )
        except cli_release.Unavailable as reason:
            tried.append(str(reason))
        else:
            shutil.rmtree(target, ignore_errors=True)
            work.rename(target)
            return
        finally:
            shutil.rmtree(work, ignore_errors=True)
    raise CliUnavailable(no_way("could not be got", tried))


def no_way(verdict: str, tried: Sequence[str]) -> str:
    """What a person is told who has no CLI: why not, what is needed, what to do."""
    oldest = ".".join(str(part) for part in OLDEST)
    return (
        f"There is no Pulumi CLI on this machine, and it {verdict}:\n"
        + "".join(f"  - {reason}\n" for reason in tried)
        + f"Needed is the Pulumi CLI, version {oldest} or later (we would get {wanted_version()}), or a way "
        "to get it.\n"
        "Do one of these, then run the command again:\n"
        "  - install the CLI so that `pulumi` is on PATH (https://www.pulumi.com/docs/install/);\n"
        f"  - install Go {cli_build.needed_go(MODULE)} or later so that `go` is on PATH, with access to a "
        "Go module proxy;\n"
        "  - let this machine reach a Python package index (PIP_INDEX_URL), from which a Go toolchain can "
        "be had."
    )


def main(arguments: list[str]) -> int:
    """`python -m localcloud.pulumi.cli`: make sure that there is a CLI and write its description as JSON to
    standard output.
    """
    if arguments:
        sys.stderr.write("localcloud.pulumi.cli takes no arguments\n")
        return 2
    try:
        cli = ensure_cli()
    except CliUnavailable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    json.dump(
        {"path": str(cli.path), "version": cli.version, "has_python_host": cli.has_python_host}, sys.stdout
    )
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
