"""Fetching results: what is there is kept, what is half there is completed, and what is wrong is told."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from neurocaas import Analysis, AnalysisError
from neurocaas.commands import fetching
from neurocaas.local_names import key_of
from neurocaas.logs import LogReader
from neurocaas.protocol.keys import JobKeys
from neurocaas.protocol.status import DatasetStatus
from neurocaas.results_folder import JOURNAL, MANIFEST
from tests.unit.client_jobs import BUCKET, GROUP, KEYS, STAMP, job_json
from tests.unit.client_world import run


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "k"),
        ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket=BUCKET)
        yield client


def put(s3: Any, key: str, body: bytes, **more: Any) -> str:
    return str(s3.put_object(Bucket=BUCKET, Key=key, Body=body, **more)["ETag"])


def record(s3: Any, **digests: str) -> None:
    moved = [
        {"kind": "result", "bucket": BUCKET, "key": KEYS.process_prefix + name, "bytes": 1, "sha256": sha}
        for name, sha in digests.items()
    ]
    put(s3, f"{KEYS.logs_prefix}a_files.json", json.dumps({"inputs": [], "results": moved}).encode())


def fetch(folder: Path, **more: Any) -> dict[str, Any]:
    return {one.path: one for one in Analysis(BUCKET, GROUP).job(STAMP).fetch(folder, **more)}


def gets(s3: Any, folder: Path, **more: Any) -> list[str]:
    """The keys that a fetch downloads."""
    seen: list[str] = []
    analysis = Analysis(BUCKET, GROUP)
    analysis.s3.meta.events.register(
        "before-call.s3.GetObject", lambda params, **_: seen.append(params["url_path"])
    )
    analysis.job(STAMP).fetch(folder, logs=False, **more)
    return [path for path in seen if not path.startswith("/jobs/")]


def test_a_second_fetch_downloads_only_what_has_changed(s3: Any, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        put(s3, KEYS.process_prefix + name, name.encode())
    assert len(gets(s3, tmp_path)) == 3
    assert gets(s3, tmp_path) == []
    put(s3, KEYS.process_prefix + "b", b"B")
    (tmp_path / "process_results" / "c").write_text("spoilt here")
    assert sorted(path.rpartition("/")[2] for path in gets(s3, tmp_path, overwrite=True)) == ["b", "c"]
    assert [(tmp_path / "process_results" / name).read_text() for name in "abc"] == ["a", "B", "c"]


def test_what_an_earlier_attempt_has_left_among_the_results_is_not_fetched(s3: Any, tmp_path: Path) -> None:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    moved = {}
    for name in ("partial", "replaced", "final"):
        put(s3, KEYS.process_prefix + name, name.encode())
        version = s3.head_object(Bucket=BUCKET, Key=KEYS.process_prefix + name)["VersionId"]
        digest = hashlib.sha256(name.encode()).hexdigest()
        moved[name] = {
            "bucket": BUCKET,
            "key": KEYS.process_prefix + name,
            "bytes": 1,
            "sha256": digest,
            "version_id": version,
        }
    put(s3, KEYS.process_prefix + "replaced", b"by a script's own means")
    machines = [{"results": [moved["partial"], moved["replaced"], moved["final"]]}, {"results": []}]
    certificate = {"datasets": [{"inputs": [], "results": [moved["final"]], "machines": machines}]}
    put(s3, KEYS.records.certificate_json, json.dumps(certificate).encode())
    assert set(fetch(tmp_path, logs=False)) == {"process_results/final", "process_results/replaced"}


def test_half_a_file_is_completed_from_where_it_stopped(s3: Any, tmp_path: Path) -> None:
    body = bytes(range(256)) * 100
    etag = put(s3, KEYS.process_prefix + "big", body)
    half = tmp_path / "process_results" / f".big.{hashlib.sha256(etag.encode()).hexdigest()[:12]}.part"
    half.parent.mkdir()
    half.write_bytes(body[:1000])
    ranges: list[str] = []
    analysis = Analysis(BUCKET, GROUP)
    analysis.s3.meta.events.register(
        "before-call.s3.GetObject", lambda params, **_: ranges.append(params["headers"].get("Range", ""))
    )
    analysis.job(STAMP).fetch(tmp_path, logs=False)
    assert ranges == ["", "", "bytes=1000-"], "two of the service's records, and the rest of the file"
    assert (tmp_path / "process_results" / "big").read_bytes() == body
    assert not half.exists()


def test_a_half_that_was_spoilt_is_found_out_and_fetched_anew(s3: Any, tmp_path: Path) -> None:
    etag = put(s3, KEYS.process_prefix + "big", b"0123456789")
    half = tmp_path / "process_results" / f".big.{hashlib.sha256(etag.encode()).hexdigest()[:12]}.part"
    half.parent.mkdir()
    half.write_bytes(b"x123")
    assert fetch(tmp_path)["process_results/big"].checked == "md5"
    assert (tmp_path / "process_results" / "big").read_bytes() == b"0123456789"
    assert not half.exists()


def test_files_are_checked_against_the_machines_record(s3: Any, tmp_path: Path) -> None:
    put(s3, KEYS.process_prefix + "good", b"good")
    put(s3, KEYS.process_prefix + "bad", b"bad")
    record(s3, good=hashlib.sha256(b"good").hexdigest(), bad="0" * 64)
    with pytest.raises(AnalysisError, match="process_results/bad has SHA-256"):
        fetch(tmp_path)
    assert (tmp_path / "process_results" / "good").read_bytes() == b"good", (
        "one bad file does not keep the others away"
    )
    assert not (tmp_path / "process_results" / "bad").exists()
    assert (tmp_path / "process_results" / "bad.unverified").read_bytes() == b"bad", (
        "what is wrong is not lost"
    )
    record(s3, good=hashlib.sha256(b"good").hexdigest())
    files = fetch(tmp_path)
    assert files["process_results/good"].checked == "record", (
        "what the machines say, until the service has certified it"
    )
    assert files["process_results/good"].kept
    assert not (tmp_path / "process_results" / "bad.unverified").exists()


def test_of_a_result_that_two_datasets_have_written_either_content_is_right(s3: Any, tmp_path: Path) -> None:
    digests = [hashlib.sha256(body).hexdigest() for body in (b"first", b"second", b"nobody's")]
    moved = [{"key": KEYS.process_prefix + "summary.json", "sha256": digest} for digest in digests]
    certificate = {"datasets": [{"inputs": [], "results": [one]} for one in moved[:2]]}
    put(s3, KEYS.records.certificate_json, json.dumps(certificate).encode())
    for body in (b"second", b"first"):
        put(s3, KEYS.process_prefix + "summary.json", body)
        assert fetch(tmp_path)["process_results/summary.json"].checked == "certificate"
    put(s3, KEYS.process_prefix + "summary.json", b"another")
    with pytest.raises(AnalysisError, match="wrong content"):
        fetch(tmp_path)


def test_a_sha256_that_s3_holds_is_used(s3: Any, tmp_path: Path) -> None:
    put(s3, KEYS.process_prefix + "a", b"a", ChecksumAlgorithm="SHA256")
    assert fetch(tmp_path)["process_results/a"].checked == "s3-sha256"


def test_objects_under_a_key_of_kms_have_no_md5_to_check(s3: Any, tmp_path: Path) -> None:
    put(s3, KEYS.process_prefix + "a", b"a", ServerSideEncryption="aws:kms")
    assert fetch(tmp_path)["process_results/a"].checked == "size"


def test_the_manifest_lists_what_was_fetched(s3: Any, tmp_path: Path) -> None:
    put(s3, KEYS.process_prefix + "a", b"a")
    fetch(tmp_path)
    (entry,) = json.loads((tmp_path / MANIFEST).read_text())["files"]
    assert (entry["path"], entry["sha256"]) == ("process_results/a", hashlib.sha256(b"a").hexdigest())
    (tmp_path / MANIFEST).write_text("broken")
    assert fetch(tmp_path)["process_results/a"].kept, "what is there is known by its content"
    assert json.loads((tmp_path / MANIFEST).read_text())["files"] == [entry]


@pytest.mark.parametrize("changes", [1, 9])
def test_what_changes_while_it_is_fetched_is_listed_again(s3: Any, tmp_path: Path, changes: int) -> None:
    """One change is the end of a job that two monitors wrote; a result that goes on changing belongs to a job
    that has not ended.
    """
    key = KEYS.process_prefix + "a"
    put(s3, key, b"old")
    left = [b"new %d" % number for number in range(changes)]
    analysis = Analysis(BUCKET, GROUP)

    def change(params: Any, **_: Any) -> None:
        if left and params["url_path"].endswith(key):
            put(s3, key, left.pop())

    analysis.s3.meta.events.register("before-call.s3.GetObject", change)
    if changes == 1:
        analysis.job(STAMP).fetch(tmp_path, logs=False)
        assert (tmp_path / "process_results" / "a").read_bytes() == b"new 0"
    else:
        with pytest.raises(AnalysisError, match="has changed while it was fetched"):
            analysis.job(STAMP).fetch(tmp_path, logs=False)


HOSTILE = {
    "a": "a%~",
    "a/b": "a/b%~",
    "a/b/c": "a/b/c",
    "../../outside": ".%2E/.%2E/outside",
    "x/./y": "x/%2E/y",
    "x//y": "x/%_/y",
    "x/%2F/y": "x/%252F/y",
    "line\nbreak": "line%0Abreak",
    "\x1b]0;title\x07": "%1B]0;title%07",
    "\u202egnp.exe": "%E2%80%AEgnp.exe",
    "\u00e9" * 300: "\u00e9" * 125 + "%+/" + "\u00e9" * 125 + "%+/" + "\u00e9" * 50,
}
"""Keys below process_results/, and where they are fetched to."""


def test_keys_that_cannot_be_files_or_not_beside_each_other_are_fetched_under_other_names(
    s3: Any, tmp_path: Path
) -> None:
    for name in HOSTILE:
        put(s3, KEYS.process_prefix + name, name.encode())
    files = [*fetch(tmp_path).values()]
    paths = {one.key.removeprefix(KEYS.process_prefix): one.path for one in files}
    assert paths == {name: f"process_results/{path}" for name, path in HOSTILE.items()}
    for name, path in paths.items():
        assert (tmp_path / path).read_text() == name
        assert (tmp_path / path).resolve().is_relative_to(tmp_path.resolve())
        assert path.isprintable()
        assert key_of(path) == f"process_results/{name}"
    assert {one.path for one in files if not one.renamed} == {"process_results/a/b/c"}
    assert all(one.kept for one in fetch(tmp_path).values()), "the names are the same again"


LONG = (
    "x" * 249,
    "x" * 255,
    "語" * 83,
    "語" * 85,
    "é" * 127,
    f"{'d' * 250}/{'e' * 250}",
    " blanks",
    "e\u0301",
    "A",
)


def test_names_that_files_can_have_are_kept(s3: Any, tmp_path: Path) -> None:
    for name in LONG:
        put(s3, KEYS.process_prefix + name, name.encode())
    files = fetch(tmp_path)
    assert files.keys() == {f"process_results/{name}" for name in LONG}
    assert all(
        (tmp_path / one.path).read_bytes() == one.key.removeprefix(KEYS.process_prefix).encode()
        for one in files.values()
    )


def test_a_file_that_cannot_be_written_keeps_no_other_away(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        put(s3, KEYS.process_prefix + name, name.encode())
    plain = Path.replace

    def replaced(self: Path, target: Path) -> Path:
        if target.name == "b":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return plain(self, target)

    monkeypatch.setattr(Path, "replace", replaced)
    with pytest.raises(AnalysisError, match=r"(?s)process_results/b \(No space left on device\).*--to"):
        fetch(tmp_path)
    assert sorted(
        path.name for path in (tmp_path / "process_results").iterdir() if not path.name.startswith(".")
    ) == ["a", "c"]
    assert len(json.loads((tmp_path / MANIFEST).read_text())["files"]) == 2
    monkeypatch.undo()


def test_a_folder_that_cannot_be_written_to_is_said(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AnalysisError, match="no folder that files can be written to"):
        fetch(tmp_path / "file" / "below")


def test_a_file_that_has_become_a_folder_makes_room_and_what_is_not_ours_stays(
    s3: Any, tmp_path: Path
) -> None:
    put(s3, KEYS.process_prefix + "a", b"file")
    put(s3, KEYS.process_prefix + "mine", b"file")
    fetch(tmp_path)
    put(s3, KEYS.process_prefix + "a/b", b"below")
    assert {one.path for one in fetch(tmp_path).values()} == {
        "process_results/a%~",
        "process_results/a/b",
        "process_results/mine",
    }
    (tmp_path / "process_results" / "own").write_text("not fetched")
    put(s3, KEYS.process_prefix + "own/x", b"x")
    put(s3, KEYS.process_prefix + "z", b"z")
    with pytest.raises(AnalysisError, match=r"(?s)process_results/own/x .*--to"):
        fetch(tmp_path)
    assert (tmp_path / "process_results" / "own").read_text() == "not fetched"
    assert (tmp_path / "process_results" / "z").read_text() == "z", "one file does not keep the others away"


def test_the_command_says_which_names_are_others(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "a/b", "\x1b[2J"):
        put(s3, KEYS.process_prefix + name, b"x")
    put(s3, KEYS.job, job_json("s", "a").encode())
    run(fetching.results, STAMP, [], [], [], analysis=BUCKET, group=GROUP, to=str(tmp_path))
    said = capsys.readouterr()
    assert said.err.count("whose name cannot be had everywhere") == 2
    assert "\x1b" not in said.out + said.err


def test_megabytes_in_place_of_a_status_or_a_record_are_not_read(s3: Any, tmp_path: Path) -> None:
    put(s3, KEYS.job, job_json("s", "a").encode())
    put(s3, KEYS.status("a"), DatasetStatus("IN PROGRESS", stdout={"0": "honest"}).to_json().encode())
    put(s3, f"{KEYS.logs_prefix}a/stdout.00000", b"x" * (17 << 20))
    handle = Analysis(BUCKET, GROUP).job(STAMP)
    assert handle.status().datasets[0].last_line == "honest"
    put(s3, KEYS.status("a"), json.dumps({"status": "FAILED", "reason": "y" * (5 << 20)}).encode())
    assert handle.status().datasets[0].last_line == "honest", "what was known before stands"
    note, line = LogReader(handle).lines()
    assert (line.text, note.note) == ("honest", True)
    assert len(note.text) < 200


def finished(s3: Any, *names: str, stamp: str = STAMP) -> None:
    """A job with results of these names, each of a dataset that is called so."""
    keys = JobKeys.of(GROUP, stamp)
    put(s3, keys.job, job_json("s", *names, stamp=stamp).encode())
    datasets = []
    for name in names:
        for ending in (".csv", ".nii"):
            put(s3, f"{keys.process_prefix}{name}{ending}", f"{stamp} {name}".encode())
        put(s3, f"{keys.logs_prefix}{name}/stdout.00000", b"said")
        moved = [{"key": f"{keys.process_prefix}{name}{ending}"} for ending in (".csv", ".nii")]
        for one in moved:
            one["sha256"] = hashlib.sha256(f"{stamp} {name}".encode()).hexdigest()
        datasets.append({"name": name, "inputs": [], "results": moved, "machines": [{"results": moved}]})
    put(s3, keys.records.certificate_json, json.dumps({"datasets": datasets}).encode())


def test_a_folder_belongs_to_one_job(s3: Any, tmp_path: Path) -> None:
    finished(s3, "a")
    finished(s3, "a", stamp="other")
    fetch(tmp_path)
    with pytest.raises(AnalysisError) as caught:
        Analysis(BUCKET, GROUP).job("other").fetch(tmp_path)
    assert caught.value.got == f"{tmp_path} has the results of job {STAMP}"
    assert "--to" in caught.value.do
    assert (tmp_path / "process_results" / "a.csv").read_text() == f"{STAMP} a"
    document = json.loads((tmp_path / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps({"schema_version": 1, "files": document["files"]}))
    with pytest.raises(AnalysisError, match="results of another job"):  # as an earlier version wrote it
        Analysis(BUCKET, GROUP).job("other").fetch(tmp_path)
    assert fetch(tmp_path)["process_results/a.csv"].kept


def test_each_job_has_its_own_folder_unless_another_is_named(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for stamp in (STAMP, "2026-01-31T12:00:00"):
        finished(s3, "a", stamp=stamp)
        run(fetching.results, stamp, [], [], [], analysis=BUCKET, group=GROUP)
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == [
        STAMP,
        "2026-01-31T12%3A00%3A00",
    ]
    assert f"files in {Path('results') / STAMP}; their SHA-256" in capsys.readouterr().out


def test_a_file_that_was_edited_here_stays(s3: Any, tmp_path: Path) -> None:
    finished(s3, "a", "b")
    own = tmp_path / "process_results" / "b.csv"
    own.parent.mkdir()
    own.write_text("was here before")
    with pytest.raises(AnalysisError, match=r"not as fetched: 1 file in .*: process_results/b\.csv"):
        fetch(tmp_path)
    assert own.read_text() == "was here before"
    assert (tmp_path / "process_results" / "a.csv").exists(), "it keeps no other away"
    edited = tmp_path / "process_results" / "a.csv"
    edited.write_text("my own notes")
    put(s3, KEYS.process_prefix + "a.csv", b"newer at the service")
    put(s3, KEYS.records.certificate_json, b"{}")
    with pytest.raises(AnalysisError) as caught:
        fetch(tmp_path)
    assert "2 files" in caught.value.got
    assert "--overwrite" in caught.value.do
    assert [edited.read_text(), own.read_text()] == ["my own notes", "was here before"]
    fetch(tmp_path, overwrite=True)
    assert [edited.read_text(), own.read_text()] == ["newer at the service", f"{STAMP} b"]


def test_what_the_job_has_no_more_is_told_and_stays(s3: Any, tmp_path: Path) -> None:
    finished(s3, "a", "b")
    fetch(tmp_path)
    s3.delete_object(Bucket=BUCKET, Key=KEYS.process_prefix + "b.csv")
    said = list[str]()
    fetch(tmp_path, only=["*.nii"], say=said.append)
    assert said == [f"not in the job any more: 1 file in {tmp_path}: process_results/b.csv"]
    assert (tmp_path / "process_results" / "b.csv").exists()


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ({"only": ["*.csv"]}, {"process_results/a.csv", "process_results/b.csv"}),
        (
            {"only": ["a.*", "b.nii"], "without": ["*.csv"]},
            {"process_results/a.nii", "process_results/b.nii"},
        ),
        ({"only": ["process_results/a*"]}, {"process_results/a.csv", "process_results/a.nii"}),
        ({"datasets": ["b"]}, {"process_results/b.csv", "process_results/b.nii", "logs/b/stdout.00000"}),
        ({"datasets": ["b"], "logs": False, "only": ["*.csv"]}, {"process_results/b.csv"}),
    ],
)
@pytest.mark.parametrize("ended", [True, False])
def test_some_files_of_a_job(
    s3: Any, tmp_path: Path, chosen: dict[str, Any], names: set[str], ended: bool
) -> None:
    finished(s3, "a", "b")
    if not ended:
        certificate = json.loads(
            s3.get_object(Bucket=BUCKET, Key=KEYS.records.certificate_json)["Body"].read()
        )
        s3.delete_object(Bucket=BUCKET, Key=KEYS.records.certificate_json)
        for one in certificate["datasets"]:
            put(s3, KEYS.record(one["name"]), json.dumps(one).encode())
        names = names | ({"logs/b_files.json"} if chosen == {"datasets": ["b"]} else set())
    assert set(fetch(tmp_path, **chosen)) == names
    assert all(one.kept for one in fetch(tmp_path, **chosen).values())


def test_a_choice_of_nothing_and_a_dataset_that_is_none_are_told(s3: Any, tmp_path: Path) -> None:
    finished(s3, "a", "b")
    with pytest.raises(AnalysisError, match="no file of the job is chosen"):
        fetch(tmp_path, only=["*.png"])
    with pytest.raises(AnalysisError, match=r"(?s)no dataset c in job.*allowed: a, b"):
        fetch(tmp_path, datasets=["c"])


def test_a_fetch_that_is_killed_forgets_nothing_that_it_has(s3: Any, tmp_path: Path) -> None:
    finished(s3, "a", "b")
    fetch(tmp_path)
    document = json.loads((tmp_path / MANIFEST).read_text())
    lines = [json.dumps(one) for one in document["files"]]
    (tmp_path / MANIFEST).write_text(json.dumps({**document, "files": []}))
    (tmp_path / JOURNAL).write_text("\n".join([*lines[:-1], lines[-1][:30]]))
    (tmp_path / "process_results" / "a.csv").write_text("edited after that")
    with pytest.raises(AnalysisError, match=r"1 file in .* process_results/a\.csv"):
        fetch(tmp_path)
    assert {one["path"] for one in json.loads((tmp_path / MANIFEST).read_text())["files"]} == {
        one["path"] for one in document["files"]
    }
    assert not (tmp_path / JOURNAL).exists()
