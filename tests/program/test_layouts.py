"""A thousand layouts of groups, users and analyses (two hundred in `make check`): what is made of them fits
into AWS's limits, has no name twice, and no group reaches another, however alike their names are. Whether it
does is judged by iam_oracle.py."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blueprints.groups import GROUPS_OF_A_USER, Federation
from components import program
from components.machines import machine_path
from components.names import AUTONAME_SUFFIX, logical
from components.place import Place
from components.policies import boundary, machine, manager, people
from components.project import top_name
from localcloud.tests.properties import examples
from neurocaas.protocol.names import ANALYSIS_NAME, GROUP_NAME, RESERVED_GROUPS
from neurocaas.protocol.roles import lead_role, session_role
from tests.program import iam_oracle
from tests.program.iam_oracle import Policy, about, allowed, may_take
from tests.program.projects import BLUEPRINT, REFERENCE, make_project
from tests.program.recording import Recorded, deploy

CHUNKS = 20
LAYOUTS = examples(1000)
MANAGED, ROLE, GROUP, USER, TRUST, ATTACHED = 6_144, 10_240, 5_120, 2_048, 2_048, 10
"""Characters of a managed policy, of all inline policies of a role, a group and a user, and of a trust
policy; policies attached to one of them (IAM user guide, "IAM and AWS STS quotas")."""
NAME_LIMIT, BUCKET_LIMIT = 64, 63
TYPES = [f"u7in-{number}tb.224xlarge" for number in range(10, 30)]
"""As many types as a blueprint may name."""
PLACES = [
    Place(partition="aws", region="us-east-1", account="111122223333"),
    Place(partition="aws-us-gov", region="us-gov-west-1", account="999999999999"),
    Place(partition="aws-cn", region="cn-northwest-1", account="000000000001"),
]


@dataclass(frozen=True)
class Layout:
    place: Place
    analyses: tuple[str, ...]
    groups: tuple[str, ...]
    stage: str

    def stacks(self) -> list[str]:
        return [f"{analysis}-{self.stage}" for analysis in self.analyses]


def group_names(rng: random.Random) -> tuple[str, ...]:
    """Names that are nearly each other: prefixes, dots for hyphens, cut at the longest length."""
    alphabet = "abcXYZ019._-"
    base = rng.choice("aZ7") + "".join(rng.choice(alphabet) for _ in range(rng.choice((0, 1, 3, 20, 50))))
    near = [
        base,
        f"{base}0",
        f"{base}-",
        f"{base}.",
        f"{base}_x",
        base.replace(".", "-"),
        base.replace("-", "."),
        base[:-1],
    ]
    near += ["lab1", "lab10", (base * 63)[:63], (base * 63)[:62] + "b", "inputs", "results", "debuggers"]
    fit = sorted({name for name in near if GROUP_NAME.fullmatch(name) and name not in RESERVED_GROUPS})
    # groups.yaml refuses two that differ in case only
    kept: dict[str, str] = {name.lower(): name for name in fit}
    return tuple(rng.sample(sorted(kept.values()), min(len(kept), rng.randint(2, 9))))


def analysis_names(rng: random.Random) -> tuple[str, ...]:
    base = rng.choice("ad7") + "".join(rng.choice("ab1-") for _ in range(rng.choice((2, 6, 30)))) + "x"
    near = {
        base,
        f"{base}-{rng.choice(('webdev', 'prod'))}",
        f"{base}x",
        (base * 63)[:62] + "z",
        "dti",
        "dti-webdev",
    }
    return tuple(
        rng.sample(sorted(name for name in near if ANALYSIS_NAME.fullmatch(name)), rng.randint(1, 3))
    )


def layouts(chunk: int) -> Iterator[Layout]:
    rng = random.Random(chunk)
    for _ in range(LAYOUTS // CHUNKS):
        yield Layout(
            rng.choice(PLACES),
            analysis_names(rng),
            group_names(rng),
            rng.choice(("webdev", "develop", "staging", "prod")),
        )


def nearest(group: str, groups: Sequence[str]) -> list[str]:
    """The two other groups whose names have the most in common with the group's."""

    def shared(other: str) -> int:
        return next(
            (place for place, (one, two) in enumerate(zip(group, other, strict=False)) if one != two),
            min(len(group), len(other)),
        )

    return sorted((other for other in groups if other != group), key=shared, reverse=True)[:2]


def size(policy: Policy) -> int:
    return len(json.dumps(policy, separators=(",", ":")))


