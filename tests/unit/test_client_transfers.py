"""Transfers of large files and of many, as they go on: killed at any moment, without a network for a while,
with a file that changes. Against a server that counts (`tests/unit/s3_server.py`).
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from neurocaas import downloads, errors, kept_uploads, multipart, patience
from neurocaas import uploads as uploading
from neurocaas.bucket import Bucket
from neurocaas.downloads import WantedObject
from neurocaas.errors import AnalysisError, UnreachableError
from neurocaas.protocol.ignored import LEFT_BEHIND
from neurocaas.results import Fetching, fetch
from neurocaas.uploads import Uploads
from tests.unit.s3_server import Store, s3_server

ROOT = Path(__file__).resolve().parents[2]
PART = RANGE = 1 << 20
COUNT = 120
SIZE = (COUNT - 1) * PART + 12345
MOMENTS = 10

_CLIENT = """
import os, sys
from pathlib import Path
import boto3
from botocore.config import Config
from neurocaas.bucket import Bucket
from neurocaas import downloads, multipart, uploads
from neurocaas.downloads import WantedObject
from neurocaas.results import Fetching, fetch
from neurocaas.uploads import Uploads
downloads.RANGE = multipart.PART = uploads.PART = 1 << 20
s3 = boto3.client("s3", config=Config(retries={"max_attempts": 1}))
if sys.argv[1] == "up":
    again = lambda: boto3.client("s3", config=Config(retries={"max_attempts": 1}))
    print(*Uploads(Bucket(s3, "b"), again, "g", print).files([Path(sys.argv[2])]))
else:
    entry = Bucket(s3, "b").entry("r/big")
    file = WantedObject("b", "r/big", "big", int(entry["Size"]), entry["ETag"])
    fetch(s3, [file], Path(sys.argv[2]), Fetching())
