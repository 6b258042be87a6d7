"""The operations of Image Builder, and its place in MiniStack."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

from localcloud.aws import hooks, tracking
from localcloud.aws.admin import AdminError
from localcloud.aws.context import Context
from localcloud.aws.ec2 import records
from localcloud.aws.iam.enforcement import Check, pass_role
from localcloud.aws.imagebuilder import names, workflow
from localcloud.aws.imagebuilder.answers import filtered, page, public, token
from localcloud.aws.imagebuilder.builds import FINAL, STATUSES, Builds
from localcloud.aws.imagebuilder.registry import KINDS, PLUMBING, Record, Registry
from localcloud.aws.imagebuilder.tables import DEFAULTS, PLURALS, SINGULARS, TITLES
from localcloud.aws.protocol.restjson import RestJson, ServiceError, refusal

SERVICE = "imagebuilder"
TOKENS_KEPT = 1000


class ImageBuilder:
    """Serves requests; ``builds`` is what the fleet works on."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._wire = RestJson(SERVICE)
        self.registry = Registry(context)
        self.builds = Builds(context, self.registry)
        self._tokens: dict[str, Any] = context.store.section(SERVICE).setdefault("tokens", {})
        self._operations: dict[str, Callable[[Record], Record]] = {
            "CreateComponent": lambda r: self._created("component", self.registry.create_component(r), r),
            "CreateImageRecipe": lambda r: self._created(
                "image-recipe", self.registry.create_image_recipe(r), r
            ),
            "CreateInfrastructureConfiguration": functools.partial(
                self._create, "infrastructure-configuration"
            ),
            "CreateDistributionConfiguration": functools.partial(self._create, "distribution-configuration"),
            "CreateImagePipeline": functools.partial(self._create, "image-pipeline"),
            "CreateLifecyclePolicy": functools.partial(self._create, "lifecycle-policy"),
            "ListComponents": self._list_components,
            "StartImagePipelineExecution": self._start_pipeline,
            "CreateImage": lambda r: {**token(r), "imageBuildVersionArn": self.builds.start(r, None)["arn"]},
            "GetImage": lambda r: {"image": public(self.builds.get(r["imageBuildVersionArn"]))},
            "DeleteImage": self._delete_image,
            "CancelImageCreation": self._cancel,
            "ListImages": self._list_images,
            "ListImageBuildVersions": self._list_builds,
            "ListImagePipelineImages": self._list_pipeline_images,
            "ListWorkflowExecutions": self._list_executions,
            "GetWorkflowExecution": lambda r: self._execution(r["workflowExecutionId"])[1],
            "ListWorkflowStepExecutions": self._list_steps,
            "GetWorkflowStepExecution": self._step,
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsForResource": lambda r: {"tags": self._tagged(r["resourceArn"])["tags"]},
        }
        for kind, title in TITLES.items():
            self._operations[f"Get{title}"] = functools.partial(self._get, kind)
            self._operations[f"Delete{title}"] = functools.partial(self._delete, kind)
            if kind not in ("component", "image-recipe"):
                self._operations[f"Update{title}"] = functools.partial(self._update, kind)
        for operation, (kind, member) in PLURALS.items():
            self._operations[operation] = functools.partial(self._list, kind, member)

    async def handle(
        self, method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> hooks.Reply:
        """A handler of MiniStack."""
        try:
            operation, request = self._wire.parse(method, path, query, headers, body)
            serve = self._operations.get(operation)
            if serve is None:
                raise ServiceError(
                    "ServiceUnavailableException",
                    f"The local cloud does not offer {operation} of Image Builder.",
                    503,
                )
            return self._wire.render(operation, self._once(operation, request, serve))
        except ServiceError as error:
            return refusal(error)

    def _once(self, operation: str, request: Record, serve: Callable[[Record], Record]) -> Record:
        """The same request with the same client token is served once."""
        if not request.get("clientToken"):
            return serve(request)
        key = f"{hooks.account()}/{hooks.region()}/{request['clientToken']}"
        plain = {name: value for name, value in request.items() if name not in PLUMBING}
        signature = hashlib.sha256(
            json.dumps([operation, plain], sort_keys=True, default=str).encode()
        ).hexdigest()
        if key in self._tokens:
            if self._tokens[key]["signature"] != signature:
                raise ServiceError(
                    "IdempotentParameterMismatchException", "This client token was used for another request."
                )
            known: Record = self._tokens[key]["answer"]
            return known
        answer = serve(request)
        self._tokens[key] = {"signature": signature, "answer": answer}
        for old in list(self._tokens)[:-TOKENS_KEPT]:
            del self._tokens[old]
        self._context.store.dirty = True
        return answer

    def _created(self, kind: str, record: Record, request: Record) -> Record:
        if request.get("dryRun"):
            del self.registry.resources[record["arn"]]
            raise ServiceError(
                "DryRunOperationException",
                "The request would have succeeded, but the dryRun flag is set.",
                412,
            )
        return {**token(request), KINDS[kind]: record["arn"]}

    def _create(self, kind: str, request: Record) -> Record:
        names.check_name(request["name"])
        self._check(kind, request)
        record = self.registry.add(
            kind, names.arn(kind, request["name"]), {**DEFAULTS.get(kind, {}), **request}
        )
        return self._created(kind, record, request)

    def _update(self, kind: str, request: Record) -> Record:
        record = self.registry.get(kind, request[KINDS[kind]])
        self._check(kind, request)
        self.registry.replace(kind, record["arn"], {**DEFAULTS[kind], **request})
        return {**token(request), KINDS[kind]: record["arn"]}

    def _check(self, kind: str, request: Record) -> None:
        if kind == "image-pipeline":
            if "imageRecipeArn" not in request:
                raise names.invalid("imageRecipeArn", "A pipeline of machine images needs one.")
            for other in ("image-recipe", "infrastructure-configuration", "distribution-configuration"):
                if request.get(KINDS[other]):
                    try:
                        self.registry.get(other, request[KINDS[other]])
                    except ServiceError as error:
                        raise names.invalid(KINDS[other], str(error)) from error
        elif kind == "infrastructure-configuration":
            if not hooks.iam._lookup_instance_profile(name=request["instanceProfileName"]):
                raise names.invalid(
                    "instanceProfileName",
                    f"The instance profile '{request['instanceProfileName']}' does not exist.",
                )
            if request.get("subnetId") and not request.get("securityGroupIds"):
                raise names.invalid("securityGroupIds", "They are needed when a subnet is given.")
        elif kind == "lifecycle-policy":
            selection = request["resourceSelection"]
            if len([member for member in ("recipes", "tagMap") if selection.get(member)]) != 1:
                raise names.invalid(
                    "resourceSelection", "Exactly one of 'recipes' and 'tagMap' must be given."
                )

    def _get(self, kind: str, request: Record) -> Record:
        argument, member = SINGULARS[kind]
        return {member: public(self.registry.get(kind, request[argument]))}

    def _delete(self, kind: str, request: Record) -> Record:
        self.registry.delete(kind, request[KINDS[kind]])
        return {KINDS[kind]: request[KINDS[kind]]}

    def _list(self, kind: str, member: str, request: Record) -> Record:
        chosen = [public(record) for record in self.registry.of(kind)]
        if request.get("componentVersionArn"):
            wanted = names.parse("componentVersionArn", request["componentVersionArn"], "component")
            chosen = [
                r
                for r in chosen
                if (p := names.parse("arn", r["arn"])).name == wanted.name and p.version == wanted.version
            ]
        if kind == "distribution-configuration":
            chosen = [{**r, "regions": [d["region"] for d in r["distributions"]]} for r in chosen]
        return page(member, filtered(chosen, request), request)

    def _list_components(self, request: Record) -> Record:
        versions = {}
        for record in self.registry.of("component"):
            arn = record["arn"].rpartition("/")[0]
            versions[arn] = {**public(record), "arn": arn}
        return page("componentVersionList", filtered(versions.values(), request), request)

    def _start_pipeline(self, request: Record) -> Record:
        pipeline = self.registry.get("image-pipeline", request["imagePipelineArn"])
        image = self.builds.start({**pipeline, "tags": request.get("tags", {})}, pipeline)
        return {**token(request), "imageBuildVersionArn": image["arn"]}

    def _delete_image(self, request: Record) -> Record:
        image = self.builds.get(request["imageBuildVersionArn"])
        if image["state"]["status"] not in FINAL:
            raise ServiceError(
                "ResourceInUseException",
                f"The image is {image['state']['status']}. Cancel its creation first.",
            )
        del self.builds.images[image["arn"]]
        self._context.changed()
        return {"imageBuildVersionArn": image["arn"]}

    def _cancel(self, request: Record) -> Record:
        self.builds.cancel(request["imageBuildVersionArn"])
        return {**token(request), "imageBuildVersionArn": request["imageBuildVersionArn"]}

    def _list_images(self, request: Record) -> Record:
        versions = {}
        for image in self.builds.of_scope():
            arn = image["arn"].rpartition("/")[0]
            versions[arn] = {**public(image), "arn": arn, "version": image["version"].split("/")[0]}
        return page("imageVersionList", filtered(versions.values(), request), request)

    def _list_builds(self, request: Record) -> Record:
        wanted = request.get("imageVersionArn")
        chosen = [
            public(i)
            for i in self.builds.of_scope()
            if wanted is None or i["arn"].rpartition("/")[0] == wanted
        ]
        return page("imageSummaryList", filtered(chosen, request), request)

    def _list_pipeline_images(self, request: Record) -> Record:
        pipeline = self.registry.get("image-pipeline", request["imagePipelineArn"])
        chosen = [public(i) for i in self.builds.of_scope() if i.get("sourcePipelineArn") == pipeline["arn"]]
        return page("imageSummaryList", filtered(chosen, request), request)

    def _list_executions(self, request: Record) -> Record:
        image = self.builds.get(request["imageBuildVersionArn"])
        shown = [workflow.shown(execution) for execution in image["_executions"]]
        return {"imageBuildVersionArn": image["arn"], **page("workflowExecutions", shown, request)}

    def _execution(self, identifier: str) -> tuple[Record, Record]:
        for image in self.builds.of_scope():
            for execution in image["_executions"]:
                if execution["workflowExecutionId"] == identifier:
                    return image, {**workflow.shown(execution), "imageBuildVersionArn": image["arn"]}
        raise ServiceError(
            "ResourceNotFoundException", f"The workflow execution '{identifier}' does not exist.", 404
        )

    def _list_steps(self, request: Record) -> Record:
        _, execution = self._execution(request["workflowExecutionId"])
        return {**execution, **page("steps", execution["steps"], request)}

    def _step(self, request: Record) -> Record:
        for image in self.builds.of_scope():
            for execution in image["_executions"]:
                for step in execution["steps"]:
                    if step["stepExecutionId"] == request["stepExecutionId"]:
                        return {**execution, **step, "imageBuildVersionArn": image["arn"]}
        raise ServiceError(
            "ResourceNotFoundException",
            f"The step execution '{request['stepExecutionId']}' does not exist.",
            404,
        )

    def _tagged(self, arn: str) -> Record:
        found = self.registry.resources.get(arn) or self.builds.images.get(arn)
        if found is None:
            raise ServiceError(
                "ResourceNotFoundException", f"The resource with ARN '{arn}' does not exist.", 404
            )
        return found

    def _tag(self, request: Record) -> Record:
        self._tagged(request["resourceArn"])["tags"].update(request["tags"])
        self._context.changed()
        return {}

    def _untag(self, request: Record) -> Record:
        for key in request["tagKeys"]:
            self._tagged(request["resourceArn"])["tags"].pop(key, None)
        self._context.changed()
        return {}

    def all_tags(self) -> Iterable[tuple[str, list[dict[str, str]]]]:
        """ARN and tags of everything, for tag conditions."""
        for arn, record in [*self.registry.resources.items(), *self.builds.images.items()]:
            yield arn, [{"Key": key, "Value": value} for key, value in record["tags"].items()]

    def checks(self, request: tracking.Request, first: Check) -> list[Check]:
        """What IAM checks of a request: the resource that it names or makes, and the roles that it hands
        over.
        """
        try:
            query = {
                name: value if isinstance(value, list) else [value] for name, value in request.params.items()
            }
            operation, arguments = self._wire.parse(
                request.method, request.path, query, request.headers, request.body
            )
        except ServiceError:
            return [first]
        arn = first.arn
        kind = next((k for k, title in TITLES.items() if operation == f"Create{title}"), None)
        if kind is not None:
            version = arguments.get("semanticVersion")
            arn = names.arn(kind, arguments["name"], version, 1 if kind == "component" else None)
        else:
            named = [
                *KINDS.values(),
                "imageBuildVersionArn",
                "resourceArn",
                "imageVersionArn",
                "componentVersionArn",
            ]
            arn = next((arguments[n] for n in named if arguments.get(n)), "*")
        checks = [Check(first.action, arn, first.context)]
        profile = hooks.iam._lookup_instance_profile(name=arguments.get("instanceProfileName", ""))
        role = records.role_arn(profile, hooks.account()) if profile else None
        if role:
            checks.append(pass_role(role, "ec2.amazonaws.com"))
        if arguments.get("executionRole"):
            checks.append(pass_role(arguments["executionRole"], "imagebuilder.amazonaws.com"))
        return checks


def install(context: Context, service: ImageBuilder) -> None:
    """Offer Image Builder under MiniStack's endpoint and its builds to the fleet."""
    hooks.router.SERVICE_PATTERNS[SERVICE] = {"host_patterns": [rf"{SERVICE}\."]}
    hooks.handlers()[SERVICE] = service.handle
    hooks.iam_actions.SERVICE_TO_IAM_NAMESPACE[SERVICE] = SERVICE
    hooks.iam_actions._BOTOCORE_SERVICE_MAP[SERVICE] = [SERVICE]
    hooks.tagging._RESOURCE_TAG_COLLECTORS[SERVICE] = service.all_tags

    async def report(request: dict[str, Any]) -> dict[str, Any]:
        if request["arn"] not in service.builds.images:
            raise AdminError(404, f"There is no build {request['arn']}.")
        if request["status"] not in STATUSES:
            raise AdminError(
                400, f"{request['status']!r} is not a status of a build. Statuses: {', '.join(STATUSES)}."
            )
        return {"status": service.builds.report(request["arn"], request["status"], request)}

    context.admin.operations[("POST", "builds")] = report
