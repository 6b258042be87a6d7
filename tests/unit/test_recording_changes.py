"""What is read from the layers of a root."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from image_builder.recording import changes
from image_builder.recording.inventory import cache_of, compare, take
from image_builder.recording.replay import Counter
from localcloud.images.cleanroot import View

HOME = str(Path("/", "root"))
"""Of root, in an image."""


def layer(folder: Path, files: dict[str, str]) -> tuple[list[View], list[str]]:
    """A root with these files in its upper layer, and their paths."""
    for path, text in files.items():
        (folder / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        (folder / path.lstrip("/")).write_text(text)
    return [View("/", folder, ())], list(files)


def test_python_packages_of_wheels_and_of_old_setup_scripts(tmp_path: Path) -> None:
    site = "/opt/v/lib/python3.11/site-packages"
    views, paths = layer(tmp_path, {
        f"{site}/six-1.16.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\n\nName: other\n",  # noqa: E501
        f"{site}/docopt-0.6.2-py3.11.egg-info/PKG-INFO": "Metadata-Version: 1.0\nName: docopt\nVersion: 0.6.2\n",  # noqa: E501
        f"{site}/local-1.dist-info/METADATA": "Name: local\nVersion: 1\n",
        f"{site}/local-1.dist-info/direct_url.json": "{}",
        "/opt/build/mine.egg-info/PKG-INFO": "Name: mine\nVersion: 1\n",
    })  # fmt: skip
    assert changes.python_packages(views, paths) == {f"{site}|six": "1.16.0", f"{site}|docopt": "0.6.2"}


def test_conda_packages_by_the_path_of_their_record(tmp_path: Path) -> None:
    meta = "/opt/conda/envs/x/conda-meta"
    record = {
        "channel": "https://c.example/linux-64",
        "name": "numpy",
        "version": "1.26",
        "build": "py_0",
        "files": [],
    }
    views, paths = layer(
        tmp_path,
        {
            f"{meta}/numpy-1.26-py_0.json": json.dumps(record),
            f"{meta}/broken.json": "{",
            f"{meta}/history": "",
        },
    )
    assert changes.conda_packages(views, paths) == {
        f"{meta}/numpy-1.26-py_0.json": "https://c.example/linux-64::numpy=1.26=py_0"
    }


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


def test_what_came_along_has_no_request(tmp_path: Path) -> None:
    site = "/opt/v/lib/python3.11/site-packages"
    asked = {f"{site}/a-1.dist-info/METADATA": "Name: a\n", f"{site}/a-1.dist-info/REQUESTED": ""}
    views, paths = layer(
        tmp_path,
        {**asked, f"{site}/b-2.dist-info/METADATA": "Name: b\n", f"{site}/c.egg-info/PKG-INFO": "Name: c\n"},
    )
    assert changes.python_along(views, paths) == [f"{site}/b-2.dist-info"]
    assert changes.python_along(views, [f"{site}/b-2.dist-info/METADATA"]) == [], "an old pip marks nothing"


def conda(**more: object) -> str:
    return json.dumps(
        {
            "channel": "https://c.example/linux-64",
            "name": "numpy",
            "version": "1.26",
            "build": "py_0",
            "files": ["a"],
            **more,
        }
    )


DESCRIPTION = (
    "Package: mine\nVersion: {}\nPackaged: 2026-11-30 11:{}:01 UTC; root\nBuilt: R 4.2.2; ; 2026-11-30 "
    "11:{}:00 UTC; unix\n"
)
ALIKE = {
    "a record of conda, asked for by a person and by a script": (
        "/opt/c/conda-meta/numpy-1.26-py_0.json", conda(requested_spec="numpy"),
        conda(requested_spec="c::numpy=1", requested_specs=["x"]),
    ),
    "accounts that were made on two days": ("/etc/shadow", "lab:!:20787::::::\nx:*:1:0:9:7:::\n",
        "lab:!:20788::::::\nx:*:1:0:9:7:::\n"),
    "apt's notes in another order": (
        "/var/lib/apt/extended_states", "Package: a\nAuto-Installed: 1\n\nPackage: b\nAuto-Installed: 1\n",
        "Package: b\nAuto-Installed: 1\n\nPackage: a\nAuto-Installed: 1\n",
    ),
    "a package of R that was built at another time": ("/R/mine/DESCRIPTION", DESCRIPTION.format(1, 10, 10),
        DESCRIPTION.format(1, 20, 20)),
    "packages of Octave": ("/usr/share/octave/octave_packages", "# Created by Octave, Mon\n# name\n", "# "
        "Created by Octave, Tue\n# name\n"),
    "the rest of that": ("/usr/lib/R/mine/Meta/package.rds", "1", "2"),
    "a recording of before its script took that back": ("/opt/v/lib/x/site-packages/six-1.dist-info/REQUESTED", "", "x"),  # noqa: E501
    "a configured program": ("/opt/build/tool/config.log", "1", "2"),
    "a program by CMake": ("/opt/build/b/CMakeFiles/CMakeConfigureLog.yaml", "1", "2"),
    "a program by ninja": ("/opt/build/b/.ninja_log", "1", "2"),
    "a project that uv built": ("/opt/u/lib/python3.11/site-packages/mine-1.dist-info/uv_cache.json", "1",
        "2"),
    "a clone with submodules": ("/opt/r/.git/modules/sub/index", "1", "2"),
    "packages of npm": (f"{HOME}/.npm/_cacache/index-v5/x", "1", "2"),
    "crates of cargo": (f"{HOME}/.cargo/registry/index/x", "1", "2"),
    "functions that numba compiled": ("/opt/v/lib/x/__pycache__/f.nbi", "1", "2"),
    "keys of apt": (f"{HOME}/.gnupg/trustdb.gpg", "1", "2"),
    "an installation of miniconda": (f"{HOME}/.conda/aau_token", "1", "2"),
    "a certificate store": ("/etc/ssl/certs/java/cacerts", "1", "2"),
}  # fmt: skip
OTHER = {
    "another build": ("/opt/c/conda-meta/numpy-1.26-py_0.json", conda(), conda(build="py_1")),
    "a broken record": ("/opt/c/conda-meta/numpy-1.26-py_0.json", "{", "{}"),
    "a password": ("/etc/shadow", "lab:!:20787::::::\n", "lab:$6$x:20787::::::\n"),
    "an automatic package": (
        "/var/lib/apt/extended_states",
        "Package: a\nAuto-Installed: 1\n",
        "Package: b\nAuto-Installed: 1\n",
    ),
    "a version": (
        "/usr/lib/R/mine/DESCRIPTION",
        DESCRIPTION.format(1, 10, 10),
        DESCRIPTION.format(2, 10, 10),
    ),
    "a checked out commit": ("/opt/r/.git/HEAD", "1", "2"),
    "a program": ("/usr/local/bin/x", "1", "2"),
}


@pytest.mark.parametrize("name", [*ALIKE, *OTHER])
def test_what_matters_of_two_roots(name: str, tmp_path: Path) -> None:
    path, first, second = {**ALIKE, **OTHER}[name]
    one, two = (
        take(layer(tmp_path / number, {path: text})[0]) for number, text in (("1", first), ("2", second))
    )
    assert [
        difference.path
        for difference in compare(one, two)
        if difference.cache is None and difference.path == path
    ] == ([] if name in ALIKE else [path])
    assert [found.cache for found in compare(one, two, [path]) if found.path == path] in (
        [],
        ["accepted"],
        [cache_of(path)],
    )


def test_packages_in_caches_are_not_installed(tmp_path: Path) -> None:
    views, _ = layer(
        tmp_path, {f"{HOME}/.cache/uv/archive-v0/x1/six-1.dist-info/METADATA": "Name: six\nVersion: 1\n"}
    )
    assert take(views).packages["python"] == {}


def test_a_large_root_is_counted_aloud(tmp_path: Path) -> None:
    views, _ = layer(tmp_path, {f"/opt/{number}": "" for number in range(9)})
    said: list[str] = []
    moments = iter(range(100))
    take(views, Counter(said.append, lambda: float(next(moments))))
    assert said[0].endswith(" files looked at")
    quick: list[str] = []
    take(views, Counter(quick.append, lambda: 0.0))
    assert quick == []
