"""Networks: a VPC, its subnets, its way out, the routes of its main table, its way to a service."""

from __future__ import annotations

from typing import Any, ClassVar

from localcloud.pulumi.provider.compare import same
from localcloud.pulumi.provider.model import Call, Handler, Properties
from localcloud.pulumi.provider.resources.ec2 import TAGS
from localcloud.pulumi.provider.resources.named import Named
from localcloud.pulumi.provider.shape import Shape, members


class _Thing(Named):
    """A thing of EC2, called by its id, with its tags in its description."""

    service = "ec2"
    tags = TAGS
    tagged_at_birth = False
    kind: ClassVar[str]
    """What it is called in its ARN."""

    def properties(self, call: Call, found: Any, state: Properties) -> Properties:
        result = super().properties(call, found, state)
        return {
            **result,
            "arn": call.arn("ec2", f"{self.kind}/{found[self.made.rpartition('.')[2]]}"),
            "ownerId": found.get("OwnerId") or call.session.account,
        }

    def read_tags(self, call: Call, found: Any, resource_id: str, result: Properties) -> dict[str, str]:
        return TAGS.told(found.get("Tags"))

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.retry_in_use(lambda: super(_Thing, self).delete(call, resource_id, state))


class Vpc(_Thing):
    """A network. Its main route table and its default group come with it, and go with it."""

    kind = "vpc"
    calls = ("create_vpc", "describe_vpcs", "", "delete_vpc")
    key, delete_key, made, found = "VpcIds[]", "VpcId", "Vpc.VpcId", "Vpcs.0"
    sent = members("cidrBlock instanceTenancy")
    told = members("dhcpOptionsId")

    def properties(self, call: Call, found: Any, state: Properties) -> Properties:
        client, vpc = call.client("ec2"), found["VpcId"]
        mine = [{"Name": "vpc-id", "Values": [vpc]}]
        main = [*mine, {"Name": "association.main", "Values": ["true"]}]
        default = [*mine, {"Name": "default", "Values": ["true"]}]
        named = [*mine, {"Name": "group-name", "Values": ["default"]}]
        table = client.describe_route_tables(Filters=main)["RouteTables"][0]["RouteTableId"]
        lists = client.describe_network_acls(Filters=default)["NetworkAcls"]
        groups = client.describe_security_groups(Filters=named)["SecurityGroups"]

        def is_on(attribute: str) -> bool:
            asked = client.describe_vpc_attribute(VpcId=vpc, Attribute=attribute)
            return bool(asked[attribute[0].upper() + attribute[1:]]["Value"])

        return {
            **super().properties(call, found, state),
            "enableDnsSupport": is_on("enableDnsSupport"),
            "enableDnsHostnames": is_on("enableDnsHostnames"),
            "defaultRouteTableId": table,
            "mainRouteTableId": table,
            "defaultNetworkAclId": lists[0]["NetworkAclId"] if lists else None,
            "defaultSecurityGroupId": groups[0]["GroupId"] if groups else None,
        }


class Subnet(_Thing):
    """A subnet in one zone."""

    kind = "subnet"
    calls = ("create_subnet", "describe_subnets", "modify_subnet_attribute", "delete_subnet")
    key, delete_key, made, found = "SubnetIds[]", "SubnetId", "Subnet.SubnetId", "Subnets.0"
    sent = members("availabilityZone cidrBlock vpcId")
    told = members("mapPublicIpOnLaunch availabilityZoneId")

    def finish(self, call: Call, resource_id: str, inputs: Properties) -> None:
        if inputs.get("mapPublicIpOnLaunch"):
            self._public(call, resource_id, inputs)

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        if bool(olds.get("mapPublicIpOnLaunch")) != bool(news.get("mapPublicIpOnLaunch")):
            self._public(call, resource_id, news)

    @staticmethod
    def _public(call: Call, resource_id: str, inputs: Properties) -> None:
        value = {"Value": bool(inputs.get("mapPublicIpOnLaunch"))}
        call.client("ec2").modify_subnet_attribute(SubnetId=resource_id, MapPublicIpOnLaunch=value)


class InternetGateway(_Thing):
    """The way out of a VPC, to which it is attached."""

    kind = "internet-gateway"
    calls = ("create_internet_gateway", "describe_internet_gateways", "", "delete_internet_gateway")
    key, delete_key = "InternetGatewayIds[]", "InternetGatewayId"
    made, found = "InternetGateway.InternetGatewayId", "InternetGateways.0"
    told: ClassVar = {"vpcId": "Attachments.0.VpcId"}

    def finish(self, call: Call, resource_id: str, inputs: Properties) -> None:
        if inputs.get("vpcId"):
            call.client("ec2").attach_internet_gateway(InternetGatewayId=resource_id, VpcId=inputs["vpcId"])

    def _detach(self, call: Call, resource_id: str, state: Properties) -> None:
        if state.get("vpcId"):
            client, vpc = call.client("ec2"), state["vpcId"]
            call.retry_in_use(
                lambda: client.detach_internet_gateway(InternetGatewayId=resource_id, VpcId=vpc)
            )

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        if olds.get("vpcId") != news.get("vpcId"):
            self._detach(call, resource_id, olds)
            self.finish(call, resource_id, news)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        self._detach(call, resource_id, state)
        super().delete(call, resource_id, state)


