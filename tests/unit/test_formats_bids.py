"""A BIDS folder as one dataset for each participant. The tree is made as pybids's test data ds005 and 7t_trt
are: sidecars at the top that are inherited, sessions, derivatives with and without participants' folders."""

import json
import os
from pathlib import Path

import pytest

from neurocaas.errors import AnalysisError
from neurocaas.formats.bids import choose, listing
from neurocaas.formats.gitignore import ignores, read_patterns

TOP = ("README", "dataset_description.json", "participants.tsv", "task-rest_bold.json")


def put(root: Path, *names: str, content: str = "x") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def own(label: str, session: str = "1") -> list[str]:
    begin = f"sub-{label}/ses-{session}"
    return [
        f"{begin}/anat/sub-{label}_ses-{session}_T1w.nii.gz",
        f"{begin}/func/sub-{label}_ses-{session}_task-rest_bold.nii.gz",
        f"{begin}/sub-{label}_ses-{session}_scans.tsv",
    ]


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    root = tmp_path / "study"
    put(root, *TOP)
    put(root, "dataset_description.json", content=json.dumps({"Name": "s", "BIDSVersion": "1.8.0"}))
    for label in ("01", "02", "10"):
        put(root, f"sub-{label}/sub-{label}_sessions.tsv", *own(label, "1"), *own(label, "2"))
    put(root, ".git/config", ".DS_Store", "sub-01/.DS_Store", "sub-01/ses-1/anat/._x", "code/run.py")
    put(
        root,
        "derivatives/prep/dataset_description.json",
        "derivatives/prep/sub-01/ses-1/anat/mask.nii.gz",
        "derivatives/prep/sub-02/ses-1/anat/mask.nii.gz",
        "derivatives/bet/sub-01_mask.nii.gz",
        "derivatives/bet/sub-02_mask.nii.gz",
        "sourcedata/sub-01/raw.dcm",
    )
    return root


def test_each_participant_is_a_dataset_with_the_files_of_all(bids: Path) -> None:
    chosen = choose(bids)
    assert [tree.name for tree in chosen.trees] == ["sub-01", "sub-02", "sub-10"]
    for label, tree in zip(("01", "02", "10"), chosen.trees, strict=True):
        expected = {*TOP, f"sub-{label}/sub-{label}_sessions.tsv", *own(label, "1"), *own(label, "2")}
        assert set(tree.files) == expected
        assert tree.shared == set(TOP)
        assert all(path == bids / name for name, path in tree.files.items())
        assert tree.size == sum((bids / name).stat().st_size for name in expected)
    left = " ".join(chosen.left_out)
    assert "code/, derivatives/, sourcedata/" in left
    assert "--include" in left
    assert "left out: 3 files" in left


def test_participants_and_sessions_are_taken_with_or_without_their_prefix(bids: Path) -> None:
    (tree,) = choose(bids, ["sub-02"], ["ses-1"]).trees
    assert set(tree.files) == {*TOP, "sub-02/sub-02_sessions.tsv", *own("02", "1")}
    trees = choose(bids, ["02", " 01 ", "02"], ["2"]).trees
    assert [one.name for one in trees] == ["sub-02", "sub-01"]
    assert set(trees[1].files) == {*TOP, "sub-01/sub-01_sessions.tsv", *own("01", "2")}


def test_folders_that_are_asked_for_go_along_without_what_is_of_others(bids: Path) -> None:
    (tree,) = choose(bids, ["01"], include=["derivatives", "sourcedata"]).trees
    assert {name for name in tree.files if name.startswith(("derivatives", "sourcedata"))} == {
        "derivatives/prep/dataset_description.json",
        "derivatives/prep/sub-01/ses-1/anat/mask.nii.gz",
        "derivatives/bet/sub-01_mask.nii.gz",
        "sourcedata/sub-01/raw.dcm",
    }
    assert tree.shared == {*TOP, "derivatives/prep/dataset_description.json"}
    (later,) = choose(bids, ["01"], ["2"], ["derivatives"]).trees
    assert "derivatives/prep/sub-01/ses-1/anat/mask.nii.gz" not in later.files


def test_a_participant_is_not_taken_for_one_whose_name_begins_so(bids: Path) -> None:
    put(bids, "sub-1/anat/sub-1_T1w.nii.gz", "derivatives/bet/sub-1_mask.nii.gz")
    (tree,) = choose(bids, ["1"], include=["derivatives"]).trees
    assert {name for name in tree.files if "sub-" in name} == {
        "sub-1/anat/sub-1_T1w.nii.gz",
        "derivatives/bet/sub-1_mask.nii.gz",
    }


def test_bidsignore_is_honoured(bids: Path) -> None:
    put(bids, "notes.txt", "sub-01/extra/big.bin", "sub-01/extra/keep.txt", "sub-02/ses-1/anat/x_ignored.nii")
    put(bids, ".bidsignore", content="# ours\nnotes.txt\n**/extra/*\n!keep.txt\n*_ignored.*\n")
    first, second = choose(bids, ["01", "02"]).trees
    assert "notes.txt" not in first.files
    assert {name for name in first.files if "extra" in name} == {"sub-01/extra/keep.txt"}
    assert not [name for name in second.files if "ignored" in name]
    assert ".bidsignore" not in first.files