def bucket_arn(place: Place, bucket: str, key: str = "") -> str:
    return f"arn:{place.partition}:s3:::{bucket}" + (f"/{key}" if key else "")


def touches(
    policies: Sequence[Policy], place: Place, bucket: str, group: str, owner: str | None = None
) -> list[str]:
    """Everything of a group's data that these policies let somebody do, in a bucket of the place's account or
    of the `owner`.
    """
    of_action = functools.cache(lambda action: about(policies, action))

    def allowed(action: str, resource: str, **context: str) -> bool:
        return iam_oracle.allowed(
            of_action(action), action, resource, None, owner or place.account, **context
        )

    found = []
    folders = {folder: f"{group}/{folder}/" for folder in ("inputs", "configs", "submissions", "results")} | {
        "jobs": f"jobs/{group}/"
    }
    for folder, prefix in folders.items():
        key = bucket_arn(place, bucket, f"{prefix}job/x")
        actions = ("s3:GetObject", "s3:PutObject", "s3:DeleteObject")
        found += [f"{action} {folder}" for action in actions if allowed(action, key, aws__userid=USER_ID)]
        if allowed("s3:ListBucket", bucket_arn(place, bucket), s3__prefix=prefix):
            found.append(f"list {folder}")
    found += [f"list {prefix!r}" for prefix in ("", group, f"{group}/") if allowed(
        "s3:ListBucket", bucket_arn(place, bucket), s3__prefix=prefix)]  # fmt: skip
    report = bucket_arn(place, bucket, f"logs/{group}/i-1.json")
    return found + (["report"] if allowed("s3:GetObject", report) else [])


ANALYST = ["s3:PutObject inputs", "s3:DeleteObject inputs", "list inputs", "s3:GetObject configs",
    "s3:PutObject configs",
           "s3:DeleteObject configs", "list configs", "s3:PutObject submissions", "s3:DeleteObject "
               "submissions", "list submissions",
           "s3:GetObject results", "list results", "s3:GetObject jobs", "list jobs"]  # fmt: skip
MACHINE = ["s3:GetObject inputs", "list inputs", "s3:GetObject configs", "list configs", "s3:GetObject "
    "results", "s3:PutObject results",
           "list results", "s3:GetObject jobs", "list jobs"]  # fmt: skip
USER_ID = "AROAEXAMPLE1:i-0123456789abcdef0"


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_group_reaches_its_own_data_and_nobody_elses(chunk: int) -> None:
    for layout in layouts(chunk):
        place, bucket = layout.place, layout.analyses[0]
        for group in layout.groups:
            session = f"arn:{place.partition}:iam::{place.account}:role/{session_role(place.region, group)}"
            analyst = people.analysts(place, buckets=layout.analyses, group=group, session_role=session)
            lead = people.leads(place, buckets=layout.analyses, group=group)
            worker = machine.machine(place, bucket=bucket, group=group, artifact_bucket="artifacts")
            assert touches([analyst], place, bucket, group) == [*ANALYST, f"list {group + '/'!r}"], (
                layout,
                group,
            )
            assert touches([analyst, lead], place, bucket, group)[-1] == "report"
            assert touches([worker], place, bucket, group) == MACHINE, (layout, group)
            # a bucket of that name, made by somebody else
            assert touches([analyst, lead, worker], place, bucket, group, "222222222222") == [], layout
            for other in nearest(group, layout.groups):
                assert touches([analyst, lead, worker], place, bucket, other) == [], (layout, group, other)
                role = f"arn:{place.partition}:iam::{place.account}:role/{session_role(place.region, other)}"
                assert not allowed([analyst], "sts:AssumeRole", role), (layout, group, other)


PROVIDERS = {
    "saml": ("sts:AssumeRoleWithSAML", "SAML:aud", "saml-provider/university"),
    "oidc": ("sts:AssumeRoleWithWebIdentity", "login.example.org/x:aud", "oidc-provider/login.example.org/x"),
}
EC2 = {
    "aws": "ec2.amazonaws.com",
    "aws-cn": "ec2.amazonaws.com.cn",
    "aws-us-gov": "ec2.amazonaws.com",
}
SIGN_IN = {
    "aws": "https://signin.aws.amazon.com/saml",
    "aws-cn": "https://signin.amazonaws.cn/saml",
    "aws-us-gov": "https://signin.amazonaws-us-gov.com/saml",
}


