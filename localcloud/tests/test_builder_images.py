"""Image builds in real sandboxes: what becomes a layer, what is said when a bake fails, and what is left
behind.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.tests.bases import detect, isolated
from localcloud.tests.fleet_fakes import RunningFleet, running_fleet
from localcloud.tests.image_builds import ROOT, finish, log, posts, start

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningFleet]:
    home = tmp_path_factory.mktemp("cloud")
    isolated(home)
    with running_fleet(
        home, PIP_INDEX_URL="https://index.invalid/simple", SECRET_OF_THE_HOST="hidden"
    ) as running:
        yield running


def document(build: str, validate: str = "true", test: str | None = None) -> str:
    phases = {"build": build, "validate": validate, **({"test": test} if test else {})}
    text = "schemaVersion: 1.0\nphases:\n"
    for name, script in phases.items():
        body = "".join(f"              {line}\n" for line in script.splitlines())
        text += f"  - name: {name}\n    steps:\n      - name: {name}-script\n        action: "
        text += f"ExecuteBash\n        inputs:\n          commands:\n            - |\n{body}"
    return text


def left_behind(fleet: RunningFleet) -> list[str]:
    """What is in the folders of images and builds beside finished images and the base."""
    images = [
        entry.name
        for entry in (fleet.home / "images").iterdir()
        if not entry.name.startswith(("base-", "ami-"))
    ]
    running = fleet.home / "builds-running"
    return images + ([entry.name for entry in running.iterdir()] if running.is_dir() else [])


def boot(fleet: RunningFleet, number: int, image: str, script: str) -> str:
    identifier = fleet.emulator.launch(
        number, "#!/bin/bash\n" + script + "\nshutdown -h now\n", image_id=image
    )
    fleet.emulator.until_state(identifier, "terminated")
    return fleet.console(identifier)


def test_layers_stand_on_each_other(fleet: RunningFleet) -> None:
    first = start(
        fleet,
        1,
        document(
            "echo one > /opt/one; mkdir /home/ubuntu/deep; echo tool > /usr/bin/new-tool; "
            "chmod +x /usr/bin/new-tool; rm /usr/bin/env; touch /tmp/junk /etc/machine-id"
        ),
    )
    assert finish(fleet, first)["status"] == "AVAILABLE"
    second = start(
        fleet,
        2,
        document(
            "grep -q one /opt/one; rm -r /home/ubuntu/deep; mkdir /home/ubuntu/deep; echo two > /opt/two",
            test="test -e /opt/two",
        ),
        parent=f"ami-{1:017x}",
    )
    done = finish(fleet, second)
    assert done["status"] == "AVAILABLE", done
    assert done["size_gib"] == 1
    assert [body["status"] for body in posts(fleet, second)][-3:] == [
        "DISTRIBUTING",
        "DISTRIBUTING",
        "AVAILABLE",
    ]
    assert "TESTING" in {body["status"] for body in posts(fleet, second)}
    console = boot(
        fleet,
        1,
        f"ami-{2:017x}",
        "cat /opt/one /opt/two /usr/bin/new-tool; ls -A /home/ubuntu /tmp; test "
        "-e /usr/bin/env || echo no env",
    )
    assert "one\ntwo\ntool\n" in console
    assert "/home/ubuntu:\n.bash" in console or "/home/ubuntu:\ndeep\n" in console
    assert "junk" not in console
    assert "no env" in console
    assert Path("/usr/bin/env").exists()
    base = boot(fleet, 2, ROOT, "ls /opt/one; env | wc -l")
    assert "cannot access '/opt/one'" in base
    assert left_behind(fleet) == []


def test_a_bake_sees_registry_settings_and_nothing_else(fleet: RunningFleet) -> None:
    arn = start(
        fleet,
        3,
        document(
            "env; echo home=${HOME-unset}; pwd; tty; command -v systemctl; systemctl "
            "enable nginx; systemctl is-enabled nginx; /usr/sbin/policy-rc.d; echo rc $?"
        ),
    )
    assert finish(fleet, arn)["status"] == "AVAILABLE"
    said = log(fleet, arn)
    assert "Stdout: PIP_INDEX_URL=https://index.invalid/simple" in said
    assert "hidden" not in said
    assert "AWS_SECRET" not in said
    assert "home=unset" in said
    assert "Stdout: /opt/build\n" in said
    assert "not a tty" in said
    assert "Stdout: enabled" in said
    assert "rc 101" in said
    version, _, number = arn.rpartition("/")
    for told in (
        f"BUILD_VERSION_ARN={arn}",
        f"VERSION={version.rpartition('/')[2]}",
        f"BUILD_VERSION={number}",
        "PHASE=BUILDING",
    ):
        assert f"Stdout: IMAGE_{told}\n" in said


@pytest.mark.parametrize(
    ("number", "script", "expected"),
    [
        (
            4,
            "set -e\necho fine\nprintf '::error file=%s,line=%s::%s\\n' 10-tools.sh 7 'pip install "
            "nonesuch' >&2\nexit 3\n",
            ("10-tools.sh", 7, "pip install nonesuch"),
        ),
        (5, "set -e\necho fine\nnonesuch --now\n", ("build-script", 3, "nonesuch --now")),
    ],
)
def test_a_failing_line_is_named(
    fleet: RunningFleet, number: int, script: str, expected: tuple[str, int, str]
) -> None:
    arn = start(fleet, number, document(script))
    last = finish(fleet, arn)
    failure = last["failure"]
    assert last["status"] == "FAILED"
    assert (failure["script"], failure["line"], failure["text"]) == expected
    assert (failure["phase"], failure["step"], failure["action"]) == ("build", "build-script", "ExecuteBash")
    assert failure["component_arn"].endswith(f"c-{number}/1.0.0/1")
    assert not (fleet.home / "images" / f"ami-{number:017x}").exists()
    assert left_behind(fleet) == []


def test_a_failing_test_registers_nothing(fleet: RunningFleet) -> None:
    arn = start(fleet, 6, document("echo built > /opt/built", test="grep other /opt/built"))
    last = finish(fleet, arn)
    assert (last["status"], last["failure"]["phase"]) == ("FAILED", "test")
    assert not (fleet.home / "images" / f"ami-{6:017x}").exists()


def test_a_document_with_mistakes_runs_nothing(fleet: RunningFleet) -> None:
    arn = start(
        fleet, 7, document("touch /opt/ran; echo {{ Missing }}").replace("ExecuteBash", "ExecuteBsh", 1)
    )
    last = finish(fleet, arn)
    assert last["status"] == "FAILED"
    assert "ExecuteBsh" in last["failure"]["message"]
    assert "Missing" in last["failure"]["message"]
    assert not any(body["step"] for body in posts(fleet, arn))


def test_cancel_ends_everything(fleet: RunningFleet) -> None:
    arn = start(fleet, 8, document("echo started\nsleep 543.25"))
    with fleet.emulator.condition:
        assert fleet.emulator.condition.wait_for(
            lambda: any("Stdout: started" in body["log"] for body in posts(fleet, arn)), 20
        )
        fleet.emulator.builds[arn]["cancel"] = True
        fleet.emulator.changed()
    assert finish(fleet, arn)["status"] == "CANCELLED"
    assert (
        "sleep 543.25"
        not in subprocess.run(
            ["ps", "-eo", "args="], capture_output=True, text=True, check=True
        ).stdout.splitlines()
    )
    deadline = time.monotonic() + 5
    while left_behind(fleet) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left_behind(fleet) == []


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    if (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", str(tmp_path)], check=False
        ).returncode
        != 0
    ):
        pytest.skip("this host allows no mounts")
    try:
        if detect(tmp_path).scratch != tmp_path:
            pytest.skip("overlays cannot live on a file system in memory here")
        with running_fleet(tmp_path) as fleet:
            arn = start(fleet, 9, document("set -e\nhead -c 300M /dev/zero > /opt/large"))
            last = finish(fleet, arn)
            assert last["status"] == "FAILED"
            assert "is full" in last["failure"]["message"]
            assert "LOCALCLOUD_HOME" in last["failure"]["message"]
            assert not (tmp_path / "images" / f"ami-{9:017x}").exists()
            small = start(fleet, 10, document("echo small > /opt/small"))
            assert finish(fleet, small)["status"] == "AVAILABLE"
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_host_without_sandboxes_refuses_in_words(tmp_path: Path) -> None:
    with running_fleet(tmp_path, LOCALCLOUD_SANDBOX="process") as fleet:
        last = finish(fleet, start(fleet, 11, document("touch /opt/never")))
        assert last["status"] == "FAILED"
        assert "LOCALCLOUD_BAKE_ON_HOST=1" in last["failure"]["message"]


def test_an_interrupted_build_is_closed_by_the_next_fleet(tmp_path: Path) -> None:
    isolated(tmp_path)
    with running_fleet(tmp_path) as fleet:
        arn = start(fleet, 12, document("echo started\nsleep 500"))
        with fleet.emulator.condition:
            assert fleet.emulator.condition.wait_for(
                lambda: any("Stdout: started" in body["log"] for body in posts(fleet, arn)), 20
            )
        fleet.end(9)
        fleet.start()
        last = finish(fleet, arn)
        assert last["status"] == "FAILED"
        assert "interrupted" in last["failure"]["message"]
        assert left_behind(fleet) == []


def test_s3_downloads_use_the_role_of_the_build(fleet: RunningFleet) -> None:
    fleet.emulator.objects["/artifacts/code/tool.sh"] = b"echo from s3\n"
    data = (
        "schemaVersion: 1.0\nphases:\n  - name: build\n    steps:\n"
        "      - name: get\n        action: S3Download\n        inputs:\n"
        "          - {source: 's3://artifacts/code/tool.sh', destination: /opt/tool.sh}\n"
        "      - name: use\n        action: ExecuteBash\n        inputs: {commands: ['bash /opt/tool.sh']}\n"
    )
    arn = start(fleet, 13, data)
    assert finish(fleet, arn)["status"] == "AVAILABLE", posts(fleet, arn)[-1]
    assert "Stdout: from s3" in [line for body in posts(fleet, arn) for line in body["log"]]
    (headers,) = [
        headers
        for method, path, headers in fleet.emulator.requests
        if (method, path) == ("GET", "/artifacts/code/tool.sh")
    ]
    signed = {name.lower(): value for name, value in headers.items()}
    assert "Credential=ASIA" in signed["authorization"]
    assert signed["x-amz-security-token"] == "token"
