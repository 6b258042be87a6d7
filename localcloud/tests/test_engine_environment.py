"""The folder and variables of the engine, with a stand-in for the CLI."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from localcloud import private
from localcloud.paths import Paths
from localcloud.progress import Progress
from localcloud.project import WARM_VARIABLE
from localcloud.pulumi import cli, environment, passphrase
from localcloud.pulumi.host_script import HOST_SCRIPT


class FakeCloud:
    def environment(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_PROFILE": ""}


CLOUD = FakeCloud()

FAKE_CLI = f"""#!{sys.executable}
import os, pathlib, sys
root = pathlib.Path.cwd()
state = pathlib.Path(os.environ["PULUMI_BACKEND_URL"].removeprefix("file://"))
with open(root / "asked", "a") as log:
    log.write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "version":
    print("v3.270.0")
elif sys.argv[1:3] == ["stack", "init"]:
    stack = sys.argv[3]
    if stack == "refused":
        sys.exit("error: no such thing")
    made = state / ".pulumi" / "stacks" / "tiny" / f"{{stack}}.json"
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_text("{{}}")
    file = root / "stacks" / f"Pulumi.{{stack}}.yaml"
    text = file.read_text() if file.exists() else ""
    if "encryptionsalt" not in text:
        file.write_text("encryptionsalt: " + (root / "salt").read_text() + "\\n" + text)
"""


def seal(phrase: str) -> str:
    """A salt as the engine makes it."""
    raw, nonce = os.urandom(8), os.urandom(12)
    key = hashlib.pbkdf2_hmac("sha256", phrase.encode(), raw, passphrase.ITERATIONS, 32)
    raw64, nonce64, sealed64 = (
        base64.b64encode(part).decode() for part in (raw, nonce, AESGCM(key).encrypt(nonce, b"pulumi", None))
    )
    return f"v1:{raw64}:v1:{nonce64}:{sealed64}"


class Project:
    """A project in a folder, whose local cloud's home is elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "project"
        (self.root / "stacks").mkdir(parents=True)
        (self.root / "Pulumi.yaml").write_text("name: tiny\nruntime: python\nstackConfigDir: stacks\n")
        self.paths = Paths(folder / "home")
        self.phrase = passphrase.ensure_passphrase(self.root / ".local" / "pulumi" / "passphrase")
        (self.root / "salt").write_text(seal(self.phrase))
        self.said = io.StringIO()

    def prepare(self, *stacks: str) -> None:
        environment.prepare(self.paths, self.root, CLOUD, stacks, Progress(self.said))

    def asked(self) -> list[str]:
        """What the CLI was asked for since the last call, but for its version."""
        log = self.root / "asked"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line for line in lines if line != "version"]

    def file(self, stack: str) -> Path:
        return self.root / "stacks" / f"Pulumi.{stack}.yaml"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", os.pathsep.join(["/usr/bin", "/bin"]))
    monkeypatch.delenv(environment.PROVIDER_VARIABLE, raising=False)
    binary = cli.cache_directory() / "pulumi"
    binary.parent.mkdir(parents=True)
    binary.write_text(FAKE_CLI)
    binary.chmod(0o755)
    return Project(tmp_path)


def test_stacks_are_made_once(project: Project) -> None:
    project.prepare("first", "second")
    assert project.asked() == [
        f"stack init {name} --no-select --non-interactive" for name in ("first", "second")
    ]
    project.prepare("first", "second")
    assert project.asked() == []
    project.prepare("first", "third")
    assert project.asked() == ["stack init third --no-select --non-interactive"]


def test_all_of_it_is_for_this_user_only(project: Project) -> None:
    with private.umask(0):
        project.prepare("first")
    for folder in (project.root / ".local", project.paths.home):
        everything = [folder, *folder.rglob("*")]
        assert len(everything) > 3
        assert [
            str(path) for path in everything if not path.is_symlink() and path.stat().st_mode & 0o077
        ] == []
    assert os.access(project.paths.pulumi / "standin" / "pulumi-resource-aws", os.X_OK)


