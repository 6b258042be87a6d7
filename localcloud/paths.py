"""Where the local cloud keeps its files.

Everything lives under one folder, the *home*: ``$LOCALCLOUD_HOME``, or ``.local`` beside the project's
``Pulumi.yaml``. Two checkouts have two homes, so they can run at the same time on two ports.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

HOME_VARIABLE = "LOCALCLOUD_HOME"


def project_root(start: Path | None = None) -> Path:
    """The nearest folder, from ``start`` (default: the working directory) upwards, that holds a
    ``Pulumi.yaml``.

    Falls back to the folder that contains the ``localcloud`` package, so that tools work from any directory.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    return Path(__file__).resolve().parent.parent


def lock(name: str) -> Path:
    """A lock with hashes, such as ``emulator.txt``: an installed package has it inside, a checkout beside."""
    package = Path(__file__).resolve().parent
    inside = package / "requirements" / name
    return inside if inside.is_file() else package.parent / "requirements" / name


@dataclass(frozen=True)
class Paths:
    """The files and folders of one local cloud. Nothing is created by looking at it."""

    home: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Paths:
        """``$LOCALCLOUD_HOME`` (made absolute) when set and not empty, else ``<project root>/.local``."""
        given = os.environ.get(HOME_VARIABLE, "")
        return cls(Path(given).expanduser().resolve() if given else project_root(start) / ".local")

    @property
    def cloud_file(self) -> Path:
        """``cloud.json`` (mode 0600): the running cloud, its keys included."""
        return self.home / "cloud.json"

    @property
    def account_file(self) -> Path:
        """``account.json``: what kind of account this is, written by whoever wants a difficult one."""
        return self.home / "account.json"

    @property
    def lock(self) -> Path:
        """Held while a cloud is being started or stopped."""
        return self.home / "cloud.lock"

    @property
    def emulator(self) -> Path:
        """All state of the control plane."""
        return self.home / "emulator"

    @property
    def keys_file(self) -> Path:
        """The root user's keys and the administrative token (mode 0600): they live as long as the state."""
        return self.emulator / "keys.json"

    @property
    def emulator_state(self) -> Path:
        """One JSON file a service, written by MiniStack's own persistence."""
        return self.emulator / "state"

    @property
    def emulator_journal(self) -> Path:
        """Changes that were answered and are not in the files of :attr:`emulator_state` yet."""
        return self.emulator / "journal"

    @property
    def emulator_s3(self) -> Path:
        """The objects of S3."""
        return self.emulator / "s3"

    @property
    def emulator_uploads(self) -> Path:
        """One folder an upload in parts that has begun."""
        return self.emulator / "uploads"

    @property
    def emulator_tmp(self) -> Path:
        """Temporary files of the emulator and of Lambda functions; emptied at every start."""
        return self.emulator / "tmp"

    @property
    def plugin_state(self) -> Path:
        """State of our own services (Image Builder, idempotency tokens)."""
        return self.emulator / "plugin-state.json"

    @property
    def logs(self) -> Path:
        """Logs of the two processes."""
        return self.home / "logs"

    @property
    def emulator_log(self) -> Path:
        """Log of the control plane."""
        return self.logs / "emulator.log"

    @property
    def fleet_log(self) -> Path:
        """Log of the fleet."""
        return self.logs / "fleet.log"

    @property
    def fleet(self) -> Path:
        """One folder a running instance, removed when it ends."""
        return self.home / "fleet"

    def instance(self, instance_id: str) -> Path:
        """The working folder of an instance."""
        return self.fleet / instance_id

    @property
    def consoles(self) -> Path:
        """Console logs; they outlive their instance."""
        return self.home / "console"

    def console(self, instance_id: str) -> Path:
        """The console log of an instance."""
        return self.consoles / f"{instance_id}.log"

    @property
    def images(self) -> Path:
        """One folder a local machine image: ``meta.json`` and ``layer/``."""
        return self.home / "images"

    def image(self, image_id: str) -> Path:
        """The folder of a machine image."""
        return self.images / image_id

    @property
    def builds(self) -> Path:
        """Logs of image builds."""
        return self.home / "builds"

    @property
    def pulumi(self) -> Path:
        """The engine's own world: ``home``, ``state``, ``bin``, ``passphrase``."""
        return self.home / "pulumi"

    @property
    def pulumi_home(self) -> Path:
        """``PULUMI_HOME`` of the local engine."""
        return self.pulumi / "home"

    @property
    def pulumi_state(self) -> Path:
        """The file backend."""
        return self.pulumi / "state"

    @property
    def pulumi_bin(self) -> Path:
        """Wrappers that are on PATH only in local mode."""
        return self.pulumi / "bin"

    @property
    def pulumi_passphrase(self) -> Path:
        """Passphrase of the local stacks' secrets (mode 0600)."""
        return self.pulumi / "passphrase"
