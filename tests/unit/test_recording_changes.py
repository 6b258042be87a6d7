"""What is read from the layers of a root."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from image_builder.recording import changes
from image_builder.recording.manifest import cache_of
from image_builder.recording.root import View


def layer(folder: Path, files: dict[str, str]) -> tuple[list[View], list[str]]:
    """A root with these files in its upper layer, and their paths."""
    for path, text in files.items():
        (folder / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (folder / path.lstrip("/")).write_text(text)
    return [View("/", folder, ())], list(files)


def test_python_packages_of_wheels_and_of_old_setup_scripts(tmp_path: Path) -> None:
    site = "/opt/v/lib/python3.11/site-packages"
    views, paths = layer(tmp_path, {
        f"{site}/six-1.16.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\n\nName: other\n",
        f"{site}/docopt-0.6.2-py3.11.egg-info/PKG-INFO": "Metadata-Version: 1.0\nName: docopt\nVersion: 0.6.2\n",
        f"{site}/local-1.dist-info/METADATA": "Name: local\nVersion: 1\n",
        f"{site}/local-1.dist-info/direct_url.json": "{}",
        "/opt/build/mine.egg-info/PKG-INFO": "Name: mine\nVersion: 1\n",
    })  # fmt: skip
    assert changes.python_packages(views, paths) == {f"{site}|six": "1.16.0", f"{site}|docopt": "0.6.2"}


def test_conda_packages_by_the_path_of_their_record(tmp_path: Path) -> None:
    meta = "/opt/conda/envs/x/conda-meta"
    record = {"channel": "https://c.example/linux-64", "name": "numpy", "version": "1.26", "build": "py_0", "files": []}
    views, paths = layer(tmp_path, {f"{meta}/numpy-1.26-py_0.json": json.dumps(record), f"{meta}/broken.json": "{", f"{meta}/history": ""})
    assert changes.conda_packages(views, paths) == {f"{meta}/numpy-1.26-py_0.json": "https://c.example/linux-64::numpy=1.26=py_0"}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/opt/v/lib/python3.11/site-packages/six-1.dist-info/RECORD", "pip's own bookkeeping"),
        ("/opt/v/lib/python3.11/site-packages/six-1.dist-info/METADATA", None),
        ("/opt/tool/RECORD", None),
        ("/opt/tool/.git/index", "git's own bookkeeping"),
        ("/opt/tool/.git/HEAD", None),
    ],
)
def test_what_is_known_to_differ(path: str, kind: str | None) -> None:
    assert cache_of(path) == kind
