"""An analysis on this computer, without AWS (what `invoke run-local` does)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from localcloud.bubblewrap import find_bubblewrap
from localcloud.images.catalogue import BASE_IMAGES
from localcloud.images.rootrun import image_root
from localcloud.images.store import ImageError
from localcloud.paths import Paths
from runtime.local.image import in_image
from runtime.local.run import LocalRun, run_local
from runtime.local.sandbox import rooms

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """#!/bin/bash
source "$(dirname "$0")/ncap_utils/workflow.sh"
source "$(dirname "$0")/ncap_utils/transfer.sh"
errorlog
download "$inputpath" "$bucketname" "$userhome/in"
echo "$(find "$userhome/in/$dataname" -type f | wc -l) files" > "$NEUROCAAS_OUTPUT/count.txt"
upload "$NEUROCAAS_OUTPUT" "$bucketname" "$groupdir" "$processdir"
[ ! -e "$userhome/in/$dataname/fail" ]
"""


@pytest.fixture
def run(tmp_path: Path) -> LocalRun:
    blueprint = tmp_path / "blueprints" / "count"
    blueprint.mkdir(parents=True)
    (blueprint / "run.sh").write_text(SCRIPT)
    data = tmp_path / "my data"
    (data / "sub").mkdir(parents=True)
    (data / "a").write_text("a")
    (data / "sub" / "b").write_text("b")
    config = tmp_path / "c.yaml"
    config.write_text("x: 1")
    return LocalRun("count", blueprint, "run.sh", data, config, {"x": 1}, tmp_path / "out")


def test_the_same_files_appear(run: LocalRun) -> None:
    result = run_local(run)
    assert (result.exit_code, result.status.status) == (0, "SUCCESS")
    assert (result.folder / "process_results" / "count.txt").read_text() == "2 files\n"
    assert json.loads((result.folder / "process_results" / "c.yaml").read_text()) == {"x": 1}
    assert (result.folder / "logs" / "DATASET_NAME:my data_STATUS.txt").is_file()
    assert result.folder.parent == run.target / "count" / "local" / "results"


def test_the_exit_code_is_the_scripts_and_nothing_is_left_in_the_blueprint(run: LocalRun) -> None:
    (run.data / "fail").touch()
    for _ in range(2):  # a second run with the same data is another job
        result = run_local(run)
        assert (result.exit_code, result.status.status) == (1, "FAILED")
    assert [path.name for path in run.blueprint.iterdir()] == ["run.sh"]
    assert len(list(result.folder.parent.iterdir())) == 2


def test_what_is_missing_is_told(run: LocalRun, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.zip does not exist"):
        run_local(
            LocalRun("count", run.blueprint, "run.sh", tmp_path / "nothing.zip", run.config, {}, run.target)
        )


def test_the_output_is_heard_while_it_runs(run: LocalRun) -> None:
    heard: list[bytes] = []
    run_local(run, hear=heard.append)
    text = b"".join(heard)
    assert text == (b"".join(path.read_bytes() for path in (run.target / "count").rglob("stdout.*")))
    assert b"s3://count/local/inputs/my data" in text


TOUCHES = """#!/bin/bash
source "$(dirname "$0")/ncap_utils/workflow.sh"
echo "$inputpath $dataname $userhome $(pwd) $HOME"
mkdir -p "$userhome/epi" && touch "$userhome/epi/x" && ls "$userhome"
(setsid sleep 600 >/dev/null 2>&1 &)
cleanup {outside} "$userhome/epi"
shutdown -h now; sudo -u ubuntu poweroff; sudo systemctl reboot
"""
SANDBOXED = """
set -x
id -u; touch {outside}/y; touch {data}/z; touch {blueprint}/z; touch /usr/z
mkdir /work-of-a-machine; touch /tmp/{name} /var/tmp/{name} /root/{name} /home/ubuntu/{name}; ls {outside} /run/dbus
"""  # noqa: E501


def touching(run: LocalRun, tmp_path: Path, text: str) -> tuple[LocalRun, Path]:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    words = {
        "outside": outside,
        "data": run.data,
        "blueprint": run.blueprint,
        "name": f"written-by-{tmp_path.name}",
    }
    (run.blueprint / "run.sh").write_text(text.format(**words))
    return run, outside


def sleepers() -> set[str]:
    return {
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if path.read_bytes() == b"sleep\x00600\x00"
    }


def test_without_a_sandbox_nothing_of_the_computer_is_removed_or_switched_off(
    run: LocalRun, tmp_path: Path
) -> None:
    run, outside = touching(run, tmp_path, TOUCHES)
    before, told = sleepers(), list[str]()
    result = run_local(run, tell=told.append)
    out = "".join(result.status.stdout.values())
    assert (result.status.status, "is not its home" in told[0]) == ("SUCCESS", True), result.status
    assert (outside / "kept").is_file()
    assert [
        sum(word in line for line in result.status.stderr.values())
        for word in ("is not obeyed", "alone", "ended before")
    ] == [3, 1, 1]
    assert out.startswith("local/inputs/my data/ my data /")
    assert sleepers() <= before


def test_a_sandbox_looks_like_the_machine(run: LocalRun, tmp_path: Path) -> None:
    run, outside = touching(run, tmp_path, TOUCHES + SANDBOXED)
    before, told = sleepers(), list[str]()
    result = run_local(replace(run, make_room=rooms(os.environ, find_bubblewrap())), tell=told.append)
    if "is not its home" in told[0]:
        pytest.skip("bubblewrap is not here or not allowed")
    out = list(result.status.stdout.values())
    assert out[0] == "local/inputs/my data/ my data /home/ubuntu /home/ubuntu /root"
    assert out[1:] == ["check_vars.txt", "epi", "neurocaas_contrib", "0"]
    assert [path.name for path in outside.iterdir()] == ["kept"]
    assert [path.name for path in run.blueprint.iterdir()] == ["run.sh"]
    assert not (run.data / "z").exists()
    assert not [
        path
        for place in ("/tmp", "/var/tmp", "/root", "/usr", "/")
        for path in Path(place).glob("*written-by-*")
    ]
    assert not Path("/work-of-a-machine").exists()
    assert sleepers() <= before


def test_in_an_image_the_script_has_the_images_root(run: LocalRun, tmp_path: Path) -> None:
    text = "#!/bin/bash -e\nid -u; pwd; readlink -f neurocaas_contrib; touch /usr/z /opt/z\n"
    run, _ = touching(run, tmp_path, f"{text}ls {{outside}} || cp '{run.data}/a' $NEUROCAAS_OUTPUT\n")
    try:
        with image_root(BASE_IMAGES[0].image_id, os.environ, Paths(tmp_path / "cloud")) as root:
            result = run_local(replace(run, make_room=in_image(root)))
    except ImageError as error:
        pytest.skip(str(error))
    assert list(result.status.stdout.values())[:3] == ["0", "/home/ubuntu", "/opt/neurocaas/code/local"], (
        result.status
    )
    assert (result.status.status, (result.folder / "process_results/a").read_text()) == ("SUCCESS", "a")
    assert not Path("/opt/z").exists()
    assert not Path("/usr/z").exists()


def invoke(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "invoke", "run-local", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a25_runtime_offline(tmp_path: Path) -> None:
    """Scenario A25: outputs, status and certificate without AWS; the exit code is the script's."""
    config = tmp_path / "short.yaml"
    config.write_text("wait: 1e-1\n")
    done = invoke(
        "--analysis",
        "analysis",
        "--data",
        "README.md",
        "--config",
        str(config),
        "--to",
        str(tmp_path / "out"),
        "--json",
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["status"], answer["exit_code"]) == ("SUCCESS", 0)
    names = [item["path"] for item in answer["files"]]
    assert names == [
        "logs/DATASET_NAME:README.md_STATUS.txt",
        "logs/README.md/stdout.00000",
        "logs/README.md_files.json",
        "logs/README.md_resources.json",
        "logs/certificate.txt",
        "process_results/README.md/summary.json",
        "process_results/end.txt",
        "process_results/short.yaml",
        "process_results/update.txt",
    ]
    folder = Path(answer["folder"])
    assert (
        json.loads((folder / "process_results/README.md/summary.json").read_text())["waited_seconds"] == 0.1
    )
    assert (folder / "process_results/end.txt").read_text() == "SUCCESS 1/1\n"
    assert (
        "DATANAME: local/inputs/README.md | STATUS: SUCCESS" in (folder / "logs/certificate.txt").read_text()
    )
    assert "::progress 1 done" in done.stderr
    assert (
        'run-local: line 1, wait: 1e-1 is 0.1 (YAML 1.2), which YAML 1.1 reads as the text "1e-1"'
        in done.stderr
    )


