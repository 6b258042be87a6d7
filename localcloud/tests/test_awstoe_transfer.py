"""The runner's actions that use the network: S3 and SSM at an endpoint with the role's credentials, and
downloads from the web.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
import yaml

from awstoe.checks import load
from localcloud.images.awstoe.runner import Result, Runner
from localcloud.images.awstoe.transfer import Aws


@pytest.fixture(autouse=True)
def own_scripts(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a machine the scripts of steps are in its own /tmp; here they would be in that of all workers."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("scripts")))


CONTENT = b"content\n"


class Server:
    """A metadata service, an S3 of objects in memory, an SSM with one parameter, and a web server with
    troubles, at one address.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.headers: list[Message] = []
        self.troubles = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_PUT(self) -> None:
                data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path == "/latest/api/token":
                    self.answer(b"token")
                else:
                    outer.headers.append(self.headers)
                    outer.objects[urllib.parse.unquote(self.path)] = data
                    self.answer(b"")

            def do_POST(self) -> None:
                name = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["Name"]
                if name == "/gone":
                    self.answer(b'{"__type": "ParameterNotFound"}', 400)
                    return
                self.answer(
                    json.dumps(
                        {"Parameter": {"Value": {"/a/secret": "hunter2222"}.get(name, "two\nlines")}}
                    ).encode()
                )

            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                if path.startswith("/latest/meta-data/iam/security-credentials/"):
                    keys = {"AccessKeyId": "A", "SecretAccessKey": "B", "Token": "C"}
                    self.answer(b"role" if path.endswith("/") else json.dumps(keys).encode())
                elif path == "/latest/meta-data/instance-id":
                    self.answer(b"i-0123")
                elif path == "/latest/dynamic/instance-identity/document":
                    self.answer(b'{"accountId": "000000000000"}')
                elif path == "/web/moved":
                    self.answer(b"", 302, Location="/web/a%20file")
                elif path == "/web/broken" and outer.troubles:
                    outer.troubles -= 1
                    self.answer(b"", 503)
                elif path.startswith("/web/") and path != "/web/gone":
                    self.answer(CONTENT)
                elif "prefix" in query:
                    prefix = f"{path}/{dict(urllib.parse.parse_qsl(query))['prefix']}"
                    keys_found = "".join(
                        f"<Contents><Key>{key.removeprefix(path + '/')}</Key></Contents>"
                        for key in outer.objects
                        if key.startswith(prefix)
                    )
                    self.answer(f"<ListBucketResult>{keys_found}</ListBucketResult>".encode())
                elif urllib.parse.unquote(path) in outer.objects:
                    outer.headers.append(self.headers)
                    self.answer(outer.objects[urllib.parse.unquote(path)])
                else:
                    self.answer(b"<Error><Code>NoSuchKey</Code></Error>", 404)

            def log_message(self, *_: Any) -> None:
                """Nobody reads it."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    made = Server()
    yield made
    made.close()


class Bench:
    def __init__(self, folder: Path, server: Server) -> None:
        self.folder, self.server = folder, server
        self.said = ""
        self.chaining: dict[str, Any] = {}

    def run(self, *steps: dict[str, Any]) -> Result:
        named = [{"name": f"s{number}", **step} for number, step in enumerate(steps)]
        text = yaml.safe_dump(
            {"schemaVersion": "1.0", "phases": [{"name": "build", "steps": named}]}, sort_keys=False
        )
        events: list[dict[str, Any]] = []
        aws = Aws(self.server.address, "us-east-1", self.server.address)
        document, runner = load(text), Runner({"PATH": "/usr/bin:/bin"}, str(self.folder), events.append, aws)
        result = runner.run([document], ["build"])
        self.said = json.dumps(events)
        self.chaining = runner.chaining([document])
        return result

    def one(self, action: str, **inputs: str) -> str:
        """The failure's message, "" for success."""
        return self.run({"action": action, "inputs": [inputs]}).failureMessage

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())


@pytest.fixture
def bench(tmp_path: Path, server: Server) -> Bench:
    return Bench(tmp_path, server)


