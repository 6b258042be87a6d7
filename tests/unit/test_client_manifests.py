"""`submit --manifest`: everything is checked before anything is uploaded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neurocaas import AnalysisError
from neurocaas.commands import submitting
from tests.unit.client_jobs import BUCKET, GROUP
from tests.unit.client_world import ABOUT, MEMBER, put, run, service
from tests.unit.test_client_job_sweeps import RULES


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    with service(monkeypatch, replace(ABOUT, config=RULES), MEMBER) as client:
        for name in ("a", "b"):
            put(client, f"{GROUP}/inputs/{name}.txt", "data")
        yield client


def submit(text: str, name: str = "list.csv", **more: Any) -> None:
    Path(name).write_text(text)
    run(submitting.submit, [], [], manifest=name, wait=False, timestamp="m1", **more)


def test_it_goes_up_and_is_named_in_place_of_datasets(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    submit(f"dataset,threshold\n{GROUP}/inputs/a.txt,3\n{GROUP}/inputs/b.txt,\n")
    key = f"{GROUP}/submissions/m1_submit.json"
    body = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert body["manifest"] == f"{GROUP}/inputs/list.csv"
    assert "dataname" not in body
    assert s3.get_object(Bucket=BUCKET, Key=body["manifest"])["Body"].read().startswith(b"dataset")
    assert "2 machines m5.large" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"dataset\n{GROUP}/inputs/none.txt\n", "none.txt"),
        (f"dataset,threshold\n{GROUP}/inputs/a.txt,44\n", "list.csv:2: threshold: got 44"),
        (f"dataset,treshold\n{GROUP}/inputs/a.txt,4\n", "list.csv:2: 'treshold'"),
        (f"dataset\n{GROUP}/inputs/a.txt\n{GROUP}/inputs/a.txt\n", "list.csv:3: got "),
        ("dataset\nothers/inputs/a.txt\n", "others/inputs/a.txt"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(s3: Any, text: str, told: str) -> None:
    with pytest.raises(AnalysisError) as caught:
        submit(text)
    assert told in str(caught.value)
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/")["Contents"]]
    assert sorted(keys) == [f"{GROUP}/inputs/a.txt", f"{GROUP}/inputs/b.txt"]


def test_other_data_beside_it_and_an_older_service_are_refused(s3: Any) -> None:
    with pytest.raises(AnalysisError, match="--manifest and other data"):
        run(submitting.submit, [], [f"{GROUP}/inputs/a.txt"], manifest="list.csv")
    from tests.unit.client_world import tell

    tell(s3, replace(ABOUT, config=replace(RULES, max_sweep=0)))
    with pytest.raises(AnalysisError, match="earlier version"):
        submit(f"dataset\n{GROUP}/inputs/a.txt\n")
