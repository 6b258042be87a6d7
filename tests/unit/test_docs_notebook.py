"""The notebook of the docs, run as it stands in a kernel of its own, against S3 over HTTP and a stand-in of
the service that answers its submissions."""

import json
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
import nbclient
import nbformat
import pytest
from moto.server import ThreadedMotoServer

from neurocaas.protocol.job import Dataset
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.published_settings import about_key
from neurocaas.protocol.status import DatasetStatus
from tests.unit.client_jobs import job_json
from tests.unit.client_world import ABOUT
from tests.unit.test_client_notebook import png

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "notebooks" / "first-job.ipynb"
GROUP, BUCKET = "lab", "dti"
RESULTS = {"summary.json": b'{"mean_fa": 0.47}', "fa.png": png(), "tracts.csv": b"tract,fa\nCST,0.6\n"}


class Answering:
    """Does with each submission what manager, machines and monitor do, the first time that it is looked at by
    halves: a dataset is seen while it runs. What is called broken fails."""

    def __init__(self, s3: Any) -> None:
        self._s3, self._done = s3, threading.Event()
        self._thread = threading.Thread(target=self._answer_all, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _answer_all(self) -> None:
        answered = set[str]()
        while not self._done.wait(0.05):
            listed = self._s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{GROUP}/submissions/").get(
                "Contents", []
            )
            for key in {one["Key"] for one in listed} - answered:
                answered.add(key)
                self._answer(key)

    def _answer(self, key: str) -> None:
        body = json.loads(self._s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        keys = JobKeys.of(GROUP, body["timestamp"])
        datasets = [
            Dataset(i, name.rpartition("/")[2], name, keys.status(name.rpartition("/")[2]), 4)
            for i, name in enumerate(body["dataname"])
        ]
        template = json.loads(job_json(key, "x"))
        job = {**template, "timestamp": body["timestamp"], "group": GROUP, "submission_key": key}
        running = DatasetStatus(status="IN PROGRESS", progress=0.5, job_start="2026-01-31T12:00:00Z")
        for one in datasets:
            self._put(one.status_key, running.to_json())
        self._put(keys.job, json.dumps({**job, "datasets": [vars(one) for one in datasets]}))
        self._done.wait(1.5)  # for whoever follows it once a second
        written = []
        for name, content in RESULTS.items():
            self._put(keys.process_prefix + name, content)
            digest = sha256(content).hexdigest()
            written.append({"key": keys.process_prefix + name, "size": len(content), "sha256": digest})
        for one in datasets:
            failed = "broken" in one.name
            status = DatasetStatus(
                status="FAILED" if failed else "SUCCESS",
                reason="no gradients in broken.nii.gz" if failed else "N/A",
                job_start="2026-01-31T12:00:00Z",
                job_finish="2026-01-31T12:00:07Z",
            )
            self._put(one.status_key, status.to_json())
            self._put(keys.verdict(one.index), status.to_json())
        facts = [{"name": one.name, "results": written, "machines": []} for one in datasets]
        self._put(keys.records.certificate_json, json.dumps({"schema_version": 1, "datasets": facts}))
        good = sum("broken" not in one.name for one in datasets)
        word = "SUCCESS" if good == len(datasets) else "FAILED"
        self._put(keys.records.end, f"{word} {good}/{len(datasets)}\n")

    def _put(self, key: str, body: str | bytes) -> None:
        self._s3.put_object(Bucket=BUCKET, Key=key, Body=body.encode() if isinstance(body, str) else body)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in ("AWS_PROFILE", "NEUROCAAS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("HOME", str(tmp_path)),
        ("IPYTHONDIR", str(tmp_path / "ipython")),
        ("JUPYTER_PLATFORM_DIRS", "0"),
        ("PYTHONPATH", str(NOTEBOOK.parents[2])),
    ):
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key=about_key(GROUP), Body=ABOUT.to_json().encode())
        with Answering(s3):
            yield
    finally:
        server.stop()


def shown(cell: Any) -> dict[str, str]:
    """What a cell shows, by media type; what is printed as text/plain."""
    found: dict[str, str] = {}
    for output in cell.outputs:
        data = output.get("data", {"text/plain": output.get("text", "")})
        for kind, value in data.items():
            found[kind] = found.get(kind, "") + value
    return found


def test_the_notebook_runs_as_it_stands(service: None, tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    assert [cell.outputs for cell in notebook.cells if cell.cell_type == "code" and cell.outputs] == []
    for name in ("scan.nii.gz", "broken.nii.gz"):
        (tmp_path / name).write_bytes(b"data")
    client = nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    cells = [shown(cell) for cell in notebook.cells if cell.cell_type == "code"]
    analysis, forecast, followed, results, value, image, fetched, mapped, jobs = cells
    assert "analysis dti" in analysis["text/html"]
    assert "forecast" in forecast["text/html"]
    assert "SUCCESS, 1 of 1 dataset done" in followed["text/html"]
    assert followed["text/html"].count("<table>") == 1  # drawn again in one place
    assert "scan.nii.gz" in followed["text/html"]
    assert "tracts.csv" in results["text/html"]
    assert value["text/plain"] == "0.47"
    assert image["image/png"]
    assert int(fetched["text/plain"]) >= len(RESULTS)
    assert "<dataset scan.nii.gz  SUCCESS" in mapped["text/plain"]
    assert "no gradients in broken.nii.gz" in mapped["text/plain"]
    assert "FAILED 1/2" in jobs["text/html"]
    assert (tmp_path / "results").is_dir()
