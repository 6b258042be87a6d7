"""The switch-off of a development instance: what a machine runs at each start, on a clock of its own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "image_builder" / "dev" / "idle.sh"
MACHINE = r"""
sleep() { SECONDS=$((SECONDS + 60)); echo $(($(< "$SEEN") + 1)) > "$SEEN"; [ "$(< "$SEEN")" -lt 500 ] || exit 9; }
curl() { case "${*: -1}" in
  */token) echo token ;;
  */neurocaas-dev) [ -n "$DEV" ] && echo "$DEV" ;;
  */Timeout) [ "$(< "$SEEN")" -ge "${LATER:-999}" ] && echo 90 || echo "$TIMEOUT" ;;
esac; }
ps() { [ "$(< "$SEEN")" -le "${TYPING:-0}" ] && echo pts/0; }
pgrep() { [ "$(< "$SEEN")" -le "${ANALYSIS:-0}" ]; }
awk() { [ "$(< "$SEEN")" -le "${BUSY:-0}" ]; }
shutdown() { echo off >> "$OFF"; }
export -f sleep curl ps pgrep awk shutdown
echo 0 > "$SEEN"
"""  # noqa: E501


def life(folder: Path, **machine: str) -> tuple[int, str, bool]:
    """The minutes after which the machine was off (or the watch had ended), its log, and whether it is
    off.
    """
    for path in ("log", "lib"):
        (folder / "var" / path).mkdir(parents=True)
    text = SCRIPT.read_text().replace("@IDLE@", "30").replace("/var/", f"{folder}/var/")
    environ = {
        "PATH": os.environ["PATH"],
        "SEEN": str(folder / "seen"),
        "OFF": str(folder / "off"),
        "DEV": "On",
        "TIMEOUT": "60",
        **machine,
    }
    # The watch stays behind as a child: `cat` ends when the last of its writers has.
    subprocess.run(
        ["bash", "-c", f'{{ {MACHINE}\nexec 3>&1; bash -c "$0"; }} | cat', text],
        env=environ,
        check=True,
        timeout=60,
    )
    at_every_start = folder / "var/lib/cloud/scripts/per-boot/neurocaas-development"
    assert os.access(at_every_start, os.X_OK)
    return (
        int((folder / "seen").read_text()),
        (folder / "var/log/neurocaas-development.log").read_text(),
        (folder / "off").exists(),
    )


@pytest.mark.parametrize(
    ("machine", "minutes", "why"),
    [
        ({}, 30, "nothing has happened here for 30 minutes"),
        ({"TYPING": "20"}, 50, "nothing has happened here for 30 minutes"),
        ({"ANALYSIS": "10"}, 40, "nothing has happened here for 30 minutes"),
        ({"BUSY": "100"}, 60, "the timeout of 60 minutes has passed"),
        ({"TIMEOUT": "15"}, 15, "the timeout of 15 minutes has passed"),
        ({"BUSY": "200", "LATER": "50"}, 90, "the timeout of 90 minutes has passed"),
        ({"BUSY": "10", "TIMEOUT": ""}, 40, "nothing has happened here for 30 minutes"),
    ],
)
def test_the_machine_goes_off(tmp_path: Path, machine: dict[str, str], minutes: int, why: str) -> None:
    assert life(tmp_path, **machine) == (minutes, f"NeuroCAAS: {why}\n", True)


def test_a_machine_made_from_its_image_is_left_alone(tmp_path: Path) -> None:
    assert life(tmp_path, DEV="") == (0, "", False)
