"""The notice that AWS takes a spot machine back, two minutes before it does (EC2 user guide, "Spot Instance
interruption notices").
"""

from __future__ import annotations

import json
import os
import threading
import urllib.request

EVERY = 5.0
"""Seconds between two questions, as the guide recommends."""

_TIMEOUT = 5.0


class SpotNotice:
    """`time` is when the machine goes (ISO 8601), None as long as nobody said so. Asks only on spot
    machines.
    """

    def __init__(self, endpoint: str | None = None, *, every: float = EVERY) -> None:
        base = endpoint or os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254"
        self._base = base.rstrip("/") + "/latest/"
        self._every = every
        self.time: str | None = None
        threading.Thread(target=self._run, name="spot", daemon=True).start()

    def _run(self) -> None:
        wait = threading.Event()
        while True:
            try:
                if self._get("meta-data/instance-life-cycle") != "spot":
                    return
                break
            except OSError:
                wait.wait(self._every)
        while self.time is None:
            try:
                notice = json.loads(self._get("meta-data/spot/instance-action"))
                self.time = str(notice["time"])
            except (OSError, ValueError, KeyError, TypeError):  # 404 is "no notice"
                wait.wait(self._every)

    def _get(self, path: str) -> str:
        ask = urllib.request.Request(
            self._base + "api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        )
        with urllib.request.urlopen(ask, timeout=_TIMEOUT) as answer:
            token = answer.read().decode()
        request = urllib.request.Request(self._base + path, headers={"X-aws-ec2-metadata-token": token})
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            return str(answer.read().decode()).strip()
