"""Runs the program as the engine would, against mocks, and keeps what it registered."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import zlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime import mocks, settings, stack
from pulumi.runtime import resource as resources
from pulumi.runtime.proto.source_pb2 import StackTrace

from account.developer_key import PUBLIC
from checks import resource as checks
from checks.tags import PROVIDER
from components.place import Place
from localcloud.pulumi.provider.table import TABLE

# an Output in a text is an error, not "<Output object at …>"
os.environ.setdefault("PULUMI_ERROR_OUTPUT_STRING", "1")

ACCOUNT, REGION = "111122223333", "us-east-1"
HERE = Place(partition="aws", region=REGION, account=ACCOUNT)
"""Where stacks are, when a test says nothing else."""
IDENTITY = "aws:index/getCallerIdentity:getCallerIdentity"
USER = "aws:iam/getUser:getUser"
SUBNET = "aws:ec2/getSubnet:getSubnet"
IMAGE = "aws:ec2/getAmi:getAmi"
PARAMETER = "aws:ssm/getParameter:getParameter"
PARAMETERS = "aws:ssm/getParametersByPath:getParametersByPath"
ZONES = "aws:index/getAvailabilityZones:getAvailabilityZones"
TAGGED = "aws:resourcegroupstaggingapi/getResources:getResources"

ENGINES = frozenset({"pulumi:providers:aws", "pulumi:pulumi:StackReference"})
"""Resource types of the engine itself."""


@dataclass(frozen=True)
class Resource:
    """A registered resource: inputs as they go over the wire (camelCase)."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    provider: str
    id: str
    called: frozenset[str] = frozenset()

    def policy(self, key: str = "policy") -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.inputs[key])
        return parsed


@dataclass
class Recorded:
    """Everything that one run of the program registered, and what it exported."""

    resources: list[Resource] = field(default_factory=list)
    components: list[tuple[str, str]] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    after: dict[str, frozenset[str]] = field(default_factory=dict)
    """What each resource waits for: URNs by URN."""

    ignored: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Inputs of which no change counts, by URN."""

    def waits(self, resource: str, other: str) -> bool:
        """Whether the resource whose URN ends so is made after the other one."""
        (found,) = [urns for urn, urns in self.after.items() if urn.endswith(resource)]
        return any(urn.endswith(other) for urn in found)

    def of_type(self, kind: str) -> list[Resource]:
        """Resources by the last part of their type ("Bucket")."""
        return [resource for resource in self.resources if resource.type.rpartition(":")[2] == kind]

    def one(self, kind: str, name: str = "") -> Resource:
        found = [resource for resource in self.of_type(kind) if name in resource.name]
        assert len(found) == 1, (
            f"{len(found)} resources {kind} with {name!r} in their name: {[r.name for r in found]}"
        )
        return found[0]

    def stack(self) -> checks.StackResources:
        """The resources as rules see them. The provider's URN is known from those that go through it."""
        providers = {resource.provider.rpartition("::")[0] for resource in self.resources} - {""}
        urns = {PROVIDER: providers.pop()} if len(providers) == 1 else {}
        return checks.StackResources(
            [
                checks.Resource(
                    one.type,
                    one.name,
                    one.inputs,
                    urns.get(one.type, ""),
                    one.provider.rpartition("::")[0],
                    one.called,
                )
                for one in self.resources
            ]
        )


