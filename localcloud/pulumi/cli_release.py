"""The official release of the Pulumi CLI, from the vendor's download site, checked against its list of
SHA-256 sums.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO

from localcloud.progress import Progress

SITE = "https://get.pulumi.com/releases/sdk"
CONNECT_SECONDS = 4.0
"""A machine that cannot reach the site must learn it quickly: the limit of each wait on the network."""
WANTED = ("pulumi", "pulumi-language-python", "pulumi-language-python-exec")
"""What we take from the archive: the CLI and its Python language host (the other languages' hosts are 300
MB).
"""
_SYSTEMS = {"linux": "linux", "darwin": "darwin"}
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
_OUT_OF_REACH = (urllib.error.URLError, TimeoutError, ConnectionError)


class Unavailable(Exception):
    """This way of getting the CLI does not work on this machine; the text says why."""


def archive_name(version: str, system: str, machine: str) -> str:
    """The name of the release archive of a platform, such as `pulumi-v3.274.1-linux-x64.tar.gz`."""
    if system not in _SYSTEMS or machine.lower() not in _MACHINES:
        raise Unavailable(f"official release: none for {system} on {machine}")
    return f"pulumi-v{version}-{_SYSTEMS[system]}-{_MACHINES[machine.lower()]}.tar.gz"


def checksum_of(name: str, checksums: str) -> str:
    """The SHA-256 of the file `name` in a list as sha256sum writes it."""
    for line in checksums.splitlines():
        parts = line.split()
        if len(parts) == 2 and parts[1].lstrip("*") == name and len(parts[0]) == 64:
            return parts[0].lower()
    raise Unavailable(f"official release: its list of checksums does not name {name}")


def wanted(version: str) -> tuple[str, str]:
    """The name of this platform's archive and its SHA-256, as the site tells it: one short answer. Raises
    `Unavailable`.
    """
    name = archive_name(version, sys.platform, platform.machine())
    try:
        with _open(f"{SITE}/pulumi-{version}-checksums.txt") as answer:
            return name, checksum_of(name, answer.read().decode())
    except _OUT_OF_REACH as error:
        raise _unreachable(error) from error


def download(version: str, directory: Path, progress: Progress) -> None:
    """Put the release's CLI and Python language host into `directory`. Raises `Unavailable`."""
    name, expected = wanted(version)
    try:
        with tempfile.TemporaryFile() as archive:
            with progress.step(
                f"Pulumi CLI: downloading the release {version}", "a minute, once per machine"
            ):
                with _open(f"{SITE}/{name}") as answer:
                    shutil.copyfileobj(answer, archive, 1 << 20)
            archive.seek(0)
            got = hashlib.file_digest(archive, "sha256").hexdigest()
            if got != expected:
                raise Unavailable(
                    f"official release: {name} has SHA-256 {got}, the vendor's list says "
                    f"{expected}; it was thrown away"
                )
            archive.seek(0)
            _unpack(archive, directory)
    except _OUT_OF_REACH as error:
        raise _unreachable(error) from error
    except (OSError, tarfile.TarError) as error:
        raise Unavailable(f"official release: it could not be unpacked ({error})") from error


def _unreachable(error: Exception) -> Unavailable:
    return Unavailable(f"official release: {SITE} cannot be reached ({getattr(error, 'reason', error)})")


def _open(url: str) -> IO[bytes]:
    answer: IO[bytes] = urllib.request.urlopen(url, timeout=CONNECT_SECONDS)
    return answer


def _unpack(archive: IO[bytes], directory: Path) -> None:
    """Write the wanted files by their base name: no name from the archive is used as a path."""
    with tarfile.open(fileobj=archive, mode="r:gz") as members:
        for member in members:
            name = Path(member.name).name
            content = members.extractfile(member) if member.isfile() and name in WANTED else None
            if content is not None:
                with content, (directory / name).open("wb") as target:
                    shutil.copyfileobj(content, target)
                (directory / name).chmod(0o755)
    if not (directory / "pulumi").is_file():
        raise Unavailable("official release: the archive holds no `pulumi`")
