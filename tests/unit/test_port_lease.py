"""Ports for local clouds that come and go beside each other: nobody gets what another process holds."""

import subprocess
import sys
from pathlib import Path

import pytest

from localcloud import ports
from localcloud.running import CloudError

ROOT = Path(__file__).resolve().parents[2]
HOLDER = "import sys\nfrom localcloud import ports\nprint(ports.lease(), flush=True)\nsys.stdin.read()\n"


def test_a_leased_port_is_its_process_s_until_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        port = int(holder.stdout.readline())
        assert port in ports.LEASED
        monkeypatch.setattr(ports, "LEASED", range(port, port + 1))
        with pytest.raises(CloudError, match=f"All ports from {port} to {port} .* are taken"):
            ports.lease()  # although nobody listens there
        assert holder.stdin is not None
        holder.stdin.close()
        holder.wait(10)
    assert ports.lease() == port
    with pytest.raises(CloudError):
        ports.lease()  # nor twice to the same process
