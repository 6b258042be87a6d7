"""Everybody of groups.yaml has a way in, and is told what to type: six labs of 25 people, of whom three have
a long-lived key."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from blueprints import groups, ways
from blueprints.ways import Service
from console import authoring, invitations
from console import people as commands
from console.errors import UserError
from neurocaas.commands import signing_in
from neurocaas.configuration import SETTINGS_MARK, profile_of
from neurocaas.protocol import members
from tests.unit.test_groups import BLUEPRINT

HERE = Service("111122223333", "eu-west-1")
PROVIDER = "arn:aws:iam::111122223333:oidc-provider/login.example.org/realms/uni"
CENTER = "{start_url: 'https://d-90.awsapps.com/start', region: us-east-1, permission_set: NeuroCAAS%s}"
OPENID = f"federation: {{provider: '{PROVIDER}', audience: cli}}"
LABS = {f"lab{number}": [f"p{number}{person}" for person in range(4)] for number in range(1, 6)} | {
    "lab6": [f"p6{person}" for person in range(5)]
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "blueprints" / "spikes"
    folder.mkdir(parents=True)
    (folder / "blueprint.yaml").write_text(BLUEPRINT.format(name="spikes"))
    (folder / "run.sh").write_text("#!/bin/bash\n")
    return tmp_path


def written(project: Path, users: dict[str, str], *blocks: str, labs: dict[str, list[str]] = LABS) -> Any:
    lines = ["schema_version: 1", *blocks, "users:", *(f"  {name}: {said}" for name, said in users.items())]
    lines += ["groups:"]
    lines += [
        f"  {lab}: {{members: [{', '.join(people[1:])}], leads: [{people[0]}], analyses: {{spikes: }}}}"
        for lab, people in labs.items()
    ]
    (project / "groups.yaml").write_text("\n".join(lines) + "\n")
    return groups.load(project)


EVERYBODY = [person for people in LABS.values() for person in people]
KEYS = dict.fromkeys(EVERYBODY[:3], "{access_key: true}")


def test_before_22_of_25_had_none_and_each_of_them_is_warned_about(project: Path) -> None:
    directory = written(project, {**dict.fromkeys(EVERYBODY, ""), **KEYS})
    assert len(EVERYBODY) == 25
    warned = list(ways.shut_out(directory))
    assert len(warned) == 22
    for problem in warned:
        assert problem.got
        assert "identity_center" in problem.allowed
        assert problem.do
    assert "p20" in invitations.table(invitations.rows(directory, HERE))
    with pytest.raises(UserError, match="no way in for p20, p21, p22, p23"):
        invitations.texts(directory, HERE, "lab2")


@pytest.mark.parametrize(
    ("blocks", "said", "kind"),
    [
        ((f"identity_center: {CENTER % ', everybody: true'}",), "", ways.CENTER),
        ((f"identity_center: {CENTER % ''}",), "{{identity_center: {0}@example.org}}", ways.CENTER),
        ((f"federation: {{provider: '{PROVIDER}', audience: cli}}",), "{{subject: 'id|{0}'}}", ways.OPENID),
        ((f"federation: {{provider: '{PROVIDER}', audience: cli}}",), "{{federated: true}}", ways.OPENID),
        (("federation: {provider: 'arn:aws:iam::111122223333:saml-provider/uni'}",), "{{federated: true}}",
         ways.SAML),
    ],
)  # fmt: skip
def test_each_has_a_way_and_a_line_that_login_takes(
    project: Path, blocks: Sequence[str], said: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = written(project, {**{name: said.format(name) for name in EVERYBODY}, **KEYS}, *blocks)
    assert list(ways.shut_out(directory)) == []
    for lab, people in LABS.items():
        letters = {one["user"]: one["text"] for one in invitations.texts(directory, HERE, lab)}
        assert set(letters) == set(people)
        for person in people:
            first = ways.of(directory, person, HERE)[0]
            if person not in KEYS or (kind == ways.CENTER and not said):
                assert first.kind == kind
                assert not first.last_resort
            typed = invitations.command(first)
            assert typed in letters[person]
            # the line is taken as it is, and gives a profile without a mistake
            word = typed.split()[-1]
            values = dict(first.settings)
            if word.startswith(SETTINGS_MARK):
                monkeypatch.setattr("sys.stderr", io.StringIO())
                values = signing_in._told(word)
            profile = profile_of(values, "p", "p")
            assert (profile.group, profile.region) == (lab, "eu-west-1")
            assert profile.lead == (person == people[0])


def test_who_comes_another_way_needs_no_iam_user(project: Path) -> None:
    center = f"identity_center: {CENTER % ''}"
    users = {"p10": "{access_key: true}", "p11": "{identity_center: ann@example.org}", "p12": "",
             "p13": "{existing: true, identity_center: true}"}  # fmt: skip
    directory = written(project, users, center, labs={"lab1": LABS["lab1"]})
    assert {name: directory.needs_user(name) for name in users} == {
        "p10": True, "p11": False, "p12": True, "p13": True,
    }  # fmt: skip
    assert ways.kinds(directory, "p13") == [ways.CENTER, ways.OWN]
    key = ways.of(directory, "p10", HERE)[0]
    assert key.last_resort
    assert "last resort" in key.before


def test_a_member_of_several_groups_has_them_all_in_one_line(project: Path) -> None:
    labs = {"lab1": ["lea", "ann"], "lab2": ["ann", "bob"]}
    directory = written(
        project, dict.fromkeys(["lea", "ann", "bob"], ""), f"identity_center: {CENTER % ', everybody: true'}",
        labs=labs,
    )  # fmt: skip
    settings = ways.of(directory, "ann", HERE)[0].settings
    assert settings["groups"] == ["lab1", "lab2"]
    assert "lead" not in settings, "she leads one of them only"


@pytest.mark.parametrize(
    ("blocks", "users", "told"),
    [
        ((), "{identity_center: bob}", "groups.no-center"),
        ((), "{subject: bob}", "groups.no-provider"),
        ((), "{federated: true}", "groups.no-provider"),
        (("federation: {provider: 'arn:aws:iam::111122223333:saml-provider/uni'}",), "{subject: b}",
         "groups.subject"),
        ((f"identity_center: {CENTER % ''}",), "{identity_center: same}", "groups.same-person"),
        ((OPENID,), "{subject: same}", "groups.same-person"),
        ((f"identity_center: {CENTER % ''}",), "{identity_center: 'a*'}", "schema.pattern"),
        ((OPENID,), "{subject: 'a*'}", "schema.pattern"),
    ],
)  # fmt: skip
def test_a_way_that_cannot_be_is_a_mistake(
    project: Path, blocks: Sequence[str], users: str, told: str
) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        written(project, {"p1": users, "p2": users}, *blocks, labs={"lab1": ["p1", "p2"]})
    assert told in {problem.rule for problem in caught.value.problems}  # type: ignore[attr-defined]


def test_the_policy_of_the_permission_set_is_the_roles_of_groups_alone(project: Path) -> None:
    directory = written(project, dict.fromkeys(EVERYBODY, ""), f"identity_center: {CENTER % ''}")
    (statement,) = json.loads(invitations.policy(HERE, directory))["Statement"]
    assert statement["Action"] == "sts:AssumeRole"
    assert statement["Resource"] == "arn:aws:iam::111122223333:role/neurocaas-eu-west-1-*"


def test_the_file_of_the_administrators_guide_is_right_and_lets_everybody_in(project: Path) -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs" / "administrators.md").read_text()
    (text,) = re.findall(r"^```yaml\n(# groups.yaml\nschema_version.*?)^```", guide, re.MULTILINE | re.DOTALL)
    for name in ("dti", "analysis"):
        folder = project / "blueprints" / name
        folder.mkdir()
        (folder / "blueprint.yaml").write_text(BLUEPRINT.format(name=name))
        (folder / "run.sh").write_text("#!/bin/bash\n")
    (project / "groups.yaml").write_text(text)
    directory = groups.load(project)
    assert list(ways.shut_out(directory)) == []
    used = {kind for user in directory.users for kind in ways.kinds(directory, user)}
    assert used == {ways.CENTER, ways.OPENID, ways.OWN, ways.KEY}
    assert not any(directory.needs_user(name) for name in ("ann", "bob", "cy", "eve"))


def test_validate_warns_and_the_file_is_right_all_the_same(project: Path) -> None:
    written(project, {**dict.fromkeys(EVERYBODY, ""), **KEYS})
    verdict = authoring._groups(project)
    assert verdict["ok"]
    assert len(verdict["warnings"]) == 22
    assert set(verdict["warnings"][0]) == {"field", "got", "allowed", "do"}
    told = authoring._told(verdict)
    assert told.startswith("groups.yaml: right")
    assert told.count("warning") == 22
    assert "users.p20: warning" in told
    assert "  do" in told


def test_people_are_told_as_the_leads_have_changed_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An invitation is for whoever a lead has added, too; what the file does not allow is told."""
    entry = groups.GroupEntry(name="lab1", members=("ann",), analyses={"dti": None}, members_max=2)
    users = {name: groups.User(name=name, access_key=True) for name in ("ann", "kim")}
    directory = groups.Directory(users=users, groups={"lab1": entry})
    monkeypatch.setattr(commands, "_directory", lambda: directory)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        asked = members.MemberChanges(("kim", "nobody"), ("ann",))
        boto3.client("ssm").put_parameter(
            Name=members.changes_parameter("lab1"), Value=asked.to_json(), Type="String"
        )
        found = commands._as_it_is()
    assert found.groups["lab1"].members == ("kim",)
    assert "nobody is not added: groups.yaml has no such user" in capsys.readouterr().err
