"""The user data: its text, and the program in it against a metadata service and an S3 that check what they
get.
"""

from __future__ import annotations

import ast
import hashlib
import io
import json
import re
import shlex
import shutil
import subprocess
import tarfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from neurocaas.protocol import boot
from neurocaas.protocol.command import main_command
from neurocaas.protocol.userdata import USER_DATA_MAX_BYTES, UserDataPayload, user_data
from tests.unit.job_world import BUCKET, SETTINGS, World, changed

KEYS = Credentials("ASIAEXAMPLE", "secret/Example+Key", "the-session-token==")
JOB_KEY = "lab/results/job_a:1/logs/job.json"


@dataclass(frozen=True)
class Code:
    bucket: str = "artifacts"
    key: str = "code/c.tar.gz"
    sha256: str = "0" * 64


def payload(**changes: Any) -> UserDataPayload:
    return UserDataPayload(**{"bucket": "mock", "job_key": JOB_KEY, "code": Code(), **changes})


class Cloud:
    """Metadata service and S3 in one server. Objects by "bucket/key"; S3 answers only what is signed as
    botocore signs.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.index = 0
        self.failures: list[int] = []
        self.keyless: list[tuple[int, bytes]] = []
        self.ahead = 0.0
        self.requests: list[str] = []
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                cloud.requests.append(f"GET {self.path}")
                if self.path.startswith("/latest/"):
                    self._metadata()
                elif cloud.failures:
                    self._answer(cloud.failures.pop(0), b"")
                elif self._signed(b""):
                    body = cloud.objects.get(unquote(self.path[1:]))
                    self._answer(404 if body is None else 200, body or b"")

            def do_PUT(self) -> None:
                cloud.requests.append(f"PUT {self.path}")
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                if self.path == "/latest/api/token":
                    self._answer(200, b"TOKEN")
                elif self._signed(body):
                    cloud.objects[unquote(self.path[1:])] = body
                    self._answer(200, b"")

            def _metadata(self) -> None:
                answers = {
                    "instance-id": "i-1",
                    "ami-launch-index": str(cloud.index),
                    "placement/region": "eu-west-3",
                    "iam/security-credentials/": "role",
                    "iam/security-credentials/role": json.dumps(
                        {
                            "AccessKeyId": KEYS.access_key,
                            "SecretAccessKey": KEYS.secret_key,
                            "Token": KEYS.token,
                        }
                    ),
                }
                if self.headers["X-aws-ec2-metadata-token"] != "TOKEN":
                    self._answer(401, b"")
                elif cloud.keyless and "/iam/" in self.path:
                    self._answer(*cloud.keyless.pop(0))
                else:
                    self._answer(200, answers[self.path.removeprefix("/latest/meta-data/")].encode())

            def _signed(self, body: bytes) -> bool:
                given = self.headers["Authorization"]
                names = given.split("SignedHeaders=")[1].split(",")[0].split(";")
                headers = {name: self.headers[name] for name in names if name != "host"}
                request = AWSRequest(
                    self.command, f"http://{self.headers['Host']}{self.path}", headers=headers, data=body
                )
                request.context["timestamp"] = headers["x-amz-date"]
                auth = S3SigV4Auth(KEYS, "s3", "eu-west-3")
                expected = auth.signature(
                    auth.string_to_sign(request, auth.canonical_request(request)), request
                )
                seconds = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%S%z").timestamp()
                if abs(time.time() + cloud.ahead - seconds) > 900:
                    self._answer(403, b"<Error><Code>RequestTimeTooSkewed</Code></Error>")
                    return False
                right = (
                    given.endswith(f"Signature={expected}")
                    and headers["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()
                )
                if not right:
                    self._answer(403, b"SignatureDoesNotMatch")
                return right

            def _answer(self, code: int, body: bytes) -> None:
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string(int(time.time() + cloud.ahead))

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()

    def code(self, main: str) -> Code:
        """A code archive whose run_main.sh is `main`."""
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as tar:
            entry = tarfile.TarInfo("run_main.sh")
            entry.size = len(main.encode())
            tar.addfile(entry, io.BytesIO(main.encode()))
        self.objects["artifacts/code/c.tar.gz"] = data.getvalue()
        return Code(sha256=hashlib.sha256(data.getvalue()).hexdigest())

    def job(self, *inputs: str, script: str = "mock/run.sh") -> None:
        datasets = [
            {
                "index": i,
                "name": path.rpartition("/")[2],
                "inputpath": path,
                "status_key": f"lab/status {i} é:+.txt",
            }
            for i, path in enumerate(inputs)
        ]
        document = {
            "bucket": "mock",
            "group": "lab",
            "resultdir": "results/job_a:1",
            "configpath": "lab/configs/c.json",
        }
        self.objects[f"mock/{JOB_KEY}"] = json.dumps(
            {**document, "script": script, "datasets": datasets}
        ).encode()

    def status(self, index: int) -> dict[str, Any]:
        return dict(json.loads(self.objects[f"mock/lab/status {index} é:+.txt"]))


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    made = Cloud()
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
    monkeypatch.setattr(boot, "IMDS", made.url)
    monkeypatch.setattr(boot, "OPT", tmp_path / "opt")
    monkeypatch.setattr(boot, "HOME", tmp_path / "home")
    monkeypatch.setattr("neurocaas.protocol.boot.time.sleep", lambda seconds: None)
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_the_text_is_small_stable_and_shell() -> None:
    text = user_data(payload())
    assert text == user_data(payload())
    # the key of a job, of at most 1,024 bytes, stands in it twice
    assert len(text.encode()) < USER_DATA_MAX_BYTES - 2560
    assert text.startswith("#!/bin/bash\n")
    assert subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True).returncode == 0


@given(
    st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=80),
    st.integers(0, 9999),
)
def test_the_payload_reaches_the_program_whatever_it_is(key: str, offset: int) -> None:
    made = payload(job_key=key, offset=offset)
    line = next(line for line in user_data(made).splitlines() if line.startswith('"$python" '))
    words = shlex.split(line.removesuffix(" <<'NEUROCAAS_BOOT'"))
    assert words[:-1] == ["$python", "-E", "-s", "-"]
    assert json.loads(words[-1])["job_key"] == key
    assert json.loads(words[-1])["offset"] == offset


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="64 hex digits"):
        user_data(payload(code=Code(sha256="x")))
    with pytest.raises(ValueError, match="offset -1"):
        user_data(payload(offset=-1))
    with pytest.raises(ValueError, match="EC2 takes 16384"):
        user_data(payload(job_key="k" * 9000))


MAIN = (
    'printf "%s\\n" "$0" "$PWD" "$@" "$NEUROCAAS_DATASET_INDEX" "$NEUROCAAS_INSTANCE_ID" "$AWS_REGION" '
    '"$NEUROCAAS_GROUP" > "$OUT"\n'
)


def start(cloud: Cloud, code: Code, **changes: Any) -> int:
    return boot.main(payload(code=code, **changes).to_json())


def test_a_machine_runs_its_own_dataset(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    monkeypatch.setenv("OUT", str(out))
    cloud.index = 1
    hostile = "lab/inputs/$(touch x) 'ü\".zip"
    cloud.job("lab/inputs/a", "lab/inputs/b", "lab/inputs/c", hostile)
    code = cloud.code(MAIN)
    assert start(cloud, code, offset=2) == 0
    home = str(tmp_path / "home")
    program = f"{tmp_path}/opt/code/{code.sha256}/run_main.sh"
    expected = [program, home, "mock", hostile, "results/job_a:1", "lab/configs/c.json", "mock/run.sh"]
    assert out.read_text().splitlines() == [*expected, "3", "i-1", "eu-west-3", "lab"]
    assert json.loads((tmp_path / "opt/job.json").read_text())["group"] == "lab"


def test_code_that_is_there_is_not_fetched(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUT", str(tmp_path / "out"))
    cloud.job("lab/inputs/a")
    code = cloud.code(MAIN)
    for _ in range(2):
        assert start(cloud, code) == 0
    assert cloud.requests.count("GET /artifacts/code/c.tar.gz") == 1


def test_other_code_is_not_run(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUT", str(tmp_path / "out"))
    cloud.job("lab/inputs/a")
    cloud.code(MAIN)
    assert start(cloud, Code(sha256="1" * 64)) == 99
    assert not (tmp_path / "out").exists()
    status = cloud.status(0)
    assert (status["status"], status["instance"], status["exit_code"]) == ("FAILED", "i-1", 99)
    assert "is not the one that was deployed" in status["reason"]


def test_a_run_without_report_is_failed(cloud: Cloud) -> None:
    cloud.job("lab/inputs/a")
    assert start(cloud, cloud.code("exit 5\n")) == 5
    assert (cloud.status(0)["status"], cloud.status(0)["exit_code"]) == ("FAILED", 5)


def test_an_unfinished_report_is_completed(cloud: Cloud) -> None:
    cloud.job("lab/inputs/a")
    cloud.objects["mock/lab/status 0 é:+.txt"] = b'{"status": "IN PROGRESS", "stdout": {"0": "line"}}'
    assert start(cloud, cloud.code("kill -9 $$\n")) == -9
    assert (cloud.status(0)["status"], cloud.status(0)["stdout"]) == ("FAILED", {"0": "line"})


@pytest.mark.parametrize("state", ["SUCCESS", "FAILED"])
def test_a_final_report_is_left_alone(cloud: Cloud, state: str) -> None:
    cloud.job("lab/inputs/a")
    final = json.dumps({"status": state, "reason": "of the agent"}).encode()
    cloud.objects["mock/lab/status 0 é:+.txt"] = final
    assert start(cloud, cloud.code("exit 3\n")) == 3
    assert cloud.objects["mock/lab/status 0 é:+.txt"] == final


def test_it_waits_for_a_service_that_is_not_ready(cloud: Cloud) -> None:
    cloud.job("lab/inputs/a")
    cloud.failures = [503, 403, 500]
    assert start(cloud, cloud.code("exit 0\n")) == 0


def test_a_clock_that_is_wrong_keeps_nothing_away(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of a computer that is no machine in AWS is left as it is."""
    monkeypatch.setattr(time, "clock_settime", pytest.fail)
    cloud.ahead = 5 * 3600.0
    cloud.job("lab/inputs/a")
    assert start(cloud, cloud.code("exit 5\n")) == 5
    assert (cloud.status(0)["status"], cloud.status(0)["exit_code"]) == ("FAILED", 5)


