"""Scripts of other people, unmodified, on a machine whose home is /home/ubuntu: the guide's two listings, and
scripts in the style of those that were written for the first implementation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.shell.guide import listing
from tests.shell.machines import Machine
from tests.shell.sandboxes import sandbox

HERE = Path(__file__).with_name("foreign")
HOME = Path("/home/ubuntu")


@pytest.fixture
def room(machine: Machine) -> list[str]:
    found = sandbox("--tmpfs", "/home", "--bind", str(machine.home), str(HOME))
    if found is None:
        pytest.skip("bubblewrap is not here or not allowed")
    return found


@pytest.fixture
def dressed(machine: Machine) -> Machine:
    """With what the scripts expect of their image: a conda environment, the AWS CLI and jq."""
    programs = machine.home / "anaconda3" / "bin"
    programs.mkdir(parents=True)
    (programs / "activate").write_text(
        'echo "environment $1"\nexport PATH="/home/ubuntu/anaconda3/bin:$PATH"\n'
    )
    (programs / "python").symlink_to(sys.executable)
    for name in ("aws", "jq"):
        (programs / name).write_text(
            (HERE / name).read_text().replace("/usr/bin/env python3", sys.executable)
        )
        (programs / name).chmod(0o755)
    (machine.home / ".dlamirc").write_text("export CUDA=1\n")
    (machine.home / "neurocaas_contrib").symlink_to(machine.tree)
    return machine


def run(
    room: list[str], machine: Machine, script: str, config: str = "config.json"
) -> subprocess.CompletedProcess[str]:
    """As the user data does it: from /home/ubuntu, through the link there."""
    environment = {
        name: value
        for name, value in machine.environment.items()
        if name not in ("NEUROCAAS_USERHOME", "HOME")
    }
    environment["PATH"] = f"{HOME}/anaconda3/bin:/usr/bin:/bin"  # the main script calls aws, too
    _, _, *arguments = machine.arguments(script, configpath=f"lab/configs/{config}")
    command = [*room, "--chdir", str(HOME), "bash", str(HOME / "neurocaas_contrib/run_main.sh"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def errors(machine: Machine) -> str:
    return (machine.tree / "joberror.txt").read_text()


def test_the_guides_analysis_script(room: list[str], dressed: Machine) -> None:
    script = dressed.script(listing("Analysis script"), "mock/run_mock_internal.sh", head=False)
    done = run(room, dressed, script)
    assert done.returncode == 0, errors(dressed)
    assert (dressed.home / "epi/scripts/localdata/data.zip").read_text() == "the data"
    assert (dressed.home / "config.json").is_file()
    status = dressed.status()
    assert (status["status"], status["last_command"]) == (
        "SUCCESS",
        'aws s3 sync ./ "s3://$bucketname/$groupdir/$processdir"',
    )
    assert list(status["stdout"].values())[:2] == ["execpath", "environment epi"]


@pytest.mark.parametrize("code", [0, 3])
def test_the_guides_main_script(room: list[str], dressed: Machine, code: int) -> None:
    (dressed.tree / "run_main.sh").write_text(listing("Main script"))
    script = dressed.script(f"errorlog\necho works\nexit {code}\n")
    run(room, dressed, f"{HOME}/neurocaas_contrib/{script}")
    status = dressed.status()
    assert (status["status"], status["exit_code"]) == ("FAILED" if code else "SUCCESS", code)
    assert dressed.log("stdout") == b"works\n"
    assert (dressed.home / "check_vars.txt").read_text().splitlines() == [
        "mock",
        "lab",
        "results/job_1",
        "results/job_1/process_results",
        "data.zip",
        "lab/inputs/data.zip",
        "config.json",
        "lab/configs/config.json",
    ]
    assert (dressed.job / "process_results" / "config.json").read_text() == '{"wait": 0}'
    assert (dressed.job / "process_results" / "update.txt").is_file()


MODEL = "lab/results/job_0/process_results/net"
CONFIGS = {
    "c.json": f'{{"mode": "test", "modeldata": {{"modelpath": "{MODEL}"}}}}',
    "c.yaml": f"mode: test\nmodeldata:\n  modelpath: {MODEL}\n",
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_script_that_reads_modes_with_jq(room: list[str], dressed: Machine, name: str) -> None:
    dressed.put(f"lab/configs/{name}", CONFIGS[name])
    dressed.put(f"{MODEL}/weights", "1,2\n")
    script = dressed.script((HERE / "two_modes.sh").read_text(), "tracker/run.sh", head=False)
    done = run(room, dressed, script, name)
    assert done.returncode == 0, errors(dressed)
    results = dressed.job / "process_results"
    # without the mp4
    assert sorted(path.name for path in results.iterdir()) == [name, "tracks.csv", "update.txt"]
    assert (results / "tracks.csv").read_text() == "1,2\n"


def test_a_script_that_takes_a_wrong_mode_ends_as_it_says(room: list[str], dressed: Machine) -> None:
    dressed.put("lab/configs/config.json", '{"mode": "dream"}')
    script = dressed.script((HERE / "two_modes.sh").read_text(), "tracker/run.sh", head=False)
    assert run(room, dressed, script).returncode == 0
    assert "Mode dream not recognized" in list(dressed.status()["stdout"].values())[-1]


def test_a_script_with_its_own_ways_stops_where_it_fails(room: list[str], dressed: Machine) -> None:
    dressed.put("lab/inputs/a.txt", "A\n")
    dressed.put("lab/inputs/b.txt", "B\n")
    script = dressed.script((HERE / "own_loop.sh").read_text(), "yass/run.sh", head=False)
    done = run(room, dressed, script)
    assert done.returncode == 7, errors(dressed)
    assert (dressed.job / "process_results" / "both.txt").read_text() == "A\nB\n"
    status = dressed.status()
    assert (status["status"], status["exit_code"], status["last_command"]) == (
        "FAILED",
        7,
        "python -c 'import sys; sys.exit(7)'",
    )
    assert "never" not in status["stdout"].values()
