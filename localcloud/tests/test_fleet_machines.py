"""The fleet as a process, on a stand-in for the emulator: what a machine sees, may do, and leaves behind."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.fleet.entry import command as enter
from localcloud.fleet.entry import first_process
from localcloud.tests.bases import isolated
from localcloud.tests.fleet_fakes import RunningFleet, running_fleet

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFleet]:
    home = tmp_path_factory.mktemp("cloud")
    isolated(home)
    with running_fleet(home, LOCALCLOUD_MAX_INSTANCES="3") as running:
        yield running


def run(fleet: RunningFleet, number: int, script: str | bytes, **more: object) -> str:
    """Run user data to the end of its machine, and return the console."""
    identifier = fleet.emulator.launch(number, script, **more)
    fleet.emulator.until_state(identifier, "terminated")
    return fleet.console(identifier)


IMDS = (
    "T=$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "
    "http://169.254.169.254/latest/api/token)\n"
    'm() { curl -s -w "=%{http_code}\\n" -H "X-aws-ec2-metadata-token: $T" '
    '"http://169.254.169.254/latest/$1"; }\n'
)


def test_life_is_reported_in_order(fleet: RunningFleet) -> None:
    console = run(fleet, 1, "#!/bin/bash\necho out\necho err >&2\nshutdown -h now\n")
    assert "out\n" in console
    assert "err\n" in console
    assert fleet.emulator.states(f"i-{1:017x}") == ["running", "shutting-down", "terminated"]
    assert fleet.emulator.instances[f"i-{1:017x}"]["reason"]["code"] == "Client.InstanceInitiatedShutdown"
    assert not (fleet.home / "fleet" / f"i-{1:017x}").exists()


def test_the_host_is_out_of_sight(fleet: RunningFleet, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("visible")
    console = run(
        fleet,
        2,
        f"#!/bin/bash\ncat {secret}\nls {fleet.home} ; ls /proc | grep -c '^[0-9]' ; echo users: $(grep -c "
        "tester /etc/passwd)\n"
        "env | sort | cut -d= -f1 | tr '\\n' ' '\necho\necho 61 > /proc/sys/vm/swappiness\n"
        "ls -A /usr/local/bin\nhostname\npwd\necho $HOME\nshutdown now\n",
    )
    assert "visible" not in console
    assert str(fleet.home) in console  # the error message of ls
    assert "AWS_DEFAULT_REGION AWS_ENDPOINT_URL AWS_REGION HOME LANG PATH PWD SHLVL _" in console
    assert "Read-only file system" in console
    assert "ip-10-0-0-2\n/\n/root\n" in console


def test_writes_stay_in_the_machine(fleet: RunningFleet) -> None:
    name = f"localcloud-test-{os.getpid()}"
    console = run(
        fleet,
        3,
        "#!/bin/bash\nfor d in /usr/bin /etc /var/lib /opt /home/ubuntu; do touch "
        f"$d/{name} && echo wrote; done\nrm /usr/bin/env && echo gone\nshutdown now\n",
    )
    assert console.count("wrote") == 5
    assert "gone" in console
    assert Path("/usr/bin/env").exists()
    assert not Path("/usr/bin", name).exists()


def test_metadata_needs_a_token_and_tells_the_instance(fleet: RunningFleet) -> None:
    paths = (
        "meta-data/instance-id meta-data/ami-launch-index meta-data/tags/instance/Name "
        "meta-data/placement/region meta-data/local-ipv4 meta-data/nonsense "
        "meta-data/iam/security-credentials/ meta-data/iam/security-credentials/worker "
        "dynamic/instance-identity/document user-data"
    )
    script = (
        "#!/bin/bash\ncurl -s -o /dev/null -w 'v1 %{http_code}\\n' "
        "http://169.254.169.254/latest/meta-data/instance-id\n"
    ) + IMDS
    console = run(fleet, 4, script + f"for p in {paths}; do m $p; done\nshutdown now\n")
    assert "v1 401" in console
    assert f"i-{4:017x}=200" in console
    assert "\n4=200" in console
    assert "machine-4=200" in console
    assert "us-east-1=200" in console
    assert "10.0.0.4=200" in console
    assert "404 - Not Found\n=404" in console
    assert "worker=200" in console
    assert '"AccessKeyId": "ASIA00000004"' in console
    assert '"instanceType": "t3.micro"' in console
    assert "#!/bin/bash" in console


def test_no_role_no_credentials(fleet: RunningFleet) -> None:
    console = run(
        fleet,
        5,
        "#!/bin/bash\n" + IMDS + "m meta-data/iam/security-credentials/\nshutdown now\n",
        role_arn=None,
    )
    assert "=404" in console


def test_only_own_signatures_reach_the_emulator(fleet: RunningFleet) -> None:
    fleet.emulator.objects["/bucket/key"] = b"content"
    call = "curl -s -w ' %{http_code}\\n' --path-as-is"
    header = (
        "-H 'Authorization: AWS4-HMAC-SHA256 Credential=KEY/20260101/us-east-1/s3/aws4_request, "
        "SignedHeaders=host, Signature=0'"
    )
    script = (
        "#!/bin/bash\n"
        + IMDS
        + "m meta-data/iam/security-credentials/worker > /dev/null\nE=$AWS_ENDPOINT_URL\n"
    )
    script += "".join(f"echo {name}: $({call} {arguments})\n" for name, arguments in [
        ("unsigned", "$E/bucket/key"),
        ("own", header.replace("KEY", "ASIA00000006") + " $E/bucket/key"),
        ("root", header.replace("KEY", "AKIAROOT") + " $E/bucket/key"),
        ("bearer", "-H 'Authorization: Bearer fleet-test-token' $E/bucket/key"),
        ("admin", "-H 'Authorization: Bearer fleet-test-token' "
"'$E/_localcloud/changes?since=0&timeout=0'".replace("'$E", '"$E').replace("0'", '0"')),
        ("encoded", "$E/%5flocalcloud/changes"),
        ("dots", "$E/bucket/../_localcloud/changes"),
        ("slashes", "$E//_localcloud/changes"),
    ])  # fmt: skip
    console = run(fleet, 6, script + "shutdown now\n")
    results = {
        line.split(": ", 1)[0]: line.rsplit(" ", 1)[1]
        for line in console.splitlines()
        if line.rsplit(" ", 1)[-1] in ("200", "403", "400")
    }
    assert results == {
        "unsigned": "200", "own": "200", "root": "403", "bearer": "403", "admin": "403", "encoded": "403",
        "dots": "403", "slashes": "403",
    }  # fmt: skip
    assert not any(
        path.endswith("/changes")
        for _, path, headers in fleet.emulator.requests
        if "curl" in headers.get("User-Agent", "")
    )


def test_nothing_else_is_on_the_network(fleet: RunningFleet) -> None:
    console = run(
        fleet,
        7,
        "#!/bin/bash\ncurl -sS -m 3 http://10.255.255.1/ ; cat < /dev/tcp/127.0.0.1/22\n"
        "ls /sys/class/net; cat /proc/net/dev | grep -c :\nshutdown now\n",
    )
    assert "Connection refused" in console
    assert "\n1\n" in console  # one interface: lo


@pytest.mark.parametrize(
    "command",
    ["poweroff", "halt -p", "/sbin/shutdown -h now", "systemctl poweroff", "init 0", "sudo shutdown -h now"],
)
def test_every_way_to_power_off(fleet: RunningFleet, command: str) -> None:
    number = 20 + len(command)
    run(fleet, number, f"#!/bin/bash\n{command}\n")
    assert fleet.emulator.states(f"i-{number:017x}") == ["running", "shutting-down", "terminated"]


def inside(fleet: RunningFleet, identifier: str, *command: str) -> str:
    """What a command says that is run in a machine; it waits for the sandbox, which is there a moment after
    the machine is `running`.
    """
    deadline = time.monotonic() + 10
    while (pid := first_process(fleet.pid, identifier)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    done = subprocess.run(enter(pid, list(command)), capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_stop_keeps_the_disk_and_start_runs_no_user_data(fleet: RunningFleet) -> None:
    identifier = fleet.emulator.launch(
        8, "#!/bin/bash\necho first boot\necho kept > /opt/kept\npoweroff\n", shutdown_behavior="stop"
    )
    fleet.emulator.until_state(identifier, "stopped")
    fleet.emulator.set_state(identifier, "pending")
    fleet.emulator.until_state(identifier, "running")
    assert inside(fleet, identifier, "/bin/cat", "/opt/kept") == "kept\n"
    assert fleet.console(identifier).count("first boot") == 1
    fleet.emulator.set_state(identifier, "shutting-down")
    fleet.emulator.until_state(identifier, "terminated")
    assert not (fleet.home / "fleet" / identifier).exists()


def test_a_machine_outlives_its_user_data_and_ends_by_api(fleet: RunningFleet) -> None:
    identifier = fleet.emulator.launch(9, "#!/bin/bash\necho done\n")
    fleet.emulator.until_state(identifier, "running")
    deadline = time.monotonic() + 10
    while "finished at" not in fleet.console(identifier) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert fleet.emulator.states(identifier) == ["running"]
    fleet.emulator.set_state(identifier, "shutting-down")
    fleet.emulator.until_state(identifier, "terminated")


def test_too_many_wait_in_order(fleet: RunningFleet) -> None:
    first = [fleet.emulator.launch(number, "#!/bin/bash\nsleep 100\n") for number in range(60, 63)]
    for identifier in first:
        fleet.emulator.until_state(identifier, "running")
    waiting = [fleet.emulator.launch(number, "#!/bin/bash\nsleep 100\n") for number in (63, 64)]
    cancelled = fleet.emulator.launch(65, "#!/bin/bash\nsleep 100\n")
    fleet.emulator.set_state(cancelled, "shutting-down")
    fleet.emulator.until_state(cancelled, "terminated")
    assert [fleet.emulator.instances[identifier]["state"] for identifier in waiting] == ["pending", "pending"]
    fleet.emulator.set_state(first[0], "shutting-down")
    fleet.emulator.until_state(waiting[0], "running")
    assert fleet.emulator.instances[waiting[1]]["state"] == "pending"
    for identifier in (*first[1:], *waiting):
        fleet.emulator.set_state(identifier, "shutting-down")
        fleet.emulator.until_state(identifier, "terminated")


def test_memory_of_the_type_is_the_limit(fleet: RunningFleet) -> None:
    script = "#!/bin/bash\npython3 -c 'x = bytearray(700 << 20); print(len(x))'\necho "
    script += "status $?\npython3 -c 'x = bytearray(100 << 20); print(len(x))'\nshutdown now\n"
    console = run(fleet, 10, script, instance_type="t3.nano")
    assert str(700 << 20) not in console
    assert str(100 << 20) in console


def test_an_image_without_a_layer_ends_the_machine_in_words(fleet: RunningFleet) -> None:
    console = run(fleet, 11, "#!/bin/bash\n", image_id="ami-0123456789abcdef0")
    assert "ami-0123456789abcdef0 has no layer" in console
    assert fleet.emulator.states(f"i-{11:017x}") == ["terminated"]


def test_kinds_of_user_data_that_are_not_run_are_named(fleet: RunningFleet) -> None:
    identifier = fleet.emulator.launch(12, "#cloud-config\nruncmd: [ls]\n")
    fleet.emulator.until_state(identifier, "running")
    assert "Unhandled non-multipart" in fleet.console(identifier)
    fleet.emulator.set_state(identifier, "shutting-down")
    fleet.emulator.until_state(identifier, "terminated")


def processes_of(home: Path) -> list[str]:
    """Processes that have a folder in their command line, without those that run the tests."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in (os.getpid(), os.getppid()):
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if any(str(home) in word for word in words):
                    found.append(" ".join(words)[:200])
    return found