def test_a_disk_that_is_full_is_not_needed(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "opt").write_text("no folder")
    (tmp_path / "home").write_text("no folder")
    spare = boot.room(tmp_path / "opt", tmp_path / "spare")
    assert spare == tmp_path / "spare"
    with pytest.raises(OSError, match=r"nothing can be written: got .*opt"):
        boot.room(tmp_path / "opt")
    monkeypatch.setattr(boot, "room", lambda *folders: spare)
    cloud.job("lab/inputs/a")
    assert start(cloud, cloud.code(f'echo "$PWD" "$NEUROCAAS_JOB_FILE" >{tmp_path}/out\n')) == 0
    assert (tmp_path / "out").read_text() == f"/ {spare}/job.json\n"


def test_an_image_whose_python_is_old_says_so(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot, "PYTHON", (99, 0))
    cloud.job("lab/inputs/a")
    assert start(cloud, cloud.code("exit 0\n")) == 99
    assert "no Python of the image is new enough: got /" in cloud.status(0)["reason"]


def test_it_is_for_an_old_python() -> None:
    """No syntax after 3.6, and no annotation that 3.6 cannot evaluate; functions that came later are not
    called without need.
    """
    text = Path(boot.__file__).read_text()
    ast.parse(text, feature_version=(3, 6))
    assert not re.search(r"(?:->|: ) ?(?:dict|list|tuple)\[|missing_ok|removeprefix|:=", text)


