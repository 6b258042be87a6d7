"""What a script in a machine or in a bake finds of the host, as root there: nothing to read, to change, or to
speak to.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.fleet.entry import command as enter
from localcloud.fleet.entry import first_process
from localcloud.sandbox import peers
from localcloud.sandbox.sandbox import Mode, Plan, Root, launcher_command
from localcloud.tests import strangers
from localcloud.tests.bases import detect, isolated
from localcloud.tests.fleet_fakes import RunningFleet, running_fleet

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFleet]:
    home = tmp_path_factory.mktemp("cloud")
    host = detect(home)
    if host.mode is Mode.PROCESS or not host.own_users:
        pytest.skip("this host does not allow all namespaces: " + "; ".join(host.notes))
    with running_fleet(home) as running:
        yield running


KEYRING = """
import ctypes, errno
library = ctypes.CDLL(None, use_errno=True)
for call in (248, 249, 250) if __import__("platform").machine() == "x86_64" else (217, 218, 219):
    library.syscall(call, 0, 0, 0, 0, 0)
    print("keyring", errno.errorcode[ctypes.get_errno()])
"""


LOOKS_ABOUT = f"""#!/bin/bash
exec 2>&1
umask; ulimit -c
for name in sys/vm/swappiness sys/kernel/core_pattern sysrq-trigger irq/default_smp_affinity; do
  if [ -e /proc/$name ] && (: > /proc/$name); then echo changed $name; fi
done
for name in kcore keys; do if [ -e /proc/$name ] && head -c 10 /proc/$name; then echo read $name; fi; done
unshare --user true && echo more users
mknod /opt/device b 7 0 && echo a device
mount -t tmpfs none /mnt && echo mounted
cat > /tmp/keyring.py <<'END'
{KEYRING}
END
python3 /tmp/keyring.py
ls -l /proc/self/fd | grep -c memfd
stat -c '%a %n' / /usr /tmp /dev/shm /run /etc/hosts
echo looked
shutdown now
"""


def test_root_of_a_machine_has_no_rights_over_the_host(fleet: RunningFleet) -> None:
    identifier = fleet.emulator.launch(1, LOOKS_ABOUT)
    fleet.emulator.until_state(identifier, "terminated")
    console = fleet.console(identifier)
    assert "0022\n0\n" in console
    for what in ("changed ", "read k", "more users", "a device", "mounted\n"):
        assert what not in console
    assert console.count("keyring ENOSYS") == 3
    assert "\n0\n755 /\n755 /usr\n1777 /tmp\n1777 /dev/shm\n755 /run\n644 /etc/hosts\nlooked\n" in console


def test_a_shell_in_a_machine_has_no_more_than_its_scripts(fleet: RunningFleet) -> None:
    identifier = fleet.emulator.launch(2, "#!/bin/bash\necho up\nsleep 100\n")
    fleet.emulator.until_state(identifier, "running")
    fleet.console_until(identifier, "up")
    pid = first_process(fleet.pid, identifier)
    assert pid is not None
    line = (
        "umask; ulimit -c; touch /opt/file; chown 1000 /opt/file; stat -c %u /opt/file; python3 -c "
        f"'{KEYRING}'"
    )
    done = subprocess.run(enter(pid, ["/bin/bash", "-c", line]), capture_output=True, text=True, check=False)
    owner = "1000" if os.getuid() == 0 else "0"
    assert done.stdout == f"0022\n0\n{owner}\n" + "keyring ENOSYS\n" * 3, done.stderr


def test_a_bake_has_the_network_and_not_the_sockets_of_the_host(tmp_path: Path) -> None:
    """It fetches packages, so it has the host's network, to which sockets with an abstract name belong."""
    host = isolated(tmp_path)
    if not landlock_has_scopes():
        pytest.skip("this kernel cannot close abstract sockets (Landlock since Linux 6.12)")
    name = f"localcloud-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("\0" + name)
        listener.listen()
        connect = f"import socket; socket.socket(socket.AF_UNIX).connect('\\0{name}')"
        assert subprocess.run([sys.executable, "-c", connect], check=False).returncode == 0
        (tmp_path / "run").mkdir()
        plan = Plan(
            Root(tmp_path / "work"),
            ["/usr/bin/env", "python3", "-c", connect],
            {"PATH": "/usr/local/bin:/usr/bin"},
            "x",
            tmp_path / "run",
        )
        plan.root.create()
        done = subprocess.run(
            launcher_command(host, plan, host.scratch), capture_output=True, text=True, check=False
        )
        assert "PermissionError" in done.stderr


