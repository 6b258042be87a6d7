"""Which types are found how. There is no other list of types."""

from collections.abc import Mapping

from console.own import images, machines, messages, networks, people, storage, watching
from console.own.model import Finder, Lister

LISTED: Mapping[str, Lister] = {
    storage.BUCKET: storage.buckets,
    storage.TABLE: storage.tables,
    storage.PARAMETER: storage.parameters,
    storage.KEY: storage.keys,
    people.ROLE: people.roles,
    people.POLICY: people.policies,
    people.PROFILE: people.profiles,
    people.USER: people.users,
    messages.QUEUE: messages.queues,
    messages.TOPIC: messages.topics,
    messages.FUNCTION: messages.functions,
    messages.RULE: messages.rules,
    watching.LOG_GROUP: watching.log_groups,
    watching.ALARM: watching.alarms,
    watching.TRAIL: watching.trails,
    machines.KEY_PAIR: machines.key_pairs,
    machines.SECURITY_GROUP: machines.security_groups,
    machines.LAUNCH_TEMPLATE: machines.launch_templates,
    images.COMPONENT: images.components,
    images.RECIPE: images.recipes,
    images.INFRASTRUCTURE: images.infrastructures,
    images.DISTRIBUTION: images.distributions,
    images.PIPELINE: images.pipelines,
    images.LIFECYCLE: images.lifecycles,
}
"""Types with tags, which say whose a thing is."""
NAME_PROPERTY: Mapping[str, str] = {
    storage.BUCKET: "bucket",
    machines.KEY_PAIR: "keyName",
    messages.PERMISSION: "statementId",
    messages.TARGET: "targetId",
}
"""The input that is the name, where it is not `name`."""
PLACED: Mapping[str, Finder] = {
    storage.ALIAS: storage.aliases,
    people.ROLE_POLICY: people.role_policies,
    people.GROUP: people.groups,
    people.GROUP_POLICY: people.group_policies,
    messages.MAPPING: messages.mappings,
    messages.PERMISSION: messages.permissions,
    messages.TARGET: messages.targets,
    messages.SUBSCRIPTION: messages.subscriptions,
    machines.EGRESS: machines.egress,
    machines.INGRESS: machines.ingress,
    networks.VPC: networks.vpcs,
    networks.SUBNET: networks.subnets,
    networks.GATEWAY: networks.gateways,
    networks.ENDPOINT: networks.endpoints,
    networks.TABLE: networks.tables,
    networks.ASSOCIATION: networks.associations,
}
"""Types whose things lie on another that is the stack's own, or prove themselves in another way."""
PUT = frozenset(
    {
        "aws:s3/bucketVersioning:BucketVersioning",
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration",
        "aws:s3/bucketPolicy:BucketPolicy",
        "aws:s3/bucketNotification:BucketNotification",
        "aws:s3/bucketObjectv2:BucketObjectv2",
        "aws:ec2/defaultRouteTable:DefaultRouteTable",
        "aws:sqs/queuePolicy:QueuePolicy",
        "aws:sns/topicPolicy:TopicPolicy",
        "aws:cloudwatch/dashboard:Dashboard",
        "aws:iam/userGroupMembership:UserGroupMembership",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    }
)
"""Types that are settings of another thing, or whose making puts them in the place of what is there: they are
simply made again.
"""
