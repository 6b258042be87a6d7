"""The folder and the variables with which the plain `pulumi` command works against a local cloud.

Everything is reached through the environment: in a shell without these variables the same command works
against a real account.
"""

from __future__ import annotations

import os
import pwd
import shlex
import stat
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from localcloud import private
from localcloud.cache import locked
from localcloud.paths import Paths
from localcloud.progress import Progress
from localcloud.project import WARM_VARIABLE, project
from localcloud.pulumi import locks, torn
from localcloud.pulumi.cli import CliUnavailable, PulumiCli, find_cli
from localcloud.pulumi.host_script import HOST_SCRIPT, KIT_VARIABLE, LANGUAGE_HOST, PYTHON_VARIABLE
from localcloud.pulumi.stacks import StackFileConflict, init_stacks

__all__ = ["HARMLESS", "Cloud", "StackFileConflict", "applied", "environment", "prepare"]

PROVIDER_VARIABLE = "LOCALCLOUD_PROVIDER"
"""`real`: the provider that the engine downloads, instead of our stand-in, against the same local cloud."""
GARBAGE_PERCENT = "400"
"""How much the engine's heap grows before it collects garbage (Go's own default is 100). Calls that only read
take a tenth less time so; none at all would be a fifth, but an update of a large stack needs some.
"""
KIT_ROOT = Path(__file__).resolve().parent.parent.parent
HARMLESS = ("using pulumi-language-python from $PATH", "using pulumi-resource-aws from $PATH")
"""Warnings of the engine about exactly what we intend: a front end may leave them out."""


class Cloud(Protocol):
    """What is needed of a running local cloud."""

    def environment(self) -> dict[str, str]:
        """Variables for AWS tools; an empty value means that the variable must not be set."""
        ...


def environment(paths: Paths, project_root: Path, cloud: Cloud) -> dict[str, str]:
    """The variables, as a whole; an empty value means that the variable must not be set (see `applied`). Runs
    nothing.
    """
    real = os.environ.get(PROVIDER_VARIABLE) == "real"
    ours = [str(paths.pulumi_bin), str(_provider_bin(paths))]
    inherited = [entry for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if entry not in ours]
    return {
        **cloud.environment(),
        "PATH": os.pathsep.join([*(ours[:1] if real else ours), *inherited]),
        PYTHON_VARIABLE: _python(),
        KIT_VARIABLE: str(KIT_ROOT),
        "PULUMI_HOME": str(paths.pulumi_home),
        "PULUMI_BACKEND_URL": f"file://{paths.pulumi_state}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(_passphrase_file(project_root)),
        "PULUMI_CONFIG_PASSPHRASE": "",  # it would win over the file
        "PULUMI_CREDENTIAL_STORE": "plaintext",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "" if real else "1",
        "PULUMI_IGNORE_AMBIENT_PLUGINS": "",
        "PULUMI_DISABLE_REGISTRY_RESOLVE": "1",
        "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "1",
        "PULUMI_ERROR_OUTPUT_STRING": "1",
        "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "",
        "GOGC": os.environ.get("GOGC") or GARBAGE_PERCENT,
        "PYTHONDONTWRITEBYTECODE": "",  # else a program of many modules compiles them anew at every run
        **_name_of_the_nameless(),
    }


def _python() -> str:
    """The Python of the engine's plugins."""
    return os.environ.get(WARM_VARIABLE) or sys.executable


def _name_of_the_nameless() -> dict[str, str]:
    """USER, for a user whom the system's list does not name, as containers have them: the engine then goes by
    it.
    """
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return {"USER": os.environ.get("USER") or f"user-{os.getuid()}"}
    return {}


def applied(variables: Mapping[str, str], base: Mapping[str, str] | None = None) -> dict[str, str]:
    """`base` (default: this process's environment) with `variables` set, or removed where their value is
    empty.
    """
    result = dict(os.environ if base is None else base)
    for name, value in variables.items():
        if value:
            result[name] = value
        else:
            result.pop(name, None)
    return result


def prepare(
    paths: Paths,
    project_root: Path,
    cloud: Cloud,
    stack_names: Iterable[str],
    progress: Progress | None = None,
) -> None:
    """Make the engine's side ready: the wrappers, the passphrase, every stack that does not exist yet; no
    stack locked by a dead engine, and no file that it has not finished.

    A second call finds everything there and starts no process. Raises `CliUnavailable` and
    `StackFileConflict`.
    """
    progress = progress or Progress()
    cli = find_cli()
    if cli is None:
        raise CliUnavailable(
            "got no Pulumi CLI; allowed is one on PATH or in the user's cache; run "
            f"`{project().setup}`, which gets it"
        )
    private.folder(paths.home)
    with locked(paths.pulumi / "prepare.lock", waiting_for="the stacks of the local cloud", say=progress.say):
        phrase = _passphrase_file(project_root)
        for folder in (
            phrase.parents[1],
            phrase.parent,
            paths.pulumi,
            paths.pulumi_home,
            paths.pulumi_state,
            paths.pulumi_bin,
        ):
            private.folder(folder)
        _write_wrappers(paths, cli)
        locks.drop_dead(paths.pulumi_state)
        if not locks.held(paths.pulumi_state):
            torn.mend(paths.pulumi_state / ".pulumi")
        init_stacks(
            stack_names,
            project_root=project_root,
            state=paths.pulumi_state,
            passphrase_file=phrase,
            cli=cli.path,
            variables=applied(environment(paths, project_root, cloud)),
            say=progress.say,
        )
        for folder in {phrase.parent, paths.pulumi}:
            private.tighten(folder)  # the engine makes files as the umask says


def _passphrase_file(project_root: Path) -> Path:
    """One a checkout, in its own `.local` wherever the cloud's home is: the stack files of the checkout are
    sealed with it.
    """
    return Paths(project_root / ".local").pulumi_passphrase


def _provider_bin(paths: Paths) -> Path:
    """The stand-in has a folder of its own, so that a shell with the real provider simply does not have that
    folder on PATH.
    """
    return paths.pulumi / "standin"


def _write_wrappers(paths: Paths, cli: PulumiCli) -> None:
    """Write what belongs on PATH for this CLI, and remove what an earlier CLI needed."""
    _write_script(paths.pulumi_bin / LANGUAGE_HOST, None if cli.has_python_host else HOST_SCRIPT)
    start = (
        f"PYTHONPATH={shlex.quote(str(KIT_ROOT))} exec {shlex.quote(_python())} -m localcloud.pulumi.provider"
    )
    _write_script(_provider_bin(paths) / "pulumi-resource-aws", f'#!/bin/sh\n{start} "$@"\n')
    link = paths.pulumi_bin / "pulumi"
    wanted = str(cli.path) if cli.from_cache else None
    current = str(link.readlink()) if link.is_symlink() else None
    if current != wanted:
        link.unlink(missing_ok=True)
        if wanted is not None:
            link.symlink_to(wanted)


def _write_script(file: Path, text: str | None) -> None:
    """An executable script, replaced as a whole: an engine may be starting it at this moment. None: there is
    to be none.
    """
    if text is None:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.is_file() and file.read_text() == text and file.stat().st_mode & stat.S_IXUSR:
        return
    new = file.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o755)
    new.replace(file)
