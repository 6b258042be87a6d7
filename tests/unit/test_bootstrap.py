"""Set-up of a checkout, with stand-ins for Python environments and pip."""

from __future__ import annotations

import ast
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import bootstrap
from localcloud import apt, needs
from localcloud.paths import Paths
from localcloud.progress import Progress

ROOT = Path(bootstrap.__file__).resolve().parent


def test_an_old_python_can_read_the_file_and_is_told_what_to_do() -> None:
    text = (ROOT / "bootstrap.py").read_text()
    ast.parse(text, feature_version=(3, 6))
    pretend = (
        "import sys; sys.version_info = (3, 9, 1, 'final', 0); exec(compile(open('bootstrap.py').read(), "
        "'bootstrap.py', 'exec'))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", pretend], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 2
    got, allowed, do = answer.stderr.splitlines()
    assert got.startswith("got Python 3.9 (")
    assert allowed == "allowed is Python 3.11 or later"
    assert "make setup PYTHON=" in do


class Environment:
    """An environment whose `python` is a script that notes what it is asked and ends with a code of our
    choice.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.venv = folder / "venv"
        self.log = folder / "log"
        self.code = folder / "code"
        self.made = 0
        self.lock = folder / "lock.txt"
        self.lock.write_text("thing==1")
        self.code.write_text("0")
        self.config = folder / "config"
        self.config.write_text("")
        monkeypatch.setattr(bootstrap, "_create", self._create)

    def _create(self, venv: Path) -> None:
        self.made += 1
        (venv / "bin").mkdir(parents=True, exist_ok=True)
        python = venv / "bin" / "python"
        python.write_text(
            f'#!/bin/sh\n[ "$1" = -c ] && exit 0\n[ "$3" = config ] && exec cat {self.config}\necho "$@" >> '
            f'{self.log}\necho "no matching distribution" '
            f">&2\nexit $(cat {self.code})\n"
        )
        python.chmod(0o755)
        (venv / "bin" / "pip").write_text(f"#!{python}\n")

    def install(self) -> None:
        bootstrap.install(self.venv, (self.lock,), "Packages", "a minute", Progress(io.StringIO()))

    def settings(self, text: str) -> None:
        """What `pip config list` says."""
        self.config.write_text(text)

    def asked(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def installs(self) -> int:
        return sum(str(self.lock) in line for line in self.asked())


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    return Environment(tmp_path, monkeypatch)


def test_packages_are_installed_once_with_hashes_and_compiled(environment: Environment) -> None:
    environment.install()
    environment.install()
    assert (environment.made, environment.installs()) == (1, 1)
    assert [
        line
        for line in environment.asked()
        if "--require-hashes" in line and f"-r {environment.lock}" in line
    ]
    compiled = next(line for line in environment.asked() if line.startswith("-m compileall"))
    assert compiled.endswith(f" {environment.venv / 'lib'}") or not (environment.venv / "lib").is_dir()


def test_bytecode_is_made_of_the_parts_of_the_provider_that_the_program_uses(
    environment: Environment, tmp_path: Path
) -> None:
    environment._create(environment.venv)
    (tmp_path / "lib").mkdir()
    bootstrap._compile(environment.venv, tmp_path / "lib", tmp_path / "not-there")
    words = environment.asked()[-1].split()
    assert words[-1] == str(tmp_path / "lib")
    left_out = re.compile(words[words.index("-x") + 1])
    site = "/x/site-packages"
    for needed in (
        "pulumi_aws/__init__.py",
        "pulumi_aws/s3/bucket.py",
        "pulumi_aws/lambda_/function.py",
        "pip/a/b.py",
    ):
        assert not left_out.search(f"{site}/{needed}")
    assert left_out.search(f"{site}/pulumi_aws/zzz/thing.py")


def test_an_environment_with_more_packages_serves_who_needs_fewer(
    environment: Environment, tmp_path: Path
) -> None:
    more = tmp_path / "more.txt"
    more.write_text("other==1")
    bootstrap.install(
        environment.venv, (environment.lock, more), "Packages", "a minute", Progress(io.StringIO())
    )
    environment.install()
    assert environment.installs() == 1
    more.write_text("other==2")
    environment.install()
    assert environment.installs() == 1
    assert not bootstrap._finished(environment.venv, (environment.lock, more))


UV = """\
#!/bin/sh
{ env | grep -E '^(UV|SSL)_'; echo "uv $*"; } >> LOG
exit CODE
"""


@pytest.mark.parametrize(("code", "pip"), [(0, 0), (2, 1)], ids=["uv does it", "pip does what uv cannot"])
def test_uv_installs_where_it_can_be_had_as_pip_is_told(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int, pip: int
) -> None:
    folder = tmp_path / "path"
    folder.mkdir()
    uv = folder / "uv"
    uv.write_text(UV.replace("LOG", str(environment.log)).replace("CODE", str(code)))
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    settings = [
        "global.cert='/etc/own.pem'",
        ":env:.index-url='https://packages.example/simple'",
        ":env:.extra-index-url='https://a.example https://b.example'",
        ":env:.disable-pip-version-check='1'",
    ]
    environment.settings("\n".join(settings))
    environment.install()
    environment.install()
    (line,) = [line for line in environment.asked() if line.startswith("uv pip install")]
    for option in (
        "--default-index https://packages.example/simple",
        "--index https://a.example --index https://b.example",
        f"--python {environment.venv / 'bin' / 'python'}",
        f"--require-hashes -r {environment.lock}",
    ):
        assert option in line
    assert "SSL_CERT_FILE=/etc/own.pem" in environment.asked()
    assert (
        sum(
            line.startswith("-m pip install") and str(environment.lock) in line
            for line in environment.asked()
        )
        == pip
    )


def test_pip_installs_when_it_has_a_setting_that_uv_would_not_know(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.settings("global.proxy='http://proxy.example:3128'")
    monkeypatch.setattr(shutil, "which", lambda name: pytest.fail("asked for uv"))
    environment.install()
    assert environment.installs() == 1


def test_a_new_lock_updates_the_environment_in_place(environment: Environment) -> None:
    environment.install()
    environment.lock.write_text("thing==2")
    environment.install()
    assert (environment.made, environment.installs()) == (1, 2)


def test_a_failed_install_is_not_taken_for_finished(environment: Environment) -> None:
    environment.code.write_text("1")
    for _ in range(2):
        with pytest.raises(
            bootstrap.SetupFailed,
            match=r"(?s)no matching distribution.*index that can be reached.*same command again",
        ):
            environment.install()
    environment.code.write_text("0")
    environment.install()
    environment.install()
    assert (environment.made, environment.installs()) == (1, 3)


def test_an_interrupted_update_is_not_taken_for_finished(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.install()
    environment.lock.write_text("thing==2")

    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(bootstrap, "_usable", lambda venv: True)
        patch.setattr(subprocess, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            environment.install()
    environment.lock.write_text("thing==1")
    environment.install()
    assert environment.installs() == 2


def test_a_moved_environment_is_made_anew(environment: Environment) -> None:
    environment.install()
    environment.venv = environment.venv.rename(environment.venv.with_name("moved"))
    environment.install()
    assert environment.made == 2


def test_an_environment_whose_python_is_gone_is_made_anew(environment: Environment) -> None:
    environment.install()
    python = environment.venv / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    assert bootstrap._stamp(environment.venv) == ""
    python.unlink()
    environment.install()
    assert environment.made == 2


@pytest.fixture
def no_ensurepip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(apt, "install", lambda package: "not root")


def test_a_python_without_ensurepip_is_a_clear_message(
    no_ensurepip: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apt, "unpack", lambda package, target: "no network")
    with pytest.raises(bootstrap.SetupFailed) as error:
        bootstrap._create(tmp_path / "venv")
    got, allowed, do = str(error.value).splitlines()
    assert got.startswith("got no virtual environment")
    assert allowed.startswith("allowed is")
    assert f"apt-get install python{sys.version_info.major}.{sys.version_info.minor}-venv" in do


def test_without_ensurepip_pip_comes_out_of_the_package(
    no_ensurepip: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unpack(package: str, target: Path) -> None:
        folder = target / "usr" / "share" / "python-wheels"
        folder.mkdir(parents=True)
        with zipfile.ZipFile(folder / "pip-99-py3-none-any.whl", "w") as wheel:
            wheel.writestr(
                "pip/__main__.py",
                f"import sys; open({str(tmp_path / 'asked')!r}, 'w').write(repr((sys.prefix, sys.argv[1:])))",
            )

    monkeypatch.setattr(apt, "unpack", unpack)
    bootstrap._create(tmp_path / "venv")
    prefix, arguments = ast.literal_eval((tmp_path / "asked").read_text())
    assert prefix == str(tmp_path / "venv")
    assert arguments[:3] == ["install", "--quiet", "--no-index"]
    assert Path(arguments[3]).name == "pip-99-py3-none-any.whl"


def test_set_up_without_a_cli_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin" / "python").chmod(0o755)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap, "install", lambda *arguments: None)
    monkeypatch.setattr(bootstrap, "ensure_bubblewrap", lambda progress: None)
    monkeypatch.setattr(bootstrap, "find_cli", lambda: None)
    monkeypatch.setattr(bootstrap, "check", lambda *arguments: None)
    monkeypatch.setattr(bootstrap, "COMPILED", ())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert bootstrap.main([]) == 1
    assert capsys.readouterr().err == "set-up stopped: there is no Pulumi CLI (see above)\n"


def test_interrupting_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(progress: Progress, for_demo: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "setup", interrupted)
    assert bootstrap.main([]) == 130
    assert "goes on from here" in capsys.readouterr().err


def test_a_home_that_cannot_be_written_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").write_text("a file, in which no folder can be made, not even by root")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(
        bootstrap,
        "_stamp",
        lambda venv: "\n".join(bootstrap._keys(venv, bootstrap.LOCKS)) if venv == bootstrap.VENV else "",
    )
    monkeypatch.setattr(bootstrap, "_unreachable", lambda *arguments: [])
    assert bootstrap.main([]) == 1
    got, allowed, do, last = capsys.readouterr().err.splitlines()
    assert got == f"cache: got {tmp_path / 'home'}, which is no folder"
    assert str(tmp_path / "home" / ".cache" / "neurocaas") in allowed
    assert "XDG_CACHE_HOME=" in do
    assert "nothing long was begun" in last


class Looked:
    """A machine without bubblewrap, on which everything else is in order; `gets` says whether it can be
    had.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, gets: bool, apt_get: bool = True
    ) -> None:
        self.here, self.gets, self.done = False, gets, list[str]()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setattr(needs, "of_a_cloud", self._of_a_cloud)
        monkeypatch.setattr(shutil, "which", lambda name, **options: "/usr/bin/apt-get" if apt_get else None)
        monkeypatch.setattr(bootstrap, "_unreachable", lambda *arguments: [])
        monkeypatch.setattr(bootstrap, "forget_refusal", lambda: self.done.append("forget"))
        monkeypatch.setattr(bootstrap, "ensure_bubblewrap", self._ensure)

    def _of_a_cloud(self, paths: Paths, *, keep: bool) -> Iterator[needs.Finding]:
        assert keep
        yield (
            needs.Finding("bubblewrap", "/bin/bwrap")
            if self.here
            else needs.Finding("bubblewrap", "none", "one", "get it")
        )

    def _ensure(self, progress: Progress) -> None:
        self.done.append("get")
        self.here = self.gets

    def look(self, for_demo: bool) -> None:
        bootstrap.check(["bubblewrap"], Progress(io.StringIO()), for_demo)