@pytest.mark.parametrize("kind", PROVIDERS)
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_people_of_an_identity_provider_take_the_role_of_their_tag_and_no_other(
    chunk: int, kind: str
) -> None:
    action, key, name = PROVIDERS[kind]
    for layout in layouts(chunk):
        place = layout.place
        provider = f"arn:{place.partition}:iam::{place.account}:{name}"
        federation = Federation(provider=provider, audience=None if kind == "saml" else "client-1")
        assertion = {key: SIGN_IN[place.partition] if kind == "saml" else "client-1"}
        if kind == "oidc":  # who asks says the name of the session, which is the subject's last part
            assertion |= {f"{key.removesuffix(':aud')}:sub": "a|70", "sts:RoleSessionName": "70"}
        for group in layout.groups:
            analyst, lead = (
                people.session_trust(place, group, federation, lead=lead) for lead in (False, True)
            )
            assert len(json.dumps(lead, separators=(",", ":"))) <= TRUST
            mine, leading = {"aws:RequestTag/group": group}, {"aws:RequestTag/lead": "true"}
            for role, tags in ((analyst, mine), (lead, mine | leading)):
                said = assertion | tags
                assert may_take(role, ("Federated", provider), action, **said), (layout, group)
                assert may_take(role, ("Federated", provider), "sts:TagSession", **said)
                assert not may_take(role, ("Federated", provider), "sts:AssumeRole", **said)
                assert not may_take(role, ("Federated", f"{provider}2"), action, **said)
                for missing in said:
                    less = {one: value for one, value in said.items() if one != missing}
                    assert not may_take(role, ("Federated", provider), action, **less), (group, missing)
                    assert not may_take(role, ("Federated", provider), action, **less, **{missing: "another"})
                for other in nearest(group, layout.groups):
                    of_other = said | {"aws:RequestTag/group": other}
                    assert not may_take(role, ("Federated", provider), action, **of_other), (
                        layout,
                        group,
                        other,
                    )


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_manager_uses_the_templates_and_roles_of_its_own_stack(chunk: int) -> None:
    for layout in layouts(chunk):
        place, stacks = layout.place, layout.stacks()
        limit = boundary.boundary(place)
        for analysis, stack in zip(layout.analyses, stacks, strict=True):
            own = [manager_of(place, analysis, stack)]
            for other in {
                *stacks,
                f"{stack}-webdev",
                stack.rpartition("-")[0],
                f"{analysis}-{layout.stage}x",
            }:
                template = f"arn:{place.partition}:ec2:{place.region}:{place.account}:launch-template/lt-1"
                tag = {"aws__ResourceTag__neurocaas:stack": other}
                role = (
                    f"arn:{place.partition}:iam::{place.account}:role{machine_path(other)}neurocaas-machine"
                )
                assert allowed(own, "ec2:RunInstances", template, limit, **tag) is (other == stack), (
                    layout,
                    stack,
                    other,
                )
                group = layout.groups[0]
                assert launches(place, own, limit, analysis, other, group, group) is (other == stack), (
                    layout,
                    stack,
                    other,
                )
                passes = allowed(own, "iam:PassRole", role, limit, iam__PassedToService=EC2[place.partition])
                assert passes is (other == stack), (layout, stack, other)
            for group in layout.groups[:2]:
                for another in (
                    *nearest(group, layout.groups),
                    f"{group}*",
                    "*",
                    "?" * len(group),
                    f"{group}/x",
                    "",
                    group.swapcase(),
                ):
                    same = group == another
                    assert launches(place, own, limit, analysis, stack, group, another) is same, (
                        layout,
                        group,
                        another,
                    )
            itself = f"arn:{place.partition}:iam::{place.account}:role/{logical(top_name(stack), 'manager')}-1a2b3c4"  # noqa: E501
            assert not allowed(own, "iam:PassRole", itself, limit, iam__PassedToService="ec2.amazonaws.com")


def launches(
    place: Place, own: Sequence[Policy], limit: Policy, bucket: str, stack: str, profile: str, tag: str
) -> bool:
    """Whether a manager may start a machine with the profile of one group and the tag of one."""
    of_group = f"arn:{place.partition}:iam::{place.account}:instance-profile{machine_path(stack)}{profile}/neurocaas-machine-1a2b3c4"  # noqa: E501
    template = f"arn:{place.partition}:ec2:{place.region}:{place.account}:launch-template/lt-1"
    instance = f"arn:{place.partition}:ec2:{place.region}:{place.account}:instance/*"
    tags = {
        "aws:RequestTag/PriceTracking": "On",
        "aws:RequestTag/bucket": bucket,
        "aws:RequestTag/Timeout": "60",
        "aws:RequestTag/group": tag,
    }
    keys = {"ec2:LaunchTemplate": template, "ec2:InstanceProfile": of_group, "ec2:InstanceType": TYPES[0]}
    return allowed(own, "ec2:RunInstances", instance, limit, **tags, **keys)


