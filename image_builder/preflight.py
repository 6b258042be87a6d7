"""What would make a build fail an hour from now and can be seen in seconds, all of it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from account.quotas import vcpu_quota
from blueprints import BASE, base
from neurocaas.protocol.problems import Problem

SETTINGS = "network own, or vpcId and subnetIds: docs/administrators.md"
"""How the network is chosen, in the stack `utils`."""

ClientMaker = Callable[[str], Any]
"""`clients("ec2")`: a boto3 client of the target's region."""


@dataclass(frozen=True)
class Checked:
    """`problems` forbid a build; `notes` say what could not be asked. `parent_ami`: what the parent stands
    for today.
    """

    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    parent_ami: str | None


def check(stack: str, pipeline_arn: str, clients: ClientMaker, *, parent: str) -> Checked:
    """Ask for everything that a build of the pipeline needs. `parent`: the blueprint's name for the parent
    image.
    """
    from botocore.exceptions import ClientError

    imagebuilder = clients("imagebuilder")
    deploy = f"Deploy the stack again: `invoke deploy {stack}`"
    try:
        pipeline = imagebuilder.get_image_pipeline(imagePipelineArn=pipeline_arn)["imagePipeline"]
        recipe = imagebuilder.get_image_recipe(imageRecipeArn=pipeline["imageRecipeArn"])["imageRecipe"]
        infrastructure = imagebuilder.get_infrastructure_configuration(
            infrastructureConfigurationArn=pipeline["infrastructureConfigurationArn"]
        )["infrastructureConfiguration"]
    except (ClientError, KeyError) as error:
        return Checked(
            (
                Problem(
                    "image pipeline",
                    f"one that cannot be read ({error})",
                    "the pipeline of the stack",
                    deploy,
                ),
            ),
            (),
            None,
        )
    problems: list[Problem] = []
    notes: list[str] = []
    parent_ami = None
    checks: tuple[Callable[[], Iterable[Problem]], ...] = (
        lambda: _profile(infrastructure, clients("iam")),
        lambda: _network(infrastructure, clients("ec2")),
        lambda: _quota((infrastructure.get("instanceTypes") or ["m5.large"])[0], clients),
    )
    for one in checks:
        try:
            problems += one()
        except ClientError as error:
            notes.append(f"not checked, because it could not be asked: {error}")
    try:
        parent_ami = _parent(str(recipe["parentImage"]), clients)
    except (ClientError, LookupError) as error:
        again = (
            f"Bake the base again: `{base.BAKE} --force`"
            if parent == BASE
            else "Correct image.parent in the blueprint"
        )
        problems.append(
            Problem(
                "image.parent",
                f"{recipe['parentImage']}, which cannot be used here ({error})",
                "an image of this region that exists and is shared with this account",
                f"{again}, then `invoke deploy {stack}`",
            )
        )
    return Checked(tuple(problems), tuple(notes), parent_ami)


def _profile(infrastructure: Mapping[str, Any], iam: Any) -> Iterator[Problem]:
    name = infrastructure.get("instanceProfileName")
    do = "Deploy the stack `utils`: `invoke deploy utils`"
    try:
        profile = iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"] if name else {}
    except iam.exceptions.NoSuchEntityException:
        profile = {}
    if not profile.get("Roles"):
        allowed = "one that exists and has a role"
        yield Problem(
            "instance profile of the build",
            str(name) + (" without a role" if profile else " (not there)"),
            allowed,
            do,
        )


