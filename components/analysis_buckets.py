"""Which buckets the analyses have: those that are there, found by the tags of their stacks, and those that a
first deploy will make.

A bucket is never given another name by this program: the one that a stack has wins over the one that the
service would choose today. It is found by its tags and not by the stack's outputs, which a first deploy that
was killed has not written, and a lost state has lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

import pulumi
import pulumi_aws as aws

from blueprints.bucket_names import default_name, default_pattern
from blueprints.groups import Directory
from blueprints.model import Blueprint, Stage
from components.names import PREFIX
from components.place import Place
from neurocaas.protocol.tags import PROJECT_TAG, STACK_TAG

Found = Mapping[str, Sequence[str]]
"""The buckets of each stack, by its name."""


def found(of: aws.Provider, stack: str | None = None) -> dict[str, list[str]]:
    """The buckets of all stacks in the provider's account and region, or of one."""
    wanted = {PROJECT_TAG: PREFIX, **({STACK_TAG: stack} if stack else {})}
    answer = aws.resourcegroupstaggingapi.get_resources(
        resource_type_filters=["s3"],
        tag_filters=[{"key": key, "values": [value]} for key, value in wanted.items()],
        opts=pulumi.InvokeOptions(provider=of),
    )
    buckets: dict[str, list[str]] = {}
    for one in answer.resource_tag_mapping_lists:
        # objects have the tags as well, and a path
        name = one.resource_arn.partition(":::")[2]
        if name and "/" not in name:
            buckets.setdefault(one.tags.get(STACK_TAG, ""), []).append(name)
    return buckets


def of_stack(blueprint: Blueprint, place: Place, there: Found) -> str:
    """The bucket of an analysis: what its blueprint says, else what it has, else the default name. Raises
    pulumi.RunError for a stack that has several and does not say which."""
    if blueprint.bucket:
        return blueprint.bucket
    chosen = default_name(blueprint.name, blueprint.stage, place.account, place.region)
    own = sorted(there.get(blueprint.stack, ()))
    if chosen in own or not own:
        return chosen
    if len(own) > 1:
        raise pulumi.RunError(
            f"stack {blueprint.stack} has the buckets {', '.join(own)}. Allowed: one, or one that the "
            f"blueprint names. Write `bucket: NAME` below stages.{blueprint.stage} in {blueprint.file}; "
            "nothing was changed"
        )
    return own[0]


def of_groups(
    directory: Directory, said: Mapping[str, Iterable[str]], place: Place, there: Found
) -> dict[str, tuple[str, ...]]:
    """The buckets that each group may use: those that the blueprints of its analyses say (`said`, "" for a
    stage that does not), and of the others those that are there. What a stage to come will be called matches
    one pattern for the whole analysis; in this account, nothing else does.
    """
    of = {analysis: _of_analysis(analysis, names, place, there) for analysis, names in said.items()}
    return {
        group.name: tuple(sorted(set().union(*(of[analysis] for analysis in group.analyses))))
        for group in directory.groups.values()
    }


def _of_analysis(analysis: str, said: Iterable[str], place: Place, there: Found) -> set[str]:
    names = {name for name in said if name}
    if "" in set(said):
        names.add(default_pattern(analysis, place.account, place.region))
    kept = {name for stage in Stage for name in there.get(f"{analysis}-{stage}", ())}
    return names | {name for name in kept if not covers(names, name)}


def covers(names: Iterable[str], bucket: str) -> bool:
    """Whether the bucket is one of those named; a `*` stands for any text."""
    return any(fnmatchcase(bucket, name) for name in names)
