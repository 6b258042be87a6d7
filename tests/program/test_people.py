"""groups.yaml in the program: what `utils` makes of it, and what the stacks of analyses take from there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest

from checks.rule import run
from checks.rules import RULES
from components import program
from neurocaas.protocol.members import MemberChanges, Roster, roster, session_of_subject
from tests.program.iam_oracle import allowed, may_take
from tests.program.projects import REFERENCE, make_project
from tests.program.recording import ACCOUNT, Recorded, Recorder, deploy

GROUPS = """\
schema_version: 1
users:
  ann: {access_key: true}
  old: {existing: true}
  lea:
groups:
  north: {members: [ann, old], leads: [lea],
          analyses: {spikes: {budget_usd: 12.5, member_budget_usd: 5, members: {ann: 7}}}}
  south.2: {members: [ann], analyses: {spikes: }}
"""


@pytest.fixture(scope="module")
def peopled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = make_project(tmp_path_factory.mktemp("peopled"))
    (project / "groups.yaml").write_text(GROUPS)
    return project


@pytest.fixture(scope="module")
def shared(peopled: Path) -> Recorded:
    return deploy(lambda: program.outputs(peopled), "utils", recorder=Recorder({}, users=["old"]))


@pytest.fixture(scope="module")
def analysis(peopled: Path, shared: Recorded) -> Recorded:
    return deploy(lambda: program.outputs(peopled), "spikes-webdev", references={REFERENCE: shared.outputs})


def test_a_group_is_four_resources_four_more_with_leads_and_its_budgets(
    shared: Recorded, utils: Recorded
) -> None:
    added = len(shared.resources) - len(utils.resources)
    leads, budgets, users, memberships, rosters = 4, 3, 2, 3, 2
    assert added == 2 * 4 + leads + budgets + users + memberships + rosters
    found = [one.inputs for one in shared.of_type("Parameter") if "budget" in one.name]
    assert {one["name"]: (one["insecureValue"], one["type"]) for one in found} == {
        "/neurocaas/budgets/north/spikes": ("12.50", "String"),
        "/neurocaas/budgets/north/spikes/each": ("5.00", "String"),
        "/neurocaas/budgets/north/spikes/members/ann": ("7.00", "String"),
    }


def test_each_address_of_notify_is_one_subscription_for_its_groups(
    tmp_path: Path,
) -> None:
    project = make_project(tmp_path)
    text = GROUPS.replace("{members: [ann, old],", "{notify: [{to: pi@x.example}], members: [ann, old],")
    text = text.replace(
        "{members: [ann],",
        "{notify: [{to: pi@x.example, events: [budget]}, {to: 'https://x.example/', digest: daily}], "
        "members: [ann],",
    )
    (project / "groups.yaml").write_text(text)
    made = deploy(lambda: program.outputs(project), "utils", recorder=Recorder({}, users=["old"]))
    told = {one.inputs["endpoint"]: one.inputs for one in made.of_type("TopicSubscription")}
    assert {address: one["protocol"] for address, one in told.items()} == {
        "pi@x.example": "email",
        "https://x.example/": "https",
    }
    assert json.loads(told["pi@x.example"]["filterPolicy"]) == {
        "about": [
            {"prefix": "north/budget/"},
            {"prefix": "north/job-ended/"},
            {"prefix": "north/job-failed/"},
            {"prefix": "north/job-idle/"},
            {"prefix": "north/refused/"},
            {"prefix": "south.2/budget/"},
        ]
    }
    assert not [one.name for one in made.of_type("TopicSubscription") if "x.example" in one.name]
    digests = next(one for one in made.of_type("BucketObjectv2") if one.name.endswith("-digests"))
    assert json.loads(digests.inputs["content"])["groups"] == ["south.2"]


def test_users_are_made_unless_they_are_there_and_put_into_their_groups(shared: Recorded) -> None:
    assert {user.inputs["name"] for user in shared.of_type("User")} == {"ann", "lea"}
    memberships = shared.of_type("UserGroupMembership")
    members = {
        one.inputs["user"]: [name.rpartition("-")[0] for name in one.inputs["groups"]] for one in memberships
    }
    prefix = "neurocaas-utils-people"
    north, south = (
        f"{prefix}-north",
        next(group.name for group in shared.of_type("Group") if "south" in group.name),
    )
    assert members == {"ann": [north, south], "old": [north], "lea": [north, f"{north}-leads"]}


def test_no_access_key_is_in_the_program(shared: Recorded) -> None:
    assert not shared.of_type("AccessKey")


def test_a_session_lasts_twelve_hours_and_is_taken_by_the_groups_own_policy(shared: Recorded) -> None:
    role = next(
        role for role in shared.of_type("Role") if role.inputs.get("name") == "neurocaas-us-east-1-north"
    )
    assert role.inputs["maxSessionDuration"] == 12 * 3600
    assert "boundary" in role.inputs["permissionsBoundary"]
    policy = next(one for one in shared.of_type("GroupPolicy") if one.name.endswith("-north")).policy()
    (taking,) = [statement for statement in policy["Statement"] if statement["Action"] == ["sts:AssumeRole"]]
    assert taking["Resource"] == [f"arn:aws:iam::{ACCOUNT}:role/neurocaas-us-east-1-north"]


def test_members_read_the_budgets_of_their_group_and_set_none(shared: Recorded) -> None:
    policy = next(one for one in shared.of_type("GroupPolicy") if one.name.endswith("-north")).policy()
    about = [one for one in policy["Statement"] if any(action.startswith("ssm:") for action in one["Action"])]
    actions = {action for statement in about for action in statement["Action"]}
    assert actions == {"ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"}
    (budgets,) = [one["Resource"] for one in about if "ssm:GetParameter" in one["Action"]]
    assert [arn.partition(":parameter")[2] for arn in budgets] == ["/neurocaas/budgets/north/*"]


def test_a_session_of_a_lead_is_an_analysts_and_a_leads_rights(shared: Recorded) -> None:
    role = next(
        role for role in shared.of_type("Role") if role.inputs.get("name") == "neurocaas-us-east-1-north+lead"
    )
    assert role.inputs["maxSessionDuration"] == 12 * 3600
    assert "boundary" in role.inputs["permissionsBoundary"]

    def rights(kind: str) -> set[str]:
        policy = next(one for one in shared.of_type(kind) if one.name.endswith("-north-leads")).policy()
        return {statement["Sid"] for statement in policy["Statement"]}

    mine, group = rights("RolePolicy"), rights("GroupPolicy")
    assert mine == {
        "Upload",
        "Fetch",
        "List",
        "FindAnalysesAndMembers",
        "ReadReports",
        "ListReports",
        "ReadBudgets",
        "SetLimits",
        "ChangeMembers",
        "NobodyElse",
    }
    assert group == {
        "ReadReports",
        "ListReports",
        "SetLimits",
        "ChangeMembers",
        "TakeSession",
    }  # the rest as an analyst


def test_the_analysis_takes_groups_from_both_places(analysis: Recorded, shared: Recorded) -> None:
    groups = analysis.outputs["groups"]
    assert set(groups) == {"lab1", "lab10", "north", "south.2"}
    assert groups["north"]["analyst_group"] == shared.outputs["groups"]["north"]["analyst_group"]
    assert {group.name.split("-")[3] for group in analysis.of_type("Group")} == {"lab1", "lab10"}
    assert "north/submissions/" in {
        notice.get("filterPrefix") for notice in analysis.one("BucketNotification").inputs["queues"]
    }


def test_a_group_of_groups_yaml_is_four_resources_in_an_analysis(analysis: Recorded) -> None:
    north = [resource for resource in analysis.resources if "-north-" in resource.name]
    assert sorted(resource.type.rpartition(":")[2] for resource in north) == [
        "InstanceProfile",
        "LaunchTemplate",
        "Role",
        "RolePolicy",
    ]


def test_a_missing_user_is_named_before_anything_is_made(peopled: Path) -> None:
    recorder = Recorder({})
    with pytest.raises(
        pulumi.RunError, match=r"groups.yaml: users.old: got no such user in IAM .*Correct the name"
    ):
        deploy(lambda: program.outputs(peopled), "utils", recorder=recorder)
    assert {resource.name for resource in recorder.recorded.resources} <= {"aws"}


def test_a_user_who_is_not_in_the_file_is_named_before_anything_is_made(tmp_path: Path) -> None:
    project, recorder = make_project(tmp_path), Recorder({})
    (project / "groups.yaml").write_text(GROUPS.replace("[lea]", "[leo]"))
    for stack in ("utils", "spikes-webdev"):
        with pytest.raises(pulumi.RunError, match=r"groups.yaml:7: groups.north.leads\[0\]: got 'leo'"):
            deploy(lambda: program.outputs(project), stack, recorder=recorder)
    assert not [resource for resource in recorder.recorded.resources if resource.name != "aws"]


def test_an_analysis_says_when_utils_has_not_heard_of_a_group(
    peopled: Path, utils: Recorded, shared: Recorded
) -> None:
    with pytest.raises(
        pulumi.RunError, match=r"stack utils does not know the group\. .*Run `invoke deploy utils` first"
    ):
        deploy(lambda: program.outputs(peopled), "spikes-webdev", references={REFERENCE: utils.outputs})
    elsewhere = {"neurocaas:overrides": '{"bucket": "spikes-elsewhere"}'}
    with pytest.raises(pulumi.RunError, match="has made the group for the buckets spikes, spikes-prod"):
        deploy(lambda: program.outputs(peopled), "spikes-webdev", elsewhere, {REFERENCE: shared.outputs})


def test_a_group_that_utils_does_not_know_yet_can_be_previewed(
    peopled: Path, utils: Recorded, analysis: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pull request that adds a group changes `utils` and the analysis at once."""
    warned: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warned.append)
    soon = deploy(
        lambda: program.outputs(peopled), "spikes-webdev", references={REFERENCE: utils.outputs}, preview=True
    )
    assert {(one.type, one.name) for one in soon.resources} == {
        (one.type, one.name) for one in analysis.resources
    }
    assert len(warned) == 2
    assert all("stack utils does not know the group" in text for text in warned)


