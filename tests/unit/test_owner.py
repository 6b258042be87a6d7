"""Every call to S3 says whose bucket it expects, whatever makes it."""

from __future__ import annotations

import ast
import json
import urllib.request
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from neurocaas.protocol import boot
from neurocaas.protocol.owner import HEADER, VARIABLE, expect_owner
from runtime.aws.clients import Clients
from runtime.instance.agent import crt
from runtime.instance.agent.s3 import S3Storage
from runtime.instance.agent.storage import Location
from runtime.monitor.confined import Writers

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "111122223333"


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        (VARIABLE, ACCOUNT), ("AWS_ACCESS_KEY_ID", "k"), ("AWS_SECRET_ACCESS_KEY", "s"),
        ("AWS_DEFAULT_REGION", "us-east-1"), ("bucketname", "dti-abc-prod"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


class SentError(Exception):
    """In the place of an answer: what would have been sent."""


def sent(client: Any, operation: str, **arguments: Any) -> dict[str, str]:
    """The headers of a call."""
    caught: list[dict[str, str]] = []

    def catch(request: Any, **_: Any) -> None:
        caught.append({name.lower(): str(value) for name, value in request.headers.items()})
        raise SentError

    client.meta.events.register_first("before-sign.s3", catch)
    with pytest.raises(SentError):
        getattr(client, operation)(**arguments)
    client.meta.events.unregister("before-sign.s3", catch)
    return caught[0]


def plain() -> Any:
    return botocore.session.get_session().create_client("s3")


def test_every_operation_that_can_say_it_says_it() -> None:
    client, asked = expect_owner(plain(), ACCOUNT), 0
    for name in client.meta.service_model.operation_names:
        model = client.meta.service_model.operation_model(name)
        if "ExpectedBucketOwner" not in (model.input_shape.members if model.input_shape else ()):
            continue
        answers = client.meta.events.emit(
            f"provide-client-params.s3.{name}", params={"Bucket": "dti"}, model=model
        )
        assert {"Bucket": "dti", "ExpectedBucketOwner": ACCOUNT} in [answer for _, answer in answers], name
        asked += 1
    assert asked > 60


def test_both_sides_of_a_copy() -> None:
    client = expect_owner(plain(), ACCOUNT, ours=lambda one: one != "archive")
    for source in ({"Bucket": "dti", "Key": "a"}, "dti/a", "/dti/a"):
        headers = sent(client, "copy_object", Bucket="archive", Key="b", CopySource=source)
        assert HEADER not in headers
        assert headers["x-amz-source-expected-bucket-owner"] == ACCOUNT
    headers = sent(client, "copy_object", Bucket="dti", Key="b", CopySource={"Bucket": "archive", "Key": "a"})
    assert headers[HEADER] == ACCOUNT
    assert "x-amz-source-expected-bucket-owner" not in headers


def test_what_a_caller_says_itself_stays_and_nothing_is_said_without_an_account() -> None:
    client = expect_owner(plain(), ACCOUNT)
    assert sent(client, "head_bucket", Bucket="dti", ExpectedBucketOwner="1" * 12)[HEADER] == "1" * 12
    assert HEADER not in sent(expect_owner(plain(), ""), "head_bucket", Bucket="dti")
    assert HEADER not in sent(client, "list_buckets")


def test_the_account_is_asked_for_once_and_only_when_it_is_needed() -> None:
    asked: list[int] = []

    def ask() -> str:
        asked.append(1)
        return ACCOUNT

    client = expect_owner(plain(), ask, ours=lambda one: one == "dti")
    sent(client, "head_bucket", Bucket="archive")
    assert asked == []
    for _ in range(2):
        assert sent(client, "head_bucket", Bucket="dti")[HEADER] == ACCOUNT
    assert asked == [1]


def test_functions_expect_all_buckets_but_registered_ones() -> None:
    clients = Clients(1)
    clients.elsewhere.add("open-recordings")
    assert sent(clients.s3, "get_object", Bucket="dti", Key="a")[HEADER] == ACCOUNT
    assert HEADER not in sent(clients.s3, "get_object", Bucket="open-recordings", Key="a")
    writer = Writers(clients.session, clients.config).s3("dti", "lab1", ["archive"])
    assert sent(writer, "put_object", Bucket="dti", Key="a", Body=b"")[HEADER] == ACCOUNT
    assert HEADER not in sent(writer, "put_object", Bucket="archive", Key="a", Body=b"")


def test_a_machine_expects_the_bucket_of_its_job() -> None:
    client = S3Storage().client
    parts = {"Bucket": "dti-abc-prod", "Key": "a", "UploadId": "u"}
    assert sent(client, "upload_part", **parts, PartNumber=1, Body=b"")[HEADER] == ACCOUNT
    assert (
        sent(client, "complete_multipart_upload", **parts, MultipartUpload={"Parts": []})[HEADER] == ACCOUNT
    )
    assert HEADER not in sent(client, "get_object", Bucket="open-recordings", Key="a")


def test_so_does_the_common_runtime() -> None:
    class Http:
        HttpHeaders = dict

        @staticmethod
        def HttpRequest(method: str, path: str, headers: dict[str, str]) -> dict[str, str]:
            return headers

    runtime = object.__new__(crt.Runtime)
    runtime._http = Http  # type: ignore[assignment]
    runtime._address = lambda place: ("host", f"/{place.key}")
    runtime._owner = lambda bucket: ACCOUNT if bucket == "dti" else ""
    assert runtime._request(Location("dti", "a"), "GET", ()) == {"Host": "host", HEADER: ACCOUNT}
    assert runtime._request(Location("archive", "a"), "GET", ()) == {"Host": "host"}


@pytest.mark.parametrize("owner", ["", ACCOUNT])
def test_so_does_the_first_program_on_a_machine(owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[urllib.request.Request] = []

    def fetch(request: urllib.request.Request, tries: int = 6) -> bytes:
        requests.append(request)
        return b""

    machine = object.__new__(boot.Machine)
    machine.region, machine.account = "us-east-1", owner
    keys = {"AccessKeyId": "k", "SecretAccessKey": "s", "Token": "t"}
    monkeypatch.setattr(machine, "meta", lambda name: json.dumps(keys) if name.endswith("role") else "role")
    monkeypatch.setattr(boot, "fetch", fetch)
    machine.s3("GET", "dti", "a")
    headers = {name.lower(): value for name, value in requests[0].header_items()}
    assert headers.get(HEADER, "") == owner
    assert (HEADER in headers["authorization"]) is bool(owner)


MAKERS = {
    "account/clients.py": "expects every bucket, or those that are said to be ours",
    "image_builder/develop_blueprint.py": "expects the analysis's bucket and the artifacts'",
    "neurocaas/bucket.py": "makes it for neurocaas.analysis, which expects the analysis's bucket",
    "neurocaas/rerun.py": "reads a certificate that lies in whatever bucket",
    "runtime/aws/clients.py": "expects every bucket but registered ones",
    "runtime/instance/agent/s3.py": "expects the bucket of the job",
    "runtime/monitor/confined.py": "expects every bucket but registered ones",
}
"""Where clients of S3 are made, and what they expect. What takes one from `make("s3")` gets that of
account.clients."""
ROOMS = (
    "account", "ci", "components", "console", "demo", "image_builder", "neurocaas", "road", "runtime",
    "smoke",
)  # fmt: skip


def makes_a_client(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
        return False
    function = node.func
    if not isinstance(function, ast.Attribute) or node.args[0].value != "s3":
        return False
    of = function.value
    handed = isinstance(of, ast.Name) and of.id == "at"  # console.own's: from a maker that was handed in
    return function.attr in ("client", "create_client", "resource", "_made", "_client") and not handed


def test_there_is_no_other_client() -> None:
    found = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            if any(map(makes_a_client, ast.walk(ast.parse(path.read_text())))):
                found.add(str(path.relative_to(ROOT)))
    assert found == set(MAKERS) - {"account/clients.py"}
    assert "expect_owner" in (ROOT / "account/clients.py").read_text()
    for maker in set(MAKERS) - {"neurocaas/bucket.py", "neurocaas/rerun.py"}:
        assert "expect_owner(" in (ROOT / maker).read_text(), maker
