"""What a deploy says of what is around it: what stays, what was renamed, and what comes next."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def say_what_stays(outputs: Mapping[str, Any], stack: str) -> None:
    """Of each group that is about to be removed from a stack with these outputs: how much its data is, and
    that it stays.
    """
    from console.cloud import project_root
    from console.removal import farewell, removed_groups

    removed = removed_groups(stack, outputs, project_root())
    if not removed:
        return
    from account.clients import client

    s3 = client("s3")
    for group, buckets in removed.items():
        for line in farewell(s3, group, buckets, stack):
            sys.stderr.write(f"{line}\n")


def say_what_was_renamed(engine: Any) -> None:
    """Of each stack whose blueprint is gone: that it is still there. A new name makes a new stack."""
    from console import stacks

    for one in engine.stacks():
        if one.get("resourceCount") and stacks.without_blueprint(str(one["name"]), engine.root):
            sys.stderr.write(
                f"{one['name']} is still there, and its blueprint is gone. If it was renamed: "
                f"invoke destroy {one['name']}\n"
            )


def after_deploy(stack: str, root: Path) -> str:
    """What comes after a deploy, by the blueprint's own files."""
    import blueprints
    from blueprints.model import UTILS

    if stack == UTILS:
        return f"an analysis, for instance: invoke ship {next(iter(blueprints.names(root)), 'NAME')}"
    name = blueprints.parse_stack_name(stack)
    blueprint = blueprints.load(name.analysis, name.stage, root)
    if any((blueprint.folder / "provision").glob("*.sh")) and not blueprint.image.amis:
        return f"bake its image: invoke bake-ami --stack {stack}"
    if blueprint.secrets:
        from account.clients import client
        from console.secret_store import without_value

        missing = without_value(client("ssm"), stack, blueprint.secrets)
        if missing:
            return f"a value for each secret: {', '.join(f'invoke secret {stack} {one}' for one in missing)}"
    group = next(iter(blueprint.groups), "GROUP")
    return f"a job: invoke submit --bucket {name.analysis} --group {group} --data FILE --follow"
