"""One image build: runs its component documents in a sandbox over its parent, and registers the layer that
they leave.
"""

import contextlib
import errno
import math
import os
import re
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from awstoe.checks import load
from awstoe.document import Document, InvalidDocument
from localcloud.images.buildreport import BuildReport
from localcloud.images.componentrun import ComponentRun
from localcloud.images.kept import KeptLayer
from localcloud.images.services import Services
from localcloud.images.store import Image, ImageError
from localcloud.sandbox import base, cleanup
from localcloud.sandbox.cloud import CloudError
from localcloud.sandbox.disks import reserve_bytes
from localcloud.sandbox.hostaccess import HostAccess, collect, remove_mount_points
from localcloud.sandbox.sandbox import Root

_FULL = "No space left on device"


class Cancelled(Exception):
    """Somebody asked for the end of the build."""


class BuildFailed(Exception):
    """``failure`` is what the admin API wants to hear."""

    def __init__(self, message: str, **failure: Any) -> None:
        super().__init__(message)
        empty = dict.fromkeys(("component_arn", "phase", "step", "action", "line", "script", "text"))
        self.failure: dict[str, Any] = {**empty, **failure, "message": message}


class Build(threading.Thread):
    """One image build, in a thread of its own."""

    def __init__(self, services: Services, build: dict[str, Any], ended: Any) -> None:
        super().__init__(name=build["arn"], daemon=True)
        self.arn: str = build["arn"]
        self._build = build
        self._services = services
        self._ended = ended
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(self.arn.split("/")[1:])) or "build"
        self._work = services.host.scratch / "builds-running" / slug
        self._report = BuildReport(self.arn, services.connection, services.paths.builds / slug / "log")
        self._cancelled = threading.Event()
        self._full = False
        self._heard: list[dict[str, Any]] = []
        self._runner = ComponentRun(services, build, self._work, self._hear, self._report.flush)

    def cancel(self, *, quietly: bool = False) -> None:
        """End the build; ``quietly``: without telling the emulator (the fleet ends)."""
        self._report.silent = self._report.silent or quietly
        self._cancelled.set()
        self._runner.kill()

    def run(self) -> None:
        """The whole build. Never raises; leaves an image that is whole, or nothing but its log."""
        try:
            self._whole()
        except Cancelled:
            self._finish("CANCELLED")
        except BuildFailed as error:
            self._finish("FAILED", failure=error.failure)
        except (OSError, ValueError, ImageError, CloudError) as error:
            message = (
                self._full_disk()
                if isinstance(error, OSError) and error.errno == errno.ENOSPC
                else str(error)
            )
            self._finish("FAILED", failure=BuildFailed(message).failure)
        finally:
            base.remove_tree(self._work)
            self._ended(self)

    def _full_disk(self) -> str:
        free = shutil.disk_usage(self._services.host.scratch).free // 2**20
        return (
            f"The disk that holds {self._services.host.scratch} is full ({free} MiB free): the bake stopped "
            "and nothing of it "
            "was kept. A bake needs room for "
            "everything that it installs. Free some space, or put the local cloud on a larger disk with "
            "LOCALCLOUD_HOME, and bake again."
        )

    def _whole(self) -> None:
        documents = self._documents()
        on_host = not self._services.host.isolated
        if on_host and os.environ.get("LOCALCLOUD_BAKE_ON_HOST") != "1":
            notes = "; ".join(self._services.host.notes) or "no namespaces"
            raise BuildFailed(
                f"This host cannot give the bake a root of its own ({notes}). Images are baked in a "
                "sandbox, so that a "
                "provisioning script changes the image and not this machine. "
                "Install bubblewrap and allow user namespaces; or, on a machine that may be changed for "
                "good, set "
                "LOCALCLOUD_BAKE_ON_HOST=1 and start the local cloud again."
            )
        self._report.post()
        base.remove_tree(self._work)
        self._work.mkdir(parents=True)
        with self._workflow("LaunchBuildInstance"):
            chain = () if on_host else self._services.images.chain(self._build["parent_image"])
            root = Root(self._work / "disk", chain)
            root.create()
        access = collect(os.environ)
        layer = None
        with self._workflow("ApplyBuildComponents"):
            kept = None if on_host else KeptLayer.of(self._services, self._build, documents, access)
            if kept:
                layer = kept.take(self._work / "layer", self._hear)
            if layer is None:
                self._apply(
                    documents,
                    [name for name in ("build", "validate") if any(d.phase(name) for d in documents)],
                    root,
                    access,
                )
        with self._workflow("SanitizeInstance"):
            if not on_host and layer is None:
                layer = self._layer(root, access)
                if kept:
                    kept.keep(layer, self._heard)
        if any(document.phase("test") for document in documents):
            self._report.status = "TESTING"
            with self._workflow("LaunchTestInstance"):
                test = Root(self._work / "test", (layer, *chain) if layer else ())
                test.create()
            with self._workflow("ApplyTestComponents"):
                self._apply(documents, ["test"], test, access)
            base.remove_tree(test.work)
        self._report.status = "DISTRIBUTING"
        with self._workflow("CreateOutputAMI"):
            size = cleanup.size_bytes(layer) if layer else 0
            mode = str(self._services.host.mode)
            created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            image = Image(
                self._build["image_id"],
                self._build["parent_image"],
                "layer" if layer else None,
                created,
                self.arn,
                mode,
            )
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
                documents.append(
                    load(component["data"], component.get("parameters") or {}, name=component["name"])
                )
            except InvalidDocument as error:
                problems += error.problems
        if problems:
            raise BuildFailed("The component documents cannot be run:\n" + "\n".join(problems))
        if not any(document.phase(name) for document in documents for name in ("build", "validate")):
            raise BuildFailed(
                "No component has a build or validate phase. A recipe needs at least one. Add a component "
                "with a build phase."
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
        self._report.post(step={**label, "status": "RUNNING", "message": "", "ended": None})
        try:
            yield
        except Cancelled:
            self._report.post(step={**label, "status": "CANCELLED", "message": "", "ended": time.time()})
            raise
        except (OSError, ValueError, ImageError, CloudError, BuildFailed) as error:
            self._report.post(step={**label, "status": "FAILED", "message": str(error), "ended": time.time()})
            raise
        self._report.post(step={**label, "status": "COMPLETED", "message": "", "ended": time.time()})

    def _apply(self, documents: list[Document], phases: list[str], root: Root, access: HostAccess) -> None:
        outcome = self._runner.run(phases, root, access)
        self._report.post()
        if self._cancelled.is_set():
            raise Cancelled
        result = outcome.result
        if result is not None and result["status"] != "failed":
            return
        scratch = self._services.host.scratch
        # With so little room after a failed script the disk was the cause: programs tidy up before they fail,
        # and not all say why.
        if self._full or shutil.disk_usage(scratch).free < reserve_bytes(scratch):
            raise BuildFailed(self._full_disk(), **self._where(documents, result))
        if result is None:
            raise BuildFailed(
                "The sandbox of the bake ended without a result. "
                + (" | ".join(outcome.console[-5:]) or "It said nothing.")
            )
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
        self._heard.append(event)
        if event["type"] == "log":
            self._say(event["line"])
            return
        components = self._build["components"]
        component = components[event["component"]]["arn"] if event["component"] < len(components) else None
        step = {
            key: event.get(key)
            for key in ("name", "status", "message", "started", "ended", "phase", "action")
        }
        if event["status"] != "RUNNING":
            self._say(f"{event['phase']}.{event['name']}: {event['status']} {event['message']}".rstrip())
        self._report.post(step={**step, "component": component})

    def _say(self, line: str) -> None:
        self._full = self._full or _FULL in line
        self._report.say(line)

    def _finish(
        self, status: str, failure: dict[str, Any] | None = None, size_gib: int | None = None
    ) -> None:
        base.remove_tree(self._work)  # before anybody hears of the end: nothing is left when they look
        self._report.end(status, failure, size_gib)
