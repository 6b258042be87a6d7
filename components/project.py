"""From the engine's words (stack, config) to the arguments of a stack. All mistakes are told at once, without
a traceback.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pulumi_aws as aws

import blueprints
from blueprints import base, groups, needs, provision
from blueprints.base import Base
from blueprints.groups import Directory
from blueprints.model import UTILS, Blueprint, Imaged, Stage
from blueprints.parents import ParentImage
from blueprints.prices import Prices, table
from blueprints.provision import Provision
from components.analysis_buckets import Found, found, of_stack
from components.names import PREFIX, logical
from components.place import Place
from neurocaas.protocol import members
from neurocaas.protocol.chain import Source
from neurocaas.protocol.problems import InvalidInput, Problem
from neurocaas.protocol.tags import PROJECT_TAG, STACK_TAG

TOP_LIMIT = 38
"""Characters of the first part of all logical names of a stack; the rest is for what follows."""


def is_utils() -> bool:
    return pulumi.get_stack() == UTILS


def blueprint(root: Path, known_types: Collection[str]) -> Blueprint:
    """The blueprint of this stack, with its overrides. `known_types`: types that have a price. Raises
    pulumi.RunError, once.
    """
    stack = pulumi.get_stack()
    try:
        name = blueprints.parse_stack_name(stack)
    except ValueError as error:
        known = ", ".join(
            [UTILS, *(f"{analysis}-{blueprints.Stage.WEBDEV}" for analysis in blueprints.names(root))]
        )
        raise pulumi.RunError(f"{error}. Stacks you can deploy here: {known}") from None
    overrides: Any = pulumi.Config().get_object("overrides")
    if overrides is not None and not isinstance(overrides, Mapping):
        raise pulumi.RunError(
            f"neurocaas:overrides: got {overrides!r}. Allowed: an object shaped as a "
            "stage section. Set it with --path."
        )
    try:
        return blueprints.load(name.analysis, name.stage, root, overrides, known_types)
    except InvalidInput as error:
        raise refused(f"the blueprint of stack {stack}", error) from None


def base_image(root: Path) -> Base | None:
    """The settings of the project's base image, None for a project without one. Raises pulumi.RunError,
    once.
    """
    try:
        return base.load(root) if base.exists(root) else None
    except InvalidInput as error:
        raise refused("the base image", error) from None


def recording(imaged: Imaged) -> Provision | None:
    """The provisioning scripts of an image, None without any. Raises pulumi.RunError, once."""
    folder = imaged.folder / "provision"
    try:
        found = provision.read(folder) if folder.is_dir() else None
    except InvalidInput as error:
        raise refused(f"blueprints/{imaged.name}", error) from None
    return found if found and found.scripts else None


def parent(of: Blueprint, at: Place) -> ParentImage:
    """What the image of an analysis starts from. Raises pulumi.RunError for a base that was not baked
    there.
    """
    try:
        return base.parent_of(of, at.account, at.region)
    except InvalidInput as error:
        raise refused(f"the blueprint of stack {of.stack}", error) from None


def directory(root: Path) -> Directory:
    """What groups.yaml says, nothing when there is none. Raises pulumi.RunError, once."""
    try:
        return groups.load(root)
    except InvalidInput as error:
        raise refused(groups.FILE, error) from None


def analysis_buckets(root: Path, at: Place, there: Found) -> list[str]:
    """The buckets of all blueprints in all stages, sorted: those that are there (`there`), and those that a
    first deploy will make. Raises pulumi.RunError for blueprints with mistakes, once.
    """
    names, problems = set[str](), list[Problem]()
    for name in blueprints.names(root):
        for stage in blueprints.Stage:
            try:
                names.add(of_stack(blueprints.load(name, stage, root), at, there))
            except InvalidInput as error:
                problems += error.problems
    if problems:
        raise refused(
            "auditData, which needs the bucket of every blueprint,",
            InvalidInput(list(dict.fromkeys(problems))),
        )
    return sorted(names)


def source(
    root: Path, name: str, stage: Stage, people: Directory, at: Place, of: aws.Provider
) -> tuple[Source, frozenset[str]]:
    """Another analysis whose results may be taken, in the same stage, and its groups. It may be deployed
    later: its bucket has the name that it will have. Raises pulumi.RunError, once."""
    try:
        other = blueprints.load(name, stage, root)
    except InvalidInput as error:
        raise refused(f"takes_from: {name}, whose blueprint", error) from None
    bucket = of_stack(other, at, found(of, other.stack))
    return Source(name, other.stack, bucket), frozenset({*other.groups, *people.using(name)})


def require_users(users: Directory, of: aws.Provider) -> None:
    """Raises pulumi.RunError naming every user of groups.yaml that is said to exist and does not."""
    problems = []
    for user in users.users.values():
        if user.existing and (answer := _missing(user.name, of)) is not None:
            do = "Correct the name, or remove 'existing' to have the user made"
            problems.append(
                Problem(f"{groups.FILE}: users.{user.name}", answer, "an IAM user that is there already", do)
            )
    if problems:
        raise refused(groups.FILE, InvalidInput(problems))


def with_changes(users: Directory, of: aws.Provider) -> Directory:
    """The directory with what leads have asked for since (`neurocaas members`), within what groups.yaml
    allows. What is not done is told. Raises pulumi.RunError where it cannot be read: a deploy that did not
    know of a removal would let somebody in again. A preview only warns.
    """
    if not users.groups:
        return users
    path = members.PARAMETERS
    try:
        found = aws.ssm.get_parameters_by_path(
            path=path, recursive=True, with_decryption=False, opts=pulumi.InvokeOptions(provider=of)
        )
    except Exception as error:  # noqa: BLE001  (pulumi raises a plain Exception with what the provider said)
        said = f"what leads have changed in their groups cannot be read: {str(error).strip().splitlines()[0]}"
        if not pulumi.runtime.is_dry_run():
            do = f"Allowed: credentials with ssm:GetParametersByPath on {path}. Give them this right"
            raise pulumi.RunError(f"{said}. {do}") from None
        pulumi.log.warn(f"{said}; the preview is without it")
        return users
    texts = dict(zip(found.names, found.values, strict=True))
    merged, notes = groups.with_changes(users, members.all_changes(users.groups, texts))
    for note in notes:
        pulumi.log.warn(f"{groups.FILE}: {note}")
    return merged


def _missing(user: str, of: aws.Provider) -> str | None:
    try:
        aws.iam.get_user(user_name=user, opts=pulumi.InvokeOptions(provider=of))
    except Exception as error:  # noqa: BLE001  (pulumi raises a plain Exception with what the provider said)
        return f"no such user in IAM ({str(error).strip().splitlines()[0]})"
    return None


def refused(what: str, error: InvalidInput) -> pulumi.RunError:
    """One message for any number of problems."""
    count = len(error.problems)
    lines = "\n".join(f"  {problem.text()}" for problem in error.problems)
    return pulumi.RunError(f"{what} has {count} problem{'s' if count > 1 else ''}:\n{lines}")


def provider(stack: str, tags: Mapping[str, str]) -> aws.Provider:
    """The stack's only provider: default ones are turned off in Pulumi.yaml."""
    region = pulumi.Config("aws").require("region")
    # Fixed tags only: a commit or a date would touch every resource at every deployment.
    default = {PROJECT_TAG: PREFIX, STACK_TAG: stack, **tags}
    return aws.Provider("aws", region=region, default_tags={"tags": default})


