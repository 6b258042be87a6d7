"""The two programs of the project: each reads its settings, builds its stack, and returns the stack's
outputs.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi

from blueprints import groups
from blueprints.base import parent_of
from blueprints.model import UTILS, Blueprint
from components import analysis_buckets, networks, project, start_images
from neurocaas.protocol.problems import InvalidInput
from neurocaas.protocol.settings import CLOSED

if TYPE_CHECKING:
    from components.outputs import UtilsOutputs


async def outputs(root: Path) -> dict[str, Any]:
    """Builds the stack that the engine asks for. `root`: the project's folder.

    Raises pulumi.RunError, one message with every problem, before anything is registered.
    """
    return _utils(root) if project.is_utils() else await _analysis(root)


def _utils(root: Path) -> dict[str, Any]:
    from components import directory as people  # only one of the two programs is loaded
    from components.utility import UtilityStack, UtilityStackArgs

    config = pulumi.Config()
    directory = project.directory(root)
    base = project.base_image(root)
    recording = project.recording(base) if base else None
    provider = project.provider(UTILS, {})
    place = project.place(provider)
    directory = project.with_changes(directory, provider)
    there = analysis_buckets.found(provider)
    try:
        said = groups.said_buckets(directory, root)
        buckets = analysis_buckets.of_groups(directory, said, place, there)
        if problems := people.problems(place, directory, buckets):
            raise InvalidInput(problems)
    except InvalidInput as error:
        raise project.refused(f"what {groups.FILE} asks for", error) from None
    project.require_users(directory, provider)
    network = networks.choice(config, place, provider)
    of_base = start_images.UNKNOWN
    if base and recording:
        of_base = start_images.parent_image(base, parent_of(base, place.account, place.region), provider)
    try:
        stack = UtilityStack(
            project.top_name(UTILS),
            UtilityStackArgs(
                place=place,
                root=root,
                directory=directory,
                buckets=buckets,
                base=base,
                provision=recording,
                root_device=of_base.root_device,
                protect=config.get_bool("protectUtilities") or False,
                log_days=config.get_int("logRetentionDays") or 30,
                developer_cidrs=config.get_object("developerCidrs") or (),
                catalogue=config.get_bool("publicCatalogue") or False,
                network=network,
                audited=project.analysis_buckets(root, place, there) if config.get_bool("auditData") else (),
            ),
            pulumi.ResourceOptions(providers=[provider]),
        )
    except ValueError as error:
        raise pulumi.RunError(f"the settings of stack {UTILS}: {error}") from None
    return stack.outputs


async def _analysis(root: Path) -> dict[str, Any]:
    from blueprints import prices
    from components import packaging, provenance  # only one of the two programs is loaded

    blueprint = project.blueprint(root, prices.table().usd_per_hour)
    from components.analysis import AnalysisStack, AnalysisStackArgs
    from components.outputs import UtilsOutputs, utils_reference_name

    recording = project.recording(blueprint)
    directory = project.directory(root)
    named = utils_reference_name(pulumi.get_organization())
    utils = await UtilsOutputs.from_reference(pulumi.StackReference(named))
    provider = project.provider(blueprint.stack, {"analysis": blueprint.name, "stage": blueprint.stage.value})
    place = project.place(provider)
    if (place.account, place.region) != (utils.account, utils.region):
        raise pulumi.RunError(
            f"stack {blueprint.stack} would be in account {place.account}, region {place.region}. "
            f"Allowed: where stack {UTILS} is, account {utils.account}, region {utils.region}. Change the "
            "credentials or aws:region."
        )
    there = analysis_buckets.found(provider, blueprint.stack)
    blueprint = replace(
        project.with_family(project.in_region(blueprint, place.region), place.region),
        bucket=analysis_buckets.of_stack(blueprint, place, there),
    )
    networks.require_closed(blueprint, utils.closed_subnets)
    networks.require_zones(blueprint, utils.closed_subnets if blueprint.network == CLOSED else utils.subnets)
    parent = project.parent(blueprint, place)
    below = start_images.parent_image(blueprint, parent, provider)
    blueprint, above = start_images.baked_image(blueprint, place, below, provider)
    known = {group: _known(utils, group, blueprint) for group in directory.using(blueprint.name)}
    stack = AnalysisStack(
        project.top_name(blueprint.stack),
        AnalysisStackArgs(
            place=place,
            blueprint=replace(blueprint, groups=tuple(dict.fromkeys([*blueprint.groups, *known]))),
            known_groups=known,
            utils=utils,
            provision=recording,
            parent=parent,
            root_devices=start_images.RootDevices(above.root_device, below.root_device),
            code=packaging.code_archive(root, blueprint.name),
            prices=project.prices_of(place.region, blueprint.instance.types),
            commit=provenance.blueprint_commit(root, blueprint.name),
            log_days=pulumi.Config().get_int("logRetentionDays") or 30,
            sources={
                name: project.source(root, name, blueprint.stage, directory, place, provider)
                for name in blueprint.takes_from
            },
        ),
        pulumi.ResourceOptions(providers=[provider]),
    )
    return stack.outputs


def _known(utils: UtilsOutputs, group: str, blueprint: Blueprint) -> str:
    """The IAM group that `utils` has made for a group of groups.yaml. Raises pulumi.RunError when it has not,
    or not for this bucket; a preview only warns, so that a change to groups.yaml can be previewed as a whole
    before any of it is deployed."""
    found = utils.groups.get(group)
    if found is not None and analysis_buckets.covers(found.buckets, blueprint.bucket):
        return found.analyst_group
    has = (
        "does not know the group"
        if found is None
        else f"has made the group for the buckets {', '.join(found.buckets)}"
    )
    said = (
        f"{groups.FILE} lets group {group} use {blueprint.name}, whose bucket is {blueprint.bucket}, but "
        f"stack {UTILS} {has}. "
        f"Allowed: groups that {UTILS} has made, and buckets that blueprint.yaml names. Run `invoke deploy "
        f"{UTILS}` first."
    )
    if not pulumi.runtime.is_dry_run():
        raise pulumi.RunError(said)
    pulumi.log.warn(said)
    return found.analyst_group if found is not None else f"(stack {UTILS} makes it)"
