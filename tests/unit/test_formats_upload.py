"""Datasets of BIDS and NWB on their way into the bucket: nothing wrong is uploaded, and nothing twice."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neurocaas import Analysis, AnalysisError
from neurocaas.checks import Wish
from neurocaas.commands import submitting
from neurocaas.formats.bids import choose
from neurocaas.steps import planned, submitted, uploaded
from tests.unit.client_jobs import BUCKET, GROUP
from tests.unit.client_world import ABOUT, run, service, tell

SHARED = {"dataset_description.json": '{"Name": "s", "BIDSVersion": "1.8.0"}', "participants.tsv": "p\n"}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    with service(monkeypatch) as client:
        yield client


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    root = tmp_path / "study"
    for label in ("01", "02"):
        (root / f"sub-{label}" / "anat").mkdir(parents=True)
        (root / f"sub-{label}" / "anat" / f"sub-{label}_T1w.nii").write_text(f"scan {label}")
    for name, text in SHARED.items():
        (root / name).write_text(text)
    return root


def inputs(s3: Any) -> dict[str, bytes]:
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/inputs/").get("Contents", [])
    return {
        one["Key"].removeprefix(f"{GROUP}/inputs/"): s3.get_object(Bucket=BUCKET, Key=one["Key"])[
            "Body"
        ].read()
        for one in found
    }


def test_each_participant_is_a_dataset_that_is_a_bids_folder_itself(s3: Any, bids: Path) -> None:
    analysis = Analysis(BUCKET, GROUP)
    (plan,) = planned(analysis, [Wish(trees=choose(bids).trees, timestamp="t1")])
    assert len(plan.checked.sizes) == 2
    assert plan.checked.sizes[0] == len("scan 01") + sum(map(len, SHARED.values()))
    (sent,) = uploaded(analysis, [plan])
    job = submitted(analysis, plan, sent)
    body = json.loads(s3.get_object(Bucket=BUCKET, Key=job.submission_key)["Body"].read())
    assert [name.split("/")[-2] for name in body["dataname"]] == ["sub-01", "sub-02"]
    assert all(name.endswith("/") for name in body["dataname"])
    there = inputs(s3)
    assert len(there) == 6
    for label, name in zip(("01", "02"), body["dataname"], strict=True):
        below = name.removeprefix(f"{GROUP}/inputs/")
        assert {key.removeprefix(below): text for key, text in there.items() if key.startswith(below)} == {
            **{key: text.encode() for key, text in SHARED.items()},
            f"sub-{label}/anat/sub-{label}_T1w.nii": f"scan {label}".encode(),
        }


def test_nothing_is_sent_twice(s3: Any, bids: Path) -> None:
    analysis, said = Analysis(BUCKET, GROUP), list[str]()
    first = analysis.upload_trees(choose(bids).trees, say=said.append)
    sent: list[str] = []
    analysis.s3.meta.events.register(
        "provide-client-params.s3.PutObject", lambda params, **_: sent.append(params)
    )
    assert analysis.upload_trees(choose(bids).trees, say=said.append) == first
    assert sent == []
    assert len(inputs(s3)) == 6
    assert "3 of them already" in said[-1]


def test_a_wish_that_names_a_participant_twice_sends_it_once(s3: Any, bids: Path) -> None:
    analysis = Analysis(BUCKET, GROUP)
    trees = choose(bids, ["01"]).trees
    plans = planned(analysis, [Wish(trees=trees, timestamp="t1"), Wish(trees=trees, timestamp="t2")])
    one, two = uploaded(analysis, plans)
    assert one.keys == two.keys
    assert len(inputs(s3)) == 3


def test_a_command_submits_participants_and_says_what_goes_where_before(
    s3: Any, bids: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options: dict[str, Any] = {"analysis": BUCKET, "group": GROUP, "bids": str(bids), "participants": "02"}
    run(submitting.submit, [], [], dry_run=True, forecast=False, **options)
    said = capsys.readouterr().out
    assert "sub-02: 1 files of its own, 2 that go with each dataset" in said
    assert "  sub-02/anat/sub-02_T1w.nii\n" in said
    assert f"to {GROUP}/inputs/DIGEST/sub-02/" in said
    assert "sub-01" not in said
    assert inputs(s3) == {}
    run(submitting.submit, [], [], wait=False, forecast=False, json=True, **options)
    assert [key.split("/")[-2] for key in json.loads(capsys.readouterr().out)["datasets"]] == ["sub-02"]
    assert len(inputs(s3)) == 3
    run(submitting.forecast, [], [], **options)
    assert "1 machine m5.large" in capsys.readouterr().out


def test_options_of_bids_without_its_folder_are_told(s3: Any) -> None:
    with pytest.raises(AnalysisError, match="--participants, --include without a BIDS folder"):
        run(submitting.submit, [], [], analysis=BUCKET, group=GROUP, participants="01", include="x")


def test_an_analysis_that_takes_single_files_says_so(s3: Any, bids: Path) -> None:
    tell(s3, replace(ABOUT, folder="each"))
    with pytest.raises(AnalysisError, match="sub-01, a dataset of several files"):
        planned(Analysis(BUCKET, GROUP), [Wish(trees=choose(bids).trees)])
    assert inputs(s3) == {}


def test_half_an_nwb_file_is_not_uploaded(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "a.nwb").write_text("no HDF5")
    with pytest.raises(AnalysisError, match=r"a\.nwb is no HDF5 file"):
        planned(Analysis(BUCKET, GROUP), [Wish(files=["a.nwb"])])
    assert inputs(s3) == {}


def test_s3_is_told_what_an_nwb_file_is(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "a.nwb").write_bytes(b"\x89HDF\r\n\x1a\n\xffnwb_version")
    (tmp_path / "a.txt").write_text("text")
    keys = Analysis(BUCKET, GROUP).upload(["a.nwb", "a.txt"])
    kinds = [s3.head_object(Bucket=BUCKET, Key=key)["ContentType"] for key in keys]
    assert kinds[0] == "application/x-hdf5"
    assert kinds[1] != "application/x-hdf5"