@pytest.mark.parametrize(("source", "dataset", "expected"), [
    (False, {}, "lab/configs/c.json"),
    (True, {}, "lab/results/job_a:1/logs/configs/c.json"),
    (True, {"configpath": "jobs/x/configs/2_c.json"}, "jobs/x/configs/2_c.json"),
])  # fmt: skip
def test_the_machine_gets_the_checked_configuration(
    cloud: Cloud, tmp_path: Path, source: bool, dataset: dict[str, str], expected: str
) -> None:
    cloud.job("lab/inputs/a")
    job = json.loads(cloud.objects[f"mock/{JOB_KEY}"])
    job.update({"configname": "c.json", "config_source": {"etag": "x"} if source else None})
    job["datasets"][0].update(dataset)
    cloud.objects[f"mock/{JOB_KEY}"] = json.dumps(job).encode()
    assert start(cloud, cloud.code(f'echo "$4" >{tmp_path}/out\n')) == 0
    assert (tmp_path / "out").read_text() == f"{expected}\n"


def test_the_command_line_is_the_one_that_developers_are_shown(cloud: Cloud, tmp_path: Path) -> None:
    settings = changed(
        SETTINGS,
        ensemble_size=2,
        parameters={**(SETTINGS.parameters or {}), "additionalProperties": True},
    )
    config = json.dumps({"mode": "train", "ensemble_size": 2})
    for world in (World(), World(settings)):
        world.aws.upload(BUCKET, "lab/configs/c.json", config if world.settings is settings else "{}")
        world.submit(world.submission())
        job = world.job()
        cloud.objects[f"mock/{JOB_KEY}"] = job.to_json().encode()
        for cloud.index in range(len(job.datasets)):
            out = tmp_path / f"out-{cloud.index}"
            assert start(cloud, cloud.code(f'printf "%s\\n" "$@" > {out}\n')) == 0
            assert out.read_text().splitlines() == main_command(job, cloud.index)[2:]
    assert len(job.datasets) == 2


