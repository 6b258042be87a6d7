"""From an administrator's groups.yaml to a member's job, under enforced IAM: people without an IAM user sign
in at a provider of OpenID Connect, or come from Identity Center; they have their groups' rights and no other.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.paths import Paths
from localcloud.running import Cloud
from tests.local.deployed import GROUPS, Deployed
from tests.unit import sign_in_pages
from tests.unit.sign_in_pages import CLIENT, Provider

pytestmark = [pytest.mark.local, pytest.mark.slow]

PROVIDER = "arn:aws:iam::000000000000:oidc-provider/login.example.org"
MORE = f"""\
federation: {{provider: '{PROVIDER}', audience: {CLIENT}}}
identity_center: {{start_url: 'https://d-90.awsapps.com/start', region: us-east-1, permission_set: NeuroCAAS}}
"""
BROWSER = """\
import sys, urllib.request
urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=10).read()
"""


@pytest.fixture(scope="module")
def peopled(service: Deployed) -> Deployed:
    """The service, in whose groups are two more who have no IAM user."""
    text = GROUPS.replace(
        "users:\n", f"{MORE}users:\n  fay: {{subject: 'id|9'}}\n  cy: {{identity_center: cy}}\n"
    )
    text = text.replace("members: [ann, eve]", "members: [ann, eve, cy]").replace("[bob]", "[bob, fay]")
    (service.ground.root / "groups.yaml").write_text(text)
    service.ground.invoke("deploy", "utils", "--local", "--yes")
    cloud = Cloud.load(Paths(service.ground.root / ".local"))
    assert cloud is not None
    cloud.admin("POST", "account", {"unverified_identities": True})
    return service


@pytest.fixture
def page() -> Iterator[Provider]:
    with sign_in_pages.provider(subject="id|9") as one:
        one.says = "https://login.example.org"
        yield one


class Computer:
    """A person's own: it knows no cloud and no key."""

    def __init__(self, service: Deployed, folder: Path) -> None:
        self.service, self.folder = service, folder
        local = service.ground.local_environment()
        (folder / "browser.py").write_text(BROWSER)
        self.environ = {
            **{name: value for name, value in local.items() if not name.startswith(("AWS_", "NEUROCAAS_"))},
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(folder / "aws-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "aws-credentials"),
            "NEUROCAAS_CONFIG_FILE": str(folder / "config.toml"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "BROWSER": f"{sys.executable} {folder / 'browser.py'} %s",
            "PYTHONPATH": str(service.ground.root),
        }

    def types(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "neurocaas", *words],
            cwd=self.folder, env=self.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip


@pytest.fixture
def computer(peopled: Deployed, tmp_path: Path) -> Computer:
    return Computer(peopled, tmp_path)


def invited(service: Deployed, group: str, user: str) -> str:
    """The line of the invitation that the administrator sends."""
    told = json.loads(service.ground.invoke("invite", group, "--user", user, "--json", "--local").stdout)
    (one,) = told["people"]
    (line,) = re.findall(r"^ +\d+\. (neurocaas login .*)$", one["text"], re.MULTILINE)
    return str(line)


def test_a_person_without_an_iam_user_signs_in_and_submits(
    peopled: Deployed, computer: Computer, page: Provider
) -> None:
    line = invited(peopled, "lab10", "fay").split()[1:]
    done = computer.types(*line, "--issuer", page.issuer)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("you are fay, of the group lab10")
    who = json.loads(computer.types("whoami", "--json").stdout)
    assert ":assumed-role/neurocaas-us-east-1-lab10/" in who["arn"]
    assert who["analyses"] == ["analysis"]
    (computer.folder / "scan.txt").write_text("1\n")
    (computer.folder / "config.json").write_text('{"wait": 0}\n')
    done = computer.types("submit", "analysis", "--data", "scan.txt", "--config", "config.json", "--json")
    assert done.returncode == 0, done.stderr
    listed = json.loads(computer.types("jobs", "--analysis", "analysis", "--mine", "--json").stdout)
    assert {one["submitter"] for one in listed} <= {"fay", ""}  # "": the service has not answered yet
    refused = computer.types("whoami", "--group", "lab1")
    assert refused.returncode == 2
    assert "neurocaas-us-east-1-lab1" in refused.stderr
    assert "do: " in refused.stderr


def test_somebody_else_of_the_same_provider_is_refused(
    peopled: Deployed, computer: Computer, page: Provider
) -> None:
    page.subject = "id|99"
    done = computer.types(*invited(peopled, "lab10", "fay").split()[1:], "--issuer", page.issuer)
    assert done.returncode == 2
    assert "does not let" in done.stderr
    assert not (computer.folder / "config.toml").exists()


def test_a_user_of_identity_center_is_let_into_their_group_by_name(
    peopled: Deployed, computer: Computer
) -> None:
    """Its role is made here as Identity Center makes it; the session's name is the person's."""
    policy = peopled.ground.invoke("people", "--permission-set", "--local").stdout
    iam: Any = peopled.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}
    name = "AWSReservedSSO_NeuroCAAS_0123456789abcdef"
    made = iam.create_role(
        RoleName=name,
        Path="/aws-reserved/sso.amazonaws.com/",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]
    iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=policy)
    for person, code in (("cy", 0), ("cyril", 2), ("ann", 2)):
        given = peopled.client("sts").assume_role(RoleArn=made["Arn"], RoleSessionName=person)["Credentials"]
        (computer.folder / "aws-credentials").write_text(
            f"[sso]\naws_access_key_id = {given['AccessKeyId']}\naws_secret_access_key = "
            f"{given['SecretAccessKey']}\naws_session_token = {given['SessionToken']}\n"
        )
        computer.environ["AWS_ENDPOINT_URL"] = peopled.ground.local_environment()["AWS_ENDPOINT_URL"]
        done = computer.types("login", "--aws-profile", "sso", "--group", "lab1", "--region", "us-east-1")
        assert done.returncode == code, (person, done.stdout, done.stderr)
        if code:
            assert "may not take the role" in done.stderr


def test_the_developers_own_group_on_the_local_cloud(peopled: Deployed, computer: Computer) -> None:
    computer.environ["LOCALCLOUD_HOME"] = str(peopled.ground.root / ".local")
    done = computer.types("login", "--local", "--group", "debuggers")
    assert done.returncode == 0, done.stderr
    done = computer.types("jobs", "--analysis", "analysis")
    assert done.returncode == 0, done.stderr
    assert "the local cloud" in done.stderr
    kept = (computer.folder / "config.toml").read_text()
    assert (
        json.loads((peopled.ground.root / ".local" / "cloud.json").read_text())["secret_access_key"]
        not in kept
    )
