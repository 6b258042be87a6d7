"""`invoke smoke`: what a run says, that it ends whatever happens, and that its report names nobody."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from account.developer_key import PRIVATE, PUBLIC
from console.errors import UserError
from console.shareable import shareable
from smoke import clean, diagnosis, place, proof, run, stacks
from smoke.bench import Bench, SmokeError
from smoke.proof import LeftThing
from smoke.questions import QUESTIONS, Answers
from smoke.report import DONE, FAILED, LEFT_OUT, SmokeReport, SmokeStep, text

ROOT = Path(__file__).resolve().parents[2]
SECRETS = (
    "arn:aws:iam::123456789012:role/Admin",
    "123456789012",
    "ann@example.org",
    "10.0.3.17",
    "AKIAIOSFODNN7EXAMPLE",
    "ip-10-0-3-17",
    "https://sqs.us-east-1.amazonaws.com/123456789012/q",
    "2001:db8:0:0:1:2:3:4",
    "2001:db8::17",
)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A run that makes nothing: what it would take away and find is noted."""
    said: list[str] = []
    here = place.RunPlace(tmp_path, place.RunRecord("abc123", 1.0, region="us-east-1"))
    bench: Any = Bench(here, None, None, said.append)  # type: ignore[arg-type]
    bench.said = said
    monkeypatch.setattr(clean, "away", lambda bench: bench.said.append("taken away") or [])
    monkeypatch.setattr(proof, "left", lambda bench: [])
    monkeypatch.setattr(diagnosis, "told", lambda bench: "services that do not answer: sqs (Broken)")
    return bench


def part(name: str, do: Callable[[Any], str], *needs: str) -> run.Part:
    return run.Part(name, do, needs)


def fails(bench: Any) -> str:
    raise SmokeError("got 1; expected: 2")


def test_a_step_that_fails_names_the_service_and_the_rest_goes_on(bench: Any) -> None:
    parts = [
        part("a", lambda _: "well"),
        part("b", fails, "a"),
        part("c", lambda _: "", "b"),
        part("d", lambda _: "d", "a"),
    ]
    ended = run.run(bench, 60, parts)
    assert [(one.name, one.state) for one in ended.steps] == [
        ("a", DONE), ("b", FAILED), ("c", LEFT_OUT), ("d", DONE), ("destroy", DONE), ("proof", DONE),
    ]  # fmt: skip
    assert ended.steps[1].said == "got 1; expected: 2. services that do not answer: sqs (Broken)"
    assert ended.steps[2].said == "needs b"


@pytest.mark.parametrize("how", ["Ctrl-C", "the deadline"])
def test_all_is_taken_away_when_it_is_interrupted(bench: Any, how: str) -> None:
    def long(_: Any) -> str:
        if how == "Ctrl-C":
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)
        return ""

    begun = time.monotonic()
    ended = run.run(bench, 60 if how == "Ctrl-C" else 0.2, [part("long", long), part("never", lambda _: "")])
    assert time.monotonic() - begun < 10
    assert ended.why == ("interrupted" if how == "Ctrl-C" else "the deadline of 0.00333333 minutes")
    assert "taken away" in bench.said
    assert [(one.name, one.state) for one in ended.steps] == [
        ("long", FAILED),
        ("destroy", DONE),
        ("proof", DONE),
    ]


