"""What a schema cannot say: files that must exist, values that must fit each other."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blueprints import base, chains, drivers, finding, memory, parameters, runs, scripts
from blueprints.finding import BlueprintFinding
from blueprints.machine_kinds import architecture, kind
from blueprints.merge import Layers
from blueprints.parents import BASE, PARENTS
from neurocaas.protocol.names import RESERVED_GROUPS
from neurocaas.protocol.problems import InvalidInput, shown
from neurocaas.protocol.secrets import reserved
from neurocaas.protocol.settings import CLOSED


@dataclass(frozen=True)
class World:
    """What the rules look at beside the settings. `types`: instance types on offer, None for any."""

    folder: Path
    types: Collection[str] | None


Rule = Callable[[Layers, World], Iterator[BlueprintFinding]]


def check(
    layers: Layers, folder: Path, types: Collection[str] | None = None, wrong: Collection[finding.Path] = ()
) -> list[BlueprintFinding]:
    """All mistakes of merged settings. Reads the blueprint's `folder`.

    `wrong` are the paths that break the schema: rules that would read them are left out, all others are still
    checked.
    """
    world = World(folder, types)
    return [
        found
        for reads, rule in RULES
        if not any(_touch(one, bad) for one in reads for bad in wrong)
        for found in rule(layers, world)
    ]


def _touch(one: finding.Path, other: finding.Path) -> bool:
    """Whether one of the two paths contains the other."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def near_types(name: str, types: Collection[str]) -> str:
    """Instance types as a proposal for `name`: the nearest names first, then its family, and how many there
    are in all.
    """
    family = [known for known in sorted(types) if known.partition(".")[0] == name.partition(".")[0]]
    near = (
        list(dict.fromkeys([*difflib.get_close_matches(name, sorted(types), 3, 0.5), *family]))[:6]
        or sorted(types)[:6]
    )
    more = len(types) - len(near)
    return ", ".join(near) + (f", and {more} others (docs/reference/blueprint.md)" if more > 0 else "")


def _name(layers: Layers, world: World) -> Iterator[BlueprintFinding]:
    got = layers.data["name"]
    if got != world.folder.name:
        allowed = f"the name of its folder, {world.folder.name!r}"
        yield layers.finding(
            ("name",), "name.folder", shown(got), allowed, "Rename the folder, or change the name"
        )


def _script(layers: Layers, world: World) -> Iterator[BlueprintFinding]:
    name = layers.data["script"]
    script = world.folder / name
    if not script.is_file() or not script.stat().st_size:
        got = f"{name!r}, which {'is empty' if script.is_file() else 'does not exist'}"
        do = "Write the script, or correct its name"
        yield layers.finding(("script",), "script.missing", got, f"a script in {world.folder.name}/", do)
        return
    for one in scripts.mistakes(script.read_bytes()):
        if one.rule == "script.syntax":
            yield finding.finding(
                f"blueprints/{world.folder.name}/{name}", one.line, (), one.rule, one.got, one.allowed, one.do
            )
        else:
            yield layers.finding(("script",), one.rule, f"{name!r}, with {one.got}", one.allowed, one.do)


def _types(layers: Layers, world: World) -> Iterator[BlueprintFinding]:
    for index, name in enumerate(layers.data["instance"]["types"]):
        if world.types is not None and name not in world.types:
            path = ("instance", "types", index)
            do = finding.meant(
                name,
                world.types,
                f"Choose one of these, or read its price: invoke prices --type {name}",
                0.88,
            )
            yield layers.finding(
                path, "instance.unknown-type", shown(name), near_types(name, world.types), do
            )


def _type(layers: Layers, world: World) -> Iterator[BlueprintFinding]:
    instance = layers.data["instance"]
    if instance["type"] not in instance["types"]:
        allowed = f"one of instance.types ({', '.join(instance['types'])})"
        do = finding.meant(
            instance["type"], instance["types"], "Add the type to instance.types, or choose another"
        )
        yield layers.finding(
            ("instance", "type"), "instance.type-not-listed", shown(instance["type"]), allowed, do
        )