def test_s3_download(bench: Bench) -> None:
    bench.server.objects = {"/b/one": b"1", "/b/dir/two é": b"2", "/b/dir/deep/three": b"3"}
    f = bench.folder
    assert (
        bench.one(
            "S3Download", source="s3://b/one", destination=f"{f}/file", expectedBucketOwner="123456789012"
        )
        == ""
    )
    assert bench.server.headers[-1]["x-amz-expected-bucket-owner"] == "123456789012"
    assert "AWS4-HMAC-SHA256 Credential=A/" in bench.server.headers[-1]["Authorization"]
    assert bench.one("S3Download", source="s3://b/one", destination=f"{f}") == ""
    assert bench.one("S3Download", source="s3://b/dir/*", destination=f"{f}/all") == ""
    assert bench.files() == ["all/deep/three", "all/two é", "file", "one"]
    (f / "file").write_text("mine")
    assert "overwrite is false" in bench.one(
        "S3Download", source="s3://b/one", destination=f"{f}/file", overwrite="false"
    )
    assert (f / "file").read_text() == "mine"
    assert "404 NoSuchKey" in bench.one("S3Download", source="s3://b/nothing", destination=f"{f}/x")
    assert "no object matches" in bench.one("S3Download", source="s3://b/x/*", destination=f"{f}/x")
    assert "create it before" in bench.one(
        "S3Download", source="s3://b/one", destination=f"{f}/no/such/place"
    )
    assert "not s3://bucket/key" in bench.one("S3Download", source="b/one", destination=f"{f}/x")


def test_s3_upload(bench: Bench) -> None:
    f = bench.folder
    (f / "deep").mkdir()
    for name in ("a.txt", "b.bin", "deep/c.txt"):
        (f / name).write_text(name)
    assert (
        bench.one("S3Upload", source=f"{f}/a.txt", destination="s3://b/renamed", expectedBucketOwner="1")
        == ""
    )
    assert bench.server.headers[-1]["x-amz-expected-bucket-owner"] == "1"
    assert bench.one("S3Upload", source=f"{f}/b.bin", destination="s3://b/folder/") == ""
    assert bench.one("S3Upload", source=f"{f}/*.txt", destination="s3://b/flat") == ""
    assert bench.one("S3Upload", source=f"{f}/*.txt", destination="s3://b/all/*", recurse="true") == ""
    assert bench.one("S3Upload", source=f"{f}/deep", destination="s3://b/tree/", recurse="true") == ""
    assert bench.server.objects.pop("/b/tree/c.txt") == b"deep/c.txt"
    assert "recurse: true" in bench.one("S3Upload", source=f"{f}/deep", destination="s3://b/tree/")
    assert sorted(bench.server.objects) == [
        "/b/all/a.txt",
        "/b/all/deep/c.txt",
        "/b/flat/a.txt",
        "/b/folder/b.bin",
        "/b/renamed",
    ]
    assert "does not exist" in bench.one("S3Upload", source=f"{f}/none", destination="s3://b/k")
    assert "no file matches" in bench.one("S3Upload", source=f"{f}/*.none", destination="s3://b/k")


def test_a_parameter_is_read_on_the_machine_and_told_to_nobody(bench: Bench) -> None:
    script = (
        'echo "{{ aws:ssm:/a/secret }}" > got; echo "it is $(cat got)"; exit 1 # {{ '
        "aws:ssm:resolve(/a/secret) }}"
    )
    result = bench.run({"action": "ExecuteBash", "inputs": {"commands": [script]}})
    assert (bench.folder / "got").read_text() == "hunter2222\n"
    assert "hunter2222" not in bench.said + json.dumps(result.as_json())
    assert "<value of /a/secret>" in bench.said
    script = "printf '::error file=x,line=1::{{ aws:ssm:/a/secret }}\n' >&2; exit 1"
    result = bench.run({"action": "ExecuteBash", "inputs": {"commands": [script]}})
    assert "hunter2222" not in bench.said + json.dumps(result.as_json())
    bench.run({"action": "ExecuteBash", "inputs": {"commands": ["echo {{ aws:ssm:/a/secret }}"]}})
    assert bench.chaining["build.s0"]["outputs"] == [{"stdout": "<value of /a/secret>"}]
    assert (
        "several lines"
        in bench.run({"action": "ExecuteBash", "inputs": {"commands": ["{{ aws:ssm:/b }}"]}}).failureMessage
    )
    said = bench.run(
        {"action": "ExecuteBash", "inputs": {"commands": ["{{ aws:ssm:/gone }}"]}}
    ).failureMessage
    assert "the SSM parameter /gone cannot be read: " in said
    assert "ParameterNotFound" in said


