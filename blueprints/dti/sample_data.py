"""Real recordings to try the analysis on: three small diffusion MRI data sets that dipy ships inside its wheel.

`sample_datasets(folder)` makes `small_64D.zip`, `small_101D.zip` and `small_25.zip` there. The wheel comes from the package index
through pip, must have one of the digests of provision/requirements.txt, and what is taken from it is kept in the user's cache.
As a program: `python blueprints/dti/sample_data.py FOLDER`.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("provision") / "requirements.txt"
RECORDINGS = {"small_64D": ".nii", "small_101D": ".nii.gz", "small_25": ".nii.gz"}
SHA256 = {
    "small_64D.zip": "b7f19dc776492ef3917f65062796563b778eaa4f447c411d7f9b3fe5f4f65d52",
    "small_101D.zip": "96df9de16e634b4aea8271b943074f0c20bf9be6c8ef14f66e4b6fd8de435a82",
    "small_25.zip": "76f9c45d4dd6f2c7ea36e99814b894a19a90a34794e5f1b9416810b300fdfa32",
}


class SampleError(Exception):
    """The recordings could not be had; the text says what to do."""


def sample_datasets(target: Path, names: Sequence[str] = tuple(RECORDINGS)) -> list[Path]:
    """Make the datasets `names` in `target` and return their paths, in that order. The same bytes each time. Needs the package
    index only the first time. Raises SampleError."""
    target.mkdir(parents=True, exist_ok=True)
    made = []
    for name in names:
        path = target / f"{name}.zip"
        if not path.is_file() or _sha256(path) != SHA256[path.name]:
            _pack(name, _recordings() / name, path)
        made.append(path)
    return made


def _pack(name: str, source: Path, path: Path) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:  # stored: compressed bytes differ between zlib versions
        for ending in (RECORDINGS[name], ".bval", ".bvec"):
            entry = zipfile.ZipInfo(f"{name}{ending}")
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, (source / entry.filename).read_bytes())
    digest = _sha256(part)
    if digest != SHA256[path.name]:
        part.unlink()
        raise SampleError(f"{path.name} has the SHA-256 {digest}, not {SHA256[path.name]}: {source} was changed. Remove it and try again.")
    part.replace(path)


def _recordings() -> Path:
    """The folder with the recordings, one sub-folder each."""
    lock = REQUIREMENTS.read_text(encoding="utf-8")
    block = re.search(r"^dipy==(\S+)(?: \\\n +--hash=\S+)+", lock, re.MULTILINE)
    if not block:
        raise SampleError(f"{REQUIREMENTS} does not pin dipy with its digests")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "neurocaas" / f"dipy-{block[1]}-recordings"
    if not cache.is_dir():
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache.parent) as folder:
            wheel = _download(block[0], Path(folder))
            fresh = Path(folder) / "recordings"
            with zipfile.ZipFile(wheel) as archive:
                for name, image in RECORDINGS.items():
                    (fresh / name).mkdir(parents=True)
                    for ending in (image, ".bval", ".bvec"):
                        (fresh / name / f"{name}{ending}").write_bytes(archive.read(f"dipy/data/files/{name}{ending}"))
            try:
                fresh.rename(cache)
            except OSError:
                if not cache.is_dir():  # else another process was faster
                    raise
    return cache


def _download(requirement: str, folder: Path) -> Path:
    lock = folder / "requirements.txt"
    lock.write_text(requirement + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    # The same wheel everywhere, whatever runs this: only files are taken from it.
    command += ["--only-binary", ":all:", "--python-version", "3.12", "--platform", "manylinux2014_x86_64"]
    done = subprocess.run([*command, "--dest", str(folder), "--requirement", str(lock)], capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("dipy-*.whl"))
    if done.returncode or not wheels:
        reason = done.stderr.strip() or done.stdout.strip() or "no file"
        raise SampleError(
            f"The sample recordings could not be fetched: {reason}\nAllowed: a package index that pip can reach. "
            "Check the network or pip's configuration and try again."
        )
    return wheels[0]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    try:
        sys.stdout.writelines(f"{path}\n" for path in sample_datasets(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
    except SampleError as error:
        sys.exit(str(error))