def manager_of(place: Place, analysis: str, stack: str) -> Policy:
    name = f"{top_name(stack)}-submissions-1a2b3c4"
    return manager.manager(
        place,
        manager.ManagerRights(
            analysis=analysis,
            stack=stack,
            machine_path=machine_path(stack),
            instance_types=TYPES,
            max_minutes=43200,
            bucket=analysis,
            artifact_bucket="neurocaas-utils-artifacts-1a2b3c4",
            settings_key=f"analyses/{stack}/settings.json",
            queue_arn=place.arn("sqs", name),
            log_group_arn=place.arn("logs", f"log-group:/aws/lambda/{top_name(stack)}-manager"),
            ledger_arn=place.arn("dynamodb", "table/neurocaas-utils-ledger-1a2b3c4"),
            topic_arn=place.arn("sns", "neurocaas-utils-notices-1a2b3c4"),
            topic_key_arn=place.arn("kms", "key/00000000-0000-0000-0000-000000000000"),
            image_parameter="/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id",
        ),
    )


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_policies_and_names_fit_and_no_name_is_there_twice(chunk: int) -> None:
    people_top = f"{top_name('utils')}-people"
    for layout in layouts(chunk):
        place = layout.place
        assert size(boundary.boundary(place)) <= MANAGED
        roles, logicals = list[str](), list[str]()
        for group in layout.groups:
            session, lead = session_role(place.region, group), lead_role(place.region, group)
            roles += [session, lead]
            arn = f"arn:{place.partition}:iam::{place.account}:role/{session}"
            analyst = people.analysts(place, buckets=layout.analyses, group=group, session_role=arn)
            assert size(analyst) <= GROUP, (layout, group)
            assert size(people.leads(place, buckets=layout.analyses, group=group)) <= GROUP
            logicals += [logical(people_top, group), logical(people_top, group, "leads")]
            for stack in layout.stacks():
                logicals += [
                    logical(top_name(stack), group, part) for part in ("machine", "analysts", "about")
                ]
        for analysis, stack in zip(layout.analyses, layout.stacks(), strict=True):
            assert size(manager_of(place, analysis, stack)) <= ROLE
            assert len(analysis) <= BUCKET_LIMIT
        assert len(set(map(str.lower, roles))) == len(roles), layout
        assert all(len(name) <= NAME_LIMIT for name in roles)
        assert len(set(logicals)) == len(logicals), layout
        assert all(len(name) + AUTONAME_SUFFIX <= NAME_LIMIT for name in logicals)


@pytest.fixture(scope="module", params=range(2))
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Layout, Recorded, Recorded]:
    """Some layouts as the program makes them, with users in as many groups as IAM allows."""
    layout = next(one for one in layouts(100 + request.param) if len(one.groups) > 2)
    name = layout.analyses[0]
    project = make_project(
        tmp_path_factory.mktemp("layout"), BLUEPRINT.partition("groups:")[0].replace("spikes", name, 1), name
    )
    (project / "blueprints" / name / "blueprint.yaml").write_text(
        BLUEPRINT.partition("groups:")[0].replace("name: spikes", f"name: {name}") + "groups: "
        "[the-developers]\n"
    )
    members = {
        group: ["ann"] if place < GROUPS_OF_A_USER else [] for place, group in enumerate(layout.groups)
    }
    lines = [
        f"  {json.dumps(group)}: {{members: {json.dumps(names)}, analyses: {{{name}: }}}}"
        for group, names in members.items()
    ]
    (project / "groups.yaml").write_text(
        "\n".join(["schema_version: 1", "users: {ann: {}}", "groups:", *lines, ""])
    )
    utils = deploy(lambda: program.outputs(project), "utils")
    return (
        layout,
        utils,
        deploy(
            lambda: program.outputs(project), f"{name}-{layout.stage}", references={REFERENCE: utils.outputs}
        ),
    )