def landlock_has_scopes() -> bool:
    program = "import ctypes; print(ctypes.CDLL(None).syscall(444, None, 0, 1))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return int(done.stdout) >= 6


ASK = (
    "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); "
    "print(s.recv(100).decode(), flush=True)"
)


def test_a_metadata_service_on_the_hosts_network_knows_who_asks() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        ours = subprocess.Popen(
            ["sh", "-c", f'"$0" -c "$1" {port}; exit 0', sys.executable, ASK],
            stdout=subprocess.PIPE,
            text=True,
        )
        serve = peers.only_for(lambda: ours.pid, lambda connection: connection.sendall(b"credentials"))
        with listener.accept()[0] as connection:
            serve(connection)
        assert "credentials" in ours.communicate(timeout=20)[0]
        sleeper = subprocess.Popen(["sleep", "100"])
        try:
            for who in (
                [sys.executable],
                ["setpriv", f"--reuid={strangers.NOBODY}", "--clear-groups", "/usr/bin/env", "python3"],
            ):
                if len(who) > 1 and os.getuid() != 0:
                    continue
                other = subprocess.Popen([*who, "-c", ASK, port], stdout=subprocess.PIPE, text=True)
                serve = peers.only_for(
                    lambda: sleeper.pid, lambda connection: connection.sendall(b"credentials")
                )
                with listener.accept()[0] as connection:
                    serve(connection)
                answer = other.communicate(timeout=20)[0]
                assert "403" in answer
                assert "credentials" not in answer
        finally:
            sleeper.kill()
            sleeper.wait()


STORE = """
import subprocess, sys
from localcloud.images.objectstore import object_store
with object_store(b"hidden archive") as endpoint:
    print(endpoint, flush=True)
    print(subprocess.run(["curl", "--silent", endpoint + "/bucket/key"], capture_output=True, text=True).stdout, flush=True)
    sys.stdin.read()
"""  # noqa: E501


def test_the_store_of_a_recording_is_for_its_own_programs() -> None:
    store = subprocess.Popen(
        [sys.executable, "-c", STORE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert store.stdout is not None
        endpoint = store.stdout.readline().strip()
        assert store.stdout.readline() == "hidden archive\n"
        other = subprocess.run(
            ["curl", "--silent", f"{endpoint}/bucket/key"], capture_output=True, text=True, check=False
        )
        assert (other.returncode, other.stdout) == (52, "")  # an empty reply
    finally:
        store.communicate()


def test_another_user_cannot_look_into_a_machine_through_a_process_with_his_number(
    fleet: RunningFleet,
) -> None:
    """Programs of ``ubuntu`` in a machine have a number that a user of this host may have too."""
    strangers.needed()
    as_ubuntu = "setpriv --reuid=1000 --regid=1000 --clear-groups"
    identifier = fleet.emulator.launch(
        3, f"#!/bin/bash\necho secret > /opt/file\n{as_ubuntu} sleep 101.5 &\nsleep 100\n"
    )
    fleet.emulator.until_state(identifier, "running")
    sleeper, deadline = None, time.monotonic() + 20
    while sleeper is None:
        assert time.monotonic() < deadline
        sleeper = next(
            (entry for entry in Path("/proc").glob("[0-9]*") if command_line(entry) == b"sleep\x00101.5\x00"),
            None,
        )
    same = [*as_ubuntu.split(), "cat"]
    assert subprocess.run([*same, f"{sleeper}/comm"], capture_output=True, check=False).returncode == 0
    for inner in ("root/opt/file", "environ", "cwd/opt/file"):
        assert subprocess.run([*same, f"{sleeper}/{inner}"], capture_output=True, check=False).returncode != 0


def command_line(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes() if (entry / "comm").read_text() == "sleep\n" else b""
    except OSError:
        return b""