def test_rights_that_do_not_fit_into_a_group_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    project, recorder = make_project(tmp_path), Recorder({})
    source = (project / "blueprints/spikes/blueprint.yaml").read_text()
    names = [f"{'n' * 60}{number:03}" for number in range(6)]
    for name in names:
        folder = project / "blueprints" / name
        (folder / "provision").mkdir(parents=True)
        (folder / "blueprint.yaml").write_text(
            source.replace("name: spikes", f"name: {name}").partition("bucket:")[0]
        )
        (folder / "run_spikes.sh").write_text("#!/bin/bash\n")
        (folder / "provision" / "1.sh").write_text("#!/bin/bash\ntrue\n")
    (project / "groups.yaml").write_text(
        f"schema_version: 1\ngroups:\n  {'g' * 63}: {{analyses: "
        f"{{{', '.join(f'{name}: ' for name in names)}}}}}\n"
        f"  h: {{analyses: {{spikes: }}}}\n"
    )
    with pytest.raises(pulumi.RunError, match=r"got rights of 7\d+ characters, for 6 buckets. Allowed: 5120"):
        deploy(lambda: program.outputs(project), "utils", recorder=recorder)
    assert {resource.name for resource in recorder.recorded.resources} <= {"aws"}


PROVIDER = f"arn:aws:iam::{ACCOUNT}:saml-provider/university"


