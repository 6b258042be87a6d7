#!/usr/bin/env python3
"""Set up this checkout: `python3 bootstrap.py` (or `make setup`). Standard library only.

Makes what is missing, in this order: the virtual environment `.venv` with the pinned packages; the emulator's
own environment, bubblewrap and the Pulumi CLI in the user's cache. When nothing is missing it takes a tenth
of a second. A step that was interrupted is done again.

Before a step that takes minutes, what all of them need is looked at within seconds, and everything that is
missing is said at once. For `demo` (`make demo`) that is also what the demo needs, which runs after them.
"""

import sys

MINIMUM = (3, 11)
if sys.version_info < MINIMUM:
    sys.stderr.write(
        "got Python %d.%d (%s)\nallowed is Python 3.11 or later\ninstall one, then run: make setup "
        "PYTHON=python3.12\n" % (sys.version_info[0], sys.version_info[1], sys.executable)
    )
    sys.exit(2)

import argparse
import ast
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from localcloud import apt
from localcloud.bubblewrap import BubblewrapMisnamed, ensure_bubblewrap, find_bubblewrap, forget_refusal
from localcloud.cache import HomeUnknown, cache_home, content_hash, locked, user_home
from localcloud.emulator_env import COMPLETE, LOCK_FILE, emulator_directory
from localcloud.progress import Progress
from localcloud.pulumi.cli import CliUnavailable, find_cli, no_way

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements"
BASE = (REQUIREMENTS / "base.txt",)
"""What the program, the commands and the demo need."""
LOCKS = (*BASE, REQUIREMENTS / "dev.txt")
"""And what lint, types and tests need on top."""
COMPILED = (
    "account",
    "awstoe",
    "checks",
    "ci",
    "localcloud",
    "blueprints",
    "components",
    "image_builder",
    "runtime",
    "neurocaas",
    "console",
    "demo",
    "road",
)
"""Our packages whose modules are compiled ahead, so that commands and runs of the engine do not do it."""
CHECKOUT_BYTES, CACHE_BYTES, DEMO_BYTES = (1 << 30), (1 << 28), (1 << 30)
"""Room for the environment, for the emulator's, and for an image and machines of the demo (measured: 0.8, 0.1
and 0.6 GiB).
"""


UV_OPTIONS = {
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "trusted-host": "--allow-insecure-host",
}
UV_VARIABLES = {"cert": "SSL_CERT_FILE", "timeout": "UV_HTTP_TIMEOUT", "default-timeout": "UV_HTTP_TIMEOUT"}
"""Settings of pip -> what uv calls them."""
INDEX = "a Python package index that can be reached (PIP_INDEX_URL and HTTPS_PROXY are honoured)"


class SetupFailed(Exception):
    """A step that cannot go on; the text is for a person."""


def install(venv: Path, locks: Sequence[Path], title: str, usually: str, progress: Progress) -> None:
    """Make `venv` hold exactly the versions in `locks`, unless it does. Its stamp is written last: no stamp,
    not finished.

    An environment whose Python still runs and is new enough is kept and brought up to date; any other is made
    anew.
    """
    stamp = venv / COMPLETE
    if _finished(venv, locks):
        return
    with locked(venv.with_name(f"{venv.name}.lock"), waiting_for=title, say=progress.say):
        if _finished(venv, locks):
            return
        stamp.unlink(missing_ok=True)
        with progress.step(f"{title}: installing pinned packages into {_shown(venv)}", usually):
            if not _usable(venv):
                _create(venv)
            if not _install_with_uv(venv, locks):
                _install_with_pip(venv, locks, title)
            _compile(venv, venv / "lib")
        stamp.write_text("\n".join(_keys(venv, locks)))


def _install_with_pip(venv: Path, locks: Sequence[Path], title: str) -> None:
    command = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-compile"]
    answer = _run([*command, *_pinned(locks)])
    if answer.returncode != 0:
        raise SetupFailed(
            f"{title}: pip could not install the pinned packages:\n{answer.stderr.strip()}\n"
            f"Needed is {INDEX}, and 1 GB of disk.\n"
            "Put that right, then run the same command again: it goes on from here."
        )


