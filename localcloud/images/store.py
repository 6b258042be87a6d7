"""Local machine images: directory layers over their parent.

``.local/images/<ami id>/meta.json`` says what an image is; its ``layer`` is the folder with ``root`` (what
changed below ``/``) and ``usr``. Public images (``catalogue``) have no layer. Deleting an image that others
stand on is refused.
"""

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from localcloud.images.catalogue import is_base_image
from localcloud.project import project
from localcloud.sandbox.base import remove_tree


class ImageError(Exception):
    """An image cannot be used. The text has three parts: what was got, what is allowed, what to do."""

    exit_code = 1  # of a command that ends with it


@dataclass(frozen=True)
class Image:
    """What ``meta.json`` holds. ``mode`` is the kind of sandbox that made the layer; ``layer`` is None for a
    bake on the host itself.
    """

    image_id: str
    parent: str
    layer: str | None
    created: str
    build_arn: str
    mode: str


class Images:
    """The images below one folder. ``isolated`` and ``mode`` say what this host can start."""

    def __init__(self, folder: Path, mode: str) -> None:
        self._folder = folder
        self._mode = mode

    def folder(self, image_id: str) -> Path:
        """The folder of an image."""
        return self._folder / image_id

    def get(self, image_id: str) -> Image | None:
        """The image, or None when it is not (wholly) there."""
        try:
            raw = json.loads((self.folder(image_id) / "meta.json").read_text(encoding="utf-8"))
            return Image(**{name: raw.get(name) for name in Image.__dataclass_fields__})
        except (OSError, ValueError, TypeError):
            return None

    def all(self) -> list[Image]:
        """All images, oldest first."""
        if not self._folder.is_dir():
            return []
        found = [
            image
            for entry in self._folder.iterdir()
            if entry.name.startswith("ami-")
            if (image := self.get(entry.name))
        ]
        return sorted(found, key=lambda image: (image.created, image.image_id))

    def lineage(self, image_id: str) -> list[Image]:
        """The image and its ancestors that have metadata, nearest first. Raises ImageError when one is
        missing or they form a ring.
        """
        chain: list[Image] = []
        current = image_id
        while not is_base_image(current):
            image = self.get(current)
            if image is None or any(other.image_id == current for other in chain):
                raise ImageError(
                    f"The image {current} has no layer in "
                    f"{self._folder}{f' (an ancestor of {image_id})' if current != image_id else ''}. "
                    "A local machine starts from a public image or from one that was baked here. Bake it "
                    f"again with `{project().bake}`."
                )
            chain.append(image)
            current = image.parent
        return chain

    def chain(self, image_id: str) -> tuple[Path, ...]:
        """The layer folders of an image, nearest first; none for a public image. Raises ImageError when one
        is unusable here.
        """
        layers: list[Path] = []
        for image in self.lineage(image_id):
            if image.layer is None:
                continue
            layer = self.folder(image.image_id) / image.layer
            if not layer.is_dir():
                raise ImageError(
                    f"The layer of {image.image_id} is gone ({layer}). Layers in memory do not survive a "
                    "restart of the host. "
                    f"Bake it again with `{project().bake}`."
                )
            if image.mode != self._mode:
                raise ImageError(
                    f"The image {image.image_id} was baked in mode {image.mode!r}, and machines here run in "
                    "mode "
                    f"{self._mode!r}, where its files would have "
                    f"other owners. Bake it again with `{project().bake}`, or run as the user that baked it."
                )
            layers.append(layer)
        return tuple(layers)

    def chain_without_layers(self, image_id: str) -> None:
        """Raise ImageError when the image needs a layer, which a plain process cannot have."""
        layered = [image.image_id for image in self.lineage(image_id) if image.layer is not None]
        if layered:
            raise ImageError(
                f"The image {layered[0]} is a layer, and this host allows no namespaces to mount it. "
                "Machines without a "
                "sandbox start from public images, or from "
                "images that were baked on the host. Install bubblewrap and allow user namespaces, or bake "
                "with LOCALCLOUD_BAKE_ON_HOST=1."
            )

    def add(self, image: Image, layer: Path | None) -> None:
        """Register an image: move ``layer`` (same file system) into its folder. Afterwards the image is there
        whole, or not at all.
        """
        building = self._folder / f".{image.image_id}.new"
        remove_tree(building)
        building.mkdir(parents=True)
        try:
            if layer is not None:
                if layer.stat().st_dev == building.stat().st_dev:
                    layer.rename(building / "layer")
                else:  # layers that live in memory stay there; only the record is on disk
                    image = Image(**{**asdict(image), "layer": str(layer)})
            (building / "meta.json").write_text(json.dumps(asdict(image), indent=1) + "\n", encoding="utf-8")
            target = self.folder(image.image_id)
            remove_tree(target)
            os.rename(building, target)
        finally:
            remove_tree(building)

    def delete(self, image_id: str) -> None:
        """Remove an image and its layer. Raises ImageError when another image is built on it; nothing happens
        when it is not there.
        """
        children = [image.image_id for image in self.all() if image.parent == image_id]
        if children:
            raise ImageError(
                f"The image {image_id} is the parent of {', '.join(children)}. Only images without children "
                "can be deleted. "
                "Delete those first."
            )
        image = self.get(image_id)
        if image is not None and image.layer is not None and Path(image.layer).is_absolute():
            remove_tree(Path(image.layer))
        remove_tree(self.folder(image_id))

    def clean(self) -> None:
        """Remove what an interrupted bake left behind."""
        if self._folder.is_dir():
            for entry in self._folder.iterdir():
                if entry.name.startswith(".") and entry.name.endswith(".new"):
                    with contextlib.suppress(OSError):
                        remove_tree(entry)
