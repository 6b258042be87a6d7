"""What the fleet reads from guests: user data and HTTP; and what it decides by it."""

import base64
import gzip
import socket
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from localcloud.fleet.relay import Relay
from localcloud.fleet.userdata import parse
from localcloud.instance_types import instance_type, table
from localcloud.sandbox import limits
from localcloud.sandbox.http1 import BadRequest, Head, Reader
from localcloud.sandbox.imds import user_data
from localcloud.sandbox.sigv4 import Credentials, sign


def head(text: str) -> Head | None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(text.encode("latin-1"))
        theirs.shutdown(socket.SHUT_WR)
        return Reader(ours).head()


def request(target: str, *headers: str) -> Head:
    found = head(
        f"GET {target} HTTP/1.1\r\n" + "".join(line + "\r\n" for line in ("Host: x", *headers)) + "\r\n"
    )
    assert found is not None
    return found


@pytest.mark.parametrize(
    "text",
    [
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\n",
        "GET / HTTP/1.1\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nA : b\r\n\r\n",
        "GET / HTTP/1.1\nA: b\r\n\r\n",
        "GET / extra HTTP/1.1\r\n\r\n",
        "GET * HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nUnfinished",
    ],
)
def test_ambiguous_requests_are_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        head(text)


RELAY = Relay("127.0.0.1", 1, lambda: {"ASIAOWN"})
SIGNED = (
    "Authorization: AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, "
    "Signature=x"
)


@pytest.mark.parametrize(
    "target",
    [
        "/_localcloud/x",
        "//_localcloud",
        "/%5Flocalcloud",
        "/%255flocalcloud",
        "/./_x",
        "/a/../_x",
        "http://h/_localcloud",
        "http://h//_x",
    ],
)
def test_private_paths_do_not_pass(target: str) -> None:
    assert RELAY.refusal(request(target))


@pytest.mark.parametrize(
    ("authorization", "passes"),
    [
        (SIGNED.format("ASIAOWN"), True),
        (SIGNED.format("AKIAROOT"), False),
        ("Authorization: AWS ASIAOWN:sig", True),
        ("Authorization: AWS AKIAROOT:sig", False),
        ("Authorization: Bearer token", False),
        ("X-Other: 1", True),
    ],
)
def test_only_own_keys_pass(authorization: str, passes: bool) -> None:
    assert (RELAY.refusal(request("/bucket/_key", authorization)) is None) is passes


@given(st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), max_size=30))
def test_no_spelling_of_a_path_reaches_a_private_one(tail: str) -> None:
    try:
        found = request("/" + tail)
    except BadRequest:
        return
    if RELAY.refusal(found) is None:
        assert not found.path.startswith("/_")


def test_scripts() -> None:
    assert [part.script for part in parse(b"#!/bin/sh\nls\n").parts] == [b"#!/bin/sh\nls\n"]
    assert [part.script for part in parse(gzip.compress(b"#!/bin/sh\n")).parts] == [b"#!/bin/sh\n"]
    assert parse(b"").parts == ()


def test_multipart() -> None:
    message = MIMEMultipart()
    for kind, text in (
        ("x-shellscript", "#!/bin/sh\necho 1\n"),
        ("cloud-config", "runcmd: []\n"),
        ("x-shellscript", "#!/bin/sh\necho 2\n"),
    ):
        message.attach(MIMEText(text, kind))
    found = parse(message.as_bytes())
    assert [part.script.decode().split()[-1] for part in found.parts] == ["1", "2"]
    assert len(found.warnings) == 1
    assert "text/cloud-config" in found.warnings[0]


@given(
    st.binary(max_size=300)
    | st.binary(max_size=100).map(lambda data: b"\x1f\x8b" + data)
    | st.binary(max_size=99).map(lambda d: b"MIME-Version: 1.0\n" + d)
)
def test_user_data_never_raises(data: bytes) -> None:
    found = parse(data)
    assert found.parts or found.warnings or not data.strip()


def test_a_bomb_is_not_unpacked() -> None:
    assert "4 MiB" in parse(gzip.compress(b"#!" + b"0" * (5 << 20))).warnings[0]


@pytest.mark.parametrize(
    ("service", "path"), [("sts", "/?x=1&y=%2F"), ("s3", "/bucket/a%20b/c?list-type=2&prefix=x%2Fy")]
)
def test_signatures_equal_those_of_botocore(service: str, path: str) -> None:
    url = "http://127.0.0.1:99" + path
    ours = sign(
        "POST", url, b"body", service, "us-east-1", Credentials("AK", "SK", "T"), {"content-type": "text/x"}
    )
    names = {
        "X-Amz-Date": "x-amz-date",
        "X-Amz-Security-Token": "x-amz-security-token",
        "X-Amz-Content-SHA256": "x-amz-content-sha256",
    }
    headers = {"content-type": "text/x", **{name: ours[key] for name, key in names.items()}}
    theirs = AWSRequest("POST", url, data=b"body", headers=headers)
    theirs.context["timestamp"] = ours["x-amz-date"]
    signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(
        BotocoreCredentials("AK", "SK", "T"), service, "us-east-1"
    )
    text = signer.string_to_sign(theirs, signer.canonical_request(theirs))
    assert signer.signature(text, theirs) == ours["authorization"].rpartition("=")[2]


def test_types_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    known = instance_type("m5.large")
    assert known is not None
    assert (known.vcpu, known.memory_mib, known.family, known.usd_per_hour) == (2, 8192, "m5", 0.096)
    assert instance_type("m5.nonesuch") is None
    assert all(
        entry.vcpu > 0 and entry.memory_mib > 0 and entry.usd_per_hour > 0 for entry in table().types.values()
    )
    assert limits.memory_mib("p4d.24xlarge") <= limits.host_memory_mib()
    monkeypatch.setenv("LOCALCLOUD_MAX_INSTANCES", "many")
    with pytest.raises(ValueError, match="many"):
        limits.maximum_machines()


def test_base64_of_nothing_is_no_user_data() -> None:
    assert user_data({"user_data": base64.b64encode(b"#!/bin/sh").decode()}) == b"#!/bin/sh"
    assert user_data({"user_data": ""}) == b""
    assert user_data({}) == b""
