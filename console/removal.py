"""What of users' data a change of the stacks would leave behind or take along: told, and never deleted
unasked.
"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from console.buckets import Contents, by_folder
from console.errors import UserError

_BUCKET, _OBJECT = "aws:s3/bucket:Bucket", "aws:s3/bucketObjectv2:BucketObjectv2"


def data_bucket(resources: Iterable[Mapping[str, Any]]) -> str:
    """The bucket of users' data by a stack's state; "" without one. A deploy that was not finished has no
    outputs, perhaps a bucket.
    """
    buckets = (one for one in resources if one["type"] == _BUCKET and not one.get("delete"))
    return next((str(one["id"]) for one in buckets if not (one.get("inputs") or {}).get("forceDestroy")), "")


def users_data(s3: Any, bucket: str, resources: Iterable[Mapping[str, Any]]) -> dict[str, Contents]:
    """What a stack's bucket holds, by group ("logs": the compute reports, "jobs": the service's records),
    without what the stack itself has put there by its state."""
    from botocore.exceptions import ClientError

    if not bucket:
        return {}
    objects = (one["inputs"] for one in resources if one["type"] == _OBJECT)
    try:
        return by_folder(
            s3, bucket, without={str(one["key"]) for one in objects if one.get("bucket") == bucket}
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            return {}
        raise


def told(data: Mapping[str, Contents]) -> str:
    """One line a group."""
    return "\n".join(f"  {folder}: {held.text()}" for folder, held in sorted(data.items()))


def refuse_protected(stack: str, resources: Iterable[Mapping[str, Any]]) -> None:
    """Raises UserError while something is protected: the engine would say so only when it comes to that, and
    have deleted much by then.
    """
    found = sorted(
        f"{one['type'].rpartition(':')[2]} {one.get('id', '')}" for one in resources if one.get("protect")
    )
    if found:
        raise UserError(
            f"{stack}, in which is protected: {', '.join(found)}",
            "a stack in which nothing is protected",
            f"if you mean it: pulumi config set protectUtilities false --stack {stack}, then `invoke deploy "
            f"{stack}`, then this again",
        )


def means(stack: str, own: str, name: str) -> bool:
    """Whether `name` is a name of the stack's bucket `own`: its own, or the stack's or the analysis's."""
    return name in (own, stack, stack.rpartition("-")[0])


def refuse_destroy(
    stack: str, outputs: Mapping[str, Any], data: Mapping[str, Contents], *, delete_data: bool, bucket: str
) -> None:
    """Raises UserError when a destroy of the stack would take along what nobody said it may."""
    own, prod = outputs.get("bucket", ""), outputs.get("stage") == "prod"
    if bucket and not means(stack, own, bucket):
        raise UserError(
            f"--bucket {bucket}", f"the bucket of {stack}: {own or 'none'}", "correct one of the two"
        )
    flags = f"{' --delete-data' if data else ''}{f' --bucket {own}' if prod else ''}"
    if data and not delete_data:
        held = sum(data.values(), Contents())
        raise UserError(
            f"{stack} has users' data: s3://{own}/ holds {held.text()}\n{told(data)}",
            "a bucket without users' data, or --delete-data",
            f"fetch what is needed, then `invoke destroy {stack}{flags}`, which deletes it for good",
        )
    if prod and not bucket:
        raise UserError(
            f"{stack}, which is in production",
            "the bucket's name as well",
            f"if you mean it: invoke destroy {stack}{flags}",
        )


def refuse_destroy_of_utils(stacks: Iterable[Mapping[str, Any]]) -> None:
    """Raises UserError while there are stacks that live on `utils`. `stacks`: of `pulumi stack ls --json`."""
    names = sorted(one["name"] for one in stacks if one["name"] != "utils" and one.get("resourceCount"))
    if names:
        raise UserError(
            f"utils, which {', '.join(names)} {'need' if len(names) > 1 else 'needs'}",
            "utils once no other stack has resources",
            f"`invoke destroy {names[0]}` first",
        )


def removed_groups(stack: str, outputs: Mapping[str, Any], root: Path) -> dict[str, list[str]]:
    """The groups that a deploy of the stack will take away, and the buckets that they have used. Nothing for
    files with mistakes: the deploy itself tells them."""
    from blueprints import groups, load, parse_stack_name
    from neurocaas.protocol.problems import InvalidInput

    before: Mapping[str, Any] = outputs.get("groups", {})
    if not before:
        return {}
    try:
        directory = groups.load(root)
        if outputs.get("kind") == "utils":
            return {
                group: list(made["buckets"])
                for group, made in before.items()
                if group not in directory.groups
            }
        name = parse_stack_name(stack)
        now = {*load(name.analysis, name.stage, root).groups, *directory.using(name.analysis)}
    except InvalidInput:
        return {}
    return {group: [str(outputs["bucket"])] for group in before if group not in now}


def farewell(s3: Any, group: str, buckets: Iterable[str], stack: str) -> list[str]:
    """What stays of a group that is removed, a line a bucket, and how to delete it."""
    from botocore.exceptions import ClientError

    from neurocaas.protocol.published_settings import about_key

    lines, prefixes = [], (f"{group}/", f"jobs/{group}/", f"logs/{group}/")
    for bucket in _there(s3, buckets):
        held = Contents()
        for prefix in prefixes:
            try:
                held = sum(by_folder(s3, bucket, prefix, without={about_key(group)}).values(), held)
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchBucket":
                    raise
        if not held.empty:
            where = f"s3://{bucket}/{prefixes[0]}, {prefixes[1]} and {prefixes[2]}"
            lines.append(f"group {group} is removed; its data stays: {where} hold {held.text()}.")
            if stack != "utils":
                lines.append(
                    f"  To delete it for good: invoke empty-bucket {stack} --prefix {group}/ (and "
                    f"{prefixes[1]}, {prefixes[2]})"
                )
    return lines


def _there(s3: Any, names: Iterable[str]) -> list[str]:
    """The buckets of these names; a `*` stands for the stages of an analysis, of those that are there."""
    names, found = list(names), list[str]()
    if any("*" in name for name in names):
        own = [one["Name"] for one in s3.list_buckets()["Buckets"]]
        found = [one for one in own if any("*" in name and fnmatchcase(one, name) for name in names)]
    return sorted({*found, *(name for name in names if "*" not in name)})