def test_bubblewrap_is_got_before_the_long_steps_of_a_demo_and_tried_again_although_it_was_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Looked(monkeypatch, tmp_path, gets=True)
    machine.look(for_demo=True)
    assert machine.done == ["forget", "get"]


@pytest.mark.parametrize(("apt_get", "done"), [(True, ["forget", "get"]), (False, [])])
def test_a_demo_without_bubblewrap_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apt_get: bool, done: list[str]
) -> None:
    machine = Looked(monkeypatch, tmp_path, gets=False, apt_get=apt_get)
    with pytest.raises(
        bootstrap.SetupFailed,
        match=r"bubblewrap: got none\n  allowed: one\n  do: get it\n.*nothing long was begun",
    ):
        machine.look(for_demo=True)
    assert machine.done == done


def test_set_up_alone_goes_on_without_bubblewrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Looked(monkeypatch, tmp_path, gets=False)
    machine.look(for_demo=False)
    assert machine.done == []


def test_clean_keeps_the_cache_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for folder in (tmp_path / ".venv", tmp_path / "build", tmp_path / "cache" / "neurocaas" / "pulumi-1"):
        folder.mkdir(parents=True)
    assert bootstrap.main(["clean"]) == 0
    assert not (tmp_path / ".venv").exists()
    assert (tmp_path / "cache" / "neurocaas" / "pulumi-1").exists()


def test_make_without_a_python_says_what_to_install() -> None:
    answer = subprocess.run(
        ["make", "setup", "PYTHON="], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 2
    got, allowed, do = answer.stderr.splitlines()[:3]
    assert got.startswith("got no Python 3.11 or later")
    assert allowed == "allowed is Python 3.11 or later"
    assert "apt-get install" in do


def test_a_checkout_has_the_command_of_analysts_by_whatever_name_it_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs the package beside the environment that it is called by, not the one that was set up."""
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / "made" / ".venv")
    (bootstrap.VENV / "bin").mkdir(parents=True)
    bootstrap._command()
    script = bootstrap.VENV / "bin" / "neurocaas"
    written = script.stat().st_mtime_ns
    bootstrap._command()
    assert script.stat().st_mtime_ns == written
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith(f"#!{bootstrap.VENV}/bin/python\n")
    other = tmp_path / "other"
    other.mkdir()
    (other / ".venv").symlink_to(bootstrap.VENV)
    (other / "neurocaas").symlink_to(ROOT / "neurocaas")
    done = subprocess.run(
        [sys.executable, str(other / ".venv" / "bin" / "neurocaas"), "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("neurocaas ")
