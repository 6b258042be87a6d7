"""The smaller pieces of set-up: cache, progress, the emulator's environment, bubblewrap."""

from __future__ import annotations

import io
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from localcloud import bubblewrap, emulator_env
from localcloud.cache import HomeUnknown, cache_home, content_hash, locked
from localcloud.progress import Progress, duration, last_line
from localcloud.project import project


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_home() == tmp_path / project().cache
    monkeypatch.setenv("HOME", "/home/someone")
    for ignored in ("", "relative/folder"):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert cache_home() == Path("/home/someone/.cache") / project().cache


@pytest.mark.parametrize("home", [None, "", "relative/home"])
def test_without_a_home_in_the_environment_it_is_the_systems(
    monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    assert cache_home() == Path(pwd.getpwuid(os.getuid()).pw_dir) / ".cache" / project().cache
    monkeypatch.setattr(os, "getuid", lambda: 4_294_967_000)  # nobody has it
    with pytest.raises(HomeUnknown) as error:
        cache_home()
    got, allowed, do = str(error.value).splitlines()
    assert got.startswith("no home folder")
    assert (allowed.split(":")[0], do) == ("  allowed", "  do: export HOME=/a/folder")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/mine")
    assert cache_home() == Path("/var/cache/mine") / project().cache


def test_the_hash_depends_on_content_and_order_alone(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("1")
    b.write_text("2")
    before = content_hash(a, b)
    os.utime(a, (0, 0))
    assert content_hash(a, b) == before
    assert content_hash(b, a) != before
    b.write_text("3")
    assert content_hash(a, b) != before


def test_a_lock_keeps_another_process_out_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "lock"
    said: list[str] = []
    file.parent.mkdir()
    hold = (
        "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); "
        "sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    holder.stdout.readline()

    def say(text: str) -> None:
        said.append(text)
        assert holder.stdin is not None
        holder.stdin.close()

    with locked(file, waiting_for="the thing", say=say):
        assert holder.wait() == 0
    assert len(said) == 1
    assert "the thing" in said[0]


def test_a_step_says_what_how_long_usually_and_how_it_ended() -> None:
    said = io.StringIO()
    progress = Progress(said)
    with progress.step("Thing: making it", "1-2 minutes"):
        pass
    with pytest.raises(OSError, match="full"), progress.step("Other", "a minute"):
        raise OSError("full")
    lines = said.getvalue().splitlines()
    assert lines[0] == "Thing: making it (usually 1-2 minutes) ..."
    assert lines[1].startswith("Thing: making it (usually 1-2 minutes) ... done in ")
    assert lines[3].startswith("Other (usually a minute) ... stopped after ")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (59.9, "59 s"), (60, "1 min 00 s"), (425, "7 min 05 s")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_last_line_is_the_reason() -> None:
    assert last_line("Reading\nE: no network\n\n") == "E: no network"
    assert last_line("\n") == ""


def test_an_emulator_without_its_stamp_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LOCALCLOUD_EMULATOR_PYTHON", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    python = emulator_env.emulator_directory() / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    with pytest.raises(emulator_env.EmulatorMissing, match="make setup"):
        emulator_env.emulator_python()
    (emulator_env.emulator_directory() / emulator_env.COMPLETE).touch()
    assert emulator_env.emulator_python() == python


def test_the_emulator_may_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOCALCLOUD_EMULATOR_PYTHON", sys.executable)
    assert emulator_env.emulator_python() == Path(sys.executable)
    monkeypatch.setenv("LOCALCLOUD_EMULATOR_PYTHON", str(tmp_path / "none"))
    with pytest.raises(emulator_env.EmulatorMissing, match="not an executable file"):
        emulator_env.emulator_python()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it, an empty cache, and an ordinary user."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return folder


def program(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{body}\n")
    (folder / name).chmod(0o755)


def test_bubblewrap_on_path_is_taken(programs: Path) -> None:
    program(programs, "bwrap", "")
    assert bubblewrap.ensure_bubblewrap(Progress(io.StringIO())) == programs / "bwrap"


def test_bubblewrap_that_is_named_goes_before_the_one_on_path(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(programs, "bwrap", "")
    assert bubblewrap.passed_on() == {"LOCALCLOUD_BUBBLEWRAP": str(programs / "bwrap")}
    program(tmp_path, "mine", "")
    monkeypatch.setenv("LOCALCLOUD_BUBBLEWRAP", str(tmp_path / "mine"))
    assert bubblewrap.find_bubblewrap() == tmp_path / "mine"


@pytest.mark.parametrize("named", ["bwrap", "/nonexistent/bwrap", "/etc/passwd", "/usr"])
def test_a_name_that_is_no_program_is_told(
    programs: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    program(programs, "bwrap", "")
    monkeypatch.setenv("LOCALCLOUD_BUBBLEWRAP", named)
    with pytest.raises(
        bubblewrap.BubblewrapMisnamed, match="allowed: the absolute path of a program\n  do: "
    ):
        bubblewrap.passed_on()


def test_bubblewrap_on_a_relative_path_has_an_absolute_one(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(programs, "bwrap", "")
    monkeypatch.chdir(programs.parent)
    monkeypatch.setenv("PATH", "bin")
    assert bubblewrap.find_bubblewrap() == programs / "bwrap"


def test_a_cache_that_cannot_be_written_is_a_reason_and_no_failure(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (programs.parent / "cache").write_text("a file, in which no folder can be made")
    assert bubblewrap.passed_on() == {}
    said = io.StringIO()
    assert bubblewrap.ensure_bubblewrap(Progress(said)) is None
    assert "Not a directory" in said.getvalue() or "File exists" in said.getvalue()


def test_an_ordinary_user_gets_it_from_its_package(programs: Path) -> None:
    program(
        programs,
        "apt-get",
        'for last; do :; done; [ "$last" = bubblewrap ] && : > bubblewrap_1_amd64.deb; exit 0',
    )
    program(
        programs,
        "dpkg-deb",
        "mkdir -p $3/usr/bin; printf '#!/bin/sh\\n' > $3/usr/bin/bwrap; chmod 755 $3/usr/bin/bwrap",
    )
    found = bubblewrap.ensure_bubblewrap(Progress(io.StringIO()))
    assert found is not None
    assert cache_home() in found.parents
    assert bubblewrap.find_bubblewrap() == found


def test_root_installs_it(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    program(programs, "env", 'shift; exec "$@"')
    body = (
        f"echo $@ >> {programs}/asked; if [ -e {programs}/lists ]; then : > {programs}/bwrap; chmod 755 "
        f"{programs}/bwrap; exit 0; fi"
    )
    program(programs, "apt-get", f"{body}; [ $1 = update ] && : > {programs}/lists && exit 0; exit 100")
    program(programs, "env", f'shift; exec {programs}/"$@"')
    assert bubblewrap.ensure_bubblewrap(Progress(io.StringIO())) == programs / "bwrap"
    assert [line.split()[0] for line in (programs / "asked").read_text().splitlines()] == [
        "install",
        "update",
        "install",
    ]


def test_where_it_cannot_be_had_it_is_said_plainly_and_not_tried_every_time(programs: Path) -> None:
    program(programs, "apt-get", f"echo x >> {programs}/tries; echo 'E: no network' >&2; exit 100")
    for _ in range(2):
        said = io.StringIO()
        assert bubblewrap.ensure_bubblewrap(Progress(said)) is None
        for part in ("plain processes", "E: no network", "install the package bubblewrap"):
            assert part in said.getvalue()
    assert (programs / "tries").read_text().count("x") == 1
    bubblewrap.forget_refusal()
    bubblewrap.ensure_bubblewrap(Progress(io.StringIO()))
    assert (programs / "tries").read_text().count("x") == 2
