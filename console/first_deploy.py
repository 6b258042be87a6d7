"""Before the first deploy of an analysis: what its bucket will be called, and whether anybody has that name.
S3 has one namespace for all of AWS, and would say it in the middle of the deploy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from account.buckets import BucketState, bucket_state
from console.errors import UserError
from neurocaas.protocol.tags import PROJECT_TAG, STACK_TAG


def possible_buckets(stack: str, root: Path, account: str, region: str) -> tuple[str, ...]:
    """The names that the bucket of a stack may have, the one that a first deploy gives it first. None for
    `utils`, whose buckets are named by Pulumi, and for files with mistakes: the program tells them."""
    from blueprints import bucket_names, load, parse_stack_name
    from neurocaas.protocol.problems import InvalidInput

    try:
        name = parse_stack_name(stack)
        said = load(name.analysis, name.stage, root).bucket
    except (InvalidInput, ValueError):
        return ()
    if said:
        return (said,)
    # earlier versions called it like the analysis
    return (bucket_names.default_name(name.analysis, name.stage, account, region), name.analysis)


def refuse_taken(
    engine: Any, stack: str, make: Callable[..., Any], resources: Sequence[Mapping[str, Any]]
) -> None:
    """Raises UserError when the bucket that a deploy would make cannot be made, before anything is. Nothing
    for a stack that has its bucket among its `resources`."""
    from console.removal import data_bucket

    if stack == "utils" or data_bucket(resources):
        return
    account, region = place_of(engine, stack, make)
    for bucket in possible_buckets(stack, engine.root, account, region)[:1]:
        state = bucket_state(make("s3"), bucket, account)
        if state is not BucketState.FREE:
            raise _taken(stack, bucket, account, state)


def place_of(engine: Any, stack: str, make: Callable[..., Any]) -> tuple[str, str]:
    """Account and region of a stack that may never have been deployed."""
    sts = make("sts")
    account = str(sts.get_caller_identity()["Account"])
    return account, str(engine.region(stack) or sts.meta.region_name)


def _taken(stack: str, bucket: str, account: str, state: BucketState) -> UserError:
    analysis, _, stage = stack.rpartition("-")
    another = f"write another name as `bucket:` below stages.{stage} in blueprints/{analysis}/blueprint.yaml"
    if state is BucketState.TAKEN:
        return UserError(
            f"bucket '{bucket}', which {stack} would make, is somebody else's",
            "a name that nobody in all of AWS has; nothing was made",
            another,
        )
    return UserError(
        f"bucket '{bucket}', which {stack} would make, is in account {account} already, and not the stack's",
        "a bucket of the stack's own (by its tags), or a name that nobody has; nothing was made",
        f"{another}; or give it to the stack: tag it {PROJECT_TAG}=neurocaas, {STACK_TAG}={stack}, "
        f"then `invoke adopt {stack}`",
    )