def _fallback(layers: Layers, world: World) -> Iterator[BlueprintFinding]:
    instance = layers.data["instance"]
    for index, name in enumerate(instance["fallback"]):
        if name not in instance["types"]:
            allowed = f"types of instance.types ({', '.join(instance['types'])})"
            do = finding.meant(name, instance["types"], "Add the type to instance.types, or choose another")
            yield layers.finding(
                ("instance", "fallback", index), "instance.fallback-not-listed", shown(name), allowed, do
            )


def _grow_memory(layers: Layers, world: World) -> Iterator[BlueprintFinding]:
    instance, path = layers.data["instance"], ("instance", "grow_memory")
    if not instance["grow_memory"]:
        return
    unknown = [name for name in instance["types"] if kind(name) is None]
    if unknown:
        got, allowed = (
            f"true, with {', '.join(unknown)} in instance.types",
            "types whose memory is known (blueprints/machine_kinds.py)",
        )
        yield layers.finding(
            path, "instance.memory-unknown", got, allowed, "Leave these types out, or set grow_memory: false"
        )
    elif not memory.larger(instance["type"], instance["types"], {}):
        allowed = (
            f"a type in instance.types with more memory than {instance['type']}, and with GPUs if that has "
            "some"
        )
        yield layers.finding(
            path,
            "instance.nothing-larger",
            "true",
            allowed,
            "Add a larger type to instance.types, or leave grow_memory out",
        )


def _results(layers: Layers, world: World) -> Iterator[BlueprintFinding]:
    for index, pattern in enumerate(layers.data["results"]["required"]):
        if pattern.startswith("process_results/"):
            allowed, do = (
                "a path below process_results/",
                f"Write {pattern.removeprefix('process_results/')!r}",
            )
            yield layers.finding(
                ("results", "required", index), "results.required-folder", shown(pattern), allowed, do
            )


def _duration(layers: Layers, world: World) -> Iterator[BlueprintFinding]:
    instance = layers.data["instance"]
    if instance["duration_minutes"] > instance["max_duration_minutes"]:
        allowed = f"at most instance.max_duration_minutes ({instance['max_duration_minutes']})"
        got, do = str(instance["duration_minutes"]), "Lower the default, or raise the maximum"
        yield layers.finding(("instance", "duration_minutes"), "instance.duration", got, allowed, do)


def _parent(layers: Layers, world: World) -> Iterator[BlueprintFinding]:
    path: finding.Path = ("image", "parent")
    if layers.data["image"]["parent"] != BASE:
        yield from base.parent_findings(layers, (*PARENTS, BASE))
        yield from drivers.findings(layers, layers.data["image"]["parent"])
        return
    try:
        below = base.load(world.folder.parents[1])
    except InvalidInput as error:
        got = f"{BASE!r}, whose settings are wrong: {error.problems[0].text()}"
        yield layers.finding(
            path,
            "image.base",
            got,
            f"a base image with settings in {base.SOURCE}",
            f"Run `invoke validate {BASE}`",
        )
        return
    if not below.image.amis:
        allowed = f"{BASE} when it was baked; until then {', '.join(PARENTS)}"
        yield layers.finding(
            path,
            "image.base-not-baked",
            f"{BASE!r}, which was never baked",
            allowed,
            f"Bake it: `{base.BAKE}`",
        )
    processors = architecture(layers.data["instance"]["type"])
    if below.architecture != processors:
        got = f"{BASE!r}, which is an image for {below.architecture}, with {processors} machines"
        do = f"Choose types of the other kind, or for {base.SOURCE} a machine (instance.type) of this one"
        allowed = "an image for the machines' processors"
        yield layers.finding(path, "image.base-architecture", got, allowed, do)
    yield from drivers.findings(layers, below.image.parent)
    if layers.data["instance"]["volume_gib"] < below.volume_gib:
        got = f"{layers.data['instance']['volume_gib']}"
        allowed = f"at least the {below.volume_gib} GiB of the base image"
        yield layers.finding(
            ("instance", "volume" if ("instance", "volume") in layers.origins else "volume_gib"),
            "instance.volume-below-base",
            got,
            allowed,
            "Choose a larger volume",
        )


def _recording(layers: Layers, world: World) -> Iterator[BlueprintFinding]:
    scripts = sorted((world.folder / "provision").glob("*.sh"))
    if layers.data["image"]["required"] and not scripts:
        allowed = "at least one script provision/*.sh when image.required is true"
        do = "Add provision/10-packages.sh, or set image.required: false"
        yield layers.finding(
            ("image", "required"), "image.no-recording", "no provisioning script", allowed, do
        )