def until_no_process(home: Path) -> None:
    """The kernel ends them in its own time."""
    deadline = time.monotonic() + 5
    while processes_of(home) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert processes_of(home) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_the_fleet_is_the_end_of_its_machines(tmp_path: Path, number: int) -> None:
    isolated(tmp_path)
    with running_fleet(tmp_path) as fleet:
        identifier = fleet.emulator.launch(1, "#!/bin/bash\necho up\nsleep 987.125 &\nsleep 1000\n")
        fleet.emulator.until_state(identifier, "running")
        deadline = time.monotonic() + 10
        while "up\n" not in fleet.console(identifier) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert processes_of(tmp_path) != []
        assert fleet.end(number) in (0, -number)
        until_no_process(tmp_path)
        assert str(tmp_path) not in Path("/proc/mounts").read_text()
        fleet.start()
        fleet.emulator.until_state(identifier, "terminated")
        reason = fleet.emulator.instances[identifier]["reason"]
        assert reason["code"] == "Server.InternalError"
        again = fleet.emulator.launch(2, "#!/bin/bash\nshutdown now\n")
        fleet.emulator.until_state(again, "terminated")
        assert [entry.name for entry in (tmp_path / "fleet").iterdir()] == ["status.json"]


def test_the_disk_of_a_stopped_machine_outlives_the_fleet(tmp_path: Path) -> None:
    isolated(tmp_path)
    with running_fleet(tmp_path) as fleet:
        identifier = fleet.emulator.launch(
            1, "#!/bin/bash\necho kept > /opt/kept\npoweroff\n", shutdown_behavior="stop"
        )
        fleet.emulator.until_state(identifier, "stopped")
        fleet.end(signal.SIGKILL)
        fleet.start()
        fleet.emulator.set_state(identifier, "pending")
        fleet.emulator.until_state(identifier, "running")
        assert inside(fleet, identifier, "/bin/cat", "/opt/kept") == "kept\n"
        fleet.emulator.set_state(identifier, "shutting-down")
        fleet.emulator.until_state(identifier, "terminated")
        assert [entry.name for entry in (tmp_path / "fleet").iterdir()] == ["status.json"]