@pytest.mark.parametrize(
    ("patterns", "ignored", "kept"),
    [
        ("*.log", ["a.log", "x/y/a.log"], ["a.log.txt", "alog"]),
        ("/a.log", ["a.log"], ["x/a.log"]),
        ("extra_data/", ["extra_data/a", "x/extra_data/b"], ["extra_data"]),
        ("sub-*/ieeg", ["sub-01/ieeg/a", "sub-01/ieeg"], ["x/sub-01/ieeg/a", "sub-01/b/ieeg"]),
        ("**/fig", ["fig", "a/fig", "a/b/fig/c"], ["figs", "a/bfig"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["b", "a/xb"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "b/a"]),
        ("[ab]?.txt", ["a1.txt", "b2.txt"], ["c1.txt", "a/.txt", "a.txt"]),
        ("[!ab].txt", ["c.txt"], ["a.txt", "/.txt"]),
        ("*.nii\n!keep.nii", ["a.nii", "x/b.nii"], ["keep.nii", "x/keep.nii"]),
        ("x/\n!x/keep", ["x/keep"], []),
        ("\\#a\n\\!b\n  \n# c\nd  ", ["#a", "!b", "d"], ["c", "# c", "d  "]),
        ("a[b", ["a[b"], ["ab"]),
        ("a.b+(c)", ["a.b+(c)"], ["axb+(c)", "a.bb(c)"]),
    ],
)
def test_patterns_mean_what_git_means(patterns: str, ignored: list[str], kept: list[str]) -> None:
    read = read_patterns(patterns)
    assert [name for name in ignored if not ignores(read, name)] == []
    assert [name for name in kept if ignores(read, name)] == []


@pytest.mark.parametrize(
    ("participants", "sessions", "include", "said"),
    [
        (["1"], [], [], "no participant '1'.*01, 02, 10.*did you mean '01'"),
        (["sub-03"], [], [], "no participant '03'"),
        (["01", "99", "98"], [], ["derivative"], "'99'.*'98'.*'derivative' to include.*'derivatives'"),
        (["01"], ["3"], [], "no session of sub-01 '3'.*1, 2"),
        (["01"], ["01"], [], "no session of sub-01 '01'.*did you mean '1'"),
    ],
)
def test_all_that_is_not_there_is_told_with_the_nearest(
    bids: Path, participants: list[str], sessions: list[str], include: list[str], said: str
) -> None:
    with pytest.raises(AnalysisError, match=f"(?s){said}"):
        choose(bids, participants, sessions, include)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no dataset_description.json in"),
        ("{", "is no JSON"),
        ("[]", "no Name and no BIDSVersion"),
        ('{"Name": "x"}', "no BIDSVersion in"),
    ],
)
def test_what_is_no_bids_folder_is_told(bids: Path, content: str | None, said: str) -> None:
    path = bids / "dataset_description.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(AnalysisError, match=said) as error:
        choose(bids)
    assert "BIDS" in error.value.allowed


def test_the_folder_above_is_told_which_is_meant(bids: Path) -> None:
    with pytest.raises(AnalysisError, match=r"did you mean '.*study'"):
        choose(bids.parent)
    with pytest.raises(AnalysisError, match="no such folder"):
        choose(bids / "nothing")


def test_a_folder_without_participants_and_a_participant_without_data_are_told(bids: Path) -> None:
    put(bids / "empty", "dataset_description.json", content='{"Name": "x", "BIDSVersion": "1"}')
    with pytest.raises(AnalysisError, match="no participants in"):
        choose(bids / "empty")
    (bids / "sub-11" / "anat").mkdir(parents=True)
    with pytest.raises(AnalysisError, match=r"no data in .*sub-11"):
        choose(bids)
    put(bids, "sub-12/anat/sub-12_T1w.nii")
    with pytest.raises(AnalysisError, match="sub-12 has no sessions"):
        choose(bids, ["12"], ["1"])


def test_content_that_git_annex_keeps_elsewhere_is_told(bids: Path) -> None:
    scan = bids / own("02")[0]
    scan.unlink()
    scan.symlink_to("../../../.git/annex/objects/aa/bb/KEY/KEY")
    put(bids, own("02")[1], content="/annex/objects/SHA256E-s1--00.nii.gz\n")
    choose(bids, ["01"])
    with pytest.raises(AnalysisError, match="the content is not here") as error:
        choose(bids, ["01", "02"])
    assert own("02")[0] in error.value.got
    assert own("02")[1] in error.value.got
    assert "datalad get" in error.value.do


@pytest.mark.skipif(os.name == "nt", reason="making links needs a right there")
def test_links_to_folders_are_followed_once(bids: Path, tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", "sub-20_T1w.nii")
    (bids / "sub-20").mkdir()
    (bids / "sub-20" / "anat").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "again").symlink_to(tmp_path / "elsewhere")
    (tree,) = choose(bids, ["20"]).trees
    assert {name for name in tree.files if name.startswith("sub-")} == {"sub-20/anat/sub-20_T1w.nii"}


def test_names_that_no_key_can_have_are_told(bids: Path) -> None:
    put(bids, "sub-01/a\nb.tsv")
    with pytest.raises(AnalysisError, match="cannot be uploaded"):
        choose(bids)


def test_what_goes_where_is_listed(bids: Path) -> None:
    lines = listing(choose(bids, ["01"], ["1"]).trees)
    assert lines[0] == "sub-01: 4 files of its own, 4 that go with each dataset"
    assert {line.strip() for line in lines[1:9]} == {*TOP, "sub-01/sub-01_sessions.tsv", *own("01")}
    assert len(lines) == 9