def test_a25_the_exit_code_is_the_scripts(tmp_path: Path) -> None:
    data = tmp_path / "bad.zip"
    data.write_text("no zip file")
    done = invoke(
        "--analysis", "dti", "--data", str(data), "--to", str(tmp_path / "out"), "--python", "/bin/false"
    )
    assert done.returncode == 1
    assert "\nFAILED, exit code 1, its last command: " in done.stdout
    assert list((tmp_path / "out/dti/local/results").glob("*/process_results/end.txt"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--data", "README.md"), "--analysis: got nothing\n  allowed: analysis"),
        (("--analysis", "no-such", "--data", "README.md"), "no file blueprints/no-such/blueprint.yaml"),
        (("--analysis", "analysis"), "--data: got nothing"),
        (("--analysis", "analysis", "--data", "README.md", "--image"), "--image: got no image of analysis"),
        (
            ("--analysis", "analysis", "--data", "nowhere.zip"),
            "--data: got 'nowhere.zip', which does not exist",
        ),
        (("--analysis", "analysis", "--data", "README.md", "--config", "Makefile"), "config file"),
        (
            ("--analysis", "analysis", "--data", "README.md", "--config", "docs"),
            "--config: got 'docs', which is not that",
        ),
        (("--analysis", "analysis", "--data", "/dev/null"), "--data: got '/dev/null', which is not that"),
    ],
)
def test_a_wrong_call_is_one_message(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    done = invoke(*arguments, "--to", str(tmp_path / "out"))
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_names_and_places_that_cannot_be_are_told(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"bad\xff.zip")
    odd.write_text("x")
    done = invoke("--analysis", "analysis", "--data", str(odd), "--to", str(tmp_path / "out"))
    assert (done.returncode, "a name that is not UTF-8" in done.stderr, "Traceback" in done.stderr) == (
        1,
        True,
        False,
    )
    done = invoke("--analysis", "analysis", "--data", "README.md", "--to", "Makefile")
    assert (done.returncode, "--to: got Makefile, which is a file" in done.stderr) == (1, True)