def trusts(stack: Recorded) -> dict[str, list[dict[str, Any]]]:
    """Role -> the statements of its trust policy, of the roles that people take."""
    roles = [
        role
        for role in stack.of_type("Role")
        if str(role.inputs.get("name", "")).startswith("neurocaas-us-east-1-")
    ]
    return {role.inputs["name"]: role.policy("assumeRolePolicy")["Statement"] for role in roles}


def test_nobody_of_an_identity_provider_is_let_in_unless_groups_yaml_says_so(shared: Recorded) -> None:
    assert {name: [one["Sid"] for one in statements] for name, statements in trusts(shared).items()} == {
        "neurocaas-us-east-1-north": ["MembersByTheirPolicy", "Administrators"],
        "neurocaas-us-east-1-north+lead": ["MembersByTheirPolicy", "Administrators"],
        "neurocaas-us-east-1-south.2": ["MembersByTheirPolicy", "Administrators"],
    }


def test_people_of_an_identity_provider_take_their_groups_role(tmp_path: Path, shared: Recorded) -> None:
    project = make_project(tmp_path)
    (project / "groups.yaml").write_text(f"{GROUPS}federation: {{provider: '{PROVIDER}', tag: lab}}\n")
    federated = deploy(lambda: program.outputs(project), "utils", recorder=Recorder({}, users=["old"]))
    more = {(one.type.rpartition(":")[2], one.name) for one in federated.resources} - {
        (one.type.rpartition(":")[2], one.name) for one in shared.resources
    }
    assert sorted(kind for kind, _ in more) == ["Role", "RolePolicy"], (
        "the leads of the group that has none with a user"
    )
    assert set(trusts(federated)) == {*trusts(shared), "neurocaas-us-east-1-south.2+lead"}
    for name, (members, _, people, tags) in trusts(federated).items():
        assert members["Sid"] == "MembersByTheirPolicy"
        assert (people["Action"], tags["Action"]) == ("sts:AssumeRoleWithSAML", "sts:TagSession")
        wanted = {
            "SAML:aud": [
                "https://signin.aws.amazon.com/saml",
                "https://us-east-1.signin.aws.amazon.com/saml",
            ],
            "aws:RequestTag/lab": "south.2" if "south" in name else "north",
        }
        assert people["Principal"] == {"Federated": PROVIDER}
        assert people["Condition"] == {
            "StringEquals": wanted | ({"aws:RequestTag/lead": "true"} if "+lead" in name else {}),
            # the provider gives the names of sessions, and none of those that others have
            "StringNotEquals": {"sts:RoleSessionName": ["ann"] if "south" in name else ["ann", "lea", "old"]},
        }
    report = run(RULES, federated.stack())
    assert not report.findings