def test_what_the_machine_says_of_itself(bench: Bench) -> None:
    script = "echo {{ aws:imds:instance-id }} {{ context:accountId }} > out"
    assert bench.run({"action": "ExecuteBash", "inputs": {"commands": [script]}}).failureMessage == ""
    assert (bench.folder / "out").read_text() == "i-0123 000000000000\n"
    result = bench.run({"action": "ExecuteBash", "inputs": {"commands": ["{{ aws:imds:nonesuch }}"]}})
    assert "the metadata service does not know meta-data/nonesuch" in result.failureMessage


def test_the_name_of_a_parameter_may_be_a_parameter(bench: Bench) -> None:
    text = yaml.safe_dump({
        "schemaVersion": "1.0",
        "parameters": [{"which": {"type": "string", "default": "/a/secret"}}],
        "phases": [{"name": "build", "steps": [
            {"name": "x", "action": "ExecuteBash", "inputs": {"commands": ["echo {{ aws:ssm:resolve(which) "
                "}} > got"]}},
        ]}],
    })  # fmt: skip
    aws = Aws(bench.server.address, "us-east-1", bench.server.address)
    runner = Runner({"PATH": "/usr/bin:/bin"}, str(bench.folder), lambda event: None, aws)
    assert runner.run([load(text)], ["build"]).status == "success"
    assert (bench.folder / "got").read_text() == "hunter2222\n"


@pytest.mark.parametrize("algorithm", ["MD5", "SHA1", "SHA256", "SHA512"])
def test_web_download_checks_what_came(bench: Bench, algorithm: str) -> None:
    digest = hashlib.new(algorithm.lower(), CONTENT).hexdigest()
    source, f = f"{bench.server.address}/web/a%20file", bench.folder
    assert (
        bench.one(
            "WebDownload", source=source, destination=f"{f}/deep/new/", checksum=digest, algorithm=algorithm
        )
        == ""
    )
    assert bench.files() == ["deep/new/a file"]
    said = bench.one(
        "WebDownload",
        source=source,
        destination=f"{f}/other",
        checksum="0" * len(digest),
        algorithm=algorithm,
    )
    assert digest in said
    assert "nothing was kept" in said
    assert bench.files() == ["deep/new/a file"]
    assert "go together" in bench.one("WebDownload", source=source, destination=f"{f}/x", checksum=digest)
    assert "go together" in bench.one(
        "WebDownload", source=source, destination=f"{f}/x", checksum=digest, algorithm="CRC32"
    )


def test_web_download_follows_retries_and_gives_up(bench: Bench) -> None:
    address, f = bench.server.address, bench.folder
    assert bench.one("WebDownload", source=f"{address}/web/moved", destination=f"{f}/moved") == ""
    bench.server.troubles = 4
    assert bench.one("WebDownload", source=f"{address}/web/broken", destination=f"{f}/broken") == ""
    bench.server.troubles = 5
    assert "status 503" in bench.one("WebDownload", source=f"{address}/web/broken", destination=f"{f}/never")
    assert "status 404" in bench.one("WebDownload", source=f"{address}/web/gone", destination=f"{f}/never")
    assert bench.files() == ["broken", "moved"]
    (f / "moved").write_text("mine")
    assert "overwrite is false" in bench.one(
        "WebDownload", source=f"{address}/web/x", destination=f"{f}/moved", overwrite="false"
    )
    digest = hashlib.sha256(b"mine").hexdigest()
    same = bench.one(
        "WebDownload",
        source=f"{address}/web/gone",
        destination=f"{f}/moved",
        checksum=digest,
        algorithm="SHA256",
    )
    assert same == "", "a file that is right already is not fetched"


def test_where_downloads_went_is_known_to_later_steps(bench: Bench) -> None:
    address, f = bench.server.address, bench.folder
    inputs = [{"source": f"{address}/web/{name}", "destination": f"{f}/in/"} for name in ("one", "two")]
    result = bench.run(
        {"action": "WebDownload", "inputs": inputs},
        {
            "action": "ExecuteBash",
            "inputs": {"commands": ["cat > all <<'END'\n{{ build.s0.outputs.destination }}\nEND"]},
        },
        {"action": "DeleteFile", "inputs": [{"path": "{{ build.s0.outputs[1].destination }}"}]},
    )
    assert result.status == "success", result.failureMessage
    assert (f / "all").read_text() == f"{f}/in/one\n{f}/in/two\n"
    assert bench.files() == ["all", "in/one"]
