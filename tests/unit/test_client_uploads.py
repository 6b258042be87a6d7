"""Uploads replace nothing: against an in-process S3, as a person's commands and as the library."""

import hashlib
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.tests.properties import examples
from neurocaas import Analysis, AnalysisError
from neurocaas.bucket import Bucket
from neurocaas.commands import submitting as commands
from neurocaas.uploads import UploadContent, Uploads
from tests.unit.client_jobs import BUCKET, GROUP
from tests.unit.client_world import ABOUT, MEMBER, run, service, tell

MIB = 1 << 20


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with service(monkeypatch, variables=MEMBER) as client:
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        yield client


def there(s3: Any, prefix: str) -> dict[str, bytes]:
    """All versions of all objects below a folder of the group."""
    found = s3.list_object_versions(Bucket=BUCKET, Prefix=f"{GROUP}/{prefix}").get("Versions", [])
    assert all(one["IsLatest"] for one in found), "something was replaced"
    return {
        one["Key"].removeprefix(f"{GROUP}/"): s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
        for one in found
    }


def file(folder: Path, name: str, text: str | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def named(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def submitted(capsys: pytest.CaptureFixture[str], **flags: Any) -> tuple[dict[str, Any], str]:
    run(
        commands.submit,
        flags.pop("data", []),
        flags.pop("key", []),
        json=True,
        forecast=False,
        wait=False,
        **flags,
    )
    told = capsys.readouterr()
    return json.loads(told.out), told.err


def test_two_files_of_one_name_from_two_folders(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(file(tmp_path / folder, "scan.txt", folder)) for folder in ("one", "two")]
    first, quiet = submitted(capsys, data=paths[:1])
    other, said = submitted(capsys, data=paths[1:])
    assert first["datasets"] == [f"{GROUP}/inputs/scan.txt"]
    assert other["datasets"] == [f"{GROUP}/inputs/{named('two')}/scan.txt"]
    assert there(s3, "inputs/") == {"inputs/scan.txt": b"one", f"inputs/{named('two')}/scan.txt": b"two"}
    assert (quiet, f"{GROUP}/inputs/scan.txt has other content: scan.txt is at" in said) == ("", True)
    again, said = submitted(capsys, data=paths[1:])
    assert again["datasets"] == other["datasets"]
    assert "is already at" in said


def test_what_is_there_is_not_sent_again(s3: Any, tmp_path: Path) -> None:
    said = list[str]()
    analysis, path = Analysis(BUCKET, GROUP), file(tmp_path, "scan.txt", "data")
    assert (
        analysis.upload([path], say=said.append)
        == analysis.upload([path], say=said.append)
        == [f"{GROUP}/inputs/scan.txt"]
    )
    assert said == [f"{GROUP}/inputs/scan.txt is there already, with the same content: not sent again"]
    assert list(there(s3, "inputs/").values()) == [b"data"]


@pytest.mark.parametrize("config", ["file", "mapping"])
def test_configs_of_one_name_stay_apart(s3: Any, tmp_path: Path, config: str) -> None:
    analysis, keys = Analysis(BUCKET, GROUP), []
    for number in range(2):
        given_config: Any = {"wait": number}
        if config == "file":
            given_config = file(tmp_path / str(number), "config.json", json.dumps(given_config))
        keys.append(analysis.upload_config(given_config))
    assert keys[0] == f"{GROUP}/configs/config.json"
    assert [json.loads(there(s3, "configs/")[key.removeprefix(f"{GROUP}/")]) for key in keys] == [
        {"wait": 0},
        {"wait": 1},
    ]


def test_commands_tell_where_the_config_is(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = [str(file(tmp_path, "a", "x"))]
    told, _ = submitted(capsys, data=data, config=str(file(tmp_path, "c.yaml", "wait: 1")), timestamp="t1")
    assert told["config"] == f"{GROUP}/configs/t1_c.yaml"
    told, _ = submitted(capsys, data=data, timestamp="t2")
    assert told["config"] == f"{GROUP}/configs/t2_config.json"
    body = json.loads(s3.get_object(Bucket=BUCKET, Key=told["submission"])["Body"].read())
    assert body["configname"] == told["config"]


def test_a_timestamp_is_used_once(s3: Any) -> None:
    analysis = Analysis(BUCKET, GROUP)
    config = "debuggers/configs/c.json"
    analysis.submit("debuggers/inputs/a", config, "t1", check=False)
    for data in ("b", "a"):  # also the same once more: two people would take one job for theirs
        with pytest.raises(AnalysisError, match="another submission has"):
            analysis.submit(f"debuggers/inputs/{data}", config, "t1", check=False)
    assert len(there(s3, "submissions/")) == 1


def test_a_submission_whose_answer_was_lost_is_not_taken_for_another(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What boto3 does when the connection breaks after the service has written: it writes once more."""
    create = Bucket.create

    def twice(self: Bucket, key: str, body: bytes) -> bool:
        create(self, key, body)
        return create(self, key, body)

    monkeypatch.setattr(Bucket, "create", twice)
    analysis = Analysis(BUCKET, GROUP)
    job = analysis.submit("debuggers/inputs/a", "debuggers/configs/c.json", "t1", check=False)
    assert job.timestamp == "t1"
    assert len(there(s3, "submissions/")) == 1


def test_of_many_who_submit_one_thing_at_once_one_gets_the_timestamp(s3: Any) -> None:
    start, guard = threading.Barrier(8), threading.Lock()
    analysis = Analysis(BUCKET, GROUP)
    analysis.objects  # noqa: B018  (looked up before the threads begin)

    def one_at_a_time(self: Bucket, key: str, body: bytes) -> bool:
        with guard:  # S3 does it so; the one in this process is not made for threads
            return create(self, key, body)

    def submit(_: int) -> str:
        start.wait()
        try:
            return analysis.submit("debuggers/inputs/a", "c.json", "t1", check=False).timestamp
        except AnalysisError as error:
            return error.got

    create = Bucket.create
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(8) as pool:
        patch.setattr(Bucket, "create", one_at_a_time)
        answers = sorted(pool.map(submit, range(8)))
    assert answers == ["t1"] + ["timestamp 't1', which another submission has"] * 7


class Late(Analysis):
    """Another client writes right after this one has looked."""

    def race(self, s3: Any, key: str, body: bytes) -> None:
        look = self.objects.entry

        def entry(wanted: str) -> Any:
            found = look(wanted)
            if wanted == key and found is None:
                s3.put_object(Bucket=BUCKET, Key=key, Body=body)
            return found

        self.objects.entry = entry  # type: ignore[assignment,method-assign]


@pytest.mark.parametrize("size", [5, 9 * MIB])
@pytest.mark.parametrize("same", [True, False])
def test_of_two_clients_at_once_one_has_the_name(s3: Any, tmp_path: Path, size: int, same: bool) -> None:
    mine, key = b"m" * size, f"{GROUP}/inputs/scan.txt"
    analysis = Late(BUCKET, GROUP)
    analysis.race(s3, key, mine if same else b"other")
    (found,) = analysis.upload([file(tmp_path, "scan.txt", mine)], say=lambda _: None)
    assert (found == key) == same
    assert there(s3, "inputs/")[found.removeprefix(f"{GROUP}/")] == mine
    assert there(s3, "inputs/")["inputs/scan.txt"] == (mine if same else b"other")


def test_an_endpoint_without_conditional_writes_is_written_to(s3: Any, tmp_path: Path) -> None:
    analysis = Analysis(BUCKET, GROUP)

    def refuse(params: Any, **_: Any) -> None:
        if "If-None-Match" in params["headers"]:
            raise ClientError({"Error": {"Code": "NotImplemented"}}, "PutObject")

    for events in (analysis.s3.meta.events, analysis.session.events):
        events.register("before-call.s3.PutObject", refuse)
    assert analysis.upload([file(tmp_path, "a", "x")]) == [f"{GROUP}/inputs/a"]
    assert analysis.upload_config({}) == f"{GROUP}/configs/config.json"
    assert list(there(s3, "inputs/").values()) == [b"x"]


@pytest.mark.parametrize("part", [5, 8, 16, 1024])
def test_content_in_pieces_is_recognised(s3: Any, tmp_path: Path, part: int) -> None:
    path = file(tmp_path, "big", b"0123456789" * (17 * MIB // 10))
    config = TransferConfig(multipart_threshold=part * MIB, multipart_chunksize=part * MIB, max_concurrency=1)
    s3.upload_file(str(path), BUCKET, f"{GROUP}/inputs/big", Config=config)
    assert Analysis(BUCKET, GROUP).upload([path], say=lambda _: None) == [f"{GROUP}/inputs/big"]
    assert len(there(s3, "inputs/")) == 1


@settings(deadline=None, max_examples=examples(60))
@given(st.binary(max_size=40), st.binary(max_size=40), st.integers(0, 20))
def test_content_is_the_same_only_where_it_is(one: bytes, other: bytes, part: int) -> None:
    etag = UploadContent(other)._etag(part) if part else hashlib.md5(other).hexdigest()
    if part:
        pieces = [other[start : start + part] for start in range(0, len(other), part)] or [b""]
        assert (
            etag
            == f"{hashlib.md5(b''.join(hashlib.md5(piece).digest() for piece in pieces)).hexdigest()}-{len(pieces)}"  # noqa: E501
        )
    else:
        assert UploadContent(one).is_that_of({"ETag": f'"{etag}"', "Size": len(other)}) == (one == other)


def test_content_that_cannot_be_recognised_is_other_content(s3: Any, tmp_path: Path) -> None:
    for etag in ('"x"', f'"{"0" * 32}-3"', '"abc-def"', '""'):
        assert not UploadContent(b"12345").is_that_of({"ETag": etag, "Size": 5})


# Folders
# ------------------------------------------------------------------------------------------------------------


def recordings(folder: Path, **files: str) -> Path:
    for name, text in {
        "1.tif": "one",
        "deep/2.tif": "two",
        ".DS_Store": "junk",
        "._1.tif": "junk",
        **files,
    }.items():
        file((folder / "rec" / name).parent, Path(name).name, text)
    return folder / "rec"


def test_a_folder_is_uploaded_without_what_is_no_data(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, said = submitted(capsys, data=[str(recordings(tmp_path))])
    (key,) = told["datasets"]
    assert key.startswith(f"{GROUP}/inputs/")
    assert key.endswith("/rec/")
    below = key.removeprefix(f"{GROUP}/")
    assert there(s3, "inputs/") == {f"{below}1.tif": b"one", f"{below}deep/2.tif": b"two"}
    assert "2 files are at" in said
    again, said = submitted(capsys, data=[str(recordings(tmp_path))])
    assert again["datasets"] == [key]
    assert "2 of them already" in said


def test_folders_of_one_name_do_not_mix(s3: Any, tmp_path: Path) -> None:
    analysis = Analysis(BUCKET, GROUP)
    (first,) = analysis.upload([recordings(tmp_path / "a")])
    (other,) = analysis.upload([recordings(tmp_path / "b", **{"3.tif": "three"})])
    assert first != other
    assert len(there(s3, "inputs/")) == 5
    s3.put_object(Bucket=BUCKET, Key=f"{first}stranger", Body=b"x")
    (moved,) = analysis.upload([tmp_path / "a" / "rec"])
    assert moved not in (first, other)
    below = moved.removeprefix(f"{GROUP}/")
    assert set(there(s3, below)) == {f"{below}{name}" for name in ("1.tif", "deep/2.tif")}


def test_the_blueprints_list_counts_and_each_file_is_one_dataset(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell(s3, replace(ABOUT, folder="each", ignore=("2.*",), max_datasets=2))
    folder = recordings(tmp_path)
    with pytest.raises(AnalysisError, match="3 datasets"):
        submitted(capsys, data=[str(folder)])
    (folder / ".DS_Store").unlink()
    told, _ = submitted(capsys, data=[str(folder)])
    assert told["forecast"]["datasets"] == 2
    assert sorted(Path(name).name for name in there(s3, "inputs/")) == ["._1.tif", "1.tif"]


def test_what_cannot_be_uploaded_is_said_before_anything_is(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, empty, wrong = (
        file(tmp_path, "good", "x"),
        tmp_path / "empty",
        recordings(tmp_path / "w", **{"a\nb": "x"}),
    )
    file(empty, "Thumbs.db", "x")
    (wrong / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(AnalysisError) as caught:
        submitted(
            capsys, data=[*map(str, (good, empty, wrong, tmp_path / "none", file(tmp_path, "c\rd", "x")))]
        )
    parts = [
        "no data in",
        "only Thumbs.db",
        r"'a\nb: it has control",
        r"'c\rd': it has control",
    ]
    for part in (*parts, "links to nowhere in", "no such file"):
        assert part in str(caught.value)
    assert there(s3, "inputs/") == {}


@pytest.mark.parametrize("in_folder", [False, True])
def test_one_file_that_fails_keeps_no_other_away(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_folder: bool
) -> None:
    paths = [file(tmp_path / "rec", name, name) for name in ("a.tif", "bad1.tif", "bad2.tif", "z.tif")]
    send = Uploads._create

    def create(self: Uploads, key: str, content: UploadContent, name: str) -> bool:
        if "bad" in key:
            raise AnalysisError(f"access to {key} was denied", "what may be written", "ask")
        return send(self, key, content, name)

    monkeypatch.setattr(Uploads, "_create", create)
    with pytest.raises(AnalysisError) as caught:
        Analysis(BUCKET, GROUP).upload([tmp_path / "rec"] if in_folder else paths)
    assert {name for name in ("a.tif", "bad1.tif", "bad2.tif", "z.tif") if name in str(caught.value)} == {
        "bad1.tif",
        "bad2.tif",
    }
    assert {key.rpartition("/")[2] for key in there(s3, "inputs/")} == {"a.tif", "z.tif"}