CENTER = "{start_url: 'https://d-90.awsapps.com/start', region: us-east-2, permission_set: NeuroCAAS}"
IN_CENTER = f"""\
schema_version: 1
identity_center: {CENTER}
federation: {{provider: 'arn:aws:iam::{ACCOUNT}:oidc-provider/login.example.org/uni', audience: cli}}
users:
  ann: {{access_key: true}}
  bob: {{identity_center: bob@example.org}}
  lea: {{identity_center: true}}
  eve: {{subject: 'id|70'}}
  fay: {{subject: id-9}}
  short: {{subject: 'id|7'}}
groups:
  north: {{members: [ann, bob], leads: [lea], analyses: {{spikes: }}}}
  south: {{members: [bob, eve, fay], analyses: {{spikes: }}}}
  west: {{members: [short], analyses: {{spikes: }}}}
"""


@pytest.fixture(scope="module")
def in_center(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    project = make_project(tmp_path_factory.mktemp("center"))
    (project / "groups.yaml").write_text(IN_CENTER)
    return deploy(lambda: program.outputs(project), "utils", recorder=Recorder({}, users=["old"]))


def test_who_has_another_way_in_has_no_iam_user(in_center: Recorded) -> None:
    assert [user.inputs["name"] for user in in_center.of_type("User")] == ["ann"]
    assert len(in_center.of_type("UserGroupMembership")) == 1
    assert not run(RULES, in_center.stack()).findings


def test_a_user_of_identity_center_takes_the_roles_of_their_groups_and_no_other(in_center: Recorded) -> None:
    """All of them have one permission set, which may take every role of a group as far as it is asked."""
    root = ("AWS", f"arn:aws:iam::{ACCOUNT}:root")
    ours = (
        f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com/{{}}AWSReservedSSO_{{}}_0123456789abcdef"
    )
    roles = {name.removeprefix("neurocaas-us-east-1-"): {"Statement": one}
             for name, one in trusts(in_center).items()}  # fmt: skip
    for person, session, wanted in (
        ("bob", "bob@example.org", {"north", "south"}),
        ("lea", "lea", {"north", "north+lead"}),
        ("nobody", "bob@example.org.evil", set()),
        ("by the name here", "bob", set()),
        ("by a name that ends so", "not-lea", set()),
        ("ann, who has a user, is not there by her name", "ann", set()),
    ):
        for folder in ("", "us-east-2/"):
            keys = {"aws:PrincipalArn": ours.format(folder, "NeuroCAAS"), "aws:userid": f"AROAX:{session}"}
            for name, may in ((session, wanted), *((one, set()) for one in ("bob@example.org", "lea", "=x"))):
                if name != session or may is wanted:
                    given = {**keys, "sts:RoleSessionName": name}
                    found = {
                        role
                        for role, trust in roles.items()
                        if may_take(trust, root, "sts:AssumeRole", **given)
                    }
                    assert found == (wanted if name == session else set()), (person, name)
    for other in ("AdministratorAccess", "NeuroCAAS_admin", "XNeuroCAAS"):
        # an administrator of another permission set is let in by their own policy, as before
        keys = {"aws:PrincipalArn": ours.format("", other), "aws:userid": "AROAX:lea"}
        for name, may in (("=lea", set(roles)), ("lea", set())):
            given = {**keys, "sts:RoleSessionName": name}
            found = {role for role, one in roles.items() if may_take(one, root, "sts:AssumeRole", **given)}
            assert found == may, name
    keys = {
        "aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:user/ann",
        "aws:userid": "AIDAX",
        "aws:username": "ann",
    }
    for name, may_ann in (("ann", True), ("bob@example.org", False), ("=ann", False), ("an", False)):
        given = {**keys, "sts:RoleSessionName": name}
        assert may_take(roles["north"], root, "sts:AssumeRole", **given) is may_ann


def test_a_person_of_the_provider_takes_the_roles_of_their_groups_by_their_subject(
    in_center: Recorded,
) -> None:
    provider = ("Federated", f"arn:aws:iam::{ACCOUNT}:oidc-provider/login.example.org/uni")
    host = "login.example.org/uni"
    own = session_of_subject("id|7")  # no session can be called 7
    for subject, audience, session, wanted in (
        ("id|70", "cli", "70", {"south"}),
        ("id|70", "cli", "id-9", set()),
        ("id|70", "cli", "0", set()),
        ("id|70", "cli", "ann", set()),
        ("id-9", "cli", "id-9", {"south"}),
        ("id-9", "cli", "70", set()),
        ("id|7", "cli", own, {"west"}),
        ("id|7", "cli", "id-9", set()),
        ("id-9", "cli", own, set()),
        ("id|70", "another-program", "70", set()),
        ("id|77", "cli", "77", set()),
    ):
        keys = {f"{host}:aud": audience, f"{host}:sub": subject, "sts:RoleSessionName": session}
        may = {
            name.removeprefix("neurocaas-us-east-1-")
            for name, trust in trusts(in_center).items()
            if may_take({"Statement": trust}, provider, "sts:AssumeRoleWithWebIdentity", **keys)
        }
        assert may == wanted, (subject, session)


def test_nobody_passes_by_a_tag_for_somebody_whom_groups_yaml_names(in_center: Recorded) -> None:
    provider = ("Federated", f"arn:aws:iam::{ACCOUNT}:oidc-provider/login.example.org/uni")
    host = "login.example.org/uni"
    for group, subject, session, may in (
        ("north", "new-person", "new-person", True),
        ("north", "auth0|new-person", "new-person", True),
        ("north", "auth0|ann", "ann", False),
        ("north", "ann", "ann", False),
        ("north", "bob@example.org", "bob@example.org", False),
        ("south", "new-person", "new-person", True),
        ("south", "auth0|id-9", "id-9", False),
        ("south", "auth0|70", "70", False),
        ("south", "70", "70", False),
        ("south", "new-person", "=x", False),
    ):
        keys = {
            f"{host}:aud": "cli",
            f"{host}:sub": subject,
            "sts:RoleSessionName": session,
            "aws:RequestTag/group": group,
        }
        trust = {"Statement": trusts(in_center)[f"neurocaas-us-east-1-{group}"]}
        found = may_take(trust, provider, "sts:AssumeRoleWithWebIdentity", **keys)
        assert found is may, (group, subject, session)


def policy_of(stack: Recorded, name: str) -> dict[str, Any]:
    return next(one for one in stack.of_type("RolePolicy") if one.name.endswith(name)).policy()


def test_a_session_of_somebody_who_is_not_in_the_group_any_more_has_no_right(
    tmp_path: Path, in_center: Recorded
) -> None:
    arn = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/neurocaas/budgets/{{}}/spikes"
    tag = {"aws:PrincipalTag/group": "north"}
    for group, session, more, may in (
        ("north", "ann", {}, True),
        ("north", "bob@example.org", {}, True),
        ("north", "lea", {}, True),
        ("north", "=root@example.org", {}, True),
        ("north", "eve", {}, False),
        ("north", "ann2", {}, False),
        ("north", "lann", {}, False),
        ("north", "somebody-of-the-provider", tag, True),
        ("south", "somebody-of-the-provider", tag, False),
        ("south", "70", {}, True),
        ("south", "id-9", {}, True),
        ("west", session_of_subject("id|7"), {}, True),
    ):
        keys = {"aws:userid": f"AROAX:{session}", **more}
        found = allowed(
            [policy_of(in_center, f"-{group}")], "ssm:GetParameter", arn.format(group), None, **keys
        )
        assert found is may, (group, session)
    leads = policy_of(in_center, "-north-leads")
    for session, may in (("lea", True), ("ann", False)):
        keys = {"aws:userid": f"AROAX:{session}"}
        assert allowed([leads], "ssm:GetParameter", arn.format("north"), None, **keys) is may
    project = make_project(tmp_path)
    out = IN_CENTER.replace("north: {", "north: {kept_out: [mal], ")
    (project / "groups.yaml").write_text(out)
    policy = policy_of(deploy(lambda: program.outputs(project), "utils"), "-north")
    for session, may in (("mal", False), ("somebody", True)):
        keys = {"aws:userid": f"AROAX:{session}", **tag}
        assert allowed([policy], "ssm:GetParameter", arn.format("north"), None, **keys) is may


def rosters(stack: Recorded) -> dict[str, Roster]:
    texts = {
        one.inputs["name"]: one.inputs["insecureValue"]
        for one in stack.of_type("Parameter")
        if one.inputs["name"].startswith("/neurocaas/members/")
    }
    return {group: roster(group, texts) for group in {name.split("/")[3] for name in texts}}


def test_the_service_is_told_by_which_identity_aws_names_whom(shared: Recorded, in_center: Recorded) -> None:
    north, center = rosters(shared)["north"], rosters(in_center)["north"]
    assert {name: (one.lead, one.sessions) for name, one in north.people.items()} == {
        "ann": (False, ("ann",)),
        "lea": (True, ("lea",)),
        "old": (False, ("old",)),
    }
    assert len({one.user_id for one in north.people.values()}) == 3
    assert len(north.roles) == 2
    assert north.submitter(f"AWS:{north.people['old'].user_id}") == "old"
    assert center.submitter(f"AWS:{center.roles[0]}:bob@example.org") == "bob"
    assert not north.provider
    assert center.provider


def test_two_hundred_people_are_told_in_parameters_that_have_room(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    names = [f"somebody-{number:03}" for number in range(200)]
    (project / "groups.yaml").write_text(
        f"schema_version: 1\nusers: {{{', '.join(f'{one}: ' for one in names)}}}\n"
        f"groups: {{north: {{members: [{', '.join(names)}], analyses: {{spikes: }}}}}}\n"
    )
    stack = deploy(lambda: program.outputs(project), "utils")
    assert list(rosters(stack)["north"].people) == names
    for one in stack.of_type("Parameter"):
        assert len(one.inputs.get("insecureValue", "").encode()) <= 4096


def changed(group: str, **changes: tuple[str, ...]) -> dict[str, str]:
    return {f"/neurocaas/members/{group}/changes": MemberChanges(**changes).to_json()}


def test_a_deploy_does_what_a_lead_has_asked_for_within_what_the_file_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warned.append)
    project = make_project(tmp_path)
    (project / "groups.yaml").write_text(GROUPS.replace("north: {", "north: {members_max: 3, "))
    asked = changed("north", add=("new", "ann", "kim", "max"), remove=("old", "lea"))
    asked |= changed("south.2", add=("lea",), remove=("ann",))
    text = (project / "groups.yaml").read_text().replace("  lea:\n", "  lea:\n  kim:\n  max:\n")
    (project / "groups.yaml").write_text(text)
    recorder = Recorder({}, users=["old"], parameters=asked)
    stack = deploy(lambda: program.outputs(project), "utils", recorder=recorder)
    found = rosters(stack)
    assert {name: one.lead for name, one in found["north"].people.items()} == {
        "ann": False,
        "kim": False,
        "lea": True,
    }
    assert not found["south.2"].people
    assert sorted(warned) == [
        "groups.yaml: north: lea is not taken out: groups.yaml says who leads",
        "groups.yaml: north: max is not added: the group has its 3 people",
        "groups.yaml: north: new is not added: groups.yaml has no such user",
        "groups.yaml: south.2: lea is not added: the group has no members_max",
    ]
    policy = policy_of(stack, "-north")
    (limit,) = [one for one in policy["Statement"] if one["Sid"] == "NobodyElse"]
    assert limit["Condition"]["StringNotLike"]["aws:userid"] == ["*:=*", "*:ann", "*:kim", "*:lea"]


def test_a_deploy_that_cannot_read_what_leads_have_asked_for_lets_nobody_in_again(peopled: Path) -> None:
    recorder = Recorder({}, users=["old"], denied=True)
    with pytest.raises(pulumi.RunError, match=r"leads have changed .* cannot be read.*GetParametersByPath"):
        deploy(lambda: program.outputs(peopled), "utils", recorder=recorder)
    assert {resource.name for resource in recorder.recorded.resources} <= {"aws"}


def test_a_group_whose_people_do_not_fit_into_a_trust_policy_is_told(tmp_path: Path) -> None:
    project, recorder = make_project(tmp_path), Recorder({})
    people = [f"somebody-with-a-long-name-{number}" for number in range(80)]
    (project / "groups.yaml").write_text(
        "schema_version: 1\n"
        f"identity_center: {CENTER[:-1]}, everybody: true}}\n"
        f"users: {{{', '.join(f'{name}: {{}}' for name in people)}}}\n"
        f"groups: {{north: {{members: [{', '.join(people)}], analyses: {{spikes: }}}}}}\n"
    )
    with pytest.raises(pulumi.RunError, match=r"groups.north: got a trust policy of \d+ characters"):
        deploy(lambda: program.outputs(project), "utils", recorder=recorder)


def test_a_provider_of_another_account_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    project, recorder = make_project(tmp_path), Recorder({})
    provider = "arn:aws:iam::999999999999:saml-provider/university"
    (project / "groups.yaml").write_text(
        f"schema_version: 1\nfederation: {{provider: '{provider}'}}\ngroups: {{north: {{analyses: {{spikes: "
        f"}}}}}}\n"
    )
    with pytest.raises(
        pulumi.RunError, match=f"federation.provider: got {provider}. Allowed: a provider of this account"
    ):
        deploy(lambda: program.outputs(project), "utils", recorder=recorder)
    assert {resource.name for resource in recorder.recorded.resources} <= {"aws"}
