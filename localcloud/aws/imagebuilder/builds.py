"""Images: started from recipes, built by the fleet, registered as machine images when they are done."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from typing import Any

from localcloud.aws import hooks
from localcloud.aws.context import Context
from localcloud.aws.ec2 import images as ec2_images
from localcloud.aws.ec2 import records
from localcloud.aws.imagebuilder import distribution as distribution_of
from localcloud.aws.imagebuilder import launchable, names, workflow
from localcloud.aws.imagebuilder.registry import Record, Registry, now
from localcloud.aws.protocol.ec2query import Ec2Error
from localcloud.aws.protocol.restjson import ServiceError

FINAL = ("AVAILABLE", "FAILED", "CANCELLED", "DEPRECATED", "DISABLED", "DELETED")
STATUSES = ("BUILDING", "TESTING", "DISTRIBUTING", "AVAILABLE", "FAILED", "CANCELLED")
"""What the fleet may report, in this order."""
DEFAULT_TYPE = "m5.large"
ERROR_CHARACTERS = 1024


class Builds:
    """All images of Image Builder, in the plugin store."""

    def __init__(self, context: Context, registry: Registry) -> None:
        self._context = context
        self._registry = registry
        self.images: dict[str, Record] = context.store.section("imagebuilder").setdefault("images", {})

    def of_scope(self) -> Iterator[Record]:
        """The images of the current account and region."""
        prefix = f"arn:aws:imagebuilder:{hooks.region()}:{hooks.account()}:image/"
        return (image for arn, image in self.images.items() if arn.startswith(prefix))

    def get(self, arn: str) -> Record:
        """An image by its build version ARN, or the newest build of a version. Raises
        ResourceNotFoundException.
        """
        if arn in self.images:
            return self.images[arn]
        fitting = self._fitting("imageBuildVersionArn", arn)
        if not fitting:
            raise ServiceError(
                "ResourceNotFoundException", f"The resource with ARN '{arn}' does not exist.", 404
            )
        return fitting[-1]

    def start(self, request: Record, pipeline: Record | None) -> Record:
        """A new build of a recipe; it stays PENDING until the fleet takes it."""
        recipe = self._registry.get("image-recipe", request["imageRecipeArn"])
        infrastructure = self._registry.get(
            "infrastructure-configuration", request["infrastructureConfigurationArn"]
        )
        distribution = request.get("distributionConfigurationArn")
        distribution = (
            self._registry.get("distribution-configuration", distribution) if distribution else None
        )
        base = names.arn("image", recipe["name"], recipe["version"])
        build = 1 + max(
            (names.parse("arn", arn).build or 0 for arn in self.images if arn.startswith(base + "/")),
            default=0,
        )
        image: Record = {
            "arn": f"{base}/{build}",
            "name": recipe["name"],
            "type": "AMI",
            "version": f"{recipe['version']}/{build}",
            "platform": "Linux",
            "state": {"status": "PENDING"},
            "imageRecipe": copy.deepcopy(recipe),
            "infrastructureConfiguration": copy.deepcopy(infrastructure),
            "imageTestsConfiguration": request.get(
                "imageTestsConfiguration", {"imageTestsEnabled": True, "timeoutMinutes": 720}
            ),
            "enhancedImageMetadataEnabled": request.get("enhancedImageMetadataEnabled", True),
            "dateCreated": now(),
            "tags": {**request.get("imageTags", {}), **request.get("tags", {})},
            "buildType": "USER_INITIATED",
            "imageSource": "CUSTOM",
            "outputResources": {},
            "_components": [self._component(entry) for entry in recipe.get("components", [])],
            "_executions": [],
            "_ami": records.new_id("ami"),
            "_cancel": False,
            "_built": time.strftime("%Y-%m-%dT%H-%M-%S.000Z", time.gmtime()),
        }
        if distribution:
            image["distributionConfiguration"] = copy.deepcopy(distribution)
        if pipeline:
            image.update(sourcePipelineName=pipeline["name"], sourcePipelineArn=pipeline["arn"])
            if group := pipeline.get("loggingConfiguration", {}).get("imageLogGroupName"):
                image["loggingConfiguration"] = {"logGroupName": group}
            pipeline["dateLastRun"] = now()
        self.images[image["arn"]] = image
        try:
            image["_parent"] = self._parent(recipe["parentImage"])
        except (Ec2Error, ServiceError) as error:
            self._end(
                image,
                "FAILED",
                {"reason": f"The parent image '{recipe['parentImage']}' cannot be used: {error}"},
            )
        else:
            self._check_machine(image)
        self._context.changed()
        return image

    def _check_machine(self, image: Record) -> None:
        try:
            launchable.check(image)
        except Ec2Error as error:
            self._end(image, "FAILED", {"reason": f"The build machine did not start: {error.code}: {error}"})

    def _component(self, entry: Record) -> Record:
        """A component of a recipe as it is now: the build keeps it even if it is deleted meanwhile."""
        component = self._registry.get("component", entry["componentArn"])
        given = {parameter["name"]: parameter["value"][0] for parameter in entry.get("parameters", [])}
        return {
            "arn": component["arn"],
            "name": component["name"],
            "data": component["data"],
            "parameters": given,
        }

    def _parent(self, reference: str) -> str:
        """The machine image that a recipe stands on: an AMI id, ``ssm:<parameter>``, or an image of Image
        Builder.
        """
        if reference.startswith("ssm:"):
            reference = ec2_images.resolve(self._context, f"resolve:ssm:{reference.removeprefix('ssm:')}")
        elif reference.startswith("arn:"):
            built = [
                i for i in self._fitting("parentImage", reference) if i["state"]["status"] == "AVAILABLE"
            ]
            if not built:
                raise ServiceError("ResourceNotFoundException", "no build of it is available.")
            reference = built[-1]["_ami"]
        return str(ec2_images.find(reference)["ImageId"])

    def _fitting(self, parameter: str, reference: str) -> list[Record]:
        """The images that a reference stands for, the newest last."""
        wanted = names.parse(parameter, reference, "image")
        found = [
            (own, image)
            for image in self.of_scope()
            if wanted.covers(own := names.parse("arn", image["arn"]))
        ]
        return [
            image
            for _, image in sorted(
                found, key=lambda entry: (names.ordered(entry[0].version or "0"), entry[0].build or 0)
            )
        ]

    def cancel(self, arn: str) -> None:
        """Ask the fleet to stop a build. Raises ServiceError when it is final."""
        image = self.get(arn)
        if image["state"]["status"] in FINAL:
            raise ServiceError(
                "InvalidRequestException",
                f"The image is {image['state']['status']}; there is nothing to cancel.",
            )
        image["_cancel"] = True
        self._context.changed()

    def for_fleet(self) -> list[dict[str, Any]]:
        """The builds that are not final, as the fleet needs them."""
        return [self._work(image) for image in self.images.values() if image["state"]["status"] not in FINAL]

    def _work(self, image: Record) -> dict[str, Any]:
        reference = names.parse("arn", image["arn"])
        recipe, infrastructure = image["imageRecipe"], image["infrastructureConfiguration"]
        with hooks.scope(reference.account, reference.region):
            profile = hooks.iam._lookup_instance_profile(name=infrastructure["instanceProfileName"])
            return {
                "arn": image["arn"],
                "state": image["state"]["status"],
                "image_id": image["_ami"],
                "name": distribution_of.ami_name(image),
                "parent_image": image["_parent"],
                "working_directory": recipe.get("workingDirectory", "/tmp"),  # noqa: S108 - the service's default
                "components": image["_components"],
                "role_arn": records.role_arn(profile, reference.account),
                "instance_type": (infrastructure.get("instanceTypes") or [DEFAULT_TYPE])[0],
                "region": reference.region,
                "account": reference.account,
                "cancel": image["_cancel"],
            }

    def report(self, arn: str, status: str, report: dict[str, Any]) -> str:
        """What the fleet says about a build; returns the resulting status. A final one does not change any
        more.
        """
        image = self.images[arn]
        reference = names.parse("arn", arn)
        before = image["state"]["status"]
        with hooks.scope(reference.account, reference.region):
            self._log(image, report)
            if before in FINAL:
                return str(before)
            step, failure = report.get("step") or {}, report.get("failure")
            message = " ".join(
                str(step[field]) for field in ("phase", "name", "status", "message") if step.get(field)
            )
            if status == "AVAILABLE":
                workflow.advance(image["_executions"], "DISTRIBUTING", "")
                problem = self._register(image, report.get("size_gib"))
                if problem:
                    status, failure = "FAILED", {"message": problem, "distribution": True}
            if status in FINAL:
                self._end(image, status, self._state(image, status, failure))
            else:
                image["state"] = {"status": status}
                workflow.advance(image["_executions"], status, message)
            self._context.changed()
        return status

    def _state(self, image: Record, status: str, failure: dict[str, Any] | None) -> dict[str, Any]:
        if status != "FAILED" or failure is None:
            return {}
        message = str(failure.get("message") or "")
        where = ":".join(
            str(failure[field]) for field in ("script", "line") if failure.get(field) is not None
        )
        if where:
            message = "\n".join(
                part for part in (f"{where}: {failure.get('text') or ''}".rstrip(), message) if part
            )
        context: dict[str, Any] = {"imageStatus": image["state"]["status"]}
        if image["_executions"]:
            current = image["_executions"][-1]
            failed = next(
                (step for step in current["steps"] if step["status"] == "RUNNING"), current["steps"][0]
            )
            context.update(
                workflowExecutionId=current["workflowExecutionId"],
                workflowArn=current["workflowBuildVersionArn"],
                stepExecutionId=failed["stepExecutionId"],
                failedStep=failed["name"],
            )
        if failure.get("distribution"):
            context["distributionFailure"] = {"errorMessage": message[:ERROR_CHARACTERS]}
            return {"reason": message, "failureContext": context}
        component = failure.get("component_arn")
        if not component:
            return {"reason": message, "failureContext": context}
        context["componentFailure"] = {
            member: value[:ERROR_CHARACTERS]
            for member, value in (
                ("componentArn", component),
                ("phaseName", failure.get("phase")),
                ("stepName", failure.get("step")),
                ("action", failure.get("action")),
                ("errorMessage", message),
            )
            if value
        }
        return {"reason": f"Document {component} failed! {message}", "failureContext": context}

    def _end(self, image: Record, status: str, state: dict[str, Any]) -> None:
        workflow.advance(image["_executions"], status, state.get("reason", ""))
        image["state"] = {"status": status, **state}
        pipeline = self._registry.resources.get(image.get("sourcePipelineArn", ""))
        if pipeline:
            pipeline["lastRunStatus"] = status

    def _register(self, image: Record, size_gib: int | None) -> str:
        """Make the result a machine image in every region of the distribution. Returns what is wrong, or
        ``""``.
        """
        recipe = image["imageRecipe"]
        made = []
        try:
            parent = ec2_images.find(image["_parent"])
            asked = [
                m["ebs"]["volumeSize"]
                for m in recipe.get("blockDeviceMappings", [])
                if m.get("ebs", {}).get("volumeSize")
            ]
            size = max([*asked[:1], parent["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"], size_gib or 0])
            for distribution in distribution_of.targets(image):
                settings = distribution.get("amiDistributionConfiguration", {})
                name = (
                    distribution_of.expanded(image, settings["name"])
                    if settings.get("name")
                    else distribution_of.ami_name(image)
                )
                own_tags = {**recipe.get("amiTags", {}), **settings.get("amiTags", {})}
                tags = {
                    **{key: distribution_of.expanded(image, value) for key, value in own_tags.items()},
                    "CreatedBy": "EC2 Image Builder",
                    "Ec2ImageBuilderArn": image["arn"],
                }
                description = settings.get("description", "")
                with hooks.scope(hooks.account(), distribution["region"]):
                    fields = {
                        "Description": description,
                        "SourceImageId": parent["ImageId"],
                        "size_gib": size,
                    }
                    ec2_images.register(name, parent, tags, image["_ami"], **fields)
                    distribution_of.announce(self._context, image, distribution)
                made.append(
                    {
                        "region": distribution["region"], "image": image["_ami"], "name": name,
                        "description": description,
                        "accountId": hooks.account(), "state": {"status": "AVAILABLE"},
                    }
                )  # fmt: skip
        except Ec2Error as error:
            for ami in made:
                with hooks.scope(hooks.account(), ami["region"]):
                    ec2_images.own().pop(image["_ami"], None)
            return f"{error.code}: {error}"
        image["outputResources"] = {"amis": made}
        self._context.checkpoint.mark("ec2", "ssm")
        return ""

    def _log(self, image: Record, report: dict[str, Any]) -> None:
        lines = list(report.get("log") or [])
        step = report.get("step") or {}
        if step.get("name"):
            lines.insert(
                0,
                " ".join(
                    str(part)
                    for part in ("Step", step["name"], step.get("phase", ""), step.get("status", ""))
                    if part
                ),
            )
        if not lines:
            return
        group, stream = (
            image.get("loggingConfiguration", {}).get("logGroupName", f"/aws/imagebuilder/{image['name']}"),
            image["version"],
        )
        logs = hooks.cloudwatch_logs
        logs._create_log_group({"logGroupName": group})  # a reply that says "exists already" is as good
        logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
        moment = int(time.time() * 1000)
        logs._put_log_events(
            {
                "logGroupName": group,
                "logStreamName": stream,
                "logEvents": [{"timestamp": moment, "message": str(line)} for line in lines],
            }
        )
        self._context.checkpoint.mark("cloudwatch_logs")

    def cancel_without_fleet(self) -> None:
        """Finish cancellations that no fleet will."""
        for arn, image in list(self.images.items()):
            if image["_cancel"] and image["state"]["status"] not in FINAL:
                self.report(arn, "CANCELLED", {})