def _scripts(layers: Layers, world: World) -> Iterator[BlueprintFinding]:
    for script in sorted((world.folder / "provision").glob("*.sh")):
        got = (
            "a folder, or a link to nothing"
            if not script.is_file()
            else ""
            if script.read_bytes().strip()
            else "an empty script"
        )
        if got:
            name = f"blueprints/{world.folder.name}/provision/{script.name}"
            do = "Write it, or remove the file"
            yield finding.finding(name, None, (), "image.empty-script", got, "a script with commands", do)


def _groups(layers: Layers, world: World) -> Iterator[BlueprintFinding]:
    for index, group in enumerate(layers.data["groups"]):
        if group in RESERVED_GROUPS:
            allowed = "any other name: this prefix of the bucket belongs to the service"
            yield layers.finding(
                ("groups", index), "groups.reserved", shown(group), allowed, "Rename the group"
            )


def _outside_buckets(layers: Layers, world: World) -> Iterator[BlueprintFinding]:
    for index, entry in enumerate(layers.data["outside_buckets"]):
        if entry["bucket"] == layers.data.get("bucket"):
            allowed, do = (
                "other buckets than the analysis's own",
                "Remove it: every group has its folders in this bucket",
            )
            yield layers.finding(
                ("outside_buckets", index, "bucket"),
                "outside_buckets.own",
                shown(entry["bucket"]),
                allowed,
                do,
            )


def _chain(layers: Layers, world: World) -> Iterator[BlueprintFinding]:
    yield from chains.findings(layers, world.folder)


def _parameters(layers: Layers, world: World) -> Iterator[BlueprintFinding]:
    given: dict[str, Any] | None = layers.data.get("parameters")
    for fault in parameters.faults(given) if given is not None else ():
        yield layers.finding(("parameters", *fault.path), fault.rule, fault.got, fault.allowed, fault.do)


_DURATIONS: tuple[finding.Path, ...] = (
    ("instance", "duration_minutes"),
    ("instance", "max_duration_minutes"),
)


def _secrets(layers: Layers, _: World) -> Iterator[BlueprintFinding]:
    for index, name in enumerate(layers.data["secrets"]):
        if reserved(name):
            allowed, do = "names that no machine goes by itself", f"Call it {f'MY_{name}'[:63]}, for instance"
            yield layers.finding(("secrets", index), "secrets.reserved", shown(name), allowed, do)


def _closed(layers: Layers, _: World) -> Iterator[BlueprintFinding]:
    """What a closed machine cannot reach: the world, and the parameter store."""
    if layers.data["network"] != CLOSED:
        return
    for name, what in (("secrets", "the parameter store"), ("input_addresses", "the addresses")):
        if layers.data[name]:
            got, allowed = f"{name} with network: {CLOSED}, which does not reach {what}", "one of both"
            yield layers.finding(
                (name,), "network.closed", got, allowed, f"Remove {name}, or network: {CLOSED}"
            )


RULES: tuple[tuple[tuple[finding.Path, ...], Rule], ...] = (
    ((("name",),), _name),
    ((("script",),), _script),
    ((("instance", "types"), ("instance", "type")), _types),
    ((("instance", "types"), ("instance", "type")), lambda layers, _: drivers.architectures(layers)),
    ((("instance", "types"), ("instance", "type")), _type),
    ((("instance", "types"), ("instance", "type"), ("instance", "fallback")), _fallback),
    ((("instance", "types"), ("instance", "type"), ("instance", "grow_memory")), _grow_memory),
    ((("results",),), _results),
    (runs.READS, lambda layers, _: runs.mistakes(layers)),
    (_DURATIONS, _duration),
    ((("image", "parent"), ("instance",)), _parent),
    ((("image", "required"),), _recording),
    ((), _scripts),
    ((("groups",),), _groups),
    ((("outside_buckets",), ("bucket",)), _outside_buckets),
    ((("takes_from",), ("next",), ("name",)), _chain),
    ((("parameters",),), _parameters),
    ((("secrets",),), _secrets),
    ((("network",), ("secrets",), ("input_addresses",)), _closed),
)
"""Each rule, after the paths that it reads."""
