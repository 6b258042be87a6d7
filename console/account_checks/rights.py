"""What a deployer may do, asked without doing it: by IAM's simulation (organisations' policies count), and by
EC2's `DryRun`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from blueprints.parents import PARENTS
from console.account_checks.asking import code, denied
from console.account_checks.at import At
from console.account_checks.model import AccountAnswer, fail, ok, unknown
from console.account_checks.wanted import Wanted

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "cloudtrail": ("CreateTrail", "PutEventSelectors", "StartLogging"),
    "cloudwatch": ("PutDashboard", "PutMetricAlarm"),
    "dynamodb": ("CreateTable", "UpdateContinuousBackups"),
    "ec2": (
        "AuthorizeSecurityGroupEgress", "AuthorizeSecurityGroupIngress", "CreateLaunchTemplate",
        "CreateSecurityGroup", "CreateTags", "ImportKeyPair",
    ),
    "events": ("PutRule", "PutTargets"),
    "iam": (
        "AddRoleToInstanceProfile", "AddUserToGroup", "AttachRolePolicy", "CreateGroup",
        "CreateInstanceProfile", "CreatePolicy", "CreateRole", "CreateServiceLinkedRole", "CreateUser",
        "PassRole", "PutGroupPolicy", "PutRolePolicy", "TagRole",
    ),
    "imagebuilder": (
        "CreateComponent", "CreateDistributionConfiguration", "CreateImagePipeline", "CreateImageRecipe",
        "CreateInfrastructureConfiguration", "CreateLifecyclePolicy",
    ),
    "kms": ("CreateAlias", "CreateKey"),
    "lambda": ("AddPermission", "CreateEventSourceMapping", "CreateFunction"),
    "logs": ("CreateLogGroup", "PutRetentionPolicy"),
    "s3": (
        "CreateBucket", "PutBucketNotification", "PutBucketPolicy", "PutBucketPublicAccessBlock",
        "PutBucketVersioning", "PutEncryptionConfiguration", "PutLifecycleConfiguration", "PutObject",
    ),
    "sns": ("CreateTopic", "SetTopicAttributes", "Subscribe"),
    "sqs": ("CreateQueue", "SetQueueAttributes"),
    "ssm": ("PutParameter",),
}  # fmt: skip
"""What a deploy does first with each of its services. Who may do these may do the rest."""
_SAMPLE_NAMES: Mapping[str, tuple[str, ...]] = {
    "iam": (
        "role/{name}", "policy/{name}", "instance-profile/{name}", "group/{name}", "user/{name}",
        "role/aws-service-role/imagebuilder.amazonaws.com/AWSServiceRoleForImageBuilder",
    ),
    "imagebuilder": (
        "component/{name}/1.0.0/1", "image-recipe/{name}/1.0.0", "image-pipeline/{name}",
        "infrastructure-configuration/{name}", "distribution-configuration/{name}", "lifecycle-policy/{name}",
    ),
    "lambda": ("function:{name}", "event-source-mapping:*"),
    "logs": ("log-group:/aws/lambda/{name}:*", "log-group:/aws/imagebuilder/{name}:*"),
    "dynamodb": ("table/{name}",),
    "events": ("rule/{name}",),
    "ssm": ("parameter/neurocaas/{name}",),
    "kms": ("key/*", "alias/{name}"),
    "ec2": ("launch-template/*", "security-group/*", "key-pair/*", "vpc/*"),
    "cloudwatch": ("alarm:{name}",),
    "cloudtrail": ("trail/{name}",),
}  # fmt: skip
"""Resources as the program calls them, for rights that hold for some resources only."""
_NAME = "neurocaas-utils-doctor-0000000"


def rights(at: At, wanted: Wanted) -> Iterator[AccountAnswer]:
    """Raises ClientError when it may not be asked."""
    if at.arn.endswith(":root"):
        yield ok("the root user may do everything")
        return
    iam, who = at.client("iam"), _principal(at)
    refused: list[str] = []
    restricted: list[str] = []
    for service, names in ACTIONS.items():
        actions = [f"{service}:{name}" for name in names]
        left = _refused(iam, who, actions, ["*"])
        again = [action for action, by in left.items() if by != "explicitDeny"]
        still = _refused(iam, who, again, _samples(at, service)) if again else {}
        refused += [one for one in actions if left.get(one) == "explicitDeny" or one in still]
        restricted += [one for one in again if one not in still]
    if refused:
        yield fail(
            f"denied: {', '.join(sorted(refused))}",
            "what a deploy makes: an administrator's rights, or those of docs/security.md",
            "take a role that has them, or have them added (an organisation's policy may be what denies)",
        )
        return
    count = sum(map(len, ACTIONS.values()))
    yield ok(f"{count} actions allowed" + (f", {len(restricted)} for some resources" if restricted else ""))


def _principal(at: At) -> str:
    """The user's or the role's ARN: a session's own ARN lacks the path of its role."""
    kind, _, rest = at.arn.split(":", 5)[5].partition("/")
    if kind != "assumed-role":
        return at.arn
    return str(at.client("iam").get_role(RoleName=rest.partition("/")[0])["Role"]["Arn"])


