"""What the provider stand-in refuses, and how it says so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.pulumi.provider import autoname
from localcloud.pulumi.provider.autoname import Mode, Naming
from localcloud.pulumi.provider.aws import Session
from localcloud.pulumi.provider.codec import UNKNOWN, Archive, Asset
from localcloud.pulumi.provider.compare import changed_keys, reconcile, same, same_json
from localcloud.pulumi.provider.lifecycle import Difference, Lifecycle
from localcloud.pulumi.provider.model import AutoName
from localcloud.pulumi.provider.rules import policy
from localcloud.pulumi.provider.table import TABLE

BUCKET, QUEUE, ROLE = "aws:s3/bucket:Bucket", "aws:sqs/queue:Queue", "aws:iam/role:Role"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
FUNCTION, RULE, RECIPE = (
    "aws:lambda/function:Function",
    "aws:cloudwatch/eventRule:EventRule",
    "aws:imagebuilder/imageRecipe:ImageRecipe",
)
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
TABLE_TYPE, INGRESS = "aws:dynamodb/table:Table", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
ARN = "arn:aws:iam::000000000000:role/r"


@pytest.fixture(scope="module")
def life() -> Lifecycle:
    session = Session(
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    )
    return Lifecycle(session, TABLE, region="us-east-1")


def problems(life: Lifecycle, token: str, args: dict[str, Any]) -> dict[str, str]:
    _, found = life.check(token, "name", args, {}, b"seed", Naming())
    return {problem.path: problem.reason for problem in found}


def document(**statement: Any) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **statement}],
        }
    )


TRUST = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": "ec2.amazonaws.com"}}],
})  # fmt: skip


@pytest.mark.parametrize(
    ("token", "args", "path"),
    [
        (BUCKET, {"bucket": "Upper"}, "bucket"),
        (BUCKET, {"bucket": "ab"}, "bucket"),
        (BUCKET, {"bucket": 5}, "bucket"),
        (BUCKET, {"bucket": "10.0.0.1"}, "bucket"),
        (BUCKET, {"bucket": "a..b"}, "bucket"),
        (BUCKET, {"acl": "private"}, "acl"),
        (BUCKET, {"bucket": "abc", "bucketPrefix": "ab"}, "bucketPrefix"),
        (BUCKET, {"forceDestroy": "perhaps"}, "forceDestroy"),
        (BUCKET, {"tags": ["a"]}, "tags"),
        (QUEUE, {"visibilityTimeoutSeconds": 43201}, "visibilityTimeoutSeconds"),
        (QUEUE, {"visibilityTimeoutSeconds": "43201"}, "visibilityTimeoutSeconds"),
        (QUEUE, {"redrivePolicy": "not json"}, "redrivePolicy"),
        (QUEUE, {"name": "jobs", "fifoQueue": True}, "fifoQueue"),
        (QUEUE, {"name": "jobs.fifo"}, "name"),
        (QUEUE, {"contentBasedDeduplication": True}, "contentBasedDeduplication"),
        ("aws:sns/topic:Topic", {"name": "news.fifo", "fifoTopic": False}, "name"),
        (TABLE_TYPE, {"hashKey": "id", "attributes": [{"name": "other", "type": "S"}]}, "attributes"),
        (
            TABLE_TYPE,
            {"hashKey": "id", "attributes": [{"name": "id", "type": "S"}, {"name": "more", "type": "S"}]},
            "attributes",
        ),
        (INGRESS, {"securityGroupId": "sg-1", "ipProtocol": "tcp", "cidrIpv4": "10.0.0.1/8"}, "cidrIpv4"),
        (INGRESS, {"securityGroupId": "sg-1", "ipProtocol": "tcp", "cidrIpv4": "300.0.0.0/8"}, "cidrIpv4"),
        (INGRESS, {"securityGroupId": "sg-1", "ipProtocol": "tcp", "cidrIpv6": "10.0.0.0/8"}, "cidrIpv6"),
        (ROLE, {}, "assumeRolePolicy"),
        (ROLE, {"assumeRolePolicy": document()}, "assumeRolePolicy"),
        (ROLE, {"assumeRolePolicy": TRUST, "name": "a" * 65}, "name"),
        (ROLE, {"assumeRolePolicy": TRUST, "maxSessionDuration": 60}, "maxSessionDuration"),
        (ROLE, {"assumeRolePolicy": TRUST, "inlinePolicies": []}, "inlinePolicies"),
        (FUNCTION, {"role": ARN, "handler": "h", "runtime": "python3.12"}, "code"),
        (FUNCTION, {"role": "r", "handler": "h", "runtime": "python3.12", "code": Archive("1", {})}, "role"),
        (FUNCTION, {"role": ARN, "handler": "h", "runtime": "cobol", "code": Archive("1", {})}, "runtime"),
        (
            FUNCTION,
            {"role": ARN, "handler": "h", "runtime": "python3.12", "code": Asset("1", text="")},
            "code",
        ),
        (RULE, {}, "eventPattern"),
        (RULE, {"scheduleExpression": "every day"}, "scheduleExpression"),
        (
            RECIPE,
            {
                "version": "1",
                "parentImage": "ami-1",
                "components": [{"componentArn": ARN.replace("iam", "imagebuilder")}],
            },
            "version",
        ),
        (
            RECIPE,
            {"version": "1.0.0", "parentImage": "ami-1", "components": [{"arn": "x"}]},
            "components[0].arn",
        ),
        (
            RECIPE,
            {"version": "1.0.0", "parentImage": "ami-1", "components": [{"componentArn": "x"}]},
            "components[0].componentArn",
        ),
        ("aws:cloudwatch/logGroup:LogGroup", {"retentionInDays": 31}, "retentionInDays"),
        ("aws:kms/key:Key", {"deletionWindowInDays": 3}, "deletionWindowInDays"),
        ("aws:ssm/parameter:Parameter", {"type": "Text", "insecureValue": "x"}, "type"),
        ("aws:ec2/keyPair:KeyPair", {"publicKey": "-----BEGIN"}, "publicKey"),
        # what botocore's models know, at every depth
        (ROLE, {"assumeRolePolicy": TRUST, "description": "a" * 1001}, "description"),
        (ROLE, {"assumeRolePolicy": TRUST, "path": "labs"}, "path"),
        (TABLE_TYPE, {"billingMode": "FREE"}, "billingMode"),
        (TEMPLATE, {"metadataOptions": {"httpTokens": "perhaps"}}, "metadataOptions.httpTokens"),
        (
            TEMPLATE,
            {"tagSpecifications": [{"resourceType": "thing", "tags": {"a": "b"}}]},
            "tagSpecifications[0].resourceType",
        ),
        (
            "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
            {"bucket": "abc", "rules": [{"id": "a", "status": "On"}]},
            "rules[0].status",
        ),
        (
            "aws:imagebuilder/lifecyclePolicy:LifecyclePolicy",
            {
                "executionRole": ARN,
                "resourceType": "AMI_IMAGE",
                "policyDetails": [{"action": {"type": "DELETE"}, "filter": {"type": "AGE", "value": 1001}}],
                "resourceSelection": {"tagMap": {"a": "b"}},
            },
            "policyDetails[0].filter.value",
        ),
    ],
)
def test_what_the_real_provider_refuses(life: Lifecycle, token: str, args: dict[str, Any], path: str) -> None:
    found = problems(life, token, args)
    assert path in found
    assert found[path].count(";") >= 2  # got; allowed; what to do


def test_a_rule_of_a_model_says_what_was_got_what_is_allowed_and_what_to_do(life: Lifecycle) -> None:
    found = problems(life, ROLE, {"assumeRolePolicy": TRUST, "name": "a" * 65, "maxSessionDuration": 60})
    assert found == {
        "name": "got 65 characters; 1 to 64 characters are allowed; change it",
        "maxSessionDuration": "got 60; 3600 to 43200 are allowed; change it",
    }
    alarm = {"comparisonOperator": "More", "evaluationPeriods": 1, "metricName": "m", "statistic": "Mean"}
    found = problems(life, "aws:cloudwatch/metricAlarm:MetricAlarm", alarm)
    assert found["statistic"] == (
        "got 'Mean'; allowed: SampleCount, Average, Sum, Minimum, Maximum; choose one of them"
    )
    assert found["comparisonOperator"].startswith("got 'More'; allowed: GreaterThanOrEqualToThreshold, ")


def test_a_misspelt_argument_is_named_with_the_likely_one(life: Lifecycle) -> None:
    found = problems(life, QUEUE, {"visibilityTimeout": 3})
    assert "did you mean visibilityTimeoutSeconds?" in found["visibilityTimeout"]


def test_an_input_that_no_program_uses_is_refused_with_those_that_are_known(life: Lifecycle) -> None:
    found = problems(life, QUEUE, {"delaySeconds": 5})
    assert found["delaySeconds"] == (
        f"got 5; the local AWS provider does not implement delaySeconds of {QUEUE}, it knows: "
        "messageRetentionSeconds, name, receiveWaitTimeSeconds, redrivePolicy, sqsManagedSseEnabled, tags, "
        "visibilityTimeoutSeconds; leave it out locally"
    )
    assert problems(life, QUEUE, {"delaySeconds": 0}) == {}, "what an import has of it is the default"


def test_all_problems_come_at_once(life: Lifecycle) -> None:
    found = problems(life, FUNCTION, {"colour": "red", "memorySize": [], "environment": {"vars": {}}})
    assert found.keys() >= {"colour", "memorySize", "environment.vars", "role", "code", "handler", "runtime"}


@pytest.mark.parametrize("token", TABLE)
def test_unknown_values_are_taken_to_be_good(life: Lifecycle, token: str) -> None:
    kind = TABLE[token]
    args = dict.fromkeys(kind.schema.required | {group[0] for group in kind.one_of}, UNKNOWN)
    assert problems(life, token, args) == {}


@pytest.mark.parametrize("token", TABLE)
def test_every_required_argument_is_missed(life: Lifecycle, token: str) -> None:
    assert problems(life, token, {}).keys() >= TABLE[token].schema.required


@pytest.mark.parametrize(
    ("kind", "text", "part"),
    [
        ("identity", "[]", "list"),
        ("identity", "{", "not JSON"),
        ("identity", "{}", "no Statement"),
        ("identity", json.dumps({"Version": "2020-01-01", "Statement": [{}]}), "Version"),
        ("identity", json.dumps({"Statements": []}), "Statements"),
        ("identity", document(Effect="allow"), "Effect 'allow'"),
        ("identity", document(Action="GetObject"), "Action 'GetObject'"),
        ("identity", document(Action=[]), "empty Action"),
        ("identity", document(Principal="*"), "Principal"),
        ("identity", document(Resource="my-bucket"), "Resource 'my-bucket'"),
        ("identity", document(NotResource="*"), "both Resource and NotResource"),
        ("identity", document(Resources="*"), "Resources"),
        ("identity", document(Sid="not allowed"), "Sid"),
        ("identity", document(Condition=["a"]), "Condition"),
        ("resource", document(), "neither Principal nor NotPrincipal"),
        ("trust", document(Principal="*"), "Resource"),
    ],
)
def test_policies_are_parsed_and_their_shape_checked(kind: str, text: str, part: str) -> None:
    problem = policy(kind)(text)
    assert problem is not None
    assert part in problem


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("identity", document()),
        (
            "identity",
            document(
                Action=["s3:Get*", "*"],
                Resource=["arn:aws:s3:::b/*"],
                Condition={"StringEquals": {"aws:a": ["b"]}},
            ),
        ),
        ("resource", document(Principal={"Service": "s3.amazonaws.com"})),
        ("trust", TRUST),
    ],
)
def test_good_policies_pass(kind: str, text: str) -> None:
    assert policy(kind)(text) is None


def test_two_statements_with_one_sid_are_refused() -> None:
    statement = json.loads(document(Sid="Read"))["Statement"][0]
    problem = policy("identity")(json.dumps({"Version": "2012-10-17", "Statement": [statement, statement]}))
    assert problem is not None
    assert "'Read'" in problem


def test_a_policy_given_as_an_object_becomes_text(life: Lifecycle) -> None:
    inputs, found = life.check(ROLE, "r", {"assumeRolePolicy": json.loads(TRUST)}, {}, b"s", Naming())
    assert found == []
    assert json.loads(inputs["assumeRolePolicy"]) == json.loads(TRUST)


# -- names
# ------------------------------------------------------------------------------------------------------------


@given(st.text("abcXYZ-", min_size=1, max_size=40), st.binary(min_size=1, max_size=32))
def test_names_are_made_from_the_logical_name_and_the_seed(name: str, seed: bytes) -> None:
    made = autoname.choose(AutoName(), name, {}, seed, Naming())
    assert made is not None
    assert made == autoname.choose(AutoName(), name, {}, seed, Naming())
    assert made.startswith(f"{name}-")
    assert len(made) == len(name) + 8


def test_a_made_name_is_kept_and_a_given_one_is_not_taken_for_a_made_one() -> None:
    made = {"name": "x-1234567", "__defaults": ["name"]}
    assert autoname.choose(AutoName(), "x", made, b"other", Naming()) == "x-1234567"
    given = {"name": "given", "__defaults": []}
    assert autoname.choose(AutoName(), "x", given, b"other", Naming()) != "given"


def test_the_projects_autonaming_is_honoured(life: Lifecycle) -> None:
    for naming, expected in (
        (Naming(Mode.PROPOSE, "Proposed"), "proposed"),
        (Naming(Mode.ENFORCE, "Enforced"), "Enforced"),
        (Naming(Mode.DISABLE), None),
    ):
        assert autoname.choose(AutoName("bucket", 63, lower=True), "x", {}, b"s", naming) == expected


def test_special_names(life: Lifecycle) -> None:
    def name(token: str, prop: str, args: dict[str, Any]) -> Any:
        return life.check(token, "Some-Thing", args, {}, b"s", Naming())[0].get(prop)

    assert name(BUCKET, "bucket", {}).startswith("some-thing-")
    assert name("aws:kms/alias:Alias", "name", {"targetKeyId": "k"}).startswith("alias/Some-Thing-")
    assert name("aws:s3/bucketObjectv2:BucketObjectv2", "key", {"bucket": "b"}) == "Some-Thing"


def test_a_name_that_would_be_too_long_is_refused_with_its_length(life: Lifecycle) -> None:
    _, found = life.check(ROLE, "r" * 60, {"assumeRolePolicy": TRUST}, {}, b"s", Naming())
    assert [problem.path for problem in found] == ["name"]
    assert "68 characters; at most 64" in found[0].reason


# -- differences
# ------------------------------------------------------------------------------------------------------------


def test_equal_policies_in_other_words_are_no_change(life: Lifecycle) -> None:
    old = document(Action=["s3:GetObject"], Resource=["*"])
    assert same_json(old, document())
    assert (
        life.diff(
            "aws:iam/rolePolicy:RolePolicy", {"role": "r", "policy": old}, {"role": "r", "policy": document()}
        ).changed
        == ()
    )


def test_the_inputs_that_differ_are_named_and_the_providers_notes_are_not(life: Lifecycle) -> None:
    old = {"name": "made-up", "delaySeconds": 0, "__defaults": ["delaySeconds", "name"]}
    found = life.diff(QUEUE, old, {"name": "given", "delaySeconds": 5, "policy": "{}", "__defaults": []})
    assert found.changed == ("delaySeconds", "name", "policy")
    assert found.replaces == ("name",)


def test_files_are_compared_by_their_hash() -> None:
    assert same(Archive("1"), Archive("1", {"a": Asset("2", text="x")}))
    assert not same(Archive("1"), Archive("2"))
    assert not same(Archive("1"), Asset("1"))


def test_an_unknown_new_value_replaces_where_a_change_would(life: Lifecycle) -> None:
    found = life.diff(
        "aws:iam/rolePolicy:RolePolicy", {"role": "r", "policy": "{}"}, {"role": UNKNOWN, "policy": "{}"}
    )
    assert found.replaces == ("role",)


def test_notes_of_the_provider_are_no_change() -> None:
    assert changed_keys({"a": 1, "__defaults": ["a"]}, {"a": 1, "__defaults": []}) == set()


JSON = st.recursive(
    st.text(max_size=5) | st.integers(0, 9) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(JSON)
def test_what_aws_reports_unchanged_stays_as_it_was_given(value: Any) -> None:
    assert reconcile(value, value, extra=False) == value
    assert reconcile(value, value, extra=True) == value


@given(st.lists(st.text("abc", min_size=1, max_size=3), max_size=4, unique=True), st.randoms())
def test_sets_keep_the_given_order(given_items: list[str], random: Any) -> None:
    shuffled = list(given_items)
    random.shuffle(shuffled)
    assert reconcile(given_items, shuffled, "[string]", extra=False) == given_items
    objects = [{"name": item} for item in given_items]
    reported = [{"name": item, "id": "made by AWS"} for item in shuffled]
    assert reconcile(objects, reported, extra=False) == objects


def test_drift_is_told_apart_from_what_aws_adds() -> None:
    kind = "#s3.BucketVersioningVersioningConfiguration"
    assert reconcile(
        {"status": "Enabled"}, {"status": "Enabled", "mfaDelete": "Disabled"}, kind, extra=False
    ) == {"status": "Enabled"}
    assert reconcile({"status": "Enabled"}, {"status": "Suspended"}, kind, extra=False) == {
        "status": "Suspended"
    }
    assert reconcile({"a": "1"}, {"a": "1", "b": "2"}, "{string}", extra=False) == {"a": "1", "b": "2"}
    assert reconcile("x", None, extra=False) is None
    assert reconcile(0, None, extra=False) == 0
    assert reconcile("60", 60, extra=False) == "60"


def test_what_the_service_has_chosen_is_no_reason_to_replace(life: Lifecycle) -> None:
    """An import reads the VPC of a security group of a program that names none."""
    group = {"description": "d", "name": "g"}
    plan = life.diff(GROUP, {**group, "vpcId": "vpc-1"}, group)
    assert plan == Difference((), (), False)
    assert life.diff(GROUP, {**group, "vpcId": "vpc-1"}, {**group, "vpcId": "vpc-2"}).replaces
