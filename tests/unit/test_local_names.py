"""Names of files here for keys that may be any text: reversible, one file each on every system, inside."""

from __future__ import annotations

import ntpath
import unicodedata
from collections.abc import Callable
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.tests.properties import examples
from neurocaas.local_names import folded, key_of, local_name, local_paths, openable

DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{name}{digit}" for name in ("com", "lpt") for digit in "0123456789¹²³"
}
SYSTEMS: list[Callable[[str], str]] = [
    str.casefold,
    str.lower,
    str.upper,
    lambda path: unicodedata.normalize("NFC", path),
    lambda path: unicodedata.normalize("NFD", path),
    lambda path: unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold()),
]
"""What file systems take for one name (NTFS, HFS+, APFS)."""
NAMES = (
    st.text(st.sampled_from("aAbB.~%+_ \\:?*é\u0301E\u00c9ßsS語\u017fﬁK\u212a\x01\u202e4F3"), max_size=5)
    | st.sampled_from(
        ["con", "CON", "Con.txt", "nul.tar.gz", "NUL ", "com1", "COM¹.x", "lpt0", "conin$", "aux."]
    )
    | st.sampled_from(["%3A", ":", "%_", "%~", "%+", "%", "a%~", "a%+", "..", ".", "", "a", "A", "a.", "a "])
    | st.text(st.characters(exclude_characters="/\0"), max_size=4)
    | st.builds(lambda one, count: one * count, st.sampled_from("xXé語:."), st.integers(120, 340))
)
KEYS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@settings(max_examples=examples(400), deadline=None)
@given(st.lists(KEYS, unique=True, min_size=1, max_size=8))
def test_each_key_has_a_file_of_its_own_on_every_system_and_can_be_read_back(keys: list[str]) -> None:
    paths = local_paths(keys)
    assert paths == local_paths(reversed(keys))
    assert set(paths) == set(keys)
    for key, path in paths.items():
        assert key_of(path) == key
        assert all(fit(name) for name in path.split("/")), path
    for system in SYSTEMS:
        seen = {system(path) for path in paths.values()}
        assert len(seen) == len(keys), "no two are one file"
        for path in seen:
            assert not any(other.startswith(f"{path}/") for other in seen), "a file is no folder"


def fit(name: str) -> bool:
    """Whether a part of a path can be a file on every system, and does nothing to a terminal."""
    return (
        name not in ("", ".", "..")
        and len(name.encode("utf-8")) <= 255
        and not set(name) & set('<>:"|?*\\/\0')
        and not any(unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") for one in name)
        and name[-1] not in ". "
        and name.partition(".")[0].rstrip().casefold() not in DEVICES
    )


def test_the_check_itself_knows_what_windows_forbids() -> None:
    for name in ("CON", "nul.txt", "a.", "a ", "a:b", "com¹", "x" * 256, "..", "", "LPT9.a.b", "aux .x"):
        assert not fit(name), name
    for name in ("console", "a b", "x.con", "com10", ".hidden", "NULL"):
        assert fit(name), name


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("a/b.csv", "a/b.csv"),
        ("logs/DATASET_NAME:a.zip_STATUS.txt", "logs/DATASET_NAME%3Aa.zip_STATUS.txt"),
        ("50%.csv", "50%25.csv"),
        ("NUL.txt", "%4EUL.txt"),
        ("con", "%63on"),
        ("what?. ", "what%3F.%20"),
        ("../x", ".%2E/x"),
        ("a//b", "a/%_/b"),
        ("/a", "%_/a"),
        ("line\nbreak", "line%0Abreak"),
        ("\u202egnp.exe", "%E2%80%AEgnp.exe"),
        ("Données/é.csv", "Données/é.csv"),
        ("x" * 300, "x" * 251 + "%+/" + "x" * 49),
    ],
)
def test_the_rule_as_it_is_documented(key: str, path: str) -> None:
    assert local_paths([key]) == {key: path}
    assert key_of(path) == key


def test_names_that_some_systems_take_for_one_are_written_out() -> None:
    keys = ["A.csv", "a.csv", "Data/x", "data/y", "é", "e\u0301", "alone.CSV"]
    assert local_paths(keys) == {
        "A.csv": "%41.csv",
        "a.csv": "a.csv",
        "Data/x": "%44ata/x",
        "data/y": "data/y",
        "é": "%C3%A9",
        "e\u0301": "e%CC%81",
        "alone.CSV": "alone.CSV",
    }


def test_a_file_beside_a_folder_of_its_name() -> None:
    assert local_paths(["a", "a/b", "a/b/c"]) == {"a": "a%~", "a/b": "a/b%~", "a/b/c": "a/b/c"}


def test_a_name_alone() -> None:
    assert local_name("2026-01-31T12:00:00") == "2026-01-31T12%3A00%3A00"


@settings(max_examples=examples(200), deadline=None)
@given(st.text(max_size=6), st.text(max_size=6))
def test_what_any_system_takes_for_one_name_is_taken_for_one(one: str, other: str) -> None:
    for text in (one, other):
        for system in SYSTEMS:
            assert folded(system(text)) == folded(text)
            assert folded(text) == folded(folded(text))


@pytest.mark.parametrize(
    ("path", "marked"),
    [
        ("C:\\data\\x", "\\\\?\\C:\\data\\x"),
        ("C:\\data\\..\\x", "\\\\?\\C:\\x"),
        ("\\\\server\\share\\x", "\\\\?\\UNC\\server\\share\\x"),
        ("\\\\?\\C:\\x", "\\\\?\\C:\\x"),
    ],
)
def test_a_long_path_can_be_opened_on_windows(path: str, marked: str) -> None:
    assert str(openable(Path(path), "nt")) == marked
    assert PureWindowsPath(marked).is_absolute()
    assert ntpath.isabs(marked)
    assert openable(Path(path), "posix") == Path(path)


def test_the_files_can_be_made_here(tmp_path: Path) -> None:
    """On whatever system this runs."""
    keys = ["con", "a:b", "A", "a", "x" * 300, "q?/..", "é", "e\u0301", "end. ", "a/b"]
    for key, path in local_paths(keys).items():
        file = openable(tmp_path.joinpath(*path.split("/")))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(key, encoding="utf-8", newline="")
    found = {
        file.relative_to(tmp_path).as_posix(): file.read_text(encoding="utf-8")
        for file in tmp_path.rglob("*")
        if file.is_file()
    }
    assert {key_of(path): text for path, text in found.items()} == {key: key for key in keys}