def test_a_machine_without_a_dataset_does_nothing(cloud: Cloud) -> None:
    cloud.job("lab/inputs/a")
    assert start(cloud, cloud.code("exit 0\n"), offset=1) == 99
    assert not [request for request in cloud.requests if request.startswith("PUT /mock")]


def test_bucket_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    asked: list[str] = []

    def fetch(request: urllib.request.Request, tries: int = 6) -> bytes:
        asked.append(request.full_url)
        return b""

    monkeypatch.setattr(boot, "fetch", fetch)
    machine = object.__new__(boot.Machine)
    keys = json.dumps({"AccessKeyId": "A", "SecretAccessKey": "B", "Token": "C"})
    monkeypatch.setattr(machine, "meta", lambda name: "role" if name.endswith("/") else keys, raising=False)
    for region, bucket in (("us-east-1", "mock"), ("us-east-1", "my.mock"), ("cn-north-1", "mock")):
        machine.region = region
        machine.s3("GET", bucket, "a b/c:d~é")
    path = "/a%20b/c%3Ad~%C3%A9"
    assert asked == [
        f"https://mock.s3.us-east-1.amazonaws.com{path}",
        f"https://s3.us-east-1.amazonaws.com/my.mock{path}",
        f"https://mock.s3.cn-north-1.amazonaws.com.cn{path}",
    ]


def test_the_whole_script_ends_in_a_shutdown(cloud: Cloud, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "shutdown").write_text(f'#!/bin/bash\necho "$*" >> {tmp_path}/off\n')
    (programs / "shutdown").chmod(0o755)
    (programs / "python3").write_text("#!/bin/bash\nexit 1\n")  # the image's own is broken
    (programs / "python3").chmod(0o755)
    cloud.job("lab/inputs/a")
    text = user_data(payload(code=cloud.code(MAIN)))
    environment = {
        "PATH": f"{programs}:/usr/bin:/bin:{Path(shutil.which('python3') or '').parent}",
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": cloud.url,
        "NEUROCAAS_OPT": str(tmp_path / "o"),
        "NEUROCAAS_USERHOME": str(tmp_path / "h"),
        "OUT": str(tmp_path / "out"),
    }
    script = tmp_path / "user-data"
    script.write_text(text)
    done = subprocess.run(["bash", str(script)], env=environment, capture_output=True, text=True, timeout=60)
    assert (tmp_path / "out").is_file(), done.stderr
    assert (tmp_path / "off").read_text() == "-h now\n"


@pytest.mark.parametrize(
    "answers",
    [
        [(404, b"")],
        [(404, b"")] * 6,
        [(200, b"")],
        [(200, b"role"), (404, b"")],
        [(200, b"role"), (200, b"{}")],
    ],
)
def test_a_machine_waits_for_the_keys_of_its_role(cloud: Cloud, answers: list[tuple[int, bytes]]) -> None:
    cloud.keyless = list(answers)
    cloud.objects["mock/key"] = b"body"
    assert boot.Machine().s3("GET", "mock", "key") == b"body"
    assert cloud.keyless == []


@pytest.mark.parametrize(("code", "asked"), [(404, 7), (403, 6)])
def test_a_machine_does_not_wait_for_keys_for_ever(cloud: Cloud, code: int, asked: int) -> None:
    cloud.keyless = [(code, b"")] * 50
    with pytest.raises((RuntimeError, HTTPError)):
        boot.Machine().s3("GET", "mock", "key")
    assert len([one for one in cloud.requests if "/iam/" in one]) == asked
