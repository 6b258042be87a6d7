"""The code that the program uploads: one archive for the machines of an analysis, one per Lambda function.

The machines' archive is built by content: the same files give the same bytes and so the same key, and an
unchanged `pulumi up` uploads nothing. It is kept under build/code/, keyed by what went into it.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components import vendor
from image_builder.archive import Entry, entry, tar_gz

FORMAT = "2"
"""Part of the cache key: raise it when the layout of the archive changes."""

_NOT_CODE = frozenset({"provision", "tests", "imported", "blueprint.yaml", "bake.json", "README.md"})
"""What a blueprint's folder holds that no machine needs."""


@dataclass(frozen=True)
class CodeArchive:
    """The machines' code: a tar.gz file and its SHA-256, which is also its name in the artifact bucket."""

    path: Path
    sha256: str

    @property
    def key(self) -> str:
        return f"code/{self.sha256}.tar.gz"


def code_archive(root: Path, analysis: str) -> CodeArchive:
    """Builds the code tree of an analysis, or finds it built.

    ```
    run_main.sh … ncap_utils/   runtime/instance/contrib
    agent/                      runtime/instance/agent
    neurocaas/protocol/         what all sides agree on
    vendor/                     boto3 and what it needs
    <analysis>/                 the blueprint's folder, with ncap_utils linked in
    ```
    """
    own = list(_own_files(root, analysis))
    key = hashlib.sha256()
    for builder in (Path(__file__), Path(vendor.__file__)):  # another way of packing is another archive
        key.update(builder.read_bytes())
    for name in vendor.versions():
        key.update(f"{name}\n".encode())
    for path, file in own:
        key.update(
            f"{path}\0{os.access(file, os.X_OK)}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode()
        )
    target = root / "build" / "code" / f"{analysis}-{key.hexdigest()[:32]}.tar.gz"
    if not target.is_file():
        entries = [entry(path, file) for path, file in own]
        entries += [entry(f"vendor/{path}", file) for path, file in vendor.files()]
        entries.append(Entry(f"{analysis}/ncap_utils", link="../ncap_utils"))
        write_atomically(target, tar_gz(entries))
    return CodeArchive(target, hashlib.sha256(target.read_bytes()).hexdigest())


def write_atomically(target: Path, content: bytes) -> None:
    """Two programs may build the same file at once: the last one wins, and nobody sees half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
        file.write(content)
    Path(file.name).replace(target)


def lambda_archive(root: Path, package: str, *, with_yaml: bool = False) -> pulumi.AssetArchive:
    """Code of the functions in runtime/<package>: that package, the protocol, and what all functions call AWS
    with. boto3 is part of Lambda's runtime, PyYAML is not.

    Listed file by file, so that caches and editors' files never change the function.
    """
    paths = [
        root / "runtime" / "__init__.py",
        root / "neurocaas" / "__init__.py",
        *_python(root / "neurocaas" / "protocol"),
        *_python(root / "runtime" / "aws"),
        *_python(root / "runtime" / package),
    ]
    found = {path.relative_to(root).as_posix(): path for path in paths if path.is_file()}
    if with_yaml:
        found |= dict(vendor.yaml_files())
    return pulumi.AssetArchive({name: file_asset(path) for name, path in sorted(found.items())})


def file_asset(path: Path) -> pulumi.FileAsset:
    """A file by its path from the project's folder: Pulumi's state keeps paths, and relative ones mean the
    same in every checkout.
    """
    return pulumi.FileAsset(os.path.relpath(path))


def _python(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.py") if "__pycache__" not in path.parts]


def _own_files(root: Path, analysis: str) -> Iterator[tuple[str, Path]]:
    """(path in the archive, file) of everything that comes from this repository, sorted."""
    runtime, blueprint = root / "runtime", root / "blueprints" / analysis
    found = {"neurocaas/__init__.py": root / "neurocaas" / "__init__.py"}
    for prefix, folder in (
        ("neurocaas/protocol", root / "neurocaas" / "protocol"),
        ("agent", runtime / "instance" / "agent"),
    ):
        found |= {f"{prefix}/{path.relative_to(folder).as_posix()}": path for path in _python(folder)}
    found |= _tree(runtime / "instance" / "contrib", "")
    for path, file in _tree(blueprint, f"{analysis}/").items():
        if path.split("/")[1] not in _NOT_CODE:
            found[path] = file
    yield from sorted(found.items())


def _tree(folder: Path, prefix: str) -> dict[str, Path]:
    return {
        prefix + path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and _wanted(path.relative_to(folder))
    }


def _wanted(path: Path) -> bool:
    """No caches, and no files of tools and editors (their names start with a dot)."""
    return path.suffix != ".pyc" and not any(
        part == "__pycache__" or part.startswith(".") for part in path.parts
    )
