"""Image builds: runs the component documents of a build in a sandbox over its parent, and registers the layer that they leave."""

import contextlib
import errno
import logging
import math
import os
import re
import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.fleet.cloud import CloudError
from localcloud.fleet.sandbox import Root
from localcloud.images import base, cleanup
from localcloud.images.awstoe.checks import load
from localcloud.images.awstoe.document import Document, InvalidDocument
from localcloud.images.componentrun import ComponentRun
from localcloud.images.hostaccess import HostAccess, collect, remove_mount_points
from localcloud.images.store import Image, ImageError

if TYPE_CHECKING:
    from localcloud.fleet.machine import Services

_log = logging.getLogger("localcloud.builds")
_FINAL = ("AVAILABLE", "FAILED", "CANCELLED")
_MAXIMUM_BUILDS = 2
_POST_INTERVAL = 0.4
_FULL = "No space left on device"


class Cancelled(Exception):
    """Somebody asked for the end of the build."""


class BuildFailed(Exception):
    """``failure`` is what the admin API wants to hear."""

    def __init__(self, message: str, **failure: Any) -> None:
        super().__init__(message)
        empty = dict.fromkeys(("component_arn", "phase", "step", "action", "line", "script", "text"))
        self.failure: dict[str, Any] = {**empty, **failure, "message": message}


class Builder:
    """Keeps the builds of a fleet going: at most two at once, the rest wait in the state they have."""

    def __init__(self, services: "Services") -> None:
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
                    "The build was interrupted: the fleet that ran it ended. Nothing of it was kept. Start it again with `invoke bake-ami`."
                )
                failure = BuildFailed(message).failure
                with contextlib.suppress(CloudError):
                    self._services.connection.build_progress(_body(build["arn"], "FAILED", failure=failure))
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
                            self._services.connection.build_progress(_body(build["arn"], "CANCELLED"))
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


def _body(arn: str, status: str, **more: Any) -> dict[str, Any]:
    return {"arn": arn, "status": status, "step": None, "log": [], "failure": None, "size_gib": None, **more}


