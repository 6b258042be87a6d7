"""What accounts differ in: the key that seals their volumes, how their people sign in; and the service that
retires their images.
"""

from __future__ import annotations

import pytest

from blueprints.groups import Federation
from components.place import Place
from components.policies import boundary, image, people
from tests.program.iam_oracle import allowed, may_take
from tests.program.recording import ACCOUNT, HERE, Recorded

KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234"
IMAGE = f"arn:aws:imagebuilder:us-east-1:{ACCOUNT}:image/neurocaas-spikes-webdev-image/1.0.0/1"
OURS = {"aws__ResourceTag__CreatedBy": "EC2 Image Builder"}
SEALING = ("Decrypt", "DescribeKey", "GenerateDataKeyWithoutPlaintext", "ReEncryptFrom", "ReEncryptTo")
GRANT = {"kms__GrantIsForAWSResource": "true"}


@pytest.mark.parametrize("action", [*SEALING, "CreateGrant"])
def test_the_manager_may_start_machines_where_a_customer_key_seals_volumes(
    action: str, analysis: Recorded
) -> None:
    """EC2 user guide, "Amazon EBS encryption": what the caller of RunInstances needs of the account's default
    key. Only through EC2 in the stack's region, and a grant only for EC2."""
    own, limit = [analysis.one("RolePolicy", "manager").policy()], boundary.boundary(HERE)
    by_ec2 = {"kms__ViaService": "ec2.us-east-1.amazonaws.com", **GRANT}
    assert allowed(own, f"kms:{action}", KEY, limit, **by_ec2)
    for other in ("s3.us-east-1.amazonaws.com", "ec2.eu-west-1.amazonaws.com"):
        assert not allowed(own, f"kms:{action}", KEY, limit, **{**by_ec2, "kms__ViaService": other})
    if action == "CreateGrant":
        assert not allowed(
            own, f"kms:{action}", KEY, limit, **{**by_ec2, "kms__GrantIsForAWSResource": "false"}
        )


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("imagebuilder:DeleteImage", IMAGE),
        ("ec2:DeregisterImage", "arn:aws:ec2:us-east-1::image/ami-1"),
        ("ec2:CreateTags", "arn:aws:ec2:us-east-1::image/ami-1"),
        ("ec2:DeleteTags", "arn:aws:ec2:us-east-1::image/ami-1"),
        ("ec2:DeleteTags", "arn:aws:ec2:us-east-1::snapshot/snap-1"),
        ("ec2:DeleteSnapshot", "arn:aws:ec2:us-east-1::snapshot/snap-1"),
    ],
)
def test_the_lifecycle_role_may_delete_images_and_only_those_of_image_builder(
    action: str, resource: str
) -> None:
    own, limit = [image.lifecycle(HERE)], boundary.boundary(HERE)
    assert allowed(own, action, resource, limit, **OURS, aws__TagKeys="DeprecatedBy")
    if action.startswith("ec2:"):
        assert not allowed(own, action, resource, limit, aws__TagKeys="DeprecatedBy")
    if action.endswith("Tags"):
        assert not allowed(own, action, resource, limit, **OURS, aws__TagKeys="CreatedBy")


def test_the_lifecycle_policy_waits_for_the_rights_of_its_role(utils: Recorded) -> None:
    """Image Builder tries the role when a policy is made."""
    policy = "LifecyclePolicy::neurocaas-utils-base"
    assert utils.waits(policy, "RolePolicy::neurocaas-utils-lifecycle")


def test_an_image_in_use_is_not_deleted_for_its_age(analysis: Recorded) -> None:
    (detail,) = analysis.one("LifecyclePolicy").inputs["policyDetails"]
    assert detail["filter"] == {"type": "AGE", "value": 365, "unit": "DAYS", "retainAtLeast": 3}
    assert detail["exclusionRules"] == {"amis": {"lastLaunched": {"value": 365, "unit": "DAYS"}}}


@pytest.mark.parametrize(
    ("partition", "region", "page"),
    [
        ("aws", "eu-west-1", "signin.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "signin.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "signin.amazonaws-us-gov.com"),
    ],
)
def test_people_sign_in_at_the_page_of_the_world_and_of_the_region(
    partition: str, region: str, page: str
) -> None:
    at = Place(partition=partition, region=region, account=ACCOUNT)
    provider = at.global_arn("iam", "saml-provider/university")
    trust = people.session_trust(at, "lab1", Federation(provider=provider))
    tags = {"aws:RequestTag/group": "lab1"}
    action = "sts:AssumeRoleWithSAML"
    for audience, may in (
        (f"https://{page}/saml", True),
        (f"https://{region}.{page}/saml", True),
        ("https://ap-south-1.signin.aws.amazon.com/saml", False),
        (f"https://{page}/saml2", False),
    ):
        assert may_take(trust, ("Federated", provider), action, **tags, **{"SAML:aud": audience}) is may