def test_what_the_program_makes_fits_too(made: tuple[Layout, Recorded, Recorded]) -> None:
    layout, *stacks = made
    for stack in stacks:
        for kind, most in (
            ("RolePolicy", ROLE),
            ("GroupPolicy", GROUP),
            ("Policy", MANAGED),
            ("UserPolicy", USER),
        ):
            of: dict[str, int] = {}
            for one in stack.of_type(kind):
                owner = str(
                    one.inputs.get("role") or one.inputs.get("group") or one.inputs.get("user") or one.name
                )
                of[owner] = of.get(owner, 0) + size(one.policy())
            assert all(total <= most for total in of.values()), of
        attached = [str(one.inputs.get("role")) for one in stack.of_type("RolePolicyAttachment")]
        assert all(attached.count(role) <= ATTACHED for role in attached)
        names = [
            str(one.inputs.get("name") or one.inputs.get("bucket") or one.name) for one in stack.resources
        ]
        assert all(len(name) <= 512 for name in names)
        assert all(len(one.name) + AUTONAME_SUFFIX <= NAME_LIMIT for one in stack.resources)
    assert len(stacks[0].of_type("UserGroupMembership")[0].inputs["groups"]) == min(
        len(layout.groups), GROUPS_OF_A_USER
    )


def test_more_groups_than_s3_has_rules_are_told_of_all_the_same(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    groups = "".join(f"  lab-{number}: {{analyses: {{spikes: }}}}\n" for number in range(150))
    (project / "groups.yaml").write_text(f"schema_version: 1\ngroups:\n{groups}")
    utils = deploy(lambda: program.outputs(project), "utils")
    stack = deploy(lambda: program.outputs(project), "spikes-webdev", references={REFERENCE: utils.outputs})
    rules = stack.one("BucketNotification").inputs["queues"]
    assert sorted((rule["filterSuffix"], rule.get("filterPrefix")) for rule in rules) == [
        (".retry", "jobs/"), ("cancel.json", None), ("submit.json", None), ("watch.json", None),
    ]  # fmt: skip
    assert size(stack.one("RolePolicy", "manager").policy()) <= ROLE
    assert len(stack.of_type("LaunchTemplate")) == 152


@given(*[st.text("ab*", max_size=8)] * 2)
def test_the_oracle_takes_patterns_alike_both_ways(pattern: str, value: str) -> None:
    value = value.replace("*", "c")
    assert iam_oracle._like(pattern, value) is bool(iam_oracle._compiled(pattern).fullmatch(value))


def test_what_the_oracle_leaves_out_for_an_action_says_nothing_of_it() -> None:
    policies = [
        people.leads(PLACES[0], buckets=("dti",), group="lab1"),
        {"Statement": [{"NotAction": "s3:*"}]},
    ]
    kept = about(policies, "s3:getobject")
    assert 0 < len(kept[0]["Statement"]) < len(policies[0]["Statement"])
    assert all("s3:Get" in str(one["Action"]) or "*" in str(one["Action"]) for one in kept[0]["Statement"])
    assert kept[1] == policies[1]  # for `allowed` to refuse


def test_the_oracle_can_say_no() -> None:
    loose = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/lab1*"}]}
    assert allowed([loose], "s3:GetObject", "arn:aws:s3:::b/lab10/x"), "the mistake that it is to find"
    denied = {"Statement": [{"Effect": "Deny", "Action": "S3:get*", "Resource": "*"}]}
    assert not allowed([loose, denied], "s3:GetObject", "arn:aws:s3:::b/lab1/x")
    assert not allowed([loose], "s3:GetObject", "arn:aws:s3:::b/lab1/x", boundary={"Statement": []})
    condition = {"StringLike": {"s3:prefix": "a?"}}
    listing = {
        "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": condition}]
    }
    assert allowed([listing], "s3:ListBucket", "x", s3__prefix="ab")
    assert not allowed([listing], "s3:ListBucket", "x", s3__prefix="a")
    assert not allowed([listing], "s3:ListBucket", "x")
    with pytest.raises(AssertionError, match="does not know"):
        allowed(
            [{"Statement": [{"Effect": "Allow", "NotAction": "x", "Action": "y", "Resource": "*"}]}], "y", "x"
        )
    with pytest.raises(KeyError):
        allowed(
            [{"Statement": [{**listing["Statement"][0], "Condition": {"IpAddress": {"aws:SourceIp": "x"}}}]}],
            "s3:ListBucket",
            "x",
        )
