"""The image builds of a fleet: which run, which wait, which end."""

import contextlib
import threading
from typing import Any

from localcloud.images.build import Build, BuildFailed
from localcloud.images.buildreport import body
from localcloud.images.services import Services
from localcloud.project import project
from localcloud.sandbox import base
from localcloud.sandbox.cloud import CloudError

_FINAL = ("AVAILABLE", "FAILED", "CANCELLED")
_MAXIMUM_BUILDS = 2


class Builder:
    """Keeps the builds of a fleet going: at most two at once, the rest wait in the state they have."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._builds: dict[str, Build] = {}
        self._done: set[str] = set()
        self._lock = threading.Lock()
        self._waiting: list[dict[str, Any]] = []
        self._stopped = False

    def report_lost(self, builds: list[dict[str, Any]]) -> None:
        """Called once, at the start: builds that an earlier fleet had begun ended with it."""
        base.remove_tree(self._services.host.scratch / "builds-running")
        for build in builds:
            if build["state"] in ("BUILDING", "TESTING", "DISTRIBUTING"):
                message = (
                    "The build was interrupted: the fleet that ran it ended. Nothing of it was kept. Start "
                    f"it again with `{project().bake}`."
                )
                failure = BuildFailed(message).failure
                with contextlib.suppress(CloudError):
                    self._services.connection.build_progress(body(build["arn"], "FAILED", failure=failure))
                self._done.add(build["arn"])

    def reconcile(self, builds: list[dict[str, Any]]) -> None:
        """Start what waits, cancel what is to be cancelled."""
        with self._lock:
            self._waiting = [build for build in builds if build["state"] not in _FINAL]
            for build in self._waiting:
                running = self._builds.get(build["arn"])
                if running is not None and build.get("cancel"):
                    running.cancel()
                elif running is None and build["arn"] not in self._done and not self._stopped:
                    if build.get("cancel"):
                        self._done.add(build["arn"])
                        with contextlib.suppress(CloudError):
                            self._services.connection.build_progress(body(build["arn"], "CANCELLED"))
                    elif len(self._builds) < _MAXIMUM_BUILDS:
                        self._done.add(build["arn"])
                        self._builds[build["arn"]] = started = Build(self._services, build, self._ended)
                        started.start()

    def _ended(self, build: "Build") -> None:
        with self._lock:
            self._builds.pop(build.arn, None)
            waiting = list(self._waiting)
        if not self._stopped:
            self.reconcile(waiting)

    def stop(self) -> None:
        """End all builds with the fleet; the next fleet reports them as failed."""
        with self._lock:
            self._stopped = True
            running = list(self._builds.values())
        for build in running:
            build.cancel(quietly=True)
        for build in running:
            build.join(timeout=5)