def _install_with_uv(venv: Path, locks: Sequence[Path]) -> bool:
    """The same with uv, which takes a fifth of the time of pip. False when it cannot be had, when pip has
    settings that it is not told, or when it fails: pip then does it, or says why not.
    """
    python = str(venv / "bin" / "python")
    told = _pip_settings(python)
    if told is None:
        return False
    arguments, variables = told
    uv = shutil.which("uv")
    if uv is None:
        lock = REQUIREMENTS / "installer.txt"
        command = [python, "-m", "pip", "install", "--quiet", *_pinned([lock])]
        if _run(command).returncode != 0:
            return False
        uv = str(venv / "bin" / "uv")
        variables["UV_CACHE_DIR"] = str(cache_home() / "uv")
    command = [uv, "pip", "install", "--quiet", "--python", python, *arguments]
    try:
        return _run([*command, *_pinned(locks)], {**os.environ, **variables}).returncode == 0
    except OSError:  # a program for another machine
        return False


def _compile(venv: Path, *folders: Path) -> None:
    """Write bytecode on all processors: importing the engine's packages without it takes three times as long,
    and PYTHONDONTWRITEBYTECODE may be set. Of the provider's 3,000 modules only those that we name.
    """
    sources = (path.read_text() for path in (ROOT / "components").rglob("*.py"))
    used = sorted({name for text in sources for name in re.findall(r"\baws\.(\w+)\.", text)})
    others = rf"/pulumi_aws/(?!({'|'.join(used)})/)\w+/"
    there = [str(folder) for folder in folders if folder.is_dir()]
    _run([str(venv / "bin" / "python"), "-m", "compileall", "-q", "-j", "0", "-x", others, *there])


def _pip_settings(python: str) -> Optional[Tuple[List[str], Dict[str, str]]]:
    """What pip is told of its package index, as arguments and variables of uv; None when it is told anything
    that has no counterpart there.
    """
    answer = _run([python, "-m", "pip", "config", "list"])
    if answer.returncode != 0:
        return None
    arguments: List[str] = []
    variables: Dict[str, str] = {}
    for line in answer.stdout.splitlines():
        name, _, shown = line.partition("=")
        name, value = name.rpartition(".")[2].replace("_", "-"), str(ast.literal_eval(shown))
        if name in UV_OPTIONS:
            arguments += [word for one in value.split() for word in (UV_OPTIONS[name], one)]
        elif name in UV_VARIABLES:
            variables[UV_VARIABLES[name]] = value
        elif name not in ("disable-pip-version-check", "no-input", "progress-bar", "root-user-action"):
            return None
    return arguments, variables


def _pinned(locks: Sequence[Path]) -> List[str]:
    return ["--require-hashes", *(word for lock in locks for word in ("-r", str(lock)))]


def _run(
    command: Sequence[str], environ: Optional[Dict[str, str]] = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        list(command), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=environ
    )


def _keys(venv: Path, locks: Sequence[Path]) -> List[str]:
    """What the stamp of a finished environment says: which locks it has, and where (a moved one does not
    work).
    """
    return [f"{content_hash(lock)} {venv}" for lock in locks]


def _finished(venv: Path, locks: Sequence[Path]) -> bool:
    """Whether the environment has the packages of `locks`; it may have those of others, too."""
    return set(_keys(venv, locks)) <= set(_stamp(venv).splitlines())


def _stamp(venv: Path) -> str:
    """The keys that the environment was finished with; empty if it is unfinished or its Python is gone."""
    stamp = venv / COMPLETE
    return stamp.read_text() if stamp.is_file() and (venv / "bin" / "python").exists() else ""


def _usable(venv: Path) -> bool:
    """Whether its Python runs, is new enough and has pip, and its commands are at home here (they stop
    working when a checkout moves).
    """
    python = venv / "bin" / "python"
    command = venv / "bin" / "pip"
    if not python.exists() or not command.is_file() or str(venv) not in command.read_text()[:1000]:
        return False
    check = f"import sys, pip; sys.exit(sys.version_info < {MINIMUM!r})"
    return subprocess.run([str(python), "-c", check], stderr=subprocess.DEVNULL, check=False).returncode == 0