def test_a_fleet_killed_while_it_makes_a_sandbox_leaves_none(tmp_path: Path) -> None:
    """Bubblewrap dies with its parent once it is up. What is left of the moments before, the boot program and
    the next fleet end.
    """
    isolated(tmp_path)
    with running_fleet(tmp_path) as fleet:
        for number in range(1, 7):
            identifier = fleet.emulator.launch(number, "#!/bin/bash\nsleep 1000\n")
            fleet.emulator.until_state(identifier, "running")  # reported as soon as the network is there
            time.sleep(0.003 * (number - 1))
            fleet.end(signal.SIGKILL)
            fleet.start()
            fleet.emulator.until_state(identifier, "terminated")
            until_no_process(tmp_path)


def test_a_plain_process_says_so_and_keeps_the_relay(tmp_path: Path) -> None:
    with running_fleet(tmp_path, LOCALCLOUD_SANDBOX="process") as fleet:
        script = "#!/bin/bash\n" + IMDS.replace(
            "http://169.254.169.254", "$AWS_EC2_METADATA_SERVICE_ENDPOINT"
        ).replace("'$AWS", '"$AWS')
        script += (
            'm meta-data/instance-id\ncurl -s -o /dev/null -w "admin %{http_code}\\n" '
            "$AWS_ENDPOINT_URL/_localcloud/x\n"
        )
        script += "echo $HOME\nshutdown now\n"
        identifier = fleet.emulator.launch(1, script)
        fleet.emulator.until_state(identifier, "terminated")
        console = fleet.console(identifier)
        assert "No sandbox on this host" in console
        assert f"{identifier}=200" in console
        assert "admin 403" in console
        assert str(tmp_path / "fleet" / identifier / "home") in console
        assert not (tmp_path / "fleet" / identifier).exists()
