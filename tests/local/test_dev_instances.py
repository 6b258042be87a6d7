"""A22 and A24 of the contract: the life of a development instance, and testing a machine image on it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from invoke.exceptions import Exit

from image_builder.dev import access, commands
from image_builder.dev.errors import DevelopmentError
from image_builder.develop_blueprint import NeuroCaaSAMI
from localcloud.cloud import Cloud
from localcloud.fleet import entry
from localcloud.tests.homes import client_of
from neurocaas.protocol.development import GROUP
from neurocaas.protocol.problems import InvalidInput
from tests.local.dev_bench import ROOT, Bench

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def bench(local_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("dev")
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_STATE_HOME", str(folder / "state"))
    made = Bench(local_cloud, client_of(local_cloud), folder)
    yield made
    made.console().terminate_devinstance(force=True)
    patch.undo()


def tags_of(items: list[dict[str, str]]) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in items}


def test_a22_the_life_of_a_development_instance(bench: Bench) -> None:
    devami = bench.console()
    ec2 = bench.client("ec2")

    # Without an instance every call is safe.
    for call in (
        devami.get_lifetime,
        devami.stop_devinstance,
        devami.start_devinstance,
        devami.terminate_devinstance,
    ):
        assert "No instance declared" in call()
    assert devami.extend_lifetime(10) == "No instance declared. No state change."
    assert devami.get_instance_state() == {}
    assert devami.check_clear()
    assert not devami.check_running()
    with pytest.raises(DevelopmentError, match="no running development instance"):
        devami.submit_job("submit.json")
    with pytest.raises(IndexError, match="no job was submitted yet"):
        devami.job_status()

    # Wrong arguments, and codes of systems that are no longer there.
    for given in (3, None, ["ubuntu24"]):
        with pytest.raises(DevelopmentError, match="in quotes"):
            devami.assign_instance(given)  # type: ignore[arg-type]
    with pytest.raises(DevelopmentError, match="ubuntu22, ubuntu24, dlami22, dlami24"):
        devami.launch_devinstance(ami=["ubuntu24"])  # type: ignore[arg-type]
    for timeout in (-1, 0, "60", True):
        with pytest.raises(DevelopmentError, match=r"timeout must be a positive integer\."):
            devami.launch_devinstance(ami="ubuntu24", timeout=timeout)  # type: ignore[arg-type]
    with pytest.raises(DevelopmentError, match="ubuntu22, ubuntu24, dlami22, dlami24"):
        devami.launch_devinstance(ami="zz")
    for old, new in {
        "ubuntu16": "ubuntu24",
        "ubuntu18": "ubuntu24",
        "dlami16": "dlami24",
        "dlami18": "dlami24",
    }.items():
        with pytest.raises(DevelopmentError, match=f"use its replacement: ami='{new}'"):
            devami.launch_devinstance(ami=old)
    with pytest.raises(DevelopmentError, match="which us-east-1 does not have"):
        devami.launch_devinstance(ami="ami-0123456789abcdef0")
    for code in ("ubuntu22", "ubuntu24", "dlami22", "dlami24", None):
        assert devami.launch_devinstance(ami=code, DryRun=True) is None
        assert "Dry run" in bench.said[-1]

    instance = devami.launch_devinstance(ami="ubuntu24", timeout=60, volume_size=20)
    assert instance
    assert devami.ip
    assert f"instance running at {devami.ip}" in bench.said
    (found,) = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"]
    own = tags_of(found["Tags"])
    assert {"PriceTracking", "Timeout", "OwnerArn", "analysis", "Name", "neurocaas-dev"} <= set(own)
    assert (own["PriceTracking"], own["Timeout"], own["analysis"]) == ("On", "60", "analysis")
    (volume,) = ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [instance]}])[
        "Volumes"
    ]
    assert tags_of(volume["Tags"]) == own
    assert (volume["Size"], volume["Encrypted"]) == (20, True)

    with pytest.raises(DevelopmentError, match="one for each developer and analysis"):
        bench.console().launch_devinstance(ami="ubuntu24")

    assert devami.get_lifetime().startswith("Instance has been on for 0 minutes and ")
    assert "Will be stopped in 59 minutes and " in bench.said[-1]
    devami.extend_lifetime(30)
    assert "Will be stopped in 89 minutes and " in devami.get_lifetime()

    address = devami.ip
    assert devami.stop_devinstance() == "Instance is now in state: stopped"
    assert "No state change." in devami.stop_devinstance()
    gone: str | None = devami.ip
    assert gone is None
    later = bench.console()
    later.assign_instance(instance)
    assert later.start_devinstance(timeout=15) == "Instance is now in state: running"
    assert later.ip == address
    assert bench.console().ip == address, "a new console knows it without another call"
    assert "Will be stopped in 14 minutes and " in later.get_lifetime(), "a start resets the timeout"
    with pytest.raises(DevelopmentError, match="does not exist"):
        later.assign_instance("i-0123456789abcdef0")

    # Another console, and another computer (no state file), find it again.
    assert bench.console().get_instance_state()["InstanceId"] == instance
    next((Path(str(later._path)).parent).glob("*.json")).unlink()
    again = bench.console()
    assert again.get_instance_state()["InstanceId"] == instance

    assert again.terminate_devinstance().endswith("No state change.")
    assert again.check_running()
    assert again.terminate_devinstance(force=True) == "Instance is now in state: terminated"
    assert again.check_clear()
    assert again.instance_hist[-1] == instance
    assert bench.console().instance_hist[-1] == instance, "the file keeps what was before"


def port_22(bench: Bench) -> list[str]:
    """The addresses that reach port 22 of development instances."""
    group = bench.outputs("utils")["developer_security_group_id"]
    rules = bench.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0][
        "IpPermissions"
    ]
    return [one["CidrIp"] for rule in rules if rule["FromPort"] == 22 for one in rule["IpRanges"]]


def test_a22_port_22_is_open_to_one_address_while_it_is_needed(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`invoke ssh --key` with a machine that is not of this computer; an SSH client that looks at the rules
    while it runs.
    """
    devami = bench.console()
    devami.launch_devinstance(ami="ubuntu24")
    assert port_22(bench) == []
    for address, said in (
        ("0.0.0.0/0", "at most 256"),
        ("x", "does not appear to be"),
        ("10.0.0.0/23", "at most 256"),
    ):
        with pytest.raises(DevelopmentError, match=said):
            devami.open_ssh(address)
    assert devami.open_ssh("192.0.2.7/32") == devami.open_ssh("192.0.2.7/32")
    assert port_22(bench) == ["192.0.2.7/32"]
    bench.console().close_ssh()
    assert port_22(bench) == [], "another console closes what the first has opened"

    key = tmp_path / "key.pem"
    key.write_text("key")
    seen: list[tuple[list[str], list[str]]] = []

    def client(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        seen.append((command, port_22(bench)))
        return subprocess.CompletedProcess(command, 5)

    task = commands.access_commands(lambda instance, command: None)["ssh"]
    with monkeypatch.context() as patch:
        patch.setattr(commands, "_open", lambda analysis, quiet=False: bench.console())
        patch.setattr(access, "own_address", lambda: "198.51.100.4/32")
        patch.setattr(subprocess, "run", client)
        for path, code in ((str(key), 5), (str(tmp_path / "nothing.pem"), None)):
            with pytest.raises(Exit if code else DevelopmentError) as ended:
                task.body(None, "analysis", command="ls", key=path)
            assert getattr(ended.value, "code", None) == code
            assert port_22(bench) == [], "closed again, also after a failure"
    ((command, open_then),) = seen
    assert (command[:3], command[-2:]) == (["ssh", "-i", str(key)], [f"ubuntu@{devami.ip}", "ls"])
    assert open_then == ["198.51.100.4/32"]

    devami.open_ssh("192.0.2.9/32")
    devami.terminate_devinstance(force=True)
    assert port_22(bench) == [], "the end of the instance closes it too"


def test_a24_testing_a_machine_image(bench: Bench, tmp_path: Path) -> None:
    s3 = bench.client("s3")
    tests = ROOT / "blueprints" / "analysis" / "tests"
    s3.put_object(
        Bucket="dev-bench-data", Key=f"{GROUP}/inputs/data.zip", Body=(tests / "data.txt").read_bytes()
    )
    s3.put_object(Bucket="dev-bench-data", Key=f"{GROUP}/configs/config.json", Body=b'{"wait": 0.1}')
    s3.put_object(Bucket="dev-bench-data", Key="lab/inputs/secret.zip", Body=b"of somebody else")
    submit = tmp_path / "submit.json"

    def write(**fields: Any) -> Path:
        document = {
            "dataname": f"{GROUP}/inputs/data.zip",
            "configname": f"{GROUP}/configs/config.json",
            "timestamp": "debugging_identifier",
        }
        submit.write_text(json.dumps({**document, **fields}))
        return submit

    devami = bench.console()
    devami.launch_devinstance()
    with pytest.raises(InvalidInput, match=r"missing\.zip"):
        devami.submit_job(write(dataname=f"{GROUP}/inputs/missing.zip"))
    with pytest.raises(InvalidInput, match=r"lab/inputs/secret\.zip"):
        devami.submit_job(write(dataname="lab/inputs/secret.zip"))
    with pytest.raises(DevelopmentError, match="No such file"):
        devami.submit_job(tmp_path / "nothing.json")

    job = devami.submit_job(write())
    folder = job["results"].removeprefix("s3://dev-bench-data/")
    assert folder.startswith(f"{GROUP}/results/debugjob_")
    resultdir = folder.removeprefix(f"{GROUP}/").rstrip("/")
    data, config = f"{GROUP}/inputs/data.zip", f"{folder.rstrip('/')}/configs/config.json"
    expected = f"bash run_main.sh dev-bench-data {data} {resultdir} {config} analysis/run_analysis.sh"
    assert job["commands"] == [expected], "the command line that the manager would build"
    assert f"sending command: {expected} to instance {devami.instance}" in bench.said

    assert devami.job_status() in ("Pending", "InProgress", "Success")
    deadline = time.monotonic() + 60
    while devami.job_status() in ("Pending", "InProgress"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    output = devami.job_output()
    assert devami.job_status(0) == "Success", output
    assert "runs ['" in output["stdout"]
    assert data in output["stdout"]
    keys = {
        item["Key"].removeprefix(folder)
        for item in s3.list_objects_v2(Bucket="dev-bench-data", Prefix=folder)["Contents"]
    }
    assert {
        "logs/DATASET_NAME:data.zip_STATUS.txt",
        "process_results/update.txt",
        "process_results/config.json",
    } <= keys
    status = json.loads(
        s3.get_object(Bucket="dev-bench-data", Key=f"{folder}logs/DATASET_NAME:data.zip_STATUS.txt")[
            "Body"
        ].read()
    )
    assert (status["status"], status["instance"]) == ("SUCCESS", devami.instance)
    for index in (5, -2, 1):
        with pytest.raises(
            IndexError, match=f"job with index {index} does not exist for this object; allowed: 0 to 0, or -1"
        ):
            devami.job_status(index)
        with pytest.raises(IndexError, match="does not exist"):
            devami.job_output(index)
    assert devami.check_running(), "the machine stays up"
    assert bench.console().job_status() == "Success", "a new console knows the job"


def test_a_shell_on_the_instance_is_inside_its_sandbox(bench: Bench) -> None:
    devami = bench.console()
    assert devami.instance
    assert bench.cloud.fleet_pid
    pid = entry.first_process(bench.cloud.fleet_pid, devami.instance)
    assert pid is not None
    done = subprocess.run(
        entry.command(pid, ["/bin/bash", "-c", "hostname; id -u; echo $AWS_REGION; touch /opt/mark; exit 7"]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    assert done.stdout.split() == [
        "ip-" + str(devami.get_instance_state()["ip"]).replace(".", "-"),
        "0",
        "us-east-1",
    ]
    assert not Path("/opt/mark").exists()
    assert entry.first_process(bench.cloud.fleet_pid, "i-00000000000000000") is None


def run(devami: NeuroCaaSAMI, bench: Bench, line: str) -> str:
    assert bench.cloud.fleet_pid
    pid = entry.first_process(bench.cloud.fleet_pid, str(devami.instance))
    assert pid is not None
    return subprocess.run(
        entry.command(pid, ["/bin/sh", "-c", line]), capture_output=True, text=True, check=True
    ).stdout


def test_an_image_of_the_instance_becomes_the_blueprint_s_by_two_commits(bench: Bench) -> None:
    devami = bench.console()
    if not devami.check_running():
        devami.launch_devinstance()
    first = devami.instance
    run(
        devami,
        bench,
        "mkdir -p /opt/tool && echo installed > /opt/tool/mark && rm -f /etc/motd && echo x "
        "> /usr/local/bin/tool",
    )
    with pytest.raises(DevelopmentError, match="3 to 128 letters"):
        devami.create_devami("x!")
    image = devami.create_devami("dev-bench image")
    assert any("bake-ami" in text for text in bench.said), "it says what is better"
    with pytest.raises(DevelopmentError, match="already in use"):
        devami.create_devami("dev-bench image")

    (bench.root / "staged.txt").write_text("of something else")
    bench.git("add", "staged.txt")
    hashes = devami.update_blueprint(message="first tools")
    assert hashes is not None
    assert bench.git("rev-parse", "HEAD", "HEAD~1").splitlines() == [hashes["after"], hashes["before"]]
    subjects = bench.git("log", "-2", "--format=%s").splitlines()
    for subject, when in zip(subjects, ("after", "before"), strict=True):
        assert subject.startswith(f"automatic commit to document pipeline blueprint.yaml {when} update at ")
        assert subject.endswith("Purpose: first tools")
    assert bench.git("show", "--format=", "--name-only", "HEAD") == "blueprints/analysis/blueprint.yaml"
    assert bench.git("show", "--format=", "--name-only", "HEAD~1") == ""
    assert bench.git("diff", "--cached", "--name-only") == "staged.txt", "what was staged is staged"
    assert devami.update_blueprint(image) is None
    assert bench.said[-1] == "Blueprint already up to date, aborting new commit."
    tags = tags_of(bench.client("ec2").describe_images(ImageIds=[image])["Images"][0]["Tags"])
    assert (tags["neurocaas:recorded"], tags["analysis"]) == ("false", "analysis")

    assert devami.terminate_devinstance() == "Instance is now in state: terminated", "its work was saved"
    again = bench.console()
    again.launch_devinstance()
    assert again.instance != first
    assert f"image {image}, recorded in the blueprint for {bench.cloud.account}/us-east-1" in bench.said
    assert run(
        again, bench, "cat /opt/tool/mark /usr/local/bin/tool; ls /etc/motd 2> /dev/null || echo gone"
    ).split() == [
        "installed",
        "x",
        "gone",
    ]


def test_the_guide_s_import_works_in_the_folder_image_builder(bench: Bench) -> None:
    program = (
        "from develop_blueprint import NeuroCaaSAMI; d = NeuroCaaSAMI('../blueprints/analysis'); "
        "print(d.blueprint.name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT / "image_builder",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.returncode) == ("analysis", 0), done.stderr
