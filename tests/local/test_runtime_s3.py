"""run_main.sh and the transfers against an S3 that speaks HTTP, large objects and a service that is away
included.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from localcloud import ports
from localcloud.emulator_env import emulator_python
from runtime.instance.agent import multipart, s3
from runtime.instance.agent.pins import Pins
from runtime.instance.agent.reading import BufferRoom, FileReading
from runtime.instance.agent.storage import UPLOAD_STATE, Location, ObjectPin, Seen, StorageError
from runtime.instance.agent.transfer import Transfer
from tests.local.environments import environment
from tests.shell.machines import Machine, new_machine

pytestmark = pytest.mark.local
KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass
class Service:
    url: str
    process: subprocess.Popen[bytes]
    client: Any


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("emulator")
    port = ports.lease()
    python = emulator_python()
    environment = {
        "PATH": f"{python.parent}:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home),
        "GATEWAY_PORT": str(port),
    }
    environment |= {
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "localhost",
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
    }
    url = f"http://127.0.0.1:{port}"
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(python), "-m", "ministack"], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{url}/_ministack/health", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None, (home / "log").read_text()
                time.sleep(0.1)
        client = boto3.client(
            "s3",
            endpoint_url=url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
        )
        client.create_bucket(Bucket="mock")
        yield Service(url, process, client)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(20)


@pytest.fixture
def storage(service: Service, monkeypatch: pytest.MonkeyPatch) -> s3.S3Storage:
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": service.url}.items():
        monkeypatch.setenv(name, value)
    return s3.S3Storage()


@pytest.fixture
def machine(service: Service, tmp_path: Path) -> Machine:
    service.client.put_object(Bucket="mock", Key="lab/inputs/two words é.zip", Body=b"the data")
    service.client.put_object(Bucket="mock", Key="lab/configs/config.json", Body=b"{}")
    return new_machine(tmp_path)


def settings(machine: Machine, url: str) -> dict[str, str]:
    kept = {
        name: value for name, value in machine.environment.items() if name != "NEUROCAAS_LOCAL_BUCKET_ROOT"
    }
    return {**kept, **KEYS, "AWS_ENDPOINT_URL": url}


SCRIPT = """errorlog
accessdir "$userhome/in"
download "$inputpath" "$bucketname" "$userhome/in"
cp "$userhome/in/$dataname" "$NEUROCAAS_OUTPUT/copy + é.txt"
upload "$NEUROCAAS_OUTPUT" "$bucketname" "$groupdir" "$processdir"
"""


def test_a_whole_run(service: Service, machine: Machine) -> None:
    arguments = machine.arguments(machine.script(SCRIPT), "lab/inputs/two words é.zip")
    done = subprocess.run(
        arguments, env=settings(machine, service.url), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr + (machine.tree / "joberror.txt").read_text()
    keys = {
        item["Key"]
        for item in service.client.list_objects_v2(Bucket="mock", Prefix="lab/results/")["Contents"]
    }
    base = "lab/results/job_1"
    assert keys == {
        f"{base}/logs/DATASET_NAME:two words é.zip_STATUS.txt",
        f"{base}/logs/two words é.zip/stdout.00000",
        f"{base}/logs/two words é.zip_files.json",
        f"{base}/logs/two words é.zip_resources.json",
        f"{base}/process_results/copy + é.txt",
        f"{base}/process_results/config.json",
        f"{base}/process_results/update.txt",
    }
    status = service.client.get_object(
        Bucket="mock", Key=f"{base}/logs/DATASET_NAME:two words é.zip_STATUS.txt"
    )["Body"].read()
    assert b'"status": "SUCCESS"' in status
    assert (
        service.client.get_object(Bucket="mock", Key=f"{base}/process_results/copy + é.txt")["Body"].read()
        == b"the data"
    )


def test_the_end_waits_for_a_service_that_hangs(service: Service, machine: Machine) -> None:
    arguments = machine.arguments(
        machine.script(f"echo x\necho > {machine.root}/ran\nexit 3\n"), "lab/inputs/two words é.zip"
    )
    os.kill(service.process.pid, signal.SIGSTOP)
    try:
        running = subprocess.Popen(
            arguments,
            env=settings(machine, service.url),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not (machine.root / "ran").exists():  # the script does not wait for anybody
            time.sleep(0.02)
        time.sleep(1)
        assert running.poll() is None
    finally:
        os.kill(service.process.pid, signal.SIGCONT)
    assert running.wait(60) == 3
    status = service.client.get_object(
        Bucket="mock", Key="lab/results/job_1/logs/DATASET_NAME:two words é.zip_STATUS.txt"
    )["Body"].read()
    assert b'"status": "FAILED"' in status


@pytest.mark.parametrize("size", [0, 5, 3_000_000, 16_000_001])
def test_objects_of_all_sizes_there_and_back(
    service: Service, storage: s3.S3Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(s3, "PART", 5 << 20)  # so that sixteen megabytes go in parts
    source = tmp_path / "big.bin"
    source.write_bytes(os.urandom(size))
    (sent,) = Transfer(storage).upload(source, Location("mock", "lab/results/x"))
    (got,) = Transfer(storage).download(Location("mock", "lab/results/x/big.bin"), tmp_path / "back")
    assert (tmp_path / "back" / "big.bin").read_bytes() == source.read_bytes()
    assert (sent.sha256, sent.bytes) == (got.sha256, got.bytes)
    assert [path.name for path in (tmp_path / "back").iterdir()] == ["big.bin"]


class Counting:
    """Passes calls on to a client; `upload_part` works `parts` times and then the connection is gone."""

    def __init__(self, client: Any, parts: int) -> None:
        self._client = client
        self.left = parts
        self.sent: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def upload_part(self, **arguments: Any) -> Any:
        if self.left <= 0:
            raise EndpointConnectionError(endpoint_url="http://gone")
        self.left -= 1
        answer = self._client.upload_part(**arguments)
        self.sent.append(arguments["PartNumber"])
        return answer


PLACE = Location("mock", "lab/results/resumed.bin")


def send(client: Any, source: Path) -> None:
    with ThreadPoolExecutor(1) as pool, FileReading(source) as reading:
        multipart.upload(client, pool, BufferRoom(10 << 20), reading, PLACE, 5 << 20)


def test_an_upload_goes_on_where_it_stopped(storage: s3.S3Storage, tmp_path: Path) -> None:
    source = tmp_path / "resumed.bin"
    source.write_bytes(os.urandom(21 << 20))
    state = tmp_path / f".resumed.bin{UPLOAD_STATE}"
    first, second = Counting(storage.client, 2), Counting(storage.client, 99)
    with pytest.raises(EndpointConnectionError):
        send(first, source)
    assert first.sent == [1, 2]
    assert state.is_file()
    send(second, source)
    assert second.sent == [3, 4, 5]
    assert not state.exists()
    assert storage.read(PLACE) == source.read_bytes()


@pytest.mark.parametrize("change", ["the file", "the upload"])
def test_an_upload_that_cannot_go_on_begins_anew(
    service: Service, storage: s3.S3Storage, tmp_path: Path, change: str
) -> None:
    source = tmp_path / "resumed.bin"
    source.write_bytes(os.urandom(11 << 20))
    first, second = Counting(storage.client, 2), Counting(storage.client, 99)
    with pytest.raises(EndpointConnectionError):
        send(first, source)
    if change == "the file":
        source.write_bytes(os.urandom(11 << 20))
    else:
        for item in service.client.list_multipart_uploads(Bucket="mock")["Uploads"]:
            service.client.abort_multipart_upload(Bucket="mock", Key=item["Key"], UploadId=item["UploadId"])
        with pytest.raises(ClientError, match="NoSuchUpload"):
            send(second, source)
    send(second, source)
    assert {1, 2, 3} <= set(second.sent)
    assert storage.read(PLACE) == source.read_bytes()


def test_what_is_kept_of_an_upload_is_no_result(storage: s3.S3Storage, tmp_path: Path) -> None:
    (tmp_path / f".a{UPLOAD_STATE}").write_text("{}")
    (tmp_path / "a").write_text("a")
    assert [moved.key for moved in Transfer(storage).upload(tmp_path, Location("mock", "lab/results/y"))] == [
        "lab/results/y/a"
    ]


def test_other_content_than_the_object_has_is_refused(storage: s3.S3Storage, tmp_path: Path) -> None:
    storage.client.put_object(Bucket="mock", Key="lab/sound", Body=b"content", ChecksumAlgorithm="CRC32")
    answer = storage.client.get_object(Bucket="mock", Key="lab/sound", ChecksumMode="ENABLED")
    heard: list[bytes] = []
    sound, broken = s3._Checked(heard.append, answer), s3._Checked(heard.append, answer)
    for block in (b"con", b"tent"):
        sound(block)
    sound.check(PLACE)
    broken(b"consent")
    with pytest.raises(StorageError, match="another checksum") as caught:
        broken.check(PLACE)
    assert not caught.value.permanent
    assert heard == [b"con", b"tent", b"consent"]


def test_large_objects_by_the_common_runtime(service: Service, storage: s3.S3Storage, tmp_path: Path) -> None:
    """The real runtime, against this server: what it sends and gets is what botocore gets and the file
    was.
    """
    python = environment("crt", [Path(__file__).with_name("crt_requirements.txt")]) / "bin" / "python"
    source = tmp_path / "big.bin"
    source.write_bytes(os.urandom(40 << 20))
    program = Path(__file__).with_name("crt_program.py")
    command = [
        str(python),
        str(program),
        service.url.removeprefix("http://"),
        "mock",
        str(source),
        str(tmp_path / "back"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    digest, sent, *refused = done.stdout.splitlines()
    assert digest == sent == hashlib.sha256(source.read_bytes()).hexdigest()
    assert [line.partition(": s3://mock/lab/results/")[2].partition(":")[0] for line in refused] == [
        "nothing",
        "by-runtime.bin",
    ]
    (got,) = Transfer(storage).download(
        Location("mock", "lab/results/by-runtime.bin"), tmp_path / "by-botocore"
    )
    assert got.sha256 == digest
    with pytest.raises(StorageError, match="does not exist"):
        # it changed while the runtime read it, so no object came of it
        storage.read(Location("mock", "lab/results/changed.bin"))


def test_a_runtime_that_fails_is_not_asked_again(
    service: Service, storage: s3.S3Storage, tmp_path: Path
) -> None:
    class Failing:
        asked = 0

        def takes(self, place: Location) -> bool:
            return True

        def download(
            self, source: Location, target: Path, seen: Seen, etag: str, version: str | None
        ) -> None:
            Failing.asked += 1
            seen(b"half")
            raise StorageError("the runtime has no network")

    body = os.urandom(33 << 20)
    service.client.put_object(Bucket="mock", Key="lab/inputs/large", Body=body)
    storage.__dict__["_runtime"] = Failing()
    (got,) = Transfer(storage).download(Location("mock", "lab/inputs/large"), tmp_path)
    assert (got.sha256, Failing.asked) == (hashlib.sha256(body).hexdigest(), 1)


def test_a_folder_and_what_is_missing(service: Service, storage: s3.S3Storage, tmp_path: Path) -> None:
    for name in ("", "a.txt", "sub/b.txt"):
        service.client.put_object(Bucket="mock", Key=f"lab/inputs/set/{name}", Body=name.encode())
    Transfer(storage).download(Location("mock", "lab/inputs/set"), tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.txt")} == {
        "set/a.txt",
        "set/sub/b.txt",
    }
    with pytest.raises(StorageError, match="neither a file") as caught:
        Transfer(storage).download(Location("mock", "lab/inputs/no"), tmp_path)
    assert caught.value.missing
    with pytest.raises(StorageError) as caught:
        storage.write(Location("no-such-bucket", "x"), b"")
    assert caught.value.permanent


def test_what_is_pinned_is_read_as_it_was_or_not_at_all(
    service: Service, storage: s3.S3Storage, tmp_path: Path
) -> None:
    bucket, key, body = "versions", "lab/inputs/scan.txt", b"the first"
    service.client.create_bucket(Bucket=bucket)
    service.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = service.client.put_object(Bucket=bucket, Key=key, Body=body)
    pin = ObjectPin(first["ETag"].strip('"'), first["VersionId"], len(body))
    mover = Transfer(
        storage,
        None,
        Pins({Location(bucket, key): pin, Location("mock", key): replace(pin, version_id=None)}),
    )
    service.client.put_object(Bucket=bucket, Key=key, Body=b"another")
    (moved,) = mover.download(Location(bucket, key), tmp_path)
    assert ((tmp_path / "scan.txt").read_bytes(), moved.version_id) == (body, first["VersionId"])
    service.client.delete_object(Bucket=bucket, Key=key)
    assert mover.download(Location(bucket, key), tmp_path) == [moved]
    service.client.delete_object(Bucket=bucket, Key=key, VersionId=first["VersionId"])
    service.client.put_object(Bucket="mock", Key=key, Body=b"another")
    for changed in (bucket, "mock"):
        with pytest.raises(StorageError, match=f"the data changed after it was submitted: {key}"):
            mover.download(Location(changed, key), tmp_path)


def test_what_is_uploaded_while_it_is_written_is_recorded_as_it_is_stored(
    storage: s3.S3Storage, tmp_path: Path
) -> None:
    source, over = tmp_path / "log", threading.Event()
    source.write_bytes(os.urandom(33 << 20))

    def write() -> None:
        with source.open("r+b") as file:
            while not over.is_set():
                file.seek(random.randrange(30 << 20))
                file.write(os.urandom(1000))
                file.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        (moved,) = Transfer(storage).upload(source, Location("mock", "lab/results"))
    finally:
        over.set()
        writer.join()
    assert moved.changed
    assert moved.sha256 == hashlib.sha256(storage.read(Location("mock", "lab/results/log"))).hexdigest()


def test_the_transfers_import_little() -> None:
    """A script may call download often: what is not needed must not be loaded."""
    code = "import sys; sys.argv = ['agent']; import runtime.instance.agent.cli; print(' '.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"boto3", "botocore", "runtime.instance.agent.watch"} & set(loaded)
