"""What the service costs when nobody works: list prices for what is in the states of its stacks.

Prices are those that AWS publishes for us-east-1 (price pages of CloudWatch, KMS, SQS, Lambda, S3, VPC and
Secrets Manager, November 2026), a month of thirty days. What a resource costs by what is stored or asked is
not known from a state, and said so.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from neurocaas.protocol.limits import SWEEP_INTERVAL

DAYS = 30
POLLS = 5 * DAYS * 24 * 3600 // 20
"""Requests a month for a queue that a function reads: five pollers, each asks for twenty seconds (Lambda
developer guide, "Using Lambda with Amazon SQS").
"""
SWEEP_SECONDS, SWEEP_GB = 3, 0.5
"""How long a sweep takes that finds nothing to do, and the memory of its function."""
LISTS = DAYS * 24 * 3600 // SWEEP_INTERVAL
"""How often a month the sweep lists the bucket of an analysis."""


@dataclass(frozen=True)
class Charge:
    """So many of `what`, at a price of `unit_usd` a month for one; `free` of them in each account, always."""

    what: str
    count: float
    unit_usd: float
    free: float = 0.0

    @property
    def usd(self) -> float:
        return self.count * self.unit_usd


Inputs = Mapping[str, Any]


@dataclass(frozen=True)
class _Price:
    """What one resource costs: how many units of what it is."""

    what: str
    unit_usd: float
    free: float = 0.0
    units: Callable[[Inputs], float] = lambda _: 1.0


def _metrics(inputs: Inputs) -> float:
    """An alarm costs by the metrics that it looks at."""
    return float(sum("metric" in query for query in inputs.get("metricQueries") or ()) or 1)


def _sweeps(inputs: Inputs) -> float:
    """GB-seconds of a function that a schedule calls."""
    found = re.fullmatch(r"rate\((\d+) minutes?\)", str(inputs.get("scheduleExpression") or ""))
    return DAYS * 24 * 60 / int(found[1]) * SWEEP_SECONDS * SWEEP_GB if found else 0.0


def _interface(inputs: Inputs) -> float:
    """Interface endpoints cost by the subnet; gateways, as that of S3, nothing."""
    return float(len(inputs.get("subnetIds") or ())) if inputs.get("vpcEndpointType") == "Interface" else 0.0


PRICES: Mapping[str, tuple[_Price, ...]] = {
    "cloudwatch/MetricAlarm": (_Price("alarms", 0.10, 10, _metrics),),
    "cloudwatch/Dashboard": (_Price("dashboards", 3.0, 3),),
    "kms/Key": (_Price("encryption keys", 1.0),),
    "lambda/EventSourceMapping": (
        _Price("requests of functions that wait at queues", 0.40 / 1e6, 1e6, lambda _: POLLS),
    ),
    "cloudwatch/EventRule": (
        _Price("GB-seconds of functions on a schedule", 0.0000166667, 400_000, _sweeps),
    ),
    "s3/BucketNotification": (_Price("listings of buckets by the sweep", 0.005 / 1000, 0, lambda _: LISTS),),
    "secretsmanager/Secret": (_Price("secrets", 0.40),),
    "ec2/NatGateway": (_Price("NAT gateways", 0.045 * 24 * DAYS),),
    "ec2/Eip": (_Price("public IPv4 addresses", 0.005 * 24 * DAYS),),
    "ec2/VpcEndpoint": (_Price("interface endpoints", 0.01 * 24 * DAYS, 0, _interface),),
}
"""What costs something while nothing happens, by the type of its resource (service and name)."""

FREE = frozenset(
    [
        "cloudtrail/Trail",
        "cloudwatch/EventTarget",
        "cloudwatch/LogGroup",
        "dynamodb/Table",
        "ec2/InternetGateway",
        "ec2/KeyPair",
        "ec2/LaunchTemplate",
        "ec2/Route",
        "ec2/RouteTable",
        "ec2/RouteTableAssociation",
        "ec2/SecurityGroup",
        "ec2/Subnet",
        "ec2/Vpc",
        "iam/Group",
        "iam/GroupPolicy",
        "iam/GroupPolicyAttachment",
        "iam/InstanceProfile",
        "iam/Policy",
        "iam/Role",
        "iam/RolePolicy",
        "iam/RolePolicyAttachment",
        "iam/SamlProvider",
        "iam/User",
        "iam/UserGroupMembership",
        "imagebuilder/Component",
        "imagebuilder/ImagePipeline",
        "imagebuilder/ImageRecipe",
        "imagebuilder/InfrastructureConfiguration",
        "imagebuilder/DistributionConfiguration",
        "imagebuilder/LifecyclePolicy",
        "kms/Alias",
        "lambda/Function",
        "lambda/Permission",
        "s3/Bucket",
        "s3/BucketCorsConfiguration",
        "s3/BucketLifecycleConfiguration",
        "s3/BucketLogging",
        "s3/BucketObjectv2",
        "s3/BucketOwnershipControls",
        "s3/BucketPolicy",
        "s3/BucketPublicAccessBlock",
        "s3/BucketServerSideEncryptionConfiguration",
        "s3/BucketVersioning",
        "sns/Topic",
        "sns/TopicPolicy",
        "sns/TopicSubscription",
        "sqs/Queue",
        "sqs/QueuePolicy",
        "ssm/Parameter",
        "vpc/SecurityGroupEgressRule",
        "vpc/SecurityGroupIngressRule",
    ]
)
"""What costs nothing while nothing happens, but for what is stored in it."""


def charges(resources: Sequence[tuple[str, Inputs]]) -> list[Charge]:
    """What the resources of a stack, by type and inputs, cost a month."""
    found = _summed(
        Charge(price.what, price.units(inputs), price.unit_usd, price.free)
        for kind, inputs in resources
        for price in PRICES.get(_short(kind), ())
    )
    return sorted((one for one in found if one.count), key=lambda one: (-one.usd, one.what))


def _summed(charges: Iterable[Charge]) -> list[Charge]:
    """One charge for each thing that is paid for."""
    found: dict[str, Charge] = {}
    for one in charges:
        before = found.get(one.what)
        found[one.what] = replace(one, count=before.count + one.count) if before else one
    return list(found.values())


def unpriced(resources: Sequence[tuple[str, Inputs]]) -> list[str]:
    """Types of AWS resources of which is not known here what they cost."""
    known = PRICES.keys() | FREE
    return sorted(
        {one for kind, _ in resources if kind.startswith("aws:") and (one := _short(kind)) not in known}
    )


def _short(kind: str) -> str:
    """`iam/Role` of `aws:iam/role:Role`."""
    service, _, _ = kind.removeprefix("aws:").partition("/")
    return f"{service}/{kind.rpartition(':')[2]}"


def free_of_charge(stacks: Collection[Sequence[Charge]]) -> float:
    """USD a month that AWS takes from nobody: the part of all charges of an account that is always free, if
    nothing else in the account uses it."""
    counted = _summed(charge for some in stacks for charge in some)
    return sum(min(one.count, one.free) * one.unit_usd for one in counted)
