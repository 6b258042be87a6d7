"""The way back: every stack destroyed, with its data, leaves nothing in the cloud."""

from collections.abc import Callable
from typing import Any

import pytest

from console.stacks import all_stacks
from tests.local.states import ALL, States

pytestmark = [pytest.mark.local, pytest.mark.slow]


def test_destroying_everything_leaves_nothing(states: States) -> None:
    with states.service(ALL) as service:
        service.client("s3").put_object(
            Bucket=service.analysis["bucket"], Key="debuggers/results/job_1/out.txt", Body=b"data"
        )
        for stack in reversed(all_stacks(service.ground.root)):
            service.ground.invoke("destroy", stack, "--yes", "--delete-data", "--local")
        left = what_is_there(service.client)
    assert {what: found for what, found in left.items() if found} == {}


def what_is_there(client: Callable[[str], Any]) -> dict[str, Any]:
    return {
        "buckets": client("s3").list_buckets()["Buckets"],
        "roles": client("iam").list_roles()["Roles"],
        "policies": client("iam").list_policies(Scope="Local")["Policies"],
        "profiles": client("iam").list_instance_profiles()["InstanceProfiles"],
        "users": client("iam").list_users()["Users"],
        "groups": client("iam").list_groups()["Groups"],
        "queues": client("sqs").list_queues().get("QueueUrls", []),
        "topics": client("sns").list_topics()["Topics"],
        "functions": client("lambda").list_functions()["Functions"],
        "event sources": client("lambda").list_event_source_mappings()["EventSourceMappings"],
        "tables": client("dynamodb").list_tables()["TableNames"],
        "launch templates": client("ec2").describe_launch_templates()["LaunchTemplates"],
        "key pairs": client("ec2").describe_key_pairs()["KeyPairs"],
        "security groups": [
            one
            for one in client("ec2").describe_security_groups()["SecurityGroups"]
            if one["GroupName"] != "default"
        ],
        "rules": client("events").list_rules()["Rules"],
        "log groups": client("logs").describe_log_groups()["logGroups"],
        "alarms": client("cloudwatch").describe_alarms()["MetricAlarms"],
        "parameters": [
            one["Name"]
            for one in client("ssm").describe_parameters()["Parameters"]
            if not one["Name"].startswith("/aws/")
        ],
        "pipelines": client("imagebuilder").list_image_pipelines()["imagePipelineList"],
        "recipes": client("imagebuilder").list_image_recipes(owner="Self")["imageRecipeSummaryList"],
        "components": client("imagebuilder").list_components(owner="Self")["componentVersionList"],
        "infrastructures": client("imagebuilder").list_infrastructure_configurations()[
            "infrastructureConfigurationSummaryList"
        ],
        "distributions": client("imagebuilder").list_distribution_configurations()[
            "distributionConfigurationSummaryList"
        ],
        "lifecycles": client("imagebuilder").list_lifecycle_policies()["lifecyclePolicySummaryList"],
        "kms keys": [key for key in _keys(client("kms")) if key["KeyState"] != "PendingDeletion"],
    }


def _keys(kms: Any) -> list[dict[str, Any]]:
    keys = [kms.describe_key(KeyId=one["KeyId"])["KeyMetadata"] for one in kms.list_keys()["Keys"]]
    return [key for key in keys if key.get("KeyManager", "CUSTOMER") == "CUSTOMER"]
