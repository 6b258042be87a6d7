"""What a build would make, told before it runs: the key of its layer in the cache of finished layers."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import awstoe
from awstoe.document import Document
from localcloud.images.layerfiles import digest
from localcloud.images.layers import VARIABLE, Layers
from localcloud.images.services import Services
from localcloud.images.store import Images
from localcloud.sandbox.hostaccess import HostAccess

_FORMAT = 1
_PACKAGES = (Path(__file__).resolve().parents[1], Path(awstoe.__file__).resolve().parent)
_FETCHES = frozenset({"S3Download", "S3Upload", "WebDownload", "ExecuteDocument", "UpdateOS"})
_BY_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLACE = re.compile(r"s3://[^/\s\"']+/(?=[^\s\"']*[0-9a-f]{64})")
"""Where an object is that is named by its digest: its bucket is another one in each cloud, and no content."""
_ELSEWHERE = re.compile(r"\{\{\s*aws:")
"""A reference to a parameter of the account or to the machine's metadata."""

Event = dict[str, Any]


@dataclass(frozen=True)
class KeptLayer:
    """The place of one build's layer in the cache."""

    layers: Layers
    key: str

    @classmethod
    def of(
        cls, services: Services, build: Mapping[str, Any], documents: Sequence[Document], access: HostAccess
    ) -> KeptLayer | None:
        """None where nothing is kept (`LOCALCLOUD_LAYERS` is not an absolute path), and for a build whose
        documents do not say all that it makes. That a script is told the build's ARN does not count.

        Raises ImageError and OSError, as the chain of the parent's layers does.
        """
        folder = os.environ.get(VARIABLE, "")
        if not folder.startswith("/") or not all(_says_all(document) for document in documents):
            return None
        if any(_ELSEWHERE.search(component["data"]) for component in build["components"]):
            return None
        host = services.host
        parts = {
            "format": _FORMAT,
            "code": _code(),
            "python": [sys.version, sys.base_prefix],
            "host": [str(host.mode), host.base.name if host.base else None],
            "parents": _parents(services.images, build["parent_image"]),
            "environment": access.environment,
            "build": {name: build.get(name) for name in ("region", "account", "working_directory")},
            "components": [
                [_PLACE.sub("s3://", component["data"]), component.get("parameters") or {}]
                for component, document in zip(build["components"], documents, strict=True)
                if any(phase.name != "test" for phase in document.phases)
            ],
        }
        text = json.dumps(parts, sort_keys=True)
        return cls(Layers(Path(folder)), hashlib.sha256(text.encode()).hexdigest())

    def take(self, target: Path, hear: Callable[[Event], None]) -> Path | None:
        """Put the layer at `target` and tell what its build told; None when it is not kept."""
        found = self.layers.take(self.key, target)
        if found is None:
            return None
        later = time.time() - found.made
        hear({"type": "log", "line": f"the same build ran before: its layer {self.key[:12]} is taken"})
        for event in found.events:
            hear(event | {name: event[name] + later for name in ("started", "ended") if event.get(name)})
        return target

    def keep(self, layer: Path, events: list[Event]) -> None:
        """Keep the layer that the build left, with what it told."""
        self.layers.keep(self.key, layer, events)


@cache
def _code() -> str:
    """The digest of the programs that build: another one may make another layer of the same documents."""
    found = hashlib.sha256()
    for package in _PACKAGES:
        files = (
            file.relative_to(package) for suffix in ("py", "sh") for file in package.rglob(f"*.{suffix}")
        )
        for file in sorted(one for one in files if one.parts[0] != "tests"):
            found.update(f"{file}\0".encode() + (package / file).read_bytes() + b"\0")
    return found.hexdigest()


def _says_all(document: Document) -> bool:
    """Whether what a document makes is named in it. What its test phase does is not in the layer."""
    steps = [step for phase in document.phases if phase.name != "test" for step in phase.steps]
    return all(step.action not in _FETCHES or _named_by_digest(step.action, step.inputs) for step in steps)


def _named_by_digest(action: str, inputs: Any) -> bool:
    return (
        action == "S3Download"
        and isinstance(inputs, list)
        and all(_BY_DIGEST.search(str(one.get("source"))) for one in inputs)
    )


def _parents(images: Images, image_id: str) -> list[str]:
    """What an image is made of: the digests of its layers, nearest first, then the public image."""
    lineage = images.lineage(image_id)
    layered = [image for image in lineage if image.layer is not None]
    chain = images.chain(image_id)
    contents = [
        _content(images.folder(one.image_id), layer) for one, layer in zip(layered, chain, strict=True)
    ]
    return [*contents, lineage[-1].parent if lineage else image_id]


def _content(folder: Path, layer: Path) -> str:
    """The digest of an image's layer, written down in the image's folder: it never changes."""
    known = folder / "content"
    with contextlib.suppress(FileNotFoundError):
        return known.read_text(encoding="utf-8")
    found = digest(layer)
    new = folder / f".content-{os.getpid()}"
    new.write_text(found, encoding="utf-8")
    new.rename(known)
    return found
