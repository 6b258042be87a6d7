"""What a local cloud needs of a machine: each thing that is missing has three parts, and nothing is left of
the looking.
"""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from localcloud import memory, needs, packages
from localcloud.paths import Paths
from localcloud.processes import identify
from localcloud.running import SCHEMA_VERSION, Cloud
from localcloud.sandbox import sandbox
from localcloud.sandbox.sandbox import Host, Mode

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    for name in (
        "LOCALCLOUD_PORT",
        "LOCALCLOUD_SANDBOX",
        "LOCALCLOUD_MAX_INSTANCES",
        "LOCALCLOUD_BAKE_ON_HOST",
        "LOCALCLOUD_BUBBLEWRAP",
    ):
        monkeypatch.delenv(name, raising=False)
    return Paths(tmp_path / "project" / ".local")


def whole(finding: needs.Finding) -> needs.Finding:
    """A finding that is not enough, with its three parts."""
    assert not finding.enough
    assert all((finding.found, finding.allowed, finding.do))
    assert [line.split(":")[0].strip() for line in finding.text().splitlines()] == [
        finding.name,
        "allowed",
        "do",
    ]
    return finding


def running(paths: Paths, mode: Mode) -> None:
    """A local cloud whose processes are this one."""
    paths.home.mkdir(parents=True, exist_ok=True)
    alive = identify(os.getpid())
    assert alive is not None
    Cloud(
        schema_version=SCHEMA_VERSION, endpoint="http://127.0.0.1:1", port=1, region="us-east-1",
        account="0" * 12, access_key_id="",
        secret_access_key="", admin_token="", emulator_pid=alive.pid, emulator_start=alive.start,
        fleet_pid=alive.pid,
        fleet_start=alive.start, sandbox=mode, started="",
    ).write(paths)  # fmt: skip


def test_room_is_asked_where_a_folder_will_be(tmp_path: Path) -> None:
    assert needs.room("disk", tmp_path / "not" / "yet", 1, "it").enough
    finding = whole(needs.room("disk", tmp_path / "not" / "yet", 1 << 60, "a thing"))
    assert finding.allowed.endswith("GiB, for a thing")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    assert needs.writable("cache", tmp_path / "a" / "b", "do it").enough
    (tmp_path / "file").touch()
    assert "no folder" in whole(needs.writable("cache", tmp_path / "file" / "b", "do it")).found
    assert not (tmp_path / "a").exists()


@pytest.mark.skipif(
    os.geteuid() == 0, reason="root may write everywhere; tests/local/test_first_run.py asks as another user"
)
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o555)
    assert (
        "this user may not write" in whole(needs.writable("cache", tmp_path / "closed" / "x", "do it")).found
    )


def test_no_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    assert needs.temporary().enough
    monkeypatch.setattr(tempfile, "gettempdir", none)
    assert "TMPDIR" in whole(needs.temporary()).do


