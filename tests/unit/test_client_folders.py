"""A folder as data: what is taken, what is left out and said, and what is wrong, all at once."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neurocaas import AnalysisError
from neurocaas.commands import submitting
from neurocaas.data_folders import expanded, files_below, summary
from neurocaas.protocol.ignored import LEFT_BEHIND
from tests.unit.client_jobs import BUCKET, GROUP
from tests.unit.client_world import ABOUT, MEMBER, run, service, tell


def files(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def test_what_systems_leave_behind_is_left_out_and_named(tmp_path: Path) -> None:
    litter = (".DS_Store", "sub/.DS_Store", "Thumbs.db", "._a.nii", ".git/HEAD", "__MACOSX/x", "~$b.docx")
    found = files_below(files(tmp_path, "a.nii", "sub/b.nii", ".bidsignore", *litter), LEFT_BEHIND)
    assert found.names == (".bidsignore", "a.nii", "sub/b.nii")
    assert sorted(found.left_out) == sorted(
        (".DS_Store", "sub/.DS_Store", "Thumbs.db", "._a.nii", ".git/", "__MACOSX/", "~$b.docx")
    )
    assert summary(found.left_out).startswith(".DS_Store (2)")
    assert ".git/" in summary(found.left_out)


def test_links_to_files_and_to_folders_inside_are_what_they_point_to(tmp_path: Path) -> None:
    root = files(tmp_path / "data", "real/a.nii", ".git/annex/objects/key")
    (root / "annexed.nii").symlink_to(".git/annex/objects/key")
    (root / "again").symlink_to("real")
    (tmp_path / "elsewhere.nii").write_text("x")
    (root / "outside.nii").symlink_to(tmp_path / "elsewhere.nii")
    names = files_below(root, LEFT_BEHIND).names
    assert names == ("again/a.nii", "annexed.nii", "outside.nii", "real/a.nii")


def test_all_that_is_wrong_with_a_folder_is_told_at_once(tmp_path: Path) -> None:
    root = files(tmp_path / "data", "good", "a\nb", "Scan.nii", "scan.nii", "deep/é", "deep/e\u0301")
    (root / "nowhere").symlink_to("gone")
    (root / "self").symlink_to("self")
    (root / "deep" / "up").symlink_to("..")
    (root / "out").symlink_to(files(tmp_path / "other", "x"))
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as bound:
        here = Path.cwd()
        os.chdir(root)  # the name of a socket is short
        try:
            bound.bind("socket")
        finally:
            os.chdir(here)
        with pytest.raises(AnalysisError) as caught:
            files_below(root, LEFT_BEHIND)
    told = str(caught.value)
    for part in (
        "links to nowhere",
        "'nowhere', 'self'",
        "links in a circle",
        "'deep/up'",
        "links to folders outside",
        "'out'",
        "what is no file",
        "'pipe', 'socket'",
        "it has control",
        "names that are one on macOS or Windows",
        "'Scan.nii' and 'scan.nii'",
        "deep/é",
    ):
        assert part in told
    assert told.count("allowed:") == told.count("do:") == 6


def test_folders_on_the_way_that_are_one_elsewhere_are_told_once(tmp_path: Path) -> None:
    root = files(tmp_path, *(f"{name}/{number}" for name in ("Sub", "sub") for number in range(9)))
    with pytest.raises(AnalysisError, match=r"'Sub' and 'sub'\n"):
        files_below(root, LEFT_BEHIND)


def test_a_folder_without_data_says_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(AnalysisError, match=r"no data in .*empty\n"):
        files_below(tmp_path / "empty", LEFT_BEHIND)
    with pytest.raises(AnalysisError, match=r"no data in .*, only \.DS_Store"):
        files_below(files(tmp_path / "litter", ".DS_Store"), LEFT_BEHIND)


def test_patterns_that_no_shell_has_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files(tmp_path, "a.nii", "b.nii", "c.txt", "[x].nii", "deep/d.nii"))
    assert expanded(["?.nii", "c.txt"]) == ["a.nii", "b.nii", "c.txt"]
    assert expanded(["[x].nii"]) == ["[x].nii"], "a file of that very name is meant"
    assert expanded(["a.nii", "*.nii"]) == ["a.nii", "[x].nii", "b.nii"], "each once"
    assert expanded(["**/d.nii"]) == [str(Path("deep/d.nii"))]
    assert expanded(["gone"]) == ["gone"], "told with all else that is wrong"
    with pytest.raises(AnalysisError, match=r"no file is meant by '\*\.png'"):
        expanded(["*.png"])


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    with service(
        monkeypatch, variables={**MEMBER, "NEUROCAAS_STATE_FOLDER": str(tmp_path / "state")}
    ) as client:
        yield client


@pytest.mark.parametrize("each", [False, True])
def test_a_folder_is_one_dataset_or_each_of_its_files(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], each: bool
) -> None:
    files(tmp_path / "scans", "a.nii", "sub/b.nii", ".DS_Store")
    run(submitting.submit, ["scans"], [], each=each, wait=False, json=True)
    said = capsys.readouterr()
    answer = json.loads(said.out)
    names = [key.partition("/scans/")[2] for key in answer["datasets"]]
    assert names == (["a.nii", "sub/b.nii"] if each else [""])
    assert answer["forecast"]["datasets"] == len(names)
    assert "left out .DS_Store" in said.err
    assert ("each file is a dataset" if each else "the folder is one dataset") in said.err


def test_too_many_files_for_each_are_told_before_anything_is_uploaded(s3: Any, tmp_path: Path) -> None:
    tell(s3, replace(ABOUT, max_datasets=2))
    files(tmp_path / "scans", "a", "b", "c")
    with pytest.raises(AnalysisError, match="3 datasets"):
        run(submitting.submit, ["scans"], [], each=True, wait=False)
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/")["KeyCount"] == 0
