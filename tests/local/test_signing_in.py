"""From an administrator's groups.yaml to a member's job, under enforced IAM: people without an IAM user sign
in at a provider of OpenID Connect, or come from Identity Center; they have their groups' rights and no other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.paths import Paths
from localcloud.running import Cloud
from localcloud.tests.denials import denied
from tests.local.deployed import GROUPS, Deployed
from tests.local.people import Computer, Member
from tests.unit import sign_in_pages
from tests.unit.sign_in_pages import CLIENT, Provider

pytestmark = [pytest.mark.local, pytest.mark.slow]

PROVIDER = "arn:aws:iam::000000000000:oidc-provider/login.example.org"
MORE = f"""\
federation: {{provider: '{PROVIDER}', audience: {CLIENT}}}
identity_center: {{start_url: 'https://d-90.awsapps.com/start', region: us-east-1, permission_set: NeuroCAAS}}
"""


@pytest.fixture(scope="module")
def peopled(service: Deployed) -> Deployed:
    """The service, in whose groups are two more who have no IAM user."""
    text = GROUPS.replace(
        "users:\n", f"{MORE}users:\n  fay: {{subject: 'id|9'}}\n  cy: {{identity_center: cy}}\n"
    )
    text = text.replace("members: [ann, eve]", "members_max: 6\n    members: [ann, eve, cy]")
    text = text.replace("[bob, joe]", "[bob, joe, fay]").replace("users:\n", "users:\n  dan: {}\n")
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


def test_who_submitted_who_leads_and_who_was_taken_out(peopled: Deployed, tmp_path: Path) -> None:
    """Two groups of two members and a lead, as these people: names, removal, additions, and the trail."""
    people = {
        name: Member(peopled, name, tmp_path / name, group)
        for name, group in (("ann", "lab1"), ("eve", "lab1"), ("lea", "lab1"), ("bob", "lab10"))
    }
    ann, eve, lea, bob = people.values()
    for member in (ann, eve, bob):
        with pytest.raises(Exception, match="AccessDenied"):
            member.session("lea" if member is not bob else "fay")
    ann.submits("of-ann", "--follow")
    bob.submits("of-bob", "--no-wait")
    listed = {one["job"]: one["submitter"] for one in json.loads(eve.types("jobs", "--json"))}
    assert listed["of-ann"] == "ann"
    assert "of-bob" not in listed
    assert json.loads(eve.types("jobs", "--mine", "--json")) == []
    assert [one["job"] for one in json.loads(ann.types("jobs", "--mine", "--json"))] == ["of-ann"]
    assert ", by ann" in ann.types("status", "of-ann")
    certificate = (
        peopled.client("s3")
        .get_object(Bucket=peopled.bucket, Key="jobs/lab1/job_of-ann/certificate.txt")["Body"]
        .read()
        .decode()
    )
    assert "SUBMITTED BY: ann\n" in certificate

    # a lead changes who is in the group; a member cannot
    before = eve.session("eve")
    peopled.client("s3", before).put_object(Bucket=peopled.bucket, Key="lab1/inputs/eves", Body=b"1")
    assert "a lead of lab1" in ann.types("members", "--remove", "eve", code=2)
    assert "taken out" in lea.types("members", "--remove", "eve", "--add", "dan")
    said = eve.submits("of-eve", "--follow", code=1)
    assert "'eve', whom a lead has taken out of group 'lab1'" in said
    shown = ann.at.types("status", "of-eve").stdout
    assert "REJECTED" in shown
    assert "FAILED 0/0" not in shown
    (row,) = [one for one in json.loads(ann.types("jobs", "--json")) if one["job"] == "of-eve"]
    assert (row["state"], row["submitter"]) == ("REJECTED", "eve")
    assert "whom a lead has taken out" in row["why"]
    peopled.ground.invoke("deploy", "utils", "--local", "--yes")
    s3 = peopled.client("s3", before)
    assert denied(lambda: s3.put_object(Bucket=peopled.bucket, Key="lab1/inputs/eves", Body=b"2"))
    assert denied(lambda: s3.list_objects_v2(Bucket=peopled.bucket, Prefix="lab1/results/"))
    with pytest.raises(Exception, match="AccessDenied"):
        eve.session("eve")
    dan = Member(peopled, "dan", tmp_path / "dan", "lab1")
    assert "you are dan" in dan.types("whoami")
    names = {one["name"]: one["change"] for one in json.loads(dan.types("members", "--json"))["people"]}
    assert names == dict.fromkeys(("ann", "cy", "dan", "lea"), "")

    # the trail says who has read and written what
    asked = ("audit", "--group", "lab1", "--since", "1d", "--people", "--json", "--local")
    calls = json.loads(peopled.ground.invoke(*asked).stdout)["calls"]
    found = {(one["who"], one["call"], one["key"]) for one in calls}
    assert ("ann", "PutObject", "lab1/submissions/of-ann_submit.json") in found
    assert not [one for one in calls if "lab10" in one["key"]]
    told = peopled.ground.invoke("audit", "lab1/inputs/eves", "--local").stdout
    assert "AccessDenied" in told