def test_a_port_is_that_of_the_cloud_that_ran_before(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    running(paths, Mode.BUBBLEWRAP)
    assert "runs at" in needs.port(paths).found
    cloud = Cloud.read(paths)
    assert cloud is not None
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        replace(cloud, emulator_start=1, port=taken.getsockname()[1]).write(paths)
        assert str(taken.getsockname()[1]) in whole(needs.port(paths)).found
    monkeypatch.setenv("LOCALCLOUD_PORT", "many")
    assert whole(needs.port(paths)).wrong


def test_a_cloud_that_runs_without_sandboxes_is_told_to_be_stopped(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    running(paths, Mode.BUBBLEWRAP_USERNS)
    assert needs.sandboxes(paths).enough
    running(paths, Mode.PROCESS)
    assert "invoke local.down" in whole(needs.sandboxes(paths)).do
    monkeypatch.setenv("LOCALCLOUD_BAKE_ON_HOST", "1")
    assert needs.sandboxes(paths).enough


def test_what_was_refused_is_in_the_finding_and_nothing_stays(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes: list[Path] = []
    made: list[Path] = []

    def refused(home: Path) -> Host:
        homes.append(home)
        made.append(memory.make(home))
        (home / "images" / "base-0").mkdir(parents=True, exist_ok=True)
        return Host(Mode.PROCESS, home, None, None, ("seccomp is refused",))

    monkeypatch.setattr(sandbox, "detect", refused)
    assert "seccomp is refused" in whole(needs.sandboxes(paths)).found
    assert homes[0].parent == next(one for one in paths.home.parents if one.exists())
    assert not any(place.exists() for place in (homes[0], made[0]))
    paths.home.mkdir(parents=True)
    needs.sandboxes(paths)
    assert homes[1] == paths.home
    assert not made[1].exists()
    kept = memory.make(paths.home)  # of a cloud that keeps its images there
    try:
        needs.sandboxes(paths)
        assert kept.is_dir()
    finally:
        kept.rmdir()


def test_what_is_mounted_below_usr_is_named_to_an_ordinary_user(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Host(Mode.PROCESS, paths.home, None, None, ("overlay refused: Invalid argument",))
    monkeypatch.setattr(sandbox, "detect", lambda home: refused)
    monkeypatch.setattr(needs, "_below_usr", lambda: ("/usr/lib/driver.so",))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "unmount what is mounted below /usr (/usr/lib/driver.so)" in whole(needs.sandboxes(paths)).do
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert "/usr" not in whole(needs.sandboxes(paths)).do


@pytest.mark.parametrize(
    ("name", "value", "finding"),
    [
        ("LOCALCLOUD_SANDBOX", "best", "sandboxes"),
        ("LOCALCLOUD_MAX_INSTANCES", "0", "machines"),
        ("LOCALCLOUD_BUBBLEWRAP", "x", "bubblewrap"),
    ],
)
def test_a_setting_that_is_wrong_is_told_with_its_value(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, name: str, value: str, finding: str
) -> None:
    monkeypatch.setenv(name, value)
    look = {
        "sandboxes": lambda: needs.sandboxes(paths),
        "machines": needs.machines,
        "bubblewrap": needs.bubblewrap,
    }[finding]
    found = whole(look())
    assert found.wrong
    assert f"{name} is {value!r}" in found.found


def test_who_wants_plain_processes_is_asked_for_no_sandboxes(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALCLOUD_BAKE_ON_HOST", "1")
    monkeypatch.setenv("LOCALCLOUD_SANDBOX", "process")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert [one.name for one in needs.of_a_cloud(paths)] == [
        "home of the local cloud",
        "port",
        "machines",
        "sandboxes",
    ]
    assert needs.problems(one for one in needs.of_a_cloud(paths) if one.name != "port") == []
    assert not paths.home.exists()


def test_a_home_that_cannot_be_made_is_all_that_can_be_told(paths: Paths) -> None:
    paths.home.parent.write_text("a file")
    (finding,) = needs.of_a_cloud(paths, keep=True)
    assert "LOCALCLOUD_HOME" in whole(finding).do


def test_a_home_is_made_for_a_cloud_that_is_about_to_start(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "detect", lambda home: Host(Mode.BUBBLEWRAP, home, home, "/bin/bwrap"))
    list(needs.of_a_cloud(paths))
    assert not paths.home.exists()
    found = {one.name for one in needs.of_a_cloud(paths, keep=True)}
    assert paths.home.is_dir()
    assert {"home of the local cloud", "port", "machines", "bubblewrap", "namespaces"} <= found


def test_other_systems_are_told_which_one_it_is_for(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    (finding,) = needs.of_a_cloud(paths)
    assert (whole(finding).name, finding.found) == ("system", "Darwin")


def test_set_up_looks_with_the_standard_library_alone() -> None:
    look = "import bootstrap, localcloud.needs, localcloud.packages, localcloud.pulumi.cli"
    done = subprocess.run(
        [sys.executable, "-S", "-c", look], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("said", "code", "reason"),
    [
        ("thing (1.0)\nAvailable versions: 1.0, 0.9", 0, None),
        ("thing (0.9)\nAvailable versions: 0.9, 11.0", 0, "it has no thing 1.0"),
        ("", 1, "no such host"),
    ],
)
def test_an_index_is_asked_for_the_first_pinned_package(
    tmp_path: Path, said: str, code: int, reason: str | None
) -> None:
    lock, python = tmp_path / "lock.txt", tmp_path / "python"
    lock.write_text("# a lock\nthing==1.0 \\\n    --hash=sha256:00\nother==2.0\n")
    python.write_text(
        f"#!/bin/sh\necho \"$@\" > {tmp_path}/asked\necho '{said}'\necho 'no such host' >&2\nexit {code}\n"
    )
    python.chmod(0o755)
    if reason is None:
        packages.ask(python, lock)
    else:
        with pytest.raises(packages.Unreachable, match=reason):
            packages.ask(python, lock)
    assert (tmp_path / "asked").read_text().startswith("-m pip index versions thing ")