def _refused(iam: Any, who: str, actions: list[str], resources: list[str]) -> dict[str, str]:
    """Those that are allowed on none of the resources, with how they are denied."""
    decisions: dict[str, set[str]] = {}
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=who, ActionNames=actions, ResourceArns=resources
    )
    for page in pages:
        for one in page["EvaluationResults"]:
            organization = one.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True)
            decision = one["EvalDecision"] if organization else "explicitDeny"
            decisions.setdefault(one["EvalActionName"], set()).add(decision)
    return {
        action: "explicitDeny" if "explicitDeny" in found else "implicitDeny"
        for action, found in decisions.items()
        if "allowed" not in found
    }


def _samples(at: At, service: str) -> list[str]:
    if service == "s3":
        return [f"arn:{at.partition}:s3:::{_NAME}", f"arn:{at.partition}:s3:::{_NAME}/key"]
    region = "" if service == "iam" else at.region
    names: Iterable[str] = _SAMPLE_NAMES.get(service, ("{name}",))
    return [f"arn:{at.partition}:{service}:{region}:{at.account}:{name.format(name=_NAME)}" for name in names]


def machines(at: At, wanted: Wanted) -> Iterator[AccountAnswer]:
    """Whether EC2 would start the first machine that an image is built on."""
    ec2 = at.client("ec2")
    image = at.client("ssm").get_parameter(Name=PARENTS["ubuntu24"])["Parameter"]["Value"]
    subnets = wanted.settings.get("subnetIds") or ()
    place = {"SubnetId": str(subnets[0])} if subnets else {}
    try:
        ec2.run_instances(
            ImageId=image, InstanceType="m5.large", MinCount=1, MaxCount=1, DryRun=True, **place
        )
    except Exception as error:
        said = code(error)
        if said == "DryRunOperation":
            yield ok("a machine would start")
        elif denied(error):
            yield fail(
                f"{said} for ec2:RunInstances",
                "that right",
                "have it added; aws sts decode-authorization-message says what denies it",
            )
        elif said:
            yield fail(f"no machine would start: {said}", "a rehearsal that succeeds", _DO.get(said, _ASK))
        else:
            raise
    else:
        yield unknown("EC2 did not rehearse (DryRun)", "look it up in the console")


_DO = {
    "VPCIdNotSpecified": "see `network`",
    "MissingInput": "see `network`",
    "PendingVerification": "wait: AWS is verifying the account, which takes up to four hours",
    "OptInRequired": "finish the account's registration (a payment method, a telephone number)",
    "Blocked": "ask AWS's support: the account may start no machines",
}
_ASK = "look the code up in EC2's error codes, or ask AWS's support"
