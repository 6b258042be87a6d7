"""Image Builder of the local cloud: rules of its resources, builds as the fleet reports them, images that can
be launched.
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.cloud import Cloud
from localcloud.images.catalogue import BASE_IMAGES
from localcloud.tests.builder_chain import DOCUMENT, Chain
from localcloud.tests.homes import Client

pytestmark = pytest.mark.local


def code(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture
def chain(client: Client, emulator: Cloud) -> Chain:
    return Chain(client, emulator)


def test_content_makes_build_numbers(chain: Chain) -> None:
    assert chain.component.endswith(f":component/{chain.id}/1.0.0/1")
    assert code(chain.make_component, version="1.0.0") == "ResourceAlreadyExistsException"
    assert chain.make_component("1.0.0", DOCUMENT.replace("hello", "hi")).endswith("/1.0.0/2")
    assert chain.make_component("1.0.0").endswith("/1.0.0/3")  # A, B, A are three builds
    assert chain.make_component("1.0.x").endswith("/1.0.1/1")
    assert chain.make_component("x.x.x").endswith("/2.0.0/1")
    newest = chain.ib.get_component(componentBuildVersionArn=chain.component.replace("1.0.0/1", "1.x.x"))[
        "component"
    ]
    assert newest["arn"].endswith("/1.0.1/1")
    assert newest["parameters"] == [{"name": "Greeting", "type": "string", "defaultValue": ["hello"]}]
    builds = chain.ib.list_component_build_versions(componentVersionArn=chain.component.rpartition("/")[0])[
        "componentSummaryList"
    ]
    assert [build["arn"].rpartition("/")[2] for build in builds] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("phases: []", "schemaVersion"),
        ("schemaVersion: 1.0\nphases: []\n", "phases"),
        (
            "schemaVersion: 1.0\nphases: [{name: other, steps: [{name: a, action: ExecuteBash}]}]\n",
            "at least one of the phases",
        ),
        ("schemaVersion: 1.0\nphases: [{name: build, steps: [{name: a}]}]\n", "action"),
        (
            "schemaVersion: 1.0\nphases: [{name: build, steps: [{name: a, action: X}, {name: a, action: "
            "X}]}]\n",
            "two steps",
        ),
        ("a: [", "not YAML"),
    ],
)
def test_wrong_documents(chain: Chain, document: str, says: str) -> None:
    with pytest.raises(ClientError, match=says) as caught:
        chain.make_component("3.0.0", document)
    assert caught.value.response["Error"]["Code"] == "InvalidRequestException"


def test_nothing_is_deleted_while_it_is_used(chain: Chain) -> None:
    deletes = [
        (chain.ib.delete_image_pipeline, "imagePipelineArn", chain.pipeline),
        (chain.ib.delete_distribution_configuration, "distributionConfigurationArn", chain.distribution),
        (
            chain.ib.delete_infrastructure_configuration,
            "infrastructureConfigurationArn",
            chain.infrastructure,
        ),
        (chain.ib.delete_image_recipe, "imageRecipeArn", chain.recipe),
        (chain.ib.delete_component, "componentBuildVersionArn", chain.component),
    ]
    for delete, argument, arn in deletes[1:]:
        assert code(delete, **{argument: arn}) == "ResourceDependencyException"
    for delete, argument, arn in deletes:
        assert delete(**{argument: arn})[argument] == arn
        assert code(delete, **{argument: arn}) == "ResourceNotFoundException"


def test_recipes_are_immutable_and_checked(chain: Chain) -> None:
    assert code(chain.make_recipe, parent=BASE_IMAGES[0].image_id) == "ResourceAlreadyExistsException"
    assert chain.make_recipe(BASE_IMAGES[0].image_id, "1.0.x").endswith("/1.0.1")
    unknown = [{"componentArn": chain.component, "parameters": [{"name": "Nope", "value": ["x"]}]}]
    rest = {"name": chain.id, "semanticVersion": "2.0.0", "parentImage": BASE_IMAGES[0].image_id}
    assert code(chain.ib.create_image_recipe, components=unknown, **rest) == "InvalidParameterValueException"
    gone = [{"componentArn": chain.component.replace("1.0.0", "9.9.9")}]
    assert code(chain.ib.create_image_recipe, components=gone, **rest) == "ResourceNotFoundException"
    twice = [{"componentArn": chain.component}, {"componentArn": chain.component}]
    assert code(chain.ib.create_image_recipe, components=twice, **rest) == "InvalidParameterValueException"


def test_an_update_resets_what_it_leaves_out(chain: Chain) -> None:
    chain.ib.update_infrastructure_configuration(
        infrastructureConfigurationArn=chain.infrastructure, instanceProfileName=chain.id, description="new"
    )
    shown = chain.ib.get_infrastructure_configuration(infrastructureConfigurationArn=chain.infrastructure)[
        "infrastructureConfiguration"
    ]
    assert (shown["name"], shown["description"], shown["terminateInstanceOnFailure"]) == (
        chain.id,
        "new",
        True,
    )
    assert "instanceTypes" not in shown
    missing = {
        "infrastructureConfigurationArn": chain.infrastructure,
        "instanceProfileName": "no-such-profile",
    }
    assert code(chain.ib.update_infrastructure_configuration, **missing) == "InvalidParameterValueException"


def test_dry_run_and_client_token(chain: Chain) -> None:
    arguments = {"name": f"dry-{chain.id}", "semanticVersion": "1.0.0", "platform": "Linux", "data": DOCUMENT}
    assert code(chain.ib.create_component, dryRun=True, **arguments) == "DryRunOperationException"
    first, again = (
        chain.ib.create_component(clientToken=chain.id, **arguments)["componentBuildVersionArn"]
        for _ in range(2)
    )
    assert first == again
    other = {**arguments, "semanticVersion": "2.0.0"}
    assert (
        code(chain.ib.create_component, clientToken=chain.id, **other)
        == "IdempotentParameterMismatchException"
    )


def test_tags_of_resources(chain: Chain) -> None:
    chain.ib.tag_resource(resourceArn=chain.pipeline, tags={"a": "1", "b": "2"})
    chain.ib.untag_resource(resourceArn=chain.pipeline, tagKeys=["a"])
    assert chain.ib.list_tags_for_resource(resourceArn=chain.pipeline)["tags"] == {"b": "2"}
    assert chain.ib.get_image_pipeline(imagePipelineArn=chain.pipeline)["imagePipeline"]["tags"] == {"b": "2"}


def test_what_the_fleet_is_given(chain: Chain) -> None:
    work = chain.work(chain.start())
    assert work is not None
    assert (work["state"], work["parent_image"], work["instance_type"], work["role_arn"]) == (
        "PENDING",
        BASE_IMAGES[0].image_id,
        "m5.xlarge",
        chain.role,
    )
    [component] = work["components"]
    assert (component["arn"], component["data"], component["parameters"]) == (
        chain.component,
        DOCUMENT,
        {"Greeting": "good day"},
    )
    assert work["name"].startswith(f"{chain.id} ")
    assert work["name"].endswith(" 1")


def test_a_pipeline_chooses_the_log_group_of_its_images(chain: Chain, client: Client) -> None:
    group = f"/aws/imagebuilder/all-{chain.id}"
    chain.ib.update_image_pipeline(
        imagePipelineArn=chain.pipeline,
        imageRecipeArn=chain.recipe,
        infrastructureConfigurationArn=chain.infrastructure,
        loggingConfiguration={"imageLogGroupName": group},
    )
    arn = chain.start()
    chain.report(arn, "BUILDING", log=["good day"])
    assert chain.image(arn)["loggingConfiguration"] == {"logGroupName": group}
    logged = client("logs").get_log_events(logGroupName=group, logStreamName="1.0.0/1")["events"]
    assert [event["message"] for event in logged] == ["good day"]
    groups = client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/imagebuilder/{chain.id}")[
        "logGroups"
    ]
    assert groups == []


def test_a_build_becomes_an_image_that_can_be_launched(chain: Chain, client: Client) -> None:
    ec2 = client("ec2")
    arn = chain.start()
    work = chain.work(arn)
    assert work is not None
    chain.report(
        arn, "BUILDING", step={"name": "greet", "status": "RUNNING", "phase": "build"}, log=["good day"]
    )
    assert chain.image(arn)["state"] == {"status": "BUILDING"}
    [execution] = chain.ib.list_workflow_executions(imageBuildVersionArn=arn)["workflowExecutions"]
    assert (execution["type"], execution["status"]) == ("BUILD", "RUNNING")
    steps = chain.ib.list_workflow_step_executions(workflowExecutionId=execution["workflowExecutionId"])[
        "steps"
    ]
    assert [(s["name"], s["status"]) for s in steps[:2]] == [
        ("LaunchBuildInstance", "COMPLETED"),
        ("ApplyBuildComponents", "RUNNING"),
    ]
    assert "greet" in steps[1]["message"]
    with pytest.raises(ClientError):
        ec2.describe_images(ImageIds=[work["image_id"]])  # nothing before it is done

    assert chain.report(arn, "AVAILABLE", size_gib=11) == {"status": "AVAILABLE"}
    image = chain.image(arn)
    [ami] = image["outputResources"]["amis"]
    assert (ami["image"], ami["region"], ami["accountId"]) == (
        work["image_id"],
        chain.cloud.region,
        chain.cloud.account,
    )
    assert (image["tags"], image["version"], image["sourcePipelineArn"]) == (
        {"t": "1"},
        "1.0.0/1",
        chain.pipeline,
    )
    [registered] = ec2.describe_images(ImageIds=[work["image_id"]])["Images"]
    tags = {tag["Key"]: tag["Value"] for tag in registered["Tags"]}
    assert (tags["CreatedBy"], tags["recipe"], tags["Ec2ImageBuilderArn"]) == (
        "EC2 Image Builder",
        chain.id,
        arn,
    )
    assert registered["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 11
    assert client("ssm").get_parameter(Name=chain.parameter)["Parameter"]["Value"] == work["image_id"]
    reference = f"resolve:ssm:{chain.parameter}"
    made = ec2.run_instances(ImageId=reference, InstanceType="t3.micro", MinCount=1, MaxCount=1)["Instances"]
    assert made[0]["ImageId"] == work["image_id"]
    logged = client("logs").get_log_events(
        logGroupName=f"/aws/imagebuilder/{chain.id}", logStreamName="1.0.0/1"
    )["events"]
    assert "good day" in [event["message"] for event in logged]
    finished = chain.ib.list_workflow_executions(imageBuildVersionArn=arn)["workflowExecutions"]
    assert {e["status"] for e in finished} == {"COMPLETED"}
    assert chain.work(arn) is None
    assert chain.report(arn, "FAILED") == {"status": "AVAILABLE"}  # final is final

    # an image on top of it
    chain.recipe = chain.make_recipe(arn.rpartition("/")[0].replace("1.0.0", "x.x.x"), "2.0.0")
    child = chain.ib.create_image(
        imageRecipeArn=chain.recipe, infrastructureConfigurationArn=chain.infrastructure
    )["imageBuildVersionArn"]
    stacked = chain.work(child)
    assert stacked is not None
    assert stacked["parent_image"] == work["image_id"]


def test_a_failed_build_says_where_and_registers_nothing(chain: Chain, client: Client) -> None:
    arn = chain.start()
    work = chain.work(arn)
    assert work is not None
    chain.report(arn, "BUILDING")
    failure = {
        "component_arn": chain.component, "phase": "build", "step": "greet", "action": "ExecuteBash",
        "message": "exit status 3",
        "line": 7, "script": "10-packages.sh", "text": "false",
    }  # fmt: skip
    chain.report(arn, "FAILED", failure=failure)
    state = chain.image(arn)["state"]
    assert state["status"] == "FAILED"
    assert state["failureContext"]["failedStep"] == "ApplyBuildComponents"
    assert state["failureContext"]["componentFailure"] == {
        "componentArn": chain.component, "phaseName": "build", "stepName": "greet", "action": "ExecuteBash",
        "errorMessage": "10-packages.sh:7: false\nexit status 3",
    }  # fmt: skip
    assert work["image_id"] not in {
        image["ImageId"] for image in client("ec2").describe_images(Owners=["self"])["Images"]
    }
    pipeline = chain.ib.get_image_pipeline(imagePipelineArn=chain.pipeline)["imagePipeline"]
    assert pipeline["lastRunStatus"] == "FAILED"
    [summary] = chain.ib.list_image_pipeline_images(imagePipelineArn=chain.pipeline)["imageSummaryList"]
    assert summary["state"]["status"] == "FAILED"


def test_a_build_that_no_component_failed_names_none(chain: Chain) -> None:
    arn = chain.start()
    assert chain.work(arn) is not None
    chain.report(arn, "BUILDING")
    chain.report(
        arn,
        "FAILED",
        failure={
            "message": "this host cannot give the bake a root of its own",
            "component_arn": None,
            "phase": None,
        },
    )
    state = chain.image(arn)["state"]
    assert state["reason"] == "this host cannot give the bake a root of its own"
    assert state["failureContext"]["failedStep"]
    assert "componentFailure" not in state["failureContext"]


def test_a_parent_that_is_not_there_fails_the_build_at_once(chain: Chain) -> None:
    recipe = chain.make_recipe("ssm:/not/there", "4.0.0")
    arn = chain.ib.create_image(imageRecipeArn=recipe, infrastructureConfigurationArn=chain.infrastructure)[
        "imageBuildVersionArn"
    ]
    state = chain.image(arn)["state"]
    assert (state["status"], "/not/there" in state["reason"]) == ("FAILED", True)


def test_cancel(chain: Chain) -> None:
    arn = chain.start()
    chain.ib.cancel_image_creation(imageBuildVersionArn=arn)
    work = chain.work(arn)
    assert work is None or work["cancel"]
    chain.report(arn, "CANCELLED")
    assert chain.image(arn)["state"]["status"] == "CANCELLED"
    assert code(chain.ib.cancel_image_creation, imageBuildVersionArn=arn) == "InvalidRequestException"


def test_lifecycle_policy(chain: Chain) -> None:
    arguments = {
        "executionRole": chain.role,
        "resourceType": "AMI_IMAGE",
        "policyDetails": [
            {
                "action": {"type": "DELETE", "includeResources": {"amis": True, "snapshots": True}},
                "filter": {"type": "COUNT", "value": 3},
            }
        ],
    }
    selection = {"recipes": [{"name": chain.id, "semanticVersion": "x.x.x"}]}
    arn = chain.ib.create_lifecycle_policy(name=chain.id, resourceSelection=selection, **arguments)[
        "lifecyclePolicyArn"
    ]
    shown = chain.ib.get_lifecycle_policy(lifecyclePolicyArn=arn)["lifecyclePolicy"]
    assert (shown["status"], shown["resourceSelection"]) == ("ENABLED", selection)
    chain.ib.update_lifecycle_policy(
        lifecyclePolicyArn=arn, resourceSelection={"tagMap": {"a": "b"}}, status="DISABLED", **arguments
    )
    assert chain.ib.get_lifecycle_policy(lifecyclePolicyArn=arn)["lifecyclePolicy"]["status"] == "DISABLED"
    both = {**selection, "tagMap": {"a": "b"}}
    assert (
        code(chain.ib.create_lifecycle_policy, name=f"b{chain.id}", resourceSelection=both, **arguments)
        == "InvalidParameterValueException"
    )
    chain.ib.delete_lifecycle_policy(lifecyclePolicyArn=arn)
    assert code(chain.ib.get_lifecycle_policy, lifecyclePolicyArn=arn) == "ResourceNotFoundException"


def test_what_is_not_offered_says_so(chain: Chain) -> None:
    with pytest.raises(ClientError, match="does not offer ListWorkflows"):
        chain.ib.list_workflows()


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"snapshot_gib": 75}, "InvalidBlockDeviceMapping: Volume of size 16GB is smaller than snapshot"),
        ({"default_vpc": False}, "VPCIdNotSpecified: No default VPC for this user."),
    ],
)
def test_a_build_whose_machine_cannot_start_fails(
    chain: Chain, emulator: Cloud, properties: dict[str, Any], words: str
) -> None:
    volume = {"deviceName": BASE_IMAGES[0].root_device, "ebs": {"volumeSize": 16}}
    recipe = chain.ib.create_image_recipe(
        name=chain.id,
        semanticVersion="3.0.0",
        parentImage=BASE_IMAGES[0].image_id,
        components=[{"componentArn": chain.component}],
        blockDeviceMappings=[volume],
    )["imageRecipeArn"]
    emulator.admin("POST", "account", properties)
    try:
        built = chain.ib.create_image(
            imageRecipeArn=recipe, infrastructureConfigurationArn=chain.infrastructure
        )["imageBuildVersionArn"]
    finally:
        emulator.admin("POST", "account", {})
    state = chain.ib.get_image(imageBuildVersionArn=built)["image"]["state"]
    assert (state["status"], words in state["reason"]) == ("FAILED", True), state