def place(of: aws.Provider) -> Place:
    """Account and partition of the provider's credentials; the one call to AWS that the program makes itself,
    and the first.

    Raises pulumi.RunError for credentials that AWS refuses: nothing has been touched then.
    """
    try:
        identity = aws.get_caller_identity(opts=pulumi.InvokeOptions(provider=of))
    except Exception as error:  # noqa: BLE001 (the engine raises nothing narrower for a call that the provider refused)
        said = str(error).rpartition("returned an error: ")[2]
        raise pulumi.RunError(
            f"AWS does not accept the credentials: {said}. Allowed: valid credentials of the account. "
            "Renew them or choose others (AWS_PROFILE), check with `invoke doctor`, and try again; nothing "
            "was changed"
        ) from None
    partition = identity.arn.split(":")[1]
    return Place(
        partition=partition, region=pulumi.Config("aws").require("region"), account=identity.account_id
    )


def top_name(stack: str) -> str:
    """First part of all logical names of a stack."""
    return logical(PREFIX, stack, limit=TOP_LIMIT)


def in_region(blueprint: Blueprint, region: str) -> Blueprint:
    """The blueprint with the type that its need comes to in the region. Raises pulumi.RunError where no type
    of it will do."""
    try:
        return replace(blueprint, instance=needs.in_region(blueprint.instance, region))
    except KeyError:
        return blueprint  # `prices_of` tells that the region has no prices
    except LookupError as error:
        raise pulumi.RunError(
            f"blueprints/{blueprint.name}: {error} is offered in region {region}. Allowed: what a type of "
            "blueprints/prices.json has there. Ask for less, or name a type; nothing was changed"
        ) from None


def with_family(blueprint: Blueprint, region: str) -> Blueprint:
    """The blueprint with the types that its submissions may ask for where it lists none: the sizes of its
    type's family with a price in the region. Its fallback stays empty: what a job costs changes only for who
    asks for it."""
    if not blueprint.instance.family:
        return blueprint
    try:
        types = table(region).family(blueprint.instance.type)
    except KeyError:
        return blueprint  # `prices_of` tells that the region has no prices
    return replace(blueprint, instance=replace(blueprint.instance, types=types))


def prices_of(region: str, types: Iterable[str]) -> Prices:
    """What the machines of an analysis cost in its region. Raises pulumi.RunError where the table of the
    project does not say.
    """
    try:
        return table(region).of(types)
    except KeyError as error:
        what = (
            f"region {region}"
            if error.args == (region,)
            else f"instance type {error.args[0]} in region {region}"
        )
        raise pulumi.RunError(
            f"blueprints/prices.json has no price for {what}. Allowed: what is in that table. "
            f"Read it from AWS with `invoke prices --region {region}`, or choose another; nothing was changed"
        ) from None
