"""The first command on a fresh machine: `make demo` and the set-up of `make test`, as an ordinary user, where
provided things are lacking.

Nothing is done here that takes minutes: what is missing must be said before that. What set-up provides must
be what the parts use.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from demo.playground import copied
from localcloud import ports
from localcloud.bubblewrap import find_bubblewrap
from localcloud.cache import cache_home
from localcloud.emulator_env import emulator_directory
from localcloud.pulumi import cli
from localcloud.sandbox.sandbox import Mode
from localcloud.tests.bases import detect
from tests.local import bare

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.local, pytest.mark.slow]

NOWHERE: dict[str, Any] = {
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "PIP_NO_INDEX": "1",
    "PIP_CONFIG_FILE": os.devnull,
}
"""Neither the vendor's site nor a package index can be reached."""
MODES = "modes: 0022 755 755 755 644 644"
LACKING = ("bwrap", "go", "pulumi", "apt-get", "sudo")


@dataclass
class Machine:
    """A checkout of a user's own, an empty home, and a PATH without what is provided."""

    root: Path
    user: tuple[int, int]
    python: str
    path: str
    more: dict[str, str] = field(default_factory=dict)

    def environ(self, **more: str) -> dict[str, str]:
        home = {
            "PATH": self.path,
            "HOME": str(self.root.parent / "home"),
            "LOCALCLOUD_PORT": str(ports.lease()),
        }
        return {**home, **self.more, **more}

    def make(self, *targets: str, namespaces: bool = True, **more: Any) -> subprocess.CompletedProcess[str]:
        command = ["make", *targets, f"PYTHON={self.python}"]
        return bare.run(
            command, cwd=self.root, environ=self.environ(**more), user=self.user, namespaces=namespaces
        )


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    user, python = bare.ordinary(), bare.python_for_others()
    if user is None or python is None:
        pytest.skip("there is no other user, or no Python that one can run")
    with bare.folder(user) as folder:
        root = folder / "a checkout"  # with a blank, as people have them
        copied(ROOT, root)
        (folder / "home").mkdir()
        bare.give(folder, user)
        yield Machine(root, user, python, bare.programs(folder / "bin", *LACKING))


def problems(said: str) -> dict[str, str]:
    """The problems that are told in three parts, by name."""
    found = re.findall(r"^(\S[^:\n]*): got (.*)\n  allowed: (.+)\n  do: (.+)$", said, re.MULTILINE)
    return {name: " | ".join(parts) for name, *parts in found}


def long_steps(said: str) -> list[str]:
    return [
        line for line in said.splitlines() if "installing pinned packages" in line or line.startswith("==")
    ]


def test_everything_that_is_missing_is_said_at_once_and_before_all_that_takes_minutes(
    machine: Machine,
) -> None:
    if not bare.can_refuse_namespaces():
        pytest.skip("no filter of system calls for this processor")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        more = {**NOWHERE, "LOCALCLOUD_PORT": str(taken.getsockname()[1]), "LOCALCLOUD_MAX_INSTANCES": "many"}
        done = machine.make("demo", namespaces=False, **more)
    assert done.returncode == 2, done.stderr
    told = problems(done.stderr)
    assert set(told) == {"port", "machines", "bubblewrap", "namespaces", "Python packages"}, done.stderr
    assert "refused" in told["namespaces"]
    assert "apt-get install bubblewrap" in told["bubblewrap"]
    assert "There is no Pulumi CLI on this machine, and it cannot be got:" in done.stderr
    assert "there is no `go` on PATH" in done.stderr
    assert "nothing long was begun" in done.stderr
    assert long_steps(done.stdout + done.stderr) == []
    assert "Traceback" not in done.stderr
    assert not (machine.root / ".venv" / ".complete").exists()


@pytest.mark.parametrize("target", ["setup", "test"])
def test_set_up_without_a_network_ends_before_its_long_steps(machine: Machine, target: str) -> None:
    done = machine.make(target, **NOWHERE)
    assert done.returncode == 2
    assert set(problems(done.stderr)) == {"Python packages"}, done.stderr
    assert "and it cannot be got" in done.stderr
    assert long_steps(done.stdout + done.stderr) == []


@pytest.mark.parametrize("target", ["demo", "setup"])
def test_a_cache_that_cannot_be_written_is_one_of_them(machine: Machine, target: str) -> None:
    cache = machine.root.parent / "closed"
    cache.mkdir(mode=0o555, exist_ok=True)
    bare.give(cache, machine.user)
    done = machine.make(target, XDG_CACHE_HOME=str(cache), **NOWHERE)
    told = problems(done.stderr)
    assert {"cache", "Python packages"} <= set(told)
    assert "may not write" in told["cache"]
    assert "XDG_CACHE_HOME=" in told["cache"]
    assert long_steps(done.stdout + done.stderr) == []


