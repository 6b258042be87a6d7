"""Every command with credentials that have expired, are not known, not whole or not there, with a wrong
clock, a wrong region or no network: the reason in three parts, exit code 2, no traceback. And every command
goes on when its session ends in the middle of it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from neurocaas import access, cli, configuration, identity_center, openid
from neurocaas.commands import COMMANDS, signing_in
from neurocaas.commands.command import AnalystCommand
from neurocaas.configuration import Configuration, Profile
from neurocaas.places import CONFIG
from neurocaas.protocol.roles import session_role
from tests.unit.client_jobs import BUCKET, GROUP
from tests.unit.client_world import ended, put, tell

REGION, ACCOUNT = "us-east-1", "123456789012"
JOB = "2026-11-30T10-00-00.000Z"
HERE_ALONE = {"login", "logout", "profiles", "uploads"}
"""Commands that ask nothing of the service (`uploads`: while nothing was begun), or have tests of it in
`test_signing_in`."""
ASKING = [one for one in COMMANDS if one.name not in HERE_ALONE]

SAID = {
    # condition: (code of S3, of STS, of services with JSON, message, what a person reads)
    "expired": ("ExpiredToken", "ExpiredToken", "ExpiredTokenException", "expired", "has expired"),
    "unknown": (
        "InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException", "invalid",
        "is not known to the service",
    ),
    "wrong secret": (
        "SignatureDoesNotMatch", "SignatureDoesNotMatch", "InvalidSignatureException", "does not match",
        "does not belong to its access key",
    ),
    "wrong clock": (
        "RequestTimeTooSkewed", "SignatureDoesNotMatch", "InvalidSignatureException",
        "Signature expired: 20261130T000000Z is now earlier than 20261130T100000Z",
        "the clock of this computer is wrong",
    ),
    "not valid": ("InvalidToken", "InvalidClientTokenId", "UnrecognizedClientException", "malformed",
                  "is not (known|valid)"),
    "wrong region": ("AuthorizationHeaderMalformed", "", "",
                     "the region 'us-east-1' is wrong; expecting 'eu-west-1'", "region"),
}  # fmt: skip


class Service:
    """Answers every call as AWS does in one condition."""

    def __init__(self) -> None:
        self.condition, self.calls = "", 0

    def answer(self, target: str, host_service: str) -> tuple[int, str, bytes]:
        self.calls += 1
        s3, sts, others, message, _ = SAID[self.condition]
        if target:
            if not others:
                return 200, "application/x-amz-json-1.1", b'{"Parameters": []}'
            body = {"__type": others, "message": message}
            return 400, "application/x-amz-json-1.1", json.dumps(body).encode()
        if host_service == "sts":
            if not sts:
                arn = f"<Arn>arn:aws:iam::{ACCOUNT}:user/ann</Arn><Account>{ACCOUNT}</Account>"
                found = f"<GetCallerIdentityResult>{arn}</GetCallerIdentityResult>"
                return (
                    200,
                    "text/xml",
                    f"<GetCallerIdentityResponse>{found}</GetCallerIdentityResponse>".encode(),
                )
            error = f"<Error><Type>Sender</Type><Code>{sts}</Code><Message>{message}</Message></Error>"
            return 403, "text/xml", f"<ErrorResponse>{error}</ErrorResponse>".encode()
        return (
            403,
            "application/xml",
            f"<Error><Code>{s3}</Code><Message>{message}</Message></Error>".encode(),
        )


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[Service, str]]:
    one = Service()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            signed = self.headers.get("Authorization", "")
            name = signed.split("/")[3] if signed.count("/") > 3 else ""
            status, kind, body = one.answer(self.headers.get("X-Amz-Target", ""), name)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_POST = do_PUT = do_HEAD = do_DELETE = do_GET  # noqa: N815

        def log_message(self, *words: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield one, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    ours = (access.PROFILE, access.GROUP, access.ANALYSIS, access.BUCKET)
    for name in (*access.KEYS_IN_SHELL, "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", *ours):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(CONFIG, str(tmp_path / "config.toml"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv(access.ANALYSIS, BUCKET)
    monkeypatch.setenv(access.GROUP, GROUP)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.txt").write_text("1 2 3\n")
    (tmp_path / "config.json").write_text('{"wait": 5}\n')
    access.forget()
    return tmp_path


def with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)


def words(one: AnalystCommand) -> list[str]:
    """A command line of the command that asks the service something."""
    found = [one.name]
    for parameter in one.parameters:
        if parameter.name in one.lists:
            if parameter.name in ("data", "job", "jobs"):
                value = "data.txt" if parameter.name == "data" else JOB
                found += [value] if parameter.name == one.rest else [f"--{parameter.name}", value]
        elif parameter.default is parameter.empty:
            found.append("inputs/rig1/" if parameter.name == "prefix" else JOB)
        elif parameter.name == "config":
            found += ["--config", "config.json"]
        elif parameter.name == "cap":
            found += ["--cap", "$5/month"]
    return found


def refused(words_: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    code = cli.main(words_)
    said = capsys.readouterr()
    assert "Traceback" not in said.err + said.out
    assert code == 2, (words_, code, said)
    assert said.err.startswith("error: ") or "\nerror: " in said.err, said.err
    assert "\n  allowed: " in said.err
    assert "\n  do: " in said.err
    return said.err


@pytest.mark.parametrize("condition", SAID)
@pytest.mark.parametrize("one", ASKING, ids=lambda one: one.name)
def test_what_the_service_says_of_who_asks(
    one: AnalystCommand,
    condition: str,
    service: tuple[Service, str],
    shell: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if condition == "wrong region" and one.name in ("whoami", "analyses"):
        pytest.skip("who one is, is the same in every region, and an index that is empty is no mistake")
    with_keys(monkeypatch)
    service[0].condition, service[0].calls = condition, 0
    monkeypatch.setenv("AWS_ENDPOINT_URL", service[1])
    assert re.search(SAID[condition][-1], refused(words(one), capsys))
    assert service[0].calls


@pytest.mark.parametrize("one", ASKING, ids=lambda one: one.name)
def test_nobody_answers(
    one: AnalystCommand, shell: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_keys(monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "no answer from http://127.0.0.1:9" in refused(words(one), capsys)


@pytest.mark.parametrize("one", ASKING, ids=lambda one: one.name)
@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}, "no AWS credentials in this shell"),
        ({"AWS_ACCESS_KEY_ID": "A", "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}, "half a key pair"),
        ({"AWS_PROFILE": "gone", "AWS_REGION": REGION}, "gone"),
        ({"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s"}, "no region"),
        ({"NEUROCAAS_PROFILE": "gone"}, "no profile 'gone'"),
    ],
    ids=["none", "half", "no such AWS profile", "no region", "no such profile"],
)
def test_credentials_that_are_not_there(
    one: AnalystCommand,
    variables: dict[str, str],
    told: str,
    shell: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert told in refused(words(one), capsys)


PROFILES = {
    "openid": Profile(
        name="uni", way="openid", issuer="https://login.example.org", client_id="c", account=ACCOUNT,
        region=REGION, group=GROUP,
    ),
    "identity-center": Profile(
        name="uni", way="identity-center", start_url="https://d-9.awsapps.com/start", sso_region=REGION,
        account=ACCOUNT, permission_set="NeuroCAAS", region=REGION, group=GROUP,
    ),
}  # fmt: skip


@pytest.mark.parametrize("one", ASKING, ids=lambda one: one.name)
@pytest.mark.parametrize("way", PROFILES)
@pytest.mark.parametrize("expired", [False, True], ids=["never", "expired"])
def test_a_sign_in_that_is_over_says_to_sign_in_again(
    one: AnalystCommand, way: str, expired: bool, shell: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = PROFILES[way]
    configuration.save(Configuration({"uni": profile}, "uni"))
    if expired:
        place = openid.kept(profile) if way == "openid" else identity_center.kept(profile)
        place.write({"expires": 0.0, "id_token": "x", "accessToken": "x"})
    assert "`neurocaas login --name uni`" in refused(words(one), capsys)


@pytest.mark.parametrize("one", ASKING, ids=lambda one: one.name)
def test_a_command_goes_on_when_its_session_ends_in_the_middle(
    one: AnalystCommand, shell: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each request takes 25 minutes, and a session lasts an hour."""
    (shell / "aws-credentials").write_text("[uni]\naws_access_key_id = A\naws_secret_access_key = s\n")
    configuration.save(
        Configuration({"uni": Profile(name="uni", way="aws-profile", aws_profile="uni", region=REGION,
                                      group=GROUP)}, "uni")
    )  # fmt: skip
    late, born, used = [0.0], dict[str, float](), list[float]()
    through, renewing = access._through_role, access.renewing

    def fetch(*given: Any) -> dict[str, Any]:
        found = through(*given)
        born[found["access_key"]] = time.time() + late[0]
        end = datetime.fromtimestamp(time.time() + late[0] + 3600, UTC)
        return {**found, "expiry_time": end.isoformat()}

    def signed(request: Any, **_: Any) -> None:
        late[0] += 25 * 60
        if late[0] > 13 * 3600:
            raise KeyboardInterrupt  # whoever follows a job goes home
        key = request.headers.get("Authorization", b"").split(b"Credential=")[-1].split(b"/")[0].decode()
        if key in born:
            used.append(time.time() + late[0] - 25 * 60 - born[key])

    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(access, "_through_role", fetch)
    monkeypatch.setattr(access, "renewing", lambda get: renewing(get, lambda: time.time() + late[0]))
    session = access._session

    def watched(*given: Any) -> Any:
        made = session(*given)
        made.events.register_first("before-send", signed)
        return made

    monkeypatch.setattr(access, "_session", watched)
    with mock_aws(config={"core": {"mock_credentials": False}}):
        made: Any = boto3.client
        admin = {"region_name": REGION, "aws_access_key_id": "admin", "aws_secret_access_key": "s"}
        made("iam", **admin).create_role(RoleName=session_role(REGION, GROUP), AssumeRolePolicyDocument="{}")
        s3 = made("s3", **admin)
        s3.create_bucket(Bucket=BUCKET)
        tell(s3)
        ended(s3, JOB, {"a": 60.0}, {"a.csv": "1,2\n"})
        put(s3, f"{GROUP}/inputs/a", "x")
        cli.main(words(one))
    said = capsys.readouterr()
    assert "expired" not in said.err + said.out
    assert used, "nothing was asked"
    assert max(used) < 3600, "a session that had ended was used"
    if len(used) > 2:
        assert len(born) > 1


def test_the_table_has_every_command() -> None:
    assert {one.name for one in COMMANDS} == {one.name for one in ASKING} | HERE_ALONE
    assert {one.name for one in signing_in.COMMANDS} - HERE_ALONE == {"whoami"}