"""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with s3_server(tmp_path / "server") as (store, address):
        for name, value in {
            "AWS_ACCESS_KEY_ID": "k",
            "AWS_SECRET_ACCESS_KEY": "s",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": address,
            "NEUROCAAS_STATE_FOLDER": str(tmp_path / "state"),
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        for module, name in ((downloads, "RANGE"), (multipart, "PART"), (uploading, "PART")):
            monkeypatch.setattr(module, name, PART)
        monkeypatch.setattr(uploading, "_PARTS", (PART,))
        monkeypatch.setattr(patience, "FIRST", 0.02)
        monkeypatch.setattr(patience, "LONGEST", 0.05)
        yield store


def client() -> Any:
    return boto3.client("s3", config=Config(retries={"max_attempts": 1}, max_pool_connections=16))


def uploads(said: list[str]) -> Uploads:
    return Uploads(Bucket(client(), "b"), client, "g", said.append)


def random_file(path: Path, size: int = SIZE) -> str:
    """Its SHA-256."""
    body = random.Random(size).randbytes(size)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return hashlib.sha256(body).hexdigest()


def killed_at(store: Store, what: str, bodies: int, *words: str) -> int:
    """Run the client until so many parts or ranges have come wholly since its start, then kill it before it
    is answered; its exit code."""
    left, reached, dead = [bodies], threading.Event(), threading.Event()

    def after(kind: str, _: str) -> None:
        with store.lock:
            left[0] -= kind == what
            over = left[0] <= 0
        if over:
            reached.set()
            dead.wait(60)

    store.after = after
    process = subprocess.Popen([sys.executable, "-c", _CLIENT, *words], cwd=ROOT, stdout=subprocess.DEVNULL)
    while process.poll() is None and not reached.wait(0.01):
        pass
    if reached.is_set():
        process.send_signal(signal.SIGKILL)
    code = process.wait(60)
    dead.set()
    store.after = lambda what, which: None
    return code


@pytest.mark.parametrize("listable", [True, False])
def test_an_upload_that_is_killed_ten_times_sends_no_finished_part_again(
    served: Store, tmp_path: Path, listable: bool
) -> None:
    digest, chance = random_file(tmp_path / "big"), random.Random(1)
    served.listable = listable
    moments = MOMENTS if listable else 2
    for _ in range(moments):
        assert killed_at(served, "part", chance.randint(1, 3), "up", str(tmp_path / "big")) == -signal.SIGKILL
    assert len(kept_uploads.unfinished()) == 1
    assert killed_at(served, "part", 10**6, "up", str(tmp_path / "big")) == 0
    assert hashlib.sha256(served.content("g/inputs/big")).hexdigest() == digest
    assert served.parts.keys() == set(range(1, COUNT + 1))
    if listable:
        again = [number for number, count in served.parts.items() if count > 1]
        assert not again, "S3 said that it has them"
    else:  # those whose answer was on its way when the process was killed
        assert sum(served.parts.values()) <= COUNT + 8 * moments
    assert served.requests["create"] == 1
    assert not kept_uploads.unfinished()
    assert not served.uploads


def test_a_download_that_is_killed_ten_times_asks_for_no_finished_range_again(
    served: Store, tmp_path: Path
) -> None:
    digest, chance = random_file(tmp_path / "big"), random.Random(2)
    served.put("r/big", (tmp_path / "big").read_bytes())
    folder = tmp_path / "results"
    noted = set[str]()
    for _ in range(MOMENTS):
        before = dict(served.ranges)
        assert killed_at(served, "range", chance.randint(1, 3), "down", str(folder)) == -signal.SIGKILL
        again = {asked for asked in noted if served.ranges[asked] > before.get(asked, 0)}
        assert not again, "the journal had them"
        (journal,) = folder.glob(".big.*.ranges")
        done = [int(line) for line in journal.read_text().split("\n")[1:-1]]
        noted = {f"bytes={n * RANGE}-{(n + 1) * RANGE - 1}" for n in done if n < COUNT - 1}
    assert killed_at(served, "range", 10**6, "down", str(folder)) == 0
    assert hashlib.sha256((folder / "big").read_bytes()).hexdigest() == digest
    assert sorted(path.name for path in folder.iterdir()) == ["big", "manifest.json"]
    assert served.sent <= SIZE + (MOMENTS + 1) * 8 * RANGE


def test_a_file_that_was_changed_between_two_tries_sends_the_changed_parts(
    served: Store, tmp_path: Path
) -> None:
    path = tmp_path / "big"
    random_file(path, 6 * PART)
    assert killed_at(served, "part", 5, "up", str(path)) == -signal.SIGKILL
    there = set(next(iter(served.uploads.values())))
    with path.open("r+b") as file:
        file.seek(2 * PART + 7)
        file.write(b"changed")
    assert uploads([]).files([path]) == ["g/inputs/big"]
    assert served.content("g/inputs/big") == path.read_bytes()
    assert {number for number, count in served.parts.items() if count > 1} == there & {3}


def test_a_file_that_is_written_while_it_is_uploaded_is_told(served: Store, tmp_path: Path) -> None:
    path = tmp_path / "big"
    random_file(path, 3 * PART)
    served.after = lambda what, which: os.utime(path, (1, 1))
    with pytest.raises(AnalysisError, match="changed while it was uploaded"):
        uploads([]).files([path])
    assert not served.objects


def test_an_upload_that_was_ended_meanwhile_is_begun_anew(served: Store, tmp_path: Path) -> None:
    path = tmp_path / "big"
    digest = random_file(path, 3 * PART)
    assert killed_at(served, "part", 1, "up", str(path)) == -signal.SIGKILL
    served.uploads.clear()  # a rule of the bucket
    uploads([]).files([path])
    assert hashlib.sha256(served.content("g/inputs/big")).hexdigest() == digest
    assert not kept_uploads.unfinished()


def test_what_was_begun_is_listed_and_given_up(served: Store, tmp_path: Path) -> None:
    path = tmp_path / "big"
    random_file(path, 3 * PART)
    assert killed_at(served, "part", 1, "up", str(path)) == -signal.SIGKILL
    (one,) = kept_uploads.unfinished()
    assert (one.key, one.file, one.size, one.of) == ("g/inputs/big", str(path), 3 * PART, 3)
    kept_uploads.give_up(client(), one)
    assert (served.uploads, kept_uploads.unfinished()) == ({}, [])


def test_another_object_of_the_name_that_came_first_stays(served: Store, tmp_path: Path) -> None:
    path, said = tmp_path / "big", list[str]()
    digest = random_file(path, 3 * PART)
    served.after = lambda what, which: served.put("g/inputs/big", b"somebody else's")
    (key,) = uploads(said).files([path])
    assert key == f"g/inputs/{digest[:8]}/big"
    assert served.content("g/inputs/big") == b"somebody else's"
    assert "has other content" in said[0]
    assert not served.uploads, "what was sent for the first name is not paid for ever"


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_network_that_is_away_is_waited_for(served: Store, tmp_path: Path, direction: str) -> None:
    path, said = tmp_path / "big", list[str]()
    digest, bodies, back = random_file(path, 6 * PART), [0], list[threading.Timer]()

    def after(what: str, which: str) -> None:
        bodies[0] += 1
        if bodies[0] in (2, 4):
            served.away = True
            back.append(threading.Timer(0.3, setattr, (served, "away", False)))
            back[-1].start()

    served.after = after
    if direction == "up":
        uploads(said).files([path])
        found = served.content("g/inputs/big")
    else:
        served.put("r/big", path.read_bytes())
        file = WantedObject("b", "r/big", "big", 6 * PART, served.objects["r/big"][1])
        fetch(client(), [file], tmp_path / "to", Fetching(say=said.append))
        found = (tmp_path / "to" / "big").read_bytes()
    for timer in back:
        timer.join()
    assert len(back) == 2
    assert hashlib.sha256(found).hexdigest() == digest
    assert any("trying again for up to 10 minutes" in line for line in said)


def test_a_network_that_stays_away_ends_the_transfer_and_nothing_is_lost(
    served: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "big"
    random_file(path, 6 * PART)
    monkeypatch.setattr(errors, "PATIENCE", 0.2)

    def after(what: str, which: str) -> None:
        served.away = which == "3" or served.away

    served.after = after
    with pytest.raises(UnreachableError):
        uploads([]).files([path])
    served.away, served.after = False, lambda what, which: None
    before = set(next(iter(served.uploads.values())))
    uploads([]).files([path])
    assert before
    assert all(served.parts[number] == 1 for number in before)


def test_a_network_that_goes_between_two_files_is_waited_for_and_one_that_never_was_is_told(
    served: Store, tmp_path: Path
) -> None:
    paths = [tmp_path / f"file{number}" for number in range(20)]
    for path in paths:
        path.write_text(path.name)
    served.away = True
    with pytest.raises(UnreachableError):
        uploads([]).files(paths)
    served.away, back = False, list[threading.Timer]()

    def file() -> Path:  # asked for with each body that comes
        if served.number == 8 and not back:
            served.away = True
            back.append(threading.Timer(0.3, setattr, (served, "away", False)))
            back[0].start()
        return Store.file(served)

    served.file = file  # type: ignore[method-assign]
    assert len(uploads([]).files(paths)) == 20
    assert back
    assert len(served.objects) == 20


def test_an_upload_whose_end_was_not_heard_of_is_forgotten(served: Store, tmp_path: Path) -> None:
    path = tmp_path / "big"
    random_file(path, 3 * PART)
    assert killed_at(served, "part", 1, "up", str(path)) == -signal.SIGKILL
    (kept,) = (tmp_path / "state").rglob("*.jsonl")
    text = kept.read_bytes()
    uploads([]).files([path])
    kept.write_bytes(text)  # as if the process had been killed before it could remove it
    assert uploads([]).files([path]) == ["g/inputs/big"]
    assert kept_uploads.unfinished() == []


def test_who_is_interrupted_while_the_network_is_away_need_not_wait(
    served: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "big"
    random_file(path, 4 * PART)
    monkeypatch.setattr(patience, "FIRST", 3600.0)
    served.after = lambda what, which: setattr(served, "away", True)

    def interrupted(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Uploads(Bucket(client(), "b"), client, "g", interrupted).files([path])


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_trickle_comes_to_its_end(served: Store, tmp_path: Path, direction: str) -> None:
    path = tmp_path / "small"
    random_file(path, 20 * (1 << 16))
    served.slow = 0.01
    if direction == "up":
        uploads([]).files([path])
        assert served.content("g/inputs/small") == path.read_bytes()
    else:
        served.put("r/small", path.read_bytes())
        file = WantedObject("b", "r/small", "small", path.stat().st_size, served.objects["r/small"][1])
        fetch(client(), [file], tmp_path / "to", Fetching())
        assert (tmp_path / "to" / "small").read_bytes() == path.read_bytes()


def test_many_files_need_few_requests_and_threads(served: Store, tmp_path: Path) -> None:
    folder, count = tmp_path / "many", 1_000  # ten thousand are the same by hand, and cost a minute more
    for number in range(count):
        path = folder / f"{number % 100:02}" / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number)
    found = uploads([]).folder(folder, LEFT_BEHIND)
    assert len(found.names) == count
    assert served.requests == {"list": 1, "put": count}
    assert served.most_under_way <= 9
    again = uploads([]).folder(folder, LEFT_BEHIND)
    assert again == found
    assert served.requests == {"list": 2, "put": count}
    files = [
        WantedObject("b", key, name, served.objects[key][0].stat().st_size, served.objects[key][1])
        for key, name in zip(found.files, found.names, strict=True)
    ]
    fetched = fetch(client(), files, tmp_path / "to", Fetching())
    assert len(fetched) == count
    assert served.requests["get"] == count
    assert served.most_under_way <= 9
    assert all(one.kept for one in fetch(client(), files, tmp_path / "to", Fetching()))
    assert served.requests["get"] == count