def test_a_user_whom_the_system_does_not_know_is_asked_for_a_home(machine: Machine) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become a user without a name")
    environ = {name: value for name, value in machine.environ().items() if name != "HOME"}
    command = [machine.python, "-B", "bootstrap.py", "demo"]
    done = bare.run(command, cwd=machine.root, environ=environ, user=(54321, 54321))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "  do: export HOME=/a/folder"


def test_a_package_index_alone_is_a_way_to_a_cli(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    python = machine.root / ".venv" / "bin" / "python"
    ask = (
        "import sys; from pathlib import Path; from localcloud.pulumi.cli import obstacles; "
        "print(obstacles(Path(sys.argv[1])))"
    )
    index = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    done = bare.run(
        [str(python), "-c", ask, str(python)],
        cwd=machine.root,
        environ=machine.environ(**index),
        user=machine.user,
    )
    if "No Go toolchain" in done.stdout or "no Go toolchain" in done.stdout:
        pytest.skip("no package index can be reached")
    assert done.stdout.strip() == "[]", done.stderr


# What set-up provides is what the parts use.


def own_cache(folder: Path) -> Mapping[str, str]:
    """A cache with nothing but the `bwrap` that set-up would have put there, and the emulator's environment
    of this machine.
    """
    program = find_bubblewrap()
    assert program is not None
    kept = folder / "cache" / "neurocaas" / "bubblewrap" / "bwrap"
    kept.parent.mkdir(parents=True)
    shutil.copy2(program, kept)
    emulator = os.environ.get("LOCALCLOUD_EMULATOR_PYTHON") or str(emulator_directory() / "bin" / "python")
    return {"XDG_CACHE_HOME": str(folder / "cache"), "LOCALCLOUD_EMULATOR_PYTHON": emulator}


def test_an_ordinary_user_bakes_and_runs_with_the_bwrap_that_set_up_put_into_the_cache(
    tmp_path: Path,
) -> None:
    user = bare.ordinary()
    if user is None:
        pytest.skip("there is no other user")
    if detect(tmp_path / "here").mode is Mode.PROCESS:
        pytest.skip("this machine allows no sandboxes")
    with bare.folder(None) as scratch, bare.folder(user) as home:
        cache = own_cache(home)
        bare.give(home, user)
        needed = [Path(sys.base_prefix), Path(sys.prefix), ROOT, emulator_directory()]
        prefix = bare.without("bwrap", user, scratch, needed)
        if reason := bare.works(prefix):
            pytest.skip(f"a program cannot be hidden here: {reason}")
        environ = {"PATH": "/usr/bin:/bin", "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", **cache}
        hidden = "import shutil, os; print(os.geteuid(), shutil.which('bwrap'))"
        seen = bare.run([*prefix, sys.executable, "-c", hidden], cwd=home, environ=environ)
        assert seen.stdout.split() == [str(user[0]), "None"], seen.stderr
        program = str(ROOT / "localcloud/tests/bake_and_boot.py")
        done = bare.run(
            [*prefix, sys.executable, program, str(home), str(ports.lease())],
            cwd=home,
            environ=environ,
            umask=0o077,
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["sandbox"] == "bubblewrap-userns"
    assert found["bake"]["status"] == "AVAILABLE", found["bake"]
    assert "read: from-the-bake" in found["console"]
    assert MODES in found["console"], "a machine is not as private as the files of its user"


def test_machines_are_not_as_private_as_the_files_of_whoever_starts_them(tmp_path: Path) -> None:
    if detect(tmp_path / "here").mode is Mode.PROCESS:
        pytest.skip("this machine allows no sandboxes")
    program = str(ROOT / "localcloud/tests/bake_and_boot.py")
    done = bare.run(
        [sys.executable, program, str(tmp_path), str(ports.lease())],
        cwd=tmp_path,
        environ=os.environ,
        umask=0o077,
    )
    assert done.returncode == 0, done.stderr
    assert MODES in json.loads(done.stdout)["console"]


def test_the_tour_looks_before_its_first_phase(tmp_path: Path) -> None:
    """With everything set up but the CLI and bubblewrap, and a setting that is wrong."""
    if cli.on_path(os.pathsep.join(bare.SYSTEM)):
        pytest.skip("the system has a Pulumi CLI")
    environ = {
        "PATH": bare.programs(tmp_path / "bin", *LACKING),
        "HOME": str(tmp_path),
        "LOCALCLOUD_HOME": str(tmp_path / "local"),
        "LOCALCLOUD_PORT": "1",
    }
    done = bare.run([sys.executable, "-m", "invoke", "demo"], cwd=ROOT, environ=environ)
    assert done.returncode == 1
    assert {"pulumi", "emulator", "port", "bubblewrap"} <= set(
        problems(done.stderr.removeprefix("error: "))
    ), done.stderr
    assert "==" not in done.stdout
    assert cache_home() not in list(tmp_path.rglob("*"))
