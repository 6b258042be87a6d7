"""The run folder of a machine: what its sandbox sees at ``/run/localcloud``."""

import os
import shutil
import time
from pathlib import Path

from localcloud.fleet.userdata import UserData
from localcloud.sandbox.base import GUEST, STAND_INS


def control_pipe(run: Path) -> int:
    """Make the named pipe that power commands write to, and open it for reading (never blocks, never
    ends).
    """
    pipe = run / "control"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe, 0o600)
    return os.open(pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def fill(
    run: Path, user_data: UserData, hostname: str, address: str, environment: dict[str, str]
) -> list[str]:
    """Write the boot program, the stand-ins for power commands, the parts of the user data, and files of
    ``/etc``.

    Returns the names of the parts, in order. Parts end up in ``scripts/``, mode 0700.
    """
    (run / "scripts").mkdir(parents=True, exist_ok=True)
    (run / "bin").mkdir(exist_ok=True)
    shutil.copyfile(GUEST / "boot.sh", run / "boot")
    for place, source in STAND_INS.items():
        target = run / "bin" / place.rpartition("/")[2]
        shutil.copyfile(GUEST / source, target)
        target.chmod(0o755)
    for part in user_data.parts:
        script = run / "scripts" / part.name
        script.write_bytes(part.script)
        script.chmod(0o700)
    (run / "hosts").write_text(
        f"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{address} {hostname}.ec2.internal "
        f"{hostname}\n"
    )
    (run / "hostname").write_text(hostname + "\n")
    (run / "environment").write_text(
        "".join(f'{key}="{value}"\n' for key, value in environment.items() if key not in ("HOME", "LANG"))
    )
    (run / KERNEL_LOG).touch()
    for name in (*ETC_FILES, KERNEL_LOG):
        (run / name).chmod(0o644)
    return [part.name for part in user_data.parts]


def kernel_says(run: Path, hostname: str, line: str) -> None:
    """Write a line into the machine's /var/log/kern.log, as rsyslog does with what the kernel logs."""
    stamp, uptime = time.strftime("%b %e %H:%M:%S"), time.clock_gettime(time.CLOCK_BOOTTIME)
    with (run / KERNEL_LOG).open("a", encoding="utf-8") as log:
        log.write(f"{stamp} {hostname} kernel: [{uptime:12.6f}] {line}\n")


KERNEL_LOG = "kern.log"
"""The file of the run folder that is bound over ``/var/log/kern.log`` of a machine."""

ETC_FILES = ("hosts", "hostname", "environment")
"""Files of the run folder that are bound over ``/etc`` of a machine."""
