"""Baking against a scripted Image Builder: what is planned, how a build is watched, and what a failure
says.
"""

import io
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from image_builder import pipeline
from image_builder.baking import Baking, Options, Preview, load_imaged
from image_builder.progress import BuildEvent, log_of
from image_builder.report import BakeReport

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT, REGION = "123456789012", "eu-west-1"
PIPELINE = f"arn:aws:imagebuilder:{REGION}:{ACCOUNT}:image-pipeline/dti"
BUILD = f"arn:aws:imagebuilder:{REGION}:{ACCOUNT}:image/dti/1.2.3/1"
TARGET = pipeline.Target("dti-webdev", "dti", ACCOUNT, REGION, PIPELINE, "a" * 64)


class NotThere(Exception):
    """What botocore raises for a log group or stream that does not exist."""


@dataclass
class Service:
    """Image Builder and CloudWatch Logs in one, answering from a script: one moment for each GetImage."""

    images: list[dict[str, Any]] = field(default_factory=list)
    moments: list[dict[str, Any]] = field(default_factory=list)
    started: list[dict[str, Any]] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    now: float = 0.0
    moment: int = -1

    class exceptions:  # noqa: N801  the name of botocore's attribute
        ResourceNotFoundException = NotThere

    def list_image_pipeline_images(self, *, imagePipelineArn: str, nextToken: str = "") -> dict[str, Any]:  # noqa: N803
        assert imagePipelineArn == PIPELINE
        page = int(nextToken or 0)
        answer: dict[str, Any] = {"imageSummaryList": self.images[page : page + 1]}
        if page + 1 < len(self.images):
            answer["nextToken"] = str(page + 1)
        return answer

    def start_image_pipeline_execution(self, **request: Any) -> dict[str, Any]:
        self.started.append(request)
        return {"imageBuildVersionArn": BUILD}

    def cancel_image_creation(self, *, imageBuildVersionArn: str) -> None:  # noqa: N803
        self.cancelled.append(imageBuildVersionArn)

    def get_image(self, *, imageBuildVersionArn: str) -> dict[str, Any]:  # noqa: N803
        self.moment = min(self.moment + 1, len(self.moments) - 1)
        return {"image": {"arn": imageBuildVersionArn, **self.moments[self.moment]["image"]}}

    def list_workflow_executions(self, **_: Any) -> dict[str, Any]:
        return {
            "workflowExecutions": [
                {"workflowExecutionId": "w1", "type": "BUILD"},
                {"workflowExecutionId": "w0", "type": "BUILD", "retried": True},
            ]
        }

    def list_workflow_step_executions(self, *, workflowExecutionId: str) -> dict[str, Any]:  # noqa: N803
        assert workflowExecutionId == "w1", "a retried execution is not asked about"
        return {"steps": self.moments[self.moment].get("steps", [])}

    def get_log_events(self, *, nextToken: str = "f/0", **request: Any) -> dict[str, Any]:  # noqa: N803
        assert (request["logGroupName"], request["logStreamName"]) == ("/aws/imagebuilder/dti", "1.2.3/1")
        lines = self.moments[self.moment].get("log")
        if lines is None:
            raise NotThere
        begin = int(nextToken.removeprefix("f/"))
        return {
            "events": [{"message": line} for line in lines[begin:]],
            "nextForwardToken": f"f/{max(begin, len(lines))}",
        }

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def image(
    status: str, ami: str | None = None, recipe: str = "a" * 64, state: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    amis = [{"region": "us-east-1", "image": "ami-other", "accountId": ACCOUNT}]
    if ami:
        amis.append({"region": REGION, "image": ami, "accountId": ACCOUNT})
    return {
        "arn": BUILD,
        "state": {"status": status, **(state or {})},
        "outputResources": {"amis": amis},
        "tags": {pipeline.RECIPE_TAG: recipe},
    }


def follow(service: Service, on_event: Callable[[BuildEvent], None] = lambda event: None) -> pipeline.Baked:
    return pipeline.follow(TARGET, BUILD, service, service, on_event, clock=service)


@pytest.mark.parametrize(
    ("images", "recorded", "force", "action"),
    [
        ([], None, False, "build"),
        ([image("AVAILABLE", "ami-1")], "ami-1", False, "nothing"),
        ([image("AVAILABLE", "ami-1")], "ami-1", True, "build"),
        ([image("AVAILABLE", "ami-1", "b" * 64)], "ami-1", False, "build"),
        ([image("AVAILABLE", "ami-1")], None, False, "record"),
        ([image("AVAILABLE", "ami-2"), image("AVAILABLE", "ami-1")], "ami-1", False, "nothing"),
        ([image("AVAILABLE", "ami-1"), image("AVAILABLE", "ami-2")], "ami-1", False, "nothing"),
        ([image("FAILED"), image("CANCELLED"), image("DELETED", "ami-1")], "ami-1", False, "build"),
        ([image("BUILDING")], None, False, "resume"),
        ([image("BUILDING", recipe="b" * 64)], None, False, "build"),
        ([image("BUILDING")], None, True, "resume"),
    ],
)
def test_what_is_to_be_done(
    images: list[dict[str, Any]], recorded: str | None, force: bool, action: str
) -> None:
    assert pipeline.plan(TARGET, recorded, Service(images=images), force=force).action == action


def test_a_plan_names_the_image_or_the_build_that_it_found() -> None:
    assert pipeline.plan(TARGET, None, Service(images=[image("AVAILABLE", "ami-9")])).image_id == "ami-9"
    assert pipeline.plan(TARGET, None, Service(images=[image("TESTING")])).build_arn == BUILD


def test_an_image_that_the_blueprint_does_not_name_any_more_is_named_again(tmp_path: Path) -> None:
    """After `git checkout`, or in another clone: the image is there, and is written down without a build."""
    shutil.copytree(
        ROOT / "blueprints", tmp_path / "blueprints", ignore=shutil.ignore_patterns("__pycache__")
    )
    service = Service(images=[image("AVAILABLE", "ami-00000000000000009")])
    baking = Baking(tmp_path, TARGET, lambda name: service, BakeReport(io.StringIO()), Options(keep=False))
    preview = Preview(pipeline.plan(TARGET, None, service), None)
    assert preview.plan.action == "record"
    assert baking.run(preview)["image_id"] == "ami-00000000000000009"
    assert baking.imaged.image.baked(ACCOUNT, REGION) is None
    assert load_imaged(tmp_path, TARGET).image.baked(ACCOUNT, REGION) == "ami-00000000000000009"
    assert service.started == []


def test_a_build_carries_its_recipe_as_a_tag() -> None:
    service = Service()
    assert pipeline.start(TARGET, service) == BUILD
    assert service.started[0]["tags"][pipeline.RECIPE_TAG] == TARGET.recipe_sha256


def step(status: str, message: str = "") -> dict[str, Any]:
    return {"stepExecutionId": "s1", "name": "ApplyBuildComponents", "status": status, "message": message}


def test_a_build_tells_each_thing_once_and_ends_with_the_image_of_its_region() -> None:
    service = Service(
        moments=[
            {"image": image("PENDING")},
            {"image": image("BUILDING"), "steps": [step("RUNNING")], "log": ["one", "two"]},
            {"image": image("BUILDING"), "steps": [step("RUNNING")], "log": ["one", "two", "three\nfour"]},
            {
                "image": image("AVAILABLE", "ami-1"),
                "steps": [step("COMPLETED")],
                "log": ["one", "two", "three\nfour"],
            },
        ]
    )
    events: list[BuildEvent] = []
    assert follow(service, events.append).image_id == "ami-1"
    assert [event.status for event in events if event.kind == "state"] == ["PENDING", "BUILDING", "AVAILABLE"]
    assert [event.status for event in events if event.kind == "step"] == ["RUNNING", "COMPLETED"]
    assert [event.text for event in events if event.kind == "log"] == ["one", "two", "three", "four"]


def test_a_quiet_build_is_asked_less_and_less_often_but_never_rarely() -> None:
    service = Service(moments=[{"image": image("BUILDING")}] * 20 + [{"image": image("AVAILABLE", "ami-1")}])
    follow(service)
    assert service.slept[0] == pipeline.SHORTEST_WAIT
    assert max(service.slept) == pipeline.LONGEST_WAIT
    assert service.slept == sorted(service.slept)


FAILURE: Mapping[str, Any] = {
    "reason": "Workflow failed",
    "failureContext": {
        "failedStep": "ApplyBuildComponents",
        "componentFailure": {
            "componentArn": f"arn:aws:imagebuilder:{REGION}:{ACCOUNT}:component/dti-build/1.2.3/1",
            "phaseName": "build",
            "stepName": "10-packages",
            "action": "ExecuteBash",
            "errorMessage": "no such package\n::error file=10-packages.sh,line=7::pip install nonesuch",
        },
    },
}


def test_a_failed_build_says_where_why_and_what_to_do() -> None:
    service = Service(
        moments=[{"image": image("FAILED", state=FAILURE), "log": [f"line {n}" for n in range(30)]}]
    )
    with pytest.raises(pipeline.BakeError) as caught:
        follow(service)
    text = str(caught.value)
    assert "component dti-build/1.2.3/1, phase build, step 10-packages (ExecuteBash)" in text
    assert "blueprints/dti/provision/10-packages.sh:7: pip install nonesuch" in text
    assert "no such package" in text
    assert "line 29" in text
    assert "line 14\n" not in text, "only the end of the log"
    assert "invoke deploy dti-webdev" in text
    assert "blueprint is unchanged" in text


def test_the_failing_line_is_found_in_the_log_when_the_service_cut_its_message() -> None:
    cut = {
        "failureContext": {
            "componentFailure": {"componentArn": "x:component/c/1.0.0/1", "errorMessage": "Document failed!"}
        }
    }
    service = Service(
        moments=[{"image": image("FAILED", state=cut), "log": ["::error file=20-x.sh,line=3::false", "bye"]}]
    )
    with pytest.raises(pipeline.BakeError, match=r"provision/20-x\.sh:3: false"):
        follow(service)


@pytest.mark.parametrize(
    ("context", "at"),
    [
        (
            {"failedStep": "LaunchBuildInstance", "componentFailure": {"errorMessage": "no room"}},
            "step LaunchBuildInstance",
        ),
        ({"failedStep": "LaunchBuildInstance"}, "step LaunchBuildInstance"),
        ({"stepExecutionId": "step-1"}, "step step-1"),
        ({"componentFailure": {"errorMessage": "no room"}}, ""),
        ({}, ""),
    ],
)
def test_a_machine_that_failed_is_not_put_down_to_the_scripts(context: dict[str, Any], at: str) -> None:
    service = Service(
        moments=[{"image": image("FAILED", state={"reason": "no room", "failureContext": context})}]
    )
    with pytest.raises(pipeline.BakeError) as caught:
        follow(service)
    text = str(caught.value)
    assert "None" not in text
    assert "component" not in text
    assert "provision" not in text
    assert [line.strip() for line in text.splitlines() if line.startswith("  at: ")] == (
        [f"at: {at}"] if at else []
    )
    assert "why: no room" in text
    assert "do: see to what is said above" in text


def test_of_a_component_only_what_is_known_is_told() -> None:
    known = {"componentArn": "x:component/c/1.0.0/1", "stepName": "one", "errorMessage": "broken"}
    service = Service(
        moments=[{"image": image("FAILED", state={"failureContext": {"componentFailure": known}})}]
    )
    with pytest.raises(pipeline.BakeError, match=r"at: component c/1\.0\.0/1, step one\n"):
        follow(service)


def test_a_failure_without_a_context_still_gives_the_reason() -> None:
    service = Service(moments=[{"image": image("FAILED", state={"reason": "no capacity"})}])
    with pytest.raises(pipeline.BakeError, match="no capacity"):
        follow(service)


def test_a_cancelled_build_is_not_a_failure_of_the_script() -> None:
    service = Service(moments=[{"image": image("CANCELLED")}])
    with pytest.raises(pipeline.BakeError, match="was cancelled"):
        follow(service)


def test_an_image_in_other_places_only_is_no_image() -> None:
    service = Service(moments=[{"image": image("AVAILABLE")}])
    with pytest.raises(pipeline.BakeError, match=f"made no image for {ACCOUNT}/{REGION}"):
        follow(service)


def test_cancelling_names_the_build() -> None:
    service = Service()
    pipeline.cancel(BUILD, service)
    assert service.cancelled == [BUILD]


def test_outputs_without_a_pipeline_are_refused() -> None:
    with pytest.raises(pipeline.BakeError, match="no image pipeline"):
        pipeline.Target.from_outputs("utils", {"kind": "utils"})


@pytest.mark.parametrize(
    "created", ["2026-05-01T10:00:00.250Z", datetime(2026, 5, 1, 10, 0, 0, 250_000, UTC)]
)
def test_the_log_of_a_build_is_where_its_pipeline_says_and_begins_with_it(created: object) -> None:
    wanted = {"logGroupName": "/aws/imagebuilder/dti", "logStreamName": "1.2.3/1", "startFromHead": True}
    assert log_of({"arn": BUILD}) == wanted
    found = log_of(
        {
            "arn": BUILD,
            "loggingConfiguration": {"logGroupName": "/aws/imagebuilder/all"},
            "dateCreated": created,
        }
    )
    assert found == {**wanted, "logGroupName": "/aws/imagebuilder/all", "startTime": 1777629600250}
