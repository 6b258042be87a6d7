"""What analysts install: the wheel has the package and nothing else, its bytes are those of the sources, and
it works in an empty environment on each Python that this machine has.
"""

from __future__ import annotations

import email
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

import bootstrap
from console import package
from localcloud.cache import cache_home
from tests.unit.client_jobs import BUCKET, GROUP
from tests.unit.client_world import ended, tell

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "installed.py"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ALLOWED = {"boto3", "click", "pyyaml", "rich", "tomli"}
KEYS = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the source archive."""
    source, wheel = sorted(package.build(ROOT, tmp_path_factory.mktemp("dist")), key=lambda one: one.suffix)
    assert (source.suffix, wheel.suffix) == (".gz", ".whl")
    return wheel, source


def sources() -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "neurocaas"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name for name in listed.stdout.split("\n") if name and (ROOT / name).is_file()}


def test_the_wheel_has_the_package_and_nothing_else(built: tuple[Path, Path]) -> None:
    version = PROJECT["project"]["version"]
    with zipfile.ZipFile(built[0]) as wheel:
        names = set(wheel.namelist())
        facts = email.message_from_bytes(wheel.read(f"neurocaas-{version}.dist-info/METADATA"))
    about = {name for name in names if name.startswith(f"neurocaas-{version}.dist-info/")}
    assert names - about == sources() - {"neurocaas/README.md"}
    assert facts["Version"] == version
    assert facts["Requires-Python"] == ">=3.10"
    assert "neurocaas login" in str(facts.get_payload()) or "pip install neurocaas" in str(
        facts.get_payload()
    )
    needs = [str(text) for text in facts.get_all("Requires-Dist") or []]
    plain = {re.split(r"[^\w-]", text)[0].lower() for text in needs if "extra ==" not in text}
    assert plain <= ALLOWED
    assert {"fast", "notebook"} <= set(facts.get_all("Provides-Extra") or [])


def test_the_source_archive_makes_the_same_wheel(built: tuple[Path, Path], tmp_path: Path) -> None:
    """So nothing that the wheel needs is missing in it; and neither times, rights nor the place of the files
    are in the bytes."""
    with tarfile.open(built[1]) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    for number, file in enumerate(sorted(unpacked.rglob("*.py"))):
        os.utime(file, (1_000_000_000 + number, 1_000_000_000 + number))
        file.chmod(0o600)
    made = package.build(unpacked, unpacked / "dist")
    assert {hashlib.sha256(one.read_bytes()).hexdigest() for one in made} == {
        hashlib.sha256(one.read_bytes()).hexdigest() for one in built
    }


def test_what_builds_it_is_what_is_locked() -> None:
    (backend,) = PROJECT["build-system"]["requires"]
    locked = (ROOT / "requirements" / "dev.txt").read_text()
    (frontend,) = re.findall(
        r"install --quiet (build==\S+)", (ROOT / ".github/workflows/test.yml").read_text()
    )
    for one in (backend, frontend):
        assert f"\n{one} \\\n" in locked


def pythons() -> dict[str, str]:
    """`3.12` → its program, of each from 3.10 on that this machine has."""
    found: dict[str, str] = {}
    for minor in range(10, 20):
        places = sorted((Path.home() / ".pyenv" / "versions").glob(f"3.{minor}.*/bin/python"))
        for place in [shutil.which(f"python3.{minor}"), *map(str, places)]:
            if place and subprocess.run([place, "-c", ""], capture_output=True, check=False).returncode == 0:
                found.setdefault(f"3.{minor}", place)
    found[f"3.{sys.version_info.minor}"] = sys.executable
    return found


PYTHONS = pythons()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """S3 over HTTP, with a job that has succeeded."""
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    try:
        host, port = running.get_host_and_port()
        url = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id="k",
            aws_secret_access_key="s",
            region_name="us-east-1",
        )
        client.create_bucket(Bucket=BUCKET)
        tell(client)
        ended(client, "done", {"a": 1.0}, {"a.txt": "text"})
        yield url
    finally:
        running.stop()


def install(wheel: Path, python: str, folder: Path, *options: str) -> Path:
    """An empty environment with the wheel in it; its Python."""
    uv = shutil.which("uv") or str(Path(sys.executable).parent / "uv")
    arguments, variables = bootstrap._pip_settings(sys.executable) or ([], {})
    environ = {**os.environ, "UV_CACHE_DIR": str(cache_home() / "uv"), **variables}
    place = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    for command in (
        [uv, "venv", "--quiet", "--no-project", "--python", python, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", str(place), *arguments, *options, str(wheel)],
    ):
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return place


CASES = [*((name, "") for name in PYTHONS), (min(PYTHONS, key=lambda name: int(name[2:])), "lowest-direct")]


@pytest.mark.parametrize(("name", "resolution"), CASES, ids=lambda value: str(value) or "newest")
def test_it_works_in_an_empty_environment(
    name: str, resolution: str, built: tuple[Path, Path], server: str, tmp_path: Path
) -> None:
    """With the newest versions of what it needs, and with the oldest that it says. For another Python than
    ours, what was seen of the same bytes counts; `make check` leaves them out."""
    digest = hashlib.sha256(PYTHONS[name].encode())
    for input_ in (built[0], PROGRAM, Path(__file__), ROOT / "requirements" / "base.txt"):
        digest.update(hashlib.sha256(input_.read_bytes()).digest())
    seen = cache_home() / "installed" / f"{name}-{resolution}-{digest.hexdigest()}"
    if resolution or PYTHONS[name] != sys.executable:
        if seen.is_file():
            return
        if "ci" not in (os.environ.get("HYPOTHESIS_PROFILE"), os.environ.get("CI") and "ci"):
            pytest.skip("other Pythons are for `make test`: HYPOTHESIS_PROFILE=ci")
    options = ["--resolution", resolution] if resolution else ["-c", str(ROOT / "requirements" / "base.txt")]
    python = install(built[0], PYTHONS[name], tmp_path / "environment", *options)
    environ = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT") if key in os.environ}
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [str(python), str(PROGRAM)],
        cwd=home,
        env={**environ, **KEYS, "HOME": str(home), "AWS_ENDPOINT_URL": server},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"works on Python {name}" in done.stdout
    assert [one.name for one in home.iterdir()] == [], "nothing is written where it was not asked to"
    seen.parent.mkdir(parents=True, exist_ok=True)
    for old in seen.parent.glob(f"{name}-{resolution}-*"):
        old.unlink()
    seen.touch()


def test_the_group_of_the_server_is_that_of_the_program() -> None:
    text = PROGRAM.read_text(encoding="utf-8")
    assert f'"--analysis", "{BUCKET}", "--group", "{GROUP}"' in text