class Build(threading.Thread):
    """One image build, in a thread of its own."""

    def __init__(self, services: "Services", build: dict[str, Any], ended: Any) -> None:
        super().__init__(name=build["arn"], daemon=True)
        self.arn: str = build["arn"]
        self._build = build
        self._services = services
        self._ended = ended
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(self.arn.split("/")[1:])) or "build"
        self._work = services.host.scratch / "builds-running" / slug
        self._log_path = services.paths.builds / slug / "log"
        self._status = "BUILDING"
        self._cancelled = threading.Event()
        self._quietly = False
        self._pending: list[str] = []
        self._posted = 0.0
        self._full = False
        self._runner = ComponentRun(services, build, self._work, self._hear, self._flush)

    def cancel(self, *, quietly: bool = False) -> None:
        """End the build; ``quietly``: without telling the emulator (the fleet ends)."""
        self._quietly = self._quietly or quietly
        self._cancelled.set()
        self._runner.kill()

    def run(self) -> None:
        """The whole build. Never raises; leaves an image that is whole, or nothing but its log."""
        try:
            self._log_path.parent.mkdir(parents=True, exist_ok=True)
            self._whole()
        except Cancelled:
            self._finish("CANCELLED")
        except BuildFailed as error:
            self._finish("FAILED", failure=error.failure)
        except (OSError, ValueError, ImageError, CloudError) as error:
            message = self._full_disk() if isinstance(error, OSError) and error.errno == errno.ENOSPC else str(error)
            self._finish("FAILED", failure=BuildFailed(message).failure)
        finally:
            base.remove_tree(self._work)
            self._ended(self)

    def _full_disk(self) -> str:
        free = shutil.disk_usage(self._services.host.scratch).free // 2**20
        return (
            f"The disk that holds {self._services.host.scratch} is full ({free} MiB free): the bake stopped and nothing of it "
            "was kept. A bake needs room for "
            "everything that it installs. Free some space, or put the local cloud on a larger disk with LOCALCLOUD_HOME, and bake again."
        )

    def _whole(self) -> None:
        documents = self._documents()
        on_host = not self._services.host.isolated
        if on_host and os.environ.get("LOCALCLOUD_BAKE_ON_HOST") != "1":
            notes = "; ".join(self._services.host.notes) or "no namespaces"
            raise BuildFailed(
                f"This host cannot give the bake a root of its own ({notes}). Images are baked in a sandbox, so that a "
                "provisioning script changes the image and not this machine. "
                "Install bubblewrap and allow user namespaces; or, on a machine that may be changed for good, set "
                "LOCALCLOUD_BAKE_ON_HOST=1 and start the local cloud again."
            )
        self._post()
        base.remove_tree(self._work)
        self._work.mkdir(parents=True)
        with self._workflow("LaunchBuildInstance"):
            chain = () if on_host else self._services.images.chain(self._build["parent_image"])
            root = Root(self._work / "disk", chain)
            root.create()
        access = collect(os.environ)
        with self._workflow("ApplyBuildComponents"):
            self._apply(documents, [name for name in ("build", "validate") if any(d.phase(name) for d in documents)], root, access)
        layer = None
        with self._workflow("SanitizeInstance"):
            if not on_host:
                layer = self._layer(root, access)
        if any(document.phase("test") for document in documents):
            self._status = "TESTING"
            with self._workflow("LaunchTestInstance"):
                test = Root(self._work / "test", (layer, *chain) if layer else ())
                test.create()
            with self._workflow("ApplyTestComponents"):
                self._apply(documents, ["test"], test, access)
            base.remove_tree(test.work)
        self._status = "DISTRIBUTING"
        with self._workflow("CreateOutputAMI"):
            size = cleanup.size_bytes(layer) if layer else 0
            mode = str(self._services.host.mode)
            created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            image = Image(self._build["image_id"], self._build["parent_image"], "layer" if layer else None, created, self.arn, mode)
            self._place(image, layer)
        self._say(f"image {image.image_id}: a layer of {size / 2**20:.1f} MiB over {image.parent}")
        self._finish("AVAILABLE", size_gib=max(1, math.ceil(size / 2**30)))

    def _place(self, image: Image, layer: Path | None) -> None:
        """Register the image. Layers that live in memory are first moved to their lasting place there."""
        host = self._services.host
        if layer is not None and host.scratch != self._services.paths.home:
            lasting = host.scratch / "images" / image.image_id
            base.remove_tree(lasting)
            lasting.parent.mkdir(parents=True, exist_ok=True)
            layer.rename(lasting)
            layer = lasting
        self._services.images.add(image, layer)

    def _documents(self) -> list[Document]:
        documents: list[Document] = []
        problems: list[str] = []
        for component in self._build["components"]:
            try:
                documents.append(load(component["data"], component.get("parameters") or {}, name=component["name"]))
            except InvalidDocument as error:
                problems += error.problems
        if problems:
            raise BuildFailed("The component documents cannot be run:\n" + "\n".join(problems))
        if not any(document.phase(name) for document in documents for name in ("build", "validate")):
            raise BuildFailed(
                "No component has a build or validate phase. A recipe needs at least one. Add a component with a build phase."
            )
        return documents

    def _layer(self, root: Root, access: HostAccess) -> Path:
        """Turn the upper directories of the build into a clean layer."""
        upper = root.upper("root")
        remove_mount_points(upper, access.binds)
        cleanup.clean(upper)
        layer = self._work / "layer"
        base.remove_tree(layer)
        (root.work / "upper").rename(layer)
        base.remove_tree(root.work)
        return layer

    @contextlib.contextmanager
    def _workflow(self, name: str) -> Any:
        """One step of the workflow, as Image Builder names them, from RUNNING to its end."""
        if self._cancelled.is_set():
            raise Cancelled
        started = time.time()
        label = {"name": name, "phase": None, "action": None, "component": None, "started": started}
        self._post(step={**label, "status": "RUNNING", "message": "", "ended": None})
        try:
            yield
        except Cancelled:
            self._post(step={**label, "status": "CANCELLED", "message": "", "ended": time.time()})
            raise
        except (OSError, ValueError, ImageError, CloudError, BuildFailed) as error:
            self._post(step={**label, "status": "FAILED", "message": str(error), "ended": time.time()})
            raise
        self._post(step={**label, "status": "COMPLETED", "message": "", "ended": time.time()})

    def _apply(self, documents: list[Document], phases: list[str], root: Root, access: HostAccess) -> None:
        outcome = self._runner.run(phases, root, access)
        self._post()
        if self._cancelled.is_set():
            raise Cancelled
        result = outcome.result
        if result is not None and result["status"] != "failed":
            return
        if self._full or shutil.disk_usage(self._services.host.scratch).free < 2**20:
            raise BuildFailed(self._full_disk(), **self._where(documents, result))
        if result is None:
            raise BuildFailed("The sandbox of the bake ended without a result. " + (" | ".join(outcome.console[-5:]) or "It said nothing."))
        raise BuildFailed(result["failureMessage"], **self._where(documents, result))

    def _where(self, documents: list[Document], result: dict[str, Any] | None) -> dict[str, Any]:
        failure = (result or {}).get("failure")
        if not failure:
            return {}
        found = {key: failure[key] for key in ("phase", "step", "action", "line", "script", "text")}
        for document, component in zip(documents, self._build["components"], strict=True):
            phase = document.phase(failure["phase"])
            if phase is not None and any(step.name == failure["step"] for step in phase.steps):
                found["component_arn"] = component["arn"]
        return found

    def _hear(self, event: dict[str, Any]) -> None:
        """An event of the runner: a line, or a step of a component."""
        if event["type"] == "log":
            self._say(event["line"])
            return
        components = self._build["components"]
        component = components[event["component"]]["arn"] if event["component"] < len(components) else None
        step = {key: event.get(key) for key in ("name", "status", "message", "started", "ended", "phase", "action")}
        if event["status"] != "RUNNING":
            self._say(f"{event['phase']}.{event['name']}: {event['status']} {event['message']}".rstrip())
        self._post(step={**step, "component": component})

    def _say(self, line: str) -> None:
        """A line of the build's log: into its file at once, to the emulator soon."""
        self._full = self._full or _FULL in line
        self._pending.append(line)
        with contextlib.suppress(OSError), self._log_path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._flush()

    def _flush(self) -> None:
        """Post lines that have waited long enough; called after lines and when nothing happens for a while."""
        if self._pending and time.monotonic() - self._posted > _POST_INTERVAL:
            self._post()

    def _post(self, step: dict[str, Any] | None = None) -> None:
        lines, self._pending = self._pending, []
        self._posted = time.monotonic()
        if self._quietly:
            return
        try:
            self._services.connection.build_progress(_body(self.arn, self._status, step=step, log=lines))
        except CloudError as error:
            _log.warning("%s", error)

    def _finish(self, status: str, failure: dict[str, Any] | None = None, size_gib: int | None = None) -> None:
        base.remove_tree(self._work)  # before anybody hears of the end: nothing is left when they look
        if failure:
            self._say(failure["message"])
        if self._quietly:
            return
        lines, self._pending = self._pending, []
        for attempt in range(5):
            try:
                self._services.connection.build_progress(_body(self.arn, status, log=lines, failure=failure, size_gib=size_gib))
                return
            except CloudError as error:
                _log.warning("%s: could not report %s: %s", self.arn, status, error)
                time.sleep(2**attempt / 4)  # the emulator may be restarting; a lost final state would leave the build open for ever