def _create(venv: Path) -> None:
    """An empty environment with pip in it, of the Python that runs this.

    Debian and Ubuntu keep the module that puts pip into environments in a package of its own. Where it is
    missing, the package is installed if that is allowed; else pip is taken out of the distribution's package
    of pip.
    """
    missing = importlib.util.find_spec("ensurepip") is None
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if not missing or apt.install(package) is None:
        reason = apt.run([sys.executable, "-m", "venv", "--clear", str(venv)])
    else:
        reason = apt.run(
            [sys.executable, "-m", "venv", "--clear", "--without-pip", str(venv)]
        ) or _pip_from_package(venv)
    if reason is not None:
        got = "its module ensurepip is missing" if missing else reason
        advice = f"apt-get install {package}" if missing else "see the message above"
        raise SetupFailed(
            f"got no virtual environment from {sys.executable}: {got}\n"
            "allowed is a Python 3.11 or later that can make one (python3 -m venv)\n"
            f"install what is missing ({advice}), or name another Python (make setup PYTHON=/path/to/python3)"
        )


def _pip_from_package(venv: Path) -> Optional[str]:
    """Put pip into an environment from the wheel that the distribution's own pip is made of; the reason if
    that failed.
    """
    with tempfile.TemporaryDirectory(prefix="pip-") as folder:
        reason = apt.unpack("python3-pip-whl", Path(folder))
        wheel = next(Path(folder).glob("usr/share/python-wheels/pip-*.whl"), None)
        if reason is not None or wheel is None:
            return reason or "the package python3-pip-whl holds no pip"
        return apt.run(
            [str(venv / "bin" / "python"), f"{wheel}/pip", "install", "--quiet", "--no-index", str(wheel)]
        )


def _shown(path: Path) -> str:
    """A path as a person would write it."""
    for start, name in ((ROOT, "."), (user_home(), "~")):
        if start in path.parents:
            return f"{name}/{path.relative_to(start)}"
    return str(path)


def _command() -> None:
    """The analyst's command `neurocaas`, which runs the package as it stands here. As a checkout may be
    reached by another name, and its environment by a link, it begins at the place that it is called by.
    """
    script = VENV / "bin" / "neurocaas"
    text = f"""#!{VENV}/bin/python
import os, sys
sys.path[0] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from neurocaas.__main__ import program
program()
"""
    if not script.is_file() or script.read_text() != text:
        script.write_text(text)
        script.chmod(0o755)


def ensure_cli_with_venv() -> None:
    """Get the CLI with the environment's Python: it has a pip, with which a Go toolchain can be had."""
    if find_cli() is not None:
        return
    command = [str(VENV / "bin" / "python"), "-m", "localcloud.pulumi.cli"]
    if subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False).returncode != 0:
        raise SetupFailed("set-up stopped: there is no Pulumi CLI (see above)")


def missing(locks: Sequence[Path]) -> list[str]:
    """What set-up still has to make: `environment` (with `locks`), `emulator`, `bubblewrap`, `cli`."""
    emulator = emulator_directory()
    unfinished = {
        "environment": not _finished(VENV, locks),
        "emulator": not _finished(emulator, (LOCK_FILE,)),
        "bubblewrap": find_bubblewrap() is None,
        "cli": find_cli() is None,
    }
    return [name for name, wanted in unfinished.items() if wanted]


def check(todo: Sequence[str], progress: Progress, for_demo: bool) -> None:
    """Look at what the steps `todo` need, and for the demo at what it needs. Raises `SetupFailed` with all
    that is missing.

    Of the steps only two are done here, which take seconds: the empty environment, whose pip then asks the
    package index, and, when nothing else is missing, bubblewrap for the demo, without which no sandbox can be
    tried.
    """
    from localcloud import needs
    from localcloud.paths import Paths

    paths, cache = Paths.find(ROOT), cache_home()
    found = [needs.temporary()]
    if "environment" in todo:
        found.append(
            needs.writable(
                "checkout", VENV, "run it as the owner of the checkout, or clone it to a folder of your own"
            )
        )
        found.append(
            needs.room(
                "disk of the checkout",
                VENV,
                CHECKOUT_BYTES + for_demo * DEMO_BYTES,
                "the packages, images and machines",
            )
        )
    if {"emulator", "cli"} & set(todo) or (for_demo and "bubblewrap" in todo):
        found.append(
            needs.writable(
                "cache", cache, "put that right, or name another cache: export XDG_CACHE_HOME=/a/folder"
            )
        )
        found.append(needs.room("disk of the cache", cache, CACHE_BYTES, "the emulator's packages"))
    if for_demo:
        found += [
            one
            for one in needs.of_a_cloud(paths, keep=True)
            if one.name != "bubblewrap" or shutil.which("apt-get") is None
        ]
    said = [one.text() for one in needs.problems(found)]
    if not any(one.name in ("temporary files", "checkout") for one in needs.problems(found)):
        said += _unreachable(todo, progress)
    if said:
        raise SetupFailed("\n".join([*said, _once_more(len(said))]))
    if for_demo and "bubblewrap" in todo:
        forget_refusal()
        ensure_bubblewrap(progress)
        said = [one.text() for one in needs.problems(needs.of_a_cloud(paths, keep=True))]
        if said:
            raise SetupFailed("\n".join([*said, _once_more(len(said))]))


