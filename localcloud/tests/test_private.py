"""What others on the same machine can reach of a local cloud: nothing, whatever the umask is and whatever was
left open before.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud import memory, private
from localcloud.cloud import CloudError
from localcloud.tests import strangers
from localcloud.tests.bases import isolated
from localcloud.tests.fleet_fakes import running_fleet
from localcloud.tests.homes import CloudHome, client_of

pytestmark = pytest.mark.local


@pytest.fixture
def place() -> Iterator[Path]:
    with strangers.open_place() as folder:
        yield folder


def open_to_others(home: Path) -> list[str]:
    """All below a home that has rights for others, but for what lies on disks and in layers of machines."""
    found = []
    for path, folders, files in os.walk(home):
        below = Path(path).relative_to(home).parts
        if below and below[0] in private.GUESTS and len(below) > 1:
            folders.clear()
            continue
        for name in (*folders, *files):
            status = Path(path, name).lstat()
            if not stat.S_ISLNK(status.st_mode) and status.st_mode & 0o077:
                found.append(f"{stat.filemode(status.st_mode)} {Path(path, name).relative_to(home)}")
    return found


def test_all_state_is_for_its_user_only_with_the_most_open_umask(place: Path) -> None:
    home = CloudHome(place)
    with private.umask(0):
        try:
            cloud = home.up(fleet=True)
            client = client_of(cloud)
            client("s3").create_bucket(Bucket="data")
            client("s3").put_object(Bucket="data", Key="lab1/inputs/a", Body=b"hidden content")
            client("ssm").put_parameter(Name="/key", Value="hidden key", Type="SecureString")
            client("iam").create_user(UserName="ann")
            client("iam").create_access_key(UserName="ann")
            assert stat.S_IMODE(home.paths.home.stat().st_mode) == 0o700
            assert open_to_others(home.paths.home) == []
        finally:
            home.down()
    assert open_to_others(home.paths.home) == []
    assert any(home.paths.emulator_s3.rglob("*"))  # there is something to hide
    strangers.needed()
    assert strangers.seen(place) == [str(home.paths.home)]


def test_what_was_open_is_closed_at_the_next_start(place: Path) -> None:
    home = CloudHome(place)
    with private.umask(0):
        for folder in (
            home.paths.emulator_state,
            home.paths.logs,
            home.paths.images / "ami-1",
            home.paths.pulumi_state,
        ):
            folder.mkdir(parents=True)
        for file in (
            home.paths.emulator_state / "old.json",
            home.paths.logs / "emulator.log",
            home.paths.pulumi_state / "stack.json",
        ):
            file.write_text("{}")
        (place / "elsewhere").write_text("")
        (home.paths.home / "link").symlink_to(place / "elsewhere")
        os.link(place / "elsewhere", home.paths.logs / "same")
    try:
        home.up()
        assert open_to_others(home.paths.home) == ["-rw-rw-rw- logs/same"]
        assert stat.S_IMODE((place / "elsewhere").stat().st_mode) == 0o666
    finally:
        home.down()


def test_a_home_of_somebody_else_is_refused_in_words(place: Path) -> None:
    strangers.needed()
    home = CloudHome(place)
    home.paths.home.mkdir()
    os.chown(home.paths.home, strangers.NOBODY, strangers.NOBODY)
    with pytest.raises(
        CloudError,
        match=f"belongs to user {strangers.NOBODY}.*only a folder of its own user.*LOCALCLOUD_HOME",
    ):
        home.up()


def test_the_folder_in_memory_cannot_be_foreseen_nor_taken_over(tmp_path: Path) -> None:
    first = memory.make(tmp_path)
    try:
        assert memory.make(tmp_path) == memory.find(tmp_path) == first
        assert stat.S_IMODE(first.stat().st_mode) == 0o700
        first.rename(first.with_suffix(".aside"))
        first.symlink_to("/etc")  # somebody took the name
        assert memory.find(tmp_path) is None
        second = memory.make(tmp_path)
        assert second != first
        assert not second.is_symlink()
        second.rmdir()
    finally:
        first.unlink()
        first.with_suffix(".aside").rmdir()


ROOTS_PROGRAM = (
    "#!/bin/bash\ncp /bin/bash /opt/everything && chmod 4755 /opt/everything && chmod 777 / /opt\necho made "
    "it\nsleep 100\n"
)


def test_a_program_of_roots_on_a_machines_disk_is_out_of_reach(place: Path) -> None:
    """The disk is on this host: a program with the set-user-id bit there would make a root of anybody who can
    start it.
    """
    strangers.needed()
    isolated(place / "home")
    with private.umask(0), running_fleet(place / "home") as fleet:
        identifier = fleet.emulator.launch(1, ROOTS_PROGRAM)
        fleet.emulator.until_state(identifier, "running")
        fleet.console_until(identifier, "made it")
        assert "Operation not permitted" not in fleet.console(identifier)
        assert strangers.seen(place) == [str(place / "home")]
        by_process = strangers.run(
            "sh", "-c", "ls -d /proc/[0-9]* /proc/[0-9]*/root/opt/everything"
        ).stdout.split()
        assert "/proc/self" not in by_process
        assert any(line.endswith(str(os.getpid())) for line in by_process)  # it sees the processes
        assert not any(line.endswith("everything") for line in by_process)
        assert stat.S_IMODE((place / "home" / "fleet").stat().st_mode) == 0o700


def test_command_lines_tell_no_secrets(tmp_path: Path) -> None:
    """All users can read the command lines of all processes."""
    isolated(tmp_path)
    with running_fleet(tmp_path) as fleet:
        identifier = fleet.emulator.launch(1, "#!/bin/bash\necho up\nsleep 100\n", tags={"Name": "hidden"})
        fleet.emulator.until_state(identifier, "running")
        fleet.console_until(identifier, "up")
        lines = [line for line in command_lines() if str(tmp_path).encode() in line]
        assert len(lines) >= 1
        assert not any(b"AWS_" in line or b"LANG" in line for line in lines)  # its environment


def command_lines() -> list[bytes]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            found.append((entry / "cmdline").read_bytes())
        except OSError:
            continue
    return found
