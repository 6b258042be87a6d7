"""Images of machines' disks (EC2 CreateImage): what a machine has written becomes a layer over the image that
it started from.

The machine goes on running meanwhile, as with ``NoReboot``: files that change while they are copied may be
torn.
"""

import datetime as dt
import logging
import os
import subprocess
import threading
from typing import Any

from localcloud.images.services import Services
from localcloud.images.store import Image
from localcloud.sandbox import base, cleanup
from localcloud.sandbox.cloud import CloudError
from localcloud.sandbox.sandbox import Root

_log = logging.getLogger("localcloud.fleet")


class CopyFailed(Exception):
    """Why no image could be made."""


class Copies:
    """Makes images, each in a thread of its own."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._begun: set[str] = set()

    def reconcile(self, wanted: list[dict[str, Any]]) -> None:
        """Start the copies that are new."""
        self._begun &= {copy["image_id"] for copy in wanted}
        for copy in wanted:
            if copy["image_id"] not in self._begun:
                self._begun.add(copy["image_id"])
                threading.Thread(target=self._run, args=(copy,), name=copy["image_id"], daemon=True).start()

    def _run(self, copy: dict[str, Any]) -> None:
        problem = ""
        try:
            self._copy(copy["image_id"], copy["instance_id"], copy["parent"])
        except (CopyFailed, OSError) as error:
            problem = str(error)
        try:
            self._services.connection.image_copied({"id": copy["image_id"], "problem": problem})
        except CloudError as error:
            _log.warning("image %s: its end could not be reported: %s", copy["image_id"], error)

    def _copy(self, image_id: str, instance_id: str, parent: str) -> None:
        host = self._services.host
        if not host.isolated:
            raise CopyFailed("a machine without a sandbox has no disk of its own")
        folder = host.scratch / "fleet" / instance_id
        upper = self._services.disks.open(folder) / "upper" if folder.is_dir() else folder
        if not (upper / "root").is_dir():
            raise CopyFailed(f"the disk of {instance_id} is gone")
        work = host.scratch / "copies" / image_id
        base.remove_tree(work)
        layer = Root(work).upper("root").parent
        layer.parent.mkdir(parents=True)
        try:
            os.sync()
            command = ["cp", "-a", str(upper), str(layer)]
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
            )
            if done.returncode != 0:
                raise CopyFailed((done.stderr.strip().splitlines() or ["cp failed"])[-1])
            cleanup.clean(layer / "root")
            now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            self._services.images.add(Image(image_id, parent, "layer", now, "", str(host.mode)), layer)
        finally:
            base.remove_tree(work)