class Recorder(mocks.Mocks):
    """Answers as AWS would, as far as the program looks at answers. `references`: outputs of other stacks by
    name. `users`: IAM users that are there. `at`: the place that the credentials are of. `subnets`: VPC and
    zone of those that are there. `images`: root device, GiB and architecture of images by id, where they are
    not as Ubuntu's for x86_64; None for one that is not there; `denied`: the credentials may not ask for
    images, nor for parameters by their path. `buckets`: those of other stacks and of earlier deploys, by
    stack. `parameters`: those that are there, by name."""

    def __init__(
        self,
        references: Mapping[str, Mapping[str, Any]],
        users: Collection[str] = (),
        at: Place = HERE,
        subnets: Mapping[str, tuple[str, str]] | None = None,
        images: Mapping[str, tuple[Any, ...] | None] | None = None,
        denied: bool = False,
        buckets: Mapping[str, Collection[str]] | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        self.recorded, self._references, self._users = Recorded(), references, users
        self.public_key: str | None = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB neurocaas"
        self.at, self._subnets = at, subnets or {}
        self._images, self._denied = images or {}, denied
        self._buckets, self._parameters = buckets or {}, parameters or {}
        self._seen: set[tuple[str, str]] = set()

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        if args.typ not in ENGINES and not args.typ.startswith("neurocaas:"):
            assert args.typ in TABLE, f"the program uses the type {args.typ}, which the table has not"
            more = args.inputs.keys() - TABLE[args.typ].inputs.keys()
            assert not more, f"the program gives {sorted(more)} to {args.typ}, which the table has not"
        assert (args.typ, args.name) not in self._seen, f"two resources {args.typ} are called {args.name}"
        self._seen.add((args.typ, args.name))
        if args.typ == "pulumi:pulumi:StackReference":
            return args.name, {"outputs": dict(self._references.get(args.name, {})), "name": args.name}
        if not args.custom:
            self.recorded.components.append((args.typ, args.name))
            return None, dict(args.inputs)
        answer = self._answer(args)
        called = frozenset(str(answer[key]) for key in ("arn", "name", "bucket", "url") if key in answer)
        resource = Resource(args.typ, args.name, args.inputs, args.provider or "", f"{args.name}-id", called)
        self.recorded.resources.append(resource)
        return resource.id, answer

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        assert args.provider, f"{args.token} goes through no provider of the program"
        if args.token == USER:
            name = args.args["userName"]
            return (
                ({"id": "AIDA", "userName": name, "userId": f"AIDA{zlib.crc32(name.encode()):08X}"}, [])
                if name in self._users
                else ({}, [("userName", f"no user {name}")])
            )
        if args.token == PARAMETER and args.args["name"] == PUBLIC:
            if self.public_key is None:
                return {}, [("name", "ParameterNotFound")]
            return {**args.args, "insecureValue": self.public_key}, []
        if args.token == PARAMETER:
            return {**args.args, "insecureValue": f"ami-{zlib.crc32(args.args['name'].encode()):08x}"}, []
        if args.token == PARAMETERS:
            if self._denied:
                return {}, [("path", "AccessDeniedException: You are not authorized")]
            found = {
                name: text for name, text in self._parameters.items() if name.startswith(args.args["path"])
            }
            return {**args.args, "names": list(found), "values": list(found.values())}, []
        if args.token == IMAGE:
            return self._image(args.args["filters"][0]["values"][0])
        if args.token == ZONES and self._denied:
            return {}, [("state", "UnauthorizedOperation: You are not authorized to perform this operation")]
        if args.token == ZONES:
            return {"id": self.at.region, "names": [f"{self.at.region}{letter}" for letter in "abc"]}, []
        if args.token == SUBNET:
            if args.args["id"] not in self._subnets:
                return {}, [("id", "no matching EC2 Subnet found")]
            vpc, zone = self._subnets[args.args["id"]]
            return {"id": args.args["id"], "vpcId": vpc, "availabilityZone": zone}, []
        if args.token == TAGGED:
            assert args.args["resourceTypeFilters"] == ["s3"]
            wanted = {one["key"]: one["values"] for one in args.args["tagFilters"]}
            return {
                "resourceTagMappingLists": [
                    {"resourceArn": self.at.bucket(name), "tags": {"neurocaas:stack": stack}}
                    for stack, names in self._buckets.items()
                    for name in names
                    if stack in wanted.get("neurocaas:stack", [stack])
                ]
            }, []
        assert args.token == IDENTITY, f"the program calls the unknown function {args.token}"
        return {
            "accountId": ACCOUNT,
            "arn": self.at.global_arn("iam", "user/dev"),
            "id": ACCOUNT,
            "userId": "AIDA",
        }, []

    def _image(self, ami: str) -> tuple[dict[Any, Any], list[tuple[str, str]]]:
        if self._denied:
            return {}, [
                ("filters", "UnauthorizedOperation: You are not authorized to perform this operation")
            ]
        found = self._images.get(ami, ("/dev/sda1", 8))
        if found is None:
            return {}, [("filters", "Your query returned no results")]
        device, gib, *processors = found
        disk = {"deviceName": device, "ebs": {"volume_size": str(gib)}, "noDevice": "", "virtualName": ""}
        other = {**disk, "deviceName": "/dev/sdz", "ebs": {"volume_size": "500"}}
        about = {"architecture": processors[0] if processors else "x86_64", "rootDeviceName": device}
        return {"id": ami, "blockDeviceMappings": [other, disk], **about}, []

    def _answer(self, args: mocks.MockResourceArgs) -> dict[str, Any]:
        kind, name = args.typ.rpartition(":")[2], args.inputs.get("name") or f"{args.name}-1a2b3c4"
        service = args.typ.split("/")[0].split(":")[1]
        at, regional = self.at, self.at.arn(service, "")[:-1]
        extra: dict[str, Any] = {"name": name}
        if kind == "Bucket":
            bucket = args.inputs.get("bucket") or f"{args.name}-1a2b3c4"
            extra |= {"bucket": bucket, "arn": at.bucket(bucket)}
        elif service == "iam":
            path = args.inputs.get("path", "/")
            what = {"InstanceProfile": "instance-profile"}.get(kind, kind.lower())
            extra |= {
                "arn": at.global_arn("iam", f"{what}{path}{name}"),
                "uniqueId": f"{'AIDA' if kind == 'User' else 'AROA'}{zlib.crc32(name.encode()):08X}",
            }
        elif kind == "Queue":
            extra |= {
                "arn": f"{regional}:{name}",
                "url": f"https://{at.host('sqs')}/{at.account}/{name}",
            }
        elif kind == "LogGroup":
            extra |= {"arn": at.arn("logs", f"log-group:{name}")}
        elif kind == "EventRule":
            extra |= {"arn": at.arn("events", f"rule/{name}")}
        elif kind == "LaunchTemplate":
            extra |= {"arn": f"{regional}:launch-template/lt-{args.name}", "latestVersion": 1}
        elif kind == "Vpc":
            extra |= {"defaultRouteTableId": f"rtb-{args.name}"}
        elif kind == "VpcEndpoint":
            extra |= {"prefixListId": f"pl-{args.name}"}
        elif kind == "KeyPair":
            extra |= {"keyName": name}
        elif kind == "Key":
            extra |= {"arn": f"{regional}:key/{name}", "keyId": name}
        else:
            extra |= {"arn": f"{regional}:{kind.lower()}/{name}"}
        return {**args.inputs, **{key: value for key, value in extra.items() if key not in args.inputs}}


class _Monitor(mocks.MockMonitor):
    """The engine's side of the mocks, which also keeps the order."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self._recorded = recorder.recorded

    def RegisterResource(self, request: Any) -> Any:
        answer: Any = super().RegisterResource(request)  # type: ignore[no-untyped-call]  # the SDK's has none
        self._recorded.after[answer.urn] = frozenset(request.dependencies)
        self._recorded.ignored[answer.urn] = tuple(request.ignoreChanges)
        return answer


def deploy(
    program: Callable[[], Awaitable[Mapping[str, Any]]],
    stack_name: str,
    config: Mapping[str, str] | None = None,
    references: Mapping[str, Mapping[str, Any]] | None = None,
    recorder: Recorder | None = None,
    preview: bool = False,
    organization: str = "organization",
) -> Recorded:
    """Runs `program` as the stack `stack_name` on a fresh loop, waits for everything, and returns what was
    registered.

    Every `apply` has run when it returns, so that no assertion is skipped; a failure anywhere is raised. A
    run that registers nothing is an error. `recorder` can be given to see what was registered before a
    failure.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    recorder = recorder or Recorder(references or {})
    kept, resources._get_stack_trace = resources._get_stack_trace, StackTrace  # where it was made
    try:
        settings.reset_options()
        pulumi.runtime.set_mocks(
            recorder,
            project="neurocaas",
            stack=stack_name,
            preview=preview,
            monitor=_Monitor(recorder),
            organization=organization,
        )
        values = {"aws:region": recorder.at.region, "neurocaas:logRetentionDays": "30", **(config or {})}
        pulumi.runtime.set_all_config(values)
        exported: dict[str, Any] = {}

        async def run() -> None:
            for name, value in (await program()).items():
                pulumi.Output.from_input(value).apply(functools.partial(exported.__setitem__, name))

        loop.run_until_complete(stack.run_pulumi_func(run))
    finally:
        resources._get_stack_trace = kept
        loop.close()
        asyncio.set_event_loop(None)
        pulumi.runtime.set_all_config({})
    assert recorder.recorded.resources, "the program registered nothing"
    recorder.recorded.outputs = exported
    return recorder.recorded
