"""From the scripts of an analysis to its recipe: what a deployment uploads, and what a bake compares with
what was deployed.
"""

from __future__ import annotations

from dataclasses import dataclass

from blueprints import Imaged, parent_of
from blueprints.provision import Provision, read
from image_builder import golden
from image_builder.archive import pack, sha256
from image_builder.documents import (
    Archive,
    ComponentDocument,
    Recipe,
    TestedStack,
    compile_documents,
    needs_archive,
)


@dataclass(frozen=True)
class PackedProvision:
    """The scripts, packed (`archive`, a tar.gz) where they are too large for the documents themselves; and
    the golden test, packed with its program, where there is one."""

    provision: Provision
    archive: bytes | None
    golden: bytes | None

    @classmethod
    def of(cls, provision: Provision) -> PackedProvision:
        files = [*provision.golden_files, (golden.PROGRAM, golden.program())] if provision.golden else []
        return cls(
            provision,
            pack(provision.material) if needs_archive(provision) else None,
            pack(files) if files else None,
        )

    @property
    def fetches(self) -> bool:
        """Whether the documents name the artifact bucket."""
        return self.archive is not None or self.golden is not None

    @property
    def archive_sha256(self) -> str:
        return sha256(self.archive or b"")

    @property
    def key(self) -> str:
        """Of the archive in the artifact bucket."""
        return f"provision/{self.archive_sha256}.tar.gz"

    def documents(
        self, analysis: str, bucket: str, settings: str = "settings.json"
    ) -> tuple[ComponentDocument, ...]:
        """`bucket` is the artifact bucket, `settings` the key of the stack's settings in it."""
        archive = None if self.archive is None else Archive(bucket, self.key, self.archive_sha256)
        return compile_documents(analysis, self.provision, archive, TestedStack(bucket, settings))

    def recipe(self, analysis: str, parent: str, volume_gib: int) -> Recipe:
        """With placeholders for the bucket and the stack, which are not content: stages share the digest, and
        accounts where they share the parent."""
        return Recipe(analysis, parent, volume_gib, self.documents(analysis, "artifacts"))


def recipe_of(imaged: Imaged, account: str, region: str) -> Recipe | None:
    """The recipe that a deployment there would have, as the files are now; None without scripts.

    Raises InvalidInput when the scripts cannot be read (see `blueprints.provision.read`), or the parent is
    a base that was not baked.
    """
    folder = imaged.folder / "provision"
    if not folder.is_dir():
        return None
    provision = read(folder)
    if not provision.scripts:
        return None
    parent = parent_of(imaged, account, region).for_image_builder
    return PackedProvision.of(provision).recipe(imaged.name, parent, imaged.volume_gib)