def _network(infrastructure: Mapping[str, Any], ec2: Any) -> Iterator[Problem]:
    """The build's machine talks to AWS, and its scripts to package servers: it needs a way out."""
    subnet_id = infrastructure.get("subnetId")
    if subnet_id:
        subnets = ec2.describe_subnets(Filters=[{"Name": "subnet-id", "Values": [subnet_id]}])["Subnets"]
    else:
        default = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
        vpcs = [vpc["VpcId"] for vpc in default]
        subnets = (
            ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": vpcs}])["Subnets"] if vpcs else []
        )
    if not subnets:
        got = (
            f"the subnet {subnet_id}, which is not there"
            if subnet_id
            else "no default network in this region"
        )
        do = f"Choose the network of the stack `utils` ({SETTINGS}), and deploy it and this stack"
        yield Problem("network of the build", got, "a subnet with a way to the internet", do)
        return
    if not any(subnet.get("AvailableIpAddressCount", 1) for subnet in subnets):
        allowed = "a subnet with a free address"
        yield Problem(
            "network of the build",
            "subnets without a free address",
            allowed,
            f"End machines, or choose a larger subnet ({SETTINGS})",
        )
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [subnets[0]["VpcId"]]}])[
        "RouteTables"
    ]
    if not any(_leads_out(subnet, tables) for subnet in subnets):
        got = f"no route from {subnets[0]['SubnetId']} to the internet (0.0.0.0/0)"
        allowed = "a route to an internet gateway with public addresses, or to a NAT gateway"
        do = f"Add the route, or choose another network ({SETTINGS})"
        yield Problem("network of the build", got, allowed, do)
    groups = infrastructure.get("securityGroupIds") or []
    if groups:
        found = ec2.describe_security_groups(Filters=[{"Name": "group-id", "Values": groups}])[
            "SecurityGroups"
        ]
        missing = sorted(set(groups) - {group["GroupId"] for group in found})
        if missing:
            allowed, do = "groups that exist", "Deploy the stack `utils`, then this one"
            yield Problem("security groups of the build", f"{', '.join(missing)} (not there)", allowed, do)
        elif not any(group.get("IpPermissionsEgress") for group in found):
            allowed = "a rule for outgoing HTTPS"
            yield Problem(
                "security groups of the build",
                "no outgoing rule",
                allowed,
                "Deploy the stack `utils`, which makes one",
            )


def _leads_out(subnet: Mapping[str, Any], tables: Iterable[Mapping[str, Any]]) -> bool:
    main, own = None, None
    for table in tables:
        for association in table.get("Associations", []):
            if association.get("SubnetId") == subnet["SubnetId"]:
                own = table
            elif association.get("Main"):
                main = table
    for route in (own or main or {}).get("Routes", []):
        if route.get("DestinationCidrBlock") == "0.0.0.0/0" and route.get("State", "active") == "active":
            if str(route.get("GatewayId", "")).startswith("igw-"):
                return bool(subnet.get("MapPublicIpOnLaunch"))
            return True
    return False


def _parent(reference: str, clients: ClientMaker) -> str:
    """The AMI that a recipe's parent stands for now. Raises ClientError or LookupError when there is none to
    start from.
    """
    if reference.startswith("ssm:"):
        reference = str(
            clients("ssm").get_parameter(Name=reference.removeprefix("ssm:"))["Parameter"]["Value"]
        )
    elif reference.startswith("arn:"):
        image = clients("imagebuilder").get_image(imageBuildVersionArn=reference)["image"]
        reference = str(image["outputResources"]["amis"][0]["image"])
    images = clients("ec2").describe_images(ImageIds=[reference])["Images"]
    states = [image.get("State") for image in images]
    if states != ["available"]:
        raise LookupError(f"{reference} is {states[0] if states else 'not there'}")
    return reference


def _quota(instance_type: str, clients: ClientMaker) -> Iterator[Problem]:
    code, ec2 = vcpu_quota(instance_type), clients("ec2")
    limit = float(
        clients("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"]
    )
    sizes = ec2.describe_instance_types(InstanceTypes=[instance_type])["InstanceTypes"]
    wanted = int(sizes[0]["VCpuInfo"]["DefaultVCpus"]) if sizes else 0
    used = 0
    running = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    for page in ec2.get_paginator("describe_instances").paginate(Filters=running):
        for machine in (
            machine for reservation in page["Reservations"] for machine in reservation["Instances"]
        ):
            # spot has quotas of its own
            if vcpu_quota(machine["InstanceType"]) == code and not machine.get("InstanceLifecycle"):
                cpu = machine.get("CpuOptions", {})
                used += cpu.get("CoreCount", 1) * cpu.get("ThreadsPerCore", 1)
    if used + wanted > limit:
        do = f"Wait for machines to end, or ask for more: quota {code} of EC2 in Service Quotas"
        yield Problem(
            "quota of this account",
            f"{used} virtual CPUs in use and {wanted} wanted ({instance_type})",
            f"{limit:.0f} at a time",
            do,
        )
