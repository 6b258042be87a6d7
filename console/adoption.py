"""Taking into a stack's state what is the stack's own and the state does not know: a deploy was killed, or
the state was lost.

The program says what it wants (a preview), the account what there is (:mod:`console.own`). What a stack
cannot prove to be its own is left alone, and where its name is in the way, that is told before anything is
made. The engine itself reads what is taken (`pulumi import`); nothing in the cloud is changed.
"""

import json
import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from console.engine import Engine, failure
from console.errors import UserError
from console.own import images, machines, messages, people, storage, watching
from console.own.model import PREFIX, Account, Identity, Owner, Thing, WantedResource, autonamed
from console.own.table import LISTED, NAME_PROPERTY, PLACED

Properties = Mapping[str, Any]
UNKNOWN = frozenset(
    {
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)
"""What stands in a preview for values that only a deploy can know, one a type
(sdk/go/common/resource/plugin/rpc.go).
"""
PROVIDER, ROOT, DEFAULTS = "pulumi:providers:", "pulumi:pulumi:Stack", "__defaults"
WITH_DATA = frozenset({storage.BUCKET, storage.TABLE, storage.PARAMETER, storage.KEY})
NOT_IN_STATE = ("stackTrace", "sourcePosition", "dependencies", "propertyDependencies")


@dataclass(frozen=True)
class Adopted:
    """What was taken, by URN, and what is the stack's own by its tags although the program has no place for
    it.
    """

    taken: Mapping[str, Thing] = field(default_factory=dict)
    left: Sequence[Thing] = ()


@dataclass
class _Found:
    taken: dict[str, Thing] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


_DEPENDENCIES = ("dependencies", "propertyDependencies")


class StackState:
    """A stack's deployment as `pulumi stack export` gives it."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.deployment: dict[str, Any] = document["deployment"]

    @property
    def resources(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.deployment.setdefault("resources", [])
        return found

    @property
    def pending(self) -> list[dict[str, Any]]:
        """What an engine had begun when it was killed."""
        return list(self.deployment.get("pending_operations") or ())

    @property
    def living(self) -> dict[str, dict[str, Any]]:
        """By URN, without what only waits to be deleted or to be made again."""
        return {
            one["urn"]: one
            for one in self.resources
            if not (one.get("delete") or one.get("pendingReplacement"))
        }

    def knows(self, thing: Thing) -> bool:
        """By its id, or by its ARN: the id of a queue is an address, and says under which name and port its
        cloud was asked when it was made.
        """

        def is_it(one: Properties) -> bool:
            arn = (one.get("outputs") or {}).get("arn")
            return one.get("id") == thing.id or bool(thing.arn and arn == thing.arn)

        return any(one["type"] == thing.type and is_it(one) for one in self.resources)

    def loosen(self, urns: Set[str]) -> dict[str, Properties]:
        """Take out of the others what they say of these resources, whose living ones are not there: the
        engine refuses a state in which a resource depends on one that is only to be deleted. Says what it
        was, by URN.
        """
        kept: dict[str, Properties] = {}
        for one in self.resources:
            if one.get("delete") or not urns & set(one.get("dependencies") or ()):
                continue
            kept[one["urn"]] = {key: one[key] for key in _DEPENDENCIES if key in one}
            one["dependencies"] = [urn for urn in one["dependencies"] if urn not in urns]
            one["propertyDependencies"] = {
                name: [urn for urn in of if urn not in urns]
                for name, of in (one.get("propertyDependencies") or {}).items()
            }
        return kept

    def tie(self, kept: Mapping[str, Properties]) -> None:
        """Put it back when they are there again; what is depended on comes before what depends on it, the
        predecessors too: the engine deletes from the end.
        """
        for one in [one for one in self.resources if one["urn"] in kept and not one.get("delete")]:
            one.update(kept[one["urn"]])
            for other in self.resources[self.resources.index(one) :]:
                if other["urn"] in one["dependencies"]:
                    self.resources.remove(other)
                    self.resources.insert(self.resources.index(one), other)

    def region(self) -> str | None:
        return next(
            (one["inputs"].get("region") for one in self.resources if one["type"] == f"{PROVIDER}aws"), None
        )


def adopt(engine: Engine, stack: str, make: Callable[..., Any]) -> Adopted:
    """Look for all that is the stack's own, and take it. `make`: boto3.client. Raises UserError for what is
    in the way.
    """
    state, owner = StackState(engine.export(stack)), Owner(stack)
    steps = engine.preview_steps(stack)
    created = {
        step["urn"]: step["newState"] for step in steps if step["op"] == "create" and step.get("newState")
    }
    provider = next((one for one in created.values() if one["type"] == f"{PROVIDER}aws"), None)
    at = Account(make, provider["inputs"].get("region") if provider else state.region())
    found = _search(at, owner, state, created)
    if found.refused:
        raise UserError(
            f"{stack} cannot be deployed beside what is there:\n"
            + "\n".join(f"  {line}" for line in found.refused),
            "free names, or one thing a name with the tags "
            f"{' and '.join(f'{key}={value}' for key, value in owner.tags.items())}",
            "choose another name in the blueprint or the program; or, if you are certain that a thing is "
            "this stack's, put these tags on "
            "it. Then try again; nothing was changed",
        )
    failed = _take(engine, stack, state, created, found.taken) if found.taken or state.pending else ""
    if any(map(_unfinished, StackState(engine.export(stack)).resources)):
        _mend(engine, stack, at)
    if failed:
        raise UserError(
            f"not everything that is {stack}'s own could be taken into its state:\n{failed}",
            "things that the provider can read",
            f"put right what is said above, then again: invoke adopt {stack}",
        )
    known = StackState(engine.export(stack))
    return Adopted(found.taken, strays(at, owner, known))


def needed(engine: Engine, stack: str, state: StackState, make: Callable[..., Any], *buckets: str) -> bool:
    """Whether something is not as a finished deploy leaves it: an operation that was begun, an import that
    was not finished, or a thing of the stack's own that its state does not know. `buckets`: names of the
    program's own choosing."""
    if state.pending or any(_unfinished(one) for one in state.resources):
        return True
    at = Account(make, state.region() or engine.region(stack))
    return bool(strays(at, Owner(stack), state, *buckets))


def strays(at: Account, owner: Owner, state: StackState, *names: str) -> list[Thing]:
    """What carries the stack's tags and is not in the state: all with names of Pulumi's making, log groups,
    and `names` of buckets.
    """
    asked = [(kind, prefix) for kind in LISTED for prefix in _prefixes(kind, owner, names)]
    return [
        thing
        for kind, prefix in asked
        for thing in LISTED[kind](at, prefix)
        if not state.knows(thing) and thing.tags is not None and owner.owns(thing.tags())
    ]


def _prefixes(kind: str, owner: Owner, buckets: Iterable[str]) -> list[str]:
    if kind == watching.LOG_GROUP:
        return [f"/aws/lambda/{owner.prefix}", f"/aws/imagebuilder/{owner.prefix}"]
    return [owner.prefix, *(buckets if kind == storage.BUCKET else ())]


def _search(at: Account, owner: Owner, state: StackState, created: Mapping[str, Properties]) -> _Found:
    """What exists already of that which a deploy would make."""
    found, living = _Found(), state.living
    begun = {one["resource"]["urn"]: one["resource"] for one in state.pending if one["type"] == "creating"}

    def identity(urn: str) -> Identity | None:
        if urn in found.taken:
            thing = found.taken[urn]
            return Identity(thing.id, thing.name, thing.arn)
        if urn not in living:
            return None
        one = living[urn]
        outputs = one.get("outputs") or {}
        name = outputs.get(NAME_PROPERTY.get(one["type"], "name")) or one.get("id", "")
        return Identity(one.get("id", ""), name, outputs.get("arn", ""))

    # A replacement that was begun has its predecessor in the state, so the program creates nothing there.
    replacing = {urn: one for urn, one in begun.items() if urn not in created and urn in living}
    for urn, resource in {**created, **replacing}.items():
        if resource["type"] in LISTED or resource["type"] in PLACED:
            for exact in [True] if urn not in created else [True, False] if urn in begun else [False]:
                wanted = _wanted(urn, begun[urn] if exact else resource, identity, created, exact=exact)
                thing = _find(at, owner, state, wanted, found)
                if thing is not None:
                    found.taken[urn] = thing
                    break
    return found


def _wanted(
    urn: str,
    resource: Properties,
    identity: Callable[[str], Identity | None],
    created: Mapping[str, Properties],
    *,
    exact: bool,
) -> WantedResource:
    inputs = {
        key: value
        for key, value in resource["inputs"].items()
        if not (isinstance(value, str) and value in UNKNOWN)
    }
    depends: Mapping[str, Sequence[str]] = resource.get("propertyDependencies") or {}
    refers = {key: identity(urns[0]) for key, urns in depends.items() if len(urns) == 1}
    if resource["type"] == people.GROUP:
        of_group = (one for one in created.values() if one["type"] == people.GROUP_POLICY)
        policy = next(
            (
                one["inputs"].get("policy")
                for one in of_group
                if one["propertyDependencies"].get("group") == [urn]
            ),
            None,
        )
        inputs["policy"] = None if policy in UNKNOWN else policy
    return WantedResource(urn, resource["type"], inputs, refers, exact)


def _find(
    at: Account, owner: Owner, state: StackState, wanted: WantedResource, found: _Found
) -> Thing | None:
    """The thing that is the wanted one; says in `found.refused` what is in its way."""
    name = NAME_PROPERTY.get(wanted.type, "name")
    value, chosen = wanted.inputs.get(name), name in (wanted.inputs.get(DEFAULTS) or ())
    taken = {(thing.type, thing.id) for thing in found.taken.values()}

    def free(thing: Thing) -> bool:
        return not state.knows(thing) and (thing.type, thing.id) not in taken

    if wanted.type in PLACED:
        candidates = [thing for thing in PLACED[wanted.type](at, wanted) if free(thing)]
        if exactly := [thing for thing in candidates if wanted.exact and thing.name == value]:
            return exactly[0]
    elif wanted.type == storage.KEY:
        candidates = [
            thing
            for thing in LISTED[wanted.type](at, "")
            if free(thing) and thing.tags and owner.owns(thing.tags())
        ]
    elif chosen and not wanted.exact:
        begins = wanted.name.lower() if wanted.type == storage.BUCKET else wanted.name
        named = autonamed(wanted.name)
        candidates = [
            thing
            for thing in LISTED[wanted.type](at, begins)
            if named.fullmatch(thing.name) and free(thing) and thing.tags and owner.owns(thing.tags())
        ]
    else:
        candidates = []
        for thing in LISTED[wanted.type](at, str(value)):
            if thing.name == value and free(thing):
                tags = dict(thing.tags()) if thing.tags else {}
                if owner.owns(tags) or (not tags and _proves_itself(at, owner, wanted, thing, chosen=chosen)):
                    candidates.append(thing)
                elif not chosen:
                    whose = f"its tags are {json.dumps(tags, sort_keys=True)}" if tags else "it has no tags"
                    said = f"{thing.type.rpartition(':')[2]} {thing.name} exists already, and {whose}"
                    found.refused += [] if said in found.refused else [said]
    return _one(at, owner, wanted, candidates, found)


def _proves_itself(at: Account, owner: Owner, wanted: WantedResource, thing: Thing, *, chosen: bool) -> bool:
    """Whether a thing without tags is the stack's own all the same.

    An engine that was killed had begun to make it: under a name that nobody else can know, or as a bucket
    that is as it was made. Or it is a log group that Lambda has made for a function of ours, since the one
    with tags was gone.
    """
    if wanted.exact and chosen:
        return True
    if wanted.exact and thing.type == storage.BUCKET:
        return storage.bucket_is_new(at, thing.name)
    if thing.type == watching.LOG_GROUP:
        ours = (one for one in messages.functions(at, owner.prefix) if one.tags and owner.owns(one.tags()))
        return any((one.document.get("LoggingConfig") or {}).get("LogGroup") == thing.name for one in ours)
    return False


def _one(
    at: Account, owner: Owner, wanted: WantedResource, candidates: list[Thing], found: _Found
) -> Thing | None:
    """The only candidate; of several, the only one that others of ours use. Where none is used, one is as
    good as the other, unless it has data."""
    if len(candidates) < 2:
        return candidates[0] if candidates else None
    text = _uses(at)
    used = [
        thing
        for thing in candidates
        if any(word and word in text for word in (thing.id, thing.arn, thing.name))
    ]
    if len(used) == 1 or (not used and wanted.type not in WITH_DATA):
        return (used or sorted(candidates, key=lambda thing: thing.id))[0]
    several = ", ".join(thing.id for thing in used or candidates)
    found.refused.append(
        f"{wanted.type.rpartition(':')[2]} {wanted.name} may be each of {several}: delete what is not in use"
    )
    return None


def _uses(at: Account) -> str:
    """What refers to other things of ours, in any stack: as text, to look for names in."""
    said: list[Any] = [one.document for one in messages.functions(at, PREFIX)]
    said += at.pages("lambda", "list_event_source_mappings", "EventSourceMappings")
    said += at.pages("iam", "list_instance_profiles", "InstanceProfiles")
    said += at.pages("kms", "list_aliases", "Aliases")
    builder, ec2, sqs = at.client("imagebuilder"), at.client("ec2"), at.client("sqs")
    said += [builder.get_image_pipeline(imagePipelineArn=one.id) for one in images.pipelines(at, PREFIX)]
    said += [
        builder.get_infrastructure_configuration(infrastructureConfigurationArn=one.id)
        for one in images.infrastructures(at, PREFIX)
    ]
    said += [
        sqs.get_queue_attributes(QueueUrl=one.id, AttributeNames=["Policy", "RedrivePolicy"])
        for one in messages.queues(at, PREFIX)
    ]
    for template in machines.launch_templates(at, PREFIX):
        said += ec2.describe_launch_template_versions(LaunchTemplateId=template.id, Versions=["$Default"])[
            "LaunchTemplateVersions"
        ]
    return json.dumps(said, default=str)


def _take(
    engine: Engine,
    stack: str,
    state: StackState,
    created: Mapping[str, Properties],
    taken: Mapping[str, Thing],
) -> str:
    """Put the components above the things into the state, then let the engine import the things. What failed,
    as text.
    """
    begun = {one["resource"]["urn"]: one["resource"] for one in state.pending}
    wanted = {urn: created.get(urn) or begun[urn] for urn in taken}
    state.deployment.pop("pending_operations", None)
    predecessors = [one for one in state.resources if one["urn"] in taken]
    for one in predecessors:
        if one.get("pendingReplacement"):
            state.resources.remove(one)
        else:
            one["delete"] = True  # as the engine would have left it: the next deploy deletes it
    loosened = state.loosen({one["urn"] for one in predecessors})
    living, above = state.living, _above(wanted.values(), created)
    for urn, resource in created.items():
        needed_here = urn in above or resource["type"].startswith(PROVIDER) or resource["type"] == ROOT
        if taken and needed_here and urn not in living:
            state.resources.append(_in_state(resource))
    engine.import_state(stack, state.document)
    if not taken:
        return ""
    provider = next(urn for urn, one in state.living.items() if one["type"] == f"{PROVIDER}aws")
    resources = [
        {
            "type": thing.type, "name": urn.rpartition("::")[2], "id": thing.for_import,
            "parent": wanted[urn]["parent"], "provider": provider,
        }
        for urn, thing in taken.items()
    ]  # fmt: skip
    table = {urn: urn for urn in (provider, *(str(one["parent"]) for one in resources))}
    with tempfile.TemporaryDirectory(prefix="neurocaas-") as scratch:
        file, events = Path(scratch) / "import.json", Path(scratch) / "events.jsonl"
        file.write_text(json.dumps({"nameTable": table, "resources": resources}))
        done = engine.capture(
            "import", "--stack", stack, "--file", str(file), "--yes", "--skip-preview", "--non-interactive",
            "--color", "never",
            "--protect=false", "--generate-code=false", "--event-log", str(events), debug=True,
        )  # fmt: skip
        if done.returncode == 0:
            if loosened:
                imported = StackState(engine.export(stack))
                imported.tie(loosened)
                engine.import_state(stack, imported.document)
            return ""
        seen = (
            [json.loads(line) for line in events.read_text().splitlines() if line] if events.exists() else []
        )
    return failure(seen, f"{done.stdout}\n{done.stderr}")


def _above(resources: Iterable[Properties], created: Mapping[str, Properties]) -> set[str]:
    """The components that the resources are children of, and those above."""
    found: set[str] = set()
    for resource in resources:
        parent = resource.get("parent")
        while parent and parent not in found:
            found.add(parent)
            parent = (created.get(parent) or {}).get("parent")
    return found


def _in_state(resource: Properties) -> dict[str, Any]:
    kept = {key: value for key, value in resource.items() if key not in NOT_IN_STATE}
    if not resource["custom"]:
        return kept
    outputs = {key: value for key, value in resource["inputs"].items() if not key.startswith("__")}
    return {**kept, "id": str(uuid.uuid4()), "outputs": outputs}


def _own_name(resource: Properties) -> str | None:
    """The input with a name of Pulumi's making, when it stands there as if the program had chosen it."""
    inputs: Properties = resource.get("inputs") or {}
    key = NAME_PROPERTY.get(resource["type"], "name")
    value = inputs.get(key) if resource["type"] in LISTED or resource["type"] in PLACED else None
    made_up = isinstance(value, str) and autonamed(resource["urn"].rpartition("::")[2]).fullmatch(
        value.removeprefix("alias/")
    )
    return key if made_up and key not in (inputs.get(DEFAULTS) or ()) else None


def _without_key(resource: Properties) -> bool:
    return resource["type"] == machines.KEY_PAIR and not (resource.get("inputs") or {}).get("publicKey")


def _unfinished(resource: Properties) -> bool:
    """Whether the next deploy would replace what an import has just taken: the engine's import does not say
    which names are made up, and EC2's key pairs come without the key."""
    return bool(resource.get("custom") and (_own_name(resource) or _without_key(resource)))


def _mend(engine: Engine, stack: str, at: Account) -> None:
    """Complete what was imported, so that the next deploy replaces none of it."""
    state = StackState(engine.export(stack))
    for one in state.resources:
        name = _own_name(one) if one.get("custom") else None
        if name:
            one["inputs"][DEFAULTS] = sorted({*(one["inputs"].get(DEFAULTS) or ()), name})
    engine.import_state(stack, state.document)
    keyless = {one["urn"]: one for one in state.resources if _without_key(one)}
    if keyless:
        # The program derives the public half from the parameter, which is in the state by now.
        wanted = {
            step["urn"]: (step.get("newState") or {}).get("inputs") or {}
            for step in engine.preview_steps(stack)
        }
        there = {thing.name: thing.document for thing in machines.key_pairs(at, "")}
        for urn, one in keyless.items():
            public, living = wanted.get(urn, {}).get("publicKey"), there.get(one["id"])
            if public and public not in UNKNOWN and (not living or living.split()[:2] == public.split()[:2]):
                one["inputs"]["publicKey"] = one["outputs"]["publicKey"] = public
        engine.import_state(stack, state.document)
