"""In a shell with the local cloud's environment nothing goes anywhere else, whatever else the shell and the
profiles say.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from localcloud.pulumi.environment import applied
from localcloud.running import SCHEMA_VERSION, Cloud

TOOLS = """
import boto3, grpc
from concurrent import futures
boto3.client("sts").get_caller_identity()
boto3.client("s3").list_buckets()
server = grpc.server(futures.ThreadPoolExecutor(1))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
grpc.channel_ready_future(grpc.insecure_channel(f"127.0.0.1:{port}")).result(timeout=10)
"""
"""What a program under the engine does: asks two services, and speaks gRPC with a process beside it."""
NOWHERE = "http://127.0.0.1:9"
ANSWER = b"""<GetCallerIdentityResponse><GetCallerIdentityResult><Account>000000000000</Account></GetCallerIdentityResult>
</GetCallerIdentityResponse>"""  # noqa: E501


class Service(BaseHTTPRequestHandler):
    """Answers everything alike, and notes whose key asked."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.headers["Authorization"])
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setattr(Service, "asked", [], raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Cloud(
        schema_version=SCHEMA_VERSION, endpoint=f"http://127.0.0.1:{server.server_port}",
        port=server.server_port, region="us-east-1",
        account="000000000000", access_key_id="AKIALOCAL", secret_access_key="local", admin_token="",
        emulator_pid=1, emulator_start=1,
        fleet_pid=None, fleet_start=None, sandbox=None, started="",
    )  # fmt: skip
    server.shutdown()
    server.server_close()


def test_tools_reach_the_local_cloud_only(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(
        "[default]\nignore_configured_endpoint_urls = true\nservices = mine\n[services mine]\ns3 =\n  "
        f"endpoint_url = {NOWHERE}\n"
    )
    for name, value in {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_PROFILE": "of-the-lab",
        "AWS_DEFAULT_PROFILE": "of-the-lab",
        "AWS_ACCESS_KEY_ID": "AKIAREAL",
        "AWS_SECRET_ACCESS_KEY": "real",
        "AWS_SESSION_TOKEN": "real",
        "AWS_ENDPOINT_URL_STS": NOWHERE,
        "AWS_ENDPOINT_URL_S3": NOWHERE,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        **dict.fromkeys(
            ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), NOWHERE
        ),
    }.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run(
        [sys.executable, "-c", TOOLS],
        env=applied(cloud.environment()),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(Service.asked) == 2
    assert all("Credential=AKIALOCAL/" in header for header in Service.asked)


def test_the_hosts_that_the_user_keeps_off_the_proxy_stay_off_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "intranet.example.org, localhost")
    assert (
        cloud.environment()["NO_PROXY"]
        == cloud.environment()["no_proxy"]
        == "intranet.example.org,localhost,127.0.0.1,::1"
    )
