"""The resources that do not run: components, recipes, configurations, pipelines, lifecycle policies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.context import Context
from localcloud.aws.imagebuilder import documents, names
from localcloud.aws.protocol.restjson import ServiceError

Record = dict[str, Any]
KINDS = {
    "component": "componentBuildVersionArn",
    "image-recipe": "imageRecipeArn",
    "infrastructure-configuration": "infrastructureConfigurationArn",
    "distribution-configuration": "distributionConfigurationArn",
    "image-pipeline": "imagePipelineArn",
    "lifecycle-policy": "lifecyclePolicyArn",
}
"""Kind of resource (as in its ARN) -> the argument that names it."""
USERS = {
    "component": ("image-recipe",),
    "image-recipe": ("image-pipeline",),
    "infrastructure-configuration": ("image-pipeline",),
    "distribution-configuration": ("image-pipeline",),
}
"""Kinds whose resources refer to a resource of this kind; such a reference keeps it from being deleted."""
KEPT = ("arn", "name", "tags", "dateCreated", "dateLastRun", "lastRunStatus", "platform")
"""What an update cannot change."""
PLUMBING = {"clientToken", "dryRun", "requestId"}


def now() -> str:
    """The present as the service writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Registry:
    """All resources, in the plugin store; scoped to the account and region of the request by their ARNs."""

    def __init__(self, context: Context) -> None:
        self._context = context
        section = context.store.section("imagebuilder")
        self.resources: dict[str, Record] = section.setdefault("resources", {})

    def of(self, kind: str) -> Iterator[Record]:
        """The resources of a kind."""
        prefix = f"arn:aws:imagebuilder:{hooks.region()}:{hooks.account()}:{kind}/"
        return (record for arn, record in self.resources.items() if arn.startswith(prefix))

    def get(self, kind: str, arn: str) -> Record:
        """A resource; a versioned one may be named by version or with ``x``, then it is the newest that fits.

        Raises:
            ServiceError: ResourceNotFoundException.
        """
        reference = names.parse(KINDS[kind], arn, kind)
        if arn in self.resources:
            return self.resources[arn]
        if reference.version is not None:
            fitting = [
                (own, record)
                for record in self.of(kind)
                if reference.covers(own := names.parse("arn", record["arn"]))
            ]
            if fitting:
                return max(
                    fitting, key=lambda entry: (names.ordered(entry[0].version or "0"), entry[0].build or 0)
                )[1]
        raise ServiceError("ResourceNotFoundException", f"The resource with ARN '{arn}' does not exist.", 404)

    def add(self, kind: str, arn: str, fields: Record) -> Record:
        """Keep a new resource. Raises ResourceAlreadyExistsException."""
        if arn in self.resources:
            raise ServiceError("ResourceAlreadyExistsException", f"The resource '{arn}' already exists.")
        clean = {name: value for name, value in fields.items() if name not in PLUMBING}
        self.resources[arn] = {**clean, "arn": arn, "tags": fields.get("tags", {}), "dateCreated": now()}
        self._context.changed()
        return self.resources[arn]

    def replace(self, kind: str, arn: str, fields: Record) -> Record:
        """Replace everything but name, tags and dates: what an update leaves out is reset."""
        record = self.get(kind, arn)
        kept: Record = {name: record[name] for name in KEPT if name in record}
        clean = {
            name: value for name, value in fields.items() if name not in PLUMBING and name != KINDS[kind]
        }
        record.clear()
        record.update(clean, **kept, dateUpdated=now())
        self._context.changed()
        return record

    def delete(self, kind: str, arn: str) -> None:
        """Forget a resource. Raises ResourceNotFoundException, or ResourceDependencyException while another
        one refers to it.
        """
        if arn not in self.resources or names.parse(KINDS[kind], arn).kind != kind:
            self.get(kind, arn)  # says what is wrong with it
            raise names.invalid(KINDS[kind], f"'{arn}' must be the full ARN of one resource.")
        for user in (record for other in USERS.get(kind, ()) for record in self.of(other)):
            if arn in self._references(kind, user):
                raise ServiceError(
                    "ResourceDependencyException",
                    f"Resource dependency error: The resource ARN '{arn}' has other resources depended on "
                    "it.",
                )
        del self.resources[arn]
        self._context.changed()

    def _references(self, kind: str, user: Record) -> set[str]:
        if kind == "component":
            named = [component["componentArn"] for component in user.get("components", [])]
        else:
            named = [user[KINDS[kind]]] if user.get(KINDS[kind]) else []
        found = set()
        for arn in named:
            try:
                found.add(self.get(kind, arn)["arn"])
            except ServiceError:
                continue  # a dangling reference keeps nothing alive
        return found

    def create_component(self, request: Record) -> Record:
        """A new version, or a new build of a version when its content differs from the latest build's."""
        names.check_name(request["name"])
        names.check_version(request["semanticVersion"])
        if ("data" in request) == ("uri" in request):
            raise ServiceError(
                "InvalidParameterCombinationException", "Exactly one of 'data' and 'uri' must be given."
            )
        text = request["data"] if "data" in request else _from_s3(request["uri"])
        if "data" in request and len(text) > documents.INLINE_CHARACTERS:
            raise names.invalid(
                "data",
                f"It has {len(text)} characters; inline are "
                f"{documents.INLINE_CHARACTERS} allowed. Use 'uri'.",
            )
        kind, parameters = documents.examine(text)
        folded = names.parse("name", names.arn("component", request["name"])).name
        same = [r for r in self.of("component") if names.parse("arn", r["arn"]).name == folded]
        version = names.next_version(request["semanticVersion"], [r["version"] for r in same])
        builds = {names.parse("arn", r["arn"]).build or 0: r for r in same if r["version"] == version}
        digest = hashlib.sha256(text.encode()).hexdigest()
        if builds and builds[max(builds)]["sha256"] == digest:
            raise ServiceError(
                "ResourceAlreadyExistsException",
                f"The component '{builds[max(builds)]['arn']}' already exists with the same content.",
            )
        fields = {
            name: value for name, value in request.items() if name not in ("data", "uri", "semanticVersion")
        }
        return self.add(
            "component",
            names.arn("component", request["name"], version, max(builds, default=0) + 1),
            {
                **fields,
                "version": version,
                "data": text,
                "sha256": digest,
                "type": kind,
                "parameters": parameters,
                "encrypted": True,
            },
        )

    def create_image_recipe(self, request: Record) -> Record:
        """A recipe; its components must exist and get every parameter that has no default."""
        names.check_name(request["name"])
        names.check_version(request["semanticVersion"])
        seen = set()
        for entry in request.get("components", []):
            if ":aws:component/" in entry["componentArn"]:
                raise names.invalid(
                    "components",
                    f"'{entry['componentArn']}' is managed by Amazon; here are your own components only.",
                )
            component = self.get("component", entry["componentArn"])
            if component["arn"] in seen:
                raise names.invalid("components", f"'{component['arn']}' is there twice.")
            seen.add(component["arn"])
            given = {parameter["name"] for parameter in entry.get("parameters", [])}
            known = {parameter["name"]: parameter for parameter in component["parameters"]}
            missing = [
                name
                for name, parameter in known.items()
                if name not in given and "defaultValue" not in parameter
            ]
            if missing or given - known.keys():
                unknown = sorted(given - known.keys())
                raise names.invalid(
                    "components", f"Parameters of '{component['arn']}': missing {missing}, unknown {unknown}."
                )
        existing = [r["version"] for r in self.of("image-recipe") if r["name"] == request["name"]]
        version = names.next_version(request["semanticVersion"], existing)
        fields = {name: value for name, value in request.items() if name != "semanticVersion"}
        fields |= {"version": version, "platform": "Linux", "type": "AMI"}
        return self.add("image-recipe", names.arn("image-recipe", request["name"], version), fields)


def _from_s3(uri: str) -> str:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    content = hooks.s3._get_object_data(bucket, key) if uri.startswith("s3://") and key else None
    if content is None:
        raise names.invalid("uri", f"There is no object '{uri}'.")
    return bytes(content).decode("utf-8", "replace")
