"""Buckets, tables, parameters and keys."""

from collections.abc import Iterator
from functools import partial

from console.own.model import Account, Tags, Thing, WantedResource, absent, autonamed, pairs, tagging

BUCKET = "aws:s3/bucket:Bucket"
TABLE = "aws:dynamodb/table:Table"
PARAMETER = "aws:ssm/parameter:Parameter"
KEY, ALIAS = "aws:kms/key:Key", "aws:kms/alias:Alias"


def bucket_tags(at: Account, name: str) -> Tags:
    try:
        return pairs(at.client("s3").get_bucket_tagging(Bucket=name)["TagSet"])
    except Exception as error:
        if absent(error):
            return {}
        raise


def buckets(at: Account, prefix: str) -> Iterator[Thing]:
    partition = at.client("s3").meta.partition
    for one in at.pages("s3", "list_buckets", "Buckets"):
        if one["Name"].startswith(prefix):
            yield Thing(
                BUCKET,
                one["Name"],
                one["Name"],
                f"arn:{partition}:s3:::{one['Name']}",
                partial(bucket_tags, at, one["Name"]),
            )


def bucket_is_new(at: Account, name: str) -> bool:
    """Whether nobody has put anything into a bucket, or has labelled it."""
    listed = at.client("s3").list_object_versions(Bucket=name, MaxKeys=1)
    return not (bucket_tags(at, name) or listed.get("Versions") or listed.get("DeleteMarkers"))


def tables(at: Account, prefix: str) -> Iterator[Thing]:
    dynamodb = at.client("dynamodb")
    for name in at.pages("dynamodb", "list_tables", "TableNames"):
        if name.startswith(prefix):
            arn = dynamodb.describe_table(TableName=name)["Table"]["TableArn"]
            yield Thing(
                TABLE, name, name, arn, tagging(dynamodb.list_tags_of_resource, "Tags", ResourceArn=arn)
            )


def parameters(at: Account, prefix: str) -> Iterator[Thing]:
    ssm = at.client("ssm")
    filters = [{"Key": "Name", "Option": "BeginsWith", "Values": [prefix]}]
    for one in at.pages("ssm", "describe_parameters", "Parameters", ParameterFilters=filters):
        name = one["Name"]
        ask = tagging(ssm.list_tags_for_resource, "TagList", ResourceType="Parameter", ResourceId=name)
        yield Thing(PARAMETER, name, name, "", ask)


def keys(at: Account, prefix: str) -> Iterator[Thing]:
    """Keys have no names: those that an alias with the prefix stands for, and without a prefix all that are
    in use.
    """
    kms = at.client("kms")
    if prefix:
        aliases = at.pages("kms", "list_aliases", "Aliases")
        ids = [
            one["TargetKeyId"]
            for one in aliases
            if one["AliasName"].startswith(f"alias/{prefix}") and one.get("TargetKeyId")
        ]
    else:
        ids = [one["KeyId"] for one in at.pages("kms", "list_keys", "Keys")]
    for key in ids:
        found = kms.describe_key(KeyId=key)["KeyMetadata"]
        if found.get("KeyManager", "CUSTOMER") == "CUSTOMER" and found["KeyState"] not in (
            "PendingDeletion",
            "PendingReplicaDeletion",
        ):
            yield Thing(
                KEY,
                "",
                key,
                found["Arn"],
                tagging(kms.list_resource_tags, "Tags", key="TagKey", value="TagValue", KeyId=key),
            )


def aliases(at: Account, wanted: WantedResource) -> Iterator[Thing]:
    """Names of a key of ours."""
    key = wanted.home("targetKeyId")
    name = autonamed(wanted.name, before="alias/")
    for one in at.pages("kms", "list_aliases", "Aliases"):
        if key and one.get("TargetKeyId") == key.id and name.fullmatch(one["AliasName"]):
            yield Thing(ALIAS, one["AliasName"], one["AliasName"], one["AliasArn"])