def test_what_is_left_fails_the_run_and_has_its_command(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    thing = LeftThing("volume", "vol-1", "aws ec2 delete-volume --volume-id vol-1")
    monkeypatch.setattr(proof, "left", lambda bench: [thing])
    ended = run.run(bench, 60, [])
    assert (ended.left, ended.steps[-1].state) == ([thing], FAILED)
    assert not report(ended.steps, left=[thing]).ok


def test_one_part_that_cannot_be_taken_away_keeps_no_other() -> None:
    done: list[str] = []

    def refused() -> None:
        raise PermissionError("no right")

    parts = [("a", refused), ("b", lambda: done.append("b"))]
    assert list(clean._tried(parts)) == ["a: PermissionError: no right"]
    assert done == ["b"]


def report(steps: Any, said: str = "", left: Any = ()) -> SmokeReport:
    answers = Answers()
    answers.judge("launch-index", False, said)
    return SmokeReport(
        "abc123", "1.0.0", "aws", "us-east-1", 1.0, 0.0123, "", steps, answers.all(), left
    )  # fmt: skip


def test_the_report_names_nobody_and_has_its_schema() -> None:
    words = " and ".join([*SECRETS, "/people/ann/neurocaas/results"])
    left = [LeftThing("volume", "vol-1 of 123456789012", "x")]
    made = report([SmokeStep("jobs", FAILED, 1.0, words)], words, left).document({"/people/ann": "<home>"})
    schema = json.loads((ROOT / "docs" / "schema" / "smoke.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(made, schema)
    for shown in (json.dumps(made), text(made)):
        assert [secret for secret in (*SECRETS, "/people/ann", "vol-1") if secret in shown] == []
    assert made["left"] == [{"kind": "volume", "count": 1}]
    assert [one["answer"] for one in made["answers"]] == ["no", *["unknown"] * (len(QUESTIONS) - 1)]


def test_a_second_service_in_a_region_is_refused(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.place.record.made_utils = True
    monkeypatch.setattr("smoke.bench.strays", lambda *_: [])
    stacks._refuse_another(bench)
    assert bench.place.record.made_utils
    monkeypatch.setattr("smoke.bench.strays", lambda *_: ["a role of somebody's utils"])
    with pytest.raises(UserError, match="this backend does not know"):
        stacks._refuse_another(bench)
    assert not bench.place.record.made_utils, "what is not its own is not taken away"


@pytest.mark.parametrize("made_utils", [True, False])
def test_a_key_of_somebody_elses_utils_is_not_left_by_the_run(
    bench: Any, monkeypatch: pytest.MonkeyPatch, made_utils: bool
) -> None:
    there = {"/neurocaas/budgets/smoke/smoke-abc123/limit", PRIVATE, PUBLIC}

    class Parameters:
        def get_parameters(self, Names: list[str]) -> Any:  # noqa: N803  (boto3's name)
            return {"Parameters": [{"Name": name} for name in Names if name in there]}

    monkeypatch.setattr(Bench, "make", lambda *_: Parameters())
    bench.place.record.made_utils = made_utils
    own = there if made_utils else there - {PRIVATE, PUBLIC}
    assert set(proof._parameters(bench)) == own


@pytest.mark.parametrize(
    "harmless",
    ["1.2.3", "us-east-1", "t3.small", "12.5 s", "2026-11-30T18:00:00", "18:00:00", "a::b", "::progress"],
)
def test_other_words_stay(harmless: str) -> None:
    assert shareable(f"x {harmless} y") == f"x {harmless} y"


def test_every_question_is_in_the_page() -> None:
    page = (ROOT / "docs" / "aws.md").read_text(encoding="utf-8")
    assert [name for name in QUESTIONS if f"`{name}`" not in page] == []
    with pytest.raises(KeyError):
        Answers().yes("nonesuch", "")


def test_a_run_has_one_analysis_of_its_own_and_leaves_people_alone(tmp_path: Path) -> None:
    import blueprints

    (tmp_path / "groups.yaml").write_text("schema_version: 1\n")
    (tmp_path / "stacks").mkdir()
    (tmp_path / "blueprints" / "dti").mkdir(parents=True)
    (tmp_path / "blueprints" / "dti" / "blueprint.yaml").write_text("name: dti\n")
    one = place.new(tmp_path, 2.5)
    one.make()
    assert blueprints.names(one.project) == (one.analysis,)
    assert not (one.project / "groups.yaml").exists()
    first = blueprints.load(one.analysis, "webdev", one.project)
    assert (first.budget_usd, first.instance.market) == (2.5, "on-demand")
    one.change()
    second = blueprints.load(one.analysis, "webdev", one.project)
    assert second.instance.market == "spot"
    assert one.analysis in (one.blueprint / "provision" / "10-mark.sh").read_text()
    assert place.stored(tmp_path, one.record.run).record == one.record
    one.forget()
    with pytest.raises(UserError, match="none"):
        place.stored(tmp_path, one.record.run)


def test_services_that_do_not_answer_are_named(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.exceptions import ClientError

    class Client:
        def __init__(self, service: str) -> None:
            self.service = service

        def __getattr__(self, operation: str) -> Any:
            def call(**_: Any) -> dict[str, Any]:
                if self.service == "sqs":
                    raise ClientError({"Error": {"Code": "ServiceUnavailable"}}, operation)
                return {}

            return call

    monkeypatch.setattr(Bench, "make", lambda _, service: Client(service))
    assert diagnosis.silent(bench) == ["sqs (ServiceUnavailable)"]
