"""A service that was hurt comes back by one documented command, with all its data: deploys that were killed,
states that were lost, things deleted or changed by hand. Nothing of anybody else is taken.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.playground import playground
from localcloud.tests.bases import share_base
from tests.local.damages import ANALYSIS_DAMAGES, MANAGER, UTILS_DAMAGES
from tests.local.recovery import ANALYSIS, UTILS, Service
from tests.local.states import ANALYSIS as BOTH_DEPLOYED
from tests.local.states import UTILS as DEPLOYED_UTILS
from tests.local.states import States

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.local, pytest.mark.slow]


@pytest.fixture
def service(states: States) -> Iterator[Service]:
    """Both stacks, with data, for one test."""
    with states.in_place(BOTH_DEPLOYED) as ground:
        made = Service(ground)
        made.put_data()
        yield made


def test_a_lost_state_is_found_again_and_nothing_of_others_is_taken(service: Service) -> None:
    s3, sqs, iam, logs = (service.aws(name) for name in ("s3", "sqs", "iam", "logs"))
    foreign = "neurocaas-utils-artifacts-0000000"
    s3.create_bucket(Bucket=foreign)  # nobody's tags
    s3.create_bucket(Bucket="neurocaas-utils-logs-0000000")
    tags = {
        "TagSet": [
            {"Key": "neurocaas:project", "Value": "neurocaas"},
            {"Key": "neurocaas:stack", "Value": "utils-of-another"},
        ]
    }
    s3.put_bucket_tagging(Bucket="neurocaas-utils-logs-0000000", Tagging=tags)
    # half of the tags
    sqs.create_queue(
        QueueName=f"neurocaas-{ANALYSIS}-submissions-0000000", tags={"neurocaas:stack": ANALYSIS}
    )
    iam.create_group(GroupName=f"neurocaas-{ANALYSIS}-debuggers-analysts-0000000")
    logs.create_log_group(logGroupName=f"/aws/lambda/neurocaas-{ANALYSIS}-manager-of-mine")
    before = {stack: service.resources(stack) for stack in (UTILS, ANALYSIS)}
    for stack in (UTILS, ANALYSIS):
        service.state_file(stack).unlink()
    for stack in (UTILS, ANALYSIS):
        service.deploy(stack)
    for stack, known in before.items():
        after = service.resources(stack)
        assert {
            name: (known.get(name), after.get(name))
            for name in {*known, *after}
            if known.get(name) != after.get(name)
        } == {}
    service.sound(UTILS, ANALYSIS)
    service.has_its_data()
    state = service.state_file(UTILS).read_text()
    assert [line for line in service.private.splitlines()[1:-1] if line in state] == []


def test_what_was_deleted_and_changed_by_hand_comes_back_by_one_deploy(service: Service) -> None:
    for stack, damages in ((UTILS, UTILS_DAMAGES), (ANALYSIS, ANALYSIS_DAMAGES)):
        found = service.resources(stack)
        for damage in damages:
            damage(service, found)
    for stack in (UTILS, ANALYSIS):
        report = json.loads(service.invoke("doctor", stack, "--json", code=1).stdout)
        wrong = [check for check in report["checks"] if check["state"] == "BAD"]
        assert len(wrong) > 5
        assert all(
            check["found"].startswith("got: ") and "; allowed: " in check["found"] and check["fix"]
            for check in wrong
        )
    for stack in (UTILS, ANALYSIS):  # an analysis reads what utils says
        service.deploy(stack)
    service.sound(UTILS, ANALYSIS)
    service.has_its_data()


def test_a_destroy_that_is_refused_has_taken_nothing_away(service: Service) -> None:
    """By `invoke destroy`, which looks first; and by the plain `pulumi destroy`, of which S3 refuses the
    first deletion that counts.
    """
    before = {stack: service.resources(stack) for stack in (UTILS, ANALYSIS)}
    refused = service.invoke("destroy", ANALYSIS, "--yes", "--local", code=1)
    assert "--delete-data" in refused.stderr
    assert {stack: service.resources(stack) for stack in before} == before
    plain = service.ground.pulumi("destroy", "--yes", "--skip-preview", "--stack", ANALYSIS, check=False)
    assert plain.returncode != 0
    assert "BucketNotEmpty" in plain.stdout + plain.stderr
    lambda_, sqs, found = service.aws("lambda"), service.aws("sqs"), before[ANALYSIS]
    assert lambda_.get_function(FunctionName=found[f"Function {MANAGER}"])
    assert lambda_.get_event_source_mapping(UUID=found[f"EventSourceMapping {MANAGER}"])["State"] == "Enabled"
    assert sqs.get_queue_attributes(
        QueueUrl=found[f"Queue neurocaas-{ANALYSIS}-submissions"], AttributeNames=["Policy"]
    )["Attributes"]
    alarms = {one["AlarmName"] for one in service.aws("cloudwatch").describe_alarms()["MetricAlarms"]}
    assert alarms >= {identity for name, identity in found.items() if name.startswith("MetricAlarm")}
    bucket = found[f"Bucket neurocaas-{ANALYSIS}-data"]
    notifications = service.aws("s3").get_bucket_notification_configuration(Bucket=bucket)[
        "QueueConfigurations"
    ]
    assert len(notifications) > 1
    assert service.aws("s3").get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    service.deploy(ANALYSIS)
    service.invoke("doctor", ANALYSIS)
    service.has_its_data()


@pytest.mark.usefixtures("cold")
def test_a_killed_first_deployment_goes_on() -> None:
    with playground(ROOT) as ground:
        share_base(ground.root / ".local")
        ground.invoke("local.up")
        service = Service(ground)
        assert service.killed(UTILS, service.moments.randint(2, 25)), service.seed
        locked = service.deploy(UTILS, code=1)
        assert f"invoke unlock {UTILS}" in locked.stdout + locked.stderr
        service.invoke("unlock", UTILS, "--yes", "--local")
        service.deploy(UTILS)
        service.sound(UTILS)


def test_a_killed_first_deployment_of_an_analysis_goes_on(states: States) -> None:
    with states.in_place(DEPLOYED_UTILS) as ground:
        service = Service(ground)
        assert service.killed(ANALYSIS, service.moments.randint(2, 25)), service.seed
        service.invoke("unlock", ANALYSIS, "--yes", "--local")
        service.deploy(ANALYSIS)
        service.sound(ANALYSIS)


def test_a_killed_update_goes_on_with_all_data(service: Service) -> None:
    script = service.ground.root / "blueprints/analysis/provision/10-tools.sh"
    script.write_text(script.read_text() + "\n# changed\n")  # its component, recipe and more are replaced
    service.ground.pulumi("config", "set", "logRetentionDays", "60", "--stack", ANALYSIS)
    if service.killed(ANALYSIS, service.moments.randint(1, 5)):
        service.invoke("unlock", ANALYSIS, "--yes", "--local")
    service.deploy(ANALYSIS)
    service.sound(ANALYSIS)
    service.has_its_data()
