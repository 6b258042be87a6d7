"""What `pip install ./localcloud` installs: all modules and what they read; the checkout stays as it is."""

import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
SUFFIXES = {".py", ".sh", ".json", ".mod", ".sum"}


def files(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in found}


def test_a_wheel_has_all_that_the_package_needs(tmp_path: Path) -> None:
    before = files(PACKAGE)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(tmp_path), str(PACKAGE)], check=True, capture_output=True)
    assert files(PACKAGE) == before
    (wheel,) = tmp_path.glob("localcloud-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
        (entries,) = (name for name in inside if name.endswith("entry_points.txt"))
        assert "localcloud = localcloud.__main__:main" in archive.read(entries).decode()
    wanted = {
        f"localcloud/{name}"
        for name in before - {"setup.py"}
        if Path(name).suffix in SUFFIXES and not name.startswith("tests/")
    }
    locks = {"localcloud/requirements/emulator.txt", "localcloud/requirements/go.txt"}
    assert {name for name in inside if name.startswith("localcloud/")} == wanted | locks