def _unreachable(todo: Sequence[str], progress: Progress) -> list[str]:
    """What keeps the steps from getting what they make: no environment, no package index, no way to a CLI."""
    from localcloud import needs, packages
    from localcloud.pulumi.cli import obstacles

    if not {"environment", "emulator", "cli"} & set(todo):
        return []
    try:
        if not _usable(VENV):
            with locked(VENV.with_name(f"{VENV.name}.lock"), waiting_for="Python packages", say=progress.say):
                if not _usable(VENV):
                    _create(VENV)
    except SetupFailed as error:
        return [str(error)]
    python, said = VENV / "bin" / "python", []
    try:
        for name, lock in (("environment", LOCKS[0]), ("emulator", LOCK_FILE)):
            if name in todo:
                packages.ask(python, lock)
    except packages.Unreachable as reason:
        said.append(
            needs.Finding(
                "Python packages",
                f"no answer from the package index: {reason}",
                INDEX,
                "see `pip config debug`",
            ).text()
        )
    reasons = obstacles(python) if "cli" in todo else []
    if reasons:
        said.append(no_way("cannot be got", reasons))
    return said


def _once_more(count: int) -> str:
    these = "This is" if count == 1 else f"These {count} are"
    return f"{these} missing; nothing long was begun. Put that right, then run the same command again."


def setup(progress: Progress, for_demo: bool = False) -> None:
    """Everything, in order of need; each step does nothing when it was done before. The demo does without the
    packages of lint, types and tests.
    """
    locks = BASE if for_demo else LOCKS
    todo = missing(locks)
    if todo:
        check(todo, progress, for_demo)
    install(VENV, locks, "Python packages", "up to 3 minutes", progress)
    _command()
    _compile(VENV, *(ROOT / name for name in COMPILED))  # each time: invoke itself writes no bytecode
    cache_home().mkdir(parents=True, exist_ok=True)
    install(emulator_directory(), (LOCK_FILE,), "Emulator", "20-60 seconds, once per machine", progress)
    ensure_bubblewrap(progress)
    ensure_cli_with_venv()


def clean(progress: Progress) -> None:
    """Remove what set-up made in this checkout. What is shared by all checkouts stays in the cache; its place
    is said.
    """
    forget_refusal()
    for path in (VENV, ROOT / "build", ROOT / ".mypy_cache", ROOT / ".ruff_cache"):
        shutil.rmtree(path, ignore_errors=True)
    VENV.with_name(f"{VENV.name}.lock").unlink(missing_ok=True)
    progress.say(
        "removed .venv and caches of this checkout; shared by all checkouts, and kept: "
        f"{_shown(cache_home())}"
    )


def main(arguments: Sequence[str]) -> int:
    """Exit codes: 0 done, 1 a step failed, 2 wrong use, 130 interrupted."""
    parser = argparse.ArgumentParser(description="Set up this checkout.")
    parser.add_argument("command", nargs="?", default="setup", choices=("setup", "demo", "clean"))
    command = parser.parse_args(arguments).command
    try:
        if command == "clean":
            clean(Progress())
        else:
            setup(Progress(), for_demo=command == "demo")
    except (SetupFailed, CliUnavailable, HomeUnknown, BubblewrapMisnamed) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(
            f"got no further: {error}\n"
            f"allowed is a checkout and a cache folder that can be written ({ROOT} and {cache_home()}), "
            "with 6 GB of disk for a first run\n"
            "put that right, or name another cache (export XDG_CACHE_HOME=/a/folder), and run it again: it "
            "goes on from there\n"
        )
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; run the same command again, it goes on from here\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