def test_a_second_call_starts_no_process(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.prepare("first")

    def started(*arguments: object, **options: object) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr(subprocess, "run", started)
    monkeypatch.setattr(passphrase, "belongs", started)
    project.prepare("first")


def test_locks_of_engines_that_are_gone_are_removed(project: Project) -> None:
    folder = project.paths.pulumi_state / ".pulumi" / "locks" / "organization" / "tiny" / "first"
    folder.mkdir(parents=True)

    def lock(name: str, pid: int, host: str) -> None:
        (folder / f"{name}.json").write_text(
            json.dumps({"pid": pid, "username": "me", "hostname": host, "timestamp": "2026-01-01T00:00:00Z"})
        )

    running = folder / "pulumi"
    running.write_text(f"#!{sys.executable}\nimport signal\nsignal.pause()\n")
    running.chmod(0o755)
    here = socket.gethostname()
    with subprocess.Popen([running]) as engine:
        try:
            # Popen returns shortly before the new program has its name
            while Path(f"/proc/{engine.pid}/comm").read_text() != "pulumi\n":
                time.sleep(0.01)
            lock("alive", engine.pid, here)
            lock("taken over by a stranger", os.getpid(), here)
            lock("of another machine", 2**30, f"not-{here}")
            lock("dead", 2**30, here)
            project.prepare("first")
        finally:
            engine.kill()
    assert {file.stem for file in folder.glob("*.json")} == {"alive", "of another machine"}


def test_the_passphrase_is_random_private_and_kept(tmp_path: Path) -> None:
    first = passphrase.ensure_passphrase(tmp_path / "a" / "passphrase")
    assert len(first) >= 43
    assert passphrase.ensure_passphrase(tmp_path / "a" / "passphrase") == first
    assert passphrase.ensure_passphrase(tmp_path / "b" / "passphrase") != first
    assert stat.S_IMODE((tmp_path / "a" / "passphrase").stat().st_mode) == 0o600


def test_a_salt_belongs_to_its_passphrase_only() -> None:
    salt = seal("right")
    assert passphrase.belongs(salt, "right")
    assert not passphrase.belongs(salt, "wrong")
    for broken in ("", "v1:AAAA", salt.replace("v1:", "v2:"), salt[:-4], "v1:*:v1:*:*"):
        assert not passphrase.belongs(broken, "right")


def test_a_deleted_stack_file_gets_its_salt_back(project: Project) -> None:
    project.prepare("first")
    before = project.file("first").read_text()
    project.file("first").unlink()
    project.asked()
    project.prepare("first")
    assert project.file("first").read_text() == before
    assert project.asked() == []


def test_a_file_sealed_with_another_passphrase_is_set_aside_and_its_settings_are_kept(
    project: Project,
) -> None:
    foreign = f"encryptionsalt: {seal('another')}\nconfig:\n  aws:region: eu-west-1\n"
    project.file("first").write_text(foreign)
    project.prepare("first")
    now = yaml.safe_load(project.file("first").read_text())
    assert now["config"] == {"aws:region": "eu-west-1"}
    assert passphrase.belongs(now["encryptionsalt"], project.phrase)
    (copy,) = (project.root / ".local" / "pulumi" / "set-aside").iterdir()
    assert copy.read_text() == foreign
    assert str(copy) in project.said.getvalue()


def test_secrets_of_another_passphrase_are_never_thrown_away(project: Project) -> None:
    foreign = f"encryptionsalt: {seal('another')}\nconfig:\n  tiny:key:\n    secure: v1:abc\n"
    project.file("first").write_text(foreign)
    project.file("third").write_text(foreign)
    with pytest.raises(environment.StackFileConflict) as error:
        project.prepare("first", "third", "refused")
    for stack in ("first", "third"):
        assert f"{project.file(stack)}: got secrets" in str(error.value)
    assert "stack refused: the engine could not make it: error: no such thing" in str(error.value)
    assert project.file("first").read_text() == foreign


def test_a_new_passphrase_forgets_the_salts_of_the_old_one(project: Project) -> None:
    project.prepare("first")
    (project.root / ".local" / "pulumi" / "passphrase").unlink()
    phrase = passphrase.ensure_passphrase(project.root / ".local" / "pulumi" / "passphrase")
    (project.root / "salt").write_text(seal(phrase))
    (project.paths.pulumi_state / ".pulumi" / "stacks" / "tiny" / "first.json").unlink()
    project.prepare("first")
    salt = passphrase.salt_in(project.file("first").read_text())
    assert salt is not None
    assert passphrase.belongs(salt, phrase)


def test_two_homes_of_one_checkout_share_its_stack_files(project: Project, tmp_path: Path) -> None:
    project.prepare("first")
    before = project.file("first").read_text()
    environment.prepare(Paths(tmp_path / "other"), project.root, CLOUD, ["first"], Progress(project.said))
    assert project.file("first").read_text() == before


def test_without_a_cli_the_message_says_what_to_run(project: Project) -> None:
    (cli.cache_directory() / "pulumi").unlink()
    with pytest.raises(cli.CliUnavailable, match="run `make setup`"):
        project.prepare("first")


def test_wrappers_for_a_cli_without_a_host(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WARM_VARIABLE, raising=False)
    project.prepare()
    assert (project.paths.pulumi_bin / "pulumi").resolve() == cli.cache_directory() / "pulumi"
    assert (project.paths.pulumi_bin / "pulumi-language-python").read_text() == HOST_SCRIPT
    standin = project.paths.pulumi / "standin" / "pulumi-resource-aws"
    assert os.access(standin, os.X_OK)
    assert f"{sys.executable} -m localcloud.pulumi.provider" in standin.read_text()


def test_wrappers_follow_the_cli(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project.prepare()
    installed = tmp_path / "usr"
    installed.mkdir()
    for name in ("pulumi", "pulumi-language-python"):
        (installed / name).write_text("#!/bin/sh\necho v3.270.0\n")
        (installed / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{installed}:/usr/bin:/bin")
    project.prepare()
    assert list(project.paths.pulumi_bin.iterdir()) == []


def test_the_variables_make_the_plain_command_local(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of a real account")
    monkeypatch.setenv("AWS_PROFILE", "lab")
    variables = environment.environment(project.paths, project.root, CLOUD)
    path = variables["PATH"].split(os.pathsep)
    assert path[:2] == [str(project.paths.pulumi_bin), str(project.paths.pulumi / "standin")]
    assert variables["PULUMI_BACKEND_URL"] == f"file://{project.paths.pulumi_state}"
    applied = environment.applied(variables)
    assert "PULUMI_CONFIG_PASSPHRASE" not in applied
    assert "AWS_PROFILE" not in applied
    monkeypatch.setenv("PATH", variables["PATH"])
    assert environment.environment(project.paths, project.root, CLOUD)["PATH"] == variables["PATH"], (
        "twice in one shell is as once"
    )


def test_a_user_without_a_name_gets_one_for_the_engine(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("USER", raising=False)
    assert "USER" not in environment.environment(project.paths, project.root, CLOUD)
    monkeypatch.setattr(os, "getuid", lambda: 4_294_967_000)  # nobody has it
    assert environment.environment(project.paths, project.root, CLOUD)["USER"] == "user-4294967000"
    monkeypatch.setenv("USER", "someone")
    assert environment.environment(project.paths, project.root, CLOUD)["USER"] == "someone"


def test_the_real_provider_may_be_downloaded(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(environment.PROVIDER_VARIABLE, "real")
    monkeypatch.setenv("PATH", f"{project.paths.pulumi / 'standin'}:/bin")
    variables = environment.environment(project.paths, project.root, CLOUD)
    assert variables["PATH"] == f"{project.paths.pulumi_bin}:/bin"
    assert variables["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == ""
