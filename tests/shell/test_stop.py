"""A job that is ordered to stop (logs/stop.json), and jobs whose data or results are in another bucket."""

from __future__ import annotations

import signal

import pytest

from neurocaas.protocol.stop import StopOrder
from runtime.instance.agent.checkpoint import Checkpoint
from runtime.instance.agent.storage import FolderStorage, Location
from tests.shell.machines import Machine

ORDER = StopOrder("cancelled", "by lab/submissions/a_cancel.json", "2026-01-31T12:00:00+00:00")


def test_an_ordered_stop_ends_the_script_and_keeps_its_results(machine: Machine) -> None:
    machine.put("lab/order.json", ORDER.to_json())
    bucket = '"$NEUROCAAS_LOCAL_BUCKET_ROOT/mock/lab'
    folder = f'{bucket}/results/job_1/logs"'
    order = f'mkdir -p {folder} && cp {bucket}/order.json" {folder}/stop.json'
    result = 'echo part > "$NEUROCAAS_OUTPUT/part.txt"'  # there before the order is
    done = machine.run(machine.script(f"{result}\n{order}\nerrorlog\nsleep 50\n"))
    assert done.returncode == 128 + signal.SIGTERM
    status = machine.status()
    assert (status["status"], status["reason"]) == ("FAILED", "cancelled: by lab/submissions/a_cancel.json")
    assert status["exit_code"] == 128 + signal.SIGTERM
    assert b"this job is stopped (cancelled: by lab/submissions/a_cancel.json)" in machine.log("stderr")
    assert (machine.job / "process_results" / "part.txt").read_text() == "part\n"


@pytest.mark.parametrize("text", ["", "{}", '{"outcome": "whim", "reason": "x", "time": "y"}'])
def test_what_is_no_order_stops_nothing(machine: Machine, text: str) -> None:
    machine.put("lab/results/job_1/logs/stop.json", text)
    assert machine.run(machine.script("errorlog\nsleep 1.2\n")).returncode == 0
    assert machine.status()["status"] == "SUCCESS"


def test_data_config_and_results_in_another_bucket(machine: Machine) -> None:
    other = machine.buckets / "public"
    for name, text in (("data/set.zip", "the data"), ("configs/c.json", '{"a": 1}')):
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_text(text)
    text = (
        'errorlog\ndownload "$inputpath" "$bucketname" "$userhome/in"\ndownload "$configpath" "$bucketname" '
        '"$userhome/in"\n'
    )
    text += (
        'cp "$userhome/in/$dataname" "$NEUROCAAS_OUTPUT/r.txt"\nupload "$NEUROCAAS_OUTPUT" "$bucketname" '
        '"$groupdir" "$processdir"\n'
    )
    arguments = [
        "mock",
        "s3://public/data/set.zip",
        "s3://public/out/job__1/",
        "s3://public/configs/c.json",
        machine.script(text),
    ]
    done = machine.bash(f"bash {machine.tree}/run_main.sh {' '.join(arguments)}", NEUROCAAS_GROUP="lab")
    assert done.returncode == 0, done.stderr
    found = sorted(
        path.relative_to(other).as_posix() for path in (other / "out").rglob("*") if path.is_file()
    )
    assert found == [
        "out/job__1/logs/DATASET_NAME:set.zip_STATUS.txt",
        "out/job__1/logs/set.zip/stdout.00000",
        "out/job__1/logs/set.zip_files.json",
        "out/job__1/logs/set.zip_resources.json",
        "out/job__1/process_results/c.json",
        "out/job__1/process_results/r.txt",
        "out/job__1/process_results/update.txt",
    ]
    assert (other / "out/job__1/process_results/r.txt").read_text() == "the data"
    assert not (machine.buckets / "mock" / "lab" / "results").exists()


def test_a_checkpoint_of_results_in_another_bucket(machine: Machine) -> None:
    folder = machine.buckets.parent / "kept"
    folder.mkdir()
    (folder / "step.txt").write_text("7")
    place = Location("public", "out/logs/data.zip/checkpoint")
    assert Checkpoint(FolderStorage(machine.buckets), folder, place).save() is None
    script = machine.script('errorlog\n[ "$(cat "$CHECKPOINT_DIR/step.txt")" = 7 ]\n')
    arguments = f"mock lab/inputs/data.zip s3://public/out lab/configs/config.json {script}"
    done = machine.bash(f"bash {machine.tree}/run_main.sh {arguments}", NEUROCAAS_ATTEMPT="2")
    assert done.returncode == 0, (machine.tree / "joberror.txt").read_text()