class DefaultRouteTable(_Thing):
    """The main table of a VPC, which is taken over: its routes become those given. It stays when the resource
    goes, as the VPC's.
    """

    kind = "route-table"
    calls = ("", "describe_route_tables", "", "")
    key, found = "RouteTableIds[]", "RouteTables.0"
    made, name = "RouteTableId", "defaultRouteTableId"
    sent: ClassVar = {}
    told: ClassVar = {"defaultRouteTableId": "RouteTableId", "vpcId": "VpcId"}
    routes = Shape({"cidrBlock": "DestinationCidrBlock"})

    def create(self, call: Call, inputs: Properties) -> str:
        table = call.created(str(inputs["defaultRouteTableId"]))
        self.tags.change(call, table, {}, call.all_tags(inputs))
        self._become(call, table, inputs)
        return table

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        self._become(call, resource_id, news)

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        pass

    def properties(self, call: Call, found: Any, state: Properties) -> Properties:
        kind = call.types["routes"]
        return {
            **super().properties(call, found, state),
            "routes": self.routes.from_aws(self._own(found), kind) or None,
        }

    @staticmethod
    def _own(table: Any) -> list[dict[str, Any]]:
        """The routes that somebody has written; not the VPC's own, nor those of endpoints."""
        named = ("DestinationCidrBlock", "GatewayId")
        return [
            {key: one[key] for key in named if one.get(key)}
            for one in table.get("Routes", ())
            if one.get("DestinationCidrBlock") and one.get("GatewayId", "")[:5] not in ("local", "vpce-")
        ]

    def _become(self, call: Call, resource_id: str, inputs: Properties) -> None:
        client = call.client("ec2")
        table = client.describe_route_tables(RouteTableIds=[resource_id])["RouteTables"][0]
        have = self._own(table)
        want = self.routes.to_aws(inputs.get("routes") or [], call.types["routes"])
        for route in (one for one in have if one not in want):
            client.delete_route(RouteTableId=resource_id, DestinationCidrBlock=route["DestinationCidrBlock"])
        for route in (one for one in want if one not in have):
            client.create_route(RouteTableId=resource_id, **route)


class RouteTable(DefaultRouteTable):
    """A table of its own, for subnets that are to have other routes than the VPC's main table."""

    calls = ("create_route_table", "describe_route_tables", "", "delete_route_table")
    delete_key, made = "RouteTableId", "RouteTable.RouteTableId"
    sent = members("vpcId")
    told: ClassVar = {}

    def create(self, call: Call, inputs: Properties) -> str:
        table = _Thing.create(self, call, inputs)
        self._become(call, table, inputs)
        return table

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        _Thing.delete(self, call, resource_id, state)


class RouteTableAssociation(Handler):
    """The routes of a subnet. Its id is `rtbassoc-…`."""

    def create(self, call: Call, inputs: Properties) -> str:
        made = call.client("ec2").associate_route_table(
            RouteTableId=inputs["routeTableId"], SubnetId=inputs["subnetId"]
        )
        return call.created(str(made["AssociationId"]))

    def read(self, call: Call, resource_id: str, state: Properties) -> Properties | None:
        asked = [{"Name": "association.route-table-association-id", "Values": [resource_id]}]
        tables = call.client("ec2").describe_route_tables(Filters=asked)["RouteTables"]
        found = (
            one
            for table in tables
            for one in table["Associations"]
            if one["RouteTableAssociationId"] == resource_id
        )
        if (one := next(found, None)) is None:
            return None
        return {"routeTableId": one["RouteTableId"], "subnetId": one.get("SubnetId")}

    def delete(self, call: Call, resource_id: str, state: Properties) -> None:
        call.client("ec2").disassociate_route_table(AssociationId=resource_id)


class VpcEndpoint(_Thing):
    """The way of a VPC to a service of AWS."""

    kind = "vpc-endpoint"
    calls = ("create_vpc_endpoint", "describe_vpc_endpoints", "modify_vpc_endpoint", "delete_vpc_endpoints")
    key, delete_key = "VpcEndpointIds[]", "VpcEndpointIds[]"
    made, found = "VpcEndpoint.VpcEndpointId", "VpcEndpoints.0"
    sent = members("routeTableIds serviceName vpcEndpointType vpcId", policy="PolicyDocument")
    told = members("state")

    def properties(self, call: Call, found: Any, state: Properties) -> Properties:
        named = [{"Name": "prefix-list-name", "Values": [found["ServiceName"]]}]
        lists = call.client("ec2").describe_prefix_lists(Filters=named)["PrefixLists"]
        return {
            **super().properties(call, found, state),
            "prefixListId": lists[0]["PrefixListId"] if lists else None,
        }

    def update(self, call: Call, resource_id: str, olds: Properties, news: Properties) -> None:
        old, new = set(olds.get("routeTableIds") or ()), set(news.get("routeTableIds") or ())
        change: dict[str, Any] = {
            "AddRouteTableIds": sorted(new - old),
            "RemoveRouteTableIds": sorted(old - new),
        }
        if not same(olds.get("policy"), news.get("policy")):
            change |= {"PolicyDocument": news["policy"]} if news.get("policy") else {"ResetPolicy": True}
        if change := {key: value for key, value in change.items() if value}:
            call.client("ec2").modify_vpc_endpoint(VpcEndpointId=resource_id, **change)
